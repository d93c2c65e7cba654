package app

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A network that lost its quorum for ever is restarted by the agreement of those
// who are left. That is no transaction: no rule could let it in and keep a majority
// of the day from doing the same. A node takes it in one block alone, and only the
// document that its operator started it with; that others did the same, their votes
// tell.

// expectRescue makes the block behind the rescue's height begin with it. Where the
// ledger is past that block, nothing is left to do.
func (a *App) expectRescue(r *proof.Rescue) error {
	state, height := a.before()
	if height > r.Height {
		return nil
	}
	if height < r.Height {
		return fmt.Errorf("the rescue restarts the network behind block %d, the ledger has block %d", r.Height, height)
	}
	if err := checkRescue(state, a.chainID(), r, schemas.Hash(a.root()), height+1); err != nil {
		return err
	}
	a.restarts = r
	return nil
}

// CheckRescue judges a rescue's statement by a ledger: that it is of the last block,
// and that partners and keys are those of the ledger.
func CheckRescue(s *store.Store, chainID string, r *proof.RescueStatement) error {
	height, root := s.Last()
	return checkRescued(s.Latest(), chainID, r, schemas.Hash(root), height+1)
}

// Rescues are the documents by which the network was restarted, in order.
func (a *App) Rescues() ([]*proof.Rescue, error) { return Rescues(a.store) }

// Rescues are the documents by which a ledger's network was restarted, in order.
func Rescues(s *store.Store) (out []*proof.Rescue, err error) {
	for state, epoch := s.Latest(), uint64(1); ; epoch++ {
		value, _, err := state.Get(schemas.RescueKey(epoch))
		if value == nil || err != nil {
			return out, err
		}
		r, err := proof.DecodeRescue(value)
		if err != nil {
			return nil, fmt.Errorf("reading rescue %d: %w", epoch, err)
		}
		out = append(out, r)
	}
}

// Partners are the partners of a ledger.
func Partners(s *store.Store) ([]schemas.Partner, error) { return partnersOf(s.Latest()) }

// SigningKey is a partner's own key that is valid in the next block: where there are
// several, the one that its node has longest.
func SigningKey(s *store.Store, partner string) (ed25519.PublicKey, error) {
	height, _ := s.Last()
	prefix := schemas.KeyKey(partner, "")
	var best *schemas.Key
	for leaf, err := range s.Latest().Leaves(prefix) {
		if err != nil {
			return nil, err
		}
		key, err := schemas.DecodeKey(partner, string(leaf.Key[len(prefix):]), leaf.Value)
		if err != nil {
			return nil, fmt.Errorf("reading a key of %s: %w", partner, err)
		}
		if key.ValidAt(uint64(height+1)) && key.Roles&schemas.RoleAdmin != 0 {
			if held := key.Held == schemas.HeldByGateway; best == nil || held && (best.Held != schemas.HeldByGateway || key.From < best.From) {
				best = &key
			}
		}
	}
	if best != nil {
		return best.Public, nil
	}
	return nil, fmt.Errorf("%s has no key that may sign for it", partner)
}

func (a *App) root() [32]byte {
	_, root := a.store.Last()
	return root
}

// rescueDue is the document with which the block of a height must begin, nil where
// with none.
func (a *App) rescueDue(height int64) []byte {
	if a.restarts == nil || height != a.restarts.Height+1 {
		return nil
	}
	return a.restarts.Encode()
}

// rescueIn is the rescue with which a block begins, nil unless it is the one that is
// due.
func (a *App) rescueIn(height int64, txs [][]byte) *proof.Rescue {
	due := a.rescueDue(height)
	if due == nil || len(txs) == 0 || !bytes.Equal(txs[0], due) {
		return nil
	}
	return a.restarts
}

// checkRescue judges a whole document by the state before the block that begins
// with it.
func checkRescue(state reader, chainID string, r *proof.Rescue, root schemas.Hash, height int64) error {
	if err := r.Complete(); err != nil {
		return err
	}
	return checkRescued(state, chainID, &r.RescueStatement, root, height)
}

func checkRescued(state reader, chainID string, s *proof.RescueStatement, root schemas.Hash, height int64) error {
	if err := s.Check(); err != nil {
		return err
	}
	switch {
	case s.ChainID != chainID:
		return fmt.Errorf("rescue: it is of the chain %q, the ledger of %q", s.ChainID, chainID)
	case s.Height != height-1:
		return fmt.Errorf("rescue: it restarts the network behind block %d, the last block here is %d", s.Height, height-1)
	case s.App != root:
		return fmt.Errorf("rescue: the state after block %d has the hash %s here, by the document %s", s.Height, root, s.App)
	}
	there, _, err := state.Get(schemas.RescueKey(s.Epoch))
	before, _, errBefore := state.Get(schemas.RescueKey(s.Epoch - 1))
	if err := errors.Join(err, errBefore); err != nil {
		return fmt.Errorf("reading rescues: %w", err)
	}
	if there != nil || before == nil && s.Epoch > 1 {
		return fmt.Errorf("rescue: it is number %d, which is not the next of this ledger", s.Epoch)
	}
	for i := range s.Validators {
		if err := checkRescuedPartner(state, &s.Validators[i], height); err != nil {
			return fmt.Errorf("rescue: %s: %w", s.Validators[i].Partner, err)
		}
	}
	return nil
}

// checkRescuedPartner finds the partner with these keys in the ledger.
func checkRescuedPartner(state reader, v *proof.RescueValidator, height int64) error {
	value, _, err := state.Get(schemas.PartnerKey(v.Partner))
	if err != nil {
		return err
	}
	p, err := schemas.DecodePartner(v.Partner, value)
	if value == nil || err != nil || !bytes.Equal(p.Validate, v.Public) {
		return errors.Join(errors.New("the ledger does not know this partner by this validator"), err)
	}
	if v.Fate != proof.Stays {
		return nil
	}
	id := schemas.KeyID(v.Signing)
	value, _, err = state.Get(schemas.KeyKey(v.Partner, id))
	if value == nil || err != nil {
		return errors.Join(fmt.Errorf("the ledger does not know its key %s", id), err)
	}
	key, err := schemas.DecodeKey(v.Partner, id, value)
	if err != nil || !bytes.Equal(key.Public, v.Signing) || !key.ValidAt(uint64(height)) {
		return errors.Join(fmt.Errorf("its key %s is not valid at height %d", id, height), err)
	}
	return nil
}

// rescued leaves the validators to those who stay. The engine was told by the
// document itself.
func (b *block) rescued(r *proof.Rescue) {
	for _, p := range b.validating() {
		stays := slices.ContainsFunc(r.Validators, func(v proof.RescueValidator) bool {
			return v.Fate == proof.Stays && bytes.Equal(v.Public, p.Validate)
		})
		if !stays {
			b.aside = append(b.aside, p.Validate)
			p.Validate = nil
			b.putPartner(&p)
		}
	}
}
