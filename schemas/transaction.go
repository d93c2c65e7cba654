package schemas

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Bounds of one transaction and of one block, checked before anything is
// decompressed or verified.
const (
	RulesVersion  = 1 // of the newest rules that are known here
	EngineVersion = 1 // what headers carry: it stays, whatever becomes of the rules

	MaxTransaction = 1 << 20 // bytes of an encoded transaction
	MaxDeclared    = 8 << 20 // bytes of a transaction's bodies, decompressed
	MaxMessages    = 5000    // messages of a transaction

	MaxBlock         = 4 << 20  // bytes of a block's transactions
	MaxBlockDeclared = 32 << 20 // bytes of a block's bodies, decompressed
	MaxBlockMessages = 50000    // messages of a block

	MaxExpiry = 10000 // heights that a transaction's expiry may lie ahead
	NonceSize = 16    // bytes of a nonce
	maxName   = 64    // bytes of a chain's, partner's, key's or actor's name
	maxHeader = 1024  // bytes of an encoded header, more than its fields can fill
)

// Kind says what a message is.
type Kind uint32

// Kinds of messages.
const (
	KindEvent   Kind = 1
	KindErasure Kind = 2 // an order to erase a body, or to hold it: see BodyOrder
	KindAct     Kind = 3 // see Act
)

// Transaction is a decoded and internally consistent transaction: its messages
// hash to the root in its header. Whether its signer may sign, only the state
// tells.
type Transaction struct {
	ID        Hash
	Header    *Header
	Raw       []byte // the header's bytes, as signed
	Signature []byte
	Messages  []Message
	Bodies    *Bodies
	Size      int // bytes of the encoding
	Weight    Weight
}

// Message is one message of a transaction.
type Message struct {
	Kind         Kind
	DuplicateKey []byte // 32 bytes, 64 of an error declaration, or none
	Event        *Event
	Skeleton     []byte // its encoding
	BodyRoot     Hash
	Digest       Hash
	AuthorDigest Hash // what its author signed, where it has one and its body is there
}

// Digest is a message's digest: what a trail's entry and a transaction's root
// commit to.
func Digest(chainID, partner string, kind Kind, skeleton []byte, bodyRoot Hash, duplicateKey []byte) Hash {
	sk := Sum(tagSkeleton, skeleton)
	return Sum(tagMessage, []byte(chainID), []byte(partner), be32(uint32(kind)), sk[:], bodyRoot[:], duplicateKey, []byte{0})
}

// TransactionID is the hash of a header's bytes; partners sign it.
func TransactionID(header []byte) Hash { return Sum(tagHeader, header) }

// DuplicateKeyOf is the key under which a partner's gateway finds out that it
// sent an event before: secret is the partner's own, so that others learn
// nothing from equal keys. An error declaration's has 64 bytes: its own key, and
// behind it the key of the event that it declares void, which is how a rule that
// never reads bodies finds out whether the two are the same event. Neither says
// anything of a derived eventID: an event that is sent back as it was answered is
// the one that came without.
func DuplicateKeyOf(secret []byte, e *Event) []byte {
	author, signature := AuthorMembers(KindEvent)
	without := []string{"recordTime", author, signature}
	if isDerived(e.Skeleton.EventID) {
		without = append(without, "eventID")
	}
	own := MAC(secret, CanonicalEvent(e, without...))
	if e.Skeleton.Declaration == nil {
		return own[:]
	}
	prior := MAC(secret, CanonicalEvent(e, append(without, "errorDeclaration")...))
	return append(own[:], prior[:]...)
}

// ContentHash is what an error declaration must repeat of the event that it
// voids: its skeleton without the declaration.
func ContentHash(s *Skeleton) Hash {
	bare := *s
	bare.Declaration, bare.Author = nil, ""
	return Sum(tagContent, bare.Append(nil))
}

// ContentHash is that of the message's event. Most events declare nothing and have no
// author, and are encoded already.
func (m *Message) ContentHash() Hash {
	if s := &m.Event.Skeleton; s.Declaration != nil || s.Author != "" {
		return ContentHash(s)
	}
	return Sum(tagContent, m.Skeleton)
}

