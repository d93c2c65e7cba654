package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

// A rescue restarts a network that lost its quorum for ever. Those who are left
// agree, outside of the ledger, on a statement: which block is the last, who is
// lost, who goes on. It becomes a fact of the ledger in the very next block, and a
// step in every proof that crosses it, since no two thirds of the old votes stand
// behind what comes later.

// Bounds of a rescue.
const (
	MaxRescue     = 512 << 10 // bytes of a document
	MaxReason     = 1000      // bytes
	maxRescues    = 16        // of one bundle
	rescueVersion = 1
	rescueSigned  = 2 + 2*ed25519.SignatureSize
)

// Fate says what becomes of a validator.
type Fate uint64

// Fates of validators.
const (
	Lost  Fate = 1 // for ever
	Stays Fate = 2 // and signed
	Aside Fate = 3 // not lost, and takes no part
)

// RescueValidator is a member of the set that signed the last block.
type RescueValidator struct {
	Partner string
	Validator
	Fate    Fate
	Signing ed25519.PublicKey // the partner's own key; of those who stay
}

// RescueStatement is what the survivors agree on.
type RescueStatement struct {
	ChainID    string
	Epoch      uint64 // 1 for a network's first rescue
	Height     int64  // of the last block
	Header     schemas.Hash
	App        schemas.Hash      // root of the state after that block
	Validators []RescueValidator // that signed it, in the order of their set
	Reason     string
}

// Rescue is a statement with the signatures so far: each of a validator's and its
// partner's key, by the place of those who stay among themselves.
type Rescue struct {
	RescueStatement
	Signatures []RescueSignature // by ascending index
}

// RescueSignature is two signatures of the statement's id.
type RescueSignature struct {
	Index     uint16 // among those who stay, from 0
	Validator []byte
	Partner   []byte
}

// encode is the statement: 1 version, 2 chain id, 3 epoch, 4 height, 5 header
// hash, 6 app hash, 7 validator (repeated: 1 partner, 2 key, 3 power, 4 fate, 5 the
// partner's key), 8 reason.
func (s *RescueStatement) encode() []byte {
	b := schemas.AppendUint(nil, 1, rescueVersion)
	b = schemas.AppendString(b, 2, s.ChainID)
	b = schemas.AppendUint(b, 3, s.Epoch)
	b = schemas.AppendUint(b, 4, uint64(s.Height))
	b = schemas.AppendField(b, 5, s.Header[:])
	b = schemas.AppendField(b, 6, s.App[:])
	for i := range s.Validators {
		v := &s.Validators[i]
		part := schemas.AppendString(nil, 1, v.Partner)
		part = schemas.AppendField(part, 2, v.Public)
		part = schemas.AppendUint(part, 3, uint64(v.Power))
		part = schemas.AppendUint(part, 4, uint64(v.Fate))
		b = schemas.AppendField(b, 7, schemas.AppendField(part, 5, v.Signing))
	}
	return schemas.AppendString(b, 8, s.Reason)
}

// ID is what the survivors sign, and what an auditor accepts a rescue by.
func (s *RescueStatement) ID() schemas.Hash { return schemas.RescueID(s.encode()) }

// Encode is the document's one encoding: 1 statement, 2 signatures (repeated: the
// index, 2 bytes big-endian, then the validator's and the partner's signature).
func (r *Rescue) Encode() []byte {
	b := schemas.AppendField(nil, 1, r.RescueStatement.encode())
	for _, s := range r.Signatures {
		part := binary.BigEndian.AppendUint16(make([]byte, 0, rescueSigned), s.Index)
		b = schemas.AppendField(b, 2, append(append(part, s.Validator...), s.Partner...))
	}
	return b
}

