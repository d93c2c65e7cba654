package proof

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/waybill-ledger/waybill/schemas"
)

// A bundle can carry checkpoints that witnesses cosigned: each with the path that
// leads to it from the header of the bundle's state. They are the one part of a
// bundle that leads to no root of trust: they count for whoever has a witness's
// key, and say nothing to anybody else.

// Bounds of what witnesses say in a bundle.
const (
	maxWitnessed    = 16
	maxCosignatures = 32
	maxToken        = 64 << 10
)

// WitnessedPart is a checkpoint with the header of the bundle's state in it.
type WitnessedPart struct {
	Size      uint64
	Index     uint64
	Inclusion [][32]byte // of the header
	// Header is the one that carried the state first, where that is not the
	// bundle's own; Validators is the hash of its set.
	Header       *ShortHeader
	Validators   schemas.Hash
	Cosignatures []Cosignature // by name
	Token        []byte        // time stamp token over the checkpoint
}

// encode is the checkpoint: 1 size, 2 index, 3 inclusion, 4 header, 5 its
// validators' hash, 6 cosignature (repeated: 1 name, 2 time, 3 signature), 7 time
// stamp token.
func (p *WitnessedPart) encode() []byte {
	b := schemas.AppendUint(nil, 1, p.Size)
	b = schemas.AppendUint(b, 2, p.Index)
	b = appendHashes(b, 3, p.Inclusion)
	if p.Header != nil {
		b = schemas.AppendField(b, 4, p.Header.encode())
	}
	b = appendHash(b, 5, p.Validators)
	for i := range p.Cosignatures {
		c := &p.Cosignatures[i]
		one := schemas.AppendString(nil, 1, c.Name)
		one = schemas.AppendUint(one, 2, uint64(c.Time.Unix()))
		b = schemas.AppendField(b, 6, schemas.AppendField(one, 3, c.Signature))
	}
	return schemas.AppendField(b, 7, p.Token)
}

func readWitnessed(outer *schemas.Fields, in uint64, v []byte) (p WitnessedPart) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			p.Size = readCount(f, n, v)
		case 2:
			p.Index = readCount(f, n, v)
		case 3:
			p.Inclusion = readHashes(f, n, v, maxInclusion)
		case 4:
			p.Header = &ShortHeader{}
			p.Header.decode(f, n, v)
		case 5:
			p.Validators = f.Hash(n, v)
		case 6:
			if len(p.Cosignatures) == maxCosignatures {
				f.Fail(n, "too many cosignatures")
				break
			}
			p.Cosignatures = append(p.Cosignatures, readCosignature(f, n, v))
		case 7:
			if p.Token = v; len(v) > maxToken {
				f.Fail(n, "a time stamp that is too long")
			}
		default:
			f.Fail(n, "unknown")
		}
	})
	if outer.Err() == nil && (p.Size == 0 || len(p.Cosignatures) == 0 && len(p.Token) == 0) {
		outer.Fail(in, "a checkpoint without size, or that nobody signed")
	}
	return p
}

func readCosignature(outer *schemas.Fields, in uint64, v []byte) (c Cosignature) {
	c.Time = time.Unix(0, 0).UTC()
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			c.Name = string(v)
		case 2:
			c.Time = time.Unix(int64(readCount(f, n, v)), 0).UTC()
		case 3:
			c.Signature = v
		default:
			f.Fail(n, "unknown")
		}
	})
	if outer.Err() == nil && (!ValidWitnessName(c.Name) || len(c.Signature) != 64) {
		outer.Fail(in, "a cosignature without name or signature")
	}
	return c
}

// Attach adds a cosigned checkpoint to a bundle; one of the same size takes its place.
func (b *Bundle) Attach(p WitnessedPart) {
	at := 0
	for at < len(b.Witnessed) && b.Witnessed[at].Size < p.Size {
		at++
	}
	rest := b.Witnessed[at:]
	if len(rest) > 0 && rest[0].Size == p.Size {
		rest = rest[1:]
	}
	b.Witnessed = append(append(append([]WitnessedPart(nil), b.Witnessed[:at]...), p), rest...)
}

// Resettle is for who has given a bundle another header that carries its state:
// what checkpoints had of that header besides is not needed any more.
func (b *Bundle) Resettle() {
	for i := range b.Witnessed {
		if p := &b.Witnessed[i]; p.Header != nil && p.Header.Height == b.State().Height {
			p.Header, p.Validators = nil, schemas.Hash{}
		}
	}
}

// State is the header that carries the bundle's state.
func (b *Bundle) State() *ShortHeader {
	if b.Anchor != nil {
		return &b.Anchor.Header
	}
	return &b.Header
}

// Seen is a checkpoint that a bundle carries, as far as it follows from the bundle:
// the header of the bundle's state is in it. That witnesses signed it, Witness tells.
type Seen struct {
	Checkpoint Checkpoint
	Height     int64     // of the header in it that first carried the state
	Time       time.Time // of that header
	Token      []byte    // time stamp token, unchecked

	cosignatures []Cosignature
}

