package epcisxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of what is read, beside those on events.
const (
	maxDepth      = 2 * schemas.MaxDepth // elements inside each other
	maxAttributes = 256                  // of one element
	maxBindings   = 256                  // namespace declarations in force
	maxToken      = schemas.MaxBody      // bytes of one tag, comment or run of text
	maxElement    = 4 * schemas.MaxBody  // bytes of one event or header
	maxElements   = 150_000              // elements of one event or header
)

const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
	spaceXSI   = "http://www.w3.org/2001/XMLSchema-instance"
	spaceJSON  = "urn:waybill:json" // of what JSON can say and XML cannot
)

// name is an expanded name, with the prefix under which it was written.
type name struct{ space, prefix, local string }

type attribute struct {
	name
	value string
}

// token is one that matters: text, or the start or end of an element.
type token struct {
	kind     byte // 's', 'e', 't', or 0 at the end of the document
	name     name
	attrs    []attribute
	text     string
	line     int
	preserve bool // xml:space
}

type binding struct{ prefix, space string }

// open is an element whose end has not come.
type open struct {
	raw      xml.Name
	bound    int // bindings outside it
	preserve bool
}

// scanner gives the tokens of a document, namespaces resolved.
type scanner struct {
	dec     *xml.Decoder
	in      *source
	stack   []open
	bound   []binding
	done    bool // the root has ended
	typed   bool // a document type was declared
	started bool
}

// source gives bytes one by one, and bounds a token. In values of attributes it gives a
// blank for each line end and tab, as XML 1.0 (2.11, 3.3.3) has it and encoding/xml
// has not: what is written as a character reference stays.
type source struct {
	text   []byte
	pos    int
	from   int  // where the token began
	inTag  bool // of an element
	quote  byte // that ends the value; 0 outside of values
	other  int  // up to where there is a comment or something else without attributes
	hidden int  // line ends that were given as blanks
}

// charsetError is the encoding that a document declares, of those that are not read.
type charsetError string

func (e charsetError) Error() string {
	return "encoding " + quote(string(e)) + " is declared: send UTF-8, and declare that or nothing"
}

var errToken = errors.New("one tag or text is too large")

func (s *source) ReadByte() (byte, error) {
	switch {
	case s.pos == len(s.text):
		return 0, io.EOF
	case s.pos-s.from > maxToken:
		return 0, errToken
	}
	s.pos++
	return s.normal(s.text[s.pos-1]), nil
}

// normal is what a byte counts as; the position is behind it.
func (s *source) normal(b byte) byte {
	switch {
	case s.pos <= s.other:
	case s.quote != 0:
		switch b {
		case s.quote:
			s.quote = 0
		case '\r', '\n', '\t':
			if b == '\r' && s.pos < len(s.text) && s.text[s.pos] == '\n' {
				s.pos++
				b = '\n'
			}
			if b == '\n' {
				s.hidden++
			}
			return ' '
		}
	case s.inTag && (b == '"' || b == '\''):
		s.quote = b
	case s.inTag:
		s.inTag = b != '>'
	case b == '<':
		s.open()
	}
	return b
}

// open notes what a less-than sign begins; the position is behind it.
func (s *source) open() {
	for _, o := range [...]struct{ begin, end string }{{"!--", "-->"}, {"![CDATA[", "]]>"}, {"?", "?>"}, {"!", ">"}} {
		if rest := s.text[s.pos:]; bytes.HasPrefix(rest, []byte(o.begin)) {
			s.other = len(s.text)
			if at := bytes.Index(rest[len(o.begin):], []byte(o.end)); at >= 0 {
				s.other = s.pos + len(o.begin) + at + len(o.end)
			}
			return
		}
	}
	s.inTag = true
}

// Read is what an io.Reader must have: the decoder takes bytes one by one.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