// DecodeRescue reads what Encode wrote: all of b. Whether it holds, Check and
// Complete tell.
func DecodeRescue(b []byte) (*Rescue, error) {
	if len(b) > MaxRescue {
		return nil, fmt.Errorf("rescue of %d bytes, %d are read: %w", len(b), MaxRescue, ErrMalformed)
	}
	r := &Rescue{}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch {
		case n == 1:
			r.RescueStatement.decode(f, n, v)
		case n == 2 && len(v) == rescueSigned:
			r.Signatures = append(r.Signatures, RescueSignature{binary.BigEndian.Uint16(v), v[2 : 2+ed25519.SignatureSize], v[2+ed25519.SignatureSize:]})
		default:
			f.Fail(n, "unknown, or no two signatures")
		}
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("rescue: %w: %w", err, ErrMalformed)
	}
	if !bytes.Equal(r.Encode(), b) {
		return nil, fmt.Errorf("rescue: it is not in its one encoding: %w", ErrMalformed)
	}
	return r, nil
}

func (s *RescueStatement) decode(outer *schemas.Fields, in uint64, v []byte) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			if version := f.Uint(n, v); version != rescueVersion {
				f.Fail(n, fmt.Sprintf("version %d of rescues, this program reads version %d", version, rescueVersion))
			}
		case 2:
			s.ChainID = string(v)
		case 3:
			s.Epoch = readCount(f, n, v)
		case 4:
			s.Height = readHeight(f, n, v)
		case 5:
			s.Header = f.Hash(n, v)
		case 6:
			s.App = f.Hash(n, v)
		case 7:
			s.Validators = append(s.Validators, readRescued(f, n, v))
		case 8:
			s.Reason = string(v)
		default:
			f.Fail(n, "unknown")
		}
	})
}

func readRescued(outer *schemas.Fields, in uint64, v []byte) (out RescueValidator) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			out.Partner = string(v)
		case 2:
			out.Public = v
		case 3:
			out.Power = int64(readCount(f, n, v))
		case 4:
			out.Fate = Fate(f.Uint(n, v))
		case 5:
			out.Signing = v
		default:
			f.Fail(n, "unknown")
		}
	})
	return out
}

// Before is the set that signed the last block.
func (s *RescueStatement) Before() []Validator {
	set := make([]Validator, len(s.Validators))
	for i := range s.Validators {
		set[i] = s.Validators[i].Validator
	}
	return set
}

// After is the set that goes on: those who stay, in the order that they had.
func (s *RescueStatement) After() (set []Validator) {
	for _, v := range s.staying() {
		set = append(set, v.Validator)
	}
	return set
}

func (s *RescueStatement) staying() (out []*RescueValidator) {
	for i := range s.Validators {
		if s.Validators[i].Fate == Stays {
			out = append(out, &s.Validators[i])
		}
	}
	return out
}

// Power is how many votes validators of a fate had.
func (s *RescueStatement) Power(fate Fate) (power int64) {
	for i := range s.Validators {
		if s.Validators[i].Fate == fate {
			power += s.Validators[i].Power
		}
	}
	return power
}

// Partners are those of a fate, in the order of the set.
func (s *RescueStatement) Partners(fate Fate) (names []string) {
	for i := range s.Validators {
		if s.Validators[i].Fate == fate {
			names = append(names, s.Validators[i].Partner)
		}
	}
	return names
}

