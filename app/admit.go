package app

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/waybill-ledger/waybill/schemas"
)

// reader is the state before a block, as admission reads it.
type reader interface {
	Get(key []byte) (value, aside []byte, err error)
	Row(key []byte) ([]byte, error)
}

// admission judges class A: whether transactions may be in one block. What it
// refuses makes a block invalid, so it reads the state before the block and the
// transactions before this one, and nothing that a racing transaction could move.
type admission struct {
	app      *App
	state    reader
	height   int64
	bytes    int
	declared int
	messages int
	weight   schemas.Weight
	seen     map[schemas.Hash]bool
}

func (a *App) admission(state reader, height int64) *admission {
	return &admission{app: a, state: state, height: height, seen: map[schemas.Hash]bool{}}
}

// admit decodes and checks one transaction. The error is a *schemas.Fault, or a
// fault of the disk.
func (ad *admission) admit(raw []byte) (*schemas.Transaction, error) {
	size, err := measure(raw)
	if err != nil {
		return nil, err
	}
	if ad.bytes+len(raw) > schemas.MaxBlock || ad.declared+size.Declared > schemas.MaxBlockDeclared || ad.messages+size.Messages > schemas.MaxBlockMessages {
		return nil, &schemas.Fault{Code: schemas.TransactionTooLarge, Detail: "the block is full"}
	}
	d, err := ad.app.memo.decode(ad.app.codec, raw)
	if err != nil {
		return nil, err
	}
	weight := ad.weight.Plus(d.tx.Weight)
	if err := weight.Check(); err != nil {
		return nil, err
	}
	if err := ad.check(d); err != nil {
		return nil, err
	}
	ad.weight = weight
	ad.bytes, ad.declared, ad.messages = ad.bytes+len(raw), ad.declared+size.Declared, ad.messages+size.Messages
	ad.seen[d.tx.ID] = true
	return d.tx, nil
}

func measure(raw []byte) (size schemas.Size, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &schemas.Fault{Code: schemas.BadEncoding, Detail: fmt.Sprint("measuring broke down: ", r)}
		}
	}()
	return schemas.Measure(raw)
}

func (ad *admission) check(d *decoded) error {
	h := d.tx.Header
	fault := func(c schemas.Code, format string, args ...any) error {
		return &schemas.Fault{Code: c, Detail: fmt.Sprintf(format, args...)}
	}
	height := uint64(ad.height)
	switch {
	case h.ChainId != ad.app.chainID():
		return fault(schemas.WrongChain, "signed for chain %q", h.ChainId)
	case h.Rules != schemas.RulesVersion:
		return fault(schemas.WrongRules, "signed for rules version %d", h.Rules)
	case h.Expiry < height:
		return fault(schemas.Expired, "expired at height %d, this is %d", h.Expiry, height)
	case h.Expiry > height+schemas.MaxExpiry:
		return fault(schemas.ExpiryTooFar, "expires at height %d, %d heights after this", h.Expiry, h.Expiry-height)
	case ad.seen[d.tx.ID]:
		return fault(schemas.Replayed, "twice in one block")
	}
	if err := ad.checkSigner(d, height); err != nil {
		return err
	}
	row, err := ad.state.Row(transactionRow(d.tx.ID))
	if err != nil {
		return fmt.Errorf("looking up a transaction: %w", err)
	}
	if row != nil {
		return fault(schemas.Replayed, "admitted before")
	}
	return nil
}

func (ad *admission) checkSigner(d *decoded, height uint64) error {
	h := d.tx.Header
	value, _, err := ad.state.Get(schemas.PartnerKey(h.Partner))
	if err != nil {
		return fmt.Errorf("reading a partner: %w", err)
	}
	if value == nil {
		return &schemas.Fault{Code: schemas.UnknownPartner, Detail: fmt.Sprintf("no partner %q", h.Partner)}
	}
	partner, err := schemas.DecodePartner(h.Partner, value)
	if err != nil {
		return fmt.Errorf("reading a partner: %w", err)
	}
	value, _, err = ad.state.Get(schemas.KeyKey(h.Partner, h.KeyId))
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if value == nil {
		return &schemas.Fault{Code: schemas.UnknownKey, Detail: fmt.Sprintf("%s has no key %q", h.Partner, h.KeyId)}
	}
	key, err := schemas.DecodeKey(h.Partner, h.KeyId, value)
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if !key.ValidAt(height) || key.Roles&schemas.RoleCapture == 0 || partner.Standing == schemas.StandingObserver {
		return &schemas.Fault{Code: schemas.KeyNotValid, Detail: fmt.Sprintf("key %q of %s may not sign events at height %d", h.KeyId, h.Partner, height)}
	}
	if !d.verify(key.Public) {
		return &schemas.Fault{Code: schemas.BadSignature, Detail: fmt.Sprintf("not signed by key %q of %s", h.KeyId, h.Partner)}
	}
	return nil
}

// decoded is a transaction that was decoded once, and perhaps verified.
type decoded struct {
	tx       *schemas.Transaction
	mu       sync.Mutex
	verified ed25519.PublicKey // guarded by mu; a key under which the signature holds
}

func (d *decoded) verify(key ed25519.PublicKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Equal(d.verified, key) {
		return true
	}
	if !ed25519.Verify(key, d.tx.ID[:], d.tx.Signature) {
		return false
	}
	d.verified = key
	return true
}

// memo remembers decoded transactions by the hash of all their bytes, so that a
// node decodes a body and verifies a signature once, though it meets them in
// CheckTx, in a proposal and in the block. It holds two generations, and drops
// the older one when the younger is full.
type memo struct {
	mu       sync.Mutex // guards what follows
	young    map[[32]byte]*decoded
	old      map[[32]byte]*decoded
	size     int // bytes that young stands for
	capacity int
}

func newMemo(capacity int) *memo {
	return &memo{young: map[[32]byte]*decoded{}, capacity: capacity / 2}
}

func (c *memo) decode(codec *schemas.Codec, raw []byte) (*decoded, error) {
	key := sha256.Sum256(raw)
	if d := c.find(key); d != nil {
		return d, nil
	}
	tx, err := decode(codec, raw)
	if err != nil {
		return nil, err
	}
	d := &decoded{tx: tx}
	c.keep(key, d)
	return d, nil
}

// decode refuses bytes on which the decoder breaks down: it is pure, so that it
// breaks down on every node alike.
func decode(codec *schemas.Codec, raw []byte) (tx *schemas.Transaction, err error) {
	defer func() {
		if r := recover(); r != nil {
			tx, err = nil, &schemas.Fault{Code: schemas.BadEncoding, Detail: fmt.Sprint("decoding broke down: ", r)}
		}
	}()
	return codec.Decode(raw)
}

func (c *memo) find(key [32]byte) *decoded {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.young[key]; ok {
		return d
	}
	return c.old[key]
}

func (c *memo) keep(key [32]byte, d *decoded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size > c.capacity {
		c.old, c.young, c.size = c.young, map[[32]byte]*decoded{}, 0
	}
	c.young[key] = d
	// Decoded events hold a body twice, each name as text and encoded.
	w := d.tx.Weight
	c.size += d.tx.Size + 3*int(d.tx.Bodies.Size) + 512*len(d.tx.Messages) + 2*w.Skeletons + 64*w.Names + 48*w.Members
}
