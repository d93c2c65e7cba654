package store

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// crownDepth is where the crown ends and the pages begin.
const crownDepth = 6 * span

// stem is three levels of the crown. It never changes once it is built: a block
// copies the stems on its way, so that every view keeps its own crown for the
// price of what changed. A stem without leaves is nil.
type stem struct {
	nodes nodes
	kids  [slots]*stem // nil at the crown's end, where pages follow
}

func (s *stem) root() sub {
	if s == nil {
		return sub{}
	}
	return s.nodes[1]
}

// change sets a leaf or removes it.
type change struct {
	proof.Leaf
	gone bool
}

// pageWrite is a changed page; data is nil if it is no more.
type pageWrite struct {
	key, data []byte
}

// update applies changes, sorted by key hash and each key once, below a crown.
type update struct {
	load   func(key []byte) ([]byte, error)
	writes []pageWrite
	leaves int64 // added less removed
	room   bucketRoom
}

// group is the head of cs that shares a slot at a depth.
func group(cs []change, depth int) (slot int, head, rest []change) {
	slot = slotOf(&cs[0].Key, depth)
	n := 1
	for n < len(cs) && slotOf(&cs[n].Key, depth) == slot {
		n++
	}
	return slot, cs[:n], cs[n:]
}

func (u *update) stem(old *stem, depth int, cs []change) (*stem, error) {
	s := &stem{}
	if old != nil {
		*s = *old
	}
	changed := uint32(0)
	for len(cs) > 0 {
		i, head, rest := group(cs, depth)
		if err := u.stemSlot(s, i, depth, head); err != nil {
			return nil, err
		}
		changed |= 1 << i
		cs = rest
	}
	return s.folded(changed), nil
}

func (s *stem) folded(changed uint32) *stem {
	s.nodes.fold(changed)
	if s.nodes[1].content == empty {
		return nil
	}
	return s
}

func (u *update) stemSlot(s *stem, i, depth int, cs []change) (err error) {
	if depth+span < crownDepth {
		s.kids[i], err = u.stem(s.kids[i], depth+span, cs)
		s.nodes[slots+i] = s.kids[i].root()
		return err
	}
	existed := s.nodes[slots+i].content != empty
	if root, done, err := u.bucket(&cs[0].Key, existed, cs); done || err != nil {
		s.nodes[slots+i] = root
		return err
	}
	p := &page{}
	if existed {
		if p, err = u.page(&cs[0].Key, crownDepth); err != nil {
			return err
		}
	}
	if err := u.apply(p, crownDepth, cs); err != nil {
		return err
	}
	u.keep(p, &cs[0].Key, crownDepth, existed, 1)
	s.nodes[slots+i] = p.root(crownDepth)
	return nil
}

// keep writes a page that has at least so many leaves, and removes what was there
// of one that has not.
func (u *update) keep(p *page, key *[32]byte, depth int, existed bool, least int) {
	if p.count() >= least {
		u.writes = append(u.writes, pageWrite{pageKey(nil, key, depth), p.encode()})
	} else if existed {
		u.writes = append(u.writes, pageWrite{pageKey(nil, key, depth), nil})
	}
}

func (u *update) page(key *[32]byte, depth int) (*page, error) {
	if depth >= proof.Depth {
		return nil, fmt.Errorf("a page below the last bit: %w", errPage)
	}
	k := pageKey(nil, key, depth)
	b, err := u.load(k)
	if err != nil {
		return nil, fmt.Errorf("reading page %x of the state tree: %w", k, err)
	}
	p, err := decodePage(b, key, depth)
	if err != nil {
		return nil, fmt.Errorf("page %x: %w", k, err)
	}
	return p, nil
}

// apply applies changes to a page. What comes of it is a function of the page's
// leaves alone, as the hashes are: up to a bucket of them are listed, more are
// split; of a split page's slots, those with two leaves or more have a page of
// their own, three levels below.
func (u *update) apply(p *page, depth int, cs []change) error {
	if p.split != nil {
		return u.applySplit(p, depth, cs)
	}
	before := len(p.leaves)
	p.leaves = merge(make([]proof.Leaf, 0, len(p.leaves)+len(cs)), p.leaves, cs)
	u.leaves += int64(len(p.leaves) - before)
	return u.divide(p, depth)
}

// merge appends sorted leaves with changes applied to them.
func merge(out, leaves []proof.Leaf, cs []change) []proof.Leaf {
	for len(leaves) > 0 || len(cs) > 0 {
		order := -1
		if len(leaves) == 0 {
			order = 1
		} else if len(cs) > 0 {
			order = bytes.Compare(leaves[0].Key[:], cs[0].Key[:])
		}
		if order < 0 {
			out, leaves = append(out, leaves[0]), leaves[1:]
			continue
		}
		if order == 0 {
			leaves = leaves[1:]
		}
		if !cs[0].gone {
			out = append(out, cs[0].Leaf)
		}
		cs = cs[1:]
	}
	return out
}

