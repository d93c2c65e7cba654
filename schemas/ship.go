package schemas

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// ShipmentState is where a shipment stands. The rules' table says how it comes from one
// to another.
type ShipmentState uint8

// States of shipments.
const (
	Announced       ShipmentState = 1 + iota // what is to be shipped, and on what terms
	InTransit                                // on its way, with whoever holds it
	HandoverPending                          // offered, and not yet answered
	Delivered                                // its receiver has it
	Closed                                   // for good
	Rejected                                 // its receiver did not take it
	Disputed                                 // its parties argue about a hand-over
	Returned                                 // its shipper has it again
	Cancelled                                // for good, before anybody else had it
)

// ShipmentStates are all states, in order.
var shipmentStates = []string{"", "announced", "in_transit", "handover_pending", "delivered", "closed", "rejected", "disputed", "returned", "cancelled"}

// String is the state's name.
func (s ShipmentState) String() string { return shipmentStates[int(s)%len(shipmentStates)] }

// MarshalText writes the state's name.
func (s ShipmentState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *ShipmentState) UnmarshalText(b []byte) error { return wordOf(s, shipmentStates, b) }

// wordOf reads one of a list of words, the first of which is none.
func wordOf[T ~uint8](v *T, words []string, b []byte) error {
	i := slices.Index(words, string(b))
	if i < 1 {
		return fmt.Errorf("%q is none of %s", b, strings.Join(words[1:], ", "))
	}
	*v = T(i)
	return nil
}

// Shipment is the leaf value of a shipment. Its units are a leaf of their own.
type Shipment struct {
	Shipper string
	ShipmentParties
	ShipmentTerms
	Lots      []ShipmentLot // with what of it the holder has
	Items     uint64        // units that were announced
	Units     uint64        // units and lots that the holder has, as the hand-overs tell
	State     ShipmentState
	Holder    string // who accepted it last; at first the shipper
	HeldBy    string // whoever stopped it; "" for nobody
	Handovers uint64 // of which the last is open while the state is HandoverPending
	Disputed  uint64 // hand-over that is argued about, while the state is Disputed
	Announced int64  // time of its block, nanoseconds
	At        Locator
	Trail     Head
	Attached  []Attachment // of the documents that its terms require, by their number
}

