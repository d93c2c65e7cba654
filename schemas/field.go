package schemas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Everything that is hashed after being decoded (skeletons, receipts, state
// values) uses one encoding of our own, so that no library's version can change
// a byte: fields in ascending number, each as number, length and bytes; numbers
// and lengths are minimal unsigned varints; what has its default is left out.

// fieldRoom is room for the number and the length of most fields, made at once.
const fieldRoom = 4

// AppendField appends field n with value v; an empty value is left out.
func AppendField(dst []byte, n uint64, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return appendAlways(dst, n, v)
}

// AppendString appends field n with value s; an empty value is left out.
func AppendString(dst []byte, n uint64, s string) []byte {
	if s == "" {
		return dst
	}
	dst = binary.AppendUvarint(slices.Grow(dst, fieldRoom+len(s)), n)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// AppendUint appends field n with v as a minimal varint; zero is left out.
func AppendUint(dst []byte, n, v uint64) []byte {
	if v == 0 {
		return dst
	}
	var b [binary.MaxVarintLen64]byte
	return appendAlways(dst, n, b[:binary.PutUvarint(b[:], v)])
}

// appendFlag appends field n as 1; false is left out.
func appendFlag(dst []byte, n uint64, v bool) []byte {
	if v {
		return AppendUint(dst, n, 1)
	}
	return dst
}

// appendAlways appends field n even when v is empty: for members of a list.
func appendAlways(dst []byte, n uint64, v []byte) []byte {
	dst = binary.AppendUvarint(slices.Grow(dst, fieldRoom+len(v)), n)
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}

// AppendEntry appends field n even when v is empty: a member of a list.
func AppendEntry(dst []byte, n uint64, v []byte) []byte { return appendAlways(dst, n, v) }

// Fields reads what the Append functions wrote. By itself it refuses numbers that
// descend and varints that are not minimal; Exact refuses the rest of what they
// would not have written.
type Fields struct {
	rest []byte
	last uint64
	err  error
}

// ReadFields begins to read b.
func ReadFields(b []byte) *Fields { return &Fields{rest: b} }

// Next returns the next field, and false at the end or at a fault.
func (f *Fields) Next() (n uint64, v []byte, ok bool) {
	if f.err != nil || len(f.rest) == 0 {
		return 0, nil, false
	}
	n = f.uvarint()
	size := f.uvarint()
	switch {
	case f.err != nil:
	case n == 0 || n < f.last:
		f.err = fmt.Errorf("field %d after field %d", n, f.last)
	case size > uint64(len(f.rest)):
		f.err = fmt.Errorf("field %d is cut short", n)
	}
	if f.err != nil {
		return 0, nil, false
	}
	v, f.rest, f.last = f.rest[:size:size], f.rest[size:], n
	return n, v, true
}

// Fail notes that a field's value cannot be read; reading ends.
func (f *Fields) Fail(n uint64, what string) {
	if f.err == nil {
		f.err = fmt.Errorf("field %d: %s", n, what)
	}
}

// Exact ends a strict decoding: what was read must append to the bytes that it
// was read from. That catches all that the fields' own forms do not: a field
// that is repeated, an empty text, a number beyond its type, a flag that is
// neither set nor left out.
func (f *Fields) Exact(from, again []byte) error {
	if f.err == nil && !bytes.Equal(from, again) {
		f.err = errors.New("not the one encoding of what it says")
	}
	return f.err
}

// Err returns why reading ended before the end, if it did.
func (f *Fields) Err() error { return f.err }

// Uint reads v as the value of an AppendUint field.
func (f *Fields) Uint(n uint64, v []byte) uint64 {
	u, size := binary.Uvarint(v)
	if size != len(v) || size == 0 || u == 0 || (size > 1 && v[size-1] == 0) {
		f.Fail(n, "no minimal non-zero varint")
		return 0
	}
	return u
}

// Hash reads v as a hash.
func (f *Fields) Hash(n uint64, v []byte) (h Hash) {
	if len(v) != len(h) {
		f.Fail(n, "no hash")
		return h
	}
	copy(h[:], v)
	return h
}

func (f *Fields) uvarint() uint64 {
	v, size := binary.Uvarint(f.rest)
	if size <= 0 || (size > 1 && f.rest[size-1] == 0) {
		f.err = fmt.Errorf("no minimal varint")
		return 0
	}
	f.rest = f.rest[size:]
	return v
}
