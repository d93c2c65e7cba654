package schemas_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// An author's key and signature are added to any body, whatever its context, twice
// as well as once, and are read from it again.
func TestAuthor(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	event := func(context string) *schemas.Event {
		e, err := schemas.DecodeEvent([]byte(`{` + context + `"type":"ObjectEvent","action":"ADD","eventTime":"2026-03-01T12:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.054321.1"]}`))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	act, err := schemas.MakeAct(&schemas.MoveHost{Host: "borg-foods"}, "closer", noon)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*schemas.Event{
		"no context": event(""), "empty list": event(`"@context":[],`), "list": event(`"@context":[{"ex":"https://example.com/"}],`),
		"object": event(`"@context":{"ex":"https://example.com/"},`), "text": event(`"@context":"https://example.com/c",`), "act": act,
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				body, err := schemas.Author("chain", "farm", "phone", e, key)
				if err != nil {
					t.Fatal(err)
				}
				if e, err = schemas.DecodeMessage(e.KindOf(), body); err != nil {
					t.Fatal(err)
				}
				digest := schemas.AuthorDigest("chain", "farm", "phone", e.KindOf(), e.Members)
				if e.Skeleton.Author != "phone" || !ed25519.Verify(key.Public().(ed25519.PublicKey), digest[:], e.AuthorSignature) {
					t.Errorf("%s names %q, who did not sign it", body, e.Skeleton.Author)
				}
				if n := strings.Count(string(body), "urn:waybill:"); e.KindOf() == schemas.KindEvent && n != 1 {
					t.Errorf("the prefix is defined %d times: %s", n, body)
				}
			}
		})
	}
}

func TestBadAuthors(t *testing.T) {
	const rest = `"type":"ObjectEvent","action":"ADD","eventTime":"2026-03-01T12:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.054321.1"]}`
	signature := `"waybill:authorSignature":"` + strings.Repeat("00", 64) + `",`
	for name, tc := range map[string]struct{ body, code string }{
		"no prefix":         {`{"waybill:author":"k",` + signature + rest, "bad_context"},
		"no text":           {`{"@context":{"waybill":"urn:waybill:"},"waybill:author":7,` + signature + rest, "bad_value"},
		"empty":             {`{"@context":{"waybill":"urn:waybill:"},"waybill:author":"",` + signature + rest, "bad_value"},
		"short signature":   {`{"@context":{"waybill":"urn:waybill:"},"waybill:author":"k","waybill:authorSignature":"00",` + rest, "bad_value"},
		"signature alone":   {`{"@context":{"waybill":"urn:waybill:"},` + signature + rest, "missing_field"},
		"somebody's prefix": {`{"@context":{"waybill":"https://example.com/"},"waybill:author":7,` + rest, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := schemas.DecodeEvent([]byte(tc.body))
			f, ok := err.(*schemas.Fault)
			if ok && f.Code.String() != tc.code || !ok && (tc.code != "" || e.Skeleton.Author != "") {
				t.Errorf("%v, not %q", err, tc.code)
			}
		})
	}
}
