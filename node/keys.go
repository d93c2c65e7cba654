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
	Validator *privval.FilePV
	Node      *p2p.NodeKey
	Partner   ed25519.PrivateKey
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
	duplicates := make([]byte, 32)
	if _, err := rand.Read(duplicates); err != nil {
		return nil, fmt.Errorf("making the duplicate secret: %w", err)
	}
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
	nodeKey, err := cmtjson.Marshal(&p2p.NodeKey{PrivKey: cmted25519.GenPrivKey()})
	if err != nil {
		return nil, fmt.Errorf("encoding the node's key: %w", err)
	}
	for path, content := range map[string][]byte{
		partnerKeyPath(home): encoded, validatorKeyPath(home): validatorKey, signStatePath(home): signState, nodeKeyPath(home): nodeKey,
	} {
		if err := writeSecret(path, content); err != nil {
			return nil, err
		}
	}
	return LoadKeys(home)
}

func writeSecret(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: a key is never replaced, choose another home", path)
	}
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// LoadKeys reads a home's keys. Keys that others than their owner may read are
// refused: they may have been read.
func LoadKeys(home string) (*Keys, error) {
	k := &Keys{}
	var own partnerKeyFile
	if err := readSecret(partnerKeyPath(home), func(b []byte) error { return json.Unmarshal(b, &own) }); err != nil {
		return nil, err
	}
	if len(own.Seed) != ed25519.SeedSize || len(own.Duplicates) != 32 {
		return nil, fmt.Errorf("%s: seed or duplicate secret has the wrong length", partnerKeyPath(home))
	}
	if err := own.checkSecret(); err != nil {
		return nil, fmt.Errorf("%s: %w", partnerKeyPath(home), err)
	}
	k.Partner, k.Duplicates = ed25519.NewKeyFromSeed(own.Seed), own.Duplicates
	if k.KeyID() != own.KeyID {
		return nil, fmt.Errorf("%s: the seed is not that of key %s", partnerKeyPath(home), own.KeyID)
	}
	k.Node = &p2p.NodeKey{}
	if err := readSecret(nodeKeyPath(home), func(b []byte) error { return cmtjson.Unmarshal(b, k.Node) }); err != nil {
		return nil, err
	}
	if k.Node.PrivKey == nil {
		return nil, fmt.Errorf("%s: no key in it", nodeKeyPath(home))
	}
	// CometBFT's loader ends the process where a file is missing or damaged, so
	// both are read here first, with an error that tells what to do.
	var key privval.FilePVKey
	if err := readSecret(validatorKeyPath(home), func(b []byte) error { return cmtjson.Unmarshal(b, &key) }); err != nil {
		return nil, err
	}
	if _, ok := key.PrivKey.(cmted25519.PrivKey); !ok {
		return nil, fmt.Errorf("%s: no Ed25519 key in it", validatorKeyPath(home))
	}
	var state privval.FilePVLastSignState
	err := readSecret(signStatePath(home), func(b []byte) error { return cmtjson.Unmarshal(b, &state) })
	if err != nil {
		return nil, fmt.Errorf("%w (without it the validator might vote twice at one height: restore the file, never start from an empty one)", err)
	}
	k.Validator = privval.LoadFilePV(validatorKeyPath(home), signStatePath(home))
	return k, nil
}

func readSecret(path string, decode func([]byte) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, so others may read or change it: chmod 600 it, and rotate the key if somebody could have read it", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if err := decode(b); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}
