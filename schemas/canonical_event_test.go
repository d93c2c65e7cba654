package schemas_test

import (
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

func TestNormalNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "0e99": "0", "1.50": "1.5", "1e2": "100", "1E+2": "100", "100e-2": "1",
		"-12.340": "-12.34", "0.0012": "0.0012", "12e-4": "0.0012", "1e30": "1" + zeros(30), "1e31": "1e31", "10e30": "1e31",
		"1e-31": "0." + zeros(30) + "1", "1e-32": "1e-32", "0.1e-31": "1e-32", "123e-40": "123e-40", "1230e-41": "123e-40",
		"12345678901234567890.5": "12345678901234567890.5", "1e999999999999999999": "1e999999999999999999",
	} {
		if got := schemas.Sorted(text, ""); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if got := schemas.Sorted(want, ""); got != want {
			t.Errorf("%s: not stable: %s", want, got)
		}
	}
}

func zeros(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0'
	}
	return string(b)
}

// One event in two notations has one normal form, and another event another.
func TestCanonicalEvent(t *testing.T) {
	decode := func(text string) *schemas.Event {
		e, err := schemas.DecodeSingle([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return e
	}
	a := decode(`{"type":"ObjectEvent","action":"ADD","eventTime":"2026-03-02T14:05:11Z","eventTimeZoneOffset":"+01:00","recordTime":"2026-03-02T14:05:12Z",
		"quantityList":[{"epcClass":"urn:x:y","quantity":1.50}],"rdfs:comment":{"b":"\u0041\/","a":1e1},"errorDeclaration":{"declarationTime":"2026-03-02T14:05:11Z"}}`)
	b := decode(`{"rdfs:comment":{"a":10,"b":"A/"},"quantityList":[{"quantity":1.5,"epcClass":"urn:x:y"}],"eventTimeZoneOffset":"+01:00",
		"eventTime":"2026-03-02T14:05:11Z","action":"ADD","type":"ObjectEvent"}`)
	const want = `{"action":"ADD","eventTime":"2026-03-02T14:05:11Z","eventTimeZoneOffset":"+01:00","quantityList":[{"epcClass":"urn:x:y","quantity":1.5}],"rdfs:comment":{"a":10,"b":"A/"},"type":"ObjectEvent"}`
	if got := string(schemas.CanonicalEvent(a, "recordTime", "errorDeclaration")); got != want {
		t.Errorf("got %s", got)
	}
	if got := string(schemas.CanonicalEvent(b, "recordTime")); got != want {
		t.Errorf("got %s", got)
	}
	if string(schemas.CanonicalEvent(a)) == want || string(schemas.CanonicalEvent(a, "recordTime")) == want {
		t.Error("members were left out that count")
	}
	c := decode(`{"type":"ObjectEvent","action":"ADD","eventTime":"2026-03-02T14:05:11Z","eventTimeZoneOffset":"+01:00","epcList":["urn:x:y"],"rdfs:comment":{"recordTime":1}}`)
	if got := string(schemas.CanonicalEvent(c, "recordTime")); got != `{"action":"ADD","epcList":["urn:x:y"],"eventTime":"2026-03-02T14:05:11Z","eventTimeZoneOffset":"+01:00","rdfs:comment":{"recordTime":1},"type":"ObjectEvent"}` {
		t.Errorf("only top-level members are left out: %s", got)
	}
}

// An event that is sent back with the eventID that was derived for it is the
// event that came without; any other eventID makes another one.
func TestDuplicateKeyOfDerivedID(t *testing.T) {
	key := func(members string) string {
		t.Helper()
		e, err := schemas.DecodeSingle([]byte(`{"type":"ObjectEvent","action":"ADD","eventTime":"2026-03-02T14:05:11Z","eventTimeZoneOffset":"+01:00","epcList":["urn:x:y"]` + members + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return string(schemas.DuplicateKeyOf([]byte("the partner's own secret"), e))
	}
	derived := schemas.DerivedEventID(schemas.Hash{1})
	plain, declaration := key(""), `,"errorDeclaration":{"declarationTime":"2026-03-02T14:05:12Z"}`
	if key(`,"eventID":"`+derived+`"`) != plain {
		t.Error("a derived eventID counts")
	}
	if got := key(`,"eventID":"` + derived + `"` + declaration); got[len(got)-len(plain):] != plain || got[:len(plain)] == plain {
		t.Error("a declaration does not name the event that came without eventID")
	}
	for _, id := range []string{"urn:x:1", "ni:///sha-256;00?ver=waybill1", strings.Replace(derived, "waybill1", "CBV2.0", 1)} {
		if key(`,"eventID":"`+id+`"`) == plain {
			t.Errorf("%s is as good as none", id)
		}
	}
	if key(`,"eventID":"`+derived+`","bizStep":"receiving"`) == plain {
		t.Error("another event has the same key")
	}
}
