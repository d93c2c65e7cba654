package app_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts answer into them")

// TestRules plays the scripts of testdata/rules. A script is a list of commands,
// each with its lines, then ---- and what it answers, then an empty line:
//
//	block [AFTER]     a block AFTER the last (1m); each line is a transaction:
//	                  PARTNER[!][-]: EVENT; EVENT   ! is atomic, - without keys
//	                  an EVENT may be an act: act NAME JSON
//	dry               the same, of one line, recorded nowhere
//	item NAME...      state            trail NAME        its records
//	balance LOT       who holds what   exceptions PARTNER
//	events K=V ...    a query          trace NAME DIRECTION
//	keys PARTNER      its keys and open changes
//	check             of each line, whether it would be admitted to a block
//	shipment NAME     state, hand-overs, trail   overdue PARTNER   offers that nobody answered
//	conditions NAME   what was measured of a shipment
//	recalls           all of them      reach ISSUER RECALL
//	recalled NAME...  by which recalls inside NAME... which name something in there
//	proposals         partners         prefixes         parameters
//	moments           what happened without a message
func TestRules(t *testing.T) {
	for file, text := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := &script{chain: newChain(t, store.Options{})}
			got := s.play(text)
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(strings.Split(text, "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("the answers differ (-script +answered); -rewrite accepts them:\n%s", d)
			}
			s.checkAll()
		})
	}
}

// TestRulesAreCovered holds the scripts to every flag and every refusal of the
// rules; lookups_test.go has that which needs a hundred thousand containers, and
// erase_test.go that which needs many orders, retention_test.go that of networks with
// retention classes, recall_test.go that which needs many recalls, validators_test.go that of
// validators.
func TestRulesAreCovered(t *testing.T) {
	var all strings.Builder
	for _, text := range scripts(t) {
		all.WriteString(text)
	}
	elsewhere := []schemas.Code{schemas.RuleFailed, schemas.TooFarInside, schemas.TooManyErasures, schemas.Retained, schemas.UnknownClass, schemas.ShorterClass,
		schemas.TooManyKeys, schemas.NoSuchHost, schemas.TooManyRecalls,
		schemas.NotOrdered, schemas.ValidatorTaken, schemas.UnsafeChange, schemas.LastValidator, schemas.NoValidator, schemas.NoMember,
		schemas.NotAMember, schemas.TooManyMembers} // govern_test.go
	for _, c := range schemas.Codes() {
		if c >= 300 && c < 500 && !slices.Contains(elsewhere, c) && !strings.Contains(all.String(), c.String()) {
			t.Errorf("no script shows %s", c)
		}
	}
}

// scripts are those of testdata/rules, by the paths of their files, in order.
func scripts(t *testing.T) iter.Seq2[string, string] {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	return func(yield func(file, text string) bool) {
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(file, string(text)) {
				return
			}
		}
	}
}

type script struct {
	*chain
	out       bytes.Buffer
	recording bool // the golden chain
	rehearses bool // what begins a block
	subjects  map[schemas.TrailKey]bool
}

func (s *script) notation() notation { return notation{s.members} }

// play answers every command of a script and returns the script with the answers.
func (s *script) play(text string) string {
	s.subjects = map[schemas.TrailKey]bool{}
	var command []string
	skipping := false
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case skipping:
			skipping = line != ""
			if !skipping {
				s.out.WriteString("\n")
			}
		case line == "----":
			s.out.WriteString("----\n")
			s.run(command)
			command, skipping = nil, true
		default:
			s.out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				command = append(command, line)
			}
		}
	}
	return s.out.String()
}

func (s *script) print(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *script) run(lines []string) {
	words := strings.Fields(lines[0])
	args := words[1:]
	switch words[0] {
	case "block":
		s.blocks(args, lines[1:])
	case "dry":
		s.dry(lines[1])
	case "item":
		for _, name := range args {
			s.item(name)
		}
	case "trail":
		s.trail(args[0])
	case "balance":
		s.balance(args[0])
	case "exceptions":
		records, next, err := s.view().Exceptions(args[0], nil, len(args) > 1, 100)
		s.records(records, next != nil, err)
	case "events":
		s.events(args)
	case "shipment":
		s.shipment(args[0])
	case "conditions":
		s.conditions(args[0])
	case "overdue":
		s.overdue(args[0])
	case "recalls":
		s.recalls()
	case "moments":
		s.moments()
	case "recalled":
		s.recalled(args)
	case "inside":
		s.recalledInside(args)
	case "reach":
		s.reach(args[0], args[1])
	case "trace":
		s.trace(args[0], args[1])
	case "keys":
		s.keyList(args[0])
	case "check":
		for _, line := range lines[1:] {
			s.check(line)
		}
	default:
		if !s.govern(words) {
			s.t.Fatalf("no such command: %q", lines[0])
		}
	}
}

