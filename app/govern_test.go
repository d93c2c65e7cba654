package app_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// council is a ledger of so many members, m1 and so on, and a participant, guest.
func council(t *testing.T, members int) *chain {
	t.Helper()
	return councilOf(t, members, "guest")
}

func councilOf(t *testing.T, members int, guests ...string) *chain {
	t.Helper()
	c := &chain{t: t, members: map[string]*member{}, time: began.Add(-time.Minute)}
	g := schemas.Genesis{Rules: schemas.RulesVersion, VotingSeconds: 600}
	for i := 1; i <= members+len(guests); i++ {
		id, standing, host := fmt.Sprintf("m%d", i), schemas.StandingMember, ""
		if i > members {
			id, standing, host = guests[i-members-1], schemas.StandingParticipant, "m1"
		}
		m := memberOf(i, id)
		c.members[id] = m
		g.Partners = append(g.Partners, schemas.Partner{ID: id, Name: id, GLN: m.gln, Standing: standing, Host: host, Sponsor: host})
		g.Keys = append(g.Keys, schemas.Key{Partner: id, ID: m.keyID(), Public: m.key.Public().(ed25519.PublicKey), Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1})
	}
	var err error
	if c.genesis, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	if c.codec, err = schemas.NewCodec(); err != nil {
		t.Fatal(err)
	}
	c.options = store.Options{}
	c.open()
	c.init()
	return c
}

// acts runs acts of partners in one block, one transaction each, and answers their codes.
func (c *chain) acts(lines ...[3]string) (codes []schemas.Code) {
	c.t.Helper()
	var txs [][]byte
	for _, l := range lines {
		e, err := schemas.ReadAct(l[1], []byte(l[2]), c.time)
		if err != nil {
			c.t.Fatalf("%s: %v", l[2], err)
		}
		d := c.draft(l[0], false, e)
		d.DuplicateKeys = nil
		txs = append(txs, c.sign(d))
	}
	c.block(txs...)
	for _, r := range c.last.Receipts {
		codes = append(codes, r.Events[0].Code)
	}
	return codes
}

func (c *chain) proposal(id string) *schemas.ProposalState {
	c.t.Helper()
	v, err := c.app.View()
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := v.Proposal(id)
	if p == nil || err != nil {
		c.t.Fatalf("proposal %s: %v, %v", id, p, err)
	}
	return p
}

// A proposal passes with the vote that makes more than two thirds, and no sooner; it
// is rejected with the first that leaves it no chance.
func TestQuorums(t *testing.T) {
	for members, needed := range map[int]int{1: 1, 2: 2, 3: 3, 4: 3, 7: 5} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			if q := schemas.Quorum(members); q != needed {
				t.Errorf("the quorum is %d", q)
			}
			c := council(t, members)
			propose := [3]string{"m1", "Propose", `{"kind":"parameters","parameters":{"custody":"strict"}}`}
			vote := func(i int, body string) [3]string { return [3]string{fmt.Sprintf("m%d", i), "Vote", body} }
			c.acts(propose)
			for i := 2; i <= needed; i++ {
				if p := c.proposal("1-0-0"); p.State != "open" || p.Needed != needed {
					t.Fatalf("with %d votes it is %s, %d are needed", i-1, p.State, p.Needed)
				}
				c.acts(vote(i, `{"proposal":"1-0-0","approve":true}`))
			}
			if p := c.proposal("1-0-0"); p.State != "passed" || len(p.For) != needed {
				t.Fatalf("with %d votes it is %s", len(p.For), p.State)
			}
			if members == 1 {
				return
			}
			propose[2] = `{"kind":"parameters","parameters":{"custody":"open"}}`
			c.acts(propose)
			id := fmt.Sprintf("%d-0-0", c.height)
			for against := 1; ; against++ {
				c.acts(vote(against+1, `{"proposal":"`+id+`"}`))
				p := c.proposal(id)
				if hopeless := members-against < needed; (p.State == "rejected") != hopeless {
					t.Fatalf("with %d of %d against it is %s", against, members, p.State)
				} else if hopeless {
					break
				}
			}
		})
	}
}

// Who is no member proposes and votes on nothing; there are only so many members.
func TestMembersAlone(t *testing.T) {
	c := council(t, schemas.MaxMembers)
	admit := `{"kind":"admit","partner":"late","name":"Late","gln":"` + gln(500) + `","standing":"%s","keys":[{"public":"` + fmt.Sprintf("%064x", 7) + `","roles":["admin"],"held":"client"}]%s}`
	codes := c.acts(
		[3]string{"guest", "Propose", `{"kind":"cancel-upgrade"}`},
		[3]string{"m1", "Propose", fmt.Sprintf(admit, "member", "")},
		[3]string{"m1", "Propose", fmt.Sprintf(admit, "participant", `,"host":"guest","sponsor":"m1"`)},
		[3]string{"m1", "Propose", fmt.Sprintf(admit, "participant", `,"host":"m2","sponsor":"m1"`)},
		[3]string{"guest", "Vote", `{"proposal":"1-3-0","approve":true}`},
		[3]string{"guest", "Withdraw", `{"proposal":"1-3-0"}`})
	for i, want := range []schemas.Code{schemas.NotAMember, schemas.TooManyMembers, schemas.HostNotMember, schemas.OK, schemas.NotAMember, schemas.NotProposer} {
		if codes[i] != want {
			t.Errorf("act %d: %s, not %s", i, codes[i], want)
		}
	}
}

