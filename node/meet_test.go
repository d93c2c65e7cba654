package node_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cometbft/cometbft/libs/flowrate"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/conn"
	"github.com/cometbft/cometbft/p2p/mock"

	"github.com/waybill-ledger/waybill/node"
)

// quiet is a peer from which nothing came for some time.
type quiet struct {
	*mock.Peer
	idle    time.Duration
	listens string
	sent    int
}

func (q *quiet) Status() conn.ConnectionStatus {
	return conn.ConnectionStatus{RecvMonitor: flowrate.Status{Idle: q.idle}}
}

func (q *quiet) TrySend(p2p.Envelope) bool { q.sent++; return true }

func (q *quiet) NodeInfo() p2p.NodeInfo {
	return p2p.DefaultNodeInfo{DefaultNodeID: q.ID(), ListenAddr: q.listens}
}

// A peer that is silent for long loses its place, which the same node may want, from
// another address; any other gets a sign of life. One is no transaction.
func TestSilentPeerIsGivenUp(t *testing.T) {
	g := node.NewGossip(&fakePool{}, func() bool { return false })
	lives, silent := &quiet{Peer: mock.NewPeer(nil), idle: node.Silence}, &quiet{Peer: mock.NewPeer(nil), idle: node.Silence + time.Second}
	var stopped []p2p.ID
	node.GossipBeat(g, []p2p.Peer{lives, silent}, func(p p2p.Peer, _ any) { stopped = append(stopped, p.ID()) })
	if !slices.Equal(stopped, []p2p.ID{silent.ID()}) || lives.sent != 1 || silent.sent != 0 {
		t.Errorf("stopped %v; %d signs of life to who lives, %d to who is silent", stopped, lives.sent, silent.sent)
	}
}

// What peers tell is believed of nodes that the ledger names alone, some addresses of
// each, and is there at the next start, and in an invite.
func TestAddressesThatPeersTell(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	id := func(i int) p2p.ID { return p2p.ID(fmt.Sprintf("%040x", i)) }
	names := func(known string) bool { return known == string(id(0)) || known == string(id(1)) }
	m := node.NewMeeting(home, id(0), nil, names)
	long := strings.Repeat("a", 254)
	m.Learn(string(id(1))+"@one.example:26656", string(id(2))+"@stranger.example:26656", string(id(0))+"@self.example:26656",
		string(id(1))+"@", string(id(1))+"@:26656", string(id(1))+"@x:0", string(id(1))+"@"+long+":1", "", "@", "one.example:26656")
	if got := m.Hints(id(1)); !slices.Equal(got, []string{"one.example:26656"}) {
		t.Errorf("of who is named is known %q", got)
	}
	for _, i := range []int{0, 2} {
		if got := m.Hints(id(i)); got != nil {
			t.Errorf("of node %d is known %q", i, got)
		}
	}
	for i := range 10 {
		m.Learn(fmt.Sprintf("%s@10.0.0.%d:1", id(1), i))
	}
	if got := m.Hints(id(1)); len(got) != 4 || got[0] != "10.0.0.9:1" {
		t.Errorf("after many: %q", got)
	}
	if got := node.NewMeeting(home, id(0), nil, names).Hints(id(1)); len(got) != 4 {
		t.Errorf("at the next start: %q", got)
	}
	if got, err := node.KnownPeers(home); err != nil || !slices.Equal(got, []string{string(id(1)) + "@10.0.0.9:1"}) {
		t.Errorf("for an invite: %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(home, "data", "peers.json"), bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := node.NewMeeting(home, id(0), nil, names).Hints(id(1)); got != nil {
		t.Errorf("of a damaged file: %q", got)
	}
}

// Where a peer can be reached is what it says, or where its connection comes from; of one
// that listens nowhere nobody is told.
func TestWherePeersAreReached(t *testing.T) {
	for _, c := range []struct{ listens, from, want string }{
		{"tcp://acme.example:26656", "10.0.0.1", "acme.example:26656"},
		{"192.0.2.7:26656", "10.0.0.1", "192.0.2.7:26656"},
		{"tcp://0.0.0.0:26656", "10.0.0.1", "10.0.0.1:26656"},
		{"tcp://[::]:26656", "2001:db8::1", "[2001:db8::1]:26656"},
		{"tcp://127.0.0.1:26656", "10.0.0.1", "10.0.0.1:26656"},
		{"tcp://127.0.0.1:26656", "127.0.0.1", "127.0.0.1:26656"},
		{"tcp://127.0.0.1:0", "10.0.0.1", ""},
		{"nonsense", "10.0.0.1", ""},
		{"", "10.0.0.1", ""},
	} {
		if got := node.Reached(&quiet{Peer: mock.NewPeer(net.ParseIP(c.from)), listens: c.listens}); got != c.want {
			t.Errorf("a peer from %s that listens at %s is reached at %q, not %q", c.from, c.listens, got, c.want)
		}
	}
}
