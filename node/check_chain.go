package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// chainCheck follows the headers of the archive: each must be what the block
// before came to, and the votes that the next one carries must hold.
type chainCheck struct {
	chainID string
	set     *types.ValidatorSet // that signs the block
	signers *types.ValidatorSet // that signed the block before
	before  *types.Header
	appHash []byte // what the next header must carry
	results []byte
	commit  *types.Commit // that the last header carried, for the block before
	faulty  bool
	tip     *app.ReplayedBlock
}

// replay computes the ledger again in a directory, up to the height that its
// database has, or as far as the archive goes if there is none.
func (c *checker) replay(ctx context.Context, scratch string) {
	codec, err := schemas.NewCodec()
	if err == nil {
		c.again, err = store.OpenReplay(store.Options{Dir: filepath.Join(scratch, "ledger"), Backend: c.settings.Backend, Elsewhere: c.elsewhere}, archivePath(c.Home), app.SameEntry(codec))
	}
	if err != nil {
		c.fault(Fault{Detail: fmt.Sprintf("computing the ledger again: %v", err)})
		return
	}
	if c.options.Rebuild {
		// Its blocks are the engine's own, so that none are kept here.
		if c.engine, err = newRevival(scratch, c.genesis, math.MaxInt64); err != nil {
			c.fault(Fault{Detail: fmt.Sprintf("computing the engine's state again: %v", err)})
			return
		}
	}
	r, root, err := newReplay(c.again, c.genesis, c.settings.Rules)
	if err != nil {
		c.chain.faulty = true
		c.fault(Fault{File: genesisFile, Detail: err.Error()})
		return
	}
	c.chain.chainID, c.chain.appHash = c.genesis.ChainID, root[:]
	for c.have == nil || c.Replayed < c.Height {
		b, err := r.Next()
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, app.ErrCut) && c.have == nil {
			break
		}
		if err == nil {
			err = c.chain.follow(b, c.genesis)
		}
		if err == nil && c.engine != nil {
			err = c.engine.next(&c.chain, b)
		}
		if errors.Is(err, app.ErrPartial) {
			c.partial(ctx)
			return
		}
		if err != nil {
			c.chainFault(c.Replayed+1, err)
			return
		}
		c.Replayed = b.Height
		c.checkRoot(b.Height, c.chain.appHash)
		c.Transactions += len(b.Raw)
		c.Messages += b.Messages
		c.Erased += b.Erased
		c.Unkept += b.Unkept
		tip := *b
		c.chain.tip = &tip
	}
	if c.Unkept > 0 {
		c.note("%d transactions have bodies that this node does not keep (bodies = own): of those it was not checked what only they say", c.Unkept)
	}
	if c.have == nil || c.Replayed == c.Height {
		if err := r.Settled(); err != nil {
			c.chainFault(c.Replayed, err)
		}
		c.checkTip()
		return
	}
	c.chainFault(c.Replayed+1, fmt.Errorf("the archive ends here, the database has height %d", c.Height))
}

// partial checks what can be checked of a node that joined by a snapshot and has
// not fetched the blocks before: its state against its own tree.
func (c *checker) partial(ctx context.Context) {
	_ = c.again.Close() // nothing was computed
	c.again = nil
	c.note("the archive begins after the first block, since the node joined by a snapshot: the ledger was not computed again, its state was compared with its own tree")
	if c.have == nil {
		return
	}
	if err := c.have.Verify(ctx); err != nil {
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Height: c.Height, Detail: err.Error()})
	}
}

func (c *checker) chainFault(height int64, err error) {
	c.chain.faulty = true
	f := Fault{Height: height, Detail: err.Error()}
	var d *store.Damage
	if errors.As(err, &d) {
		f.File, f.Offset, f.Detail = c.name(filepath.Join(archivePath(c.Home), d.File)), d.Offset, d.Err.Error()
	}
	c.fault(f)
}

