package app

import (
	"crypto/sha256"
	"errors"
	"fmt"

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
	decided  bool // the block is decided: what is asked of new messages alone is not asked
	bytes    int
	declared int
	messages int
	weight   schemas.Weight
	seen     map[schemas.Hash]bool
	signers  *signers
}

func (a *App) admission(state reader, height int64) *admission {
	return &admission{app: a, state: state, height: height, seen: map[schemas.Hash]bool{}, signers: a.signersAt(state, height)}
}

// admit decodes and checks one transaction. What cannot be admitted by its header
// or signature is refused before anything is decompressed. The error is a
// *schemas.Fault, or a fault of the disk.
func (ad *admission) admit(raw []byte) (*schemas.Transaction, error) {
	return ad.admitKeyed(sha256.Sum256(raw), raw)
}

// admitKeyed is admit of bytes whose hash is known.
func (ad *admission) admitKeyed(key [sha256.Size]byte, raw []byte) (*schemas.Transaction, error) {
	size, err := measure(raw)
	if err != nil {
		return nil, err
	}
	if ad.bytes+len(raw) > schemas.MaxBlock || ad.declared+size.Declared > schemas.MaxBlockDeclared || ad.messages+size.Messages > schemas.MaxBlockMessages {
		return nil, blockFull{&schemas.Fault{Code: schemas.TransactionTooLarge, Detail: "the block is full"}}
	}
	d := ad.app.memo.find(key)
	known := d != nil
	if !known {
		if d, err = sealed(raw); err != nil {
			return nil, err
		}
	}
	if err := ad.check(d); err != nil {
		return nil, err
	}
	if err := ad.checkSigned(d); err != nil {
		return nil, err
	}
	if !known {
		if d, err = d.whole(ad.app.codec, raw); err != nil {
			return nil, err
		}
		ad.app.memo.keep(key, d)
	}
	if err := ad.checkRoles(d.tx); err != nil {
		return nil, err
	}
	if err := ad.checkKeys(d.tx); err != nil {
		return nil, err
	}
	if err := ad.checkAuthors(d); err != nil {
		return nil, err
	}
	weight := ad.weight.Plus(d.tx.Weight)
	if err := weight.Check(); err != nil {
		return nil, blockFull{err}
	}
	ad.weight = weight
	ad.bytes, ad.declared, ad.messages = ad.bytes+len(raw), ad.declared+size.Declared, ad.messages+size.Messages
	ad.seen[d.tx.ID] = true
	return d.tx, nil
}

// blockFull refuses a transaction for those that the block holds already. In a
// block of its own it is too large by itself.
type blockFull struct{ error }

func (f blockFull) Unwrap() error { return f.error }

func measure(raw []byte) (size schemas.Size, err error) {
	defer refusing(&err)
	return schemas.Measure(raw)
}

// check judges what the header says.
func (ad *admission) check(d *decoded) error {
	tx, h := d.tx, d.tx.Header
	fault := func(c schemas.Code, format string, args ...any) error {
		return &schemas.Fault{Code: c, Detail: fmt.Sprintf(format, args...)}
	}
	height := uint64(ad.height)
	switch {
	case h.ChainId != ad.app.chainID():
		return fault(schemas.WrongChain, "signed for chain %q", h.ChainId)
	case h.Rules != ad.app.RulesAt(ad.height):
		return fault(schemas.WrongRules, "signed for rules version %d, at height %d those are %d", h.Rules, ad.height, ad.app.RulesAt(ad.height))
	case h.Expiry < height:
		return fault(schemas.Expired, "expired at height %d, this is %d", h.Expiry, height)
	case h.Expiry > height+schemas.MaxExpiry:
		return fault(schemas.ExpiryTooFar, "expires at height %d, %d heights after this", h.Expiry, h.Expiry-height)
	case ad.seen[tx.ID]:
		return fault(schemas.Replayed, "twice in one block")
	}
	if _, err := ad.signer(h); err != nil {
		return err
	}
	before, err := d.admittedIn(ad.state)
	if err != nil {
		return fmt.Errorf("looking up a transaction: %w", err)
	}
	if before {
		return fault(schemas.Replayed, "admitted before")
	}
	return nil
}

// checkSigned judges the signature of a header that was checked.
func (ad *admission) checkSigned(d *decoded) error {
	h := d.tx.Header
	key, err := ad.signer(h)
	if err != nil {
		return err
	}
	if !d.verify(ad.app.verifier, key.Public) {
		return &schemas.Fault{Code: schemas.BadSignature, Detail: fmt.Sprintf("not signed by key %q of %s", h.KeyId, h.Partner)}
	}
	return nil
}

