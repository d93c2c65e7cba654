package node

import (
	"context"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/p2p"

	"github.com/waybill-ledger/waybill/schemas"
)

// listenNowhere is where a node listens that nobody shall connect to: the engine
// cannot do without a listener, and this one is out of everybody's reach but its own
// machine's.
const listenNowhere = "127.0.0.1:0"

const (
	dialFirst = 500 * time.Millisecond // before the first attempt, and between looks at a connection that stands
	dialLast  = 10 * time.Second       // between attempts, when many failed
)

// listen is where the node listens for peers.
func (s *Settings) listen() string {
	if s.P2P == "" {
		return listenNowhere
	}
	return s.P2P
}

// peerPorts are the ports where the peers that the node connects to listen.
func (s *Settings) peerPorts() map[string]bool {
	ports := map[string]bool{}
	for _, peer := range s.Peers {
		if _, port, err := net.SplitHostPort(peer); err == nil {
			ports[port] = true
		}
	}
	return ports
}

// keepDialing connects to the peers of the settings, and again whenever a connection
// is gone.
//
// The engine would do so with persistent peers. But it tries again at once, so that two
// nodes that dial each other hang up on each other in step; it forgets a peer whose
// connection ends while it is being made; and it gives up when a peer was away for long,
// which cuts off for ever a node that nobody can connect to.
func keepDialing(to p2p.Switcher, peers []string) (stop func() error) {
	quit := make(chan struct{})
	var all sync.WaitGroup
	for _, peer := range peers {
		all.Go(func() { keepPeer(quit, to, peer) })
	}
	return func() error {
		close(quit)
		all.Wait()
		return nil
	}
}

// keepPeer keeps one connection, whoever of the two made it. Each attempt looks the
// peer's name up again.
func keepPeer(quit <-chan struct{}, to p2p.Switcher, peer string) {
	id, _, _ := strings.Cut(peer, "@")
	wait := dialFirst
	for {
		select {
		case <-quit:
			return
		case <-time.After(wait/2 + rand.N(wait)): // at random, so that two nodes do not meet each time
		}
		if to.Peers().Has(p2p.ID(id)) {
			wait = dialFirst
			continue
		}
		if a, err := p2p.NewNetAddressString(peer); err == nil {
			_ = to.DialPeerWithAddress(a) // the engine logs why it failed
		}
		wait = min(2*wait, dialLast)
	}
}

// admission is the ledger as the engine asks it who may connect: the other node of a
// pair, which the ledger does not know, may; while the node stops, nobody. Of strangers'
// addresses it asks first, see door; where peers listen the node connects itself.
//
// The engine never closes a connection that it finished making while it stopped. A
// node that begins again within its process would keep it open, and its peer take it
// for one that stands, until it misses an answer after minutes.
type admission struct {
	startable
	twin     p2p.ID // "" for none
	stopping *atomic.Bool
	door     *door
	ports    map[string]bool // where the peers of the settings listen
}

// Query answers the engine's question whether a peer may connect.
func (a admission) Query(ctx context.Context, q *abci.RequestQuery) (*abci.ResponseQuery, error) {
	if address, ok := strings.CutPrefix(q.Path, "/p2p/filter/addr/"); ok {
		if _, port, err := net.SplitHostPort(address); err == nil && a.ports[port] || a.door.admits(time.Now(), address) {
			return &abci.ResponseQuery{}, nil
		}
		return &abci.ResponseQuery{Code: uint32(schemas.RateLimited), Log: "too many connections from there"}, nil
	}
	id, asked := strings.CutPrefix(q.Path, "/p2p/filter/id/")
	switch {
	case asked && a.stopping.Load():
		return &abci.ResponseQuery{Code: uint32(schemas.Forbidden), Log: "the node stops"}, nil
	case asked && id != "" && p2p.ID(id) == a.twin:
		return &abci.ResponseQuery{}, nil
	}
	return a.startable.Query(ctx, q)
}
