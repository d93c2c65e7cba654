package epcisxml_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

var forms = []epcisxml.Form{{}, {Old: true}, {Web: true}, {Old: true, Web: true}}

// fataler is what testing.T and rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// roundTrip writes an event as XML, in each form, and reads it back.
func roundTrip(t fataler, body []byte) {
	t.Helper()
	for _, form := range forms {
		doc, err := epcisxml.AppendDocument(nil, "2026-01-01T00:00:00Z", [][]byte{body}, form)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		back, err := epcisxml.Decode(doc, 1)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, body, doc)
		}
		if len(back.Events) != 1 || back.Events[0].Fault != nil {
			t.Fatalf("%v\n%s\n%s", back.Events, body, doc)
		}
		got, want := normal(t, back.Events[0].Event.Body), normal(t, body)
		delete(want.(map[string]any), "@context")
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n%s\n%s", body, doc, back.Events[0].Event.Body)
		}
	}
}

// Every valid JSON event of the collection comes back from XML as it was.
func TestConformanceRoundTrip(t *testing.T) {
	events := 0
	for _, ext := range []string{".json", ".jsonld"} {
		eachFile(t, ext, func(path string, text []byte) {
			list, err := schemas.DecodeDocument(text, 1000)
			if err != nil {
				return
			}
			for _, e := range list {
				if e.Event != nil {
					events++
					roundTrip(t, e.Event.Body)
				}
			}
		})
	}
	eachFile(t, ".xml", func(path string, text []byte) {
		doc, err := epcisxml.Decode(text, 1000)
		if err != nil {
			return
		}
		for _, e := range doc.Events {
			if e.Event != nil {
				events++
				roundTrip(t, e.Event.Body)
			}
		}
	})
	t.Logf("%d events", events)
}

// Any valid event comes back from XML as it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body, err := json.Marshal(anyEvent(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := schemas.DecodeEvent(body); err != nil {
			t.Fatalf("the generator made no valid event: %v\n%s", err, body)
		}
		roundTrip(t, body)
	})
}

type object = map[string]any

var (
	anyText = rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9 .:/<>&"'#-]{0,20}`), rapid.String(), rapid.SampledFrom([]string{"", " x ", "a\nb", "\u0001", "]]>", "e1:x", "gs1:y", "e2:", "&amp;"}))
	anyName = rapid.OneOf(rapid.SampledFrom([]string{"e1:a", "e1:b", "e2:a", "cbvmda:lotNumber", "gs1:z", "https://x.example/ns#c", "https://x.example/ns/1 2", "e1:1", "e1:é", "e2:a:b", "E1:x"}),
		rapid.StringMatching(`e[12]:[a-z]{1,4}`))
	anyURI  = rapid.StringMatching(`https://(a|b)\.example/[a-z]{1,5}(\?[a-z]=[&a-z]{1,3})?`)
	anyTime = rapid.StringMatching(`20[0-9]{2}-0[1-9]-[12][0-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]0[0-9]:[0-5][05])`)
	number  = rapid.Custom(func(t *rapid.T) json.Number {
		return json.Number(rapid.StringMatching(`(0|[1-9][0-9]{0,5})(\.[0-9]{1,4})?`).Draw(t, "number"))
	})
	inner = rapid.SampledFrom([]string{"plain", "type", "id", "#text", "e1:a", "x y", "", "über", "xmlns", "extension", "undefined:x"})
)

// anyValue is what an extension may hold.
func anyValue(t *rapid.T, depth int) any {
	switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case k < 4 || depth > 3:
		return anyText.Draw(t, "text")
	case k == 4:
		return number.Draw(t, "n")
	case k == 5:
		return rapid.SampledFrom([]any{true, false, nil}).Draw(t, "literal")
	case k < 8:
		out := object{}
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			out[inner.Draw(t, "name")] = anyValue(t, depth+1)
		}
		return out
	default:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, anyValue(t, depth+1))
		}
		return out
	}
}

func extend(t *rapid.T, o object) object {
	for range rapid.IntRange(0, 2).Draw(t, "extensions") {
		o[anyName.Draw(t, "name")] = anyValue(t, 0)
	}
	return o
}

func maybe(t *rapid.T, o object, name string, v func() any) {
	if rapid.Bool().Draw(t, name) {
		o[name] = v()
	}
}

func list(t *rapid.T, least int, item func(i int) any) []any {
	out := []any{}
	for i := range rapid.IntRange(least, 3).Draw(t, "count") {
		out = append(out, item(i))
	}
	return out
}

func epcs(t *rapid.T, least int) []any {
	return list(t, least, func(i int) any { return fmt.Sprintf("urn:epc:id:sgtin:9521321.012345.%d", i) })
}

func quantities(t *rapid.T, least int) []any {
	return list(t, least, func(int) any {
		q := object{"epcClass": "urn:epc:class:lgtin:9521321.012345.L1"}
		maybe(t, q, "quantity", func() any { return number.Draw(t, "n") })
		maybe(t, q, "uom", func() any { return "KGM" })
		return extend(t, q)
	})
}

