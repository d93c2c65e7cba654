package app_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas"
)

// world draws transactions of all kinds of messages about a few things, so that they
// meet: events, shipments, recalls, votes, keys. What it says may be right or wrong; it
// reads the ledger for no more than the numbers and names that an act has to give.
type world struct {
	*script
	t *rapid.T
}

func (w world) of(label string, list ...string) string {
	return rapid.SampledFrom(list).Draw(w.t, label)
}

func (w world) one(label string, of int) bool { return rapid.IntRange(1, of).Draw(w.t, label) == 1 }

// founders are the members at first; dock may be admitted by vote.
var founders = []string{"farm", "mill", "haul", "shop"}

// who signs: a partner by its first key, or by a further one, which it may not have yet
// or any more.
func (w world) who() string {
	who := w.of("who", "farm", "mill", "haul", "shop", "farm", "mill", "haul", "shop", "dock")
	if w.one("further key", 5) {
		who += "/" + w.of("key", "a", "b")
	}
	return who
}

// block draws what is sent for one block.
func (w world) block() (lines []string) {
	if w.one("flow", 4) {
		lines = append(lines, aFlow(w.t)...)
	}
	if w.one("voyage", 2) {
		lines = append(lines, w.voyage()...)
	}
	if w.one("alarm", 4) {
		lines = append(lines, w.alarm()...)
	}
	if w.one("ballot", 3) {
		lines = append(lines, w.ballot()...)
	}
	for range rapid.IntRange(0, 4).Draw(w.t, "transactions") {
		var messages []string
		who := w.who()
		for range rapid.IntRange(1, 3).Draw(w.t, "messages") {
			if w.one("event", 3) {
				messages = append(messages, anEvent(w.t))
			} else {
				messages = append(messages, w.act(who))
			}
		}
		atomic := w.of("atomic", "", "", "!")
		lines = append(lines, who+atomic+": "+strings.Join(messages, "; "))
	}
	return lines
}

func (w world) shipment() string {
	return fmt.Sprintf("urn:example:shipment:%d", rapid.IntRange(1, 2).Draw(w.t, "shipment"))
}

// handover names a shipment and, most of the time, its last hand-over.
func (w world) handover() string {
	id, n := w.shipment(), uint64(1)
	if w.height > 0 {
		if s, err := w.view().Shipment(id); err == nil && s != nil && s.Handovers > 0 {
			n = s.Handovers
		}
	}
	if w.one("another hand-over", 10) {
		n++
	}
	return fmt.Sprintf(`"shipment":%q,"handover":%d`, id, n)
}

func (w world) item() string { return full(w.of("thing", things...)) }

// act draws an act of any name.
func (w world) act(who string) string {
	partner, _, _ := strings.Cut(who, "/")
	switch rapid.IntRange(0, 3).Draw(w.t, "area") {
	case 0, 1:
		return w.shipAct()
	case 2:
		return w.recallAct()
	}
	return w.keyAct(partner)
}

func (w world) announce() string {
	lots := ""
	if w.one("lots", 2) {
		lots = fmt.Sprintf(`,"lots":[{"class":%q,"quantity":%d}]`, full(w.of("lot", goods...)), rapid.IntRange(1, 5).Draw(w.t, "quantity"))
	}
	return fmt.Sprintf(`act AnnounceShipment {"shipment":%q,"carriers":["haul"],"receiver":%q,"inspectors":["mill"],"arbiter":"farm","items":[%q]%s}`,
		w.shipment(), w.of("receiver", founders...), w.item(), lots)
}

func (w world) shipAct() string {
	until := w.of("until", "", fmt.Sprintf(`,"until":%q`, w.time.Add(30*60e9).Format("2006-01-02T15:04:05Z")))
	evidence := `,"evidence":[{"event":"urn:example:event:1"}]`
	switch name := w.of("act", "AnnounceShipment", "DispatchShipment", "CloseShipment", "CancelShipment", "HoldShipment", "UnholdShipment", "UnholdShipment",
		"OfferHandover", "OfferHandover", "ReturnShipment", "AcceptHandover", "AcceptHandover", "RejectHandover", "CancelHandover", "DisputeHandover", "AddEvidence", "ResolveDispute", "SettleException"); name {
	case "AnnounceShipment":
		return w.announce()
	case "OfferHandover":
		return fmt.Sprintf(`act OfferHandover {"shipment":%q,"to":%q%s}`, w.shipment(), w.of("to", founders...), until)
	case "ReturnShipment":
		return fmt.Sprintf(`act ReturnShipment {"shipment":%q%s}`, w.shipment(), until)
	case "AcceptHandover":
		short := ""
		if w.one("short", 3) {
			short = fmt.Sprintf(`,"discrepancies":[{"id":%q,"what":%q}]`, w.item(), w.of("what", "short", "damaged"))
		}
		return "act AcceptHandover {" + w.handover() + short + "}"
	case "RejectHandover", "CancelHandover":
		return "act " + name + " {" + w.handover() + "}"
	case "DisputeHandover", "AddEvidence":
		return "act " + name + " {" + w.handover() + evidence + "}"
	case "ResolveDispute":
		return "act ResolveDispute {" + w.handover() + `,"outcome":"` + w.of("outcome", "go_on", "delivered", "return") + `"}`
	case "SettleException":
		return fmt.Sprintf(`act SettleException {"height":%d}`, rapid.IntRange(1, 20).Draw(w.t, "height"))
	default:
		return fmt.Sprintf(`act %s {"shipment":%q}`, name, w.shipment())
	}
}

