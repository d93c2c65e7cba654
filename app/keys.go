package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Keys change by acts of their partner. What an act changes holds from the next
// block on, since class A reads the state before the block: a key is valid up to
// the block that revokes it. Leaves of keys are never removed and what a key was
// never changes, so that old signatures can be proved, and a key that ended cannot
// come back.

// leafReader reads the leaves of the state before a block.
type leafReader func(prefix []byte, each func(key, value []byte) error) error

func leavesOf(v *store.View) leafReader {
	return func(prefix []byte, each func(key, value []byte) error) error {
		for leaf, err := range v.Leaves(prefix) {
			if err != nil {
				return err
			}
			if err := each(leaf.Key, leaf.Value); err != nil {
				return err
			}
		}
		return nil
	}
}

// leavesBefore reads the leaves of the state before the next block.
func (a *App) leavesBefore() leafReader {
	if f := a.founded.Load(); f != nil && a.store.Latest().Height() == 0 {
		return f.leaves
	}
	return leavesOf(a.store.Latest())
}

// leaves reads leaves of the genesis state.
func (f *founding) leaves(prefix []byte, each func(key, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if strings.HasPrefix(key, string(prefix)) {
			if err := each([]byte(key), f.values[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// key is a partner's key as it stands in this block, nil where there is none.
func (b *block) key(partner, id string) *schemas.Key {
	value, _ := b.get(schemas.KeyKey(partner, id))
	if value == nil {
		return nil
	}
	k := must(schemas.DecodeKey(partner, id, value))
	return &k
}

func (b *block) putKey(k *schemas.Key) {
	b.led.Set(schemas.KeyKey(k.Partner, k.ID), k.Append(nil), nil)
}

// heldByClient reports whether the key of the message's signer is in the hands of a
// client or in hardware, where the gateway cannot use it.
func (m *message) heldByClient() bool {
	k := m.key(m.partner, m.signer())
	return k != nil && (k.Held == schemas.HeldByClient || k.Held == schemas.HeldInHardware)
}

// signer is the key of the message's author, or, where it has none, the one that
// signed the transaction.
func (m *message) signer() string {
	if m.event.Author != "" {
		return m.event.Author
	}
	return m.tx.Header.KeyId
}

// lasting reports whether the key counts against its partner's threshold: an admin
// key without an end.
func lasting(k *schemas.Key) bool { return k.Roles&schemas.RoleAdmin != 0 && k.Until == 0 }

// keyRing reads a partner's key ring. Before its first change of keys there is none:
// then it is made of the keys that the state before the block has, which are what
// genesis and admission gave it.
func (b *block) keyRing(partner string) *schemas.KeyRing {
	value, _ := b.get(schemas.KeyRingKey(partner))
	if value != nil {
		return must(schemas.DecodeKeyRing(value))
	}
	ring := &schemas.KeyRing{}
	for _, k := range b.keysBefore(partner) {
		ring.Count++
		if lasting(k) {
			ring.Admins = append(ring.Admins, k.ID)
		}
	}
	return ring
}

// keysBefore are a partner's keys, by id, of the state before the block.
func (b *block) keysBefore(partner string) (out []*schemas.Key) {
	prefix := schemas.KeyKey(partner, "")
	err := b.before(prefix, func(key, value []byte) error {
		k, err := schemas.DecodeKey(partner, string(key[len(prefix):]), value)
		out = append(out, &k)
		return err
	})
	if err != nil {
		panic(ioFailure{fmt.Errorf("reading the keys of %s: %w", partner, err)})
	}
	return out
}

func (b *block) putKeyRing(partner string, ring *schemas.KeyRing) {
	b.led.Set(schemas.KeyRingKey(partner), ring.Append(nil), nil)
}

// partnerLeaf reads a partner's leaf as it stands in this block, nil where there is none.
func (b *block) partnerLeaf(id string) *schemas.Partner {
	value, _ := b.get(schemas.PartnerKey(id))
	if value == nil {
		return nil
	}
	p := must(schemas.DecodePartner(id, value))
	return &p
}

// putPartner writes a partner's leaf, which the directory is made of.
func (b *block) putPartner(p *schemas.Partner) {
	b.led.Set(schemas.PartnerKey(p.ID), p.Append(nil), nil)
	b.touched, b.governed = append(b.touched, p.ID), true
}

// present are how many of the counted admin keys are valid in the next block.
func (b *block) present(partner string, ring *schemas.KeyRing) (n uint32) {
	for _, id := range ring.Admins {
		if k := b.key(partner, id); k != nil && k.ValidAt(uint64(b.height+1)) {
			n++
		}
	}
	return n
}

// changeKeys makes a change of keys, or opens it where others must agree.
func (m *message) changeKeys(change schemas.Act) {
	ring, need := m.keyRing(m.partner), m.threshold()
	if need > 1 {
		m.openChange(ring, change)
		return
	}
	m.result.Code = m.makeChange(m.partner, ring, change)
}

func (m *message) threshold() uint32 { return max(1, m.partnerLeaf(m.partner).Threshold) }

// openChange notes a change that others must agree to. A key has one open change:
// its next one takes the place of that.
func (m *message) openChange(ring *schemas.KeyRing, change schemas.Act) {
	by := m.tx.Header.KeyId
	ring.Changes = slices.DeleteFunc(ring.Changes, func(c schemas.OpenChange) bool { return c.By[0] == by || m.now() >= c.Expires })
	if len(ring.Changes) >= schemas.MaxThreshold {
		m.result.Code = schemas.TooManyKeys // admin keys with an end opened them
		return
	}
	ring.Changes = append(ring.Changes, schemas.OpenChange{ID: schemas.ChangeID(m.msg.Digest), Act: change, By: []string{by}, Expires: m.now() + schemas.KeyChangeSeconds*second})
	m.putKeyRing(m.partner, ring)
	m.flag(schemas.AwaitingApproval)
}

// approveKeys agrees to an open change, and makes it when enough did.
func (m *message) approveKeys(a *schemas.ApproveKeyChange) {
	ring := m.keyRing(m.partner)
	i := slices.IndexFunc(ring.Changes, func(c schemas.OpenChange) bool { return c.ID == a.Change && m.now() < c.Expires })
	if i < 0 {
		m.result.Code = schemas.NoSuchChange
		return
	}
	c := &ring.Changes[i]
	if slices.Contains(c.By, m.tx.Header.KeyId) {
		m.result.Code = schemas.AlreadyApproved
		return
	}
	c.By = append(c.By, m.tx.Header.KeyId)
	agreed := uint32(0)
	for _, id := range c.By { // who was revoked meanwhile does not count
		if k := m.key(m.partner, id); k != nil && k.ValidAt(uint64(m.height)) && (k.Until == 0 || k.Until > uint64(m.height)) {
			agreed++
		}
	}
	if agreed < m.threshold() {
		m.putKeyRing(m.partner, ring)
		m.flag(schemas.AwaitingApproval)
		return
	}
	change := c.Act
	ring.Changes = slices.Delete(ring.Changes, i, i+1)
	m.result.Code = m.makeChange(m.partner, ring, change)
}

// makeChange makes a change of keys that was agreed on, and writes the ring.
func (b *block) makeChange(partner string, ring *schemas.KeyRing, change schemas.Act) (code schemas.Code) {
	switch c := change.(type) {
	case *schemas.AddKey:
		code = b.addKey(ring, schemas.Key{Partner: partner, ID: schemas.KeyID(c.Public), Public: c.Public, Roles: c.Roles, Held: c.Held, From: c.From, Until: c.Until})
	case *schemas.RevokeKey:
		code = b.revokeKey(partner, ring, c.Key)
	case *schemas.SetThreshold:
		if c.Threshold > b.present(partner, ring) {
			return schemas.ThresholdTooHigh
		}
		p := b.partnerLeaf(partner)
		p.Threshold = c.Threshold
		b.putPartner(p)
	}
	if code == schemas.OK {
		b.putKeyRing(partner, ring)
	}
	return code
}

func (b *block) addKey(ring *schemas.KeyRing, k schemas.Key) schemas.Code {
	k.From = max(k.From, uint64(b.height+1))
	switch {
	case b.key(k.Partner, k.ID) != nil:
		return schemas.KeyKnown
	case k.Until != 0 && k.Until < k.From:
		return schemas.KeyEnded
	case ring.Count >= schemas.MaxKeys, lasting(&k) && len(ring.Admins) >= schemas.MaxThreshold:
		return schemas.TooManyKeys
	}
	ring.Count++
	if lasting(&k) {
		i, _ := slices.BinarySearch(ring.Admins, k.ID)
		ring.Admins = slices.Insert(ring.Admins, i, k.ID)
	}
	b.putKey(&k)
	b.added = append(b.added, addedKey{k.Partner, k.ID})
	return schemas.OK
}

// addedKey names a key that the block added; whether it stands, its leaf tells.
type addedKey struct{ partner, id string }

func (b *block) revokeKey(partner string, ring *schemas.KeyRing, id string) schemas.Code {
	k := b.key(partner, id)
	switch {
	case k == nil:
		return schemas.NoSuchKey
	case k.Until != 0 && k.Until <= uint64(b.height):
		return schemas.KeyEnded
	}
	counted := lasting(k)
	k.Until = uint64(b.height)
	b.putKey(k)
	if counted {
		ring.Admins = slices.DeleteFunc(ring.Admins, func(a string) bool { return a == id })
		if b.present(partner, ring) < max(1, b.partnerLeaf(partner).Threshold) {
			return schemas.LastAdminKey
		}
	}
	return schemas.OK
}

// replaceKeys ends all keys of a partner and gives it others, all of them new to it:
// what a vote does for one that lost its admin keys. What the partner holds it
// holds as before. It writes nothing where it answers a code.
func (b *block) replaceKeys(partner string, keys []schemas.Key, threshold uint32) schemas.Code {
	p := b.partnerLeaf(partner)
	if p == nil {
		return schemas.UnknownPartner
	}
	mark := b.led.Mark()
	ring := b.keyRing(partner)
	ring.Admins, ring.Changes = nil, nil
	old := b.keysBefore(partner)
	for _, a := range b.added {
		if k := b.key(partner, a.id); a.partner == partner && k != nil {
			old = append(old, k)
		}
	}
	for _, before := range old {
		if k := b.key(partner, before.ID); k.Until == 0 || k.Until > uint64(b.height) {
			k.Until = uint64(b.height)
			b.putKey(k)
		}
	}
	code := schemas.OK
	for i := 0; i < len(keys) && code == schemas.OK; i++ {
		k := keys[i]
		k.Partner, k.ID = partner, schemas.KeyID(k.Public)
		code = b.addKey(ring, k)
	}
	switch present := b.present(partner, ring); {
	case code != schemas.OK:
	case present == 0:
		code = schemas.LastAdminKey
	case threshold > present:
		code = schemas.ThresholdTooHigh
	}
	if code != schemas.OK {
		b.led.Revert(mark)
		return code
	}
	p.Threshold = threshold
	b.putPartner(p)
	b.putKeyRing(partner, ring)
	return schemas.OK
}

// moveHost moves a participant to another member's node.
func (m *message) moveHost(a *schemas.MoveHost) {
	p := m.partnerLeaf(m.partner)
	host := m.partnerLeaf(a.Host)
	switch {
	case p.Standing != schemas.StandingParticipant:
		m.result.Code = schemas.NotParticipant
	case host == nil || host.Standing != schemas.StandingMember || host.State != schemas.Active:
		m.result.Code = schemas.NoSuchHost
	default:
		p.Host = a.Host
		m.putPartner(p)
	}
}
