package schemas_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// conformanceRoot has documents of other implementations, where it exists.
const conformanceRoot = "../../shared/conformance"

// A rule says what becomes of the documents whose path it matches: all of their
// events are accepted, or the document as a whole or one of its events is refused
// with one of the codes. The first rule that matches counts. Rules follow the
// standard and what a folder says of itself, so that they hold for documents
// that nobody has seen.
type rule struct {
	path  string // regular expression over the path
	codes string // that the refusal may have; "" for accepted
	most  bool   // the document may be accepted as well: the folder's documents differ
}

var rules = []rule{
	// The names of invalid documents tell what is wrong with them.
	{path: `/Invalid/.*non_standard_(bizStep|disposition)`, codes: "unknown_vocabulary"},
	{path: `/Invalid/.*(unknown_field|without_namespace)`, codes: "unknown_field"},
	{path: `/Invalid/.*(invalid_eventTime|invalid_recordTime|time_format)`, codes: "bad_time"},
	{path: `/Invalid/.*invalid_action`, codes: "bad_value"},
	{path: `/Queries/`, codes: "bad_document"},
	{path: `/Invalid/.*_without_`, codes: "missing_field bad_document"},
	{path: `/Invalid/`, codes: "missing_field unknown_field bad_value bad_time bad_identifier bad_check_digit unknown_vocabulary bad_quantity bad_context bad_document bad_json"},
	{path: `^openepcis-test-resources/`},

	// Documents to compute hashes of: valid throughout.
	{path: `^RalphTro-hash/tests/(examples|expected_equal)/`},

	// Queries are no documents. One capture document lacks action and offset,
	// one has objects where certificationInfo has URIs.
	{path: `^openepcis-validation/.*(?i:query)`, codes: "bad_document"},
	{path: `^openepcis-validation/.*Certification`, codes: "bad_value"},
	{path: `^openepcis-validation/`, codes: "missing_field", most: true},

	// Some documents use dispositions ("toto") that are neither words of the
	// vocabulary nor URIs.
	{path: `^FasTnT-v2/.*/Events/`},
	{path: `^FasTnT-v2/.*/Requests/`, codes: "unknown_vocabulary bad_value", most: true},

	// Prefixes that only a remote context defines; lots where EPCs must be;
	// comments and other members without a namespace; numbers as strings; a
	// transformation with an action.
	{path: `^openepcis-dpp-ready/`, codes: "bad_context bad_identifier unknown_field bad_value unknown_vocabulary", most: true},
	{path: `^openepcis-converter/`, codes: "bad_context", most: true},
}

func TestConformance(t *testing.T) {
	if _, err := os.Stat(conformanceRoot); err != nil {
		t.Skip("no conformance documents here; the vectors in testdata are checked by the other tests")
	}
	accepted, refused := 0, 0
	err := filepath.WalkDir(conformanceRoot, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(path), conformanceRoot+"/")
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".jsonld") {
			return err
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return regexp.MustCompile(r.path).MatchString(name) })
		if i < 0 {
			return nil // no EPCIS document
		}
		faults := decodeAll(t, path)
		if len(faults) == 0 {
			accepted++
		} else {
			refused++
		}
		if bad := rules[i].broken(faults); bad != "" {
			t.Errorf("%s: %s", name, bad)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d documents accepted, %d refused", accepted, refused)
}

// broken tells in which way the faults of a document break the rule.
func (r *rule) broken(faults []*schemas.Fault) string {
	if len(faults) == 0 && r.codes != "" && !r.most {
		return "accepted"
	}
	for _, f := range faults {
		if !slices.Contains(strings.Fields(r.codes), f.Code.String()) {
			return f.Error()
		}
	}
	return ""
}

// decodeAll decodes a document and returns what is refused of it.
func decodeAll(t *testing.T, path string) (faults []*schemas.Fault) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	events, err := schemas.DecodeDocument(text, 10000)
	if f, ok := err.(*schemas.Fault); ok {
		return []*schemas.Fault{f}
	}
	for _, e := range events {
		if e.Fault != nil {
			faults = append(faults, e.Fault)
			continue
		}
		checkEvent(t, e.Event, e.Event.Body)
	}
	return faults
}

// The documents under expected_equal say the same in other words: so do their
// skeletons, but for the identity of the event.
func TestConformanceEqual(t *testing.T) {
	names, _ := filepath.Glob(conformanceRoot + "/RalphTro-hash/tests/expected_equal/*.json")
	if len(names) == 0 {
		t.Skip("no conformance documents here")
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		events, err := schemas.DecodeDocument(text, 100)
		if err != nil {
			t.Fatal(err)
		}
		var first string
		for i, e := range events {
			s := e.Event.Skeleton
			s.EventID, s.Declaration = "", nil
			slices.Sort(s.EPCs)
			slices.Sort(s.OutputEPCs)
			got := string(s.Append(nil))
			if i == 0 {
				first = got
			}
			if got != first {
				t.Errorf("%s: event %d: %q, the first is %q", name, i, got, first)
			}
		}
	}
}
