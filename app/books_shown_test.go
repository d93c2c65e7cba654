package app_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// What the books and the ledger say of everything there is, in lines that are equal
// exactly if they agree.

// Names of all that stories are about.
var (
	storyPartners  = []string{"farm", "mill", "haul", "shop", "dock", "watch"}
	storyThings    = []string{"a", "b", "c", "d", "e", "P-1", "P-2"}
	storyLots      = []string{"lot1", "lot2"}
	storyShipments = []string{"urn:example:shipment:1", "urn:example:shipment:2", "urn:example:shipment:3", "urn:example:shipment:4"}
)

type lines []string

func (l *lines) say(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func (b *books) picture() (l lines) {
	for _, id := range sortedNames(b.Partners) {
		p := b.Partners[id]
		l.say("%s is a %s %s at %q, %d of its admin keys agree, validates with %s %x", id, p.State, p.Standing, p.Host, max(1, p.Threshold), p.NodeID, p.Validator)
		if p.Order != nil {
			l.say("%s is to validate with %s %x, ready %d", id, p.Order.NodeID, p.Order.Key, p.Order.Ready)
		}
		for _, k := range sortedNames(p.Keys) {
			l.say("%s has key %s, %d %s, from %d to %d", id, k, p.Keys[k].Roles, p.Keys[k].Held, p.Keys[k].From, p.Keys[k].Until)
		}
		for _, c := range p.Changes {
			if b.Now < c.End {
				l.say("%s is asked for %s by %v", id, c.act.Name(), c.By)
			}
		}
	}
	l.say("parameters %+v", b.Parameters)
	for _, digits := range sortedNames(b.Prefixes) {
		l.say("prefix %s %+v", digits, b.Prefixes[digits])
	}
	for _, id := range sortedNames(b.Proposals) {
		p := b.Proposals[id]
		state := p.State
		if state == "open" && b.Now > p.Ends {
			state = "expired"
		}
		l.say("proposal %s by %s is %s, for %v, against %v", id, p.Proposer, state, p.For, p.Against)
	}
	for _, name := range storyThings {
		id := full(name)
		it := b.item(id)
		l.say("%s is with %q, in %q, made by %q, in %q, ended %t, waited for by %v, recalled by %v, in it %v", name, b.holder(id), it.Parent, it.Maker, it.Shipment, it.Ended, sortedNames(it.Waits), sorted(b.recalls(id)), b.inside(id))
		if o := it.Offer; o != nil {
			l.say("%s is offered to %s by hand-over %d of %q", name, o.To, o.Handover, o.Shipment)
		}
	}
	for _, name := range storyLots {
		for _, lot := range []string{lotName(full(name), ""), lotName(full(name), "KGM")} {
			for _, who := range sortedNames(b.Lots[lot]) {
				l.say("%s has %s of %s", who, b.Lots[lot][who], short(lot))
			}
			for _, box := range sortedNames(b.Packed) {
				if a := b.Packed[box][lot]; a != nil {
					l.say("%s holds %s of %s", short(box), a, short(lot))
				}
			}
		}
		l.say("%s is recalled by %v", name, sorted(b.lotRecalls(full(name))))
	}
	for _, id := range storyShipments {
		if s := b.Shipments[id]; s != nil {
			s.picture(id, &l)
		}
	}
	for _, name := range sortedNames(b.Recalls) {
		l.say("recall %s, closed %t, answers %v", name, b.Recalls[name].Closed, b.Recalls[name].Answers)
	}
	return l
}

func (s *bookShipment) picture(id string, l *lines) {
	l.say("%s is %s with %s, held by %q, %d argued about", id, s.State, s.Holder, s.HeldBy, s.Disputed)
	for _, lot := range s.Lots {
		l.say("%s has %s of %s", id, &bookAmount{true, lot.Amount}, short(lot.Lot))
	}
	for _, d := range s.Documents {
		l.say("%s requires %q %q, has %q", id, d.Kind, d.Hash, d.Attached)
	}
	for n, h := range s.Handovers {
		l.say("%s hand-over %d from %s to %s is %s, took %d, refused %d", id, n+1, h.From, h.To, h.State, h.Took, h.Refused)
		if d := h.Dispute; d != nil {
			pieces := 0
			for _, of := range d.Evidence {
				pieces += of
			}
			l.say("%s hand-over %d is argued about: %d pieces, %q and %q, so %q", id, n+1, pieces, d.From, d.To, d.Outcome)
		}
	}
}

func (a *bookAmount) String() string {
	if !a.Known {
		return "some"
	}
	return strings.TrimSuffix(strings.TrimRight(a.Is.FloatString(6), "0"), ".")
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// shown is what the ledger's views say, in the same lines.
type shown struct {
	*app.View
	lines
	fail func(args ...any)
}

func (t *shown) must(err error) {
	if err != nil {
		t.fail(err)
	}
}

func (t *shown) picture() lines {
	partners, err := t.Partners()
	t.must(err)
	slices.SortFunc(partners, func(a, b schemas.Partner) int { return strings.Compare(a.ID, b.ID) })
	for i := range partners {
		t.partner(&partners[i])
	}
	value, err := t.StateValue(schemas.ParametersKey())
	t.must(err)
	p, err := schemas.DecodeParameters(value)
	t.must(err)
	t.say("parameters %+v", bookParameters{p.Strict, p.ClientAccepts, seconds(p.VotingSeconds, 7*24*3600), seconds(p.SilentSeconds, 30*24*3600), p.Rules, p.UpgradeHeight, p.UpgradeRules})
	prefixes, err := t.Prefixes()
	t.must(err)
	for _, p := range prefixes {
		t.say("prefix %s %+v", p.Digits, bookPrefix{p.Partner, p.Strict})
	}
	proposals, more, err := t.Proposals(nil, 1000)
	if t.must(err); more {
		t.fail("more than a thousand proposals")
	}
	slices.SortFunc(proposals, func(a, b schemas.ProposalState) int { return strings.Compare(a.ID, b.ID) })
	for _, p := range proposals {
		t.say("proposal %s by %s is %s, for %v, against %v", p.ID, p.Proposer, p.State, p.For, p.Against)
	}
	for _, name := range storyThings {
		t.thing(name)
	}
	for _, name := range storyLots {
		t.lot(name)
	}
	for _, id := range storyShipments {
		t.shipment(id)
	}
	recalls, more, err := t.Recalls(schemas.RecallRef{}, false, 1000)
	if t.must(err); more {
		t.fail("more than a thousand recalls")
	}
	for _, listed := range recalls {
		r, err := t.Recall(listed.RecallRef)
		t.must(err)
		answers := map[string]bool{}
		for _, a := range r.Replies {
			answers[a.Partner] = a.Done
		}
		t.say("recall %s/%s, closed %t, answers %v", r.Issuer, r.Recall, r.Closed != 0, answers)
	}
	return t.lines
}

func seconds(said uint64, unless int64) int64 {
	if said == 0 {
		return unless
	}
	return int64(said)
}

func (t *shown) partner(p *schemas.Partner) {
	t.say("%s is a %s %s at %q, %d of its admin keys agree, validates with %s %x", p.ID, p.State, p.Standing, p.Host, max(1, p.Threshold), p.NodeID, p.Validate)
	order, err := t.Order(p.ID)
	if t.must(err); order != nil {
		t.say("%s is to validate with %s %x, ready %d", p.ID, order.NodeID, order.Key, order.Ready)
	}
	keys, err := t.Keys(p.ID)
	t.must(err)
	for _, k := range keys {
		t.say("%s has key %s, %d %s, from %d to %d", p.ID, k.ID, k.Roles, k.Held, k.From, k.Until)
	}
	changes, err := t.KeyChanges(p.ID)
	t.must(err)
	for _, c := range changes {
		t.say("%s is asked for %s by %v", p.ID, c.Act.Name(), c.By)
	}
}

func (t *shown) thing(name string) {
	it, err := t.Item(full(name))
	if t.must(err); it == nil {
		it = &schemas.ItemState{}
	}
	var waits []string
	for _, r := range it.Receipts {
		waits = append(waits, r.Party)
	}
	t.say("%s is with %q, in %q, made by %q, in %q, ended %t, waited for by %v, recalled by %v, in it %v", name, it.Custodian, it.Parent, it.Maker, it.Shipment, it.Ended, sorted(waits), t.recalled(name), t.inside(name))
	if o := it.Offer; o != nil {
		t.say("%s is offered to %s by hand-over %d of %q", name, o.Party, o.Handover, o.Shipment)
	}
}

func (t *shown) recalled(name string) (by []string) {
	refs, err := t.Recalled(full(name))
	t.must(err)
	for _, r := range refs {
		by = append(by, r.Issuer+"/"+r.Recall)
	}
	return sorted(by)
}

// inside are the recalls that name something in a thing, each as often as it does.
func (t *shown) inside(name string) (by []string) {
	in, err := t.RecallsInside(full(name))
	if t.must(err); in.Many {
		t.fail("more recalls in " + name + " than the books have")
	}
	for _, r := range in.Recalls {
		by = append(by, slices.Repeat([]string{r.Issuer + "/" + r.Recall}, int(r.Things))...)
	}
	return sorted(by)
}

func (t *shown) lot(name string) {
	balances, err := t.Balances(full(name))
	t.must(err)
	packed, _, err := t.Packed(full(name))
	t.must(err)
	for _, uom := range []string{"", "KGM"} {
		for _, b := range balances {
			if b.UOM == uom {
				t.say("%s has %s of %s", b.Partner, amountShown(b.Quantity, b.Known), short(lotName(full(name), uom)))
			}
		}
		for _, p := range packed {
			if p.UOM == uom {
				t.say("%s holds %s of %s", short(p.Container), amountShown(p.Quantity, p.Known), short(lotName(full(name), uom)))
			}
		}
	}
	t.say("%s is recalled by %v", name, t.recalled(name))
}

func amountShown(quantity string, known bool) string {
	if !known {
		return "some"
	}
	return quantity
}

func (t *shown) shipment(id string) {
	s, err := t.Shipment(id)
	if t.must(err); s == nil {
		return
	}
	t.say("%s is %s with %s, held by %q, %d argued about", id, s.State, s.Holder, s.HeldBy, s.Disputed)
	for _, l := range s.Lots {
		t.say("%s has %s of %s", id, l.Quantity, short(lotName(l.Class, l.UOM)))
	}
	for i, d := range s.Documents {
		hash, attached := "", ""
		if !d.Hash.IsZero() {
			hash = d.Hash.String()
		}
		if a := s.Attachment(i + 1); a != nil {
			attached = a.Document.String()
		}
		t.say("%s requires %q %q, has %q", id, d.Kind, hash, attached)
	}
	for i := range s.Last {
		h := &s.Last[len(s.Last)-1-i]
		t.say("%s hand-over %d from %s to %s is %s, took %d, refused %d", id, h.Number, h.Offered.Partner, h.To, h.State, h.Took, h.Refused)
		if d := h.Dispute; d != nil {
			t.say("%s hand-over %d is argued about: %d pieces, %q and %q, so %q", id, h.Number, len(d.Evidence), d.From, d.To, d.Outcome)
		}
	}
}

// learn takes the ids of changes that wait from the ledger, which makes them.
func (b *books) learn(v *app.View, fail func(args ...any)) {
	for id, p := range b.Partners {
		changes, err := v.KeyChanges(id)
		if err != nil {
			fail(err)
		}
		for _, c := range p.Changes {
			for _, told := range changes {
				if told.By[0] == c.By[0] {
					c.ID = told.ID
				}
			}
		}
	}
}
