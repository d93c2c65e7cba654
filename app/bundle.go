package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	maxRecords = 20000    // of one bundle's trails; beyond it, proof.MaxBundle is near
	recordPage = 256      // records read from one view
	overtakes  = 4        // views that may expire under what is read at the end
	maxHeld    = 64 << 20 // bytes of digests, from which paths are made; a bundle has the paths alone
)

// Bundle makes the bundle of an item, class or lot, or of what is unknown, as of
// the view that it answers: whole but for the header that carries the view's
// root, which is to be sealed in.
func (a *App) Bundle(ctx context.Context, id string) (*proof.Bundle, *View, error) {
	canonical, scheme, err := schemas.Canonical(id)
	if err != nil {
		return nil, nil, err
	}
	g := gathering{id: canonical, class: scheme.Class(), records: map[schemas.TrailKind][]proof.Record{}, signed: map[place]*proof.Transaction{}}
	for range overtakes {
		if err = g.ahead(ctx, a); err != nil {
			return nil, nil, err
		}
		var view *View
		if view, err = a.View(); err != nil {
			return nil, nil, err
		}
		var b *proof.Bundle
		if b, err = g.assemble(view); !expired(err) {
			return b, view, err
		}
	}
	return nil, nil, err
}

func expired(err error) bool {
	var f *schemas.Fault
	return errors.As(err, &f) && f.Code == schemas.ViewExpired
}

// gathering is the records of a subject's trails, as far as they are read. A
// trail only grows, so what one view answered is the beginning of what a later
// one does: however long a trail is, and however fast the ledger, it is read.
type gathering struct {
	id      string
	class   bool // what its form says; of a private identifier that says nothing
	records map[schemas.TrailKind][]proof.Record
	signed  map[place]*proof.Transaction
	size    int // bytes that will be in the bundle, about
	held    int // bytes of digests
}

// ahead reads all but the end of the trails, each page from the newest view.
func (g *gathering) ahead(ctx context.Context, a *App) error {
	for overtaken := 0; ; {
		view, err := a.View()
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := g.read(view)
		switch {
		case err == nil:
			overtaken = 0
		case !expired(err) || overtaken == overtakes:
			return err
		default:
			overtaken++
		}
		if err == nil && !more {
			return nil
		}
	}
}

// subject tells what the view has under the identifier, and which trails that has.
func (g *gathering) subject(view *View) (proof.Subject, []schemas.TrailKind, error) {
	asClass := g.class
	own, other := schemas.ItemKey(g.id), schemas.ClassKey(g.id)
	if asClass {
		own, other = other, own
	}
	value, _, err := view.get(own)
	if err == nil && value == nil {
		if value, _, err = view.get(other); value != nil {
			asClass = !asClass
		}
	}
	if asClass {
		return proof.AClass, []schemas.TrailKind{schemas.ClassTrail}, err
	}
	return proof.AnItem, []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}, err
}

// read reads at most a page more of the trails, and tells whether there is more
// in the view.
func (g *gathering) read(view *View) (more bool, err error) {
	_, trails, err := g.subject(view)
	if err != nil {
		return false, err
	}
	left, total := recordPage, uint64(0)
	for _, kind := range trails {
		key := schemas.TrailKey{Kind: kind, Subject: g.id}
		head, err := view.TrailHead(key)
		if err != nil {
			return false, err
		}
		if total += head.Count; total > maxRecords {
			return false, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("trails of %d records, a bundle holds %d", total, maxRecords)}
		}
		have := uint64(len(g.records[kind]))
		if have == head.Count {
			continue
		}
		if left == 0 {
			return true, nil
		}
		records, err := view.Trail(key, have, left)
		if err != nil {
			return false, err
		}
		for i := range records {
			if err := g.add(view, kind, &records[i]); err != nil {
				return false, err
			}
		}
		if have += uint64(len(records)); len(records) == 0 || have > head.Count {
			return false, fmt.Errorf("a trail of %d entries has %d rows: restore the node from a backup or from its peers", head.Count, have)
		}
		left -= len(records)
		more = more || have < head.Count
	}
	return more, nil
}

func (g *gathering) add(view *View, kind schemas.TrailKind, r *schemas.Record) error {
	at := placeOf(r.Locator)
	if g.signed[at] == nil {
		s, err := view.Signed(r.Locator)
		if err != nil {
			return err
		}
		g.signed[at] = s
		g.held += len(schemas.Hash{}) * len(s.Digests)
		g.size += len(s.Header) + len(s.Signature)
	}
	if g.size += len(r.Body); g.size > proof.MaxBundle || g.held > maxHeld {
		return &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("the events or their transactions are too large for a bundle, which has up to %d bytes", proof.MaxBundle)}
	}
	g.records[kind] = append(g.records[kind], proof.Record{Record: *r, Transaction: g.signed[at]})
	return nil
}

// assemble reads the end of the trails and the state from one view.
func (g *gathering) assemble(view *View) (*proof.Bundle, error) {
	for more := true; more; {
		var err error
		if more, err = g.read(view); err != nil {
			return nil, err
		}
	}
	subject, trails, err := g.subject(view)
	if err != nil {
		return nil, err
	}
	m := proof.Material{Subject: subject, ID: g.id, Records: map[schemas.TrailKind][]proof.Record{}}
	for _, kind := range trails {
		m.Records[kind] = g.records[kind]
	}
	m.State = func(key []byte) ([]byte, proof.Path, error) {
		value, err := view.StateValue(key)
		if err != nil {
			return nil, proof.Path{}, err
		}
		path, err := view.Path(key)
		return value, path, err
	}
	return proof.Assemble(m)
}
