package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// Proposals of the fake are three, at heights 3, 2 and 1.
func (v *fakeView) Proposals(before *schemas.Locator, limit int) (out []schemas.ProposalState, more bool, err error) {
	for height := int64(3); height > 0; height-- {
		if before != nil && height >= before.Height {
			continue
		}
		if len(out) == limit {
			return out, true, v.expired()
		}
		p := schemas.Proposal{Proposer: "acme-farms", Change: schemas.Change{Kind: schemas.Suspend, Partner: "borg-foods"}, For: []string{"acme-farms"}}
		out = append(out, p.Tell(schemas.Locator{Height: height}, 1, 4))
	}
	return out, false, v.expired()
}

func (v *fakeView) Proposal(id string) (*schemas.ProposalState, error) {
	if id != "3-0-0" {
		return nil, v.expired()
	}
	p := schemas.Proposal{Proposer: "acme-farms", Change: schemas.Change{Kind: schemas.CancelUpgrade}, For: []string{"acme-farms"}, Against: []string{"borg-foods"},
		Outcome: schemas.ProposalRejected, Decided: schemas.Locator{Height: 4}}
	told := p.Tell(schemas.Locator{Height: 3}, time.Now().UnixNano(), 4)
	return &told, v.expired()
}

func (v *fakeView) Impact(*schemas.Change) (*schemas.Impact, error) {
	return &schemas.Impact{Members: 3, Needed: schemas.Quorum(3), Validators: 3, Stranded: &schemas.Stranded{Items: 7, Partial: true}}, v.expired()
}

// prefixes of the fake.
var prefixes = []schemas.Prefix{{Digits: "952123", Partner: "acme-farms", Strict: true}, {Digits: "9529876", Partner: "borg-foods"}}

func (v *fakeView) Prefixes() ([]schemas.Prefix, error) { return prefixes, v.expired() }

func (v *fakeView) PrefixDigits(canonical string) int {
	for _, p := range prefixes {
		if strings.HasPrefix(schemas.CompanyDigits(canonical), p.Digits) {
			return len(p.Digits)
		}
	}
	return 0
}

// A rehearsal tells what a proposal would do, and records nothing.
func TestProposalRehearsal(t *testing.T) {
	h := newHarness(t, defaults())
	r := h.do("POST", "/api/v1/proposals?dryRun=true", `{"kind":"remove","partner":"borg-foods"}`).want(t, 200)
	out := into[api.Rehearsal](t, r)
	if out.Impact == nil || out.Impact.Members != 3 || out.Impact.Needed != 3 || out.Impact.Stranded == nil || len(out.Receipt.Events) != 1 {
		t.Errorf("%s", r.body)
	}
}

// A proposal that says what its kind does not is refused with a pointer to it.
func TestBadProposals(t *testing.T) {
	h := newHarness(t, defaults())
	for body, pointer := range map[string]string{
		`{"kind":"coup"}`:   "/kind",
		`{"kind":"remove"}`: "/partner",
		`{"kind":"remove","partner":"borg-foods","prefix":"9521234"}`: "/prefix",
		`{"kind":"register-prefix","partner":"a","prefix":"952"}`:     "/prefix",
		`{"kind":"parameters","parameters":{"votingSeconds":1}}`:      "/parameters/votingSeconds",
	} {
		if p := into[map[string]any](t, h.do("POST", "/api/v1/proposals", body).want(t, 400)); p["pointer"] != pointer {
			t.Errorf("%s: %v", body, p)
		}
	}
}
