package schemas_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

var hashVersions = map[string]schemas.HashVersion{"CBV2.0": schemas.CBV20, "CBV2.1": schemas.CBV21}

// decoded reads a document, JSON or XML, of which every event is valid.
func decoded(t *testing.T, name string) (out []*schemas.Event) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var events []schemas.DocumentEvent
	if epcisxml.IsXML(text) {
		var d *epcisxml.Document
		if d, err = epcisxml.Decode(text, 1000); err == nil {
			events = d.Events
		}
	} else {
		events, err = schemas.DecodeDocument(text, 1000)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, e := range events {
		if e.Fault != nil {
			t.Fatalf("%s: %v", name, e.Fault)
		}
		out = append(out, e.Event)
	}
	return out
}

// hashDocuments finds the documents of a stem in the folders that have published
// hashes.
func hashDocuments(t *testing.T, stem string) (out []string) {
	t.Helper()
	for _, pattern := range []string{"/RalphTro-hash/tests/examples/%.*", "/openepcis-test-resources/core/src/main/resources/2.0/EPCIS/*/Capture/Documents/%.*"} {
		names, err := filepath.Glob(conformanceRoot + strings.Replace(pattern, "%", stem, 1))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names...)
	}
	return out
}

func TestEventHashPublished(t *testing.T) {
	tested := 0
	for name, version := range hashVersions {
		var file struct{ Hashes map[string][]string }
		conformance(t, "hashes-"+name+".json", &file)
		for stem, want := range file.Hashes {
			for _, path := range hashDocuments(t, stem) {
				events := decoded(t, path)
				if len(events) != len(want) {
					t.Errorf("%s: %d events, %d hashes", path, len(events), len(want))
					continue
				}
				for i, e := range events {
					tested++
					if got := schemas.EventHash(e, version); got != want[i] {
						t.Errorf("%s %d: %s, want %s\n%s", path, i, got, want[i], schemas.PreHash(e, version))
					}
				}
			}
		}
	}
	if tested < 45 {
		t.Errorf("only %d events have a published hash", tested)
	}
}

func TestPreHashPublished(t *testing.T) {
	var file struct {
		Vectors []struct {
			Doc, Version, Prehash string
			Event                 int
		}
	}
	conformance(t, "prehash-verified.json", &file)
	for _, v := range file.Vectors {
		for _, path := range hashDocuments(t, v.Doc) {
			if got := schemas.PreHash(decoded(t, path)[v.Event-1], hashVersions[v.Version]); string(got) != v.Prehash {
				t.Errorf("%s %s:\n     %s\nwant %s", v.Doc, v.Version, got, v.Prehash)
			}
		}
	}
}

// Documents whose events say the same in other words hash alike.
func TestEventHashEqual(t *testing.T) {
	names, _ := filepath.Glob(conformanceRoot + "/RalphTro-hash/tests/expected_equal/*.*")
	if len(names) == 0 {
		t.Skip("no conformance documents here")
	}
	for _, name := range names {
		events := decoded(t, name)
		for _, version := range hashVersions {
			for i, e := range events {
				if first, got := schemas.EventHash(events[0], version), schemas.EventHash(e, version); got != first {
					t.Errorf("%s: event %d hashes to %s, the first to %s", name, i, got, first)
				}
			}
		}
	}
}

