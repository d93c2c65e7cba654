package schemas

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Limits on the JSON of one event. They are consensus rules: every node refuses
// beyond them.
const (
	MaxDepth = 32      // arrays and objects inside each other
	MaxBody  = 1 << 20 // bytes of one event's body
)

// maxText bounds any text given to the tokenizer, so that offsets fit a token.
const maxText = 1 << 30

type kind uint8

const (
	jsonNull kind = iota
	jsonFalse
	jsonTrue
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// String names the kind as a message to a caller does.
func (k kind) String() string {
	return [...]string{"null", "false", "true", "a number", "a string", "an array", "an object"}[k]
}

// token is one value or member name. A text becomes a flat tape of tokens in
// document order: an array's or object's token comes first, then what it holds,
// an object's members as name, value, name, value.
type token struct {
	start, end uint32 // text[start:end] is the value as written, a string's without its quotes
	next       uint32 // index after this value and all that it holds; a name's is that of its value
	kind       kind
	escaped    bool   // a string with a backslash in it
	known      uint16 // which of the decoder's identifiers a string is, counted from 1; 0: none
}

// tokenizer reads one JSON text in one pass, by RFC 8259 and stricter: UTF-8 and
// surrogate pairs are checked, nesting is bounded, and one object names a member
// once, compared after unescaping. It is written here, not taken from a library,
// because it decides in consensus: an accept set that moves with a library's
// version would split the network.
type tokenizer struct {
	text    string
	pos     int
	tape    []token
	compact bool // refuse whitespace between tokens
	depth   int  // the deepest nesting that is read
	keep    int  // tokens nested deeper than this are checked, not kept; 0 keeps all
	cut     bool // some were not kept
}

// firstTokens is for how many tokens there is room at first, at most: an event has
// hardly more, and a document can be a bomb.
const firstTokens = 128

// run reads the whole text.
func (t *tokenizer) run() *Fault {
	if len(t.text) > maxText {
		return &Fault{Code: TooLarge, Detail: fmt.Sprintf("%d bytes", len(t.text))}
	}
	if t.tape == nil {
		t.tape = make([]token, 0, min(16+len(t.text)/10, firstTokens))
	}
	if f := t.blank(); f != nil {
		return f
	}
	if f := t.value(0); f != nil {
		return f
	}
	if f := t.blank(); f != nil {
		return f
	}
	if t.pos != len(t.text) {
		return t.unexpected("the end")
	}
	return nil
}

// fail reports what is wrong at the current byte.
func (t *tokenizer) fail(detail string) *Fault {
	return &Fault{Code: BadJSON, Detail: fmt.Sprintf("byte %d: %s", t.pos, detail)}
}

func (t *tokenizer) unexpected(wanted string) *Fault {
	if t.pos >= len(t.text) {
		return t.fail("the text ends where " + wanted + " is expected")
	}
	return t.fail(fmt.Sprintf("%q where %s is expected", t.text[t.pos], wanted))
}

// peek returns the current byte, or 0 at the end: a NUL is in no place valid, so
// the two need not be told apart.
func (t *tokenizer) peek() byte {
	if t.pos < len(t.text) {
		return t.text[t.pos]
	}
	return 0
}

// blank passes whitespace, or refuses it.
func (t *tokenizer) blank() *Fault {
	if t.pos >= len(t.text) || t.text[t.pos] > ' ' {
		return nil
	}
	from := t.pos
	for t.pos < len(t.text) {
		switch t.text[t.pos] {
		case ' ', '\t', '\n', '\r':
			t.pos++
			continue
		}
		break
	}
	if t.compact && t.pos > from {
		t.pos = from
		return t.fail("whitespace between tokens: the body must be compact")
	}
	return nil
}

// value reads the value that begins at the current byte, inside depth arrays
// and objects.
func (t *tokenizer) value(depth int) *Fault {
	switch c := t.peek(); c {
	case '"':
		return t.string()
	case '{', '[':
		if depth >= t.depth {
			return &Fault{Code: TooDeep, Detail: fmt.Sprintf("byte %d: nested deeper than %d", t.pos, t.depth)}
		}
		self, from := len(t.tape), t.pos
		t.tape = append(t.tape, token{start: uint32(from), kind: jsonArray})
		var f *Fault
		if c == '{' {
			t.tape[self].kind = jsonObject
			f = t.object(self, depth+1)
		} else {
			f = t.array(depth + 1)
		}
		if f != nil {
			return f
		}
		if t.keep > 0 && depth >= t.keep {
			t.cut = t.cut || len(t.tape) > self+1
			t.tape = t.tape[:self+1]
		}
		t.tape[self].end, t.tape[self].next = uint32(t.pos), uint32(len(t.tape))
		return nil
	case 't':
		return t.literal("true", jsonTrue)
	case 'f':
		return t.literal("false", jsonFalse)
	case 'n':
		return t.literal("null", jsonNull)
	default:
		if c == '-' || isDigit(c) {
			return t.number()
		}
		return t.unexpected("a value")
	}
}

// array reads an array whose bracket is the current byte.
func (t *tokenizer) array(depth int) *Fault {
	t.pos++
	if f := t.blank(); f != nil {
		return f
	}
	if t.peek() == ']' {
		t.pos++
		return nil
	}
	for i := 0; ; i++ {
		if f := t.value(depth); f != nil {
			f.Pointer = fmt.Sprintf("/%d", i) + f.Pointer
			return f
		}
		if f := t.blank(); f != nil {
			return f
		}
		switch t.peek() {
		case ',':
			t.pos++
		case ']':
			t.pos++
			return nil
		default:
			return t.unexpected("a comma or a closing bracket")
		}
		if f := t.blank(); f != nil {
			return f
		}
	}
}

// object reads an object whose brace is the current byte and whose token is self.
func (t *tokenizer) object(self, depth int) *Fault {
	t.pos++
	if f := t.blank(); f != nil {
		return f
	}
	if t.peek() == '}' {
		t.pos++
		return nil
	}
	var seen names
	for {
		if t.peek() != '"' {
			return t.unexpected("a member name")
		}
		name := len(t.tape)
		if f := t.string(); f != nil {
			return f
		}
		if seen.repeats(t, self, name) {
			return &Fault{
				Code: DuplicateKey, Pointer: "/" + escapePointer(t.str(name)),
				Detail: fmt.Sprintf("byte %d: the name occurs before", t.tape[name].start),
			}
		}
		if f := t.member(name, depth); f != nil {
			return f
		}
		switch t.peek() {
		case ',':
			t.pos++
		case '}':
			t.pos++
			return nil
		default:
			return t.unexpected("a comma or a closing brace")
		}
		if f := t.blank(); f != nil {
			return f
		}
	}
}

// member reads from the colon after a member's name to the byte after its value.
func (t *tokenizer) member(name, depth int) *Fault {
	if f := t.blank(); f != nil {
		return f
	}
	if t.peek() != ':' {
		return t.unexpected("a colon")
	}
	t.pos++
	if f := t.blank(); f != nil {
		return f
	}
	if f := t.value(depth); f != nil {
		f.Pointer = "/" + escapePointer(t.str(name)) + f.Pointer
		return f
	}
	return t.blank()
}

// names finds repeated member names of one object: by looking back while there
// are few, by a set when the looking back would become quadratic.
type names struct {
	count int
	set   map[string]struct{}
}

const fewNames = 24

func (s *names) repeats(t *tokenizer, self, name int) bool {
	s.count++
	if s.count <= fewNames {
		n := t.str(name)
		for k := self + 1; k < name; k = int(t.tape[k+1].next) {
			if t.str(k) == n {
				return true
			}
		}
		return false
	}
	if s.set == nil {
		s.set = make(map[string]struct{}, 2*fewNames)
		for k := self + 1; k < name; k = int(t.tape[k+1].next) {
			s.set[t.str(k)] = struct{}{}
		}
	}
	n := t.str(name)
	if _, ok := s.set[n]; ok {
		return true
	}
	s.set[n] = struct{}{}
	return false
}

// literal reads true, false or null.
func (t *tokenizer) literal(word string, k kind) *Fault {
	if !strings.HasPrefix(t.text[t.pos:], word) {
		return t.unexpected("a value")
	}
	t.leaf(k, t.pos, t.pos+len(word), false)
	t.pos += len(word)
	return nil
}

// number reads a number: its form only, the digits stay as written.
func (t *tokenizer) number() *Fault {
	from := t.pos
	if t.peek() == '-' {
		t.pos++
	}
	if t.peek() == '0' {
		t.pos++
	} else if f := t.digits(); f != nil {
		return f
	}
	if t.peek() == '.' {
		t.pos++
		if f := t.digits(); f != nil {
			return f
		}
	}
	if c := t.peek(); c == 'e' || c == 'E' {
		t.pos++
		if c := t.peek(); c == '+' || c == '-' {
			t.pos++
		}
		if f := t.digits(); f != nil {
			return f
		}
	}
	t.leaf(jsonNumber, from, t.pos, false)
	return nil
}

func (t *tokenizer) digits() *Fault {
	if !isDigit(t.peek()) {
		return t.unexpected("a digit")
	}
	for isDigit(t.peek()) {
		t.pos++
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// string reads a string whose quote is the current byte.
func (t *tokenizer) string() *Fault {
	from, escaped := t.pos+1, false
	for t.pos++; ; {
		t.pos += plain(t.text[t.pos:])
		if t.pos >= len(t.text) {
			return t.fail("the text ends inside a string")
		}
		switch c := t.text[t.pos]; {
		case c == '"':
			t.leaf(jsonString, from, t.pos, escaped)
			t.pos++
			return nil
		case c == '\\':
			escaped = true
			if f := t.escape(); f != nil {
				return f
			}
		case c < ' ':
			return t.fail(fmt.Sprintf("control character %#02x in a string", c))
		default:
			_, size := utf8.DecodeRuneInString(t.text[t.pos:])
			if size == 1 {
				return t.fail("not UTF-8")
			}
			t.pos += size
		}
	}
}

// plain counts the leading bytes that a string may hold as they are: printable
// ASCII but the quote and the backslash. Eight at a time, because strings are
// most of an event; in each test the lowest flagged byte is exact, as borrows
// only run upwards.
func plain(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := uint64(s[n]) | uint64(s[n+1])<<8 | uint64(s[n+2])<<16 | uint64(s[n+3])<<24 |
			uint64(s[n+4])<<32 | uint64(s[n+5])<<40 | uint64(s[n+6])<<48 | uint64(s[n+7])<<56
		quote, slash := w^('"'*ones), w^('\\'*ones)
		stop := (w | (w-' '*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if stop != 0 {
			return n + bits.TrailingZeros64(stop)/8
		}
	}
	for n < len(s) && s[n] >= ' ' && s[n] < 0x80 && s[n] != '"' && s[n] != '\\' {
		n++
	}
	return n
}

// escape reads one escape; a surrogate must come with its other half.
func (t *tokenizer) escape() *Fault {
	if t.pos+1 >= len(t.text) {
		return t.fail("the text ends inside an escape")
	}
	switch t.text[t.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		t.pos += 2
		return nil
	case 'u':
	default:
		return t.fail("no such escape")
	}
	r, ok := hex4(t.text[t.pos+2:])
	if !ok {
		return t.fail("an escape needs four hexadecimal digits")
	}
	switch {
	case r >= 0xdc00 && r < 0xe000:
		return t.fail("the second half of a surrogate pair without the first")
	case r >= 0xd800 && r < 0xdc00:
		rest := t.text[t.pos+6:]
		if !strings.HasPrefix(rest, `\u`) {
			return t.fail("half a surrogate pair")
		}
		if low, ok := hex4(rest[2:]); !ok || low < 0xdc00 || low >= 0xe000 {
			return t.fail("half a surrogate pair")
		}
		t.pos += 6
	}
	t.pos += 6
	return nil
}

// leaf records a value that holds no others.
func (t *tokenizer) leaf(k kind, start, end int, escaped bool) {
	t.tape = append(t.tape, token{
		start: uint32(start), end: uint32(end), next: uint32(len(t.tape) + 1), kind: k, escaped: escaped,
	})
}
