package schemas

import (
	"crypto/ed25519"
	"fmt"
)

// An order is a message of its own kind: a partner asks that the body of an event
// which it recorded be erased by everybody who holds it, or that it be held, so
// that nobody may erase it. It is a message like an event, with a body, a skeleton
// and a digest, so that it stands in its partner's trail and is proved like one;
// it is no event, and no query of events finds it.

// OrderKind says what an order asks for.
type OrderKind uint8

// Kinds of orders. Their numbers are in skeletons and never change.
const (
	OrderErase    OrderKind = 1 + iota // body and secret go, for ever
	OrderHold                          // they may not be erased
	OrderRelease                       // they may again
	OrderClassify                      // they are kept as long as a retention class says
)

var orderNames = [...]string{"", "erase", "hold", "release", "classify"}

// String returns the order's name, as its body has it.
func (k OrderKind) String() string {
	if int(k) < len(orderNames) {
		return orderNames[k]
	}
	return "unknown"
}

// BodyOrder is what rules read of an order.
type BodyOrder struct {
	What    OrderKind
	EventID string // of an event that the same partner recorded: its own, or the derived one
	Class   string // to classify: the name of a retention class
}

// ErasureOrder is the type of an order's skeleton. It is no event type.
const ErasureOrder EventType = 6

const (
	orderTypeName = "ErasureOrder"
	maxReason     = 1000 // bytes of the reason that an order gives
)

// KindOf is the kind of message that carries an event, an order or an act.
func (e *Event) KindOf() Kind { return e.Skeleton.KindOf() }

// KindOf is the kind of message that has this skeleton.
func (s *Skeleton) KindOf() Kind {
	switch {
	case s.Order != nil:
		return KindErasure
	case s.Act != nil:
		return KindAct
	}
	return KindEvent
}

// Role is what a key needs to sign the message.
func (e *Event) Role() uint32 { return e.Skeleton.Role() }

// Role is what a key needs to sign the message of this skeleton.
func (s *Skeleton) Role() uint32 {
	if s.Act != nil {
		return s.Act.Role()
	}
	return RoleCapture
}

// DecodeMessage reads the body of a message of a kind: an event's, an order's or an act's.
// Errors are Faults.
func DecodeMessage(kind Kind, body []byte) (*Event, error) {
	switch kind {
	case KindErasure:
		return DecodeOrder(body)
	case KindAct:
		return DecodeAct(body)
	}
	return DecodeEvent(body)
}

// MakeOrder is an order ready to be signed; at is when it was given. Errors are Faults.
func MakeOrder(what OrderKind, eventID, reason string, at string) (*Event, error) {
	return makeOrder(what, eventID, "", reason, at)
}

// MakeClassification is an order that puts an event into a retention class.
func MakeClassification(class, eventID, reason string, at string) (*Event, error) {
	return makeOrder(OrderClassify, eventID, class, reason, at)
}

func makeOrder(what OrderKind, eventID, class, reason, at string) (*Event, error) {
	body := fmt.Appendf(nil, `{"type":%s,"order":%s,"eventID":%s,"eventTime":%s`, quoted(orderTypeName), quoted(what.String()), quoted(eventID), quoted(at))
	if class != "" {
		body = fmt.Appendf(body, `,"class":%s`, quoted(class))
	}
	if reason != "" {
		body = fmt.Appendf(body, `,"reason":%s`, quoted(reason))
	}
	return DecodeOrder(append(body, '}'))
}

func quoted(s string) []byte { return appendQuoted(nil, s) }

// DecodeOrder reads an order's body: compact JSON of one object with the members
// type, order, eventID, eventTime, class, which an order to classify has and no
// other, and, if given, reason, all of them texts. Errors are Faults.
func DecodeOrder(body []byte) (*Event, error) {
	if len(body) > MaxBody {
		return nil, &Fault{Code: TooLarge, Detail: fmt.Sprintf("an order of %d bytes, %d are allowed", len(body), MaxBody)}
	}
	d := decoder{e: &Event{Body: body}}
	d.t = tokenizer{text: string(body), compact: true, depth: MaxDepth, keep: eventKeep}
	if f := d.t.run(); f != nil {
		return nil, f
	}
	if f := d.order(); f != nil {
		return nil, f
	}
	return d.e, nil
}

func (d *decoder) order() (f *Fault) {
	t, s := &d.t, &d.e.Skeleton
	if t.tape[0].kind != jsonObject {
		return d.bad(0, "an order: an object")
	}
	s.Type, s.Order = ErasureOrder, &BodyOrder{}
	seen := map[string]bool{}
	for m := 1; m < int(t.tape[0].next); m = t.after(m) {
		name, v := t.str(m), t.tape[m+1]
		if v.kind != jsonString {
			return d.bad(m+1, "a text")
		}
		d.e.Members = append(d.e.Members, Member{Name: name, Value: d.e.Body[v.start-1 : v.end+1 : v.end+1]})
		seen[name] = true
		if f := d.orderMember(name, m+1); f != nil {
			return f
		}
	}
	for _, name := range []string{"type", "order", "eventID", "eventTime"} {
		if !seen[name] {
			return t.fault(MissingField, 0, "an order needs "+name)
		}
	}
	if seen["class"] != (s.Order.What == OrderClassify) {
		return t.fault(MissingField, 0, "an order to classify needs class, no other has one")
	}
	return nil
}

