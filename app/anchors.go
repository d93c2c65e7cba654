package app

import (
	"fmt"
	"sort"
	"sync"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// tiles are the roots of the header accumulator's full tiles, as far as somebody
// asked: an entry is proven by one tile's entries and these.
type tiles struct {
	mu    sync.Mutex // guards roots
	roots [][32]byte
}

// AnchorProof proves that the accumulator has the header of a height: its index,
// and the hashes beside its way. ok is false where it has none of that height.
func (v *View) AnchorProof(height int64) (index uint64, path [][32]byte, ok bool, err error) {
	head, err := v.AnchorHead()
	if err != nil {
		return 0, nil, false, err
	}
	index, ok, err = v.findAnchor(height, head.Count)
	if !ok || err != nil {
		return 0, nil, false, err
	}
	roots, err := v.tileRoots(head.Count)
	if err != nil {
		return 0, nil, false, err
	}
	tile, err := v.anchorEntries(index/proof.TileSize*proof.TileSize, head.Count)
	if err != nil {
		return 0, nil, false, err
	}
	path, err = proof.TiledInclusion(roots, tile, index)
	return index, path, true, err
}

// AnchorUpTo is the last header in the accumulator at or below a height: it carries
// the state that every header between it and the height does. It is nil where there
// is none.
func (v *View) AnchorUpTo(height int64) (*Anchor, error) {
	head, err := v.AnchorHead()
	if err != nil || head.Count == 0 {
		return nil, err
	}
	behind, err := v.searchAnchor(height+1, head.Count)
	if err != nil || behind == 0 {
		return nil, err
	}
	list, err := v.Anchors(behind-1, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// findAnchor finds the entry of a height: heights ascend.
func (v *View) findAnchor(height int64, count uint64) (index uint64, ok bool, err error) {
	index, err = v.searchAnchor(height, count)
	if err != nil || index == count {
		return index, false, err
	}
	list, err := v.Anchors(index, 1)
	return index, err == nil && len(list) == 1 && list[0].Height == height, err
}

// searchAnchor finds the first entry of a height or above it.
func (v *View) searchAnchor(height int64, count uint64) (index uint64, err error) {
	at := func(i uint64) int64 {
		if err != nil {
			return 0
		}
		var list []Anchor
		if list, err = v.Anchors(i, 1); err == nil && len(list) == 0 {
			err = fmt.Errorf("the accumulator of %d headers has no row %d: restore the node from a backup or from its peers", count, i)
		}
		if err != nil {
			return 0
		}
		return list[0].Height
	}
	index = uint64(sort.Search(int(count), func(i int) bool { return at(uint64(i)) >= height }))
	return index, err
}

// tileRoots are the roots of all tiles of an accumulator of so many headers.
func (v *View) tileRoots(count uint64) ([][32]byte, error) {
	t := &v.app.tiles
	t.mu.Lock()
	defer t.mu.Unlock()
	full := count / proof.TileSize
	for uint64(len(t.roots)) < full {
		entries, err := v.anchorEntries(uint64(len(t.roots))*proof.TileSize, count)
		if err != nil {
			return nil, err
		}
		t.roots = append(t.roots, proof.RootOf(entries))
	}
	roots := append([][32]byte(nil), t.roots[:full]...)
	if count%proof.TileSize == 0 {
		return roots, nil
	}
	entries, err := v.anchorEntries(full*proof.TileSize, count)
	if err != nil {
		return nil, err
	}
	return append(roots, proof.RootOf(entries)), nil
}

// anchorEntries are the entries of the tile that begins at from.
func (v *View) anchorEntries(from, count uint64) ([][32]byte, error) {
	n := min(proof.TileSize, count-from)
	anchors, err := v.Anchors(from, int(n))
	if err != nil {
		return nil, err
	}
	if uint64(len(anchors)) != n {
		return nil, fmt.Errorf("the accumulator of %d headers lacks rows from %d on: restore the node from a backup or from its peers", count, from)
	}
	entries := make([][32]byte, n)
	for i, a := range anchors {
		entries[i] = schemas.AnchorEntry(a.Height, a.Block)
	}
	return entries, nil
}
