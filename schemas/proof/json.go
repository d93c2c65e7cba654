package proof

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

// AppendJSON appends the JSON form of an encoded bundle: one line, without blanks.
// It is a function of the encoding alone; ParseJSON leads back.
func AppendJSON(dst, bundle []byte) ([]byte, error) {
	if err := CheckSize(bundle); err != nil {
		return nil, err
	}
	out, err := bundleForm.appendJSON(dst, bundle)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w: %w", err, ErrMalformed)
	}
	return out, nil
}

func (f *form) appendJSON(dst, b []byte) ([]byte, error) {
	dst = append(dst, '{')
	fields, open := schemas.ReadFields(b), uint64(0)
	for n, v, ok := fields.Next(); ok; n, v, ok = fields.Next() {
		field := f.field(n)
		switch {
		case field == nil:
			return nil, fmt.Errorf("field %d is unknown", n)
		case open == n && !field.repeated:
			return nil, fmt.Errorf("%s: it is there twice", field.name)
		case open == n:
			dst = append(dst, ',')
		default:
			if f.field(open) != nil && f.field(open).repeated {
				dst = append(dst, ']')
			}
			if open != 0 {
				dst = append(dst, ',')
			}
			dst = append(appendName(dst, field.name), ':')
			if open = n; field.repeated {
				dst = append(dst, '[')
			}
		}
		var err error
		if dst, err = field.appendValue(dst, v); err != nil {
			return nil, fmt.Errorf("%s: %w", field.name, err)
		}
	}
	if f.field(open) != nil && f.field(open).repeated {
		dst = append(dst, ']')
	}
	return append(dst, '}'), fields.Err()
}

var errValue = errors.New("its value is none of its kind")

func (f *formField) appendValue(dst, v []byte) ([]byte, error) {
	switch f.kind {
	case aNest:
		return f.of.appendJSON(dst, v)
	case aText:
		return appendText(dst, v)
	case aBytes:
		return appendHex(dst, v), nil
	case aHashes:
		return appendHashList(dst, v)
	case aTime:
		return appendTimeText(dst, v)
	case aNumber, aTrail:
		u, rest := varint(v)
		switch {
		case len(v) == 0 || len(rest) > 0:
			return nil, errValue
		case f.kind == aTrail && u < 0x80 && u > ' ':
			return appendName(dst, string(rune(u))), nil
		case f.kind == aTrail:
			return nil, errValue
		}
		return appendNumber(dst, u), nil
	}
	return f.appendPair(dst, v)
}

// varint reads a varint from the front; a faulty one leaves what it was.
func varint(v []byte) (u uint64, rest []byte) {
	u, size := binary.Uvarint(v)
	if size <= 0 {
		return 0, v
	}
	return u, v[size:]
}

func appendNumber(dst []byte, u uint64) []byte {
	return append(strconv.AppendUint(append(dst, '"'), u, 10), '"')
}

func appendHex(dst, v []byte) []byte { return append(hex.AppendEncode(append(dst, '"'), v), '"') }

func appendText(dst, v []byte) ([]byte, error) {
	if !utf8.Valid(v) {
		return nil, errValue
	}
	return appendName(dst, string(v)), nil
}

func appendHashList(dst, v []byte) ([]byte, error) {
	if len(v)%32 != 0 {
		return nil, errValue
	}
	dst = append(dst, '[')
	for i := 0; i < len(v); i += 32 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHex(dst, v[i:i+32])
	}
	return append(dst, ']'), nil
}

func appendTimeText(dst, v []byte) ([]byte, error) {
	if len(v) != 8 {
		return nil, errValue
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(v))).UTC()
	return append(at.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"'), nil
}

// appendPair writes the values of fixed form as objects.
func (f *formField) appendPair(dst, v []byte) (out []byte, err error) {
	switch f.kind {
	case aValidator:
		if len(v) != 40 {
			return nil, errValue
		}
		dst = appendHex(append(dst, `{"key":`...), v[:32])
		dst = appendNumber(append(dst, `,"power":`...), binary.BigEndian.Uint64(v[32:]))
	case aVote:
		if len(v) != voteSize {
			return nil, errValue
		}
		dst = appendNumber(append(dst, `{"index":`...), uint64(binary.BigEndian.Uint16(v)))
		if dst, err = appendTimeText(append(dst, `,"time":`...), v[2:10]); err != nil {
			return nil, err
		}
		dst = appendHex(append(dst, `,"signature":`...), v[10:])
	case aMember:
		size, rest := varint(v)
		if len(rest) == len(v) || size > uint64(len(rest)) {
			return nil, errValue
		}
		if dst, err = appendText(append(dst, `{"name":`...), rest[:size]); err != nil {
			return nil, err
		}
		if dst, err = appendText(append(dst, `,"value":`...), rest[size:]); err != nil {
			return nil, err
		}
	case aRef:
		u, rest := varint(v)
		if len(rest) == len(v) || len(rest) != 1 || rest[0] >= 0x80 || rest[0] <= ' ' {
			return nil, errValue
		}
		dst = appendNumber(append(dst, `{"subject":`...), u)
		dst = appendName(append(dst, `,"trail":`...), string(rest))
	case aLeaf:
		u, rest := varint(v)
		if len(rest) != 32 {
			return nil, errValue
		}
		dst = appendNumber(append(dst, `{"place":`...), u)
		dst = appendHex(append(dst, `,"leaf":`...), rest)
	}
	return append(dst, '}'), nil
}

