package schemas_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// seedEvents gives a fuzz target the bodies of the corpus.
func seedEvents(f *testing.F) {
	f.Helper()
	for _, name := range []string{"shipping", "sensor", "transformation"} {
		text, err := os.ReadFile("testdata/events/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		body, err := schemas.Compact(nil, text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, line := range lines(f, "testdata/events/accept.txt") {
		base, patch, _ := strings.Cut(line, " ")
		f.Add(patched(f, base, patch))
	}
	for _, line := range lines(f, "testdata/events/refuse.txt") {
		parts := strings.SplitN(line, " ", 4)
		f.Add(patched(f, parts[2], parts[3]))
	}
}

// FuzzDecodeEvent: what is accepted comes back from its skeleton's encoding, and
// has a normal form that decodes to the same.
func FuzzDecodeEvent(f *testing.F) {
	seedEvents(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := schemas.DecodeEvent(body); err == nil {
			checkEvent(t, e, body)
		}
	})
}

// FuzzDecodeDocument: every event of a document is decoded or refused, and what
// is decoded has a body that decodes by itself.
func FuzzDecodeDocument(f *testing.F) {
	f.Add([]byte(document(`["https://x.example/ctx",{"a":"urn:a:"}]`, plainEvent, event(`"a:b":1`), `7`)))
	f.Add([]byte(`{"@context":[],"type":"EPCISQueryDocument","epcisBody":{"queryResults":{"queryName":"q","resultsBody":{"eventList":[` + plainEvent + `]}}}}`))
	f.Add([]byte(oneEvent("event")))
	seedEvents(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		events, err := schemas.DecodeDocument(text, 100)
		if err != nil && events != nil {
			t.Fatal("events and an error")
		}
		for _, e := range events {
			if (e.Event == nil) == (e.Fault == nil) {
				t.Fatal("neither decoded nor refused")
			}
			if e.Event != nil {
				checkEvent(t, e.Event, e.Event.Body)
			}
		}
		if e, err := schemas.DecodeSingle(text); err == nil {
			checkEvent(t, e, e.Body)
		}
	})
}

// FuzzDecodeSkeleton: what is accepted appends to the same bytes.
func FuzzDecodeSkeleton(f *testing.F) {
	for _, line := range lines(f, "testdata/events/skeletons.txt") {
		b, err := hex.DecodeString(strings.SplitN(line, " ", 2)[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkSkeleton(t, b) })
}

// FuzzNormalForm: the normal form of any JSON text is its own normal form.
func FuzzNormalForm(f *testing.F) {
	for _, text := range lines(f, "testdata/json/accept.txt") {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := schemas.JSONValue(string(text), false); err != nil {
			return
		}
		once := schemas.Sorted(string(text), "")
		if _, err := schemas.JSONValue(once, true); err != nil {
			t.Fatalf("%s: the normal form %s: %v", text, once, err)
		}
		if twice := schemas.Sorted(once, ""); !bytes.Equal([]byte(once), []byte(twice)) {
			t.Fatalf("%s: %s, then %s", text, once, twice)
		}
	})
}
