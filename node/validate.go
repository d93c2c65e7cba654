package node

import (
	"bytes"
	"context"
	"log/slog"
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

const followEvery = 3 * time.Second // between two looks

// follower is what does that.
type follower struct {
	ledger   *ledger
	voter    types.PrivValidator
	twin     p2p.ID // of the other node of its pair, which the ledger does not know; "": there is none
	log      *slog.Logger
	governed chan struct{} // a block changed what the ledger says of partners
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
		select {
		case f.governed <- struct{}{}:
		default:
		}
	}
}

// begin looks from time to time, and behind every block that changes something.
func (f *follower) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.work.Go(func() {
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			f.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-f.governed:
			case <-tick.C:
			}
		}
	})
}

func (f *follower) close() error {
	if f.cancel != nil {
		f.cancel()
	}
	f.work.Wait()
	return nil
}

func (f *follower) look(ctx context.Context) {
	l := f.ledger
	if l.engine.catchingUp() {
		return
	}
	l.app.CaughtUp()
	peers := l.engine.Switch()
	for _, peer := range peers.Peers().Copy() {
		if peer.ID() != f.twin && !l.app.AdmitsPeer(string(peer.ID())) {
			f.log.Info("a peer is dropped, since the ledger names no partner whose node it is", "peer", string(peer.ID()))
			peers.StopPeerGracefully(peer)
		}
	}
	if err := f.tellReady(ctx); err != nil && ctx.Err() == nil {
		f.log.Warn("telling the ledger that this node is ready to validate, this is tried again", "error", err)
	}
}

// tellReady tells the ledger, if a validator is ordered that this node can be.
func (f *follower) tellReady(ctx context.Context) error {
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
