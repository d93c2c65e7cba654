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

// heldOf is what the fake's partners hold, each page one.
func (v *fakeView) Holdings(partner, behind string, _ int) (schemas.Holdings, string, error) {
	switch behind {
	case "":
		return schemas.Holdings{Items: []string{itemLink}, Lots: []schemas.LotHolding{}, Shipments: []string{}}, "i" + itemLink, v.expired()
	case "i" + itemLink:
		return schemas.Holdings{Items: []string{}, Lots: []schemas.LotHolding{{Class: classLink, Quantity: "12.5", UOM: "KGM", Known: true}}, Shipments: []string{fakeShipment.ID}}, "", v.expired()
	}
	return schemas.Holdings{}, "", &schemas.Fault{Code: schemas.BadParameter}
}

// Leaving of the fake is who moved.
func (v *fakeView) Leaving(partner string) (bool, error) { return partner == "moved", v.expired() }

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

// What a partner holds is listed for itself, for its own key, and of who leaves for all.
func TestHoldings(t *testing.T) {
	h := newHarness(t, defaults())
	const path = "/api/v1/partners/acme-farms/holdings"
	first := h.do("GET", path, "").want(t, 200)
	page := into[api.Holdings](t, first)
	if page.Partner != "acme-farms" || len(page.Items) != 1 || page.NextPageToken == "" || !strings.Contains(first.header.Get("Link"), page.NextPageToken) {
		t.Fatalf("the first page is %s", first.body)
	}
	second := h.do("GET", path+"?nextPageToken="+page.NextPageToken, "").want(t, 200)
	if page = into[api.Holdings](t, second); len(page.Lots) != 1 || page.Lots[0].Quantity != "12.5" || len(page.Shipments) != 1 || page.NextPageToken != "" {
		t.Errorf("the second page is %s", second.body)
	}
	for asked, status := range map[string]int{path + "?nextPageToken=eA": 400, path + "?perPage=0": 400, path + "?x=1": 400,
		"/api/v1/partners/nobody/holdings": 404, "/api/v1/partners/guest/holdings": 403, "/api/v1/partners/moved/holdings": 200} {
		h.do("GET", asked, "").want(t, status)
	}
	keys := guests(t, h)
	for who, sees := range map[string]map[string]int{
		"guest":              {"guest": 200, "acme-farms": 404, "moved": 404},
		"partner's observer": {"guest": 200, "acme-farms": 404},
		"item's observer":    {"guest": 404},
		"moved":              {"moved": 403},
	} {
		for partner, status := range sees {
			if r := h.do("GET", "/api/v1/partners/"+partner+"/holdings", "", "Authorization", keys[who]); r.status != status {
				t.Errorf("%s is answered of %s: %d %s", who, partner, r.status, r.body)
			}
		}
	}
}
