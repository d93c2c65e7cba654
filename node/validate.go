package node

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node follows what the ledger says of nodes: it drops the peers that the ledger
// does not name any more, and, when a validator is ordered for its partner whose key
// it has, tells the ledger that it is ready. It remembers nothing: what was not
// committed is said again at the next look, and so is what the network could not put
// into force yet.

const standingEvery = 3 * time.Second // between two looks

// standing is what does that.
type standing struct {
	ledger   *ledger
	log      *slog.Logger
	governed chan struct{} // a block changed what the ledger says of partners
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

func newStanding(l *ledger, log *slog.Logger) *standing {
	return &standing{ledger: l, log: log, governed: make(chan struct{}, 1)}
}

// committed notes a block. It does not wait: the engine holds its lock.
func (s *standing) committed(c app.Committed) {
	if c.Governed {
		select {
		case s.governed <- struct{}{}:
		default:
		}
	}
}

// begin looks from time to time, and behind every block that changes something.
func (s *standing) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.work.Go(func() {
		tick := time.NewTicker(standingEvery)
		defer tick.Stop()
		for {
			s.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-s.governed:
			case <-tick.C:
			}
		}
	})
}

func (s *standing) close() error {
	if s.cancel != nil {
		s.cancel()
	}
	s.work.Wait()
	return nil
}

func (s *standing) look(ctx context.Context) {
	l := s.ledger
	if l.engine.catchingUp() {
		return
	}
	l.app.CaughtUp()
	peers := l.engine.Switch()
	for _, peer := range peers.Peers().Copy() {
		if !l.app.AdmitsPeer(string(peer.ID())) {
			s.log.Info("a peer is dropped, since the ledger names no partner whose node it is", "peer", string(peer.ID()))
			peers.StopPeerGracefully(peer)
		}
	}
	if err := s.tellReady(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("telling the ledger that this node is ready to validate, this is tried again", "error", err)
	}
}

// tellReady tells the ledger, if a validator is ordered that this node can be.
func (s *standing) tellReady(ctx context.Context) error {
	l := s.ledger
	view, err := l.app.View()
	if err != nil {
		return err
	}
	order, err := view.Order(l.settings.Partner)
	if order == nil || err != nil {
		return err
	}
	if order.NodeID != string(l.keys.Node.ID()) || !l.keys.validates(order.Key) {
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
	s.log.Info("this node told that it is ready to validate", "height", receipt.Height, "answer", receipt.Events[0].Code.String())
	return nil
}

// validates reports whether the home has this consensus key.
func (k *Keys) validates(key []byte) bool {
	return bytes.Equal(k.Validator.Key.PubKey.Bytes(), key)
}
