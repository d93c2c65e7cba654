package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
)

// mostList is what a page of a list may have at most: 8 MiB and its last entry, as JSON.
const mostList = 10 << 20

// pagesOf follows a list of as many entries a page as there may be, and returns the bytes
// of the largest page and what is on all of them.
func pagesOf(h *harness, path string) (largest int, all []json.RawMessage) {
	for at := path + "?perPage=1000"; at != ""; {
		r := h.do("GET", at, "").want(h.t, 200)
		largest, all, at = max(largest, len(r.body)), append(all, into[[]json.RawMessage](h.t, r)...), next(r)
	}
	return largest, all
}

// TestLargeQueries: many stored queries that are large come on several pages, and to store
// another reads none of them.
func TestLargeQueries(t *testing.T) {
	h := newHarness(t, defaults())
	values := make([]string, 500)
	for i := range values {
		values[i] = fmt.Sprintf(`"urn:x:%d:%s"`, i, strings.Repeat("a", 480))
	}
	const stored = 50
	for i := range stored {
		h.do("POST", "/epcis/v2/queries", fmt.Sprintf(`{"name":"q%02d","query":{"EQ_eventID":[%s]}}`, i, strings.Join(values, ","))).want(t, 201)
	}
	if largest, all := pagesOf(h, "/epcis/v2/queries"); largest > mostList || len(all) != stored {
		t.Errorf("%d queries, %d bytes on a page", len(all), largest)
	}
	if n := h.store.QueryCount(); n != stored {
		t.Errorf("%d are counted", n)
	}
	h.do("DELETE", "/epcis/v2/queries/q00", "").want(t, 204)
	h.stop()
	h.start()
	if n := h.store.QueryCount(); n != stored-1 {
		t.Errorf("%d are counted after a start", n)
	}
}

// TestManyQueries: no more are stored than may be, and one that is deleted makes room.
func TestManyQueries(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 1000 {
		h.do("POST", "/epcis/v2/queries", fmt.Sprintf(`{"name":"q%d","query":{}}`, i)).want(t, 201)
	}
	for _, path := range []string{"/epcis/v2/queries", "/epcis/v2/queries?dryRun=true"} {
		h.do("POST", path, `{"name":"more","query":{}}`).problem(t, 413, "too_large")
	}
	h.do("DELETE", "/epcis/v2/queries/q7", "").want(t, 204)
	h.do("POST", "/epcis/v2/queries", `{"name":"more","query":{}}`).want(t, 201)
}

// TestLargeJobs: jobs with much master data come on several pages, within the room for reads.
func TestLargeJobs(t *testing.T) {
	limits := defaults()
	limits.ReadBytes = 64 << 20
	h := newHarness(t, limits)
	const jobs = 12
	for i := range jobs {
		elements := make([]string, 30)
		for j := range elements {
			elements[j] = fmt.Sprintf(`{"id":"urn:x:%d:%d","attributes":[{"id":"urn:x:a","attribute":"%s"}]}`, i, j, strings.Repeat("a", 60<<10))
		}
		if i == jobs/2 { // one that is larger than a page
			for range 5 {
				elements = append(elements, elements...)
			}
			elements = elements[:250]
		}
		header := `"epcisHeader":{"epcisMasterData":{"vocabularyList":[{"type":"urn:epcglobal:epcis:vtype:ReadPoint","vocabularyElementList":[` + strings.Join(elements, ",") + `]}]}},"epcisBody":`
		h.do("POST", "/epcis/v2/capture", strings.Replace(document(), `"epcisBody":`, header, 1)).want(t, 202)
	}
	largest, all := pagesOf(h, "/epcis/v2/capture")
	if largest > 16<<20 || len(all) != jobs {
		t.Errorf("%d jobs, %d bytes on a page", len(all), largest)
	}
	for _, text := range all {
		var job api.Job
		if err := json.Unmarshal(text, &job); err != nil {
			t.Fatal(err)
		}
		if got := h.job("/epcis/v2/capture/" + job.CaptureID); len(got.MasterData) < 1<<20 || len(got.Errors) > 0 {
			t.Errorf("job %s: %d bytes of master data, %v", job.CaptureID, len(got.MasterData), got.Errors)
		}
	}
	if _, bytes := h.g.TestingOnlyReads(); bytes != 0 {
		t.Errorf("%d bytes are held by nobody", bytes)
	}
}
