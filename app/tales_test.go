package app_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// What could be said next: of every kind of message those that the books would accept as
// they stand, or nearly so. A tale draws from these, and garbles some.

// said is a message, and who says it.
type said struct{ who, what string }

func say(who, format string, args ...any) said { return said{who, fmt.Sprintf(format, args...)} }

// tales are what each kind of message could say.
func (b *books) tales(members map[string]*member, number int) map[string][]said {
	t := &taleList{books: b, members: members, number: number, all: map[string][]said{}}
	t.goods()
	for i, id := range storyShipments {
		if s := b.Shipments[id]; s == nil {
			t.announcements(id, i)
		} else {
			t.shipment(id, s)
		}
	}
	t.recalls()
	t.proposals()
	t.keys()
	t.wild()
	return t.all
}

type taleList struct {
	*books
	members map[string]*member
	number  int // of what was said before: no two messages are the same
	all     map[string][]said
	said    int
}

func (t *taleList) add(kind string, who, format string, args ...any) {
	t.all[kind] = append(t.all[kind], say(who, format, args...))
}

// playing are the partners that hold and ship things.
func (t *taleList) playing() (out []string) {
	for _, id := range sortedNames(t.Partners) {
		if p := t.Partners[id]; p.State == active && p.Standing != "observer" {
			out = append(out, id)
		}
	}
	return out
}

// event adds an event, with an eventID of its own.
func (t *taleList) event(kind string, who, format string, args ...any) {
	t.said++
	t.add(kind, who, "%s note=%d id=%d-%d", fmt.Sprintf(format, args...), t.number, t.number, t.said)
}

func (t *taleList) goods() {
	note := fmt.Sprintf(" note=%d", t.number)
	playing := t.playing()
	for i, name := range storyThings {
		it := t.item(full(name))
		h := t.holder(full(name))
		for j, who := range playing {
			switch {
			case h == "" && it.Parent == "":
				t.event("commission", who, "obj add epc=%s qty=%s:9 step=commissioning", name, storyLots[j%2])
				t.event("commission some", who, "obj add epc=%s qty=%s step=commissioning", name, storyLots[j%2])
			case h == who && it.Parent == "":
				t.event("ship", who, "obj obs epc=%s step=shipping to=%s", name, playing[(i+j+1)%len(playing)])
				t.event("ship late", who, "obj obs epc=%s step=shipping to=%s t=-20h", name, playing[(i+j+1)%len(playing)])
				if box := fmt.Sprintf("P-%d", t.number%2+1); box != name && t.item(full(box)).Holder == who {
					t.event("pack", who, "agg add parent=%s epc=%s qty=lot1:1 step=packing", box, name)
				}
				if t.number%3 == 0 {
					t.event("end", who, "obj del epc=%s step=decommissioning", name)
					t.event("transform", who, "xform epc=%s out=%s outqty=lot2:3", name, storyThings[(i+1)%5])
				}
				if strings.HasPrefix(name, "P-") {
					t.event("unpack", who, "agg del parent=%s", name)
				}
			case h == who:
				t.event("unpack", who, "agg del parent=%s epc=%s step=unpacking", short(it.Parent), name)
			case j == t.number%len(playing):
				t.event("receive early", who, "obj obs epc=%s step=receiving", name)
			}
		}
		if o := it.Offer; o != nil {
			t.event("receive", o.To, "obj obs epc=%s step=receiving", name)
			t.event("inspect", o.To, "obj obs epc=%s step=inspecting disp=non_conformant", name)
			t.event("void", h, "obj obs epc=%s step=void_shipping", name)
			if s := t.Shipments[it.Shipment]; s != nil {
				t.event("ship again", h, "obj obs epc=%s step=shipping to=%s", name, o.To)
			}
		}
		if s := t.Shipments[it.Shipment]; s != nil && h == s.Holder && !s.over() {
			for _, to := range append([]string{s.Shipper, s.Receiver}, s.Carriers...) {
				t.event("ship along", h, "obj obs epc=%s step=shipping to=%s", name, to)
			}
		}
	}
	for _, id := range sortedNames(t.Events) {
		partner, event, _ := strings.Cut(id, " ")
		if e := t.Events[id]; !e.Void {
			t.add("declare", partner, "raw %s%s", strings.TrimSuffix(e.Body, "}"), declared+`{"declarationTime":"2026-03-01T12:00:00Z","reason":"did_not_occur"}}`)
		}
		if strings.HasPrefix(event, "urn:example:event:") {
			for _, what := range []string{"erase", "hold", "release"} {
				t.add("id again", partner, "obj obs epc=a step=storing id=%s%s", strings.TrimPrefix(event, "urn:example:event:"), note)
				t.add("order "+what, partner, "order %s %s", what, strings.TrimPrefix(event, "urn:example:event:"))
			}
		}
	}
}

