package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// tale is a history in the making: on two replicas, and in the books.
type tale struct {
	*script
	*books
	other  *chain
	rt     *rapid.T
	number int
	queue  []said         // votes that go with one that was drawn
	seen   map[string]int // kinds of messages that were accepted, and codes that were answered
}

func (w *tale) of(label string, list []string) string {
	return rapid.SampledFrom(list).Draw(w.rt, label)
}

func (w *tale) oneIn(label string, n int) bool { return rapid.IntRange(1, n).Draw(w.rt, label) == 1 }

// line draws a transaction of one kind of message, in the scripts' notation.
func (w *tale) line() (kind, line string) {
	w.number++
	all := w.books.tales(w.script.members, w.number)
	var s said
	if len(w.queue) > 0 {
		kind, s, w.queue = "Vote", w.queue[0], w.queue[1:]
	} else {
		kind = w.of("kind", weighed(all))
		s = rapid.SampledFrom(all[kind]).Draw(w.rt, "said")
		if kind == "Vote" && !w.oneIn("alone", 3) { // the others vote, too
			w.queue = slices.DeleteFunc(slices.Clone(all[kind]), func(o said) bool { return o.what != s.what || o.who == s.who })
		}
	}
	if w.oneIn("somebody else", 10) {
		s.who = w.of("who", storyPartners[:5])
	}
	what := s.what
	if w.oneIn("two messages", 8) {
		var more []string
		for _, k := range sortedNames(all) {
			for _, a := range all[k] {
				if a.who == s.who && roleOf(a.what) == roleOf(s.what) {
					more = append(more, a.what)
				}
			}
		}
		if len(more) > 0 {
			what += "; " + w.of("more", more)
			kind += " and more"
		}
	}
	name := "own"
	t := &taleList{books: w.books, members: w.script.members}
	if able := t.signers(s.who, roleOf(s.what)); len(able) > 0 {
		name = w.of("key", able)
	}
	if w.oneIn("another key", 20) {
		name = w.of("another", storyKeys)
	}
	who := s.who
	if name != "own" {
		who += "/" + name
	}
	if w.oneIn("atomic", 4) {
		who += "!"
	}
	return kind, who + ": " + what
}

// often are kinds of messages that are drawn more often than others, where they can be:
// without them few histories would get far.
var often = map[string]int{"AcceptHandover": 12, "OfferHandover": 12, "DispatchShipment": 5, "DisputeHandover": 8, "ResolveDispute": 16, "AddEvidence": 12, "CancelShipment": 5, "CloseShipment": 9, "ReturnShipment": 8,
	"RejectHandover": 5, "ship along": 8, "receive": 6, "Vote": 24, "Ready": 24, "ApproveKeyChange": 24, "UnholdShipment": 16, "ExtendRecall": 6, "CloseRecall": 4, "RevokeKey": 6, "wild": 8, "inspect": 4, "AddEvidence twice": 24, "offer nothing": 48}

func weighed(all map[string][]said) (kinds []string) {
	for _, kind := range sortedNames(all) {
		n := max(3, often[kind])
		if proposal, ok := strings.CutPrefix(kind, "Propose "); ok {
			if n = 1; slices.Contains([]string{"reassign", "end-shipments", "resume", "cancel-upgrade", "withdraw-prefix", "remove-validator", "close-recall"}, proposal) {
				n = 24
			}
		}
		kinds = append(kinds, slices.Repeat([]string{kind}, n)...)
	}
	// What is first is drawn a little more often.
	slices.SortStableFunc(kinds, func(a, b string) int { return often[b] - often[a] })
	return kinds
}

// drawn is a transaction that was drawn.
type drawn struct {
	kind, line string
	d          schemas.Draft
	want       []verdict
}

// play draws a block, and holds what the ledger makes of it against the books.
func (w *tale) play(draw func() (kind, line string), count int, pause time.Duration) {
	w.script.time = w.script.time.Add(pause)
	w.script.voters = nil
	for _, id := range sortedNames(w.Partners) {
		if p := w.Partners[id]; p.Validator != nil && !w.oneIn("asleep", 6) {
			w.script.voters = append(w.script.voters, p.Validator)
		}
	}
	w.books.next(w.script.time.Add(time.Minute).UnixNano())
	fresh := w.books.copy() // where a block has no transactions nothing is seen
	w.books.saw(w.script.voters)
	var txs [][]byte
	var all []drawn
	for n := 0; n < count || len(w.queue) > 0; n++ {
		kind, line := draw()
		d := w.script.transaction(line, w.script.time.Add(time.Minute))
		raw := w.sign(d)
		res, err := w.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw})
		if err != nil {
			w.rt.Fatal(err)
		}
		admitted := true
		for _, e := range d.Events {
			admitted = admitted && w.admits(d.Partner, d.KeyID, e.Role())
		}
		if admitted != (res.Code == 0) {
			w.rt.Fatalf("%s\nthe books say that its key is good: %t; the ledger: %s", line, admitted, res.Log)
		}
		if !admitted {
			w.never(raw)
			continue
		}
		all = append(all, drawn{kind, line, d, w.books.transaction(d, len(txs))})
		txs = append(txs, raw)
	}
	if len(txs) == 0 {
		fresh.law = w.books.law
		*w.books = *fresh
	} else {
		w.enforce()
	}
	w.commit(txs)
	w.compare(all)
}

