package app

import (
	"context"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	maxRecords = 20_000              // read for one bundle; beyond it, proof.MaxBundle is near
	maxBeside  = 200_000             // records that are read to be hashed, for those beside them
	overtakes  = 4                   // views that may expire without anything having been read
	maxNamed   = 2 * proof.MaxBundle // bytes of skeletons that are held for one bundle
	maxTrees   = 16                  // transactions whose trees are kept while a bundle is made
)

// Bundle makes the bundle that a query asks for, as of the view that it answers:
// whole but for the header that carries the view's root, which is to be sealed in.
func (a *App) Bundle(ctx context.Context, q schemas.BundleQuery) (*proof.Bundle, *View, error) {
	g := &gathering{ctx: ctx, records: map[schemas.TrailKey]map[uint64]proof.Record{}, roots: map[stretch][32]byte{}, trees: map[place]*signed{}}
	for left := overtakes; ; {
		view, err := a.viewFor(q)
		if err != nil {
			return nil, nil, err
		}
		g.view, g.state, g.leaves = view, map[string]leaf{}, 0
		read := g.read
		b, err := g.bundle(q)
		if !expired(err) || q.Height != 0 {
			return b, view, err
		}
		if left--; g.read > read {
			left = overtakes // a later view goes on where this one ended
		}
		if left == 0 {
			return nil, nil, err
		}
	}
}

func (a *App) viewFor(q schemas.BundleQuery) (*View, error) {
	if q.Height != 0 {
		return a.ViewAt(q.Height)
	}
	return a.View()
}

func expired(err error) bool { return isFault(err, schemas.ViewExpired) }

// gathering reads what a bundle is made of. A trail only grows, so what one view
// answered is the beginning of what a later one does: however long a trail is, and
// however fast the ledger, it is read.
type gathering struct {
	ctx     context.Context
	view    *View
	records map[schemas.TrailKey]map[uint64]proof.Record
	roots   map[stretch][32]byte // of what was hashed from records
	trees   map[place]*signed
	read    int // records and entries so far
	count   int // records kept
	size    int // bytes of records that will be in the bundle, about
	named   int // bytes of their skeletons, which may be far larger

	state  map[string]leaf // of the view
	leaves int             // bytes of them
}

// leaf is a value of the state with its path.
type leaf struct {
	value []byte
	path  proof.Path
}

func (g *gathering) bundle(q schemas.BundleQuery) (*proof.Bundle, error) {
	asked, err := g.asked(q)
	if err != nil {
		return nil, err
	}
	return proof.Assemble(proof.Material{
		Asked: asked, Scope: proof.Scope{Containers: q.Containers, Ancestors: uint64(max(0, q.Ancestors)), Names: q.Names, Times: q.Times, Units: q.Units},
		Observations: q.Observations, First: q.First, Count: q.Count, Source: g,
		Disclosure: proof.Disclosure{Only: q.Only, Withhold: q.Withhold, HashIDs: q.HashIDs, Partner: q.Partner},
	})
}

// asked tells what the view has of what is asked for.
func (g *gathering) asked(q schemas.BundleQuery) ([]proof.Thing, error) {
	if q.Of == schemas.BundleOfPartner {
		return []proof.Thing{{Kind: proof.APartner, ID: q.ID}}, nil
	}
	canonical, scheme, err := schemas.Canonical(q.ID)
	if err != nil {
		return nil, err
	}
	if q.Of == schemas.BundleOfShipment {
		return []proof.Thing{{Kind: proof.AShipment, ID: canonical}}, nil
	}
	item, class := proof.Thing{Kind: proof.AnItem, ID: canonical}, proof.Thing{Kind: proof.AClass, ID: canonical}
	hasItem, err := g.has(schemas.ItemKey(canonical))
	if err != nil {
		return nil, err
	}
	hasClass, err := g.has(schemas.ClassKey(canonical))
	if err != nil {
		return nil, err
	}
	switch {
	case q.Of == schemas.BundleOfItem && hasClass && !hasItem, q.Of == schemas.BundleOfLot && hasItem && !hasClass:
		return nil, &schemas.Fault{Code: schemas.NotFound, Detail: "the ledger has " + canonical + " as the other of item and lot alone: ask for that"}
	case q.Of == schemas.BundleOfThing && hasItem && hasClass:
		return []proof.Thing{item, class}, nil
	case q.Of == schemas.BundleOfLot, q.Of == schemas.BundleOfThing && !hasItem && (hasClass || scheme.Class()):
		return []proof.Thing{class}, nil
	}
	return []proof.Thing{item}, nil
}

