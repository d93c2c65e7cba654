package node

import (
	"crypto/sha256"
	"sync"

	"github.com/cometbft/cometbft/p2p"
	ssproto "github.com/cometbft/cometbft/proto/tendermint/statesync"
)

const (
	snapshotName = "STATESYNC" // the engine's reactor of snapshots

	// maxOffers is how many snapshots one peer may offer: an honest one has ten at a time.
	maxOffers = 16
)

// offers stands before the engine's reactor of snapshots on a node that joins by one. The
// engine remembers every offer, tries the highest first, and gives each half a minute to be
// confirmed, and two to come: one peer that offers without end would take all memory, and
// never let the node join.
type offers struct {
	p2p.Reactor

	mu   sync.Mutex                            // guards what follows
	made map[p2p.ID]map[[sha256.Size]byte]bool // by peer, for as long as the node runs
}

// boundOffers puts itself before the engine's reactor, before the engine starts.
func boundOffers(to p2p.Switcher) {
	if r, ok := to.Reactor(snapshotName); ok {
		to.RemoveReactor(snapshotName, r)
		to.AddReactor(snapshotName, &offers{Reactor: r, made: map[p2p.ID]map[[sha256.Size]byte]bool{}})
	}
}

// Receive implements p2p.Reactor.
func (o *offers) Receive(e p2p.Envelope) {
	if offer, ok := e.Message.(*ssproto.SnapshotsResponse); ok && !o.takes(e.Src.ID(), offer) {
		return
	}
	o.Reactor.Receive(e)
}

// takes reports whether a peer may make an offer: one that it made before, or one of few.
func (o *offers) takes(peer p2p.ID, offer *ssproto.SnapshotsResponse) bool {
	b, err := offer.Marshal()
	if err != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	made, sum := o.made[peer], sha256.Sum256(b)
	if made == nil {
		made = map[[sha256.Size]byte]bool{}
		o.made[peer] = made
	}
	if !made[sum] && len(made) >= maxOffers {
		return false
	}
	made[sum] = true
	return true
}
