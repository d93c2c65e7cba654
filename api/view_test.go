package api_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// fakeView answers by looking at every record. A view of height -1 has expired.
type fakeView struct {
	missing     [2]int64
	elsewhere   string
	height      int64
	now         time.Time
	records     []schemas.Record
	commits     map[schemas.Hash]*commit
	wholeTraces bool
	short       bool // a page looks at two records
	paging      func()
	tooComplex  bool             // queries are
	moments     []schemas.Record // behind all records
	looked      func()           // told whenever messages are read
}

var _ api.View = (*fakeView)(nil)

func (v *fakeView) expired() error {
	if v.height < 0 {
		return &schemas.Fault{Code: schemas.ViewExpired, Detail: "too old"}
	}
	return nil
}

func (v *fakeView) Height() int64   { return v.height }
func (v *fakeView) Time() time.Time { return v.now }

func (v *fakeView) Missing() (first, last int64, err error) { return v.missing[0], v.missing[1], nil }

func names(r *schemas.Record, id string, anywhere bool) bool {
	s := r.Skeleton
	all := s.EPCs
	if anywhere {
		all = append(append([]string{s.ParentID}, s.EPCs...), s.OutputEPCs...)
	}
	return slices.Contains(all, id)
}

func (v *fakeView) trail(key schemas.TrailKey) (out []schemas.Record) {
	for _, r := range v.records {
		switch key.Kind {
		case schemas.CustodyTrail:
			if names(&r, key.Subject, true) && r.Result.Effect == schemas.Applied {
				out = append(out, r)
			}
		case schemas.ObservationTrail:
			if names(&r, key.Subject, true) && r.Result.Effect != schemas.Applied {
				out = append(out, r)
			}
		case schemas.ShipmentTrail:
			out = append(out, r)
		case schemas.ClassTrail:
			if slices.ContainsFunc(r.Skeleton.Quantities, func(q schemas.Quantity) bool { return q.Class == key.Subject }) {
				out = append(out, r)
			}
		}
	}
	return out
}

func (v *fakeView) Item(id string) (*schemas.ItemState, error) {
	if err := v.expired(); err != nil {
		return nil, err
	}
	s := &schemas.ItemState{ID: id, Custodian: cmp.Or(v.elsewhere, "acme-farms")}
	s.Custody, _ = v.TrailHead(schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: id})
	s.Observations, _ = v.TrailHead(schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: id})
	if s.Custody.Count+s.Observations.Count == 0 {
		return nil, nil
	}
	s.Disposition = "active"
	s.Inside = []schemas.HeldLot{{Class: "urn:example:lot", UOM: "KGM", Amount: "3"}, {Class: "urn:example:lot", Unknown: true}}
	return s, nil
}

// fakePage is what fits the ledger's bound of a page.
const fakePage = 3

func (v *fakeView) Trail(key schemas.TrailKey, from uint64, limit int) ([]schemas.Record, error) {
	all := v.trail(key)
	if from > uint64(len(all)) {
		return nil, v.expired()
	}
	all = all[from:]
	return all[:min(limit, len(all), fakePage)], v.expired()
}

func (v *fakeView) TrailHead(key schemas.TrailKey) (schemas.Head, error) {
	n := len(v.trail(key))
	if n == 0 {
		return schemas.Head{}, v.expired()
	}
	return schemas.Head{Root: schemas.Sum("fake", binary.AppendUvarint(nil, uint64(n))), Count: uint64(n)}, v.expired()
}

func (v *fakeView) Balances(class string) ([]schemas.Balance, error) {
	if len(v.trail(schemas.TrailKey{Kind: schemas.ClassTrail, Subject: class})) == 0 {
		return nil, v.expired()
	}
	return []schemas.Balance{{Partner: "acme-farms", UOM: "KGM", Quantity: "12.5", Known: true}}, v.expired()
}

func (v *fakeView) Packed(class string) ([]schemas.Packed, bool, error) {
	if len(v.trail(schemas.TrailKey{Kind: schemas.ClassTrail, Subject: class})) == 0 {
		return nil, false, v.expired()
	}
	return []schemas.Packed{{Container: "urn:example:pallet", Custodian: "acme-farms", UOM: "KGM", Quantity: "3", Known: true}}, true, v.expired()
}

