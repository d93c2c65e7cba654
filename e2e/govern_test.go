package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// Three of four members change the network: the fourth alone changes nothing, and all
// four nodes have one state before and after.
func TestMembersGovern(t *testing.T) {
	x := start(t, 4)
	at := func(i int) []string { return []string{"--node", x.members[i].REST, "--key", x.members[i].Key} }
	run := func(i int, args ...string) string { return waybill(t, append(args, at(i)...)...) }

	out := run(0, "propose", "remove", "--partner", x.members[3].Partner, "--dry-run")
	if !strings.Contains(out, "members      3, of whom 3") || !strings.Contains(out, "validators   3, of which 0") || !strings.Contains(out, "stranded") {
		t.Errorf("the rehearsal says %s", out)
	}
	prefix := x.members[1].GLN[:7]
	id, _, _ := strings.Cut(run(0, "propose", "register-prefix", "--partner", x.members[1].Partner, "--prefix", prefix), " ")
	run(1, "vote", id, "--approve")
	if _, err := x.client(t, 1).Vote(t.Context(), id, true, "", client.Write{}); client.Code(err) != schemas.AlreadyVoted {
		t.Errorf("a second vote: %v", err)
	}
	if p, err := x.client(t, 2).Prefixes(t.Context()); err != nil || len(p.Prefixes) != 0 {
		t.Errorf("two of four registered %v, %v", p, err)
	}
	run(2, "vote", id, "--approve", "--reason", "they sent the certificate")
	if _, err := x.client(t, 3).Vote(t.Context(), id, false, "", client.Write{}); client.Code(err) != schemas.ProposalEnded {
		t.Errorf("a vote after the end: %v", err)
	}
	x.level(t)
	if out := run(0, "partners"); !strings.Contains(out, prefix) {
		t.Errorf("the partners are %s", out)
	}

	// Who has not the prefix claims what it commissions under it; in strict custody it may not.
	commission := func(i int, serial string) (*api.Trail, error) {
		body := `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent","action":"ADD","bizStep":"commissioning","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00",` +
			`"epcList":["urn:epc:id:sgtin:` + prefix + `.012345.` + serial + `"]}`
		if _, err := x.client(t, i).Event(t.Context(), []byte(body), client.Write{}); err != nil {
			return nil, err
		}
		return x.client(t, i).WholeTrail(t.Context(), "urn:epc:id:sgtin:"+prefix+".012345."+serial)
	}
	trail, err := commission(0, "claimed")
	if err != nil || len(trail.Records) != 1 || trail.Records[0].Effect != schemas.Claim {
		t.Fatalf("somebody else's item has the trail %+v, %v", trail, err)
	}
	if trail, err = commission(1, "own"); err != nil || len(trail.Records) != 1 || trail.Records[0].Effect != schemas.Applied {
		t.Fatalf("its own item has the trail %+v, %v", trail, err)
	}
	if _, said, code := x.waybill(t, append([]string{"leave"}, at(1)...)...); code != 1 || !strings.Contains(said, "still holds 1 item") || !strings.Contains(said, "of 3 validators left, 0 may fail") {
		t.Errorf("who holds something leaves, with status %d: %s", code, said)
	}
	id, _, _ = strings.Cut(run(3, "propose", "parameters", "--custody", "strict"), " ")
	run(2, "vote", id, "--approve")
	run(1, "vote", id, "--approve")
	x.level(t)
	if _, err = commission(0, "refused"); client.Code(err) != schemas.ReservedPrefix {
		t.Errorf("in strict custody: %v", err)
	}
	if out := run(3, "proposals"); strings.Count(out, "passed") != 2 {
		t.Errorf("the proposals are %s", out)
	}
	for _, change := range []string{`{"kind":"withdraw-prefix","prefix":"` + prefix + `"}`, `{"kind":"parameters","parameters":{"custody":"open"}}`} {
		x.carries(t, x.proposes(t, 0, change))
	}
	x.governancePage(t)
	x.keysPage(t)
	x.agree(t)
	x.oneState(t)
}

// proposes has a member propose a change, and returns its id.
func (x *testNet) proposes(t *testing.T, i int, change string) string {
	t.Helper()
	w, err := x.client(t, i).Propose(t.Context(), []byte(change), client.Write{})
	if err != nil || w.Receipt == nil || w.Receipt.Events[0].Code != schemas.OK {
		t.Fatalf("%s: %+v, %v", change, w, err)
	}
	return schemas.ProposalID(schemas.Locator{Height: w.Receipt.Height, Position: w.Receipt.Position})
}

// carries has the members but the first vote for a proposal until it passes.
func (x *testNet) carries(t *testing.T, proposal string) {
	t.Helper()
	for i := 1; i < len(x.members); i++ {
		if _, err := x.client(t, i).Vote(t.Context(), proposal, true, "", client.Write{}); err != nil {
			t.Fatalf("%s votes on %s: %v", x.members[i].Partner, proposal, err)
		}
		x.level(t)
		if p, err := x.client(t, 0).Proposal(t.Context(), proposal); err != nil {
			t.Fatal(err)
		} else if p.State == "passed" {
			return
		}
	}
	t.Fatalf("all are for proposal %s, and it does not pass", proposal)
}

