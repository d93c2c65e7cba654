package api

import (
	"slices"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// What a bound key is shown of a thing that concerns it: the events that its partners
// recorded or are named in as parties, and those of things that it was granted. Of the
// others a trail tells that they are there; a trace leaves them out, and what only they
// say.

// shown returns whether a key is shown an event; nil for a key that is shown all.
func shown(view View, k *local.Key) (func(*schemas.Record) bool, error) {
	if !k.Bound() {
		return nil, nil
	}
	parties, err := partiesOf(view, k)
	return func(r *schemas.Record) bool {
		return sees(k, r.Partner) || names(r.Skeleton, parties) || mentions(r.Skeleton, k.Items)
	}, err
}

// mentions reports whether an event is of one of these things or lots.
func mentions(s *schemas.Skeleton, things []string) bool {
	if s == nil || len(things) == 0 {
		return false
	}
	is := func(id string) bool { return slices.Contains(things, id) }
	lot := func(q schemas.Quantity) bool { return is(q.Class) }
	return is(s.ParentID) || slices.ContainsFunc(s.EPCs, is) || slices.ContainsFunc(s.OutputEPCs, is) ||
		slices.ContainsFunc(s.Quantities, lot) || slices.ContainsFunc(s.OutputQuantities, lot)
}

// withhold takes out of a record what its event says.
func (r *Record) withhold() {
	r.Event, r.EventID, r.Actor, r.Author = nil, "", "", ""
	r.Missing = &Missing{Code: schemas.Forbidden, Detail: "recorded by " + r.Partner + ", and the API key is of no party to it"}
}

// only leaves in a trace the events that are shown, what they link, and the things
// that these links reach from the one that was asked for.
func only(t *schemas.Trace, shows func(*schemas.Record) bool) (withheld int) {
	evidence := map[schemas.Locator]bool{}
	t.Events = slices.DeleteFunc(t.Events, func(r schemas.Record) bool {
		evidence[r.Locator] = shows(&r)
		return !evidence[r.Locator]
	})
	for _, there := range evidence {
		if !there {
			withheld++
		}
	}
	t.Edges = slices.DeleteFunc(t.Edges, func(e schemas.TraceEdge) bool { return !evidence[e.At] })
	t.Gaps = slices.DeleteFunc(t.Gaps, func(g schemas.TraceGap) bool { return !evidence[g.At] })
	beside := map[string][]string{}
	for _, e := range t.Edges {
		beside[e.From], beside[e.To] = append(beside[e.From], e.To), append(beside[e.To], e.From)
	}
	reached := map[string]bool{t.ID: true}
	for left := []string{t.ID}; len(left) > 0; {
		at := left[0]
		left = left[1:]
		for _, id := range beside[at] {
			if !reached[id] {
				reached[id] = true
				left = append(left, id)
			}
		}
	}
	t.Edges = slices.DeleteFunc(t.Edges, func(e schemas.TraceEdge) bool { return !reached[e.From] })
	t.Items = slices.DeleteFunc(t.Items, func(i schemas.TraceItem) bool { return !reached[i.ID] })
	return withheld
}
