package schemas

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// checkWire refuses every encoding of a message but the canonical one, which
// proto.Unmarshal lets pass: unknown, repeated, misplaced or defaulted fields,
// overlong varints, text that is not UTF-8, trailing bytes. It is a walker over
// protowire, so that no version of the library decides what a block may hold.
func checkWire(b []byte, md protoreflect.MessageDescriptor) error {
	last := protowire.Number(0)
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || n != protowire.SizeTag(num) {
			return fmt.Errorf("%s: no canonical tag", md.Name())
		}
		b = b[n:]
		fd := md.Fields().ByNumber(num)
		switch {
		case fd == nil:
			return fmt.Errorf("%s: unknown field %d", md.Name(), num)
		case num < last, num == last && !fd.IsList():
			return fmt.Errorf("%s: field %s out of order or repeated", md.Name(), fd.Name())
		}
		last = num
		n, err := checkValue(b, typ, fd)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", md.Name(), fd.Name(), err)
		}
		b = b[n:]
	}
	return nil
}

// checkValue checks one field's value at the front of b and returns its length.
func checkValue(b []byte, typ protowire.Type, fd protoreflect.FieldDescriptor) (int, error) {
	switch fd.Kind() {
	case protoreflect.BoolKind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		v, n := protowire.ConsumeVarint(b)
		switch {
		case typ != protowire.VarintType || n < 0 || n != protowire.SizeVarint(v):
			return 0, fmt.Errorf("no minimal varint")
		case v == 0:
			return 0, fmt.Errorf("a default is written out")
		case fd.Kind() == protoreflect.BoolKind && v != 1, fd.Kind() == protoreflect.Uint32Kind && v > math.MaxUint32:
			return 0, fmt.Errorf("%d is out of range", v)
		}
		return n, nil
	}
	v, n := protowire.ConsumeBytes(b)
	if typ != protowire.BytesType || n < 0 || n != protowire.SizeBytes(len(v)) {
		return 0, fmt.Errorf("no canonical bytes")
	}
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return n, checkWire(v, fd.Message())
	case protoreflect.StringKind, protoreflect.BytesKind:
		if len(v) == 0 {
			return 0, fmt.Errorf("a default is written out")
		}
		if fd.Kind() == protoreflect.StringKind && !utf8.Valid(v) {
			return 0, fmt.Errorf("no UTF-8")
		}
		return n, nil
	}
	return 0, fmt.Errorf("kind %s is not used in this format", fd.Kind())
}

// Field numbers that are read before a message is unmarshalled.
const (
	envelopeHeader    protowire.Number = 1
	envelopeSignature protowire.Number = 2
	envelopePayloads  protowire.Number = 3
	envelopeBodies    protowire.Number = 4
	bodiesSize        protowire.Number = 2
)

// eachField calls f with every field of a message: bytes of those that have a
// length, a number of varints. Nothing is allocated.
func eachField(b []byte, f func(n protowire.Number, v []byte, u uint64) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("no tag")
		}
		b = b[n:]
		var v []byte
		var u uint64
		switch typ {
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			u, n = protowire.ConsumeVarint(b)
		default:
			return fmt.Errorf("field %d has a wire type that this format does not use", num)
		}
		if n < 0 {
			return fmt.Errorf("field %d is cut short", num)
		}
		b = b[n:]
		if err := f(num, v, u); err != nil {
			return err
		}
	}
	return nil
}

// readEnvelope reads the canonical encoding of an envelope, and nothing else, without
// copying it. It has so many payloads.
func readEnvelope(raw []byte, count int) (*Envelope, error) {
	e := &Envelope{Payloads: make([]*Payload, 0, count)}
	if err := checkWire(raw, e.ProtoReflect().Descriptor()); err != nil {
		return nil, &Fault{Code: BadEncoding, Detail: err.Error()}
	}
	payloads := make([]Payload, count)
	err := eachField(raw, func(n protowire.Number, v []byte, _ uint64) error {
		switch n {
		case envelopeHeader:
			e.Header = v
		case envelopeSignature:
			e.Signature = v
		case envelopePayloads:
			p := &payloads[len(e.Payloads)]
			e.Payloads = append(e.Payloads, p)
			return readPayload(p, v)
		case envelopeBodies:
			e.Bodies = &Bodies{}
			return readBodies(e.Bodies, v)
		}
		return nil
	})
	if err != nil { // nothing that was checked is refused
		return nil, &Fault{Code: BadEncoding, Detail: err.Error()}
	}
	return e, nil
}

func readPayload(p *Payload, b []byte) error {
	return eachField(b, func(n protowire.Number, v []byte, u uint64) error {
		switch n {
		case 1:
			p.Kind = uint32(u)
		case 2:
			p.DuplicateKey = v
		case 3:
			p.Author = uint32(u)
		case 4:
			p.AuthorSignature = v
		case 5:
			p.Skeleton = v
		case 6:
			p.BodyRoot = v
		}
		return nil
	})
}

func readBodies(bodies *Bodies, b []byte) error {
	return eachField(b, func(n protowire.Number, v []byte, u uint64) error {
		switch n {
		case 1:
			bodies.Secret = v
		case bodiesSize:
			bodies.Size = uint32(u)
		case 3:
			bodies.Frame = v
		}
		return nil
	})
}