func newScanner(text []byte) (*scanner, *schemas.Fault) {
	for _, mark := range [][]byte{{0xFE, 0xFF}, {0xFF, 0xFE}, {0, '<'}, {'<', 0}, {0, 0, 0, '<'}} {
		if bytes.HasPrefix(text, mark) {
			return nil, &schemas.Fault{Code: schemas.BadXML, Line: 1, Detail: "this is not UTF-8 but an encoding of 16 or 32 bits"}
		}
	}
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	in := &source{text: text}
	s := &scanner{in: in, dec: xml.NewDecoder(in)}
	s.dec.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, charsetError(charset)
	}
	return s, nil
}

// line is where the next token begins.
func (s *scanner) line() int {
	line, _ := s.dec.InputPos()
	return line + s.in.hidden
}

func (s *scanner) fault(line int, detail string) *schemas.Fault {
	return &schemas.Fault{Code: schemas.BadXML, Line: line, Detail: detail}
}

// next returns the next token that matters.
func (s *scanner) next() (token, *schemas.Fault) {
	for {
		s.in.from = s.in.pos
		line := s.line()
		raw, err := s.dec.RawToken()
		if err == io.EOF {
			if len(s.stack) > 0 {
				return token{}, s.fault(line, "the document ends inside "+quote(s.stack[len(s.stack)-1].raw.Local))
			}
			if !s.done {
				return token{}, s.fault(line, "there is no element")
			}
			return token{line: line}, nil
		}
		if err != nil {
			return token{}, s.broken(err, line)
		}
		first := !s.started
		s.started = true
		switch raw := raw.(type) {
		case xml.StartElement:
			return s.start(raw, line)
		case xml.EndElement:
			return s.end(raw, line)
		case xml.CharData:
			if len(s.stack) > 0 {
				return token{kind: 't', text: string(raw), line: line}, nil
			}
			if len(bytes.TrimSpace(raw)) > 0 {
				return token{}, s.fault(line, "text outside the root element")
			}
		case xml.Directive:
			if s.typed || len(s.stack) > 0 || s.done || !bareType(string(raw)) {
				return token{}, s.fault(line, "a document type declaration with more than a name, or another one: none is read, and no entity that it defines")
			}
			s.typed = true
		case xml.ProcInst:
			if strings.EqualFold(raw.Target, "xml") && !first {
				return token{}, s.fault(line, "an XML declaration that is not at the beginning")
			}
		}
	}
}

// bareType reports whether a declaration is of a document type by name alone, as many
// writers have it: it defines nothing, and refers to nothing.
func bareType(s string) bool {
	parts := strings.Fields(s)
	return len(parts) == 2 && parts[0] == "DOCTYPE" && strings.Trim(parts[1], nameCharacters) == ""
}

// nameCharacters are those of the names of document types that are read over.
const nameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-"

// broken tells why the tokenizer stopped.
func (s *scanner) broken(err error, line int) *schemas.Fault {
	var syntax *xml.SyntaxError
	var charset charsetError
	switch {
	case errors.As(err, &charset):
		return s.fault(line, charset.Error())
	case errors.Is(err, errToken):
		return &schemas.Fault{Code: schemas.TooLarge, Line: line, Detail: fmt.Sprintf("a tag or text of more than %d bytes", maxToken)}
	case errors.As(err, &syntax):
		return s.fault(max(syntax.Line+s.in.hidden, 1), syntax.Msg)
	default: // a version of XML
		return s.fault(line, strings.TrimPrefix(err.Error(), "xml: "))
	}
}

