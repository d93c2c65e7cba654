package schemas

import (
	"bytes"
	"errors"
	"fmt"
)

// A binding is one pass over the members of an act. What an act says is written
// down once, in its bind method, and four passes follow from it: its body is read
// and written as JSON, its skeleton as fields. So no two of them can disagree.
//
// Members are bound in ascending field number. An empty value is an absent one.
type binding struct {
	pass  pass
	fault error // the first thing that is wrong; nothing is bound behind it

	d    *decoder       // readJSON
	base int            // the object's token
	at   map[string]int // its members' values; what is bound is taken out

	out []byte // writeJSON, appendFields

	values map[uint64][][]byte // decodeFields; what is bound is taken out
}

// pass says what a binding does.
type pass uint8

const (
	readJSON pass = iota
	writeJSON
	appendFields
	decodeFields
)

// notation is how a value of one type is written as JSON and as a field.
type notation[T any] struct {
	read   func(d *decoder, n int) (T, *Fault)
	write  func(dst []byte, v T) []byte
	field  func(v T) []byte // empty of an empty value
	decode func(v []byte) (T, error)
}

// bind binds a member that has one value.
func bind[T any](b *binding, n uint64, name string, v *T, f notation[T]) {
	if b.fault != nil {
		return
	}
	switch b.pass {
	case readJSON:
		if at, ok := b.take(name); ok {
			*v = readNoted(b, at, f)
		}
	case writeJSON:
		if len(f.field(*v)) > 0 {
			b.member(name)
			b.out = f.write(b.out, *v)
		}
	case appendFields:
		b.out = AppendField(b.out, n, f.field(*v))
	case decodeFields:
		list := b.values[n]
		delete(b.values, n)
		switch len(list) {
		case 0:
		case 1:
			*v = decodeNoted(b, n, list[0], f)
		default:
			b.fault = fmt.Errorf("field %d is repeated", n)
		}
	}
}

// bindList binds a member that is an array of at most so many values.
func bindList[T any](b *binding, n uint64, name string, v *[]T, most int, f notation[T]) {
	if b.fault != nil {
		return
	}
	switch b.pass {
	case readJSON:
		at, ok := b.take(name)
		if !ok {
			return
		}
		fault := b.d.list(at, most, func(e int) *Fault {
			*v = append(*v, readNoted(b, e, f))
			return nil
		})
		if fault == nil && b.fault == nil && len(*v) == 0 {
			fault = b.d.t.fault(BadValue, at, "leave an empty list out")
		}
		if fault != nil && b.fault == nil {
			b.fault = fault
		}
	case writeJSON:
		if len(*v) == 0 {
			return
		}
		b.member(name)
		for i, e := range *v {
			b.out = f.write(append(b.out, "[,"[min(i, 1)]), e)
		}
		b.out = append(b.out, ']')
	case appendFields:
		for _, e := range *v {
			b.out = AppendField(b.out, n, f.field(e))
		}
	case decodeFields:
		for _, e := range b.values[n] {
			*v = append(*v, decodeNoted(b, n, e, f))
		}
		if delete(b.values, n); b.fault == nil && len(*v) > most {
			b.fault = fmt.Errorf("field %d has more than %d values", n, most)
		}
	}
}

// need says that an object must have a member; refuse, what is wrong with one. They
// belong behind the binding.
func (b *binding) need(name string, present bool) {
	if b.pass == readJSON && b.fault == nil && !present {
		b.fault = &Fault{Code: MissingField, Pointer: b.d.t.pointer(b.base) + "/" + name, Detail: name + " is missing"}
	}
}

func (b *binding) refuse(name string, wrong bool, why string) {
	if b.pass == readJSON && b.fault == nil && wrong {
		b.fault = &Fault{Code: BadValue, Pointer: b.d.t.pointer(b.base) + "/" + name, Detail: why}
	}
}

func (b *binding) take(name string) (n int, ok bool) {
	n, ok = b.at[name]
	delete(b.at, name)
	return n, ok
}

// member begins a member of the JSON that is written.
func (b *binding) member(name string) {
	if b.out[len(b.out)-1] != '{' {
		b.out = append(b.out, ',')
	}
	b.out = append(appendQuoted(b.out, name), ':')
}

// text writes a member that is a text.
func (b *binding) text(name, value string) {
	b.member(name)
	b.out = appendQuoted(b.out, value)
}

func readNoted[T any](b *binding, n int, f notation[T]) (v T) {
	if b.fault != nil {
		return v
	}
	v, fault := f.read(b.d, n)
	if fault == nil && len(f.field(v)) == 0 {
		fault = b.d.t.fault(BadValue, n, "leave out what says nothing: "+quoteRaw(b.d.t.raw(n)))
	}
	if fault != nil {
		b.fault = fault
	}
	return v
}

func decodeNoted[T any](b *binding, n uint64, e []byte, f notation[T]) (v T) {
	if b.fault != nil {
		return v
	}
	v, err := f.decode(e)
	if err == nil && !bytes.Equal(f.field(v), e) {
		err = errors.New("not the one encoding of what it says")
	}
	if err != nil {
		b.fault = fmt.Errorf("field %d: %w", n, err)
	}
	return v
}

// object is the form of an object whose members bound binds.
func object[T any](bound func(*T, *binding)) notation[T] {
	return notation[T]{
		read: func(d *decoder, n int) (v T, f *Fault) {
			if d.t.tape[n].kind != jsonObject {
				return v, d.bad(n, "an object")
			}
			at := map[string]int{}
			for m := n + 1; m < int(d.t.tape[n].next); m = d.t.after(m) {
				at[d.t.str(m)] = m + 1
			}
			return v, readObject(d, n, at, func(b *binding) { bound(&v, b) })
		},
		write: func(dst []byte, v T) []byte {
			b := binding{pass: writeJSON, out: append(dst, '{')}
			bound(&v, &b)
			return append(b.out, '}')
		},
		field: func(v T) []byte { return appendBound(func(b *binding) { bound(&v, b) }) },
		decode: func(e []byte) (v T, err error) {
			return v, decodeBound(e, func(b *binding) { bound(&v, b) })
		},
	}
}

// readObject reads the members that at has, all of which must be bound.
func readObject(d *decoder, n int, at map[string]int, bound func(*binding)) *Fault {
	b := binding{pass: readJSON, d: d, base: n, at: at}
	if bound(&b); b.fault != nil {
		var f *Fault
		errors.As(b.fault, &f)
		return f
	}
	for m := n + 1; m < int(d.t.tape[n].next); m = d.t.after(m) {
		if name := d.t.str(m); at[name] != 0 {
			return d.t.fault(UnknownField, m, "no member "+quote(name)+" is known here")
		}
	}
	return nil
}

func appendBound(bound func(*binding)) []byte {
	b := binding{pass: appendFields}
	bound(&b)
	return b.out
}

func decodeBound(e []byte, bound func(*binding)) error {
	b := binding{pass: decodeFields, values: map[uint64][][]byte{}}
	f := ReadFields(e)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if len(v) == 0 {
			return fmt.Errorf("field %d says nothing", n)
		}
		b.values[n] = append(b.values[n], v)
	}
	if err := f.Err(); err != nil {
		return err
	}
	switch bound(&b); {
	case b.fault != nil:
		return b.fault
	case len(b.values) > 0:
		return errors.New("it has unknown fields")
	}
	return nil
}