// hashCases are of our own: members of one event, and what they add to the
// pre-hash string of CBV 2.0 and, where it differs, of 2.1.
var hashCases = []struct{ name, members, want, want21 string }{
	{"left out", `"eventID":"urn:uuid:7","recordTime":"2026-01-01T00:00:00Z","certificationInfo":"https://example.com/c","errorDeclaration":{"declarationTime":"2026-01-01T00:00:00Z","x:why":"no"}`,
		"", ""},
	{"number", `"x:a":12.500,"x:b":1e3,"x:c":-0.0,"x:d":"7.50","x:e":"007","x:f":"1.2.3"`,
		"{https://x/}a=12.5{https://x/}b=1000{https://x/}c=0{https://x/}d=7.5{https://x/}e=007{https://x/}f=1.2.3", ""},
	{"space", `"x:a":"  two words ","x:b":""`, "{https://x/}a=two words{https://x/}b", ""},
	{"boolean and null", `"x:a":true,"x:b":null,"x:c":[],"x:d":{}`, "{https://x/}a=true{https://x/}d", ""},
	{"array", `"x:a":["b","a",{"x:c":["2","1"]},["z"]]`,
		"{https://x/}a=a{https://x/}a=b{https://x/}a=z{https://x/}a{https://x/}c=1{https://x/}c=2", ""},
	{"time", `"x:a":"2026-01-02T01:00:00.0005+02:00","x:b":"2026-01-02"`, "{https://x/}a=2026-01-01T23:00:00.001Z{https://x/}b=2026-01-02", ""},
	{"identifier", `"x:a":"urn:epc:id:gdti:9521234.00001.7","x:b":"https://example.com/01/09521234543213/22/V/21/7?x=y","x:c":"https://example.com/01/09521234543214"`,
		"{https://x/}a=https://id.gs1.org/253/95212340000137{https://x/}b=https://id.gs1.org/01/09521234543213/21/7{https://x/}c=https://example.com/01/09521234543214", ""},
	{"vocabulary", `"x:a":"urn:epcglobal:cbv:bizstep:shipping","x:b":"cbv:Disp-active","x:c":"x:d","x:e":"note: y","x:f":"gs1:Temperature"`,
		"{https://x/}a=https://ref.gs1.org/cbv/BizStep-shipping{https://x/}b=https://ref.gs1.org/cbv/Disp-active{https://x/}c=https://x/d{https://x/}e=note: y{https://x/}f=https://ref.gs1.org/voc/Temperature", ""},
	{"names", `"https://example.com/ns#local":"1","cbvmda:lotNumber":"L","y:a":{"@id":"z","plain":"w"}`,
		"{http://y}aid=zplain=w{https://example.com/ns#}local=1{urn:epcglobal:cbv:mda}lotNumber=L", ""},
	{"typed values", `"x:a":{"#text":"5.0","unit":"KGM","x:b":"2"},"x:c":{"@value":"1.50","@type":"xsd:decimal"},"x:d":[{"@value":"b","@language":"en"},"a"]`,
		"{https://x/}a=5unit=KGM{https://x/}b=2{https://x/}c=1.5{https://x/}d=a{https://x/}d=b", ""},
	{"inner", `"bizLocation":{"x:b":"2","id":"https://example.com/l","x:a":"1"}`,
		"bizLocationid=https://example.com/lbizLocation{https://x/}a=1{https://x/}b=2",
		"bizLocationid=https://example.com/l{https://x/}a=1{https://x/}b=2"},
	{"sensor", `"sensorElementList":[{"type":"epcis:SensorElement","x:z":"0","sensorReport":[{"type":"gs1:Time","value":10,"uom":"SEC"},{"exception":"ALARM_CONDITION","component":"x","x:r":"1","type":"https://example.com/T","booleanValue":false}],"sensorMetadata":{"x:m":"2","bizRules":"https://example.com/253/9521234000013"}}]`,
		"sensorElementsensorMetadatabizRules=https://id.gs1.org/253/9521234000013sensorReporttype=https://example.com/Texception=https://ref.gs1.org/voc/ALARM_CONDITIONcomponent=https://ref.gs1.org/cbv/Comp-xbooleanValue=falsesensorReporttype=https://ref.gs1.org/voc/Timevalue=10uom=SEC" +
			"sensorElementsensorMetadata{https://x/}m=2sensorReport{https://x/}r=1{https://x/}z=0",
		"sensorElementListsensorElementsensorMetadatabizRules=https://id.gs1.org/253/9521234000013{https://x/}m=2sensorReporttype=https://example.com/Texception=https://ref.gs1.org/voc/ALARM_CONDITIONcomponent=https://ref.gs1.org/cbv/Comp-xbooleanValue=false{https://x/}r=1sensorReporttype=https://ref.gs1.org/voc/Timevalue=10uom=SEC{https://x/}z=0"},
	{"plain sensors", `"ilmd":{"x:b":"2"},"x:a":"3","readPoint":{"id":"https://example.com/l"},"sensorElementList":[{"sensorReport":[{"type":"Time","value":10}]},{"sensorReport":[{"type":"Area","value":9}]}]`,
		"readPointid=https://example.com/lsensorElementsensorReporttype=https://ref.gs1.org/voc/Areavalue=9sensorElementsensorReporttype=https://ref.gs1.org/voc/Timevalue=10ilmd{https://x/}b=2{https://x/}a=3",
		"readPointid=https://example.com/lsensorElementListsensorElementsensorReporttype=https://ref.gs1.org/voc/Areavalue=9sensorElementsensorReporttype=https://ref.gs1.org/voc/Timevalue=10ilmd{https://x/}b=2{https://x/}a=3"},
	{"dispositions", `"persistentDisposition":{"unset":["damaged"],"set":["recalled","https://example.com/d","expired"]},"x:a":"1"`,
		"persistentDispositionset=https://example.com/dset=https://ref.gs1.org/cbv/Disp-expiredset=https://ref.gs1.org/cbv/Disp-recalledunset=https://ref.gs1.org/cbv/Disp-damaged{https://x/}a=1", ""},
	{"papers", `"bizTransactionList":[{"bizTransaction":"urn:epcglobal:cbv:bt:9521234000013:7"},{"bizTransaction":"https://example.com/253/95212340000137","type":"po"}]`,
		"bizTransactionListbizTransaction=urn:epcglobal:cbv:bt:9521234000013:7type=https://ref.gs1.org/cbv/BTT-pobizTransaction=https://id.gs1.org/253/95212340000137", ""},
	{"ilmd", `"ilmd":{"x:b":{"x:d":"2","x:c":"1"},"cbvmda:lotNumber":"A"},"x:a":"3"`,
		"ilmd{https://x/}b{https://x/}c=1{https://x/}d=2{urn:epcglobal:cbv:mda}lotNumber=A{https://x/}a=3", ""},
}

