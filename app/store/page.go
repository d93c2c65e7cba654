package store

import (
	"bytes"

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

// bucket is how many leaves a page lists before it splits. At few leaves a page,
// one read and one write serve a change, and their siblings are hashed again at
// hand; at more, a page would cost more to write than it saves to read.
const bucket = 8

// slot is one of a split page's eight subtrees: a lone leaf in full, many by
// their hash and, up to a bucket of them, their number.
type slot struct {
	content content
	count   uint8    // of many: 2 to bucket, or more as bucket+1
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

// page is a part of the tree below the crown, as the database keeps it: a bucket
// of leaves, sorted by key hash, or, for more than that, three levels split into
// slots.
type page struct {
	leaves []proof.Leaf
	split  *[slots]slot
}

// nodes are a split page's.
func (p *page) nodes() *nodes {
	var n nodes
	for i := range p.split {
		n[slots+i] = p.split[i].sub()
	}
	n.fold(allSlots)
	return &n
}

// root is the page's subtree, which begins at a depth.
func (p *page) root(depth int) sub {
	if p.split != nil {
		return p.nodes()[1]
	}
	return subtree(p.leaves, depth)
}

// subtree hashes leaves, sorted by key hash, that share their first depth bits.
func subtree(leaves []proof.Leaf, depth int) sub {
	switch len(leaves) {
	case 0:
		return sub{}
	case 1:
		return sub{hash: proof.LeafHash(leaves[0].Key, leaves[0].Value), content: lone}
	}
	n := parting(leaves, depth)
	left, right := subtree(leaves[:n], depth+1), subtree(leaves[n:], depth+1)
	return join(&left, &right)
}

// parting is how many of the sorted leaves go to the left at a depth.
func parting(leaves []proof.Leaf, depth int) int {
	n := 0
	for n < len(leaves) && proof.Bit(&leaves[n].Key, depth) == 0 {
		n++
	}
	return n
}

// count is how many leaves the page has, or more than a bucket.
func (p *page) count() int {
	if p.split == nil {
		return len(p.leaves)
	}
	n := 0
	for i := range p.split {
		switch p.split[i].content {
		case lone:
			n++
		case many:
			n += int(p.split[i].count)
		}
	}
	return min(n, bucket+1)
}

// Kinds of pages, as the first byte says.
const (
	pageBucket = 0
	pageSplit  = 1
)

// encode writes a page. A bucket: 0, then each leaf's key hash and value hash. A
// split: 1, a byte whose bits are the slots with leaves in them, one of those
// with many, then a lone leaf's key hash and value hash or many's number and hash.
func (p *page) encode() []byte {
	if p.split == nil {
		return appendBucket(make([]byte, 0, 1+64*len(p.leaves)), p.leaves)
	}
	b := make([]byte, 3, 3+slots*33)
	b[0] = pageSplit
	for i := range p.split {
		s := &p.split[i]
		switch s.content {
		case lone:
			b[1] |= 1 << i
			b = append(append(b, s.leaf.Key[:]...), s.leaf.Value[:]...)
		case many:
			b[1] |= 1 << i
			b[2] |= 1 << i
			b = append(append(b, s.count), s.hash[:]...)
		}
	}
	return b
}

func appendBucket(b []byte, leaves []proof.Leaf) []byte {
	b = append(b, pageBucket)
	for i := range leaves {
		b = append(append(b, leaves[i].Key[:]...), leaves[i].Value[:]...)
	}
	return b
}

// decodeBucket appends the leaves of a bucket, checked as decodePage says.
func decodeBucket(leaves []proof.Leaf, b []byte, key *[32]byte, depth int) ([]proof.Leaf, error) {
	if len(b) <= 64 || (len(b)-1)%64 != 0 || len(b) > 1+64*bucket {
		return nil, errPage
	}
	for b = b[1:]; len(b) > 0; b = b[64:] {
		leaf := decodeLeaf(b)
		if n := len(leaves); !shared(&leaf.Key, key, depth) || n > 0 && bytes.Compare(leaves[n-1].Key[:], leaf.Key[:]) >= 0 {
			return nil, errPage
		}
		leaves = append(leaves, leaf)
	}
	return leaves, nil
}

var errPage = Damaged("a page of the state tree is damaged")

// decodePage reads the page at a depth on the way to a key, and checks that its
// leaves belong there: all that follows relies on it.
func decodePage(b []byte, key *[32]byte, depth int) (*page, error) {
	if len(b) > 0 && b[0] == pageBucket {
		leaves, err := decodeBucket(make([]proof.Leaf, 0, len(b)/64), b, key, depth)
		if err != nil {
			return nil, err
		}
		return &page{leaves: leaves}, nil
	}
	if len(b) < 3 || b[0] != pageSplit || b[2]&^b[1] != 0 {
		return nil, errPage
	}
	p := &page{split: &[slots]slot{}}
	used, deep, b := b[1], b[2], b[3:]
	for i := range p.split {
		switch {
		case used>>i&1 == 0:
		case deep>>i&1 == 0 && len(b) >= 64:
			p.split[i], b = slot{content: lone, leaf: decodeLeaf(b)}, b[64:]
			if leaf := &p.split[i].leaf.Key; !shared(leaf, key, depth) || slotOf(leaf, depth) != i {
				return nil, errPage
			}
		case deep>>i&1 == 1 && len(b) >= 33:
			p.split[i], b = slot{content: many, count: b[0], hash: [32]byte(b[1:])}, b[33:]
		default:
			return nil, errPage
		}
	}
	if len(b) != 0 {
		return nil, errPage
	}
	return p, nil
}

// shared reports whether two key hashes have the same first depth bits.
func shared(a, b *[32]byte, depth int) bool {
	n := depth / 8
	return bytes.Equal(a[:n], b[:n]) && (depth%8 == 0 || (a[n]^b[n])>>(8-depth%8) == 0)
}

func decodeLeaf(b []byte) proof.Leaf { return proof.Leaf{Key: [32]byte(b), Value: [32]byte(b[32:])} }

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
