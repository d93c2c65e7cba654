package schemas

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An act is a message of its own kind: what a partner does on the ledger itself,
// where an event only reports what happened elsewhere. Members vote, keys change, a
// shipment is offered and accepted. It is a message like an event, with a body, a
// skeleton and a digest, so that it stands in trails and is proved like one; it is
// no event, and no query of events finds it.
//
// Its body is one object: type, eventTime, the members that its bind method names,
// and, if the author likes, a reason, which rules do not read.
type Act interface {
	// Name is the act's type.
	Name() string
	// Role is what a key needs to sign it.
	Role() uint32
	bind(b *binding)
	names() int // of things: what a block's weight counts
}

// ActMessage is the type of an act's skeleton. It is no event type.
const ActMessage EventType = 7

// acts makes an empty act of each name. The lists are in the files of their acts.
var acts = slices.Concat(governActs, validatorActs, keyActs, recallActs, shipActs)

// actOf is an empty act of a name, nil where there is none.
func actOf(name string) Act {
	for _, empty := range acts {
		if a := empty(); a.Name() == name {
			return a
		}
	}
	return nil
}

// ActNames are the names of all acts.
func ActNames() (names []string) {
	for _, empty := range acts {
		names = append(names, empty().Name())
	}
	return names
}

// ActRoles are the roles that acts need, together: whoever signed an act has one.
func ActRoles() (roles uint32) {
	for _, empty := range acts {
		roles |= empty().Role()
	}
	return roles
}

// RoleOfAct is the role that the act of a name needs; 0 where there is no such act.
func RoleOfAct(name string) uint32 {
	if a := actOf(name); a != nil {
		return a.Role()
	}
	return 0
}

// MakeAct is an act ready to be signed; at is when it was done. Errors are Faults.
func MakeAct(a Act, reason string, at time.Time) (*Event, error) {
	b := binding{pass: writeJSON, out: []byte{'{'}}
	a.bind(&b)
	return newAct(actBody(a.Name(), b.out, reason, at))
}

