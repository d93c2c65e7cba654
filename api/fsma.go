package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

// FSMA is the sortable record of critical tracking events that the Food
// Traceability Rule asks for (21 CFR 1.1455(c)(3)), as far as the ledger can tell.
type FSMA struct {
	Lot       string    `json:"lot,omitempty"` // canonical, where one was asked for
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	Height    int64     `json:"height"`
	Truncated bool      `json:"truncated"` // a limit ended it early
	Rows      []FSMARow `json:"rows"`
}

// FSMARow is one lot in one critical tracking event.
type FSMARow struct {
	CTE      string            `json:"cte"`
	KDEs     map[string]string `json:"kdes"`    // key data elements by name; what is not known is absent
	Missing  []string          `json:"missing"` // those that 21 CFR 1.1325 to 1.1350 ask for, and the ledger does not tell
	EventID  string            `json:"eventID"`
	Partner  string            `json:"partner"`
	Recorded time.Time         `json:"recordTime"`

	partly []string // elements that are told of a part of what they are of
}

// Bounds of an answer.
const (
	fsmaRecords = 10000
	fsmaBytes   = 16 << 20 // of bodies
	fsmaRows    = 50000
	fsmaLookups = 200 // containers whose packing is looked up
)

// getFSMA answers the critical tracking events of a lot, with what it came from
// and went into, or of a range of time.
func (g *Gateway) getFSMA(w http.ResponseWriter, r *http.Request) {
	var out *FSMA
	q, err := parameters(r, "lot", "direction", "maxDepth", "from", "to")
	if err == nil {
		err = g.readInTurn(r, g.traces, func(view View) error {
			if q["lot"] != "" {
				out, err = g.fsmaOfLot(r, view, q)
			} else {
				out, err = g.fsmaOfRange(r, view, q)
			}
			return err
		})
	}
	switch {
	case err != nil:
		g.fail(w, r, err)
	case wantsSheet(w) != "":
		g.writeSheet(w, r, wantsSheet(w), "fsma204", out.writeTo)
	default:
		g.writeJSON(w, r, http.StatusOK, out)
	}
}

func (g *Gateway) fsmaOfLot(r *http.Request, view View, q map[string]string) (*FSMA, error) {
	if q["from"] != "" || q["to"] != "" {
		return nil, fault(schemas.BadParameter, "ask for a lot, or for a range from and to")
	}
	id, scheme, err := schemas.Canonical(q["lot"])
	if err == nil && !scheme.Class() && scheme != schemas.PrivateURI {
		err = fault(schemas.BadParameter, "lot is a traceability lot code: a GTIN with a lot, or a URI of your own")
	}
	query := schemas.TraceQuery{ID: id, MaxEvents: g.limits.TraceEvents, MaxBytes: pageBytes}
	if err == nil {
		query.Direction, err = direction(q)
	}
	if err == nil {
		query.MaxDepth, err = number(q, "maxDepth", 16, 1, 64)
	}
	if err != nil {
		return nil, err
	}
	trace, err := view.Trace(r.Context(), query)
	if err != nil {
		return nil, err
	}
	if trace == nil || len(trace.Events) == 0 {
		return nil, fault(schemas.NotFound, "the ledger has no record of "+clip(id))
	}
	read := pager{in: stateOf(r).read}
	if err := read.add(trace.Events...); err != nil {
		return nil, err
	}
	lots := map[string]bool{}
	for _, item := range trace.Items {
		lots[item.ID] = item.Class || item.ID == id
	}
	out := &FSMA{Lot: id, Height: view.Height(), Truncated: trace.Truncated}
	return out, out.tell(trace.Events, lots, nil)
}

func (g *Gateway) fsmaOfRange(r *http.Request, view View, q map[string]string) (*FSMA, error) {
	var from, to *time.Time
	if q["from"] == "" || q["to"] == "" || q["direction"] != "" || q["maxDepth"] != "" {
		return nil, fault(schemas.BadParameter, "ask for a lot, or for a range of event times by from and to, both")
	}
	if err := moment(q, "from", &from); err != nil {
		return nil, err
	}
	if err := moment(q, "to", &to); err != nil {
		return nil, err
	}
	query := schemas.EventQuery{GEEventTime: from, LTEventTime: to, Ascending: true, MaxHeight: view.Height(), Limit: maxPage}
	var records []schemas.Record
	for bytes, more := 0, true; more; {
		step, err := page(r, view, query)
		if err != nil {
			return nil, err
		}
		for i := range step.Records {
			bytes += len(step.Records[i].Body)
		}
		if records = append(records, step.Records...); len(records) > fsmaRecords || bytes > fsmaBytes {
			return nil, fault(schemas.TooLarge, fmt.Sprintf("more than %d events, or %d bytes of them: ask for a shorter range", fsmaRecords, fsmaBytes))
		}
		more, query.After, query.AfterTime = step.More, &step.After, step.Time
	}
	out := &FSMA{From: q["from"], To: q["to"], Height: view.Height()}
	lookups := 0
	return out, out.tell(records, nil, func(container string, before int64) ([]schemas.Record, error) {
		if lookups++; lookups > fsmaLookups {
			out.Truncated = true
			return nil, nil
		}
		at := time.Unix(0, before).UTC()
		packed, err := page(r, view, schemas.EventQuery{EventTypes: []schemas.EventType{schemas.AggregationEvent}, Things: []schemas.Things{{In: schemas.RoleParent, IDs: []string{container}}},
			LTEventTime: &at, MaxHeight: view.Height(), Limit: 20})
		slices.Reverse(packed.Records) // newest first was asked for, so that what counts is among them
		return packed.Records, err
	})
}

