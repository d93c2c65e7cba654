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

// ahead yields what a source does, after reading the records of the next few. wanted
// says how many records are still asked for.
func (c *query) ahead(source iter.Seq2[candidate, error], wanted func() int) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		var list []candidate
		var needed []schemas.Locator
		flush := func() bool {
			c.view.readAhead(needed, len(c.Conditions) > 0)
			for _, cand := range list {
				if !yield(cand, nil) {
					return false
				}
			}
			list, needed = list[:0], needed[:0]
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
				needed = append(needed, cand.at)
			}
			// One more tells whether another page follows.
			if (len(needed) >= min(wanted()+1, maxReadAhead) || len(list) >= every) && !flush() {
				return
			}
		}
		flush()
	}
}

// readAhead reads the transactions of messages, and their bodies where they are needed:
// as many as stay on the shelves until they are asked for.
func (v *View) readAhead(messages []schemas.Locator, bodies bool) {
	of := make(map[place][]uint32, len(messages))
	todo := make([]place, 0, len(messages))
	for _, at := range messages {
		p := placeOf(at)
		if of[p] == nil {
			todo = append(todo, p)
		}
		of[p] = append(of[p], at.Index)
	}
	if len(todo) < 2 && !bodies {
		return
	}
	var room [2]atomic.Int64
	room[0].Store(int64(v.app.shelf.capacity))
	room[1].Store(int64(v.app.bodies.capacity))
	store.Ahead(len(todo), func(i int) (more bool) {
		t, err := v.transactionOf(todo[i], of[todo[i]])
		if err != nil {
			return false // what is away is away for the others, and each would wait for it
		}
		if t == nil {
			return true
		}
		left := room[0].Add(-int64(t.weight()))
		if bodies {
			b, err := v.bodies(todo[i], t, of[todo[i]])
			if err != nil {
				return false
			}
			if b != nil {
				left = min(left, room[1].Add(-int64(b.weight())))
			}
		}
		return left >= 0
	})
}

// dressAhead reads the bodies of records that are dressed next.
func (v *View) dressAhead(records []*schemas.Record) {
	messages := make([]schemas.Locator, len(records))
	for i, r := range records {
		messages[i] = r.Locator
	}
	v.readAhead(messages, true)
}
