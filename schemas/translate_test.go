package schemas_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// everyIdentifier has an identifier in every member that holds one, and where none is.
const everyIdentifier = `{"type":"TransactionEvent","action":"ADD","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00","eventID":"urn:epc:id:gdti:9521321.00001.7",` +
	`"parentID":"PARENT","epcList":["EPC","urn:example:7","https://example.com/about"],"quantityList":[{"epcClass":"LOT","quantity":2.50}],` +
	`"bizTransactionList":[{"type":"po","bizTransaction":"PAPER"}],"readPoint":{"ex:was":"urn:epc:id:sgln:9521321.00002.0","id":"PLACE"},"bizLocation":{"id":"HALL"},` +
	`"sourceList":[{"type":"owning_party","source":"PARTY"}],"destinationList":[{"type":"location","destination":"PLACE"}],` +
	`"sensorElementList":[{"sensorReport":[{"type":"Temperature","deviceID":"DEVICE","value":1.0}],"sensorMetadata":{"rawData":"https://id.gs1.org/253/9521321000010RAW","deviceID":"DEVICE"}}],` +
	`"@context":[{"ex":"https://example.com/"}],"ex:epc":"urn:epc:id:sgtin:9521321.012345.1","ex:deep":{"epcList":["urn:epc:id:sgtin:9521321.012345.1"]}}`

func with(forms map[string][2]string, form int) string {
	var pairs []string
	for name, f := range forms {
		pairs = append(pairs, `"`+name+`"`, `"`+f[form]+`"`)
	}
	return strings.NewReplacer(pairs...).Replace(everyIdentifier)
}

func TestTranslate(t *testing.T) {
	forms := map[string][2]string{}
	for name, urn := range map[string]string{
		"PARENT": "urn:epc:id:sscc:9521321.0000000123", "EPC": "urn:epc:id:sgtin:9521321.012345.a%2Fb", "LOT": "urn:epc:class:lgtin:9521321.012345.L-1",
		"PAPER": "urn:epc:id:gdti:9521321.00001.PO7", "PLACE": "urn:epc:id:sgln:9521321.00003.gate", "HALL": "urn:epc:id:sgln:9521321.00003.0",
		"PARTY": "urn:epc:id:pgln:9521321.00004", "DEVICE": "urn:epc:id:giai:9521321.sensor-9",
	} {
		link, _, err := schemas.Canonical(urn)
		if err != nil {
			t.Fatal(err)
		}
		forms[name] = [2]string{urn, link}
	}
	urns, links := with(forms, 0), with(forms, 1)
	check := func(what, body string, to schemas.IdentifierForm, want string) {
		t.Helper()
		got, err := schemas.Translate([]byte(body), to, nil)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", what, err, got, want)
		}
	}
	check("URN to Digital Link", urns, schemas.AsDigitalLink, links)
	check("URN to URN", urns, schemas.AsURN, urns)
	check("Digital Link to Digital Link", links, schemas.AsDigitalLink, links)
	check("a prefix that nothing tells", links, schemas.AsURN, links)
	check("as submitted", urns, schemas.AsSubmitted, urns)

	mixed := map[string][2]string{}
	for name, f := range forms {
		mixed[name] = [2]string{f[1]}
	}
	mixed["HALL"] = [2]string{forms["HALL"][0]}
	check("a prefix that one URN tells", with(mixed, 0), schemas.AsURN, urns)
	mixed["PLACE"] = [2]string{"https://shop.example/414/9521321000032/254/gate?x=1"}
	check("a Digital Link of any host is one", with(mixed, 0), schemas.AsDigitalLink, strings.Replace(with(mixed, 0), `"`+forms["HALL"][0]+`"`, `"`+forms["HALL"][1]+`"`, 1))

	item, _, err := schemas.Canonical("urn:epc:id:sgtin:9521321.012345.3")
	if err != nil {
		t.Fatal(err)
	}
	two := `{"epcList":["urn:epc:id:sgtin:9521321.012345.1","urn:epc:id:sgtin:952132.0112345.2","` + item + `"]}`
	check("prefixes that contradict each other", two, schemas.AsURN, two)
	check("escapes", `{"parentID":"urn:epc:id:sscc:\u0039521321.0000000123","recordTime":1.50e+1}`, schemas.AsDigitalLink, `{"parentID":"`+forms["PARENT"][1]+`","recordTime":1.50e+1}`)
	if _, err := schemas.Translate([]byte(`{"a":1,"a":2}`), schemas.AsURN, nil); err == nil {
		t.Error("a text that is no event was translated")
	}
}

// What is translated names the same things: its canonical hash stays.
func TestTranslateKeepsMeaning(t *testing.T) {
	files, _ := filepath.Glob("testdata/events/*.json")
	if len(files) == 0 {
		t.Fatal("no events")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := schemas.DecodeSingle(text)
		if err != nil {
			continue
		}
		var h schemas.EventHasher
		want, _ := h.Sum(e, schemas.CBV20)
		for _, to := range []schemas.IdentifierForm{schemas.AsDigitalLink, schemas.AsURN} {
			body, err := schemas.Translate(e.Body, to, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := schemas.DecodeEvent(body)
			if err != nil {
				t.Errorf("%s: %v: %s", file, err, body)
			} else if got, _ := h.Sum(again, schemas.CBV20); got != want {
				t.Errorf("%s: %s became another event: %s", file, e.Body, body)
			}
		}
	}
}

// Whatever is admitted is translated, and stays admitted, of the same things.
func FuzzTranslate(f *testing.F) {
	files, _ := filepath.Glob("testdata/events/*.json")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := schemas.DecodeSingle([]byte(text))
		if err != nil {
			return
		}
		for _, to := range []schemas.IdentifierForm{schemas.AsDigitalLink, schemas.AsURN} {
			body, err := schemas.Translate(e.Body, to, nil)
			if err != nil {
				t.Fatalf("%v: %s", err, e.Body)
			}
			if len(body) > schemas.MaxBody {
				continue
			}
			again, err := schemas.DecodeEvent(body)
			if err != nil {
				t.Fatalf("%v: %s became %s", err, e.Body, body)
			}
			if !bytes.Equal(e.Skeleton.Append(nil), again.Skeleton.Append(nil)) || e.ReadPoint != again.ReadPoint || e.BizLocation != again.BizLocation {
				t.Fatalf("%s became another: %s", e.Body, body)
			}
			if twice, err := schemas.Translate(body, to, nil); err != nil || !bytes.Equal(twice, body) {
				t.Fatalf("%v: %s is not all that %s can be", err, body, twice)
			}
		}
	})
}
