package app

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// anchorTile is how many anchors are hashed from their rows at once. Of more, the
// roots of whole tiles are remembered: 32 bytes for 256 anchors.
const anchorTile = 256

// Anchors proves things about the header accumulator however long it is. Its rows
// never change, so that what a newer view answers of them holds for every older
// head; and a tile that was hashed once is never read again. Its methods may be
// called by many goroutines.
type Anchors struct {
	app *App

	mu    sync.Mutex // guards tiles
	tiles [][32]byte // roots of the first whole tiles
}

// NewAnchors returns the keeper of a ledger's accumulator.
func NewAnchors(a *App) *Anchors { return &Anchors{app: a} }

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
		if hi-lo == anchorTile && lo%anchorTile == 0 && !pending {
			return s.tile(ctx, lo/anchorTile)
		}
		if hi-lo <= anchorTile && !pending {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := uint64(len(s.tiles)); at <= n; at++ {
		if err := ctx.Err(); err != nil {
			return [32]byte{}, err
		}
		root, err := s.hash(at*anchorTile, (at+1)*anchorTile)
		if err != nil {
			return [32]byte{}, err
		}
		s.tiles = append(s.tiles, root)
	}
	return s.tiles[n], nil
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

// Of proves that the accumulator of a view has the header of a height: its index,
// and the hashes beside its way. ok is false where it has none of that height.
func (s *Anchors) Of(ctx context.Context, v *View, height int64) (index uint64, path [][32]byte, ok bool, err error) {
	head, err := v.AnchorHead()
	if err != nil {
		return 0, nil, false, err
	}
	index, err = v.searchAnchor(height, head.Count)
	if err != nil || index == head.Count {
		return 0, nil, false, err
	}
	a, path, err := s.Inclusion(ctx, index, head.Count, nil)
	if err != nil || a.Height != height {
		return 0, nil, false, err
	}
	return index, path, true, nil
}

// UpTo answers the index of the last of the first count anchors whose height is
// not above this one. ok is false where all are above. Where the last of them is
// not in the accumulator yet, it is given.
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
