package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Proposal returns a proposal, nil where there is none of this id.
func (v *View) Proposal(id string) (*schemas.ProposalState, error) {
	at, ok := schemas.ParseProposalID(id)
	if !ok {
		return nil, nil
	}
	value, _, err := v.get(schemas.ProposalKey(at))
	if value == nil || err != nil {
		return nil, err
	}
	p, err := schemas.DecodeProposal(value)
	if err != nil {
		return nil, fmt.Errorf("reading proposal %s: %w", id, err)
	}
	told := p.Tell(at, v.time.UnixNano(), len(v.app.directory.Load().members))
	return &told, nil
}

// Proposals returns proposals, newest first: those before a place, where one is
// given, at most limit. more tells whether others follow.
func (v *View) Proposals(before *schemas.Locator, limit int) (out []schemas.ProposalState, more bool, err error) {
	prefix := []byte{rowProposal}
	var from []byte
	if before != nil {
		from = proposalRow(*before)
	}
	for row, err := range v.at.Rows(prefix, from, true) {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading proposals: %w", err))
		}
		at, err := schemas.DecodeLocator(row.Key[len(prefix):])
		if err != nil {
			return nil, false, fmt.Errorf("reading proposals: %w", err)
		}
		if before != nil && at.Compare(*before) >= 0 {
			continue
		}
		if len(out) >= limit {
			return out, true, nil
		}
		p, err := v.Proposal(schemas.ProposalID(at))
		if err != nil {
			return nil, false, err
		}
		if p != nil {
			out = append(out, *p)
		}
	}
	return out, false, nil
}

// Prefixes returns the company prefixes that are registered, by their digits.
func (v *View) Prefixes() ([]schemas.Prefix, error) {
	out, err := prefixesOf(v.at)
	if err != nil {
		return nil, v.answered(fmt.Errorf("reading company prefixes: %w", err))
	}
	return out, nil
}

// PrefixDigits is how many digits the registered company prefix of an identifier
// has, 0 where none is known.
func (v *View) PrefixDigits(canonical string) int {
	if p := v.app.directory.Load().prefixOf(schemas.CompanyDigits(canonical)); p != nil {
		return len(p.Digits)
	}
	return 0
}

// Impact tells what a change would do to the network that the view shows.
func (v *View) Impact(c *schemas.Change) (*schemas.Impact, error) {
	d := v.app.directory.Load()
	members, validators := len(d.members), d.validators()
	p := d.partner(c.Partner)
	leaves := c.Kind == schemas.Suspend || c.Kind == schemas.Remove
	switch {
	case c.Kind == schemas.Admit && c.Standing == schemas.StandingMember,
		c.Kind == schemas.Resume && p != nil && p.State == schemas.Suspended && p.Standing == schemas.StandingMember:
		members++
	case leaves && p != nil && p.State == schemas.Active && p.Standing == schemas.StandingMember:
		members--
	}
	has := p != nil && p.State != schemas.Removed && len(p.Validate) > 0
	switch {
	case len(c.Validator) > 0 && !has:
		validators++
	case (c.Kind == schemas.Remove || c.Kind == schemas.RemoveValidator) && has:
		validators--
	}
	out := &schemas.Impact{Members: members, Needed: schemas.Quorum(members), Validators: validators, Faults: schemas.Faults(validators)}
	if !leaves || p == nil {
		return out, nil
	}
	var err error
	out.Stranded, err = v.stranded(p.ID, maxStranded)
	return out, err
}
