package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// cooled is a chain with a shipment of cold things.
func cooled(t testing.TB, things int) (c *chain, play func(who, text string) schemas.EventReceipt) {
	c = newChain(t, store.Options{})
	c.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	c.init()
	play = func(who, text string) schemas.EventReceipt {
		t.Helper()
		c.block(c.sign(c.draft(who, false, c.eventAt(text, c.time.Add(time.Minute)))))
		return c.last.Receipts[0].Events[0]
	}
	for i := range things {
		play("farm", fmt.Sprintf("obj add epc=cold%d step=commissioning", i))
		play("farm", fmt.Sprintf(`act AnnounceShipment {"shipment":"urn:example:shipment:%d","receiver":"shop","items":[%q],"bands":[{"of":"temperature","max":8}]}`, i, full(fmt.Sprintf("cold%d", i))))
	}
	return c, play
}

// eventAt reads an event of the notation, or an act, at a time.
func (c *chain) eventAt(text string, now time.Time) *schemas.Event {
	c.t.Helper()
	e, err := notation{c.members}.event(text, now)
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// TestConditionsAreBounded: an event of many readings about many shipments costs a block
// what it looks up: beyond that it is refused, and nothing is left of it.
func TestConditionsAreBounded(t *testing.T) {
	c, play := cooled(t, 3)
	var readings []string
	for i := range 320 {
		readings = append(readings, fmt.Sprintf("Temperature:%d:CEL", 9+i))
	}
	all := " sense=" + strings.Join(readings, ",")
	c.app.TestingOnlyLookups(30) // of one shipment: itself, a record of 2, and 10 for its readings
	if r := play("farm", "obj obs epc=cold0,cold1"+all); r.Code != schemas.OK || len(r.Flags) != 1 || r.Flags[0] != schemas.Excursion {
		t.Errorf("of two shipments it is answered %s", answer(r))
	}
	var devices []string
	for i := range 10 {
		devices = append(devices, fmt.Sprintf("Temperature:9:CEL::d%d", i))
	}
	for _, text := range []string{"obj obs epc=cold0,cold1,cold2" + all, "obj obs epc=cold0,cold1 sense=" + strings.Join(devices, ",")} {
		if r := play("farm", text); r.Code != schemas.TooFarInside {
			t.Errorf("beyond what a block affords it is answered %s", answer(r))
		}
	}
	list, _, err := c.view().Conditions("urn:example:shipment:2", nil, 10)
	if len(list) > 0 || err != nil {
		t.Errorf("of what was refused is kept %v, %v", list, err)
	}
}

// TestConditionPages: records come page by page, each once.
func TestConditionPages(t *testing.T) {
	c, play := cooled(t, 1)
	var parts []string
	for i := range 7 {
		parts = append(parts, fmt.Sprintf("Temperature:9:CEL::d%d", i))
	}
	play("farm", "obj obs epc=cold0 id=hot sense="+strings.Join(parts, ","))
	var behind *schemas.MeasuredInfo
	seen := ""
	for pages := 1; ; pages++ {
		list, more, err := c.view().Conditions("urn:example:shipment:0", behind, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			seen += strings.TrimPrefix(list[i].Device, "urn:example:logger:") + " "
			if e := list[i].Events[list[i].First.At]; e != "urn:example:event:hot" {
				t.Errorf("the event is %q", e)
			}
		}
		if !more {
			if pages != 3 {
				t.Errorf("seven come in %d pages", pages)
			}
			break
		}
		behind = &list[len(list)-1]
	}
	if seen != "d0 d1 d2 d3 d4 d5 d6 " {
		t.Errorf("they are %s", seen)
	}
}

// TestConditionsInSnapshots: a node that was restored from a snapshot reckons on where
// the others are.
func TestConditionsInSnapshots(t *testing.T) {
	a, play := cooled(t, 1)
	play("farm", "obj obs epc=cold0 sense=Temperature:9:CEL")
	b := joining(t, store.Options{})
	b.restored(a, a.take())
	raw := a.sign(a.draft("farm", false, a.eventAt("obj obs epc=cold0 sense=Temperature:7:CEL", a.time.Add(time.Minute))))
	a.block(raw)
	b.time = a.time
	b.replay([][]byte{raw})
	if string(a.hash) != string(b.hash) {
		t.Fatalf("restored, the node comes to %x, the others to %x", b.hash, a.hash)
	}
	list, _, err := b.view().Conditions("urn:example:shipment:0", nil, 10)
	if err != nil || len(list) != 1 || list[0].Readings != 2 || list[0].Lasted != int64(time.Minute) || list[0].Events[list[0].First.At] != "" {
		t.Errorf("restored, the node knows %+v, %v", list, err)
	}
}

// BenchmarkConditions times FinalizeBlock of an event with 1,000 readings of a shipment.
func BenchmarkConditions(b *testing.B) {
	c, _ := cooled(b, 1)
	for i := range b.N {
		b.StopTimer()
		var readings []string
		for j := range 1000 {
			readings = append(readings, fmt.Sprintf("Temperature:%d.5:FAH:-%dms", j%90, 1000-j))
		}
		raw := c.sign(c.draft("farm", false, c.eventAt(fmt.Sprintf("obj obs epc=cold0 id=%d sense=%s", i, strings.Join(readings, ",")), c.time.Add(time.Minute))))
		c.time = c.time.Add(time.Minute)
		c.prepare([][]byte{raw})
		req := c.request([][]byte{raw})
		b.StartTimer()
		if _, err := c.app.FinalizeBlock(context.Background(), req); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if _, err := c.app.Commit(context.Background(), &abci.RequestCommit{}); err != nil {
			b.Fatal(err)
		}
		c.height++
	}
}
