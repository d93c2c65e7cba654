package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api/local"
)

// TestPublications: what is public is on the disk, in a backup, and ends.
func TestPublications(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := local.Publication{Of: "9521234", Title: "Tomatoes", Show: []string{"type"}, Custody: true, Made: time.Now().UTC().Truncate(time.Millisecond), By: "key",
		Links: []local.Link{{Type: "pip", Href: "https://example.com/", Title: "About", Media: "text/html", Lang: "en"}}}
	for i, first := range []bool{true, false} {
		if got, err := s.Publish(want); err != nil || got != first {
			t.Fatalf("publishing the %d. time: %t %v", i+1, got, err)
		}
	}
	if _, err := s.Publish(local.Publication{Of: "95212345"}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := errors.Join(d.Write(&backup), d.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	restored := t.TempDir()
	if err := local.Load(restored, &backup); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, restored} {
		s := open(t, dir)
		if got, err := s.Publication("9521234"); err != nil || cmp.Diff(&want, got) != "" {
			t.Fatalf("%v %s", err, cmp.Diff(&want, got))
		}
		if list, more, err := s.Publications("", 1); err != nil || !more || len(list) != 1 || list[0].Of != "9521234" {
			t.Fatalf("%+v %t %v", list, more, err)
		}
		if list, more, err := s.Publications("9521234", 1); err != nil || more || len(list) != 1 || list[0].Of != "95212345" {
			t.Fatalf("%+v %t %v", list, more, err)
		}
		for _, there := range []bool{true, false} {
			if got, err := s.Unpublish("9521234"); err != nil || got != there {
				t.Fatalf("%t %v", got, err)
			}
		}
		if got, err := s.Publication("9521234"); err != nil || got != nil {
			t.Fatalf("%+v %v", got, err)
		}
	}
}

// TestPublicationsAreBounded: a store takes so many and no more, but goes on
// replacing what it has.
func TestPublicationsAreBounded(t *testing.T) {
	db := dbm.NewMemDB()
	for i := range 100000 {
		of := fmt.Sprintf("9%010d", i)
		if err := db.Set([]byte("p"+of), []byte(`{"of":"`+of+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := local.New(db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Publish(local.Publication{Of: "80000000000"}); !errors.Is(err, local.ErrFull) {
		t.Fatalf("one too many: %v", err)
	}
	if first, err := s.Publish(local.Publication{Of: "90000000000"}); err != nil || first {
		t.Fatalf("%t %v", first, err)
	}
}
