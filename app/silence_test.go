package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// A member that only validates is heard, for as long as its validator is seen signing;
// its keys are silent all the same, and can be replaced by those who are there.
func TestValidatorIsHeard(t *testing.T) {
	v := newVoting(t, 4, "")
	acts := func(of ...[3]string) (codes []schemas.Code) {
		t.Helper()
		var txs [][]byte
		for _, a := range of {
			e, err := schemas.ReadAct(a[1], []byte(a[2]), v.time)
			if err != nil {
				t.Fatal(err)
			}
			txs = append(txs, v.sign(v.draft(a[0], false, e)))
		}
		v.step(txs...)
		for _, r := range v.chain.last.Receipts {
			codes = append(codes, r.Events[0].Code)
		}
		return codes
	}
	want := func(what string, got []schemas.Code, want ...schemas.Code) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: %v, not %v", what, got, want)
		}
	}
	vote := func(who, proposal string) [3]string {
		return [3]string{who, "Vote", `{"proposal":"` + proposal + `","approve":true}`}
	}
	v.event()
	want("three of four suspend", acts([3]string{"farm", "Propose", `{"kind":"suspend","partner":"shop"}`}, vote("mill", "2-0-0"), vote("haul", "2-0-0")), schemas.OK, schemas.OK, schemas.OK)
	fresh := fmt.Sprintf("%x", key("fresh"))
	want("proposals about haul", acts([3]string{"farm", "Propose", `{"kind":"suspend","partner":"haul"}`},
		[3]string{"farm", "Propose", `{"kind":"recover","partner":"haul","keys":[{"public":"` + fresh + `","roles":["admin"],"held":"client"}]}`},
		vote("mill", "3-0-0"), vote("mill", "3-1-0")), schemas.OK, schemas.OK, schemas.OK, schemas.OK)

	v.time = v.time.Add(schemas.DefaultSilent * time.Second)
	want("haul signed nothing, but validates", acts(vote("farm", "3-0-0"), vote("farm", "3-1-0")), schemas.AlreadyVoted, schemas.OK)

	v.down[string(key("haul"))] = true
	for v.height < 102 {
		v.event()
	}
	want("haul's validator was seen a hundred heights ago", acts(vote("farm", "3-0-0")), schemas.AlreadyVoted)
	want("haul's validator is seen no more", acts(vote("farm", "3-0-0")), schemas.OK)
	if p, err := v.view().Partner("haul"); err != nil || p.State != schemas.Suspended {
		t.Fatalf("haul is %v, %v", p, err)
	}
}
