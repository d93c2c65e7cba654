package api

import (
	"context"
	"errors"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a Ledger answers that is no refusal.
var (
	// ErrUnavailable says that the node cannot take the request now, and may later.
	ErrUnavailable = errors.New("the node cannot take this now")
	// ErrExpired says that a transaction was not committed up to its expiry height,
	// and never will be.
	ErrExpired = errors.New("the transaction expired without being committed")
)

// Ledger is the one thing that the gateway needs of its node: submit, read,
// prove, watch. All methods may be called by many goroutines.
type Ledger interface {
	// Sign makes a transaction of the events and signs it with the gateway's
	// key. It changes nothing. Events beyond a transaction's bounds are refused
	// with a *schemas.Fault (transaction_too_large).
	Sign(actor string, atomic bool, events []*schemas.Event) (Signed, error)

	// Broadcast gives a signed transaction to the network. It returns soon, and
	// may be repeated. A *schemas.Fault is a final refusal of these bytes
	// (replayed: they are on the ledger already); ErrUnavailable means that the
	// node cannot take it now.
	Broadcast(ctx context.Context, raw []byte) error

	// Delay tells how long what is handed in now is going to wait for a block, behind
	// so many bytes that the gateway handed in or holds and what others did, by the pace
	// of the last blocks; 0 where that cannot be told.
	Delay(own int64) time.Duration

	// Turn waits until a document may be read or signed: hundreds at once would keep
	// the processors from the ledger. Whoever has a turn ends it soon, and waits for
	// nothing meanwhile.
	Turn(ctx context.Context) (end func(), err error)

	// Await blocks until the transaction is committed, or the context ends, or
	// the ledger has passed its expiry without it (ErrExpired: it never will be
	// committed). Committed transactions are answered at once, however old.
	Await(ctx context.Context, id schemas.Hash, expiry int64) (*schemas.Receipt, error)

	// DryRun answers the receipt that the events would get now. Nothing is recorded.
	DryRun(ctx context.Context, actor string, atomic bool, events []*schemas.Event) (*schemas.Receipt, error)

	// Rehearse answers the receipt that a client's transaction, of any partner, would
	// get now. Nothing is recorded.
	Rehearse(ctx context.Context, tx *schemas.Transaction) (*schemas.Receipt, error)

	// View returns the last committed state, and ViewAt that of one of the last
	// few heights (else a *schemas.Fault view_expired).
	View() (View, error)
	ViewAt(height int64) (View, error)

	// Bundle proves what the ledger has of an item, a lot, a partner's activity or a shipment,
	// or that it has nothing, to somebody who trusts no node. Answers the encoded
	// bundle in its binary form.
	Bundle(ctx context.Context, q schemas.BundleQuery) ([]byte, error)

	// Renew makes of a bundle in its binary form one of the same state under a header
	// of now, which leads from a root of trust of the height since, 0 for any. A
	// *schemas.Fault says that it is none of this ledger.
	Renew(ctx context.Context, bundle []byte, since int64) ([]byte, error)

	// Erasure tells how the body of a partner's event stands under orders; nil
	// where none stands.
	Erasure(ctx context.Context, partner, eventID string) (*Erasure, error)

	// Trust is an auditor's root of trust at the last committed height.
	Trust(ctx context.Context) (*Trust, error)

	// Network tells the node's view of the network.
	Network(ctx context.Context) (*Network, error)

	// Watch returns a channel that is closed when a height above this one is committed.
	Watch(height int64) <-chan struct{}

	History // for whoever watches that the past stays as it is
}

// Unavailable is ErrUnavailable with a reason that callers are told.
type Unavailable string

// Error returns the reason.
func (u Unavailable) Error() string { return string(u) }

// Is reports whether target is ErrUnavailable.
func (u Unavailable) Is(target error) bool { return target == ErrUnavailable }

// Signed is a transaction that can be broadcast.
type Signed struct {
	Raw     []byte
	ID      schemas.Hash
	Expiry  int64          // last height at which it may be committed
	Digests []schemas.Hash // of the events, in order
	IDs     []string       // eventIDs, own or derived
}

// View reads one committed state. It need not be closed; it expires some
// heights later, and then answers a *schemas.Fault view_expired.
type View interface {
	Height() int64
	Time() time.Time
	// Missing is the range of heights whose records the node does not have yet,
	// since it joined by a snapshot; 0, 0 where it has all.
	Missing() (first, last int64, err error)

	// Item returns an item's state, nil where the ledger has no record. The
	// custodian is that of the outermost container.
	Item(id string) (*schemas.ItemState, error)
	// Trail returns records of a trail from the n-th (0-based), at most limit and
	// as many as fit its bound of bytes, one at least; TrailHead tells whether
	// others follow.
	Trail(key schemas.TrailKey, from uint64, limit int) ([]schemas.Record, error)
	// TrailHead returns a trail's head.
	TrailHead(key schemas.TrailKey) (schemas.Head, error)
	// Balances returns what partners hold of a class or lot.
	Balances(class string) ([]schemas.Balance, error)
	// Packed returns how much of a class or lot is inside containers; more tells
	// whether there are others.
	Packed(class string) (packed []schemas.Packed, more bool, err error)

	// Page answers a query, at most q.Limit records and as many as fit its bound
	// of bytes, and tells where the next page begins. It looks at no more than
	// q.Effort allows, so that a page may be short though others follow. A
	// *schemas.Fault query_too_large or query_too_complex refuses the query.
	Page(ctx context.Context, q schemas.EventQuery) (schemas.EventPage, error)
	// Values lists what the index has of a kind, in the order of bytes, behind one.
	Values(ctx context.Context, of schemas.Listing, after string, limit int) (values []string, more bool, err error)
	// Trace follows an item's history.
	Trace(ctx context.Context, q schemas.TraceQuery) (*schemas.Trace, error)
	// Exceptions returns flagged records that concern a partner, newest first: of open
	// ones those alone that it has not settled. next is the place before which the next
	// page begins, nil where none follows: a page may be short though others follow.
	Exceptions(partner string, before *schemas.Locator, open bool, limit int) (records []schemas.Record, next *schemas.Locator, err error)
	// Transaction returns a committed transaction's receipt, nil where there is none.
	Transaction(id schemas.Hash) (*schemas.Receipt, *schemas.TransactionInfo, error)
	// Messages returns what was recorded behind a place, in ledger order, with results
	// and without bodies, at most limit, fewer where they are large; more tells whether
	// others may follow. A *schemas.Fault history_missing says that the node lacks it yet.
	Messages(after schemas.Locator, limit int) (records []schemas.Record, more bool, err error)
	// Overdue returns records of offers that a partner made or got and nobody answered,
	// behind one. next is where the next page begins, nil where none follows.
	Overdue(partner string, after *schemas.Locator, limit int) (records []schemas.Record, next *schemas.Locator, err error)
	// Shipment returns a shipment with its units and last hand-overs, nil where there is none.
	Shipment(id string) (*schemas.ShipmentInfo, error)
	// Shipments returns shipments by id, behind one: of a party, in a state; "" and 0 are
	// any. after is where the next page begins, "" where none follows.
	Shipments(party string, state schemas.ShipmentState, from string, limit int) (shipments []schemas.ShipmentInfo, after string, err error)
	// Conditions returns what was measured of a shipment, behind one, at most limit.
	Conditions(shipment string, behind *schemas.MeasuredInfo, limit int) (conditions []schemas.MeasuredInfo, more bool, err error)
	// Recalls returns recalls by issuer and name, behind one, at most limit.
	Recalls(after schemas.RecallRef, open bool, limit int) (recalls []schemas.RecallInfo, more bool, err error)
	// RecallReach returns a recall with where it reaches, nil where there is none.
	RecallReach(ctx context.Context, ref schemas.RecallRef) (*schemas.RecallReach, error)
	// Recalled returns the open recalls that name a thing or lot.
	Recalled(id string) ([]schemas.RecallRef, error)
	// RecallsInside returns how many things inside a container open recalls name.
	RecallsInside(container string) (schemas.RecalledInside, error)
	// Partners returns the partners, by id.
	Partners() ([]schemas.Partner, error)
	// Partner returns a partner, nil where there is none of this id.
	Partner(id string) (*schemas.Partner, error)
	// Holdings returns what a partner holds and the shipments that wait for it, behind a
	// place, at most limit. next is where the next page begins, "" where none follows: a
	// page may be short, or empty, though others follow. A *schemas.Fault bad_parameter
	// says that there is no such place.
	Holdings(partner, behind string, limit int) (held schemas.Holdings, next string, err error)
	// Leaving reports whether a partner is suspended or removed, or an open proposal is
	// about that.
	Leaving(partner string) (bool, error)
	// Keys returns the keys that a partner has and had, by id, and KeyChanges what
	// waits for the agreement of its other admin keys.
	Keys(partner string) ([]schemas.Key, error)
	KeyChanges(partner string) ([]schemas.OpenChange, error)

	// Proposals returns proposals, newest first, those before a place where one is
	// given, and Proposal the one of an id, nil where there is none.
	Proposals(before *schemas.Locator, limit int) (proposals []schemas.ProposalState, more bool, err error)
	Proposal(id string) (*schemas.ProposalState, error)
	// Impact tells what a change would do to the network.
	Impact(c *schemas.Change) (*schemas.Impact, error)
	// Prefixes returns the company prefixes that are registered, by their digits, and
	// PrefixDigits how many digits that of an identifier has, 0 where none is known.
	Prefixes() ([]schemas.Prefix, error)
	PrefixDigits(canonical string) int
}

// Erasure is how the body of an event stands: erased, or held so that it may not
// be. In a network with retention classes it tells what the event's class says, also
// where no order stands. Receipt is the node's word that it holds an erased one no more.
type Erasure struct {
	Partner  string                  `json:"partner"` // who recorded the event
	EventID  string                  `json:"eventID"`
	Standing string                  `json:"standing"`
	Event    schemas.Locator         `json:"event"`
	Order    schemas.Locator         `json:"order,omitzero"`
	Receipt  *schemas.ErasureReceipt `json:"receipt,omitempty"`

	Class        string    `json:"class,omitempty"`       // retention class
	ErasableFrom time.Time `json:"erasableFrom,omitzero"` // before, an order to erase is refused
	DueBy        time.Time `json:"dueBy,omitzero"`        // then the recorder's node orders it, unless it is held
}

// Trust is what an auditor pins: a header that several nodes confirmed.
type Trust struct {
	ChainID          string    `json:"chain_id"`
	Height           int64     `json:"height"`
	Time             time.Time `json:"time"`
	HeaderHash       string    `json:"header_hash"`        // hexadecimal
	ValidatorSetHash string    `json:"validator_set_hash"` // hexadecimal
}

// Network is what a node knows of the network.
type Network struct {
	ChainID    string          `json:"chain_id"`
	Rules      uint32          `json:"rules"`
	Partner    string          `json:"partner"` // whose node this is
	Height     int64           `json:"height"`
	Time       time.Time       `json:"time"`
	AppHash    string          `json:"app_hash"`
	BlockHash  string          `json:"block_hash"`
	CatchingUp bool            `json:"catching_up"`
	Quorum     bool            `json:"quorum"` // blocks can be made, as far as the node sees
	Halted     bool            `json:"halted"`
	Peers      int             `json:"peers"`
	Partners   []NetworkMember `json:"partners"`
	Version    string          `json:"version"`
	Snapshots  []int64         `json:"snapshots"`         // heights that others can join by
	Upgrade    *Upgrade        `json:"upgrade,omitempty"` // that is scheduled
	Missing    *HeightRange    `json:"missing,omitempty"` // whose records the node does not have yet
}

// HeightRange is a range of heights, both included.
type HeightRange struct {
	First   int64 `json:"first"`
	Last    int64 `json:"last"`
	Fetched int64 `json:"fetched"` // height up to which they are there, to be used when all are
}

// NetworkMember is a partner as this node sees it.
type NetworkMember struct {
	schemas.Partner
	Connected bool                    `json:"connected"`
	Ordered   *schemas.ValidatorOrder `json:"ordered,omitempty"` // another validator, which is not in force yet
}

// Upgrade is a change of the rules at a height.
type Upgrade struct {
	Height int64  `json:"height"`
	Rules  uint32 `json:"rules"`
}
