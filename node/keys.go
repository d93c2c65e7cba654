package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"

	"github.com/waybill-ledger/waybill/schemas"
)

// Keys are a partner's secrets: with the validator's key its node votes, with
// the node's key peers know it, with the partner's key its gateway signs events.
type Keys struct {
	Validator     *privval.FilePV // nil where a remote signer has it
	NextValidator *privval.FilePV // that is to take its place, nil where none is
	Node          *p2p.NodeKey
	// Machine tells this home from others with the same node's key: to a remote
	// signer, and to the other node of a pair. Nil in homes that never needed it.
	Machine *p2p.NodeKey
	Partner ed25519.PrivateKey
	Next    ed25519.PrivateKey // that is to follow Partner; nil where none is
	// Duplicates is the secret under which the gateway derives duplicate keys, so
	// that outsiders learn nothing from equal ones. It must not change while the
	// partner wants repeated submissions to be recognised.
	Duplicates []byte
}

// KeyID is the partner's key as the ledger names it.
func (k *Keys) KeyID() string {
	return schemas.KeyID(k.Public())
}

// Public is the partner's public key.
func (k *Keys) Public() ed25519.PublicKey { return k.Partner.Public().(ed25519.PublicKey) }

// partnerKeyFile is keys/partner.json.
type partnerKeyFile struct {
	KeyID      string `json:"key_id"`
	Public     []byte `json:"public"`
	Seed       []byte `json:"seed"`
	Duplicates []byte `json:"duplicate_secret"`
	Check      string `json:"duplicate_check,omitempty"` // of the secret, in which a flipped bit would tell nobody
}

// duplicateCheck is what a duplicate secret is held against: another secret would
// no longer find events that were submitted before.
func duplicateCheck(secret []byte) string {
	return schemas.Sum("waybill/duplicate-secret", secret).String()[:16]
}

// checkSecret reports whether the duplicate secret is the one that was made.
func (f *partnerKeyFile) checkSecret() error {
	if f.Check != "" && f.Check != duplicateCheck(f.Duplicates) {
		return errors.New("the duplicate secret is not the one that was made: restore the file from a backup")
	}
	return nil
}

