package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
)

// EncodeBodies returns the one encoding of b: what the archive holds of a
// transaction's bodies, apart from the rest, so that they can be erased.
func EncodeBodies(b *Bodies) []byte {
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(b)
	if err != nil {
		panic(err) // a message of bytes and numbers has nothing that can fail
	}
	return out
}

// DecodeBodies reads what EncodeBodies wrote. It shares its memory. Errors are Faults.
func DecodeBodies(b []byte) (*Bodies, error) {
	out := &Bodies{}
	if err := checkWire(b, out.ProtoReflect().Descriptor()); err != nil {
		return nil, &Fault{Code: BadEncoding, Detail: err.Error()}
	}
	if err := readBodies(out, b); err != nil { // nothing that was checked is refused
		return nil, &Fault{Code: BadEncoding, Detail: err.Error()}
	}
	if err := checkBodies(out); err != nil {
		return nil, err
	}
	return out, nil
}

func checkBodies(b *Bodies) error {
	switch {
	case b == nil || len(b.Secret) != len(Hash{}):
		return &Fault{Code: BadEncoding, Detail: "no bodies, or no secret of 32 bytes"}
	case b.Size > MaxDeclared:
		return &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("bodies of %d bytes, %d are allowed", b.Size, MaxDeclared)}
	}
	return nil
}

// joinBodies writes bodies one after the other, each behind its length.
func joinBodies(bodies [][]byte) []byte {
	size := 0
	for _, b := range bodies {
		size += binary.MaxVarintLen32 + len(b)
	}
	out := make([]byte, 0, size)
	for _, b := range bodies {
		out = binary.AppendUvarint(out, uint64(len(b)))
		out = append(out, b...)
	}
	return out
}

// SplitBodies reads count bodies that were joined.
func SplitBodies(b []byte, count int) ([][]byte, error) {
	if count < 0 || count > len(b) {
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
func (e *Event) BodyRoot(secret Hash) Hash { return new(Salter).BodyRoot(secret, e.Members) }

// SortMembers returns members in the order in which a body root takes them.
func SortMembers(members []Member) []Member {
	out := append([]Member(nil), members...)
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Assemble is the encoding of a transaction whose parts were kept apart: those
// that Decode took from it give the same bytes again.
func Assemble(header, signature []byte, kinds []Kind, duplicateKeys [][]byte, bodies *Bodies) ([]byte, error) {
	e := &Envelope{Header: header, Signature: signature, Bodies: bodies}
	for i, k := range kinds {
		e.Payloads = append(e.Payloads, &Payload{Kind: uint32(k), DuplicateKey: duplicateKeys[i]})
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding a transaction: %w", err)
	}
	return raw, nil
}
