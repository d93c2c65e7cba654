package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cometbft/cometbft/p2p"
	gogotypes "github.com/cosmos/gogoproto/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// Transactions reach the other nodes by a reactor that stands in the place of the
// engine's own. A node sends what its users hand in to all peers at once, and what
// has waited for a while, wherever it came from, again to all but who sent it. Messages
// that are dropped on the way are therefore late and not lost.
const (
	gossipName    = "MEMPOOL" // the engine's reactor of that name is replaced
	gossipChannel = byte(0x72)

	gossipPause   = 10 * time.Millisecond // between two messages of new transactions
	gossipBatch   = 128 << 10             // bytes of a message, but of a larger transaction alone
	gossipQueue   = 32                    // messages that wait for a slow peer; further are dropped
	againInterval = 2 * time.Second
	againBytes    = 1 << 20 // of what is sent again at each interval
	inboxBytes    = 8 << 20 // of what one peer sent and is not judged yet; more is dropped
	inboxEach     = 1 << 8  // bytes that a message counts beyond its own

	// silence is how long nothing came from a peer whose connection is given up. Every
	// node sends something at each againInterval.
	silence = 30 * time.Second

	// A peer that sent what no honest node has in its pool is not listened to for so many
	// times as long as finding that out took, and so long at least: a transaction of a
	// kilobyte that a partner signed can take half a second to decode.
	forgedTimes = 20
	forgedPause = 10 * time.Millisecond
)

// pool is what gossip needs of the ledger.
type pool interface {
	Offer(from string, raw []byte) error
	Older(number uint64, size int) (waiting []app.Waiting, newest uint64)
}

// gossip is the reactor of transactions.
type gossip struct {
	p2p.BaseReactor
	pool  pool
	deaf  func() bool   // the ledger is behind: what peers send cannot be judged
	ring  chan struct{} // fresh has something
	turns turns

	mu      sync.Mutex // guards what follows
	fresh   [][]byte   // handed in here and not yet sent
	inboxes map[p2p.ID]*inbox
	gone    map[p2p.ID]time.Time // when a peer left that was connected once
}

// inbox holds messages of one peer, until its worker has judged them.
type inbox struct {
	peer string
	stop context.CancelFunc
	ring chan struct{} // messages has something

	mu       sync.Mutex // guards what follows
	messages [][]byte
	bytes    int
}

func newGossip(p pool, deaf func() bool) *gossip {
	g := &gossip{pool: p, deaf: deaf, ring: make(chan struct{}, 1), turns: newTurns(), inboxes: map[p2p.ID]*inbox{}, gone: map[p2p.ID]time.Time{}}
	g.BaseReactor = *p2p.NewBaseReactor(gossipName, g)
	return g
}

// GetChannels implements p2p.Reactor.
func (g *gossip) GetChannels() []*p2p.ChannelDescriptor {
	return []*p2p.ChannelDescriptor{{ID: gossipChannel, Priority: 5, SendQueueCapacity: gossipQueue,
		RecvMessageCapacity: schemas.MaxTransaction + 1<<10, MessageType: &gogotypes.BytesValue{}}}
}

// OnStart implements service.Service.
func (g *gossip) OnStart() error {
	go g.send()
	return nil
}

// submit takes a transaction from the node's own users; see app.App.Offer. It keeps raw.
func (g *gossip) submit(raw []byte) error {
	if err := g.pool.Offer("", raw); err != nil {
		return err
	}
	g.mu.Lock()
	g.fresh = append(g.fresh, raw)
	g.mu.Unlock()
	wake(g.ring)
	return nil
}

func wake(ring chan struct{}) {
	select {
	case ring <- struct{}{}:
	default: // it is awake
	}
}

// send sends until the reactor stops. The first transaction goes at once, and those
// that come in the pause after it go together.
func (g *gossip) send() {
	again := time.NewTicker(againInterval)
	defer again.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	seen := uint64(0)
	for {
		select {
		case <-g.ring:
			g.sendFresh()
			pause.Reset(gossipPause)
			select {
			case <-pause.C:
			case <-g.Quit():
				return
			}
		case <-again.C:
			seen = g.sendAgain(seen)
			g.beat(g.Switch.Peers().Copy(), g.Switch.StopPeerForError)
		case <-g.Quit():
			return
		}
	}
}

func (g *gossip) sendFresh() {
	g.mu.Lock()
	fresh := g.fresh
	g.fresh = nil
	g.mu.Unlock()
	messages := pack(fresh)
	for _, peer := range g.Switch.Peers().Copy() {
		sendTo(peer, messages)
	}
}

// sendAgain sends what waited already when it was last called.
func (g *gossip) sendAgain(seen uint64) uint64 {
	waiting, newest := g.pool.Older(seen, againBytes)
	if len(waiting) == 0 {
		return newest
	}
	for _, peer := range g.Switch.Peers().Copy() {
		var others [][]byte
		for _, w := range waiting {
			if w.From != string(peer.ID()) {
				others = append(others, w.Raw)
			}
		}
		sendTo(peer, pack(others))
	}
	return newest
}

// heartbeat is shorter than any message with a transaction.
var heartbeat = []byte{0}

