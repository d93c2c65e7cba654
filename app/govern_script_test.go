package app_test

import (
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// govern answers the script's commands about governance; false where it is none.
func (s *script) govern(words []string) bool {
	switch words[0] {
	case "proposals":
		proposals, more, err := s.view().Proposals(nil, 100)
		if more || err != nil {
			s.print("%t %v", more, err)
		}
		for _, p := range proposals {
			line := p.ID + " " + p.State + " by " + p.Proposer + " for=" + strings.Join(p.For, ",")
			if len(p.Against) > 0 {
				line += " against=" + strings.Join(p.Against, ",")
			}
			s.print("%s %s", line, p.Change)
		}
	case "partners":
		partners, err := s.view().Partners()
		if err != nil {
			s.print("%v", err)
		}
		for _, p := range partners {
			line := p.ID + " " + p.Standing.String() + " " + p.State.String()
			if len(p.Validate) > 0 {
				line += " validates"
			}
			if p.Host != "" {
				line += " at " + p.Host
			}
			s.print("%s", line)
		}
	case "prefixes":
		prefixes, err := s.view().Prefixes()
		if err != nil {
			s.print("%v", err)
		}
		for _, p := range prefixes {
			strict := ""
			if p.Strict {
				strict = " strict"
			}
			s.print("%s %s%s", p.Digits, p.Partner, strict)
		}
	case "parameters":
		value, err := s.view().StateValue(schemas.ParametersKey())
		if err != nil {
			s.print("%v", err)
			break
		}
		p, err := schemas.DecodeParameters(value)
		s.print("rules=%d strict=%t client=%t voting=%d silent=%d upgrade=%d:%d %v", p.Rules, p.Strict, p.ClientAccepts, p.VotingSeconds, p.SilentSeconds, p.UpgradeHeight, p.UpgradeRules, err)
	default:
		return false
	}
	return true
}