// Check judges a statement by itself: that quorum is lost, and that those who stay
// have more than half of the votes that are not. Else two halves of a network
// could each rescue itself.
func (s *RescueStatement) Check() error {
	if s.ChainID == "" || s.Epoch == 0 || s.Height < 1 || s.Height == math.MaxInt64 || s.Header.IsZero() || s.App.IsZero() {
		return errors.New("rescue: chain id, epoch, height, header or app hash is missing")
	}
	if s.Reason == "" || len(s.Reason) > MaxReason || !utf8.ValidString(s.Reason) || strings.ContainsFunc(s.Reason, unicode.IsControl) {
		return fmt.Errorf("rescue: a reason of 1 to %d bytes of text on one line must be given", MaxReason)
	}
	total, err := totalPower(s.Before())
	if err != nil {
		return fmt.Errorf("rescue: %w", err)
	}
	seen := map[string]bool{}
	for i := range s.Validators {
		v := &s.Validators[i]
		switch {
		case !schemas.IsPartnerID(v.Partner) || seen[v.Partner] || seen[string(v.Public)]:
			return fmt.Errorf("rescue: validator %d: its partner %q is none, or it is there twice", i, v.Partner)
		case v.Fate < Lost || v.Fate > Aside || (v.Fate == Stays) != (len(v.Signing) == ed25519.PublicKeySize) || v.Fate != Stays && len(v.Signing) > 0:
			return fmt.Errorf("rescue: %s is neither lost, nor stays with a key of its own, nor is left aside", v.Partner)
		}
		seen[v.Partner], seen[string(v.Public)] = true, true
	}
	lost, stay := s.Power(Lost), s.Power(Stays)
	switch {
	case lost == 0:
		return errors.New("rescue: nobody is lost")
	case 3*stay > 2*total:
		return fmt.Errorf("rescue: those who stay have %d of %d votes, more than two thirds: the network goes on without a rescue", stay, total)
	case 2*stay <= total-lost:
		return fmt.Errorf("rescue: those who stay have %d of the %d votes that are not lost: more than half must agree", stay, total-lost)
	}
	return nil
}

// Sign adds the signatures of one who stays.
func (r *Rescue) Sign(validator, partner ed25519.PrivateKey) error {
	id := r.ID()
	for i, v := range r.staying() {
		if v.Public.Equal(validator.Public()) && v.Signing.Equal(partner.Public()) {
			return r.add(RescueSignature{uint16(i), ed25519.Sign(validator, id[:]), ed25519.Sign(partner, id[:])})
		}
	}
	return errors.New("rescue: the keys are of nobody who stays")
}

func (r *Rescue) add(s RescueSignature) error {
	at := 0
	for at < len(r.Signatures) && r.Signatures[at].Index < s.Index {
		at++
	}
	if at < len(r.Signatures) && r.Signatures[at].Index == s.Index {
		return nil // Ed25519 signs the same in the same way
	}
	r.Signatures = append(r.Signatures[:at], append([]RescueSignature{s}, r.Signatures[at:]...)...)
	return r.CheckSignatures()
}

// Join takes over the signatures of another document of the same statement.
func (r *Rescue) Join(other *Rescue) error {
	if r.ID() != other.ID() {
		return fmt.Errorf("rescue: the documents say different things: %s and %s", r.ID(), other.ID())
	}
	if err := other.CheckSignatures(); err != nil {
		return err
	}
	for _, s := range other.Signatures {
		if err := r.add(s); err != nil {
			return err
		}
	}
	return nil
}

// CheckSignatures checks those signatures that are there.
func (r *Rescue) CheckSignatures() error {
	id, staying := r.ID(), r.staying()
	for i, s := range r.Signatures {
		if int(s.Index) >= len(staying) || i > 0 && s.Index <= r.Signatures[i-1].Index {
			return fmt.Errorf("rescue: signature %d is of nobody who stays, or out of order", i)
		}
		v := staying[s.Index]
		if !ed25519.Verify(v.Public, id[:], s.Validator) || !ed25519.Verify(v.Signing, id[:], s.Partner) {
			return fmt.Errorf("rescue: the signatures of %s do not hold", v.Partner)
		}
	}
	return nil
}

// Missing are the partners whose signatures are not there yet.
func (r *Rescue) Missing() (names []string) {
	next := 0
	for i, v := range r.staying() {
		if next < len(r.Signatures) && int(r.Signatures[next].Index) == i {
			next++
			continue
		}
		names = append(names, v.Partner)
	}
	return names
}

// Complete checks the whole document by itself: the statement, and that all who
// stay signed it.
func (r *Rescue) Complete() error {
	if err := r.Check(); err != nil {
		return err
	}
	if err := r.CheckSignatures(); err != nil {
		return err
	}
	if missing := r.Missing(); len(missing) > 0 {
		return fmt.Errorf("rescue: not signed by %s: all who stay must sign", strings.Join(missing, ", "))
	}
	return nil
}
