package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
)

// Network tells the node's view of the network.
func (l *ledger) Network(context.Context) (*api.Network, error) {
	view, err := l.app.View()
	if err != nil {
		return nil, err
	}
	partners, err := view.Partners()
	if err != nil {
		return nil, err
	}
	n := &api.Network{ChainID: l.chainID, Rules: l.app.RulesAt(view.Height() + 1), Partner: l.settings.Partner,
		Height: view.Height(), Time: view.Time(), CatchingUp: l.engine.catchingUp(), Halted: l.failed(),
		Peers: l.engine.Switch().Peers().Size(), Version: l.version}
	n.Snapshots = append([]int64{}, l.app.Snapshots()...)
	if height, rules := l.app.Upgrade(); height > n.Height {
		n.Upgrade = &api.Upgrade{Height: height, Rules: rules}
	}
	first, last, err := view.Missing()
	if err != nil {
		return nil, err
	}
	if last > 0 {
		n.Missing = &api.HeightRange{First: first, Last: last, Fetched: l.computed()}
	}
	if n.Height > 0 {
		n.AppHash = view.Root().String()
	}
	if meta := l.meta(n.Height); meta != nil {
		n.BlockHash = strings.ToLower(hex.EncodeToString(meta.BlockID.Hash))
	}
	for _, p := range partners {
		ordered, err := view.Order(p.ID)
		if err != nil {
			return nil, err
		}
		n.Partners = append(n.Partners, api.NetworkMember{Partner: p, Connected: l.connected(&p), Ordered: ordered})
	}
	n.Quorum = !n.Halted && l.reaches(partners) > 0 && !l.quiet()
	return n, nil
}

// meta returns the header and id of a decided block, nil where there is none.
func (l *ledger) meta(height int64) *types.BlockMeta {
	blocks, err := l.engine.blocks.of()
	if err != nil || height < 1 {
		return nil
	}
	if meta := blocks.LoadBlockMeta(height); meta != nil || height >= blocks.Base() {
		return meta
	}
	meta, _ := l.archivedBlock(height)
	return meta
}

// Trust is an auditor's root of trust at the last committed height.
func (l *ledger) Trust(context.Context) (*api.Trust, error) {
	height, _, _ := l.waits.last()
	meta := l.meta(height)
	if meta == nil {
		return nil, fmt.Errorf("%w: no block is committed yet", api.ErrUnavailable)
	}
	return &api.Trust{ChainID: meta.Header.ChainID, Height: height, Time: meta.Header.Time,
		HeaderHash:       hex.EncodeToString(meta.BlockID.Hash),
		ValidatorSetHash: hex.EncodeToString(meta.Header.ValidatorsHash)}, nil
}
