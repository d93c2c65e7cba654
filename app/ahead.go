package app

import (
	"iter"
	"sync/atomic"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// The records of a page lie in as many transactions, each of which is read and
// decompressed whole. So those that a query needs next are read ahead, on all
// processors, into the shelves that it then reads from, one by one: what it
// answers does not depend on it.

// maxReadAhead is how many candidates are read ahead of the one that is judged.
const maxReadAhead = 32

// ahead yields what a source does, behind having read the records of some. wanted
// says how many records are asked for yet.
func (c *query) ahead(source iter.Seq2[candidate, error], wanted func() int) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		var list []candidate
		var places []place
		flush := func() bool {
			c.view.readAhead(places, len(c.Conditions) > 0)
			for _, cand := range list {
				if !yield(cand, nil) {
					return false
				}
			}
			list, places = list[:0], places[:0]
			return true
		}
		for cand, err := range source {
			if err != nil {
				if flush() {
					yield(cand, err)
				}
				return
			}
			if list = append(list, cand); c.mayBe(&cand) {
				places = append(places, placeOf(cand.at))
			}
			// One more tells whether another page follows.
			if (len(places) >= min(wanted()+1, maxReadAhead) || len(list) >= every) && !flush() {
				return
			}
		}
		flush()
	}
}

// readAhead reads transactions, and their bodies where they are needed: as many as
// stay on the shelves until they are asked for.
func (v *View) readAhead(places []place, bodies bool) {
	seen := make(map[place]bool, len(places))
	todo := places[:0]
	for _, p := range places {
		if !seen[p] {
			seen[p] = true
			todo = append(todo, p)
		}
	}
	if len(todo) < 2 {
		return
	}
	var room [2]atomic.Int64
	room[0].Store(int64(v.app.shelf.capacity))
	room[1].Store(int64(v.app.bodies.capacity))
	store.Ahead(len(todo), func(i int) {
		if room[0].Load() < 0 || room[1].Load() < 0 {
			return
		}
		t, err := v.transaction(todo[i])
		if t == nil || err != nil {
			return
		}
		room[0].Add(-int64(t.weight()))
		if !bodies {
			return
		}
		if b, err := v.bodies(todo[i], t); b != nil && err == nil {
			room[1].Add(-int64(b.weight()))
		}
	})
}

// dressAhead reads the bodies of records that are dressed next.
func (v *View) dressAhead(records []*schemas.Record) {
	places := make([]place, len(records))
	for i, r := range records {
		places[i] = placeOf(r.Locator)
	}
	v.readAhead(places, true)
}