// beat shows the peers that this node lives, and gives up those that were silent.
//
// The engine asks a peer for a sign of life, too, but only after minutes, and never while
// it waits to send more to it. Until then the connection of a node whose address changed,
// or whose NAT forgot it, would keep the node's place, and the node be refused.
func (g *gossip) beat(peers []p2p.Peer, stop func(p2p.Peer, any)) {
	for _, peer := range peers {
		if idle := peer.Status().RecvMonitor.Idle; idle > silence {
			stop(peer, fmt.Errorf("nothing came from it for %s", idle.Round(time.Second)))
			continue
		}
		sendTo(peer, [][]byte{heartbeat})
	}
}

// sendTo queues messages for a peer. What a slow one has no room for is dropped.
func sendTo(peer p2p.Peer, messages [][]byte) {
	for _, m := range messages {
		peer.TrySend(p2p.Envelope{ChannelID: gossipChannel, Message: &gogotypes.BytesValue{Value: m}})
	}
}

// pack puts transactions into messages: field 1, once for each.
func pack(txs [][]byte) (messages [][]byte) {
	var m []byte
	for _, raw := range txs {
		if len(m) > 0 && len(m)+len(raw) > gossipBatch {
			messages, m = append(messages, m), nil
		}
		m = schemas.AppendField(m, 1, raw)
	}
	if len(m) > 0 {
		messages = append(messages, m)
	}
	return messages
}

// AddPeer implements p2p.Reactor.
func (g *gossip) AddPeer(peer p2p.Peer) {
	ctx, stop := context.WithCancel(context.Background())
	in := &inbox{peer: string(peer.ID()), stop: stop, ring: make(chan struct{}, 1)}
	g.mu.Lock()
	g.inboxes[peer.ID()] = in
	g.mu.Unlock()
	go g.judge(ctx, in)
}

// RemovePeer implements p2p.Reactor.
func (g *gossip) RemovePeer(peer p2p.Peer, _ any) {
	g.mu.Lock()
	in := g.inboxes[peer.ID()]
	delete(g.inboxes, peer.ID())
	g.gone[peer.ID()] = time.Now()
	g.mu.Unlock()
	if in != nil {
		in.stop()
	}
}

// met reports whether a peer is connected, or was since the node began.
func (g *gossip) met(id p2p.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inboxes[id] != nil || !g.gone[id].IsZero()
}

// left reports whether a peer's connection ended after a time.
func (g *gossip) left(id p2p.ID, since time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone[id].After(since)
}

// Receive implements p2p.Reactor. It runs on the peer's read loop, and never waits.
func (g *gossip) Receive(e p2p.Envelope) {
	value, ok := e.Message.(*gogotypes.BytesValue)
	if !ok || len(value.Value) <= len(heartbeat) || g.deaf() {
		return
	}
	g.mu.Lock()
	in := g.inboxes[e.Src.ID()]
	g.mu.Unlock()
	if in != nil && in.put(value.Value) {
		wake(in.ring)
	}
}

func (in *inbox) put(message []byte) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	cost := len(message) + inboxEach
	if in.bytes+cost > inboxBytes {
		return false
	}
	in.messages, in.bytes = append(in.messages, message), in.bytes+cost
	return true
}

func (in *inbox) take() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.messages) == 0 {
		in.messages = nil
		return nil
	}
	m := in.messages[0]
	in.messages[0] = nil
	in.messages, in.bytes = in.messages[1:], in.bytes-len(m)-inboxEach
	return m
}

// judge offers to the ledger what one peer sent, until the context ends.
func (g *gossip) judge(ctx context.Context, in *inbox) {
	for {
		select {
		case <-in.ring:
		case <-ctx.Done():
			return
		case <-g.Quit():
			return
		}
		for m := in.take(); m != nil && ctx.Err() == nil && g.IsRunning(); m = in.take() {
			end, err := g.turns.take(ctx)
			if err != nil {
				return
			}
			wasted, honest := g.judgeMessage(in.peer, m)
			end()
			if !honest {
				pause(ctx, deafFor(wasted))
			}
		}
	}
}

// deafFor is how long a peer is not listened to whose message wasted so much time.
func deafFor(wasted time.Duration) time.Duration { return max(forgedPause, forgedTimes*wasted) }

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// judgeMessage offers the transactions of a message, up to the first that no honest
// node sends: then it answers false, and how long that one took.
func (g *gossip) judgeMessage(peer string, m []byte) (wasted time.Duration, honest bool) {
	f := schemas.ReadFields(m)
	for n, raw, ok := f.Next(); ok; n, raw, ok = f.Next() {
		if n != 1 || len(raw) == 0 {
			return 0, false
		}
		began := time.Now()
		// A copy: one small transaction must not keep a whole message.
		err := g.pool.Offer(peer, bytes.Clone(raw))
		if err == nil || errors.Is(err, app.ErrPoolFull) {
			continue
		}
		var fault *schemas.Fault
		if !errors.As(err, &fault) {
			g.Logger.Error("judging a transaction", "peer", peer, "error", err)
			continue
		}
		// It was committed, or expired, while it was on its way.
		if fault.Code != schemas.Replayed && fault.Code != schemas.Expired {
			g.Logger.Debug("a peer sends what is refused", "peer", peer, "error", err)
			return time.Since(began), false
		}
	}
	if err := f.Err(); err != nil {
		g.Logger.Debug("a peer sends what cannot be read", "peer", peer, "error", fmt.Sprint(err))
		return 0, false
	}
	return 0, true
}
