package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestQueriesFindWhatAScanFinds: whatever range of the index a query is answered
// from, and however its pages are cut, it finds the events that a predicate over
// their JSON finds, in order.
func TestQueriesFindWhatAScanFinds(t *testing.T) {
	for seed := range uint64(3) {
		s := &storyteller{rand.New(rand.NewPCG(seed, 5))}
		c := newChain(t, store.Options{})
		c.block()
		var all []scanned
		for range 12 {
			var txs [][]byte
			for range 1 + s.IntN(2) {
				var events []*schemas.Event
				for range 1 + s.IntN(8) {
					doc := s.event(len(all), began.Add(-2*time.Minute))
					body, err := json.Marshal(doc)
					if err != nil {
						t.Fatal(err)
					}
					e, err := schemas.DecodeEvent(body)
					if err != nil {
						t.Fatalf("%v: %s", err, body)
					}
					all, events = append(all, scan(t, body, c.time.Add(time.Minute))), append(events, e)
				}
				txs = append(txs, c.sign(c.draft(draw(s, partners[:2]), false, events...)))
			}
			c.block(txs...)
		}
		found := 0
		for range 1500 {
			asked := map[string][]string{}
			for range 1 + s.IntN(2) {
				a := s.parameter()
				asked[a.name] = a.values
			}
			found += checkScan(t, c, s, all, asked)
		}
		if found < 5000 {
			t.Errorf("seed %d: the queries find %d events together: they prove little", seed, found)
		}
	}
}

// scanned is an event as the scan reads it.
type scanned struct {
	doc      map[string]any
	n        int64
	time     int64
	recorded time.Time
}

func scan(t *testing.T, body []byte, recorded time.Time) scanned {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	out := scanned{recorded: recorded}
	if err := d.Decode(&out.doc); err != nil {
		t.Fatal(err)
	}
	out.n, _ = out.doc["ex:n"].(json.Number).Int64()
	at, err := time.Parse(time.RFC3339, out.doc["eventTime"].(string))
	if err != nil {
		t.Fatal(err)
	}
	out.time = at.UnixNano()
	return out
}

// checkScan asks a query in an order and pages of its own, and compares.
func checkScan(t *testing.T, c *chain, s *storyteller, all []scanned, asked map[string][]string) int {
	t.Helper()
	var parameters []schemas.Parameter
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		p := schemas.Parameter{Name: name}
		for _, v := range asked[name] {
			p.Values = append(p.Values, schemas.ParameterValue{Text: v})
		}
		parameters = append(parameters, p)
	}
	var ns schemas.Namespaces
	if err := ns.Define("q", "https://ns.example.com/epcis/"); err != nil {
		t.Fatal(err)
	}
	q, err := schemas.ReadQuery(parameters, &ns)
	if err != nil {
		t.Fatalf("%v: %v", asked, err)
	}
	q.Ascending, q.Limit = s.IntN(2) == 0, 1+s.IntN(20)
	if s.IntN(2) == 0 {
		q.OrderBy = schemas.ByRecordTime
	}
	if s.IntN(3) == 0 {
		q.Effort = 1 + s.IntN(40) // pages end early
	}
	var want []int64
	matching := slices.DeleteFunc(slices.Clone(all), func(e scanned) bool { return !e.matches(asked) })
	slices.SortStableFunc(matching, func(a, b scanned) int {
		if q.OrderBy == schemas.ByEventTime && a.time != b.time {
			return int((a.time - b.time) / 1e9)
		}
		return int(a.n - b.n)
	})
	for _, e := range matching {
		want = append(want, e.n)
	}
	if !q.Ascending {
		slices.Reverse(want)
	}
	var got []int64
	view := c.view()
	for more, pages := true, 0; more; pages++ {
		p, err := view.Page(context.Background(), *q)
		if err != nil || pages > 1000 || len(p.Records) > q.Limit {
			t.Fatalf("%v: page %d: %d records, %v", asked, pages, len(p.Records), err)
		}
		for i := range p.Records {
			if !q.Matches(&p.Records[i]) {
				t.Errorf("%v: a record is found that does not match", asked)
			}
			got = append(got, scan(t, p.Records[i].Body, p.Records[i].Time).n)
		}
		more = p.More
		q.After, q.AfterTime = &p.After, p.Time
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%v %v: %s", asked, q.OrderBy, diff)
	}
	return len(got)
}

