package schemas

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Notations of the values that acts are made of.

// textual is the form of a text that check reads, in the form that it is kept in.
func textual(check func(d *decoder, n int) (string, *Fault)) notation[string] {
	return notation[string]{
		read: func(d *decoder, n int) (string, *Fault) {
			if d.t.tape[n].kind != jsonString {
				return "", d.bad(n, "a text")
			}
			return check(d, n)
		},
		write: appendQuoted,
		field: func(v string) []byte { return []byte(v) },
		decode: func(v []byte) (string, error) {
			if !utf8.Valid(v) {
				return "", errors.New("no text")
			}
			return string(v), nil
		},
	}
}

// line is a text of at most so many bytes, on one line.
func line(most int) notation[string] {
	return textual(func(d *decoder, n int) (string, *Fault) {
		s := d.t.str(n)
		if len(s) > most {
			return "", d.t.fault(TooLarge, n, fmt.Sprintf("a text of %d bytes, %d are allowed", len(s), most))
		}
		for _, r := range s {
			if r < ' ' || 0x7f <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 {
				return "", d.t.fault(BadValue, n, "a text without control characters")
			}
		}
		return s, nil
	})
}

var (
	// shortName is the form of names of partners, classes and the like.
	shortName = textual(func(d *decoder, n int) (string, *Fault) {
		if s := d.t.str(n); !partnerID.MatchString(s) {
			return "", d.t.fault(BadValue, n, "a name is 1 to 32 of a-z, 0-9 and inner hyphens: "+quote(s))
		}
		return d.t.str(n), nil
	})
	// thing is the identifier of an instance, class its of a class or lot, anything
	// that of either; all become canonical.
	thing    = textual(func(d *decoder, n int) (string, *Fault) { return d.instance(n) })
	ofClass  = textual(func(d *decoder, n int) (string, *Fault) { return d.class(n) })
	anything = textual(func(d *decoder, n int) (string, *Fault) {
		id, _, f := d.identifier(n)
		return id, f
	})
	// uri names something that is no thing: an event, a document.
	uri = textual(func(d *decoder, n int) (string, *Fault) { return d.uri(n) })
	// measure is a code of UN/ECE Recommendation 20.
	measure = textual(func(d *decoder, n int) (string, *Fault) { return d.unit(n) })
)

// octets is the form of so many bytes, hexadecimal in JSON.
func octets(size int) notation[[]byte] {
	return notation[[]byte]{
		read: func(d *decoder, n int) ([]byte, *Fault) {
			if d.t.tape[n].kind == jsonString {
				if v, err := hex.DecodeString(d.t.str(n)); err == nil && len(v) == size && hex.EncodeToString(v) == d.t.str(n) {
					return v, nil
				}
			}
			return nil, d.bad(n, fmt.Sprintf("%d bytes as lower-case hexadecimal digits", size))
		},
		write: func(dst, v []byte) []byte { return appendQuoted(dst, hex.EncodeToString(v)) },
		field: func(v []byte) []byte { return v },
		decode: func(v []byte) ([]byte, error) {
			if len(v) != size {
				return nil, fmt.Errorf("%d bytes, not %d", len(v), size)
			}
			return append([]byte(nil), v...), nil
		},
	}
}

// publicKey is the form of an Ed25519 public key, sum that of a hash. What is wrong with a
// key is noted, and refused of new messages alone: see CheckKeys.
var (
	publicKey = func() notation[[]byte] {
		key := octets(ed25519.PublicKeySize)
		octetsOf := key.read
		key.read = func(d *decoder, n int) ([]byte, *Fault) {
			v, f := octetsOf(d, n)
			if f == nil && d.e.badKey == nil {
				if err := CheckPublicKey(v); err != nil {
					d.e.badKey = d.t.fault(BadValue, n, err.Error())
				}
			}
			return v, f
		}
		return key
	}()
	sum = notation[Hash]{
		read: func(d *decoder, n int) (h Hash, f *Fault) {
			v, f := octets(len(h)).read(d, n)
			copy(h[:], v)
			return h, f
		},
		write: func(dst []byte, v Hash) []byte { return appendQuoted(dst, v.String()) },
		field: func(v Hash) []byte {
			if v.IsZero() {
				return nil
			}
			return v[:]
		},
		decode: func(v []byte) (h Hash, err error) {
			if len(v) != len(h) {
				return h, errors.New("no hash")
			}
			return Hash(v), nil
		},
	}
)

