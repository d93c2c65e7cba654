package schemas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybill-ledger/waybill/schemas"
)

// patched returns the base event with a merge patch (RFC 7396) applied, compact.
func patched(tb testing.TB, base, patch string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/events/" + base + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	var event, change any
	for _, in := range []struct {
		text []byte
		to   *any
	}{{b, &event}, {[]byte(patch), &change}} {
		d := json.NewDecoder(bytes.NewReader(in.text))
		d.UseNumber()
		if err := d.Decode(in.to); err != nil {
			tb.Fatalf("%s %s: %v", base, patch, err)
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(nulls(merge(event, change))); err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSpace(out.Bytes())
}

func merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(t, k)
			continue
		}
		t[k] = merge(t[k], v)
	}
	return t
}

// nulls puts a null where a merge patch, which cannot say so, has "NULL".
func nulls(v any) any {
	if m, ok := v.(map[string]any); ok {
		for k, in := range m {
			m[k] = nulls(in)
		}
	}
	if v == "NULL" {
		return nil
	}
	return v
}

func TestDecodeEventAccepts(t *testing.T) {
	for _, line := range lines(t, "testdata/events/accept.txt") {
		base, patch, _ := strings.Cut(line, " ")
		body := patched(t, base, patch)
		e, err := schemas.DecodeEvent(body)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		checkEvent(t, e, body)
	}
}

func TestDecodeEventRefuses(t *testing.T) {
	for _, line := range lines(t, "testdata/events/refuse.txt") {
		parts := strings.SplitN(line, " ", 4)
		_, err := schemas.DecodeEvent(patched(t, parts[2], parts[3]))
		var f *schemas.Fault
		if !errors.As(err, &f) {
			t.Errorf("%s: accepted", line)
			continue
		}
		if got := f.Code.String() + " " + or(f.Pointer, "-"); got != parts[0]+" "+parts[1] {
			t.Errorf("%s: got %s (%s)", line, got, f.Detail)
		}
		if f.Detail == "" || len(f.Detail) > 300 {
			t.Errorf("%s: the detail is no help: %q", line, f.Detail)
		}
	}
}

