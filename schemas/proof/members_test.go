package proof_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// sameEvent fails unless the members of the body, by name, make the same event:
// a bundle must be able to carry whatever the ledger records.
func sameEvent(t interface{ Fatalf(string, ...any) }, body []byte) {
	event, err := schemas.DecodeEvent(body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	again, err := proof.EventOf(schemas.SortMembers(event.Members))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	secret := schemas.Hash{1}
	if !bytes.Equal(event.Skeleton.Append(nil), again.Skeleton.Append(nil)) || event.BodyRoot(secret) != again.BodyRoot(secret) {
		t.Fatalf("%s: another event by its members' names: %s", body, again.Body)
	}
	if len(again.Body) > len(body) {
		t.Fatalf("%s: grew to %s", body, again.Body)
	}
}

func TestMembersMakeTheEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		extra := rapid.SampledFrom([]string{``, `,"ex:a\u0062c\n\"x\\":1`, `,"ex:\u00e9\u0001\t":{"b":[1,{"a":null}]}`, `,"ex:\ud83d\ude00/":"\u0041"`}).Draw(t, "extension")
		members := []string{`"@context":{"ex":"https://example.com/"}`, `"type":"ObjectEvent"`, `"eventTime":"2026-03-01T09:00:00.000Z"`,
			`"eventTimeZoneOffset":"+00:00"`, `"epcList":["` + unit + `","` + other + `"]`, `"action":"OBSERVE"`, `"bizStep":"storing"`}
		sameEvent(t, []byte("{"+strings.Join(rapid.Permutation(members).Draw(t, "order"), ",")+extra+"}"))
	})
}

// Every event of the published documents that the ledger takes can be bundled.
func TestMembersMakePublishedEvents(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "conformance")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the published documents are not here")
	}
	events := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(strings.ToLower(path), ".json") || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) > 1<<20 {
			return err
		}
		document, err := schemas.DecodeDocument(text, 1000)
		if err != nil {
			return nil // refused documents are others' concern
		}
		for _, e := range document {
			if e.Fault == nil {
				events++
				sameEvent(t, e.Event.Body)
			}
		}
		return nil
	})
	if err != nil || events < 10 {
		t.Errorf("%d events, %v", events, err)
	}
	t.Log(events, "events")
}
