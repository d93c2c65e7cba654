package store_test

import (
	"fmt"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// TestExpected asks for rows that are there, written before and behind the moment from
// which they are expected, put and emitted, and for others.
func TestExpected(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	row := func(kind byte, n int) []byte { return fmt.Appendf([]byte{kind}, "row %d", n) }
	block := func(from, to int) {
		height, _ := s.Last()
		b := s.Begin(height + 1)
		for n := from; n < to; n++ {
			b.PutRow(row('d', n), []byte{1})
			b.Emit(row('e', n), []byte{1})
			b.PutRow(row('f', n), []byte{1})
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	s.Expect('d', 'e')
	block(0, 300)
	for pass := range 2 {
		known := 0
		for n := range 600 {
			for _, kind := range []byte("def") {
				lacks := s.Lacks(row(kind, n))
				switch there := n < 300*(pass+1); {
				case there && lacks:
					t.Fatalf("pass %d: row %c %d is there, and is not asked for", pass, kind, n)
				case kind == 'f' && lacks:
					t.Fatalf("row f %d is not expected to be absent", n)
				case lacks:
					known++
				}
				got, err := s.Latest().Row(row(kind, n))
				if err != nil || (got != nil) != (n < 300*(pass+1)) {
					t.Fatalf("pass %d: row %c %d: %q %v", pass, kind, n, got, err)
				}
			}
		}
		if pass == 0 && known < 590 {
			t.Errorf("of 600 rows that are not there, %d are known not to be", known)
		}
		if pass == 1 {
			break
		}
		// What is there already is read behind the opening, beside the next block.
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = store.Open(o); err != nil {
			t.Fatal(err)
		}
		s.Expect('d', 'e')
		block(300, 600)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
