package epcisxml_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// conformanceRoot has documents of other implementations, where it exists.
const conformanceRoot = "../../../shared/conformance"

// A rule says what becomes of the documents whose path it matches: accepted, or
// refused with one of the codes. The first that matches counts. Rules follow the
// standard and what a folder says of itself.
type rule struct {
	path  string
	codes string // that a refusal may have; "" for accepted
	most  bool   // the document may be accepted as well
}

var rules = []rule{
	{path: `/Invalid/.*invalid_eventTime`, codes: "bad_time"},
	{path: `/Invalid/.*action$`, codes: "bad_value missing_field"},
	{path: `/Invalid/.*_without_`, codes: "missing_field bad_document"},
	{path: `/Invalid/.*unknown_element`, codes: "unknown_field"},
	// Events are read in any order of their elements: the valid documents of the
	// same collection have one whose elements are in none.
	{path: `/Invalid/.*_order`},
	{path: `/Invalid/`, codes: "bad_value bad_document bad_time missing_field unknown_field unknown_vocabulary bad_identifier bad_xml"},
	// Requests and answers that hold no events, and stores of test data.
	{path: `/(?i:requests|queries|dbunit|callbackrequests|responses)/`, codes: "bad_document bad_value bad_xml missing_field unknown_field bad_identifier unknown_vocabulary", most: true},
	{path: `(?i:query|soapui)`, codes: "bad_document bad_xml bad_value", most: true},
	// Single events that begin with a document type by name.
	{path: `^oliot/`},
	{path: `^openepcis-validation/`, codes: "missing_field bad_value", most: true},
	{path: ``},
}

func TestConformance(t *testing.T) {
	accepted, refused := 0, 0
	eachFile(t, ".xml", func(path string, text []byte) {
		stem := strings.TrimSuffix(path, ".xml")
		i := slices.IndexFunc(rules, func(r rule) bool { return regexp.MustCompile(r.path).MatchString(stem) })
		faults := faultsOf(text)
		if len(faults) == 0 {
			accepted++
		} else {
			refused++
		}
		if len(faults) == 0 && rules[i].codes != "" && !rules[i].most {
			t.Errorf("%s: accepted", path)
		}
		for _, f := range faults {
			if !slices.Contains(strings.Fields(rules[i].codes), f.Code.String()) {
				t.Errorf("%s: %v", path, f)
			}
			if f.Line == 0 {
				t.Errorf("%s: %v: no line", path, f)
			}
		}
	})
	t.Logf("%d documents accepted, %d refused", accepted, refused)
}

func eachFile(t *testing.T, ext string, do func(path string, text []byte)) {
	t.Helper()
	if _, err := os.Stat(conformanceRoot); err != nil {
		t.Skip("no conformance documents here")
	}
	err := filepath.WalkDir(conformanceRoot, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ext) {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			do(strings.TrimPrefix(filepath.ToSlash(path), conformanceRoot+"/"), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func faultsOf(text []byte) (faults []*schemas.Fault) {
	doc, err := epcisxml.Decode(text, 10000)
	if f, ok := err.(*schemas.Fault); ok {
		return []*schemas.Fault{f}
	}
	for _, e := range doc.Events {
		if e.Fault != nil {
			faults = append(faults, e.Fault)
		}
	}
	return faults
}

// A document that has a twin in JSON says the same, event by event: with times as
// instants, extensions by expanded name, terms in one form. Few twins were written
// by hand, and differ: by a comment, by an hour.
func TestTwins(t *testing.T) {
	twins, events, differ := 0, 0, 0
	eachFile(t, ".xml", func(path string, text []byte) {
		if strings.Contains(path, "/Invalid/") || strings.Contains(path, "/1.2/") {
			return
		}
		at := strings.TrimSuffix(strings.ReplaceAll(path, "/XML/", "/JSON/"), ".xml")
		other, err := os.ReadFile(filepath.Join(conformanceRoot, at+".json"))
		if err != nil {
			if other, err = os.ReadFile(filepath.Join(conformanceRoot, at+".jsonld")); err != nil {
				return
			}
		}
		doc, err := epcisxml.Decode(text, 1000)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		want, err := schemas.DecodeDocument(other, 1000)
		if err != nil {
			return // the twin is none that is read
		}
		twins++
		if len(want) != len(doc.Events) {
			t.Errorf("%s: %d events, the twin has %d", path, len(doc.Events), len(want))
			return
		}
		for i, w := range want {
			events++
			if w.Fault != nil {
				continue // the twin is refused: it says nothing
			}
			if f := doc.Events[i].Fault; f != nil {
				t.Errorf("%s: %v", path, f)
				continue
			}
			got, wanted := normal(t, doc.Events[i].Event.Body), normal(t, w.Event.Body)
			if !reflect.DeepEqual(got, wanted) {
				differ++
				g, _ := json.Marshal(got)
				h, _ := json.Marshal(wanted)
				t.Logf("%s: event %d\n%s\n%s", path, i, g, h)
			}
		}
	})
	t.Logf("%d twins, %d events, %d differ", twins, events, differ)
	if differ*10 > events {
		t.Error("too many differ")
	}
}

// normal is an event with all names and terms expanded and times as instants.
func normal(t fataler, body []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v", err)
	}
	prefixes := map[string]string{}
	if list, ok := v["@context"].([]any); ok {
		for _, e := range list {
			if m, ok := e.(map[string]any); ok {
				for k, iri := range m {
					if s, ok := iri.(string); ok {
						prefixes[k] = s
					}
				}
			}
		}
	}
	delete(v, "@context")
	delete(v, "recordTime")
	return normalValue(v, prefixes)
}

var termLists = []schemas.Vocabulary{schemas.Measurements, schemas.SensorAlerts, schemas.Components, schemas.BizSteps, schemas.Dispositions,
	schemas.TransactionTypes, schemas.PartyTypes, schemas.ErrorReasons}

func normalValue(v any, prefixes map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, m := range v {
			if list, ok := m.([]any); ok && len(list) == 0 && !strings.Contains(k, ":") {
				continue // an empty list counts as absent
			}
			if list, ok := m.([]any); ok && len(list) == 1 && k == "certificationInfo" {
				m = list[0]
			}
			out[expand(k, prefixes)] = normalValue(m, prefixes)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = normalValue(v[i], prefixes)
		}
		return out
	case json.Number:
		d, err := schemas.ParseDecimal(v.String())
		if err != nil {
			return v.String()
		}
		return d.String()
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
		for _, list := range termLists {
			if w, ok := list.Word(v); ok {
				return w
			}
		}
		return expand(v, prefixes)
	}
	return v
}

func expand(s string, prefixes map[string]string) string {
	prefix, rest, ok := strings.Cut(s, ":")
	if !ok {
		return s
	}
	if iri := prefixes[prefix]; iri != "" {
		return iri + rest
	}
	if iri := schemas.StandardPrefix(prefix); iri != "" {
		return iri + rest
	}
	return s
}
