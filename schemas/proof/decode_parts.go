package proof

import (
	"crypto/ed25519"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

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

func readRescue(outer *schemas.Fields, in uint64, v []byte) (r RescuePart) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			r.Document = v
		case 2:
			r.Path = v
		default:
			f.Fail(n, "unknown")
		}
	})
	return r
}

func readHandover(outer *schemas.Fields, in uint64, v []byte) (h HandoverPart) {
	f := each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			h.Leaf = *readLeaf(f, n, v)
		case 2:
			h.Dispute = readPlace(f, n, v)
		default:
			f.Fail(n, "unknown")
		}
	})
	if f.Err() == nil && (len(h.Leaf.Path) == 0 || len(h.Dispute.Path) == 0) {
		outer.Fail(in, "a hand-over without its leaf, or without what is known of a dispute")
	}
	return h
}

// readNamed reads what a partner and its keys have in common: a name and a leaf.
func readNamed(f *schemas.Fields, more func(n uint64, v []byte)) (id string, leaf *StateLeaf) {
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			id = string(v)
		case 2:
			leaf = readLeaf(f, n, v)
		default:
			more(n, v)
		}
	}
	if f.Err() == nil && id == "" {
		f.Fail(1, "no id")
	}
	return id, leaf
}

func readPartner(outer *schemas.Fields, in uint64, v []byte) (p PartnerPart) {
	f := schemas.ReadFields(v)
	p.ID, p.Leaf = readNamed(f, func(n uint64, v []byte) {
		if n != 3 {
			f.Fail(n, "unknown")
			return
		}
		kf := schemas.ReadFields(v)
		id, leaf := readNamed(kf, func(n uint64, _ []byte) { kf.Fail(n, "unknown") })
		if kf.Err() == nil && leaf == nil {
			kf.Fail(2, "a key without leaf")
		}
		within(f, n, kf)
		if leaf != nil {
			p.Keys = append(p.Keys, KeyPart{ID: id, Leaf: *leaf})
		}
	})
	within(outer, in, f)
	return p
}

func readTransaction(outer *schemas.Fields, in uint64, v []byte) (t TransactionPart) {
	t.Messages = make([]MessagePart, 0, countOf(v, 5))
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

func readMember(f *schemas.Fields, n uint64, v []byte) schemas.Member {
	size, width := binary.Uvarint(v)
	if width <= 0 || size > uint64(len(v)-width) || len(v)-width-int(size) == 0 {
		f.Fail(n, "no member")
		return schemas.Member{}
	}
	name, value := v[width:width+int(size)], v[width+int(size):]
	return schemas.Member{Name: string(name), Value: value}
}

func readSubject(outer *schemas.Fields, in uint64, v []byte) (s SubjectPart) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			s.Kind = Subject(f.Uint(n, v))
		case 2:
			if s.ID = string(v); !utf8.Valid(v) {
				f.Fail(n, "a text is not UTF-8")
			}
		case 3:
			s.Value = v
		case 4:
			s.Path = v
		case 5:
			s.Other = v
		case 6:
			s.Trails = append(s.Trails, readTrail(f, n, v))
		default:
			f.Fail(n, "unknown")
		}
	})
	if outer.Err() == nil && (s.Kind == 0 || s.Kind > AShipment || s.ID == "" || len(s.Path) == 0) {
		outer.Fail(in, "a subject without kind, identifier or path")
	}
	return s
}

func readTrail(outer *schemas.Fields, in uint64, v []byte) (t TrailPart) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			kind := f.Uint(n, v)
			if kind > math.MaxUint8 {
				f.Fail(n, "no trail")
			}
			t.Kind = schemas.TrailKind(kind)
		case 2:
			t.First = readCount(f, n, v)
		case 3:
			t.Beside = readHashes(f, n, v, 2*maxInclusion)
		default:
			f.Fail(n, "unknown")
		}
	})
	return t
}

func readRelease(outer *schemas.Fields, in uint64, v []byte) (r ReleasePart) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			r.Container = string(v)
		case 2:
			r.Epoch = f.Uint(n, v)
		case 3:
			r.Leaf = *readLeaf(f, n, v)
		default:
			f.Fail(n, "unknown")
		}
	})
	if outer.Err() == nil && (r.Container == "" || len(r.Leaf.Path) == 0) {
		outer.Fail(in, "a release without container or leaf")
	}
	return r
}

func readStep(outer *schemas.Fields, in uint64, v []byte) (s Step) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			s.Header = &ShortHeader{}
			s.Header.decode(f, n, v)
		case 2:
			s.Commit.decode(f, n, v)
		case 3:
			s.Validators = readValidator(f, n, v, s.Validators)
		default:
			f.Fail(n, "unknown")
		}
	})
	if outer.Err() == nil && len(s.Validators) == 0 {
		outer.Fail(in, "a step without validators")
	}
	return s
}

func readAnchor(outer *schemas.Fields, in uint64, v []byte) *Anchor {
	a := &Anchor{}
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			a.Header.decode(f, n, v)
		case 2:
			a.Validators = f.Hash(n, v)
		case 3:
			a.Index = readCount(f, n, v)
		case 4:
			a.Inclusion = readHashes(f, n, v, maxInclusion)
		default:
			f.Fail(n, "unknown")
		}
	})
	return a
}

func readBlock(outer *schemas.Fields, in uint64, v []byte) (b BlockPart) {
	each(outer, in, v, func(f *schemas.Fields, n uint64, v []byte) {
		switch n {
		case 1:
			b.Height = readHeight(f, n, v)
		case 2:
			b.Time = readTime(f, n, v)
		case 3:
			readPath(f, n, v, b.TimePath[:])
		case 4:
			b.Parts.Total = readUint32(f, n, v)
		case 5:
			b.Parts.Hash = v
		case 6:
			readPath(f, n, v, b.NextPath[:])
		case 7:
			b.Index = readCount(f, n, v)
		case 8:
			b.Inclusion = readHashes(f, n, v, maxInclusion)
		default:
			f.Fail(n, "unknown")
		}
	})
	if outer.Err() == nil && (b.Height == 0 || b.TimePath[0] == [32]byte{}) {
		outer.Fail(in, "a block without height or paths")
	}
	return b
}
