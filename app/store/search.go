package store

import (
	"bytes"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// holds reports whether the tree has a leaf of a key hash.
func (s *stem) holds(key *[32]byte, load func([]byte) ([]byte, error)) (bool, error) {
	for depth := 0; depth < crownDepth; depth += span {
		i := slotOf(key, depth)
		if s == nil || s.nodes[slots+i].content == empty {
			return false, nil
		}
		s = s.kids[i]
	}
	var room [2 + 32]byte
	for depth := crownDepth; depth < proof.Depth; depth += span {
		k := pageKey(room[:0], key, depth)
		b, err := load(k)
		if err != nil {
			return false, fmt.Errorf("reading page %x of the state tree: %w", k, err)
		}
		listed, below, err := search(b, key, depth)
		if err != nil {
			return false, fmt.Errorf("page %x: %w", k, err)
		}
		if !below {
			return listed, nil
		}
	}
	return false, errPage
}

// search looks for a key hash in the encoding of the page at a depth on the way to it, as
// decodePage would find it: whether it is listed, or would be in the page below.
func search(b []byte, key *[32]byte, depth int) (listed, below bool, err error) {
	if len(b) > 64 && b[0] == pageBucket && (len(b)-1)%64 == 0 {
		for b = b[1:]; len(b) > 0; b = b[64:] {
			if bytes.Equal(b[:32], key[:]) {
				return true, false, nil
			}
		}
		return false, false, nil
	}
	if len(b) < 3 || b[0] != pageSplit {
		return false, false, errPage
	}
	used, deep, rest := b[1], b[2], b[3:]
	for i := range slotOf(key, depth) {
		switch {
		case used>>i&1 == 0:
		case deep>>i&1 == 0 && len(rest) >= 64:
			rest = rest[64:]
		case deep>>i&1 == 1 && len(rest) >= 33:
			rest = rest[33:]
		default:
			return false, false, errPage
		}
	}
	i := slotOf(key, depth)
	switch {
	case used>>i&1 == 0:
		return false, false, nil
	case deep>>i&1 == 1:
		return false, true, nil
	case len(rest) < 64:
		return false, false, errPage
	}
	return bytes.Equal(rest[:32], key[:]), false, nil
}
