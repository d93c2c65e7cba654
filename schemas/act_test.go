package schemas_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// noon is when acts of these tests are done.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// exampleActs is one act of each name, with all members that it can have.
var exampleActs = map[string]string{
	"Vote": `{"proposal":"1042-0-3","approve":true}`,

	"AddKey":            `{"public":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a","roles":["admin","device"],"held":"hardware","from":7,"until":9}`,
	"RevokeKey":         `{"key":"0123456789abcdef"}`,
	"SetThreshold":      `{"threshold":2}`,
	"ApproveKeyChange":  `{"change":"0123456789abcdef"}`,
	"MoveHost":          `{"host":"borg-foods"}`,
	"AnnounceShipment":  `{"shipment":"urn:example:shipment:1","carriers":["haul"],"receiver":"shop","inspectors":["lab"],"arbiter":"mill","items":["urn:example:pallet:1"],"lots":[{"class":"https://id.gs1.org/01/09521234543213/10/lot1","quantity":5,"uom":"KGM"}],"deadline":"2026-04-01T00:00:00Z","bands":[{"of":"temperature","min":2,"max":8},{"of":"humidity","max":60}],"documents":[{"kind":"phytosanitary certificate"},{"document":"` + strings.Repeat("ab", 32) + `"}]}`,
	"AttachDocuments":   `{"shipment":"urn:example:shipment:1","documents":[{"kind":"phytosanitary certificate","document":"` + strings.Repeat("cd", 32) + `"}]}`,
	"DispatchShipment":  `{"shipment":"urn:example:shipment:1"}`,
	"CloseShipment":     `{"shipment":"urn:example:shipment:1"}`,
	"CancelShipment":    `{"shipment":"urn:example:shipment:1"}`,
	"HoldShipment":      `{"shipment":"urn:example:shipment:1"}`,
	"UnholdShipment":    `{"shipment":"urn:example:shipment:1"}`,
	"OfferHandover":     `{"shipment":"urn:example:shipment:1","to":"haul","until":"2026-04-01T00:00:00Z"}`,
	"ReturnShipment":    `{"shipment":"urn:example:shipment:1","until":"2026-04-01T00:00:00Z"}`,
	"AcceptHandover":    `{"shipment":"urn:example:shipment:1","handover":1,"discrepancies":[{"id":"urn:example:pallet:1","what":"damaged"},{"id":"https://id.gs1.org/01/09521234543213/10/lot1","what":"short","quantity":1.5,"uom":"KGM"}]}`,
	"RejectHandover":    `{"shipment":"urn:example:shipment:1","handover":1}`,
	"CancelHandover":    `{"shipment":"urn:example:shipment:1","handover":1}`,
	"DisputeHandover":   `{"shipment":"urn:example:shipment:1","handover":1,"evidence":[{"document":"` + strings.Repeat("cd", 32) + `"},{"event":"urn:example:event:1"}]}`,
	"AddEvidence":       `{"shipment":"urn:example:shipment:1","handover":1,"evidence":[{"event":"urn:example:event:2"}]}`,
	"ResolveDispute":    `{"shipment":"urn:example:shipment:1","handover":1,"outcome":"delivered"}`,
	"SettleException":   `{"height":7,"position":2,"index":1}`,
	"Recall":            `{"recall":"listeria-1","class":"I","instruction":"stop selling","deadline":"2026-03-04T12:00:00Z","items":["urn:epc:id:sgtin:9521234.054321.1001"],"lots":["urn:epc:class:lgtin:9521234.054321.L1"],"made":[{"from":"2026-03-01T08:00:00Z","until":"2026-03-01T10:00:00Z","class":"urn:epc:idpat:sgtin:9521234.054321.*"},{"from":"2026-03-02T08:00:00Z"}]}`,
	"ExtendRecall":      `{"recall":"listeria-1","items":["https://id.gs1.org/00/095212340000000013"],"made":[{"from":"2026-03-01T08:00:00Z","until":"2026-03-01T10:00:00Z"}]}`,
	"AcknowledgeRecall": `{"issuer":"farm","recall":"listeria-1","held":[{"id":"urn:epc:class:lgtin:9521234.054321.L1","quantity":12.50,"uom":"KGM","state":"quarantined"}],"done":true}`,
	"CloseRecall":       `{"recall":"listeria-1"}`,
	"Propose": `{"kind":"admit","partner":"dock","name":"Dock BV","gln":"9521234000051","standing":"member","lei":"5493001KJTIIGC8Y1R12","registration":"NL 12345678","threshold":1,` +
		`"keys":[{"public":"` + strings.Repeat("0a", 32) + `","roles":["capture","admin"],"held":"client"}],"nodeID":"` + strings.Repeat("0b", 20) + `","validator":"` + strings.Repeat("0c", 32) + `"}`,
	"Withdraw": `{"proposal":"1042-0-3"}`,
	"Ready":    `{"key":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"}`,
}