// signer is the key that a header names, if it is valid at this height.
// Few signers sign most transactions, so that it is remembered.
func (ad *admission) signer(h *schemas.Header) (*schemas.Key, error) {
	name := [2]string{h.Partner, h.KeyId}
	key, ok := ad.signers.find(name)
	if !ok {
		var err error
		if key, err = ad.findSigner(h); err != nil {
			return nil, err
		}
		ad.signers.keep(name, key)
	}
	return key, nil
}

func (ad *admission) findSigner(h *schemas.Header) (*schemas.Key, error) {
	value, _, err := ad.state.Get(schemas.PartnerKey(h.Partner))
	if err != nil {
		return nil, fmt.Errorf("reading a partner: %w", err)
	}
	if value == nil {
		return nil, &schemas.Fault{Code: schemas.UnknownPartner, Detail: fmt.Sprintf("no partner %q", h.Partner)}
	}
	partner, err := schemas.DecodePartner(h.Partner, value)
	if err != nil {
		return nil, fmt.Errorf("reading a partner: %w", err)
	}
	value, _, err = ad.state.Get(schemas.KeyKey(h.Partner, h.KeyId))
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	if value == nil {
		return nil, &schemas.Fault{Code: schemas.UnknownKey, Detail: fmt.Sprintf("%s has no key %q", h.Partner, h.KeyId)}
	}
	key, err := schemas.DecodeKey(h.Partner, h.KeyId, value)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	if !key.ValidAt(uint64(ad.height)) || partner.Standing == schemas.StandingObserver || partner.State != schemas.Active {
		return nil, &schemas.Fault{Code: schemas.KeyNotValid, Detail: fmt.Sprintf("key %q of %s may sign nothing at height %d", h.KeyId, h.Partner, ad.height)}
	}
	return &key, nil
}

// checkRoles judges whether the key of a checked header may sign what was decoded.
func (ad *admission) checkRoles(tx *schemas.Transaction) error {
	key, err := ad.signer(tx.Header)
	if err != nil {
		return err
	}
	for i := range tx.Messages {
		if role := tx.Messages[i].Event.Role(); key.Roles&role == 0 {
			return &schemas.Fault{Code: schemas.KeyNotValid, Detail: fmt.Sprintf("key %q of %s lacks the role %s, which message %d needs", key.ID, key.Partner, schemas.RoleNames(role), i)}
		}
	}
	return nil
}

// checkKeys judges public keys that acts name. A block that was decided is not asked, and
// neither is an archive: it may be of a time when nobody was, and has to compute to what it
// did. What is decided was asked in its proposal, by more than a third that are honest.
func (ad *admission) checkKeys(tx *schemas.Transaction) error {
	if ad.decided {
		return nil
	}
	for i := range tx.Messages {
		if err := tx.Messages[i].Event.CheckKeys(); err != nil {
			return inMessage("message", i, err)
		}
	}
	return nil
}

// checkAuthors judges the signatures that messages carry by themselves: each by a key
// of the same partner that is a device's, or could sign the message's transaction.
func (ad *admission) checkAuthors(d *decoded) error {
	for i := range d.tx.Messages {
		m := &d.tx.Messages[i]
		author := m.Event.Skeleton.Author
		if author == "" {
			continue
		}
		key, err := ad.signer(&schemas.Header{Partner: d.tx.Header.Partner, KeyId: author})
		if err != nil {
			return inMessage("author of message", i, err)
		}
		if key.Roles&(schemas.RoleDevice|m.Event.Role()) == 0 {
			return &schemas.Fault{Code: schemas.KeyNotValid, Detail: fmt.Sprintf("key %q of %s is neither a device's nor has the role of message %d, whose author it is", key.ID, key.Partner, i)}
		}
		if !d.verifyAuthor(i, key.Public) {
			return &schemas.Fault{Code: schemas.BadSignature, Detail: fmt.Sprintf("message %d is not signed by its author, key %q of %s", i, author, key.Partner)}
		}
	}
	return nil
}

// inMessage says of what in which message a fault is.
func inMessage(what string, i int, err error) error {
	var f *schemas.Fault
	if !errors.As(err, &f) {
		return err
	}
	return &schemas.Fault{Code: f.Code, Pointer: f.Pointer, Detail: fmt.Sprintf("%s %d: %s", what, i, f.Detail)}
}

// admitLeft admits again, from the archive, a transaction that was admitted once
// and whose bodies are erased: what is left of it still has a header, digests
// under its root, and a signature.
func (ad *admission) admitLeft(tx *schemas.Transaction) (*schemas.Transaction, error) {
	d := &decoded{tx: tx}
	if err := ad.check(d); err != nil {
		return nil, err
	}
	if err := ad.checkSigned(d); err != nil {
		return nil, err
	}
	if err := ad.checkRoles(tx); err != nil {
		return nil, err
	}
	ad.seen[tx.ID] = true
	return tx, nil
}
