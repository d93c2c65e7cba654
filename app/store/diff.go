package store

import (
	"bytes"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// LeafDifference is a leaf of the state tree in which two stores differ.
type LeafDifference struct {
	KeyHash    [32]byte
	Key        []byte // nil if neither store's rows have a key of this hash
	Have, Want []byte // values in the rows, nil where there is none
	// HaveLeaf and WantLeaf are the trees' hashes of the values, zero where there
	// is no leaf. A row that its own tree does not commit to was damaged after it
	// was written.
	HaveLeaf, WantLeaf [32]byte
}

// DiffTrees finds leaves in which the trees of two stores differ at their last
// heights, in the order of key hashes, at most limit. It descends only where
// hashes differ, and then looks the keys up in the state's rows.
func DiffTrees(have, want *Store, limit int) ([]LeafDifference, error) {
	a, b := have.Latest(), want.Latest()
	for _, v := range []*View{a, b} {
		if err := v.use(); err != nil {
			return nil, err
		}
		defer v.done()
	}
	d := &differ{limit: limit, a: update{load: a.version.snap.get}, b: update{load: b.version.snap.get}}
	if err := d.stems(a.version.crown, b.version.crown, [32]byte{}, 0); err != nil {
		return nil, err
	}
	if err := d.resolve(a.version.snap, func(l *LeafDifference) *[]byte { return &l.Have }); err != nil {
		return nil, err
	}
	return d.found, d.resolve(b.version.snap, func(l *LeafDifference) *[]byte { return &l.Want })
}

type differ struct {
	limit int
	a, b  update
	found []LeafDifference
}

func (d *differ) full() bool { return len(d.found) >= d.limit }

// stems descends the crowns.
func (d *differ) stems(x, y *stem, way [32]byte, depth int) error {
	if x.root() == y.root() {
		return nil
	}
	for i := range slots {
		if d.full() {
			return nil
		}
		var left, right sub
		var kidX, kidY *stem
		if x != nil {
			left, kidX = x.nodes[slots+i], x.kids[i]
		}
		if y != nil {
			right, kidY = y.nodes[slots+i], y.kids[i]
		}
		if left == right {
			continue
		}
		below := way
		setBits(&below, depth, i)
		var err error
		if depth+span < crownDepth {
			err = d.stems(kidX, kidY, below, depth+span)
		} else {
			err = d.pages(left, right, below, depth+span)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pages compares what is below two places of which the hashes differ.
func (d *differ) pages(left, right sub, way [32]byte, depth int) error {
	var p, q page
	for _, side := range []struct {
		at   sub
		from *update
		to   *page
	}{{left, &d.a, &p}, {right, &d.b, &q}} {
		if side.at.content == empty {
			continue
		}
		read, err := side.from.page(&way, depth)
		if err != nil {
			return err
		}
		*side.to = *read
	}
	return d.page(&d.a, &p, &d.b, &q, way, depth)
}

func (d *differ) page(a *update, p *page, b *update, q *page, way [32]byte, depth int) error {
	if p.split == nil || q.split == nil {
		x, err := d.leaves(a, p, way, depth)
		if err != nil {
			return err
		}
		y, err := d.leaves(b, q, way, depth)
		if err != nil {
			return err
		}
		d.compare(x, y)
		return nil
	}
	for i := range slots {
		if d.full() || p.split[i] == q.split[i] {
			continue
		}
		below := way
		setBits(&below, depth, i)
		kidP, _, err := a.kid(&p.split[i], &below, depth+span)
		if err != nil {
			return err
		}
		kidQ, _, err := b.kid(&q.split[i], &below, depth+span)
		if err != nil {
			return err
		}
		if err := d.page(a, kidP, b, kidQ, below, depth+span); err != nil {
			return err
		}
	}
	return nil
}

// leaves are all below a page, in order: of a listed page a bucket, of a split
// one beside a listed one more, but no more than changed in one place.
func (d *differ) leaves(u *update, p *page, way [32]byte, depth int) ([]proof.Leaf, error) {
	if p.split == nil {
		return p.leaves, nil
	}
	var all []proof.Leaf
	for i := range slots {
		below := way
		setBits(&below, depth, i)
		kid, _, err := u.kid(&p.split[i], &below, depth+span)
		if err != nil {
			return nil, err
		}
		some, err := d.leaves(u, kid, below, depth+span)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (d *differ) compare(x, y []proof.Leaf) {
	for (len(x) > 0 || len(y) > 0) && !d.full() {
		order := 0
		switch {
		case len(x) == 0:
			order = 1
		case len(y) == 0:
			order = -1
		default:
			order = bytes.Compare(x[0].Key[:], y[0].Key[:])
		}
		l := LeafDifference{}
		if order <= 0 {
			l.KeyHash, l.HaveLeaf, x = x[0].Key, x[0].Value, x[1:]
		}
		if order >= 0 {
			l.KeyHash, l.WantLeaf, y = y[0].Key, y[0].Value, y[1:]
		}
		if l.HaveLeaf != l.WantLeaf {
			d.found = append(d.found, l)
		}
	}
}

// resolve finds keys and values of what differs: keys are in the rows alone.
func (d *differ) resolve(snap snapshot, value func(*LeafDifference) *[]byte) error {
	at := make(map[[32]byte]*LeafDifference, len(d.found))
	for i := range d.found {
		at[d.found[i].KeyHash] = &d.found[i]
	}
	for row, err := range snap.scan([]byte{spaceState}, []byte{spaceState + 1}, false) {
		if err != nil {
			return fmt.Errorf("reading the state: %w", err)
		}
		l := at[proof.KeyHash(row.Key[1:])]
		if l == nil {
			continue
		}
		v, _, err := splitState(row.Value)
		if err != nil {
			return fmt.Errorf("key %q: %w", row.Key[1:], err)
		}
		l.Key, *value(l) = row.Key[1:], v
	}
	return nil
}

// State yields the state's keys and values at the last height, in order.
func (s *Store) State() func(yield func(Row, error) bool) {
	return func(yield func(Row, error) bool) {
		v := s.Latest()
		if err := v.use(); err != nil {
			yield(Row{}, err)
			return
		}
		defer v.done()
		for row, err := range v.version.snap.scan([]byte{spaceState}, []byte{spaceState + 1}, false) {
			if err == nil {
				row.Key = row.Key[1:]
				row.Value, _, err = splitState(row.Value)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// Committed reports whether both values are those that the trees commit to.
func (l *LeafDifference) Committed() bool {
	is := func(value []byte, leaf [32]byte) bool {
		if value == nil {
			return leaf == [32]byte{}
		}
		return proof.ValueHash(value) == leaf
	}
	return is(l.Have, l.HaveLeaf) && is(l.Want, l.WantLeaf)
}