// newAct reads the body of an act that is made now.
func newAct(body []byte) (*Event, error) {
	e, err := DecodeAct(body)
	if err == nil {
		err = e.CheckKeys()
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// CheckKeys refuses an act that names a public key with which nobody should sign (see
// CheckPublicKey). It is asked of acts that are new. Decoding does not ask it, so that what
// a ledger recorded before this was asked stays readable. The error is a Fault.
func (e *Event) CheckKeys() error {
	if e.badKey != nil {
		return e.badKey
	}
	return nil
}

func actBody(name string, open []byte, reason string, at time.Time) []byte {
	b := binding{out: open}
	b.text("type", name)
	b.text("eventTime", at.UTC().Format(time.RFC3339Nano))
	if reason != "" {
		b.text("reason", reason)
	}
	return append(b.out, '}')
}

// ReadAct makes an act of a name of a request's JSON, an object of the act's own
// members and reason, where type and eventTime may be left out; at is when it was
// done. What is given, as name and text in turn, the request may not say itself: it
// is what a path says. Errors are Faults, with pointers into the request.
func ReadAct(name string, request []byte, at time.Time, given ...string) (*Event, error) {
	text, err := Compact(nil, request)
	if err != nil {
		return nil, err
	}
	t := tokenizer{text: string(text), compact: true, depth: MaxDepth, keep: MaxDepth}
	if f := t.run(); f != nil {
		return nil, f
	}
	if t.tape[0].kind != jsonObject {
		return nil, t.fault(BadJSON, 0, "send an object")
	}
	b := binding{out: bytes.TrimSuffix(text, []byte{'}'})}
	said := map[string]bool{}
	for m := 1; m < int(t.tape[0].next); m = t.after(m) {
		said[t.str(m)] = true
	}
	if !said["type"] {
		b.text("type", name)
	}
	if !said["eventTime"] {
		b.text("eventTime", at.UTC().Format(time.RFC3339Nano))
	}
	for i := 0; i+1 < len(given); i += 2 {
		if said[given[i]] {
			return nil, &Fault{Code: UnknownField, Pointer: "/" + given[i], Detail: given[i] + " is in the path"}
		}
		b.text(given[i], given[i+1])
	}
	e, err := newAct(append(b.out, '}'))
	if err == nil && e.Skeleton.Act.Name() != name {
		err = &Fault{Code: BadValue, Pointer: "/type", Detail: "here goes " + name}
	}
	return e, err
}

// DecodeAct reads an act's body, which is compact JSON. Errors are Faults.
func DecodeAct(body []byte) (*Event, error) {
	if len(body) > MaxBody {
		return nil, &Fault{Code: TooLarge, Detail: fmt.Sprintf("an act of %d bytes, %d are allowed", len(body), MaxBody)}
	}
	d := decoder{e: &Event{Body: body}}
	d.t = tokenizer{text: string(body), compact: true, depth: MaxDepth, keep: MaxDepth}
	if f := d.t.run(); f != nil {
		return nil, f
	}
	if f := d.act(); f != nil {
		return nil, f
	}
	return d.e, nil
}

func (d *decoder) act() *Fault {
	t, s := &d.t, &d.e.Skeleton
	if t.tape[0].kind != jsonObject {
		return d.bad(0, "an act: an object")
	}
	at := map[string]int{}
	for m := 1; m < int(t.tape[0].next); m = t.after(m) {
		name, v := t.str(m), t.tape[m+1]
		start, end := v.start, v.end
		if v.kind == jsonString {
			start, end = start-1, end+1
		}
		d.e.Members = append(d.e.Members, Member{Name: name, Value: d.e.Body[start:end:end]})
		at[name] = m + 1
	}
	s.Type = ActMessage
	n, ok := at["type"]
	if !ok {
		return t.fault(MissingField, 0, "an act needs type")
	}
	if t.tape[n].kind == jsonString {
		s.Act = actOf(t.str(n))
	}
	if s.Act == nil {
		return t.fault(BadValue, n, "no act of this type is known: "+quoteRaw(t.raw(n)))
	}
	if err := d.actAuthor(at); err != nil {
		return err
	}
	return readObject(d, 0, at, func(b *binding) {
		b.take("type")
		now := int64(0)
		bind(b, 0, "eventTime", &now, instant)
		b.need("eventTime", now != 0)
		s.EventTime = now
		var reason string
		bind(b, 0, "reason", &reason, line(maxReason))
		s.Act.bind(b)
	})
}

// actAuthor reads who signed the act by itself.
func (d *decoder) actAuthor(at map[string]int) (f *Fault) {
	if n, ok := at[authorMember]; ok {
		if d.e.Skeleton.Author, f = readAuthor(d, n); f != nil {
			return f
		}
	}
	if n, ok := at[signatureMember]; ok {
		if d.e.AuthorSignature, f = octets(ed25519.SignatureSize).read(d, n); f != nil {
			return f
		}
	}
	delete(at, authorMember)
	delete(at, signatureMember)
	return d.e.checkAuthor()
}

// appendAct appends the act as fields: 1 name, 2 its members.
func appendAct(dst []byte, n uint64, a Act) []byte {
	b := AppendString(nil, 1, a.Name())
	return AppendField(dst, n, AppendField(b, 2, appendBound(a.bind)))
}

func decodeAct(v []byte) (a Act, err error) {
	f := ReadFields(v)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch {
		case n == 1 && a == nil:
			if a = actOf(string(v)); a == nil {
				f.Fail(n, "no such act")
			}
		case n == 2 && a != nil:
			err = decodeBound(v, a.bind)
		default:
			f.Fail(n, "unknown")
		}
	}
	if err := errors.Join(err, f.Err()); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errors.New("no act")
	}
	return a, nil
}
