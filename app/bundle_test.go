package app_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// sealed gives a bundle a header that carries the view's root, signed by one
// validator, and verifies it.
func (c *chain) sealed(b *proof.Bundle, view *app.View) (*proof.Report, error) {
	seed := sha256.Sum256([]byte("validator"))
	key := ed25519.NewKeyFromSeed(seed[:])
	set := []proof.Validator{{Public: key.Public().(ed25519.PublicKey), Power: 10}}
	root, trusted := view.Root(), proof.ValidatorSetHash(set)
	h := proof.Header{ChainID: chainID, Height: view.Height() + 1, Time: c.time.Add(time.Minute), App: root[:], NextValidators: trusted[:]}
	hash := h.Hash(trusted)
	commit := proof.Commit{Parts: proof.PartSet{Total: 1, Hash: hash[:]}}
	commit.Votes = []proof.Vote{{Time: h.Time, Signature: ed25519.Sign(key, commit.SignBytes(chainID, h.Height, hash, h.Time))}}
	if err := b.Seal(proof.Signed{Header: h, Commit: commit, Validators: set}); err != nil {
		return nil, err
	}
	return proof.Verify(b.Encode(), &proof.Trust{ChainID: chainID, Height: h.Height, Time: h.Time, HeaderHash: hash, ValidatorSetHash: trusted})
}

// everything asks for all that a bundle can have.
func everything(id string) schemas.BundleQuery {
	return schemas.BundleQuery{ID: id, Observations: true, Containers: true, Ancestors: 16, Names: true}
}

// proves makes the bundle of an identifier, verifies it, and compares what it
// says with what the view does.
func (c *chain) proves(t rapid.TB, id string) *proof.Report {
	t.Helper()
	b, view, err := c.app.Bundle(context.Background(), everything(id))
	if err != nil {
		t.Fatalf("bundle of %s: %v", id, err)
	}
	r, err := c.sealed(b, view)
	if err != nil {
		t.Fatalf("after %d, the bundle of %s: %v", c.height, id, err)
	}
	kinds := []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}
	a := r.Asked()
	switch a.Kind {
	case proof.AnItem:
		it, err := view.Item(id)
		if err != nil || it == nil {
			t.Fatalf("item %s: %v", id, err)
		}
		if parent := append(a.Containers, "")[0]; it.Custodian != a.Custodian || it.Parent != parent || it.Disposition != a.Disposition || it.Ended != a.Ended {
			t.Fatalf("after %d, the bundle of %s says %+v, the ledger %+v", c.height, id, a, it)
		}
	case proof.AClass:
		kinds = []schemas.TrailKind{schemas.ClassTrail}
		have, err := view.Balances(id)
		if err != nil {
			t.Fatal(err)
		}
		text := func(list []schemas.Balance) string {
			slices.SortFunc(list, func(a, b schemas.Balance) int { return strings.Compare(a.UOM+a.Partner, b.UOM+b.Partner) })
			return fmt.Sprint(list)
		}
		if text(have) != text(a.Balances) {
			t.Fatalf("after %d, the bundle of %s says %v, the ledger %v", c.height, id, a.Balances, have)
		}
	}
	c.tells(t, view, id, kinds, r)
	return r
}

// own are the events of what the bundle was asked for, without those of containers
// and ancestors alone.
func own(r *proof.Report) (out []proof.Event) {
	for _, e := range r.Events {
		if slices.ContainsFunc(e.Trails, func(t proof.EventTrail) bool { return t.ID == r.Asked().ID }) {
			out = append(out, e)
		}
	}
	return out
}