// DerivedEventID is the eventID, in state and answers, of an event that came
// without one.
func DerivedEventID(digest Hash) string { return derivedStem + digest.String() + derivedEnd }

const (
	derivedStem = "ni:///sha-256;"
	derivedEnd  = "?ver=waybill1"
)

// isDerived reports whether an eventID has the form of a derived one.
func isDerived(eventID string) bool {
	rest, ok := strings.CutPrefix(eventID, derivedStem)
	digest, end := strings.CutSuffix(rest, derivedEnd)
	return ok && end && len(digest) == 2*len(Hash{})
}

// EventIDOf returns the event's own eventID, or the one derived from its digest.
func (m *Message) EventIDOf() string {
	if m.Event.Skeleton.EventID != "" {
		return m.Event.Skeleton.EventID
	}
	return DerivedEventID(m.Digest)
}

// Size is what a transaction claims for itself against the caps of a block.
type Size struct {
	Declared int // bytes of its bodies, decompressed
	Messages int
}

// Measure reads how large a transaction's bodies and how many its messages are,
// before anything is decompressed or allocated for them. A transaction that
// Decode accepts has exactly this size; of one that it refuses the size may be
// anything within the caps of one transaction. Errors are Faults.
func Measure(raw []byte) (Size, error) {
	var size Size
	if len(raw) > MaxTransaction {
		return size, &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("%d bytes, %d are allowed", len(raw), MaxTransaction)}
	}
	err := eachField(raw, func(n protowire.Number, v []byte, _ uint64) error {
		switch n {
		case envelopePayloads:
			size.Messages++
		case envelopeBodies:
			return eachField(v, func(n protowire.Number, _ []byte, v uint64) error {
				if n == bodiesSize {
					size.Declared = int(min(v, math.MaxUint32))
				}
				return nil
			})
		}
		return nil
	})
	switch {
	case err != nil:
		return Size{}, &Fault{Code: BadEncoding, Detail: err.Error()}
	case size.Messages > MaxMessages:
		return Size{}, &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("%d messages, 1 to %d fit one transaction", size.Messages, MaxMessages)}
	case size.Declared > MaxDeclared:
		return Size{}, &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("bodies of %d bytes, %d are allowed", size.Declared, MaxDeclared)}
	}
	return size, nil
}

// DecodeHeader reads a header's bytes, as they are signed and archived. Errors
// are Faults.
func DecodeHeader(b []byte) (*Header, error) {
	if len(b) > maxHeader {
		return nil, &Fault{Code: BadEncoding, Detail: fmt.Sprintf("a header of %d bytes", len(b))}
	}
	h := &Header{}
	if err := unmarshal(b, h); err != nil {
		return nil, err
	}
	if err := checkHeader(h); err != nil {
		return nil, err
	}
	return h, nil
}

// Sealed reads who signed what of a transaction, without its messages: enough to
// tell whether the rest is worth decoding. A transaction that Decode accepts has
// exactly this header and signature. Errors are Faults.
func Sealed(raw []byte) (*Transaction, error) {
	t := &Transaction{Size: len(raw)}
	err := eachField(raw, func(n protowire.Number, v []byte, _ uint64) error {
		switch n {
		case envelopeHeader:
			t.Raw = v
		case envelopeSignature:
			t.Signature = v
		}
		return nil
	})
	if err != nil {
		return nil, &Fault{Code: BadEncoding, Detail: err.Error()}
	}
	if len(t.Signature) != ed25519.SignatureSize {
		return nil, &Fault{Code: BadEncoding, Detail: "the signature has the wrong length"}
	}
	if t.Header, err = DecodeHeader(t.Raw); err != nil {
		return nil, err
	}
	t.ID = TransactionID(t.Raw)
	return t, nil
}

// Decode reads a transaction and checks all that needs no state: encoding,
// caps, compression, events, digests and root. The answer shares the memory of raw.
// Errors are Faults.
func (c *Codec) Decode(raw []byte) (*Transaction, error) { return c.decode(raw, nil, false, nil) }

// DecodeHashed is Decode for who also wants the events' hashes (HashIDs), which say
// nothing of whether the transaction is accepted, and has what Sealed made of the same
// bytes, or nil. The answer shares their memory.
func (c *Codec) DecodeHashed(raw []byte, sealed *Transaction) (*Transaction, error) {
	return c.decode(raw, sealed, true, nil)
}

