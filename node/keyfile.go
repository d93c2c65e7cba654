package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// KeyReport is what a home's keys are, without any secret.
type KeyReport struct {
	Partner   string        `json:"partner_key"`         // id of the partner's key on the ledger
	Public    string        `json:"partner_public"`      // hexadecimal
	Node      string        `json:"node"`                // what peers know the node by
	Machine   string        `json:"machine,omitempty"`   // what a signer and the other node of a pair know this home by
	Validator string        `json:"validator,omitempty"` // address, hexadecimal; none where a signer has the key
	Files     []KeyFileKind `json:"files"`
}

// KeyFileKind is a file of secrets, and whether it is encrypted.
type KeyFileKind struct {
	File      string `json:"file"`
	Encrypted bool   `json:"encrypted"`
}

// secretFiles are a home's files that hold a private key or a secret, those that
// are there.
func secretFiles(home string) (paths []string) {
	for _, path := range []string{partnerKeyPath(home), nextKeyPath(home), nodeKeyPath(home), machineKeyPath(home), validatorKeyPath(home), nextValidatorPath(home), givenUpPath(home)} {
		if _, err := os.Stat(path); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// ShowKeys tells what a home's keys are. All of them are read.
func ShowKeys(s *Settings) (*KeyReport, error) {
	k, err := s.Keys()
	if err != nil {
		return nil, err
	}
	r := &KeyReport{Partner: k.KeyID(), Public: hex.EncodeToString(k.Public()), Node: string(k.Node.ID())}
	if k.Machine != nil {
		r.Machine = string(k.Machine.ID())
	}
	if k.Validator != nil {
		r.Validator = k.Validator.Key.Address.String()
	}
	for _, path := range secretFiles(s.Home) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		r.Files = append(r.Files, KeyFileKind{keysDir + "/" + filepath.Base(path), encryptedFile(b)})
	}
	return r, nil
}

// recipient is who the home's key files are encrypted to. With a passphrase it makes
// the home's identity where there is none.
func (s *secrets) recipient() (age.Recipient, error) {
	_, err := os.Stat(identityPath(s.home))
	if fresh := errors.Is(err, fs.ErrNotExist); fresh && s.unlock != "" && !strings.HasPrefix(s.unlock, unlockIdentity) {
		passphrase, err := s.passphrase("New passphrase for the keys in " + s.home + ": ")
		if err == nil && s.unlock == unlockPrompt {
			err = s.confirm(passphrase)
		}
		if err != nil {
			return nil, err
		}
		if err := s.makeIdentity(passphrase); err != nil {
			return nil, err
		}
	}
	ids, err := s.identities()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if own, ok := id.(*age.X25519Identity); ok {
			return own.Recipient(), nil
		}
	}
	return nil, errors.New("setting unlock: the file has no X25519 identity (age-keygen makes one)")
}

func (s *secrets) confirm(passphrase string) error {
	again, err := s.passphrase("The same again: ")
	if err == nil && again != passphrase {
		err = errors.New("the two passphrases differ: nothing was changed")
	}
	return err
}

func (s *secrets) makeIdentity(passphrase string) error {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("making an identity: %w", err)
	}
	if err := s.saveIdentity(id, passphrase); err != nil {
		return err
	}
	s.ids = []age.Identity{id}
	return nil
}

func (s *secrets) saveIdentity(id *age.X25519Identity, passphrase string) error {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("taking the passphrase: %w", err)
	}
	b, err := encryptTo([]byte(id.String()+"\n"), to)
	if err == nil {
		err = replaceFile(identityPath(s.home), b)
	}
	if err != nil {
		return fmt.Errorf("writing the home's identity: %w", err)
	}
	return nil
}

