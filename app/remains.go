package app

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

func remainsRow(p place) []byte { return append([]byte{rowRemains}, p[:]...) }

// remains is what the archive keeps of a transaction's bodies after an erasure.
type remains struct {
	at     place
	bodies [][]byte // nil where it is erased

	secret []byte         // of the whole transaction, from which the events' follow
	salts  []schemas.Hash // the events' secrets, of what an erasure left
	only   []uint32       // messages whose bodies were read, ascending; nil: all were
}

func (r *remains) weight() int {
	n := 256
	for _, body := range r.bodies {
		n += 32 + len(body)
	}
	return n
}

// has reports whether the bodies of some messages were read.
func (r *remains) has(of []uint32) bool {
	return r.only == nil || !slices.ContainsFunc(of, func(i uint32) bool { return !slices.Contains(r.only, i) })
}

// salt is the secret of one event; zero where its body is erased. They are computed
// one by one: a reader wants one of thousands.
func (r *remains) salt(i int) schemas.Hash {
	switch {
	case r.bodies[i] == nil:
		return schemas.Hash{}
	case r.salts != nil:
		return r.salts[i]
	}
	return schemas.EventSecret(r.secret, i)
}

// encode: 1 place, 2 once for each message: nothing where it is erased, else 1
// event secret, 2 body.
func (r *remains) encode() []byte {
	b := schemas.AppendField(nil, 1, r.at[:])
	for i, body := range r.bodies {
		var m []byte
		if body != nil {
			salt := r.salt(i)
			m = schemas.AppendField(schemas.AppendField(nil, 1, salt[:]), 2, body)
		}
		b = schemas.AppendEntry(b, 2, m)
	}
	return b
}

func decodeRemains(b []byte) (*remains, error) {
	r := &remains{}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch {
		case n == 1 && len(v) == len(r.at):
			r.at = place(v)
		case n == 2:
			var body []byte
			var secret schemas.Hash
			in := schemas.ReadFields(v)
			for k, w, ok := in.Next(); ok; k, w, ok = in.Next() {
				switch k {
				case 1:
					secret = in.Hash(k, w)
				case 2:
					body = w
				default:
					in.Fail(k, "unknown")
				}
			}
			if in.Err() != nil {
				f.Fail(n, "no body")
			}
			r.bodies, r.salts = append(r.bodies, body), append(r.salts, secret)
		default:
			f.Fail(n, "unknown")
		}
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("reading what an erasure left: %w", err)
	}
	return r, nil
}

// readRemains reads bodies in any of their forms, perhaps of some messages only, which
// are copied out of the room; nil where all are gone.
func (a *App) readRemains(free *room, p place, encoded []byte, count int, only []uint32) (*remains, error) {
	if store.Erased(encoded) {
		return nil, nil
	}
	if isTransactionRecord(encoded) { // compressed: what an erasure left
		b, err := a.codec.Expand(encoded)
		if err != nil {
			return nil, err
		}
		r, err := decodeRemains(b)
		if err == nil && (r.at != p || len(r.bodies) != count) {
			err = fmt.Errorf("what an erasure left is of %s", r.at)
		}
		return r, err
	}
	b, err := schemas.DecodeBodies(encoded)
	if err != nil {
		return nil, err
	}
	r := &remains{at: p, secret: bytes.Clone(b.Secret), only: only}
	var into []byte
	if only != nil {
		into = free.content
	}
	joined, err := a.codec.DecompressInto(into, b.Frame, int(b.Size))
	if err != nil {
		return nil, err
	}
	if only != nil {
		free.content = larger(free.content, joined)
	}
	if r.bodies, err = schemas.SplitBodies(joined, count); err != nil {
		return nil, err
	}
	if only != nil {
		r.keepOnly()
	}
	return r, nil
}

// keepOnly lets go of the bodies that were not asked for, and of what they all lie in.
func (r *remains) keepOnly() {
	for i, body := range r.bodies {
		if _, ok := slices.BinarySearch(r.only, uint32(i)); ok {
			r.bodies[i] = bytes.Clone(body)
		} else {
			r.bodies[i] = nil
		}
	}
}

// drop takes bodies out that are not kept.
func (r *remains) drop(unkept []uint32) {
	for _, i := range unkept {
		if int(i) < len(r.bodies) {
			r.bodies[i] = nil
		}
	}
}
