package sheet_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

// workbook is an archive of parts, given as name, text, name, text.
func workbook(t *testing.T, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		at, err := w.Create(parts[i])
		if err == nil {
			_, err = at.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const (
	bookPart = `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><workbookPr/><sheets><sheet name="Notes" sheetId="1" r:id="rId1"/><sheet name="Lots" sheetId="2" r:id="rId2"/></sheets></workbook>`
	relsPart = `<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Target="/xl/worksheets/sheet2.xml"/></Relationships>`
	styles   = `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd&quot;d&quot;.mm.yyyy"/><numFmt numFmtId="165" formatCode="0.00&quot; days&quot;"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="20"/></cellXfs></styleSheet>`
	strs     = `<sst><si><t>Time</t></si><si><r><t>GT</t></r><r><t>IN</t></r><rPh><t>no</t></rPh></si><si><t>Serial</t></si><si><t>Qty</t></si><si><t xml:space="preserve"> 7 </t></si></sst>`
)

// sheetPart is a worksheet whose second row has these cells.
func sheetPart(cells string) string {
	return `<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v>3</v></c></row><row r="5">` + cells + `</row></sheetData></worksheet>`
}

const lots = `{"source":{"format":"xlsx","sheet":"Lots","decimal":",","grouping":"."},"time":{"format":"DD.MM.YYYY","zone":"+00:00"},"context":{"x":"https://example.com/"},"events":[{"event":{"type":"ObjectEvent","action":"OBSERVE",
	"eventTime":{"$time":"{Time}"},"epcList":["https://id.gs1.org/01/{GTIN|gtin}/21/{Serial}"],"x:n":{"$number":"{Qty}"}}}]}`

func TestWorkbook(t *testing.T) {
	m := mapping(t, lots)
	for name, c := range map[string]struct{ cells, want string }{
		"dates, numbers, texts": {`<c r="A5" s="1"><v>46143.5</v></c><c r="B5"><v>9521234543213</v></c><c r="C5" t="s"><v>4</v></c><c r="D5"><f>1/3</f><v>1250.5000000000001</v></c>`,
			`"2026-05-01T12:00:00.000Z" 09521234543213 7 1250.5`},
		"own formats": {`<c r="A5" s="2"><v>46143</v></c><c r="B5" t="inlineStr"><is><t>9521234543213</t></is></c><c r="C5" s="3"><v>12</v></c><c r="D5" t="str"><v>1.250,5</v></c><c r="Z5"><v>1</v></c>`,
			`"2026-05-01T00:00:00.000Z" 09521234543213 12 1250.5`},
		"without places": {`<c t="inlineStr"><is><t>01.05.2026</t></is></c><c><v>9521234543213</v></c><c t="b"><v>1</v></c><c><v>1E-3</v></c>`,
			`"2026-05-01T00:00:00.000Z" 09521234543213 TRUE 0.001`},
	} {
		got := made(t, m, workbook(t, "xl/workbook.xml", bookPart, "xl/_rels/workbook.xml.rels", relsPart, "xl/styles.xml", styles, "xl/sharedStrings.xml", strs, "xl/worksheets/sheet2.xml", sheetPart(c.cells)))
		parts := strings.Fields(c.want)
		for i, want := range []string{`"eventTime":` + parts[0], "/01/" + parts[1] + "/21/" + parts[2] + `"`, `"x:n":` + parts[3] + ","} {
			if !strings.Contains(got[0], want) {
				t.Errorf("%s: %d: %s lacks %s", name, i, got[0], want)
			}
		}
	}
	for cells, want := range map[string]string{
		`<c r="A5" s="1"><v>46143</v></c><c r="B5"><v>9521234543213</v></c><c r="C5"><v>1234567890123456789</v></c><c r="D5"><v>1</v></c>`: "/rows/5/Serial bad_value\n",
		`<c r="A5" s="1"><v>46143</v></c><c r="B5" t="e"><v>#REF!</v></c><c r="C5"><v>1</v></c><c r="D5"><f>1+1</f></c>`:                   "/rows/5/GTIN bad_value\n/rows/5/Qty missing_field\n",
		`<c r="A5" s="1"><v>60</v></c><c r="B5"><v>9521234543213</v></c><c r="C5"><v>1</v></c><c r="D5"><v>1</v></c>`:                      "/rows/5/Time bad_value\n",
	} {
		text := workbook(t, "xl/workbook.xml", bookPart, "xl/_rels/workbook.xml.rels", relsPart, "xl/styles.xml", styles, "xl/sharedStrings.xml", strs, "xl/worksheets/sheet2.xml", sheetPart(cells))
		if got := faults(t, m, string(text)); got != want {
			t.Errorf("%s: %s", cells, got)
		}
	}
	old := strings.Replace(bookPart, "<workbookPr/>", `<workbookPr date1904="1"/>`, 1)
	got := made(t, m, workbook(t, "xl/workbook.xml", old, "xl/_rels/workbook.xml.rels", relsPart, "xl/styles.xml", styles, "xl/sharedStrings.xml", strs, "xl/worksheets/sheet2.xml",
		sheetPart(`<c r="A5" s="1"><v>44681</v></c><c r="B5"><v>9521234543213</v></c><c r="C5"><v>1</v></c><c r="D5"><v>1</v></c>`)))
	if !strings.Contains(got[0], `"2026-05-01T00:00:00.000Z"`) {
		t.Errorf("days from 1904: %s", got[0])
	}
}

func manyParts(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("xl/part%d.xml", i), "")
	}
	return out
}