// divide splits a list of leaves that is longer than a bucket.
func (u *update) divide(p *page, depth int) error {
	if len(p.leaves) <= bucket {
		return nil
	}
	if depth >= proof.Depth {
		return fmt.Errorf("more leaves than key hashes: %w", errPage)
	}
	rest := p.leaves
	p.leaves, p.split = nil, &[slots]slot{}
	for len(rest) > 0 {
		i, n := slotOf(&rest[0].Key, depth), 1
		for n < len(rest) && slotOf(&rest[n].Key, depth) == i {
			n++
		}
		kid := &page{leaves: rest[:n]}
		if err := u.divide(kid, depth+span); err != nil {
			return err
		}
		u.settle(&p.split[i], kid, &rest[0].Key, depth+span, false)
		rest = rest[n:]
	}
	return nil
}

// settle makes a slot of what is below it, and keeps that if it has a page.
func (u *update) settle(s *slot, kid *page, key *[32]byte, depth int, existed bool) {
	u.keep(kid, key, depth, existed, 2)
	switch n := kid.count(); n {
	case 0:
		*s = slot{}
	case 1:
		*s = slot{content: lone, leaf: kid.leaves[0]}
	default:
		*s = slot{content: many, count: uint8(n), hash: kid.root(depth).hash}
	}
}

func (u *update) applySplit(p *page, depth int, cs []change) error {
	type below struct {
		page    *page
		key     *[32]byte
		existed bool
	}
	var kids [slots]below
	key := cs[0].Key
	for len(cs) > 0 {
		i, head, rest := group(cs, depth)
		kid, existed, err := u.kid(&p.split[i], &head[0].Key, depth+span)
		if err != nil {
			return err
		}
		if err := u.apply(kid, depth+span, head); err != nil {
			return err
		}
		kids[i] = below{kid, &head[0].Key, existed}
		s := slot{content: many, count: uint8(kid.count())} // its hash may not be needed
		if s.count < 2 {
			s.content = content(s.count)
		}
		p.split[i] = s
		cs = rest
	}
	if p.count() > bucket {
		for i, k := range kids {
			if k.page != nil {
				u.settle(&p.split[i], k.page, k.key, depth+span, k.existed)
			}
		}
		return nil
	}
	// So few are left that they are listed here, and the pages below go.
	var leaves []proof.Leaf
	for i, k := range kids {
		if k.page == nil {
			way := key
			setBits(&way, depth, i)
			var err error
			if k.page, k.existed, err = u.kid(&p.split[i], &way, depth+span); err != nil {
				return err
			}
			k.key = &way
		}
		if k.page.split != nil {
			return errPage
		}
		if k.existed {
			u.writes = append(u.writes, pageWrite{pageKey(nil, k.key, depth+span), nil})
		}
		leaves = append(leaves, k.page.leaves...)
	}
	p.leaves, p.split = leaves, nil
	return nil
}

// kid is what is below a slot, as a page, and whether it has one.
func (u *update) kid(s *slot, key *[32]byte, depth int) (p *page, existed bool, err error) {
	switch s.content {
	case lone:
		return &page{leaves: []proof.Leaf{s.leaf}}, false, nil
	case many:
		p, err = u.page(key, depth)
		return p, true, err
	}
	return &page{}, false, nil
}

// parallelFrom is how many changes are worth a goroutine.
const parallelFrom = 256

// grow applies changes to a crown. The halves of a large update run beside each
// other: each is a function of its own keys, so the result is the same.
func grow(old *stem, cs []change, load func([]byte) ([]byte, error)) (*stem, []pageWrite, int64, error) {
	if len(cs) == 0 {
		return old, nil, 0, nil
	}
	s := &stem{}
	if old != nil {
		*s = *old
	}
	var updates [slots]update
	var faults [slots]error
	changed := uint32(0)
	tokens := make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for rest := cs; len(rest) > 0; {
		i, head, tail := group(rest, 0)
		rest = tail
		changed |= 1 << i
		updates[i].load = load
		run := func() { faults[i] = updates[i].stemSlot(s, i, 0, head) }
		if len(cs) < parallelFrom {
			run()
			continue
		}
		tokens <- struct{}{}
		wg.Go(func() { run(); <-tokens })
	}
	wg.Wait()
	var writes []pageWrite
	leaves := int64(0)
	for i := range updates {
		if faults[i] != nil {
			return nil, nil, 0, faults[i]
		}
		writes = append(writes, updates[i].writes...)
		leaves += updates[i].leaves
	}
	return s.folded(changed), writes, leaves, nil
}

