package schemas_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybill-ledger/waybill/schemas"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// signer is a fixed key, so that golden files stay.
var signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// declared returns an event's body with an error declaration.
func declared(tb testing.TB, base string) *schemas.Event {
	tb.Helper()
	e, err := schemas.DecodeEvent(patched(tb, base, `{"eventID":"urn:uuid:4ff5a8c2-1d33-4b4e-8b1d-6c9a6d0d9c11","errorDeclaration":{"declarationTime":"2026-02-01T00:00:00Z","reason":"incorrect_data"}}`))
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// draft is a transaction of three events, the last an error declaration.
func draft(tb testing.TB) schemas.Draft {
	tb.Helper()
	d := schemas.Draft{
		ChainID: "waybill-test", Partner: "acme-farms", KeyID: schemas.KeyID(signer.Public().(ed25519.PublicKey)), Actor: "scanner 7",
		Expiry: 1000, Nonce: bytes.Repeat([]byte{1}, schemas.NonceSize), Secret: bytes.Repeat([]byte{2}, 32), Atomic: true,
		Events: []*schemas.Event{decodeFile(tb, "shipping"), decodeFile(tb, "transformation"), declared(tb, "sensor")},
	}
	for _, e := range d.Events {
		d.DuplicateKeys = append(d.DuplicateKeys, schemas.DuplicateKeyOf([]byte("the partner's own secret"), e))
	}
	return d
}

// single is the smallest transaction: one event, nothing that may be left out.
func single(tb testing.TB) schemas.Draft {
	tb.Helper()
	d := draft(tb)
	d.Actor, d.Atomic, d.Events, d.DuplicateKeys = "", false, d.Events[:1], nil
	return d
}

// orders is a transaction of an event and the three orders.
func orders(tb testing.TB) schemas.Draft {
	tb.Helper()
	d := single(tb)
	for what := schemas.OrderErase; what <= schemas.OrderRelease; what++ {
		e, err := schemas.MakeOrder(what, "urn:uuid:4ff5a8c2-1d33-4b4e-8b1d-6c9a6d0d9c11", strings.Repeat("asked for", int(what)-1), "2026-03-01T09:00:00.5+01:00")
		if err != nil {
			tb.Fatal(err)
		}
		d.Events = append(d.Events, e)
	}
	return d
}

func sign(tb testing.TB, c *schemas.Codec, d schemas.Draft) []byte {
	tb.Helper()
	raw, _, err := c.Sign(d, signer)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// describe tells all that a transaction says.
func describe(t *schemas.Transaction) string {
	var b strings.Builder
	h := t.Header
	fmt.Fprintf(&b, "transaction %s: chain %s, rules %d, partner %s, key %s, actor %q, expiry %d, nonce %x, atomic %t, messages %d, root %x\n",
		t.ID, h.ChainId, h.Rules, h.Partner, h.KeyId, h.Actor, h.Expiry, h.Nonce, h.Atomic, h.Count, h.Root)
	for i, m := range t.Messages {
		fmt.Fprintf(&b, "message %d: digest %s, skeleton %x, body root %s, duplicate key %x\n", i, m.Digest, m.Skeleton, m.BodyRoot, m.DuplicateKey)
	}
	return b.String()
}

func TestTransactionGolden(t *testing.T) {
	c := newCodec(t)
	for name, d := range map[string]schemas.Draft{"single": single(t), "three": draft(t), "orders": orders(t)} {
		rawFile, textFile := "testdata/transaction/"+name+".hex", "testdata/transaction/"+name+".txt"
		signed := sign(t, c, d)
		made, err := c.Decode(signed)
		if err != nil {
			t.Fatal(err)
		}
		if *rewrite {
			write(t, rawFile, hex.EncodeToString(signed)+"\n")
			write(t, textFile, describe(made))
		}
		raw, err := hex.DecodeString(lines(t, rawFile)[0])
		if err != nil {
			t.Fatal(err)
		}
		read, err := c.Decode(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := os.ReadFile(textFile)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), describe(read)); diff != "" {
			t.Errorf("%s, as recorded:\n%s", name, diff)
		}
		if diff := cmp.Diff(string(want), describe(made)); diff != "" {
			t.Errorf("%s, as signed now:\n%s", name, diff)
		}
		if !ed25519.Verify(signer.Public().(ed25519.PublicKey), read.ID[:], read.Signature) {
			t.Errorf("%s: the signature does not verify", name)
		}
		size, err := schemas.Measure(raw)
		if err != nil || size.Messages != len(read.Messages) || size.Declared != int(read.Bodies.Size) || read.Size != len(raw) {
			t.Errorf("%s: measured %+v, %v", name, size, err)
		}
		bodies, err := schemas.DecodeBodies(schemas.EncodeBodies(read.Bodies))
		if err != nil || !proto.Equal(bodies, read.Bodies) {
			t.Errorf("%s: bodies do not come back: %v", name, err)
		}
		if h, err := schemas.DecodeHeader(read.Raw); err != nil || !proto.Equal(h, read.Header) {
			t.Errorf("%s: the header does not come back: %v", name, err)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// remade takes a transaction apart, lets change alter it, and puts it together
// again; the header's root and the signature stay what they were.
func remade(t *testing.T, raw []byte, change func(e *schemas.Envelope, h *schemas.Header)) []byte {
	t.Helper()
	e, h := &schemas.Envelope{}, &schemas.Header{}
	if err := proto.Unmarshal(raw, e); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(e.Header, h); err != nil {
		t.Fatal(err)
	}
	header := bytes.Clone(e.Header)
	change(e, h)
	var err error
	if bytes.Equal(header, e.Header) {
		if e.Header, err = (proto.MarshalOptions{Deterministic: true}).Marshal(h); err != nil {
			t.Fatal(err)
		}
	}
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTransactionRefusals(t *testing.T) {
	c := newCodec(t)
	good := sign(t, c, draft(t))
	join := func(bodies ...string) *schemas.Bodies {
		var b []byte
		for _, body := range bodies {
			b = append(binary.AppendUvarint(b, uint64(len(body))), body...)
		}
		return &schemas.Bodies{Secret: bytes.Repeat([]byte{2}, 32), Size: uint32(len(b)), Frame: c.Compress(b)}
	}
	type change = func(e *schemas.Envelope, h *schemas.Header)
	for name, v := range map[string]struct {
		code   string
		change change
	}{
		"no chain id":            {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.ChainId = "" }},
		"no partner":             {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Partner = "" }},
		"no key":                 {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.KeyId = "" }},
		"zero byte in partner":   {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Partner = "acme\x00farms" }},
		"newline in actor":       {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Actor = "a\nb" }},
		"C1 control in chain id": {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.ChainId = "a\u0085" }},
		"delete in key":          {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.KeyId = "a\x7f" }},
		"long partner":           {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Partner = strings.Repeat("a", 65) }},
		"long actor":             {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Actor = strings.Repeat("a", 65) }},
		"huge actor":             {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Actor = strings.Repeat("a", 100000) }},
		"no nonce":               {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Nonce = nil }},
		"long nonce":             {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Nonce = make([]byte, 17) }},
		"short root":             {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Root = h.Root[:31] }},
		"no expiry":              {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Expiry = 0 }},
		"endless expiry":         {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { h.Expiry = 1<<62 + 1 }},
		"no messages":            {"transaction_too_large", func(e *schemas.Envelope, h *schemas.Header) { h.Count = 0 }},
		"count of 2^32-1":        {"transaction_too_large", func(e *schemas.Envelope, h *schemas.Header) { h.Count = 1<<32 - 1 }},
		"fewer messages":         {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads = e.Payloads[:2] }},
		"more messages":          {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads = append(e.Payloads, e.Payloads[0]) }},
		"no header":              {"transaction_too_large", func(e *schemas.Envelope, h *schemas.Header) { proto.Reset(h) }},
		"short signature":        {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Signature = e.Signature[:63] }},
		"no signature":           {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Signature = nil }},
		"author":                 {"unsupported", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[1].Author = 1 }},
		"author's signature":     {"unsupported", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[1].AuthorSignature = []byte{1} }},
		"skeleton":               {"unsupported", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[1].Skeleton = []byte{1} }},
		"body root":              {"unsupported", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[1].BodyRoot = make([]byte, 32) }},
		"kind 0":                 {"unsupported", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[2].Kind = 0 }},
		"an event as an order":   {"unknown_field", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[2].Kind = 2 }},
		"kind 4":                 {"unsupported", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[2].Kind = 4 }},
		"key of 16 bytes":        {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[0].DuplicateKey = make([]byte, 16) }},
		"key of 64, no error":    {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[0].DuplicateKey = make([]byte, 64) }},
		"key of 32, an error":    {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[2].DuplicateKey = make([]byte, 32) }},
		"key of 96":              {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[2].DuplicateKey = make([]byte, 96) }},
		"another key":            {"root_mismatch", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[0].DuplicateKey[0] ^= 1 }},
		"no duplicate key":       {"root_mismatch", func(e *schemas.Envelope, h *schemas.Header) { e.Payloads[0].DuplicateKey = nil }},
		"another partner":        {"root_mismatch", func(e *schemas.Envelope, h *schemas.Header) { h.Partner = "other" }},
		"another chain":          {"root_mismatch", func(e *schemas.Envelope, h *schemas.Header) { h.ChainId = "other" }},
		"another root":           {"root_mismatch", func(e *schemas.Envelope, h *schemas.Header) { h.Root[0] ^= 1 }},
		"another secret":         {"root_mismatch", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies.Secret[0] ^= 1 }},
		"no bodies":              {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = nil }},
		"no secret":              {"bad_encoding", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies.Secret = nil }},
		"bodies too large":       {"transaction_too_large", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies.Size = schemas.MaxDeclared + 1 }},
		"bodies of 2^32-1":       {"transaction_too_large", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies.Size = 1<<32 - 1 }},
		"another size":           {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies.Size++ }},
		"no frame":               {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies.Frame = nil }},
		"two frames": {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) {
			e.Bodies.Frame = append(e.Bodies.Frame, e.Bodies.Frame...)
		}},
		"fewer bodies":            {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = join("{}", "{}") }},
		"more bodies":             {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = join("{}", "{}", "{}", "{}") }},
		"empty bodies":            {"bad_json", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = join("", "", "") }},
		"bodies that are no JSON": {"bad_json", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = join("x", "x", "x") }},
		"a body with a blank":     {"bad_json", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = join("{ }", "{}", "{}") }},
		"a body that is too deep": {"too_deep", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = join(strings.Repeat("[", 100000), "{}", "{}") }},
		"an overlong body length": {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = overlongBodies(c, 0x80, 0) }},
		"a body length of 2^64": {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) {
			e.Bodies = overlongBodies(c, bytes.Repeat([]byte{0xff}, 10)...)
		}},
		"a body length beyond all": {"bad_compression", func(e *schemas.Envelope, h *schemas.Header) { e.Bodies = overlongBodies(c, 0xff, 0xff, 3, 1, 1) }},
	} {
		raw := remade(t, good, v.change)
		if _, err := c.Decode(raw); err == nil || codeOf(err) != v.code {
			t.Errorf("%s: %v, want %s", name, err, v.code)
		}
	}
	if _, err := c.Decode(remade(t, good, func(*schemas.Envelope, *schemas.Header) {})); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// overlongBodies compresses bodies that begin with the given bytes.
