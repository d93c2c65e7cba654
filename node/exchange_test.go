package node_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	gogotypes "github.com/cosmos/gogoproto/types"

	"github.com/waybill-ledger/waybill/node"
)

// pair is two nodes' exchanges, connected; the second answers.
func pair(t *testing.T, headers, history func(p2p.ID, []byte) ([]byte, error)) (asks *node.Exchange, to p2p.Peer, switches []*p2p.Switch) {
	t.Helper()
	none := func(p2p.ID, []byte) ([]byte, error) { return nil, node.ErrNotThere }
	asks = node.NewExchange(none, none, none)
	answers := node.NewExchange(headers, history, none)
	switches = p2p.MakeConnectedSwitches(config.DefaultP2PConfig(), 2, func(i int, sw *p2p.Switch) *p2p.Switch {
		sw.AddReactor("WAYBILL", []p2p.Reactor{asks, answers}[i])
		return sw
	}, p2p.Connect2Switches)
	t.Cleanup(func() {
		for _, sw := range switches {
			if err := sw.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return asks, switches[0].Peers().Copy()[0], switches
}

// Questions get the answers that belong to them, side by side and on both channels.
func TestExchange(t *testing.T) {
	large := bytes.Repeat([]byte("block"), 1<<20)
	asks, peer, _ := pair(t, func(_ p2p.ID, q []byte) ([]byte, error) {
		switch string(q) {
		case "none":
			return nil, node.ErrNotThere
		case "later":
			return nil, node.ErrNotYet
		case "broken":
			return nil, errors.New("the disk failed")
		}
		return append([]byte("header of "), q...), nil
	}, func(p2p.ID, []byte) ([]byte, error) { return large, nil })
	var all sync.WaitGroup
	for _, q := range []string{"a", "b", "c", "none", "later", "broken", ""} {
		all.Go(func() {
			answer, err := node.ExchangeAsk(asks, t.Context(), peer, node.HeaderChannel, []byte(q))
			var want error
			switch q {
			case "none", "broken":
				want = node.ErrNotThere
			case "later":
				want = node.ErrNotYet
			}
			if !errors.Is(err, want) || want == nil && (err != nil || string(answer) != "header of "+q) {
				t.Errorf("%q is answered %q, %v", q, answer, err)
			}
		})
	}
	all.Go(func() {
		answer, err := node.ExchangeAsk(asks, t.Context(), peer, node.HistoryChannel, []byte("from"))
		if err != nil || !bytes.Equal(answer, large) {
			t.Errorf("%d bytes are answered: %v", len(answer), err)
		}
	})
	all.Wait()
}

// Whoever asks waits no longer than it wants, and a late answer reaches nobody.
func TestExchangeGivenUp(t *testing.T) {
	release := make(chan struct{})
	asks, peer, _ := pair(t, func(_ p2p.ID, q []byte) ([]byte, error) {
		if string(q) == "slow" {
			<-release
		}
		return q, nil
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := node.ExchangeAsk(asks, ctx, peer, node.HeaderChannel, []byte("slow"))
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up, it is answered %v", err)
	}
	close(release)
	if answer, err := node.ExchangeAsk(asks, t.Context(), peer, node.HeaderChannel, []byte("next")); err != nil || string(answer) != "next" {
		t.Errorf("the next question is answered %q: %v", answer, err)
	}
}

// A peer that sends what is no message, or asks with more than a question takes,
// is left.
func TestExchangeMalformed(t *testing.T) {
	for name, sent := range map[string][]byte{
		"noise":                      {0xff, 0xff, 0xff},
		"a long question":            append([]byte{1, 1, 1, 2, 1, 1, 3, 0xd0, 0x0f}, make([]byte, 2000)...),
		"a short one in much memory": append([]byte{1, 1, 1, 2, 1, 1}, bytes.Repeat([]byte{3, 1, 9}, 1000)...),
	} {
		_, peer, switches := pair(t, func(_ p2p.ID, q []byte) ([]byte, error) { return q, nil }, nil)
		peer.Send(p2p.Envelope{ChannelID: node.HeaderChannel, Message: &gogotypes.BytesValue{Value: sent}})
		for deadline := time.Now().Add(patience); switches[1].Peers().Size() > 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the peer is kept", name)
			}
			<-time.After(10 * time.Millisecond)
		}
	}
}

// deafPeer is one that takes no answer.
type deafPeer struct {
	p2p.Peer
	id       p2p.ID
	answered chan struct{} // an answer waits for it
	never    chan struct{}
}

func (d *deafPeer) ID() p2p.ID { return d.id }

func (d *deafPeer) Send(p2p.Envelope) bool {
	d.answered <- struct{}{}
	<-d.never
	return false
}

// A peer that asks without end, and takes no answer, keeps no other waiting.
func TestExchangeOfADeafPeer(t *testing.T) {
	of := func(peer p2p.ID, q []byte) ([]byte, error) { return q, nil }
	asks, peer, switches := pair(t, of, of)
	deaf := &deafPeer{id: "deaf", answered: make(chan struct{}, 1), never: make(chan struct{})}
	defer close(deaf.never)
	reactor, _ := switches[1].Reactor("WAYBILL")
	for _, channel := range []byte{node.HeaderChannel, node.HistoryChannel} {
		for range 1000 {
			reactor.Receive(p2p.Envelope{Src: deaf, ChannelID: channel, Message: &gogotypes.BytesValue{Value: []byte{1, 1, 1, 2, 1, 1, 3, 1, 9}}})
		}
		<-deaf.answered
		for range 3 {
			if answer, err := node.ExchangeAsk(asks, t.Context(), peer, channel, []byte("first")); err != nil || string(answer) != "first" {
				t.Fatalf("somebody else is answered %q: %v", answer, err)
			}
		}
	}
}