// tells compares the records of a report with the view's.
func (c *chain) tells(t rapid.TB, view *app.View, id string, kinds []schemas.TrailKind, r *proof.Report) {
	t.Helper()
	var want []schemas.Record
	for _, kind := range kinds {
		records, err := view.Trail(schemas.TrailKey{Kind: kind, Subject: id}, 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			by := records[i].VoidedBy // of a shipment, what ends none of its offers is in its things' trails alone
			if kind == schemas.ShipmentTrail && by != nil && !slices.ContainsFunc(records, func(r schemas.Record) bool { return r.Locator == *by }) {
				records[i].VoidedBy = nil
			}
		}
		want = append(want, records...)
	}
	slices.SortFunc(want, func(a, b schemas.Record) int { return a.Locator.Compare(b.Locator) })
	line := func(at schemas.Locator, partner, eventID string, effect schemas.Effect, flags []schemas.Code, void *schemas.Locator) string {
		return fmt.Sprintln(at, partner, eventID, effect, flags, void)
	}
	var says, has strings.Builder
	for _, e := range own(r) {
		says.WriteString(line(e.Locator, e.Partner, e.EventID, e.Effect, e.Flags, e.VoidedBy))
	}
	for _, w := range want {
		has.WriteString(line(w.Locator, w.Partner, w.EventID, w.Result.Effect, w.Result.Flags, w.VoidedBy))
	}
	if says.String() != has.String() {
		t.Fatalf("after %d, the bundle of %s says\n%sthe ledger\n%s", c.height, id, says.String(), has.String())
	}
}

// TestBundles plays random histories, and proves everything that they name at
// their end: every bundle verifies, and says what the ledger says.
func TestBundles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := aHistory(rt)
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		for i, block := range h.blocks {
			s.time = s.time.Add(h.pauses[i])
			var txs [][]byte
			for _, line := range block {
				txs = append(txs, s.sign(s.transaction(line, s.time.Add(time.Minute))))
			}
			s.block(txs...)
		}
		s.provesAll(rt)
	})
}

// places are sets of events, by a thing or class.
type places map[string]map[schemas.Locator]bool

func (p places) add(subject string, at schemas.Locator) {
	if p[subject] == nil {
		p[subject] = map[schemas.Locator]bool{}
	}
	p[subject][at] = true
}

var quotedURI = regexp.MustCompile(`("shipment":)?"((?:https?|urn):[^"]+)"`)

// naming are the places of all recorded events that name each thing or class, as
// the partners' trails have them: each is in exactly one trail of what it names.
// opening are those that may have let go some of a lot, without naming it, out of a
// container that it was packed into.
func (c *chain) naming(t rapid.TB) (named, opening places) {
	t.Helper()
	named, opening = places{}, places{}
	opened, packed := places{}, map[string]map[string]bool{}
	for _, id := range partners {
		records, err := c.view().Trail(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: id}, 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Result.Code != schemas.OK || r.Result.Effect == schemas.Duplicate {
				continue
			}
			k := r.Skeleton
			subjects := append(append([]string{k.ParentID}, k.EPCs...), k.OutputEPCs...)
			for _, q := range append(append([]schemas.Quantity{}, k.Quantities...), k.OutputQuantities...) {
				subjects = append(subjects, q.Class)
			}
			if k.Act != nil && k.Act.Name() != "Propose" { // scripts write identifiers as the ledger does
				for _, quoted := range quotedURI.FindAllStringSubmatch(string(r.Body), -1) {
					if quoted[1] == "" { // which shipment: it is none of the things that the act names
						subjects = append(subjects, quoted[2])
					}
				}
			}
			for _, subject := range subjects {
				named.add(subject, r.Locator)
			}
			switch {
			case k.Type == schemas.AggregationEvent && k.Action == schemas.ActionAdd:
				for _, q := range k.Quantities {
					if packed[q.Class] == nil {
						packed[q.Class] = map[string]bool{}
					}
					packed[q.Class][k.ParentID] = true
				}
			case k.Type == schemas.AggregationEvent && k.Action == schemas.ActionDelete && len(k.EPCs)+len(k.Quantities) == 0:
				opened.add(k.ParentID, r.Locator)
			case k.Type == schemas.TransformationEvent, k.Type == schemas.ObjectEvent && k.Action == schemas.ActionDelete:
				for _, id := range k.EPCs {
					opened.add(id, r.Locator)
				}
			}
		}
	}
	for class, containers := range packed {
		for container := range containers {
			for at := range opened[container] {
				opening.add(class, at)
			}
		}
	}
	return named, opening
}

