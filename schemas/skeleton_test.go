package schemas_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybill-ledger/waybill/schemas"
)

// The bytes of a skeleton are hashed, signed and kept for good: this file holds
// them still.
func TestSkeletonGolden(t *testing.T) {
	for _, line := range lines(t, "testdata/events/skeletons.txt") {
		parts := strings.SplitN(line, " ", 3)
		want, err := hex.DecodeString(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		e, err := schemas.DecodeEvent(patched(t, parts[1], parts[2]))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := e.Skeleton.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%s %s\n got %x\nwant %x", parts[1], parts[2], got, want)
		}
		s, err := schemas.DecodeSkeleton(want)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if diff := cmp.Diff(&e.Skeleton, s, sameDecimal); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

// No byte of a skeleton can be changed, cut or added without another meaning.
func TestSkeletonIsStrict(t *testing.T) {
	for _, line := range lines(t, "testdata/events/skeletons.txt") {
		b, err := hex.DecodeString(strings.SplitN(line, " ", 2)[0])
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			checkSkeleton(t, b[:i])
			for _, x := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
				c := bytes.Clone(b)
				c[i] ^= x
				checkSkeleton(t, c)
			}
		}
		if _, err := schemas.DecodeSkeleton(append(b, 0)); err == nil {
			t.Errorf("%s: accepted with a byte behind", line)
		}
	}
}

func checkSkeleton(tb testing.TB, b []byte) {
	tb.Helper()
	s, err := schemas.DecodeSkeleton(b)
	if err == nil && !bytes.Equal(s.Append(nil), b) {
		tb.Fatalf("%x: accepted, and appends to %x", b, s.Append(nil))
	}
}

func TestSkeletonRefused(t *testing.T) {
	field := func(n byte, v string) string { return string([]byte{n, byte(len(v))}) + v }
	object, now := field(1, "\x01"), field(3, "\x00\x00\x00\x00\x00\x00\x00\x01")
	quantity := func(amount string) string { return field(9, field(1, "urn:x:y")+field(3, amount)) }
	for name, b := range map[string]string{
		"nothing":             "",
		"no type":             now,
		"no time":             object,
		"type 6":              field(1, "\x06") + now,
		"type 0":              field(1, "\x00") + now,
		"type as no varint":   field(1, "\x81\x00") + now,
		"type twice":          object + object + now,
		"action 4":            object + field(2, "\x04") + now,
		"no action, written":  object + field(2, "\x00") + now,
		"a short time":        object + field(3, "\x01"),
		"an empty text":       object + now + field(4, ""),
		"a text of no UTF-8":  object + now + field(4, "\xff"),
		"a step twice":        object + now + field(4, "shipping") + field(4, "shipping"),
		"an empty EPC":        object + now + field(7, ""),
		"out of order":        object + now + field(8, "urn:x:y") + field(7, "urn:x:y"),
		"no canonical amount": object + now + quantity("1.50"),
		"an amount in words":  object + now + quantity("many"),
		"an empty amount":     object + now + quantity(""),
		"no class":            object + now + field(9, field(3, "1")),
		"an empty quantity":   object + now + field(9, ""),
		"half a party":        object + now + field(11, field(1, "location")),
		"a party with more":   object + now + field(11, field(1, "location")+field(2, "urn:x:y")+field(3, "x")),
		"an untimed mistake":  object + now + field(15, field(2, "did_not_occur")),
		"a reserved field":    object + now + field(16, "x"),
		"a field 0":           object + now + field(0, "x"),
		"cut short":           object + now + "\x07\x09urn",
	} {
		if s, err := schemas.DecodeSkeleton([]byte(b)); err == nil {
			t.Errorf("%s: accepted: %+v", name, s)
		}
	}
	if _, err := schemas.DecodeSkeleton([]byte(object + now + quantity("1.5"))); err != nil {
		t.Errorf("what the others differ from is refused: %v", err)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]int64{
		"1970-01-01T00:00:00Z":           0,
		"1969-12-31T23:59:59.999999999Z": -1,
		"1970-01-01T01:00:00+01:00":      0,
		"1969-12-31T10:00:00-14:00":      0,
		"2000-02-29T12:30:15.5Z":         951827415500000000,
		"2100-03-01T00:00:00Z":           4107542400000000000,
		"1900-03-01T00:00:00.000000001Z": -2203891199999999999,
		"2261-12-31T23:59:59.999999999Z": 9214646399999999999,

		"1970-01-01T00:00:00.123456789000000000000Z": 123456789,
		"1970-01-01T00:00:00.0000000000Z":            0,
		"1678-01-01T00:00:00Z":                       -9214560000000000000,
	} {
		e, err := schemas.DecodeEvent(patched(t, "object", `{"eventTime":"`+text+`"}`))
		if err != nil || e.Skeleton.EventTime != want {
			t.Errorf("%s: %v, %v", text, e, err)
		}
	}
	for _, text := range []string{"1970-01-01T00:00:00.1234567891Z", "1970-01-01T00:00:00.0000000000000000000001Z", "1970-01-01T24:00:00Z", "1970-01-01T23:59:60Z", "1970-01-01t00:00:00Z", "1970-01-01T00:00:00z",
		"1970-01-01T00:00:00", "1970-01-01T00:00:00.Z", "1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "1970-01-01T00:00:00+14:01", "-1970-01-01T00:00:00Z", "1970-02-29T00:00:00Z"} {
		var f *schemas.Fault
		if _, err := schemas.DecodeEvent(patched(t, "object", `{"eventTime":"`+text+`"}`)); !errors.As(err, &f) || f.Code != schemas.BadTime {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, at := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		s := schemas.Skeleton{Type: schemas.ObjectEvent, EventTime: at}
		back, err := schemas.DecodeSkeleton(s.Append(nil))
		if err != nil || back.EventTime != at {
			t.Errorf("%d: %v, %v", at, back, err)
		}
	}
}
