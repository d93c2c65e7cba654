package schemas

import (
	"slices"
	"strconv"
	"strings"
)

// CanonicalEvent is the event's one normal JSON form without the named top-level
// members: members sorted by name, strings and numbers in their one normal form.
// Two bodies that say the same in another order or notation have one. It serves
// duplicate keys, outside consensus.
func CanonicalEvent(e *Event, without ...string) []byte {
	t := tokenizer{text: string(e.Body), depth: MaxDepth}
	if f := t.run(); f != nil { // no decoded event is refused here
		return nil
	}
	return t.appendSorted(make([]byte, 0, len(e.Body)), 0, without)
}

// appendNumber writes a JSON number in its one normal form: without an exponent
// where few zeros suffice, without a leading plus or a zero that says nothing.
func appendNumber(dst []byte, s string) []byte {
	digits, negative := strings.CutPrefix(s, "-")
	exponent := int64(0)
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.ParseInt(digits[i+1:], 10, 48); err != nil {
			return append(dst, s...) // beyond any exponent that can be shifted
		}
		digits = digits[:i]
	}
	if i := strings.IndexByte(digits, '.'); i >= 0 {
		exponent -= int64(len(digits) - i - 1)
		digits = digits[:i] + digits[i+1:]
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return append(dst, '0')
	}
	trimmed := strings.TrimRight(digits, "0")
	exponent += int64(len(digits) - len(trimmed))
	if negative {
		dst = append(dst, '-')
	}
	return appendScaled(dst, trimmed, exponent)
}

// appendScaled writes digits, which neither begin nor end with a zero, times ten
// to the exponent.
func appendScaled(dst []byte, digits string, exponent int64) []byte {
	const fewZeros = 30
	whole := int64(len(digits)) + exponent // digits before the point
	switch {
	case exponent > fewZeros || whole < -fewZeros:
		dst = append(append(dst, digits...), 'e')
		return strconv.AppendInt(dst, exponent, 10)
	case exponent >= 0:
		return append(append(dst, digits...), strings.Repeat("0", int(exponent))...)
	case whole > 0:
		return append(append(append(dst, digits[:whole]...), '.'), digits[whole:]...)
	}
	return append(append(append(dst, "0."...), strings.Repeat("0", int(-whole))...), digits...)
}

// appendSorted writes a value in its normal form: the members of every object
// sorted by name, strings and numbers in theirs.
func (t *tokenizer) appendSorted(dst []byte, n int, without []string) []byte {
	k := t.tape[n]
	switch k.kind {
	case jsonString:
		return appendQuoted(dst, t.str(n))
	case jsonNumber:
		return appendNumber(dst, t.raw(n))
	case jsonArray:
		dst = append(dst, '[')
		for v := n + 1; v < int(k.next); v = int(t.tape[v].next) {
			if v > n+1 {
				dst = append(dst, ',')
			}
			dst = t.appendSorted(dst, v, nil)
		}
		return append(dst, ']')
	case jsonObject:
		return t.appendSortedObject(dst, n, without)
	default:
		return append(dst, t.raw(n)...)
	}
}

func (t *tokenizer) appendSortedObject(dst []byte, n int, without []string) []byte {
	type member struct {
		name  string
		value int
	}
	var members []member
	for m := n + 1; m < int(t.tape[n].next); m = t.after(m) {
		if name := t.str(m); !slices.Contains(without, name) {
			members = append(members, member{name, m + 1})
		}
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, m.name), ':')
		dst = t.appendSorted(dst, m.value, nil)
	}
	return append(dst, '}')
}