func TestPreHash(t *testing.T) {
	const head = `{"@context":[{"x":"https://x/"},{"y":"http://y"}],"type":"ObjectEvent","eventTime":"2026-01-01T00:00:00+00:00","eventTimeZoneOffset":"+00:00","action":"ADD","epcList":["https://example.com/b","https://example.com/a"],`
	const start = "eventType=ObjectEventeventTime=2026-01-01T00:00:00.000ZeventTimeZoneOffset=+00:00epcListepc=https://example.com/aepc=https://example.com/baction=ADD"
	var hasher schemas.EventHasher
	for _, c := range hashCases {
		e, err := schemas.DecodeEvent([]byte(head + c.members + "}"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want21 == "" {
			c.want21 = c.want
		}
		for version, want := range map[schemas.HashVersion]string{schemas.CBV20: c.want, schemas.CBV21: c.want21} {
			if got := strings.TrimPrefix(string(schemas.PreHash(e, version)), start); got != want {
				t.Errorf("%s, %s:\n     %s\nwant %s", c.name, version, got, want)
			}
		}
		for _, version := range hashVersions {
			sum, _ := hasher.Sum(e, version)
			id := schemas.EventHash(e, version)
			if got, ok := schemas.ParseHashID(id); !ok || got.Version != version || got.Sum != sum || got.String() != id {
				t.Errorf("%s: %s is read as %s, %t; its digest is %s", c.name, id, got, ok, sum)
			}
		}
		ids := hasher.IDs(e)
		for _, id := range ids {
			if want := schemas.EventHash(e, id.Version); id.String() != want {
				t.Errorf("%s: one after the other hash to %s, by itself to %s", c.name, id, want)
			}
		}
		if len(ids) != 1 && c.want == c.want21 || len(ids) != 2 && c.want != c.want21 {
			t.Errorf("%s: %v", c.name, ids)
		}
	}
}

func TestParseHashID(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	for _, s := range []string{"", "ni:///sha-256;" + digits, "ni:///sha-256;" + digits + "?ver=CBV1.2", "ni:///sha-256;" + strings.ToUpper(digits) + "?ver=CBV2.0",
		"ni:///sha-256;" + digits[2:] + "?ver=CBV2.0", "ni:///sha-256;" + digits + "00?ver=CBV2.0", "ni:///sha-512;" + digits + "?ver=CBV2.0", "ni:///sha-256;" + digits[2:] + "xx?ver=CBV2.0"} {
		if id, ok := schemas.ParseHashID(s); ok {
			t.Errorf("%q is read as %s", s, id)
		}
	}
	var id schemas.HashID
	if err := id.UnmarshalText([]byte("ni:///sha-256;" + digits + "?ver=CBV2.1")); err != nil || id.Version != schemas.CBV21 || id.Sum.String() != digits {
		t.Errorf("%s, %v", id, err)
	}
}

// An event whose names become too long has no hash, whatever came before and
// comes after.
func TestEventHashBound(t *testing.T) {
	event := func(times int, space string) *schemas.Event {
		body := `{"@context":[{"x":"https://x/` + space + `"}],"type":"ObjectEvent","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00","action":"ADD","epcList":["https://example.com/a"],"bizLocation":{"id":"https://example.com/l","x:a":[0` +
			strings.Repeat(",0", times) + `]}}`
		e, err := schemas.DecodeEvent([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var hasher schemas.EventHasher
	for _, version := range hashVersions {
		if id := schemas.EventHash(event(400000, strings.Repeat("n", 900)), version); id != "" {
			t.Errorf("the longest event hashes to %s", id)
		}
		for _, c := range []struct {
			times int
			ok    bool
		}{{15, true}, {10000, false}, {20, true}} {
			e := event(c.times, strings.Repeat("n", 900))
			sum, ok := hasher.Sum(e, version)
			if id := schemas.EventHash(e, version); ok != c.ok || ok && id != (schemas.HashID{Sum: sum, Version: version}).String() || !ok && id != "" {
				t.Errorf("%d times: %t, %q", c.times, ok, id)
			}
		}
	}
}

// FuzzPreHash: no event that is accepted breaks the hash, one hasher for all gives
// what a fresh one gives, and the hash is that of any other order of members.
func FuzzPreHash(f *testing.F) {
	for _, c := range hashCases {
		f.Add([]byte(`{"@context":[{"x":"https://x/"},{"y":"http://y"}],"type":"ObjectEvent","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00","action":"ADD","epcList":["https://example.com/a"],` + c.members + `}`))
	}
	var hasher schemas.EventHasher
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := schemas.DecodeEvent(body)
		if err != nil {
			return
		}
		again, err := schemas.DecodeEvent(schemas.CanonicalEvent(e, "recordTime", "eventID"))
		if err != nil {
			return // longer than the body was
		}
		for _, version := range hashVersions {
			sum, ok := hasher.Sum(e, version)
			if other, okay := new(schemas.EventHasher).Sum(again, version); ok && okay && sum != other {
				t.Fatalf("%s\n%s\n%s", body, schemas.PreHash(e, version), schemas.PreHash(again, version))
			}
		}
	})
}
