package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// ClientKey is a partner's key that no gateway has: who holds the file signs, and
// sends what it signed through any node.
type ClientKey struct {
	Private    ed25519.PrivateKey
	Duplicates []byte // secret under which duplicate keys are derived
}

// ID is the key's, as the ledger names it.
func (k *ClientKey) ID() string { return schemas.KeyID(k.Public()) }

// Public is the public key.
func (k *ClientKey) Public() ed25519.PublicKey { return k.Private.Public().(ed25519.PublicKey) }

// MakeClientKey makes a key file, readable by its owner alone. It replaces none.
func MakeClientKey(path string) (*ClientKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	k := &ClientKey{Private: private, Duplicates: random(32)}
	file := partnerKeyFile{KeyID: schemas.KeyID(public), Public: public, Seed: private.Seed(), Duplicates: k.Duplicates, Check: duplicateCheck(k.Duplicates)}
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return k, writeSecret(path, b)
}

// ReadClientKey reads such a file.
func ReadClientKey(path string) (*ClientKey, error) {
	file, err := (&secrets{}).partner(path)
	if err != nil {
		return nil, err
	}
	return &ClientKey{Private: ed25519.NewKeyFromSeed(file.Seed), Duplicates: file.Duplicates}, nil
}
