package api_test

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

const (
	rawLot    = "https://id.gs1.org/01/09521234543213/10/H1"
	packedLot = "https://id.gs1.org/01/09521234000112/10/P1"
	saladLot  = "https://id.gs1.org/01/19521234000119/10/S1"
	pallet    = "https://id.gs1.org/00/095212340000000105"
	farm      = "https://id.gs1.org/414/9521234000006"
	packer    = "https://id.gs1.org/414/9521234000013"
	kitchen   = "https://id.gs1.org/414/9521234000020"
)

// story is lettuce from field to salad: one event a line, an hour apart.
func story() []string {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, fmt.Sprintf(`{"@context":[{"ex":"https://example.com/"}],"eventTime":"2026-05-01T%02d:00:00Z","eventTimeZoneOffset":"-07:00",`, len(out)+6)+fmt.Sprintf(format, args...)+"}")
	}
	po := `"bizTransactionList":[{"type":"po","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:4711"}]`
	add(`"type":"ObjectEvent","action":"ADD","bizStep":"creating_class_instance","bizLocation":{"id":"%s"},"quantityList":[{"epcClass":"%s","quantity":500,"uom":"KGM"}],"ilmd":{"ex:commodity":"Lettuce","ex:variety":"Romaine","ex:fieldName":"North 3"},%s`, farm, rawLot, po)
	add(`"type":"ObjectEvent","action":"OBSERVE","bizStep":"transporting","quantityList":[{"epcClass":"%s","quantity":500,"uom":"KGM"}],"destinationList":[{"type":"location","destination":"%s"}]`, rawLot, packer)
	add(`"type":"ObjectEvent","action":"OBSERVE","bizStep":"https://example.com/cte/cooling","bizLocation":{"id":"%s"},"quantityList":[{"epcClass":"%s","quantity":500,"uom":"KGM"}]`, packer, rawLot)
	add(`"type":"TransformationEvent","bizStep":"commissioning","bizLocation":{"id":"%s"},"inputQuantityList":[{"epcClass":"%s","quantity":500,"uom":"KGM"}],"outputQuantityList":[{"epcClass":"%s","quantity":40}],"ilmd":{"ex:productDescription":"Romaine hearts, 3 in a bag"},%s`, packer, rawLot, packedLot, po)
	add(`"type":"AggregationEvent","action":"ADD","bizStep":"packing","parentID":"%s","childQuantityList":[{"epcClass":"%s","quantity":30}]`, pallet, packedLot)
	add(`"type":"AggregationEvent","action":"ADD","bizStep":"packing","parentID":"%s","childQuantityList":[{"epcClass":"%s","quantity":10}]`, pallet, packedLot)
	add(`"type":"ObjectEvent","action":"OBSERVE","bizStep":"shipping","readPoint":{"id":"%s"},"epcList":["%s"],"sourceList":[{"type":"possessing_party","source":"https://id.gs1.org/417/9521234000013"}],"destinationList":[{"type":"possessing_party","destination":"https://id.gs1.org/417/9521234000020"},{"type":"location","destination":"%s"}],"bizTransactionList":[{"type":"bol","bizTransaction":"urn:epcglobal:cbv:bt:9521234000013:B1"}]`, packer, pallet, kitchen)
	add(`"type":"ObjectEvent","action":"OBSERVE","bizStep":"receiving","bizLocation":{"id":"%s"},"epcList":["%s"],"sourceList":[{"type":"location","source":"%s"}]`, kitchen, pallet, packer)
	add(`"type":"AggregationEvent","action":"DELETE","bizStep":"unpacking","parentID":"%s"`, pallet)
	add(`"type":"ObjectEvent","action":"OBSERVE","bizStep":"shipping","epcList":["%s"]`, pallet)
	add(`"type":"TransformationEvent","bizLocation":{"id":"%s"},"inputQuantityList":[{"epcClass":"%s","quantity":40}],"outputQuantityList":[{"epcClass":"%s","quantity":200}]`, kitchen, packedLot, saladLot)
	return out
}

// told is a row in one line.
func told(r *api.FSMARow) string {
	out := []string{r.CTE}
	for _, name := range []string{"tlc", "quantity", "uom", "date", "location", "previous_source", "subsequent_recipient", "tlc_source"} {
		value := r.KDEs[name]
		out = append(out, value[strings.LastIndexByte(value, '/')+1:])
	}
	return strings.Join(append(out, strings.Join(r.Missing, ",")), " | ")
}