// fsmaColumns are the columns of a sheet: names of key data elements, and titles.
var fsmaColumns = []struct{ name, title string }{
	{"", "Critical tracking event"}, {"tlc", "Traceability lot code"}, {"product", "Product description"}, {"commodity", "Commodity and variety"},
	{"quantity", "Quantity"}, {"uom", "Unit of measure"}, {"date", "Date"}, {"location", "Location of the event"},
	{"previous_source", "Immediate previous source"}, {"subsequent_recipient", "Immediate subsequent recipient"},
	{"tlc_source", "Traceability lot code source"}, {"document_type", "Reference document type"}, {"document_number", "Reference document number"},
	{"field", "Field or growing area"}, {"farm", "Farm"}, {"harvester", "Harvester"}, {"harvester_phone", "Harvester's phone"}, {"harvest_date", "Date of harvesting"}, {"harvest_location", "Harvest location"},
	{"cooling_location", "Cooling location"}, {"cooling_date", "Date of cooling"},
	{"received_date", "Date of receiving what was packed"}, {"lots_used", "Lots used"}, {"products_used", "Products used"}, {"quantities_used", "Quantities used"}, {"container", "Container"},
}

// writeTo writes rows with a header row, the missing elements last but for what
// names the record.
func (f *FSMA) writeTo(to sheet.Writer) error {
	var row []string
	for _, c := range fsmaColumns {
		row = append(row, c.title)
	}
	if err := to.Row(append(row, "Missing key data elements", "Event", "Recorded by", "Record time")); err != nil {
		return err
	}
	for i := range f.Rows {
		r := &f.Rows[i]
		row = append(row[:0], r.CTE)
		for _, c := range fsmaColumns[1:] {
			row = append(row, r.KDEs[c.name])
		}
		if err := to.Row(append(row, strings.Join(r.Missing, "; "), r.EventID, r.Partner, r.Recorded.UTC().Format(timeFormat))); err != nil {
			return err
		}
	}
	return to.Close()
}

// fsmaBody is what key data elements are read from beside an event's skeleton.
type fsmaBody struct {
	Offset       string `json:"eventTimeZoneOffset"`
	BizLocation  struct{ ID string }
	ReadPoint    struct{ ID string }
	Transactions []struct {
		Type string `json:"type"`
		ID   string `json:"bizTransaction"`
	} `json:"bizTransactionList"`

	named map[string]string // texts of ilmd and extensions, by local name in lower case
}

// readFSMABody reads a body; one that is not held tells nothing.
func readFSMABody(body []byte) (b fsmaBody) {
	b.named = map[string]string{}
	if body == nil {
		return b
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &b) != nil || json.Unmarshal(body, &members) != nil {
		return b
	}
	for _, name := range sorted(members) {
		if name == "ilmd" || strings.Contains(name, ":") {
			b.name(name, members[name], 0)
		}
	}
	return b
}

// name notes the texts in a value, by the local names of its members.
func (b *fsmaBody) name(name string, value json.RawMessage, depth int) {
	var inner map[string]json.RawMessage
	var list []json.RawMessage
	var text string
	switch {
	case depth > 4:
	case json.Unmarshal(value, &text) == nil:
		local := strings.ToLower(name[strings.LastIndexAny(name, ":/#")+1:])
		if old := b.named[local]; old == "" && text != "" {
			b.named[local] = text
		}
	case json.Unmarshal(value, &inner) == nil:
		for _, n := range sorted(inner) {
			b.name(n, inner[n], depth+1)
		}
	case json.Unmarshal(value, &list) == nil:
		for _, v := range list {
			b.name(name, v, depth+1)
		}
	}
}

// first is the first of some names that there is a text for.
func (b *fsmaBody) first(names ...string) string {
	for _, n := range names {
		if s := b.named[n]; s != "" {
			return s
		}
	}
	return ""
}

// moment reads a time with its zone. A plus sign that was not percent-encoded
// arrives as a blank, and is meant.
func moment(q map[string]string, name string, to **time.Time) error {
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(q[name], " ", "+", 1))
	if err != nil || t.Year() < 1970 || t.Year() > 2261 { // nanoseconds fit
		return fault(schemas.BadParameter, name+" is a time like 2026-01-31T12:00:00.000Z, from 1970 on: "+clip(q[name]))
	}
	*to = &t
	return nil
}
