package schemas

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Kinds of leaves: the first byte of every key of the state tree.
const (
	kindAccumulator = 'A' // header accumulator
	kindBalance     = 'B' // class, unit, partner
	kindClass       = 'C' // class or lot
	kindRelease     = 'E' // container, epoch
	kindPrefix      = 'F' // company prefix
	kindParameters  = 'G'
	kindContents    = 'H' // container, epoch
	kindItem        = 'I' // item
	kindKeyRing     = 'J' // partner
	kindKey         = 'K' // partner, key
	kindLotOffers   = 'L' // class, unit, receiver
	kindBoard       = 'M' // which proposals are open
	kindNonces      = 'N' // expiry height
	kindProposal    = 'O' // place of the act that made it
	kindPartner     = 'P' // partner
	kindRegister    = 'R' // partner
	kindChanged     = 'S' // last height that changed anything
	kindValidator   = 'V' // partner: what is ordered for its validator
	kindWaiting     = 'W' // item, partner
	kindLotPassed   = 'p' // place of the message that offered or received some of a lot
	kindShipment    = 'T' // shipment
	kindUnits       = 't' // shipment
	kindLotShipment = 'l' // class, unit, holder
	kindHandover    = 'h' // shipment, number
	kindDispute     = 'D' // shipment, number of the hand-over
	kindRecall      = 'Q' // issuer, name of a recall
	kindRecallSpans = 'm' // partner: spans of which its open recalls name what it made
	kindRecallReply = 'a' // issuer, name of a recall, partner that answered it
	kindRecalled    = 'q' // item, class or lot that recalls name
	kindInside      = 'c' // container in which recalls name something
	kindCondition   = 'U' // shipment, quality, partner, device: what it measured
	kindErasure     = 'X' // partner, eventID: a body that is erased, or held
	kindSigning     = 'Y' // who was seen signing
	kindRescue      = 'Z' // epoch: the document by which the network was restarted
)

// StateKind is a kind of leaves, where somebody needs to tell them apart.
type StateKind byte

// Kinds of leaves that are more than their values: with logs beside them, or
// with rows that follow from their keys.
const (
	AccumulatorLeaf StateKind = kindAccumulator
	BalanceLeaf     StateKind = kindBalance
	ChangedLeaf     StateKind = kindChanged
	ClassLeaf       StateKind = kindClass
	ContentsLeaf    StateKind = kindContents
	ErasureLeaf     StateKind = kindErasure
	HandoverLeaf    StateKind = kindHandover
	ItemLeaf        StateKind = kindItem
	LotOffersLeaf   StateKind = kindLotOffers
	NoncesLeaf      StateKind = kindNonces
	ParametersLeaf  StateKind = kindParameters
	PartnerLeaf     StateKind = kindPartner
	RecalledLeaf    StateKind = kindRecalled
	ProposalLeaf    StateKind = kindProposal
	RegisterLeaf    StateKind = kindRegister
	ShipmentLeaf    StateKind = kindShipment
	WaitingLeaf     StateKind = kindWaiting
)

// stateKinds names every kind for people, with the number or the place that ends its keys.
var stateKinds = map[StateKind]struct {
	name string
	ends int // bytes: 8 of a number, LocatorSize of a place
}{
	kindAccumulator: {name: "header accumulator"},
	kindBalance:     {name: "balance"},
	kindClass:       {name: "class or lot"},
	kindRelease:     {"emptied container", 8},
	kindPrefix:      {name: "company prefix"},
	kindParameters:  {name: "parameters"},
	kindContents:    {"contents of a container", 8},
	kindItem:        {name: "item"},
	kindKeyRing:     {name: "key ring"},
	kindKey:         {name: "key"},
	kindLotOffers:   {name: "offers of a lot"},
	kindBoard:       {name: "open proposals"},
	kindNonces:      {"transactions by expiry", 8},
	kindProposal:    {"proposal", LocatorSize},
	kindPartner:     {name: "partner"},
	kindRegister:    {name: "register"},
	kindChanged:     {name: "last change"},
	kindValidator:   {name: "order for a validator"},
	kindWaiting:     {name: "waiting receipt"},
	kindLotPassed:   {"who got or gave of a lot", LocatorSize},
	kindShipment:    {name: "shipment"},
	kindUnits:       {name: "units of a shipment"},
	kindLotShipment: {name: "shipments of a lot"},
	kindHandover:    {"hand-over", 8},
	kindDispute:     {"dispute", 8},
	kindRecall:      {name: "recall"},
	kindRecallSpans: {name: "spans of recalls"},
	kindRecallReply: {name: "answer to a recall"},
	kindRecalled:    {name: "recalled"},
	kindInside:      {name: "recalled inside a container"},
	kindCondition:   {name: "condition"},
	kindErasure:     {name: "erasure"},
	kindSigning:     {name: "who signs"},
	kindRescue:      {"rescue", 8},
}

// KindOf is a state key's kind, and its parts.
func KindOf(key []byte) (kind StateKind, parts []byte) {
	if len(key) == 0 {
		return 0, nil
	}
	return StateKind(key[0]), key[1:]
}

// DescribeKey tells a state key in words: its kind, and its parts with commas between.
func DescribeKey(key []byte) (kind, name string) {
	of, parts := KindOf(key)
	known, ok := stateKinds[of]
	if !ok {
		known.name = fmt.Sprintf("unknown kind %q", byte(of))
	}
	end := ""
	if at := len(parts) - known.ends; known.ends > 0 && at >= 0 {
		if l, err := DecodeLocator(parts[at:]); err == nil {
			end = fmt.Sprintf("%d-%d-%d", l.Height, l.Position, l.Index)
		} else {
			end = fmt.Sprint(binary.BigEndian.Uint64(parts[at:]))
		}
		parts = parts[:at]
	}
	return known.name, strings.ReplaceAll(string(parts), "\x00", ", ") + end
}