// checkWitnessed works out which checkpoints the bundle's state is in.
func (v *verification) checkWitnessed() error {
	parts := v.b.Witnessed
	if len(parts) > maxWitnessed {
		return fmt.Errorf("checkpoints: %d are there, at most %d can be", len(parts), maxWitnessed)
	}
	for i := range parts {
		p := &parts[i]
		where := fmt.Sprintf("checkpoint of size %d", p.Size)
		if i > 0 && p.Size <= parts[i-1].Size {
			return fmt.Errorf("%s: it is there twice, or not behind those before it", where)
		}
		for j := 1; j < len(p.Cosignatures); j++ {
			if strings.Compare(p.Cosignatures[j-1].Name, p.Cosignatures[j].Name) >= 0 {
				return fmt.Errorf("%s: the cosignature of %q is there twice, or not behind those before it", where, p.Cosignatures[j].Name)
			}
		}
		seen, err := v.seen(p)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		v.report.Seen = append(v.report.Seen, *seen)
	}
	return nil
}

func (v *verification) seen(p *WitnessedPart) (*Seen, error) {
	state := v.b.State()
	h, hash := state, v.headers[state.Height]
	if p.Header != nil {
		h, hash = p.Header, p.Header.Hash(v.b.ChainID, p.Validators)
		switch proven, ok := v.headers[h.Height]; {
		case h.Height < 1 || h.Height >= state.Height || !h.Time.Before(state.Time):
			return nil, fmt.Errorf("its header at height %d is not before that of the state, %d", h.Height, state.Height)
		case h.App != state.App:
			return nil, fmt.Errorf("its header at height %d carries another state", h.Height)
		case h.NextValidators == p.Validators:
			return nil, errors.New("the next validators of its header are written out although they are its own")
		case ok && proven != hash || h.Height == v.trust.Height && hash != v.trust.HeaderHash:
			return nil, fmt.Errorf("its header at height %d has the hash %s, another one is trusted", h.Height, hash)
		}
	} else if !p.Validators.IsZero() {
		return nil, errors.New("validators without their header")
	}
	if p.Index >= p.Size {
		return nil, fmt.Errorf("entry %d is beyond its end", p.Index)
	}
	entry := schemas.AnchorEntry(h.Height, hash[:])
	leaf := entryHash((*[32]byte)(&entry))
	root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, p.Index, p.Size, leaf[:], bytesOf(p.Inclusion))
	if err != nil {
		return nil, fmt.Errorf("inclusion of entry %d: %w", p.Index, ErrMalformed)
	}
	return &Seen{Checkpoint: Checkpoint{ChainID: v.b.ChainID, Size: p.Size, Root: schemas.Hash(root)}, Height: h.Height, Time: h.Time,
		Token: p.Token, cosignatures: p.Cosignatures}, nil
}

// Witnessed is a witness's word on the state of a bundle.
type Witnessed struct {
	Name   string       `json:"name"`
	Key    string       `json:"key"`  // verifier key
	Time   time.Time    `json:"time"` // by the witness's clock
	Size   uint64       `json:"size"` // of the checkpoint
	Root   schemas.Hash `json:"root"`
	Height int64        `json:"height"` // of the header in it that first carried the state
}

// ErrFewWitnesses is the answer where fewer witnesses cosigned than are demanded.
var ErrFewWitnesses = errors.New("too few witnesses")

// Witness demands that so many of the witnesses of these keys cosigned a history in
// which the bundle's state is, and notes in the report who did: of each the earliest
// word. A key that is given twice counts once.
func (r *Report) Witness(keys []WitnessKey, needed int) error {
	r.Witnessed = nil
	var why []string
	for i, k := range keys {
		twice := false
		for _, other := range keys[:i] {
			twice = twice || bytes.Equal(other.Public, k.Public)
		}
		if twice {
			why = append(why, fmt.Sprintf("the key of %q is given twice, and counts once", k.Name))
			continue
		}
		word, err := r.word(k)
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		r.Witnessed = append(r.Witnessed, *word)
	}
	if len(r.Witnessed) < needed {
		return fmt.Errorf("%w: %d cosigned, %d are demanded (%s)", ErrFewWitnesses, len(r.Witnessed), needed, strings.Join(why, "; "))
	}
	return nil
}

func (r *Report) word(k WitnessKey) (*Witnessed, error) {
	err := fmt.Errorf("%q says nothing here", k.Name)
	var first *Witnessed
	for i := range r.Seen {
		s := &r.Seen[i]
		for _, c := range s.cosignatures {
			if c.Name != k.Name {
				continue
			}
			if bad := s.Checkpoint.VerifyCosignature(k, c); bad != nil {
				err = bad
			} else if first == nil || c.Time.Before(first.Time) {
				first = &Witnessed{Name: k.Name, Key: k.String(), Time: c.Time, Size: s.Checkpoint.Size, Root: s.Checkpoint.Root, Height: s.Height}
			}
		}
	}
	if first == nil {
		return nil, err
	}
	return first, nil
}

// witnessed tells in words what witnesses say.
func (r *Report) witnessed() (said []string) {
	for i := range r.Witnessed {
		w := &r.Witnessed[i]
		said = append(said, fmt.Sprintf("The witness %s says, at %s by its clock, that it saw a history of %d headers up to then, which has this state in the header of height %d, and cosigned no other.",
			w.Name, w.Time.Format(time.RFC3339), w.Size, w.Height))
	}
	return said
}