// transaction reads PARTNER: EVENT; EVENT.
func (s *script) transaction(line string, now time.Time) schemas.Draft {
	s.t.Helper()
	who, what, _ := strings.Cut(line, ":")
	atomic, plain := strings.Contains(who, "!"), strings.Contains(who, "-")
	var events []*schemas.Event
	name := strings.TrimRight(who, "!-")
	partner, what := s.expand(name, what)
	for _, text := range strings.Split(what, ";") {
		e, err := s.notation().event(text, now)
		if err != nil {
			s.t.Fatalf("%q: %v", text, err)
		}
		events = append(events, e)
		s.note(e)
	}
	d := s.draft(partner, atomic, events...)
	if name != partner {
		d.KeyID = s.as(name)
	}
	if plain {
		d.DuplicateKeys = nil
	}
	s.subjects[schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: d.Partner}] = true
	return d
}

func (s *script) note(e *schemas.Event) {
	k := &e.Skeleton
	for _, id := range append(append([]string{k.ParentID}, k.EPCs...), k.OutputEPCs...) {
		s.subjects[schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: id}] = true
		s.subjects[schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: id}] = true
	}
	for _, q := range append(append([]schemas.Quantity{}, k.Quantities...), k.OutputQuantities...) {
		s.subjects[schemas.TrailKey{Kind: schemas.ClassTrail, Subject: q.Class}] = true
	}
}

func (s *script) checkAll() {
	s.t.Helper()
	for key := range s.subjects {
		s.checkTrails(key)
	}
	s.checkMoments()
}

func (s *script) blocks(args, lines []string) {
	after := time.Minute
	if len(args) > 0 {
		var err error
		if after, err = time.ParseDuration(args[0]); err != nil {
			s.t.Fatal(err)
		}
	}
	s.time = s.time.Add(after - time.Minute)
	s.allVote()
	var txs [][]byte
	var foretold []string
	if s.rehearses && len(args) == 0 && s.height > 0 && len(lines) > 0 {
		foretold = s.rehearse(lines[0])
	}
	for _, line := range lines {
		if s.recording && !s.isPartner(line) {
			continue // on one chain for all scripts, the proposals of this one have other ids
		}
		txs = append(txs, s.sign(s.transaction(line, s.time.Add(time.Minute))))
	}
	s.block(txs...)
	for i, want := range foretold {
		if got := answer(s.last.Receipts[0].Events[i]); got != want {
			s.t.Errorf("height %d, %s: a dry run told %s, it was %s", s.height, lines[0], want, got)
		}
	}
	for _, r := range s.last.Receipts {
		for i, e := range r.Events {
			s.print("%d/%d/%d %s", r.Height, r.Position, i, answer(e))
		}
	}
}

// isPartner reports whether who signs a line is on the ledger.
func (s *script) isPartner(line string) bool {
	who, _, _ := strings.Cut(line, ":")
	if s.height == 0 {
		return true
	}
	p, err := s.view().Partner(strings.TrimRight(who, "!-"))
	if err != nil {
		s.t.Fatal(err)
	}
	return p != nil
}

// allVote lets every validator have voted for the last block.
func (s *script) allVote() {
	s.voters = nil
	if s.height == 0 {
		return
	}
	list, err := s.view().Partners()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range list {
		if len(p.Validate) > 0 {
			s.voters = append(s.voters, p.Validate)
		}
	}
}

func (s *script) dry(line string) {
	d := s.transaction(line, s.time.Add(time.Minute))
	before := s.view().Root()
	r, err := s.app.DryRun("test", d.Partner, d.Atomic, d.Events, d.DuplicateKeys...)
	if err != nil {
		s.print("%v", err)
		return
	}
	for i, e := range r.Events {
		s.print("%d/%d/%d %s", r.Height, r.Position, i, answer(e))
	}
	if s.view().Root() != before {
		s.print("the dry run left something behind")
	}
}