func TestFSMA(t *testing.T) {
	h := newHarness(t, defaults())
	for _, e := range story() {
		h.do("POST", "/epcis/v2/events", e).want(t, 201)
	}
	const path = "/api/v1/fsma204?from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z"
	f := into[api.FSMA](t, h.do("GET", path, "").want(t, 200))
	want := []string{
		"harvesting | H1 | 500 | KGM | 2026-04-30 | 9521234000006 |  | 9521234000013 |  | ",
		"cooling | H1 | 500 | KGM | 2026-05-01 | 9521234000013 |  |  |  | subsequent_recipient,document_type,document_number",
		"initial_packing | P1 | 40 | each | 2026-05-01 | 9521234000013 |  |  | 9521234000013 | received_date,harvester,harvester_phone",
		"shipping | P1 | 40 | each | 2026-05-01 | 9521234000013 | 9521234000013 | 9521234000020 | 9521234000013 | ",
		"receiving | P1 | 40 | each | 2026-05-01 | 9521234000020 | 9521234000013 |  | 9521234000013 | document_type,document_number",
		"shipping |  |  |  | 2026-05-01 |  |  |  |  | tlc,product,quantity,uom,location,subsequent_recipient,tlc_source,document_type,document_number",
		"transformation | S1 | 200 | each | 2026-05-01 | 9521234000020 |  |  | 9521234000020 | product,document_type,document_number",
	}
	var got []string
	for i := range f.Rows {
		got = append(got, told(&f.Rows[i]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := f.Rows[2].KDEs; p["farm"] != farm || p["field"] != "North 3" || p["commodity"] != "Lettuce, Romaine" || p["harvest_date"] != "2026-04-30" || p["cooling_location"] != packer ||
		p["product"] != "Romaine hearts, 3 in a bag" || p["document_number"] != "4711" || p["lots_used"] != rawLot || p["quantities_used"] != "500 KGM" {
		t.Errorf("packing: %v", p)
	}
	if f.Rows[3].KDEs["container"] != pallet || f.Rows[3].KDEs["document_type"] != "bol" {
		t.Errorf("shipping: %v", f.Rows[3].KDEs)
	}

	// A range that begins after the packing knows what is on the pallet all the same.
	late := into[api.FSMA](t, h.do("GET", "/api/v1/fsma204?from=2026-05-01T11:30:00Z&to=2026-05-01T12:30:00Z", "").want(t, 200))
	if len(late.Rows) != 1 || late.Rows[0].KDEs["quantity"] != "40" || late.Rows[0].KDEs["tlc"] != packedLot {
		t.Errorf("a late range: %+v", late.Rows)
	}

	r := h.do("GET", path, "", "Accept", "text/csv").want(t, 200)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(r.body), "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != 8 || rows[0][0] != "Critical tracking event" || rows[1][1] != rawLot || rows[3][len(rows[3])-4] != "received_date; harvester; harvester_phone" {
		t.Errorf("%v: %v", err, rows)
	}
	if r := h.do("GET", path, "", "Accept", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet").want(t, 200); string(r.body[:2]) != "PK" || !strings.Contains(r.header.Get("Content-Disposition"), "fsma204.xlsx") {
		t.Errorf("XLSX: %v", r.header)
	}
	for _, q := range []string{"", "lot=" + url.QueryEscape(rawLot) + "&from=2026-05-01T00:00:00Z", "from=2026-05-01T00:00:00Z", "from=x&to=y", "lot=" + url.QueryEscape(pallet), "from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z&direction=both"} {
		h.do("GET", "/api/v1/fsma204?"+q, "").problem(t, 400, "bad_parameter")
	}
	h.do("GET", "/api/v1/fsma204?lot="+url.QueryEscape(rawLot)+"x", "").problem(t, 404, "not_found")
}

// TestFSMAOfLot: rows are of the lots that were asked for, and what an error
// declaration voids is not told.
func TestFSMAOfLot(t *testing.T) {
	var records []schemas.Record
	for i, text := range story() {
		e, err := schemas.DecodeSingle([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, schemas.Record{Locator: schemas.Locator{Height: int64(i + 1)}, Time: time.Unix(1, 0), Skeleton: &e.Skeleton, Body: e.Body, EventID: fmt.Sprint(i)})
	}
	records[7].VoidedBy = &schemas.Locator{Height: 20}
	records[3].Body = nil // erased: what rules read is left
	f, err := api.TestingOnlyFSMA(records, map[string]bool{packedLot: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range f.Rows {
		got = append(got, told(&f.Rows[i]))
	}
	want := []string{
		"initial_packing | P1 | 40 | each | 2026-05-01 |  |  |  |  | product,location,received_date,harvester,harvester_phone,document_type,document_number",
		"shipping | P1 | 40 | each | 2026-05-01 | 9521234000013 | 9521234000013 | 9521234000020 |  | product,tlc_source",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFSMAOfParts: what is told of a part of what was used is told, and missing all the
// same; of what is packed it counts when it was received, and who harvested it.
func TestFSMAOfParts(t *testing.T) {
	harvested := strings.Replace(story()[0], `"ex:fieldName"`, `"ex:harvesterName":"Acme","ex:harvesterPhone":"+1 555 0100","ex:productDescription":"Lettuce","ex:fieldName"`, 1)
	at := func(hour int, body string) string {
		return fmt.Sprintf(`{"@context":[{"ex":"https://example.com/"}],"eventTime":"2026-05-02T%02d:00:00Z","eventTimeZoneOffset":"+00:00",`, hour) + body + "}"
	}
	const other = "https://id.gs1.org/01/09521234543213/10/H2"
	made := `"type":"TransformationEvent","bizStep":"%s","bizLocation":{"id":"` + packer + `"},"inputQuantityList":[{"epcClass":"` + rawLot + `","quantity":5,"uom":"KGM"},{"epcClass":"` + other + `"}],"outputQuantityList":[{"epcClass":"` + packedLot + `","quantity":4}]`
	received := `"type":"ObjectEvent","action":"OBSERVE","bizStep":"receiving","bizLocation":{"id":"` + packer + `"},"quantityList":[{"epcClass":"%s","quantity":5,"uom":"KGM"}]`
	for name, c := range map[string]struct {
		events []string
		kdes   string // received_date, products_used and quantities_used
		lacks  string // of these
	}{
		"packing":         {[]string{harvested, at(1, fmt.Sprintf(received, rawLot)), at(3, fmt.Sprintf(made, "packing"))}, "2026-05-02 / Lettuce / 5 KGM", "received_date quantities_used"},
		"both received":   {[]string{harvested, at(1, fmt.Sprintf(received, rawLot)), at(2, fmt.Sprintf(received, other)), at(3, fmt.Sprintf(made, "packing"))}, "2026-05-02 / Lettuce / 5 KGM", "quantities_used"},
		"told by itself":  {[]string{harvested, at(3, fmt.Sprintf(made, "packing")+`,"ex:receivedDate":"2026-05-01"`)}, "2026-05-01 / Lettuce / 5 KGM", "quantities_used"},
		"transformation":  {[]string{at(3, fmt.Sprintf(made, "assembling"))}, " /  / 5 KGM", "products_used quantities_used"},
		"one description": {[]string{harvested, at(3, fmt.Sprintf(made, "https://example.com/transformation"))}, " / Lettuce / 5 KGM", "products_used quantities_used"},
	} {
		var records []schemas.Record
		for _, text := range c.events {
			e, err := schemas.DecodeSingle([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, schemas.Record{Skeleton: &e.Skeleton, Body: e.Body})
		}
		f, err := api.TestingOnlyFSMA(records, nil)
		if err != nil {
			t.Fatal(err)
		}
		row := f.Rows[len(f.Rows)-1]
		var lacks []string
		for _, name := range []string{"received_date", "harvester", "harvester_phone", "products_used", "quantities_used"} {
			if slices.Contains(row.Missing, name) {
				lacks = append(lacks, name)
			}
		}
		if got := row.KDEs["received_date"] + " / " + row.KDEs["products_used"] + " / " + row.KDEs["quantities_used"]; got != c.kdes || strings.Join(lacks, " ") != c.lacks {
			t.Errorf("%s: %s, lacks %v", name, got, lacks)
		}
	}
}

// TestFSMAScenarios: published documents of the rule's events give rows of the
// events that they are named for.
func TestFSMAScenarios(t *testing.T) {
	files, err := filepath.Glob("../../shared/conformance/openepcis-dpp-ready/extensions/us/fsma204/epcis/*.jsonld")
	if err != nil || len(files) == 0 {
		t.Skip("the data is not here")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := schemas.DecodeDocument(text, 100)
		if err != nil {
			t.Fatal(err)
		}
		var records []schemas.Record
		for _, e := range list {
			if e.Fault == nil {
				records = append(records, schemas.Record{Skeleton: &e.Event.Skeleton, Body: e.Event.Body})
			}
		}
		f, err := api.TestingOnlyFSMA(records, nil)
		if err != nil || len(records) > 0 && len(f.Rows) == 0 {
			t.Errorf("%s: %v, no rows of %d events", filepath.Base(file), err, len(records))
		}
		for i := range f.Rows {
			t.Logf("%s: %s", filepath.Base(file), told(&f.Rows[i]))
		}
	}
}
