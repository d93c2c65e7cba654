package app

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// A query is answered from one range of rows, the shortest of those that its
// parameters offer, in the order that it asks for. What else it demands is
// checked first against the sketch beside each row, then against the record. A
// page begins behind the last record of the page before: rows are only ever
// added, and those above MaxHeight are left out, so that pages neither skip nor
// repeat.

// candidate is a record that may match.
type candidate struct {
	time     int64 // of the event
	at       schemas.Locator
	sketch   sketch
	sketched bool // there is a sketch
}

// query is an EventQuery made ready.
type query struct {
	schemas.EventQuery
	view      *View
	ctx       context.Context
	atOnce    int  // how many of one slice are sorted at once
	sure      byte // the field whose values all candidates have
	minHeight int64
	maxHeight int64 // the last that may be answered
	briefs    [4][]uint16
}

// every is how many candidates are looked at between looks at the context.
const every = 512

// Events answers a query, at most q.Limit records; more tells whether others
// follow.
func (v *View) Events(ctx context.Context, q schemas.EventQuery) (records []schemas.Record, more bool, err error) {
	return v.events(ctx, q, maxSorted)
}

func (v *View) events(ctx context.Context, q schemas.EventQuery, atOnce int) (records []schemas.Record, more bool, err error) {
	c := &query{EventQuery: q, view: v, ctx: ctx, atOnce: atOnce}
	if err := c.prepare(); err != nil {
		return nil, false, err
	}
	source, err := c.source()
	if err != nil {
		return nil, false, err
	}
	var found []*schemas.Record
	seen := 0
	for cand, err := range source {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading the index: %w", err))
		}
		if seen++; seen%every == 0 && ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		r, err := c.match(cand)
		if err != nil {
			return nil, false, err
		}
		if r == nil {
			continue
		}
		if len(found) >= max(q.Limit, 1) {
			more = true
			break
		}
		found = append(found, r)
	}
	records = make([]schemas.Record, 0, len(found))
	var page page
	for _, r := range found {
		full, err := v.dressed(r)
		if err != nil {
			return nil, false, err
		}
		if page.full(&full) {
			return records, true, nil
		}
		records = append(records, full)
	}
	return records, more, nil
}

// maxPage is how many bytes of events a page holds; one that is larger by itself
// is a page.
const maxPage = 16 << 20

// page counts the bytes of a page: a thousand events of a megabyte each are asked
// for in one line.
type page struct{ bytes, records int }

// full reports whether a further record is for the next page.
func (p *page) full(r *schemas.Record) bool {
	p.bytes, p.records = p.bytes+len(r.Body)+len(r.SkeletonBytes), p.records+1
	return p.bytes > maxPage && p.records > 1
}

func (c *query) prepare() (err error) {
	c.minHeight, c.maxHeight = 0, c.view.Height()
	if c.MaxHeight > 0 {
		c.maxHeight = min(c.maxHeight, c.MaxHeight)
	}
	if c.GERecordTime != nil {
		if c.minHeight, err = c.view.firstHeight(nanos(c.GERecordTime)); err != nil {
			return err
		}
	}
	if c.LTRecordTime != nil {
		end, err := c.view.firstHeight(nanos(c.LTRecordTime))
		if err != nil {
			return err
		}
		c.maxHeight = min(c.maxHeight, end-1)
	}
	for i, values := range [...][]string{c.BizSteps, c.Dispositions, c.BizLocations, c.ReadPoints} {
		for _, value := range values {
			c.briefs[i] = append(c.briefs[i], brief(value))
		}
	}
	return nil
}

