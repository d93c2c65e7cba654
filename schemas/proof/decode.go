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
	if countFields(b, &left, &bundleForm); left < 0 {
		return fmt.Errorf("bundle of more than %d fields: %w", MaxFields, ErrMalformed)
	}
	return nil
}

// countFields counts until nothing is left. It stops where the encoding is
// faulty, as decoding does.
func countFields(b []byte, left *int, in *form) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok && *left >= 0; n, v, ok = f.Next() {
		*left--
		if inner := in.field(n); inner != nil && inner.of != nil {
			countFields(v, left, inner.of)
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
		if n == fieldVersion {
			if version = f.Uint(n, v); f.Err() == nil && version != BundleVersion {
				return fmt.Errorf("version %d, this program reads version %d", version, BundleVersion)
			}
			continue
		}
		b.decodeField(f, n, v)
	}
	if f.Err() == nil && version == 0 {
		return fmt.Errorf("it is empty")
	}
	return f.Err()
}

func (b *Bundle) decodeField(f *schemas.Fields, n uint64, v []byte) {
	switch n {
	case fieldScope:
		b.Scope.decode(f, n, v)
	case fieldChain:
		b.ChainID = string(v)
	case fieldHeader:
		b.Header.decode(f, n, v)
	case fieldCommit:
		b.Commit.decode(f, n, v)
	case fieldValidator:
		b.Validators = readValidator(f, n, v, b.Validators)
	case fieldSubject:
		b.Subjects = append(b.Subjects, readSubject(f, n, v))
	case fieldRelease:
		b.Releases = append(b.Releases, readRelease(f, n, v))
	case fieldPartner:
		b.Partners = append(b.Partners, readPartner(f, n, v))
	case fieldTransaction:
		b.Transactions = append(b.Transactions, readTransaction(f, n, v))
	case fieldBalance:
		b.Balances = append(b.Balances, readPlace(f, n, v))
	case fieldStep:
		b.Steps = append(b.Steps, readStep(f, n, v))
	case fieldAnchor:
		b.Anchor = readAnchor(f, n, v)
	case fieldWitnessed:
		b.Witnessed = append(b.Witnessed, readWitnessed(f, n, v))
	case fieldAccumulator:
		b.Accumulator = readLeaf(f, n, v)
	case fieldBlock:
		b.Blocks = append(b.Blocks, readBlock(f, n, v))
	case fieldRescue:
		b.Rescues = append(b.Rescues, readRescue(f, n, v))
	case fieldHandover:
		b.Handovers = append(b.Handovers, readHandover(f, n, v))
	case fieldUnits:
		b.Units = readLeaf(f, n, v)
	default:
		f.Fail(n, "unknown")
	}
}

// countOf is how many fields of a number there are, up to where the encoding is faulty.
func countOf(v []byte, number uint64) (count int) {
	f := schemas.ReadFields(v)
	for n, _, ok := f.Next(); ok; n, _, ok = f.Next() {
		if n == number {
			count++
		}
	}
	return count
}

// within hands a fault inside a field's value on to the field's reader.
func within(f *schemas.Fields, n uint64, inner *schemas.Fields) {
	if inner.Err() != nil {
		f.Fail(n, inner.Err().Error())
	}
}

// each reads the fields of a field's value.
func each(outer *schemas.Fields, in uint64, v []byte, read func(f *schemas.Fields, n uint64, v []byte)) *schemas.Fields {
	f := schemas.ReadFields(v)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		read(f, n, v)
	}
	within(outer, in, f)
	return f
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

func readHeight(f *schemas.Fields, n uint64, v []byte) int64 { return int64(readCount(f, n, v)) }

func readCount(f *schemas.Fields, n uint64, v []byte) uint64 {
	u := f.Uint(n, v)
	if u > MaxCount {
		f.Fail(n, "a number beyond 2^62")
	}
	return u
}

func (s *Scope) decode(outer *schemas.Fields, in uint64, v []byte) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			s.Containers = f.Uint(n, v) == 1
		case 2:
			s.Ancestors = f.Uint(n, v)
		case 3:
			s.Names = f.Uint(n, v) == 1
		case 4:
			s.Times = f.Uint(n, v) == 1
		case 5:
			s.Units = f.Uint(n, v) == 1
		default:
			f.Fail(n, "unknown")
		}
	})
}

func (h *ShortHeader) decode(outer *schemas.Fields, in uint64, v []byte) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			h.Height = readHeight(f, n, v)
		case 2:
			h.Time = readTime(f, n, v)
		case 3:
			h.NextValidators = f.Hash(n, v)
		case 4:
			h.App = f.Hash(n, v)
		case 5:
			readPath(f, n, v, h.Beside[:])
		default:
			f.Fail(n, "unknown")
		}
	})
}

// readPath reads exactly as many hashes as there is room for.
func readPath(f *schemas.Fields, n uint64, v []byte, into [][32]byte) {
	if len(v) != 32*len(into) {
		f.Fail(n, fmt.Sprintf("no path of %d hashes", len(into)))
		return
	}
	for i := range into {
		into[i] = [32]byte(v[32*i:])
	}
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

func readValidator(f *schemas.Fields, n uint64, v []byte, set []Validator) []Validator {
	if len(v) != ed25519.PublicKeySize+8 || len(set) == maxValidators {
		f.Fail(n, "no validator, or too many")
		return set
	}
	key, power := v[:ed25519.PublicKeySize:ed25519.PublicKeySize], v[ed25519.PublicKeySize:]
	return append(set, Validator{ed25519.PublicKey(key), int64(binary.BigEndian.Uint64(power))})
}
