package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// What a witness keeps, in a directory of its own:
//
//	trust.json          the root of trust that it began with
//	key, key.pub        its key, where it has none elsewhere
//	validators.json     the validators that it believes, since when
//	checkpoints/SIZE    a cosigned checkpoint with its proof; the largest is the last word
//	checkpoints/SIZE.tsr  its time stamp token
//	alarm.json          evidence of a fork; while it is there nothing is cosigned
//
// A file is written beside its place, synced and renamed, and the directory is
// synced, before anything that depends on it leaves the process. So a witness that
// is killed has published nothing that it does not remember.

const maxKept = 1 << 20 // bytes of a file that is read back

// witnessStore is a witness's directory.
type witnessStore struct {
	dir   string
	lock  *os.File
	sizes []uint64 // of the checkpoints that are kept, ascending
	keep  int
}

// held is a checkpoint that the witness cosigned.
type held struct {
	Note  string      `json:"note"` // signed
	Proof api.Encoded `json:"proof"`

	checkpoint *proof.Checkpoint
	proof      *proof.CheckpointProof
}

func openWitnessStore(dir string, keep int) (*witnessStore, error) {
	if err := os.MkdirAll(filepath.Join(dir, "checkpoints"), 0o700); err != nil {
		return nil, fmt.Errorf("making the witness's directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the witness's directory: %w", err)
	}
	// Two processes with one key could cosign two histories.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another witness runs in %s", dir)
	}
	s := &witnessStore{dir: dir, lock: lock, keep: keep}
	if err := s.list(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *witnessStore) list() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, "checkpoints"))
	if err != nil {
		return fmt.Errorf("reading the witness's checkpoints: %w", err)
	}
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 62); err == nil {
			s.sizes = append(s.sizes, n)
		}
	}
	slices.Sort(s.sizes)
	return nil
}

func (s *witnessStore) close() error { return s.lock.Close() }

func checkpointFile(size uint64) string { return fmt.Sprintf("checkpoints/%020d", size) }

// write replaces a file durably.
func (s *witnessStore) write(name string, b []byte, mode fs.FileMode) error {
	path := filepath.Join(s.dir, name)
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// read reads a file, nil where it is missing.
func (s *witnessStore) read(name string) ([]byte, error) {
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxKept {
		err = fmt.Errorf("it has %d bytes, %d are read", info.Size(), maxKept)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// put keeps a checkpoint, and forgets the oldest beyond what is kept.
func (s *witnessStore) put(h *held) error {
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	size := h.checkpoint.Size
	if err := s.write(checkpointFile(size), b, 0o600); err != nil {
		return err
	}
	s.sizes = append(s.sizes, size)
	for len(s.sizes) > s.keep {
		name := filepath.Join(s.dir, checkpointFile(s.sizes[0]))
		for _, old := range []string{name, name + ".tsr"} {
			if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("forgetting a checkpoint: %w", err)
			}
		}
		s.sizes = s.sizes[1:]
	}
	return nil
}

// get reads the checkpoint of a size, nil where it is not kept. What is damaged is
// an error: a witness that has forgotten what it said must say nothing.
func (s *witnessStore) get(size uint64, key proof.WitnessKey) (*held, error) {
	name := checkpointFile(size)
	b, err := s.read(name)
	if b == nil || err != nil {
		return nil, err
	}
	damaged := func(err error) (*held, error) {
		return nil, fmt.Errorf("checkpoint %s is damaged: %w (begin a new witness, under a new key, if no copy of its directory as it was last is left)", name, err)
	}
	h := &held{}
	if err := json.Unmarshal(b, h); err != nil {
		return damaged(err)
	}
	opened, err := OpenCheckpoint([]byte(h.Note), key)
	if err != nil {
		return damaged(err)
	}
	if h.proof, err = proof.DecodeCheckpointProof(h.Proof); err != nil {
		return damaged(err)
	}
	if h.checkpoint, err = h.proof.Verify(); err != nil {
		return damaged(err)
	}
	if *h.checkpoint != *opened.Checkpoint || h.checkpoint.Size != size {
		return damaged(errors.New("its proof is of another checkpoint"))
	}
	return h, nil
}

// last is the largest checkpoint, nil before the first.
func (s *witnessStore) last(key proof.WitnessKey) (*held, error) {
	if len(s.sizes) == 0 {
		return nil, nil
	}
	return s.get(s.sizes[len(s.sizes)-1], key)
}

// below is the largest checkpoint kept that is no larger than this size.
func (s *witnessStore) below(size uint64, key proof.WitnessKey) (*held, error) {
	i, found := slices.BinarySearch(s.sizes, size)
	if !found {
		i--
	}
	if i < 0 {
		return nil, nil
	}
	return s.get(s.sizes[i], key)
}

// putValidators keeps the headers at which the validators changed.
func (s *witnessStore) putValidators(headers []*proof.SignedHeader) error {
	list := make([]api.Encoded, len(headers))
	for i, h := range headers {
		list[i] = h.Encode()
	}
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("writing the validators: %w", err)
	}
	return s.write("validators.json", b, 0o600)
}

func (s *witnessStore) validators() ([]*proof.SignedHeader, error) {
	b, err := s.read("validators.json")
	if b == nil || err != nil {
		return nil, err
	}
	var list []api.Encoded
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("reading validators.json: %w", err)
	}
	headers := make([]*proof.SignedHeader, len(list))
	for i, e := range list {
		if headers[i], err = proof.DecodeSignedHeader(e); err != nil {
			return nil, fmt.Errorf("reading validators.json: %w", err)
		}
	}
	return headers, nil
}

// bind ties the directory to a root of trust, at its first use.
func (s *witnessStore) bind(t *proof.Trust) error {
	have, err := s.read("trust.json")
	if err != nil {
		return err
	}
	if have != nil {
		old, err := proof.DecodeTrust(have)
		if err != nil {
			return err
		}
		if old.ChainID != t.ChainID || old.Height != t.Height || old.HeaderHash != t.HeaderHash || old.ValidatorSetHash != t.ValidatorSetHash {
			return fmt.Errorf("%s began with another root of trust, height %d of %q: give that one, or another directory", s.dir, old.Height, old.ChainID)
		}
		return nil
	}
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the root of trust: %w", err)
	}
	return s.write("trust.json", b, 0o600)
}

// signer is the key that the directory has, or one made under the name.
func (s *witnessStore) signer(name string) (*WitnessSigner, error) {
	text, err := s.read("key")
	if err != nil {
		return nil, err
	}
	if text != nil {
		signer, err := ParseWitnessSigner(string(text))
		if err == nil && name != "" && signer.Key.Name != name {
			err = fmt.Errorf("%s has a key under the name %q, not %q", s.dir, signer.Key.Name, name)
		}
		return signer, err
	}
	if len(s.sizes) > 0 {
		return nil, fmt.Errorf("%s has checkpoints and no key: give the key that cosigned them", s.dir)
	}
	signer, err := NewWitnessSigner(name)
	if err != nil {
		return nil, err
	}
	return signer, s.write("key", []byte(signer.Encode()+"\n"), 0o600)
}

// public leaves the verifier key where others may copy it from.
func (s *witnessStore) public(key proof.WitnessKey) error {
	have, err := s.read("key.pub")
	if err == nil && strings.TrimSpace(string(have)) != key.String() {
		if have != nil && len(s.sizes) > 0 {
			return fmt.Errorf("%s belongs to the witness %s", s.dir, strings.TrimSpace(string(have)))
		}
		err = s.write("key.pub", []byte(key.String()+"\n"), 0o644)
	}
	return err
}