func (t *taleList) announcements(id string, n int) {
	playing := t.playing()
	for i, who := range playing {
		to := playing[(i+1+n%2)%len(playing)]
		carrier := playing[(i+3)%len(playing)]
		var units []string
		for _, name := range storyThings {
			it := t.item(full(name))
			if (t.holder(full(name)) == who || t.holder(full(name)) == "") && it.Parent == "" && !it.Ended && (it.Shipment == "" || t.free(it.Shipment)) {
				units = append(units, fmt.Sprintf("%q", full(name)))
			}
		}
		if to == who || carrier == to || len(units) == 0 {
			continue
		}
		parties := fmt.Sprintf(`"shipment":%q,"carriers":[%q],"receiver":%q,"inspectors":[%[4]q],"arbiter":%[4]q`, id, carrier, to, playing[(i+2)%len(playing)])
		t.add("AnnounceShipment", who, `act AnnounceShipment {%s,"items":[%s]}`, parties, strings.Join(units[:min(2, len(units))], ","))
		t.add("AnnounceShipment", who, `act AnnounceShipment {%s,"items":[%s],"documents":[{"kind":"invoice"},{"document":"%s"}]}`, parties, strings.Join(units[:min(2, len(units))], ","), paper)
		t.add("AnnounceShipment", who, `act AnnounceShipment {%s,"items":[%s],"lots":[{"class":%q,"quantity":%d}]}`, parties, units[len(units)-1], full(storyLots[i%2]), 1+i%4)
	}
}

// paper is the hash of a document.
var paper = strings.Repeat("ab", 32)

func (t *taleList) shipment(id string, s *bookShipment) {
	step := func(name, who string, more ...string) {
		if who == "" {
			return // it has no arbiter
		}
		t.add(name, who, `act %s {"shipment":%q%s}`, name, id, strings.Join(more, ""))
	}
	number := fmt.Sprintf(`,"handover":%d`, max(1, len(s.Handovers)))
	until := fmt.Sprintf(`,"until":%q`, clock(t.Now+40*60e9))
	switch {
	case s.over():
		return
	case s.HeldBy == "":
		for _, p := range s.parties() {
			step("HoldShipment", p)
		}
	default:
		step("UnholdShipment", s.HeldBy)
		step("UnholdShipment", s.Arbiter)
	}
	for _, d := range s.Documents {
		for _, p := range s.parties() {
			step("AttachDocuments", p, fmt.Sprintf(`,"documents":[{"kind":%q,"document":%q}]`, cmp.Or(d.Kind, "other"), paper))
			t.add("wild attach", p, `act AttachDocuments {"shipment":%q,"documents":[{"kind":"list","document":"%064x"}]}`, id, t.number+1)
		}
	}
	var to []string
	for _, p := range append([]string{s.Receiver}, s.Carriers...) {
		if p != s.Holder {
			to = append(to, fmt.Sprintf(`,"to":%q`, p))
		}
	}
	if s.State == "announced" {
		step("DispatchShipment", s.Holder)
	}
	if slices.Contains([]string{"announced", "in_transit", "rejected"}, s.State) {
		if s.Holder == s.Shipper {
			step("CancelShipment", s.Shipper)
		}
		for _, p := range to {
			if len(t.units(id))+len(s.Lots) == 0 {
				t.add("offer nothing", s.Holder, `act OfferHandover {"shipment":%q%s}`, id, p)
			}
			step("OfferHandover", s.Holder, p)
			step("OfferHandover", s.Holder, p, until)
		}
	}
	if slices.Contains([]string{"delivered", "in_transit", "rejected"}, s.State) {
		step("ReturnShipment", s.Holder)
	}
	switch s.State {
	case "delivered":
		step("CloseShipment", s.Receiver)
	case "returned":
		step("CloseShipment", s.Shipper)
	case "handover_pending":
		t.answers(id, s, number, step)
	case "disputed":
		t.disputes(id, s, step)
	}
	for n, h := range s.Handovers {
		if h.Taken != nil || h.Took > 0 || h.Refused > 0 {
			evidence := fmt.Sprintf(`,"handover":%d,"evidence":[{"event":"urn:example:event:1"}]`, n+1)
			step("DisputeHandover", h.From, evidence)
			step("DisputeHandover", h.To, evidence)
		}
	}
}

