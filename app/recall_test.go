package app_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// recalls answers the script's command of this name.
func (s *script) recalls() {
	list, more, err := s.view().Recalls(schemas.RecallRef{}, false, 100)
	if err != nil || more {
		s.print("%v, more: %v", err, more)
	}
	for _, r := range list {
		state := "open"
		if r.Closed != 0 {
			state = "closed"
		}
		s.print("%s/%s: class=%s %s names=%d", r.Issuer, r.Recall, r.Class, state, r.Named)
	}
}

// reach answers the script's command: reach ISSUER NAME.
func (s *script) reach(issuer, name string) {
	r, err := s.view().RecallReach(s.t.Context(), schemas.RecallRef{Issuer: issuer, Recall: name})
	if r == nil || err != nil {
		s.print("none: %v", err)
		return
	}
	s.print("reaches=%d holders=%d open=%d answers=%d truncated=%v", r.Items, len(r.Holders), r.Open, len(r.Replies), r.Truncated)
	for _, id := range r.Packed {
		s.print("unnamed in a container: %s", short(id))
	}
	for _, h := range r.Holders {
		line := fmt.Sprintf("%s: items=%d", h.Partner, h.Items)
		for _, id := range h.IDs {
			line += " " + short(id)
		}
		for _, b := range h.Balances {
			line += fmt.Sprintf(" %s:%s:%s", short(b.ID), b.Quantity, b.UOM)
		}
		if h.Acknowledged {
			line += " acknowledged"
		}
		if h.Done {
			line += " done"
		}
		s.print("%s", strings.TrimSpace(line))
	}
}

// recalled answers the script's command: recalled NAME...
func (s *script) recalled(names []string) {
	for _, name := range names {
		refs, err := s.view().Recalled(full(name))
		if err != nil {
			s.print("%s: %v", name, err)
			continue
		}
		line := name + ":"
		for _, ref := range refs {
			line += " " + ref.Issuer + "/" + ref.Recall
		}
		s.print("%s", line)
	}
}

// recalledInside answers the script's command: inside NAME...
func (s *script) recalledInside(names []string) {
	for _, name := range names {
		in, err := s.view().RecallsInside(full(name))
		if err != nil {
			s.print("%s: %v", name, err)
			continue
		}
		line := name + ":"
		for _, r := range in.Recalls {
			line += fmt.Sprintf(" %s/%s:%d", r.Issuer, r.Recall, r.Things)
		}
		if in.Many {
			line += " many"
		}
		s.print("%s", line)
	}
}

// Sixteen open recalls can name one thing; one that is closed makes room.
func TestTooManyRecalls(t *testing.T) {
	c := newChain(t, store.Options{})
	s := &script{chain: c, subjects: map[schemas.TrailKey]bool{}}
	s.blocks(nil, []string{"farm: obj add epc=a step=commissioning"})
	issue := func(n int) schemas.Code {
		s.blocks(nil, []string{fmt.Sprintf(`farm: act Recall {"recall":"r%d","instruction":"stop","items":[%q]}`, n, full("a"))})
		return c.last.Receipts[0].Events[0].Code
	}
	for n := range schemas.MaxRecalls {
		if code := issue(n); code != schemas.OK {
			t.Fatalf("recall %d: %s", n, code)
		}
	}
	if code := issue(schemas.MaxRecalls); code != schemas.TooManyRecalls {
		t.Errorf("one more is answered %s", code)
	}
	s.blocks(nil, []string{`farm: act CloseRecall {"recall":"r3"}`})
	if code := issue(schemas.MaxRecalls); code != schemas.OK {
		t.Errorf("where one is closed, %s", code)
	}
}

// A partner's open recalls have sixty-four spans of time together; closing one gives
// its spans back.
func TestTooManySpans(t *testing.T) {
	c := newChain(t, store.Options{})
	s := &script{chain: c, subjects: map[schemas.TrailKey]bool{}}
	recall := func(name string, spans int) schemas.Code {
		var made []string
		for n := range spans {
			made = append(made, fmt.Sprintf(`{"from":"20%02d-01-01T00:00:00Z"}`, n))
		}
		s.blocks(nil, []string{fmt.Sprintf(`farm: act Recall {"recall":%q,"instruction":"stop","made":[%s]}`, name, strings.Join(made, ","))})
		return c.last.Receipts[0].Events[0].Code
	}
	for i, step := range []struct {
		name  string
		spans int
		want  schemas.Code
	}{{"a", 60, schemas.OK}, {"b", 5, schemas.TooManyRecalls}, {"b", 4, schemas.OK}, {"c", 1, schemas.TooManyRecalls}} {
		if code := recall(step.name, step.spans); code != step.want {
			t.Errorf("step %d: %s, not %s", i, code, step.want)
		}
	}
	s.blocks(nil, []string{`farm: act CloseRecall {"recall":"b"}`})
	if code := recall("c", 4); code != schemas.OK {
		t.Errorf("where one is closed, %s", code)
	}
}

// BenchmarkRecallReach follows a recall of one lot to the ten thousand things that
// were made of it, in a ledger of N others.
func BenchmarkRecallReach(b *testing.B) {
	for _, others := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
			n := notation{c.members}
			event := func(text string) *schemas.Event {
				e, err := n.event(text, c.time)
				if err != nil {
					b.Fatal(err)
				}
				return e
			}
			list := func(stem string, count int) string {
				var ids []string
				for i := range count {
					ids = append(ids, fmt.Sprintf("%s%d", stem, i))
				}
				return strings.Join(ids, ",")
			}
			for at := 0; at < others; at += 10_000 {
				var events []*schemas.Event
				for i := range 10 {
					events = append(events, event("obj add epc="+list(fmt.Sprintf("x%d-%d-", at, i), 1000)+" step=commissioning"))
				}
				c.block(c.sign(c.draft("mill", false, events...)))
				c.app.TestingOnlyForget()
			}
			c.block(c.sign(c.draft("farm", false, event("obj add qty=lot1:1000:KGM step=commissioning"))))
			for i := range 100 {
				c.block(c.sign(c.draft("farm", false, event(fmt.Sprintf("xform qty=lot1:1:KGM out=%s", list(fmt.Sprintf("y%d-", i), 100))))))
			}
			act, err := schemas.ReadAct("Recall", []byte(`{"recall":"r","instruction":"stop","lots":["https://id.gs1.org/01/09521234543213/10/lot1"]}`), c.time)
			if err != nil {
				b.Fatal(err)
			}
			c.block(c.sign(c.draft("farm", false, act)))
			before := cpuTime()
			for b.Loop() {
				r, err := c.view().RecallReach(b.Context(), schemas.RecallRef{Issuer: "farm", Recall: "r"})
				if err != nil || r.Items != 10_001 || r.Truncated {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs")
		})
	}
}