func (s *script) item(name string) {
	it, err := s.view().Item(full(name))
	if it == nil || err != nil {
		s.print("%s: unknown %v", name, err)
		return
	}
	line := fmt.Sprintf("%s: custodian=%s", name, s.party(it.Custodian))
	if it.Parent != "" {
		line += " in=" + short(it.Parent)
	}
	if it.Disposition != "" {
		line += " disp=" + it.Disposition
	}
	if it.Ended {
		line += " ended"
	}
	if it.Offer != nil {
		line += " offered=" + it.Offer.Party
	}
	for _, h := range it.Inside {
		line += " holds=" + short(h.Class) + ":" + h.Amount + h.UOM
	}
	for _, r := range it.Receipts {
		line += " waiting=" + r.Party
	}
	s.print("%s trails=%d+%d", line, it.Item.Custody.Count, it.Observations.Count)
}

func (s *script) party(id string) string {
	if id == "" {
		return "-"
	}
	return strings.Replace(id, gln(7), "@7", 1)
}

func (s *script) record(r schemas.Record) {
	line := fmt.Sprintf("%d/%d/%d %s %s", r.Height, r.Position, r.Index, r.Partner, answer(schemas.EventReceipt{EventID: r.EventID, Code: r.Result.Code, Effect: r.Result.Effect, Flags: r.Result.Flags}))
	if r.VoidedBy != nil {
		line += fmt.Sprintf(" void by %d/%d/%d", r.VoidedBy.Height, r.VoidedBy.Position, r.VoidedBy.Index)
	}
	if len(r.Body) == 0 {
		line += " (no body)"
	}
	s.print("%s", line)
}

func (s *script) records(records []schemas.Record, more bool, err error) {
	if err != nil {
		s.print("%v", err)
	}
	for _, r := range records {
		s.record(r)
	}
	if more {
		s.print("and more")
	}
}

func (s *script) trail(name string) {
	kinds := []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail, schemas.ClassTrail}
	subject := full(name)
	if s.members[name] != nil {
		kinds, subject = []schemas.TrailKind{schemas.PartnerTrail}, name
	}
	for _, kind := range kinds {
		records, err := s.view().Trail(schemas.TrailKey{Kind: kind, Subject: subject}, 0, 100)
		if len(records) > 0 || err != nil {
			s.print("%c", kind)
			s.records(records, false, err)
		}
	}
}

func (s *script) balance(name string) {
	balances, err := s.view().Balances(full(name))
	if err != nil {
		s.print("%v", err)
	}
	for _, b := range balances {
		amount := b.Quantity
		if !b.Known {
			amount = "unknown"
		}
		s.print("%s: %s %s", b.Partner, amount, b.UOM)
	}
	packed, more, err := s.view().Packed(full(name))
	if more || err != nil {
		s.print("%t %v", more, err)
	}
	for _, p := range packed {
		amount := p.Quantity
		if !p.Known {
			amount = "unknown"
		}
		s.print("in %s with %s: %s %s", short(p.Container), p.Custodian, amount, p.UOM)
	}
}

func (s *script) trace(name, direction string) {
	d := map[string]schemas.Direction{"up": schemas.Upstream, "down": schemas.Downstream, "both": schemas.Both}[direction]
	tr, err := s.view().Trace(context.Background(), schemas.TraceQuery{ID: full(name), Direction: d, MaxDepth: 20, MaxEvents: 1000})
	if err != nil {
		s.print("%v", err)
		return
	}
	for _, it := range tr.Items {
		s.print("item %s %s %d", short(it.ID), it.Direction, it.Depth)
	}
	for _, e := range tr.Edges {
		end := ""
		if e.End != nil {
			end = " until " + e.End.Format("02T15:04")
		}
		s.print("%s %s -> %s at %s%s by %d/%d/%d", e.Kind, short(e.From), short(e.To), e.Start.Format("02T15:04"), end, e.At.Height, e.At.Position, e.At.Index)
	}
	for _, g := range tr.Gaps {
		s.print("gap %s %s at %d/%d/%d", g.Kind, short(g.ID), g.At.Height, g.At.Position, g.At.Index)
	}
	s.records(tr.Events, tr.Truncated, nil)
}