// What follows is the predicate: slow, and written by the standard's text alone.

func (e scanned) matches(asked map[string][]string) bool {
	for name, values := range asked {
		if !e.meets(name, values) {
			return false
		}
	}
	return true
}

// plain brings vocabulary to its bare word.
func plain(s string) string {
	for _, stem := range []string{"urn:epcglobal:cbv:bizstep:", "urn:epcglobal:cbv:disp:", "urn:epcglobal:cbv:btt:", "urn:epcglobal:cbv:sdt:", "urn:epcglobal:cbv:er:",
		"https://ref.gs1.org/cbv/BizStep-", "https://gs1.org/voc/MeasurementType-"} {
		s = strings.TrimPrefix(s, stem)
	}
	return s
}

func canon(s string) string {
	if c, _, err := schemas.Canonical(s); err == nil {
		return c
	}
	return s
}

func anyIn(have []string, want []string, same func(string) string) bool {
	return slices.ContainsFunc(have, func(h string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return same(h) == same(w) })
	})
}

func texts(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			out = append(out, texts(e)...)
		}
	}
	return out
}

func objects(v any) (out []map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		for _, e := range v {
			out = append(out, objects(e)...)
		}
	}
	return out
}

func members(list []map[string]any, names ...string) (out []map[string]any) {
	for _, o := range list {
		for _, name := range names {
			out = append(out, objects(o[name])...)
		}
	}
	return out
}

func values(list []map[string]any, name string) (out []string) {
	for _, o := range list {
		out = append(out, texts(o[name])...)
	}
	return out
}

func rat(s string) *big.Rat { r, _ := new(big.Rat).SetString(s); return r }

func compared(op string, order int) bool {
	return map[string]bool{"EQ": order == 0, "GT": order > 0, "GE": order >= 0, "LT": order < 0, "LE": order <= 0}[op]
}

func instant(s string) time.Time { t, _ := time.Parse(time.RFC3339Nano, s); return t }

func timeIs(op string, have []string, want string) bool {
	return slices.ContainsFunc(have, func(h string) bool { return compared(op, instant(h).Compare(instant(want))) })
}

