package proof_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// vector is a bundle with the root of trust under which it verifies.
type vector struct {
	name   string
	bundle *proof.Bundle
	trust  *proof.Trust
	accept []schemas.Hash // ids of rescues
}

// vectors are bundles that have everything that the format has.
func vectors(t testing.TB) []vector {
	story := func(name string, alter func(l *ledger, m *proof.Material)) vector {
		l := newStory(t)
		m := l.everything(proof.AnItem, unit)
		alter(l, &m)
		return vector{name: name, bundle: l.make(m), trust: l.trust()}
	}
	seenAtOnce, seenIdle := witnessed(t)
	return append([]vector{
		story("item", func(*ledger, *proof.Material) {}),
		story("custody", func(_ *ledger, m *proof.Material) { m.Observations, m.Scope.Names = false, false }),
		story("class", func(_ *ledger, m *proof.Material) { m.Asked[0] = proof.Thing{Kind: proof.AClass, ID: lot} }),
		story("unknown", func(_ *ledger, m *proof.Material) { m.Asked[0].ID = "https://id.gs1.org/01/09521234543213/21/none" }),
		story("partial", func(_ *ledger, m *proof.Material) {
			m.Asked[0].ID, m.Disclosure = priced, proof.Disclosure{Withhold: []string{"ex:price"}}
		}),
		story("chosen", func(_ *ledger, m *proof.Material) {
			m.Asked[0].ID, m.Disclosure = priced, proof.Disclosure{Only: []string{"readPoint"}, HashIDs: true}
		}),
		story("lot-of-partner", func(_ *ledger, m *proof.Material) {
			m.Asked[0], m.Disclosure = proof.Thing{Kind: proof.AClass, ID: lot}, proof.Disclosure{Partner: "carrier"}
		}),
		story("part-of-lot", func(_ *ledger, m *proof.Material) {
			m.Asked[0], m.First, m.Count = proof.Thing{Kind: proof.AClass, ID: lot}, 1, 1
		}),
		story("partner", func(_ *ledger, m *proof.Material) {
			m.Asked[0], m.First, m.Count = proof.Thing{Kind: proof.APartner, ID: "borg-foods"}, 1, 2
		}),
		story("silent-partner", func(_ *ledger, m *proof.Material) {
			m.Asked[0] = proof.Thing{Kind: proof.APartner, ID: "nobody"}
		}),
		story("both", func(_ *ledger, m *proof.Material) {
			m.Asked = []proof.Thing{{Kind: proof.AnItem, ID: private}, {Kind: proof.AClass, ID: private}}
		}),
		story("erased", func(l *ledger, m *proof.Material) {
			m.Source = &faulty{ledger: l, alter: func(r *proof.Record) {
				if r.Partner == "acme-farms" {
					r.Body, r.Secret = nil, schemas.Hash{}
				}
			}}
		}),
		numbered(t), ordered(t), acting(t), actedOn(t), actedLot(t), authored(t), sensed(t), contained(t), observed(t), ancestry(t), longTrail(t), stepped(t), skipped(t), anchored(t), timed(t), packedLot(t), seenAtOnce, seenIdle, rescued(t), rescuedAtOnce(t), rescuedBefore(t),
	}, append(shipments(t), filled(t)...)...)
}

// inChain is a history of containers: the unit goes into a box, the box onto a
// pallet; the pallet is emptied; the box goes onto another one, and is unpacked.
func inChain(t testing.TB) *ledger { return inChainSeen(t, 0) }

