package store

import (
	"errors"
	"fmt"
	"iter"
)

// Pin returns a view of the last committed height that does not expire until it
// is released: for what takes longer than eight heights. What changed since is
// kept in the database for it, so it must be released in the end; the store does
// not close before.
func (s *Store) Pin() (view *View, release func(), err error) {
	v := s.Latest()
	if err := v.use(); err != nil {
		return nil, nil, err
	}
	return &View{store: s, version: v.version, pinned: true}, v.done, nil
}

// readable reports why a version cannot be read; its mutex is held.
func (v *View) readable() error {
	if v.pinned && errors.Is(v.version.over, ErrExpired) {
		return nil
	}
	return v.version.over
}

// State is a key of the state, its value, and what is kept beside it unhashed.
type State struct{ Key, Value, Aside []byte }

// States yields the whole state in the order of its keys. An error ends it.
func (v *View) States() iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		if err := v.use(); err != nil {
			yield(State{}, err)
			return
		}
		defer v.done()
		for row, err := range v.version.snap.scan([]byte{spaceState}, []byte{spaceState + 1}, false) {
			if err != nil {
				yield(State{}, fmt.Errorf("reading the database: %w", err))
				return
			}
			value, aside, err := splitState(row.Value)
			if !yield(State{row.Key[1:], value, aside}, err) || err != nil {
				return
			}
		}
	}
}

// Keys is the number of keys of the state.
func (v *View) Keys() int64 { return v.version.leaves }
