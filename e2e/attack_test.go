package e2e_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-ledger/waybill/schemas"
)

// forger signs transactions with a partner's own key, as a partner that went bad
// could.
type forger struct {
	codec *schemas.Codec
	draft schemas.Draft
	key   ed25519.PrivateKey
	run   string
	n     int
}

func newForger(t *testing.T, x *testNet) *forger {
	t.Helper()
	var own struct {
		KeyID string `json:"key_id"`
		Seed  []byte `json:"seed"`
	}
	b, err := os.ReadFile(filepath.Join(x.members[0].Home, "keys", "partner.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &own); err != nil {
		t.Fatal(err)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	n, err := x.client(t, 0).Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &forger{codec: codec, key: ed25519.NewKeyFromSeed(own.Seed), run: "forge" + random(t),
		draft: schemas.Draft{ChainID: n.ChainID, Partner: x.members[0].Partner, KeyID: own.KeyID, Expiry: uint64(n.Height) + 1000}}
}

func random(t *testing.T) string {
	t.Helper()
	return rand.Text()[:8]
}

// sign makes a new transaction; change may spoil the draft.
func (f *forger) sign(t *testing.T, change func(*schemas.Draft)) (raw []byte, id schemas.Hash) {
	t.Helper()
	f.n++
	_, body := newEvent(0, f.run, f.n)
	event, err := schemas.DecodeSingle(body)
	if err != nil {
		t.Fatal(err)
	}
	d := f.draft
	d.Nonce, d.Secret, d.Events = make([]byte, schemas.NonceSize), make([]byte, 32), []*schemas.Event{event}
	rand.Read(d.Nonce)
	rand.Read(d.Secret)
	if change != nil {
		change(&d)
	}
	raw, id, err = f.codec.Sign(d, f.key)
	if err != nil {
		t.Fatal(err)
	}
	return raw, id
}

// envelope makes a new transaction and lets change spoil what is sent.
func (f *forger) envelope(t *testing.T, change func(*schemas.Envelope)) []byte {
	t.Helper()
	raw, _ := f.sign(t, nil)
	e := &schemas.Envelope{}
	if err := proto.Unmarshal(raw, e); err != nil {
		t.Fatal(err)
	}
	change(e)
	raw, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// resign signs an envelope's header again, after a change of what it covers.
func (f *forger) resign(t *testing.T, e *schemas.Envelope) {
	t.Helper()
	id := schemas.TransactionID(e.Header)
	e.Signature = ed25519.Sign(f.key, id[:])
}

// bomb is a small frame that becomes a great deal of zeros.
func bomb(t *testing.T, size int) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(make([]byte, size), nil)
}

// Whatever is sent straight to the engine is refused by every check that the
// gateway would have made, and the network goes on.
func TestAttacksOnTheEngine(t *testing.T) {
	x := shared.get(t)
	f := newForger(t, x)
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, goodID := f.sign(t, nil)
	if code, err := broadcast(t.Context(), x.members[0], good); code != 0 || err != nil {
		t.Fatalf("a good transaction is refused with code %d, %v: the attacks below would show nothing", code, err)
	}
	x.awaitTransaction(t, goodID)
	declared := func(size uint32, frame []byte) []byte {
		return f.envelope(t, func(e *schemas.Envelope) { e.Bodies.Size, e.Bodies.Frame = size, frame })
	}
	for name, raw := range map[string][]byte{
		"empty":                 {},
		"no protobuf":           []byte("waybill"),
		"unsigned":              f.envelope(t, func(e *schemas.Envelope) { e.Signature = nil }),
		"signature of zeros":    f.envelope(t, func(e *schemas.Envelope) { e.Signature = make([]byte, ed25519.SignatureSize) }),
		"signature flipped":     f.envelope(t, func(e *schemas.Envelope) { e.Signature[7] ^= 1 }),
		"header flipped":        f.envelope(t, func(e *schemas.Envelope) { e.Header[len(e.Header)-1] ^= 1 }),
		"signed by a stranger":  f.envelope(t, func(e *schemas.Envelope) { own := f.key; f.key = stranger; f.resign(t, e); f.key = own }),
		"another chain":         first(f.sign(t, func(d *schemas.Draft) { d.ChainID = "another" })),
		"another partner":       first(f.sign(t, func(d *schemas.Draft) { d.Partner = x.members[1].Partner })),
		"unknown partner":       first(f.sign(t, func(d *schemas.Draft) { d.Partner = "nobody" })),
		"unknown key":           first(f.sign(t, func(d *schemas.Draft) { d.KeyID = "0123456789abcdef" })),
		"expired":               first(f.sign(t, func(d *schemas.Draft) { d.Expiry = 1 })),
		"expiry too far":        first(f.sign(t, func(d *schemas.Draft) { d.Expiry += 1 << 20 })),
		"unknown field":         protowire.AppendVarint(protowire.AppendTag(first(f.sign(t, nil)), 99, protowire.VarintType), 1),
		"bytes behind it":       append(first(f.sign(t, nil)), 0),
		"cut short":             cut(first(f.sign(t, nil))),
		"field twice":           append(first(f.sign(t, nil)), fieldOf(first(f.sign(t, nil)), 1)...),
		"oversized":             bytes.Repeat([]byte{0x1a, 0}, schemas.MaxTransaction),
		"bomb, declared small":  declared(100, bomb(t, 64<<20)),
		"bomb, declared large":  declared(1<<31, bomb(t, 64<<20)),
		"bomb, within the caps": declared(schemas.MaxDeclared, bomb(t, schemas.MaxDeclared)),
		"other body":            f.envelope(t, func(e *schemas.Envelope) { e.Bodies.Secret[0] ^= 1 }),
		"one payload more":      f.envelope(t, func(e *schemas.Envelope) { e.Payloads = append(e.Payloads, e.Payloads[0]) }),
		"reserved author":       f.envelope(t, func(e *schemas.Envelope) { e.Payloads[0].Author = 1 }),
		"replayed":              good,
	} {
		for _, m := range []int{0, 3} {
			code, err := broadcast(t.Context(), x.members[m], raw)
			if code == 0 && err == nil {
				t.Errorf("%s: %s takes it", name, x.members[m].Partner)
			}
		}
	}
	again, againID := f.sign(t, nil)
	if code, err := broadcast(t.Context(), x.members[3], again); code != 0 || err != nil {
		t.Fatalf("after the attacks a good transaction is refused with code %d, %v", code, err)
	}
	x.awaitTransaction(t, againID)
	for i, m := range x.members {
		if err := x.plain(t, i).Ready(t.Context()); err != nil {
			t.Errorf("after the attacks %s is not ready: %v", m.Partner, err)
		}
	}
	x.level(t)
	x.agree(t)
}

func first(raw []byte, _ schemas.Hash) []byte { return raw }

func cut(raw []byte) []byte { return raw[:len(raw)-1] }

// fieldOf is the encoding of one field of a message.
func fieldOf(raw []byte, number protowire.Number) []byte {
	for rest := raw; len(rest) > 0; {
		n, typ, size := protowire.ConsumeTag(rest)
		size += protowire.ConsumeFieldValue(n, typ, rest[size:])
		if n == number {
			return rest[:size]
		}
		rest = rest[size:]
	}
	return nil
}

// awaitTransaction waits until every node has committed a transaction.
func (x *testNet) awaitTransaction(t *testing.T, id schemas.Hash) {
	t.Helper()
	for i, m := range x.members {
		c := x.plain(t, i)
		eventually(t, m.Partner+" commits the transaction", func() bool {
			r, err := c.Receipt(t.Context(), id)
			return err == nil && len(r.Events) > 0
		})
	}
}

// A replay is refused also where nobody remembers having seen it: by a node that
// was started again.
func TestReplayAfterRestart(t *testing.T) {
	x := start(t, 4)
	f := newForger(t, x)
	raw, id := f.sign(t, nil)
	if code, err := broadcast(t.Context(), x.members[1], raw); code != 0 || err != nil {
		t.Fatalf("a good transaction is refused with code %d, %v", code, err)
	}
	x.awaitTransaction(t, id)
	x.kill(t, 1)
	x.restart(t, 1)
	x.awaitReady(t, 1)
	code, err := broadcast(t.Context(), x.members[1], raw)
	if err != nil {
		t.Fatal(err)
	}
	if schemas.Code(code) != schemas.Replayed {
		t.Fatalf("a replay was answered %s, expected %s", schemas.Code(code), schemas.Replayed)
	}
}
