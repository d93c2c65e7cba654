package proof

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/waybill-ledger/waybill/schemas"
)

// MaxCount bounds the entries of a log, so that no arithmetic over counts can
// overflow whatever is decoded.
const MaxCount = 1 << 62

// Head commits to a log: all of its entries, in order, and how many they are.
type Head = schemas.Head

// Log is a log without its entries: what one needs to append to it. The zero
// value is the empty log. A copy is independent of its original.
type Log struct {
	Count    uint64
	frontier [][32]byte // perfect subtrees, largest first: never changed in place, copies share it
}

// entryHash is the leaf hash of RFC 6962, section 2.1.
func entryHash(entry *[32]byte) [32]byte {
	var buf [33]byte
	buf[0] = leafPrefix
	copy(buf[1:], entry[:])
	return sha256.Sum256(buf[:])
}

// Append adds an entry.
func (l *Log) Append(entry [32]byte) {
	hash := entryHash(&entry)
	// Every trailing one bit of the count is a perfect subtree that the new leaf
	// completes to one of twice the size.
	merged := bits.TrailingZeros64(^l.Count)
	keep := len(l.frontier) - merged
	for i := len(l.frontier) - 1; i >= keep; i-- {
		hash = hashPair(nodePrefix, &l.frontier[i], &hash)
	}
	next := make([][32]byte, keep+1)
	copy(next, l.frontier[:keep])
	next[keep] = hash
	l.Count++
	l.frontier = next
}

// Extend adds an entry as Append does, in place: the log must have no copies.
func (l *Log) Extend(entry [32]byte) {
	hash := entryHash(&entry)
	keep := len(l.frontier) - bits.TrailingZeros64(^l.Count)
	for i := len(l.frontier) - 1; i >= keep; i-- {
		hash = hashPair(nodePrefix, &l.frontier[i], &hash)
	}
	l.frontier = append(l.frontier[:keep], hash)
	l.Count++
}

// Completes tells what an entry completes that comes next: the roots of the full
// subtrees of 1<<least entries and more that end with it, the smallest first.
func (l Log) Completes(entry [32]byte, least int) (roots [][32]byte) {
	hash := entryHash(&entry)
	last := len(l.frontier) - 1
	for level := range bits.TrailingZeros64(l.Count+1) + 1 {
		if level > 0 {
			hash = hashPair(nodePrefix, &l.frontier[last-level+1], &hash)
		}
		if level >= least {
			roots = append(roots, hash)
		}
	}
	return roots
}

// Root is the root of the log: for the empty log the SHA-256 of nothing.
func (l Log) Root() [32]byte {
	n := len(l.frontier)
	if n == 0 {
		return sha256.Sum256(nil)
	}
	hash := l.frontier[n-1]
	for i := n - 2; i >= 0; i-- {
		hash = hashPair(nodePrefix, &l.frontier[i], &hash)
	}
	return hash
}

// Head is the log's root and count.
func (l Log) Head() Head { return Head{Root: l.Root(), Count: l.Count} }

// Check reports whether the log is the one that h commits to.
func (l Log) Check(h Head) error {
	if l.Count != h.Count {
		return fmt.Errorf("log of %d entries under a head of %d: %w", l.Count, h.Count, ErrMismatch)
	}
	if l.Root() != h.Root {
		return fmt.Errorf("frontier of %d entries: %w", l.Count, ErrMismatch)
	}
	return nil
}

// AppendTo appends the log's encoding.
func (l Log) AppendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, l.Count)
	for i := range l.frontier {
		dst = append(dst, l.frontier[i][:]...)
	}
	return dst
}

// DecodeLog reads the encoding of a log: all of b. What it returns is a log of
// that many entries; whether it is the right one, Check tells.
func DecodeLog(b []byte) (Log, error) {
	count, b, err := decodeCount(b)
	if err != nil {
		return Log{}, err
	}
	n := bits.OnesCount64(count)
	if len(b) != 32*n {
		return Log{}, fmt.Errorf("frontier of %d entries has %d bytes: %w", count, len(b), ErrMalformed)
	}
	if n == 0 {
		return Log{}, nil
	}
	l := Log{Count: count, frontier: make([][32]byte, n)}
	for i := range l.frontier {
		l.frontier[i] = [32]byte(b[32*i:])
	}
	return l, nil
}

func decodeCount(b []byte) (count uint64, rest []byte, err error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > MaxCount || n > 1 && b[n-1] == 0 {
		return 0, nil, fmt.Errorf("log's count: %w", ErrMalformed)
	}
	return count, b[n:], nil
}

// RootOf is the root of the log of these entries.
func RootOf(entries [][32]byte) [32]byte { return schemas.MerkleRoot(bytesOf(entries)) }