// Parties are all partners that the shipment concerns, each once, the shipper first.
func (s *Shipment) Parties() (all []string) {
	for _, list := range [][]string{{s.Shipper, s.Receiver}, s.Carriers, s.Inspectors, {s.Arbiter}} {
		for _, p := range list {
			if p != "" && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

func (s *Shipment) bind(b *binding) {
	bind(b, 1, "shipper", &s.Shipper, shortName)
	s.ShipmentParties.bind(b, 2)
	s.ShipmentTerms.bind(b, 6)
	bindList(b, 9, "lots", &s.Lots, maxShipmentLots, object((*ShipmentLot).bind))
	bind(b, 10, "items", &s.Items, whole[uint64](MaxShipmentItems))
	bind(b, 11, "units", &s.Units, whole[uint64](MaxShipmentItems+maxShipmentLots))
	bind(b, 12, "state", &s.State, choice[ShipmentState](shipmentStates...))
	bind(b, 13, "holder", &s.Holder, shortName)
	bind(b, 14, "heldBy", &s.HeldBy, shortName)
	bind(b, 15, "handovers", &s.Handovers, whole[uint64](maxHandovers))
	bind(b, 16, "disputed", &s.Disputed, whole[uint64](maxHandovers))
	bind(b, 17, "announced", &s.Announced, instant)
	bind(b, 18, "at", &s.At, located)
	bind(b, 19, "trail", &s.Trail, headed)
	bindList(b, 20, "attached", &s.Attached, maxDocuments, object((*Attachment).bind))
}

// headed is the form of a trail's head, in leaves alone.
var headed = notation[Head]{
	field: func(h Head) []byte {
		if h.Count == 0 {
			return nil
		}
		return binary.BigEndian.AppendUint64(h.Root[:], h.Count)
	},
	decode: func(v []byte) (h Head, err error) {
		f := ReadFields(AppendField(nil, 1, v))
		n, v, _ := f.Next()
		h = f.Head(n, v)
		return h, f.Err()
	},
}

// Append appends the leaf value: 1 shipper, 2 carriers, 3 receiver, 4 inspectors, 5
// arbiter, 6 deadline, 7 bands, 8 documents, 9 lots, 10 items, 11 units, 12 state, 13
// holder, 14 held by, 15 hand-overs, 16 the one in dispute, 17 time of its block, 18
// locator, 19 head of its trail, 20 attached documents.
func (s *Shipment) Append(dst []byte) []byte { return append(dst, appendBound(s.bind)...) }

// DecodeShipment reads such a leaf value.
func DecodeShipment(v []byte) (s Shipment, err error) { return s, decodeBound(v, s.bind) }

// Final reports whether nothing can happen to the shipment any more; its units are free
// once it is Delivered, Returned or final.
func (s *Shipment) Final() bool { return s.State == Closed || s.State == Cancelled }

// Free reports whether its units can go into another shipment.
func (s *Shipment) Free() bool { return s.Final() || s.State == Delivered || s.State == Returned }

// shipmentUnits is the leaf value of what a shipment consists of.
type shipmentUnits struct{ items []string }

func (u *shipmentUnits) bind(b *binding) { bindList(b, 1, "items", &u.items, MaxShipmentItems, thing) }

// AppendUnits appends the leaf value of a shipment's units, each as field 1.
func AppendUnits(dst []byte, items []string) []byte {
	return append(dst, appendBound((&shipmentUnits{items}).bind)...)
}

// DecodeUnits reads such a leaf value.
func DecodeUnits(v []byte) ([]string, error) {
	var u shipmentUnits
	err := decodeBound(v, u.bind)
	return u.items, err
}

// MaxLotShipments is how many shipments of one holder some of a lot is found in.
const MaxLotShipments = 16

// lotShipments is the leaf value of the shipments in which a holder has some of a lot.
type lotShipments struct{ ids []string }

func (l *lotShipments) bind(b *binding) { bindList(b, 1, "shipments", &l.ids, MaxLotShipments, thing) }

// AppendLotShipments appends the leaf value of such shipments, each as field 1.
func AppendLotShipments(dst []byte, ids []string) []byte {
	return append(dst, appendBound((&lotShipments{ids}).bind)...)
}

// DecodeLotShipments reads such a leaf value.
func DecodeLotShipments(v []byte) ([]string, error) {
	var l lotShipments
	err := decodeBound(v, l.bind)
	return l.ids, err
}

// HandoverState says how a hand-over stands.
type HandoverState uint8

// States of hand-overs.
const (
	HandoverOpen HandoverState = 1 + iota
	HandoverAccepted
	HandoverAcceptedWith // with discrepancies
	HandoverRejected
	HandoverCancelled
	HandoverExpired
)

var handoverStates = []string{"", "open", "accepted", "accepted_with_discrepancies", "rejected", "cancelled", "expired"}

// Answered reports whether the other side said what it took, if only that it took nothing.
func (s HandoverState) Answered() bool {
	return s == HandoverAccepted || s == HandoverAcceptedWith || s == HandoverRejected
}

// String is the state's name.
func (s HandoverState) String() string { return handoverStates[int(s)%len(handoverStates)] }

// MarshalText writes the state's name.
func (s HandoverState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *HandoverState) UnmarshalText(b []byte) error { return wordOf(s, handoverStates, b) }

// Signing is who did something, with which key, and how that key was held.
type Signing struct {
	Partner   string
	KeyID     string
	Held      Holding
	Author    string // key that signed the message itself, where one did
	Time      int64  // of the block, nanoseconds
	EventTime int64  // claimed, nanoseconds
	At        Locator
}

func (s *Signing) bind(b *binding) {
	bind(b, 1, "partner", &s.Partner, shortName)
	bind(b, 2, "key", &s.KeyID, line(maxName))
	bind(b, 3, "held", &s.Held, whole(HeldInHardware))
	bind(b, 4, "author", &s.Author, line(maxName))
	bind(b, 5, "time", &s.Time, instant)
	bind(b, 6, "eventTime", &s.EventTime, instant)
	bind(b, 7, "at", &s.At, located)
}

// Handover is the leaf value of one hand-over of a shipment.
type Handover struct {
	To            string
	Offered       Signing
	Until         int64  // block time at which it ends, nanoseconds
	Units         uint64 // units and lots that are to be handed over
	Open          uint64 // of them, that are offered now
	Took          uint64 // that the other side has taken
	Refused       uint64 // that it did not take
	State         HandoverState
	Answered      Signing
	Discrepancies []Discrepancy
	Lots          []ShipmentLot // of what was taken
}

func (h *Handover) bind(b *binding) {
	bind(b, 1, "to", &h.To, shortName)
	bind(b, 2, "offered", &h.Offered, object((*Signing).bind))
	bind(b, 3, "until", &h.Until, instant)
	count := whole[uint64](MaxShipmentItems + maxShipmentLots)
	bind(b, 4, "units", &h.Units, count)
	bind(b, 5, "open", &h.Open, count)
	bind(b, 6, "took", &h.Took, count)
	bind(b, 7, "refused", &h.Refused, count)
	bind(b, 8, "state", &h.State, choice[HandoverState](handoverStates...))
	bind(b, 9, "answered", &h.Answered, object((*Signing).bind))
	bindList(b, 10, "discrepancies", &h.Discrepancies, MaxDiscrepancies, object((*Discrepancy).bind))
	bindList(b, 11, "lots", &h.Lots, maxShipmentLots, object((*ShipmentLot).bind))
}

// Append appends the leaf value: 1 to whom, 2 who offered it, 3 until, 4 units, 5 open,
// 6 taken, 7 refused, 8 state, 9 who answered it, 10 discrepancies, 11 lots taken.
func (h *Handover) Append(dst []byte) []byte { return append(dst, appendBound(h.bind)...) }

// DecodeHandover reads such a leaf value.
func DecodeHandover(v []byte) (h Handover, err error) { return h, decodeBound(v, h.bind) }

// Dispute is the leaf value of a dispute about a hand-over.
type Dispute struct {
	Opened   Signing
	Evidence []Evidence
	From     Settlement // that who offered proposes
	To       Settlement // that the other side proposes
	Outcome  Settlement // as it ended
	Resolved Signing
}

func (d *Dispute) bind(b *binding) {
	outcomes := choice[Settlement](outcomeWords...)
	bind(b, 1, "opened", &d.Opened, object((*Signing).bind))
	bindList(b, 2, "evidence", &d.Evidence, 3*MaxEvidence, object((*Evidence).bindBrought))
	bind(b, 3, "from", &d.From, outcomes)
	bind(b, 4, "to", &d.To, outcomes)
	bind(b, 5, "outcome", &d.Outcome, outcomes)
	bind(b, 6, "resolved", &d.Resolved, object((*Signing).bind))
}

func (e *Evidence) bindBrought(b *binding) {
	e.bind(b)
	bind(b, 3, "partner", &e.Partner, shortName)
}

// Append appends the leaf value: 1 who opened it, 2 evidence, 3 what the one side
// proposes, 4 the other, 5 outcome, 6 who resolved it.
func (d *Dispute) Append(dst []byte) []byte { return append(dst, appendBound(d.bind)...) }

// DecodeDispute reads such a leaf value.
func DecodeDispute(v []byte) (d Dispute, err error) { return d, decodeBound(v, d.bind) }

// HandoverInfo is a hand-over as the ledger has it, with its dispute if there is one.
type HandoverInfo struct {
	Number uint64
	Handover
	Reason  string // that whoever rejected or withdrew it gave
	Dispute *Dispute
}

// ShipmentInfo is a shipment as the ledger has it.
type ShipmentInfo struct {
	ID string
	Shipment
	Contents []string       // its units, of one shipment that is asked for
	Last     []HandoverInfo // its hand-overs, the last first, at most a hundred, fewer where they list much
}
