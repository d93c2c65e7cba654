package schemas_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

const order = `{"type":"ErasureOrder","order":"erase","eventID":"urn:x:1","eventTime":"2026-03-01T09:00:00Z"}`

func TestOrderRefusals(t *testing.T) {
	if _, err := schemas.DecodeOrder([]byte(order)); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct{ code, old, new string }{
		"another type":     {"bad_value", "ErasureOrder", "ObjectEvent"},
		"another order":    {"bad_value", `"erase"`, `"destroy"`},
		"no URI":           {"bad_identifier", "urn:x:1", "x"},
		"a zero byte":      {"bad_identifier", "urn:x:1", `urn:x:\u0000`},
		"no time":          {"bad_time", "2026-03-01T09:00:00Z", "yesterday"},
		"a number":         {"bad_value", `"urn:x:1"`, "1"},
		"no order":         {"missing_field", `"order":"erase",`, ""},
		"no eventID":       {"missing_field", `,"eventID":"urn:x:1"`, ""},
		"another member":   {"unknown_field", `{`, `{"epcList":"x",`},
		"a member twice":   {"duplicate_key", `{`, `{"order":"hold",`},
		"a blank":          {"bad_json", `{`, `{ `},
		"a list":           {"bad_value", order, "[]"},
		"nothing":          {"bad_json", order, ""},
		"a reason as list": {"bad_value", `{`, `{"reason":[],`},
		"a long reason":    {"too_large", `{`, `{"reason":"` + strings.Repeat("x", 1001) + `",`},
	} {
		_, err := schemas.DecodeOrder([]byte(strings.Replace(order, v.old, v.new, 1)))
		if err == nil || codeOf(err) != v.code {
			t.Errorf("%s: %v, want %s", name, err, v.code)
		}
	}
	if _, err := schemas.DecodeEvent([]byte(order)); err == nil {
		t.Error("an order is read as an event")
	}
}

// An order's skeleton says what the order says, and nothing else can be said in one.
func TestOrderSkeleton(t *testing.T) {
	e, err := schemas.DecodeOrder([]byte(order))
	if err != nil {
		t.Fatal(err)
	}
	b := e.Skeleton.Append(nil)
	s, err := schemas.DecodeSkeleton(b)
	if err != nil || *s.Order != *e.Skeleton.Order || !bytes.Equal(s.Append(nil), b) {
		t.Fatalf("%+v, %v", s, err)
	}
	more := e.Skeleton
	more.BizStep = "shipping"
	typed := e.Skeleton
	typed.Type = schemas.ObjectEvent
	bare := e.Skeleton
	bare.Order = nil
	for name, s := range map[string]schemas.Skeleton{"an order with a step": more, "an event with an order": typed, "an order of nothing": bare} {
		if _, err := schemas.DecodeSkeleton(s.Append(nil)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestErasureLeaf(t *testing.T) {
	e := schemas.Erasure{Standing: schemas.BodyErased, Event: schemas.Locator{Height: 3, Index: 1}, Order: schemas.Locator{Height: 9, Position: 2}}
	b := e.Append(nil)
	if again, err := schemas.DecodeErasure(b); err != nil || again != e {
		t.Fatalf("%+v, %v", again, err)
	}
	for i := range b {
		if _, err := schemas.DecodeErasure(b[:i]); err == nil {
			t.Errorf("cut to %d bytes it is read", i)
		}
	}
}

func FuzzDecodeOrder(f *testing.F) {
	f.Add([]byte(order))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := schemas.DecodeOrder(b)
		if err != nil {
			return
		}
		if s, err := schemas.DecodeSkeleton(e.Skeleton.Append(nil)); err != nil || *s.Order != *e.Skeleton.Order {
			t.Fatalf("%q: %+v, %v", b, s, err)
		}
	})
}