// ParseJSON reads a bundle's JSON form and answers its binary one. Blanks between
// tokens do not matter; all else must be as AppendJSON writes it.
func ParseJSON(text []byte) ([]byte, error) {
	bad := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("bundle in JSON: %w: %w", err, ErrMalformed)
	}
	if len(text) > MaxBundle {
		return bad(fmt.Errorf("%d bytes, %d are read", len(text), MaxBundle))
	}
	r := reader{json.NewDecoder(bytes.NewReader(text)), MaxFields}
	out, err := r.nest(&bundleForm)
	if err != nil {
		return bad(err)
	}
	if _, err := r.Token(); err != io.EOF {
		return bad(errors.New("something follows it"))
	}
	again, err := AppendJSON(make([]byte, 0, len(text)), out)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return bad(err)
	}
	if !bytes.Equal(compact.Bytes(), again) {
		return bad(errors.New("it is not in its one form"))
	}
	return out, nil
}

// reader reads JSON by the forms. What it lets pass, the comparison in ParseJSON
// does not.
type reader struct {
	*json.Decoder
	left int // fields that may come
}

func (r *reader) open(d json.Delim) error {
	t, err := r.Token()
	if err == nil && t != d {
		err = fmt.Errorf("%v where %v is expected", t, d)
	}
	return err
}

func (r *reader) text() (string, error) {
	t, err := r.Token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%v is no text", t)
	}
	return s, nil
}

func (r *reader) nest(f *form) (out []byte, err error) {
	if err := r.open('{'); err != nil {
		return nil, err
	}
	for r.More() {
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		field := f.named(name)
		if field == nil {
			return nil, fmt.Errorf("member %q is unknown", name)
		}
		if out, err = r.field(field, out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, r.open('}')
}

func (f *form) named(name string) *formField {
	for i := range *f {
		if (*f)[i].name == name {
			return &(*f)[i]
		}
	}
	return nil
}

func (r *reader) field(f *formField, dst []byte) ([]byte, error) {
	if !f.repeated {
		return r.one(f, dst)
	}
	if err := r.open('['); err != nil {
		return nil, err
	}
	for r.More() {
		var err error
		if dst, err = r.one(f, dst); err != nil {
			return nil, err
		}
	}
	return dst, r.open(']')
}

func (r *reader) one(f *formField, dst []byte) ([]byte, error) {
	if r.left--; r.left < 0 {
		return nil, fmt.Errorf("more than %d fields", MaxFields)
	}
	v, err := r.value(f)
	return schemas.AppendField(dst, f.number, v), err
}

func (r *reader) value(f *formField) ([]byte, error) {
	switch f.kind {
	case aNest:
		return r.nest(f.of)
	case aHashes:
		var out []byte
		if err := r.open('['); err != nil {
			return nil, err
		}
		for r.More() {
			hash, err := r.hex()
			if err != nil {
				return nil, err
			}
			out = append(out, hash...)
		}
		return out, r.open(']')
	case aBytes:
		return r.hex()
	case aTime:
		return r.time()
	case aNumber:
		u, err := r.number()
		return binary.AppendUvarint(nil, u), err
	case aText, aTrail:
		s, err := r.text()
		return []byte(s), err
	}
	return r.pair(f.kind)
}

func (r *reader) hex() ([]byte, error) {
	s, err := r.text()
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(s)
}

func (r *reader) number() (uint64, error) {
	s, err := r.text()
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(s, 10, 64)
}

func (r *reader) time() ([]byte, error) {
	s, err := r.text()
	if err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err == nil && !fits(at) {
		err = errValue
	}
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())), err
}

// named reads the name of a member that must come now.
func (r *reader) named(name string) error {
	s, err := r.text()
	if err == nil && s != name {
		err = fmt.Errorf("member %q where %q is expected", s, name)
	}
	return err
}

// pair reads the values of fixed form.
func (r *reader) pair(kind valueKind) (out []byte, err error) {
	if err := r.open('{'); err != nil {
		return nil, err
	}
	number := func(name string) (u uint64) {
		if err == nil {
			err = r.named(name)
		}
		if err == nil {
			u, err = r.number()
		}
		return u
	}
	value := func(name string, read func() ([]byte, error)) (v []byte) {
		if err == nil {
			err = r.named(name)
		}
		if err == nil {
			v, err = read()
		}
		return v
	}
	text := func() ([]byte, error) { s, err := r.text(); return []byte(s), err }
	switch kind {
	case aValidator:
		key := value("key", r.hex)
		out = binary.BigEndian.AppendUint64(key, number("power"))
	case aVote:
		index := number("index")
		if index > math.MaxUint16 {
			return nil, errValue
		}
		out = append(binary.BigEndian.AppendUint16(nil, uint16(index)), value("time", r.time)...)
		out = append(out, value("signature", r.hex)...)
	case aMember:
		name := value("name", text)
		out = append(binary.AppendUvarint(nil, uint64(len(name))), name...)
		out = append(out, value("value", text)...)
	case aRef:
		out = binary.AppendUvarint(nil, number("subject"))
		out = append(out, value("trail", text)...)
	case aLeaf:
		out = binary.AppendUvarint(nil, number("place"))
		out = append(out, value("leaf", r.hex)...)
	}
	if err != nil {
		return nil, err
	}
	return out, r.open('}')
}
