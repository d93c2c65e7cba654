package app_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// moments answers the script's command: what happened without a message, from the
// beginning.
func (s *script) moments() {
	for _, r := range s.checkMoments() {
		m := r.Moment
		line := fmt.Sprintf("%d/%d %s", r.Height, r.Index, m.Kind)
		for _, id := range m.Subjects {
			line += " " + short(id)
		}
		if len(m.Concerns) > 0 {
			line += " of " + strings.Join(m.Concerns, ",")
		}
		if m.Cause != (schemas.Locator{}) {
			line += fmt.Sprintf(" by %d/%d/%d", m.Cause.Height, m.Cause.Position, m.Cause.Index)
		}
		if m.From != 0 {
			line += fmt.Sprintf(" from %d", m.From)
		}
		s.print("%s", line)
	}
}

// checkMoments holds what ends by time against the leaves, and what is told of it
// against itself, read in steps and begun anywhere. It answers all moments.
func (c *chain) checkMoments() (all []schemas.Record) {
	c.t.Helper()
	v := c.view()
	kept, told, err := v.TestingOnlyDeadlines()
	if err != nil || !maps.Equal(kept, told) {
		c.t.Fatalf("kept is of what ends %q, the leaves say %q, %v", kept, told, err)
	}
	whole, _, err := v.Messages(schemas.Locator{}, 1<<20)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range whole {
		if i > 0 && whole[i-1].Compare(whole[i].Locator) >= 0 {
			c.t.Fatalf("%v comes behind %v", whole[i].Locator, whole[i-1].Locator)
		}
		if whole[i].Moment != nil {
			all = append(all, whole[i])
		}
	}
	for _, step := range []int{1, 7} {
		n, at := 0, schemas.Locator{}
		for {
			some, more, err := v.Messages(at, step)
			if err != nil {
				c.t.Fatal(err)
			}
			for i := range some {
				at = some[i].Locator
				if at != whole[n].Locator || (some[i].Moment == nil) != (whole[n].Moment == nil) {
					c.t.Fatalf("in steps of %d comes %v, at once %v", step, at, whole[n].Locator)
				}
				n++
			}
			if more != (len(some) == step) {
				c.t.Fatalf("behind %v in steps of %d: %d, others %t", at, step, len(some), more)
			}
			if !more {
				break
			}
		}
		if n != len(whole) {
			c.t.Fatalf("in steps of %d there are %d, at once %d", step, n, len(whole))
		}
	}
	return all
}

// Every kind of moment is shown by a script; upgrade_test.go has that of an upgrade.
func TestMomentsAreCovered(t *testing.T) {
	var all strings.Builder
	for _, text := range scripts(t) {
		all.WriteString(text)
	}
	for _, k := range schemas.MomentKinds() {
		if k != schemas.MomentUpgrade && !strings.Contains(all.String(), " "+k.String()+" ") {
			t.Errorf("no script shows %s", k)
		}
	}
}

// TestMomentsOfMany: what one message offered ends as few records, each unit told once.
func TestMomentsOfMany(t *testing.T) {
	c := newChain(t, store.Options{})
	var ids []string
	for n := range 250 {
		ids = append(ids, fmt.Sprint("m", n))
	}
	c.submit("farm", false, c.event("obj add epc="+strings.Join(ids, ",")+" step=commissioning"), c.event("obj obs epc="+strings.Join(ids, ",")+" step=shipping to=shop"))
	c.submit("shop", false, c.event("obj obs epc=m7 step=receiving"))
	c.time = c.time.Add(30 * 24 * time.Hour)
	c.block()
	c.block() // it is told of the block in which it ended, and of no other
	told := map[string]bool{}
	all := c.checkMoments()
	for _, r := range all {
		for _, id := range r.Moment.Subjects {
			if told[id] {
				t.Errorf("%s is told twice", id)
			}
			told[id] = true
		}
	}
	if len(told) != len(ids)-1 || told[full("m7")] || len(all) != 3 {
		t.Errorf("%d records tell of %d units", len(all), len(told))
	}
}
