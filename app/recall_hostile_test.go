package app_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Whoever spoke of a lot before it was made keeps nobody from calling it back.
func TestRecallOfWhatWasSpokenOf(t *testing.T) {
	s := newScript(t)
	codes := s.sent("mill: obj obs qty=lot1:1:KGM step=inspecting", "farm: obj add qty=lot1:100:KGM step=commissioning", "mill: obj add qty=lot1:5:KGM step=commissioning",
		`mill: act Recall {"recall":"r","instruction":"stop","lots":["`+full("lot1")+`"]}`, `farm: act Recall {"recall":"r","instruction":"stop","lots":["`+full("lot1")+`"]}`)
	if codes[3] != schemas.NotMaker || codes[4] != schemas.OK {
		t.Errorf("who made it second is answered %s, its maker %s", codes[3], codes[4])
	}
}

// called issues so many recalls of a partner's thing.
func (s *script) called(partner, thing string, count int) {
	s.t.Helper()
	for n := range count {
		if codes := s.sent(fmt.Sprintf(`%s: act Recall {"recall":"%s%d","instruction":"stop","items":[%q]}`, partner, thing, n, full(thing))); codes[0] != schemas.OK {
			s.t.Fatalf("recall %d of %s: %s", n, thing, codes[0])
		}
	}
}

// A supplier that recalls what it delivered sixteen times over keeps nobody from calling
// back what was made of it; a node that was restored tells of the recalls what others do.
func TestRecallOfWhatInherited(t *testing.T) {
	s := newScript(t)
	s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	s.init()
	s.sent("farm: obj add epc=a step=commissioning", "farm: obj obs epc=a step=shipping to=mill", "mill: obj obs epc=a step=receiving")
	s.called("farm", "a", schemas.MaxRecalls)
	s.sent("mill: xform epc=a out=flour")
	s.called("mill", "flour", schemas.MaxRecalls)
	if codes := s.sent(`mill: act Recall {"recall":"more","instruction":"stop","items":["` + full("flour") + `"]}`); codes[0] != schemas.TooManyRecalls {
		t.Errorf("one more is answered %s", codes[0])
	}
	s.sent(`mill: act CloseRecall {"recall":"flour3"}`)
	if codes := s.sent(`mill: act Recall {"recall":"more","instruction":"stop","items":["` + full("flour") + `"]}`); codes[0] != schemas.OK {
		t.Errorf("where one is closed, %s", codes[0])
	}
	joined := joining(t, store.Options{})
	joined.restored(s.chain, s.take())
	for _, ref := range []schemas.RecallRef{{Issuer: "farm", Recall: "a0"}, {Issuer: "mill", Recall: "flour3"}, {Issuer: "mill", Recall: "more"}} {
		if here, there := joined.marked(ref), s.marked(ref); !slices.Equal(here, there) {
			t.Errorf("%v names %q where it was restored, %q elsewhere", ref, here, there)
		}
	}
}

// marked are the rows of what a recall names.
func (c *chain) marked(ref schemas.RecallRef) (out []string) {
	for key := range c.rows("i") {
		if bytes.HasPrefix([]byte(key), []byte("i"+ref.Issuer+"\x00"+ref.Recall+"\x00")) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// Marks beyond the first of each thing are paid for out of the block's lookups.
func TestManyMarksAreCharged(t *testing.T) {
	s := newScript(t)
	s.sent("farm: obj add epc=a,b step=commissioning")
	s.called("farm", "a", schemas.MaxRecalls)
	s.called("farm", "b", 1)
	var made []string
	for i := range 100 {
		made = append(made, fmt.Sprint("made", i))
	}
	s.app.TestingOnlyLookups(schemas.MaxRecalls*100 - 101)
	codes := s.sent("farm: xform epc=b out="+strings.ReplaceAll(strings.Join(made, ","), "made", "other"), "farm: xform epc=a out="+strings.Join(made, ","))
	if codes[0] != schemas.OK || codes[1] != schemas.TooFarInside {
		t.Errorf("marked by one recall %s, by sixteen %s", codes[0], codes[1])
	}
}

// Where custody is strict, what is recalled goes nowhere but back to who recalls it: by an
// event, or in a shipment that it is to receive.
func TestRecalledGoesBack(t *testing.T) {
	s := newScript(t)
	s.sent("farm: obj add epc=a,b,c step=commissioning", "farm: obj obs epc=a,b,c step=shipping to=mill", "mill: obj obs epc=a,b,c step=receiving",
		`farm: act Recall {"recall":"r","instruction":"send back","items":["`+full("a")+`","`+full("b")+`","`+full("c")+`"]}`,
		`farm: act Propose {"kind":"parameters","parameters":{"custody":"strict"}}`)
	s.sent(`mill: act Vote {"proposal":"1-4-0","approve":true}`, `haul: act Vote {"proposal":"1-4-0","approve":true}`)
	shipment := func(n int, to, thing string) string {
		return fmt.Sprintf(`mill: act AnnounceShipment {"shipment":"urn:example:shipment:%d","receiver":%q,"carriers":["haul"],"items":[%q]}`, n, to, full(thing))
	}
	codes := s.sent("mill: obj obs epc=a step=shipping to=shop", "mill: obj obs epc=a step=shipping to=farm", shipment(1, "farm", "b"), shipment(2, "shop", "c"),
		`mill: act OfferHandover {"shipment":"urn:example:shipment:1","to":"haul"}`, `mill: act OfferHandover {"shipment":"urn:example:shipment:2","to":"haul"}`)
	want := fmt.Sprint([]schemas.Code{schemas.RecalledItem, schemas.OK, schemas.OK, schemas.OK, schemas.OK, schemas.RecalledItem})
	if got := fmt.Sprint(codes); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
