package app

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A part of a trail is proven by the roots of the subtrees beside it. Those of full
// subtrees of 256 records and more are rows, written with the record that completes
// them: so a proof takes as many rows as the trail's length has bits, and at most
// some hundred records at the part's borders and the trail's end, however long it is.
const (
	subtreeBits    = 8
	subtreeRecords = 1 << subtreeBits
)

// subtreeRow is where a trail's full subtrees are that end with its n-th record,
// counted from 1: the roots of those of 256 records, of 512, and so on.
func subtreeRow(key schemas.TrailKey, n uint64) []byte {
	row := append(key.Append(append(make([]byte, 0, 3+len(key.Subject)+spare), rowSubtree)), 0)
	return binary.BigEndian.AppendUint64(row, n)
}

// grow appends a record to a trail's log, and writes the subtrees that it completes.
func (l *log) grow(led ledger, key schemas.TrailKey, entry schemas.Hash) {
	if (l.Count+1)%subtreeRecords == 0 {
		var roots []byte
		for _, root := range l.Completes([32]byte(entry), subtreeBits) {
			roots = append(roots, root[:]...)
		}
		led.Emit(subtreeRow(key, l.Count+1), roots)
	}
	l.append(entry)
}

// subtree is the root of a full subtree, where there is a row that has it.
func (v *View) subtree(key schemas.TrailKey, lo, hi uint64) (root [32]byte, ok bool, err error) {
	roots, err := v.row(subtreeRow(key, hi))
	if roots == nil || err != nil {
		return root, false, err
	}
	at := 32 * (bits.TrailingZeros64(hi-lo) - subtreeBits)
	if len(roots) < at+32 {
		return root, false, store.Damaged("the subtrees of a trail at record %d have %d bytes", hi, len(roots))
	}
	return [32]byte(roots[at:]), true, nil
}

// stretch is a full subtree of a trail.
type stretch struct {
	key    schemas.TrailKey
	lo, hi uint64
}

// Beside is proof.Source's.
func (g *gathering) Beside(key schemas.TrailKey, count, first, behind uint64) ([][32]byte, error) {
	hashed := 0
	var root proof.SubtreeRoot
	root = func(lo, hi uint64) ([32]byte, error) {
		at := stretch{key, lo, hi}
		if known, ok := g.roots[at]; ok {
			return known, nil
		}
		if hi-lo >= subtreeRecords {
			if known, ok, err := g.view.subtree(key, lo, hi); ok || err != nil {
				return known, err
			}
		}
		// A ledger that began before there were such rows has none of its first records.
		if hi-lo > subtreeRecords {
			left, err := root(lo, (lo+hi)/2)
			if err != nil {
				return left, err
			}
			right, err := root((lo+hi)/2, hi)
			return proof.NodeHash(left, right), err
		}
		if hashed += int(hi - lo); hashed > maxBeside {
			return [32]byte{}, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("more than %d records to hash beside those that are asked for: the node lacks rows, which `waybill check --rebuild` writes", maxBeside)}
		}
		known, err := g.hash(at)
		if err == nil {
			g.roots[at] = known
		}
		return known, err
	}
	return proof.RangeIn(count, first, behind, root)
}

// hash computes the root of a short subtree from its records.
func (g *gathering) hash(s stretch) ([32]byte, error) {
	if err := g.ctx.Err(); err != nil {
		return [32]byte{}, err
	}
	entries := make([][32]byte, 0, s.hi-s.lo)
	for at, err := range g.view.places(s.key, s.lo) {
		if err != nil {
			return [32]byte{}, err
		}
		if uint64(len(entries)) == s.hi-s.lo {
			break
		}
		r, err := g.view.bare(at)
		if err != nil {
			return [32]byte{}, err
		}
		entries = append(entries, schemas.Entry(s.key, r.Digest, r.Transaction, r.Locator, &r.Result))
		g.read++
	}
	if uint64(len(entries)) < s.hi-s.lo {
		return [32]byte{}, store.Damaged("a trail ends at row %d, before record %d", s.lo+uint64(len(entries)), s.hi)
	}
	return proof.RootOf(entries), nil
}
