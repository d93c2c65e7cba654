package store

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"slices"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// verifyLeaves bounds the leaves that Verify holds at a time.
const verifyLeaves = 1 << 18

// Verify recomputes the state tree of the last committed height from the state's
// own rows, page by page, and compares it with what the database holds. It holds
// a bounded number of leaves at a time and reads the state once for each such
// share of the key hashes; blocks may commit meanwhile.
func (s *Store) Verify(ctx context.Context) error {
	v := s.Latest()
	if err := v.use(); err != nil {
		return err
	}
	defer v.done()
	depth := min(bits.Len64(uint64(v.version.leaves)/verifyLeaves), crownDepth)
	shares := make([]sub, 2<<depth)
	total := int64(0)
	for share := range uint32(1) << depth {
		crown, leaves, err := v.version.verifyShare(ctx, depth, share)
		if err != nil {
			return fmt.Errorf("verifying the state of height %d: %w", v.version.height, err)
		}
		shares[1<<depth|share] = crown.below(depth, share)
		total += leaves
	}
	for i := len(shares)/2 - 1; i > 0; i-- {
		shares[i] = join(&shares[2*i], &shares[2*i+1])
	}
	if shares[1].hash != v.version.root || total != v.version.leaves {
		return Damaged("the state of height %d has %d keys and the root %x, recorded are %d and %x",
			v.version.height, total, shares[1].hash, v.version.leaves, v.version.root)
	}
	return nil
}

// verifyShare rebuilds the part of the tree whose key hashes begin with the depth
// bits of share, and compares its pages.
func (v *version) verifyShare(ctx context.Context, depth int, share uint32) (*stem, int64, error) {
	var cs []change
	n := 0
	for row, err := range v.snap.scan([]byte{spaceState}, []byte{spaceState + 1}, false) {
		if err != nil {
			return nil, 0, err
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		key := proof.KeyHash(row.Key[1:])
		if firstBits(&key, depth) != share {
			continue
		}
		value, _, err := splitState(row.Value)
		if err != nil {
			return nil, 0, fmt.Errorf("key %q: %w", row.Key[1:], err)
		}
		cs = append(cs, change{Leaf: proof.Leaf{Key: key, Value: proof.ValueHash(value)}})
	}
	slices.SortFunc(cs, func(x, y change) int { return bytes.Compare(x.Key[:], y.Key[:]) })
	crown, pages, leaves, err := grow(nil, cs, func([]byte) ([]byte, error) { return nil, errPage })
	if err != nil {
		return nil, 0, err
	}
	return crown, leaves, v.comparePages(ctx, depth, share, pages)
}

func firstBits(key *[32]byte, depth int) uint32 {
	return (uint32(key[0])<<16 | uint32(key[1])<<8 | uint32(key[2])) >> (24 - depth)
}

// comparePages finds the pages of a share in the database, and no others there.
func (v *version) comparePages(ctx context.Context, depth int, share uint32, pages []pageWrite) error {
	want := make(map[string][]byte, len(pages))
	for _, p := range pages {
		want[string(p.key)] = p.data
	}
	for row, err := range v.snap.scan([]byte{spacePage}, []byte{spacePage + 1}, false) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(row.Key) < 2+crownDepth/8 {
			return errPage
		}
		var key [32]byte
		copy(key[:], row.Key[2:])
		if firstBits(&key, depth) != share {
			continue
		}
		data, ok := want[string(row.Key)]
		if !ok || !bytes.Equal(data, row.Value) {
			return fmt.Errorf("page %x is not what the state's keys make it: %w", row.Key, errPage)
		}
		delete(want, string(row.Key))
	}
	if len(want) > 0 {
		return Damaged("pages of the state tree are missing")
	}
	return nil
}

// below is the subtree at the end of the first depth bits.
func (s *stem) below(depth int, share uint32) sub {
	for d := 0; ; d += span {
		if s == nil {
			return sub{}
		}
		if depth-d <= span {
			i := 1
			for b := d; b < depth; b++ {
				i = 2*i + int(share>>(depth-1-b)&1)
			}
			return s.nodes[i]
		}
		s = s.kids[share>>(depth-d-span)&(slots-1)]
	}
}