func (t *taleList) answers(id string, s *bookShipment, number string, step func(name, who string, more ...string)) {
	h := s.open()
	step("AcceptHandover", h.To, number)
	step("RejectHandover", h.To, number)
	step("CancelHandover", s.Holder, number)
	for _, u := range s.Units {
		if o := t.item(u).Offer; o != nil && o.Shipment == id {
			for _, what := range []string{`"short"`, `"damaged"`, `"over"`, `"short","quantity":1`} {
				step("AcceptHandover", h.To, number, fmt.Sprintf(`,"discrepancies":[{"id":%q,"what":%s}]`, u, what))
			}
		}
	}
	for _, l := range h.Lots {
		for _, amount := range []string{`"short"`, `"short","quantity":0.5`, `"over","quantity":1`, `"damaged","quantity":1`, `"short","quantity":50`, `"short","quantity":0.5},{"id":%[1]q,"what":"over","quantity":1`, `"damaged","quantity":0.25},{"id":%[1]q,"what":"short","quantity":0.25`} {
			step("AcceptHandover", h.To, number, fmt.Sprintf(`,"discrepancies":[{"id":%[1]q,"what":`+amount+`}]`, l.Class))
		}
	}
}

func (t *taleList) disputes(id string, s *bookShipment, step func(name, who string, more ...string)) {
	number := fmt.Sprintf(`,"handover":%d`, s.Disputed)
	h := s.Handovers[s.Disputed-1]
	pieces := strings.Repeat(`{"event":"urn:example:event:2"},`, 40)
	step("AddEvidence", h.From, number, `,"evidence":[{"event":"urn:example:event:2"}]`)
	step("AddEvidence", append(slices.Clone(s.Inspectors), h.From)[0], number, `,"evidence":[`+strings.TrimSuffix(pieces, ",")+`]`)
	step("AddEvidence", h.To, number, `,"evidence":[`+strings.TrimSuffix(pieces, ",")+`]`)
	full := fmt.Sprintf(`act AddEvidence {"shipment":%q%s,"evidence":[%s]}`, id, number, strings.TrimSuffix(pieces, ","))
	t.add("AddEvidence twice", h.From, "%s; %s", full, full)
	for _, who := range []string{h.From, h.To, s.Arbiter} {
		for _, outcome := range []string{"go_on", "delivered", "return"} {
			step("ResolveDispute", who, number, fmt.Sprintf(`,"outcome":%q`, outcome))
		}
	}
}

func (t *taleList) recalls() {
	for _, who := range t.playing() {
		for _, name := range storyThings {
			if t.item(full(name)).Maker == who {
				scope := fmt.Sprintf(`"items":[%q]`, full(name))
				t.add("Recall", who, `act Recall {"recall":"r%d","instruction":"stop",%s}`, t.number%4, scope)
				if t.isOpen(who, fmt.Sprintf("r%d", t.number%4)) {
					t.add("ExtendRecall", who, `act ExtendRecall {"recall":"r%d",%s}`, t.number%4, scope)
				}
			}
		}
		for _, name := range storyLots {
			if t.lot(full(name)).Maker == who {
				t.add("Recall", who, `act Recall {"recall":"r%d","instruction":"stop","lots":[%q]}`, t.number%4, full(name))
			}
		}
	}
	for i, who := range t.playing() {
		name := fmt.Sprintf("r%d", t.number%4)
		for _, span := range t.spans(i) {
			t.add("Recall of a span", who, `act Recall {"recall":%q,"instruction":"stop","made":[%s]}`, name, span)
			if t.isOpen(who, name) {
				t.add("ExtendRecall", who, `act ExtendRecall {"recall":%q,"made":[%s]}`, name, span)
			}
		}
	}
	for _, ref := range sortedNames(t.Recalls) {
		issuer, name, _ := strings.Cut(ref, "/")
		if !t.Recalls[ref].Closed {
			t.add("CloseRecall", issuer, `act CloseRecall {"recall":%q}`, name)
			for i, who := range t.playing() {
				t.add("AcknowledgeRecall", who, `act AcknowledgeRecall {"issuer":%q,"recall":%q,"held":[{"id":%q,"state":"sold"}]%s}`, issuer, name, full("a"), []string{"", `,"done":true`}[i%2])
			}
		}
	}
	for _, who := range t.playing() {
		t.add("SettleException", who, `act SettleException {"height":%d}`, max(1, t.Height))
	}
}

