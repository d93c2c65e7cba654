package local_test

import (
	"bytes"
	"testing"
	"time"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Subscriptions and cursors come back from a dump as they were, oldest first, and
// are gone when they are dropped.
func TestSubscriptions(t *testing.T) {
	store, err := local.New(dbm.NewMemDB())
	if err != nil {
		t.Fatal(err)
	}
	since := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	want := []*local.Subscription{
		{ID: "1", Query: "q", Owner: "k", Dest: "https://example.com/", Token: "t", Made: since},
		{ID: "2", Query: "q", Owner: "k", Dest: "https://example.com/", Schedule: map[string]string{"hour": "1"}, ReportIfEmpty: true, Initial: &since, Made: since},
		{ID: "3", Owner: "k", Dest: "https://example.com/", Token: "t", Filter: &local.Filter{Types: []string{"shipment.*"}, Partner: "mill", Subject: "urn:x:1"}, Batch: 7, Made: since},
		{ID: "4", Owner: "k", Dest: "https://example.com/", Filter: &local.Filter{}, Made: since}, // of everything, and still of no query
	}
	cursor := &local.Cursor{After: &schemas.Locator{Height: 3, Index: 2}, Since: &since, Until: &schemas.Locator{Height: 5, Position: 1}, Round: 2, Ran: since, Notified: since, Paused: "why"}
	for i := len(want) - 1; i >= 0; i-- {
		put, err := local.PutSubscription(want[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Commit(put); err != nil {
			t.Fatal(err)
		}
	}
	put, err := local.PutCursor("2", cursor)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Commit(put); err != nil {
		t.Fatal(err)
	}
	dump, err := store.Dump()
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := dump.Write(&written); err != nil {
		t.Fatal(err)
	}
	if err := dump.Close(); err != nil {
		t.Fatal(err)
	}
	db := dbm.NewMemDB()
	if err := local.ReadDump(&written, db.Set); err != nil {
		t.Fatal(err)
	}
	restored, err := local.New(db)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*local.Store{"store": store, "restored": restored} {
		got, err := s.Subscriptions()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		at, err := s.Cursor("2")
		if diff := cmp.Diff(cursor, at); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		if at, err := s.Cursor("1"); at != nil || err != nil {
			t.Errorf("%s: a cursor that was never written: %v %v", name, at, err)
		}
		if err := s.Commit(local.DropSubscription("2")...); err != nil {
			t.Fatal(err)
		}
		if at, err := s.Cursor("2"); at != nil || err != nil {
			t.Errorf("%s: dropped, and has a cursor: %v %v", name, at, err)
		}
		if got, err := s.Subscriptions(); len(got) != len(want)-1 || err != nil {
			t.Errorf("%s: dropped, and there: %v %v", name, got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
