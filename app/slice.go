package app

import (
	"iter"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// scan yields a range's candidates that lie within the query's event times, and
// behind the page before where paged is set: slice by slice as the query's order
// has them, in no order within a slice.
func (c *query) scan(prefix []byte, paged bool) iter.Seq2[candidate, error] {
	backwards := c.backwards()
	paged = paged && c.After != nil && c.OrderBy == schemas.ByEventTime
	var from, until *uint32
	if c.GEEventTime != nil {
		slice := sliceOf(nanos(c.GEEventTime))
		from = &slice
	}
	if c.LTEventTime != nil {
		slice := sliceOf(nanos(c.LTEventTime))
		until = &slice
	}
	if backwards {
		from, until = until, from
	}
	if paged && c.inTime(c.AfterTime) {
		slice := sliceOf(c.AfterTime)
		from = &slice
	}
	return func(yield func(candidate, error) bool) {
		looked := 0
		for cand, err := range c.view.inRange(prefix, from, backwards) {
			if looked++; err == nil && looked%every == 0 {
				err = c.ctx.Err()
			}
			if err != nil {
				yield(cand, err)
				return
			}
			if slice := sliceOf(cand.time); until != nil && slice != *until && backwards == (slice < *until) {
				return
			}
			if !c.inTime(cand.time) || paged && !c.behind(cand) {
				continue
			}
			if !yield(cand, nil) {
				return
			}
		}
	}
}

func (c *query) backwards() bool { return !c.Ascending && c.OrderBy == schemas.ByEventTime }

// ordered yields a range's candidates in the order of event times, behind the
// page before.
func (c *query) ordered(prefix []byte) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		s := slice{query: c, prefix: prefix}
		for cand, err := range c.scan(prefix, true) {
			if err != nil {
				yield(cand, err)
				return
			}
			if len(s.list) > 0 && sliceOf(s.list[0].time) != sliceOf(cand.time) && !s.flush(yield) {
				return
			}
			s.add(cand)
		}
		s.flush(yield)
	}
}

// slice gathers the candidates of one slice of time, to sort them. Partners that
// report all of a day at midnight put millions into one, so of more than
// atOnce only the first are kept, and the slice is read again behind them.
type slice struct {
	query  *query
	prefix []byte // of the range
	list   []candidate
	cut    bool // some are left out
}

func (s *slice) add(cand candidate) {
	if !s.query.mayMatch(&cand) {
		return
	}
	if s.list = append(s.list, cand); len(s.list) >= 2*s.query.atOnce {
		s.sort()
	}
}

func (s *slice) sort() {
	slices.SortFunc(s.list, s.query.compare)
	if most := s.query.atOnce; len(s.list) > most {
		s.list, s.cut = s.list[:most], true
	}
}

// flush yields the slice in order and empties it.
func (s *slice) flush(yield func(candidate, error) bool) bool {
	for s.sort(); ; s.sort() {
		for _, cand := range s.list {
			if !yield(cand, nil) {
				return false
			}
		}
		if !s.cut {
			s.list = s.list[:0]
			return true
		}
		if err := s.again(s.list[len(s.list)-1]); err != nil {
			return yield(candidate{}, err) && false
		}
	}
}

// again reads the slice's candidates behind one.
func (s *slice) again(last candidate) error {
	s.list, s.cut = s.list[:0], false
	number := sliceOf(last.time)
	for cand, err := range s.query.view.inRange(s.prefix, &number, false) {
		if err != nil {
			return err
		}
		if sliceOf(cand.time) != number {
			return nil
		}
		if s.query.inTime(cand.time) && s.query.compare(cand, last) > 0 {
			s.add(cand)
		}
	}
	return s.query.ctx.Err()
}