// An act's four passes agree: what is read is written again, as JSON and as fields.
func TestActs(t *testing.T) {
	for _, name := range schemas.ActNames() {
		t.Run(name, func(t *testing.T) {
			example, ok := exampleActs[name]
			if !ok {
				t.Fatal("there is no example of it")
			}
			e, err := schemas.ReadAct(name, []byte(example), noon)
			if err != nil {
				t.Fatal(err)
			}
			made, err := schemas.MakeAct(e.Skeleton.Act, "", noon)
			if err != nil {
				t.Fatal(err)
			}
			if want := e.Skeleton.Append(nil); !bytes.Equal(made.Skeleton.Append(nil), want) {
				t.Errorf("%s is written as %s, which says something else", e.Body, made.Body)
			}
			again, err := schemas.DecodeSkeleton(e.Skeleton.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if made, err = schemas.MakeAct(again.Act, "", noon); err != nil || !bytes.Equal(made.Skeleton.Append(nil), e.Skeleton.Append(nil)) {
				t.Errorf("decoded it is %s, %v", made.Body, err)
			}
			if e.KindOf() != schemas.KindAct {
				t.Errorf("it is a message of kind %d", e.KindOf())
			}
		})
	}
}

func TestBadActs(t *testing.T) {
	for name, tc := range map[string]struct{ body, code, pointer string }{
		"no object":         {`[]`, "bad_json", ""},
		"unknown member":    {`{"proposal":"1-0-0","veto":true}`, "unknown_field", "/veto"},
		"missing":           {`{"approve":true}`, "missing_field", "/proposal"},
		"of another type":   {`{"proposal":7}`, "bad_value", "/proposal"},
		"false is left out": {`{"proposal":"1-0-0","approve":false}`, "bad_value", "/approve"},
		"empty":             {`{"proposal":""}`, "bad_value", "/proposal"},
		"control character": {`{"proposal":"a\u0000b"}`, "bad_value", "/proposal"},
		"another act":       {`{"type":"Coup","proposal":"1-0-0"}`, "bad_value", "/type"},
		"no time":           {`{"eventTime":"noon","proposal":"1-0-0"}`, "bad_time", "/eventTime"},
		"long reason":       {`{"proposal":"1-0-0","reason":"` + string(bytes.Repeat([]byte{'a'}, 1001)) + `"}`, "too_large", "/reason"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := schemas.ReadAct("Vote", []byte(tc.body), noon)
			f, ok := err.(*schemas.Fault)
			if !ok || f.Code.String() != tc.code || f.Pointer != tc.pointer {
				t.Errorf("%v, not %s at %s", err, tc.code, tc.pointer)
			}
		})
	}
}

func FuzzAct(f *testing.F) {
	for name, example := range exampleActs {
		e, err := schemas.ReadAct(name, []byte(example), noon)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Body)
	}
	for _, body := range proposals {
		if e, err := schemas.ReadAct("Propose", []byte(body), noon); err == nil {
			f.Add(e.Body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := schemas.DecodeAct(body)
		if err != nil {
			if _, ok := err.(*schemas.Fault); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		skeleton := e.Skeleton.Append(nil)
		again, err := schemas.DecodeSkeleton(skeleton)
		if err != nil {
			t.Fatalf("%s: its skeleton cannot be read: %v", body, err)
		}
		made, err := schemas.MakeAct(again.Act, "", time.Unix(0, again.EventTime))
		if err == nil {
			made.Skeleton.Author = again.Author // who signed it is no part of the act
		}
		if err != nil || !bytes.Equal(made.Skeleton.Append(nil), skeleton) {
			t.Fatalf("%s becomes %v, %v", body, made, err)
		}
	})
}

// A shipment and a recall name ten thousand things, and refuse one more.
func TestActsAreBounded(t *testing.T) {
	for name, members := range map[string]string{"AnnounceShipment": `"receiver":"shop"`, "Recall": `"recall":"r","instruction":"stop"`} {
		for _, count := range []int{10_000, 10_001} {
			var items []string
			for i := range count {
				items = append(items, fmt.Sprintf("%q", fmt.Sprintf("urn:example:box:%d", i)))
			}
			_, err := schemas.ReadAct(name, []byte("{"+members+`,"items":[`+strings.Join(items, ",")+"]}"), noon)
			f, _ := err.(*schemas.Fault)
			switch {
			case count == 10_000 && err != nil:
				t.Errorf("%s of %d things: %v", name, count, err)
			case count > 10_000 && (f == nil || f.Code != schemas.TooLarge || f.Pointer != "/items" || !strings.Contains(f.Detail, "10000")):
				t.Errorf("%s of %d things: %v", name, count, err)
			}
		}
	}
}

// A span of time of a recall begins, and ends behind its beginning; there are so many.
func TestSpansOfRecalls(t *testing.T) {
	span := `{"from":"2026-03-01T08:00:00Z"}`
	for name, tc := range map[string]struct{ made, code, pointer string }{
		"no beginning":    {`[{"until":"2026-03-01T08:00:00Z"}]`, "missing_field", "/made/0/from"},
		"empty":           {`[{"from":"2026-03-01T08:00:00Z","until":"2026-03-01T08:00:00Z"}]`, "bad_value", "/made/0/until"},
		"of a thing":      {`[{"from":"2026-03-01T08:00:00Z","class":"urn:epc:id:sgtin:9521234.054321.1"}]`, "bad_identifier", "/made/0/class"},
		"no time":         {`[{"from":"yesterday"}]`, "bad_time", "/made/0/from"},
		"more than there": {`[` + strings.Repeat(span+",", schemas.MaxRecallSpans) + span + `]`, "too_large", "/made"},
	} {
		_, err := schemas.ReadAct("Recall", []byte(`{"recall":"r","instruction":"stop","made":`+tc.made+`}`), noon)
		if f, ok := err.(*schemas.Fault); !ok || f.Code.String() != tc.code || f.Pointer != tc.pointer {
			t.Errorf("%s: %v, not %s at %s", name, err, tc.code, tc.pointer)
		}
	}
}