func TestBadWorkbooks(t *testing.T) {
	m := mapping(t, lots)
	parts := func(sheet string, more ...string) []byte {
		return workbook(t, append([]string{"xl/workbook.xml", bookPart, "xl/_rels/workbook.xml.rels", relsPart, "xl/worksheets/sheet2.xml", sheet}, more...)...)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"no archive":         {[]byte("Time,GTIN"), "no archive"},
		"an old workbook":    {[]byte("\xd0\xcf\x11\xe0abc"), "encrypted"},
		"another archive":    {workbook(t, "a.txt", "x"), "no workbook"},
		"no such sheet":      {workbook(t, "xl/workbook.xml", strings.ReplaceAll(bookPart, "Lots", "Many")), `no sheet "Lots"; there are: Notes, Many`},
		"no sheet part":      {workbook(t, "xl/workbook.xml", bookPart, "xl/_rels/workbook.xml.rels", relsPart), "missing"},
		"an empty sheet":     {parts(`<worksheet><sheetData/></worksheet>`), "no row 1"},
		"cut off":            {parts(`<worksheet><sheetData><row r="1"><c`), "cannot be read"},
		"a document type":    {parts(`<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>`), "document type"},
		"an entity":          {parts(`<worksheet><sheetData><row><c t="str"><v>&a;</v></c></row></sheetData></worksheet>`), "cannot be read"},
		"too deep":           {parts(strings.Repeat("<a>", 100)), "deeper"},
		"a long tag":         {parts(`<worksheet a="` + strings.Repeat("x", 300<<10) + `"/>`), "single tag"},
		"a bomb":             {parts(`<worksheet>` + strings.Repeat(strings.Repeat(" ", 200<<10)+"<a/>", 60)), "unpacks to more"},
		"a bomb of one cell": {parts(`<worksheet><sheetData><row r="1"><c t="inlineStr"><is><t>` + strings.Repeat("a", 1<<20)), "single tag or text"},
		"a bomb of texts":    {parts(sheetPart(""), "xl/sharedStrings.xml", `<sst>`+strings.Repeat("<si><t>"+strings.Repeat("a", 60)+"</t></si>", 101000)), "different texts"},
		"a bomb of cells":    {parts(`<worksheet><sheetData><row r="1"><c t="str"><v>Time</v></c></row>` + strings.Repeat("<row>"+strings.Repeat("<c><v>1</v></c>", 30)+"</row>", 4000)), "import it in parts"},
		"a far cell":         {parts(`<worksheet><sheetData><row r="1"><c r="A1" t="str"><v>Time</v></c></row><row r="99999999999"><c r="ZZZZZZZZ9"><v>1</v></c></row></sheetData></worksheet>`), "cannot be read"},
		"many parts":         {parts("<worksheet/>", manyParts(2000)...), "no row 1"},
		"no such text":       {parts(sheetPart(""), "xl/sharedStrings.xml", `<sst/>`), "a text that there is not"},
		"rows out of order":  {parts(`<worksheet><sheetData><row r="1"><c t="str"><v>Time</v></c></row><row r="4"/><row r="3"/></sheetData></worksheet>`), "not in order"},
		"many texts":         {parts(sheetPart(""), "xl/sharedStrings.xml", `<sst>`+strings.Repeat("<si/>", 100001)+`</sst>`), "different texts"},
		"another encoding":   {parts(`<?xml version="1.0" encoding="UTF-16"?><worksheet/>`), "cannot be read"},
	} {
		_, err := m.Read(c.text, most())
		var f *schemas.Fault
		if !errors.As(err, &f) || !strings.Contains(f.Detail, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const tabled = `{"epcisBody":{"queryResults":{"resultsBody":{"eventList":[
{"eventID":"=1+1","type":"ObjectEvent","action":"ADD","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"-05:00","recordTime":"2026-05-01T10:00:01.000Z","bizStep":"commissioning","readPoint":{"id":"urn:a:b"},"epcList":["urn:x:1","@SUM"],
 "quantityList":[{"epcClass":"urn:x:c","quantity":-2.5,"uom":"KGM"}],"bizTransactionList":[{"type":"po","bizTransaction":"urn:p"},{"bizTransaction":"urn:q"}],"ilmd":{"x:a":1},"x:b":[2],"x:a":"\u001b[2J"},
{"type":"TransformationEvent","inputEPCList":[],"certificationInfo":"urn:cert:1","persistentDisposition":{"set":["completeness_verified"],"unset":["completeness_inferred","urn:d"]},
 "errorDeclaration":{"declarationTime":"2026-05-01T10:00:00Z","reason":"incorrect_data","correctiveEventIDs":["urn:e:1","urn:e:2"]}},
{"type":"ObjectEvent","certificationInfo":["urn:cert:1","=2"],"errorDeclaration":{"declarationTime":"2026-05-02T10:00:00Z"}}]}}}}`

func TestEventsAsSheet(t *testing.T) {
	var out bytes.Buffer
	w, err := sheet.NewWriter(sheet.TypeCSV, &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := sheet.WriteEvents(w, []byte(tabled)); err != nil {
		t.Fatal(err)
	}
	text, marked := strings.CutPrefix(out.String(), "\xef\xbb\xbf")
	if !marked {
		t.Error("no mark of UTF-8")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	common := []string{"'=1+1", "ObjectEvent", "ADD", "2026-05-01T10:00:00Z", "-05:00", "2026-05-01T10:00:01.000Z", "commissioning", "", "urn:a:b", ""}
	tail := []string{"", "", "po urn:p; urn:q", "", "", "", "", "", "", "", "", "", ""}
	row := func(from int, more ...string) []string {
		last := append([]string{}, tail...)
		if from == 0 {
			last[11], last[12] = `{"x:a":1}`, `{"x:a":"\u001b[2J","x:b":[2]}`
		}
		return append(append(append([]string{}, common...), more...), last...)
	}
	want := [][]string{sheet.EventColumns, row(0, "item", "urn:x:1", "", ""), row(1, "item", "'@SUM", "", ""), row(2, "item", "urn:x:c", "-2.5", "KGM"),
		append(append([]string{"", "TransformationEvent"}, make([]string, 17)...), "set completeness_verified; unset completeness_inferred; unset urn:d", "urn:cert:1", "2026-05-01T10:00:00Z", "incorrect_data", "urn:e:1; urn:e:2", "", "", ""),
		append(append([]string{"", "ObjectEvent"}, make([]string, 18)...), "urn:cert:1; =2", "2026-05-02T10:00:00Z", "", "", "", "", "")}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
}

// TestXLSXComesBack: what is written as XLSX is read again as it was, as text.
func TestXLSXComesBack(t *testing.T) {
	var out bytes.Buffer
	w, err := sheet.NewWriter(sheet.TypeXLSX, &out)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 40000)
	for _, row := range [][]string{{"Time", "GTIN", "Serial", "Qty", "Formula", "Long"}, {"2026-05-01", "09521234543213", "007", "-2.5", "=1+1", long}} {
		if err := w.Row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m := mapping(t, strings.NewReplacer(`"sheet":"Lots",`, "", `"{Qty}"}`, `"{Qty}"},"x:f":"{Formula}","x:l":"{Long?}"`).Replace(lots))
	got := made(t, m, out.Bytes())
	for _, want := range []string{`/01/09521234543213/21/007"`, `"x:n":-2.5`, `"x:f":"=1+1"`, `xxx [cut: ask for JSON or CSV]"`} {
		if !strings.Contains(got[0], want) {
			t.Errorf("lacks %s: %.300s", want, got[0])
		}
	}
	archive, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	at, err := archive.Open("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	var part bytes.Buffer
	if _, err := part.ReadFrom(at); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(part.String(), "<f>") || !strings.Contains(part.String(), `t="inlineStr"><is><t xml:space="preserve">=1+1</t>`) {
		t.Error("a text is no text")
	}
}

func TestWriterBounds(t *testing.T) {
	if _, err := sheet.NewWriter("text/html", &bytes.Buffer{}); err == nil {
		t.Error("a sheet as HTML")
	}
	var out bytes.Buffer
	w, err := sheet.NewWriter(sheet.TypeCSV, &out)
	if err != nil {
		t.Fatal(err)
	}
	huge := `{"epcisBody":{"eventList":[{"eventID":"` + strings.Repeat("x", 100<<10) + `","epcList":[` + strings.Repeat(`"urn:x:1",`, 1000) + `"urn:x:2"]}]}}`
	var f *schemas.Fault
	if err := sheet.WriteEvents(w, []byte(huge)); !errors.As(err, &f) || f.Code != schemas.TooLarge {
		t.Errorf("a page of 100 MB: %v", err)
	}
}