// split is the largest power of two below n, for n of 2 or more.
func split[N int | uint64](n N) N { return 1 << (bits.Len64(uint64(n-1)) - 1) }

// Inclusion proves that the log of these entries has entries[index] there:
// PATH of RFC 6962, section 2.1.1.
func Inclusion(entries [][32]byte, index uint64) ([][32]byte, error) {
	return newSubtrees(entries).inclusion(index)
}

// Tree answers many proofs over the same entries. It may be used by one goroutine
// at a time.
type Tree struct{ s *subtrees }

// NewTree is the tree of these entries.
func NewTree(entries [][32]byte) *Tree { return &Tree{newSubtrees(entries)} }

// Inclusion proves that the log of the tree's entries has the entry there.
func (t *Tree) Inclusion(index uint64) ([][32]byte, error) { return t.s.inclusion(index) }

// subtrees answers many proofs over the same entries, hashing each subtree once.
type subtrees struct {
	entries [][32]byte
	roots   map[[2]int][32]byte // by first and behind-last entry
}

func newSubtrees(entries [][32]byte) *subtrees {
	return &subtrees{entries: entries, roots: make(map[[2]int][32]byte)}
}

// root is MTH of RFC 6962, section 2.1, of entries lo to hi, of which there is one
// or more.
func (s *subtrees) root(lo, hi int) [32]byte {
	if hi-lo == 1 {
		return entryHash(&s.entries[lo])
	}
	if root, ok := s.roots[[2]int{lo, hi}]; ok {
		return root
	}
	k := lo + split(hi-lo)
	left, right := s.root(lo, k), s.root(k, hi)
	root := hashPair(nodePrefix, &left, &right)
	s.roots[[2]int{lo, hi}] = root
	return root
}

func (s *subtrees) inclusion(index uint64) ([][32]byte, error) {
	if index >= uint64(len(s.entries)) {
		return nil, fmt.Errorf("inclusion of entry %d of %d: %w", index, len(s.entries), ErrMalformed)
	}
	return s.audit(0, len(s.entries), int(index)), nil
}

func (s *subtrees) audit(lo, hi, index int) [][32]byte {
	if hi-lo == 1 {
		return nil
	}
	k := lo + split(hi-lo)
	if index < k {
		return append(s.audit(lo, k, index), s.root(k, hi))
	}
	return append(s.audit(k, hi, index), s.root(lo, k))
}

// VerifyInclusion checks a proof that the log of this head has the entry at the
// index, counted from 0.
func VerifyInclusion(h Head, index uint64, entry [32]byte, hashes [][32]byte) error {
	if h.Count > MaxCount {
		return fmt.Errorf("inclusion in a log of %d entries: %w", h.Count, ErrMalformed)
	}
	root, whole := entryHash(&entry), index < h.Count
	at, last := index, h.Count-1 // places of the subtree and of the last one as large
	for i := range hashes {
		if whole = whole && last > 0; !whole {
			break
		}
		// The last one, where it is a left child, is lifted to where it has a sibling.
		for at == last && at&1 == 0 {
			at, last = at>>1, last>>1
		}
		if at&1 == 1 {
			root = hashPair(nodePrefix, &hashes[i], &root)
		} else {
			root = hashPair(nodePrefix, &root, &hashes[i])
		}
		at, last = at>>1, last>>1
	}
	if !whole || last > 0 || root != h.Root {
		return fmt.Errorf("inclusion of entry %d of %d: %w", index, h.Count, ErrMismatch)
	}
	return nil
}

// Consistency proves that the log of these entries began as the log of the first
// count of them: PROOF of RFC 6962, section 2.1.2. For the empty and the whole
// log there is nothing to prove, and the proof is empty.
func Consistency(entries [][32]byte, count uint64) ([][32]byte, error) {
	if count > uint64(len(entries)) {
		return nil, fmt.Errorf("growth from %d to %d entries: %w", count, len(entries), ErrMalformed)
	}
	if count == 0 || count == uint64(len(entries)) {
		return nil, nil
	}
	return newSubtrees(entries).growth(0, len(entries), int(count), true), nil
}

// growth is SUBPROOF: the old log ends at count, and whole tells that its root
// stands for these entries, so that its verifier has it already.
func (s *subtrees) growth(lo, hi, count int, whole bool) [][32]byte {
	if count == hi {
		if whole {
			return nil
		}
		return [][32]byte{s.root(lo, hi)}
	}
	k := lo + split(hi-lo)
	if count <= k {
		return append(s.growth(lo, k, count, whole), s.root(k, hi))
	}
	return append(s.growth(k, hi, count, false), s.root(lo, k))
}

