package app_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// many are n short names.
func many(prefix string, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return strings.Join(out, ",")
}

// within fails a test whose step takes longer than it may on a machine that is
// busy with other things: what is meant to be linear, and is not, takes far longer.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s takes %s", what, took)
	}
}

// TestLargeEvents: an event that names thousands of things takes time in
// proportion, however they lie inside each other.
func TestLargeEvents(t *testing.T) {
	const n = 5000
	c := newChain(t, store.Options{})
	all := many("x", n)
	events := map[string]*schemas.Event{
		"making":    c.event("obj add step=commissioning epc=P-1," + all),
		"packing":   c.event("agg add parent=P-1 epc=" + all),
		"shipping":  c.event("obj obs step=shipping to=mill epc=P-1," + all),
		"emptying":  c.event("agg del parent=P-1"),
		"using":     c.event("xform epc=" + all + " out=" + many("y", n)),
		"weighing":  c.event("obj add qty=" + many("lot", n)),
		"repacking": c.event("agg add parent=P-2 epc=" + many("y", n)),
	}
	for _, name := range []string{"making", "packing", "shipping", "emptying", "using", "weighing", "repacking"} {
		within(t, 20*time.Second, name, func() {
			if r := c.submit("farm", false, events[name]); r[0].Code != schemas.OK || r[0].Effect != schemas.Applied {
				t.Errorf("%s is answered %s", name, answer(r[0]))
			}
		})
	}
	v := c.view()
	for _, q := range []schemas.TraceQuery{
		{ID: full("x1"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000},
		{ID: full("P-2"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000},
		{ID: full("lot7"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000},
	} {
		within(t, 20*time.Second, "tracing "+q.ID, func() {
			tr, err := v.Trace(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(tr.Edges) > 40_000 || len(tr.Events) == 0 {
				t.Errorf("the trace of %s has %d edges and %d events", q.ID, len(tr.Edges), len(tr.Events))
			}
		})
	}
}

// naming is an event that observes n things, whose names are short in its body and
// stand for names of a size.
func naming(t *testing.T, first, n, size int) *schemas.Event {
	t.Helper()
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"a:%d"`, first+i))
	}
	context := ""
	if size > 0 {
		context = `"@context":[{"a":"urn:` + strings.Repeat("x", size-12) + `:"}],`
	}
	e, err := schemas.DecodeEvent([]byte(`{` + context + `"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-03-01T08:00:00Z","eventTimeZoneOffset":"+00:00","epcList":[` + strings.Join(list, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// unchecked is a transaction as somebody makes it who leaves out what Sign checks.
// Its root is that of other messages.
func (c *chain) unchecked(events ...*schemas.Event) []byte {
	return c.altered(c.sign(c.draft("farm", false, c.event("obj obs epc=a"))), func(e *schemas.Envelope, h *schemas.Header) {
		var joined []byte
		e.Payloads = nil
		for _, event := range events {
			joined = append(binary.AppendUvarint(joined, uint64(len(event.Body))), event.Body...)
			e.Payloads = append(e.Payloads, &schemas.Payload{Kind: uint32(schemas.KindEvent)})
		}
		e.Bodies.Size, e.Bodies.Frame = uint32(len(joined)), c.codec.Compress(joined)
		h.Count = uint32(len(events))
	})
}

// TestShortNames: what a block names is bounded, however short the names are, and
// however long the names that they stand for.
func TestShortNames(t *testing.T) {
	c := newChain(t, store.Options{})
	ctx := context.Background()
	var events []*schemas.Event
	for i := range 11 {
		events = append(events, naming(t, i*10_000, 10_000, 0))
	}
	long := []*schemas.Event{naming(t, 0, 18_000, 1000), naming(t, 18_000, 18_000, 1000)}
	whole, rest := c.sign(c.draft("farm", false, events[:10]...)), c.sign(c.draft("farm", false, events[10]))
	for raw, want := range map[string]schemas.Code{
		string(whole): schemas.OK, string(rest): schemas.OK,
		string(c.unchecked(events...)): schemas.TransactionTooLarge, string(c.unchecked(long...)): schemas.TransactionTooLarge,
	} {
		if res, err := c.app.CheckTx(ctx, &abci.RequestCheckTx{Tx: []byte(raw)}); err != nil || schemas.Code(res.Code) != want {
			t.Errorf("answered %s, not %s: %s %v", schemas.Code(res.Code), want, res.Log, err)
		}
	}
	for _, list := range [][]*schemas.Event{events, long} {
		if _, _, err := c.codec.Sign(c.draft("farm", false, list...), c.members["farm"].key); !isFault(err, schemas.TransactionTooLarge) {
			t.Errorf("signing too much is answered %v", err)
		}
		c.block()
		if _, err := c.app.DryRun("test", "farm", false, list); !isFault(err, schemas.TransactionTooLarge) {
			t.Errorf("a dry run of too much is answered %v", err)
		}
	}
	res, err := c.app.ProcessProposal(ctx, &abci.RequestProcessProposal{Height: c.height + 1, Txs: [][]byte{whole, rest}})
	if err != nil || res.Status != abci.ResponseProcessProposal_REJECT {
		t.Errorf("a block that names too much is answered %v, %v", res.Status, err)
	}
	// What fits is read back: a duplicate of it is answered, and halts nobody.
	for range 2 {
		if r := c.submit("farm", false, long[0]); r[0].Code != schemas.OK {
			t.Errorf("answered %s", answer(r[0]))
		}
	}
	for i := range 3 {
		c.submit("farm", false, naming(t, 0, 18_000-i-1, 1000))
	}
	name := long[0].Skeleton.EPCs[0]
	tr, err := c.view().Trace(ctx, schemas.TraceQuery{ID: name, Direction: schemas.Both, MaxDepth: 3, MaxEvents: 100})
	if err != nil || !tr.Truncated {
		t.Errorf("a trace of too much is answered %d events, truncated %t, %v", len(tr.Events), tr.Truncated, err)
	}
}

// TestPagesAreBounded: a page holds so many bytes of events, however many events it
// may hold, and what follows is on the next.
func TestPagesAreBounded(t *testing.T) {
	c := newChain(t, store.Options{})
	const n = 24
	var want []schemas.Locator
	for i := range n / 6 {
		var events []*schemas.Event
		for j := range 6 {
			// Claims, so that all are exceptions.
			events = append(events, c.event(fmt.Sprintf("obj obs epc=a step=receiving id=%d-%d note=%s", i, j, strings.Repeat("x", 1_000_000))))
			want = append(want, schemas.Locator{Height: int64(i + 1), Index: uint32(j)})
		}
		c.submit("farm", false, events...)
	}
	var found, flagged []schemas.Locator
	q := schemas.EventQuery{OrderBy: schemas.ByRecordTime, Ascending: true, Limit: 1000}
	for more := true; more; {
		var page []schemas.Record
		var err error
		if page, more, err = c.view().Events(context.Background(), q); err != nil || len(page) == 0 || len(page) > 16 {
			t.Fatalf("a page of %d events, %v", len(page), err)
		}
		for _, r := range page {
			found = append(found, r.Locator)
		}
		q.After, q.AfterTime = &found[len(found)-1], page[len(page)-1].Skeleton.EventTime
	}
	var before *schemas.Locator
	for more := true; more; more = before != nil {
		var page []schemas.Record
		var err error
		if page, before, err = c.view().Exceptions("farm", before, false, 1000); err != nil || len(page) == 0 || len(page) > 16 {
			t.Fatalf("a page of %d exceptions, %v", len(page), err)
		}
		for _, r := range page {
			flagged = append(flagged, r.Locator)
		}
	}
	key := schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: full("a")}
	trail := 0
	for trail < n {
		page, err := c.view().Trail(key, uint64(trail), 1000)
		if err != nil || len(page) == 0 || len(page) > 16 {
			t.Fatalf("a page of %d records, %v", len(page), err)
		}
		trail += len(page)
	}
	if entries, err := c.view().TrailEntries(key); err != nil || len(entries) != n || trail != n {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	slices.Reverse(flagged)
	if !slices.Equal(found, want) || !slices.Equal(flagged, want) {
		t.Errorf("%d events and %d exceptions are found, %d are there", len(found), len(flagged), len(want))
	}
}

// TestBusyItem: a query for an item that far too many events name is answered as
// for any other.
func TestBusyItem(t *testing.T) {
	c := newChain(t, store.Options{})
	e := c.event("obj obs epc=busy step=storing")
	events := slices.Repeat([]*schemas.Event{e}, schemas.MaxMessages)
	for range 4 {
		d := c.draft("farm", false)
		d.Events = events
		c.block(c.sign(d))
	}
	for _, order := range []schemas.Order{schemas.ByEventTime, schemas.ByRecordTime} {
		q := schemas.EventQuery{Things: []schemas.Things{{In: schemas.RoleEPC, IDs: []string{full("busy")}}}, OrderBy: order, Limit: 3}
		page, more, err := c.view().Events(context.Background(), q)
		if err != nil || !more || len(page) != 3 || page[0].Height != c.height || page[0].Index != schemas.MaxMessages-1 {
			t.Errorf("answered %d records, %t, %v", len(page), more, err)
		}
	}
}

// TestTracesEnd: cycles of transformations and containers, whoever told them, end.
func TestTracesEnd(t *testing.T) {
	c := newChain(t, store.Options{})
	var events []*schemas.Event
	for i := range 40 {
		from, to := i%7, (i*3+1)%7
		events = append(events,
			c.event(fmt.Sprintf("xform epc=c%d,c%d out=c%d,c%d xid=t%d t=-%dm", from, to, to, (to+1)%7, i%5, i)),
			c.event(fmt.Sprintf("agg add parent=c%d epc=c%d,c%d t=-%dm", to, from, (from+2)%7, i)),
			c.event(fmt.Sprintf("assoc add parent=c%d epc=c%d t=-%dm", from, to, 40-i)))
	}
	for _, who := range []string{"farm", "mill", "shop"} {
		c.submit(who, false, events...)
	}
	for i := range 7 {
		tr, err := c.view().Trace(context.Background(), schemas.TraceQuery{ID: full(fmt.Sprintf("c%d", i)), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000})
		if err != nil || len(tr.Items) != 7 {
			t.Fatalf("%d items, %v", len(tr.Items), err)
		}
	}
	// A limit ends a trace early, and says so; so does a caller who goes away.
	tr, err := c.view().Trace(context.Background(), schemas.TraceQuery{ID: full("c0"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 10})
	if err != nil || !tr.Truncated || len(tr.Events) > 10 {
		t.Errorf("%d events, truncated %t, %v", len(tr.Events), tr.Truncated, err)
	}
	// A bound of bytes leaves bodies out, and no event.
	whole, err := c.view().Trace(context.Background(), schemas.TraceQuery{ID: full("c0"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000})
	if err != nil {
		t.Fatal(err)
	}
	least := len(whole.Events[0].Body) + 1
	tr, err = c.view().Trace(context.Background(), schemas.TraceQuery{ID: full("c0"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000, MaxBytes: least})
	if err != nil || !tr.Truncated || whole.Truncated || len(tr.Events) != len(whole.Events) || tr.Events[1].Body == nil || tr.Events[2].Body != nil {
		t.Errorf("%d of %d events, truncated %t, %v", len(tr.Events), len(whole.Events), tr.Truncated, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.view().Trace(gone, schemas.TraceQuery{ID: full("c0"), Direction: schemas.Both, MaxDepth: 64, MaxEvents: 1000}); err == nil {
		t.Error("a trace for nobody is answered")
	}
}

// TestFarTimes: a query may name times that no event can have.
func TestFarTimes(t *testing.T) {
	c := newChain(t, store.Options{})
	c.submit("farm", false, c.event("obj add epc=a"), c.event("obj add epc=b t=-10000h"))
	past, future := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for i, q := range []schemas.EventQuery{
		{GEEventTime: &past, LTEventTime: &future}, {GERecordTime: &past, LTRecordTime: &future}, {GEEventTime: &past}, {LTRecordTime: &future},
		{GEEventTime: &future}, {LTEventTime: &past}, {GERecordTime: &future}, {LTRecordTime: &past},
	} {
		for _, q.Ascending = range []bool{true, false} {
			q.Limit = 10
			records, _, err := c.view().Events(context.Background(), q)
			if want := []int{2, 2, 2, 2, 0, 0, 0, 0}[i]; err != nil || len(records) != want {
				t.Errorf("query %d: %d records, %v", i, len(records), err)
			}
		}
	}
}

// TestPagesAreStable: pages of a query neither skip nor repeat while the ledger
// grows, in every order, whichever range of rows answers it.
func TestPagesAreStable(t *testing.T) {
	c := newChain(t, store.Options{})
	grow := func(n int) {
		var events []*schemas.Event
		for i := range n {
			step := []string{"storing", "holding", "packing"}[i%3]
			events = append(events, c.event(fmt.Sprintf("obj obs epc=p%d qty=lot%d step=%s loc=l%d t=-%dm id=%d-%d", i%4, i%2, step, i%3, i*7%10, c.height, i)))
		}
		c.submit("farm", false, events...)
	}
	grow(30)
	grow(30)
	height := c.height
	for i, q := range []schemas.EventQuery{
		{}, {BizSteps: []string{"storing", "packing"}}, {Things: []schemas.Things{{In: schemas.RoleEPC, IDs: []string{full("p1"), full("p2")}}}}, {Things: []schemas.Things{{In: schemas.RoleClass, IDs: []string{full("lot0"), full("lot1")}}}},
		{BizLocations: []string{full("@l1"), full("@l2")}}, {Actions: []schemas.Action{schemas.ActionObserve}},
	} {
		for _, order := range []schemas.Order{schemas.ByEventTime, schemas.ByRecordTime} {
			for _, ascending := range []bool{true, false} {
				q.OrderBy, q.Ascending, q.MaxHeight, q.After, q.Limit = order, ascending, height, nil, 1000
				whole, more, err := c.view().Events(context.Background(), q)
				if err != nil || more || len(whole) < 10 {
					t.Fatalf("query %d: %d records, %v %v", i, len(whole), more, err)
				}
				q.Limit = 7
				var paged []schemas.Locator
				for {
					page, more, err := c.view().Events(context.Background(), q)
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range page {
						paged = append(paged, r.Locator)
					}
					if !more {
						break
					}
					last := page[len(page)-1]
					q.After, q.AfterTime = &last.Locator, last.Skeleton.EventTime
					if len(paged) < 30 {
						grow(3)
					}
				}
				if len(paged) != len(whole) {
					t.Fatalf("query %d: %d records in pages, %d at once", i, len(paged), len(whole))
				}
				for j := range paged {
					if paged[j] != whole[j].Locator {
						t.Fatalf("query %d: record %d is %v in pages, %v at once", i, j, paged[j], whole[j].Locator)
					}
				}
			}
		}
	}
}

// TestLargeRecordsAreReadOneByOne: a message of a few kilobytes may name megabytes. What
// reads many at once holds no more of them than a page.
func TestLargeRecordsAreReadOneByOne(t *testing.T) {
	c := newChain(t, store.Options{})
	const n = 4 // together more than one request may look at
	for i := range n {
		c.submit("farm", false, naming(t, i*18_000, 18_000, 1000))
	}
	at := schemas.Locator{}
	for i := range n {
		some, more, err := c.view().Messages(at, 100)
		if err != nil || len(some) != 1 || more != (i < n-1) {
			t.Fatalf("behind %v: %d messages, others %t, %v", at, len(some), more, err)
		}
		at = some[0].Locator
	}
	few, err := c.view().Page(context.Background(), schemas.EventQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	q := schemas.EventQuery{Limit: 100}
	for i := range n {
		p, err := c.view().Page(context.Background(), q)
		if err != nil || len(p.Records) != 1 || p.More != (i < n-1) || i == 0 && p.Left != few.Left {
			t.Fatalf("page %d has %d records, more %t, leaves %d of the effort, and of one record %d, %v", i, len(p.Records), p.More, p.Left, few.Left, err)
		}
		q.After, q.AfterTime = &p.After, p.Time
	}
	if _, err := c.view().Page(context.Background(), schemas.EventQuery{OrderBy: schemas.ByField, OrderFields: []string{"urn:x", "y"}, Limit: 1}); !isFault(err, schemas.QueryTooComplex) {
		t.Errorf("the order of an extension of too much is answered %v", err)
	}
}

// TestBundleOfLargeRecords: a bundle holds no more of what its events name than it says.
func TestBundleOfLargeRecords(t *testing.T) {
	c := newChain(t, store.Options{})
	for i := range 8 {
		c.submit("farm", false, naming(t, 0, 18_000-i, 1000))
	}
	c.block()
	name := naming(t, 0, 1, 1000).Skeleton.EPCs[0]
	_, _, err := c.app.Bundle(context.Background(), schemas.BundleQuery{Of: schemas.BundleOfThing, ID: name, Observations: true})
	if f := new(schemas.Fault); !errors.As(err, &f) || f.Code != schemas.TooLarge {
		t.Errorf("a bundle of events that name too much is answered %v", err)
	}
}
