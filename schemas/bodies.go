package schemas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"github.com/klauspost/compress/zstd"
)

const maxWindow = 1 << 20 // bytes of history that a frame may refer to

// Codec compresses and decompresses bodies. It may be used by many goroutines.
type Codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewCodec returns a Codec.
func NewCodec() (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("making a zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(MaxDeclared), zstd.IgnoreChecksum(false))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return &Codec{enc: enc, dec: dec}, nil
}

// Compress returns b as one zstd frame.
func (c *Codec) Compress(b []byte) []byte { return c.enc.EncodeAll(b, nil) }

// Decompress returns the content of one zstd frame of exactly size bytes. What
// it allocates is bounded by size, which the caller bounds.
func (c *Codec) Decompress(frame []byte, size int) ([]byte, error) {
	if err := checkFrame(frame, size); err != nil {
		return nil, err
	}
	out, err := c.dec.DecodeAll(frame, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	if len(out) != size {
		return nil, fmt.Errorf("%d bytes where %d were declared", len(out), size)
	}
	return out, nil
}

// checkFrame walks the frame's headers (RFC 8878, 3.1.1) before anything is
// decompressed: one frame and no more, its content size given and as declared,
// no dictionary, window within bounds.
func checkFrame(frame []byte, size int) error {
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return fmt.Errorf("reading the frame header: %w", err)
	}
	switch {
	case h.Skippable:
		return errors.New("a skippable frame")
	case h.DictionaryID != 0:
		return errors.New("a dictionary is used")
	case !h.HasFCS || h.FrameContentSize != uint64(size):
		return fmt.Errorf("the frame does not declare %d bytes of content", size)
	case h.WindowSize > maxWindow:
		return fmt.Errorf("a window of %d bytes, %d are allowed", h.WindowSize, maxWindow)
	}
	rest := frame[h.HeaderSize:]
	for last := false; !last; {
		if len(rest) < 3 {
			return errors.New("a block is cut short")
		}
		head := uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16
		n := int(head >> 3)
		if head>>1&3 == 1 { // a repeated byte takes one byte whatever its length
			n = 1
		}
		if rest = rest[3:]; len(rest) < n {
			return errors.New("a block is cut short")
		}
		rest, last = rest[n:], head&1 == 1
	}
	if h.HasCheckSum {
		if len(rest) < 4 {
			return errors.New("the checksum is cut short")
		}
		rest = rest[4:]
	}
	if len(rest) != 0 {
		return errors.New("bytes follow the frame")
	}
	return nil
}

// joinBodies writes bodies one after the other, each behind its length.
func joinBodies(bodies [][]byte) []byte {
	var out []byte
	for _, b := range bodies {
		out = binary.AppendUvarint(out, uint64(len(b)))
		out = append(out, b...)
	}
	return out
}

// SplitBodies reads count bodies that were joined.
func SplitBodies(b []byte, count int) ([][]byte, error) {
	if count > len(b) {
		return nil, fmt.Errorf("%d bodies in %d bytes", count, len(b))
	}
	out := make([][]byte, 0, count)
	for range count {
		n, size := binary.Uvarint(b)
		if size <= 0 || (size > 1 && b[size-1] == 0) || n > uint64(len(b)-size) {
			return nil, fmt.Errorf("body %d is cut short", len(out))
		}
		b = b[size:]
		out, b = append(out, b[:n:n]), b[n:]
	}
	if len(b) != 0 {
		return nil, errors.New("bytes follow the last body")
	}
	return out, nil
}

// EventSecret is the secret of the i-th message's members: who holds it can
// check every member of that event and of no other.
func EventSecret(transactionSecret []byte, i int) Hash {
	return MAC(transactionSecret, be32(uint32(i)))
}

// MemberSalt hides one member of a body from those who see only its leaf.
func MemberSalt(eventSecret Hash, name string) Hash { return MAC(eventSecret[:], []byte(name)) }

// MemberLeaf is the entry of one top-level member in its body's tree; value is
// the member's compact JSON as submitted.
func MemberLeaf(salt Hash, name string, value []byte) Hash {
	return Sum(tagMember, salt[:], []byte(name), value)
}

// BodyRoot commits to a body: the number of its members and the RFC 6962 root
// over their leaves, sorted by name.
func BodyRoot(leaves [][]byte) Hash {
	root := MerkleRoot(leaves)
	return Sum(tagBody, be32(uint32(len(leaves))), root[:])
}

// BodyRoot is the body root of the event under its secret.
func (e *Event) BodyRoot(secret Hash) Hash { return bodyRoot(secret, e.Members) }

// SortMembers returns members in the order in which a body root takes them.
func SortMembers(members []Member) []Member {
	out := append([]Member(nil), members...)
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// bodyRoot is the body root of an event under its secret.
func bodyRoot(secret Hash, members []Member) Hash {
	sorted := SortMembers(members)
	leaves := make([][]byte, len(sorted))
	for i, m := range sorted {
		leaf := MemberLeaf(MemberSalt(secret, m.Name), m.Name, m.Value)
		leaves[i] = bytes.Clone(leaf[:])
	}
	return BodyRoot(leaves)
}