func (e scanned) meets(name string, want []string) bool {
	doc := []map[string]any{e.doc}
	sensors := members(doc, "sensorElementList")
	meta, reports := members(sensors, "sensorMetadata"), members(sensors, "sensorReport")
	declared := members(doc, "errorDeclaration")
	op, rest, _ := strings.Cut(name, "_")
	switch name {
	case "eventType":
		return anyIn(values(doc, "type"), want, plain)
	case "EQ_action", "EQ_bizStep", "EQ_disposition":
		return anyIn(values(doc, rest), want, plain)
	case "EQ_persistentDisposition_set", "EQ_persistentDisposition_unset":
		return anyIn(values(members(doc, "persistentDisposition"), strings.TrimPrefix(rest, "persistentDisposition_")), want, plain)
	case "EQ_readPoint", "WD_readPoint", "EQ_bizLocation", "WD_bizLocation":
		return anyIn(values(members(doc, rest), "id"), want, canon)
	case "EQ_transformationID":
		return anyIn(values(doc, rest), want, canon)
	case "EQ_eventID":
		return anyIn(values(doc, "eventID"), want, strings.Clone)
	case "GE_eventTime", "LT_eventTime":
		return timeIs(op, values(doc, "eventTime"), want[0])
	case "GE_recordTime", "LT_recordTime":
		return compared(op, e.recorded.Compare(instant(want[0])))
	case "EXISTS_errorDeclaration":
		return len(declared) > 0
	case "EQ_errorReason":
		return anyIn(values(declared, "reason"), want, plain)
	case "EQ_correctiveEventID":
		return anyIn(values(declared, "correctiveEventIDs"), want, strings.Clone)
	case "GE_errorDeclarationTime", "LT_errorDeclaration_Time":
		return timeIs(op, values(declared, "declarationTime"), want[0])
	case "EXISTS_sensorElementList":
		return len(sensors) > 0
	case "GE_time", "LT_time", "GE_startTime", "LT_startTime":
		return timeIs(op, append(values(meta, rest), values(reports, rest)...), want[0])
	case "EQ_type":
		return anyIn(values(reports, "type"), want, plain)
	case "EQ_deviceID", "EQ_bizRules":
		return anyIn(append(values(meta, rest), values(reports, rest)...), want, canon)
	case "EQ_stringValue", "EQ_uriValue":
		return anyIn(values(reports, rest), want, strings.Clone)
	case "EQ_hexBinaryValue":
		return anyIn(values(reports, rest), want, strings.ToLower)
	case "EQ_booleanValue":
		return slices.ContainsFunc(reports, func(r map[string]any) bool {
			return r["booleanValue"] != nil && fmt.Sprint(r["booleanValue"]) == want[0]
		})
	}
	if kind, ok := strings.CutPrefix(name, "MATCH_"); ok {
		return e.names(kind, want)
	}
	for _, list := range []string{"bizTransaction", "source", "destination"} {
		if kind, ok := strings.CutPrefix(name, "EQ_"+list+"_"); ok {
			return slices.ContainsFunc(members(doc, list+"List"), func(o map[string]any) bool {
				return o["type"] != nil && plain(o["type"].(string)) == plain(kind) && anyIn(texts(o[list]), want, canon)
			})
		}
	}
	field, unit, _ := strings.Cut(rest, "_")
	switch field {
	case "quantity":
		return measured(members(doc, "quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"), field, op, unit, want[0])
	case "value", "minValue", "sDev", "percRank":
		return measured(reports, field, op, unit, want[0])
	}
	return e.extended(op, rest, want)
}

// names is MATCH_kind.
func (e scanned) names(kind string, want []string) bool {
	lists := map[string][]string{"epc": {"epcList", "childEPCs"}, "parentID": {"parentID"}, "inputEPC": {"inputEPCList"}, "outputEPC": {"outputEPCList"},
		"anyEPC":   {"epcList", "childEPCs", "parentID", "inputEPCList", "outputEPCList"},
		"epcClass": {"quantityList", "childQuantityList"}, "inputEPCClass": {"inputQuantityList"}, "outputEPCClass": {"outputQuantityList"},
		"anyEPCClass": {"quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"}}
	class := strings.HasSuffix(kind, "Class")
	var have []string
	for _, name := range lists[kind] {
		if class {
			have = append(have, values(members([]map[string]any{e.doc}, name), "epcClass")...)
		} else {
			have = append(have, texts(e.doc[name])...)
		}
	}
	return slices.ContainsFunc(have, func(h string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return covers(w, canon(h), class) })
	})
}

// covers reports whether what is asked for, an identifier or a pattern, covers a
// canonical identifier: by the keys of the few things that there are.
func covers(want, have string, class bool) bool {
	const sgtin, lot = "https://id.gs1.org/01/", "/10/"
	if canon(want) == have {
		return true
	}
	switch want {
	case "urn:epc:idpat:sgtin:9521234.054321.*", "https://id.gs1.org/01/09521234543213":
		return strings.HasPrefix(have, sgtin+"09521234543213/21/") && !class
	case "urn:epc:idpat:sgtin:9521234.*.*", "urn:epc:idpat:sgtin:*.*.*":
		return strings.HasPrefix(have, sgtin+"09521234") && strings.Contains(have, "/21/")
	case "urn:epc:idpat:sscc:9521234.*":
		return strings.HasPrefix(have, "https://id.gs1.org/00/09521234")
	case "urn:epc:idpat:grai:9521234.12345.*":
		return strings.HasPrefix(have, canon("urn:epc:id:grai:9521234.12345.7")[:len("https://id.gs1.org/8003/09521234123450")])
	case "urn:epc:idpat:sgln:9521234.00001.*":
		return have == "https://id.gs1.org/414/9521234000013"
	case "urn:epc:idpat:lgtin:9521234.054321.*":
		return strings.HasPrefix(have, sgtin+"09521234543213"+lot)
	case "urn:epc:idpat:lgtin:9521234.*.*":
		return strings.HasPrefix(have, sgtin+"09521234") && strings.Contains(have, lot)
	}
	return false
}

