package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// kept is one height of the model: what a store must hold there.
type kept struct {
	height int64
	state  map[string][2]string // value and aside
	rows   map[string]string
}

func (k kept) clone(height int64) kept {
	return kept{height, maps.Clone(k.state), maps.Clone(k.rows)}
}

func (k kept) leaves() (leaves []proof.Leaf) {
	for key, v := range k.state {
		leaves = append(leaves, proof.Leaf{Key: proof.KeyHash([]byte(key)), Value: proof.ValueHash([]byte(v[0]))})
	}
	return leaves
}

// machine runs a store beside the model.
type machine struct {
	memory  *store.Memory
	store   *store.Store
	heights []kept // all committed, oldest first
	refs    map[store.Ref]string
	since   int // blocks since the last restart
}

func newMachine(t *rapid.T) *machine {
	m := &machine{memory: store.NewMemory(), heights: []kept{{state: map[string][2]string{}, rows: map[string]string{}}}, refs: map[store.Ref]string{}}
	m.open(t)
	return m
}

func (m *machine) open(t *rapid.T) {
	s, err := m.memory.Open(200)
	if err != nil {
		t.Fatal(err)
	}
	s.Expect('a', 'b', 'e')
	m.store, m.since = s, 0
}

func (m *machine) last() kept { return m.heights[len(m.heights)-1] }

func drawKey(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "a\x00", "a\xff", "a\xff\xff", "ab", "c", "\xff"}).Draw(t, "key") +
		rapid.SampledFrom([]string{"", "1", "2", "3", "\xff"}).Draw(t, "rest")
}

// writes draws a block's writes into the block and the model, with marks inside
// each other and what is undone.
func (m *machine) writes(t *rapid.T, b *store.Block, k *kept, depth int) {
	for range rapid.IntRange(0, 6).Draw(t, "writes") {
		key := drawKey(t)
		switch op := rapid.IntRange(0, 8).Draw(t, "op"); {
		case op < 2:
			v := [2]string{rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "value"), rapid.SampledFrom([]string{"", "z"}).Draw(t, "aside")}
			b.Set([]byte(key), []byte(v[0]), []byte(v[1]))
			k.state[key] = v
		case op == 2:
			b.Delete([]byte(key))
			delete(k.state, key)
		case op < 5:
			v := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "row")
			b.PutRow([]byte(key), []byte(v))
			k.rows[key] = v
		case op == 5:
			b.DeleteRow([]byte(key))
			delete(k.rows, key)
		case op == 8: // under keys that the block itself never reads
			v := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "emitted")
			b.Emit([]byte("e"+key), []byte(v))
			k.rows["e"+key] = v
		case op == 6 && depth < 3:
			inner, mark := k.clone(k.height), b.Mark()
			m.writes(t, b, &inner, depth+1)
			if rapid.Bool().Draw(t, "undo") {
				b.Revert(mark)
			} else {
				*k = inner
			}
		case op == 7 && depth == 0:
			b.Keep() // what follows is undone without it
		default:
			checkReads(t, b, *k, key)
		}
		if rapid.IntRange(0, 9).Draw(t, "hash") == 0 {
			checkRoot(t, b, *k)
		}
	}
}

func checkRoot(t *rapid.T, b *store.Block, k kept) {
	root, err := b.Root()
	if err != nil {
		t.Fatal(err)
	}
	if want := referenceRoot(k.leaves(), 0); root != want {
		t.Fatalf("root %x, want %x", root, want)
	}
}

// reads is what a block and a view have in common.
type reads interface {
	Get(key []byte) (value, aside []byte, err error)
	Row(key []byte) ([]byte, error)
}

