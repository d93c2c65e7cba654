package app

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxByField is how many events are ordered by an extension: the index knows of no
// extension, so that all that match are read and sorted for each page.
const maxByField = 5000

// keyed is a record with what it is ordered by.
type keyed struct {
	record *schemas.Record
	key    schemas.FieldKey
}

// byField answers a query in the order of an extension's values. Which events there
// are up to a height does not change, so that a page begins behind the last event of
// the page before; where its body was erased since, the pages begin anew.
func (c *query) byField() (out schemas.EventPage, err error) {
	list, err := c.allKeyed()
	if err != nil {
		return out, err
	}
	slices.SortFunc(list, func(a, b keyed) int {
		if a.key.Missing() || b.key.Missing() { // last, in either direction
			if order := a.key.Compare(b.key); order != 0 {
				return order
			}
		}
		order := cmp.Or(a.key.Compare(b.key), a.record.Locator.Compare(b.record.Locator))
		if !c.Ascending {
			order = -order
		}
		return order
	})
	if c.After != nil {
		at := slices.IndexFunc(list, func(k keyed) bool { return k.record.Locator == *c.After })
		if at < 0 {
			return out, &schemas.Fault{Code: schemas.ViewExpired, Detail: "the event that the last page ended with is not there any more"}
		}
		list = list[at+1:]
	}
	var page page
	for i := range list {
		full, err := c.view.dressed(list[i].record)
		if err != nil {
			return out, err
		}
		if i >= max(c.Limit, 1) || page.full(&full) {
			out.More = true
			break
		}
		out.Records = append(out.Records, full)
		out.After, out.Time = full.Locator, full.Skeleton.EventTime
	}
	out.Left = c.left
	return out, nil
}

// allKeyed are all records that match.
func (c *query) allKeyed() (list []keyed, err error) {
	whole := *c
	whole.left = maxEffort // for the first event, all have to be looked at
	whole.OrderBy, whole.After, whole.Ascending = schemas.ByEventTime, nil, false
	source, err := whole.source()
	if err != nil {
		return nil, err
	}
	for cand, err := range whole.ahead(source, func() int { return maxReadAhead }) {
		if err != nil {
			return nil, c.view.answered(fmt.Errorf("reading the index: %w", err))
		}
		r, err := whole.match(cand)
		if err != nil {
			return nil, err
		}
		switch {
		case whole.left <= 0:
			return nil, &schemas.Fault{Code: schemas.QueryTooComplex, Detail: "so many events are to be looked at that they cannot be ordered by an extension: name things, a place or a time"}
		case r != nil && len(list) >= maxByField:
			return nil, &schemas.Fault{Code: schemas.QueryTooLarge, Detail: fmt.Sprintf("more than %d events match, and no more are ordered by an extension: ask for fewer, or order by eventTime or recordTime", maxByField)}
		}
		if c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
		if r == nil {
			continue
		}
		body, err := c.view.bodyOf(r)
		if err != nil {
			return nil, err
		}
		whole.left -= effortBody + len(body)/bytesEffort
		list = append(list, keyed{r, schemas.FieldKeyOf(body, c.OrderFields)})
		if c.MaxCount > 0 && len(list) > c.MaxCount {
			return nil, &schemas.Fault{Code: schemas.QueryTooLarge, Detail: fmt.Sprintf("more than maxEventCount %d events match", c.MaxCount)}
		}
	}
	return list, nil
}
