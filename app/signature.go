package app

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"sync"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
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
//
// Of the keys that sign most there are tables of multiples, by which the equation's
// two products are sums without doublings, as signing has them of the base point.
type verifier struct {
	keys   *cache.Verifier
	tables *tables
}

const (
	expandedKeys = 1024 // are remembered, of 1.5 KiB each
	tabledKeys   = 128  // at most, of 40 KiB each
	tabledAfter  = 32   // signatures of a key: a table costs as much as ten
)

func newVerifier() verifier {
	return verifier{cache.NewVerifier(cache.NewLRUCache(expandedKeys)), &tables{of: map[[ed25519.PublicKeySize]byte]*tabled{}}}
}

func (v verifier) verify(key ed25519.PublicKey, message, signature []byte) bool {
	if t := v.tables.find(key); t != nil && len(signature) == ed25519.SignatureSize {
		return t.verify(key, message, signature)
	}
	return v.keys.VerifyWithOptions(voi.PublicKey(key), message, signature, &voi.Options{Verify: voi.VerifyOptionsStdLib})
}

// tables are of the keys that were asked for often. Where there are too many, all are
// forgotten: those that are in use come back.
type tables struct {
	mu sync.Mutex // guards what follows
	of map[[ed25519.PublicKeySize]byte]*tabled
}

// tabled is a key that was asked for, and the table of its point's negative, nil where
// that was not often, or the key is no point.
type tabled struct {
	asked int
	minus *curve.EdwardsBasepointTable
}

// find returns what has a table, else nil.
func (t *tables) find(key ed25519.PublicKey) *tabled {
	if len(key) != ed25519.PublicKeySize {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.of[[ed25519.PublicKeySize]byte(key)]
	if k == nil {
		if len(t.of) >= tabledKeys {
			clear(t.of)
		}
		k = &tabled{}
		t.of[[ed25519.PublicKeySize]byte(key)] = k
	}
	if k.asked++; k.asked == tabledAfter {
		var a curve.EdwardsPoint
		if err := a.UnmarshalBinary(key); err == nil { // else nothing is ever verified by it
			k.minus = curve.NewEdwardsBasepointTable(a.Neg(&a))
		}
	}
	if k.minus == nil {
		return nil
	}
	return k
}

// verify computes R from the other parts, SB - kA without the cofactor (RFC 8032, 5.1.7), and
// compares the bytes.
func (k *tabled) verify(key ed25519.PublicKey, message, signature []byte) bool {
	encodedR, encodedS := signature[:32], signature[32:]
	s, err := scalar.NewFromCanonicalBytes(encodedS)
	if err != nil {
		return false
	}
	h := sha512.New()
	h.Write(encodedR)
	h.Write(key)
	h.Write(message)
	hashed, err := scalar.NewFromBytesModOrderWide(h.Sum(nil))
	if err != nil {
		return false
	}
	var sB, r curve.EdwardsPoint
	sB.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, s)
	r.MulBasepoint(k.minus, hashed)
	var got curve.CompressedEdwardsY
	got.SetEdwardsPoint(r.Add(&r, &sB))
	return bytes.Equal(got[:], encodedR)
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
