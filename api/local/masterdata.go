package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Element is what a captured document's header said last of one thing: a location,
// a class of trade items (EPCIS 2.0, 9.5). It is this node's knowledge, not the
// ledger's.
type Element struct {
	Type    string          `json:"-"`       // of the vocabulary, a URI
	ID      string          `json:"-"`       // canonical where it is an identifier
	Element json.RawMessage `json:"element"` // as JSON has it: id, attributes, children
	Job     string          `json:"job"`     // the capture that said so
	Time    time.Time       `json:"time"`    // when it ended
}

// elementKey sorts elements by type and identifier: neither holds a zero byte.
func elementKey(kind, id string) []byte { return []byte(kind + "\x00" + id) }

// PutElement writes master data over what was known of the same thing.
func PutElement(e *Element) (Change, error) {
	value, err := json.Marshal(e)
	if err != nil {
		return Change{}, fmt.Errorf("encoding master data: %w", err)
	}
	return Change{key: row(rowElement, elementKey(e.Type, e.ID)), value: value}, nil
}

// Elements returns at most limit elements, and not many more bytes than so many, by
// type and identifier: those behind one, of a type and an identifier where they are
// given. more tells that there are others.
func (s *Store) Elements(kind, id string, after *Element, limit, mostBytes int) (out []*Element, more bool, err error) {
	var from []byte
	switch {
	case after != nil:
		from = append(elementKey(after.Type, after.ID), 0)
	case kind != "":
		from = elementKey(kind, id)
	}
	err = s.walk(rowElement, from, func(key, value []byte) (bool, error) {
		t, i, _ := bytes.Cut(key, []byte{0})
		switch {
		case kind != "" && string(t) != kind, kind != "" && id != "" && string(i) != id:
			return false, nil
		case id != "" && string(i) != id:
			return true, nil
		case len(out) >= limit || mostBytes <= 0:
			more = true
			return false, nil
		}
		mostBytes -= len(value)
		e := &Element{Type: string(t), ID: string(i)}
		if err := json.Unmarshal(value, e); err != nil {
			return false, fmt.Errorf("reading master data of %q: %w", i, err)
		}
		out = append(out, e)
		return true, nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("listing master data: %w", err)
	}
	return out, more, nil
}
