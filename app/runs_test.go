package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestSlicesOfTime reads ranges of the index page by page, in every order and
// within windows of time, where many events share their times and slices and few
// of a slice are sorted at once, and compares with sorting all events.
func TestSlicesOfTime(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	rng := rand.New(rand.NewPCG(7, 11))
	steps := []string{"storing", "inspecting"}
	type known struct {
		id, step, loc string
		time          int64
	}
	var all []known
	for range 12 {
		var txs [][]byte
		for range 1 + rng.IntN(3) {
			var events []*schemas.Event
			for range 1 + rng.IntN(9) {
				k := known{id: fmt.Sprintf("e%d", len(all)), step: steps[rng.IntN(2)], loc: []string{"hall", "yard"}[rng.IntN(2)]}
				// Around a slice's border, often the same, sometimes far away.
				switch rng.IntN(8) {
				case 0:
					k.time = -int64(rng.Uint64N(1 << 60))
				case 1:
					k.time = int64(rng.Uint64N(1 << 40))
				default:
					k.time = int64(rng.IntN(4)-2) * 5e9
				}
				e := c.event(fmt.Sprintf("obj obs epc=u%d step=%s loc=%s id=%s t=%dns", len(all)%5, k.step, k.loc, k.id, k.time-c.time.UnixNano()))
				k.id = e.Skeleton.EventID
				all, events = append(all, k), append(events, e)
			}
			txs = append(txs, c.sign(c.draft("farm", rng.IntN(4) == 0, events...)))
		}
		c.block(txs...)
	}
	moment := func(n int64) *time.Time { t := time.Unix(0, n); return &t }
	for _, q := range []schemas.EventQuery{
		{},
		{BizSteps: steps[:1]},
		{BizSteps: steps},
		{BizSteps: steps[:1], BizLocations: []string{c.event("obj obs epc=u1 loc=yard").BizLocation}},
		{GEEventTime: moment(-5e9), LTEventTime: moment(5e9)},
		{BizSteps: steps, GEEventTime: moment(-4e9)},
		{BizSteps: steps[1:], LTEventTime: moment(5e9)},
	} {
		for _, order := range []schemas.Order{schemas.ByEventTime, schemas.ByRecordTime} {
			for _, ascending := range []bool{true, false} {
				q.OrderBy, q.Ascending, q.Limit, q.After = order, ascending, 7, nil
				var want []string
				sorted := slices.Clone(all) // in the ledger's order
				if order == schemas.ByEventTime {
					slices.SortStableFunc(sorted, func(a, b known) int {
						if a.time < b.time {
							return -1
						} else if a.time > b.time {
							return 1
						}
						return 0
					})
				}
				for _, k := range sorted {
					if (len(q.BizSteps) == 0 || slices.ContainsFunc(q.BizSteps, func(s string) bool { return s == k.step })) && (len(q.BizLocations) == 0 || k.loc == "yard") &&
						(q.GEEventTime == nil || k.time >= q.GEEventTime.UnixNano()) && (q.LTEventTime == nil || k.time < q.LTEventTime.UnixNano()) {
						want = append(want, k.id)
					}
				}
				if !ascending {
					slices.Reverse(want)
				}
				var got []string
				for more := true; more; {
					var page []schemas.Record
					var err error
					if page, more, err = c.view().TestingOnlyEvents(context.Background(), q, 3); err != nil {
						t.Fatal(err)
					}
					for _, r := range page {
						got = append(got, r.EventID)
						q.After, q.AfterTime = &r.Locator, r.Skeleton.EventTime
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%+v: %s", q, diff)
				}
			}
		}
	}
}

// TestPagesOfActivity reads a partner's trail from everywhere in it: one row of it
// stands for a whole transaction.
func TestPagesOfActivity(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	key := schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: "farm"}
	for i, n := range []int{1, 5, 1, 3} {
		var events []*schemas.Event
		for j := range n {
			events = append(events, c.event(fmt.Sprintf("obj obs epc=u%d id=%d-%d", j, i, j)))
		}
		c.submit("farm", false, events...)
	}
	c.checkTrails(key)
	all, err := c.view().Trail(key, 0, 100)
	if err != nil || len(all) != 10 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for from := range 11 {
		page, err := c.view().Trail(key, uint64(from), 4)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []schemas.Locator
		for _, r := range page {
			got = append(got, r.Locator)
		}
		for _, r := range all[from:min(from+4, 10)] {
			want = append(want, r.Locator)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("from %d: %s", from, diff)
		}
	}
}
