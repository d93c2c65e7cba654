package app_test

import (
	"fmt"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// However many participants there are, so many at most wait for their removal at once,
// and keep no member from proposing; with each that is decided there is room for one.
func TestLeavingIsBounded(t *testing.T) {
	var guests []string
	for i := range schemas.MaxLeaving + 1 {
		guests = append(guests, fmt.Sprintf("g%d", i))
	}
	c := councilOf(t, 1, guests...)
	leave := func(guest string) [3]string {
		return [3]string{guest, "Propose", `{"kind":"remove","partner":"` + guest + `"}`}
	}
	var all [][3]string
	for _, g := range guests {
		all = append(all, leave(g))
	}
	last := guests[schemas.MaxLeaving]
	codes := c.acts(all...)
	for i, code := range codes[:schemas.MaxLeaving] {
		if code != schemas.OK {
			t.Fatalf("%s proposes its removal: %s", guests[i], code)
		}
	}
	if code := codes[schemas.MaxLeaving]; code != schemas.TooManyProposals {
		t.Errorf("one more is answered %s", code)
	}
	first := "1-0-0"
	if p := c.proposal(first); len(p.For) != 0 || p.State != "open" || p.Needed != 1 {
		t.Errorf("the first proposal is %+v", p)
	}
	codes = c.acts([3]string{"m1", "Vote", `{"proposal":"` + first + `","approve":true}`}, leave(last), leave(last),
		[3]string{"m1", "Propose", `{"kind":"register-prefix","partner":"m1","prefix":"9521234"}`})
	for i, want := range []schemas.Code{schemas.OK, schemas.OK, schemas.TooManyProposals, schemas.OneAtATime} {
		if codes[i] != want {
			t.Errorf("act %d is answered %s, expected %s", i, codes[i], want)
		}
	}
	if p := c.proposal(first); p.State != "passed" || len(p.For) != 1 || p.For[0] != "m1" {
		t.Errorf("the first proposal is %+v", p)
	}
}
