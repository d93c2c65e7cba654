package app

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// What ends by time has a row under its end, as long as it may end so. Rows of ends that
// have not come follow from the leaves alone; those that have stay.

// deadline is what ends if nothing comes before.
type deadline struct {
	until   int64 // it has ended in a block whose time is later
	kind    schemas.MomentKind
	cause   schemas.Locator
	subject string
	unit    string // of a lot, each of which has offers of its own
	parties []string

	handover uint64 // of an overdue shipment: the one that was open
}

func (d *deadline) row() (key, value []byte) {
	key = d.cause.Append(append(append([]byte{rowDeadline}, be64(d.until)...), byte(d.kind)))
	m := schemas.Moment{Concerns: d.parties}
	key = append(append(key, d.subject...), 0)
	return append(key, d.unit...), m.Append(binary.AppendUvarint(nil, d.handover))
}

const deadlineHead = 1 + 8 + 1 + schemas.LocatorSize

func readDeadline(r store.Row) (d deadline, err error) {
	n := 0
	if len(r.Key) >= deadlineHead {
		d.until, d.kind = int64(decodeUint64(r.Key[1:])), schemas.MomentKind(r.Key[9])
		d.subject, d.unit, _ = strings.Cut(string(r.Key[deadlineHead:]), "\x00")
		if d.cause, err = schemas.DecodeLocator(r.Key[10:deadlineHead]); err == nil {
			d.handover, n = binary.Uvarint(r.Value)
		}
	}
	if n <= 0 {
		return d, fmt.Errorf("what ends at %x is malformed: rebuild the index (waybill check --rebuild)", r.Key)
	}
	m, err := schemas.DecodeMoment(d.kind, r.Value[n:])
	d.parties = m.Concerns
	return d, err
}

// itemDeadline is when the offer of an item ends. One that is part of a shipment's
// hand-over ends with that.
func itemDeadline(id string, it *schemas.Item) []deadline {
	if it.Offer == nil || it.Offer.Shipment != "" {
		return nil
	}
	return []deadline{offerDeadline(id, it.Custodian, it.Offer)}
}

func offerDeadline(subject, from string, o *schemas.Offer) deadline {
	until := o.Time + schemas.MaxWaiting
	if o.Until != 0 {
		until = min(until, o.Until)
	}
	return deadline{until: until, kind: schemas.MomentOffer, cause: o.Locator, subject: subject, parties: []string{from, o.Party}}
}

// lotDeadlines are the ends of the offers of a list: those of lots, and no receipts.
func lotDeadlines(key []byte, offers []schemas.Offer) (out []deadline) {
	parts := bytes.SplitN(key[1:], []byte{0}, 3)
	if len(parts) < 3 || !bytes.HasPrefix(parts[2], []byte("o")) {
		return nil
	}
	for i := range offers {
		if o := &offers[i]; o.Shipment == "" {
			d := offerDeadline(string(parts[0]), o.From, o)
			d.unit = string(parts[1])
			out = append(out, d)
		}
	}
	return out
}

// shipmentDeadline is when the receiver is to have a shipment.
func shipmentDeadline(id string, s *schemas.Shipment) []deadline {
	if s.Deadline == 0 || s.Free() || s.Holder == s.Receiver {
		return nil
	}
	d := deadline{until: s.Deadline, kind: schemas.MomentOverdue, cause: s.At, subject: id, parties: s.Parties()}
	if s.State == schemas.HandoverPending {
		d.handover = s.Handovers
	}
	return []deadline{d}
}

func handoverDeadline(id string, h *schemas.Handover) []deadline {
	if h == nil || h.State != schemas.HandoverOpen {
		return nil
	}
	return []deadline{{until: h.Until, kind: schemas.MomentHandover, cause: h.Offered.At, subject: id, parties: []string{h.Offered.Partner, h.To}}}
}

func proposalDeadline(at schemas.Locator, p *schemas.Proposal) []deadline {
	if p.Outcome != schemas.ProposalOpen {
		return nil
	}
	return []deadline{{until: p.Ends, kind: schemas.MomentUndecided, cause: at, subject: schemas.ProposalID(at), parties: []string{p.Proposer}}}
}

// expect writes what ends by time now instead of what did. What has ended stays.
func (b *block) expect(before, after []deadline) {
	if len(before) == 0 && len(after) == 0 {
		return
	}
	var keys [][]byte
	for i := range after {
		if after[i].until < b.now() {
			continue
		}
		key, value := after[i].row()
		b.led.PutRow(key, value)
		keys = append(keys, key)
	}
	for i := range before {
		key, _ := before[i].row()
		if before[i].until >= b.now() && !slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
			b.led.DeleteRow(key)
		}
	}
}

// deadlinesOf is what ends, as a leaf says.
func deadlinesOf(kind schemas.StateKind, name string, key, value []byte) ([]deadline, error) {
	switch kind {
	case schemas.ItemLeaf:
		it, err := schemas.DecodeItem(value)
		return itemDeadline(name, &it), err
	case schemas.LotOffersLeaf:
		offers, err := schemas.DecodeOffers(value)
		return lotDeadlines(key, offers), err
	case schemas.ShipmentLeaf:
		s, err := schemas.DecodeShipment(value)
		return shipmentDeadline(name, &s), err
	case schemas.HandoverLeaf:
		id, _, _ := strings.Cut(name, "\x00")
		h, err := schemas.DecodeHandover(value)
		return handoverDeadline(id, &h), err
	case schemas.ProposalLeaf:
		at, err := schemas.DecodeLocator([]byte(name))
		if err != nil {
			return nil, err
		}
		p, err := schemas.DecodeProposal(value)
		return proposalDeadline(at, &p), err
	}
	return nil, nil
}
