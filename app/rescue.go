package app

import (
	"bytes"
	"errors"
	"fmt"

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

// CheckRescue judges a rescue's statement by the ledger that this node has: that it
// is of the last block, and that partners and keys are those of the ledger.
func (a *App) CheckRescue(s *proof.RescueStatement) error {
	state, height := a.before()
	return checkRescued(state, a.chainID(), s, schemas.Hash(a.root()), height+1)
}

// NextEpoch is the number of the next rescue.
func (a *App) NextEpoch() (uint64, error) {
	rescues, err := a.Rescues()
	if err != nil || len(rescues) == 0 {
		return 1, err
	}
	return rescues[len(rescues)-1].Epoch + 1, nil
}

// Rescues are the documents by which the network was restarted, in order.
func (a *App) Rescues() ([]*proof.Rescue, error) {
	view, err := a.View()
	if err != nil {
		return nil, err
	}
	return view.Rescues()
}

// Rescues are the documents by which the network was restarted up to the view's
// height, in order.
func (v *View) Rescues() (out []*proof.Rescue, err error) {
	for epoch := uint64(1); ; epoch++ {
		value, err := v.StateValue(schemas.RescueKey(epoch))
		if value == nil || err != nil {
			return out, err
		}
		r, err := proof.DecodeRescue(value)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
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
	for epoch, there := range map[uint64]bool{s.Epoch: false, s.Epoch - 1: true} {
		value, _, err := state.Get(schemas.RescueKey(epoch))
		if err != nil {
			return fmt.Errorf("reading rescues: %w", err)
		}
		if epoch > 0 && (value != nil) != there {
			return fmt.Errorf("rescue: it is number %d, which is not the next of this ledger", s.Epoch)
		}
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
