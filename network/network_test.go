package network_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/schemas"
)

func decodes(t *testing.T, name string, text []byte, want int) {
	t.Helper()
	events, err := schemas.DecodeDocument(text, 1000)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for i, e := range events {
		if e.Fault != nil {
			t.Errorf("%s, event %d: %v", name, i, e.Fault)
		}
	}
	if want > 0 && len(events) != want {
		t.Errorf("%s has %d events, expected %d", name, len(events), want)
	}
}

// What the story and the load generator submit is valid EPCIS.
func TestDocumentsAreValid(t *testing.T) {
	texts, err := network.Chapters(time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC))
	if err != nil || len(texts) < 10 {
		t.Fatalf("%d chapters, %v", len(texts), err)
	}
	for _, text := range texts {
		decodes(t, string(text[:min(60, len(text))]), text, 0)
	}
	document, event, chain := network.Load(50)
	decodes(t, "a generated document", document, 50)
	decodes(t, "a generated chain", chain, 50)
	if e, err := schemas.DecodeSingle(event); err != nil || len(e.Body) < 800 {
		t.Errorf("a generated event: %v", err)
	}
}

func TestCheckDigit(t *testing.T) {
	for digits, want := range map[string]string{"952123400000": "9521234000006", "0952123454321": "09521234543213", "09521234000000417": "095212340000004172"} {
		if got := network.WithCheckDigit(digits); got != want {
			t.Errorf("%s becomes %s, expected %s", digits, got, want)
		}
	}
}

// tells is a node that tells of a root of trust at rising heights.
func tells(t *testing.T, first int64, lie string) *client.Client {
	t.Helper()
	height := first
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		trust := api.Trust{ChainID: "c", Height: height, Time: time.Unix(height, 0).UTC(),
			HeaderHash: schemas.Sum("header", []byte{byte(height)}, []byte(lie)).String(), ValidatorSetHash: schemas.Sum("set").String()}
		height++
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(trust) // a client that hangs up fails its own test
	}))
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, "key")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Nodes are compared at one height, though they are never asked at one.
func TestAgreedTrust(t *testing.T) {
	trust, err := network.AgreedTrust(t.Context(), []*client.Client{tells(t, 10, ""), tells(t, 12, ""), tells(t, 11, "")})
	if err != nil {
		t.Fatal(err)
	}
	if trust.Height != 12 || trust.HeaderHash != schemas.Sum("header", []byte{12}, nil) {
		t.Errorf("trust is %+v", trust)
	}
	_, err = network.AgreedTrust(t.Context(), []*client.Client{tells(t, 10, ""), tells(t, 10, ""), tells(t, 10, "lie")})
	if err == nil || !strings.Contains(err.Error(), "node 3 contradict") {
		t.Errorf("with one that lies: %v", err)
	}
}

// A trace prints what others wrote without letting it speak to the terminal.
func TestWriteTrace(t *testing.T) {
	id, input := "https://id.gs1.org/01/09521234543213/21/2", "https://id.gs1.org/01/09521234543213/21/1"
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	trace := &api.Trace{
		Trace: &schemas.Trace{ID: id, Height: 7,
			Items: []schemas.TraceItem{{ID: id, Direction: "self"}, {ID: input, Direction: "upstream"}},
			Edges: []schemas.TraceEdge{{Kind: "transformation", From: input, To: id, Start: at}}},
		Events: []api.Record{
			{Locator: schemas.Locator{Height: 1}, Partner: "acme-farms", Event: json.RawMessage(`{"type":"ObjectEvent","eventTime":"2026-01-30T12:00:00Z","eventTimeZoneOffset":"+01:00","bizStep":"commissioning","epcList":["` + input + `"],"readPoint":{"id":"urn:epc:id:sgln:9521234.00012.0"}}`)},
			{Locator: schemas.Locator{Height: 2}, Partner: "brook-foods", Effect: schemas.Claim, Flags: []schemas.Code{schemas.NotCustodian}, Event: json.RawMessage(`{"type":"TransformationEvent","eventTime":"2026-01-31T12:00:00Z","eventTimeZoneOffset":"+00:00","bizStep":"https://example.com/\u001b[2Jx","inputEPCList":["` + input + `"],"outputEPCList":["` + id + `"]}`)},
		},
	}
	var out bytes.Buffer
	if err := network.WriteTrace(&out, trace, map[string]string{"https://id.gs1.org/414/9521234000129": "Field 12"}); err != nil {
		t.Fatal(err)
	}
	want := id + `
│  2026-01-31 12:00 +00:00 https://example.com/` + "\uFFFD" + `[2Jx brook-foods   -  [claim without effect, not_custodian]
└─ made from 01/09521234543213/21/1
      2026-01-30 13:00 +01:00 commissioning   acme-farms    Field 12 (414/9521234000129)
2 events, as of height 7
`
	if out.String() != want {
		t.Errorf("printed:\n%s\nexpected:\n%s", out.String(), want)
	}
}

// No network is founded with a key under which anybody can sign.
func TestGenesisRefusesBadKeys(t *testing.T) {
	card := func() network.Card {
		public := bytes.Repeat([]byte{0x1a}, 32)
		return network.Card{Partner: schemas.Partner{ID: "farm", GLN: "9521234000006", Standing: schemas.StandingMember, Validate: public},
			Key: schemas.Key{Partner: "farm", ID: schemas.KeyID(public), Public: public, Roles: schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1}}
	}
	at := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	if _, err := network.Genesis("goods", at, []network.Card{card()}); err != nil {
		t.Fatal(err)
	}
	key, validator := card(), card()
	key.Key.Public, validator.Validate = make([]byte, 32), make([]byte, 32)
	for _, bad := range []network.Card{key, validator} {
		if _, err := network.Genesis("goods", at, []network.Card{bad}); err == nil || !strings.Contains(err.Error(), "small order") {
			t.Errorf("answered %v", err)
		}
	}
}