// inChainSeen is the same where the carrier looks at the first pallet so many times
// each before, while and after the unit is on it.
func inChainSeen(t testing.TB, times int) *ledger {
	l := newLedger(t)
	look := func() {
		for range times {
			l.transact("carrier", message{body: eventJSON(pallet, "OBSERVE", "inspecting", ""), trails: []schemas.TrailKey{observations(pallet)}, result: schemas.Result{Effect: schemas.Observation}})
		}
	}
	first, second := box(1), "https://id.gs1.org/00/095212345000000025"
	agg := func(action, parent string, children ...string) string {
		list := ""
		if len(children) > 0 {
			list = `,"childEPCs":["` + strings.Join(children, `","`) + `"]`
		}
		return fmt.Sprintf(`{"type":"AggregationEvent","eventTime":"2026-03-01T09:00:00.000Z","eventTimeZoneOffset":"+00:00","action":%q,"parentID":%q%s}`, action, parent, list)
	}
	make := func(id string) {
		l.transact("acme-farms", message{body: eventJSON(id, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(id)}, result: applied})
	}
	for _, id := range []string{unit, first, pallet, second} {
		make(id)
	}
	put := func(who, child, parent string) {
		l.transact(who, message{body: agg("ADD", parent, child), trails: []schemas.TrailKey{custody(child), custody(parent)}, result: applied})
	}
	look()
	put("acme-farms", first, pallet) // before the unit is in the box
	put("acme-farms", unit, first)
	l.transact("acme-farms", message{body: eventJSON(pallet, "OBSERVE", "shipping", ""), trails: []schemas.TrailKey{custody(pallet)}, result: applied})
	l.transact("borg-foods", message{body: eventJSON(pallet, "OBSERVE", "receiving", ""), trails: []schemas.TrailKey{custody(pallet)}, result: applied})
	look()
	l.transact("borg-foods", message{body: agg("DELETE", pallet), trails: []schemas.TrailKey{custody(pallet)}, result: applied})
	look()
	l.transact("borg-foods", message{body: eventJSON(pallet, "OBSERVE", "storing", `,"disposition":"active"`), trails: []schemas.TrailKey{custody(pallet)}, result: applied})
	put("borg-foods", first, second)
	l.transact("borg-foods", message{body: agg("DELETE", first, unit), trails: []schemas.TrailKey{custody(unit), custody(first)}, result: applied})
	put("borg-foods", other2, first)
	l.transact("carrier", message{body: eventJSON(second, "OBSERVE", "receiving", ""), trails: []schemas.TrailKey{custody(second)}, result: applied})
	l.put(unit, schemas.Item{Custodian: "borg-foods"})
	l.put(first, schemas.Item{Parent: second, Custodian: "borg-foods"})
	l.put(pallet, schemas.Item{Custodian: "borg-foods", Epoch: 1})
	l.set(schemas.ReleaseKey(pallet, 0), schemas.AppendRelease(nil, "borg-foods"))
	l.put(second, schemas.Item{Custodian: "carrier"})
	l.put(other2, schemas.Item{Parent: first})
	return l
}

const other2 = "https://id.gs1.org/01/09521234543213/21/1003"

func contained(t testing.TB) vector {
	l := inChain(t)
	m := l.everything(proof.AnItem, unit)
	m.Scope.Containers = true
	return vector{name: "containers", bundle: l.make(m), trust: l.trust()}
}

func observed(t testing.TB) vector {
	l := inChainSeen(t, 2)
	m := l.everything(proof.AnItem, unit)
	m.Scope.Containers = true
	return vector{name: "observed-container", bundle: l.make(m), trust: l.trust()}
}

// ancestry is a unit that was made from a lot and another unit, which was made
// from a lot itself.
func ancestry(t testing.TB) vector {
	l := newLedger(t)
	transform := func(inputs, lots, outputs string) string {
		return `{"type":"TransformationEvent","eventTime":"2026-03-01T09:00:00.000Z","eventTimeZoneOffset":"+00:00",` + inputs + lots + outputs + `}`
	}
	l.transact("carrier", message{body: lotJSON("ADD"), trails: []schemas.TrailKey{class(lot)}, result: applied})
	l.transact("acme-farms", message{body: transform(``, `"inputQuantityList":[{"epcClass":"`+lot+`","quantity":2}],`, `"outputEPCList":["`+other+`"]`),
		trails: []schemas.TrailKey{class(lot), custody(other)}, result: applied})
	l.transact("acme-farms", message{body: transform(`"inputEPCList":["`+other+`"],`, `"inputQuantityList":[{"epcClass":"`+lot+`","quantity":1}],`, `"outputEPCList":["`+unit+`"]`),
		trails: []schemas.TrailKey{class(lot), custody(other), custody(unit)}, result: applied})
	l.transact("carrier", message{body: lotJSON("DELETE"), trails: []schemas.TrailKey{class(lot)}, result: applied})
	l.put(other, schemas.Item{Custodian: "acme-farms", Ended: true})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	l.set(schemas.ClassKey(lot), schemas.SingleHead(l.head(class(lot))))
	m := l.everything(proof.AnItem, unit)
	m.Scope.Ancestors = 2
	return vector{name: "ancestors", bundle: l.make(m), trust: l.trust()}
}

// change makes the ledger's validators others: the first n of a row.
func (l *ledger) change(keys ...int) {
	l.signers, l.vals = nil, nil
	for _, i := range keys {
		l.signers = append(l.signers, keyOf(i))
		l.vals = append(l.vals, proof.Validator{Public: keyOf(i).Public().(ed25519.PublicKey), Power: 10})
	}
}

