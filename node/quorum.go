package node

import (
	"time"

	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/schemas"
)

// quietFactor is after how many idle intervals without a block a node believes
// that the network has stopped, though its connections still stand.
const quietFactor = 4

// quorum reports whether blocks can be made, as far as this node sees. It waits for no
// block, as asking consensus would.
func (l *ledger) quorum() bool {
	view, err := l.app.View()
	if err != nil {
		return false
	}
	partners, err := view.Partners()
	return err == nil && l.reaches(partners)
}

// reaches reports whether this node reaches more than two thirds of the partners that
// validate, itself among them: by a connection, or, since not all can connect to all,
// through others. The standby of a pair takes no part.
func (l *ledger) reaches(partners []schemas.Partner) bool {
	if l.standby {
		return false
	}
	all, reached := 0, 0
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
		address := schemas.AddressOf(p.Validate)
		if l.connected(&p) || signed[string(address[:])] && !l.engine.gossip.left(p2p.ID(p.NodeID), arrived) {
			reached++
		}
	}
	return 3*reached > 2*all
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