// measured compares amounts: kilograms, grams, pounds and the scales of temperature.
func measured(list []map[string]any, field, op, unit, want string) bool {
	base := func(amount *big.Rat, unit string) (*big.Rat, string) {
		mul := func(s string) *big.Rat { return new(big.Rat).Mul(amount, rat(s)) }
		shift := map[bool]string{true: "0", false: "1"}[field == "sDev"] // a deviation has no zero point
		add := func(a *big.Rat, s string) *big.Rat { return a.Add(a, new(big.Rat).Mul(rat(s), rat(shift))) }
		switch unit {
		case "KGM":
			return amount, "mass"
		case "GRM":
			return mul("0.001"), "mass"
		case "LBR":
			return mul("0.45359237"), "mass"
		case "KEL":
			return amount, "heat"
		case "CEL":
			return add(mul("1"), "273.15"), "heat"
		case "FAH":
			return add(mul("5/9"), "45967/180"), "heat"
		}
		return amount, unit
	}
	return slices.ContainsFunc(list, func(o map[string]any) bool {
		n, ok := o[field].(json.Number)
		if !ok {
			return false
		}
		own, _ := o["uom"].(string)
		have, what := base(rat(n.String()), own)
		asked, as := base(rat(want), unit)
		if unit == "" {
			have, asked, what, as = rat(n.String()), rat(want), "", ""
		}
		return what == as && compared(op, have.Cmp(asked))
	})
}

// extended compares an extension of the namespace that all have here.
func (e scanned) extended(op, rest string, want []string) bool {
	rest, inner := strings.CutPrefix(rest, "INNER_")
	doc := []map[string]any{e.doc}
	sensors := members(doc, "sensorElementList")
	in := doc
	for infix, list := range map[string][]map[string]any{"ILMD_": members(doc, "ilmd"), "ERROR_DECLARATION_": members(doc, "errorDeclaration"), "SENSORELEMENT_": sensors,
		"SENSORMETADATA_": members(sensors, "sensorMetadata"), "SENSORREPORT_": members(sensors, "sensorReport"), "readPoint_": members(doc, "readPoint"), "bizLocation_": members(doc, "bizLocation")} {
		if strings.HasPrefix(rest, infix) {
			rest, in = strings.TrimPrefix(rest, infix), list
		}
	}
	name := rest[strings.LastIndexAny(rest, ":/")+1:]
	var have []any
	for _, o := range in {
		for member, v := range o {
			switch {
			case !strings.Contains(member, ":"):
			case inner:
				have = append(have, inside(v, name)...)
			case member == "ex:"+name || member == "other:"+name:
				have = append(have, v)
			}
		}
	}
	return slices.ContainsFunc(have, func(v any) bool { return op == "EXISTS" || valueIs(op, v, want) })
}

// inside gathers the extensions of a name at any depth of a value.
func inside(v any, name string) (out []any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, inside(e, name)...)
		}
	case map[string]any:
		for member, inner := range v {
			if member == "ex:"+name {
				out = append(out, inner)
			}
			out = append(out, inside(inner, name)...)
		}
	}
	return out
}

func valueIs(op string, v any, want []string) bool {
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, func(e any) bool { _, deeper := e.([]any); return !deeper && valueIs(op, e, want) })
	}
	return slices.ContainsFunc(want, func(w string) bool {
		number, timed := rat(w), instant(w)
		switch v := v.(type) {
		case bool:
			return op == "EQ" && fmt.Sprint(v) == w
		case json.Number:
			return number != nil && compared(op, rat(v.String()).Cmp(number))
		case string:
			switch {
			case op == "EQ" && v == w:
				return true
			case op != "EQ" && number != nil && rat(v) != nil:
				return compared(op, rat(v).Cmp(number))
			case !timed.IsZero() && !instant(v).IsZero():
				return compared(op, instant(v).Compare(timed))
			}
		}
		return false
	})
}
