package app

import (
	"context"
	"fmt"
	"sort"
)

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

// searchAnchor finds the first entry of a height or above it: heights ascend.
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