// A change tells what it would do before anybody votes on it. What is only ordered
// validates nothing yet.
func TestImpact(t *testing.T) {
	c := council(t, 4)
	c.acts([3]string{"m1", "Propose", `{"kind":"validator","partner":"m2","nodeID":"` + fmt.Sprintf("%040x", 1) + `","validator":"` + fmt.Sprintf("%x", []byte(key("m2"))) + `"}`})
	for i := 2; i <= 3; i++ {
		c.acts([3]string{fmt.Sprintf("m%d", i), "Vote", `{"proposal":"1-0-0","approve":true}`})
	}
	s := &script{chain: c}
	e, err := s.notation().event("obj add epc=a,b,c step=commissioning", c.time)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := s.notation().event("agg add parent=P-1 epc=a", c.time)
	if err != nil {
		t.Fatal(err)
	}
	c.block(c.sign(c.draft("m4", false, e, packed)))
	v, err := c.app.View()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change schemas.Change
		want   schemas.Impact
	}{
		{schemas.Change{Kind: schemas.Remove, Partner: "m4"}, schemas.Impact{Members: 3, Needed: 3, Stranded: &schemas.Stranded{Items: 3}}},
		{schemas.Change{Kind: schemas.Remove, Partner: "m2"}, schemas.Impact{Members: 3, Needed: 3, Stranded: &schemas.Stranded{}}},
		{schemas.Change{Kind: schemas.Remove, Partner: "guest"}, schemas.Impact{Members: 4, Needed: 3, Stranded: &schemas.Stranded{}}},
		{schemas.Change{Kind: schemas.Admit, Partner: "m5", Standing: schemas.StandingMember, Validator: []byte{1}}, schemas.Impact{Members: 5, Needed: 4, Validators: 1}},
		{schemas.Change{Kind: schemas.CancelUpgrade}, schemas.Impact{Members: 4, Needed: 3}},
	} {
		got, err := v.Impact(&tc.change)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(got)
		if b, _ := json.Marshal(tc.want); string(a) != string(b) {
			t.Errorf("%s %s: %s, not %s", tc.change.Kind, tc.change.Partner, a, b)
		}
	}
}

// What a partner holds it holds however it came by it, and where not all items are
// looked at, that is told.
func TestStranded(t *testing.T) {
	s := &script{chain: newChain(t, store.Options{})}
	s.subjects = map[schemas.TrailKey]bool{}
	s.run([]string{"block",
		"farm: obj add epc=a,b,c,d qty=lot1:5:KGM,lot1:2,lot2:1 step=commissioning; agg add parent=P-1 epc=a; obj del epc=d qty=lot2:1 step=destroying; obj obs epc=b step=shipping to=mill",
		"mill: obj obs epc=b step=receiving",
		`farm: act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":"shop","carriers":["mill"],"inspectors":["haul"],"items":["` + full("c") + `"]}`,
		`farm: act AnnounceShipment {"shipment":"urn:example:shipment:2","receiver":"shop","items":["` + full("e") + `"]}; act CancelShipment {"shipment":"urn:example:shipment:2"}`})
	for _, tc := range []struct {
		partner string
		most    int
		want    schemas.Stranded
	}{
		{"farm", 11, schemas.Stranded{Items: 3, Lots: 2, Shipments: 1}}, {"farm", 10, schemas.Stranded{Items: 3, Lots: 2, Shipments: 1, Partial: true}},
		{"mill", 10, schemas.Stranded{Items: 1, Shipments: 1}}, {"shop", 11, schemas.Stranded{Shipments: 1}}, {"haul", 10, schemas.Stranded{}}, {"farm", 0, schemas.Stranded{Partial: true}},
	} {
		got, err := s.view().TestingOnlyStranded(tc.partner, tc.most)
		if err != nil || *got != tc.want {
			t.Errorf("%s holds %+v of the first %d, %v, not %+v", tc.partner, got, tc.most, err, tc.want)
		}
	}
}

// What members decided can be computed again from the archive, and is the same with
// who joins by a snapshot, who decides on with the others.
func TestGovernanceIsKept(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/governance*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{chain: newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})}
			s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
			s.init()
			s.play(string(text))
			again, _, err := replay(t, s.chain)
			if err != nil {
				t.Fatal(err)
			}
			for d, err := range store.Differences(s.store, again) {
				t.Fatalf("the databases differ: %c %q: %x, %x, %v", d.Space, d.Key, d.Have, d.Want, err)
			}
			joined := joining(t, store.Options{})
			joined.restored(s.chain, s.take())
			// Each partner proposes: who may was decided by votes.
			for _, who := range []string{"farm", "mill", "haul", "shop"} {
				raw := s.sign(s.transaction(who+`: act Propose {"kind":"remove","partner":"watch"}; obj add epc=new step=commissioning`, s.time.Add(time.Minute)))
				if res, err := s.app.CheckTx(t.Context(), &abci.RequestCheckTx{Tx: raw}); err != nil || res.Code != 0 {
					continue
				}
				want := s.block(raw)
				joined.time, joined.voters = s.time, s.voters
				if got := joined.replay([][]byte{raw}); !bytes.Equal(got.AppHash, want.AppHash) || !bytes.Equal(got.TxResults[0].Data, want.TxResults[0].Data) {
					t.Errorf("they part at height %d", s.height)
				}
			}
			all, _, err := s.view().Proposals(nil, 100)
			if err != nil {
				t.Fatal(err)
			}
			same, _, err := joined.view().Proposals(nil, 100)
			if d := cmp.Diff(all, same); d != "" || err != nil || len(all) == 0 {
				t.Errorf("the proposals are %s %v", d, err)
			}
		})
	}
}
