package epcisxml_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

const head = `<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" creationDate="2026-05-01T11:00:00Z"`

func wrap(events string) string {
	return head + `><EPCISBody><EventList>` + events + `</EventList></EPCISBody></epcis:EPCISDocument>`
}

// objectEvent has more where extensions stand, and attrs at its start.
func objectEvent(more, attrs string) string {
	return `<ObjectEvent` + attrs + `><eventTime>2026-05-01T10:00:00Z</eventTime><eventTimeZoneOffset>+02:00</eventTimeZoneOffset>` +
		`<epcList><epc>urn:epc:id:sgtin:9521234.054321.1</epc></epcList><action>OBSERVE</action>` + more + `</ObjectEvent>`
}

const plainJSON = `"type":"ObjectEvent","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+02:00","epcList":["urn:epc:id:sgtin:9521234.054321.1"],"action":"OBSERVE"`

// What an event's XML becomes.
func TestBodies(t *testing.T) {
	for _, c := range []struct{ name, more, attrs, want string }{
		{"plain", "", "", `{` + plainJSON + `}`},
		{"text is trimmed, and kept where that is said", `<a:x xmlns:a="u:a"> y </a:x><a:z xmlns:a="u:a" xml:space="preserve"> y </a:z>`, "",
			`{"@context":[{"a":"u:a"}],` + plainJSON + `,"a:x":"y","a:z":" y "}`},
		{"repeated, nested, empty", `<a:x>1</a:x><a:y><a:z/></a:y><a:x>2</a:x><a:n/>`, ` xmlns:a="https://a.example/"`,
			`{"@context":[{"a":"https://a.example/"}],` + plainJSON + `,"a:x":["1","2"],"a:y":{"a:z":""},"a:n":""}`},
		{"attributes", `<a:x unit="KGM" a:k="v">3.5</a:x>`, ` xmlns:a="https://a.example/"`,
			`{"@context":[{"a":"https://a.example/"}],` + plainJSON + `,"a:x":{"unit":"KGM","a:k":"v","#text":"3.5"}}`},
		{"types of XML schema say nothing", `<a:x xsi:type="xsd:int">3</a:x>`, ` xmlns:a="https://a.example/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`,
			`{"@context":[{"a":"https://a.example/"}],` + plainJSON + `,"a:x":"3"}`},
		{"a prefix with two meanings", `<a:x><a:y xmlns:a="https://other.example/"/></a:x>`, ` xmlns:a="https://a.example/"`,
			`{"@context":[{"a":"https://a.example/"},{"ns1":"https://other.example/"}],` + plainJSON + `,"a:x":{"ns1:y":""}}`},
		{"a prefix that has a meaning in JSON", `<gs1:x/><https:y/>`, ` xmlns:gs1="https://a.example/" xmlns:https="https://b.example/"`,
			`{"@context":[{"ns1":"https://a.example/"},{"ns2":"https://b.example/"}],` + plainJSON + `,"ns1:x":"","ns2:y":""}`},
		{"a default namespace", `<x xmlns="https://a.example/"><y/></x>`, "", `{"@context":[{"ns1":"https://a.example/"}],` + plainJSON + `,"ns1:x":{"ns1:y":""}}`},
		{"master data attributes", `<m:lotNumber xmlns:m="urn:epcglobal:cbv:mda">1</m:lotNumber>`, "", `{` + plainJSON + `,"cbvmda:lotNumber":"1"}`},
		{"a value's prefix", `<bizStep>a:step</bizStep>`, ` xmlns:a="https://a.example/"`, `{"@context":[{"a":"https://a.example/"}],` + plainJSON + `,"bizStep":"a:step"}`},
		{"vocabulary", `<bizStep>https://ref.gs1.org/cbv/BizStep-shipping</bizStep><disposition>urn:epcglobal:cbv:disp:active</disposition>`, "",
			`{` + plainJSON + `,"bizStep":"shipping","disposition":"active"}`},
		{"wrappers of older versions", `<extension><quantityList><quantityElement><epcClass>urn:epc:class:lgtin:9521234.054321.1</epcClass><quantity>+05.50</quantity></quantityElement></quantityList><extension><sensorElementList/></extension></extension>`, "",
			`{` + plainJSON + `,"quantityList":[{"epcClass":"urn:epc:class:lgtin:9521234.054321.1","quantity":5.50}]}`},
		{"a unit of a quantity that is nil", `<quantityList><quantityElement><epcClass>urn:epc:class:lgtin:9521234.054321.1</epcClass><quantity xsi:nil="true"/><uom>KGM</uom></quantityElement></quantityList>`, ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`,
			`{` + plainJSON + `,"quantityList":[{"epcClass":"urn:epc:class:lgtin:9521234.054321.1","uom":"KGM"}]}`},
		{"line ends in attributes", "<a:x xmlns:a='u:a' a:b=\"1\t2\r\n3\r4\n5&#10;6&#x9;7'\">1\r\n2\r3\n4<!-- \"\n' --><![CDATA[<\"\r\n!]]></a:x><a:y xmlns:a='u:a' a:b='\n\">'/>", "",
			`{"@context":[{"a":"u:a"}],` + plainJSON + `,"a:x":{"a:b":"1 2 3 4 5\n6\t7'","#text":"1\n2\n3\n4<\"\n!"},"a:y":{"a:b":" \">"}}`},
		{"CDATA and entities", `<a:x xmlns:a="u:a"><![CDATA[<&]]>&lt;&#65;<!-- no --><?no?></a:x>`, "", `{"@context":[{"a":"u:a"}],` + plainJSON + `,"a:x":"<&<A"}`},
		{"our own types", `<j:member xmlns:j="urn:waybill:json" j:name="cbvmda:a b" j:type="array"><j:member j:type="number">1</j:member></j:member>`, "",
			`{` + plainJSON + `,"cbvmda:a b":[1]}`},
	} {
		e, err := epcisxml.DecodeSingle([]byte(objectEvent(c.more, c.attrs)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if string(e.Body) != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, e.Body, c.want)
		}
	}
}

// A QuantityEvent of 1.0 is an ObjectEvent that observes a class.
func TestQuantityEvent(t *testing.T) {
	e, err := epcisxml.DecodeSingle([]byte(`<QuantityEvent><eventTime>2026-05-01T10:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
<epcClass>urn:epc:idpat:sgtin:9521234.054321.*</epcClass><quantity>5</quantity></QuantityEvent>`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"ObjectEvent","action":"OBSERVE","quantityList":[{"epcClass":"urn:epc:idpat:sgtin:9521234.054321.*","quantity":5}],"eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00"}`
	if string(e.Body) != want {
		t.Errorf("%s", e.Body)
	}
}

// A document type by name alone, which says nothing, is read over.
func TestDocumentTypeByName(t *testing.T) {
	for _, declared := range []string{"<!DOCTYPE project>", "<?xml version=\"1.0\"?>\n<!-- c -->\n<!DOCTYPE\n\tepcis:EPCISDocument >\n<!-- c -->"} {
		e, err := epcisxml.DecodeSingle([]byte(declared + objectEvent("", "")))
		if err != nil {
			t.Fatalf("%s: %v", declared, err)
		}
		if want := "{" + plainJSON + "}"; string(e.Body) != want {
			t.Errorf("%s: %s", declared, e.Body)
		}
	}
}

// What is refused, with its code and line.
func TestRefused(t *testing.T) {
	deep := strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
	for _, c := range []struct {
		name, text string
		want       string
	}{
		{"nothing", "", "bad_xml 1"},
		{"text", "hello", "bad_xml 1"},
		{"a type elsewhere", "<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM \"file:///etc/passwd\">\n" + wrap(""), "bad_xml 2"},
		{"a public type", "<!DOCTYPE a PUBLIC \"-//x\" \"http://127.0.0.1/\">" + wrap(""), "bad_xml 1"},
		{"an empty subset", "<!DOCTYPE a []>" + wrap(""), "bad_xml 1"},
		{"a subset's name", "<!DOCTYPE a[<!ENTITY x \"y\">]>" + wrap(""), "bad_xml 1"},
		{"two types", "<!DOCTYPE a><!DOCTYPE a>" + wrap(""), "bad_xml 1"},
		{"a type behind the root", wrap("") + "<!DOCTYPE a>", "bad_xml 1"},
		{"a type inside", wrap("<!DOCTYPE a>"), "bad_xml 1"},
		{"another declaration", "<!ENTITY x>" + wrap(""), "bad_xml 1"},
		{"entities", "<!DOCTYPE a [<!ENTITY x \"y\">]>" + wrap(objectEvent("<a:x xmlns:a='u:a'>&x;</a:x>", "")), "bad_xml 1"},
		{"an undefined entity", "\n" + wrap(objectEvent("<a:x xmlns:a='u:a'>&x;</a:x>", "")), "bad_xml 2"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>` + wrap(""), "bad_xml 1"},
		{"16 bits", "\xff\xfe<\x00", "bad_xml 1"},
		{"16 bits without a mark", "\x00<\x00a", "bad_xml 1"},
		{"no UTF-8", wrap(objectEvent("<bizStep>\xff</bizStep>", "")), "bad_xml 1"},
		{"XML 1.1", `<?xml version="1.1"?>` + wrap(""), "bad_xml 1"},
		{"a late declaration", "\n" + `<?xml version="1.0"?>` + wrap(""), "bad_xml 2"},
		{"an end too early", wrap("")[:60] + "\"", "bad_xml 1"},
		{"elements that cross", head + "><a></epcis:EPCISDocument></a>", "bad_document 1"},
		{"crossing in an event", wrap("<ObjectEvent><a></ObjectEvent></a>"), "bad_xml 1"},
		{"two roots", wrap("") + "\n<a/>", "bad_xml 2"},
		{"text behind", wrap("") + "x", "bad_xml 1"},
		{"a prefix that nobody declares", wrap("<x:ObjectEvent/>"), "bad_xml 1"},
		{"attributes that are one", wrap(objectEvent("", ` xmlns:a="u:a" xmlns:b="u:a" a:x="" b:x=""`)), "bad_xml 1"},
		{"stray colons", wrap("<a:b:c/>"), "bad_xml 1"},
		{"depth", wrap(deep), "too_deep 1"},
		{"no document", "<html/>", "bad_document 1"},
		{"SOAP", `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>`, "bad_document 1"},
		{"no namespace", strings.ReplaceAll(wrap(""), "epcis:", ""), "bad_document 1"},
		{"version 3", strings.Replace(wrap(""), "2.0", "3.0", 1), "bad_document 1"},
		{"no date", strings.Replace(wrap(""), "creationDate", "other", 1), "bad_document 1"},
		{"no date at all", strings.Replace(wrap(""), "2026-05-01T11:00:00Z", "yesterday", 1), "bad_document 1"},
		{"no list", head + "><EPCISBody/></epcis:EPCISDocument>", "bad_document 1"},
		{"a query", head + "><EPCISBody><Poll/></EPCISBody></epcis:EPCISDocument>", "bad_document 1"},
		{"too many events", wrap(strings.Repeat(objectEvent("", ""), 4)), "too_large 1"},
		{"many attributes", wrap("<a " + attributes(300) + "/>"), "too_large 1"},
		{"many declarations", wrap(objectEvent("", namespaces(200)+" xmlns:b='u:b'") + "<a" + namespaces(300) + "/>"), "too_large 1"},
		{"a large tag", wrap("<a b='" + strings.Repeat("x", 2<<20) + "'/>"), "too_large 1"},

		{"an unknown event", wrap("\n<SaleEvent/>"), "bad_value 2"},
		{"an unknown element", wrap(objectEvent("\n<made/>", "")), "unknown_field 2"},
		{"an unknown attribute", wrap(objectEvent("", ` made="up"`)), "unknown_field 1"},
		{"an attribute of text", wrap(objectEvent(`<bizStep made="up">x</bizStep>`, "")), "unknown_field 1"},
		{"an element in text", wrap(objectEvent("\n<bizStep>\n<b/></bizStep>", "")), "bad_value 3"},
		{"text in a list", wrap(objectEvent("<quantityList>x</quantityList>", "")), "bad_value 1"},
		{"another element in a list", wrap(objectEvent("<quantityList><epc/></quantityList>", "")), "unknown_field 1"},
		{"an element twice", wrap(objectEvent("\n<action>ADD</action>", "")), "duplicate_key 2"},
		{"no action", wrap(strings.Replace(objectEvent("", ""), "<action>OBSERVE</action>", "", 1)), "missing_field 1"},
		{"a word", wrap(objectEvent("\n<bizStep>urn:epcglobal:cbv:bizstep:sailing</bizStep>", "")), "unknown_vocabulary 2"},
		{"a number", wrap(objectEvent("<quantityList><quantityElement><epcClass>urn:epc:class:lgtin:9521234.054321.1</epcClass>\n<quantity>NaN</quantity></quantityElement></quantityList>", "")), "bad_value 2"},
		{"a line behind line ends in attributes", wrap(objectEvent("\n<bizStep xmlns:q='\n\r\n'\n xmlns:r='\n'>urn:x:y</bizStep>\n<made/>", "")), "unknown_field 7"},
		{"a line of a tag that is broken", wrap("<a b='\n\r\n' c=>"), "bad_xml 3"},
		{"a unit of nothing", wrap(objectEvent("<quantityList>\n<quantityElement><epcClass>urn:epc:class:lgtin:9521234.054321.1</epcClass><uom>KGM</uom></quantityElement></quantityList>", "")), "missing_field 2"},
		{"a time", wrap(strings.Replace(objectEvent("", ""), "2026-05-01T10:00:00Z", "\n2026", 1)), "bad_time 1"},
		{"a large event", wrap(strings.Repeat(objectEvent("<a:x xmlns:a='u:a'>"+strings.Repeat("x", 1<<20)+"</a:x>", ""), 2)), "too_large 1"},
		{"many elements", wrap(objectEvent("<a:x xmlns:a='u:a'>"+strings.Repeat("<b/>", 200_000)+"</a:x>", "")), "too_large 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := epcisxml.Decode([]byte(c.text), 3)
			f, _ := err.(*schemas.Fault)
			if err == nil {
				for _, e := range doc.Events {
					if f == nil {
						f = e.Fault
					}
				}
			}
			if f == nil {
				t.Fatal("accepted")
			}
			if got := fmt.Sprintf("%s %d", f.Code, f.Line); got != c.want || f.Detail == "" || f.Code.Hint() == "" {
				t.Errorf("%s: %v", got, f)
			}
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

func namespaces(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " xmlns:a%d='u:%d'", i, i)
	}
	return b.String()
}

// An event that is refused does not take its neighbours along.
func TestNeighbours(t *testing.T) {
	large := objectEvent("<a:x xmlns:a='u:a'>"+strings.Repeat("<b/>", 200_000)+"</a:x>", "")
	doc, err := epcisxml.Decode([]byte(wrap(objectEvent("", "")+large+objectEvent("<made/>", "")+objectEvent("", ""))), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range doc.Events {
		if e.Fault == nil {
			got = append(got, "ok")
		} else {
			got = append(got, e.Fault.Code.String())
		}
	}
	if s := strings.Join(got, " "); s != "ok too_large unknown_field ok" {
		t.Error(s)
	}
}

// Ten thousand events take little more memory than what is kept of them.
func TestMemory(t *testing.T) {
	var b strings.Builder
	for i := range 10_000 {
		b.WriteString(objectEvent(fmt.Sprintf(`<bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep><readPoint><id>urn:epc:id:sgln:9521234.00001.%d</id></readPoint><a:x>%s</a:x>`,
			i, strings.Repeat("payload ", 40)), ` xmlns:a="https://a.example/"`))
	}
	text := []byte(wrap(b.String()))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	doc, err := epcisxml.Decode(text, 10_000)
	if err != nil || len(doc.Events) != 10_000 {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	if kept > 100<<20 || after.TotalAlloc-before.TotalAlloc > 1<<30 {
		t.Errorf("%d bytes kept, %d allocated, of %d", kept, after.TotalAlloc-before.TotalAlloc, len(text))
	}
	runtime.KeepAlive(doc)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(wrap(objectEvent(`<a:x xmlns:a="u:a" b="c">y<a:z/></a:x>`, ""))))
	f.Add([]byte(objectEvent(`<extension><ilmd><a:b xmlns:a="u:"/></ilmd></extension>`, ` xmlns:a="u:a"`)))
	f.Add([]byte("<?xml version=\"1.0\"?><EPCISQueryDocument><EPCISBody><QueryResults><resultsBody><EventList/></resultsBody></QueryResults></EPCISBody></EPCISQueryDocument>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := epcisxml.Decode(text, 100)
		if err != nil {
			if _, ok := err.(*schemas.Fault); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		for _, e := range doc.Events {
			switch {
			case e.Event != nil && e.Fault == nil:
				roundTrip(t, e.Event.Body)
			case e.Event != nil || e.Fault == nil:
				t.Fatal("neither or both")
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := []byte(wrap(strings.Repeat(objectEvent("<bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep>", ""), 100)))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := epcisxml.Decode(text, 100); err != nil {
			b.Fatal(err)
		}
	}
}
