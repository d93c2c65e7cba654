package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/schemas"
)

// The page on participants works as it stands, with two members: one comes in by a
// link, signs with a key that no node has, and moves to another host by one act, after
// which the first shows it nothing, and leaves with the members' votes.
func TestParticipantsPage(t *testing.T) {
	x := start(t, 2)
	dir := t.TempDir()
	event := `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent","action":"ADD","bizStep":"commissioning","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00",` +
		`"epcList":["urn:epc:id:sgtin:9521234.054321.7"]}`
	if err := os.WriteFile(filepath.Join(dir, "event.json"), []byte(event), 0o600); err != nil {
		t.Fatal(err)
	}
	x.walkIn(t, dir, "participants.md", "HOST="+x.members[0].REST, "HOST_KEY="+x.members[0].Key,
		"OTHER="+x.members[1].REST, "OTHER_KEY="+x.members[1].Key, "OTHER_NAME="+x.members[1].Partner)

	guest, err := x.client(t, 0).Partner(t.Context(), "tiny-farm")
	if err != nil || guest.State != schemas.Removed || guest.Standing != schemas.StandingParticipant || guest.Host != x.members[1].Partner || guest.Sponsor != x.members[0].Partner {
		t.Errorf("the participant is %+v, %v", guest, err)
	}
	item, err := x.client(t, 0).Item(t.Context(), "urn:epc:id:sgtin:9521234.054321.7")
	if err != nil || item.Custodian != "tiny-farm" {
		t.Errorf("its item is %+v, %v", item, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "tiny-farm.link"))
	if err != nil {
		t.Fatal(err)
	}
	link, err := network.ParseLink(string(text))
	if err != nil {
		t.Fatal(err)
	}
	old, err := client.New(link.Node, link.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Item(t.Context(), "urn:epc:id:sgtin:9521234.054321.7"); client.Code(err) != schemas.NotHosted {
		t.Errorf("the old host answers %v", err)
	}
	if _, err := old.Event(t.Context(), []byte(strings.Replace(event, "321.7", "321.8", 1)), client.Write{}); client.Code(err) != schemas.Forbidden {
		t.Errorf("the old host signs for it: %v", err)
	}
}
