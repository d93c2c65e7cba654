package proof

import (
	"encoding/binary"
	"math"

	"github.com/waybill-ledger/waybill/schemas"
)

func readMessage(outer *schemas.Fields, in uint64, v []byte) (m MessagePart) {
	m.Members = make([]schemas.Member, 0, countOf(v, 8))
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			m.Index = readUint32(f, n, v)
		case 2:
			m.Trails = append(m.Trails, readRef(f, n, v))
		case 3:
			m.Kind = schemas.Kind(readUint32(f, n, v))
		case 4:
			m.DuplicateKey = v
		case 5:
			var err error
			if m.Result, err = schemas.DecodeResult(v); err != nil {
				f.Fail(n, err.Error())
			}
		case 6:
			m.Inclusion = readHashes(f, n, v, maxInclusion)
		default:
			m.decodeEvent(f, n, v)
		}
	})
	if outer.Err() == nil {
		m.check(outer, in)
	}
	return m
}

func (m *MessagePart) decodeEvent(f *schemas.Fields, n uint64, v []byte) {
	switch n {
	case 7:
		m.Secret = f.Hash(n, v)
	case 8:
		m.Members = append(m.Members, readMember(f, n, v))
	case 9:
		m.Withheld = append(m.Withheld, readWithheld(f, n, v))
	case 10:
		m.Skeleton = v
	case 12:
		m.Salts = readHashes(f, n, v, MaxFields)
	case 13:
		m.BodyRoot = f.Hash(n, v)
	case 14:
		m.Digest = f.Hash(n, v)
	default:
		f.Fail(n, "unknown")
	}
}

// Forms in which an event can be there.
type shape int

const (
	wholeEvent    shape = 1 + iota // its secret and all members
	partOfEvent                    // some members with their salts, the leaves of the others
	skeletonAlone                  // skeleton and body root
	digestAlone
)

// shape is the form in which the event is there, 0 if in none or several.
func (m *MessagePart) shape() shape {
	have := 0
	for i, there := range []bool{!m.Secret.IsZero(), len(m.Members) > 0, len(m.Withheld) > 0, len(m.Skeleton) > 0,
		len(m.Salts) > 0, !m.BodyRoot.IsZero(), !m.Digest.IsZero(), len(m.DuplicateKey) > 0} {
		if there {
			have |= 1 << i
		}
	}
	const key = 1 << 7
	if m.Kind == schemas.KindAct && have&2 != 0 { // an act's skeleton is there beside its members
		have ^= 8
	}
	switch {
	case have&^key == 1|2:
		return wholeEvent
	case have&^key == 2|4|16 && len(m.Salts) == len(m.Members):
		return partOfEvent
	case have&^key == 8|32:
		return skeletonAlone
	case have == 64:
		return digestAlone
	}
	return 0
}

func (m *MessagePart) check(f *schemas.Fields, n uint64) {
	if len(m.Trails) == 0 || m.Kind == 0 || m.shape() == 0 {
		f.Fail(n, "a message without trail or kind, or whose event is there in none of its forms")
	}
}

func readRef(f *schemas.Fields, n uint64, v []byte) TrailRef {
	subject, size := binary.Uvarint(v)
	if size <= 0 || size != len(v)-1 || subject > math.MaxUint32 {
		f.Fail(n, "no trail of a subject")
		return TrailRef{}
	}
	return TrailRef{uint32(subject), schemas.TrailKind(v[size])}
}

func readWithheld(f *schemas.Fields, n uint64, v []byte) (w WithheldMember) {
	place, size := binary.Uvarint(v)
	if size <= 0 || place > math.MaxUint32 || len(v) != size+len(w.Leaf) {
		f.Fail(n, "no withheld member")
		return w
	}
	return WithheldMember{uint32(place), schemas.Hash(v[size:])}
}

// readHashes reads hashes, one behind the other, at most so many.
func readHashes(f *schemas.Fields, n uint64, v []byte, most int) [][32]byte {
	if len(v)%32 != 0 || len(v) > 32*most {
		f.Fail(n, "no hashes, or too many")
		return nil
	}
	hashes := make([][32]byte, len(v)/32)
	for i := range hashes {
		hashes[i] = [32]byte(v[32*i:])
	}
	return hashes
}
