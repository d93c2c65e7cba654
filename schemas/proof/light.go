package proof

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

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
	ChainID    string
	Header     ShortHeader
	Commit     Commit
	Validators []Validator // in the order of their set
}

// ErrTooFar is the answer of [SignedHeader.Follows] where the validators changed
// so much between two headers that the later one needs another between.
var ErrTooFar = errors.New("too many validators changed in between")

// NewSignedHeader puts a signed header together, with all of its votes that hold.
func NewSignedHeader(s *Signed) (*SignedHeader, error) {
	set := ValidatorSetHash(s.Validators)
	h, err := s.Header.Short(set)
	if err != nil {
		return nil, err
	}
	out := &SignedHeader{ChainID: s.Header.ChainID, Header: h, Commit: s.Commit, Validators: s.Validators}
	hash := out.Hash()
	votes := slices.Clone(s.Commit.Votes)
	slices.SortStableFunc(votes, func(a, b Vote) int { return int(a.Index) - int(b.Index) })
	out.Commit.Votes = nil
	for _, v := range votes {
		n := len(out.Commit.Votes)
		if int(v.Index) < len(s.Validators) && (n == 0 || out.Commit.Votes[n-1].Index != v.Index) && fits(v.Time) &&
			len(s.Validators[v.Index].Public) == ed25519.PublicKeySize && s.Commit.holds(v, out.ChainID, h.Height, hash, s.Validators) {
			out.Commit.Votes = append(out.Commit.Votes, v)
		}
	}
	if err := out.Verify(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFewVotes, err)
	}
	return out, nil
}

// Hash is the hash of the block.
func (s *SignedHeader) Hash() schemas.Hash {
	return s.Header.Hash(s.ChainID, ValidatorSetHash(s.Validators))
}

// Encode is the signed header's one encoding: 1 chain id, 2 header, 3 commit, 4
// validator (repeated), each as in a bundle.
func (s *SignedHeader) Encode() []byte {
	b := schemas.AppendString(nil, 1, s.ChainID)
	b = schemas.AppendField(b, 2, s.Header.encode())
	b = schemas.AppendField(b, 3, s.Commit.encode())
	return appendValidators(b, 4, s.Validators)
}

// DecodeSignedHeader reads what Encode wrote: all of b. Whether it holds,
// [SignedHeader.Verify] and [SignedHeader.Follows] tell.
func DecodeSignedHeader(b []byte) (*SignedHeader, error) {
	if len(b) > MaxSignedHeader {
		return nil, fmt.Errorf("signed header of %d bytes, %d are read: %w", len(b), MaxSignedHeader, ErrMalformed)
	}
	s := &SignedHeader{}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			s.ChainID = string(v)
		case 2:
			s.Header.decode(f, n, v)
		case 3:
			s.Commit.decode(f, n, v)
		case 4:
			s.Validators = readValidator(f, n, v, s.Validators)
		default:
			f.Fail(n, "unknown")
		}
	}
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
	if s.ChainID == "" || h.Height < 1 || h.NextValidators == ValidatorSetHash(s.Validators) {
		return fmt.Errorf("header: height %d of the chain %q is none, or its next validators are written out although they are its own", h.Height, s.ChainID)
	}
	if _, _, err := s.Commit.Verify(s.ChainID, h.Height, s.Hash(), s.Validators); err != nil {
		return fmt.Errorf("commit of the header at height %d: %w", h.Height, err)
	}
	return nil
}

// VerifyRoot checks the header against a root of trust: validly signed, by the
// validator set that is trusted, and not contradicting the trusted header.
func (s *SignedHeader) VerifyRoot(t *Trust) error {
	if s.ChainID != t.ChainID {
		return fmt.Errorf("header: it is of the chain %q, the trusted one is %q", s.ChainID, t.ChainID)
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
// where it is the very next, or more than two thirds of the power of those of s
// signed it. Else the answer is [ErrTooFar]: try a header between.
func (s *SignedHeader) Follows(later *SignedHeader) error {
	a, b := &s.Header, &later.Header
	switch {
	case later.ChainID != s.ChainID:
		return fmt.Errorf("header: it is of the chain %q, the trusted one is %q", later.ChainID, s.ChainID)
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
		if set != a.next(ValidatorSetHash(s.Validators)) {
			return fmt.Errorf("header: the validators of height %d are not those that height %d announces", b.Height, a.Height)
		}
		return nil
	}
	if set == ValidatorSetHash(s.Validators) {
		return nil
	}
	if err := trusted(&later.Commit, later.Validators, s.Validators); err != nil {
		return fmt.Errorf("header at height %d: %w: %w", b.Height, err, ErrTooFar)
	}
	return nil
}
