package schemas_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// query reads parameters written name=value|value, or name alone.
func query(prefixes map[string]string, parameters ...string) (*schemas.EventQuery, error) {
	var ns schemas.Namespaces
	for prefix, uri := range prefixes {
		if err := ns.Define(prefix, uri); err != nil {
			return nil, err
		}
	}
	var list []schemas.Parameter
	for _, text := range parameters {
		name, value, ok := strings.Cut(text, "=")
		p := schemas.Parameter{Name: name}
		if ok {
			for v := range strings.SplitSeq(value, "|") {
				p.Values = append(p.Values, schemas.ParameterValue{Text: v})
			}
		}
		list = append(list, p)
	}
	return schemas.ReadQuery(list, &ns)
}

func record(t testing.TB, body string) *schemas.Record {
	t.Helper()
	compact, err := schemas.Compact(nil, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	e, err := schemas.DecodeEvent(compact)
	if err != nil {
		t.Fatal(err)
	}
	return &schemas.Record{Kind: schemas.KindEvent, EventID: e.Skeleton.EventID, Skeleton: &e.Skeleton, Body: compact}
}

const sensed = `{"@context": [{"ex": "https://ns.example.com/", "cut": "https://ns.example.com"}],
	"type": "ObjectEvent", "action": "ADD", "eventTime": "2026-01-31T12:00:00.000+01:00", "eventTimeZoneOffset": "+01:00", "eventID": "urn:example:event:1",
	"epcList": ["urn:epc:id:sgtin:9521234.054321.a%2Fb", "urn:epc:id:gid:95100000.12345.400"], "bizStep": "commissioning",
	"quantityList": [{"epcClass": "urn:epc:class:lgtin:9521234.054321.L1", "quantity": 1.5, "uom": "KGM"}, {"epcClass": "urn:epc:idpat:sgtin:9521234.012345.*"}],
	"ilmd": {"cbvmda:lotNumber": "L1", "ex:best": {"ex:before": "2026-06-01T00:00:00Z", "ex:grade": {"@value": "7", "@type": "xsd:int"}}},
	"sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 4, "sDev": 0.5, "uom": "CEL"}, {"type": "Volume", "value": 1000000, "uom": "MLT"},
		{"type": "AbsoluteHumidity", "value": 12.5, "uom": "A93"}, {"type": "Conductivity", "value": 1413, "uom": "G42"}, {"type": "Radioactivity", "value": 37000000, "uom": "BQL"}]}],
	"ex:batch": "007", "cut:count": 12, "ex:when": "2026-01-01T00:00:00+01:00", "ex:empty": [], "ex:nothing": null}`

func TestQueryMatches(t *testing.T) {
	r := record(t, sensed)
	prefixes := map[string]string{"q": "https://ns.example.com/"}
	for parameter, want := range map[string]bool{
		// units of one dimension, in both directions, exactly
		"EQ_value_CEL=4": true, "EQ_value_FAH=39.2": true, "EQ_value_KEL=277.15": true, "EQ_value_KEL=277.150001": false, "GT_value_FAH=39.2": false, "GE_value_FAH=39.2": true,
		"EQ_value_GL=0.0125": true, "EQ_value_23=0.0000125": true, "GT_value_KMQ=0.0125": false, "EQ_value_KEL=12.5": false, "EQ_value_H61=1.413": true, "EQ_value_GBQ=0.037": true, "EQ_value_MCU=1": true,
		"EQ_sDev_FAH=0.9": true, "EQ_sDev_KEL=0.5": true, "EQ_value_LTR=1000": true, "EQ_value_MTQ=1": true, "EQ_value_KGM=4": false, "LT_value_XX=1e9": false,
		"EQ_quantity=1.5": true, "EQ_quantity_GRM=1500": true, "EQ_quantity_GRM=1.5": false, "GT_quantity_LBR=3.3": true, "GT_quantity_LBR=3.31": false, "EQ_quantity=3|1.50": true,
		// patterns and classes
		"MATCH_epc=urn:epc:idpat:sgtin:9521234.054321.*": true, "MATCH_epc=urn:epc:id:sgtin:9521234.054321.*": true, "MATCH_epc=urn:epc:idpat:sgtin:9521234.*.*": true,
		"MATCH_epc=urn:epc:idpat:sgtin:*.*.*": true, "MATCH_epc=urn:epc:idpat:sgtin:9521234.054322.*": false, "MATCH_epc=urn:epc:idpat:sgtin:952123.*.*": true,
		"MATCH_epc=https://id.gs1.org/01/09521234543213": true, "MATCH_epc=https://example.com/01/09521234543213/21/a%2Fb": true, "MATCH_epc=urn:epc:idpat:gid:95100000.12345.*": true,
		"MATCH_epc=urn:epc:idpat:gid:95100000.1234.*": false, "MATCH_epcClass=urn:epc:idpat:sgtin:9521234.012345.*": true, "MATCH_epcClass=urn:epc:idpat:lgtin:9521234.054321.*": true,
		"MATCH_epcClass=urn:epc:idpat:lgtin:9521234.012345.*": false, "MATCH_anyEPC=urn:epc:idpat:sscc:9521234.*": false, "MATCH_inputEPC=urn:epc:idpat:sgtin:*.*.*": false,
		// extensions by expanded name, whatever the prefix and the separator
		"EQ_q:batch=007": true, "EQ_q:batch=7": false, "EQ_q:count=12.0": true, "GT_q:count=11": true, "EQ_https://ns.example.com/batch=007": true, "EQ_https://ns.example.com#batch=007": true,
		"EQ_ex:batch=007": false, "EXISTS_q:batch": true, "EXISTS_q:batch=false": true, "EXISTS_q:none": false, "EXISTS_q:empty": false, "EXISTS_q:nothing=true": false,
		"EXISTS_q:batch=null": true, "EXISTS_q:none=null": false, "EXISTS_sensorElementList=7": true, "EXISTS_errorDeclaration=7": false, "EXISTS_q:none=0": true,
		"EQ_q:when=2025-12-31T23:00:00Z": true, "LT_q:when=2026-01-01T00:00:00Z": true, "EQ_ILMD_cbvmda:lotNumber=L1|L2": true, "EQ_ILMD_urn:epcglobal:cbv:mda#lotNumber=L1": true,
		"EQ_cbvmda:lotNumber=L1": false, "EQ_INNER_ILMD_q:grade=7": true, "GE_INNER_ILMD_q:grade=7.5": false, "GE_INNER_ILMD_q:before=2026-05-01T00:00:00Z": true, "EQ_INNER_q:grade=7": false,
		"EQ_ILMD_q:grade=7": false, "EXISTS_INNER_ILMD_q:before": true,
		// no master data, no match
		"HASATTR_bizLocation=urn:example:x": false, "EQ_ATTR_bizLocation_urn:example:x=1": false, "EQATTR_readPoint_x=1": false,
		"eventType=urn:example:type": false, "eventType=epcis:ObjectEvent": true, "eventType=https://ref.gs1.org/epcis/ObjectEvent|urn:example:type": true, "eventType=epcis:AggregationEvent": false,
		"eventType=ex:ObjectEvent": false, "EQ_eventID=urn:example:event:1": true,
	} {
		// ex is defined by the request as something else than the event means by it.
		prefixes["ex"] = "https://other.example.com/"
		q, err := query(prefixes, parameter)
		if err != nil {
			t.Errorf("%s: %v", parameter, err)
			continue
		}
		if got := q.Matches(r); got != want {
			t.Errorf("%s: %v, want %v", parameter, got, want)
		}
	}
}

func TestQueryMisuse(t *testing.T) {
	many := strings.Repeat("x:a|", schemas.MaxAlternatives) + "x:a"
	for parameters, want := range map[string]schemas.Code{
		"EQ_nonsense=1": schemas.BadParameter, "nonsense=1": schemas.BadParameter, "EQ_=1": schemas.BadParameter, "GT_bizStep=shipping": schemas.BadParameter, "LIKE_x:a=1": schemas.BadParameter,
		"EQ_action=KEEP": schemas.BadParameter, "EQ_bizStep=dancing": schemas.BadParameter, "EQ_bizStep=": schemas.BadParameter, "EQ_bizStep": schemas.BadParameter, "EQ_bizStep=a:b|": schemas.BadParameter,
		"GE_eventTime=2026-01-01": schemas.BadParameter, "GE_eventTime=2026-01-01T00:00:00": schemas.BadParameter, "GE_eventTime=2026-01-01T00:00:00Z|2026-01-02T00:00:00Z": schemas.BadParameter,
		"GT_quantity=ten": schemas.BadParameter, "GT_quantity=1|2": schemas.BadParameter, "EQ_quantity_kg=1": schemas.BadParameter, "EQ_value=1": schemas.BadParameter, "EQ_value_CEL=cold": schemas.BadParameter,
		"GT_q:a=text": schemas.BadParameter, "EQ_undefined:a=1": schemas.BadParameter, "EXISTS_undefined:a": schemas.BadParameter, "EXISTS_q:a=perhaps": schemas.BadParameter,
		"orderBy=place": schemas.BadParameter, "orderDirection=asc": schemas.BadParameter, "eventCountLimit=2": schemas.BadParameter, "eventCountLimit=0;orderBy=eventTime": schemas.BadParameter,
		"eventCountLimit=2;maxEventCount=3;orderBy=eventTime": schemas.BadParameter, "maxEventCount=-1": schemas.BadParameter, "maxEventCount=many": schemas.BadParameter,
		"MATCH_epc=urn:epc:idpat:sgtin:9521234.*.7": schemas.BadParameter, "MATCH_epc=urn:epc:idpat:sgtin:95.*.*": schemas.BadParameter, "MATCH_epc=urn:epc:idpat:nonsense:1.*": schemas.BadParameter,
		"MATCH_epc=urn:epc:idpat:sgtin:9521234.*": schemas.BadParameter, "MATCH_epc=thing": schemas.BadParameter, "EQ_readPoint=https://id.gs1.org/414/9521234000014": schemas.BadParameter,
		"EQ_bizTransaction_=x:a": schemas.BadParameter, "EQ_bizTransaction_dance=x:a": schemas.BadParameter, "EQ_source_dance=x:a": schemas.BadParameter,
		"HASATTR_=x": schemas.BadParameter, "HASATTR_colour=x": schemas.BadParameter, "EQ_ATTR_bizLocation=x": schemas.BadParameter, "EQ_type=Dance": schemas.BadParameter, "EQ_booleanValue=1": schemas.BadParameter,
		"EQ_eventID=a b": schemas.BadParameter, "EQ_eventID=" + many: schemas.BadParameter, "GE_percRank=high": schemas.BadParameter, "GT_time=2026-01-01T00:00:00Z": schemas.BadParameter,
		strings.Repeat("EXISTS_q:a;", 300) + "EXISTS_q:a": schemas.QueryTooComplex,
	} {
		_, err := query(map[string]string{"q": "https://ns.example.com/"}, strings.Split(parameters, ";")...)
		var f *schemas.Fault
		if !errors.As(err, &f) || f.Code != want || f.Detail == "" {
			t.Errorf("%.80s: %v, want %v", parameters, err, want)
		}
	}
	if _, err := query(nil, "EQ_ex:a=1"); err == nil || !strings.Contains(err.Error(), "GS1-Extensions: ex=") {
		t.Errorf("an undefined prefix is told as %v", err)
	}
	for _, bad := range [][2]string{{"", "https://a.example/"}, {"https", "https://a.example/"}, {"a:b", "https://a.example/"}, {"a", "nothing"}} {
		if err := new(schemas.Namespaces).Define(bad[0], bad[1]); err == nil {
			t.Errorf("%v is a prefix", bad)
		}
	}
}

// Two demands on one place must both hold.
func TestWithinAndEqual(t *testing.T) {
	body := strings.Replace(sensed, `"bizStep"`, `"readPoint": {"id": "urn:epc:id:sgln:9521234.00001.0"}, "bizStep"`, 1)
	for parameters, want := range map[string]bool{
		"EQ_readPoint=https://id.gs1.org/414/9521234000013;WD_readPoint=urn:epc:id:sgln:9521234.00001.0":     true,
		"EQ_readPoint=urn:example:a|https://id.gs1.org/414/9521234000013;WD_readPoint=urn:example:a":         false,
		"EQ_readPoint=https://id.gs1.org/414/9521234000013;WD_readPoint=urn:example:a":                       false,
		"WD_readPoint=urn:example:a|urn:epc:id:sgln:9521234.00001.0":                                         true,
		"WD_bizLocation=urn:epc:id:sgln:9521234.00001.0;EQ_bizLocation=https://id.gs1.org/414/9521234000013": false,
	} {
		q, err := query(nil, strings.Split(parameters, ";")...)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Matches(record(t, body)); got != want {
			t.Errorf("%s: %v", parameters, got)
		}
	}
}

// Numbers whose size is in their exponent cost nothing.
func TestHugeNumbers(t *testing.T) {
	for _, n := range []string{"1e999999999", "1e-999999999", "-1E+1000000", strings.Repeat("9", 500)} {
		body := strings.Replace(sensed, `"cut:count": 12`, `"cut:count": `+n, 1)
		q, err := query(map[string]string{"q": "https://ns.example.com/"}, "GT_q:count=11")
		if err != nil {
			t.Fatal(err)
		}
		if q.Matches(record(t, body)) {
			t.Errorf("%.20s is compared", n)
		}
		if _, err := query(nil, "GT_quantity="+n); err == nil {
			t.Errorf("%.20s is asked for", n)
		}
	}
}

func TestOrderByExtension(t *testing.T) {
	names := []string{"https://ns.example.com/k"}
	keys := make([]schemas.FieldKey, 0, 8)
	for _, v := range []string{`1e1`, `"9"`, `"2026-01-01T01:00:00+01:00"`, `"2026-01-01T00:00:00.5Z"`, `"B"`, `"a"`, `["z"]`, `null`} {
		keys = append(keys, schemas.FieldKeyOf([]byte(`{"@context":[{"e":"https://ns.example.com/"}],"type":"ObjectEvent","e:k":`+v+`}`), names))
	}
	keys[0], keys[1] = keys[1], keys[0] // 9 before 10
	if !slices.IsSortedFunc(keys, schemas.FieldKey.Compare) || !keys[7].Missing() || keys[6].Missing() {
		t.Errorf("out of order: %v", keys)
	}
}

func FuzzReadQuery(f *testing.F) {
	for _, s := range []string{"EQ_bizStep=shipping|receiving;GE_eventTime=2026-01-01T00:00:00 01:00", "MATCH_epc=urn:epc:idpat:sgtin:9521234.*.*", "EQ_value_CEL=4;EXISTS_INNER_ILMD_q:a",
		"EQ_ATTR_q:a_b=1;HASATTR_bizLocation=x", "orderBy=q:a;eventCountLimit=1", "EQ_bizTransaction_po=urn:a:b"} {
		f.Add(s, sensed)
	}
	f.Fuzz(func(t *testing.T, parameters, body string) {
		q, err := query(map[string]string{"q": "https://ns.example.com/"}, strings.Split(parameters, ";")...)
		if err != nil {
			if fault := (*schemas.Fault)(nil); !errors.As(err, &fault) || fault.Code != schemas.BadParameter && fault.Code != schemas.QueryTooComplex {
				t.Fatalf("%q: %v is not a fault of the query", parameters, err)
			}
			return
		}
		compact, err := schemas.Compact(nil, []byte(body))
		if err != nil {
			return
		}
		e, err := schemas.DecodeEvent(compact)
		if err != nil {
			return
		}
		r := &schemas.Record{Kind: schemas.KindEvent, Skeleton: &e.Skeleton, Body: compact}
		if q.Matches(r) && (!q.MatchesSkeleton(r) || !q.MatchesBody(compact)) {
			t.Fatalf("%q: the whole matches, a part does not", parameters)
		}
		schemas.FieldKeyOf(compact, q.OrderFields)
	})
}
