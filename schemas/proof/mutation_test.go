package proof_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Whatever byte of a bundle is altered and wherever it is cut, it is refused, or
// says the same. One bundle has every bit of it turned, the others some.
func TestEveryByte(t *testing.T) {
	for _, v := range vectors(t) {
		good := v.bundle.Encode()
		r, err := proof.Verify(good, v.trust, v.accept...)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		want, bits, step := meaning(t, r), 1, 4
		switch whole := v.name == "custody"; {
		case whole && testing.Short():
			step = 1
		case whole:
			bits, step = 8, 1
		case testing.Short():
			step = 12
		}
		for i := 0; i < len(good); i += step {
			bad := bytes.Clone(good)
			for bit := range bits {
				bad[i] = good[i] ^ 1<<((i+bit)%8)
				if r, err := proof.Verify(bad, v.trust, v.accept...); err == nil && meaning(t, r) != want {
					t.Fatalf("%s: byte %d made %#x passes, and says another thing", v.name, i, bad[i])
				}
			}
			// A rescue before the root of trust may be left out, like all that is only told.
			if r, err := proof.Verify(good[:i], v.trust, v.accept...); err == nil && (v.name != "rescue-before" || len(r.Rescues) > 0) {
				t.Fatalf("%s: cut to %d bytes it passes", v.name, i)
			}
		}
		if _, err := proof.Verify(append(bytes.Clone(good), 0), v.trust, v.accept...); err == nil {
			t.Errorf("%s: passes with a byte behind it", v.name)
		}
	}
}

// meaning is what a report says. That something is absent holds of whatever else
// would have its place, and is told of what the bundle names.
func meaning(t testing.TB, r *proof.Report) string {
	if a := r.Asked(); !a.Present {
		a.ID = "what has no leaf"
	}
	return report(t, r)
}

// facts are what a report says, one by one, without what a smaller bundle may
// leave out.
func facts(t testing.TB, r *proof.Report) (out []string) {
	t.Helper()
	say := func(what string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, what+string(text))
	}
	say("state", []any{r.ChainID, r.Height, r.AppHash, r.HeaderHeight, r.HeaderHash, r.Time})
	say("signed", []any{r.SignedHeight, r.SignedHash, r.SignedTime, r.Signed, r.Power})
	for i := range r.Subjects {
		s := r.Subjects[i]
		for _, trail := range s.Trails {
			say("trail", []any{s.ID, trail.Trail, trail.Count})
		}
		for _, b := range s.Balances {
			say("balance", []any{s.ID, b})
		}
		if s.Custodian != "" {
			say("held", []any{s.ID, s.Custodian, s.Containers})
		}
		if s.Alone {
			say("alone", s.ID)
		}
		say("subject", []any{s.Kind, s.ID, s.Present, s.Disposition, s.Ended, s.OfferedTo, s.InShipment})
		if c := s.Shipment; c != nil {
			say("contents", append([]string{s.ID}, c.Contents...))
			c.Contents = nil
			say("shipment", []any{s.ID, c})
		}
	}
	for _, p := range r.Partners {
		say("partner", p)
	}
	for i := range r.Events {
		e := r.Events[i]
		say("record", []any{e.Locator, e.Partner, e.Key, e.Held, e.Actor, e.Transaction, e.Digest, e.Code, e.Effect, e.Flags})
		for _, trail := range e.Trails {
			say("in", []any{e.Locator, trail})
		}
		if e.EventTime != nil {
			say("event", []any{e.Locator, e.EventID, e.Type, e.Action, e.BizStep, e.Disposition, e.EventTime})
		}
		if e.Body != nil {
			say("body", []any{e.Locator, e.Body, e.Withheld})
		}
		if e.Time != nil {
			say("time", []any{e.Locator, e.Time})
		}
		if e.VoidedBy != nil {
			say("void", []any{e.Locator, e.VoidedBy})
		}
	}
	return out
}

// families are ledgers, and what of them is proven.
func families(t testing.TB) map[*ledger][]proof.Thing {
	return map[*ledger][]proof.Thing{
		newStory(t): {{Kind: proof.AnItem, ID: unit}, {Kind: proof.AnItem, ID: pallet}, {Kind: proof.AnItem, ID: other}, {Kind: proof.AnItem, ID: priced},
			{Kind: proof.AClass, ID: lot}, {Kind: proof.AnItem, ID: box(9)}, {Kind: proof.APartner, ID: "borg-foods"}, {Kind: proof.APartner, ID: "acme-farms"}},
		newShipment(t): {{Kind: proof.AShipment, ID: consigned}, {Kind: proof.AShipment, ID: "urn:example:shipment:8"}, {Kind: proof.AnItem, ID: other}, {Kind: proof.APartner, ID: "carrier"}},
	}
}

// family is bundles of one ledger at one height under one root of trust, in every
// shape, and all that is true of it.
func family(t testing.TB, l *ledger, all []proof.Thing) (bundles [][]byte, trust *proof.Trust, truths map[string]bool) {
	trust, truths = l.trust(), map[string]bool{}
	for _, of := range all {
		for _, alter := range []func(m *proof.Material){
			func(*proof.Material) {},
			func(m *proof.Material) { m.Scope = proof.Scope{Containers: true, Ancestors: 1} },
			func(m *proof.Material) { m.Observations, m.Scope.Names = false, false },
			func(m *proof.Material) { m.Disclosure = proof.Disclosure{Withhold: []string{"ex:price"}} },
			func(m *proof.Material) { m.Disclosure = proof.Disclosure{Partner: "acme-farms"} },
			func(m *proof.Material) { m.First, m.Count, m.Scope.Units = 1, 2, m.Asked[0].Kind == proof.AShipment },
		} {
			m := l.everything(of.Kind, of.ID)
			alter(&m)
			encoded := l.make(m).Encode()
			r, err := proof.Verify(encoded, trust)
			if err != nil {
				t.Fatal(err)
			}
			bundles = append(bundles, encoded)
			for _, fact := range facts(t, r) {
				truths[fact] = true
			}
		}
	}
	return bundles, trust, truths
}

