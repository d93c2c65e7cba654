package app_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Votes, parameters, validators and recalls on the books.

const (
	active    = "active"
	suspended = "suspended"
	removed   = "removed"
)

type bookPartner struct {
	Standing, State, GLN, Host string
	NodeID                     string
	Validator                  []byte
	Order                      *bookOrder
	Keys                       map[string]*bookKey
	Changes                    []*bookChange
	Threshold                  int
	Signed                     int // messages
}

// bookOrder is a validator that a vote ordered and that is not in force.
type bookOrder struct {
	NodeID string
	Key    []byte
	Ready  uint64 // height at which its node said so last
}

type bookParameters struct {
	Strict, Client bool
	Voting, Silent int64 // seconds
	Rules          uint32
	UpgradeHeight  uint64
	UpgradeRules   uint32
}

type bookPrefix struct {
	Partner string
	Strict  bool
}

type bookProposal struct {
	Proposer, State string
	Height          uint64
	Time, Ends      int64
	For, Against    []string
	Signed          map[string]int // what members had signed
	change          *schemas.Change
}

func (p *bookPartner) isMember() bool { return p != nil && p.Standing == "member" && p.State == active }

// members are who votes in this block.
func (b *books) members() (out []string) {
	for id, p := range b.law.Partners {
		if p.isMember() {
			out = append(out, id)
		}
	}
	return out
}

// votes are how many of some are members in this block.
func (b *books) votes(of []string) (n int) {
	for _, id := range of {
		if b.law.Partners[id].isMember() {
			n++
		}
	}
	return n
}

func (m *teller) propose(c *schemas.Change) {
	member := m.law.Partners[m.who].isMember()
	m.stands(!member && !(c.Kind == schemas.Remove && c.Partner == m.who), schemas.NotAMember)
	mine, guests := 0, 0
	for _, p := range m.Proposals {
		if p.State != "open" || m.Now > p.Ends {
			continue
		}
		if p.Proposer == m.who {
			mine++
		}
		if m.law.Partners[p.Proposer].Standing == "participant" {
			guests++
		}
	}
	m.stands(member && mine >= 4 || !member && (mine >= 1 || guests >= 64), schemas.TooManyProposals)
	m.judge(c)
	p := &bookProposal{Proposer: m.who, State: "open", Height: m.Height, Time: m.Now, Ends: m.Now + m.law.Parameters.Voting*1e9, Signed: map[string]int{}, change: c}
	if member {
		p.For = []string{m.who}
	}
	if overSilence(c) {
		p.Ends += m.law.Parameters.Silent * 1e9
		if c.Kind == schemas.Suspend {
			p.Ends += 3 * m.law.Parameters.Silent * 1e9
		}
	}
	for _, id := range m.members() {
		p.Signed[id] = m.Partners[id].Signed
	}
	if m.refused() {
		return
	}
	if m.decide(p); !m.refused() {
		m.Proposals[schemas.ProposalID(m.at)] = p
	}
}

func overSilence(c *schemas.Change) bool {
	return c.Kind == schemas.Suspend || c.Kind == schemas.RecoverKeys
}

// openProposal is a proposal that an act names; what stands against it is told.
func (m *teller) openProposal(id string) *bookProposal {
	p := m.Proposals[id]
	m.stands(p == nil, schemas.NoSuchProposal)
	m.stands(p != nil && p.State != "open", schemas.ProposalEnded)
	return p
}

func (m *teller) vote(v *schemas.Vote) {
	m.stands(!m.law.Partners[m.who].isMember(), schemas.NotAMember)
	p := m.openProposal(v.Proposal)
	if m.refused() {
		return
	}
	m.stands(m.Now > p.Ends, schemas.VotingOver)
	before := *p
	p.For, p.Against = slices.Clone(p.For), slices.Clone(p.Against)
	switch {
	case slices.Contains(p.For, m.who) && v.Approve:
		m.stands(!m.carried(p), schemas.AlreadyVoted)
	case slices.Contains(p.For, m.who), slices.Contains(p.Against, m.who):
		m.stands(true, schemas.AlreadyVoted)
	case v.Approve:
		p.For = append(p.For, m.who)
	default:
		p.Against = append(p.Against, m.who)
	}
	if !m.refused() {
		m.decide(p)
	}
	if m.refused() {
		*p = before
	}
}

