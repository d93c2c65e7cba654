package app

import (
	"context"
	"fmt"
	"sort"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Anchors proves things about the header accumulator however long it is. Its rows
// never change, so that what a newer view answers of them holds for every older
// head, and no view expires under a long search. Its methods may be called by many
// goroutines.
type Anchors struct{ app *App }

// NewAnchors returns the keeper of a ledger's accumulator.
func NewAnchors(a *App) *Anchors { return &Anchors{app: a} }

// AnchorLog is the accumulator as its keeper needs it to append.
func (v *View) AnchorLog() (proof.Log, error) {
	_, aside, err := v.get(schemas.AccumulatorKey())
	if err != nil || len(aside) == 0 {
		return proof.Log{}, err
	}
	l, err := proof.DecodeLog(aside)
	if err != nil {
		return l, fmt.Errorf("reading the accumulator: %w", err)
	}
	return l, nil
}

// LastChanged is the last height that changed anything, 0 before the first.
func (v *View) LastChanged() (int64, error) {
	value, _, err := v.get(schemas.ChangedKey())
	if err != nil || value == nil {
		return 0, err
	}
	f := schemas.ReadFields(value)
	n, b, _ := f.Next()
	height := f.Uint(n, b)
	if err := f.Err(); err != nil {
		return 0, fmt.Errorf("reading the last height that changed anything: %w", err)
	}
	return int64(height), nil
}

// Consistency proves that the first count anchors began with the first old. All
// must be in the accumulator, or be its last: the one that comes next.
func (s *Anchors) Consistency(ctx context.Context, old, count uint64, last *Anchor) ([][32]byte, error) {
	return proof.ConsistencyIn(old, count, s.roots(ctx, count, last))
}

// Inclusion answers the anchor at an index, and proves that the first count
// anchors have it there.
func (s *Anchors) Inclusion(ctx context.Context, index, count uint64, last *Anchor) (Anchor, [][32]byte, error) {
	path, err := proof.InclusionIn(count, index, s.roots(ctx, count, last))
	if err != nil {
		return Anchor{}, nil, err
	}
	if last != nil && index == count-1 {
		return *last, path, nil
	}
	list, err := s.read(index, index+1)
	if err != nil {
		return Anchor{}, nil, err
	}
	return list[0], path, nil
}

// UpTo answers the index of the last of the first count anchors whose height is
// not above this one. ok is false where all are above.
func (s *Anchors) UpTo(ctx context.Context, height int64, count uint64, last *Anchor) (index uint64, ok bool, err error) {
	if last != nil && count > 0 && last.Height <= height {
		return count - 1, true, nil
	}
	if last != nil {
		count--
	}
	n := sort.Search(int(count), func(i int) bool {
		if err == nil {
			err = ctx.Err()
		}
		var one []Anchor
		if err == nil {
			one, err = s.read(uint64(i), uint64(i)+1)
		}
		return err != nil || one[0].Height > height
	})
	return uint64(n) - 1, err == nil && n > 0, err
}

// roots answers the roots of subtrees of the first count anchors. Where the last
// of them is not in the accumulator yet, it is given.
func (s *Anchors) roots(ctx context.Context, count uint64, last *Anchor) proof.SubtreeRoot {
	var root proof.SubtreeRoot
	root = func(lo, hi uint64) ([32]byte, error) {
		if err := ctx.Err(); err != nil {
			return [32]byte{}, err
		}
		if last != nil && hi == count && hi-lo == 1 {
			return proof.RootOf([][32]byte{schemas.AnchorEntry(last.Height, last.Block)}), nil
		}
		pending := last != nil && hi == count
		if hi-lo == proof.TileSize && lo%proof.TileSize == 0 && !pending {
			return s.tile(ctx, lo/proof.TileSize)
		}
		if hi-lo <= proof.TileSize && !pending {
			return s.hash(lo, hi)
		}
		k := uint64(1)
		for k<<1 < hi-lo {
			k <<= 1
		}
		left, err := root(lo, lo+k)
		if err != nil {
			return left, err
		}
		right, err := root(lo+k, hi)
		return proof.NodeHash(left, right), err
	}
	return root
}

// tile is the root of a whole tile; all before it are hashed, too, so that what
// is remembered has no holes.
func (s *Anchors) tile(ctx context.Context, n uint64) ([32]byte, error) {
	t := &s.app.tiles
	t.mu.Lock()
	defer t.mu.Unlock()
	for at := uint64(len(t.roots)); at <= n; at++ {
		if err := ctx.Err(); err != nil {
			return [32]byte{}, err
		}
		root, err := s.hash(at*proof.TileSize, (at+1)*proof.TileSize)
		if err != nil {
			return [32]byte{}, err
		}
		t.roots = append(t.roots, root)
	}
	return t.roots[n], nil
}

func (s *Anchors) hash(lo, hi uint64) ([32]byte, error) {
	list, err := s.read(lo, hi)
	if err != nil {
		return [32]byte{}, err
	}
	entries := make([][32]byte, len(list))
	for i, a := range list {
		entries[i] = schemas.AnchorEntry(a.Height, a.Block)
	}
	return proof.RootOf(entries), nil
}

// read reads anchors from the newest view.
func (s *Anchors) read(lo, hi uint64) ([]Anchor, error) {
	var list []Anchor
	var err error
	for range overtakes {
		var view *View
		if view, err = s.app.View(); err != nil {
			return nil, err
		}
		if list, err = view.Anchors(lo, int(hi-lo)); !expired(err) {
			break
		}
	}
	if err == nil && uint64(len(list)) != hi-lo {
		err = &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the accumulator ends before entry %d", hi)}
	}
	return list, err
}