// never holds that no block with a transaction is accepted: its key signs no more, or
// not yet.
func (w *tale) never(raw []byte) {
	req := w.request([][]byte{raw})
	res, err := w.app.ProcessProposal(context.Background(), &abci.RequestProcessProposal{Height: req.Height, Time: req.Time, Hash: req.Hash, Txs: req.Txs})
	if err != nil || res.Status == abci.ResponseProcessProposal_ACCEPT {
		w.rt.Fatalf("a block with a transaction of a key that is not good is accepted: %v", err)
	}
	w.seen["never"]++
}

func (w *tale) commit(txs [][]byte) {
	want := w.script.block(txs...)
	if w.oneIn("restart", 4) {
		w.other.restart()
	}
	w.other.time, w.other.voters = w.script.time, w.script.voters
	got := w.other.replay(txs)
	if !bytes.Equal(got.AppHash, want.AppHash) || !slices.EqualFunc(got.TxResults, want.TxResults, func(a, b *abci.ExecTxResult) bool { return a.Code == b.Code && bytes.Equal(a.Data, b.Data) }) {
		w.rt.Fatalf("the replicas part at height %d", w.other.height)
	}
}

func (w *tale) compare(all []drawn) {
	var told strings.Builder
	for i, tx := range all {
		fmt.Fprintf(&told, "%s\n", tx.line)
		for j, got := range w.last.Receipts[i].Events {
			want := &tx.want[j]
			fmt.Fprintf(&told, "    %s\n", answer(got))
			var agree bool
			switch {
			case want.undone:
				agree = got.Code == schemas.Undone
			case len(want.why) > 0:
				agree = slices.Contains(want.why, got.Code)
			default:
				agree = got.Code == schemas.OK && got.Effect == want.effect
				for _, c := range toldFlags {
					agree = agree && slices.Contains(got.Flags, c) == slices.Contains(want.told, c)
				}
			}
			if !agree {
				w.rt.Fatalf("height %d\n%sthe books say %s", w.script.height, told.String(), want)
			}
			w.count(tx.kind, got)
		}
	}
	v := w.view()
	shown := &shown{View: v, fail: w.rt.Fatal}
	want, got := sorted(w.picture()), sorted(shown.picture())
	if !slices.Equal(want, got) {
		w.rt.Fatalf("height %d\n%sthe books, but not the ledger, say\n  %s\nthe ledger, but not the books\n  %s", w.script.height, told.String(), strings.Join(without(want, got), "\n  "), strings.Join(without(got, want), "\n  "))
	}
	w.learn(v, w.rt.Fatal)
}

func (w *tale) count(kind string, got schemas.EventReceipt) {
	if got.Code != schemas.OK {
		w.seen["code "+got.Code.String()]++
	} else if !strings.HasSuffix(kind, " and more") {
		w.seen[strings.ReplaceAll(kind, " ", "-")]++
	}
	for _, c := range toldFlags {
		if slices.Contains(got.Flags, c) {
			w.seen["flag "+c.String()]++
		}
	}
}

// The histories that TestTales tells: by default the same ones in each run. Many more:
//
//	go test ./app -run TestTales -tales 100000 -talesseed 0
var (
	talesTold = flag.Int("tales", 300, "histories that TestTales tells")
	talesSeed = flag.Uint64("talesseed", 1, "seed of its histories, 0 for a random one")
)