func (d *decoder) orderMember(name string, n int) (f *Fault) {
	t, s := &d.t, &d.e.Skeleton
	switch name {
	case "type":
		if t.str(n) != orderTypeName {
			return d.bad(n, quote(orderTypeName))
		}
	case "order":
		for k := OrderErase; k <= OrderClassify; k++ {
			if t.str(n) == k.String() {
				s.Order.What = k
			}
		}
		if s.Order.What == 0 {
			return d.bad(n, "erase, hold, release or classify")
		}
	case "class":
		if s.Order.Class = t.str(n); !partnerID.MatchString(s.Order.Class) {
			return d.bad(n, "the name of a retention class")
		}
	case "eventID":
		s.Order.EventID, f = d.uri(n)
	case "eventTime":
		s.EventTime, f = d.time(n)
	case "reason":
		if len(t.str(n)) > maxReason {
			return t.fault(TooLarge, n, fmt.Sprintf("a reason has at most %d bytes", maxReason))
		}
	default:
		return t.fault(UnknownField, n, "an order has no member "+quote(name))
	}
	return f
}

func (o *BodyOrder) append(dst []byte, n uint64) []byte {
	b := AppendUint(nil, 1, uint64(o.What))
	return AppendField(dst, n, AppendString(AppendString(b, 2, o.EventID), 3, o.Class))
}

func decodeOrder(f *Fields, n uint64, v []byte) *BodyOrder {
	o := &BodyOrder{}
	in := ReadFields(v)
	for k, v, ok := in.Next(); ok; k, v, ok = in.Next() {
		switch k {
		case 1:
			o.What = OrderKind(bounded(in, k, v, uint64(OrderClassify)))
		case 2:
			o.EventID = decodeText(in, k, v)
		case 3:
			o.Class = decodeText(in, k, v)
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil || o.What == 0 || o.EventID == "" || (o.What == OrderClassify) != (o.Class != "") {
		f.Fail(n, "no order")
	}
	return o
}

// Standing of a body under orders.
type BodyStanding uint8

// Standings of bodies. One that no order names has none.
const (
	BodyErased BodyStanding = 1
	BodyHeld   BodyStanding = 2
)

// Erasure is the leaf value of an event whose body is erased or held, or that is in
// a retention class by order.
type Erasure struct {
	Standing BodyStanding
	Event    Locator
	Order    Locator // that made it so
	Class    string  // retention class; "" is the network's first, if it has any
}

// Append appends the leaf value: 1 standing, 2 locator of the event, 3 of the order,
// 4 retention class.
func (e *Erasure) Append(dst []byte) []byte {
	dst = AppendUint(dst, 1, uint64(e.Standing))
	dst = AppendField(dst, 2, e.Event.Append(nil))
	return AppendString(AppendField(dst, 3, e.Order.Append(nil)), 4, e.Class)
}

// DecodeErasure reads such a leaf value.
func DecodeErasure(b []byte) (e Erasure, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		var fault error
		switch n {
		case 1:
			e.Standing = BodyStanding(bounded(f, n, v, uint64(BodyHeld)))
		case 2:
			e.Event, fault = DecodeLocator(v)
		case 3:
			e.Order, fault = DecodeLocator(v)
		case 4:
			e.Class = decodeText(f, n, v)
		default:
			f.Fail(n, "unknown")
		}
		if fault != nil {
			f.Fail(n, fault.Error())
		}
	}
	var stack [valueSize]byte
	return e, f.Exact(b, e.Append(stack[:0]))
}

// ErasureReceipt is a node's word that it holds a body no more: it looked, and
// signed what it found with its partner's key.
type ErasureReceipt struct {
	ChainID   string  `json:"chain_id"`
	Partner   string  `json:"partner"` // whose node it is
	KeyID     string  `json:"key"`
	Recorder  string  `json:"recorder"` // who recorded the event
	EventID   string  `json:"eventID"`
	Event     Locator `json:"event"`
	Order     Locator `json:"order"`
	Height    int64   `json:"height"` // at which it looked
	Signature []byte  `json:"signature"`
}

// Digest is what the receipt's signature is of.
func (r *ErasureReceipt) Digest() Hash {
	return Sum(tagErased, []byte(r.ChainID), []byte(r.Partner), []byte(r.KeyID), []byte(r.Recorder), []byte(r.EventID),
		r.Event.Append(nil), r.Order.Append(nil), be64(uint64(r.Height)))
}

// Verify reports whether the receipt is signed with a key.
func (r *ErasureReceipt) Verify(key ed25519.PublicKey) bool {
	d := r.Digest()
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, d[:], r.Signature)
}

// String is the standing's name.
func (s BodyStanding) String() string {
	switch s {
	case BodyErased:
		return "erased"
	case BodyHeld:
		return "held"
	}
	return "none"
}