// EncryptKeys encrypts the home's key files that are in clear, so that they are
// unlocked from where unlock says, and puts that into the home's settings. It may
// be run again after it was cut off: at every moment the home's keys can be read.
//
// Keys that a passphrase opens already get the new one: unlock then names it.
func EncryptKeys(s *Settings, unlock string) (changed int, err error) {
	if err := checkUnlock(unlock); err != nil || unlock == "" {
		return 0, errors.Join(errNoSource, err)
	}
	from := s.secrets()
	if _, err := s.keysBy(from); err != nil {
		return 0, err // what cannot be read is not rewritten
	}
	if s.Unlock != unlock {
		before := from
		from = &secrets{home: s.Home, unlock: unlock, getenv: s.Getenv}
		if _, err := os.Stat(identityPath(s.Home)); err == nil && s.Unlock != "" {
			if err := changePassphrase(before, from); err != nil {
				return 0, err
			}
		}
	}
	to, err := from.recipient()
	if err != nil {
		return 0, err
	}
	if err := s.keepUnlock(unlock); err != nil {
		return 0, err
	}
	for _, path := range secretFiles(s.Home) {
		b, err := os.ReadFile(path)
		if err != nil {
			return changed, fmt.Errorf("reading a key: %w", err)
		}
		if encryptedFile(b) {
			continue
		}
		sealed, err := encryptTo(b, to)
		if err == nil {
			err = replaceFile(path, sealed)
		}
		if err != nil {
			return changed, fmt.Errorf("encrypting %s: %w", path, err)
		}
		changed++
	}
	return changed, nil
}

// keepUnlock changes the one setting in the home's file: what environment and flags
// said of others does not get there.
func (s *Settings) keepUnlock(unlock string) error {
	file, err := LoadSettings(s.Home, func(string) string { return "" })
	if err != nil {
		return err
	}
	s.Unlock, file.Unlock = unlock, unlock
	return file.Save()
}

// changePassphrase puts the home's identity, opened as before, under another
// passphrase.
func changePassphrase(before, to *secrets) error {
	ids, err := before.identities()
	if err != nil {
		return err
	}
	own, ok := ids[0].(*age.X25519Identity)
	if !ok || strings.HasPrefix(to.unlock, unlockIdentity) {
		return errors.New("the keys are encrypted to another identity: waybill key decrypt, then encrypt")
	}
	passphrase, err := to.passphrase("New passphrase for the keys in " + to.home + ": ")
	if err == nil && to.unlock == unlockPrompt {
		err = to.confirm(passphrase)
	}
	if err != nil {
		return err
	}
	to.ids = ids
	return to.saveIdentity(own, passphrase)
}

// DecryptKeys writes the home's key files in clear, readable by their owner alone.
// All are read before any is written.
func DecryptKeys(s *Settings) (changed int, err error) {
	from := s.secrets()
	if _, err := s.keysBy(from); err != nil {
		return 0, err
	}
	for _, path := range secretFiles(s.Home) {
		stored, err := os.ReadFile(path)
		if err != nil || !encryptedFile(stored) {
			continue
		}
		err = from.read(path, func(b []byte) error { return replaceFile(path, b) })
		if err != nil {
			return changed, err
		}
		changed++
	}
	if err := s.keepUnlock(""); err != nil {
		return changed, err
	}
	if err := os.Remove(identityPath(s.Home)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return changed, fmt.Errorf("removing the home's identity: %w", err)
	}
	return changed, nil
}

// seal is a secret file's content as the home keeps it: encrypted where its other
// keys are.
func (s *secrets) seal(content []byte) ([]byte, error) {
	if s.unlock == "" {
		return content, nil
	}
	to, err := s.recipient()
	if err != nil {
		return nil, err
	}
	return encryptTo(content, to)
}

// MakeMachineKey makes the key by which a signer knows this home, where there is
// none, and answers its id.
func MakeMachineKey(s *Settings) (id string, err error) {
	from := s.secrets()
	if k, err := from.nodeKey(machineKeyPath(s.Home)); err == nil {
		return string(k.ID()), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	b, err := newNodeKey()
	if err == nil {
		b, err = from.seal(b)
	}
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Join(s.Home, keysDir), 0o700), writeSecret(machineKeyPath(s.Home), b))
	}
	if err != nil {
		return "", err
	}
	k, err := from.nodeKey(machineKeyPath(s.Home))
	if err != nil {
		return "", err
	}
	return string(k.ID()), nil
}
