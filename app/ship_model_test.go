package app_test

import (
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// shipModel says over again, in plain maps, what acts of shipments do to custody: who
// holds each unit, whom it is offered to, and where each shipment stands. It knows acts
// alone; what events do among them, TestHistories has.
type shipModel struct {
	holder, offered map[string]string // of units, by name; to whom
	units           map[int][]string
	state           map[int]string
	with            map[int]string // who holds the shipment
	to              map[int]string
	numbers         map[int]int
}

const shipmentCount, unitCount = 3, 6

// lotUnit stands for what of a lot is in a shipment.
func lotUnit(s int) string { return fmt.Sprintf("lot%d", s+1) }

func unitName(i int) string { return fmt.Sprintf("u%d", i) }

// play does one act on the model and answers whether it is to be accepted.
func (m *shipModel) play(who, what string, s int, to string, short []string) bool {
	mine := func() (list []string) {
		for _, u := range m.units[s] {
			if m.holder[u] == who {
				list = append(list, u)
			}
		}
		return list
	}
	switch what {
	case "Announce":
		if m.state[s] != "" || who != "farm" {
			return false
		}
		first := s * unitCount / shipmentCount
		for i := first; i < first+unitCount/shipmentCount; i++ {
			m.units[s] = append(m.units[s], unitName(i))
		}
		m.units[s] = append(m.units[s], lotUnit(s))
		m.state[s], m.with[s] = "announced", who
	case "Dispatch":
		if m.state[s] != "announced" || m.with[s] != who {
			return false
		}
		m.state[s] = "in_transit"
	case "Offer":
		ok := m.state[s] == "announced" || m.state[s] == "in_transit" || m.state[s] == "rejected"
		if !ok || m.with[s] != who || to == who || to != "haul" && to != "shop" || len(mine()) == 0 {
			return false
		}
		for _, u := range mine() {
			m.offered[u] = to
		}
		m.state[s], m.to[s] = "handover_pending", to
		m.numbers[s]++
	case "Accept", "Reject":
		if m.state[s] != "handover_pending" || m.to[s] != who {
			return false
		}
		took := 0
		for _, u := range m.units[s] {
			if m.offered[u] != who {
				if slices.Contains(short, u) {
					return false
				}
				continue
			}
			delete(m.offered, u)
			if what == "Accept" && !slices.Contains(short, u) {
				m.holder[u] = who
				took++
			}
		}
		switch {
		case took > 0 && who == "shop":
			m.state[s] = "delivered"
		case took > 0 || who == "haul":
			m.state[s] = "in_transit"
		default:
			m.state[s] = "rejected"
		}
		if took > 0 {
			m.with[s] = who
		}
	case "Withdraw":
		if m.state[s] != "handover_pending" || m.with[s] != who {
			return false
		}
		for _, u := range m.units[s] {
			delete(m.offered, u)
		}
		m.state[s] = "in_transit"
	case "Close":
		if m.state[s] != "delivered" || who != "shop" {
			return false
		}
		m.state[s] = "closed"
	}
	return true
}

func (m *shipModel) clone() *shipModel {
	c := &shipModel{holder: map[string]string{}, offered: map[string]string{}, units: map[int][]string{}, state: map[int]string{}, with: map[int]string{}, to: map[int]string{}, numbers: map[int]int{}}
	for k, v := range m.holder {
		c.holder[k] = v
	}
	for k, v := range m.offered {
		c.offered[k] = v
	}
	for s := range shipmentCount {
		c.units[s], c.state[s], c.with[s], c.to[s], c.numbers[s] = slices.Clone(m.units[s]), m.state[s], m.with[s], m.to[s], m.numbers[s]
	}
	return c
}

// TestShipmentHistories plays random acts of shipments on two replicas, one of which is
// started again now and then. Their hashes are equal, the model agrees on every verdict
// and on who holds what, and of the lot that goes along nothing is lost or made.
func TestShipmentHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newChain(t, store.Options{}), newChain(t, store.Options{})
		m := (&shipModel{}).clone()
		commission := "obj add qty=lot1:100:KGM,lot2:100:KGM,lot3:100:KGM step=commissioning epc=" + unitName(0)
		for i := range unitCount {
			m.holder[unitName(i)] = "farm"
			if i > 0 {
				commission += "," + unitName(i)
			}
		}
		for s := range shipmentCount {
			m.holder[lotUnit(s)] = "farm"
		}
		run := func(who string, e *schemas.Event) schemas.EventReceipt {
			raw := a.sign(a.draft(who, false, e))
			a.block(raw)
			b.block(raw)
			if string(a.hash) != string(b.hash) {
				rt.Fatalf("block %d: %x on one replica, %x on the other", a.height, a.hash, b.hash)
			}
			return a.last.Receipts[0].Events[0]
		}
		e, err := notation{a.members}.event(commission, a.time)
		if err != nil {
			rt.Fatal(err)
		}
		run("farm", e)
		for range rapid.IntRange(5, 40).Draw(rt, "acts") {
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				b.restart()
			}
			who := rapid.SampledFrom(partners).Draw(rt, "who")
			what := rapid.SampledFrom([]string{"Announce", "Dispatch", "Offer", "Offer", "Accept", "Accept", "Reject", "Withdraw", "Close"}).Draw(rt, "what")
			s := rapid.IntRange(0, shipmentCount-1).Draw(rt, "shipment")
			to := rapid.SampledFrom([]string{"haul", "shop", "mill", "farm"}).Draw(rt, "to")
			var short []string
			if what == "Accept" && rapid.Bool().Draw(rt, "short") {
				short = append(short, unitName(rapid.IntRange(0, unitCount-1).Draw(rt, "unit")))
			}
			next := m.clone()
			want := next.play(who, what, s, to, short)
			if want && short != nil && !slices.Contains(m.units[s], short[0]) {
				want = false
			}
			got := run(who, shipAct(rt, a, m, what, s, to, short))
			if (got.Code == schemas.OK) != want {
				rt.Fatalf("%s does %s to %d (to %s, short %v): %s, the model says %v", who, what, s, to, short, got.Code, want)
			}
			if want {
				m = next
			}
			m.check(rt, a)
			a.checkMoments()
		}
		for s := range shipmentCount {
			a.provesShipment(rt, fmt.Sprintf("urn:example:shipment:%d", s))
		}
	})
}

