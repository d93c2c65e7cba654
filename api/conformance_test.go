package api_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConformanceDocuments captures published documents, each on a ledger of its
// own: the valid ones are recorded, the invalid ones refused with code and place.
func TestConformanceDocuments(t *testing.T) {
	root := "../../shared/conformance/openepcis-test-resources"
	if _, err := os.Stat(root); err != nil {
		t.Skip("the published documents are not here")
	}
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || (filepath.Ext(path) != ".json" || !strings.Contains(path, "/JSON/")) && (filepath.Ext(path) != ".xml" || !strings.Contains(path, "/XML/")) || strings.Contains(path, "wrong_element_order") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		t.Run(filepath.Base(path), func(t *testing.T) {
			h := newHarness(t, defaults())
			mediaType := "application/json"
			if filepath.Ext(path) == ".xml" {
				mediaType = "application/xml"
			}
			r := h.do("POST", "/epcis/v2/capture", string(body), "Content-Type", mediaType)
			if strings.Contains(path, "/Invalid/") {
				p := r.problem(t, 400, into[map[string]any](t, r)["code"].(string))
				if p["hint"] == "" || p["detail"] == "" || h.ledger.count() != 0 {
					t.Errorf("%v", p)
				}
				return
			}
			if j := h.job(r.want(t, 202).header.Get("Location")); !j.Success {
				t.Errorf("%s: %+v", path, j.Errors)
			}
		})
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d documents, %v", seen, err)
	}
}
