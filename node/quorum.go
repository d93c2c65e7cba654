package node

import (
	"math"
	"slices"
	"time"

	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/schemas"
)

// quietFactor is after how many idle intervals without a block a node believes
// that the network has stopped, though its connections still stand.
const quietFactor = 4

// quorum tells for how long blocks can be made, as far as this node sees: 0 where they
// cannot. It waits for no block, as asking consensus would.
func (l *ledger) quorum() time.Duration {
	view, err := l.app.View()
	if err != nil {
		return 0
	}
	partners, err := view.Partners()
	if err != nil {
		return 0
	}
	return l.reaches(partners)
}

// reaches tells for how long this node has reached more than two thirds of the partners
// that validate, itself among them, 0 where it does not: by a connection, or, since not
// all can connect to all, through others. The standby of a pair takes no part.
func (l *ledger) reaches(partners []schemas.Partner) time.Duration {
	if l.standby {
		return 0
	}
	all, reached := 0, []time.Duration(nil)
	height, at, arrived := l.waits.last()
	signed := map[string]bool{}
	if !at.IsZero() && l.engine.Switch().Peers().Size() > 0 { // else of an earlier run, or of nobody
		signed = l.signed(height)
	}
	for _, p := range partners {
		if p.NodeID == "" || len(p.Validate) == 0 {
			continue
		}
		all++
		address, id := schemas.AddressOf(p.Validate), p2p.ID(p.NodeID)
		if peer := l.engine.Switch().Peers().Get(id); peer != nil {
			reached = append(reached, max(1, peer.Status().Duration))
		} else if id == l.keys.Node.ID() || signed[string(address[:])] && !l.engine.gossip.left(id, arrived) {
			reached = append(reached, math.MaxInt64)
		}
	}
	enough := 2*all/3 + 1
	if len(reached) < enough {
		return 0
	}
	slices.Sort(reached)
	return reached[len(reached)-enough]
}

// connected reports whether a partner's node is this one, or connected to it.
func (l *ledger) connected(p *schemas.Partner) bool {
	id := p2p.ID(p.NodeID)
	return id != "" && (id == l.keys.Node.ID() || l.engine.Switch().Peers().Has(id))
}

// signed are the addresses of validators whose votes decided a block here.
func (l *ledger) signed(height int64) map[string]bool {
	out := map[string]bool{}
	blocks, err := l.engine.blocks.of()
	if err != nil {
		return out
	}
	if votes := blocks.LoadSeenCommit(height); votes != nil {
		for _, v := range votes.Signatures {
			if v.BlockIDFlag == types.BlockIDFlagCommit {
				out[string(v.ValidatorAddress)] = true
			}
		}
	}
	return out
}

// quiet reports whether no block came for so long that the network must have
// stopped: an idle one makes a block every interval.
func (l *ledger) quiet() bool {
	_, _, arrived := l.waits.last()
	return time.Since(arrived) > quietFactor*time.Duration(l.settings.IdleInterval)
}
