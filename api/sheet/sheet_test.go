package sheet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

func most() sheet.Limits {
	return sheet.Limits{Rows: 1000, Cells: 100000, Unpacked: 8 << 20, Events: 1000, Bytes: 4 << 20}
}

func mapping(t *testing.T, text string) *sheet.Mapping {
	t.Helper()
	m, err := sheet.DecodeMapping([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// made are the events of a file that has no faults.
func made(t *testing.T, m *sheet.Mapping, text []byte) []string {
	t.Helper()
	r, err := m.Read(text, most())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) > 0 {
		t.Fatalf("faults: %v", r.Faults)
	}
	out := []string{}
	for _, e := range r.Events {
		out = append(out, string(e.Text))
	}
	return out
}

// faults are what is wrong with a file, one a line.
func faults(t *testing.T, m *sheet.Mapping, text string) string {
	t.Helper()
	r, err := m.Read([]byte(text), most())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i := range r.Faults {
		out.WriteString(r.Faults[i].Pointer() + " " + r.Faults[i].Code.String() + "\n")
	}
	return out.String()
}

// TestGuide: the example of the guide is true.
func TestGuide(t *testing.T) {
	guide := string(file(t, "../../docs/import.md"))
	block := func(kind string) string {
		found := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindStringSubmatch(guide)
		if found == nil {
			t.Fatalf("the guide has no block %s", kind)
		}
		return found[1]
	}
	m := mapping(t, block("json"))
	for name, text := range map[string]string{"as it stands": block("csv"), "with a mark": "\xef\xbb\xbf" + block("csv"), "with carriage returns": strings.ReplaceAll(block("csv"), "\n", "\r\n")} {
		got := made(t, m, []byte(text))
		if len(got) != 5 {
			t.Fatalf("%s: %d events", name, len(got))
		}
		if diff := cmp.Diff(strings.TrimSpace(block("jsonl")), got[0]+"\n"+got[3]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, column := range sheet.EventColumns {
		if !strings.Contains(guide, "`"+column+"`") {
			t.Errorf("the guide does not tell of column %s", column)
		}
	}
	r, err := m.Read([]byte(block("csv")), most())
	if err != nil {
		t.Fatal(err)
	}
	list, err := schemas.DecodeDocument(m.Document(r.Events, "2026-05-03T00:00:00Z"), 10)
	if err != nil || len(list) != 5 {
		t.Fatalf("the document: %v, %d events", err, len(list))
	}
	for i, e := range list { // a document and a row's own event are one to the ledger
		if e.Fault != nil || !bytes.Equal(e.Event.Body, r.Events[i].Decoded.Body) {
			t.Errorf("event %d: %v, %s and %s", i, e.Fault, e.Event.Body, r.Events[i].Decoded.Body)
		}
	}
}

// TestMessages: a ship notice of X12 and of EDIFACT become the pallets that were
// packed and the shipment.
func TestMessages(t *testing.T) {
	for _, c := range []struct{ mapping, message, offset string }{{"asn.json", "asn.x12", "-05:00"}, {"desadv.json", "desadv.edi", "+02:00"}} {
		m := mapping(t, string(file(t, "testdata/"+c.mapping)))
		got := made(t, m, file(t, "testdata/"+c.message))
		if len(got) != 3 {
			t.Fatalf("%s: %d events", c.message, len(got))
		}
		for i, want := range [][]string{
			{`"AggregationEvent"`, `"parentID":"https://id.gs1.org/00/095212340000000105"`, `/10/LOT1","quantity":40`, `"quantity":12.5,"uom":"KGM"`, `2026-05-01T10:00:00.000` + c.offset},
			{`"AggregationEvent"`, `"parentID":"https://id.gs1.org/00/095212340000000112"`, `"https://id.gs1.org/01/09521234000112/10/A%2F7","quantity":24}`},
			{`"ObjectEvent"`, `"epcList":["https://id.gs1.org/00/095212340000000105","https://id.gs1.org/00/095212340000000112"]`, `urn:epcglobal:cbv:bt:9521234000006:SHP4711`,
				`urn:epcglobal:cbv:bt:9521234000013:PO100`, `"possessing_party","source":"https://id.gs1.org/417/9521234000006"`, `"possessing_party","destination":"https://id.gs1.org/417/9521234000013"`},
		} {
			for _, part := range want {
				if !strings.Contains(got[i], part) {
					t.Errorf("%s: event %d lacks %s: %s", c.message, i, part, got[i])
				}
			}
		}
	}
}

// TestReceivingAdvices: receiving advices of EDIFACT and of X12 become the receipt of
// their pallets, and what was counted in each.
func TestReceivingAdvices(t *testing.T) {
	for _, c := range []struct{ mapping, message, offset, lot1, lot2 string }{
		{"recadv.json", "recadv.edi", "+02:00", `/10/LOT1","quantity":38}`, `/10/LOT+2","quantity":12.5,"uom":"KGM"}`}, // less than was sent
		{"received.json", "received.x12", "-05:00", `/10/LOT1","quantity":40}`, ""},
	} {
		received(t, made(t, mapping(t, string(file(t, "testdata/"+c.mapping))), file(t, "testdata/"+c.message)), c.offset, c.lot1, c.lot2)
	}
}

func received(t *testing.T, got []string, offset, lot1, lot2 string) {
	t.Helper()
	if len(got) != 3 {
		t.Fatalf("%d events", len(got))
	}
	for i, want := range [][]string{
		{`"ObjectEvent","action":"OBSERVE","bizStep":"receiving"`, `"eventTime":"2026-05-03T08:30:00.000` + offset + `"`, `"epcList":["https://id.gs1.org/00/095212340000000105","https://id.gs1.org/00/095212340000000112"]`,
			`{"type":"recadv","bizTransaction":"urn:epcglobal:cbv:bt:9521234000013:REC88"}`, `{"type":"desadv","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:SHP4711"}`, `"possessing_party","destination":"https://id.gs1.org/417/9521234000013"`},
		{`"AggregationEvent","action":"OBSERVE"`, `"parentID":"https://id.gs1.org/00/095212340000000105"`, lot1, lot2},
		{`"parentID":"https://id.gs1.org/00/095212340000000112"`, `"https://id.gs1.org/01/09521234000112/10/A%2F7","quantity":24}`},
	} {
		for _, part := range want {
			if !strings.Contains(got[i], part) {
				t.Errorf("event %d lacks %s: %s", i, part, got[i])
			}
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	x12, edi := string(file(t, "testdata/asn.x12")), string(file(t, "testdata/desadv.edi"))
	asn, desadv := mapping(t, string(file(t, "testdata/asn.json"))), mapping(t, string(file(t, "testdata/desadv.json")))
	for name, c := range map[string]struct {
		m    *sheet.Mapping
		text string
		want string
	}{
		"no ISA":         {asn, "GS*SH~", "ISA segment of 106"},
		"a short ISA":    {asn, strings.Replace(x12, "*00501*", "*501*", 1), "ISA"},
		"another set":    {asn, strings.Replace(x12, "ST*856", "ST*850", 1), "850"},
		"wrong count":    {asn, strings.Replace(x12, "SE*24", "SE*23", 1), "it has 24"},
		"cut off":        {asn, x12[:len(x12)-120], "ends inside"},
		"no end":         {asn, x12[:strings.Index(x12, "SE*")], "does not end"},
		"no such parent": {asn, strings.Replace(x12, "HL*4*3*I", "HL*4*9*I", 1), "did not come before"},
		"twice a number": {asn, strings.Replace(x12, "HL*5*3*I", "HL*4*3*I", 1), "no number of its own"},
		"no UNB":         {desadv, "UNH+1'", "begins with UNB"},
		"another type":   {desadv, strings.Replace(edi, "DESADV", "ORDERS", 1), "ORDERS"},
		"UNT count":      {desadv, strings.Replace(edi, "UNT+27", "UNT+3", 1), "it has 27"},
		"itself":         {desadv, strings.Replace(edi, "CPS+2+1", "CPS+2+2", 1), "did not come before"},
		"latin":          {desadv, strings.Replace(edi, "Gate 7", "G\xe4te", 1), "not UTF-8"},
	} {
		_, err := c.m.Read([]byte(c.text), most())
		var f *schemas.Fault
		if !errors.As(err, &f) || f.Code != schemas.BadSheet || !strings.Contains(f.Detail, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const simple = `{"source":{"format":"csv"},"time":{"zone":"Europe/Berlin"},"events":[{"event":{"type":"ObjectEvent","action":"OBSERVE","bizStep":"{Step}",
	"eventTime":{"$time":"{Time}"},"epcList":["https://id.gs1.org/01/{GTIN|gtin}/21/{Serial}"],"disposition":"{State?}"}}]}`

func TestRowFaults(t *testing.T) {
	m := mapping(t, simple)
	rows := "Step,Time,GTIN,Serial,State\n" +
		"shipping,2026-05-01T10:00,9521234543213,1,\n" + // good
		"shipping,2026-05-01T10:00,9521234543213,,\n" +
		"dancing,2026-05-01T10:00,9521234543213,1,\n" +
		"shipping,yesterday,9521234543213,1,\n" +
		"shipping,2026-03-29T02:30,9521234543213,1,\n" + // skipped by clocks
		"shipping,2026-05-01T10:00,9521234543214,1,\n" + // check digit
		"shipping,2026-05-01T10:00,95212X,1,\n" +
		"shipping,2026-05-01T10:00,9521234543213,1,,2\n" + // whose value is which?
		"shipping,2026-05-01T10:00,9521234543213,2,, ,\n" + // nothing is too much
		"\n" +
		"shipping,2026-05-01T10:00,9521234543213,\"a\"\"/21/2\",in_transit\n"
	want := "/rows/3/Serial missing_field\n/rows/4/Step unknown_vocabulary\n/rows/5/Time bad_time\n/rows/6/Time bad_time\n/rows/7/GTIN bad_check_digit\n/rows/8/GTIN bad_value\n/rows/9/Step bad_value\n/rows/9/Time bad_value\n/rows/9/GTIN bad_value\n/rows/9/State bad_value\n"
	if diff := cmp.Diff(want, faults(t, m, rows)); diff != "" {
		t.Error(diff)
	}
	r, err := m.Read([]byte(rows), most())
	if err != nil || len(r.Events) != 3 || r.Events[2].Row != 12 || r.Rows != 10 {
		t.Fatalf("%v: %+v", err, r)
	}
	if text := string(r.Events[2].Text); !strings.Contains(text, `/21/a%22%2F21%2F2"`) || !strings.Contains(text, `"disposition":"in_transit"`) {
		t.Errorf("a value that would add to an identifier: %s", text)
	}
	if strings.Contains(string(r.Events[0].Text), "disposition") {
		t.Errorf("an empty value: %s", r.Events[0].Text)
	}
}

func TestFiles(t *testing.T) {
	m := mapping(t, simple)
	head := "Step,Time,GTIN,Serial,State\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":          {"", "no header row"},
		"UTF-16":         {"\xff\xfeS\x00", "UTF-16"},
		"latin":          {head + "x,\xe4\n", "byte 0xe4 in line 2"},
		"NUL":            {head + "x,\x00\n", "NUL"},
		"an archive":     {"PK\x03\x04", "archive"},
		"separator":      {strings.ReplaceAll(head, ",", ";"), "another separator"},
		"a quote":        {head + "a\"b,1\n", "line 2"},
		"lacks a column": {"Step,Time,GTIN\na,b,c\n", `no column "Serial"`},
		"two of a name":  {"Step,Step\n", "two columns"},
		"nothing":        {head, "none of 0 rows"},
		"many rows":      {head + strings.Repeat("a,b,c,d,e\n", 1001), "more than 1000 rows"},
	} {
		_, err := m.Read([]byte(c.text), most())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	small := most()
	small.Bytes = 1000
	if _, err := m.Read([]byte(head+strings.Repeat("shipping,2026-05-01T10:00,9521234543213,1,\n", 10)), small); err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") {
		t.Errorf("bytes: %v", err)
	}
	small = most()
	small.Events = 5
	if _, err := m.Read([]byte(head+strings.Repeat("shipping,2026-05-01T10:00,9521234543213,1,\n", 10)), small); err == nil || !strings.Contains(err.Error(), "more than 5 events") {
		t.Errorf("events: %v", err)
	}
	// A mapping and a file, each small, that together would take for ever.
	long := `{"source":{"format":"csv"},"events":[{"group":[],"event":{"x":[` + strings.Repeat(`{"$rows":"{A?}"},`, 20000) + `""]}}]}`
	if _, err := mapping(t, long).Read([]byte("A,B\n"+strings.Repeat(",x\n", 900)), most()); err == nil || !strings.Contains(err.Error(), "steps") {
		t.Errorf("steps: %v", err)
	}
}

func TestGroups(t *testing.T) {
	m := mapping(t, `{"source":{"format":"csv","split":{"Serials":"|"}},"time":{"zone":"+01:00"},"events":[{"when":{"Kind":["in","out"]},"group":["Ship"],"event":{
		"type":"ObjectEvent","action":"OBSERVE","eventTime":{"$time":"{Time}"},"epcList":[{"$distinct":"urn:epc:id:sgtin:9521234.054321.{Serials}"}],
		"quantityList":[{"$rows":{"epcClass":"urn:epc:class:lgtin:9521234.054321.{Lot}","quantity":{"$number":"{Qty}"}},"$when":{"Lot":"*"}}],
		"readPoint":{"$when":{"Kind":"out"},"id":"urn:example:gate"}}}]}`)
	got := made(t, m, []byte("Kind,Ship,Time,Serials,Lot,Qty\nin,A,2026-05-01,1|2,L1,3\nskip,A,2026-05-01,9,,\nout,B,2026-05-02,5,,\nin,A,2026-05-01,2,L1,3\n"))
	want := []string{
		`{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-05-01T00:00:00.000+01:00","epcList":["urn:epc:id:sgtin:9521234.054321.1","urn:epc:id:sgtin:9521234.054321.2"],"quantityList":[{"epcClass":"urn:epc:class:lgtin:9521234.054321.L1","quantity":3},{"epcClass":"urn:epc:class:lgtin:9521234.054321.L1","quantity":3},{"epcClass":"urn:epc:class:lgtin:9521234.054321.L1","quantity":3}],"eventTimeZoneOffset":"+01:00"}`,
		`{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-05-02T00:00:00.000+01:00","epcList":["urn:epc:id:sgtin:9521234.054321.5"],"readPoint":{"id":"urn:example:gate"},"eventTimeZoneOffset":"+01:00"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := faults(t, m, "Kind,Ship,Time,Serials,Lot,Qty\nin,A,2026-05-01,1,,\nin,A,2026-05-02,2,,\n"); got != "/rows/3/Time bad_value\n/rows/3/Time bad_value\n" && got != "/rows/3/Time bad_value\n" {
		t.Errorf("rows that disagree: %s", got)
	}
}

func TestMappingFaults(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                 "bad_json",
		`{"source":{"format":"csv"}}`:       "/events",
		`{"events":[]}`:                     "/source",
		`{"source":{"format":"doc"}}`:       "/source/format",
		`{"source":{"format":"csv"},"x":1}`: "/x",
		`{"source":{"format":"csv","format":"csv"}}`:                                       "duplicate_key",
		`{"source":{"format":"csv","sheet":"a"}}`:                                          "/source/sheet",
		`{"source":{"format":"csv","decimal":";"}}`:                                        "/source/decimal",
		`{"source":{"format":"csv","decimal":",","grouping":","}}`:                         "/source/grouping",
		`{"source":{"format":"csv","separator":"ab"}}`:                                     "/source/separator",
		`{"source":{"format":"csv","header":0}}`:                                           "/source/header",
		`{"source":{"format":"csv","split":{"A":""}}}`:                                     "/source/split/A",
		`{"source":{"format":"csv"},"time":{"zone":"Berlin"}}`:                             "/time/zone",
		`{"source":{"format":"csv"},"time":{"format":"DD.MM."}}`:                           "/time/format",
		`{"source":{"format":"csv"},"time":{"format":"YYYY-MM-DD qq"}}`:                    "/time/format",
		`{"source":{"format":"csv"},"tables":{"gtin":{}}}`:                                 "/tables/gtin",
		`{"source":{"format":"csv"},"context":"x"}`:                                        "/context",
		`{"source":{"format":"csv"},"events":[{"event":{}, "of":1}]}`:                      "/events/0/of",
		`{"source":{"format":"csv"},"events":[{}]}`:                                        "/events/0",
		`{"source":{"format":"csv"},"events":[{"event":{"a":"{B"}}]}`:                      "/events/0/event/a",
		`{"source":{"format":"csv"},"events":[{"event":{"a":"B}"}}]}`:                      "/events/0/event/a",
		`{"source":{"format":"csv"},"events":[{"event":{"a":"{}"}}]}`:                      "/events/0/event/a",
		`{"source":{"format":"csv"},"events":[{"event":{"a":"{B|nope}"}}]}`:                "/events/0/event/a",
		`{"source":{"format":"csv"},"events":[{"event":{"a":{"$rows":"x"}}}]}`:             "/events/0/event/a",
		`{"source":{"format":"csv"},"events":[{"event":{"a":[{"$rows":{"$rows":"x"}}]}}]}`: "/events/0/event/a/0/$rows",
		`{"source":{"format":"csv"},"events":[{"event":{"a":{"$sum":"x"}}}]}`:              "/events/0/event/a/$sum",
		`{"source":{"format":"csv"},"events":[{"event":{"a":{"$number":"{A}","b":1}}}]}`:   "/events/0/event/a/b",
		`{"source":{"format":"csv"},"events":[{"group":"A","event":{}}]}`:                  "/events/0/group",
		`{"source":{"format":"csv"},"events":[{"when":{"A":1},"event":{}}]}`:               "/events/0/when/A",
		strings.Repeat("[", 100):                                                           "too_deep",
	} {
		_, err := sheet.DecodeMapping([]byte(text))
		var f *schemas.Fault
		if !errors.As(err, &f) || f.Pointer != want && f.Code.String() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ format, zone, text, want string }{
		{"", "", "2026-05-01T10:00:00.5Z", "2026-05-01T10:00:00.500Z +00:00"},
		{"", "", "2026-05-01 10:00:00+05:30", "2026-05-01T10:00:00.000+05:30 +05:30"},
		{"", "", "2026-05-01 10:00", "bad_time"},
		{"", "America/New_York", "2026-01-01 10:00", "2026-01-01T10:00:00.000-05:00 -05:00"},
		{"", "America/New_York", "2026-07-01 10:00", "2026-07-01T10:00:00.000-04:00 -04:00"},
		{"", "Europe/Berlin", "2026-10-25 02:30", "2026-10-25T02:30:00.000+02:00 +02:00"},
		{"", "Europe/Berlin", "2026-03-29 02:30", "bad_time"},
		{"M/D/YYYY", "UTC", "", ""},
		{"MM/DD/YYYY hh:mm AM", "UTC", "5/1/2026 1:05 pm", "2026-05-01T13:05:00.000Z +00:00"},
		{"MM/DD/YYYY hh:mm AM", "UTC", "5/1/2026 12:05 AM", "2026-05-01T00:05:00.000Z +00:00"},
		{"MM/DD/YYYY hh:mm AM", "UTC", "5/1/2026 13:05 AM", "bad_time"},
		{"DD.MM.YY", "+01:00", "1.5.26", "2026-05-01T00:00:00.000+01:00 +01:00"},
		{"DD.MM.YYYY", "UTC", "31.02.2026", "bad_time"},
		{"DD.MM.YYYY", "UTC", "01.05.2026 ", "2026-05-01T00:00:00.000Z +00:00"},
		{"DD.MM.YYYY", "UTC", "01.05.2026x", "bad_time"},
		{"YYYYMMDDhhmmssZ", "", "20260501100000-0330", "2026-05-01T10:00:00.000-03:30 -03:30"},
		{"YYYYMMDD", "UTC", "2026051", "bad_time"},
		{"", "UTC", "1850-01-01", "bad_time"},
	} {
		text := `{"source":{"format":"csv"},"time":{` + `"format":` + quote(c.format) + `,"zone":` + quote(c.zone) + `},"events":[{"event":{"type":"ObjectEvent","action":"OBSERVE","epcList":["urn:a:b"],"eventTime":{"$time":"{T}"}}}]}`
		text = strings.ReplaceAll(strings.ReplaceAll(text, `"format":"",`, ""), `"zone":""`, "")
		text = strings.ReplaceAll(text, `",}`, `"}`)
		m, err := sheet.DecodeMapping([]byte(text))
		if c.want == "" {
			if err == nil {
				t.Errorf("%s is taken for a format", c.format)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		r, err := m.Read([]byte("T,x\n\""+c.text+"\",x\n"), most())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(r.Faults) > 0 {
			got = r.Faults[0].Code.String()
		} else {
			var e struct{ EventTime, EventTimeZoneOffset string }
			if err := json.Unmarshal(r.Events[0].Text, &e); err != nil {
				t.Fatal(err)
			}
			got = e.EventTime + " " + e.EventTimeZoneOffset
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string can be written
	return string(b)
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ decimal, grouping, text, want string }{
		{".", "", "12.50", "12.50"}, {".", "", "007", "7"}, {".", "", "-0.5", "-0.5"}, {".", "", "1,5", "bad_quantity"}, {",", "", "1,5", "1.5"},
		{",", ".", "1.250,5", "1250.5"}, {",", ".", "12.50", "bad_quantity"}, {",", ".", "1.2500", "bad_quantity"}, {".", ",", "1,000,000", "1000000"},
		{".", "", "1e3", "bad_quantity"}, {".", "", "5.", "bad_quantity"}, {".", "", ".5", "bad_quantity"}, {".", "", "--1", "bad_quantity"},
	} {
		m := mapping(t, `{"source":{"format":"csv","decimal":`+quote(c.decimal)+`,"grouping":`+quote(c.grouping)+`},"context":{"x":"https://example.com/"},"events":[{"event":{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:a:b"],"x:n":{"$number":"{N}"}}}]}`)
		r, err := m.Read([]byte("N,x\n\""+c.text+"\",x\n"), most())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(r.Faults) > 0 {
			got = r.Faults[0].Code.String()
		} else {
			_, got, _ = strings.Cut(string(r.Events[0].Text), `"x:n":`)
			got = strings.TrimSuffix(got, "}")
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