func (m *teller) withdraw(w *schemas.Withdraw) {
	p := m.openProposal(w.Proposal)
	m.stands(p != nil && p.Proposer != m.who, schemas.NotProposer)
	if !m.refused() {
		p.State = "withdrawn"
	}
}

// decide makes a change that the members carried, or rejects it.
func (m *teller) decide(p *bookProposal) {
	switch {
	case m.carried(p):
		m.stands(m.Passed == m.Height, schemas.OneAtATime)
		m.judge(p.change)
		m.allowed(p.change)
		if m.refused() {
			return
		}
		m.perform(p.change)
		m.Passed, p.State = m.Height, "passed"
	case 3*(len(m.members())-m.votes(p.Against)) <= 2*len(m.members()):
		p.State = "rejected"
	}
}

// carried reports whether more than two thirds are for a proposal: of all, or of those
// that are not silent.
func (m *teller) carried(p *bookProposal) bool {
	all, yes := len(m.members()), m.votes(p.For)
	if 3*yes > 2*all {
		return true
	}
	about := p.change.Partner
	if !overSilence(p.change) || m.Now < p.Time+m.law.Parameters.Silent*1e9 || m.signedSince(p, about) || p.change.Kind == schemas.Suspend && m.seenSince(p, about) {
		return false
	}
	awake := 0
	for _, id := range m.members() {
		if id != about && (m.signedSince(p, id) || m.seenSince(p, id)) {
			awake++
		}
	}
	longer := p.change.Kind == schemas.Suspend && m.Now >= p.Time+4*m.law.Parameters.Silent*1e9
	return 3*yes > 2*awake && (2*awake >= all || longer)
}

func (m *teller) signedSince(p *bookProposal, who string) bool {
	before, noted := p.Signed[who]
	return who == m.who || slices.Contains(p.For, who) || slices.Contains(p.Against, who) || !noted || m.Partners[who] != nil && m.Partners[who].Signed != before
}

func (m *teller) seenSince(p *bookProposal, who string) bool {
	q := m.law.Partners[who]
	if q == nil || q.Validator == nil {
		return false
	}
	at, seen := m.Seen[fmt.Sprintf("%x", q.Validator)]
	return seen && at >= p.Height
}

// judge tells what stands against a change, be it proposed or about to pass.
func (m *teller) judge(c *schemas.Change) {
	p := m.law.Partners[c.Partner]
	switch c.Kind {
	case schemas.Admit:
		m.stands(p != nil || m.taken(c), schemas.PartnerTaken)
		m.stands(c.Standing == schemas.StandingParticipant && !(m.law.Partners[c.Host].isMember() && m.law.Partners[c.Sponsor].isMember()), schemas.HostNotMember)
		return
	case schemas.SetParameters:
		now := m.law.Parameters
		m.stands(now == now.with(&c.Parameters), schemas.NothingToChange)
		return
	case schemas.ScheduleUpgrade:
		m.stands(c.Height <= m.Height+1 || c.Rules <= m.law.Parameters.Rules, schemas.TooSoon)
		return
	case schemas.CancelUpgrade:
		m.stands(m.law.Parameters.UpgradeHeight == 0, schemas.NothingToChange)
		return
	case schemas.WithdrawPrefix:
		_, there := m.law.Prefixes[c.Prefix]
		m.stands(!there, schemas.NothingToChange)
		return
	case schemas.EraseBody:
		e := m.recorded(c.Partner, c.EventID)
		m.stands(e == nil, schemas.UnknownEvent)
		if e != nil {
			m.erasable(e)
		}
		return
	case schemas.Reassign:
		to := m.law.Partners[c.To]
		m.stands(p == nil || p.State != removed || to == nil || to.State != active || to.Standing == "observer", schemas.NoSuchPartner)
		for _, id := range c.Items {
			m.stands(m.item(id).Parent != "" || m.item(id).Holder != c.Partner, schemas.NotHeld)
		}
		for _, l := range c.Lots {
			has := m.Lots[lotName(l.Class, l.UOM)][c.Partner]
			m.stands(has == nil || has.Known && (has.Is.Sign() == 0 || l.Quantity != "" && has.Is.Cmp(passed(&l).Is) < 0), schemas.NotHeld)
		}
		return
	case schemas.EndShipments:
		m.stands(p == nil || p.State != removed, schemas.NoSuchPartner)
		for _, id := range c.Shipments {
			if s := m.ship(id); s != nil {
				m.stands(s.over(), schemas.WrongState)
				m.stands(!slices.Contains(s.parties(), c.Partner), schemas.NotAParty)
			}
		}
		return
	case schemas.EndRecall:
		m.stands(p == nil, schemas.NoSuchPartner)
		m.stands(!m.isOpen(c.Partner, c.Recall), schemas.NoSuchRecall)
		m.stands(p != nil && p.State == active, schemas.IssuerActive)
		return
	}
	m.stands(p == nil || p.State == removed, schemas.NoSuchPartner)
	if m.refused() {
		return
	}
	last := p.isMember() && len(m.members()) == 1
	switch c.Kind {
	case schemas.Suspend:
		m.stands(p.State == suspended, schemas.NothingToChange)
		m.stands(last, schemas.LastMember)
	case schemas.Resume:
		m.stands(p.State == active, schemas.NothingToChange)
	case schemas.Remove:
		m.stands(last, schemas.LastMember)
		m.stands(p.Validator != nil && m.law.validators() == 1, schemas.BreaksQuorum)
	case schemas.SetValidator:
		m.stands(p.NodeID == c.NodeID && bytes.Equal(p.Validator, c.Validator), schemas.NothingToChange)
		m.stands(!p.isMember(), schemas.NoSuchPartner)
		m.stands(m.taken(c), schemas.PartnerTaken)
	case schemas.RemoveValidator:
		m.stands(p.Validator == nil && m.Partners[c.Partner].Order == nil, schemas.NothingToChange)
		m.stands(p.Validator != nil && m.law.validators() == 1, schemas.BreaksQuorum)
	case schemas.RecoverKeys:
		for _, g := range c.Keys {
			m.stands(m.Partners[c.Partner].Keys[schemas.KeyID(ed25519.PublicKey(g.Public))] != nil, schemas.KeyKnown)
		}
	case schemas.RegisterPrefix:
		for digits := range m.law.Prefixes {
			m.stands(strings.HasPrefix(digits, c.Prefix) || strings.HasPrefix(c.Prefix, digits), schemas.PrefixTaken)
		}
	}
}

