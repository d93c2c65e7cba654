package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	gogotypes "github.com/cosmos/gogoproto/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// fakePool takes what it is offered, except what begins with a word.
type fakePool struct {
	mu    sync.Mutex // guards what follows
	took  []app.Waiting
	block chan struct{} // nothing is judged until it is closed, if there is one
}

// dear is how long fakePool takes at least to find out about what begins with that.
const dear = 2 * time.Millisecond

func (p *fakePool) Offer(from string, raw []byte) error {
	if p.block != nil {
		<-p.block
	}
	switch {
	case bytes.HasPrefix(raw, []byte("dear")):
		for began := time.Now(); time.Since(began) < dear; {
			continue // it is decoded
		}
		return &schemas.Fault{Code: schemas.RootMismatch}
	case bytes.HasPrefix(raw, []byte("forged")):
		return &schemas.Fault{Code: schemas.BadSignature}
	case bytes.HasPrefix(raw, []byte("late")):
		return &schemas.Fault{Code: schemas.Replayed}
	case bytes.HasPrefix(raw, []byte("full")):
		return app.ErrPoolFull
	case bytes.HasPrefix(raw, []byte("disk")):
		return errors.New("the disk failed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took = append(p.took, app.Waiting{From: from, Raw: raw})
	return nil
}

func (p *fakePool) Older(number uint64, _ int) ([]app.Waiting, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.took[:number]), uint64(len(p.took))
}

func (p *fakePool) has(from, raw string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.took, func(w app.Waiting) bool { return w.From == from && string(w.Raw) == raw })
}

