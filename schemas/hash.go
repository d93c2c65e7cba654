package schemas

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Hash is a SHA-256 output: a digest, a transaction id, a root.
type Hash [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether no hash is set.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes the hexadecimal form.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads the hexadecimal form, 64 digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != 2*len(h) {
		return &Fault{Code: BadValue, Detail: "a hash has 64 hexadecimal digits"}
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return &Fault{Code: BadValue, Detail: "a hash has hexadecimal digits only"}
	}
	return nil
}

// Tags keep the hashes of one purpose from ever being read as another's.
const (
	tagHeader   = "waybill/header"   // transaction id, which is what a partner signs
	tagAuthor   = "waybill/author"   // what the author of one message signs
	tagMessage  = "waybill/message"  // message digest
	tagSkeleton = "waybill/skeleton" // skeleton hash
	tagMember   = "waybill/member"   // leaf of a body
	tagBody     = "waybill/body"     // body root
	tagEntry    = "waybill/entry"    // link of a trail
	tagContent  = "waybill/content"  // what an error declaration must repeat
	tagRegister = "waybill/register" // link of a partner's register
	tagVoid     = "waybill/void"     // link of a partner's register that voids
	tagAnchor   = "waybill/anchor"   // link of the header accumulator
	tagErased   = "waybill/erased"   // what a node signs when it holds a body no more
	tagSnapshot = "waybill/snapshot" // what a snapshot is known by
	tagRescue   = "waybill/rescue"   // what the survivors of a rescue sign
)

// Sum is H(tag, parts...) of the design: SHA-256 over the tag and each part,
// each behind its length as a minimal unsigned varint, so that no two different
// lists of parts are hashed as the same bytes.
func Sum(tag string, parts ...[]byte) Hash {
	var stack [512]byte
	b := binary.AppendUvarint(stack[:0], uint64(len(tag)))
	b = append(b, tag...)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}

// RescueID is what the survivors sign who restart a network: the hash of their
// statement.
func RescueID(statement []byte) Hash { return Sum(tagRescue, statement) }

// MAC is HMAC-SHA-256 under key (RFC 2104).
func MAC(key, message []byte) Hash {
	const room = 256
	if len(key) > sha256.BlockSize || len(message) > room {
		m := hmac.New(sha256.New, key)
		m.Write(message)
		return Hash(m.Sum(nil))
	}
	// Each member of each event has its salt, so the short case does without
	// the hash objects that crypto/hmac allocates.
	var inner [sha256.BlockSize + room]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := copy(inner[sha256.BlockSize:], message)
	digest := sha256.Sum256(inner[:sha256.BlockSize+n])
	copy(outer[sha256.BlockSize:], digest[:])
	return sha256.Sum256(outer[:])
}

// MerkleRoot is the RFC 6962 tree head over entries in order; over none it is
// SHA-256 of nothing. Every body and transaction has one, so it is computed here
// without allocating; tests hold it to the library that computes proofs.
func MerkleRoot(entries [][]byte) Hash {
	var tree merkle
	for _, e := range entries {
		tree.add(e)
	}
	return tree.root()
}

// merkle is such a tree, entry by entry.
type merkle struct {
	// peaks are the roots of full subtrees, largest first, as the bits of the
	// count are set.
	peaks  [32]Hash
	height int // of peaks
	count  uint32
}

func (m *merkle) add(entry []byte) {
	node := leafHash(entry)
	for rest := m.count; rest&1 == 1; rest >>= 1 {
		m.height--
		node = nodeHash(&m.peaks[m.height], &node)
	}
	m.peaks[m.height] = node
	m.height++
	m.count++
}

func (m *merkle) root() Hash {
	if m.height == 0 {
		return sha256.Sum256(nil)
	}
	root := m.peaks[m.height-1]
	for h := m.height - 1; h > 0; h-- {
		root = nodeHash(&m.peaks[h-1], &root)
	}
	return root
}

// leafHash and nodeHash are RFC 6962, 2.1.
func leafHash(entry []byte) Hash {
	var stack [128]byte
	return sha256.Sum256(append(append(stack[:0], 0), entry...))
}

func nodeHash(left, right *Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