// TestTales tells histories of all kinds of messages, drawn so that most are accepted,
// on two replicas of which one is started again now and then; the books keep them, too.
// After each block they agree on what became of every message, and on all that there is.
// Nothing that a key signs which is not good gets into a block. All kinds were accepted,
// and all codes that can be were answered.
func TestTales(t *testing.T) {
	setFlag(t, "rapid.checks", fmt.Sprint(*talesTold))
	setFlag(t, "rapid.seed", fmt.Sprint(*talesSeed))
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		var g schemas.Genesis
		if err := json.Unmarshal(s.genesis, &g); err != nil {
			rt.Fatal(err)
		}
		w := &tale{script: s, books: newBooks(&g), other: newChain(rt, store.Options{}), rt: rt, seen: seen}
		w.books.Now = s.time.UnixNano()
		w.books.law = w.books
		for _, block := range w.beginning() {
			w.play(func() (string, string) {
				line := block[0]
				block = block[1:]
				return "beginning", line
			}, len(block), 0)
		}
		for range rapid.IntRange(4, 24).Draw(rt, "blocks") {
			pause := rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 0, 0, 0, 0, time.Hour, time.Hour, 8 * 24 * time.Hour, 31 * 24 * time.Hour}).Draw(rt, "pause")
			w.play(w.line, rapid.IntRange(0, 4).Draw(rt, "transactions"), pause)
		}
		s.checkAll()
		for _, p := range w.Proposals {
			if p.State == "passed" {
				seen["passed-"+p.change.Kind.String()]++
			}
		}
		for _, id := range sortedNames(w.Shipments) {
			s.provesShipment(rt, id)
		}
	})
	for _, k := range sortedNames(seen) {
		t.Logf("%s: %d", k, seen[k])
	}
	if t.Failed() || testing.Short() || *talesTold < 200 {
		return
	}
	for _, kind := range toldKinds {
		if seen[kind] == 0 {
			t.Errorf("%s: never accepted", kind)
		}
	}
	for _, c := range toldFlags {
		if seen["flag "+c.String()] == 0 {
			t.Errorf("%s: never told", c)
		}
	}
	for _, c := range schemas.Codes() {
		if c >= 300 && c < 500 && c.Status() != 0 && seen["code "+c.String()] == 0 && !slices.Contains(untold, c) {
			t.Errorf("%s: never answered", c)
		}
	}
}

// toldKinds are the kinds of messages that were accepted, each by itself.
var toldKinds = strings.Fields(`declare AttachDocuments AcceptHandover AcknowledgeRecall AddEvidence AddKey AnnounceShipment ApproveKeyChange CancelHandover CancelShipment CloseRecall CloseShipment DispatchShipment
	DisputeHandover ExtendRecall HoldShipment MoveHost OfferHandover Ready Recall Recall-of-a-span RejectHandover ResolveDispute ReturnShipment RevokeKey SetThreshold SettleException UnholdShipment Vote Vote-against Withdraw
	Propose-admit Propose-cancel-upgrade Propose-close-recall Propose-end-shipments Propose-erase Propose-parameters Propose-reassign Propose-recover Propose-register-prefix Propose-remove Propose-remove-validator Propose-resume Propose-suspend
	Propose-upgrade Propose-validator Propose-withdraw-prefix commission end inspect order-erase order-hold order-release pack receive receive-early ship ship-again ship-along ship-late transform unpack void never
	passed-reassign passed-end-shipments passed-close-recall passed-recover passed-remove`)

// untold are refusals to which no tale leads, of bounds that are larger than tales and of
// networks of another kind: other tests have them, TestRulesAreCovered says which.
var untold = []schemas.Code{schemas.RuleFailed, schemas.TooFarInside, schemas.TooManyErasures, schemas.Retained, schemas.UnknownClass, schemas.ShorterClass, schemas.TooManyKeys,
	schemas.TooManyRecalls, schemas.ValidatorTaken, schemas.UnsafeChange, schemas.LastValidator, schemas.NoValidator, schemas.NoMember, schemas.TooManyMembers, schemas.LastMember}

func setFlag(t *testing.T, name, value string) {
	f := flag.Lookup(name)
	before := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Value.Set(before) })
}

