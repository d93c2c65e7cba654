package app

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// What happens without a message of its own, told by rows that no rule reads. What ends
// by time has a row under its end, as long as it may end so: rows of ends that have not
// come follow from the leaves alone, those that have stay. A block behind the time of
// which something ended says between which times to look; what it made of its messages
// is a row each. So an empty block writes a row where something ended, and no more.

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

// itemDeadline is the end of the offer of an item; of one that is in a hand-over of a
// shipment, that tells.
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

// The rows of a block's moments sort by kind; that which says that something ended by
// time comes last.
const momentsEnded = 0xff

func momentRow(height int64, kind byte, subject string) []byte {
	return append(append(append([]byte{rowMoment}, be64(height)...), kind), subject...)
}

func (b *block) happened(m *schemas.Moment) {
	b.led.Emit(momentRow(b.height, byte(m.Kind), m.Subjects[0]), m.Append(be64(b.now())))
}

// ended notes whether anything ended between the time of the block before and this
// one's. Nothing that this block writes did.
func (a *App) ended(b *block) {
	row := b.row([]byte{rowNow})
	if len(row) != 8 {
		return // it is the first, here: what ended before it is not known
	}
	before := int64(decodeUint64(row))
	prefix := []byte{rowDeadline}
	for row, err := range a.store.Latest().Rows(prefix, append(prefix, be64(before)...), false) {
		if err != nil {
			panic(ioFailure{fmt.Errorf("reading what ends: %w", err)})
		}
		if d := int64(decodeUint64(row.Key[1:])); d < b.now() {
			b.led.Emit(momentRow(b.height, momentsEnded, ""), append(be64(b.now()), be64(before)...))
		}
		break
	}
}

// became tells what became of the partners and of what they agreed on, in a block that
// changed something.
func (b *block) became() {
	if p := b.dir.parameters; p.UpgradeHeight != 0 && p.UpgradeHeight == uint64(b.height) {
		b.happened(&schemas.Moment{Kind: schemas.MomentUpgrade, Subjects: []string{fmt.Sprint(p.UpgradeRules)}})
	}
	if !b.governed {
		return
	}
	touched := slices.Clone(b.touched)
	slices.Sort(touched)
	for _, id := range slices.Compact(touched) {
		if after := b.partnerLeaf(id); after != nil { // else its admission was undone
			b.partnerBecame(b.dir.partner(id), after)
		}
	}
	value, _ := b.get(schemas.ParametersKey())
	after, before := must(schemas.DecodeParameters(value)), b.dir.parameters
	for _, p := range []*schemas.Parameters{&before, &after} {
		p.Rules, p.UpgradeHeight, p.UpgradeRules = 0, 0, 0 // what a vote schedules is told when it is in force
	}
	if !bytes.Equal(before.Append(nil), after.Append(nil)) {
		b.happened(&schemas.Moment{Kind: schemas.MomentParameters, Subjects: []string{after.ChainID}, From: b.height + 1})
	}
}

func (b *block) partnerBecame(before, after *schemas.Partner) {
	say := func(kind schemas.MomentKind, from int64) {
		b.happened(&schemas.Moment{Kind: kind, Subjects: []string{after.ID}, Concerns: []string{after.ID}, From: from})
	}
	if before == nil {
		say(schemas.MomentAdmitted, b.height+1)
		before = &schemas.Partner{NodeID: after.NodeID}
	} else if before.State != after.State {
		say(map[schemas.State]schemas.MomentKind{schemas.Active: schemas.MomentResumed, schemas.Suspended: schemas.MomentSuspended,
			schemas.Removed: schemas.MomentRemoved}[after.State], b.height+1)
	}
	switch {
	case len(after.Validate) == 0 && len(before.Validate) > 0:
		say(schemas.MomentNoValidator, b.height+2)
	case !bytes.Equal(after.Validate, before.Validate): // the engine lets it hold from the second block behind on
		say(schemas.MomentValidator, b.height+2)
	case after.NodeID != before.NodeID:
		say(schemas.MomentValidator, b.height+1)
	}
}

// decided tells that a vote decided a proposal.
func (m *message) decided(at schemas.Locator, p *schemas.Proposal) {
	kind, ok := map[schemas.Outcome]schemas.MomentKind{schemas.ProposalPassed: schemas.MomentPassed, schemas.ProposalRejected: schemas.MomentRejected}[p.Outcome]
	if !ok {
		return // its proposer withdrew it, which the message tells
	}
	told := schemas.Moment{Kind: kind, Subjects: []string{schemas.ProposalID(at)}, Concerns: []string{p.Proposer}, Cause: m.at}
	if about := cmp.Or(p.Change.Partner, p.Change.Prefix); about != "" {
		told.Subjects = append(told.Subjects, about)
	}
	if p.Change.Recall != "" {
		told.Subjects = append(told.Subjects, p.Change.Partner+"/"+p.Change.Recall)
	}
	if p.Change.Partner != "" && p.Change.Partner != p.Proposer {
		told.Concerns = append(told.Concerns, p.Change.Partner)
	}
	if kind == schemas.MomentPassed {
		told.From = m.height + 1
	}
	m.happened(&told)
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
