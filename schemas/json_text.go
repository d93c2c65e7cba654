package schemas

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// hex4 reads four hexadecimal digits.
func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		switch c := s[i]; {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// str returns what a string or a name says, unescaped. Without escapes it is a
// part of the text: nothing is copied.
func (t *tokenizer) str(n int) string {
	k := &t.tape[n]
	if !k.escaped {
		return t.text[k.start:k.end]
	}
	return unescape(t.text[k.start:k.end])
}

// raw returns a value as written, a string with its quotes.
func (t *tokenizer) raw(n int) string {
	k := &t.tape[n]
	if k.kind == jsonString {
		return t.text[k.start-1 : k.end+1]
	}
	return t.text[k.start:k.end]
}

// after returns the name that follows the member with the given name, or the
// token after the object.
func (t *tokenizer) after(name int) int { return int(t.tape[name+1].next) }

// unescape resolves the escapes of a string that the tokenizer accepted.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 >= len(s) {
			b = append(b, s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, _ := hex4(s[i:])
			i = min(i+4, len(s))
			if r >= 0xd800 && r < 0xdc00 && len(s)-i >= 6 {
				low, _ := hex4(s[i+2:])
				r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
				i += 6
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// appendQuoted writes a JSON string in its one normal form: an escape only where
// RFC 8259 demands one, the short one where there is one.
func appendQuoted(dst []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

// pointer returns the RFC 6901 pointer of a token: a value's own, a name's that
// of its member. It is computed only when something is wrong.
func (t *tokenizer) pointer(n int) string {
	var b []byte
	for at := 0; at != n; {
		if t.tape[at].kind == jsonObject {
			name := at + 1
			for t.after(name) <= n {
				name = t.after(name)
			}
			b = append(append(b, '/'), escapePointer(t.str(name))...)
			if name == n {
				break
			}
			at = name + 1
			continue
		}
		i, v := 0, at+1
		for int(t.tape[v].next) <= n {
			i, v = i+1, int(t.tape[v].next)
		}
		b = strconv.AppendInt(append(b, '/'), int64(i), 10)
		at = v
	}
	return string(b)
}

// escapePointer writes a member name as a part of an RFC 6901 pointer, cut to a
// length that a message can bear.
func escapePointer(name string) string {
	const most = 200
	if len(name) > most {
		cut := most
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "..."
	}
	if strings.IndexByte(name, '~') < 0 && strings.IndexByte(name, '/') < 0 {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// Compact appends src to dst without the whitespace between its tokens. Strings,
// numbers and the order of members stay as they are, byte for byte. A text that
// is not strict JSON, as events demand it, is refused with a *Fault.
func Compact(dst, src []byte) ([]byte, error) {
	t := tokenizer{text: string(src), depth: MaxDepth, keep: 1}
	if f := t.run(); f != nil {
		return dst, f
	}
	return appendCompact(dst, t.text), nil
}

// appendCompact strips the whitespace of a text that the tokenizer accepted.
func appendCompact(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			dst = append(dst, text[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
