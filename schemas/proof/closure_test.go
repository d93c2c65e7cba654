package proof_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// cut makes a trail of one of the bundle's subjects shorter: without so many
// records at its begin and end. What leads to the trail's head is made anew.
func cut(l *ledger, b *proof.Bundle, subject int, front, back int) {
	cutTrail(l, b, subject, 0, front, back)
}

func cutTrail(l *ledger, b *proof.Bundle, subject, nth int, front, back int) {
	s := &b.Subjects[subject]
	trail := &s.Trails[nth]
	key := schemas.TrailKey{Kind: trail.Kind, Subject: s.ID}
	var at []schemas.Locator // of its records
	for _, t := range b.Transactions {
		for _, m := range t.Messages {
			if slices.Contains(m.Trails, proof.TrailRef{Subject: uint32(subject), Kind: trail.Kind}) {
				at = append(at, schemas.Locator{Height: t.Height, Position: t.Position, Index: m.Index})
			}
		}
	}
	gone := append(slices.Clone(at[:front]), at[len(at)-back:]...)
	trail.First += uint64(front)
	trail.Beside, _ = l.Beside(key, l.head(key).Count, trail.First, trail.First+uint64(len(at)-front-back))
	drop(b, func(at schemas.Locator, r proof.TrailRef) bool {
		return r.Subject == uint32(subject) && slices.Contains(gone, at)
	})
}

// drop takes records out of trails, and leaves out those that are in none then.
func drop(b *proof.Bundle, gone func(schemas.Locator, proof.TrailRef) bool) {
	b.Transactions = slices.Clone(b.Transactions)
	for i := range b.Transactions {
		t := &b.Transactions[i]
		t.Messages = slices.Clone(t.Messages)
		for j := range t.Messages {
			m := &t.Messages[j]
			at := schemas.Locator{Height: t.Height, Position: t.Position, Index: m.Index}
			m.Trails = slices.DeleteFunc(slices.Clone(m.Trails), func(r proof.TrailRef) bool { return gone(at, r) })
		}
		t.Messages = slices.DeleteFunc(t.Messages, func(m proof.MessagePart) bool { return len(m.Trails) == 0 })
	}
	b.Transactions = slices.DeleteFunc(b.Transactions, func(t proof.TransactionPart) bool { return len(t.Messages) == 0 })
	used := map[string]bool{}
	for _, t := range b.Transactions {
		h, _ := schemas.DecodeHeader(t.Header)
		used[h.Partner] = true
	}
	b.Partners = slices.DeleteFunc(slices.Clone(b.Partners), func(p proof.PartnerPart) bool { return !used[p.ID] })
}

// leave takes a subject out of the bundle, with its records.
func leave(b *proof.Bundle, subject int) {
	drop(b, func(_ schemas.Locator, r proof.TrailRef) bool { return r.Subject == uint32(subject) })
	b.Subjects = slices.Delete(slices.Clone(b.Subjects), subject, subject+1)
	for i := range b.Transactions {
		for j := range b.Transactions[i].Messages {
			m := &b.Transactions[i].Messages[j]
			for k := range m.Trails {
				if m.Trails[k].Subject > uint32(subject) {
					m.Trails[k].Subject--
				}
			}
		}
	}
}

