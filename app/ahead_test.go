package app_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// However many events of a document are asked for at once, and in whatever order, each
// comes with its own body.
func TestFewOfManyBodies(t *testing.T) {
	const events, documents = 64, 3
	c := newChain(t, store.Options{})
	want := map[schemas.Locator][]byte{}
	for n := range documents {
		var list []*schemas.Event
		for i := range events {
			list = append(list, stored(t, n, i))
		}
		c.block(c.sign(c.draft("farm", false, list...)))
		for i, e := range list {
			want[schemas.Locator{Height: c.view().Height(), Index: uint32(i)}] = e.Body
		}
	}
	check := func(r *schemas.Record) {
		if !bytes.Equal(r.Body, want[r.Locator]) {
			t.Fatalf("%v has the body %s, not %s", r.Locator, r.Body, want[r.Locator])
		}
		if e, err := schemas.DecodeEvent(r.Body); err != nil || e.BodyRoot(r.Secret) != r.BodyRoot {
			t.Fatalf("%v: the body's root differs: %v", r.Locator, err)
		}
	}
	for _, limit := range []int{1, 2, 5, events, documents * events} {
		c.app.TestingOnlyForgetRead()
		seen := 0
		q := schemas.EventQuery{Limit: limit}
		for more := true; more; {
			p, err := c.view().Page(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.Records {
				check(&p.Records[i])
			}
			seen += len(p.Records)
			q.After, q.AfterTime, more = &p.After, p.Time, p.More
		}
		if seen != events*documents {
			t.Errorf("pages of %d have %d events", limit, seen)
		}
	}
	// One of each document at a time, as a page by lot has them.
	c.app.TestingOnlyForgetRead()
	for i := range events {
		p, err := c.view().Page(context.Background(), schemas.EventQuery{Limit: 10, Things: []schemas.Things{{In: schemas.RoleClass, IDs: []string{lotOf(i * 29 % events)}}}})
		if err != nil || len(p.Records) != documents {
			t.Fatalf("%d events of a lot: %v", len(p.Records), err)
		}
		for k := range p.Records {
			check(&p.Records[k])
		}
	}
}

func lotOf(i int) string { return fmt.Sprintf("https://id.gs1.org/01/09521234543213/10/L%d", i) }

func stored(t *testing.T, n, i int) *schemas.Event {
	e, err := schemas.DecodeEvent(fmt.Appendf(nil, `{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-10-01T%02d:%02d:00Z","eventTimeZoneOffset":"+00:00","quantityList":[{"epcClass":"%s","quantity":%d}],"bizStep":"storing"}`,
		n, i%60, lotOf(i), n+1))
	if err != nil {
		t.Fatal(err)
	}
	return e
}