// The page on governance works as it stands: the first of four members proposes what it
// shows, and the others vote for it. A newcomer comes, and leaves goods, a shipment and a
// recall behind.
func (x *testNet) governancePage(t *testing.T) {
	t.Helper()
	const pallet, lot, event = "urn:epc:id:sscc:9521234.0000000012", "urn:epc:class:lgtin:9521234.054321.L", "urn:example:event:dock-1"
	dir := t.TempDir()
	own := []string{"WAYBILL_NODE=" + x.members[0].REST, "WAYBILL_KEY=" + x.members[0].Key}
	public := inShell(t, dir)("waybill key new dock.json | cut -f2")
	run := inShell(t, dir, append(own, "PROPOSAL="+x.proposes(t, 1, `{"kind":"register-prefix","partner":"brook-foods","prefix":"9521299"}`),
		"MINE="+x.proposes(t, 0, `{"kind":"register-prefix","partner":"brook-foods","prefix":"9521298"}`),
		"DOCK_KEY="+strings.TrimSpace(public), "DOCK_NODE="+fmt.Sprintf("%040x", 1), "DOCK_VALIDATOR="+strings.Repeat("1a", 32), "NEW_NODE="+fmt.Sprintf("%040x", 2), "NEW_VALIDATOR="+strings.Repeat("1d", 32),
		"BROOK_KEY="+strings.Repeat("20", 32), "EVENT="+event)...)
	signs := func(body string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "message.json"), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := run("waybill sign message.json --signing-key dock.json --partner dock --send"); strings.Contains(out, "refused") {
			t.Fatalf("%s: %s", body, out)
		}
	}
	var kinds []string
	for _, command := range commandsOf(t, "governance.md") {
		out := run(command)
		if kind, proposes := strings.CutPrefix(command, "waybill propose "); proposes && !strings.Contains(command, "--dry-run") {
			kind, _, _ = strings.Cut(kind, " ")
			kinds = append(kinds, kind)
			id, _, _ := strings.Cut(out, " ")
			x.carries(t, id)
			if kind == "admit" {
				signs(`{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent","action":"ADD","bizStep":"commissioning","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00",` +
					`"eventID":"` + event + `","epcList":["` + pallet + `"],"quantityList":[{"epcClass":"` + lot + `","quantity":100,"uom":"KGM"}]}`)
				signs(`{"type":"AnnounceShipment","shipment":"urn:example:shipment:7","receiver":"coast-lines","items":["` + pallet + `"],"lots":[{"class":"` + lot + `","quantity":10,"uom":"KGM"}]}`)
				signs(`{"type":"Recall","recall":"listeria","instruction":"stop","lots":["` + lot + `"]}`)
			}
		}
		x.level(t)
	}
	for _, kind := range []string{"admit", "suspend", "resume", "remove", "validator", "remove-validator", "parameters", "upgrade", "cancel-upgrade", "register-prefix", "withdraw-prefix", "erase", "recover", "reassign", "close-recall", "end-shipments"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("the page shows no proposal to %s", kind)
		}
	}
	c := x.client(t, 2)
	if item, err := c.Item(t.Context(), pallet); err != nil || item.Custodian != "coast-lines" {
		t.Errorf("what the newcomer left is %+v, %v", item, err)
	}
	if class := waybill(t, "item", lot, "--node", x.members[2].REST, "--key", x.members[2].Key, "-o", "json"); !strings.Contains(class, `"60"`) || !strings.Contains(class, `"40"`) {
		t.Errorf("of its lot there is %s", class)
	}
	if held, err := c.Holdings(t.Context(), "dock", 0, ""); err != nil || len(held.Items)+len(held.Lots)+len(held.Shipments) > 0 {
		t.Errorf("the newcomer still holds %+v, %v", held, err)
	}
	if _, err := c.Holdings(t.Context(), "acme-farms", 0, ""); client.Code(err) != schemas.Forbidden {
		t.Errorf("what another partner holds is answered with %v", err)
	}
	if s := waybill(t, "shipment", "show", "urn:example:shipment:7", "--node", x.members[2].REST, "--key", x.members[2].Key, "-o", "json"); !strings.Contains(s, `"cancelled"`) {
		t.Errorf("its shipment is %s", s)
	}
	if open := waybill(t, "recall", "--open", "--node", x.members[2].REST, "--key", x.members[2].Key); strings.Contains(open, "listeria") {
		t.Errorf("its recall is open: %s", open)
	}
	if _, err := x.plain(t, 1).Vote(t.Context(), "1-0-0", true, "", client.Write{}); client.Code(err) == schemas.OK || client.Code(err) == schemas.NoSuchProposal {
		t.Errorf("with the keys that it lost a member is answered %v", err)
	}
}

// The page on keys works as it stands, where it needs no stopped node: two admin keys
// agree to every change from then on.
func (x *testNet) keysPage(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	run := inShell(t, dir, "WAYBILL_NODE="+x.members[0].REST, "WAYBILL_KEY="+x.members[0].Key)
	for _, command := range commandsOf(t, "keys.md") {
		if !strings.Contains(command, "--home") {
			run(command)
			x.level(t)
		}
	}
	list, err := x.client(t, 2).Keys(t.Context(), "acme-farms")
	if err != nil || list.Threshold != 2 || len(list.Changes) != 0 {
		t.Fatalf("its keys are %+v, %v", list, err)
	}
	phone, err := os.ReadFile(filepath.Join(dir, "phone.txt"))
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(string(phone), "\t")
	i := slices.IndexFunc(list.Keys, func(k api.LedgerKey) bool { return k.ID == id })
	if i < 0 || list.Keys[i].Until == 0 {
		t.Errorf("the phone's key is not added and revoked: %+v", list.Keys)
	}
}