func anyEvent(t *rapid.T) object {
	kind := rapid.SampledFrom([]string{"ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent"}).Draw(t, "type")
	e := object{"@context": []any{object{"e1": "https://e1.example/"}, object{"e2": "urn:e2:"}, object{"E1": "https://E1.example/ns"}},
		"type": kind, "eventTime": anyTime.Draw(t, "time"), "eventTimeZoneOffset": "+01:00"}
	if kind != "TransformationEvent" {
		e["action"] = "ADD"
	}
	switch kind {
	case "ObjectEvent":
		e["epcList"] = epcs(t, 1)
		maybe(t, e, "quantityList", func() any { return quantities(t, 0) })
	case "TransactionEvent":
		e["parentID"] = "urn:epc:id:sscc:9521321.0000000001"
		maybe(t, e, "epcList", func() any { return epcs(t, 0) })
		e["bizTransactionList"] = list(t, 1, func(int) any { return typed(t, "bizTransaction", "po") })
	case "TransformationEvent":
		e["inputEPCList"], e["outputQuantityList"] = epcs(t, 1), quantities(t, 1)
	default:
		e["parentID"], e["childEPCs"] = "urn:epc:id:sscc:9521321.0000000001", epcs(t, 1)
		maybe(t, e, "childQuantityList", func() any { return quantities(t, 0) })
	}
	if kind == "ObjectEvent" || kind == "TransformationEvent" {
		maybe(t, e, "ilmd", func() any { return extend(t, object{}) })
	}
	anyContext(t, e)
	return extend(t, e)
}

// anyContext adds what events of all types have.
func anyContext(t *rapid.T, e object) {
	maybe(t, e, "eventID", func() any { return anyURI.Draw(t, "id") })
	maybe(t, e, "bizStep", func() any {
		return rapid.SampledFrom([]any{"shipping", "https://x.example/step", "e1:step"}).Draw(t, "step")
	})
	maybe(t, e, "disposition", func() any { return "in_transit" })
	maybe(t, e, "persistentDisposition", func() any { return object{"set": []any{"recalled"}, "unset": []any{"active", "damaged"}} })
	maybe(t, e, "readPoint", func() any { return extend(t, object{"id": anyURI.Draw(t, "place")}) })
	maybe(t, e, "certificationInfo", func() any { return []any{anyURI.Draw(t, "a"), anyURI.Draw(t, "b")} })
	maybe(t, e, "sourceList", func() any { return list(t, 1, func(int) any { return typed(t, "source", "owning_party") }) })
	maybe(t, e, "errorDeclaration", func() any {
		d := object{"declarationTime": anyTime.Draw(t, "declared"), "reason": "incorrect_data"}
		maybe(t, d, "correctiveEventIDs", func() any { return []any{anyURI.Draw(t, "corrective")} })
		return extend(t, d)
	})
	maybe(t, e, "sensorElementList", func() any {
		return list(t, 1, func(int) any {
			s := object{"sensorReport": list(t, 1, func(int) any { return report(t) })}
			maybe(t, s, "sensorMetadata", func() any {
				return extend(t, object{"time": anyTime.Draw(t, "time"), "deviceID": "urn:epc:id:giai:9521321.1"})
			})
			return extend(t, s)
		})
	})
}

func typed(t *rapid.T, role, kind string) object {
	return extend(t, object{"type": rapid.SampledFrom([]string{kind, "https://x.example/type"}).Draw(t, "type"), role: "urn:epc:id:pgln:9521321.00001"})
}

func report(t *rapid.T) object {
	r := object{"type": rapid.SampledFrom([]string{"Temperature", "e2:x"}).Draw(t, "measurement"), "value": number.Draw(t, "value"), "uom": "CEL"}
	maybe(t, r, "component", func() any { return rapid.SampledFrom([]string{"x", "e1:c"}).Draw(t, "component") })
	maybe(t, r, "booleanValue", func() any { return rapid.Bool().Draw(t, "boolean") })
	maybe(t, r, "stringValue", func() any { return strings.Map(printable, anyText.Draw(t, "string")) })
	maybe(t, r, "exception", func() any { return "ALARM_CONDITION" })
	return extend(t, r)
}

// printable leaves out what XML has no characters for: an attribute of the
// standard has no way around that.
func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
		return -1
	}
	return r
}

// Whatever JSON event is accepted can be written as XML, and read again.
func FuzzAppendEvent(f *testing.F) {
	f.Add([]byte(`{"@context":[{"a":"https://a.example/"}],` + plainJSON + `,"a:x":{"y":[1,[true]],"#text":"z","k":null},"bizStep":"shipping"}`))
	f.Add([]byte(`{"@context":{"a":{"@id":"urn:a:"}},` + plainJSON + `,"a:x y":"\u0000","sensorElementList":[{"type":"t","sensorReport":[{"type":"a:T","value":1e5,"a:b":"c"}]}]}`))
	f.Add([]byte(`{` + plainJSON + `,"cbvmda:a":"","https://x.example/ns":{},"persistentDisposition":{"set":["active"]},"readPoint":{"id":"https://a.example/b"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := schemas.DecodeEvent(body); err != nil {
			return
		}
		for _, form := range forms {
			doc, err := epcisxml.AppendDocument(nil, "2026-01-01T00:00:00Z", [][]byte{body}, form)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			back, err := epcisxml.Decode(doc, 1)
			if err != nil || len(back.Events) != 1 {
				t.Fatalf("%v\n%s\n%s", err, body, doc)
			}
			if f := back.Events[0].Fault; f != nil {
				t.Fatalf("%v\n%s\n%s", f, body, doc)
			}
		}
	})
}
