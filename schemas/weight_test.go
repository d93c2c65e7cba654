package schemas_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// TestWeightBounds: each of the three is bounded by itself.
func TestWeightBounds(t *testing.T) {
	most := schemas.Weight{Names: schemas.MaxBlockNames, Members: schemas.MaxBlockMembers, Skeletons: schemas.MaxBlockSkeletons, Authors: schemas.MaxBlockAuthors}
	if err := most.Check(); err != nil {
		t.Errorf("what is just allowed is refused: %v", err)
	}
	for _, more := range []schemas.Weight{{Names: 1}, {Members: 1}, {Skeletons: 1}, {Authors: 1}} {
		var f *schemas.Fault
		if err := most.Plus(more).Check(); !errors.As(err, &f) || f.Code != schemas.TransactionTooLarge {
			t.Errorf("%+v too much is answered %v", more, err)
		}
	}
}

// TestDocumentsResolved: what a document's events take once its context is in each
// of them, and their prefixes are resolved, is bounded.
func TestDocumentsResolved(t *testing.T) {
	document := func(context, event string, n int) string {
		return `{"@context":[` + context + `],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-01-01T00:00:00Z","epcisBody":{"eventList":[` +
			strings.TrimSuffix(strings.Repeat(event+",", n), ",") + `]}}`
	}
	event := func(epcs string) string {
		return `{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-03-01T08:00:00Z","eventTimeZoneOffset":"+00:00","epcList":[` + epcs + `]}`
	}
	var epcs []string
	for i := range 2000 {
		epcs = append(epcs, fmt.Sprintf(`"a:%d"`, i))
	}
	prefix := `{"a":"urn:` + strings.Repeat("x", 900) + `:"}`
	if out, err := schemas.DecodeDocument([]byte(document(prefix, event(strings.Join(epcs, ",")), 10)), 1000); err != nil || len(out) != 10 || out[9].Fault != nil {
		t.Fatalf("%d events, %v", len(out), err)
	}
	_, err := schemas.DecodeDocument([]byte(document(prefix, event(strings.Join(epcs, ",")), 60)), 1000)
	if f := (*schemas.Fault)(nil); !errors.As(err, &f) || f.Code != schemas.TooLarge || !strings.HasPrefix(f.Pointer, "/epcisBody/eventList/") {
		t.Errorf("a document that resolves to too much is answered %v", err)
	}
	// A context that no event can hold is refused for each, before it is copied.
	large := `{"a":"urn:` + strings.Repeat("x", 900) + `:","@x":"` + strings.Repeat("y", schemas.MaxBody) + `"}`
	out, err := schemas.DecodeDocument([]byte(document(large, event(`"a:1"`), 3)), 1000)
	if err != nil || len(out) != 3 || out[2].Fault == nil || out[2].Fault.Code != schemas.TooLarge {
		t.Errorf("a context beyond an event's bounds is answered %v %v", out, err)
	}
}
