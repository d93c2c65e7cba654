package schemas

import (
	"crypto/sha256"
	"encoding"
	"hash"
	"slices"
	"strings"
)

// Salter computes body roots one after another, with the same memory. Each member of
// each event has its salt, an HMAC under the event's secret: the padded secret is
// hashed once an event, and its state taken up again for every member, which halves
// what salts cost. They are those of MAC, which tests hold it to. The zero value is
// ready; none is for two goroutines.
type Salter struct {
	digest       hash.Hash
	state        encoding.BinaryUnmarshaler // of digest
	inner, outer []byte                     // its states behind the padded secret
	message      []byte
	order        []int // of the members, by their names
}

// begin takes an event's secret.
func (s *Salter) begin(secret Hash) error {
	if s.digest == nil {
		d := sha256.New()
		s.digest, s.state = d, d.(encoding.BinaryUnmarshaler)
	}
	var inner, outer [sha256.BlockSize]byte
	copy(inner[:], secret[:])
	copy(outer[:], secret[:])
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	var err error
	if s.inner, err = s.behind(s.inner, inner[:]); err != nil {
		return err
	}
	s.outer, err = s.behind(s.outer, outer[:])
	return err
}

// behind is the digest's state when it has read one block.
func (s *Salter) behind(dst, block []byte) ([]byte, error) {
	s.digest.Reset()
	s.digest.Write(block)
	return s.digest.(encoding.BinaryAppender).AppendBinary(dst[:0])
}

// salt is the salt of a member of the event that was begun.
func (s *Salter) salt(name string) (salt Hash, err error) {
	if err := s.state.UnmarshalBinary(s.inner); err != nil {
		return salt, err
	}
	s.message = append(s.message[:0], name...)
	s.digest.Write(s.message)
	s.message = s.digest.Sum(s.message[:0])
	if err := s.state.UnmarshalBinary(s.outer); err != nil {
		return salt, err
	}
	s.digest.Write(s.message)
	s.message = s.digest.Sum(s.message[:0])
	return Hash(s.message), nil
}

// BodyRoot is the body root of an event with these members under its secret.
func (s *Salter) BodyRoot(secret Hash, members []Member) Hash {
	err := s.begin(secret)
	s.order = s.order[:0]
	for i := range members {
		s.order = append(s.order, i)
	}
	// Indexes are cheaper to move than members, of which the collector must be told.
	slices.SortFunc(s.order, func(a, b int) int { return strings.Compare(members[a].Name, members[b].Name) })
	var tree merkle
	for _, i := range s.order {
		m := &members[i]
		var salt Hash
		if err == nil {
			salt, err = s.salt(m.Name)
		}
		if err != nil { // the library does not take its own states
			salt = MemberSalt(secret, m.Name)
		}
		leaf := MemberLeaf(salt, m.Name, m.Value)
		tree.add(leaf[:])
	}
	root := tree.root()
	return Sum(tagBody, be32(uint32(len(members))), root[:])
}
