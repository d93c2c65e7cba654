package app

import (
	"iter"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// probed is how many rows of a range are counted to find the shortest.
const probed = 256

// maxSorted is how many rows are sorted in memory rather than read in the order
// that a query asks for.
const maxSorted = 1 << 14

// choice is a range of rows that holds every record that a query asks for.
type choice struct {
	size  int // rows; of a range by time no more than probed are counted
	named []reach
	ids   []string
	field byte
	of    []string // values of the field
}

// source returns the candidates of the shortest range, in the query's order,
// behind the page before.
func (c *query) source() (iter.Seq2[candidate, error], error) {
	best := choice{size: -1}
	consider := func(o choice, err error) error {
		if err == nil && (best.size < 0 || o.size < best.size) {
			best = o
		}
		return err
	}
	if len(c.EventIDs) > 0 {
		best = choice{size: len(c.EventIDs), ids: c.EventIDs}
	}
	var classes []string
	for i := range c.Things {
		w := &c.Things[i]
		if w.In == schemas.RoleClass && len(w.Patterns) == 0 && classes == nil {
			classes = w.IDs
			continue
		}
		if named := reaches(w); named != nil {
			if err := consider(c.sizeOfNamed(named)); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range [...]choice{
		{field: fieldClass, of: classes}, {field: fieldTransformation, of: c.TransformationIDs}, {field: fieldBizLocation, of: c.BizLocations}, {field: fieldReadPoint, of: c.ReadPoints},
		{field: fieldDisposition, of: c.Dispositions}, {field: fieldBizStep, of: c.BizSteps},
	} {
		if len(f.of) > 0 {
			if err := consider(c.sizeOfField(f)); err != nil {
				return nil, err
			}
		}
	}
	if c.follows(best) {
		if list, ok, err := c.recorded(maxFollowed); ok || err != nil {
			return c.listed(list), err
		}
	}
	switch {
	case best.ids != nil:
		return c.byID(best.ids)
	case best.named != nil:
		return c.byNamed(best.named)
	}
	if c.recordedFew(best) {
		if list, ok, err := c.recorded(maxRecorded); ok || err != nil {
			return c.listed(list), err
		}
	}
	ranged, err := c.byRange(best)
	if err != nil || best.field != fieldClass {
		return ranged, err
	}
	return eachOnce(ranged), nil
}

// maxRecorded is how many events of a range of record times are read to be ordered.
const maxRecorded = 1 << 11

// recordedFew reports whether the events of a range of record times may be fewer than
// those of the best range of event times: who asks for what is new asks so.
func (c *query) recordedFew(best choice) bool {
	return c.OrderBy == schemas.ByEventTime && c.GERecordTime != nil && (best.size < 0 || best.size >= probed)
}

// maxFollowed is how many new events are read instead of a range of all.
const maxFollowed = probed

// follows reports whether a query asks for what is new behind a place of the ledger,
// as subscriptions do at every height, of a range that holds much that is old.
func (c *query) follows(best choice) bool {
	return c.OrderBy == schemas.ByRecordTime && c.Ascending && c.After != nil && best.ids == nil && best.size >= probed
}

// recorded reads the events of the query's heights, if they are few.
func (c *query) recorded(most int) (list []candidate, ok bool, err error) {
	inOrder := *c
	if !c.Ascending || c.OrderBy != schemas.ByRecordTime { // else they are behind the page before, too
		inOrder.OrderBy, inOrder.Ascending, inOrder.After = schemas.ByRecordTime, true, nil
	}
	for cand, err := range inOrder.ledger() {
		if err != nil {
			return nil, false, c.view.answered(err)
		}
		if list = append(list, cand); len(list) > most {
			return nil, false, nil
		}
	}
	return list, true, nil
}

// eachOnce yields each record once: an event that names a class twice is in the class's
// range twice, and there in one place.
func eachOnce(source iter.Seq2[candidate, error]) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		var last schemas.Locator
		for cand, err := range source {
			if err == nil && cand.at == last {
				continue
			}
			if last = cand.at; !yield(cand, err) {
				return
			}
		}
	}
}

// byRange reads rows that are ordered by event time, or the ledger itself.
func (c *query) byRange(best choice) (iter.Seq2[candidate, error], error) {
	prefixes := [][]byte{{rowTime}}
	if best.field != 0 {
		prefixes = prefixes[:0]
		for _, value := range best.of {
			prefixes = append(prefixes, fieldPrefix(best.field, value))
		}
	}
	if c.OrderBy == schemas.ByEventTime {
		c.sure = best.field
		return c.merged(prefixes), nil
	}
	if best.field == 0 {
		return c.ledger(), nil
	}
	// The ledger's order is asked of a range in another: a short one is sorted.
	var list []candidate
	for _, prefix := range prefixes {
		for cand, err := range c.scan(prefix, false) {
			if err != nil {
				return nil, c.view.answered(err)
			}
			if list = append(list, cand); len(list) > maxSorted {
				return c.ledger(), nil
			}
		}
	}
	c.sure = best.field
	return c.listed(list), nil
}

// reach is where the index has the records that name a thing: a prefix of the rows of
// trails, or a range of those that name a parent which has no trail.
type reach struct {
	prefix []byte
	exact  schemas.TrailKey // of one trail, whose length is known
	parent []byte
}

// reaches are those of a demand, nil where one of its alternatives has none.
func reaches(w *schemas.Things) (out []reach) {
	kinds := []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}
	if w.In&schemas.RoleAny == 0 {
		kinds = []schemas.TrailKind{schemas.ClassTrail}
	}
	for _, id := range w.IDs {
		for _, kind := range kinds {
			key := schemas.TrailKey{Kind: kind, Subject: id}
			out = append(out, reach{prefix: trailPrefix(key), exact: key})
		}
		if w.In&schemas.RoleParent != 0 {
			out = append(out, reach{parent: fieldPrefix(fieldParent, id)})
		}
	}
	for _, p := range w.Patterns {
		stem, fixed := p.Prefix()
		if !fixed || w.In&schemas.RoleParent != 0 && p.OfPlaces() {
			return nil
		}
		for _, kind := range kinds {
			key := schemas.TrailKey{Kind: kind, Subject: stem}
			out = append(out, reach{prefix: key.Append([]byte{rowTrail})})
		}
	}
	return out
}

