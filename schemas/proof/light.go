package proof

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a light client does is here: it believes a header because those validators
// signed it that it believed before, and not because of who served it.

// MaxSignedHeader bounds the encoding of a signed header: 1,000 validators and
// their votes take less.
const MaxSignedHeader = 256 << 10

// SignedHeader is a header with the validators that the chain had at its height
// and the votes by which they decided it.
type SignedHeader struct {
	Header     Header
	Commit     Commit
	Validators []Validator // in the order of their set
}

// ErrTooFar is the answer of [SignedHeader.Follows] where the validators changed
// so much between two headers that the later one needs another between.
var ErrTooFar = errors.New("too many validators changed in between")

// NewSignedHeader puts a signed header together. Votes may be in any order and
// there twice; those that do not hold are left out.
func NewSignedHeader(h Header, c Commit, set []Validator) (*SignedHeader, error) {
	b := &Bundle{ID: fmt.Sprintf("header %d", h.Height)}
	if err := b.Seal(h, c, set); err != nil {
		return nil, err
	}
	return &SignedHeader{Header: b.Header, Commit: b.Commit, Validators: b.Validators}, nil
}

// Hash is the hash of the block.
func (s *SignedHeader) Hash() schemas.Hash { return s.Header.Hash(ValidatorSetHash(s.Validators)) }

// Encode is the signed header's one encoding: 1 header, 2 commit, 3 validator
// (repeated), each as in a bundle.
func (s *SignedHeader) Encode() []byte {
	b := schemas.AppendField(nil, 1, s.Header.encode())
	b = schemas.AppendField(b, 2, s.Commit.encode())
	for _, v := range s.Validators {
		b = schemas.AppendField(b, 3, binary.BigEndian.AppendUint64(append([]byte(nil), v.Public...), uint64(v.Power)))
	}
	return b
}

// DecodeSignedHeader reads what Encode wrote: all of b. Whether it holds,
// [SignedHeader.Verify] and [SignedHeader.Follows] tell.
func DecodeSignedHeader(b []byte) (*SignedHeader, error) {
	if len(b) > MaxSignedHeader {
		return nil, fmt.Errorf("signed header of %d bytes, %d are read: %w", len(b), MaxSignedHeader, ErrMalformed)
	}
	var in Bundle // whose validators are read alike
	s := &SignedHeader{}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			s.Header.decode(f, n, v)
		case 2:
			s.Commit.decode(f, n, v)
		case 3:
			in.decodeValidator(f, n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	s.Validators = in.Validators
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("signed header: %w: %w", err, ErrMalformed)
	}
	if !bytes.Equal(s.Encode(), b) {
		return nil, fmt.Errorf("signed header: it is not in its one encoding: %w", ErrMalformed)
	}
	return s, nil
}

// Verify checks the header by itself: that more than two thirds of the power of
// its own validators signed it. Whether those are the chain's, it does not tell.
func (s *SignedHeader) Verify() error {
	h := &s.Header
	if h.ChainID == "" || h.Height < 1 || len(h.App) != len(schemas.Hash{}) {
		return fmt.Errorf("header: height %d of the chain %q with an app hash of %d bytes carries no state", h.Height, h.ChainID, len(h.App))
	}
	if _, _, err := s.Commit.Verify(h.ChainID, h.Height, s.Hash(), s.Validators); err != nil {
		return fmt.Errorf("commit of the header at height %d: %w", h.Height, err)
	}
	return nil
}

// VerifyRoot checks the header against a root of trust: validly signed, by the
// validator set that is trusted, and not contradicting the trusted header.
func (s *SignedHeader) VerifyRoot(t *Trust) error {
	if s.Header.ChainID != t.ChainID {
		return fmt.Errorf("header: it is of the chain %q, the trusted one is %q", s.Header.ChainID, t.ChainID)
	}
	if err := s.Verify(); err != nil {
		return err
	}
	h := &s.Header
	hash, set := s.Hash(), ValidatorSetHash(s.Validators)
	switch {
	case h.Height == t.Height && hash != t.HeaderHash:
		return fmt.Errorf("header: at the trusted height %d its hash is %s, the trusted one %s", h.Height, hash, t.HeaderHash)
	case h.Height == t.Height && !h.Time.Equal(t.Time):
		return fmt.Errorf("trust: its time %s is not that of its header, %s", t.Time.UTC(), h.Time)
	case set != t.ValidatorSetHash:
		return fmt.Errorf("the header's validators are not the trusted ones: %w", ErrTooFar)
	case h.Height > t.Height && !h.Time.After(t.Time), h.Height < t.Height && !h.Time.Before(t.Time):
		return fmt.Errorf("header: height %d at %s and the trusted height %d at %s contradict each other", h.Height, h.Time, t.Height, t.Time.UTC())
	}
	return nil
}

// Follows checks a later header by what is believed already: s. The later one is
// validly signed; and its validators are those of s, or those that s announces
// where it is the very next, or more than a third of the power of those of s
// signed it, which has one that is honest in it as long as fewer than a third
// are faulty. Else the answer is [ErrTooFar]: try a header between.
func (s *SignedHeader) Follows(later *SignedHeader) error {
	a, b := &s.Header, &later.Header
	switch {
	case b.ChainID != a.ChainID:
		return fmt.Errorf("header: it is of the chain %q, the trusted one is %q", b.ChainID, a.ChainID)
	case b.Height <= a.Height:
		return fmt.Errorf("header: height %d does not follow height %d", b.Height, a.Height)
	case !b.Time.After(a.Time):
		return fmt.Errorf("header: height %d at %s and height %d at %s contradict each other", b.Height, b.Time, a.Height, a.Time)
	}
	if err := later.Verify(); err != nil {
		return err
	}
	set := ValidatorSetHash(later.Validators)
	if b.Height == a.Height+1 {
		if !bytes.Equal(set[:], a.NextValidators) {
			return fmt.Errorf("header: the validators of height %d are not those that height %d announces", b.Height, a.Height)
		}
		return nil
	}
	if set == ValidatorSetHash(s.Validators) {
		return nil
	}
	return s.vouches(later)
}

// vouches checks that more than a third of the power of the validators of s
// signed the later header, whose votes hold.
func (s *SignedHeader) vouches(later *SignedHeader) error {
	powers := make(map[string]int64, len(s.Validators))
	for _, v := range s.Validators {
		powers[string(v.Public)] = v.Power
	}
	total, err := totalPower(s.Validators)
	if err != nil {
		return err
	}
	signed := int64(0)
	for _, vote := range later.Commit.Votes {
		key := string(later.Validators[vote.Index].Public)
		signed += powers[key]
		delete(powers, key) // a set that names a key twice counts it once
	}
	if 3*signed <= total {
		return fmt.Errorf("trusted validators of power %d out of %d signed the header at height %d: %w", signed, total, later.Header.Height, ErrTooFar)
	}
	return nil
}
