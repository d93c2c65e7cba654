package schemas

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// What signing hands on of its own transaction is what the decoder makes of its
// bytes, of events from documents, and of others.
func TestSignDecoded(t *testing.T) {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	order, err := MakeOrder(OrderErase, "urn:uuid:1", "why", "2026-01-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	events := []*Event{order}
	var reused int
	for _, body := range hashedBodies(t) {
		for _, decode := range []func([]byte) (*Event, error){DecodeToSign, DecodeEvent, DecodeSingle} {
			if e, err := decode(body); err == nil {
				events = append(events, e)
			}
		}
	}
	draft := Draft{ChainID: "c", Partner: "p", KeyID: "k", Expiry: 9, Nonce: make([]byte, NonceSize), Secret: bytes.Repeat([]byte{7}, 32), Events: events}
	check := func() *drafted {
		t.Helper()
		raw, tx, err := c.SignDecoded(draft, key)
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.DecodeHashed(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(tx, want) {
			t.Errorf("handed on: %+v\ndecoded: %+v", tx, want)
		}
		for i := range tx.Messages {
			m := &tx.Messages[i]
			if got, want := m.ContentHash(), ContentHash(&m.Event.Skeleton); got != want {
				t.Errorf("message %d has content hash %s, its skeleton %s", i, got, want)
			}
		}
		_, _, own, _ := c.sign(draft, key)
		return own
	}
	own := check()
	for i, e := range events {
		if own.of(i, e.KindOf(), e.Body) != nil {
			reused++
		}
	}
	if reused < 10 {
		t.Errorf("%d of %d events are not decoded again", reused, len(events))
	}
}

// An event that is no more what was decoded is decoded again, and then refused.
func TestSignDecodedAltered(t *testing.T) {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for name, alter := range map[string]func(e *Event){
		"skeleton": func(e *Event) { e.Skeleton.EventTime++ },
		"body":     func(e *Event) { e.Body = bytes.Replace(e.Body, []byte("ADD"), []byte("ABC"), 1) },
	} {
		e, err := DecodeToSign([]byte(fmt.Sprintf(`{"type":"ObjectEvent","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00","action":"ADD","epcList":["https://example.com/%s"]}`, name)))
		if err != nil {
			t.Fatal(err)
		}
		alter(e)
		_, _, err = c.SignDecoded(Draft{ChainID: "c", Partner: "p", KeyID: "k", Expiry: 9, Nonce: make([]byte, NonceSize), Secret: make([]byte, 32), Events: []*Event{e}}, key)
		if fault := (*Fault)(nil); !errors.As(err, &fault) {
			t.Errorf("%s altered: %v", name, err)
		}
	}
}