// checkEvent holds what is true of every event that is accepted.
func checkEvent(tb testing.TB, e *schemas.Event, body []byte) {
	tb.Helper()
	encoded := e.Skeleton.Append(nil)
	back, err := schemas.DecodeSkeleton(encoded)
	if err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	if diff := cmp.Diff(&e.Skeleton, back, sameDecimal); diff != "" {
		tb.Fatalf("%s: the skeleton does not come back:\n%s", body, diff)
	}
	joined := []byte("{")
	for i, m := range e.Members {
		if i > 0 {
			joined = append(joined, ',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			tb.Fatal(err)
		}
		joined = append(append(append(joined, name...), ':'), m.Value...)
	}
	if a, b := canonicalJSON(tb, append(joined, '}')), canonicalJSON(tb, body); !bytes.Equal(a, b) {
		tb.Fatalf("%s: the members are %s", body, a)
	}
	again, err := schemas.DecodeEvent(body)
	if err != nil || !bytes.Equal(again.Skeleton.Append(nil), encoded) {
		tb.Fatalf("%s: decoded again: %v", body, err)
	}
	normal := schemas.CanonicalEvent(e)
	twice, err := schemas.DecodeEvent(normal)
	if err != nil || !bytes.Equal(schemas.CanonicalEvent(twice), normal) {
		tb.Fatalf("%s: the normal form %s: %v", body, normal, err)
	}
	if !bytes.Equal(twice.Skeleton.Append(nil), encoded) {
		tb.Fatalf("%s: the normal form %s has another skeleton", body, normal)
	}
}

var sameDecimal = cmp.Comparer(func(a, b schemas.Decimal) bool { return a.String() == b.String() })

func canonicalJSON(tb testing.TB, text []byte) []byte {
	tb.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func decodeFile(tb testing.TB, name string) *schemas.Event {
	tb.Helper()
	text, err := os.ReadFile("testdata/events/" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	e, err := schemas.DecodeSingle(text)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return e
}

func TestSkeletonOfShipping(t *testing.T) {
	e := decodeFile(t, "shipping")
	want := schemas.Skeleton{
		Type: schemas.ObjectEvent, Action: schemas.ActionObserve, EventTime: 1772456711250000000,
		BizStep: "shipping", Disposition: "in_transit", EventID: "urn:uuid:0190a7c2-6f1e-7c3a-9a51-4d0c2e9b7f11",
		EPCs:         []string{"https://id.gs1.org/00/095212340000000174", "https://id.gs1.org/00/095212340000000273"},
		Sources:      []schemas.Party{{Type: "possessing_party", ID: "https://id.gs1.org/417/9521234000006"}},
		Destinations: []schemas.Party{{Type: "possessing_party", ID: "https://id.gs1.org/417/9529876000002"}},
	}
	if diff := cmp.Diff(want, e.Skeleton, sameDecimal); diff != "" {
		t.Error(diff)
	}
	if e.ReadPoint != "https://id.gs1.org/414/9521234000112/254/7" || e.BizLocation != "https://id.gs1.org/414/9521234000112" {
		t.Errorf("at %s, %s", e.ReadPoint, e.BizLocation)
	}
}

func TestSkeletonOfTransformation(t *testing.T) {
	e := decodeFile(t, "transformation")
	kilos := func(s string) schemas.Decimal {
		d, err := schemas.ParseDecimal(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := schemas.Skeleton{
		Type: schemas.TransformationEvent, EventTime: 1770793200000000000, BizStep: "commissioning", Disposition: "active",
		Quantities: []schemas.Quantity{
			{Class: "https://id.gs1.org/01/09521234123453/10/H-17", UOM: "KGM", Known: true, Amount: kilos("1200.5")},
			{Class: "https://id.gs1.org/01/09521234123453/10/H-18", UOM: "KGM", Known: true, Amount: kilos("400")},
		},
		OutputEPCs:       []string{"https://id.gs1.org/01/09521234543213/21/1", "https://id.gs1.org/01/09521234543213/21/2"},
		OutputQuantities: []schemas.Quantity{{Class: "https://id.gs1.org/01/09521234543213/10/L1"}},
		TransformationID: "https://id.gs1.org/253/9521234123453400",
	}
	if diff := cmp.Diff(want, e.Skeleton, sameDecimal); diff != "" {
		t.Error(diff)
	}
}

func TestSkeletonOfDeclaration(t *testing.T) {
	e, err := schemas.DecodeEvent(patched(t, "association", `{"@context":{"mill":"https://ns.mill.example/"},"bizStep":"mill:mounting",
		"childQuantityList":[{"epcClass":"urn:example:bolts","quantity":0}],"errorDeclaration":{
		"declarationTime":"1970-01-01T00:00:00Z","reason":"cbv:ER-did_not_occur","correctiveEventIDs":["urn:uuid:1","urn:uuid:2"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := schemas.Skeleton{
		Type: schemas.AssociationEvent, Action: schemas.ActionAdd, EventTime: 1772460311000000000,
		BizStep: "https://ns.mill.example/mounting", ParentID: "https://id.gs1.org/414/9521234000112",
		EPCs:        []string{"https://id.gs1.org/8004/9521234TH-81"},
		Quantities:  []schemas.Quantity{{Class: "urn:example:bolts", Known: true}},
		Declaration: &schemas.Declaration{Reason: "did_not_occur", Corrections: []string{"urn:uuid:1", "urn:uuid:2"}},
	}
	if diff := cmp.Diff(want, e.Skeleton, sameDecimal); diff != "" {
		t.Error(diff)
	}
}

func TestEachIdentifierOnce(t *testing.T) {
	for _, n := range []int{3, 400} {
		var list, want []string
		for i := range n {
			id := fmt.Sprintf("urn:example:%d", i%(n-1))
			list = append(list, id)
			if !slices.Contains(want, id) {
				want = append(want, id)
			}
		}
		b, _ := json.Marshal(list)
		e, err := schemas.DecodeEvent(patched(t, "object", `{"epcList":`+string(b)+`}`))
		if err != nil || !slices.Equal(e.Skeleton.EPCs, want) {
			t.Errorf("%d: %v, %v", n, e, err)
		}
	}
}

func TestEventBounds(t *testing.T) {
	list := func(n int, entry string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + "]"
	}
	prefixes := map[string]string{}
	for i := range 65 {
		prefixes[fmt.Sprintf("p%d", i)] = "urn:x:"
	}
	many, _ := json.Marshal(prefixes)
	for _, c := range []struct{ name, patch, want string }{
		{"items", `{"epcList":` + list(schemas.MaxEventItems, `"urn:x:y"`) + `}`, ""},
		{"too many items", `{"epcList":` + list(schemas.MaxEventItems+1, `"urn:x:y"`) + `}`, "too_large /epcList"},
		{"too many of both", `{"epcList":` + list(schemas.MaxEventItems, `"urn:x:y"`) + `,"quantityList":[{"epcClass":"urn:x:c"}]}`, "too_large /quantityList"},
		{"too many parties", `{"sourceList":` + list(1001, `{"type":"location","source":"urn:x:y"}`) + `}`, "too_large /sourceList"},
		{"too many prefixes", `{"@context":` + string(many) + `}`, "too_large /@context/p9"},
		{"identifier too long", `{"epcList":["urn:x:` + strings.Repeat("y", 1100) + `"]}`, "bad_identifier /epcList/0"},
		{"step too long", `{"bizStep":"urn:x:` + strings.Repeat("y", 1100) + `"}`, "bad_value /bizStep"},
		{"body too large", `{"rdfs:comment":"` + strings.Repeat("y", schemas.MaxBody) + `"}`, "too_large -"},
		{"too deep", `{"rdfs:comment":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "too_deep /rdfs:comment" + strings.Repeat("/0", 31)},
		{"name too long", `{"` + strings.Repeat("é", 1000) + `":1}`, "unknown_field /" + strings.Repeat("é", 100) + "..."},
		{"deep", `{"rdfs:comment":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, ""},
	} {
		_, err := schemas.DecodeEvent(patched(t, "object", c.patch))
		got := ""
		var f *schemas.Fault
		if errors.As(err, &f) {
			got = f.Code.String() + " " + or(f.Pointer, "-")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q: %v", c.name, got, c.want, err)
		}
	}
}

func TestBodyMustBeCompact(t *testing.T) {
	body := patched(t, "object", "{}")
	for _, text := range []string{" " + string(body), string(body) + "\n", strings.Replace(string(body), ":", ": ", 1), "[" + string(body) + "]", `"event"`, ""} {
		if _, err := schemas.DecodeEvent([]byte(text)); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
	if _, err := schemas.DecodeEvent(append(body[:len(body)-1:len(body)-1], `,"type":"ObjectEvent"}`...)); err == nil || !strings.HasPrefix(err.Error(), "duplicate_key at /type") {
		t.Errorf("a repeated member: %v", err)
	}
}

// Prefixes are resolved before anything is compared: rules see what a name means.
func TestPrefixesResolved(t *testing.T) {
	e, err := schemas.DecodeEvent(patched(t, "object", `{"bizStep":"step:milling","disposition":"cbv:Disp-active",
		"@context":[{"mill":"https://ns.mill.example/","cbv":"https://other.example/"},{"step":"mill:steps/"},{"keys":"https://id.gs1.org/01/"}],
		"epcList":["mill:sack/7","keys:09521234543213/21/1001","gs1:thing","urn:x:y"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := schemas.Skeleton{
		Type: schemas.ObjectEvent, Action: schemas.ActionAdd, EventTime: 1772460311000000000,
		BizStep: "https://ns.mill.example/steps/milling", Disposition: "https://other.example/Disp-active",
		EPCs: []string{"https://ns.mill.example/sack/7", "https://id.gs1.org/01/09521234543213/21/1001", "https://gs1.org/voc/thing", "urn:x:y"},
	}
	if diff := cmp.Diff(want, e.Skeleton, sameDecimal); diff != "" {
		t.Error(diff)
	}
}

// All that is missing is told at once.
func TestMissingTogether(t *testing.T) {
	_, err := schemas.DecodeEvent(patched(t, "object", `{"action":null,"eventTime":null}`))
	if want := "missing_field at /eventTime: ObjectEvent needs eventTime and action"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestEventNames(t *testing.T) {
	for k := schemas.ObjectEvent; k <= schemas.AssociationEvent; k++ {
		if got, ok := schemas.ParseEventType(k.String()); !ok || got != k {
			t.Errorf("%d: %s", k, got)
		}
	}
	for a := schemas.ActionAdd; a <= schemas.ActionDelete; a++ {
		if got, ok := schemas.ParseAction(a.String()); !ok || got != a {
			t.Errorf("%d: %s", a, got)
		}
	}
	if _, ok := schemas.ParseEventType(""); ok || schemas.NoAction.String() != "" || schemas.EventType(9).String() != "" {
		t.Error("a name for nothing")
	}
	if _, ok := schemas.ParseAction(""); ok {
		t.Error("no action is no name")
	}
}

func TestTerms(t *testing.T) {
	for _, s := range []string{"shipping", "urn:epcglobal:cbv:bizstep:shipping", "https://ref.gs1.org/cbv/BizStep-shipping", "https://ns.gs1.org/cbv/BizStep-shipping", "cbv:BizStep-shipping"} {
		if got, err := schemas.BizStepTerm(s); err != nil || got != "shipping" {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"active", "urn:epcglobal:cbv:disp:active", "cbv:Disp-active"} {
		if got, err := schemas.DispositionTerm(s); err != nil || got != "active" {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if got, err := schemas.BizStepTerm("https://example.org/step"); err != nil || got != "https://example.org/step" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := schemas.DispositionTerm("shipping"); err == nil {
		t.Error("a business step is no disposition")
	}
}
