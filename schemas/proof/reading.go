package proof

import (
	"fmt"
	"slices"
	"sort"

	"github.com/waybill-ledger/waybill/schemas"
)

// reading is the records of one trail that a bundle's maker has read: those from
// first on.
type reading struct {
	key     schemas.TrailKey
	head    schemas.Head
	first   uint64
	records []Record
	placed  []placed // as records
	needed  int      // of them, that the bundle must have
}

// loaded tells how much has been read: it only grows.
func (w *builder) loaded() (n int) {
	for _, r := range w.read {
		n += 1 + len(r.records)
	}
	return n
}

const readPage = 64 // records read at once

func (r *reading) behind() uint64 { return r.first + uint64(len(r.records)) }

// headOf is a trail's head, as the state has it.
func (w *builder) headOf(t Thing, kind schemas.TrailKind) (schemas.Head, error) {
	own, _ := stateKeys(t)
	value, _, err := w.State(own)
	if value == nil || err != nil {
		return schemas.Head{}, err
	}
	switch kind {
	case schemas.CustodyTrail, schemas.ObservationTrail:
		it, err := schemas.DecodeItem(value)
		if kind == schemas.CustodyTrail {
			return it.Custody, err
		}
		return it.Observations, err
	case schemas.PartnerTrail:
		r, err := schemas.DecodeRegister(value)
		return r.Trail, err
	case schemas.ShipmentTrail:
		s, err := schemas.DecodeShipment(value)
		return s.Trail, err
	}
	return schemas.DecodeSingleHead(value)
}

// open begins to read a thing's main trail.
func (w *builder) open(t Thing, first uint64) (*reading, error) {
	if r := w.read[t]; r != nil {
		return r, nil
	}
	r := &reading{key: t.mainTrail(), first: first}
	var err error
	if r.head, err = w.headOf(t, r.key.Kind); err != nil {
		return nil, err
	}
	w.read[t] = r
	return r, nil
}

// fetch reads records from the n-th on, at most so many.
func (w *builder) fetch(r *reading, from uint64, limit int) ([]Record, []placed, error) {
	records, err := w.Records(r.key, from, limit)
	if err != nil {
		return nil, nil, err
	}
	if len(records) == 0 {
		return nil, nil, fmt.Errorf("a trail of %d entries has %d rows: restore the node from a backup or from its peers", r.head.Count, from)
	}
	list := make([]placed, len(records))
	for i := range records {
		if records[i].Skeleton == nil {
			return nil, nil, fmt.Errorf("record at %d/%d/%d comes without its skeleton", records[i].Height, records[i].Position, records[i].Index)
		}
		list[i] = placed{at: records[i].Locator, result: &records[i].Result}
		if w.form(&records[i]) != digestAlone {
			list[i].s = records[i].Skeleton // a reader of the bundle sees no other
		}
	}
	return records, list, nil
}

// extend reads what follows.
func (w *builder) extend(r *reading, most uint64) error {
	limit := min(readPage, r.head.Count-r.behind(), most)
	records, list, err := w.fetch(r, r.behind(), int(limit))
	r.records, r.placed = append(r.records, records...), append(r.placed, list...)
	return err
}

// prepend reads what is before, back to the n-th record.
func (w *builder) prepend(r *reading, to uint64) error {
	var records []Record
	var list []placed
	for at := to; at < r.first; {
		more, places, err := w.fetch(r, at, int(min(readPage, r.first-at)))
		if err != nil {
			return err
		}
		records, list = append(records, more...), append(list, places...)
		at += uint64(len(more))
	}
	r.records, r.placed = append(records, r.records...), append(list, r.placed...)
	r.needed += len(records)
	r.first = to
	return nil
}

// whole reads all of what was asked for: of a partner or class the records asked for.
func (w *builder) whole(t Thing) error {
	first, count := w.First, w.Count
	if !partial(t.Kind, &w.Scope) {
		if first, count = 0, 0; t.Kind == AClass && max(w.First, w.Count) > 0 {
			return &schemas.Fault{Code: schemas.BadValue, Detail: "a part of the records of a lot comes without ancestors: ask for one or the other"}
		}
	}
	r, err := w.open(t, first)
	if err != nil {
		return err
	}
	behind := r.head.Count
	if first > behind || first == behind && t.Kind == AClass {
		return &schemas.Fault{Code: schemas.BadValue, Detail: fmt.Sprintf("a trail of %d records has none from the %d-th on", behind, first+1)}
	}
	if count > 0 && count < behind-first {
		behind = first + count
	}
	for r.behind() < behind {
		if err := w.extend(r, behind-r.behind()); err != nil {
			return err
		}
	}
	r.needed = len(r.records)
	return nil
}