// start opens an element: declarations first, then the names that need them.
func (s *scanner) start(raw xml.StartElement, line int) (token, *schemas.Fault) {
	switch {
	case s.done:
		return token{}, s.fault(line, "a second root element: "+quote(raw.Name.Local))
	case len(s.stack) == maxDepth:
		return token{}, &schemas.Fault{Code: schemas.TooDeep, Line: line, Detail: fmt.Sprintf("more than %d elements inside each other", maxDepth)}
	case len(raw.Attr) > maxAttributes:
		return token{}, &schemas.Fault{Code: schemas.TooLarge, Line: line, Detail: fmt.Sprintf("an element with more than %d attributes", maxAttributes)}
	}
	o := open{raw: raw.Name, bound: len(s.bound)}
	if n := len(s.stack); n > 0 {
		o.preserve = s.stack[n-1].preserve
	}
	for _, a := range raw.Attr {
		if f := s.declare(a, o.bound, line); f != nil {
			return token{}, f
		}
	}
	t := token{kind: 's', line: line}
	var f *schemas.Fault
	if t.name, f = s.resolve(raw.Name, true, line); f != nil {
		return token{}, f
	}
	for _, a := range raw.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		n, f := s.resolve(a.Name, false, line)
		if f != nil {
			return token{}, f
		}
		for _, b := range t.attrs {
			if b.space == n.space && b.local == n.local {
				return token{}, s.fault(line, "attribute "+quote(n.local)+" twice")
			}
		}
		if n.space == spaceXML && n.local == "space" {
			o.preserve = a.Value == "preserve"
		}
		t.attrs = append(t.attrs, attribute{n, a.Value})
	}
	t.preserve = o.preserve
	s.stack = append(s.stack, o)
	return t, nil
}

// declare notes a namespace declaration.
func (s *scanner) declare(a xml.Attr, outside, line int) *schemas.Fault {
	b := binding{space: a.Value}
	switch {
	case a.Name.Space == "xmlns":
		b.prefix = a.Name.Local
	case a.Name.Space != "" || a.Name.Local != "xmlns":
		return nil
	}
	switch {
	case b.prefix != "" && b.space == "", b.prefix == "xmlns", b.space == spaceXMLNS, (b.prefix == "xml") != (b.space == spaceXML):
		return s.fault(line, "a namespace declaration that XML forbids: prefix "+quote(b.prefix))
	case len(s.bound) == maxBindings:
		return &schemas.Fault{Code: schemas.TooLarge, Line: line, Detail: fmt.Sprintf("more than %d namespace declarations in force", maxBindings)}
	}
	for _, other := range s.bound[outside:] {
		if other.prefix == b.prefix {
			return s.fault(line, "prefix "+quote(b.prefix)+" declared twice")
		}
	}
	s.bound = append(s.bound, b)
	return nil
}

// resolve finds the namespace of a name; only elements take the default one.
func (s *scanner) resolve(raw xml.Name, element bool, line int) (name, *schemas.Fault) {
	if raw.Local == "" || strings.Contains(raw.Local, ":") || strings.Contains(raw.Space, ":") {
		return name{}, s.fault(line, "a name with stray colons: "+quote(raw.Space+":"+raw.Local))
	}
	n := name{prefix: raw.Space, local: raw.Local}
	if n.prefix == "" && !element {
		return n, nil
	}
	var ok bool
	if n.space, ok = s.lookup(n.prefix); !ok && n.prefix != "" {
		return name{}, s.fault(line, "no xmlns declares the prefix of "+quote(n.prefix+":"+n.local))
	}
	return n, nil
}

// lookup finds what a prefix stands for here.
func (s *scanner) lookup(prefix string) (string, bool) {
	if prefix == "xml" {
		return spaceXML, true
	}
	for i := len(s.bound) - 1; i >= 0; i-- {
		if s.bound[i].prefix == prefix {
			return s.bound[i].space, true
		}
	}
	return "", false
}

func (s *scanner) end(raw xml.EndElement, line int) (token, *schemas.Fault) {
	n := len(s.stack)
	if n == 0 || s.stack[n-1].raw != raw.Name {
		return token{}, s.fault(line, "an end tag that ends nothing: "+quote(raw.Name.Local))
	}
	s.bound = s.bound[:s.stack[n-1].bound]
	s.stack = s.stack[:n-1]
	s.done = n == 1
	return token{kind: 'e', line: line}, nil
}
