package sheet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// EventColumns are the columns of events as a sheet. An event has a row for each
// thing that it names, or one row where it names none; what is the event's own is
// in each of them, but for sensor data, ilmd and extensions: these are in the first.
var EventColumns = []string{"eventID", "type", "action", "eventTime", "eventTimeZoneOffset", "recordTime", "bizStep", "disposition",
	"readPoint", "bizLocation", "role", "item", "quantity", "uom", "parentID", "transformationID",
	"bizTransactions", "sources", "destinations", "persistentDisposition", "certificationInfo", "errorDeclarationTime", "errorReason", "correctiveEventIDs",
	"sensorElementList", "ilmd", "extensions"}

// MaxSheet bounds the bytes of cells that one answer is made of.
const MaxSheet = 32 << 20

// WriteEvents writes the events of an EPCIS query document, or of a document, as
// rows with a header row.
func WriteEvents(w Writer, document []byte) error {
	if err := w.Row(EventColumns); err != nil {
		return err
	}
	if err := AppendEvents(w, document); err != nil {
		return err
	}
	return w.Close()
}

// AppendEvents writes the events of a document as further rows.
func AppendEvents(w Writer, document []byte) error {
	var d struct {
		Body struct {
			List    []json.RawMessage `json:"eventList"`
			Results struct {
				Body struct {
					List []json.RawMessage `json:"eventList"`
				} `json:"resultsBody"`
			} `json:"queryResults"`
		} `json:"epcisBody"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	left := MaxSheet
	for _, raw := range append(d.Body.List, d.Body.Results.Body.List...) {
		if err := writeEvent(w, raw, &left); err != nil {
			return err
		}
	}
	return nil
}

// named is what events name things by: lists of identifiers, and lists of
// quantities, with the role that they give.
var named = []struct{ list, role string }{
	{"epcList", "item"}, {"childEPCs", "child"}, {"inputEPCList", "input"}, {"outputEPCList", "output"},
	{"quantityList", "item"}, {"childQuantityList", "child"}, {"inputQuantityList", "input"}, {"outputQuantityList", "output"},
}

func writeEvent(w Writer, raw json.RawMessage, left *int) error {
	e := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	row := make([]string, len(EventColumns))
	for i, name := range EventColumns {
		switch name {
		case "readPoint", "bizLocation":
			row[i] = plain(inner(e[name], "id"))
		case "bizTransactions":
			row[i] = typed(e["bizTransactionList"], "bizTransaction")
		case "sources":
			row[i] = typed(e["sourceList"], "source")
		case "destinations":
			row[i] = typed(e["destinationList"], "destination")
		case "persistentDisposition":
			row[i] = joined(several("set ", inner(e[name], "set")), several("unset ", inner(e[name], "unset")))
		case "certificationInfo":
			row[i] = joined(several("", e[name]))
		case "errorDeclarationTime":
			row[i] = plain(inner(e["errorDeclaration"], "declarationTime"))
		case "errorReason":
			row[i] = plain(inner(e["errorDeclaration"], "reason"))
		case "correctiveEventIDs":
			row[i] = joined(several("", inner(e["errorDeclaration"], name)))
		case "role", "item", "quantity", "uom":
		case "extensions":
			row[i] = extensions(e)
		case "sensorElementList", "ilmd":
			row[i] = string(e[name])
		default:
			row[i] = plain(e[name])
		}
	}
	const role = 10 // and item, quantity, uom behind it
	rows := 0
	write := func() error {
		for _, s := range row {
			*left -= len(s)
		}
		if *left < 0 {
			return &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("as a sheet the page is larger than %d bytes: ask for fewer events with perPage", MaxSheet)}
		}
		err := w.Row(row)
		rows++
		for i := len(row) - 3; i < len(row); i++ {
			row[i] = ""
		}
		return err
	}
	for _, n := range named {
		var things []json.RawMessage
		if e[n.list] == nil || json.Unmarshal(e[n.list], &things) != nil {
			continue
		}
		for _, t := range things {
			row[role], row[role+1], row[role+2], row[role+3] = n.role, plain(t), "", ""
			if strings.HasSuffix(n.list, "uantityList") {
				row[role+1], row[role+2], row[role+3] = plain(inner(t, "epcClass")), plain(inner(t, "quantity")), plain(inner(t, "uom"))
			}
			if err := write(); err != nil {
				return err
			}
		}
	}
	if rows == 0 {
		return write()
	}
	return nil
}

// plain is a JSON string's text, or a JSON value as it stands.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// inner is a member of an object.
func inner(raw json.RawMessage, name string) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o[name]
}

// typed writes a list of typed identifiers: "po urn:...; inv urn:...".
func typed(raw json.RawMessage, name string) string {
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	parts := make([]string, 0, len(list))
	for _, o := range list {
		parts = append(parts, strings.TrimSpace(plain(o["type"])+" "+plain(o[name])))
	}
	return strings.Join(parts, "; ")
}

// several are the texts of a list, or the one that stands for a list of one, each behind
// what tells of what it is.
func several(before string, raw json.RawMessage) (out []string) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil && raw != nil {
		list = []json.RawMessage{raw}
	}
	for _, one := range list {
		out = append(out, before+plain(one))
	}
	return out
}

// joined writes texts into one cell.
func joined(texts ...[]string) string { return strings.Join(slices.Concat(texts...), "; ") }

// extensions writes the members that are not the standard's as one object, by name.
func extensions(e map[string]json.RawMessage) string {
	var names []string
	for name := range e {
		if strings.Contains(name, ":") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	sort.Strings(names)
	var out bytes.Buffer
	for i, name := range names {
		out.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		out.Write(append(appendJSON(nil, name), ':'))
		out.Write(e[name])
	}
	return out.String() + "}"
}