// voyage draws what honest partners do with a shipment; any step may be left out.
func (w world) voyage() []string {
	id := w.shipment()
	from, to := w.of("shipper", founders...), w.of("receiver", founders...)
	thing := w.of("thing", things...)
	open := uint64(1)
	if w.height > 0 {
		if s, err := w.view().Shipment(id); err == nil && s != nil {
			open, from, to = s.Handovers+1, s.Holder, s.Receiver
			if s.HeldBy != "" && w.one("released", 2) {
				return []string{s.HeldBy + fmt.Sprintf(`: act UnholdShipment {"shipment":%q}`, id)}
			}
			switch s.State {
			case schemas.Disputed:
				outcome := fmt.Sprintf(`{"shipment":%q,"handover":%d,"outcome":%q}`, id, s.Disputed, w.of("outcome", "go_on", "delivered", "return"))
				return []string{from + fmt.Sprintf(`: act AddEvidence {"shipment":%q,"handover":%d,"evidence":[{"event":"urn:example:event:2"}]}`, id, s.Disputed),
					from + ": act ResolveDispute " + outcome, to + ": act ResolveDispute " + outcome, w.of("judge", founders...) + ": act ResolveDispute " + outcome}
			case schemas.Delivered, schemas.InTransit, schemas.Rejected:
				if s.Handovers > 0 && w.one("disputed", 3) {
					return []string{to + fmt.Sprintf(`: act DisputeHandover {"shipment":%q,"handover":%d,"evidence":[{"event":"urn:example:event:1"}]}`, id, s.Handovers)}
				}
			}
		}
	}
	number := fmt.Sprintf(`"shipment":%q,"handover":%d`, id, open)
	steps := []string{
		from + ": obj add epc=" + thing + " qty=lot1:9 step=commissioning",
		from + fmt.Sprintf(`: act AnnounceShipment {"shipment":%q,"carriers":["haul"],"receiver":%q,"items":[%q],"lots":[{"class":%q,"quantity":2}]}`, id, to, full(thing), full("lot1")),
		from + fmt.Sprintf(`: act OfferHandover {"shipment":%q,"to":%q}`, id, to),
		to + ": act " + w.of("answer", "AcceptHandover", "AcceptHandover", "RejectHandover", "DisputeHandover") + " {" + number + "}",
		to + ": act " + w.of("after", `ResolveDispute {`+number+`,"outcome":"delivered"}`, fmt.Sprintf(`CloseShipment {"shipment":%q}`, id), fmt.Sprintf(`ReturnShipment {"shipment":%q}`, id)),
	}
	first := rapid.IntRange(0, 3).Draw(w.t, "first step")
	return steps[first:rapid.IntRange(first+1, len(steps)).Draw(w.t, "last step")]
}

// alarm draws a recall by who made the thing, and what comes after.
func (w world) alarm() []string {
	who, thing, name := w.of("maker", founders...), w.of("thing", things...), w.of("recall", "r1", "r2")
	steps := []string{
		who + ": obj add epc=" + thing + " step=commissioning; " + fmt.Sprintf(`act Recall {"recall":%q,"instruction":"stop","items":[%q]}`, name, full(thing)),
		who + fmt.Sprintf(`: act ExtendRecall {"recall":%q,"items":[%q]}`, name, full(thing)),
		w.of("holder", founders...) + fmt.Sprintf(`: act AcknowledgeRecall {"issuer":%q,"recall":%q,"held":[{"id":%q,"state":"sold"}],"done":true}`, who, name, full(thing)),
		who + fmt.Sprintf(`: act CloseRecall {"recall":%q}`, name),
	}
	return steps[:rapid.IntRange(1, len(steps)).Draw(w.t, "last step")]
}

func (w world) recallAct() string {
	name := w.of("recall", "r1", "r2")
	scope := w.of("scope", fmt.Sprintf(`"items":[%q]`, w.item()), fmt.Sprintf(`"lots":[%q]`, full(w.of("lot", goods...))))
	switch w.of("act", "Recall", "ExtendRecall", "AcknowledgeRecall", "CloseRecall", "CloseRecall") {
	case "Recall":
		return fmt.Sprintf(`act Recall {"recall":%q,"instruction":"stop",%s}`, name, scope)
	case "ExtendRecall":
		return fmt.Sprintf(`act ExtendRecall {"recall":%q,%s}`, name, scope)
	case "AcknowledgeRecall":
		return fmt.Sprintf(`act AcknowledgeRecall {"issuer":%q,"recall":%q,"held":[{"id":%q,"state":"sold"}],"done":true}`, w.of("issuer", founders...), name, w.item())
	}
	return fmt.Sprintf(`act CloseRecall {"recall":%q}`, name)
}

