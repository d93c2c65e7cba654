package e2e_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

const conformance = "../../shared/conformance/openepcis-test-resources"

// submit gives a document, or a single event, to a node and tells what was
// refused of it; nil is what was recorded whole.
func submit(t *testing.T, c *client.Client, text []byte) *api.Problem {
	t.Helper()
	var kind struct{ Type string }
	_ = json.Unmarshal(text, &kind) // what is no JSON is the gateway's to refuse
	var err error
	var location string
	if strings.HasSuffix(kind.Type, "Event") {
		var w *client.Written
		if w, err = c.Event(t.Context(), text, client.Write{}); err == nil && w.Receipt != nil {
			return nil
		} else if err == nil {
			location = w.Job
		}
	} else {
		var job *api.Job
		if job, err = c.Capture(t.Context(), text, client.Write{}); err == nil {
			location = job.Location
		}
	}
	if p := client.Problem(err); p != nil {
		return p
	}
	if err != nil {
		t.Fatal(err)
	}
	job, err := c.Wait(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	if job.Success {
		return nil
	}
	if len(job.Errors) == 0 {
		t.Fatalf("a job failed without a reason: %+v", job)
	}
	return &job.Errors[0]
}

// Documents of another implementation's test suite: those that it calls valid
// are recorded, those that it calls invalid are refused, with the reason and a
// hint, and nothing of them is recorded.
func TestConformanceDocuments(t *testing.T) {
	if _, err := os.Stat(conformance); err != nil {
		t.Skip("the conformance documents are not here; TestRefusals has documents of its own")
	}
	x := shared.get(t)
	accepted, refused := 0, 0
	err := filepath.WalkDir(conformance, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" || !strings.Contains(path, "/Capture/") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		invalid := strings.Contains(path, "/Invalid/")
		switch p := submit(t, x.client(t, accepted%4), text); {
		case p == nil && invalid:
			t.Errorf("%s is recorded", path)
		case p == nil:
			accepted++
		// The suite reuses eventIDs for different content, which one ledger refuses.
		case !invalid && p.Code != schemas.EventIDConflict:
			t.Errorf("%s is refused: %v", path, p)
		case p.Hint == "" || p.Detail == "":
			t.Errorf("%s is refused without a reason or a hint: %+v", path, p)
		default:
			refused++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d documents were accepted and %d refused: the suite is not what this test expects", accepted, refused)
	}
	t.Logf("%d documents accepted, %d refused", accepted, refused)
}

// Bad input of every kind is refused over REST with its code, and nothing of it
// is recorded.
func TestRefusals(t *testing.T) {
	x := shared.get(t)
	c := x.client(t, 0)
	_, good := newEvent(0, "refused"+random(t), 1)
	replace := func(old, by string) []byte {
		t.Helper()
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the event has no %q", old)
		}
		return bytes.Replace(good, []byte(old), []byte(by), 1)
	}
	var before api.Network
	if n, err := c.Network(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		before = *n
	}
	for name, test := range map[string]struct {
		body []byte
		code schemas.Code
	}{
		"no JSON":             {good[:len(good)-1], schemas.BadJSON},
		"name twice":          {replace(`"action":"ADD"`, `"action":"ADD","action":"ADD"`), schemas.DuplicateKey},
		"unknown bizStep":     {replace("commissioning", "levitating"), schemas.UnknownVocabulary},
		"unknown field":       {replace(`"action"`, `"colour":"red","action"`), schemas.UnknownField},
		"no action":           {replace(`"action":"ADD",`, ``), schemas.MissingField},
		"no such action":      {replace(`"ADD"`, `"PUT"`), schemas.BadValue},
		"bad time":            {replace(`Z","eventTimeZoneOffset"`, `","eventTimeZoneOffset"`), schemas.BadTime},
		"bad identifier":      {replace("9521234.012345", "95.012345"), schemas.BadIdentifier},
		"wrong check digit":   {replace("urn:epc:id:sgtin:9521234.012345.", "https://id.gs1.org/01/09521234123454/21/"), schemas.BadCheckDigit},
		"nested deeply":       {replace(`"action"`, `"urn:x:y":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`,"action"`), schemas.TooDeep},
		"larger than allowed": {replace(`"action"`, `"urn:x:y":"`+strings.Repeat("x", 2<<20)+`","action"`), schemas.TooLarge},
	} {
		p := submit(t, c, test.body)
		if p == nil {
			t.Errorf("%s: recorded", name)
			continue
		}
		if p.Code != test.code {
			t.Errorf("%s: refused with %v, expected %s", name, p, test.code)
		}
	}
	after, err := c.Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.AppHash != before.AppHash {
		t.Errorf("refused events changed the state: %s, then %s", before.AppHash, after.AppHash)
	}
}
