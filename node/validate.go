package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node follows what the ledger says of nodes: it drops the peers that the ledger
// does not name any more, and, when a validator is ordered for its partner whose key
// it has, tells the ledger that it is ready. It remembers nothing: what was not
// committed is said again at the next look, and so is what the network could not put
// into force yet.

const (
	followEvery = 3 * time.Second // between two looks
	// signsOn is for how many blocks a validator signs behind the one that takes it
	// away: the engine lets that hold from the second on.
	signsOn = 2
)

// follower is what does that.
type follower struct {
	ledger   *ledger
	voter    types.PrivValidator
	twin     p2p.ID // of the other node of its pair, which the ledger does not know; "": there is none
	log      *slog.Logger
	governed chan struct{} // a block changed what the ledger says of partners, or who signs
	recent   int           // of how many blocks more that may be; the engine's own
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

func newFollower(l *ledger, voter types.PrivValidator, log *slog.Logger) *follower {
	f := &follower{ledger: l, voter: voter, log: log, governed: make(chan struct{}, 1)}
	if twin, err := l.settings.twin(); err == nil && twin != nil { // it was checked before
		f.twin = twin.ID
	}
	return f
}

// committed notes a block. It does not wait: the engine holds its lock.
func (f *follower) committed(c app.Committed) {
	if c.Governed {
		f.recent = signsOn + 1
	}
	if f.recent > 0 {
		f.recent--
		select {
		case f.governed <- struct{}{}:
		default:
		}
	}
}

// begin looks from time to time, for peers also behind every block that changes
// something: what waits for an answer of the network does not keep a peer.
func (f *follower) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.work.Go(func() { f.look(ctx, f.governed, f.dropPeers) })
	f.work.Go(func() { f.look(ctx, nil, f.tellReady) })
}

func (f *follower) look(ctx context.Context, also <-chan struct{}, do func(context.Context)) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if !f.ledger.engine.catchingUp() {
			do(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-also:
		case <-tick.C:
		}
	}
}

func (f *follower) close() error {
	if f.cancel != nil {
		f.cancel()
	}
	f.work.Wait()
	return nil
}

// dropPeers ends the connections to those that the ledger does not name, unless the next
// block may need one of them.
func (f *follower) dropPeers(context.Context) {
	l := f.ledger
	l.app.CaughtUp()
	if l.outgoing() {
		return
	}
	peers := l.engine.Switch()
	for _, peer := range peers.Peers().Copy() {
		if peer.ID() != f.twin && !l.app.AdmitsPeer(string(peer.ID())) {
			f.log.Info("a peer is dropped, since the ledger names no partner whose node it is", "peer", string(peer.ID()))
			peers.StopPeerGracefully(peer)
		}
	}
}

// outgoing reports whether one of those who sign the next block validates for nobody any
// more. Its node is not named by the ledger, and its vote may be needed all the same: of
// three validators that become two, the third signs one block more.
func (l *ledger) outgoing() bool {
	states := l.engine.blocks.stateStore()
	if states == nil {
		return false
	}
	view, err := l.app.View()
	if err != nil {
		return false
	}
	last, err := states.Load()
	if err != nil {
		return false
	}
	sign := last.Validators
	if last.LastBlockHeight < view.Height() { // the engine notes a block behind the ledger
		sign = last.NextValidators
	}
	partners, err := view.Partners()
	if err != nil || sign == nil {
		return false
	}
	return slices.ContainsFunc(sign.Validators, func(v *types.Validator) bool {
		return !slices.ContainsFunc(partners, func(p schemas.Partner) bool { return bytes.Equal(p.Validate, v.PubKey.Bytes()) })
	})
}

// tellReady tells the ledger, if a validator is ordered that this node can be.
func (f *follower) tellReady(ctx context.Context) {
	if err := f.ready(ctx); err != nil && ctx.Err() == nil {
		f.log.Warn("telling the ledger that this node is ready to validate, this is tried again", "error", err)
	}
}

func (f *follower) ready(ctx context.Context) error {
	l := f.ledger
	view, err := l.app.View()
	if err != nil {
		return err
	}
	order, err := view.Order(l.settings.Partner)
	if order == nil || err != nil {
		return err
	}
	if order.NodeID != string(l.keys.Node.ID()) || !f.validates(order.Key) {
		return nil // it is another node's turn
	}
	e, err := schemas.MakeAct(&schemas.Ready{Key: order.Key}, "", time.Now())
	if err != nil {
		return err
	}
	signed, err := l.Sign("validator", false, []*schemas.Event{e})
	if err != nil {
		return err
	}
	if err := l.Broadcast(ctx, signed.Raw); err != nil {
		if f := new(schemas.Fault); errors.As(err, &f) && f.Code == schemas.UnknownKey {
			err = fmt.Errorf("%w: waybill keys add %x --roles capture,admin --held gateway", err, l.keys.Public())
		}
		return err
	}
	receipt, err := l.Await(ctx, signed.ID, signed.Expiry)
	if err != nil {
		return err
	}
	f.log.Info("this node told that it is ready to validate", "height", receipt.Height, "answer", receipt.Events[0].Code.String())
	return nil
}

// validates reports whether the node can sign with a consensus key.
func (f *follower) validates(key []byte) bool {
	if next := f.ledger.keys.NextValidator; next != nil && bytes.Equal(next.Key.PubKey.Bytes(), key) {
		return true
	}
	public, err := f.voter.GetPubKey()
	return err == nil && bytes.Equal(public.Bytes(), key)
}
