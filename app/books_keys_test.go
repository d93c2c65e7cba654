package app_test

import (
	"crypto/ed25519"
	"maps"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Keys and hosts on the books.

type bookKey struct {
	Roles       uint32
	Held        schemas.Holding
	From, Until uint64
}

func (k *bookKey) valid(height uint64) bool {
	return k.From <= height && (k.Until == 0 || height <= k.Until)
}

// bookChange is a change of keys that waits for further admin keys.
type bookChange struct {
	ID  string // by which it is approved: the ledger told it
	By  []string
	End int64
	act schemas.Act
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// lasting are the admin keys without an end.
func (p *bookPartner) lasting() (n int) {
	for _, k := range p.Keys {
		if k.Roles&schemas.RoleAdmin != 0 && k.Until == 0 {
			n++
		}
	}
	return n
}

func (m *teller) keyChange(a schemas.Act) {
	p := m.Partners[m.who]
	if p.Threshold <= 1 {
		m.changeKeys(p, a)
		return
	}
	c := &bookChange{By: []string{m.key}, End: m.Now + 7*24*3600*1e9, act: a}
	p.Changes = append(slices.DeleteFunc(p.Changes, func(old *bookChange) bool { return old.By[0] == m.key || m.Now >= old.End }), c)
}

func (m *teller) changeKeys(p *bookPartner, a schemas.Act) {
	switch a := a.(type) {
	case *schemas.AddKey:
		id := schemas.KeyID(ed25519.PublicKey(a.Public))
		m.stands(p.Keys[id] != nil, schemas.KeyKnown)
		m.stands(a.Until != 0 && a.Until <= m.Height, schemas.KeyEnded)
		if !m.refused() {
			p.Keys[id] = &bookKey{Roles: a.Roles, Held: a.Held, From: max(a.From, m.Height+1), Until: a.Until}
		}
	case *schemas.RevokeKey:
		k := p.Keys[a.Key]
		m.stands(k == nil, schemas.NoSuchKey)
		if k == nil {
			return
		}
		m.stands(k.Until != 0 && k.Until <= m.Height, schemas.KeyEnded)
		m.stands(k.Until == 0 && k.Roles&schemas.RoleAdmin != 0 && p.lasting()-1 < max(1, p.Threshold), schemas.LastAdminKey)
		if !m.refused() {
			k.Until = m.Height
		}
	case *schemas.SetThreshold:
		m.stands(int(a.Threshold) > p.lasting(), schemas.ThresholdTooHigh)
		if !m.refused() {
			p.Threshold = int(a.Threshold)
		}
	}
}

func (m *teller) approve(a *schemas.ApproveKeyChange) {
	p := m.Partners[m.who]
	i := slices.IndexFunc(p.Changes, func(c *bookChange) bool { return c.ID == a.Change && m.Now < c.End })
	m.stands(i < 0, schemas.NoSuchChange)
	if i < 0 {
		return
	}
	c := p.Changes[i]
	m.stands(slices.Contains(c.By, m.key), schemas.AlreadyApproved)
	agreed := 0
	for _, id := range append(slices.Clone(c.By), m.key) {
		if k := p.Keys[id]; k.valid(m.Height + 1) {
			agreed++
		}
	}
	if !m.refused() && agreed >= p.Threshold {
		if m.changeKeys(p, c.act); !m.refused() {
			p.Changes = slices.Delete(p.Changes, i, i+1)
		}
		return
	}
	if !m.refused() {
		c.By = append(c.By, m.key)
	}
}

func (m *teller) replaceKeys(p *bookPartner, c *schemas.Change) {
	for _, k := range p.Keys {
		if k.Until == 0 || k.Until > m.Height {
			k.Until = m.Height
		}
	}
	p.Changes, p.Threshold = nil, max(1, int(c.Threshold))
	for _, g := range c.Keys {
		p.Keys[schemas.KeyID(ed25519.PublicKey(g.Public))] = &bookKey{Roles: g.Roles, Held: g.Held, From: m.Height + 1}
	}
}

func (m *teller) moveHost(a *schemas.MoveHost) {
	p := m.law.Partners[m.who]
	m.stands(p.Standing != "participant", schemas.NotParticipant)
	m.stands(!m.Partners[a.Host].isMember(), schemas.NoSuchHost) // nobody moves to who was removed in this block
	if !m.refused() {
		m.Partners[m.who].Host = a.Host
	}
}