func (v *fakeView) Page(_ context.Context, q schemas.EventQuery) (out schemas.EventPage, err error) {
	if err := v.expired(); err != nil {
		return out, err
	}
	if v.paging != nil {
		v.paging()
	}
	if v.tooComplex {
		return out, &schemas.Fault{Code: schemas.QueryTooComplex, Detail: "too much"}
	}
	asked := q
	if v.short {
		q = schemas.EventQuery{OrderBy: q.OrderBy, Ascending: q.Ascending, After: q.After, AfterTime: q.AfterTime, MaxHeight: q.MaxHeight, Limit: 2}
		defer func() {
			out.Records = slices.DeleteFunc(out.Records, func(r schemas.Record) bool { return !asked.Matches(&r) })
			out.Left = 0
		}()
	}
	var all []schemas.Record
	for _, r := range v.records {
		if r.Height <= q.MaxHeight && q.Matches(&r) {
			all = append(all, r)
		}
	}
	if q.MaxCount > 0 && len(all) > q.MaxCount {
		return out, &schemas.Fault{Code: schemas.QueryTooLarge, Detail: "too many"}
	}
	compare := func(a, b schemas.Record) int {
		c := a.Locator.Compare(b.Locator)
		if q.OrderBy == schemas.ByEventTime && a.Skeleton.EventTime != b.Skeleton.EventTime {
			c = 1
			if a.Skeleton.EventTime < b.Skeleton.EventTime {
				c = -1
			}
		}
		if !q.Ascending {
			c = -c
		}
		return c
	}
	slices.SortFunc(all, compare)
	if q.After != nil {
		last := schemas.Record{Locator: *q.After, Skeleton: &schemas.Skeleton{EventTime: q.AfterTime}}
		all = slices.DeleteFunc(all, func(r schemas.Record) bool { return compare(r, last) <= 0 })
	}
	out.Left = q.Effort
	if out.Records = all; len(all) > q.Limit {
		out.Records, out.More = all[:q.Limit], true
	}
	if n := len(out.Records); n > 0 {
		out.After, out.Time = out.Records[n-1].Locator, out.Records[n-1].Skeleton.EventTime
	}
	return out, nil
}

// fakeValues is what has one value.
func fakeValues(r *schemas.Record, of schemas.Listing) []string {
	switch of {
	case schemas.ListEPCs:
		return r.Skeleton.EPCs
	case schemas.ListBizSteps:
		return []string{r.Skeleton.BizStep}
	case schemas.ListDispositions:
		return []string{r.Skeleton.Disposition}
	}
	var body struct{ ReadPoint, BizLocation struct{ ID string } }
	if json.Unmarshal(r.Body, &body) != nil {
		return nil
	}
	place := body.ReadPoint.ID
	if of == schemas.ListBizLocations {
		place = body.BizLocation.ID
	}
	if id, _, err := schemas.Canonical(place); err == nil {
		return []string{id}
	}
	return nil
}

