package proof

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Depth is the longest way from the root to a leaf, in steps: the bits of a key
// hash.
const Depth = 256

// Domain separation of leaves and nodes, as in RFC 6962, section 2.1.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// KeyHash is the place of a key in the tree.
func KeyHash(key []byte) [32]byte { return sha256.Sum256(key) }

// ValueHash is what a leaf says of its value.
func ValueHash(value []byte) [32]byte { return sha256.Sum256(value) }

// LeafHash is the hash of a leaf, from its key's and its value's.
func LeafHash(keyHash, valueHash [32]byte) [32]byte {
	return hashPair(leafPrefix, &keyHash, &valueHash)
}

// NodeHash is the hash of a subtree with two leaves or more, from its halves'.
func NodeHash(left, right [32]byte) [32]byte {
	return hashPair(nodePrefix, &left, &right)
}

func hashPair(prefix byte, a, b *[32]byte) [32]byte {
	var buf [65]byte
	buf[0] = prefix
	copy(buf[1:33], a[:])
	copy(buf[33:], b[:])
	return sha256.Sum256(buf[:])
}

// Leaf is a leaf by its hashes.
type Leaf struct {
	Key   [32]byte // KeyHash of the key
	Value [32]byte // ValueHash of the value
}

// Path leads from the root of a state tree to the place of a key.
type Path struct {
	// Siblings are the hashes beside the way, from the root downwards, one a
	// step. Zero stands for an empty subtree; the last one is not zero, because
	// a leaf beside an empty subtree would be lifted.
	Siblings [][32]byte
	// Other is the leaf of another key at the key's place, in a proof of absence.
	Other *Leaf
}

// Reasons why a path proves nothing.
var (
	ErrMalformed = errors.New("malformed")
	ErrMismatch  = errors.New("does not lead to the root")
)

// VerifyMember checks that the tree with this root has the value under the key.
func VerifyMember(root [32]byte, key, value []byte, p Path) error {
	if err := p.check(); err != nil {
		return err
	}
	if p.Other != nil {
		return fmt.Errorf("path of an absent key: %w", ErrMalformed)
	}
	keyHash := KeyHash(key)
	if p.fold(keyHash, LeafHash(keyHash, ValueHash(value))) != root {
		return fmt.Errorf("path of a member: %w", ErrMismatch)
	}
	return nil
}

// VerifyAbsent checks that the tree with this root has no value under the key.
func VerifyAbsent(root [32]byte, key []byte, p Path) error {
	if err := p.check(); err != nil {
		return err
	}
	keyHash := KeyHash(key)
	var place [32]byte
	if p.Other != nil {
		if p.Other.Key == keyHash {
			return fmt.Errorf("the other leaf is the key's own: %w", ErrMalformed)
		}
		if commonBits(&p.Other.Key, &keyHash) < len(p.Siblings) {
			return fmt.Errorf("the other leaf lies beside the path: %w", ErrMalformed)
		}
		place = LeafHash(p.Other.Key, p.Other.Value)
	}
	if p.fold(keyHash, place) != root {
		return fmt.Errorf("path of an absent key: %w", ErrMismatch)
	}
	return nil
}

func (p Path) check() error {
	n := len(p.Siblings)
	if n > Depth {
		return fmt.Errorf("path of %d steps: %w", n, ErrMalformed)
	}
	if n > 0 && p.Siblings[n-1] == ([32]byte{}) {
		return fmt.Errorf("path ends beside an empty subtree: %w", ErrMalformed)
	}
	return nil
}

// fold hashes upwards from what is at the place of the key.
func (p Path) fold(keyHash, hash [32]byte) [32]byte {
	for i := len(p.Siblings) - 1; i >= 0; i-- {
		if Bit(&keyHash, i) == 0 {
			hash = hashPair(nodePrefix, &hash, &p.Siblings[i])
		} else {
			hash = hashPair(nodePrefix, &p.Siblings[i], &hash)
		}
	}
	return hash
}

// Bit is the i-th bit of a key hash, the highest first: the way at depth i.
func Bit(keyHash *[32]byte, i int) byte { return keyHash[i/8] >> (7 - i%8) & 1 }

// commonBits is the number of leading bits that a and b share.
func commonBits(a, b *[32]byte) int {
	n := 0
	for n < Depth && Bit(a, n) == Bit(b, n) {
		n++
	}
	return n
}

const (
	pathPlain = 0 // the place of the key's leaf, or empty
	pathOther = 1 // the place is another leaf's
)

// Append appends the path's encoding. A path that check refuses has none; it is
// encoded as it is, and refused by DecodePath.
func (p Path) Append(dst []byte) []byte {
	kind := byte(pathPlain)
	if p.Other != nil {
		kind = pathOther
	}
	n := len(p.Siblings)
	dst = append(dst, kind, byte(n>>8), byte(n))
	bitmap := len(dst)
	dst = append(dst, make([]byte, (n+7)/8)...)
	for i := range p.Siblings {
		if p.Siblings[i] != ([32]byte{}) {
			dst[bitmap+i/8] |= 0x80 >> (i % 8)
			dst = append(dst, p.Siblings[i][:]...)
		}
	}
	if p.Other != nil {
		dst = append(dst, p.Other.Key[:]...)
		dst = append(dst, p.Other.Value[:]...)
	}
	return dst
}

// DecodePath reads the encoding of a path: all of b.
func DecodePath(b []byte) (Path, error) {
	if len(b) < 3 || b[0] > pathOther {
		return Path{}, fmt.Errorf("path's kind and depth: %w", ErrMalformed)
	}
	kind, n := b[0], int(b[1])<<8|int(b[2])
	bitmap := b[3:]
	if n > Depth || len(bitmap) < (n+7)/8 {
		return Path{}, fmt.Errorf("path's depth or bitmap: %w", ErrMalformed)
	}
	bitmap, b = bitmap[:(n+7)/8], bitmap[(n+7)/8:]
	if n%8 != 0 && bitmap[n/8]<<(n%8) != 0 {
		return Path{}, fmt.Errorf("path's bitmap has bits beyond its depth: %w", ErrMalformed)
	}
	var p Path
	if n > 0 {
		p.Siblings = make([][32]byte, n)
	}
	for i := range p.Siblings {
		if bitmap[i/8]<<(i%8)&0x80 == 0 {
			continue
		}
		if len(b) < 32 || bytes.Equal(b[:32], make([]byte, 32)) {
			return Path{}, fmt.Errorf("path's sibling at step %d: %w", i, ErrMalformed)
		}
		p.Siblings[i], b = [32]byte(b), b[32:]
	}
	if kind == pathOther {
		if len(b) < 64 {
			return Path{}, fmt.Errorf("path's other leaf: %w", ErrMalformed)
		}
		p.Other = &Leaf{Key: [32]byte(b), Value: [32]byte(b[32:])}
		b = b[64:]
	}
	if len(b) != 0 {
		return Path{}, fmt.Errorf("%d bytes behind a path: %w", len(b), ErrMalformed)
	}
	return p, p.check()
}
