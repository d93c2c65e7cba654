package store

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// SetSegmentSize opens a store whose segments are full at a size.
func OpenSegments(o Options, segment uint32) (*Store, error) {
	if o.Dir == "" {
		e, err := openEngine("", "")
		if err != nil {
			return nil, err
		}
		return openOn(e, &memoryFiles{files: map[string]*memoryFile{}}, o, segment)
	}
	return openDisk(o, segment, nil)
}

// Tree is a state tree driven by key hashes, so that tests can choose them.
type Tree struct {
	crown  *stem
	pages  map[string][]byte
	Leaves int64
}

func NewTree() *Tree { return &Tree{pages: map[string][]byte{}} }

func (t *Tree) load(key []byte) ([]byte, error) {
	data, ok := t.pages[string(key)]
	if !ok {
		return nil, fmt.Errorf("no page %x", key)
	}
	return data, nil
}

// Change is a leaf that is set, or removed if Gone.
type Change struct {
	proof.Leaf
	Gone bool
}

// Apply applies changes sorted by key hash.
func (t *Tree) Apply(changes []Change) error {
	cs := make([]change, len(changes))
	for i, c := range changes {
		cs[i] = change{c.Leaf, c.Gone}
	}
	crown, writes, leaves, err := grow(t.crown, cs, t.load)
	if err != nil {
		return err
	}
	t.crown = crown
	t.Leaves += leaves
	for _, w := range writes {
		if w.data == nil {
			if _, ok := t.pages[string(w.key)]; !ok {
				return fmt.Errorf("page %x was deleted and was not there", w.key)
			}
			delete(t.pages, string(w.key))
		} else {
			t.pages[string(w.key)] = w.data
		}
	}
	return nil
}

func (t *Tree) Root() [32]byte { return t.crown.root().hash }

// Pages are the tree's pages by their keys.
func (t *Tree) Pages() map[string][]byte { return t.pages }

func (t *Tree) Path(key [32]byte) (proof.Path, error) { return path(t.crown, key, t.load) }
