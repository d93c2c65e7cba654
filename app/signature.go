package app

import (
	"crypto/ed25519"
	"sync"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/cache"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// verifier verifies signatures as crypto/ed25519 does, with public keys expanded
// beforehand, for half the processor time: few keys sign most transactions. What it
// accepts decides in consensus, so that it must be what crypto/ed25519 accepts: S
// below the group's order, any A that is a point, however encoded and of whatever
// order, and R compared byte by byte with what the equation without cofactor gives.
// Batches accept more, and are not used. The engine verifies votes by the same
// library.
type verifier struct{ keys *cache.Verifier }

// expandedKeys are remembered, of 1.5 KiB each.
const expandedKeys = 1024

func newVerifier() verifier {
	return verifier{cache.NewVerifier(cache.NewLRUCache(expandedKeys))}
}

func (v verifier) verify(key ed25519.PublicKey, message, signature []byte) bool {
	return v.keys.VerifyWithOptions(voi.PublicKey(key), message, signature, &voi.Options{Verify: voi.VerifyOptionsStdLib})
}

// signers are the keys that may sign at one height, as the state before it has
// them: read once for everything that is judged at that height. There are never
// more than the ledger has keys.
type signers struct {
	state, height int64
	mu            sync.Mutex                 // guards keys
	keys          map[[2]string]*schemas.Key // by partner and key id
}

func (s *signers) find(name [2]string) (*schemas.Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := s.keys[name]
	return key, ok
}

func (s *signers) keep(name [2]string, key *schemas.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name] = key
}

// signersAt are the signers of a height over a state, which is always one of the
// ledger's own, so that its height says which.
func (a *App) signersAt(state reader, height int64) *signers {
	last := int64(0)
	if view, ok := state.(*store.View); ok {
		last = view.Height()
	}
	if s := a.signers.Load(); s != nil && s.state == last && s.height == height {
		return s
	}
	s := &signers{state: last, height: height, keys: map[[2]string]*schemas.Key{}}
	a.signers.Store(s)
	return s
}
