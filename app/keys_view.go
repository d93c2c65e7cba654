package app

import (
	"crypto/ed25519"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Partner is a partner, nil where there is none of this id.
func (v *View) Partner(id string) (*schemas.Partner, error) {
	value, _, err := v.get(schemas.PartnerKey(id))
	if value == nil || err != nil {
		return nil, err
	}
	p, err := schemas.DecodePartner(id, value)
	if err != nil {
		return nil, fmt.Errorf("reading partner %q: %w", id, err)
	}
	return &p, nil
}

// Keys are the keys that a partner has and had, by id.
func (v *View) Keys(partner string) (out []schemas.Key, err error) {
	prefix := schemas.KeyKey(partner, "")
	err = leavesOf(v.at)(prefix, func(key, value []byte) error {
		k, err := schemas.DecodeKey(partner, string(key[len(prefix):]), value)
		if err != nil {
			return fmt.Errorf("reading a key of %s: %w", partner, err)
		}
		out = append(out, k)
		return nil
	})
	return out, v.answered(err)
}

// Key is a partner's key, nil where there is none of this id.
func (v *View) Key(partner, id string) (*schemas.Key, error) {
	value, _, err := v.get(schemas.KeyKey(partner, id))
	if value == nil || err != nil {
		return nil, err
	}
	k, err := schemas.DecodeKey(partner, id, value)
	if err != nil {
		return nil, fmt.Errorf("reading a key of %s: %w", partner, err)
	}
	return &k, nil
}

// KeyChanges are the changes of a partner's keys that wait for other admin keys.
func (v *View) KeyChanges(partner string) (open []schemas.OpenChange, err error) {
	value, _, err := v.get(schemas.KeyRingKey(partner))
	if value == nil || err != nil {
		return nil, err
	}
	ring, err := schemas.DecodeKeyRing(value)
	if err != nil {
		return nil, fmt.Errorf("reading the key ring of %s: %w", partner, err)
	}
	for _, c := range ring.Changes {
		if v.time.UnixNano() < c.Expires {
			open = append(open, c)
		}
	}
	return open, nil
}

// rehearsing is the key with which a partner would sign what needs a role: one that
// its gateway holds, if there is one.
func (v *View) rehearsing(partner string, role uint32) (id string, err error) {
	keys, err := v.Keys(partner)
	for _, k := range keys {
		if k.ValidAt(uint64(v.Height()+1)) && k.Roles&role != 0 && (id == "" || k.Held == schemas.HeldByGateway) {
			id = k.ID
		}
	}
	return id, err
}

// CheckAuthors judges the signatures that messages of a partner carry by themselves,
// as admission will: what is signed together with one that does not hold is refused
// with it. Errors are Faults, of the first that is wrong.
func (v *View) CheckAuthors(partner string, messages []*schemas.Event) error {
	for i, e := range messages {
		id := e.Skeleton.Author
		if id == "" {
			continue
		}
		k, err := v.Key(partner, id)
		digest := schemas.AuthorDigest(v.app.chainID(), partner, id, e.KindOf(), e.Members)
		switch {
		case err != nil:
			return err
		case k == nil:
			return &schemas.Fault{Code: schemas.UnknownKey, Detail: fmt.Sprintf("author of message %d: %s has no key %q", i, partner, id)}
		case !k.ValidAt(uint64(v.Height()+1)) || k.Roles&(schemas.RoleDevice|e.Role()) == 0:
			return &schemas.Fault{Code: schemas.KeyNotValid, Detail: fmt.Sprintf("author of message %d: key %q of %s may not sign it", i, id, partner)}
		case !ed25519.Verify(k.Public, digest[:], e.AuthorSignature):
			return &schemas.Fault{Code: schemas.BadSignature, Detail: fmt.Sprintf("message %d is not signed by its author, key %q of %s", i, id, partner)}
		}
	}
	return nil
}
