package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/privval"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A validator's key moves from a home to another, or to a signer, with what it
// signed last, and at no moment can two processes have it:
//
//  1. The new place makes an arrival: an age identity for this one move.
//  2. The old home gives the key up. Its file is renamed first, from which moment
//     the home's node does not start; only then is the handover written, encrypted to
//     the arrival, and the file removed. Cut off, it can only be ended the same way.
//  3. The new place takes the handover and destroys the arrival, so that no copy of
//     the handover opens a second time. Before it has the key it gives the arrival a name
//     of its own, so that cut off it is the only one that can end the move.

// handover is a validator's key on its way.
type handover struct {
	Format  int             `json:"format"`
	ID      string          `json:"id"`
	ChainID string          `json:"chain_id"`
	Partner string          `json:"partner"`
	Machine string          `json:"machine"` // of the home that the state below is whole in
	Key     json.RawMessage `json:"validator"`
	State   json.RawMessage `json:"sign_state"`

	Next      json.RawMessage `json:"next_validator,omitempty"` // that is ordered, or to be, in its place
	NextState json.RawMessage `json:"next_sign_state,omitempty"`
}

// moved is what an old home keeps of a key that it gave up.
type moved struct {
	ID     string    `json:"id"`
	To     string    `json:"to"` // age recipient of the arrival
	Time   time.Time `json:"time"`
	Height int64     `json:"height"` // that the validator signed last
}

const handoverFormat = 1

func givenUpPath(home string) string { return filepath.Join(home, keysDir, "validator.json.given-up") }
func movedPath(home string) string   { return filepath.Join(home, keysDir, "validator.moved.json") }

// explainMoved tells why a home has no validator's key, if it gave it up.
func explainMoved(home string) error {
	m, err := readMoved(home)
	switch {
	case err != nil:
		return err
	case m == nil:
		if _, err := os.Stat(givenUpPath(home)); err == nil {
			return errors.New("giving up the validator's key was cut off: run waybill move out again")
		}
		return nil
	}
	return fmt.Errorf("this home gave its validator's key up on %s, for %s: a node that has it elsewhere validates now. With a remote signer, set signer; to bring the key back, move it here from there", m.Time.Format(time.RFC3339), m.To)
}

func readMoved(home string) (*moved, error) {
	b, err := os.ReadFile(movedPath(home))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	m := &moved{}
	if err == nil {
		err = json.Unmarshal(b, m)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", movedPath(home), err)
	}
	return m, nil
}

// MakeArrival makes the identity to which a validator's key is handed over, in a
// new file, and answers its recipient.
func MakeArrival(path string) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("making an arrival: %w", err)
	}
	if err := writeSecret(path, []byte(id.String()+"\n")); err != nil {
		return "", err
	}
	return id.Recipient().String(), store.SyncPath(filepath.Dir(path))
}

// MoveReport is a key's move.
type MoveReport struct {
	ID        string `json:"id"`
	ChainID   string `json:"chain_id"`
	Partner   string `json:"partner"`
	Validator string `json:"validator"`         // address, hexadecimal
	Height    int64  `json:"height"`            // that it signed last
	Machine   string `json:"machine,omitempty"` // of the home, or of the signer
	// Above says that the validator signs above Height only, since the new home is
	// no copy that was made after the key was given up.
	Above bool `json:"above,omitempty"`
}

// openStopped opens the ledger of a home whose node must be stopped: while it is open,
// the node cannot start.
func openStopped(s *Settings) (*store.Store, error) {
	ledger, err := store.Open(store.Options{Dir: LedgerPath(s.Home), Backend: s.Backend})
	if err != nil {
		return nil, fmt.Errorf("opening the ledger of a node that must be stopped: %w", err)
	}
	return ledger, nil
}