func (g *gathering) has(key []byte) (bool, error) {
	value, _, err := g.view.get(key)
	return value != nil, err
}

// State is proof.Source's.
func (g *gathering) State(key []byte) ([]byte, proof.Path, error) {
	if l, ok := g.state[string(key)]; ok {
		return l.value, l.path, nil
	}
	if len(g.state)%256 == 255 && g.ctx.Err() != nil {
		return nil, proof.Path{}, g.ctx.Err()
	}
	value, err := g.view.StateValue(key)
	if err != nil {
		return nil, proof.Path{}, err
	}
	path, err := g.view.Path(key)
	if err != nil {
		return nil, path, err
	}
	g.state[string(key)] = leaf{value, path}
	g.leaves += len(value) + 32*len(path.Siblings)
	return value, path, g.fits()
}

// Records is proof.Source's.
func (g *gathering) Records(key schemas.TrailKey, from uint64, limit int) (out []proof.Record, err error) {
	kept := g.records[key]
	if kept == nil {
		kept = map[uint64]proof.Record{}
		g.records[key] = kept
	}
	for len(out) < limit {
		r, ok := kept[from+uint64(len(out))]
		if !ok {
			break
		}
		out = append(out, r)
	}
	if len(out) > 0 {
		return out, nil
	}
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	records, err := g.view.Trail(key, from, limit)
	if err != nil {
		return nil, err
	}
	for i := range records {
		r, err := g.proven(&records[i])
		if err != nil {
			return nil, err
		}
		kept[from+uint64(i)] = r
		out = append(out, r)
	}
	return out, nil
}

// signed is a transaction as its partner signed it, with the tree of its messages.
type signed struct {
	header, signature []byte
	tree              *proof.Tree
}

// proven adds what its transaction proves of a record.
func (g *gathering) proven(r *schemas.Record) (proof.Record, error) {
	out := proof.Record{Record: *r}
	g.read++
	if g.count++; g.count > maxRecords {
		return out, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("more than %d records, which is what a bundle is made of: ask without containers or ancestors, or for fewer records", maxRecords)}
	}
	s, err := g.transaction(r.Locator)
	if err != nil {
		return out, err
	}
	out.Header, out.Signature = s.header, s.signature
	if out.Inclusion, err = s.tree.Inclusion(uint64(r.Index)); err != nil {
		return out, err
	}
	g.size += len(r.Body) + len(s.header) + 32*len(out.Inclusion)
	g.named += len(r.SkeletonBytes)
	return out, g.fits()
}

// fits reports whether what was read so far may be in one bundle.
func (g *gathering) fits() error {
	if g.size+g.leaves > proof.MaxBundle || g.named > maxNamed {
		return &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("too much for a bundle, which has up to %d bytes: ask for fewer records, or for a shipment without its units", proof.MaxBundle)}
	}
	return nil
}

func (g *gathering) transaction(at schemas.Locator) (*signed, error) {
	p := placeOf(at)
	if s := g.trees[p]; s != nil {
		return s, nil
	}
	t, err := g.view.existing(p)
	if err != nil {
		return nil, err
	}
	digests := make([][32]byte, len(t.messages))
	for i := range digests {
		r, err := t.record(p.message(i))
		if err != nil {
			return nil, err
		}
		digests[i] = r.Digest
	}
	if len(g.trees) >= maxTrees {
		clear(g.trees)
	}
	s := &signed{t.signed, t.signature, proof.NewTree(digests)}
	g.trees[p] = s
	return s, nil
}