// taken reports whether another partner has the GLN, node id or consensus key.
func (m *teller) taken(c *schemas.Change) bool {
	for id, p := range m.law.Partners {
		if id == c.Partner || p.State == removed {
			continue
		}
		if c.GLN != "" && p.GLN == c.GLN || c.NodeID != "" && p.NodeID == c.NodeID || c.Validator != nil && bytes.Equal(p.Validator, c.Validator) {
			return true
		}
	}
	return false
}

func (b *books) validators() (n int) {
	for _, p := range b.Partners {
		if p.Validator != nil {
			n++
		}
	}
	return n
}

// allowed tells what of the moment stands against a change that would pass.
func (m *teller) allowed(c *schemas.Change) {
	switch c.Kind {
	case schemas.Remove, schemas.RemoveValidator:
		if p := m.Partners[c.Partner]; p != nil && p.Validator != nil {
			m.stands(!m.safe(c.Partner, nil), schemas.UnsafeChange, schemas.LastValidator)
		}
	case schemas.SetValidator, schemas.Admit:
		for id, p := range m.Partners {
			m.stands(id != c.Partner && c.Validator != nil && p.Order != nil && (bytes.Equal(p.Order.Key, c.Validator) || p.Order.NodeID == c.NodeID), schemas.ValidatorTaken)
		}
	}
}

// safe reports whether those seen signing are more than two thirds of the validators, were
// a partner's key another, or none.
func (b *books) safe(partner string, key []byte) bool {
	after, alive := 0, 0
	for id, p := range b.Partners {
		if id == partner || p.Validator == nil {
			continue
		}
		after++
		if _, seen := b.Seen[fmt.Sprintf("%x", p.Validator)]; seen {
			alive++
		}
	}
	if key != nil {
		if after++; after <= 3 { // the others alone could never be more than two thirds
			alive++
		}
	}
	return after > 0 && 3*alive > 2*after
}