// nanos is a time as the index has it; one that it cannot have is its first or
// last.
func nanos(t *time.Time) int64 {
	switch first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64); {
	case t.Before(first):
		return math.MinInt64
	case t.After(last):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// firstHeight is the first height with records whose block has this time or a
// later one, and one beyond the view's where there is none. Block times never
// run backwards.
func (v *View) firstHeight(t int64) (int64, error) {
	low, high := int64(0), v.Height()+1
	for low < high {
		middle := low + (high-low)/2
		height, recorded, err := v.blockFrom(middle)
		switch {
		case err != nil:
			return 0, err
		case height == 0 || recorded >= t:
			high = middle
		default:
			low = height + 1
		}
	}
	return low, nil
}

// blockFrom is the first height with records from a height on, and its time; 0
// where there is none.
func (v *View) blockFrom(from int64) (height, recorded int64, err error) {
	for row, err := range v.at.Rows([]byte{rowBlock}, blockRow(from), false) {
		if err != nil {
			return 0, 0, v.answered(fmt.Errorf("reading blocks: %w", err))
		}
		return int64(decodeUint64(row.Key[1:])), int64(decodeUint64(row.Value)), nil
	}
	return 0, 0, nil
}

// match returns the candidate's record if it is one that is asked for.
func (c *query) match(cand candidate) (*schemas.Record, error) {
	if cand.at.Height < c.minHeight || cand.at.Height > c.maxHeight || !c.inTime(cand.time) || !c.mayMatch(&cand) {
		return nil, nil
	}
	r, err := c.view.bare(cand.at)
	if err != nil {
		return nil, err
	}
	if !c.matches(r) {
		return nil, nil
	}
	for _, f := range [...]struct {
		field  byte
		values []string
	}{{fieldBizLocation, c.BizLocations}, {fieldReadPoint, c.ReadPoints}} {
		ok, err := c.hasField(r, f.field, f.values)
		if !ok || err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (c *query) inTime(t int64) bool {
	return (c.GEEventTime == nil || t >= nanos(c.GEEventTime)) && (c.LTEventTime == nil || t < nanos(c.LTEventTime))
}

// mayMatch reports what a sketch leaves open.
func (c *query) mayMatch(cand *candidate) bool {
	if !cand.sketched {
		return true
	}
	s := cand.sketch[:]
	if len(c.EventTypes) > 0 && !slices.Contains(c.EventTypes, schemas.EventType(s[0]>>4)) {
		return false
	}
	if len(c.Actions) > 0 && !slices.Contains(c.Actions, schemas.Action(s[0]&15)) {
		return false
	}
	for i, briefs := range c.briefs {
		if len(briefs) > 0 && !slices.Contains(briefs, binary.BigEndian.Uint16(s[1+2*i:])) {
			return false
		}
	}
	return true
}

// matches checks all that a record's skeleton tells.
func (c *query) matches(r *schemas.Record) bool {
	s := r.Skeleton
	return (len(c.EventTypes) == 0 || slices.Contains(c.EventTypes, s.Type)) &&
		(len(c.Actions) == 0 || slices.Contains(c.Actions, s.Action)) &&
		(len(c.BizSteps) == 0 || slices.Contains(c.BizSteps, s.BizStep)) &&
		(len(c.Dispositions) == 0 || slices.Contains(c.Dispositions, s.Disposition)) &&
		(len(c.EventIDs) == 0 || slices.Contains(c.EventIDs, r.EventID)) &&
		(len(c.MatchEPC) == 0 || s.Type != schemas.TransformationEvent && anyOf(c.MatchEPC, s.EPCs)) &&
		(len(c.MatchAnyEPC) == 0 || anyOf(c.MatchAnyEPC, s.EPCs) || anyOf(c.MatchAnyEPC, s.OutputEPCs) || slices.Contains(c.MatchAnyEPC, s.ParentID)) &&
		(len(c.MatchEPCClass) == 0 || s.Type != schemas.TransformationEvent && anyClass(c.MatchEPCClass, s.Quantities))
}

func anyOf(wanted, have []string) bool {
	return slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(have, w) })
}

func anyClass(wanted []string, have []schemas.Quantity) bool {
	return slices.ContainsFunc(have, func(q schemas.Quantity) bool { return slices.Contains(wanted, q.Class) })
}

// hasField checks what is in no skeleton: the index has a row for it.
func (c *query) hasField(r *schemas.Record, field byte, values []string) (bool, error) {
	if len(values) == 0 || field == c.sure {
		return true, nil
	}
	for _, value := range values {
		has, err := c.view.isInRange(fieldPrefix(field, value), r.Skeleton.EventTime, r.Locator)
		if has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// compare orders candidates as the query asks.
func (c *query) compare(a, b candidate) int {
	order := a.at.Compare(b.at)
	if c.OrderBy == schemas.ByEventTime && a.time != b.time {
		order = 1
		if a.time < b.time {
			order = -1
		}
	}
	if !c.Ascending {
		order = -order
	}
	return order
}

// behind reports whether a candidate comes after the page before.
func (c *query) behind(cand candidate) bool {
	return c.After == nil || c.compare(cand, candidate{time: c.AfterTime, at: *c.After}) > 0
}

// listed yields candidates that are at hand.
func (c *query) listed(list []candidate) iter.Seq2[candidate, error] {
	slices.SortFunc(list, c.compare)
	list = slices.CompactFunc(list, func(a, b candidate) bool { return a.at == b.at })
	return func(yield func(candidate, error) bool) {
		for _, cand := range list {
			if c.behind(cand) && !yield(cand, nil) {
				return
			}
		}
	}
}