// Whoever leaves out of a bundle what belongs to its item is found out, however
// well what is left leads to the state; and records more than needed do no harm.
func TestWhatBelongs(t *testing.T) {
	containers := func(t *testing.T) (*ledger, *proof.Bundle) {
		l := inChain(t)
		m := l.everything(proof.AnItem, unit)
		m.Scope = proof.Scope{Containers: true}
		return l, l.make(m)
	}
	// Subjects by kind and identifier: the unit, then the pallet, the second pallet, the box.
	const first, second, inner = 1, 2, 3
	for name, c := range map[string]struct {
		forge  func(l *ledger, b *proof.Bundle)
		refuse string
	}{
		"all of it":                               {func(*ledger, *proof.Bundle) {}, ""},
		"no box":                                  {func(_ *ledger, b *proof.Bundle) { leave(b, inner) }, "its records are missing"},
		"no pallet":                               {func(_ *ledger, b *proof.Bundle) { leave(b, first) }, "its records are missing"},
		"the box without its last":                {func(l *ledger, b *proof.Bundle) { cut(l, b, inner, 0, 1) }, "are missing"},
		"the box without its first":               {func(l *ledger, b *proof.Bundle) { cut(l, b, inner, 1, 0) }, "is not told"},
		"the pallet until before it is emptied":   {func(l *ledger, b *proof.Bundle) { cut(l, b, first, 0, 1) }, "are missing"},
		"the second pallet without its hand-over": {func(l *ledger, b *proof.Bundle) { cut(l, b, second, 0, 1) }, "are missing"},
		"the pallet's commissioning left out":     {func(l *ledger, b *proof.Bundle) { cut(l, b, first, 1, 0) }, "is not told"},
		"no containers claimed":                   {func(_ *ledger, b *proof.Bundle) { b.Scope.Containers = false }, "nothing needs it"},
		"ancestors claimed":                       {func(_ *ledger, b *proof.Bundle) { b.Scope.Ancestors = 5 }, "nothing is left out"},
	} {
		l, b := containers(t)
		b.Scope.Names = false
		for i := range b.Partners {
			b.Partners[i].Leaf = nil
		}
		c.forge(l, b)
		r, err := proof.Verify(b.Encode(), l.trust())
		if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && r.Asked().Custodian != "borg-foods" {
			t.Errorf("%s: %s", name, report(t, r))
		}
	}
	v := ancestry(t)
	for name, forge := range map[string]func(b *proof.Bundle){
		"no unit that it was made from": func(b *proof.Bundle) { leave(b, 1) },
		"no lot that it was made from":  func(b *proof.Bundle) { leave(b, 2) },
		"fewer transformations":         func(b *proof.Bundle) { b.Scope.Ancestors = 1 },
		"more transformations":          func(b *proof.Bundle) { b.Scope.Ancestors = 4 },
	} {
		b := *v.bundle
		forge(&b)
		if _, err := proof.Verify(b.Encode(), v.trust); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

// What others saw of a container comes along over the time that counts, from the one
// before to the one behind: so none can be left out of it, but all of it can.
func TestObservationsOfContainers(t *testing.T) {
	const first = 1 // subject: the pallet
	for name, c := range map[string]struct {
		forge  func(l *ledger, b *proof.Bundle)
		refuse string
		told   string
	}{
		"all of it":              {func(*ledger, *proof.Bundle) {}, "", "What others saw or claimed then of containers and ancestors is there, too: of 1 thing."},
		"without the one before": {func(l *ledger, b *proof.Bundle) { cutTrail(l, b, first, 1, 1, 0) }, "its first observations are missing", ""},
		"without the one behind": {func(l *ledger, b *proof.Bundle) { cutTrail(l, b, first, 1, 0, 1) }, "its last observations are missing", ""},
		"none": {func(_ *ledger, b *proof.Bundle) {
			drop(b, func(_ schemas.Locator, r proof.TrailRef) bool {
				return r.Subject == first && r.Kind == schemas.ObservationTrail
			})
			b.Subjects[first].Trails = b.Subjects[first].Trails[:1]
		}, "", "What others saw or claimed then of containers and ancestors: of 1 thing the bundle leaves it out."},
		"of a thing that nothing needs them of": {func(_ *ledger, b *proof.Bundle) { b.Scope.Containers = false }, "nothing needs it", ""},
	} {
		l := inChainSeen(t, 2)
		m := l.everything(proof.AnItem, unit)
		m.Scope = proof.Scope{Containers: true}
		b := l.make(m)
		if trail := b.Subjects[first].Trails[1]; trail.Kind != schemas.ObservationTrail || trail.First != 1 {
			t.Fatalf("of the pallet's observations the bundle has %+v", trail)
		}
		c.forge(l, b)
		r, err := proof.Verify(b.Encode(), l.trust())
		if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && !slices.Contains(append(r.Proven(), r.NotProven()...), c.told) {
			t.Errorf("%s: it is not told: %s", name, c.told)
		}
	}
}