// provesAll proves everything that the history named, and something that it did
// not: each bundle has every event that names its subject, and no other but those
// that let go a lot unnamed.
func (s *script) provesAll(t rapid.TB) {
	t.Helper()
	named, opening := s.naming(t)
	for key := range s.subjects {
		if key.Kind == schemas.ShipmentTrail {
			s.provesShipment(t, key.Subject)
			continue
		}
		if key.Kind == schemas.PartnerTrail || key.Kind == schemas.ObservationTrail || key.Subject == "" {
			continue
		}
		r := s.proves(t, key.Subject)
		if strings.Contains(key.Subject, "/414/") {
			continue // a place, which things are put at: it has no trail as their parent
		}
		naming := 0
		for _, e := range own(r) {
			switch {
			case named[key.Subject][e.Locator]:
				naming++
			case slices.Contains(schemas.ActNames(), e.Type):
			case !opening[key.Subject][e.Locator]:
				t.Fatalf("the bundle of %s has %v, which does not name it", key.Subject, e.Locator)
			}
		}
		if naming != len(named[key.Subject]) {
			t.Fatalf("the bundle of %s has %d events that name it, of %d", key.Subject, naming, len(named[key.Subject]))
		}
	}
	s.proves(t, full("never"))
	s.provesShipment(t, "urn:example:shipment:never")
}

// TestBundlesOfRules proves everything that the scripts of the rules name.
func TestBundlesOfRules(t *testing.T) {
	void := 0
	for _, text := range scripts(t) {
		s := &script{chain: newChain(t, store.Options{})}
		s.play(text)
		s.provesAll(t)
		for key := range s.subjects {
			if key.Kind == schemas.CustodyTrail && key.Subject != "" {
				for _, e := range own(s.proves(t, key.Subject)) {
					if e.VoidedBy != nil {
						void++
					}
				}
			}
		}
	}
	if void == 0 {
		t.Error("no script has a voided event")
	}
}

// Containers within containers, as deep as they may be, and then emptied one by
// one, from the outermost and from the innermost.
func TestBundlesOfNestedContainers(t *testing.T) {
	const deep = 16
	for name, from := range map[string]func(i int) int{"outermost first": func(i int) int { return deep - i }, "innermost first": func(i int) int { return i + 1 }} {
		s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		act := func(who, what string) { s.block(s.sign(s.transaction(who+": "+what, s.time.Add(time.Minute)))) }
		for i := range deep {
			act("farm", fmt.Sprintf("agg add parent=P-%d epc=P-%d", i+1, i))
		}
		if r := s.proves(t, full("P-0")); len(r.Asked().Containers) != deep || r.Asked().Custodian != "farm" {
			t.Errorf("%s: inside %d, with %s", name, len(r.Asked().Containers), r.Asked().Custodian)
		}
		act("farm", fmt.Sprintf("obj obs epc=P-%d step=shipping to=mill", deep))
		act("mill", fmt.Sprintf("obj obs epc=P-%d step=receiving", deep))
		for i := range deep {
			act("mill", fmt.Sprintf("agg del parent=P-%d", from(i)))
			if r := s.proves(t, full("P-0")); r.Asked().Custodian != "mill" {
				t.Errorf("%s: with %s", name, r.Asked().Custodian)
			}
		}
		s.provesAll(t)
	}
}

