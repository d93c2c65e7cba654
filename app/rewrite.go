package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What only a body says of an event is in many ranges of the index, and each range
// has the events of a whole block in one row. So a block collects what its erasures
// change, and writes each row again once: one for each event would take the square
// of their number.

// rewrites are the rows of ranges that a block writes again.
type rewrites struct {
	list []rewrite
	of   map[string]int // by key, only ever looked up
}

// rewrite is a row, and the events that get another sketch in it. A range that only
// the body says loses those that are gone, or has them again.
type rewrite struct {
	key    []byte
	prefix int // length of the range's
	time   int64
	ofBody bool
	events []resketched
}

type resketched struct {
	candidate
	there bool
}

func (w *rewrites) add(prefix []byte, ofBody bool, c candidate, there bool) {
	key := runKey(prefix, sliceOf(c.time), c.at.Height)
	i, ok := w.of[string(key)]
	if !ok {
		if w.of == nil {
			w.of = map[string]int{}
		}
		i = len(w.list)
		w.of[string(key)] = i
		w.list = append(w.list, rewrite{key: key, prefix: len(prefix), time: c.time, ofBody: ofBody})
	}
	w.list[i].events = append(w.list[i].events, resketched{c, there})
}

// reindex takes out of the index what only the body says, where the event was and
// its hashes, or puts it there again: with the block's other rewrites.
func (b *block) reindex(at schemas.Locator, e *schemas.Event, there bool) {
	b.reindexHashes(at, e, there)
	if e.BizLocation == "" && e.ReadPoint == "" {
		return
	}
	s := sketchOf(&e.Skeleton, "", "")
	if there {
		s = sketchOf(&e.Skeleton, e.BizLocation, e.ReadPoint)
	}
	m := &message{block: b, event: &e.Skeleton, msg: &schemas.Message{Event: e}}
	for prefix, ofBody := range m.ranges {
		b.rewrites.add(prefix, ofBody, candidate{time: e.Skeleton.EventTime, at: at, sketch: s}, there)
	}
}

// rewrite writes the rows again that the block's erasures change.
func (b *block) rewrite() error {
	for i := range b.rewrites.list {
		if err := b.rewriteRun(&b.rewrites.list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *block) rewriteRun(w *rewrite) error {
	slices.SortStableFunc(w.events, func(x, y resketched) int { return x.at.Compare(y.at) })
	var again runs
	put := func(e *resketched) {
		if e.there || !w.ofBody {
			again.add(w.key[:w.prefix], e.time, e.at, e.sketch)
		}
	}
	own, data := (*run)(nil), []byte(nil)
	if height := w.events[0].at.Height; height < b.height {
		data = b.row(w.key)
	} else if own = b.runs.find(w.key[:w.prefix], w.time); own != nil { // not written yet
		data = own.data
	}
	next, had := 0, false
	// pass goes on to the events from a place on, and puts those that the row lacks.
	pass := func(until *schemas.Locator) {
		for next < len(w.events) && (until == nil || w.events[next].at.Compare(*until) < 0) {
			e := &w.events[next]
			for next < len(w.events) && w.events[next].at == e.at {
				e, next = &w.events[next], next+1 // the last tells
			}
			if !had && w.ofBody {
				put(e)
			}
			had = false
		}
	}
	for cand, err := range decodeRun(w.key, data, w.prefix) {
		if err != nil {
			return err
		}
		pass(&cand.at)
		if next == len(w.events) || w.events[next].at != cand.at {
			again.add(w.key[:w.prefix], cand.time, cand.at, cand.sketch)
			continue
		}
		last := next
		for last+1 < len(w.events) && w.events[last+1].at == cand.at {
			last++
		}
		had = true
		put(&w.events[last])
	}
	pass(nil)
	switch {
	case own != nil && len(again.list) == 0:
		own.data = nil
	case own != nil:
		own.data = again.list[0].data
	case len(again.list) == 0:
		b.led.DeleteRow(w.key)
	default:
		b.led.PutRow(w.key, again.list[0].data)
	}
	return nil
}