// shipAct makes the act of the ledger.
func shipAct(rt *rapid.T, c *chain, m *shipModel, what string, s int, to string, short []string) *schemas.Event {
	id := fmt.Sprintf("urn:example:shipment:%d", s)
	name, body := "", fmt.Sprintf(`"shipment":%q`, id)
	numbered := func() { body += fmt.Sprintf(`,"handover":%d`, max(1, m.numbers[s])) }
	switch what {
	case "Announce":
		var items []string
		for i := s * unitCount / shipmentCount; i < (s+1)*unitCount/shipmentCount; i++ {
			items = append(items, `"`+full(unitName(i))+`"`)
		}
		name, body = "AnnounceShipment", body+`,"carriers":["haul"],"receiver":"shop","items":[`+strings.Join(items, ",")+`],"lots":[{"class":"`+full(lotUnit(s))+`","quantity":10,"uom":"KGM"}]`
	case "Dispatch":
		name = schemas.StepDispatch
	case "Close":
		name = schemas.StepClose
	case "Offer":
		name, body = "OfferHandover", body+`,"to":"`+to+`"`
	case "Accept":
		name = "AcceptHandover"
		if numbered(); short != nil { // some of the lot, too
			body += `,"discrepancies":[{"id":"` + full(short[0]) + `","what":"short"},{"id":"` + full(lotUnit(s)) + `","what":"short","quantity":0.25,"uom":"KGM"}]`
		}
	case "Reject":
		name = schemas.StepReject
		numbered()
	case "Withdraw":
		name = schemas.StepWithdraw
		numbered()
	}
	e, err := schemas.ReadAct(name, []byte("{"+body+"}"), c.time)
	if err != nil {
		rt.Fatal(err)
	}
	return e
}

// check compares the ledger with the model.
func (m *shipModel) check(rt *rapid.T, c *chain) {
	v := c.view()
	for u, holder := range m.holder {
		if strings.HasPrefix(u, "lot") {
			continue // its balances are looked at below
		}
		it, err := v.Item(full(u))
		if err != nil || it.Custodian != holder {
			rt.Fatalf("%s is with %v, the model says %s: %v", u, it, holder, err)
		}
		if got := it.Offer; (got == nil) != (m.offered[u] == "") || got != nil && got.Party != m.offered[u] {
			rt.Fatalf("%s is offered: %+v, the model says to %q", u, got, m.offered[u])
		}
	}
	for s := range shipmentCount {
		info, err := v.Shipment(fmt.Sprintf("urn:example:shipment:%d", s))
		if err != nil || (info == nil) != (m.state[s] == "") || info != nil && (info.State.String() != m.state[s] || info.Holder != m.with[s]) {
			rt.Fatalf("shipment %d is %+v, the model says %s with %s: %v", s, info, m.state[s], m.with[s], err)
		}
	}
	for _, lot := range []string{"lot1", "lot2", "lot3"} {
		balances, err := v.Balances(full(lot))
		sum := new(big.Rat)
		for _, b := range balances {
			amount, ok := new(big.Rat).SetString(b.Quantity)
			if err != nil || !ok || amount.Sign() < 0 {
				rt.Fatalf("%s holds %q of %s: %v", b.Partner, b.Quantity, lot, err)
			}
			sum.Add(sum, amount)
		}
		if sum.Cmp(big.NewRat(100, 1)) != 0 {
			rt.Fatalf("of %s there are %s", lot, sum.FloatString(3))
		}
	}
}

// BenchmarkHandover hands a unit over, alone and as a pallet with ten thousand things
// inside: what it costs must not differ.
func BenchmarkHandover(b *testing.B) {
	for _, inside := range []int{0, 10_000} {
		b.Run(fmt.Sprint(inside), func(b *testing.B) {
			c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
			n := notation{c.members}
			do := func(who, text string) {
				e, err := n.event(text, c.time)
				if err != nil {
					b.Fatal(err)
				}
				if r := c.submit(who, false, e)[0]; r.Code != schemas.OK {
					b.Fatal(r.Code)
				}
			}
			do("farm", "obj add epc=P-1 step=commissioning")
			for at := 0; at < inside; at += 1000 {
				var list []string
				for i := range 1000 {
					list = append(list, fmt.Sprintf("z%d", at+i))
				}
				do("farm", "agg add parent=P-1 step=packing epc="+strings.Join(list, ","))
			}
			i := 0
			for b.Loop() {
				i++
				from, to := "farm", "shop"
				if i%2 == 0 {
					from, to = to, from
				}
				id := fmt.Sprintf(`"shipment":"urn:example:shipment:%d"`, i)
				do(from, `act AnnounceShipment {`+id+`,"receiver":"`+to+`","items":["urn:example:pallet:1"]}`)
				do(from, `act OfferHandover {`+id+`,"to":"`+to+`"}`)
				do(to, `act AcceptHandover {`+id+`,"handover":1}`)
			}
		})
	}
}
