package schemas

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// A skeleton's encoding is hashed into its message's digest, so its field
// numbers never change their meaning:
//
//	 1 type             number: EventType
//	 2 action           number: Action, absent for a transformation
//	 3 eventTime        8 bytes, big endian, two's complement: nanoseconds since 1970 UTC; always present
//	 4 bizStep          text
//	 5 disposition      text
//	 6 parentID         text
//	 7 EPC              text, repeated: epcList, childEPCs or inputEPCList
//	 8 output EPC       text, repeated
//	 9 quantity         repeated: quantityList, childQuantityList or inputQuantityList
//	10 output quantity  repeated
//	11 source           repeated
//	12 destination      repeated
//	13 transformationID text
//	14 eventID          text
//	15 error declaration
//	16 order            of a message that is no event
//	17 act              of one that is none either
//	18 author           text: id of the key with which the message alone is signed
//	19 sensor           repeated: what it measured, ascending by device
//
//	quantity:    1 epcClass, 2 uom, 3 amount as canonical decimal, absent when it was left out
//	party:       1 type, 2 identifier
//	declaration: 1 declarationTime as field 3 above, 2 reason, 3 correctiveEventID, repeated
//	order:       1 what it asks for, 2 eventID
//	act:         1 its name, 2 its members, as its bind method numbers them
//	sensor:      1 device, 2 qualities of which something cannot be compared (bits 1 and 2),
//	             3 reading, repeated, ascending by quality and until, descending by from, ascending by low and high
//	reading:     1 quality, 2 from, 3 until (times as field 3 above; absent: eventTime, and
//	             the same), 4 low, 5 high as canonical decimals, absent where they are equal
//
// Numbers 20 to 31 are reserved for what later rules may read (persistent
// dispositions, places); readers of this version refuse them.

// Append appends the skeleton's one encoding.
func (s *Skeleton) Append(dst []byte) []byte {
	dst = AppendUint(dst, 1, uint64(s.Type))
	dst = AppendUint(dst, 2, uint64(s.Action))
	dst = appendTime(dst, 3, s.EventTime)
	dst = AppendString(dst, 4, s.BizStep)
	dst = AppendString(dst, 5, s.Disposition)
	dst = AppendString(dst, 6, s.ParentID)
	dst = appendTexts(dst, 7, s.EPCs)
	dst = appendTexts(dst, 8, s.OutputEPCs)
	dst = appendQuantities(dst, 9, s.Quantities)
	dst = appendQuantities(dst, 10, s.OutputQuantities)
	dst = appendParties(dst, 11, s.Sources)
	dst = appendParties(dst, 12, s.Destinations)
	dst = AppendString(dst, 13, s.TransformationID)
	dst = AppendString(dst, 14, s.EventID)
	if s.Declaration != nil {
		b := appendTime(nil, 1, s.Declaration.Time)
		b = AppendString(b, 2, s.Declaration.Reason)
		dst = AppendField(dst, 15, appendTexts(b, 3, s.Declaration.Corrections))
	}
	if s.Order != nil {
		dst = s.Order.append(dst, 16)
	}
	if s.Act != nil {
		dst = appendAct(dst, 17, s.Act)
	}
	dst = AppendString(dst, 18, s.Author)
	for i := range s.Sensors {
		dst = s.Sensors[i].append(dst, 19, s.EventTime)
	}
	return dst
}

// appendTime appends a time, which has no default: 1970 is a time as well.
func appendTime(dst []byte, n uint64, t int64) []byte {
	dst = append(binary.AppendUvarint(dst, n), 8)
	return binary.BigEndian.AppendUint64(dst, uint64(t))
}

func appendTexts(dst []byte, n uint64, list []string) []byte {
	for _, s := range list {
		dst = AppendString(dst, n, s)
	}
	return dst
}

func appendQuantities(dst []byte, n uint64, list []Quantity) []byte {
	var b []byte
	for _, q := range list {
		b = AppendString(b[:0], 1, q.Class)
		b = AppendString(b, 2, q.UOM)
		if q.Known {
			b = AppendString(b, 3, q.Amount.String())
		}
		dst = AppendField(dst, n, b)
	}
	return dst
}

func appendParties(dst []byte, n uint64, list []Party) []byte {
	var b []byte
	for _, p := range list {
		b = AppendString(AppendString(b[:0], 1, p.Type), 2, p.ID)
		dst = AppendField(dst, n, b)
	}
	return dst
}

