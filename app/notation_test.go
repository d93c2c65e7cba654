package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// The scripts' notation of events:
//
//	obj|agg|txn|xform|assoc  add|obs|del  key=value ...
//
//	epc=a,b out=c          instances; P-x is a logistic unit
//	qty=lot1:5.5:KGM,lot2  quantities; a name with a star is a trade item class
//	outqty=...             outputs
//	parent=p xid=t         parent (@x is a place), transformation
//	step= disp= id=        bizStep, disposition, eventID
//	to=shop from=@7        possessing party by partner, or by GLN number
//	t=-2h                  eventTime from the block's
//	loc=x read=x           places
//	note=text              something that rules do not read
//	void=reason            error declaration
//	sense=...              what sensors measured (condition_script_test.go)
type notation struct{ members map[string]*member }

const stem = "https://id.gs1.org/"

// full is the canonical identifier that a short name stands for.
func full(name string) string {
	switch {
	case strings.HasPrefix(name, "lot"):
		return stem + "01/09521234543213/10/" + name
	case strings.HasSuffix(name, "*"):
		return stem + "01/09521234543213"
	case strings.HasPrefix(name, "P-"):
		return "urn:example:pallet:" + name[2:]
	case strings.HasPrefix(name, "@"):
		return stem + "414/" + gln(50) + "/254/" + name[1:]
	}
	return stem + "01/09521234543213/21/" + name
}

// short is the name that full was given.
func short(id string) string {
	for _, form := range [...][2]string{{stem + "01/09521234543213/10/", ""}, {"urn:example:pallet:", "P-"}, {stem + "414/" + gln(50) + "/254/", "@"}, {stem + "01/09521234543213/21/", ""}} {
		if rest, ok := strings.CutPrefix(id, form[0]); ok {
			return form[1] + rest
		}
	}
	return id
}

var typeNames = map[string]string{"obj": "ObjectEvent", "agg": "AggregationEvent", "txn": "TransactionEvent", "xform": "TransformationEvent", "assoc": "AssociationEvent"}

var actionNames = map[string]string{"add": "ADD", "obs": "OBSERVE", "del": "DELETE"}

func (n notation) party(name string) string {
	if m := n.members[name]; m != nil {
		return stem + "417/" + m.gln
	}
	var number int
	if _, err := fmt.Sscanf(name, "@%d", &number); err == nil {
		return stem + "417/" + gln(number)
	}
	return name
}

func quantities(s string) []map[string]any {
	var out []map[string]any
	for _, part := range strings.Split(s, ",") {
		f := strings.Split(part, ":")
		q := map[string]any{"epcClass": full(f[0])}
		if len(f) > 1 {
			q["quantity"] = json.Number(f[1])
		}
		if len(f) > 2 {
			q["uom"] = f[2]
		}
		out = append(out, q)
	}
	return out
}

func names(s string) []string {
	out := strings.Split(s, ",")
	for i := range out {
		out[i] = full(out[i])
	}
	return out
}

// event reads one event of the notation.
func (n notation) event(text string, now time.Time) (*schemas.Event, error) {
	words := strings.Fields(text)
	if words[0] == "order" {
		for what := schemas.OrderErase; what <= schemas.OrderRelease; what++ {
			if what.String() == words[1] {
				return schemas.MakeOrder(what, "urn:example:event:"+words[2], "", now.Format(time.RFC3339Nano))
			}
		}
	}
	if body, ok := strings.CutPrefix(strings.TrimSpace(text), "raw "); ok {
		return schemas.DecodeSingle([]byte(body))
	}
	if rest, ok := strings.CutPrefix(strings.TrimSpace(text), "act "); ok {
		name, body, _ := strings.Cut(rest, " ")
		return schemas.ReadAct(name, []byte(body), now)
	}
	e := map[string]any{"@context": []any{map[string]string{"ex": "https://example.org/"}}, "type": typeNames[words[0]],
		"eventTime": now.Format(time.RFC3339Nano), "eventTimeZoneOffset": "+00:00"}
	transformation := words[0] == "xform"
	prefix := map[string][2]string{"agg": {"childEPCs", "childQuantityList"}, "assoc": {"childEPCs", "childQuantityList"}, "xform": {"inputEPCList", "inputQuantityList"}}[words[0]]
	if prefix[0] == "" {
		prefix = [2]string{"epcList", "quantityList"}
	}
	if words[0] == "txn" {
		e["bizTransactionList"] = []any{map[string]string{"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:9521234000006:1"}}
	}
	words = words[1:]
	if !transformation {
		e["action"] = actionNames[words[0]]
		words = words[1:]
	}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		if !n.set(e, key, value, prefix, now) {
			return nil, fmt.Errorf("no such key: %q", w)
		}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return schemas.DecodeSingle(b)
}

func (n notation) set(e map[string]any, key, value string, lists [2]string, now time.Time) bool {
	switch key {
	case "epc":
		e[lists[0]] = names(value)
	case "out":
		e["outputEPCList"] = names(value)
	case "qty":
		e[lists[1]] = quantities(value)
	case "outqty":
		e["outputQuantityList"] = quantities(value)
	case "parent":
		e["parentID"] = full(value)
	case "xid":
		e["transformationID"] = "urn:example:transformation:" + value
	case "step":
		e["bizStep"] = value
	case "disp":
		e["disposition"] = value
	case "id":
		e["eventID"] = "urn:example:event:" + value
	case "to", "from":
		list, member := "destinationList", "destination"
		if key == "from" {
			list, member = "sourceList", "source"
		}
		e[list] = []any{map[string]string{"type": "possessing_party", member: n.party(value)}}
	case "t":
		d, err := time.ParseDuration(value)
		if err != nil {
			return false
		}
		e["eventTime"] = now.Add(d).Format(time.RFC3339Nano)
	case "loc":
		e["bizLocation"] = map[string]string{"id": full("@" + value)}
	case "read":
		e["readPoint"] = map[string]string{"id": full("@" + value)}
	case "note":
		e["ex:note"] = value
	case "void":
		e["errorDeclaration"] = map[string]any{"declarationTime": e["eventTime"], "reason": value}
	case "sense":
		return sense(e, value, now)
	default:
		return false
	}
	return true
}

func answer(r schemas.EventReceipt) string {
	var b bytes.Buffer
	if r.Code != schemas.OK {
		fmt.Fprintf(&b, "refused %s", r.Code)
	} else {
		b.WriteString(r.Effect.String())
	}
	for _, f := range r.Flags {
		fmt.Fprintf(&b, " +%s", f)
	}
	if r.First != nil {
		fmt.Fprintf(&b, " of %d/%d", r.First.Height, r.First.Index)
		if r.First.EventID != r.EventID || r.First.Time.IsZero() || r.First.Code != schemas.OK {
			b.WriteString(" (first receipt is wrong)")
		}
	}
	return b.String()
}