func (c *query) sizeOfNamed(named []reach) (choice, error) {
	o := choice{named: named}
	for i := range named {
		switch n := &named[i]; {
		case n.parent != nil: // counted when it is read: nearly always there are none
		case n.exact.Subject != "":
			head, err := c.view.TrailHead(n.exact)
			if err != nil {
				return o, err
			}
			o.size += int(head.Count)
		default:
			count := 0
			for _, err := range c.view.at.Rows(n.prefix, nil, false) {
				if err != nil {
					return o, c.view.answered(err)
				}
				if count++; count >= probed {
					break
				}
			}
			o.size += count
		}
	}
	return o, nil
}

func (c *query) sizeOfField(o choice) (choice, error) {
	for _, value := range o.of {
		n := 0
		for _, err := range c.scan(fieldPrefix(o.field, value), true) {
			if err != nil {
				return o, c.view.answered(err)
			}
			if n++; n >= probed {
				break
			}
		}
		o.size += n
	}
	return o, nil
}

func (c *query) byID(ids []string) (iter.Seq2[candidate, error], error) {
	var list []candidate
	for _, id := range ids {
		places, err := c.view.placesByID(id)
		if err != nil {
			return nil, err
		}
		for _, at := range places {
			r, err := c.view.bare(at)
			if err != nil {
				return nil, err
			}
			list = append(list, candidate{time: r.Skeleton.EventTime, at: at})
		}
	}
	return c.listed(list), nil
}

