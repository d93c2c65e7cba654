package app

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// How many hand-overs of a shipment are told, the last of them, and how much of what their
// answers list: behind that, no further one is.
const (
	maxHandoversTold = 100
	maxAnswersTold   = 5000 // discrepancies and evidence
)

// Shipment returns a shipment with its units and its last hand-overs, nil where there
// is none.
func (v *View) Shipment(id string) (*schemas.ShipmentInfo, error) {
	s, err := v.shipment(id)
	if s == nil || err != nil {
		return nil, err
	}
	value, _, err := v.get(schemas.UnitsKey(id))
	if err != nil {
		return nil, err
	}
	if s.Contents, err = schemas.DecodeUnits(value); err != nil {
		return nil, fmt.Errorf("reading what shipment %q consists of: %w", id, err)
	}
	for n := s.Handovers - uint64(len(s.Last)); n > 0 && len(s.Last) < maxHandoversTold; n-- {
		h, err := v.handover(id, n)
		if err != nil {
			return nil, err
		}
		s.Last = append(s.Last, *h)
	}
	told := 0
	for i := range s.Last {
		h := &s.Last[i]
		if h.Reason, err = v.reason(h); err != nil {
			return nil, err
		}
		if h.Dispute, err = v.dispute(id, h.Number); err != nil {
			return nil, err
		}
		if told += len(h.Discrepancies); h.Dispute != nil {
			told += len(h.Dispute.Evidence)
		}
		if told > maxAnswersTold {
			s.Last = s.Last[:i]
			break
		}
	}
	return s, nil
}