// path leads from a crown to the place of a key.
func path(crown *stem, key [32]byte, load func([]byte) ([]byte, error)) (p proof.Path, err error) {
	u := update{load: load}
	at, depth := crown, 0
	for ; at != nil && depth < crownDepth; depth += span {
		i, end := descend(&p, &at.nodes, &key, depth)
		if end {
			return u.ended(p, at, i, depth, key)
		}
		at = at.kids[i-slots]
	}
	if crown == nil {
		return p, nil
	}
	for ; ; depth += span {
		low, err := u.page(&key, depth)
		if err != nil {
			return p, err
		}
		if low.split == nil {
			return low.path(p, key, depth), nil
		}
		i, end := descend(&p, low.nodes(), &key, depth)
		if end {
			if leaf, ok := low.lone(i); ok && leaf.Key != key {
				p.Other = &leaf
			}
			return p, nil
		}
	}
}

// descend follows a key through three levels, as far as there are many leaves.
// It returns the node that it came to, and whether the way ends there.
func descend(p *proof.Path, n *nodes, key *[32]byte, depth int) (i int, end bool) {
	i = 1
	for d := depth; i < slots && n[i].content == many; d++ {
		bit := 0
		if d < proof.Depth {
			bit = int(proof.Bit(key, d))
		}
		i = 2*i + bit
		p.Siblings = append(p.Siblings, n[i^1].hash)
	}
	return i, n[i].content != many
}

// ended completes a path that ends in the crown, at node i of a stem.
func (u *update) ended(p proof.Path, at *stem, i, depth int, key [32]byte) (proof.Path, error) {
	if at.nodes[i].content == empty {
		return p, nil
	}
	way := key
	for {
		i = firstSlot(&at.nodes, i)
		// The way below leads through this slot, whatever the key's own bits are.
		setBits(&way, depth, i)
		if depth += span; depth == crownDepth {
			break
		}
		at, i = at.kids[i], 1
	}
	low, err := u.page(&way, depth)
	if err != nil {
		return p, err
	}
	if len(low.leaves) != 1 {
		return p, errPage
	}
	if low.leaves[0].Key != key {
		p.Other = &low.leaves[0]
	}
	return p, nil
}

// firstSlot is the first slot below a node that is not empty.
func firstSlot(n *nodes, i int) int {
	for i < slots {
		if i *= 2; n[i].content == empty {
			i++
		}
	}
	return i - slots
}

// lone is the only leaf below a node of a split page.
func (p *page) lone(i int) (proof.Leaf, bool) {
	n := p.nodes()
	if n[i].content != lone {
		return proof.Leaf{}, false
	}
	return p.split[firstSlot(n, i)].leaf, true
}

// path goes on through a bucket.
func (p *page) path(way proof.Path, key [32]byte, depth int) proof.Path {
	leaves := p.leaves
	for ; len(leaves) > 1; depth++ {
		n := parting(leaves, depth)
		on, off := leaves[:n], leaves[n:]
		if proof.Bit(&key, depth) == 1 {
			on, off = off, on
		}
		way.Siblings = append(way.Siblings, subtree(off, depth+1).hash)
		leaves = on
	}
	if len(leaves) == 1 && leaves[0].Key != key {
		way.Other = &leaves[0]
	}
	return way
}

// setBits makes a key hash lead to a slot at a depth.
func setBits(key *[32]byte, depth, slot int) {
	for b := range span {
		d := depth + b
		mask := byte(0x80) >> (d % 8)
		key[d/8] &^= mask
		if slot>>(span-1-b)&1 == 1 {
			key[d/8] |= mask
		}
	}
}

// openCrown rebuilds the crown from the pages right below it.
func openCrown(snap snapshot) (*stem, error) {
	crown := &stem{}
	for row, err := range snap.scan([]byte{spacePage, crownDepth}, []byte{spacePage, crownDepth + 1}, false) {
		if err != nil {
			return nil, fmt.Errorf("reading the state tree: %w", err)
		}
		var key [32]byte
		if len(row.Key) != 2+(crownDepth+7)/8 {
			return nil, fmt.Errorf("page %x: %w", row.Key, errPage)
		}
		copy(key[:], row.Key[2:])
		p, err := decodePage(row.Value, &key, crownDepth)
		if err != nil {
			return nil, fmt.Errorf("page %x: %w", row.Key, err)
		}
		s := crown
		for depth := 0; depth < crownDepth-span; depth += span {
			kid := &s.kids[slotOf(&key, depth)]
			if *kid == nil {
				*kid = &stem{}
			}
			s = *kid
		}
		s.nodes[slots+slotOf(&key, crownDepth-span)] = p.root(crownDepth)
	}
	return crown.raise(), nil
}

// raise folds a crown of which only the ends are set.
func (s *stem) raise() *stem {
	for i, kid := range s.kids {
		if kid != nil {
			s.nodes[slots+i] = kid.raise().root()
		}
	}
	return s.folded(allSlots)
}
