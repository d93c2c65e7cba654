package schemas

import (
	"fmt"
	"math/bits"
	"strconv"
)

// Bounds of a decimal, after normalisation: digits before and after the point.
const (
	maxWhole    = 18
	maxFraction = 12
)

// Decimal is an exact decimal number of at most 18 digits before and 12 after
// the point; the zero value is 0. Every sum is exact or, when it leaves these
// bounds, says so: it is then beyond, and so is every sum with it. No operation
// fails.
type Decimal struct {
	hi, lo   uint64 // magnitude in units of 10^-12: at most 10^30, which is less than 2^100
	negative bool   // never of 0
	beyond   bool   // a sum left the bounds: hi and lo are 0
}

// ParseDecimal reads a number as JSON writes it, exponents and all. Errors are
// Faults.
func ParseDecimal(s string) (Decimal, error) {
	n, ok := scanNumber(s)
	if !ok {
		return Decimal{}, decimalFault(s, "not a decimal number")
	}
	if n.digits == 0 {
		return Decimal{}, nil
	}
	after := int64(n.digits) - n.point
	if n.point > maxWhole || after > maxFraction {
		return Decimal{}, decimalFault(s, "more than 18 digits before or 12 after the point")
	}
	d := Decimal{negative: n.negative}
	for i, left := n.first, n.digits; left > 0; i++ {
		if c := s[i]; isDigit(c) {
			d.shift(uint64(c - '0'))
			left--
		}
	}
	for ; after < maxFraction; after++ {
		d.shift(0)
	}
	return d, nil
}

func decimalFault(s, why string) error {
	const shown = 60
	if len(s) > shown {
		s = s[:shown] + "..."
	}
	return &Fault{Code: BadQuantity, Detail: fmt.Sprintf("%q: %s", s, why)}
}

// shift appends a digit to the magnitude.
func (d *Decimal) shift(digit uint64) {
	carry, lo := bits.Mul64(d.lo, 10)
	lo, over := bits.Add64(lo, digit, 0)
	d.hi, d.lo = d.hi*10+carry+over, lo
}

// number is the form of a number's text: its significant digits from the first
// to the last that is not 0, and where the point is.
type number struct {
	negative bool
	first    int   // offset of the first significant digit
	digits   int   // significant digits; 0 for zero
	point    int64 // how many of them are before the point; negative: zeros follow the point first
}

// scanNumber reads a number by the grammar of RFC 8259, section 6.
func scanNumber(s string) (n number, ok bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		n.negative = true
		i++
	}
	if i+1 < len(s) && s[i] == '0' && isDigit(s[i+1]) {
		return n, false
	}
	seen := 0 // digits since the first significant one
	digits := func(whole bool) bool {
		from := i
		for ; i < len(s) && isDigit(s[i]); i++ {
			if seen == 0 && s[i] == '0' {
				if !whole {
					n.point--
				}
				continue
			}
			if seen == 0 {
				n.first = i
			}
			seen++
			if whole {
				n.point++
			}
			if s[i] != '0' {
				n.digits = seen
			}
		}
		return i > from
	}
	if !digits(true) {
		return n, false
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits(false) {
			return n, false
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		exponent, size := scanExponent(s[i+1:])
		if size == 0 {
			return n, false
		}
		n.point += exponent
		i += 1 + size
	}
	return n, i == len(s)
}

// scanExponent reads an exponent and its length; one that no bound allows is
// held at a bound of its own.
func scanExponent(s string) (v int64, size int) {
	const limit = 1 << 40
	i, negative := 0, false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		negative = s[i] == '-'
		i++
	}
	from := i
	for ; i < len(s) && isDigit(s[i]); i++ {
		v = min(10*v+int64(s[i]-'0'), limit)
	}
	if i == from {
		return 0, 0
	}
	if negative {
		v = -v
	}
	return v, i
}

// Add returns d + e, exact unless it is beyond the bounds.
func (d Decimal) Add(e Decimal) Decimal {
	if d.beyond || e.beyond {
		return Decimal{beyond: true}
	}
	if d.negative == e.negative {
		lo, carry := bits.Add64(d.lo, e.lo, 0)
		hi, _ := bits.Add64(d.hi, e.hi, carry)
		sum := Decimal{hi: hi, lo: lo, negative: d.negative}
		// 10^30 is the first magnitude that has a nineteenth digit before the point.
		if h, l := bits.Mul64(1e15, 1e15); sum.hi > h || sum.hi == h && sum.lo >= l {
			return Decimal{beyond: true}
		}
		return sum
	}
	if d.magnitudeLess(e) {
		d, e = e, d
	}
	lo, borrow := bits.Sub64(d.lo, e.lo, 0)
	hi, _ := bits.Sub64(d.hi, e.hi, borrow)
	return Decimal{hi: hi, lo: lo, negative: d.negative && hi|lo != 0}
}

func (d Decimal) magnitudeLess(e Decimal) bool {
	return d.hi < e.hi || d.hi == e.hi && d.lo < e.lo
}

// Sub returns d - e, exact unless it is beyond the bounds.
func (d Decimal) Sub(e Decimal) Decimal {
	e.negative = !e.negative && e.hi|e.lo != 0
	return d.Add(e)
}

// Sign returns -1, 0 or 1; 0 also of what is beyond.
func (d Decimal) Sign() int {
	switch {
	case d.negative:
		return -1
	case d.hi|d.lo != 0:
		return 1
	}
	return 0
}

// Beyond reports whether a sum left the bounds, so that its amount is not known.
func (d Decimal) Beyond() bool { return d.beyond }

// Equal reports whether both are the same number, or both beyond.
func (d Decimal) Equal(e Decimal) bool { return d == e }

// String returns the canonical form, which ParseDecimal reads: no exponent, no
// zeros that say nothing, "0" for zero. Of what is beyond it is "beyond", which
// ParseDecimal refuses.
func (d Decimal) String() string {
	if d.beyond {
		return "beyond"
	}
	const unit = 1e12
	whole, fraction := bits.Div64(d.hi, d.lo, unit)
	b := make([]byte, 0, 1+maxWhole+1+maxFraction)
	if d.negative {
		b = append(b, '-')
	}
	b = strconv.AppendUint(b, whole, 10)
	if fraction == 0 {
		return string(b)
	}
	point := len(b)
	b = strconv.AppendUint(b, unit+fraction, 10)
	b[point] = '.' // in place of the unit's own digit
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return string(b)
}
