package api_test

import (
	"fmt"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// A trace tells of nothing that only events tell of that are not shown, be it a thing
// behind two links, one of which is shown.
func TestTraceForGuest(t *testing.T) {
	at := func(n int64) schemas.Locator { return schemas.Locator{Height: n} }
	record := func(n int64, partner string) schemas.Record { return schemas.Record{Partner: partner, Locator: at(n)} }
	trace := &schemas.Trace{ID: "a",
		Items:  []schemas.TraceItem{{ID: "a"}, {ID: "own"}, {ID: "foreign"}, {ID: "behind"}},
		Events: []schemas.Record{record(1, "guest"), record(2, "other"), record(3, "guest")},
		Edges:  []schemas.TraceEdge{{From: "own", To: "a", At: at(1)}, {From: "foreign", To: "own", At: at(2)}, {From: "behind", To: "foreign", At: at(3)}, {From: "a", To: "nowhere", At: at(9)}},
		Gaps:   []schemas.TraceGap{{ID: "foreign", At: at(2)}, {ID: "own", At: at(1)}},
	}
	withheld := api.TestingOnlyOnly(trace, func(r *schemas.Record) bool { return r.Partner == "guest" })
	got := fmt.Sprint(withheld, len(trace.Events), trace.Items, len(trace.Edges), len(trace.Gaps))
	if want := fmt.Sprint(1, 2, []schemas.TraceItem{{ID: "a"}, {ID: "own"}}, 1, 1); got != want {
		t.Errorf("%s is left, not %s", got, want)
	}
}