// VerifyConsistency checks a proof that the log of the head now began as the log
// of the head old.
func VerifyConsistency(old, now Head, hashes [][32]byte) error {
	if now.Count > MaxCount || old.Count > MaxCount {
		return fmt.Errorf("growth from %d to %d entries: %w", old.Count, now.Count, ErrMalformed)
	}
	// RFC 6962 leaves growth from nothing open, and the library takes any root
	// there: the heads of empty logs are ours to check.
	for _, h := range []Head{old, now} {
		if h.Count == 0 && h.Root != sha256.Sum256(nil) {
			return fmt.Errorf("head of an empty log: %w", ErrMismatch)
		}
	}
	err := proof.VerifyConsistency(rfc6962.DefaultHasher, old.Count, now.Count, bytesOf(hashes), old.Root[:], now.Root[:])
	if err != nil {
		return fmt.Errorf("growth from %d to %d entries: %w", old.Count, now.Count, ErrMismatch)
	}
	return nil
}

func bytesOf(hashes [][32]byte) [][]byte {
	s := make([][]byte, len(hashes))
	for i := range hashes {
		s[i] = hashes[i][:]
	}
	return s
}

// Range proves which entries a log has from the first on, up to behind the last:
// the hashes of the largest subtrees before and behind them, from left to right.
// Of a whole log it is empty.
func Range(entries [][32]byte, first, behind uint64) ([][32]byte, error) {
	s := newSubtrees(entries)
	return RangeIn(uint64(len(entries)), first, behind, func(lo, hi uint64) ([32]byte, error) { return s.root(int(lo), int(hi)), nil })
}

// RangeIn is Range for the log of the first count entries.
func RangeIn(count, first, behind uint64, root SubtreeRoot) ([][32]byte, error) {
	if first >= behind || behind > count || count > MaxCount {
		return nil, fmt.Errorf("entries %d to %d of %d: %w", first, behind, count, ErrMalformed)
	}
	return outside(0, count, first, behind, root, nil)
}

func outside(lo, hi, first, behind uint64, root SubtreeRoot, out [][32]byte) ([][32]byte, error) {
	switch {
	case lo >= first && hi <= behind:
		return out, nil
	case hi <= first || lo >= behind:
		hash, err := whole(lo, hi, root)
		return append(out, hash), err
	}
	k := lo + split(hi-lo)
	out, err := outside(lo, k, first, behind, root, out)
	if err != nil {
		return nil, err
	}
	return outside(k, hi, first, behind, root, out)
}

// whole joins the full subtrees of one that is not full.
func whole(lo, hi uint64, root SubtreeRoot) ([32]byte, error) {
	if bits.OnesCount64(hi-lo) == 1 {
		return root(lo, hi)
	}
	k := lo + split(hi-lo)
	left, err := root(lo, k)
	if err != nil {
		return left, err
	}
	right, err := whole(k, hi, root)
	return hashPair(nodePrefix, &left, &right), err
}

// VerifyRange checks a proof that the log of this head has these entries from the
// first on.
func VerifyRange(h Head, first uint64, entries, beside [][32]byte) error {
	n := uint64(len(entries))
	if h.Count > MaxCount || n == 0 || first > h.Count || n > h.Count-first {
		return fmt.Errorf("%d entries from %d on, of %d: %w", n, first, h.Count, ErrMalformed)
	}
	r := ranger{first: first, entries: entries, beside: beside}
	if root := r.root(0, h.Count); !r.short && len(r.beside) == 0 && root == h.Root {
		return nil
	}
	return fmt.Errorf("%d entries from %d on, of %d: %w", n, first, h.Count, ErrMismatch)
}

// ranger puts a log's root together from entries and the hashes beside them. The
// way down to the entries is as deep as the log, whatever its count says: beside
// it every subtree costs one hash, which is there or ends it.
type ranger struct {
	first   uint64
	entries [][32]byte
	beside  [][32]byte
	short   bool
}

func (r *ranger) root(lo, hi uint64) [32]byte {
	behind := r.first + uint64(len(r.entries))
	switch {
	case r.short:
		return [32]byte{}
	case hi <= r.first || lo >= behind:
		if r.short = len(r.beside) == 0; r.short {
			return [32]byte{}
		}
		hash := r.beside[0]
		r.beside = r.beside[1:]
		return hash
	case lo >= r.first && hi <= behind:
		return RootOf(r.entries[lo-r.first : hi-r.first])
	}
	k := lo + split(hi-lo)
	left := r.root(lo, k)
	right := r.root(k, hi)
	return hashPair(nodePrefix, &left, &right)
}