// byNamed reads what trails say, and sorts it; of what is named too often the records
// are found soon by reading in the order asked for.
func (c *query) byNamed(named []reach) (iter.Seq2[candidate, error], error) {
	var list []candidate
	for i := range named {
		if n := &named[i]; n.parent != nil {
			for cand, err := range c.scan(n.parent, false) {
				if err != nil {
					return nil, c.view.answered(err)
				}
				if list = append(list, cand); len(list) > maxSorted {
					return c.byRange(choice{})
				}
			}
			continue
		}
		for row, err := range c.view.at.Rows(named[i].prefix, nil, false) {
			if err != nil {
				return nil, c.view.answered(err)
			}
			at, t, err := decodeTrailValue(row.Value)
			if err != nil {
				return nil, err
			}
			if list = append(list, candidate{time: t, at: at}); len(list) > maxSorted {
				return c.byRange(choice{})
			}
		}
	}
	return c.listed(list), nil
}

// merged yields several ranges as one, in the order of event times.
func (c *query) merged(prefixes [][]byte) iter.Seq2[candidate, error] {
	if len(prefixes) == 1 {
		return c.ordered(prefixes[0])
	}
	return func(yield func(candidate, error) bool) {
		heads := make([]candidate, 0, len(prefixes))
		nexts := make([]func() (candidate, error, bool), 0, len(prefixes))
		for _, prefix := range prefixes {
			next, stop := iter.Pull2(c.ordered(prefix))
			defer stop()
			if cand, err, ok := next(); err != nil {
				yield(cand, err)
				return
			} else if ok {
				heads, nexts = append(heads, cand), append(nexts, next)
			}
		}
		var last *candidate
		for len(heads) > 0 {
			first := 0
			for i := range heads {
				if c.compare(heads[i], heads[first]) < 0 {
					first = i
				}
			}
			cand := heads[first]
			if (last == nil || last.at != cand.at) && !yield(cand, nil) {
				return
			}
			last = &cand
			next, err, ok := nexts[first]()
			if err != nil {
				yield(next, err)
				return
			}
			if heads[first] = next; !ok {
				heads, nexts = slices.Delete(heads, first, first+1), slices.Delete(nexts, first, first+1)
			}
		}
	}
}

// ledger yields every recorded event in the ledger's order.
func (c *query) ledger() iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		from := append([]byte{rowBodies}, be64(c.minHeight)...)
		if !c.Ascending {
			from = append([]byte{rowBodies}, be64(c.maxHeight+1)...)
		}
		if c.After != nil {
			from = txRow(placeOf(*c.After))
		}
		for row, err := range c.view.at.Rows([]byte{rowBodies}, from, !c.Ascending) {
			if err != nil {
				yield(candidate{}, err)
				return
			}
			switch h := int64(decodeUint64(row.Key[1:])); {
			case c.Ascending && h > c.maxHeight, !c.Ascending && h < c.minHeight:
				return
			case h < c.minHeight, h > c.maxHeight:
				continue // the page before ended outside
			}
			if !c.transactionsEvents(place(row.Key[1:]), yield) {
				return
			}
		}
	}
}

// transactionsEvents yields the events of one transaction, those that were
// recorded.
func (c *query) transactionsEvents(p place, yield func(candidate, error) bool) bool {
	t, err := c.view.transaction(p)
	if err != nil || t == nil {
		return yield(candidate{}, err)
	}
	for n := range t.messages {
		i := n
		if !c.Ascending {
			i = len(t.messages) - 1 - n
		}
		at := p.message(i)
		r, err := t.record(at)
		if err != nil {
			return yield(candidate{}, err)
		}
		if r.Kind != schemas.KindEvent || r.Result.Code != schemas.OK || r.Result.Effect == schemas.Duplicate {
			continue
		}
		cand := candidate{time: r.Skeleton.EventTime, at: at}
		if c.behind(cand) && !yield(cand, nil) {
			return false
		}
	}
	return true
}
