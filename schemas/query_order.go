package schemas

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
)

// FieldKey is what an event is ordered by when a query orders by an extension: the
// first value that the event has of it. Numbers come before times, times before
// texts, which follow each other by their bytes, and all before no value.
type FieldKey struct {
	class  byte // 1 number, 2 time, 3 text, 4 none
	number *big.Rat
	time   int64
	text   string
}

// Missing reports whether the event lacks the extension.
func (k FieldKey) Missing() bool { return k.class == 4 }

// Compare orders keys.
func (k FieldKey) Compare(o FieldKey) int {
	if k.class != o.class {
		return cmp.Compare(k.class, o.class)
	}
	switch k.class {
	case 1:
		return k.number.Cmp(o.number)
	case 2:
		return cmp.Compare(k.time, o.time)
	case 3:
		return strings.Compare(k.text, o.text)
	}
	return 0
}

// FieldKeyOf reads a body's key; names are the forms of the extension's name.
func FieldKeyOf(body []byte, names []string) FieldKey {
	none := FieldKey{class: 4}
	b, ok := readBodyOf(body)
	if !ok {
		return none
	}
	for m := 1; m < int(b.t.tape[0].next); m = b.t.after(m) {
		if name, extension := b.name(m); extension && slices.Contains(names, name) {
			if k := b.key(m + 1); !k.Missing() {
				return k
			}
		}
	}
	return none
}

func (b *bodyReader) key(v int) FieldKey {
	text := b.t.raw(v)
	switch b.t.tape[v].kind {
	case jsonString:
		text = b.t.str(v)
	case jsonNumber, jsonTrue, jsonFalse:
	case jsonArray:
		if v+1 < int(b.t.tape[v].next) && b.t.tape[v+1].kind != jsonArray {
			return b.key(v + 1)
		}
		return FieldKey{class: 4}
	case jsonObject:
		if inner := b.t.lookup(v, "@value"); inner > 0 && b.t.tape[inner].kind <= jsonString {
			return b.key(inner)
		}
		return FieldKey{class: 4}
	default:
		return FieldKey{class: 4}
	}
	if n, ok := rational(text); ok {
		return FieldKey{class: 1, number: n}
	}
	if n, ok := parseTime(text); ok {
		return FieldKey{class: 2, time: n}
	}
	return FieldKey{class: 3, text: text}
}