// reason is what the act that rejected or withdrew a hand-over gave as its reason, ""
// where an event did, or the node does not have its record or body.
func (v *View) reason(h *schemas.HandoverInfo) (string, error) {
	if h.Answered.Partner == "" || h.State != schemas.HandoverRejected && h.State != schemas.HandoverCancelled {
		return "", nil
	}
	r, err := v.bare(h.Answered.At)
	if isFault(err, schemas.HistoryMissing) {
		return "", nil // what the state tells of the hand-over stands without
	}
	if err != nil || r.Skeleton.Act == nil {
		return "", err
	}
	full, err := v.dressed(r)
	if err != nil || full.Body == nil {
		return "", err
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(full.Body, &body); err != nil {
		return "", fmt.Errorf("reading why hand-over %d was not taken: %w", h.Number, err)
	}
	return body.Reason, nil
}

// shipment reads a shipment as it stands at the view's time: with its last hand-over
// where that is open or has ended by time.
func (v *View) shipment(id string) (*schemas.ShipmentInfo, error) {
	value, _, err := v.get(schemas.ShipmentKey(id))
	if value == nil || err != nil {
		return nil, err
	}
	s := &schemas.ShipmentInfo{ID: id}
	if s.Shipment, err = schemas.DecodeShipment(value); err != nil {
		return nil, fmt.Errorf("reading shipment %q: %w", id, err)
	}
	if s.State != schemas.HandoverPending {
		return s, nil
	}
	h, err := v.handover(id, s.Handovers)
	if err != nil {
		return nil, err
	}
	if v.time.UnixNano() > h.Until {
		over := shipment{Shipment: s.Shipment, last: &h.Handover}
		over.finish(doExpire)
		s.Shipment = over.Shipment
	}
	s.Last = append(s.Last, *h)
	return s, nil
}

func (v *View) handover(id string, n uint64) (*schemas.HandoverInfo, error) {
	value, _, err := v.get(schemas.HandoverKey(id, n))
	if err != nil {
		return nil, err
	}
	h := &schemas.HandoverInfo{Number: n}
	if h.Handover, err = schemas.DecodeHandover(value); err != nil {
		return nil, fmt.Errorf("reading hand-over %d of shipment %q: %w", n, id, err)
	}
	return h, nil
}

func (v *View) dispute(id string, n uint64) (*schemas.Dispute, error) {
	value, _, err := v.get(schemas.DisputeKey(id, n))
	if value == nil || err != nil {
		return nil, err
	}
	d, err := schemas.DecodeDispute(value)
	if err != nil {
		return nil, fmt.Errorf("reading a dispute about shipment %q: %w", id, err)
	}
	return &d, nil
}

// maxShipmentsLooked bounds how many shipments one page looks at.
const maxShipmentsLooked = 10_000

// Shipments returns shipments by id, behind one, at most limit: of a party, or of all
// where it is ""; in a state, or in any where it is 0. after is where the next page
// begins, "" where none follows: a page may be short though others follow.
func (v *View) Shipments(party string, state schemas.ShipmentState, from string, limit int) (out []schemas.ShipmentInfo, after string, err error) {
	looked := 0
	for id, err := range v.shipmentIDs(party, from) {
		if err != nil {
			return nil, "", err
		}
		if len(out) >= limit || looked >= maxShipmentsLooked {
			return out, after, nil
		}
		looked++
		after = id
		s, err := v.shipment(id)
		if err != nil {
			return nil, "", err
		}
		if s != nil && (state == 0 || s.State == state) {
			out = append(out, *s)
		}
	}
	return out, "", nil
}

func (v *View) shipmentIDs(party, from string) func(func(string, error) bool) {
	return func(yield func(string, error) bool) {
		if party == "" {
			prefix := schemas.ShipmentKey("")
			for leaf, err := range v.at.LeavesFrom(prefix, schemas.ShipmentKey(from)) {
				if err != nil {
					yield("", v.answered(fmt.Errorf("reading shipments: %w", err)))
					return
				}
				if id := string(leaf.Key[len(prefix):]); id != from && !yield(id, nil) {
					return
				}
			}
			return
		}
		prefix := rowKey(rowShipment, party)
		for row, err := range v.at.Rows(prefix, append(prefix[:len(prefix):len(prefix)], from...), false) {
			if err != nil {
				yield("", v.answered(fmt.Errorf("reading shipments: %w", err)))
				return
			}
			if id := strings.TrimSuffix(string(row.Key[len(prefix):]), "\x00"); id != from && !yield(id, nil) {
				return
			}
		}
	}
}

// Bounds of the look for offers that nobody answered.
const (
	maxOffersLooked = 2000                   // for one page
	overdueFor      = 2 * schemas.MaxWaiting // how long they are told of, from when they were made
)

// Overdue returns the records of offers that a partner made or got, and that ended
// without an answer within the last month, or whose shipment's hand-over did: oldest
// first, behind one, at most limit. Nothing was recorded when they ended. next is where
// the next page begins, nil where none follows: a page may be short though others follow.
func (v *View) Overdue(partner string, after *schemas.Locator, limit int) (records []schemas.Record, next *schemas.Locator, err error) {
	now := v.time.UnixNano()
	prefix := rowKey(rowOffered, partner)
	from := offeredRow(partner, max(now-overdueFor, 0), schemas.Locator{})
	if after != nil {
		t, err := v.transaction(placeOf(*after))
		if err != nil {
			return nil, nil, err
		}
		if t == nil || int(after.Index) >= len(t.messages) {
			return nil, nil, &schemas.Fault{Code: schemas.BadParameter, Detail: "there is no such place in the list: begin it anew"}
		}
		r, err := t.record(*after)
		if err != nil {
			return nil, nil, err
		}
		from = offeredRow(partner, r.Time.UnixNano(), *after)
	}
	looked := 0
	var page page
	for row, err := range v.at.Rows(prefix, from, false) {
		if err != nil {
			return nil, nil, v.answered(fmt.Errorf("reading offers: %w", err))
		}
		at, err := schemas.DecodeLocator(row.Key[len(prefix)+8:])
		if err != nil {
			return nil, nil, fmt.Errorf("reading offers: %w", err)
		}
		if after != nil && at == *after {
			continue
		}
		if looked++; looked > maxOffersLooked || len(records) >= limit {
			return records, next, nil
		}
		r, err := v.overdue(partner, at, now)
		if err != nil {
			return nil, nil, err
		}
		if r != nil {
			if page.full(r) {
				return records, next, nil
			}
			records = append(records, *r)
		}
		next = &at
	}
	return records, nil, nil
}

// overdue is the record of an offer that ended without an answer and is not settled,
// nil of any other.
func (v *View) overdue(partner string, at schemas.Locator, now int64) (*schemas.Record, error) {
	if settled, err := v.row(settledRow(partner, at)); settled != nil || err != nil {
		return nil, err
	}
	r, err := v.bare(at)
	if err != nil {
		return nil, err
	}
	if over, err := v.unanswered(r, now); !over || err != nil {
		return nil, err
	}
	full, err := v.dressed(r)
	return &full, err
}

// unanswered reports whether an offer that a record made has ended, and was not answered.
func (v *View) unanswered(r *schemas.Record, now int64) (bool, error) {
	e := r.Skeleton
	switch a := e.Act.(type) {
	case *schemas.OfferHandover:
		return v.unansweredAt(a.Shipment, r.Locator)
	case *schemas.ReturnShipment:
		return v.unansweredAt(a.Shipment, r.Locator)
	}
	ids := e.EPCs
	if e.ParentID != "" {
		ids = []string{e.ParentID}
	}
	for i, id := range ids {
		if i == 100 {
			break
		}
		it, err := v.leaf(id)
		if err != nil {
			return false, err
		}
		if it != nil && it.Offer != nil && it.Offer.Locator == r.Locator && it.Offer.Lapsed(now) {
			return true, nil
		}
	}
	return false, nil
}

func (v *View) unansweredAt(id string, at schemas.Locator) (bool, error) {
	s, err := v.shipment(id)
	if s == nil || err != nil {
		return false, err
	}
	for n := s.Handovers; n > 0 && s.Handovers-n < maxHandoversTold; n-- {
		h, err := v.handover(id, n)
		if err != nil {
			return false, err
		}
		if h.Offered.At == at {
			return h.State == schemas.HandoverExpired || h.State == schemas.HandoverOpen && v.time.UnixNano() > h.Until, nil
		}
	}
	return false, nil
}
