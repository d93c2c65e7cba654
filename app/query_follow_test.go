package app_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestFollowing: a query in the ledger's order that goes on behind any place finds
// the events behind it, whether so few are new that they are read from the ledger or
// so many that they are found by the index; and behind the last height nothing.
func TestFollowing(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	var want []string
	for block := range 8 {
		var events []*schemas.Event
		for i := range 60 {
			n := 60*block + i
			step := "shipping"
			if n%5 == 0 {
				step = "packing"
			} else {
				want = append(want, fmt.Sprintf("urn:example:event:%d", n))
			}
			e, err := schemas.DecodeEvent(fmt.Appendf(nil, `{"type":"ObjectEvent","action":"OBSERVE","bizStep":%q,"eventTime":"2026-01-01T00:%02d:00Z","eventTimeZoneOffset":"+00:00","eventID":"urn:example:event:%d","epcList":["urn:example:thing:1"]}`,
				step, 59-n%60, n))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		c.block(c.sign(c.draft("farm", false, events...)))
	}
	for name, value := range map[string]string{"EQ_bizStep": "shipping", "MATCH_epc": "urn:example:thing:1"} {
		q, err := schemas.ReadQuery([]schemas.Parameter{{Name: name, Values: []schemas.ParameterValue{{Text: value}}}}, &schemas.Namespaces{})
		if err != nil {
			t.Fatal(err)
		}
		q.OrderBy, q.Ascending, q.Limit = schemas.ByRecordTime, true, 7
		q.BizSteps = []string{"shipping"}
		var got []string
		for more := true; more; {
			p, err := c.view().Page(context.Background(), *q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.Records {
				got = append(got, p.Records[i].EventID)
			}
			more, q.After = p.More, &p.After
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d events, want %d: %v", name, len(got), len(want), got)
		}
		q.After = &schemas.Locator{Height: c.view().Height(), Position: math.MaxUint32, Index: math.MaxUint32}
		if p, err := c.view().Page(context.Background(), *q); err != nil || p.More || len(p.Records) > 0 {
			t.Errorf("%s: behind the last height: %v %v", name, p, err)
		}
	}
}
