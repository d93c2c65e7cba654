package schemas

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Draft is what a signer fills in for a new transaction.
type Draft struct {
	ChainID string
	Rules   uint32 // 0: RulesVersion
	Partner string
	KeyID   string
	Actor   string
	Expiry  uint64
	Nonce   []byte // NonceSize random bytes
	Secret  []byte // 32 random bytes
	Atomic  bool
	Events  []*Event
	// DuplicateKeys has one key for each event, or none at all.
	DuplicateKeys [][]byte
}

// Sign encodes a draft and signs it with an Ed25519 key (RFC 8032), of whichever
// library. The answer is what is broadcast. Errors of the draft are Faults: what Sign
// returns, Decode accepts.
func (c *Codec) Sign(d Draft, key crypto.Signer) (raw []byte, id Hash, err error) {
	raw, id, _, err = c.sign(d, key)
	return raw, id, err
}

// DecodeToSign is DecodeEvent for an event that is going to be signed: what the
// ledger would compute of it again is kept with it, its hashes among that. So are
// the events of DecodeDocument and DecodeSingle.
func DecodeToSign(body []byte) (*Event, error) { return new(decoder).toSign(body, &EventHasher{}) }

func (d *decoder) toSign(body []byte, h *EventHasher) (*Event, error) {
	e, err := d.decode(body)
	if err != nil {
		return nil, err
	}
	e.HashIDs, e.body, e.skeleton = h.idsOf(d), body, e.Skeleton.Append(make([]byte, 0, len(body)/2))
	return e, nil
}

// SignDecoded is Sign for who also wants what DecodeHashed makes of the answer. It
// is that decoder which makes it, of all bytes; but what it would compute of an event
// that was decoded as part of a document or as a single one, and of the secret
// under which it was signed, is taken from there: all are functions of the same bytes.
func (c *Codec) SignDecoded(d Draft, key crypto.Signer) (raw []byte, t *Transaction, err error) {
	raw, _, own, err := c.sign(d, key)
	if err != nil {
		return nil, nil, err
	}
	if t, err = c.decode(raw, nil, true, own); err != nil {
		return nil, nil, fmt.Errorf("decoding what was signed: %w", err)
	}
	return raw, t, nil
}

// drafted is what signing has computed, for the decoder.
type drafted struct {
	events    []*Event
	skeletons [][]byte
	roots     []Hash // of their bodies
}

// of is a copy of the i-th event, nil where it is not certain to be what decoding the
// body gives. A nil *drafted has none.
func (d *drafted) of(i int, kind Kind, body []byte) *Event {
	if d == nil || kind != KindEvent {
		return nil
	}
	e := d.events[i]
	if len(e.skeleton) == 0 || e.KindOf() != kind || !bytes.Equal(e.skeleton, d.skeletons[i]) || !bytes.Equal(e.body, body) {
		return nil
	}
	whole := *e
	whole.Body, whole.body, whole.skeleton = body, nil, nil
	return &whole
}

func (c *Codec) sign(d Draft, key crypto.Signer) (raw []byte, id Hash, own *drafted, err error) {
	if len(d.Events) == 0 || len(d.Events) > MaxMessages {
		return nil, id, nil, &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("%d events, 1 to %d fit one transaction", len(d.Events), MaxMessages)}
	}
	if n := len(d.DuplicateKeys); n != 0 && n != len(d.Events) {
		return nil, id, nil, &Fault{Code: BadEncoding, Detail: fmt.Sprintf("%d duplicate keys for %d events", n, len(d.Events))}
	}
	envelope := &Envelope{}
	digests := make([][]byte, len(d.Events))
	bodies := make([][]byte, len(d.Events))
	size, weight, salts := 0, Weight{}, Salter{}
	own = &drafted{events: d.Events, skeletons: make([][]byte, len(d.Events)), roots: make([]Hash, len(d.Events))}
	for i, e := range d.Events {
		p := &Payload{Kind: uint32(e.KindOf())}
		if len(d.DuplicateKeys) > 0 {
			p.DuplicateKey = d.DuplicateKeys[i]
		}
		if err := checkDuplicateKey(i, p.DuplicateKey, &e.Skeleton); err != nil {
			return nil, id, nil, err
		}
		skeleton := e.Skeleton.Append(make([]byte, 0, len(e.skeleton)))
		if weight = weight.Plus(e.Weight(len(skeleton))); weight.Check() != nil {
			return nil, id, nil, weight.Check()
		}
		own.skeletons[i], own.roots[i] = skeleton, salts.BodyRoot(EventSecret(d.Secret, i), e.Members)
		digest := Digest(d.ChainID, d.Partner, e.KindOf(), skeleton, own.roots[i], p.DuplicateKey)
		envelope.Payloads, digests[i], bodies[i] = append(envelope.Payloads, p), digest[:], e.Body
		size += len(e.Body) + binary.MaxVarintLen32
	}
	if size > MaxDeclared+len(d.Events)*binary.MaxVarintLen32 {
		return nil, id, nil, &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("bodies of about %d bytes, %d are allowed", size, MaxDeclared)}
	}
	joined := joinBodies(bodies)
	envelope.Bodies = &Bodies{Secret: d.Secret, Size: uint32(len(joined)), Frame: c.Frame(joined)}
	root := MerkleRoot(digests)
	header := &Header{
		ChainId: d.ChainID, Rules: cmp.Or(d.Rules, RulesVersion), Partner: d.Partner, KeyId: d.KeyID, Actor: d.Actor,
		Expiry: d.Expiry, Nonce: d.Nonce, Atomic: d.Atomic, Count: uint32(len(d.Events)), Root: root[:],
	}
	if err := checkHeader(header); err != nil {
		return nil, id, nil, err
	}
	raw, id, err = seal(envelope, header, key)
	return raw, id, own, err
}

// seal signs a header into its envelope.
func seal(envelope *Envelope, header *Header, key crypto.Signer) (raw []byte, id Hash, err error) {
	options := proto.MarshalOptions{Deterministic: true}
	if envelope.Header, err = options.Marshal(header); err != nil {
		return nil, id, fmt.Errorf("encoding the header: %w", err)
	}
	id = TransactionID(envelope.Header)
	if envelope.Signature, err = key.Sign(nil, id[:], crypto.Hash(0)); err != nil {
		return nil, id, fmt.Errorf("signing the header: %w", err)
	}
	if err := checkEnvelope(envelope, header); err != nil {
		return nil, id, err
	}
	if raw, err = options.Marshal(envelope); err != nil {
		return nil, id, fmt.Errorf("encoding the transaction: %w", err)
	}
	if len(raw) > MaxTransaction {
		return nil, id, &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf("%d bytes, %d are allowed", len(raw), MaxTransaction)}
	}
	return raw, id, nil
}
