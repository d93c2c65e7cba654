package e2e_test

import (
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
	x.agree(t)
	x.oneState(t)
}