// MoveOut gives a stopped home's validator key up, for the arrival to which it is
// encrypted, and writes the handover to a file. From its first step on the home's
// node does not start any more.
func MoveOut(s *Settings, arrival, to string) (r *MoveReport, err error) {
	recipient, err := age.ParseX25519Recipient(arrival)
	if err != nil {
		return nil, fmt.Errorf("reading the arrival's recipient %q: %w", arrival, err)
	}
	if err := refuseSigner(s); err != nil {
		return nil, err
	}
	ledger, err := openStopped(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	doc, err := genesisOf(s.Home)
	if err != nil {
		return nil, err
	}
	machine, err := MakeMachineKey(s)
	if err != nil {
		return nil, err
	}
	return giveUp(s.secrets(), handover{ChainID: doc.ChainID, Partner: s.Partner, Machine: machine}, recipient, to)
}

func refuseSigner(s *Settings) error {
	if s.Signer != "" {
		return errors.New("setting signer: the validator's key is with a remote signer, move it there (waybill move out --signer)")
	}
	return nil
}

// giveUp moves the key out of a home that nothing runs in.
func giveUp(from *secrets, h handover, to *age.X25519Recipient, file string) (*MoveReport, error) {
	if err := firstStep(from, to); err != nil {
		return nil, err
	}
	var key privval.FilePVKey
	var state privval.FilePVLastSignState
	err := from.read(givenUpPath(from.home), func(b []byte) error {
		h.Key = bytes.Clone(b)
		return cmtjson.Unmarshal(b, &key)
	})
	if err != nil {
		return nil, err
	}
	err = readSecret(signStatePath(from.home), func(b []byte) error {
		h.State = bytes.Clone(b)
		return cmtjson.Unmarshal(b, &state)
	})
	if err != nil {
		return nil, err
	}
	if err := h.takeNext(from); err != nil {
		return nil, err
	}
	h.Format, h.ID = handoverFormat, schemas.Sum("waybill/handover", key.PubKey.Bytes(), h.State, []byte(to.String())).String()
	text, err := json.MarshalIndent(h, "", "  ")
	if err == nil {
		text, err = encryptTo(text, to)
	}
	if err == nil {
		err = replaceFile(file, text)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the handover: %w", err)
	}
	if err := keepMoved(from.home, moved{ID: h.ID, To: to.String(), Time: time.Now().UTC(), Height: state.Height}); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(givenUpPath(from.home)), store.SyncPath(filepath.Join(from.home, keysDir))); err != nil {
		return nil, fmt.Errorf("removing the key: %w", err)
	}
	// Last: run again after a cut before it, the handover is written once more, and has it again.
	if err := destroy(nextValidatorPath(from.home), nextSignStatePath(from.home)); err != nil {
		return nil, err
	}
	return &MoveReport{ID: h.ID, ChainID: h.ChainID, Partner: h.Partner, Machine: h.Machine, Validator: key.Address.String(), Height: state.Height}, nil
}

// takeNext puts the validator's next key, where there is one, into the handover.
func (h *handover) takeNext(from *secrets) error {
	next, err := from.next()
	if next == nil || err != nil {
		return err
	}
	if h.Next, err = cmtjson.Marshal(next.Key); err == nil {
		h.NextState, err = cmtjson.Marshal(next.LastSignState)
	}
	if err != nil {
		return fmt.Errorf("encoding the validator's next key: %w", err)
	}
	return nil
}

// placeNext writes the next key of a handover, behind what it signed. above is
// whether this home lacks the log of the heights that were signed.
func (h *handover) placeNext(to *secrets, above bool) error {
	if h.Next == nil { // then one that is here was left when the key was given up, and signed elsewhere since
		return destroy(nextValidatorPath(to.home), nextSignStatePath(to.home))
	}
	var state privval.FilePVLastSignState
	var key privval.FilePVKey
	if err := errors.Join(cmtjson.Unmarshal(h.NextState, &state), cmtjson.Unmarshal(h.Next, &key)); err != nil {
		return fmt.Errorf("reading the handover's next key: %w", err)
	}
	if above && state.Height > 0 {
		state = lastOf(state.Height)
	}
	err := writeSignState(nextSignStatePath(to.home), state)
	if err == nil {
		err = to.writeKey(nextValidatorPath(to.home), key)
	}
	if err != nil {
		return fmt.Errorf("writing the validator's next key: %w", err)
	}
	return nil
}

// lastOf is the sign state of a key that signs nothing more at a height.
func lastOf(height int64) privval.FilePVLastSignState {
	return privval.FilePVLastSignState{Height: height, Round: math.MaxInt32, Step: lastStep}
}

func writeSignState(path string, state privval.FilePVLastSignState) error {
	b, err := cmtjson.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, b)
}

// writeKey writes a validator's key, sealed as the home's others are.
func (s *secrets) writeKey(path string, key privval.FilePVKey) error {
	b, err := cmtjson.MarshalIndent(key, "", "  ")
	if err == nil {
		b, err = s.seal(b)
	}
	if err != nil {
		return err
	}
	return replaceFile(path, b)
}

// firstStep makes the home unable to start, or finds that it was made so for the
// same arrival: one handover could be written for each of two.
func firstStep(from *secrets, to *age.X25519Recipient) error {
	had, err := readMoved(from.home)
	if err != nil {
		return err
	}
	if _, err := os.Stat(givenUpPath(from.home)); err == nil {
		if had == nil || had.To != to.String() {
			return fmt.Errorf("a move of this key was cut off, and its handover may be written already: run it again for the same arrival (%s)", arrivalOf(had))
		}
		return nil
	}
	if _, err := from.validator(); err != nil {
		if had != nil && had.ID != "" { // the handover is whole: a cut behind it left the next key
			err = errors.Join(destroy(nextValidatorPath(from.home), nextSignStatePath(from.home)), err)
		}
		return err
	}
	if err := keepMoved(from.home, moved{To: to.String(), Time: time.Now().UTC()}); err != nil {
		return err
	}
	if err := os.Rename(validatorKeyPath(from.home), givenUpPath(from.home)); err != nil {
		return fmt.Errorf("giving up the key: %w", err)
	}
	return store.SyncPath(filepath.Join(from.home, keysDir))
}

func arrivalOf(m *moved) string {
	if m == nil {
		return "not known"
	}
	return m.To
}