func (c *Codec) decode(raw []byte, sealed *Transaction, hashed bool, own *drafted) (*Transaction, error) {
	// Counted first: a payload of two bytes becomes a message of a hundred.
	size, err := Measure(raw)
	if err != nil {
		return nil, err
	}
	envelope, err := readEnvelope(raw, size.Messages)
	if err != nil {
		return nil, err
	}
	t := &Transaction{Raw: envelope.Header, Signature: envelope.Signature, Bodies: envelope.Bodies, Size: len(raw)}
	if sealed != nil && bytes.Equal(sealed.Raw, t.Raw) {
		t.ID, t.Header = sealed.ID, sealed.Header
	} else {
		if t.Header, err = DecodeHeader(t.Raw); err != nil {
			return nil, err
		}
		t.ID = TransactionID(t.Raw)
	}
	if err := checkEnvelope(envelope, t.Header); err != nil {
		return nil, err
	}
	b := c.benches.Get().(*bench)
	if err := c.decodeMessages(b, t, envelope, hashed, own); err != nil {
		return nil, err
	}
	b.clear()
	c.benches.Put(b)
	var tree merkle
	for i := range t.Messages {
		tree.add(t.Messages[i].Digest[:])
	}
	if root := tree.root(); !bytes.Equal(root[:], t.Header.Root) {
		return nil, &Fault{Code: RootMismatch, Detail: "the messages hash to " + root.String()}
	}
	return t, nil
}

// unmarshal reads the canonical encoding of m, and nothing else.
func unmarshal(b []byte, m proto.Message) error {
	if err := checkWire(b, m.ProtoReflect().Descriptor()); err != nil {
		return &Fault{Code: BadEncoding, Detail: err.Error()}
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return &Fault{Code: BadEncoding, Detail: "reading protobuf"}
	}
	return nil
}

func checkHeader(h *Header) error {
	bad := func(detail string) error { return &Fault{Code: BadEncoding, Detail: detail} }
	switch {
	case h.Count == 0 || h.Count > MaxMessages:
		return &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("%d messages, 1 to %d fit one transaction", h.Count, MaxMessages)}
	case h.ChainId == "" || h.Partner == "" || h.KeyId == "":
		return bad("chain id, partner or key id is missing")
	case len(h.Nonce) != NonceSize || len(h.Root) != len(Hash{}):
		return bad("nonce or root has the wrong length")
	case h.Expiry == 0 || h.Expiry > 1<<62:
		return bad("no expiry height")
	}
	for _, name := range []string{h.ChainId, h.Partner, h.KeyId, h.Actor} {
		if !plainName(name) {
			return bad("a name in the header is longer than 64 bytes, not UTF-8, or holds a control character")
		}
	}
	return nil
}

// plainName reports whether a name may stand in keys and logs: the parts of a
// state key are separated by a zero byte, so none may hold one.
func plainName(s string) bool {
	if len(s) > maxName || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || 0x7f <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return false
		}
	}
	return true
}

func checkEnvelope(e *Envelope, h *Header) error {
	bad := func(detail string) error { return &Fault{Code: BadEncoding, Detail: detail} }
	switch {
	case int(h.Count) != len(e.Payloads):
		return bad("the header counts other messages than there are")
	case len(e.Signature) != ed25519.SignatureSize:
		return bad("the signature has the wrong length")
	}
	for i, p := range e.Payloads {
		switch {
		case p.Author != 0 || len(p.AuthorSignature) != 0 || len(p.Skeleton) != 0 || len(p.BodyRoot) != 0:
			return &Fault{Code: Unsupported, Detail: fmt.Sprintf("message %d has an author signature or a detached body", i)}
		case Kind(p.Kind) < KindEvent || Kind(p.Kind) > KindAct:
			return &Fault{Code: Unsupported, Detail: fmt.Sprintf("message %d is of kind %d", i, p.Kind)}
		}
	}
	return checkBodies(e.Bodies)
}