// MakeKeys creates a home's keys, readable by their owner alone. It never
// replaces one.
func MakeKeys(home string) (*Keys, error) {
	for _, dir := range []string{filepath.Join(home, keysDir), filepath.Join(home, dataDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making a directory for keys: %w", err)
		}
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the partner's key: %w", err)
	}
	public := private.Public().(ed25519.PublicKey)
	duplicates := random(32)
	own := partnerKeyFile{KeyID: schemas.KeyID(public), Public: public, Seed: private.Seed(), Duplicates: duplicates, Check: duplicateCheck(duplicates)}
	encoded, err := json.MarshalIndent(own, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the partner's key: %w", err)
	}
	validator := privval.NewFilePV(cmted25519.GenPrivKey(), validatorKeyPath(home), signStatePath(home))
	validatorKey, err := cmtjson.MarshalIndent(validator.Key, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the validator's key: %w", err)
	}
	signState, err := cmtjson.MarshalIndent(validator.LastSignState, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the validator's state: %w", err)
	}
	nodeKey, err := newNodeKey()
	if err != nil {
		return nil, err
	}
	machineKey, err := newNodeKey()
	if err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{
		partnerKeyPath(home): encoded, validatorKeyPath(home): validatorKey, signStatePath(home): signState, nodeKeyPath(home): nodeKey, machineKeyPath(home): machineKey,
	} {
		if err := writeSecret(path, content); err != nil {
			return nil, err
		}
	}
	return LoadKeys(home)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

func newNodeKey() ([]byte, error) {
	b, err := cmtjson.Marshal(&p2p.NodeKey{PrivKey: cmted25519.GenPrivKey()})
	if err != nil {
		return nil, fmt.Errorf("encoding a node's key: %w", err)
	}
	return b, nil
}

// LoadKeys reads the keys of a home whose settings say nothing about them.
func LoadKeys(home string) (*Keys, error) {
	s := DefaultSettings(home)
	return s.Keys()
}

// Keys reads the home's keys, all that a node needs or none. Keys that others than
// their owner may read are refused: they may have been read.
func (s *Settings) Keys() (*Keys, error) { return s.keysBy(s.secrets()) }

func (s *Settings) keysBy(from *secrets) (k *Keys, err error) {
	if k, err = from.own(); err != nil {
		return nil, err
	}
	if s.Signer == "" {
		if k.Validator, err = from.validator(); err != nil {
			return nil, err
		}
		if k.NextValidator, err = from.next(); err != nil {
			return nil, err
		}
		return k, nil
	}
	if k.Machine == nil {
		return nil, fmt.Errorf("%s is missing, by which the signer knows this node: waybill key machine makes it", machineKeyPath(s.Home))
	}
	if _, err := os.Stat(validatorKeyPath(s.Home)); err == nil {
		return nil, fmt.Errorf("setting signer: another process has the validator's key, and %s is here, too: both could sign. Move it to the signer (waybill move), or unset the setting", validatorKeyPath(s.Home))
	}
	return k, nil
}

// own reads all keys but the validator's.
func (s *secrets) own() (k *Keys, err error) {
	k = &Keys{}
	own, err := s.partner(partnerKeyPath(s.home))
	if err != nil {
		return nil, err
	}
	if k.Next, err = s.nextKey(); err != nil {
		return nil, err
	}
	k.Partner, k.Duplicates = ed25519.NewKeyFromSeed(own.Seed), own.Duplicates
	if k.Node, err = s.nodeKey(nodeKeyPath(s.home)); err != nil {
		return nil, err
	}
	if k.Machine, err = s.nodeKey(machineKeyPath(s.home)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return k, nil
}

// partner reads keys/partner.json, or the file of the key that follows.
func (s *secrets) partner(path string) (own *partnerKeyFile, err error) {
	own = &partnerKeyFile{}
	if err := s.read(path, func(b []byte) error { return json.Unmarshal(b, own) }); err != nil {
		return nil, err
	}
	if len(own.Seed) != ed25519.SeedSize || len(own.Duplicates) != 32 {
		return nil, fmt.Errorf("%s: seed or duplicate secret has the wrong length", path)
	}
	if err := own.checkSecret(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if public := ed25519.NewKeyFromSeed(own.Seed).Public().(ed25519.PublicKey); schemas.KeyID(public) != own.KeyID {
		return nil, fmt.Errorf("%s: the seed is not that of key %s", path, own.KeyID)
	}
	return own, nil
}

func (s *secrets) nodeKey(path string) (*p2p.NodeKey, error) {
	k := &p2p.NodeKey{}
	if err := s.read(path, func(b []byte) error { return cmtjson.Unmarshal(b, k) }); err != nil {
		return nil, err
	}
	if k.PrivKey == nil {
		return nil, fmt.Errorf("%s: no key in it", path)
	}
	return k, nil
}

// validator reads the validator's key and what it signed last. CometBFT's own loader
// takes the key from a file in clear, and ends the process where one is missing or
// damaged. The key stays in memory: it has no path to be written to.
func (s *secrets) validator() (*privval.FilePV, error) {
	return s.validatorAt(validatorKeyPath(s.home), signStatePath(s.home))
}

func (s *secrets) validatorAt(path, statePath string) (*privval.FilePV, error) {
	var key privval.FilePVKey
	if err := s.read(path, func(b []byte) error { return cmtjson.Unmarshal(b, &key) }); err != nil {
		return nil, errors.Join(err, explainMoved(s.home))
	}
	private, ok := key.PrivKey.(cmted25519.PrivKey)
	if !ok || len(private) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%s: no Ed25519 key in it", path)
	}
	var state privval.FilePVLastSignState
	err := readSecret(statePath, func(b []byte) error { return cmtjson.Unmarshal(b, &state) })
	if err != nil {
		return nil, fmt.Errorf("%w (without it the validator might vote twice at one height: never start from an empty one; if the file is lost, restore the home from a backup with --sign-after)", err)
	}
	return validatorOf(private, state, statePath), nil
}

// validatorOf is a validator whose key is in memory alone, and whose state of what
// it signed is written to a file, synced, before any signature leaves.
func validatorOf(private cmted25519.PrivKey, last privval.FilePVLastSignState, path string) *privval.FilePV {
	v := privval.NewFilePV(private, "", path)
	to := &v.LastSignState
	to.Height, to.Round, to.Step, to.Signature, to.SignBytes = last.Height, last.Round, last.Step, last.Signature, last.SignBytes
	return v
}
