package app

import (
	"cmp"
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
	left      int  // of the effort
	names     int  // identifiers and patterns that are asked for
	operands  int  // that values in bodies are compared with
	minHeight int64
	maxHeight int64 // the last that may be answered
	briefs    [4][]uint16
}

// every is how many candidates are looked at between looks at the context.
const every = 512

// What a request looks at is bounded: a page that would cost more ends early, and the
// next one goes on behind it. An effort is counted in candidates of the index.
const (
	maxEffort    = 1 << 20
	effortRecord = 16 // of reading a record
	effortBody   = 64 // of reading what only a body says
	bytesEffort  = 64 // bytes of a record, and of a body for each operand, that count as one
	namesEffort  = 64 // comparisons of identifiers that count as one
)

// Events answers a query, at most q.Limit records; more tells whether others
// follow.
func (v *View) Events(ctx context.Context, q schemas.EventQuery) (records []schemas.Record, more bool, err error) {
	p, err := v.Page(ctx, q)
	return p.Records, p.More, err
}

// Page answers a query, at most q.Limit records, and tells where the next page
// begins.
func (v *View) Page(ctx context.Context, q schemas.EventQuery) (schemas.EventPage, error) {
	return v.events(ctx, q, maxSorted)
}

func (v *View) events(ctx context.Context, q schemas.EventQuery, atOnce int) (out schemas.EventPage, err error) {
	c := &query{EventQuery: q, view: v, ctx: ctx, atOnce: atOnce, left: maxEffort}
	if q.Effort > 0 {
		c.left = min(q.Effort, maxEffort)
	}
	if q.Nothing || len(q.Attributes) > 0 {
		return schemas.EventPage{Left: c.left}, nil
	}
	if err := c.prepare(); err != nil {
		return out, err
	}
	if q.OrderBy == schemas.ByField {
		return c.byField()
	}
	found, err := c.find(&out)
	if err != nil {
		return out, err
	}
	var page page
	out.Records = make([]schemas.Record, 0, len(found))
	for i, r := range found {
		if i%maxReadAhead == 0 {
			v.dressAhead(found[i:min(i+maxReadAhead, len(found))])
		}
		full, err := v.dressed(r)
		if err != nil {
			return out, err
		}
		if page.full(&full) {
			last := &out.Records[len(out.Records)-1]
			out.More, out.After, out.Time = true, last.Locator, last.Skeleton.EventTime
			break
		}
		out.Records = append(out.Records, full)
	}
	out.Left = c.left
	return out, nil
}

// find gathers the records of a page, and says whether and where another begins.
func (c *query) find(out *schemas.EventPage) (found []*schemas.Record, err error) {
	source, err := c.source()
	if err != nil {
		return nil, err
	}
	var page page
	seen, matched := 0, 0
	wanted := func() int { return max(c.Limit, 1) - len(found) }
	for cand, err := range c.ahead(source, wanted) {
		if err != nil {
			return nil, c.view.answered(fmt.Errorf("reading the index: %w", err))
		}
		if seen++; seen%every == 0 && c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
		if out.More && c.MaxCount == 0 {
			return found, nil
		}
		r, err := c.match(cand)
		if err != nil {
			return nil, err
		}
		if r != nil {
			matched++
		}
		switch {
		case r != nil && !out.More && len(found) < max(c.Limit, 1) && !page.full(r):
			found = append(found, r)
		case r != nil:
			out.More = true
		}
		switch {
		case c.MaxCount > 0 && matched > c.MaxCount:
			return nil, &schemas.Fault{Code: schemas.QueryTooLarge, Detail: fmt.Sprintf("more than maxEventCount %d events match", c.MaxCount)}
		case c.MaxCount > 0 && c.left <= 0:
			return nil, &schemas.Fault{Code: schemas.QueryTooComplex, Detail: fmt.Sprintf("so many events are to be looked at that it cannot be told whether more than maxEventCount %d match", c.MaxCount)}
		case !out.More:
			out.After, out.Time = cand.at, cand.time
		}
		if c.left <= 0 {
			out.More = true
			return found, nil
		}
	}
	return found, nil
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
	for i := range c.Things {
		c.names += len(c.Things[i].IDs) + len(c.Things[i].Patterns)
	}
	for i := range c.Conditions {
		c.operands += 1 + len(c.Conditions[i].Values)
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
	c.left--
	if !c.mayBe(&cand) {
		return nil, nil
	}
	r, err := c.view.bare(cand.at)
	if err != nil {
		return nil, err
	}
	c.left -= effortRecord + len(r.SkeletonBytes)/bytesEffort + c.names*(len(r.Skeleton.EPCs)+len(r.Skeleton.OutputEPCs)+len(r.Skeleton.Quantities)+len(r.Skeleton.OutputQuantities))/namesEffort
	if r.Kind != schemas.KindEvent || !c.MatchesSkeleton(r) {
		return nil, nil
	}
	if is, known := c.MatchesID(r.EventID); !is {
		if known {
			return nil, nil
		}
		body, err := c.view.bodyOf(r)
		if err != nil {
			return nil, err
		}
		if c.left -= effortBody + len(body)/bytesEffort; !c.MatchesHash(body) {
			return nil, nil
		}
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
	if len(c.Conditions) == 0 {
		return r, nil
	}
	body, err := c.view.bodyOf(r)
	if err != nil {
		return nil, err
	}
	if c.left -= effortBody + c.operands*len(body)/bytesEffort; !c.MatchesBody(body) {
		return nil, nil
	}
	return r, nil
}

// mayBe reports what the index leaves open.
func (c *query) mayBe(cand *candidate) bool {
	return cand.at.Height >= c.minHeight && cand.at.Height <= c.maxHeight && c.inTime(cand.time) && c.mayMatch(cand)
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
	if c.OrderBy == schemas.ByEventTime {
		order = cmp.Or(cmp.Compare(a.time, b.time), order)
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
