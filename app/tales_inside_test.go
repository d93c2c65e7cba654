package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestTalesOfContainers tells histories in which everything is packed into everything, and
// called back, so that the books tell of every container what is recalled inside it.
func TestTalesOfContainers(t *testing.T) {
	setFlag(t, "rapid.checks", fmt.Sprint(max(60, *talesTold/5)))
	setFlag(t, "rapid.seed", fmt.Sprint(*talesSeed))
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		var g schemas.Genesis
		if err := json.Unmarshal(s.genesis, &g); err != nil {
			rt.Fatal(err)
		}
		w := &tale{script: s, books: newBooks(&g), other: newChain(t, store.Options{}), rt: rt, seen: seen}
		w.books.Now = s.time.UnixNano()
		w.books.law = w.books
		vote := `act Vote {"proposal":"1-0-0","approve":true}`
		begins := []string{`farm: act Propose {"kind":"parameters","parameters":{"custody":"strict"}}`, "mill: " + vote, "haul: " + vote}
		if w.oneIn("strict", 2) {
			begins = nil
		}
		begins = append(begins, "farm: obj add epc=a,b,P-1 step=commissioning", "mill: obj add epc=c,d,P-2 qty=lot1:9 step=commissioning", "farm: obj obs epc=a,b,P-1 step=shipping to=mill", "mill: obj obs epc=a,b,P-1 step=receiving")
		if w.oneIn("full", 3) { // e has all the marks for which there is room
			var recalls []string
			for i := range markRoom {
				recalls = append(recalls, fmt.Sprintf(`act Recall {"recall":"m%d","instruction":"stop","lots":[%q]}`, i, full("lot2")))
			}
			begins = append(begins, "haul: obj add qty=lot2:9 step=commissioning; "+strings.Join(recalls, "; "), "haul: xform qty=lot2:1 out=e", "haul: obj obs epc=e step=shipping to=mill", "mill: obj obs epc=e step=receiving")
		}
		w.play(func() (string, string) {
			line := begins[0]
			begins = begins[1:]
			return "beginning", line
		}, len(begins), 0)
		for range rapid.IntRange(4, 20).Draw(rt, "blocks") {
			w.play(w.handling, rapid.IntRange(1, 6).Draw(rt, "transactions"), 0)
		}
		s.checkAll()
	})
	for _, kind := range []string{"pack", "unpack", "empty", "end", "transform", "recall", "recall-lots", "recall-time", "extend", "close", "ship", "receive", "code recalled_item", "flag shipped_recalled"} {
		if seen[kind] == 0 {
			t.Errorf("%s: never", kind)
		}
	}
}

// handling draws what is done to things and containers.
func (w *tale) handling() (kind, line string) {
	w.number++
	thing := func(label string) string { return w.of(label, storyThings) }
	into, what := thing("into"), thing("what")
	kind = w.of("kind", []string{"pack", "pack", "pack", "pack", "unpack", "unpack", "empty", "end", "commission", "transform", "recall", "recall", "recall lots", "recall time", "extend", "extend", "close", "ship", "ship", "ship", "receive"})
	who := w.of("who", []string{"mill", "mill", "mill", "mill", "farm"})
	issuer := w.of("issuer", []string{"farm", "mill", "mill"})
	note := fmt.Sprintf(" note=%d id=t%d", w.number, w.number)
	scope := fmt.Sprintf(`"items":[%q]`, full(what))
	if w.oneIn("two", 3) && into != what {
		scope = fmt.Sprintf(`"items":[%q,%q]`, full(what), full(into))
	}
	switch kind {
	case "pack":
		if w.oneIn("together", 3) && thing("other") != what {
			what += "," + thing("other")
		}
		if w.oneIn("lots", 4) {
			what += " qty=lot1:0.2"
		}
		line = "agg add parent=" + into + " epc=" + what + " step=packing" + note
	case "unpack":
		line = "agg del parent=" + short(w.books.item(full(what)).Parent) + " epc=" + what + " step=unpacking" + note
		if w.books.item(full(what)).Parent == "" {
			line = "obj obs epc=" + what + " step=storing" + note
		}
	case "empty":
		line = "agg del parent=" + into + " step=unpacking" + note
	case "end":
		line = "obj del epc=" + what + " step=destroying" + note
	case "commission":
		line = "obj add epc=" + what + " step=commissioning" + note
	case "transform":
		line = "xform epc=" + what + " out=" + into + note
		if what == into {
			line = "obj obs epc=" + what + " step=storing" + note
		}
	case "recall":
		who, line = issuer, fmt.Sprintf(`act Recall {"recall":"r%d","instruction":"stop",%s}`, w.number, scope)
	case "recall lots":
		who, line = "mill", fmt.Sprintf(`act Recall {"recall":"r%d","instruction":"stop","lots":[%q]}`, w.number, full("lot1"))
	case "recall time":
		who, line = issuer, fmt.Sprintf(`act Recall {"recall":"r%d","instruction":"stop","made":[{"from":%q}]}`, w.number, clock(w.Now-int64(w.number%3)*60e9))
	case "extend":
		who, line = issuer, fmt.Sprintf(`act ExtendRecall {"recall":%q,%s}`, w.open(issuer), scope)
	case "close":
		who, line = issuer, fmt.Sprintf(`act CloseRecall {"recall":%q}`, w.open(issuer))
	case "ship":
		line = "obj obs epc=" + what + " step=shipping to=" + w.of("to", []string{"farm", "mill", "shop"}) + note
	default:
		line = "obj obs epc=" + what + " step=receiving" + note
	}
	if w.oneIn("atomic", 8) {
		who += "!"
	}
	return kind, who + ": " + line
}

// open draws an open recall of a partner's.
func (w *tale) open(issuer string) string {
	all := []string{"none"}
	for _, ref := range sortedNames(w.Recalls) {
		if by, name, _ := strings.Cut(ref, "/"); by == issuer && !w.Recalls[ref].Closed {
			all = append(all, name)
		}
	}
	return w.of("open", all[min(1, len(all)-1):])
}