// search finds the first record that is not before a place.
func (w *builder) search(r *reading, at schemas.Locator) (uint64, error) {
	var failed error
	n := sort.Search(int(r.head.Count), func(i int) bool {
		if failed != nil {
			return true
		}
		records, err := w.Records(r.key, uint64(i), 1)
		if err != nil || len(records) == 0 {
			failed = fmt.Errorf("searching a trail: record %d: %w", i, err)
			return true
		}
		return records[0].Locator.Compare(at) >= 0
	})
	return uint64(n), failed
}

// shown, cover and begin make the ledger a place where a search reads.

func (w *builder) shown(t Thing) []placed {
	if r := w.read[t]; r != nil {
		return r.placed
	}
	return nil
}

func (w *builder) cover(t Thing, win window, stops func(*placed) (bool, error)) (schemas.Locator, error) {
	fresh := w.read[t] == nil
	r, err := w.open(t, 0)
	if err != nil {
		return win.to, err
	}
	if win.from != firstPlace && (fresh || r.first > 0 && len(r.placed) > 0 && r.placed[0].at.Compare(win.from) > 0) {
		from, err := w.search(r, win.from)
		if err != nil {
			return win.to, err
		}
		if fresh {
			r.first = from
		} else if err := w.prepend(r, from); err != nil {
			return win.to, err
		}
	} else if win.from == firstPlace && r.first > 0 {
		if err := w.prepend(r, 0); err != nil {
			return win.to, err
		}
	}
	for i := firstFrom(r.placed, win.from); ; i++ {
		if i == len(r.placed) {
			if r.behind() >= r.head.Count {
				r.needed = len(r.placed)
				return win.to, nil
			}
			if err := w.extend(r, readPage); err != nil {
				return win.to, err
			}
		}
		p := &r.placed[i]
		if p.at.Compare(win.from) < 0 {
			continue
		}
		end := win.to
		if p.at.Compare(win.to) <= 0 {
			stop, err := stops(p)
			if err != nil {
				return win.to, err
			}
			if stop {
				end = p.at
			} else if p.at != win.to {
				continue
			}
		}
		r.needed = max(r.needed, i+1)
		return end, nil
	}
}

func (w *builder) begin(t Thing, at schemas.Locator) error {
	r, err := w.open(t, 0)
	if err != nil {
		return err
	}
	for r.first > 0 {
		if len(r.placed) > 0 {
			p := &r.placed[0]
			if _, enters := p.enters(t.ID); enters && p.certain() && p.at.Compare(at) <= 0 {
				return nil
			}
		}
		if err := w.prepend(r, r.first-1); err != nil {
			return err
		}
	}
	return nil
}

// readings are what was read of a thing, by kind of trail.
func (w *builder) readings(t Thing) (out []*reading) {
	if w.needs[t] == nil && !slices.Contains(w.Asked, t) {
		return nil // it was looked at, and turned out not to matter
	}
	if r := w.read[t]; r != nil && len(r.records) > 0 {
		out = append(out, r)
	}
	if r := w.read[Thing{observed, t.ID}]; r != nil && t.Kind == AnItem && len(r.records) > 0 {
		out = append(out, r)
	}
	return out
}

const observed Subject = 255 // in builder.read: an item's observations

// trails tells of every subject which records of its trails the bundle has.
func (w *builder) trails() error {
	for i := range w.b.Subjects {
		s := &w.b.Subjects[i]
		t := Thing{s.Kind, s.ID}
		if over := w.counts(t); w.Observations && over != nil {
			if err := w.observations(t, *over); err != nil {
				return err
			}
		}
		for _, r := range w.readings(t) {
			r.records, r.placed = r.records[:r.needed], r.placed[:r.needed]
			if len(r.records) == 0 {
				continue
			}
			part := TrailPart{Kind: r.key.Kind, First: r.first}
			if r.first > 0 || r.behind() < r.head.Count {
				var err error
				if part.Beside, err = w.Beside(r.key, r.head.Count, r.first, r.behind()); err != nil {
					return err
				}
			}
			s.Trails = append(s.Trails, part)
		}
	}
	return nil
}

// counts is the interval of an item that counts, nil where none does.
func (w *builder) counts(t Thing) *window {
	n := w.needs[t]
	if t.Kind != AnItem || n == nil {
		return nil
	}
	return n.over
}

// observations reads what others saw or claimed of an item in an interval.
func (w *builder) observations(t Thing, over window) (err error) {
	r := &reading{key: schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: t.ID}}
	if r.head, err = w.headOf(t, schemas.ObservationTrail); err != nil {
		return err
	}
	if over.from != firstPlace {
		at, err := w.search(r, over.from)
		if err != nil {
			return err
		}
		r.first = max(at, 1) - 1 // the one before shows that none is missing between
	}
	w.read[Thing{observed, t.ID}] = r
	for r.behind() < r.head.Count && (len(r.placed) == 0 || r.placed[len(r.placed)-1].at.Compare(over.to) < 0) {
		if err := w.extend(r, readPage); err != nil {
			return err
		}
	}
	r.needed = min(firstFrom(r.placed, over.to)+1, len(r.placed))
	return nil
}