func keepMoved(home string, m moved) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = replaceFile(movedPath(home), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("noting that the key was given up: %w", err)
	}
	return nil
}

// MoveIn takes a handover into a node's stopped home, and destroys the arrival.
//
// In a copy of the old home that was made after the key was given up, the validator
// goes on where it was. Another home lacks the engine's log of the height at which it
// signed last, and could vote against what it is bound to: there it signs above that
// height only.
func MoveIn(s *Settings, arrival, from string) (r *MoveReport, err error) {
	if err := refuseSigner(s); err != nil {
		return nil, err
	}
	ledger, err := openStopped(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	h, key, state, err := openHandover(arrival, s.Home, from)
	if err != nil {
		return nil, err
	}
	doc, err := genesisOf(s.Home)
	if err != nil {
		return nil, err
	}
	if h.ChainID != doc.ChainID || h.Partner != s.Partner {
		return nil, fmt.Errorf("the handover is of %s on the chain %s, this home of %s on %s", h.Partner, h.ChainID, s.Partner, doc.ChainID)
	}
	was, err := readMoved(s.Home)
	if err != nil {
		return nil, err
	}
	r = &MoveReport{ID: h.ID, ChainID: h.ChainID, Partner: h.Partner, Validator: key.Address.String(), Height: state.Height}
	if r.Above = (was == nil || was.ID != h.ID) && state.Height > 0; r.Above {
		state = lastOf(state.Height)
	}
	err = place(s.secrets(), key, state, func() error {
		if err := h.placeNext(s.secrets(), r.Above); err != nil {
			return err
		}
		return claim(arrival, s.Home)
	})
	if err != nil {
		return nil, err
	}
	return r, destroy(claimed(arrival, s.Home), arrival, from, movedPath(s.Home))
}

// claimed is what an arrival is called from just before a home has the key on: cut off
// behind that, the key is that home's to take, and no other's.
func claimed(arrival, home string) string {
	if whole, err := filepath.Abs(home); err == nil {
		home = whole
	}
	return arrival + ".taken-" + schemas.Sum("waybill/arrival", []byte(home)).String()[:16]
}

func claim(arrival, home string) error {
	if _, err := os.Stat(claimed(arrival, home)); err == nil {
		return nil
	}
	if err := os.Rename(arrival, claimed(arrival, home)); err != nil {
		return fmt.Errorf("taking the arrival: %w", err)
	}
	return store.SyncPath(filepath.Dir(arrival))
}

func openHandover(arrival, home, from string) (h *handover, key privval.FilePVKey, state privval.FilePVLastSignState, err error) {
	if _, err := os.Stat(claimed(arrival, home)); err == nil {
		arrival = claimed(arrival, home)
	}
	var ids []age.Identity
	err = readSecret(arrival, func(b []byte) (err error) {
		ids, err = age.ParseIdentities(bytes.NewReader(b))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: the arrival is destroyed when its handover was taken, so that it is taken once (if that was cut off, run it again for the same home)", err)
	}
	if err != nil {
		return nil, key, state, err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return nil, key, state, fmt.Errorf("reading the handover: %w", err)
	}
	text, err := decryptWith(b, ids)
	if err != nil {
		return nil, key, state, fmt.Errorf("opening the handover %s: %w (it is for another arrival, or damaged)", from, err)
	}
	h = &handover{}
	err = json.Unmarshal(text, h)
	if err == nil {
		err = cmtjson.Unmarshal(h.Key, &key)
	}
	if err == nil {
		err = cmtjson.Unmarshal(h.State, &state)
	}
	if _, ok := key.PrivKey.(cmted25519.PrivKey); err != nil || h.Format != handoverFormat || !ok {
		return nil, key, state, errors.Join(fmt.Errorf("the handover %s is of another version of the program", from), err)
	}
	return h, key, state, nil
}

// place writes what was signed, and what next writes, before the key that signs: cut
// off in between, the home has no key.
func place(to *secrets, key privval.FilePVKey, state privval.FilePVLastSignState, next func() error) error {
	if _, err := os.Stat(givenUpPath(to.home)); err == nil {
		return errors.New("giving up the key of this home was cut off: run waybill move out again")
	}
	if had, err := to.validator(); err == nil {
		if had.Key.PubKey.Equals(key.PubKey) {
			return nil // taken before, and cut off behind that
		}
		return fmt.Errorf("%s has another validator's key: it is never replaced", to.home)
	} else if _, err := os.Stat(validatorKeyPath(to.home)); err == nil {
		return fmt.Errorf("%s is there: it is never replaced", validatorKeyPath(to.home))
	}
	if err := writeSignState(signStatePath(to.home), state); err != nil {
		return fmt.Errorf("writing the sign state: %w", err)
	}
	if err := next(); err != nil {
		return err
	}
	if err := to.writeKey(validatorKeyPath(to.home), key); err != nil {
		return fmt.Errorf("writing the validator's key: %w", err)
	}
	return nil
}

// destroy removes what would let the key be taken a second time, that first.
func destroy(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w: remove it by hand, so that the key is taken once", path, err)
		}
		if err := store.SyncPath(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