// beginning draws with what a history begins: a network of its own kind.
func (w *tale) beginning() (blocks [][]string) {
	pass := func(change string) {
		at := len(blocks) + 1
		vote := fmt.Sprintf(`act Vote {"proposal":"%d-0-0","approve":true}`, at)
		blocks = append(blocks, []string{"farm: act Propose {" + change + "}", "mill: " + vote, "haul: " + vote})
	}
	switch w.of("network", []string{"", "", "strict", "client", "guest", "validators", "keys", "validator", "prefix", "busy", "removed", "upgrade", "recalled", "unclosed", "left"}) {
	case "strict":
		pass(`"kind":"parameters","parameters":{"custody":"strict"}`)
	case "client":
		pass(`"kind":"parameters","parameters":{"acceptance":"client"}`)
	case "guest":
		t := &taleList{books: w.books, members: w.script.members}
		pass(`"kind":"admit"` + t.changes()["admit"][1])
	case "validators":
		for _, who := range founders[:3] {
			pass(fmt.Sprintf(`"kind":"validator","partner":%q,"nodeID":"%040x","validator":"%x"`, who, who, []byte(key(who))))
			blocks = append(blocks, []string{fmt.Sprintf(`%s: act Ready {"key":"%x"}`, who, []byte(key(who)))})
		}
	case "validator":
		pass(fmt.Sprintf(`"kind":"validator","partner":"farm","nodeID":"%040x","validator":"%x"`, "farm", []byte(key("farm"))))
		blocks = append(blocks, []string{fmt.Sprintf(`farm: act Ready {"key":"%x"}`, []byte(key("farm")))})
	case "prefix":
		pass(`"kind":"register-prefix","partner":"farm","prefix":"9521234","strict":true`)
	case "upgrade":
		pass(`"kind":"upgrade","height":900000,"rules":2`)
	case "removed":
		blocks = append(blocks, []string{"shop: obj add epc=e step=commissioning"})
		pass(`"kind":"remove","partner":"shop"`)
	case "busy": // more proposals than one may have, and two that would pass in a block
		propose, vote := `farm: act Propose {"kind":"register-prefix","partner":"farm","prefix":"400000%d"}`, `%s: act Vote {"proposal":"1-%d-0","approve":true}`
		var proposals, votes []string
		for i := range 5 {
			proposals = append(proposals, fmt.Sprintf(propose, i))
		}
		for i := range 2 {
			votes = append(votes, fmt.Sprintf(vote, "mill", i), fmt.Sprintf(vote, "haul", i))
		}
		blocks = append(blocks, proposals, votes)
	case "recalled": // something is called back as often as there is room, and a thing made of it has these marks
		var recalls []string
		for i := range markRoom {
			recalls = append(recalls, fmt.Sprintf(`act Recall {"recall":"m%d","instruction":"stop","lots":[%q]}`, i, full("lot2")))
		}
		blocks = append(blocks, []string{"farm: obj add qty=lot2:9 step=commissioning; " + strings.Join(recalls, "; "), "mill: xform qty=lot2:1 out=e"})
	case "unclosed": // who recalled something is removed, and members are asked to close it, before and after
		end := `farm: act Propose {"kind":"close-recall","partner":"shop","recall":"r"}`
		blocks = append(blocks, []string{"shop: obj add epc=e step=commissioning", fmt.Sprintf(`shop: act Recall {"recall":"r","instruction":"stop","items":[%q]}`, full("e")), end})
		pass(`"kind":"remove","partner":"shop"`)
		blocks = append(blocks, []string{end})
	case "left": // who is removed has lots, a dispute, an offer, and a shipment of its own
		announce := `act AnnounceShipment {"shipment":"urn:example:shipment:%d","receiver":%q,"carriers":[%q],"arbiter":"mill","items":[%q]%s}`
		offer := `act OfferHandover {"shipment":"urn:example:shipment:%d","to":%q}`
		blocks = append(blocks, []string{"shop: obj add epc=e qty=lot1:9 step=commissioning", "shop: obj add qty=lot2 step=commissioning", "farm: obj add epc=a,b step=commissioning",
			"shop: " + fmt.Sprintf(announce, 1, "farm", "mill", full("e"), fmt.Sprintf(`,"lots":[{"class":%q,"quantity":4}]`, full("lot1"))) + "; " + fmt.Sprintf(offer, 1, "mill"),
			"farm: " + fmt.Sprintf(announce, 2, "mill", "shop", full("a"), "") + "; " + fmt.Sprintf(offer, 2, "shop"),
			`shop: act AcceptHandover {"shipment":"urn:example:shipment:2","handover":1}; act DisputeHandover {"shipment":"urn:example:shipment:2","handover":1}`,
			"farm: " + fmt.Sprintf(announce, 3, "shop", "mill", full("b"), "")})
		pass(`"kind":"remove","partner":"shop"`)
		pass(`"kind":"end-shipments","partner":"shop","shipments":["` + w.of("ended", storyShipments[:3]) + `"]`)
	case "keys":
		t := &taleList{books: w.books, members: w.script.members}
		blocks = append(blocks, []string{fmt.Sprintf(`mill: act AddKey {"public":%q,"roles":["admin","capture"],"held":"client"}`, public(t.keyNamed("mill", "a"))), `mill: act SetThreshold {"threshold":2}`},
			[]string{fmt.Sprintf(`mill: act AddKey {"public":%q,"roles":["capture"],"held":"client"}`, public(t.keyNamed("mill", "b")))})
	}
	return append(blocks, []string{"farm: obj add epc=a,b,c,P-1 qty=lot1:20 step=commissioning id=1", "mill: obj add epc=d,P-2 qty=lot2:20 step=commissioning id=2", "farm: agg add parent=P-1 epc=c qty=lot1:2 step=packing"})
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(l string) bool { return slices.Contains(others, l) })
}