func checkReads(t *rapid.T, r reads, k kept, key string) {
	value, aside, err := r.Get([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	want, there := k.state[key]
	if there != (value != nil) || string(value) != want[0] || string(aside) != want[1] {
		t.Fatalf("%q is %q, %q; want %q, %v", key, value, aside, want, there)
	}
	row, err := r.Row([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	if want, there := k.rows[key]; there != (row != nil) || string(row) != want {
		t.Fatalf("row %q is %q; want %q, %v", key, row, want, there)
	}
}

func checkRows(t *rapid.T, v *store.View, k kept) {
	prefix := rapid.SampledFrom([]string{"", "a", "a\xff", "\xff", "b", "none"}).Draw(t, "prefix")
	var from []byte
	if rapid.Bool().Draw(t, "bounded") {
		from = []byte(drawKey(t))
	}
	backwards := rapid.Bool().Draw(t, "backwards")
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(k.rows)), func(key string) bool {
		return !strings.HasPrefix(key, prefix) || from != nil && (backwards && key > string(from) || !backwards && key < string(from))
	})
	if backwards {
		slices.Reverse(keys)
	}
	var want, got []string
	for _, key := range keys {
		want = append(want, fmt.Sprintf("%q: %q", key, k.rows[key]))
	}
	for row, err := range v.Rows([]byte(prefix), from, backwards) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%q: %q", row.Key, row.Value))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("rows of %q from %q, backwards %v: %s", prefix, from, backwards, diff)
	}
}

// checkView compares a height with the model's.
func checkView(t *rapid.T, v *store.View, k kept) {
	leaves := k.leaves()
	if v.Height() != k.height || v.Root() != referenceRoot(leaves, 0) {
		t.Fatalf("view of %d, want %d; or its root", v.Height(), k.height)
	}
	key := drawKey(t)
	checkReads(t, v, k, key)
	checkRows(t, v, k)
	p, err := v.Path([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	if value, there := k.state[key]; there {
		err = proof.VerifyMember(v.Root(), []byte(key), []byte(value[0]), p)
	} else {
		err = proof.VerifyAbsent(v.Root(), []byte(key), p)
	}
	if err != nil {
		t.Fatalf("path of %q: %v", key, err)
	}
}

// block runs one block, and perhaps drops it.
func (m *machine) block(t *rapid.T) {
	k := m.last().clone(m.last().height + int64(rapid.IntRange(1, 2).Draw(t, "step")))
	b := m.store.Begin(k.height)
	m.writes(t, b, &k, 0)
	refs := map[store.Ref]string{}
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		data := strings.Repeat("e", rapid.IntRange(0, 120).Draw(t, "size"))
		ref, err := b.Append(rapid.SampledFrom([]store.Stream{store.Records, store.Bodies}).Draw(t, "stream"), []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		refs[ref] = data
	}
	checkRoot(t, b, k)
	if rapid.IntRange(0, 5).Draw(t, "dropped") == 0 {
		return
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	m.heights = append(m.heights, k)
	maps.Copy(m.refs, refs)
	m.since++
}

// dry runs a scratch block over some height that is held.
func (m *machine) dry(t *rapid.T) {
	k := m.heights[len(m.heights)-1-rapid.IntRange(0, min(m.since, 8)).Draw(t, "back")]
	v, ok := m.store.At(k.height)
	if !ok {
		t.Fatalf("height %d is not held", k.height)
	}
	k = k.clone(0)
	b := v.Scratch()
	m.writes(t, b, &k, 0)
	checkRoot(t, b, k)
	if _, err := b.Append(store.Records, nil); err == nil || b.Commit() == nil {
		t.Fatal("a scratch block was kept")
	}
}

// check compares everything that is held with the model.
func (m *machine) check(t *rapid.T) {
	if height, root := m.store.Last(); height != m.last().height || root != m.store.Latest().Root() {
		t.Fatalf("last is %d, want %d", height, m.last().height)
	}
	for i := range min(m.since, 8) + 1 {
		k := m.heights[len(m.heights)-1-i]
		v, ok := m.store.At(k.height)
		if !ok {
			t.Fatalf("height %d is not held", k.height)
		}
		checkView(t, v, k)
	}
	if i := len(m.heights) - 1 - min(m.since, 8) - 1; i >= 0 {
		if _, ok := m.store.At(m.heights[i].height); ok {
			t.Fatal("a height is held for too long")
		}
	}
	for ref, want := range m.refs {
		decoded, err := store.DecodeRef(ref.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.store.Read(decoded.Stream(), decoded)
		if err != nil || string(got) != want {
			t.Fatalf("archived %q, read %q: %v", want, got, err)
		}
	}
	if err := m.store.Verify(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestModel compares random blocks, dropped and kept, with plain maps: at every
// height that is held, and over restarts.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		defer func() { _ = m.store.Close() }()
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 19).Draw(t, "step") {
			case 0:
				if err := m.store.Close(); err != nil {
					t.Fatal(err)
				}
				m.open(t)
			case 1:
				m.dry(t)
			case 2, 3:
				m.check(t)
			default:
				m.block(t)
			}
		}
		m.check(t)
	})
}
