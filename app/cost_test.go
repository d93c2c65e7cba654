package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a long proposal says is not read for nothing by each vote on it, by the second of a
// member either.
func TestProposalsAreCharged(t *testing.T) {
	s := newScript(t)
	var items []string
	for i := range 40 {
		items = append(items, fmt.Sprintf("urn:example:%s:%d", strings.Repeat("x", 500), i))
	}
	list := `["` + strings.Join(items, `","`) + `"]`
	s.acts([3]string{"haul", "AnnounceShipment", `{"shipment":"urn:example:shipment:1","receiver":"shop","items":` + list + `}`}, // which takes hold of them
		[3]string{"farm", "Propose", `{"kind":"remove","partner":"haul"}`})
	const vote = `,"approve":true}`
	s.acts([3]string{"shop", "Vote", `{"proposal":"1-1-0"` + vote}, [3]string{"mill", "Vote", `{"proposal":"1-1-0"` + vote})
	s.acts([3]string{"farm", "Propose", `{"kind":"reassign","partner":"haul","to":"shop","items":` + list + `}`})
	s.app.TestingOnlyLookups(45)
	again := [3]string{"farm", "Vote", `{"proposal":"3-0-0"` + vote}
	got := fmt.Sprint(s.acts(again, again, again, [3]string{"shop", "Vote", `{"proposal":"3-0-0"` + vote}))
	want := fmt.Sprint([]schemas.Code{schemas.AlreadyVoted, schemas.AlreadyVoted, schemas.TooFarInside, schemas.TooFarInside})
	if got != want {
		t.Errorf("the votes are answered %s, not %s", got, want)
	}
	if got := s.acts([3]string{"shop", "Vote", `{"proposal":"3-0-0"` + vote}); got[0] != schemas.OK {
		t.Errorf("in a block of its own a vote is answered %s", got[0])
	}
}

// The spans of a maker's recalls are read once a message, and not for nothing.
func TestSpansAreCharged(t *testing.T) {
	s := newScript(t)
	var made []string
	for i := range schemas.MaxRecallSpans {
		made = append(made, fmt.Sprintf(`{"from":"2026-03-01T00:00:00Z","class":"urn:example:%s:%d"}`, strings.Repeat("x", 500), i))
	}
	s.sent("farm: obj add epc=a,b,c step=commissioning",
		`farm: act Recall {"recall":"r","instruction":"stop","made":[`+strings.Join(made, ",")+`]}`)
	s.app.TestingOnlyLookups(40)
	got := fmt.Sprint(s.sent("farm: obj obs epc=a,b,c step=shipping to=shop", "farm: obj obs epc=b step=shipping to=shop id=2"))
	if want := fmt.Sprint([]schemas.Code{schemas.OK, schemas.TooFarInside}); got != want {
		t.Errorf("what is shipped is answered %s, not %s", got, want)
	}
}

// Whoever begins an excursion is charged for all whom it tells.
func TestExcursionsAreCharged(t *testing.T) {
	c, play := cooled(t, 1)
	c.app.TestingOnlyLookups(1 + 2 + 1) // the shipment, a record of 2, and one of its two parties
	if r := play("farm", "obj obs epc=cold0 sense=Temperature:9:CEL"); r.Code != schemas.TooFarInside {
		t.Errorf("telling more than the block affords is answered %s", answer(r))
	}
	c.app.TestingOnlyLookups(1 + 2 + 2)
	if r := play("farm", "obj obs epc=cold0 sense=Temperature:9:CEL"); r.Code != schemas.OK {
		t.Errorf("telling both is answered %s", answer(r))
	}
	c.app.TestingOnlyLookups(1 + 2)
	if r := play("farm", "obj obs epc=cold0 sense=Temperature:10:CEL id=2"); r.Code != schemas.OK {
		t.Errorf("what goes on tells nobody, and is answered %s", answer(r))
	}
}
