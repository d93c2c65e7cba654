package e2e_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
)

const interop = "../../shared/conformance/fosstrak-interop/epcis-interop-test/src/test/resources"

// The requests of the interoperability suite of EPCIS 1.0 that need more than a
// ledger of events: master data of places, names of queries, rights. The others
// are asked of the application by TestInteroperability there.
func TestInteroperabilityOverREST(t *testing.T) {
	documents, _ := filepath.Glob(filepath.Join(interop, "events", "*.xml"))
	if len(documents) == 0 {
		t.Skip("the suite is not here")
	}
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	element := func(text, name string) string {
		t.Helper()
		from, to := strings.Index(text, "<"+name+">"), strings.LastIndex(text, "</"+name+">")
		if from < 0 || to < from {
			t.Fatalf("no element %s", name)
		}
		return text[from : to+len("</"+name+">")]
	}
	x := shared.get(t)
	c := x.client(t, 0)
	// The suite has master data in a document of its own, the header of a document has it since 1.2.
	header := "<EPCISHeader><extension><EPCISMasterData>" + element(read(filepath.Join(interop, "masterdata", "EPCIS10-MD-Capture.xml")), "VocabularyList") + "</EPCISMasterData></extension></EPCISHeader>"
	for i, path := range documents {
		text := read(path)
		if i == 0 {
			text = strings.Replace(text, "<EPCISBody>", header+"<EPCISBody>", 1)
		}
		if p := submit(t, c, []byte(text)); p != nil {
			t.Fatalf("%s: %v", path, p)
		}
	}
	for name, query := range map[string]url.Values{
		"SE19": {"WD_bizLocation": {"urn:epcglobal:fmcg:loc:0614141073468"}},
		"SE35": {"EQ_ATTR_bizLocation_urn:epcglobal:fmcg:mda:sslt": {"209"}},
	} {
		answers, _ := filepath.Glob(filepath.Join(interop, "queries", "webservice", "responses", "*-"+name+"-*"))
		if len(answers) != 1 {
			t.Fatalf("%s: %d answers", name, len(answers))
		}
		query.Set("perPage", "1000")
		found, err := c.Events(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got, want []time.Time
		for _, event := range found.List {
			var e struct{ EventTime time.Time }
			if err := json.Unmarshal(event, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.EventTime.UTC())
		}
		for _, part := range strings.Split(read(answers[0]), "<eventTime>")[1:] {
			at, err := time.Parse(time.RFC3339, part[:strings.Index(part, "<")])
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, at.UTC())
		}
		slices.SortFunc(got, time.Time.Compare)
		slices.SortFunc(want, time.Time.Compare)
		if len(want) == 0 {
			t.Fatalf("%s expects nothing: the suite is not what this test expects", name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}

	// SE7 subscribes to a query of which nobody has heard, SE5 without rights.
	if _, err := c.Subscribe(t.Context(), "QueryX", api.SubscriptionRequest{Dest: "https://receiver.example", Stream: true}, ""); !strings.HasSuffix(client.Problem(err).Type, "NoSuchNameException") {
		t.Errorf("SE7: %v", err)
	}
	stranger, err := client.New(x.members[0].REST, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Subscribe(t.Context(), "SimpleEventQuery", api.SubscriptionRequest{Dest: "https://receiver.example", Stream: true}, ""); !strings.HasSuffix(client.Problem(err).Type, "SecurityException") {
		t.Errorf("SE5: %v", err)
	}
}