// A private identifier's form does not tell whether it is a lot's.
func TestBundleOfPrivateLot(t *testing.T) {
	c := newChain(t, store.Options{})
	const id = "urn:example:lot:7"
	e, err := schemas.DecodeSingle([]byte(`{"@context":[],"type":"ObjectEvent","eventTime":"2026-03-01T08:00:00Z","eventTimeZoneOffset":"+00:00","action":"ADD",
		"quantityList":[{"epcClass":"` + id + `","quantity":5,"uom":"KGM"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c.submit("farm", false, e)
	r := c.proves(t, id)
	if r.Asked().Kind != proof.AClass || len(r.Events) != 1 || len(r.Asked().Balances) != 1 {
		t.Errorf("the bundle says %+v", r)
	}
}

// Any part of what a partner did is proven, also where a transaction has more than one
// message, before the part, in it and at its borders.
func TestBundleOfPartOfAPartner(t *testing.T) {
	c := newChain(t, store.Options{})
	const each, count = 3, 4 * 3
	for i := range count / each {
		var events []*schemas.Event
		for n := range each {
			e, err := schemas.DecodeSingle(fmt.Appendf(nil, `{"@context":[],"type":"ObjectEvent","eventTime":"2026-03-01T08:00:00Z","eventTimeZoneOffset":"+00:00","action":"OBSERVE","epcList":["urn:example:part:%d-%d"]}`, i, n))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		c.submit("farm", false, events...)
	}
	for first := range count {
		for n := 1; first+n <= count; n++ {
			b, view, err := c.app.Bundle(t.Context(), schemas.BundleQuery{ID: "farm", Of: schemas.BundleOfPartner, First: uint64(first), Count: uint64(n)})
			if err != nil {
				t.Fatalf("%d from %d: %v", n, first, err)
			}
			r, err := c.sealed(b, view)
			if err != nil || len(r.Events) != n {
				t.Fatalf("%d from %d: %+v, %v", n, first, r, err)
			}
		}
	}
}

// Any part of what became of a lot is proven, with the balances of those who act in it;
// not with what it was made from, which follows from all of its records.
func TestBundleOfPartOfALot(t *testing.T) {
	const count = 5
	s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
	for i := range count {
		s.block(s.sign(s.transaction(fmt.Sprintf("farm: obj add qty=lot1:%d step=commissioning", i+1), s.time)))
	}
	q := schemas.BundleQuery{ID: full("lot1"), Of: schemas.BundleOfLot}
	for first := range uint64(count) {
		for n := uint64(1); n <= count; n++ {
			q.First, q.Count = first, n
			b, view, err := s.app.Bundle(t.Context(), q)
			if err != nil {
				t.Fatalf("%d from %d: %v", n, first, err)
			}
			r, err := s.sealed(b, view)
			if err != nil || len(r.Events) != int(min(n, count-first)) || len(r.Asked().Balances) != 1 || r.Asked().Balances[0].Quantity != "15" {
				t.Fatalf("%d from %d: %+v, %v", n, first, r, err)
			}
		}
	}
	for name, alter := range map[string]func(*schemas.BundleQuery){
		"behind its last record": func(q *schemas.BundleQuery) { q.First = count },
		"with ancestors":         func(q *schemas.BundleQuery) { q.Ancestors = 1 },
	} {
		bad := q
		bad.First, bad.Count = 1, 1
		alter(&bad)
		var fault *schemas.Fault
		if _, _, err := s.app.Bundle(t.Context(), bad); !errors.As(err, &fault) || fault.Code != schemas.BadValue {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// overtaking is a context under which the ledger runs on while it is asked.
type overtaking struct {
	context.Context
	run func()
}

func (o overtaking) Err() error { o.run(); return o.Context.Err() }

// Trails are read however fast the ledger is: what one view answered before it
// expired is kept.
func TestBundleWhileTheLedgerRuns(t *testing.T) {
	s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
	var events []string
	for i := range 100 {
		events = append(events, fmt.Sprintf("obj obs epc=a note=%d", i))
	}
	for range 7 {
		s.block(s.sign(s.transaction("farm: "+strings.Join(events, ";"), s.time)))
	}
	asked := 0
	ctx := overtaking{context.Background(), func() {
		if asked++; asked%2 == 0 { // every second view expires before it is read
			for range 9 {
				s.block(s.sign(s.transaction(fmt.Sprintf("farm: obj obs epc=a note=%d/%d", asked, s.height), s.time)))
			}
		}
	}}
	b, view, err := s.app.Bundle(ctx, everything(full("a")))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.sealed(b, view); err != nil || len(r.Events) < 718 || asked < 5 {
		t.Errorf("%d events after %d views: %v", len(r.Events), asked, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.app.Bundle(gone, everything(full("a"))); !errors.Is(err, context.Canceled) {
		t.Errorf("a bundle that nobody waits for: %v", err)
	}
}