func (m *teller) perform(c *schemas.Change) {
	p := m.Partners[c.Partner]
	switch c.Kind {
	case schemas.Admit:
		p = &bookPartner{Standing: c.Standing.String(), State: active, GLN: c.GLN, Host: c.Host, Keys: map[string]*bookKey{}}
		m.Partners[c.Partner] = p
		m.replaceKeys(p, c)
		if c.Validator != nil {
			p.Order = &bookOrder{NodeID: c.NodeID, Key: c.Validator}
		}
	case schemas.Suspend:
		p.State = suspended
	case schemas.Resume:
		p.State = active
	case schemas.Remove:
		p.State, p.Validator, p.Order = removed, nil, nil
	case schemas.SetValidator:
		p.Order = &bookOrder{NodeID: c.NodeID, Key: c.Validator}
	case schemas.RemoveValidator:
		p.Validator, p.Order = nil, nil
	case schemas.SetParameters:
		m.Parameters = m.Parameters.with(&c.Parameters)
	case schemas.ScheduleUpgrade:
		m.Parameters.UpgradeHeight, m.Parameters.UpgradeRules = c.Height, c.Rules
	case schemas.CancelUpgrade:
		m.Parameters.UpgradeHeight, m.Parameters.UpgradeRules = 0, 0
	case schemas.RegisterPrefix:
		m.Prefixes[c.Prefix] = bookPrefix{c.Partner, c.Strict}
	case schemas.WithdrawPrefix:
		delete(m.Prefixes, c.Prefix)
	case schemas.EraseBody:
		m.Events[c.Partner+" "+c.EventID].Erased = true
	case schemas.RecoverKeys:
		m.replaceKeys(p, c)
	case schemas.EndRecall:
		m.Recalls[c.Partner+"/"+c.Recall].Closed = true
	case schemas.Reassign:
		for _, id := range c.Items {
			m.pass(id, c.To)
		}
		for _, l := range c.Lots {
			m.passLot(c.Partner, c.To, &l)
		}
	case schemas.EndShipments:
		for _, id := range c.Shipments {
			m.endShipment(id)
		}
	}
}

func passed(l *schemas.PassedLot) *bookAmount {
	is, _ := new(big.Rat).SetString(l.Quantity)
	return &bookAmount{Known: true, Is: is}
}

// passLot hands on some of a lot, or all that is there: then nothing is left.
func (b *books) passLot(from, to string, l *schemas.PassedLot) {
	lot := lotName(l.Class, l.UOM)
	if l.Quantity != "" {
		b.add(from, lot, minus(passed(l)))
		b.add(to, lot, passed(l))
		return
	}
	all := b.Lots[lot][from]
	b.Lots[lot][from] = &bookAmount{Known: true, Is: new(big.Rat)}
	b.add(to, lot, all)
}

// endShipment ends a shipment for good: what is offered of it stays where it is.
func (b *books) endShipment(id string) {
	s := b.Shipments[id]
	if s.open() != nil {
		b.finish(id, "withdraw")
	}
	switch s.State {
	case "delivered", "returned":
		s.State = "closed"
	default:
		s.State = "cancelled"
	}
	s.HeldBy, s.Disputed = "", 0
}

func (p bookParameters) with(c *schemas.ParameterChange) bookParameters {
	if c.Custody != 0 {
		p.Strict = c.Custody == schemas.CustodyStrict
	}
	if c.Acceptance != 0 {
		p.Client = c.Acceptance == schemas.AcceptWithClient
	}
	if c.VotingSeconds != 0 {
		p.Voting = int64(c.VotingSeconds)
	}
	if c.SilentSeconds != 0 {
		p.Silent = int64(c.SilentSeconds)
	}
	return p
}

// saw enters who voted for the last block.
func (b *books) saw(voters []ed25519.PublicKey) {
	for _, key := range voters {
		b.Seen[fmt.Sprintf("%x", key)] = b.Height - 1
	}
	for key, at := range b.Seen {
		if at+100 < b.Height {
			delete(b.Seen, key)
		}
	}
}

func (m *teller) ready(a *schemas.Ready) {
	o := m.Partners[m.who].Order
	m.stands(o == nil || !bytes.Equal(o.Key, a.Key), schemas.NotOrdered)
	if !m.refused() {
		o.Ready = m.Height
	}
}

// enforce brings ordered validators into force, at the end of a block.
func (b *books) enforce() {
	for _, id := range sortedNames(b.Partners) {
		p := b.Partners[id]
		if o := p.Order; o != nil && p.State == active && o.Ready != 0 && o.Ready+100 >= b.Height && b.safe(id, o.Key) {
			p.NodeID, p.Validator, p.Order = o.NodeID, o.Key, nil
		}
	}
}