// checkTip compares the last app hash, which no header of the archive carries yet.
func (c *checker) checkTip() {
	if c.have == nil || c.chain.tip == nil {
		return
	}
	if _, root := c.have.Last(); schemas.Hash(root) != c.chain.tip.Root {
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Height: c.Height, Detail: fmt.Sprintf("the database has the root %s, the archive comes to %s", schemas.Hash(root), c.chain.tip.Root)})
	}
}

// follow checks a block's header and its place in the chain.
func (k *chainCheck) follow(b *app.ReplayedBlock, genesis *types.GenesisDoc) error {
	if len(b.Header) == 0 {
		return errors.New("the archive has no header")
	}
	k.signers = k.set
	if len(b.Validators) > 0 {
		if err := k.change(b.Validators); err != nil {
			return err
		}
	}
	encoded := &cmtproto.Header{}
	if err := proto.Unmarshal(b.Header, encoded); err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	h, err := types.HeaderFromProto(encoded)
	if err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	if again, err := encoded.Marshal(); err != nil || !bytes.Equal(again, b.Header) {
		return errors.New("the header is not encoded as the engine encodes it")
	}
	hashes := make([][]byte, len(b.Hashes))
	for i := range hashes {
		hashes[i] = b.Hashes[i][:]
	}
	data := schemas.MerkleRoot(hashes)
	switch {
	case !bytes.Equal(h.Hash(), b.Hash):
		return fmt.Errorf("the header hashes to %x, recorded is %x", h.Hash(), b.Hash)
	case h.Height != b.Height || !h.Time.Equal(b.Time) || h.ChainID != k.chainID:
		return fmt.Errorf("the header is of height %d of chain %q", h.Height, h.ChainID)
	case !bytes.Equal(h.DataHash, data[:]):
		return fmt.Errorf("the header commits to the transactions %x, the archive has %s", h.DataHash, data)
	case !bytes.Equal(h.AppHash, k.appHash):
		return fmt.Errorf("the header carries the app hash %x, the state computes to %x", h.AppHash, k.appHash)
	case k.set == nil || !bytes.Equal(h.ValidatorsHash, k.set.Hash()):
		return fmt.Errorf("the header is of the validators %x, others are archived", h.ValidatorsHash)
	case k.before != nil && !bytes.Equal(h.LastResultsHash, k.results):
		return errors.New("the header commits to other results than the rules give")
	}
	if err := k.link(&h, b, genesis); err != nil {
		return err
	}
	k.before, k.appHash = &h, append([]byte(nil), b.Root[:]...)
	k.results = types.NewResults(b.Results).Hash()
	return nil
}

// link checks that a header follows the one before, which its votes decided.
func (k *chainCheck) link(h *types.Header, b *app.ReplayedBlock, genesis *types.GenesisDoc) error {
	commit, err := lastCommit(b.LastCommit)
	if err != nil {
		return err
	}
	k.commit = commit
	if k.before == nil {
		if h.Height != genesis.InitialHeight || !h.Time.Equal(genesis.GenesisTime) {
			return fmt.Errorf("the first block is of height %d and time %s, by the genesis document of %d and %s", h.Height, h.Time, genesis.InitialHeight, genesis.GenesisTime)
		}
		if !bytes.Equal(h.ConsensusHash, genesis.ConsensusParams.Hash()) || !bytes.Equal(h.ValidatorsHash, genesis.ValidatorHash()) {
			return errors.New("the first block has other parameters or validators than the genesis document")
		}
		if b.Rescue != nil {
			return errors.New("the first block restarts nothing")
		}
		if !commit.BlockID.IsZero() || commit.Height != 0 || commit.Round != 0 || len(commit.Signatures) > 0 {
			return errors.New("the first block has votes for one before")
		}
		return nil
	}
	if !bytes.Equal(h.LastBlockID.Hash, k.before.Hash()) || !h.LastBlockID.Equals(commit.BlockID) || !bytes.Equal(h.LastCommitHash, commit.Hash()) {
		return errors.New("the header does not follow the block before")
	}
	if err := k.succeed(h, b.Rescue); err != nil {
		return err
	}
	if err := k.signers.VerifyCommit(k.chainID, h.LastBlockID, k.before.Height, commit); err != nil {
		return fmt.Errorf("the votes for the block before do not hold: %w", err)
	}
	return nil
}

