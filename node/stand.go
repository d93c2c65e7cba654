package node

import (
	"context"
	"fmt"

	"github.com/cometbft/cometbft/p2p"
)

// stand finds out what the node is: one that has the validator's key, or, with a
// remote signer, one that it serves, or one that follows. It answers the keys under
// which the node then runs.
//
// A node that follows behind another of the same validator cannot take the node id
// that the ledger knows, which the other has. It runs under its machine's id, and the
// other alone lets it in.
func (n *Node) stand(ctx context.Context, chainID string) (*Keys, error) {
	s, keys := &n.settings, *n.session.keys
	if s.Signer == "" {
		n.voter = keys.Validator
		return &keys, nil
	}
	if n.session.link == nil {
		var err error
		if n.session.link, err = openLink(s, keys.Machine, chainID, n.log.With("part", "signer"), n.engineLog("signer")); err != nil {
			return nil, err
		}
	}
	is, changed := n.session.link.await(ctx)
	n.changed = changed
	if is == standingServed {
		n.voter = n.session.link.voter()
		return &keys, nil
	}
	n.voter = newNobody()
	twin, err := s.twin()
	if err != nil {
		return nil, err
	}
	if twin == nil {
		n.log.Warn("the node follows and does not vote", "signer", is.String())
		return &keys, nil
	}
	s.Peers = []string{p2p.IDAddressString(keys.Node.ID(), twin.DialString())}
	keys.Node, n.standby = keys.Machine, true
	n.log.Warn("the node follows behind the other of its pair", "signer", is.String(), "other", fmt.Sprint(s.Peers))
	return &keys, nil
}
