package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// CheckSize reports whether a bundle's encoding is within the bounds of what
// DecodeBundle reads. It allocates next to nothing.
func CheckSize(b []byte) error {
	if len(b) > MaxBundle {
		return fmt.Errorf("bundle of %d bytes, %d are read: %w", len(b), MaxBundle, ErrMalformed)
	}
	left := MaxFields
	if countFields(b, &left, nest{fieldPartner: {}, fieldTransaction: {5: {}}}); left < 0 {
		return fmt.Errorf("bundle of more than %d fields: %w", MaxFields, ErrMalformed)
	}
	return nil
}

// nest names the fields that have fields in them which are counted, too.
type nest map[uint64]nest

// countFields counts until nothing is left. It stops where the encoding is
// faulty, as decoding does.
func countFields(b []byte, left *int, inside nest) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok && *left >= 0; n, v, ok = f.Next() {
		*left--
		if in, ok := inside[n]; ok {
			countFields(v, left, in)
		}
	}
}

// DecodeBundle reads a bundle's encoding: all of b, which the bundle refers to.
// Whether what it says holds, Verify tells. What is allocated is bounded by the
// length of b: no count is believed before what it counts is there; and since a
// field takes more memory than bytes, by the number of fields.
func DecodeBundle(b []byte) (*Bundle, error) {
	if err := CheckSize(b); err != nil {
		return nil, err
	}
	out := &Bundle{}
	if err := out.decode(b); err != nil {
		return nil, fmt.Errorf("bundle: %w: %w", err, ErrMalformed)
	}
	// The one test that holds whatever the readers above let pass: nothing is
	// repeated, nothing written in a longer way, nothing lost.
	if !bytes.Equal(out.Encode(), b) {
		return nil, fmt.Errorf("bundle: it is not in its one encoding: %w", ErrMalformed)
	}
	return out, nil
}

func (b *Bundle) decode(raw []byte) error {
	f := schemas.ReadFields(raw)
	version := uint64(0)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if version == 0 && n != fieldVersion {
			return fmt.Errorf("it does not begin with its version")
		}
		switch n {
		case fieldVersion:
			if version = f.Uint(n, v); f.Err() == nil && version != BundleVersion {
				return fmt.Errorf("version %d, this program reads version %d", version, BundleVersion)
			}
		case fieldSubject:
			b.Subject = Subject(f.Uint(n, v))
		case fieldID:
			b.ID = string(v)
		case fieldHeader:
			b.Header.decode(f, n, v)
		case fieldCommit:
			b.Commit.decode(f, n, v)
		case fieldValidator:
			b.decodeValidator(f, n, v)
		case fieldLeaf:
			b.Leaf = readLeaf(f, n, v)
		case fieldContainer:
			if len(b.Containers) > maxNesting {
				f.Fail(n, "too many containers")
				break
			}
			b.Containers = append(b.Containers, *readLeaf(f, n, v))
		case fieldRelease:
			b.Release = readLeaf(f, n, v)
		case fieldAbsent:
			if len(b.Absent) == 2 {
				f.Fail(n, "more than two paths")
				break
			}
			b.Absent = append(b.Absent, v)
		case fieldPartner:
			b.Partners = append(b.Partners, readPartner(f, n, v))
		case fieldTransaction:
			b.Transactions = append(b.Transactions, readTransaction(f, n, v))
		case fieldBalance:
			b.Balances = append(b.Balances, readPlace(f, n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() == nil && version == 0 {
		return fmt.Errorf("it is empty")
	}
	return f.Err()
}

// within hands a fault inside a field's value on to the field's reader.
func within(f *schemas.Fields, n uint64, inner *schemas.Fields) {
	if inner.Err() != nil {
		f.Fail(n, inner.Err().Error())
	}
}

func readTime(f *schemas.Fields, n uint64, v []byte) time.Time {
	if len(v) != 8 {
		f.Fail(n, "no time of 8 bytes")
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(v))).UTC()
}

func readUint32(f *schemas.Fields, n uint64, v []byte) uint32 {
	u := f.Uint(n, v)
	if u > math.MaxUint32 {
		f.Fail(n, "a number beyond 32 bits")
	}
	return uint32(u)
}

func readHeight(f *schemas.Fields, n uint64, v []byte) int64 {
	u := f.Uint(n, v)
	if u > MaxCount {
		f.Fail(n, "no height")
	}
	return int64(u)
}

func (h *Header) decode(outer *schemas.Fields, in uint64, v []byte) {
	f := schemas.ReadFields(v)
	hashes := h.hashes()
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			h.VersionBlock = f.Uint(n, v)
		case 2:
			h.VersionApp = f.Uint(n, v)
		case 3:
			h.ChainID = string(v)
		case 4:
			h.Height = readHeight(f, n, v)
		case 5:
			h.Time = readTime(f, n, v)
		case 6:
			h.LastBlock.Hash = v
		case 7:
			h.LastBlock.Parts.Total = readUint32(f, n, v)
		case 8:
			h.LastBlock.Parts.Hash = v
		default:
			if n-9 >= uint64(len(hashes)) {
				f.Fail(n, "unknown")
				break
			}
			*hashes[n-9] = v
		}
	}
	within(outer, in, f)
}

