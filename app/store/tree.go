package store

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
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
	p := &page{}
	existed := s.nodes[slots+i].content != empty
	if existed {
		if p, err = u.page(&cs[0].Key, crownDepth); err != nil {
			return err
		}
	}
	if err := u.apply(p, crownDepth, cs); err != nil {
		return err
	}
	if _, c := p.only(); c != empty {
		u.put(&cs[0].Key, crownDepth, p.encode())
	} else if existed {
		u.put(&cs[0].Key, crownDepth, nil)
	}
	s.nodes[slots+i] = p.nodes()[1]
	return nil
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
	p, err := decodePage(b)
	if err != nil {
		return nil, fmt.Errorf("page %x: %w", k, err)
	}
	return p, nil
}

func (u *update) put(key *[32]byte, depth int, data []byte) {
	u.writes = append(u.writes, pageWrite{pageKey(nil, key, depth), data})
}

func (u *update) apply(p *page, depth int, cs []change) error {
	for len(cs) > 0 {
		i, head, rest := group(cs, depth)
		if err := u.slot(&p[i], depth, head); err != nil {
			return err
		}
		cs = rest
	}
	return nil
}

// slot applies changes to a subtree of a page. A subtree of many has a page of
// its own, three levels below; one of a single leaf has not, wherever it is, so
// that pages, like hashes, are a function of the set alone.
func (u *update) slot(s *slot, depth int, cs []change) error {
	if s.content == many {
		return u.deep(s, depth+span, cs)
	}
	if s.content == lone {
		if len(cs) == 1 && cs[0].Key == s.leaf.Key {
			if cs[0].gone {
				*s = slot{}
				u.leaves--
			} else {
				s.leaf.Value = cs[0].Value
			}
			return nil
		}
		cs = joined(cs, s.leaf)
		u.leaves--
	}
	live := cs
	if slices.ContainsFunc(cs, func(c change) bool { return c.gone }) {
		live = slices.DeleteFunc(slices.Clone(cs), func(c change) bool { return c.gone })
	}
	switch len(live) {
	case 0:
		*s = slot{}
		return nil
	case 1:
		*s = slot{content: lone, leaf: live[0].Leaf}
		u.leaves++
		return nil
	}
	p := &page{}
	if err := u.apply(p, depth+span, live); err != nil {
		return err
	}
	u.put(&live[0].Key, depth+span, p.encode())
	*s = slot{content: many, hash: p.nodes()[1].hash}
	return nil
}

// joined puts a leaf that was there before among changes, unless one of them is
// about it.
func joined(cs []change, leaf proof.Leaf) []change {
	i, found := slices.BinarySearchFunc(cs, leaf.Key, func(c change, k [32]byte) int { return bytes.Compare(c.Key[:], k[:]) })
	if found {
		return cs
	}
	return slices.Insert(slices.Clone(cs), i, change{Leaf: leaf})
}

func (u *update) deep(s *slot, depth int, cs []change) error {
	p, err := u.page(&cs[0].Key, depth)
	if err != nil {
		return err
	}
	if err := u.apply(p, depth, cs); err != nil {
		return err
	}
	leaf, c := p.only()
	switch c {
	case many:
		u.put(&cs[0].Key, depth, p.encode())
		*s = slot{content: many, hash: p.nodes()[1].hash}
	default:
		u.put(&cs[0].Key, depth, nil)
		*s = slot{content: c, leaf: leaf}
	}
	return nil
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
	var n *nodes
	var at *stem
	var low *page
	if crown == nil {
		return p, nil
	}
	for depth := 0; ; depth += span {
		if depth < crownDepth {
			if at == nil {
				at = crown
			} else {
				at = at.kids[slotOf(&key, depth-span)]
			}
			n = &at.nodes
		} else {
			if low, err = u.page(&key, depth); err != nil {
				return p, err
			}
			n = low.nodes()
		}
		i := 1
		for d := depth; d < min(depth+span, proof.Depth) && n[i].content == many; d++ {
			i = 2*i + int(proof.Bit(&key, d))
			p.Siblings = append(p.Siblings, n[i^1].hash)
		}
		if n[i].content == many {
			continue
		}
		if n[i].content == lone {
			leaf, err := u.loneLeaf(at, low, i, depth, key)
			if err != nil {
				return p, err
			}
			if leaf.Key != key {
				p.Other = &leaf
			}
		}
		return p, nil
	}
}

// loneLeaf finds the only leaf below node i of a stem or page.
func (u *update) loneLeaf(at *stem, low *page, i, depth int, key [32]byte) (proof.Leaf, error) {
	for {
		n := &at.nodes
		if low != nil {
			n = low.nodes()
		}
		for i < slots {
			i *= 2
			if n[i].content == empty {
				i++
			}
		}
		i -= slots
		if low != nil {
			return low[i].leaf, nil
		}
		// The way below leads through this slot, whatever the key's own bits are.
		setBits(&key, depth, i)
		depth += span
		if depth < crownDepth {
			at, i = at.kids[i], 1
			continue
		}
		p, err := u.page(&key, depth)
		if err != nil {
			return proof.Leaf{}, err
		}
		low, i = p, 1
	}
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
		p, err := decodePage(row.Value)
		if err != nil {
			return nil, fmt.Errorf("page %x: %w", row.Key, err)
		}
		if len(row.Key) != 2+(crownDepth+7)/8 {
			return nil, fmt.Errorf("page %x: %w", row.Key, errPage)
		}
		var key [32]byte
		copy(key[:], row.Key[2:])
		s := crown
		for depth := 0; depth < crownDepth-span; depth += span {
			kid := &s.kids[slotOf(&key, depth)]
			if *kid == nil {
				*kid = &stem{}
			}
			s = *kid
		}
		s.nodes[slots+slotOf(&key, crownDepth-span)] = p.nodes()[1]
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