func (v *fakeView) Values(_ context.Context, of schemas.Listing, after string, limit int) (out []string, more bool, err error) {
	for _, r := range v.records {
		for _, s := range fakeValues(&r, of) {
			if s > after {
				out = append(out, s)
			}
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > limit {
		return out[:limit], true, v.expired()
	}
	return out, false, v.expired()
}

func (v *fakeView) Trace(_ context.Context, q schemas.TraceQuery) (*schemas.Trace, error) {
	t := &schemas.Trace{ID: q.ID, Height: v.height, Items: []schemas.TraceItem{{ID: q.ID, Direction: fmt.Sprint(q.Direction, q.MaxDepth)}}, Edges: []schemas.TraceEdge{}, Gaps: []schemas.TraceGap{}}
	bytes := 0
	for _, r := range v.records {
		if names(&r, q.ID, true) {
			if q.MaxBytes > 0 && bytes >= q.MaxBytes && !v.wholeTraces {
				r.Body, t.Truncated = nil, true
			}
			bytes += len(r.Body)
			t.Events = append(t.Events, r)
		}
	}
	return t, v.expired()
}

func (v *fakeView) Exceptions(partner string, before *schemas.Locator, _ bool, limit int) (out []schemas.Record, next *schemas.Locator, err error) {
	for i := len(v.records) - 1; i >= 0; i-- {
		r := v.records[i]
		if r.Partner == partner && (before == nil || r.Locator.Compare(*before) < 0) {
			out = append(out, r)
		}
	}
	if len(out) > limit {
		return out[:limit], &out[limit-1].Locator, v.expired()
	}
	return out, nil, v.expired()
}

func (v *fakeView) Transaction(id schemas.Hash) (*schemas.Receipt, *schemas.TransactionInfo, error) {
	c := v.commits[id]
	if c == nil {
		return nil, nil, v.expired()
	}
	r, h := c.receipt, c.tx.Header
	return &r, &schemas.TransactionInfo{Partner: h.Partner, KeyID: h.KeyId, Actor: h.Actor, Expiry: int64(h.Expiry), Atomic: h.Atomic}, v.expired()
}

// Partner knows the node's own, and a participant that it hosts.
func (v *fakeView) Partner(id string) (*schemas.Partner, error) {
	switch id {
	case "acme-farms":
		return &schemas.Partner{ID: id, Name: "Acme Farms", GLN: "9521234000006", Standing: schemas.StandingMember}, v.expired()
	case "guest":
		return &schemas.Partner{ID: id, Name: "Guest", GLN: "9521234000013", Standing: schemas.StandingParticipant, Host: "acme-farms"}, v.expired()
	case "moved":
		return &schemas.Partner{ID: id, Name: "Moved", GLN: "9521234000020", Standing: schemas.StandingParticipant, Host: "borg-foods"}, v.expired()
	}
	return nil, v.expired()
}

// Keys and KeyChanges of the fake are always these.
func (v *fakeView) Keys(partner string) ([]schemas.Key, error) {
	return []schemas.Key{{Partner: partner, ID: "gateway", Public: bytes.Repeat([]byte{1}, 32), Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1, Until: 1000}}, v.expired()
}

func (v *fakeView) KeyChanges(string) ([]schemas.OpenChange, error) {
	return []schemas.OpenChange{{ID: "0123456789abcdef", Act: &schemas.SetThreshold{Threshold: 2}, By: []string{"gateway"}, Expires: time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC).UnixNano()}}, v.expired()
}

var fakeRecall = schemas.RecallInfo{RecallRef: schemas.RecallRef{Issuer: "acme-farms", Recall: "listeria"},
	RecallState: schemas.RecallState{Class: "I", Instruction: "stop selling", Deadline: 2e18, Issued: 1e18, Closed: 3e18, Named: 2, Made: []schemas.RecallSpan{{From: 1e18, Until: 2e18, Class: "urn:x:class"}}},
	Replies:     []schemas.RecallReply{{Partner: "mill", Acknowledgement: schemas.Acknowledgement{Time: 2e18, Held: []schemas.RecallHolding{{ID: "urn:x:1", Quantity: "1", UOM: "KGM", State: "sold"}}, Done: true}}}}

var fakeShipment = schemas.ShipmentInfo{ID: "urn:example:shipment:1", Contents: []string{itemLink},
	Shipment: schemas.Shipment{Shipper: "acme-farms", ShipmentParties: schemas.ShipmentParties{Carriers: []string{"haul"}, Receiver: "shop", Inspectors: []string{"lab"}, Arbiter: "mill"},
		ShipmentTerms: schemas.ShipmentTerms{Deadline: 2e18, Bands: []schemas.Band{{Of: schemas.Temperature, Min: "2", Max: "8"}}, Documents: []schemas.Document{{Hash: schemas.Hash{1}}, {Kind: "invoice"}}},
		Lots:          []schemas.ShipmentLot{{Class: "urn:example:lot", Quantity: "3", UOM: "KGM"}}, Items: 1, Units: 2, State: schemas.Disputed, Holder: "haul", HeldBy: "lab",
		Handovers: 1, Disputed: 1, Announced: 1e18, Attached: []schemas.Attachment{{Term: 2, Document: schemas.Hash{2}, Partner: "haul", Time: 1e18}}},
	Last: []schemas.HandoverInfo{{Number: 1, Handover: schemas.Handover{To: "haul", Offered: schemas.Signing{Partner: "acme-farms", KeyID: "k", Held: schemas.HeldByGateway, Time: 1e18, EventTime: 1e18},
		Until: 2e18, Units: 2, Took: 2, State: schemas.HandoverAcceptedWith, Answered: schemas.Signing{Partner: "haul", KeyID: "k", Held: schemas.HeldByClient, Author: "d", Time: 1e18, EventTime: 1e18},
		Discrepancies: []schemas.Discrepancy{{ID: itemLink, What: schemas.Damaged}}},
		Reason: "late", Dispute: &schemas.Dispute{Opened: schemas.Signing{Partner: "haul", KeyID: "k", Held: schemas.HeldByClient, Time: 1e18, EventTime: 1e18},
			Evidence: []schemas.Evidence{{Document: schemas.Hash{1}, Event: "urn:example:event:1", Partner: "borg-foods"}}, From: schemas.Settled, To: schemas.GoOn, Outcome: schemas.ComeBack,
			Resolved: schemas.Signing{Partner: "mill", KeyID: "k", Held: schemas.HeldInHardware, Time: 1e18, EventTime: 1e18}}}}}

func (v *fakeView) Shipment(id string) (*schemas.ShipmentInfo, error) {
	if id != fakeShipment.ID {
		return nil, v.expired()
	}
	s := fakeShipment
	return &s, v.expired()
}

func (v *fakeView) Shipments(_ string, _ schemas.ShipmentState, from string, _ int) ([]schemas.ShipmentInfo, string, error) {
	if from != "" {
		return nil, "", v.expired()
	}
	return []schemas.ShipmentInfo{fakeShipment}, fakeShipment.ID, v.expired()
}

func (v *fakeView) Messages(after schemas.Locator, limit int) (out []schemas.Record, more bool, err error) {
	if v.looked != nil {
		v.looked()
	}
	if after.Height < v.missing[1] {
		return nil, false, &schemas.Fault{Code: schemas.HistoryMissing}
	}
	for _, r := range v.records {
		if r.Locator.Compare(after) > 0 && len(out) < limit {
			out = append(out, r)
		}
	}
	for _, r := range v.moments {
		if r.Locator.Compare(after) > 0 && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, len(out) >= limit, v.expired()
}

func (v *fakeView) Conditions(_ string, behind *schemas.MeasuredInfo, _ int) ([]schemas.MeasuredInfo, bool, error) {
	if behind != nil {
		return nil, false, v.expired()
	}
	at := schemas.Locator{Height: 1}
	e := schemas.Extreme{Amount: "8.1", Time: 1e18, At: at}
	return []schemas.MeasuredInfo{{Of: schemas.Temperature, ReportedBy: "haul", Device: "urn:example:logger:1", Events: map[schemas.Locator]string{at: "urn:example:event:1"},
		Measured: schemas.Measured{Readings: 3, Late: 1, From: 1e18, Until: 1e18, Least: e, Greatest: e, Outside: 2, First: e, Last: e, Lasted: 1e9, Open: true}}}, true, v.expired()
}

func (v *fakeView) Overdue(_ string, after *schemas.Locator, _ int) (records []schemas.Record, next *schemas.Locator, err error) {
	left := v.records
	if after != nil {
		left = left[1+slices.IndexFunc(left, func(r schemas.Record) bool { return r.Locator == *after }):]
	}
	if len(left) > 1 {
		next = &left[0].Locator
	}
	return left[:min(1, len(left))], next, v.expired()
}

func (v *fakeView) Recalls(after schemas.RecallRef, _ bool, _ int) ([]schemas.RecallInfo, bool, error) {
	if after.Issuer != "" {
		return nil, false, v.expired()
	}
	return []schemas.RecallInfo{fakeRecall}, true, v.expired()
}

func (v *fakeView) RecallReach(_ context.Context, ref schemas.RecallRef) (*schemas.RecallReach, error) {
	if ref != fakeRecall.RecallRef {
		return nil, v.expired()
	}
	return &schemas.RecallReach{RecallInfo: fakeRecall, Height: v.height, Time: v.now, Items: 2, Holders: []schemas.RecallHolder{{Partner: "mill", Items: 1, Lots: 1, IDs: []string{"urn:x:1"},
		Balances: []schemas.RecallBalance{{ID: "urn:x:2", Balance: schemas.Balance{Partner: "mill", UOM: "KGM", Quantity: "1", Known: true}}}, Acknowledged: true, Done: true}}}, v.expired()
}

func (v *fakeView) Recalled(string) ([]schemas.RecallRef, error) { return nil, v.expired() }
func (v *fakeView) RecallsInside(string) (schemas.RecalledInside, error) {
	return schemas.RecalledInside{Recalls: []schemas.RecallInside{{RecallRef: schemas.RecallRef{Issuer: "farm", Recall: "r"}, Things: 2}}, Many: true}, v.expired()
}

func (v *fakeView) Partners() ([]schemas.Partner, error) {
	return []schemas.Partner{{ID: "acme-farms", Name: "Acme Farms", GLN: "9521234000006", Standing: schemas.StandingMember}}, v.expired()
}
