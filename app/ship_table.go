package app

import "github.com/waybill-ledger/waybill/schemas"

// The table of shipments: in a state, a message of a partner in a role leads to the next
// state. What is not in it is refused. Rules of ship.go look nowhere else for what
// follows; docs/custody.md shows the table as a diagram.

// shipMessage is what is done about a shipment. EPCIS events come down to the same.
type shipMessage uint8

const (
	doDispatch shipMessage = 1 + iota
	doOffer
	doReturn // an offer to the shipper
	doAccept // in full, or with discrepancies
	doReject
	doWithdraw // the offer
	doExpire   // the offer, by the time of a block
	doClose
	doCancel
	doHold
	doUnhold
	doAttach // documents
	doDispute
	doGoOn // outcomes of a dispute
	doSettle
	doComeBack
	doEnd // by vote, since a party left the network
)

var shipMessageNames = [...]string{"", "dispatch", "offer", "return", "accept", "reject", "cancel offer", "expire", "close", "cancel", "hold", "unhold", "attach documents",
	"dispute", "resolve: go on", "resolve: delivered", "resolve: return", "end"}

func (m shipMessage) String() string { return shipMessageNames[m] }

// shipRole is in what role a partner does it. One partner can have several.
type shipRole uint16

const (
	asShipper   shipRole = 1 << iota
	asHolder             // who accepted it last, at first the shipper
	asCarrier            // to whom it is offered, as a carrier
	asReceiver           // the receiver; where an offer is answered, to whom it is offered
	asInspector          // or any other party
	asDisputant          // of the hand-over that is argued about
	asArbiter
	asTime    // nobody: a block's time
	asMembers // of the network, by vote
)

var shipRoleNames = map[shipRole]string{asShipper: "shipper", asHolder: "holder", asCarrier: "carrier", asReceiver: "receiver", asInspector: "inspector",
	asDisputant: "disputant", asArbiter: "arbiter", asTime: "time", asMembers: "members"}

func (r shipRole) String() string { return shipRoleNames[r] }

type shipStep struct {
	from schemas.ShipmentState
	does shipMessage
	as   shipRole
}

var shipTable = map[shipStep]schemas.ShipmentState{ // only ever looked up
	{schemas.Announced, doDispatch, asHolder}: schemas.InTransit,
	{schemas.Announced, doOffer, asHolder}:    schemas.HandoverPending,
	{schemas.InTransit, doOffer, asHolder}:    schemas.HandoverPending,
	{schemas.Rejected, doOffer, asHolder}:     schemas.HandoverPending,

	{schemas.InTransit, doReturn, asHolder}: schemas.HandoverPending,
	{schemas.Rejected, doReturn, asHolder}:  schemas.HandoverPending,
	{schemas.Delivered, doReturn, asHolder}: schemas.HandoverPending,
	{schemas.Rejected, doReturn, asShipper}: schemas.Returned, // which holds it still

	{schemas.HandoverPending, doAccept, asCarrier}:  schemas.InTransit,
	{schemas.HandoverPending, doAccept, asReceiver}: schemas.Delivered,
	{schemas.HandoverPending, doAccept, asShipper}:  schemas.Returned,
	{schemas.HandoverPending, doReject, asCarrier}:  schemas.InTransit,
	{schemas.HandoverPending, doReject, asReceiver}: schemas.Rejected,
	{schemas.HandoverPending, doReject, asShipper}:  schemas.Rejected,

	{schemas.HandoverPending, doWithdraw, asHolder}: schemas.InTransit,
	{schemas.HandoverPending, doExpire, asTime}:     schemas.InTransit,

	{schemas.Delivered, doClose, asReceiver}: schemas.Closed,
	{schemas.Returned, doClose, asShipper}:   schemas.Closed,
	{schemas.Announced, doCancel, asShipper}: schemas.Cancelled,
	{schemas.InTransit, doCancel, asShipper}: schemas.Cancelled,
	{schemas.Rejected, doCancel, asShipper}:  schemas.Cancelled,

	{schemas.InTransit, doDispute, asDisputant}: schemas.Disputed,
	{schemas.Delivered, doDispute, asDisputant}: schemas.Disputed,
	{schemas.Rejected, doDispute, asDisputant}:  schemas.Disputed,
	{schemas.Returned, doDispute, asDisputant}:  schemas.Disputed,

	{schemas.Disputed, doGoOn, asDisputant}:     schemas.InTransit,
	{schemas.Disputed, doSettle, asDisputant}:   schemas.Delivered,
	{schemas.Disputed, doComeBack, asDisputant}: schemas.Rejected,
	{schemas.Disputed, doGoOn, asArbiter}:       schemas.InTransit,
	{schemas.Disputed, doSettle, asArbiter}:     schemas.Delivered,
	{schemas.Disputed, doComeBack, asArbiter}:   schemas.Rejected,

	{schemas.Announced, doEnd, asMembers}: schemas.Cancelled, // an offer that is open was withdrawn before
	{schemas.InTransit, doEnd, asMembers}: schemas.Cancelled,
	{schemas.Rejected, doEnd, asMembers}:  schemas.Cancelled,
	{schemas.Disputed, doEnd, asMembers}:  schemas.Cancelled,
	{schemas.Delivered, doEnd, asMembers}: schemas.Closed,
	{schemas.Returned, doEnd, asMembers}:  schemas.Closed,
}

// Some messages lie over the states, and lead nowhere: any party stops what is under way,
// or attaches documents.
var (
	underWay = map[schemas.ShipmentState]bool{schemas.Announced: true, schemas.InTransit: true, schemas.HandoverPending: true,
		schemas.Delivered: true, schemas.Rejected: true, schemas.Disputed: true, schemas.Returned: true}
	asParty     = asShipper | asHolder | asCarrier | asReceiver | asInspector
	whileHeld   = map[shipMessage]bool{doReject: true, doWithdraw: true, doExpire: true, doDispute: true, doGoOn: true, doSettle: true, doComeBack: true, doEnd: true}
	allMessages = []shipMessage{doDispatch, doOffer, doReturn, doAccept, doReject, doWithdraw, doExpire, doClose, doCancel, doHold, doUnhold, doAttach, doDispute, doGoOn, doSettle, doComeBack, doEnd}
	allRoles    = []shipRole{asShipper, asHolder, asCarrier, asReceiver, asInspector, asDisputant, asArbiter, asTime, asMembers}
)

// nextState is where a message of somebody in these roles leads. What stands against it
// is told by a code: the state, the role, or that the shipment is held.
func nextState(from schemas.ShipmentState, held bool, does shipMessage, roles shipRole) (schemas.ShipmentState, schemas.Code) {
	if does == doHold || does == doUnhold || does == doAttach {
		switch {
		case !underWay[from] || does == doHold && held || does == doUnhold && !held:
			return from, schemas.WrongState
		case roles&asParty == 0:
			return from, schemas.WrongRole
		}
		return from, schemas.OK
	}
	code := schemas.WrongState
	for _, as := range allRoles {
		next, ok := shipTable[shipStep{from, does, as}]
		switch {
		case !ok:
		case roles&as == 0:
			code = schemas.WrongRole
		case held && !whileHeld[does]:
			return from, schemas.ShipmentHeld
		default:
			return next, schemas.OK
		}
	}
	return from, code
}
