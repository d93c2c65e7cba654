package app_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// shows what a script's commands answer.
func (s *script) shows(want string, commands ...string) {
	s.t.Helper()
	s.out.Reset()
	for _, c := range commands {
		s.run([]string{c})
	}
	if got := strings.TrimSpace(s.out.String()); got != want {
		s.t.Errorf("%v shows\n%s\nnot\n%s", commands, got, want)
	}
}

func (s *script) makeStrict() {
	s.t.Helper()
	s.sent(`farm: act Propose {"kind":"parameters","parameters":{"custody":"strict"}}`)
	vote := fmt.Sprintf(`act Vote {"proposal":"%d-0-0","approve":true}`, s.height)
	s.sent("mill: "+vote, "haul: "+vote)
}

// A mark that gives way to a maker's own leaves the containers, too.
func TestMarkThatGivesWayInside(t *testing.T) {
	s := newScript(t)
	s.sent("farm: obj add epc=a step=commissioning", "farm: obj obs epc=a step=shipping to=mill", "mill: obj obs epc=a step=receiving")
	s.called("farm", "a", schemas.MaxRecalls)
	s.sent("mill: xform epc=a out=flour", "mill: agg add parent=P-1 epc=flour step=packing", "mill: agg add parent=P-2 epc=P-1 step=packing")
	s.sent(`mill: act Recall {"recall":"own","instruction":"stop","items":["` + full("flour") + `"]}`)
	var left string
	for n := 1; n < schemas.MaxRecalls; n++ {
		left += fmt.Sprintf(" farm/a%d:1", n)
	}
	s.shows("P-1:"+left+" mill/own:1\nP-2:"+left+" mill/own:1", "inside P-1 P-2")
	s.checkAll()
}

// Where more recalls name something in a container than its list has room for, and those
// that are closed have made room, nobody knows which they are: it goes nowhere in strict
// custody, and what it was packed into neither, until they are emptied.
func TestManyRecallsInside(t *testing.T) {
	s := newScript(t)
	s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	s.init()
	const things = schemas.MaxRecallsInside/schemas.MaxRecalls + 1
	var all []string
	for i := range things {
		all = append(all, fmt.Sprintf("t%d", i))
	}
	s.sent("farm: obj add epc="+strings.Join(all, ",")+",z,P-1,P-2 step=commissioning", "farm: agg add parent=P-1 epc="+strings.Join(all, ",")+" step=packing", "farm: agg add parent=P-2 epc=P-1 step=packing")
	for _, thing := range all[:things-1] {
		s.called("farm", thing, schemas.MaxRecalls)
	}
	for n := range 5 {
		s.sent(fmt.Sprintf(`farm: act CloseRecall {"recall":"t0%d"}`, n))
	}
	s.called("farm", all[things-1], 5)
	in, err := s.view().RecallsInside(full("P-2"))
	if err != nil || len(in.Recalls) != schemas.MaxRecallsInside || in.Many {
		t.Fatalf("%d recalls are known inside, others: %v, %v", len(in.Recalls), in.Many, err)
	}
	joined := joining(t, store.Options{})
	joined.restored(s.chain, s.take())
	s.makeStrict()
	if codes := s.sent("farm: obj obs epc=P-2 step=shipping to=mill", "farm: obj obs epc=P-2 step=shipping to=shop id=1"); codes[0] != schemas.RecalledItem {
		t.Errorf("shipped on, it is answered %s", codes[0])
	}
	s.sent(`farm: act Recall {"recall":"more","instruction":"stop","items":["` + full(all[things-1]) + `"]}`)
	s.shows("P-1: many\nP-2: many", "inside P-1 P-2")
	if codes := s.sent("farm: agg del parent=P-2 epc=P-1 step=unpacking", "farm: obj obs epc=P-1 step=shipping to=mill id=2", "farm: obj obs epc=P-2 step=shipping to=mill id=3", // which had it
		"farm: agg add parent=P-3 epc=P-1 step=packing", "farm: agg del parent=P-2 step=unpacking id=4", "farm: obj obs epc=P-2 step=shipping to=mill id=5"); fmt.Sprint(codes) !=
		fmt.Sprint([]schemas.Code{schemas.OK, schemas.RecalledItem, schemas.RecalledItem, schemas.OK, schemas.OK, schemas.OK}) {
		t.Errorf("answered %v", codes)
	}
	s.shows("P-1: many\nP-2:\nP-3: many", "inside P-1 P-2 P-3")
	// What is in there is known one by one.
	s.sent("farm: agg del parent=P-1 step=unpacking id=6", "farm: agg add parent=P-4 epc=P-1,t4 step=packing id=7", "farm: agg del parent=P-3 step=unpacking id=8")
	s.shows("P-1:\nP-3:\nP-4: farm/t40:1 farm/t41:1 farm/t42:1 farm/t43:1 farm/t44:1 farm/more:1", "inside P-1 P-3 P-4")
	s.checkAll()
}

// What is in the lists of containers is not read for nothing.
func TestRecallsInsideAreCharged(t *testing.T) {
	s := newScript(t)
	s.sent("farm: obj add epc=a,b,c,P-1,P-2 step=commissioning", "farm: agg add parent=P-1 epc=a,b step=packing", "farm: agg add parent=P-2 epc=P-1 step=packing")
	s.called("farm", "a", 10)
	s.called("farm", "b", 5)
	s.called("farm", "c", 4)
	for _, test := range []struct {
		most  int
		event string
		want  schemas.Code
	}{
		{14, "obj obs epc=P-2 step=shipping to=mill id=1", schemas.TooFarInside}, // its list
		{15, "obj obs epc=P-2 step=shipping to=mill id=1", schemas.OK},
		{17, "agg add parent=P-2 epc=c step=packing id=2", schemas.TooFarInside}, // its list, and three marks beyond the first
		{18, "agg add parent=P-2 epc=c step=packing id=2", schemas.OK},
		{33, "agg del parent=P-2 epc=P-1 step=unpacking id=3", schemas.TooFarInside}, // both lists
		{34, "agg del parent=P-2 epc=P-1 step=unpacking id=3", schemas.OK},
		{14, "agg del parent=P-1 step=unpacking id=4", schemas.TooFarInside},
		{15, "agg del parent=P-1 step=unpacking id=4", schemas.OK},
	} {
		s.app.TestingOnlyLookups(test.most)
		if code := s.sent("farm: " + test.event)[0]; code != test.want {
			t.Errorf("with %d lookups %q is answered %s", test.most, test.event, code)
		}
	}
}