// lastCommit reads the votes for the block before. They stand as the engine encodes them,
// or a peer could add what nobody looks at: no hash is over these bytes.
func lastCommit(encoded []byte) (*types.Commit, error) {
	pb := &cmtproto.Commit{}
	if err := proto.Unmarshal(encoded, pb); err != nil {
		return nil, fmt.Errorf("reading the commit: %w", err)
	}
	if again, err := pb.Marshal(); err != nil || !bytes.Equal(again, encoded) {
		return nil, errors.New("the commit is not encoded as the engine encodes it")
	}
	commit, err := types.CommitFromProto(pb)
	if err != nil {
		return nil, fmt.Errorf("reading the commit: %w", err)
	}
	return commit, nil
}

// succeed checks that a header's validators are those that the one before announced,
// or those to whom a rescue that it begins with left the network.
func (k *chainCheck) succeed(h *types.Header, r *proof.Rescue) error {
	if r == nil {
		if !bytes.Equal(h.ValidatorsHash, k.before.NextValidatorsHash) {
			return errors.New("the header has other validators than the one before announced")
		}
		return nil
	}
	if err := r.Complete(); err != nil {
		return err
	}
	before, after := proof.ValidatorSetHash(r.Before()), proof.ValidatorSetHash(r.After())
	if r.Height != k.before.Height || !bytes.Equal(r.Header[:], k.before.Hash()) || !bytes.Equal(before[:], k.before.ValidatorsHash) {
		return errors.New("the rescue that the block begins with is of another block, or of other validators, than those before")
	}
	if !bytes.Equal(after[:], h.ValidatorsHash) {
		return errors.New("the header has other validators than the rescue left the network to")
	}
	return nil
}

// change takes over a set of validators as the archive has it.
func (k *chainCheck) change(encoded []byte) (err error) {
	k.set, err = decodeValidators(encoded)
	return err
}

// checkSegments reads what the replay did not come to, so that every damaged
// entry is told and not the first alone.
func (c *checker) checkSegments(ctx context.Context) {
	damages, extra, files, err := store.CheckArchive(ctx, archivePath(c.Home), c.have, c.elsewhere)
	c.Files += files
	if err != nil {
		c.fault(Fault{File: c.name(archivePath(c.Home)), Detail: err.Error()})
	}
	for _, d := range damages {
		f := Fault{File: c.name(filepath.Join(archivePath(c.Home), d.File)), Offset: d.Offset, Detail: d.Err.Error()}
		c.chain.faulty = true
		if !c.told(f) {
			c.fault(f)
		}
	}
	if extra > 0 {
		c.note("the archive has %d bytes of a block that was never committed: the node cuts them when it starts", extra)
	}
}

// told reports whether a fault of the same place was reported already.
func (c *checker) told(f Fault) bool {
	return slices.ContainsFunc(c.Faults, func(have Fault) bool { return have.File == f.File && have.Offset == f.Offset })
}

// precede follows a block before it is executed: what it comes to is taken from
// the next header, which the validators sign, and compared when it is executed.
func (k *chainCheck) precede(b *app.ReplayedBlock, genesis *types.GenesisDoc, first bool) error {
	if !first {
		var h cmtproto.Header
		if err := proto.Unmarshal(b.Header, &h); err != nil {
			return fmt.Errorf("reading the header: %w", err)
		}
		k.appHash, k.results = bytes.Clone(h.AppHash), bytes.Clone(h.LastResultsHash)
	}
	return k.follow(b, genesis)
}
