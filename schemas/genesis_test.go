package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

func genesis() schemas.Genesis {
	return schemas.Genesis{
		Rules: schemas.RulesVersion,
		Partners: []schemas.Partner{
			{ID: "bravo-foods", Name: "Bravo Foods", GLN: "9521234000020", Standing: schemas.StandingMember, Validate: make([]byte, 32)},
			{ID: "acme-farms", Name: "Acme Farms", GLN: "9521234000013", Standing: schemas.StandingParticipant},
		},
		Keys: []schemas.Key{{Partner: "acme-farms", ID: "k1", Public: make([]byte, 32), Roles: schemas.RoleCapture, Held: schemas.HeldByGateway, From: 1}},
	}
}

func encode(t *testing.T, g schemas.Genesis) []byte {
	t.Helper()
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGenesisIsSorted(t *testing.T) {
	g, err := schemas.DecodeGenesis(encode(t, genesis()))
	if err != nil {
		t.Fatal(err)
	}
	if g.Partners[0].ID != "acme-farms" || g.Partners[1].ID != "bravo-foods" {
		t.Errorf("partners are %s, %s", g.Partners[0].ID, g.Partners[1].ID)
	}
}

func TestGenesisRefuses(t *testing.T) {
	for name, change := range map[string]func(g *schemas.Genesis){
		"rules version":    func(g *schemas.Genesis) { g.Rules++ },
		"partner's name":   func(g *schemas.Genesis) { g.Partners[0].ID = "Bravo Foods" },
		"no GLN":           func(g *schemas.Genesis) { g.Partners[0].GLN = "" },
		"check digit":      func(g *schemas.Genesis) { g.Partners[0].GLN = "9521234000021" },
		"GLN with a path":  func(g *schemas.Genesis) { g.Partners[0].GLN = "9521234000020/7040/1ABC" },
		"GLN with a query": func(g *schemas.Genesis) { g.Partners[0].GLN = "9521234000020?a=1" },
		"no standing":      func(g *schemas.Genesis) { g.Partners[0].Standing = 0 },
		"consensus key":    func(g *schemas.Genesis) { g.Partners[0].Validate = make([]byte, 31) },
		"partner twice":    func(g *schemas.Genesis) { g.Partners[0].ID = g.Partners[1].ID },
		"GLN twice":        func(g *schemas.Genesis) { g.Partners[0].GLN = g.Partners[1].GLN },
		"key's partner":    func(g *schemas.Genesis) { g.Keys[0].Partner = "other" },
		"key without id":   func(g *schemas.Genesis) { g.Keys[0].ID = "" },
		"zero byte in key": func(g *schemas.Genesis) { g.Keys[0].ID = "k\x00" },
		"short key":        func(g *schemas.Genesis) { g.Keys[0].Public = make([]byte, 31) },
		"no holding":       func(g *schemas.Genesis) { g.Keys[0].Held = 0 },
		"key twice":        func(g *schemas.Genesis) { g.Keys = append(g.Keys, g.Keys[0]) },
	} {
		g := genesis()
		change(&g)
		b, err := json.Marshal(g)
		if err != nil {
			continue // what cannot be written cannot be sent
		}
		if _, err := schemas.DecodeGenesis(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good := string(encode(t, genesis()))
	for name, text := range map[string]string{
		"nothing": "", "more behind it": good + "{}", "unknown member": strings.Replace(good, `"rules"`, `"rule":1,"rules"`, 1), "cut short": good[:len(good)-1],
	} {
		if _, err := schemas.DecodeGenesis([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
