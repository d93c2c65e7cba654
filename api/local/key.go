package local

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Scope is something that an API key may do.
type Scope string

// Scopes of API keys.
const (
	Capture Scope = "capture" // write events, and see what became of them
	Query   Scope = "query"   // read
	Admin   Scope = "admin"   // change the gateway
)

// Scopes are all scopes.
func Scopes() []Scope { return []Scope{Capture, Query, Admin} }

// Key is an API key as it is kept: only its hash tells what the key is.
type Key struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Hash   [32]byte  `json:"-"`
	Sum    []byte    `json:"sha256"` // SHA-256 of the key: it is random, so nothing slower is needed
	Scopes []Scope   `json:"scopes"`
	Made   time.Time `json:"made"`
	Binding
}

// Binding says whose a key is that is not the node's partner's own: it sees what
// these partners recorded and hold, and these things, and sends what Partner signed.
type Binding struct {
	Partner  string   `json:"partner,omitempty"`  // works through this node
	Partners []string `json:"partners,omitempty"` // whom it may see beside that
	Items    []string `json:"items,omitempty"`    // canonical identifiers
}

// Bound reports whether a key is bound to somebody.
func (b *Binding) Bound() bool { return b.Partner != "" || len(b.Partners) > 0 || len(b.Items) > 0 }

// Whose tells people whose a bound key is.
func (b *Binding) Whose() string {
	if b.Partner != "" {
		return b.Partner
	}
	return "what it was granted"
}

// Has reports whether the key has a scope.
func (k *Key) Has(s Scope) bool { return slices.Contains(k.Scopes, s) }

// CreateKey makes an API key and returns it: this is the only time that it can
// be seen. The name is for people.
func (s *Store) CreateKey(name string, scopes ...Scope) (key string, kept Key, err error) {
	return s.CreateBoundKey(name, Binding{}, scopes...)
}

// CreateBoundKey makes an API key that is bound to somebody.
func (s *Store) CreateBoundKey(name string, to Binding, scopes ...Scope) (key string, kept Key, err error) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	if key, kept, err = BoundKey(secret, name, to, scopes...); err != nil {
		return "", kept, err
	}
	return key, kept, s.AddKey(kept)
}

// BoundKey is an API key with a secret that nobody can guess; it holds when it is added.
func BoundKey(secret [32]byte, name string, to Binding, scopes ...Scope) (key string, kept Key, err error) {
	if to.Bound() && slices.Contains(scopes, Admin) {
		return "", kept, errors.New("a bound key cannot have the scope admin: the gateway is not its holder's")
	}
	if name == "" || len(name) > 64 {
		return "", kept, errors.New("an API key needs a name of 1 to 64 bytes")
	}
	for _, scope := range scopes {
		if !slices.Contains(Scopes(), scope) {
			return "", kept, fmt.Errorf("no such scope: %q", scope)
		}
	}
	if len(scopes) == 0 {
		return "", kept, errors.New("an API key needs a scope")
	}
	key = KeyText(secret)
	kept = Key{ID: NewID(time.Now())[16:], Name: name, Hash: sha256.Sum256([]byte(key)), Scopes: scopes, Made: time.Now().UTC(), Binding: to}
	kept.Sum = kept.Hash[:]
	return key, kept, nil
}

// KeyText is an API key as it is shown.
func KeyText(secret [32]byte) string { return "wbk_" + base64.RawURLEncoding.EncodeToString(secret[:]) }

// AddKey makes an API key hold, in one commit with other changes.
func (s *Store) AddKey(k Key, beside ...Change) error {
	value, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("encoding an API key: %w", err)
	}
	if err := s.Commit(append(beside, Change{key: row(rowKey, []byte(k.ID)), value: value})...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.Hash] = k
	return nil
}

// RevokeKey ends an API key, and tells whether there was one of this id.
func (s *Store) RevokeKey(id string) (bool, error) {
	for _, k := range s.Keys() {
		if k.ID != id {
			continue
		}
		if err := s.Commit(Change{key: row(rowKey, []byte(id))}); err != nil {
			return false, err
		}
		s.mu.Lock()
		delete(s.keys, k.Hash)
		s.mu.Unlock()
		return true, nil
	}
	return false, nil
}

// Keys returns the API keys, oldest first.
func (s *Store) Keys() []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Key, 0, len(s.keys))
	for _, k := range s.keys {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool {
		if !out[i].Made.Equal(out[j].Made) {
			return out[i].Made.Before(out[j].Made)
		}
		return out[i].ID < out[j].ID
	})
	return out
}

// Authenticate returns the API key that a caller shows. It looks a hash up, so
// that the time it takes tells nothing of the keys there are.
func (s *Store) Authenticate(key string) (Key, bool) {
	hash := sha256.Sum256([]byte(key))
	s.mu.Lock()
	k, ok := s.keys[hash]
	s.mu.Unlock()
	return k, ok && subtle.ConstantTimeCompare(k.Hash[:], hash[:]) == 1
}

func (s *Store) loadKeys() error {
	err := s.walk(rowKey, nil, func(id, value []byte) (bool, error) {
		var k Key
		if err := json.Unmarshal(value, &k); err != nil {
			return false, err
		}
		if len(k.Sum) != len(k.Hash) {
			return false, fmt.Errorf("key %s has no hash", id)
		}
		copy(k.Hash[:], k.Sum)
		s.keys[k.Hash] = k
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("reading API keys: %w", err)
	}
	return nil
}