// checkDuplicateKey checks a duplicate key's length: the second half is there
// exactly for an error declaration, whose prior event it names.
func checkDuplicateKey(i int, key []byte, s *Skeleton) error {
	want := len(Hash{})
	switch {
	case s.Declaration != nil:
		want *= 2
	case s.Order != nil, s.Act != nil:
		want = 0 // to give it twice says nothing new
	}
	if len(key) != 0 && len(key) != want {
		return &Fault{Code: BadEncoding, Detail: fmt.Sprintf("message %d has a duplicate key of %d bytes, where %d or none are expected", i, len(key), want)}
	}
	return nil
}

func (c *Codec) decodeMessages(b *bench, t *Transaction, e *Envelope, hashed bool, own *drafted) error {
	joined, err := c.Decompress(e.Bodies.Frame, int(e.Bodies.Size))
	if err != nil {
		return &Fault{Code: BadCompression, Detail: err.Error()}
	}
	bodies, err := SplitBodies(joined, len(e.Payloads))
	if err != nil {
		return &Fault{Code: BadCompression, Detail: err.Error()}
	}
	t.Messages = make([]Message, len(bodies))
	for i, body := range bodies {
		m := &t.Messages[i]
		m.Kind, m.DuplicateKey = Kind(e.Payloads[i].Kind), e.Payloads[i].DuplicateKey
		signed := own.of(i, m.Kind, body)
		if signed != nil {
			m.Event, m.BodyRoot = signed, own.roots[i]
		} else if m.Event, err = b.decode(m.Kind, body, hashed); err != nil {
			return inMessage(i, err)
		}
		if err := checkDuplicateKey(i, m.DuplicateKey, &m.Event.Skeleton); err != nil {
			return err
		}
		if signed != nil {
			m.Skeleton = own.skeletons[i]
		} else {
			b.skeleton = m.Event.Skeleton.Append(b.skeleton[:0])
			m.Skeleton = bytes.Clone(b.skeleton)
		}
		if t.Weight = t.Weight.Plus(m.Event.Weight(len(m.Skeleton))); t.Weight.Check() != nil {
			return t.Weight.Check()
		}
		if author := m.Event.Skeleton.Author; author != "" {
			if m.Event.AuthorSignature == nil {
				return inMessage(i, errUnsigned)
			}
			m.AuthorDigest = AuthorDigest(t.Header.ChainId, t.Header.Partner, author, m.Kind, m.Event.Members)
		}
		if signed == nil {
			m.BodyRoot = b.salter.BodyRoot(EventSecret(e.Bodies.Secret, i), m.Event.Members)
		}
		m.Digest = Digest(t.Header.ChainId, t.Header.Partner, m.Kind, m.Skeleton, m.BodyRoot, m.DuplicateKey)
	}
	return nil
}

// bench is the memory in which a transaction's messages are decoded, one after the
// other: making it anew is a good part of what a transaction of one event costs.
type bench struct {
	decoder  decoder
	hasher   EventHasher
	salter   Salter
	skeleton []byte
}

func (b *bench) decode(kind Kind, body []byte, hashed bool) (*Event, error) {
	if kind != KindEvent {
		return DecodeMessage(kind, body)
	}
	event, err := b.decoder.decode(body)
	if err == nil && hashed {
		event.HashIDs = b.hasher.idsOf(&b.decoder)
	}
	return event, err
}

// clear lets go of the last event, and of room that few need.
func (b *bench) clear() {
	const most = 8 << 10 // tokens
	if cap(b.skeleton) > 8*most {
		b.skeleton = nil
	}
	d := &b.decoder
	if cap(d.t.tape) > most || cap(d.ids) > most {
		*d = decoder{}
		return
	}
	clear(d.ids)
	clear(d.p.list)
	*d = decoder{t: tokenizer{tape: d.t.tape[:0]}, p: prefixes{list: d.p.list[:0]}, ids: d.ids[:0]}
}

// inMessage says in which message a fault is.
func inMessage(i int, err error) error {
	var f *Fault
	if !errors.As(err, &f) {
		f = &Fault{Code: BadValue, Detail: err.Error()}
	}
	return &Fault{Code: f.Code, Pointer: f.Pointer, Detail: fmt.Sprintf("message %d: %s", i, f.Detail)}
}