func overlongBodies(c *schemas.Codec, b ...byte) *schemas.Bodies {
	return &schemas.Bodies{Secret: bytes.Repeat([]byte{2}, 32), Size: uint32(len(b)), Frame: c.Compress(b)}
}

// Encodings that a protobuf library would take for the same transaction, or for
// some transaction at least.
func TestTransactionEncodings(t *testing.T) {
	c := newCodec(t)
	good := sign(t, c, single(t))
	e := &schemas.Envelope{}
	if err := proto.Unmarshal(good, e); err != nil {
		t.Fatal(err)
	}
	field := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	number := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	all := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	header, signature, payload := field(1, e.Header), field(2, e.Signature), field(3, number(1, 1))
	bodies := field(4, schemas.EncodeBodies(e.Bodies))
	if !bytes.Equal(all(header, signature, payload, bodies), good) {
		t.Fatal("the parts are not the whole")
	}
	long := append([]byte{0x0a, byte(len(e.Header)) | 0x80, 0}, e.Header...) // a length in two bytes
	if len(e.Header) > 127 {
		t.Fatal("the header is of another length than this test takes it for")
	}
	for name, raw := range map[string][]byte{
		"nothing":                 {},
		"unknown field":           all(good, number(5, 1)),
		"unknown group":           all(good, protowire.AppendTag(nil, 5, protowire.StartGroupType), protowire.AppendTag(nil, 5, protowire.EndGroupType)),
		"trailing byte":           all(good, []byte{0}),
		"header twice":            all(header, header, signature, payload, bodies),
		"bodies twice":            all(header, signature, payload, bodies, bodies),
		"fields in another order": all(signature, header, payload, bodies),
		"payload behind bodies":   all(header, signature, bodies, payload),
		"length in more bytes":    all(long, signature, payload, bodies),
		"tag in more bytes":       all([]byte{0x8a, 0}, header[1:], signature, payload, bodies),
		"wrong wire type":         all(number(1, 1), signature, payload, bodies),
		"fixed-width wire type":   all(protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 1), signature, payload, bodies),
		"kind in more bytes":      all(header, signature, field(3, []byte{8, 0x81, 0}), bodies),
		"kind beyond 32 bits":     all(header, signature, field(3, number(1, 1<<32|1)), bodies),
		"empty duplicate key":     all(header, signature, field(3, all(number(1, 1), field(2, nil))), bodies),
		"author 0":                all(header, signature, field(3, all(number(1, 1), number(3, 0))), bodies),
		"atomic 0":                all(field(1, insert(t, e.Header, 8, number(8, 0))), signature, payload, bodies),
		"atomic 2":                all(field(1, insert(t, e.Header, 8, number(8, 2))), signature, payload, bodies),
		"empty actor":             all(field(1, insert(t, e.Header, 5, field(5, nil))), signature, payload, bodies),
		"actor that is no UTF-8":  all(field(1, insert(t, e.Header, 5, field(5, []byte{0xff}))), signature, payload, bodies),
		"cut short":               good[:len(good)-1],
		"length beyond the end":   all(header, signature, payload, []byte{0x22, 0xff, 0xff, 0x7f}),
		"tag number 0":            all([]byte{2, 0}, good),
		"varint of eleven bytes":  all([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 10), good),
	} {
		if _, err := c.Decode(raw); err == nil || codeOf(err) != "bad_encoding" && codeOf(err) != "transaction_too_large" || name != "nothing" && codeOf(err) != "bad_encoding" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// insert puts a field before the first field of a message with a higher number.
func insert(t *testing.T, message []byte, n protowire.Number, field []byte) []byte {
	t.Helper()
	at := 0
	for at < len(message) {
		num, _, size := protowire.ConsumeField(message[at:])
		if size < 0 {
			t.Fatal("no message")
		}
		if num > n {
			break
		}
		at += size
	}
	return bytes.Join([][]byte{message[:at], field, message[at:]}, nil)
}

// What is large is refused before memory is taken for it.
func TestTransactionFloods(t *testing.T) {
	c := newCodec(t)
	payloads := bytes.Repeat([]byte{0x1a, 0}, schemas.MaxTransaction/2)
	if _, err := c.Decode(payloads); codeOf(err) != "transaction_too_large" {
		t.Errorf("half a million payloads: %v", err)
	}
	if allocated := testing.AllocsPerRun(5, func() { c.Decode(payloads) }); allocated > 20 {
		t.Errorf("%v allocations for half a million payloads", allocated)
	}
	if _, err := c.Decode(make([]byte, schemas.MaxTransaction+1)); codeOf(err) != "transaction_too_large" {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := schemas.Measure(make([]byte, schemas.MaxTransaction+1)); codeOf(err) != "transaction_too_large" {
		t.Errorf("a byte too many, measured: %v", err)
	}
	d := single(t)
	for len(d.Events) <= schemas.MaxMessages {
		d.Events = append(d.Events, d.Events[0])
	}
	if _, _, err := c.Sign(d, signer); codeOf(err) != "transaction_too_large" {
		t.Errorf("a message too many: %v", err)
	}
	d.Events = d.Events[:schemas.MaxMessages]
	raw := sign(t, c, d)
	if tx, err := c.Decode(raw); err != nil || len(tx.Messages) != schemas.MaxMessages {
		t.Errorf("as many messages as are allowed: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	c := newCodec(t)
	for name, change := range map[string]func(d *schemas.Draft){
		"no events":     func(d *schemas.Draft) { d.Events, d.DuplicateKeys = nil, nil },
		"a key too few": func(d *schemas.Draft) { d.DuplicateKeys = d.DuplicateKeys[1:] },
		"keys in disorder": func(d *schemas.Draft) {
			d.DuplicateKeys[0], d.DuplicateKeys[2] = d.DuplicateKeys[2], d.DuplicateKeys[0]
		},
		"no partner":         func(d *schemas.Draft) { d.Partner = "" },
		"actor with newline": func(d *schemas.Draft) { d.Actor = "a\n" },
		"partner, no UTF-8":  func(d *schemas.Draft) { d.Partner = "\xff" },
		"short nonce":        func(d *schemas.Draft) { d.Nonce = d.Nonce[1:] },
		"short secret":       func(d *schemas.Draft) { d.Secret = d.Secret[1:] },
		"no expiry":          func(d *schemas.Draft) { d.Expiry = 0 },
	} {
		d := draft(t)
		change(&d)
		var fault *schemas.Fault
		if _, _, err := c.Sign(d, signer); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever bit of a transaction is turned over: it is refused, its signature
// does not hold, or it says the same.
func TestTransactionBits(t *testing.T) {
	c := newCodec(t)
	good := sign(t, c, single(t))
	tx, err := c.Decode(good)
	if err != nil {
		t.Fatal(err)
	}
	want := describe(tx)
	raw := bytes.Clone(good)
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			tx, err := c.Decode(raw)
			if err == nil && ed25519.Verify(signer.Public().(ed25519.PublicKey), tx.ID[:], tx.Signature) && describe(tx) != want {
				t.Errorf("byte %d, bit %d: a transaction of another meaning", i, bit)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func FuzzDecodeTransaction(f *testing.F) {
	c := newCodec(f)
	f.Add(sign(f, c, single(f)))
	f.Add(sign(f, c, draft(f)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		size, measureErr := schemas.Measure(raw)
		tx, err := c.Decode(raw)
		var fault *schemas.Fault
		if err != nil {
			if !errors.As(err, &fault) || !fault.Code.Known() {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		if measureErr != nil || size.Messages != len(tx.Messages) || size.Declared != int(tx.Bodies.Size) {
			t.Fatalf("measured %+v, %v", size, measureErr)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(tx.Header)
		if err != nil || !bytes.Equal(again, tx.Raw) {
			t.Fatalf("the header has another encoding: %v", err)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	c := newCodec(f)
	for _, d := range []schemas.Draft{single(f), draft(f)} {
		tx, err := c.Decode(sign(f, c, d))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tx.Raw)
		f.Add(schemas.EncodeBodies(tx.Bodies))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := schemas.DecodeHeader(b); err == nil {
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(h)
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("another encoding: %v", err)
			}
		}
		if bodies, err := schemas.DecodeBodies(b); err == nil && !bytes.Equal(schemas.EncodeBodies(bodies), b) {
			t.Fatal("another encoding of bodies")
		}
	})
}

func BenchmarkDecodeTransaction(b *testing.B) {
	c := newCodec(b)
	d := single(b)
	for len(d.Events) < 100 {
		d.Events = append(d.Events, d.Events[0])
	}
	raw := sign(b, c, d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
