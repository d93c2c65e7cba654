package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	bundleWait = 10 * time.Second // for the header that carries the state's hash
	maxRecords = 20000            // of one bundle; beyond it, MaxBundle is near
	bundleRead = 32               // records that are read at a time
)

// Bundle proves an item's trails, or its absence, as of the height at the call.
// The header that carries a state's hash is that of the next block, unless the
// last block changed nothing and its own header carries it already.
func (l *ledger) Bundle(ctx context.Context, id string) ([]byte, error) {
	canonical, scheme, err := schemas.Canonical(id)
	if err != nil {
		return nil, err
	}
	view, err := l.app.View()
	if err != nil {
		return nil, err
	}
	m := proof.Material{Subject: proof.AnItem, ID: canonical, Records: map[schemas.TrailKind][]proof.Record{},
		Header: proof.Header{Time: view.Time()}} // until the one that carries the state is there
	trails := []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}
	if scheme.Class() {
		m.Subject, trails = proof.AClass, []schemas.TrailKind{schemas.ClassTrail}
	}
	signed := map[[2]int64]*proof.Transaction{}
	for _, kind := range trails {
		records, err := trailRecords(view, schemas.TrailKey{Kind: kind, Subject: canonical}, signed)
		if err != nil {
			return nil, err
		}
		if len(records) > 0 {
			m.Records[kind] = records
		}
	}
	// While the next block is made, nothing of the view may be read late: it is
	// held for some heights only.
	reads := map[string]proven{}
	m.State = recordState(view, reads)
	if _, err := proof.Build(m); err != nil {
		return nil, fmt.Errorf("proving %s: %w", canonical, err)
	}
	m.State = func(key []byte) ([]byte, proof.Path, error) {
		p, ok := reads[string(key)]
		if !ok {
			return nil, proof.Path{}, fmt.Errorf("state %q was not read before", key)
		}
		return p.value, p.path, nil
	}
	if err := l.seal(ctx, view, &m); err != nil {
		return nil, err
	}
	b, err := proof.Build(m)
	if err != nil {
		return nil, fmt.Errorf("proving %s: %w", canonical, err)
	}
	encoded := b.Encode()
	if len(encoded) > proof.MaxBundle {
		return nil, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("a bundle of %d bytes, %d are allowed", len(encoded), proof.MaxBundle)}
	}
	return encoded, nil
}

type proven struct {
	value []byte
	path  proof.Path
}

func recordState(view *app.View, reads map[string]proven) func(key []byte) ([]byte, proof.Path, error) {
	return func(key []byte) ([]byte, proof.Path, error) {
		value, err := view.StateValue(key)
		if err != nil {
			return nil, proof.Path{}, err
		}
		path, err := view.Path(key)
		if err != nil {
			return nil, proof.Path{}, err
		}
		reads[string(key)] = proven{value, path}
		return value, path, nil
	}
}

func trailRecords(view *app.View, key schemas.TrailKey, signed map[[2]int64]*proof.Transaction) ([]proof.Record, error) {
	head, err := view.TrailHead(key)
	if err != nil {
		return nil, err
	}
	if head.Count > maxRecords {
		return nil, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("a trail of %d records, a bundle holds %d", head.Count, maxRecords)}
	}
	out := make([]proof.Record, 0, head.Count)
	size := 0
	for uint64(len(out)) < head.Count {
		records, err := view.Trail(key, uint64(len(out)), bundleRead)
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			return nil, fmt.Errorf("a trail of %d entries has %d rows: run waybill check", head.Count, len(out))
		}
		for i := range records {
			r := &records[i]
			at := [2]int64{r.Height, int64(r.Position)}
			if signed[at] == nil {
				s, err := view.Signed(r.Locator)
				if err != nil {
					return nil, err
				}
				signed[at] = &proof.Transaction{Header: s.Header, Signature: s.Signature, Digests: s.Digests}
				size += len(s.Digests) * len(schemas.Hash{}) / 4 // held meanwhile; the bundle has paths of them
			}
			// Counted while it is read: a record may be a megabyte, and a trail is long.
			if size += len(r.Body) + len(r.SkeletonBytes); size > proof.MaxBundle {
				return nil, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("a bundle of more than %d bytes", proof.MaxBundle)}
			}
			out = append(out, proof.Record{Record: *r, Transaction: signed[at]})
		}
	}
	return out, nil
}

// seal fills in the header that carries the view's hash, its commit, and the
// validators that made it.
func (l *ledger) seal(ctx context.Context, view *app.View, m *proof.Material) error {
	root := view.Root()
	meta := l.meta(view.Height())
	if meta == nil {
		return fmt.Errorf("%w: no block is committed yet", api.ErrUnavailable)
	}
	if !bytes.Equal(meta.Header.AppHash, root[:]) {
		ctx, cancel := context.WithTimeout(ctx, bundleWait)
		defer cancel()
		select {
		case <-l.Watch(view.Height()):
		case <-ctx.Done():
			return fmt.Errorf("%w: the header that carries the state of height %d did not come", api.ErrUnavailable, view.Height())
		}
		if meta = l.meta(view.Height() + 1); meta == nil || !bytes.Equal(meta.Header.AppHash, root[:]) {
			return fmt.Errorf("the header at height %d does not carry the state of the height before", view.Height()+1)
		}
	}
	return l.fillHeader(meta, m)
}

func (l *ledger) fillHeader(meta *types.BlockMeta, m *proof.Material) error {
	h := meta.Header
	blocks, err := l.engine.blocks.of()
	if err != nil {
		return err
	}
	commit := blocks.LoadSeenCommit(h.Height)
	if commit == nil {
		commit = blocks.LoadBlockCommit(h.Height)
	}
	if commit == nil {
		return fmt.Errorf("the commit of block %d is not in the engine's store", h.Height)
	}
	validators, err := l.engine.env.StateStore.LoadValidators(h.Height)
	if err != nil {
		return fmt.Errorf("reading the validators of height %d: %w", h.Height, err)
	}
	m.Header = headerOf(&h)
	m.Commit = commitOf(commit)
	for _, v := range validators.Validators {
		m.Validators = append(m.Validators, proof.Validator{Public: ed25519.PublicKey(v.PubKey.Bytes()), Power: v.VotingPower})
	}
	return nil
}

func headerOf(h *types.Header) proof.Header {
	return proof.Header{
		VersionBlock: h.Version.Block, VersionApp: h.Version.App, ChainID: h.ChainID, Height: h.Height, Time: h.Time,
		LastBlock:  proof.BlockID{Hash: h.LastBlockID.Hash, Parts: partsOf(h.LastBlockID.PartSetHeader)},
		LastCommit: h.LastCommitHash, Data: h.DataHash, NextValidators: h.NextValidatorsHash, Consensus: h.ConsensusHash,
		App: h.AppHash, LastResults: h.LastResultsHash, Evidence: h.EvidenceHash, Proposer: h.ProposerAddress,
	}
}

func partsOf(p types.PartSetHeader) proof.PartSet {
	return proof.PartSet{Total: p.Total, Hash: p.Hash}
}

func commitOf(c *types.Commit) proof.Commit {
	out := proof.Commit{Round: c.Round, Parts: partsOf(c.BlockID.PartSetHeader)}
	for i, s := range c.Signatures {
		if s.BlockIDFlag == types.BlockIDFlagCommit {
			out.Votes = append(out.Votes, proof.Vote{Index: uint16(i), Time: s.Timestamp, Signature: s.Signature})
		}
	}
	return out
}