// part is a field of a bundle, or the fields within one.
type part struct {
	number uint64
	value  []byte
	inner  []part // where the value is fields itself
}

// nested are the fields whose values are fields, by the numbers that lead there.
var nested = map[string]bool{"2": true, "4": true, "5": true, "7": true, "7/6": true, "9": true, "9/3": true, "11": true, "11/2": true, "11/3": true, "11/3/2": true,
	"12": true, "12/5": true, "12/5/5": true, "13": true, "14": true, "14/1": true, "14/2": true, "15": true, "15/1": true, "17": true, "18": true, "20": true, "20/1": true, "20/2": true, "21": true}

func parse(b []byte, at string) (out []part) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		p, name := part{number: n, value: v}, fmt.Sprint(n)
		if at != "" {
			name = at + "/" + name
		}
		if nested[name] {
			p.inner = parse(v, name)
		}
		out = append(out, p)
	}
	return out
}

func join(parts []part) (out []byte) {
	for _, p := range parts {
		v := p.value
		if p.inner != nil {
			v = join(p.inner)
		}
		out = raw(out, p.number, v)
	}
	return out
}

// places are all lists of fields in a bundle, the bundle's own first.
func places(list *[]part, out []*[]part) []*[]part {
	out = append(out, list)
	for i := range *list {
		if (*list)[i].inner != nil {
			out = places(&(*list)[i].inner, out)
		}
	}
	return out
}

// splice alters one list of fields of a bundle: by what another bundle has in such
// a place, by what it has itself elsewhere, or by chance.
func splice(r *rand.Rand, to, from []part) {
	lists := places(&to, nil)
	list := lists[r.IntN(len(lists))]
	if len(*list) == 0 {
		return
	}
	i := r.IntN(len(*list))
	n := (*list)[i].number
	var others []part
	for _, l := range append(places(&from, nil), lists...) {
		for _, p := range *l {
			if p.number == n && (p.inner == nil) == ((*list)[i].inner == nil) {
				others = append(others, p)
			}
		}
	}
	switch other := others[r.IntN(len(others))]; r.IntN(6) {
	case 0:
		*list = append((*list)[:i:i], (*list)[i+1:]...) // left out
	case 1:
		*list = append((*list)[:i+1:i+1], (*list)[i:]...) // twice
	case 2:
		j := r.IntN(len(*list))
		(*list)[i], (*list)[j] = (*list)[j], (*list)[i]
		(*list)[i].number, (*list)[j].number = (*list)[j].number, (*list)[i].number
	case 3:
		*list = append((*list)[:i+1:i+1], append([]part{other}, (*list)[i+1:]...)...)
	default:
		*list = append((*list)[:i:i], append([]part{other}, (*list)[i+1:]...)...)
	}
}

// Parts that are left out, repeated, exchanged, moved, or taken from another valid
// bundle of the same ledger: the bundle is refused, or all that it says is true.
func TestSplices(t *testing.T) {
	for l, things := range families(t) {
		spliced(t, l, things)
	}
}

func spliced(t *testing.T, l *ledger, things []proof.Thing) {
	bundles, trust, truths := family(t, l, things)
	r := rand.New(rand.NewPCG(1, 2))
	rounds, passed := 20_000, 0
	if testing.Short() {
		rounds = 4_000
	}
	for round := range rounds {
		a, b := r.IntN(len(bundles)), r.IntN(len(bundles))
		to, from := parse(bundles[a], ""), parse(bundles[b], "")
		for range 1 + r.IntN(3) {
			splice(r, to, from)
		}
		bad := join(to)
		got, err := proof.Verify(bad, trust)
		if err != nil {
			continue
		}
		passed++
		for _, fact := range facts(t, got) {
			if !truths[fact] {
				t.Fatalf("round %d: bundle %d with parts of %d passes, and says what is not so: %s", round, a, b, fact)
			}
		}
	}
	if passed == 0 || passed == rounds {
		t.Errorf("%d of %d passed: the test tells nothing", passed, rounds)
	}
	t.Logf("%d of %d passed, and said nothing but what is so", passed, rounds)
}

// Bytes altered by chance, several at once.
func TestRandomBytes(t *testing.T) {
	for l, things := range families(t) {
		garbled(t, l, things)
	}
}

func garbled(t *testing.T, l *ledger, things []proof.Thing) {
	bundles, trust, truths := family(t, l, things)
	r := rand.New(rand.NewPCG(3, 4))
	for range 6_000 {
		bad := bytes.Clone(bundles[r.IntN(len(bundles))])
		for range 1 + r.IntN(4) {
			i := r.IntN(len(bad))
			switch r.IntN(4) {
			case 0:
				bad = append(bad[:i], bad[min(len(bad), i+1+r.IntN(8)):]...)
			case 1:
				bad = append(bad[:i:i], append(bytes.Clone(bad[r.IntN(len(bad)):][:1]), bad[i:]...)...)
			default:
				bad[i] = byte(r.Uint32())
			}
		}
		got, err := proof.Verify(bad, trust)
		if err != nil {
			continue
		}
		for _, fact := range facts(t, got) {
			if !truths[fact] {
				t.Fatalf("%x says %s", bad, fact)
			}
		}
	}
}
