package store

import (
	"errors"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// content says how many leaves a subtree has, as far as its hash depends on it.
type content uint8

const (
	empty content = iota
	lone          // one leaf: its hash is lifted, not hashed
	many
)

// sub is a subtree, seen from above.
type sub struct {
	hash    [32]byte // zero if empty
	content content
}

// join is the subtree of two halves.
func join(left, right *sub) sub {
	switch {
	case left.content == empty && right.content != many:
		return *right
	case right.content == empty && left.content != many:
		return *left
	}
	return sub{hash: proof.NodeHash(left.hash, right.hash), content: many}
}

// Pages and stems span three levels: 8 slots below, the nodes above them in the
// order of a heap, the root at 1, the slots from 8.
const (
	span  = 3
	slots = 1 << span
)

type nodes [2 * slots]sub

// fold computes what is above the slots whose bits are set in changed.
func (n *nodes) fold(changed uint32) {
	changed <<= slots
	for i := slots - 1; i > 0; i-- {
		if changed>>(2*i)&3 != 0 {
			n[i] = join(&n[2*i], &n[2*i+1])
			changed |= 1 << i
		}
	}
}

const allSlots = 1<<slots - 1

// slotOf is the slot that a key hash leads to in a page at a depth. The deepest
// page reaches beyond the last bit; what is there counts as 0.
func slotOf(key *[32]byte, depth int) int {
	i := 0
	for d := depth; d < depth+span; d++ {
		i <<= 1
		if d < proof.Depth {
			i |= int(proof.Bit(key, d))
		}
	}
	return i
}

// slot is one of a page's eight subtrees: a lone leaf in full, many by their hash.
type slot struct {
	content content
	hash    [32]byte // of many
	leaf    proof.Leaf
}

func (s *slot) sub() sub {
	switch s.content {
	case lone:
		return sub{hash: proof.LeafHash(s.leaf.Key, s.leaf.Value), content: lone}
	case many:
		return sub{hash: s.hash, content: many}
	}
	return sub{}
}

// page is three levels of the tree below the crown.
type page [slots]slot

func (p *page) nodes() *nodes {
	var n nodes
	for i := range p {
		n[slots+i] = p[i].sub()
	}
	n.fold(allSlots)
	return &n
}

// only is the page's leaf, if it has exactly one, and what it holds at all.
func (p *page) only() (proof.Leaf, content) {
	found := -1
	for i := range p {
		if p[i].content == empty {
			continue
		}
		if found >= 0 || p[i].content == many {
			return proof.Leaf{}, many
		}
		found = i
	}
	if found < 0 {
		return proof.Leaf{}, empty
	}
	return p[found].leaf, lone
}

// encode writes a page: a byte whose bits are the slots with leaves in them, one
// of those with many, then a lone leaf's key hash and value hash or many's hash.
func (p *page) encode() []byte {
	size := 2
	for i := range p {
		switch p[i].content {
		case lone:
			size += 64
		case many:
			size += 32
		}
	}
	b := make([]byte, 2, size)
	for i := range p {
		switch p[i].content {
		case lone:
			b[0] |= 1 << i
			b = append(append(b, p[i].leaf.Key[:]...), p[i].leaf.Value[:]...)
		case many:
			b[0] |= 1 << i
			b[1] |= 1 << i
			b = append(b, p[i].hash[:]...)
		}
	}
	return b
}

var errPage = errors.New("a page of the state tree is damaged: restore the node from a backup or from its peers")

func decodePage(b []byte) (*page, error) {
	var p page
	if len(b) < 2 || b[1]&^b[0] != 0 {
		return nil, errPage
	}
	used, deep, b := b[0], b[1], b[2:]
	for i := range p {
		size := 64
		switch {
		case used>>i&1 == 0:
			continue
		case deep>>i&1 == 1:
			size = 32
		}
		if len(b) < size {
			return nil, errPage
		}
		if size == 32 {
			p[i].content, p[i].hash = many, [32]byte(b)
		} else {
			p[i].content, p[i].leaf = lone, proof.Leaf{Key: [32]byte(b), Value: [32]byte(b[32:])}
		}
		b = b[size:]
	}
	if len(b) != 0 {
		return nil, errPage
	}
	return &p, nil
}

// pageKey is where the database has the page at a depth on the way to a key.
func pageKey(dst []byte, key *[32]byte, depth int) []byte {
	dst = append(dst, spacePage, byte(depth))
	n := (depth + 7) / 8
	dst = append(dst, key[:n]...)
	if depth%8 != 0 {
		dst[len(dst)-1] &= 0xff << (8 - depth%8)
	}
	return dst
}