// stepped is signed by a set that has nothing in common with the trusted one:
// each set names the next.
func stepped(t testing.TB) vector {
	l := newStory(t)
	trust := l.trust()
	var steps []proof.Signed
	for i, keys := range [][]int{{20, 21, 22, 23}, {30, 31, 32, 33}} {
		h := l.header()
		h.Height, h.Time = int64(2+i), l.start.Add(time.Duration(i+1)*time.Second/4)
		before := *l
		l.change(keys...)
		next := proof.ValidatorSetHash(l.vals)
		h.NextValidators = next[:]
		steps = append(steps, before.signed(h))
	}
	b := l.build(proof.AnItem, unit)
	for _, s := range steps {
		if err := b.Follow(s); err != nil {
			t.Fatal(err)
		}
	}
	return vector{name: "steps", bundle: b, trust: trust}
}

// skipped is signed by a set that shares three of four with the trusted one.
func skipped(t testing.TB) vector {
	l := newStory(t)
	trust, old := l.trust(), l.vals
	l.change(0, 1, 2, 40)
	b := l.build(proof.AnItem, unit)
	if err := b.Follow(proof.Signed{Validators: old}); err != nil {
		t.Fatal(err)
	}
	return vector{name: "skip", bundle: b, trust: trust}
}

// anchor puts headers into the ledger's accumulator.
func (l *ledger) accumulate(headers ...proof.Header) (entries [][32]byte) {
	set := proof.ValidatorSetHash(l.vals)
	for _, h := range headers {
		hash := h.Hash(set)
		entries = append(entries, schemas.AnchorEntry(h.Height, hash[:]))
	}
	l.set(schemas.AccumulatorKey(), schemas.SingleHead(schemas.Head{Root: proof.RootOf(entries), Count: uint64(len(entries))}))
	return entries
}

func inclusion(t testing.TB, entries [][32]byte, i int) [][32]byte {
	path, err := proof.Inclusion(entries, uint64(i))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// anchored is a state of old, signed by validators that nobody trusts any more:
// a later header has its header in the accumulator.
func anchored(t testing.TB) vector {
	l := newStory(t)
	b, header, set := l.build(proof.AnItem, unit), l.header(), proof.ValidatorSetHash(l.vals)
	early := header
	early.Height, early.Time = 3, l.start.Add(time.Second/2)
	entries := l.accumulate(early, header)
	l.change(50, 51, 52, 53)
	l.height += 100
	trust := l.trust()
	trust.Height, trust.Time = l.height-10, l.start.Add(50*time.Second)
	later := l.header()
	if err := b.Seal(l.signed(later)); err != nil {
		t.Fatal(err)
	}
	value, path, _ := l.State(schemas.AccumulatorKey())
	b.Accumulator = &proof.StateLeaf{Value: value, Path: path.Append(nil)}
	short, err := header.Short(set)
	if err != nil {
		t.Fatal(err)
	}
	b.Anchor = &proof.Anchor{Header: short, Validators: set, Index: 1, Inclusion: inclusion(t, entries, 1)}
	return vector{name: "anchor", bundle: b, trust: trust}
}

// timed proves when the blocks of its records were made: of all but the last by
// the accumulator, of the last by the header itself.
func timed(t testing.TB) vector {
	l := newStory(t)
	set := proof.ValidatorSetHash(l.vals)
	last := proof.Header{}
	var headers []proof.Header // of heights 2 and up
	for height := int64(2); height <= l.height; height++ {
		h := l.header()
		h.Height, h.Time = height, l.start.Add(time.Duration(height-1)*time.Second)
		if height > 2 {
			hash := last.Hash(set)
			h.LastBlock.Hash = hash[:]
		}
		headers, last = append(headers, h), h
	}
	entries := l.accumulate(headers[1:]...)
	m := l.everything(proof.AnItem, unit)
	sealed := l.header()
	hash := last.Hash(set)
	sealed.LastBlock.Hash = hash[:]
	m.Scope.Times = true
	b, err := proof.Assemble(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Seal(l.signed(sealed)); err != nil {
		t.Fatal(err)
	}
	value, path, _ := l.State(schemas.AccumulatorKey())
	b.Accumulator = &proof.StateLeaf{Value: value, Path: path.Append(nil)}
	for _, tx := range b.Transactions {
		i := int(tx.Height - 2)
		next := sealed
		if i+1 < len(headers) {
			next = headers[i+1]
		}
		part, err := proof.Block(&headers[i], &next, set, set)
		if err != nil {
			t.Fatal(err)
		}
		if i+1 < len(headers) {
			part.Index, part.Inclusion = uint64(i), inclusion(t, entries, i)
		}
		b.Blocks = append(b.Blocks, part)
	}
	return vector{name: "times", bundle: b, trust: l.trust()}
}
