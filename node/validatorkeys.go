package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/crypto"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/types"
)

// A validator gets another key without a pause: its node holds both, and signs a
// height with the one that is in the set of that height, of which the ledger takes one
// out when it puts the other in. So no height is signed with both. Each key has its own
// state of what it signed. When the old key is out, the next start of the node puts the
// new one in its place.

func nextValidatorPath(home string) string {
	return filepath.Join(home, keysDir, "validator-next.json")
}
func nextSignStatePath(home string) string {
	return filepath.Join(home, dataDir, "sign_state_next.json")
}

// oldValidatorPath is where the key stays that another took the place of. It signs nothing.
func oldValidatorPath(home string) string { return filepath.Join(home, keysDir, "validator.json.old") }

// MakeNextKey makes another validator key beside the one that a home has, and answers
// its public part, for a proposal. The node must be stopped, or started again, before
// the vote.
func MakeNextKey(s *Settings) (public []byte, err error) {
	if s.Signer != "" {
		return nil, errors.New("setting signer: the validator's key is with a remote signer: make another signer with a key of its own, and set it when the new key holds")
	}
	from := s.secrets()
	if _, err := from.validator(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(nextValidatorPath(s.Home)); err == nil {
		return nil, fmt.Errorf("%s is there: when the vote put it into force, the next start of the node puts it into its place", nextValidatorPath(s.Home))
	}
	pv := privval.NewFilePV(cmted25519.GenPrivKey(), "", "")
	b, err := cmtjson.MarshalIndent(privval.FilePVLastSignState{}, "", "  ")
	if err == nil {
		err = replaceFile(nextSignStatePath(s.Home), b)
	}
	if err == nil {
		b, err = cmtjson.MarshalIndent(pv.Key, "", "  ")
	}
	if err == nil {
		b, err = from.seal(b)
	}
	if err == nil {
		err = writeSecret(nextValidatorPath(s.Home), b)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the validator's next key: %w", err)
	}
	return pv.Key.PubKey.Bytes(), nil
}

// next is the validator's next key, nil where there is none.
func (s *secrets) next() (*privval.FilePV, error) {
	if _, err := os.Stat(nextValidatorPath(s.home)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s.validatorAt(nextValidatorPath(s.home), nextSignStatePath(s.home))
}

// rotating votes with whichever of two keys is in the set of a height.
type rotating struct {
	now, next types.PrivValidator
	address   types.Address // of next
	blocks    *headers
}

// rotate adds the next key to who votes, if there is one.
func rotate(now types.PrivValidator, next *privval.FilePV, blocks *headers) types.PrivValidator {
	if next == nil {
		return now
	}
	return &rotating{now, next, next.Key.Address, blocks}
}

// GetPubKey is the key of the height behind the last block. The engine asks again
// behind every block.
func (r *rotating) GetPubKey() (crypto.PubKey, error) {
	states := r.blocks.stateStore()
	if states == nil {
		return r.now.GetPubKey()
	}
	s, err := states.Load()
	if err != nil {
		return nil, fmt.Errorf("reading the engine's state: %w", err)
	}
	if s.Validators != nil && s.Validators.HasAddress(r.address) {
		return r.next.GetPubKey()
	}
	return r.now.GetPubKey()
}

// SignVote signs with the key that the vote names.
func (r *rotating) SignVote(chainID string, vote *cmtproto.Vote) error {
	if string(vote.ValidatorAddress) == string(r.address) {
		return r.next.SignVote(chainID, vote)
	}
	return r.now.SignVote(chainID, vote)
}

// SignProposal signs with the key that is in the set of the proposal's height.
func (r *rotating) SignProposal(chainID string, proposal *cmtproto.Proposal) error {
	set, err := r.blocks.stateStore().LoadValidators(proposal.Height)
	if err != nil {
		return fmt.Errorf("reading the validators of height %d: %w", proposal.Height, err)
	}
	if set.HasAddress(r.address) {
		return r.next.SignProposal(chainID, proposal)
	}
	return r.now.SignProposal(chainID, proposal)
}

// Close ends what the validator waits for.
func (r *rotating) Close() error { return closeVoter(r.now) }

// promote puts the next key into the place of the one that it replaced, in a home that
// does not run, if it is in force. What it signed goes first: it is more than what the
// other signed, so that cut off at any point nothing can be signed twice.
func promote(s *Settings) error {
	from := s.secrets()
	next, err := from.next()
	if next == nil || err != nil {
		return err
	}
	now, err := from.validator()
	if err != nil {
		return err
	}
	if !now.Key.PubKey.Equals(next.Key.PubKey) { // else it was cut off
		held, err := holds(s, next.Key.Address, now.Key.Address)
		if !held || err != nil {
			return err
		}
		if err := copySecret(validatorKeyPath(s.Home), oldValidatorPath(s.Home)); err != nil {
			return err
		}
		if err := copySecret(nextSignStatePath(s.Home), signStatePath(s.Home)); err != nil {
			return err
		}
		if err := copySecret(nextValidatorPath(s.Home), validatorKeyPath(s.Home)); err != nil {
			return err
		}
	}
	return destroy(nextValidatorPath(s.Home), nextSignStatePath(s.Home))
}

// holds reports whether a validator is in the engine's set for good, and another out.
func holds(s *Settings, in, out types.Address) (ok bool, err error) {
	err = withDatabase(s, "state", func(db dbm.DB) error {
		last, err := state.NewStore(db, state.StoreOptions{}).Load()
		ok = err == nil && last.Validators != nil && last.Validators.HasAddress(in) && last.NextValidators.HasAddress(in) &&
			!last.Validators.HasAddress(out) && !last.NextValidators.HasAddress(out)
		return err
	})
	return ok, err
}

func copySecret(from, to string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = replaceFile(to, b)
	}
	if err != nil {
		return fmt.Errorf("putting the validator's next key into its place: %w", err)
	}
	return nil
}
