package node_test

import (
	"testing"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/conn"
	ssproto "github.com/cometbft/cometbft/proto/tendermint/statesync"

	"github.com/waybill-ledger/waybill/node"
)

// heard counts what reaches the engine's reactor.
type heard struct {
	p2p.BaseReactor
	offers map[uint64]int // by height
	others int
}

func (h *heard) GetChannels() []*conn.ChannelDescriptor {
	return []*conn.ChannelDescriptor{{ID: 0x60, Priority: 1, MessageType: &ssproto.Message{}}}
}

func (h *heard) Receive(e p2p.Envelope) {
	if offer, ok := e.Message.(*ssproto.SnapshotsResponse); ok {
		h.offers[offer.Height]++
	} else {
		h.others++
	}
}

// One peer offers a bounded number of snapshots, each as often as it likes; what others
// offer, and everything else, reaches the engine as before.
func TestOffersAreBounded(t *testing.T) {
	engine := &heard{offers: map[uint64]int{}}
	engine.BaseReactor = *p2p.NewBaseReactor("STATESYNC", engine)
	sw := p2p.MakeSwitch(config.DefaultP2PConfig(), 0, func(_ int, sw *p2p.Switch) *p2p.Switch {
		sw.AddReactor("STATESYNC", engine)
		node.BoundOffers(sw)
		return sw
	})
	r, ok := sw.Reactor("STATESYNC")
	if !ok || engine.Switch != sw {
		t.Fatal("the engine's reactor is not on the switch")
	}
	flood, honest := &deafPeer{id: "flood"}, &deafPeer{id: "honest"}
	for height := range uint64(1000) {
		for range 2 {
			r.Receive(p2p.Envelope{Src: flood, ChannelID: 0x60, Message: &ssproto.SnapshotsResponse{Height: height + 1}})
		}
	}
	r.Receive(p2p.Envelope{Src: honest, ChannelID: 0x60, Message: &ssproto.SnapshotsResponse{Height: 5000}})
	r.Receive(p2p.Envelope{Src: flood, ChannelID: 0x60, Message: &ssproto.SnapshotsRequest{}})
	if len(engine.offers) != node.MaxOffers+1 || engine.offers[1] != 2 || engine.offers[node.MaxOffers] != 2 || engine.offers[5000] != 1 || engine.others != 1 {
		t.Errorf("of the offers %d reach the engine: %v; %d others", len(engine.offers), engine.offers, engine.others)
	}
}
