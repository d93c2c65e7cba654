package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// ledger is api.Ledger over the state machine and the engine of this process.
type ledger struct {
	app      *app.App
	computed func() int64 // height up to which the history is there, of a ledger that lacks it
	anchors  *app.Anchors
	engine   *engine
	codec    *schemas.Codec
	keys     *Keys
	signing  *signing
	settings *Settings
	standby  bool // the node follows behind the other of its pair
	chainID  string
	waits    *waits
	pace     *pace
	turns    turns       // of documents
	failed   func() bool // consensus has failed
	log      *slog.Logger
	version  string
	started  time.Time
}

var _ api.Ledger = (*ledger)(nil)

// Sign makes a transaction of the events and signs it with the partner's key.
func (l *ledger) Sign(actor string, atomic bool, events []*schemas.Event) (api.Signed, error) {
	by := l.signing.current.Load()
	if by.err != nil {
		return api.Signed{}, by.err
	}
	if err := l.checkAuthors(events); err != nil {
		return api.Signed{}, err
	}
	draft := schemas.Draft{ChainID: l.chainID, Partner: l.settings.Partner, KeyID: by.id, Actor: actor,
		Nonce: random(schemas.NonceSize), Secret: random(len(schemas.Hash{})), Atomic: atomic, Events: events}
	height, _, _ := l.waits.last()
	draft.Rules, draft.Expiry = l.app.RulesAt(height+1), uint64(height+l.settings.ExpiryHeights)
	if upgrade, _ := l.app.Upgrade(); upgrade > height+1 {
		// No later block takes it: it is void then, and signed again for the new rules.
		draft.Expiry = min(draft.Expiry, uint64(upgrade-1))
	}
	draft.DuplicateKeys = l.duplicateKeys(events)
	// The library that verifies signs the same in half the time.
	raw, tx, err := l.codec.SignDecoded(draft, voi.PrivateKey(by.key))
	if err != nil {
		return api.Signed{}, err
	}
	out := api.Signed{Raw: raw, ID: tx.ID, Expiry: int64(draft.Expiry), Digests: make([]schemas.Hash, len(events)), IDs: make([]string, len(events))}
	for i := range tx.Messages {
		out.Digests[i], out.IDs[i] = tx.Messages[i].Digest, tx.Messages[i].EventIDOf()
	}
	if l.app.Anticipates() {
		l.app.Anticipate(raw, tx, by.key.Public().(ed25519.PublicKey))
	}
	return out, nil
}

// checkAuthors looks at what authors signed before it is signed with other events.
func (l *ledger) checkAuthors(events []*schemas.Event) error {
	if !slices.ContainsFunc(events, func(e *schemas.Event) bool { return e.Skeleton.Author != "" }) {
		return nil
	}
	view, err := l.app.View()
	if err != nil {
		return err
	}
	return view.CheckAuthors(l.settings.Partner, events)
}

// Broadcast puts a transaction into the pool, from where it reaches the other
// nodes and a block.
func (l *ledger) Broadcast(_ context.Context, raw []byte) error {
	if l.failed() || l.engine.catchingUp() {
		return fmt.Errorf("%w: the node is catching up or halted", api.ErrUnavailable)
	}
	err := l.engine.gossip.submit(raw)
	var refused *schemas.Fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, app.ErrPoolFull):
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	l.log.Error("checking a transaction", "error", err)
	return fmt.Errorf("%w: the ledger could not check it", api.ErrUnavailable)
}

// Turn waits until work that takes a processor for a while may begin.
func (l *ledger) Turn(ctx context.Context) (end func(), err error) {
	return l.turns.take(ctx)
}

// Await blocks until the transaction is committed or never can be.
func (l *ledger) Await(ctx context.Context, id schemas.Hash, expiry int64) (*schemas.Receipt, error) {
	return l.waits.wait(ctx, id, expiry, func() (*schemas.Receipt, error) {
		view, err := l.app.View()
		if err != nil {
			return nil, err
		}
		receipt, _, err := view.Transaction(id)
		return receipt, err
	})
}

// DryRun answers the receipt that the events would get now.
func (l *ledger) DryRun(_ context.Context, actor string, atomic bool, events []*schemas.Event) (*schemas.Receipt, error) {
	return l.app.DryRun(actor, l.settings.Partner, atomic, events, l.duplicateKeys(events)...)
}

// Rehearse answers the receipt that a client's transaction would get in the next block.
func (l *ledger) Rehearse(_ context.Context, tx *schemas.Transaction) (*schemas.Receipt, error) {
	events, keys := make([]*schemas.Event, len(tx.Messages)), make([][]byte, len(tx.Messages))
	for i := range tx.Messages {
		events[i], keys[i] = tx.Messages[i].Event, tx.Messages[i].DuplicateKey
	}
	return l.app.DryRun(tx.Header.Actor, tx.Header.Partner, tx.Header.Atomic, events, keys...)
}

func (l *ledger) duplicateKeys(events []*schemas.Event) [][]byte {
	keys := make([][]byte, len(events))
	for i, e := range events {
		if e.KindOf() == schemas.KindEvent { // an order has none
			keys[i] = schemas.DuplicateKeyOf(l.keys.Duplicates, e)
		}
	}
	return keys
}

// View returns the last committed state.
func (l *ledger) View() (api.View, error) {
	v, err := l.app.View()
	if err != nil {
		return nil, err
	}
	return v, nil
}

// ViewAt returns the state of one of the last few heights.
func (l *ledger) ViewAt(height int64) (api.View, error) {
	v, err := l.app.ViewAt(height)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Watch returns a channel that is closed when a height above this is committed.
func (l *ledger) Watch(height int64) <-chan struct{} { return l.waits.watch(height) }

// Erasure tells how the body of a partner's event stands under orders, with this
// node's word, once the body is erased, that it holds it no more, and how long its
// retention class keeps it.
func (l *ledger) Erasure(_ context.Context, partner, eventID string) (*api.Erasure, error) {
	view, err := l.app.View()
	if err != nil {
		return nil, err
	}
	e, err := view.Erasure(partner, eventID)
	if e == nil || err != nil {
		return nil, err
	}
	out := &api.Erasure{Partner: partner, EventID: eventID, Standing: e.Standing.String(), Event: e.Event, Order: e.Order,
		Class: e.Class, ErasableFrom: e.From, DueBy: e.Due}
	if e.Standing == schemas.BodyErased && !e.Held {
		by := l.signing.current.Load() // also one that ended: what it was the ledger keeps
		r := &schemas.ErasureReceipt{ChainID: l.chainID, Partner: l.settings.Partner, KeyID: by.id, Recorder: partner, EventID: eventID,
			Event: e.Event, Order: e.Order, Height: view.Height()}
		digest := r.Digest()
		r.Signature = ed25519.Sign(by.key, digest[:])
		out.Receipt = r
	}
	return out, nil
}
