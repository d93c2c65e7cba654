package app

import (
	"bytes"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// judge answers whether a change could be made now. It writes nothing.
func (m *message) judge(c *schemas.Change) schemas.Code {
	p := m.dir.partner(c.Partner)
	switch c.Kind {
	case schemas.Admit:
		return m.judgeAdmission(c)
	case schemas.SetParameters:
		return m.judgeParameters(&c.Parameters)
	case schemas.ScheduleUpgrade:
		if now := m.settled(); c.Height <= uint64(m.height)+1 || c.Rules <= now.Rules {
			return schemas.TooSoon
		}
		return schemas.OK
	case schemas.CancelUpgrade:
		if m.settled().UpgradeHeight <= uint64(m.height)+1 {
			return schemas.NothingToChange
		}
		return schemas.OK
	case schemas.WithdrawPrefix:
		if q := m.dir.prefixOf(c.Prefix); q == nil || q.Digits != c.Prefix {
			return schemas.NothingToChange
		}
		return schemas.OK
	case schemas.EraseBody:
		_, _, _, code := m.erasable(c.Partner, c.EventID)
		return code
	}
	if p == nil || (p.State == schemas.Removed) != c.Kind.Inherits() && c.Kind != schemas.EndRecall {
		return schemas.NoSuchPartner
	}
	switch c.Kind {
	case schemas.RegisterPrefix:
		if m.dir.overlaps(c.Prefix) {
			return schemas.PrefixTaken
		}
	case schemas.Reassign:
		return m.judgePassing(c)
	case schemas.EndShipments:
		return m.judgeShipments(c)
	case schemas.EndRecall:
		return m.judgeRecall(c, p)
	case schemas.RecoverKeys:
		return m.judgeKeys(c)
	case schemas.SetValidator, schemas.RemoveValidator:
		return m.judgeValidator(c, p)
	case schemas.Suspend, schemas.Resume, schemas.Remove:
		return m.judgeState(c, p)
	}
	return schemas.OK
}

// judgeKeys judges whether all keys that a partner would get are new to it: one that ended
// never comes back.
func (m *message) judgeKeys(c *schemas.Change) schemas.Code {
	for i := range c.Keys {
		if m.key(c.Partner, schemas.KeyID(c.Keys[i].Public)) != nil {
			return schemas.KeyKnown
		}
	}
	return schemas.OK
}

func (m *message) judgeAdmission(c *schemas.Change) schemas.Code {
	_, takenGLN := m.dir.byGLN[c.GLN]
	switch {
	case m.dir.partner(c.Partner) != nil, takenGLN, m.takenNode(c):
		return schemas.PartnerTaken
	case c.Standing == schemas.StandingMember && len(m.dir.members) >= schemas.MaxMembers:
		return schemas.TooManyMembers
	case c.Standing == schemas.StandingParticipant && !(m.isMember(c.Host) && m.isMember(c.Sponsor)):
		return schemas.HostNotMember
	}
	return schemas.OK
}

// takenNode reports whether another partner has a change's node id or consensus key.
func (m *message) takenNode(c *schemas.Change) bool {
	return len(c.Validator) > 0 && slices.ContainsFunc(m.dir.partners, func(p schemas.Partner) bool {
		return p.ID != c.Partner && p.State != schemas.Removed && (p.NodeID == c.NodeID || bytes.Equal(p.Validate, c.Validator))
	})
}

func (m *message) judgeValidator(c *schemas.Change, p *schemas.Partner) schemas.Code {
	switch {
	case c.Kind == schemas.RemoveValidator && len(p.Validate) == 0 && m.validatorOrder(p.ID) == nil,
		c.Kind == schemas.SetValidator && p.NodeID == c.NodeID && bytes.Equal(p.Validate, c.Validator):
		return schemas.NothingToChange
	case c.Kind == schemas.RemoveValidator && m.lastValidator(p):
		return schemas.BreaksQuorum
	case c.Kind == schemas.SetValidator && !m.isMember(p.ID):
		return schemas.NoSuchPartner
	case m.takenNode(c):
		return schemas.PartnerTaken
	}
	return schemas.OK
}

// lastValidator reports whether a partner's validator is the only one.
func (m *message) lastValidator(p *schemas.Partner) bool {
	return len(p.Validate) > 0 && m.dir.validators() == 1
}

// validators are how many partners validate.
func (d *directory) validators() (n int) {
	for i := range d.partners {
		if p := &d.partners[i]; p.State != schemas.Removed && len(p.Validate) > 0 {
			n++
		}
	}
	return n
}

func (m *message) judgeState(c *schemas.Change, p *schemas.Partner) schemas.Code {
	member := m.isMember(p.ID)
	switch {
	case c.Kind == schemas.Resume && p.State == schemas.Active, c.Kind == schemas.Suspend && p.State == schemas.Suspended:
		return schemas.NothingToChange
	case c.Kind == schemas.Resume && p.Standing == schemas.StandingMember && len(m.dir.members) >= schemas.MaxMembers:
		return schemas.TooManyMembers
	case c.Kind != schemas.Resume && member && len(m.dir.members) == 1:
		return schemas.LastMember
	case c.Kind == schemas.Remove && m.lastValidator(p):
		return schemas.BreaksQuorum
	}
	return schemas.OK
}

func (m *message) judgeParameters(c *schemas.ParameterChange) schemas.Code {
	before := m.dir.parameters
	after := parametersWith(before, c)
	switch {
	case bytes.Equal(before.Append(nil), after.Append(nil)):
		return schemas.NothingToChange
	case len(c.Retention) > 0 && schemas.CheckRetention(after.Retention) != nil:
		return schemas.UnknownClass // names are used once
	}
	return schemas.OK
}

func parametersWith(p schemas.Parameters, c *schemas.ParameterChange) schemas.Parameters {
	if c.Custody != 0 {
		p.Strict = c.Custody == schemas.CustodyStrict
	}
	if c.Acceptance != 0 {
		p.ClientAccepts = c.Acceptance == schemas.AcceptWithClient
	}
	if c.VotingSeconds != 0 {
		p.VotingSeconds = c.VotingSeconds
	}
	if c.SilentSeconds != 0 {
		p.SilentSeconds = c.SilentSeconds
	}
	p.Retention = append(slices.Clip(p.Retention), c.Retention...)
	return p
}

// settled are the parameters, with the rules of an upgrade whose height has come.
func (m *message) settled() schemas.Parameters {
	p := m.dir.parameters
	if p.UpgradeHeight != 0 && p.UpgradeHeight <= uint64(m.height) {
		p.Rules, p.UpgradeHeight, p.UpgradeRules = p.UpgradeRules, 0, 0
	}
	return p
}

// judgeRecall judges whether a recall is open that its issuer cannot close.
func (m *message) judgeRecall(c *schemas.Change, issuer *schemas.Partner) schemas.Code {
	s := m.recallOf(schemas.RecallRef{Issuer: c.Partner, Recall: c.Recall})
	switch {
	case s == nil || s.Closed != 0:
		return schemas.NoSuchRecall
	case issuer.State == schemas.Active:
		return schemas.IssuerActive
	}
	return schemas.OK
}

// change makes a change that was judged. It holds from the next block on.
func (m *message) change(c *schemas.Change) schemas.Code {
	m.voted = true
	switch c.Kind {
	case schemas.Admit:
		return m.admitPartner(c)
	case schemas.Suspend:
		m.setState(c.Partner, schemas.Suspended)
	case schemas.Resume:
		m.setState(c.Partner, schemas.Active)
	case schemas.Remove:
		if len(m.dir.partner(c.Partner).Validate) > 0 || m.validatorOrder(c.Partner) != nil {
			if code := m.orderValidator(c.Partner, "", nil); code != schemas.OK {
				return code
			}
		}
		m.setState(c.Partner, schemas.Removed)
	case schemas.SetValidator:
		return m.orderValidator(c.Partner, c.NodeID, c.Validator)
	case schemas.RemoveValidator:
		return m.orderValidator(c.Partner, "", nil)
	case schemas.SetParameters:
		m.setParameters(parametersWith(m.dir.parameters, &c.Parameters))
	case schemas.ScheduleUpgrade:
		p := m.settled()
		p.UpgradeHeight, p.UpgradeRules = c.Height, c.Rules
		m.setParameters(p)
	case schemas.CancelUpgrade:
		p := m.settled()
		p.UpgradeHeight, p.UpgradeRules = 0, 0
		m.setParameters(p)
	case schemas.RegisterPrefix:
		p := schemas.Prefix{Digits: c.Prefix, Partner: c.Partner, Strict: c.Strict}
		m.led.Set(schemas.PrefixKey(c.Prefix), p.Append(nil), nil)
		m.governed, m.prefixed = true, true
	case schemas.WithdrawPrefix:
		m.led.Delete(schemas.PrefixKey(c.Prefix))
		m.governed, m.prefixed = true, true
	case schemas.EraseBody:
		return m.erase(c.Partner, c.EventID)
	case schemas.RecoverKeys:
		return m.replaceKeys(c.Partner, m.granted(c), c.Threshold)
	case schemas.Reassign:
		m.passAll(c)
	case schemas.EndShipments:
		for _, id := range c.Shipments {
			m.endShipment(m.shipment(id))
		}
	case schemas.EndRecall:
		ref := schemas.RecallRef{Issuer: c.Partner, Recall: c.Recall}
		m.endRecall(ref, m.recallOf(ref))
	default:
		return schemas.Unsupported // kinds are a closed list: none gets here
	}
	return schemas.OK
}

func (m *message) admitPartner(c *schemas.Change) schemas.Code {
	m.putPartner(&schemas.Partner{ID: c.Partner, Name: c.PartnerName, GLN: c.GLN, Standing: c.Standing,
		LEI: c.LEI, Registration: c.Registration, Host: c.Host, Sponsor: c.Sponsor})
	if len(c.Keys) > 0 {
		if code := m.replaceKeys(c.Partner, m.granted(c), c.Threshold); code != schemas.OK {
			return code
		}
	}
	if len(c.Validator) > 0 {
		return m.orderValidator(c.Partner, c.NodeID, c.Validator)
	}
	return schemas.OK
}

func (m *message) granted(c *schemas.Change) (keys []schemas.Key) {
	for i := range c.Keys {
		keys = append(keys, c.Keys[i].Key(c.Partner, uint64(m.height)+1))
	}
	return keys
}

func (m *message) setState(partner string, to schemas.State) {
	p := m.partnerLeaf(partner)
	p.State = to
	m.putPartner(p)
}

func (m *message) setParameters(p schemas.Parameters) {
	m.led.Set(schemas.ParametersKey(), p.Append(nil), nil)
	m.governed = true
}