func (c *Commit) decode(outer *schemas.Fields, in uint64, v []byte) {
	f := schemas.ReadFields(v)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			round := f.Uint(n, v)
			if round > math.MaxInt32 {
				f.Fail(n, "no round")
			}
			c.Round = int32(round)
		case 2:
			c.Parts.Total = readUint32(f, n, v)
		case 3:
			c.Parts.Hash = v
		case 4:
			if len(v) != voteSize || len(c.Votes) == maxValidators {
				f.Fail(n, "no vote, or too many")
				break
			}
			c.Votes = append(c.Votes, Vote{binary.BigEndian.Uint16(v), readTime(f, n, v[2:10]), v[10:]})
		default:
			f.Fail(n, "unknown")
		}
	}
	within(outer, in, f)
}

func (b *Bundle) decodeValidator(f *schemas.Fields, n uint64, v []byte) {
	if len(v) != ed25519.PublicKeySize+8 || len(b.Validators) == maxValidators {
		f.Fail(n, "no validator, or too many")
		return
	}
	key, power := v[:ed25519.PublicKeySize:ed25519.PublicKeySize], v[ed25519.PublicKeySize:]
	b.Validators = append(b.Validators, Validator{ed25519.PublicKey(key), int64(binary.BigEndian.Uint64(power))})
}

func readLeaf(outer *schemas.Fields, in uint64, v []byte) *StateLeaf {
	l := readPlace(outer, in, v)
	if outer.Err() == nil && len(l.Value) == 0 {
		outer.Fail(in, "a leaf without value")
	}
	return &l
}

// readPlace reads a leaf, or a path alone where there is none.
func readPlace(outer *schemas.Fields, in uint64, v []byte) (l StateLeaf) {
	f := schemas.ReadFields(v)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			l.Value = v
		case 2:
			l.Path = v
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() == nil && len(l.Path) == 0 {
		f.Fail(2, "a leaf without path")
	}
	within(outer, in, f)
	return l
}

// readNamed reads what a partner and its keys have in common: a name and a leaf.
func readNamed(f *schemas.Fields, v []byte, more func(n uint64, v []byte)) (id string, leaf StateLeaf) {
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			id = string(v)
		case 2:
			leaf = *readLeaf(f, n, v)
		default:
			more(n, v)
		}
	}
	if f.Err() == nil && (id == "" || leaf.Path == nil) {
		f.Fail(1, "no id, or no leaf")
	}
	return id, leaf
}

func readPartner(outer *schemas.Fields, in uint64, v []byte) (p PartnerPart) {
	f := schemas.ReadFields(v)
	p.ID, p.Leaf = readNamed(f, v, func(n uint64, v []byte) {
		if n != 3 {
			f.Fail(n, "unknown")
			return
		}
		kf := schemas.ReadFields(v)
		var k KeyPart
		k.ID, k.Leaf = readNamed(kf, v, func(n uint64, _ []byte) { kf.Fail(n, "unknown") })
		within(f, n, kf)
		p.Keys = append(p.Keys, k)
	})
	within(outer, in, f)
	return p
}

func readTransaction(outer *schemas.Fields, in uint64, v []byte) (t TransactionPart) {
	f := schemas.ReadFields(v)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			t.Height = readHeight(f, n, v)
		case 2:
			t.Position = readUint32(f, n, v)
		case 3:
			t.Header = v
		case 4:
			t.Signature = v
		case 5:
			t.Messages = append(t.Messages, readMessage(f, n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() == nil && (t.Height == 0 || len(t.Header) == 0 || len(t.Signature) != ed25519.SignatureSize || len(t.Messages) == 0) {
		f.Fail(1, "a transaction without height, header, signature or message")
	}
	within(outer, in, f)
	return t
}

func readMessage(outer *schemas.Fields, in uint64, v []byte) (m MessagePart) {
	f := schemas.ReadFields(v)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			m.Index = readUint32(f, n, v)
		case 2:
			trail := f.Uint(n, v)
			if trail > math.MaxUint8 {
				f.Fail(n, "no trail")
			}
			m.Trail = schemas.TrailKind(trail)
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
			m.Inclusion = readHashes(f, n, v)
		case 7:
			m.Secret = f.Hash(n, v)
		case 8:
			m.Members = append(m.Members, readMember(f, n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() == nil && (m.Trail == 0 || m.Kind == 0 || m.Secret.IsZero() || len(m.Members) == 0) {
		f.Fail(2, "a message without trail, kind, secret or member")
	}
	within(outer, in, f)
	return m
}

// readHashes reads the path of a message in its transaction, whose count of
// messages bounds it.
func readHashes(f *schemas.Fields, n uint64, v []byte) [][32]byte {
	if len(v)%32 != 0 || len(v) > 32*32 {
		f.Fail(n, "no path")
		return nil
	}
	hashes := make([][32]byte, len(v)/32)
	for i := range hashes {
		hashes[i] = [32]byte(v[32*i:])
	}
	return hashes
}

func readMember(f *schemas.Fields, n uint64, v []byte) schemas.Member {
	size, width := binary.Uvarint(v)
	if width <= 0 || size > uint64(len(v)-width) || len(v)-width-int(size) == 0 {
		f.Fail(n, "no member")
		return schemas.Member{}
	}
	name, value := v[width:width+int(size)], v[width+int(size):]
	return schemas.Member{Name: string(name), Value: value}
}