func (w world) keyAct(partner string) string {
	switch w.of("act", "AddKey", "AddKey", "RevokeKey", "SetThreshold", "ApproveKeyChange", "MoveHost", "Ready") {
	case "AddKey":
		until := w.of("until", "", fmt.Sprintf(`,"until":%d`, w.height+4))
		return fmt.Sprintf(`act AddKey {"public":"<public %s>","roles":[%s],"held":%q%s}`, w.of("key", "a", "b"), w.of("roles", `"capture"`, `"admin"`, `"capture","admin"`, `"device"`), w.of("held", "client", "gateway"), until)
	case "RevokeKey":
		return fmt.Sprintf(`act RevokeKey {"key":"<key %s>"}`, w.of("key", "a", "b", "own"))
	case "SetThreshold":
		return fmt.Sprintf(`act SetThreshold {"threshold":%d}`, rapid.IntRange(1, 2).Draw(w.t, "threshold"))
	case "ApproveKeyChange":
		id := "none"
		if w.height > 0 {
			if open, err := w.view().KeyChanges(partner); err == nil && len(open) > 0 {
				id = open[len(open)-1].ID
			}
		}
		return fmt.Sprintf(`act ApproveKeyChange {"change":%q}`, id)
	case "MoveHost":
		return fmt.Sprintf(`act MoveHost {"host":%q}`, w.of("host", founders...))
	}
	return fmt.Sprintf(`act Ready {"key":"%x"}`, []byte(key(w.of("node", founders...))))
}

// ballot draws a proposal, or votes of all on one that is open.
func (w world) ballot() (lines []string) {
	if w.height > 0 && !w.one("propose", 3) {
		all, _, err := w.view().Proposals(nil, 20)
		if err != nil {
			w.script.t.Fatal(err)
		}
		for _, p := range all {
			if p.State != "open" {
				continue
			}
			for _, who := range append(founders, "dock") {
				if !w.one("abstain", 6) {
					lines = append(lines, fmt.Sprintf(`%s: act Vote {"proposal":%q,"approve":true}`, who, p.ID))
				}
			}
			if w.one("withdrawn", 8) {
				lines = append(lines, fmt.Sprintf(`%s: act Withdraw {"proposal":%q}`, p.Proposer, p.ID))
			}
			return lines
		}
	}
	whom := w.of("whom", "haul", "shop", "dock")
	change := w.of("change",
		`"kind":"suspend","partner":"`+whom+`"`, `"kind":"resume","partner":"`+whom+`"`, `"kind":"resume","partner":"`+whom+`"`, `"kind":"remove","partner":"`+whom+`"`,
		`"kind":"parameters","parameters":{"custody":"strict"}`, `"kind":"parameters","parameters":{"custody":"open","acceptance":"any"}`,
		`"kind":"parameters","parameters":{"acceptance":"client","votingSeconds":7200,"silentSeconds":86400}`,
		`"kind":"register-prefix","partner":"farm","prefix":"9521234"`, `"kind":"withdraw-prefix","prefix":"9521234"`,
		`"kind":"upgrade","height":900000,"rules":2`, `"kind":"cancel-upgrade"`,
		fmt.Sprintf(`"kind":"validator","partner":%q,"nodeID":"%040x","validator":"%x"`, whom, whom, []byte(key(whom))),
		`"kind":"remove-validator","partner":"`+whom+`"`,
		`"kind":"reassign","partner":"`+whom+`","to":"farm","items":["`+w.item()+`"]`,
		`"kind":"erase","partner":"farm","eventID":"urn:example:event:1"`,
		`"kind":"recover","partner":"`+whom+`","keys":[{"public":"<public a>","roles":["capture","admin"],"held":"client"}],"threshold":1`,
		`"kind":"admit","partner":"dock","name":"dock","gln":"`+w.members["dock"].gln+`","standing":"member","keys":[{"public":"<public own>","roles":["capture","admin"],"held":"client"}]`)
	proposer := w.of("proposer", founders...)
	if strings.Contains(change, `"recover"`) {
		change = strings.ReplaceAll(change, "<public a>", w.publicOf(whom+"/a"))
	}
	if strings.Contains(change, `"admit"`) {
		change = strings.ReplaceAll(change, "<public own>", w.publicOf("dock"))
	}
	return []string{proposer + ": act Propose {" + change + "}"}
}

// publicOf is the public half of a partner's first key, or of a further one.
func (w world) publicOf(name string) string {
	m := w.members[name]
	if m == nil {
		m = w.further(name)
	}
	return hex.EncodeToString(m.key.Public().(ed25519.PublicKey))
}