// DecodeSkeleton reads what Append wrote, and nothing else: what it accepts
// appends to the same bytes again.
func DecodeSkeleton(b []byte) (*Skeleton, error) {
	s := &Skeleton{}
	f, once := ReadFields(b), uint64(0)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		repeats := n >= 7 && n <= 12 || n == 19
		if n == once && !repeats {
			f.Fail(n, "repeated")
			break
		}
		once = n
		s.decodeField(f, n, v)
	}
	err := f.Err()
	switch {
	case err != nil:
	case s.Type == 0:
		err = fmt.Errorf("no event type")
	case (s.Type == ErasureOrder) != (s.Order != nil):
		err = fmt.Errorf("an order of another type, or none of this")
	case s.Order != nil && !bytes.Equal((&Skeleton{Type: ErasureOrder, EventTime: s.EventTime, Order: s.Order}).Append(nil), b):
		err = fmt.Errorf("an order that says more than one does")
	case (s.Type == ActMessage) != (s.Act != nil):
		err = fmt.Errorf("an act of another type, or none of this")
	case s.Act != nil && !bytes.Equal((&Skeleton{Type: ActMessage, EventTime: s.EventTime, Act: s.Act, Author: s.Author}).Append(nil), b):
		err = fmt.Errorf("an act that says more than one does")
	case !bytes.Equal(s.Append(nil), b):
		err = fmt.Errorf("not the one encoding of what it says")
	}
	if err != nil {
		return nil, fmt.Errorf("decoding a skeleton: %w", err)
	}
	return s, nil
}

func (s *Skeleton) decodeField(f *Fields, n uint64, v []byte) {
	switch n {
	case 1:
		s.Type = EventType(bounded(f, n, v, uint64(ActMessage)))
	case 2:
		s.Action = Action(bounded(f, n, v, uint64(ActionDelete)))
	case 3:
		s.EventTime = decodeTime(f, n, v)
	case 4:
		s.BizStep = decodeText(f, n, v)
	case 5:
		s.Disposition = decodeText(f, n, v)
	case 6:
		s.ParentID = decodeText(f, n, v)
	case 7:
		s.EPCs = append(s.EPCs, decodeText(f, n, v))
	case 8:
		s.OutputEPCs = append(s.OutputEPCs, decodeText(f, n, v))
	case 9:
		s.Quantities = append(s.Quantities, decodeQuantity(f, n, v))
	case 10:
		s.OutputQuantities = append(s.OutputQuantities, decodeQuantity(f, n, v))
	case 11:
		s.Sources = append(s.Sources, decodeParty(f, n, v))
	case 12:
		s.Destinations = append(s.Destinations, decodeParty(f, n, v))
	case 13:
		s.TransformationID = decodeText(f, n, v)
	case 14:
		s.EventID = decodeText(f, n, v)
	case 15:
		s.Declaration = decodeDeclaration(f, n, v)
	case 16:
		s.Order = decodeOrder(f, n, v)
	case 17:
		var err error
		if s.Act, err = decodeAct(v); err != nil {
			f.Fail(n, err.Error())
		}
	case 18:
		if s.Author = decodeText(f, n, v); !plainName(s.Author) {
			f.Fail(n, "no id of a key")
		}
	case 19:
		one := decodeSensor(f, n, v, s.EventTime)
		if last := len(s.Sensors) - 1; last >= 0 && s.Sensors[last].Device >= one.Device {
			f.Fail(n, "out of order")
		}
		s.Sensors = append(s.Sensors, one)
	default:
		f.Fail(n, "unknown or reserved")
	}
}

func bounded(f *Fields, n uint64, v []byte, most uint64) uint64 {
	u := f.Uint(n, v)
	if u > most {
		f.Fail(n, "out of range")
		return 0
	}
	return u
}

func decodeTime(f *Fields, n uint64, v []byte) int64 {
	if len(v) != 8 {
		f.Fail(n, "no time")
		return 0
	}
	return int64(binary.BigEndian.Uint64(v))
}

func decodeText(f *Fields, n uint64, v []byte) string {
	if len(v) == 0 || !utf8.Valid(v) {
		f.Fail(n, "no text")
	}
	return string(v)
}

func decodeQuantity(f *Fields, n uint64, v []byte) (q Quantity) {
	in := ReadFields(v)
	for k, v, ok := in.Next(); ok; k, v, ok = in.Next() {
		switch k {
		case 1:
			q.Class = decodeText(in, k, v)
		case 2:
			q.UOM = decodeText(in, k, v)
		case 3:
			amount, err := ParseDecimal(string(v))
			if err != nil {
				in.Fail(k, "no decimal")
			}
			q.Known, q.Amount = true, amount
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil || q.Class == "" {
		f.Fail(n, "no quantity")
	}
	return q
}

func decodeParty(f *Fields, n uint64, v []byte) (p Party) {
	in := ReadFields(v)
	for k, v, ok := in.Next(); ok; k, v, ok = in.Next() {
		switch k {
		case 1:
			p.Type = decodeText(in, k, v)
		case 2:
			p.ID = decodeText(in, k, v)
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil || p.Type == "" || p.ID == "" {
		f.Fail(n, "no party")
	}
	return p
}

func decodeDeclaration(f *Fields, n uint64, v []byte) *Declaration {
	d := &Declaration{}
	in := ReadFields(v)
	for k, v, ok := in.Next(); ok; k, v, ok = in.Next() {
		switch k {
		case 1:
			d.Time = decodeTime(in, k, v)
		case 2:
			d.Reason = decodeText(in, k, v)
		case 3:
			d.Corrections = append(d.Corrections, decodeText(in, k, v))
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil {
		f.Fail(n, "no error declaration")
	}
	return d
}