// whole is the form of a whole number from 1 to most; 0 is an absent one.
func whole[T ~uint32 | ~uint64 | ~int64](most T) notation[T] {
	return notation[T]{
		read: func(d *decoder, n int) (T, *Fault) {
			v, err := strconv.ParseUint(d.t.raw(n), 10, 63)
			if d.t.tape[n].kind != jsonNumber || err != nil || v == 0 || v > uint64(most) {
				return 0, d.bad(n, fmt.Sprintf("a whole number from 1 to %d", most))
			}
			return T(v), nil
		},
		write: func(dst []byte, v T) []byte { return strconv.AppendUint(dst, uint64(v), 10) },
		field: func(v T) []byte {
			if v == 0 {
				return nil
			}
			return binary.AppendUvarint(nil, uint64(v))
		},
		decode: func(v []byte) (T, error) {
			u, size := binary.Uvarint(v)
			if size <= 0 || u == 0 || u > uint64(most) {
				return 0, fmt.Errorf("no number from 1 to %d", most)
			}
			return T(u), nil
		},
	}
}

// flagged is the form of a member that is true or absent.
var flagged = notation[bool]{
	read: func(d *decoder, n int) (bool, *Fault) {
		if d.t.tape[n].kind != jsonTrue {
			return false, d.bad(n, "true, or nothing")
		}
		return true, nil
	},
	write: func(dst []byte, _ bool) []byte { return append(dst, "true"...) },
	field: func(v bool) []byte {
		if v {
			return []byte{1}
		}
		return nil
	},
	decode: func([]byte) (bool, error) { return true, nil },
}

// choice is the form of one of a list of words; the first of them, which is that of
// the empty value, cannot be said.
func choice[T ~uint8 | ~uint32](words ...string) notation[T] {
	return notation[T]{
		read: func(d *decoder, n int) (T, *Fault) {
			if d.t.tape[n].kind == jsonString {
				if i := slices.Index(words, d.t.str(n)); i > 0 {
					return T(i), nil
				}
			}
			return 0, d.bad(n, "one of "+strings.Join(words[1:], ", "))
		},
		write: func(dst []byte, v T) []byte { return appendQuoted(dst, words[v]) },
		field: func(v T) []byte {
			if v == 0 {
				return nil
			}
			return []byte{byte(v)}
		},
		decode: func(v []byte) (T, error) {
			if len(v) != 1 || v[0] == 0 || int(v[0]) >= len(words) {
				return 0, errors.New("out of range")
			}
			return T(v[0]), nil
		},
	}
}

// instant is the form of a time, in nanoseconds since 1970; that one is an absent one.
var instant = notation[int64]{
	read: func(d *decoder, n int) (int64, *Fault) { return d.time(n) },
	write: func(dst []byte, v int64) []byte {
		return appendQuoted(dst, time.Unix(0, v).UTC().Format(time.RFC3339Nano))
	},
	field: func(v int64) []byte {
		if v == 0 {
			return nil
		}
		return be64(uint64(v))
	},
	decode: func(v []byte) (int64, error) {
		if len(v) != 8 {
			return 0, errors.New("no time")
		}
		return int64(binary.BigEndian.Uint64(v)), nil
	},
}

// exact is the form of an exact decimal, as text where it is kept: "" is an absent one.
var exact = notation[string]{
	read: func(d *decoder, n int) (string, *Fault) {
		if d.t.tape[n].kind != jsonNumber {
			return "", d.bad(n, "a number")
		}
		v, err := ParseDecimal(d.t.raw(n))
		if err != nil {
			return "", d.t.fault(BadQuantity, n, "no bounded decimal: "+quoteRaw(d.t.raw(n)))
		}
		return v.String(), nil
	},
	write: func(dst []byte, v string) []byte { return append(dst, v...) },
	field: func(v string) []byte { return []byte(v) },
	decode: func(v []byte) (string, error) {
		d, err := ParseDecimal(string(v))
		if err != nil {
			return "", err
		}
		return d.String(), nil
	},
}

// located is the form of a place in the ledger, in leaves alone; its JSON is none
// that acts have.
var located = notation[Locator]{
	field: func(v Locator) []byte {
		if v == (Locator{}) {
			return nil
		}
		return v.Append(nil)
	},
	decode: DecodeLocator,
}