// gossips connects the reactors of as many pools, each with the next alone if in a line.
func gossips(t *testing.T, line bool, pools ...*fakePool) (reactors []*node.Gossip, switches []*p2p.Switch) {
	t.Helper()
	for _, p := range pools {
		reactors = append(reactors, node.NewGossip(p, func() bool { return false }))
	}
	connect := func(switches []*p2p.Switch, i, j int) {
		if !line || j == i+1 {
			p2p.Connect2Switches(switches, i, j)
		}
	}
	switches = p2p.MakeConnectedSwitches(config.DefaultP2PConfig(), len(pools), func(i int, sw *p2p.Switch) *p2p.Switch {
		sw.AddReactor("MEMPOOL", reactors[i])
		return sw
	}, connect)
	t.Cleanup(func() {
		for _, sw := range switches {
			if err := sw.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return reactors, switches
}

func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ask(); {
		if time.Now().After(deadline) {
			t.Fatal(what + ": it did not come about")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// What is handed in reaches every peer, small and large; what was refused reaches none.
func TestGossip(t *testing.T) {
	pools := []*fakePool{{}, {}, {}}
	reactors, switches := gossips(t, false, pools...)
	id := func(i int) string { return string(switches[i].NodeInfo().ID()) }
	if err := node.GossipSubmit(reactors[0], []byte("forged")); err == nil {
		t.Error("what the pool refused is taken")
	}
	large := string(bytes.Repeat([]byte("large"), schemas.MaxTransaction/5))
	sent := []string{large}
	for i := range 300 {
		sent = append(sent, fmt.Sprint("transaction ", i))
	}
	for _, raw := range sent {
		if err := node.GossipSubmit(reactors[0], []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range pools[1:] {
		for _, raw := range sent {
			eventually(t, fmt.Sprintf("peer %d gets %.20q", i+1, raw), func() bool { return p.has(id(0), raw) })
		}
		if p.has(id(0), "forged") {
			t.Error("what was refused is sent")
		}
	}
}

// What waits for long goes on to nodes that its origin does not know, and not back.
func TestGossipGoesOn(t *testing.T) {
	pools := []*fakePool{{}, {}, {}}
	reactors, switches := gossips(t, true, pools...)
	if err := node.GossipSubmit(reactors[0], []byte("far")); err != nil {
		t.Fatal(err)
	}
	first, second := string(switches[0].NodeInfo().ID()), string(switches[1].NodeInfo().ID())
	eventually(t, "the neighbour gets it", func() bool { return pools[1].has(first, "far") })
	eventually(t, "the neighbour's neighbour gets it", func() bool {
		node.GossipAgain(reactors[1], 1)
		return pools[2].has(second, "far")
	})
	if pools[0].has(second, "far") {
		t.Error("it goes back to where it came from")
	}
}

// Messages have what was packed, in its order and of bounded size.
func TestGossipPack(t *testing.T) {
	pool := &fakePool{}
	g := node.NewGossip(pool, func() bool { return false })
	var txs [][]byte
	for i := range 2000 {
		txs = append(txs, bytes.Repeat([]byte{byte(i), byte(i >> 8), 1}, 1+i%400))
	}
	for _, m := range node.GossipPack(txs) {
		if len(m) > 130<<10 {
			t.Errorf("a message of %d bytes", len(m))
		}
		if _, honest := node.GossipJudges(g, "peer", m); !honest {
			t.Error("an honest message is not")
		}
	}
	if !slices.EqualFunc(txs, pool.took, func(raw []byte, w app.Waiting) bool { return w.From == "peer" && bytes.Equal(raw, w.Raw) }) {
		t.Errorf("of %d transactions %d arrive, or in another order", len(txs), len(pool.took))
	}
	if m := node.GossipPack(nil); len(m) != 0 {
		t.Errorf("nothing is packed into %d messages", len(m))
	}
}

// What no honest node sends is noticed; what came too late, or found no room, is
// no reason for anything.
func TestGossipForged(t *testing.T) {
	for text, honest := range map[string]bool{"good": true, "late": true, "full": true, "disk": true, "forged": false} {
		pool := &fakePool{}
		g := node.NewGossip(pool, func() bool { return false })
		m := node.GossipPack([][]byte{[]byte("before"), []byte(text), []byte("after")})[0]
		if _, got := node.GossipJudges(g, "peer", m); got != honest || !pool.has("peer", "before") || pool.has("peer", "after") != honest {
			t.Errorf("%s: %t, %d taken", text, got, len(pool.took))
		}
	}
	g := node.NewGossip(&fakePool{}, func() bool { return false })
	for _, noise := range [][]byte{{0}, {2, 1, 1}, {1, 0}, {1, 5, 1}, {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		if _, honest := node.GossipJudges(g, "peer", noise); honest {
			t.Errorf("%x is an honest message", noise)
		}
	}
}

// A peer whose transactions take long to refuse is not listened to for many times as long:
// it cannot keep a processor busy.
func TestGossipOfWhatIsDearToRefuse(t *testing.T) {
	g := node.NewGossip(&fakePool{}, func() bool { return false })
	wasted, honest := node.GossipJudges(g, "peer", node.GossipPack([][]byte{[]byte("good"), []byte("dear")})[0])
	if honest || wasted < dear || node.GossipDeafFor(wasted) < 20*dear || node.GossipDeafFor(0) <= 0 {
		t.Errorf("honest %t, %s wasted, not listened to for %s", honest, wasted, node.GossipDeafFor(wasted))
	}
}

// One peer's messages wait in bounded memory, do not hold up its read loop, and
// leave others alone.
func TestGossipInbox(t *testing.T) {
	stuck, free := &fakePool{block: make(chan struct{})}, &fakePool{}
	reactors, switches := gossips(t, false, stuck, free)
	peer := switches[0].Peers().Copy()[0]
	eventually(t, "the worker is there", func() bool {
		reactors[0].Receive(p2p.Envelope{Src: peer, ChannelID: node.GossipChannel, Message: &gogotypes.BytesValue{Value: []byte{1, 1, 'a'}}})
		return node.GossipHeld(reactors[0], peer.ID()) > 0
	})
	large := node.GossipPack([][]byte{make([]byte, 1<<20)})[0]
	for range 100 {
		reactors[0].Receive(p2p.Envelope{Src: peer, ChannelID: node.GossipChannel, Message: &gogotypes.BytesValue{Value: large}})
		reactors[0].Receive(p2p.Envelope{Src: peer, ChannelID: node.GossipChannel, Message: &gogotypes.BytesValue{}})
	}
	if held := node.GossipHeld(reactors[0], peer.ID()); held > node.InboxBytes || held < node.InboxBytes/2 {
		t.Errorf("%d bytes wait of one peer", held)
	}
	close(stuck.block)
	eventually(t, "all of it is judged", func() bool { return node.GossipHeld(reactors[0], peer.ID()) == 0 })
}