// spans are of times in which something was made, with its first and its last moment and
// without, and of what is being made.
func (t *taleList) spans(n int) (out []string) {
	times := []int64{t.Now}
	for _, name := range storyThings {
		times = append(times, t.item(full(name)).Made)
	}
	for _, name := range storyLots {
		times = append(times, t.lot(full(name)).First, t.lot(full(name)).Last)
	}
	of := []string{"", `,"class":"https://id.gs1.org/01/09521234543213"`, fmt.Sprintf(`,"class":%q`, full("lot2"))}[(n+t.number)%3]
	slices.Sort(times)
	for _, at := range slices.Compact(times) {
		if at != 0 {
			out = append(out, fmt.Sprintf(`{"from":%q%s}`, clock(at), of), fmt.Sprintf(`{"from":%q,"until":%q%s}`, clock(at), clock(at+1e9), of),
				fmt.Sprintf(`{"from":%q,"until":%q%s}`, clock(at-3600e9), clock(at), of))
		}
	}
	return out
}

// wild are messages that are refused nearly always.
func (t *taleList) wild() {
	for i, who := range t.playing() {
		add := func(format string, args ...any) { t.add("wild", who, format, args...) }
		add(`act DispatchShipment {"shipment":"urn:example:shipment:none"}`)
		add(`act Vote {"proposal":"1-9-9","approve":true}`)
		add(`act MoveHost {"host":"watch"}`)
		add(`act MoveHost {"host":"haul"}`)
		add(`act Ready {"key":"%x"}`, []byte(key("nobody")))
		add(`act CloseRecall {"recall":"none"}`)
		add(`act Recall {"recall":"none","instruction":"stop","items":[%q]}`, full("P-2"))
		add(`act RevokeKey {"key":"none"}`)
		add(`act ApproveKeyChange {"change":"none"}`)
		add(`act SetThreshold {"threshold":9}`)
		for _, c := range []string{`"suspend","partner":"nobody"`, `"register-prefix","partner":"farm","prefix":"95212"`, `"withdraw-prefix","prefix":"4012345"`, `"cancel-upgrade"`} {
			add(`act Propose {"kind":%s}`, c)
		}
		add(`act Propose {"kind":"admit","partner":"farm","name":"farm","gln":%q,"standing":"member"%s}`, gln(77), t.freshKey())
		add(`act Propose {"kind":"admit","partner":"stray","name":"stray","gln":%q,"standing":"participant","host":"watch","sponsor":"farm"%s}`, gln(77), t.freshKey())
		add(`act Propose {"kind":"reassign","partner":"shop","to":"farm","items":[%q]}`, full("a"))
		add(`act Propose {"kind":"remove-validator","partner":"farm"}`)
		for _, id := range sortedNames(t.Proposals) {
			add(`act Withdraw {"proposal":%q}`, id)
			add(`act Vote {"proposal":%q,"approve":true}`, id)
		}
		for _, id := range sortedNames(t.Shipments) {
			s := t.Shipments[id]
			add(`act AcceptHandover {"shipment":%q,"handover":99}`, id)
			add(`act OfferHandover {"shipment":%q,"to":%q,"until":"2026-01-01T00:00:00Z"}`, id, s.Receiver)
			for _, to := range []string{"watch", "shop", who} {
				t.add("wild offer", s.Holder, `act OfferHandover {"shipment":%q,"to":%q}`, id, to)
			}
			t.add("wild offer", s.Holder, `act OfferHandover {"shipment":%q,"to":%q,"until":"2026-01-01T00:00:00Z"}`, id, s.Receiver)
			for _, name := range storyThings {
				if i == 0 && s.open() != nil {
					t.add("wild accept", s.open().To, `act AcceptHandover {"shipment":%q,"handover":%d,"discrepancies":[{"id":%q,"what":"short"}]}`, id, len(s.Handovers), full(name))
				}
			}
		}
		add(`act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":%q,"items":[%q]}`, who, full("a"))
		add(`act AnnounceShipment {"shipment":"urn:example:shipment:4","receiver":"nobody","items":[%q]}`, full("a"))
		for _, name := range storyThings {
			add(`act AnnounceShipment {"shipment":"urn:example:shipment:4","receiver":"farm","items":[%q]}`, full(name))
		}
	}
}
