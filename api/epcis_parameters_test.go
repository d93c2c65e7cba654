package api_test

import (
	"net/url"
	"strings"
	"testing"
)

// What the parameters of docs/epcis.md are asked of: an event that has a bit of
// everything, a transformation, an aggregation, and one that is declared erroneous.
var storied = []string{
	`{"@context":[{"ext":"https://ext.example.com/"}],"type":"ObjectEvent","action":"ADD","eventID":"urn:example:event:1","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00",
	"epcList":["urn:epc:id:sgtin:9521234.054321.1"],"quantityList":[{"epcClass":"urn:epc:class:lgtin:9521234.054321.L1","quantity":5,"uom":"KGM"}],
	"bizStep":"commissioning","disposition":"active","persistentDisposition":{"set":["completeness_verified"],"unset":["completeness_inferred"]},
	"readPoint":{"id":"urn:epc:id:sgln:9521234.00001.0"},"bizLocation":{"id":"urn:epc:id:sgln:9521234.00002.0"},
	"bizTransactionList":[{"type":"po","bizTransaction":"urn:example:po:1"}],
	"sourceList":[{"type":"possessing_party","source":"urn:epc:id:pgln:9521234.00003"}],"destinationList":[{"type":"owning_party","destination":"urn:epc:id:pgln:9521234.00004"}],
	"ilmd":{"ext:n":5,"ext:deep":{"ext:m":5}},"ext:n":5,"ext:deep":{"ext:m":5},
	"sensorElementList":[{"sensorMetadata":{"time":"2026-05-01T10:00:00Z","startTime":"2026-05-01T10:00:00Z","endTime":"2026-05-01T10:00:00Z","deviceID":"urn:example:device:1","dataProcessingMethod":"urn:example:method:1","bizRules":"urn:example:rules:1","ext:n":5,"ext:deep":{"ext:m":5}},
	"sensorReport":[{"type":"Temperature","value":5,"minValue":5,"maxValue":5,"meanValue":5,"sDev":5,"percRank":5,"percValue":5,"uom":"CEL","microorganism":"https://example.com/organism","chemicalSubstance":"https://example.com/substance","stringValue":"text","booleanValue":true,"hexBinaryValue":"0AF0","uriValue":"https://example.com/value","ext:n":5,"ext:deep":{"ext:m":5}}],"ext:n":5,"ext:deep":{"ext:m":5}}]}`,
	`{"type":"TransformationEvent","eventTime":"2026-05-01T11:00:00Z","eventTimeZoneOffset":"+00:00","transformationID":"urn:example:transformation:1","inputEPCList":["urn:example:in"],"outputEPCList":["urn:example:out"],
	"inputQuantityList":[{"epcClass":"urn:example:class:in","quantity":1}],"outputQuantityList":[{"epcClass":"urn:example:class:out","quantity":1}]}`,
	`{"type":"AggregationEvent","action":"ADD","eventTime":"2026-05-01T12:00:00Z","eventTimeZoneOffset":"+00:00","parentID":"urn:example:pallet","childEPCs":["urn:example:child"]}`,
	`{"@context":[{"ext":"https://ext.example.com/"}],"type":"ObjectEvent","action":"OBSERVE","eventID":"urn:example:event:4","eventTime":"2026-05-01T13:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:example:wrong"],
	"errorDeclaration":{"declarationTime":"2026-05-02T10:00:00Z","reason":"incorrect_data","correctiveEventIDs":["urn:example:event:5"],"ext:n":5,"ext:deep":{"ext:m":5}}}`,
}

// found is how a parameter is tried: a value with which an event is found, one with
// which none is, and one that is refused. A trial may need other parameters beside.
type found struct{ hit, miss, refused string }

// parameterTrials are the parameters of docs/epcis.md, by their names there, which
// stand for the families TYPE, UOM, prefix:name and attr.
func parameterTrials() map[string]found {
	place, party := "urn:epc:id:sgln:9521234.0000", "urn:epc:id:pgln:9521234.0000"
	at, before, after := "2026-05-01T10:00:00Z", "2026-05-01T09:00:00Z", "2027-05-01T10:00:00Z"
	out := map[string]found{
		"eventType":    {"ObjectEvent", "AssociationEvent", "Event"},
		"GE_eventTime": {at, after, "yesterday"}, "LT_eventTime": {after, before, "now"}, "GE_recordTime": {before, after, "1"}, "LT_recordTime": {after, before, "1"},
		"EQ_action": {"ADD", "DELETE", "KEEP"}, "EQ_bizStep": {"commissioning", "packing", "dancing"}, "EQ_disposition": {"active", "retail_sold", "gone"},
		"EQ_persistentDisposition_set": {"completeness_verified", "completeness_inferred", "x"}, "EQ_persistentDisposition_unset": {"completeness_inferred", "completeness_verified", "x"},
		"EQ_readPoint": {place + "1.0", place + "2.0", "x"}, "WD_readPoint": {place + "1.0", place + "2.0", "x"}, "EQ_bizLocation": {place + "2.0", place + "1.0", "x"}, "WD_bizLocation": {place + "2.0", place + "1.0", "x"},
		"EQ_transformationID": {"urn:example:transformation:1", "urn:example:transformation:2", "x"},
		"MATCH_epc":           {itemURN, "urn:example:pallet", "x"}, "MATCH_parentID": {"urn:example:pallet", "urn:example:child", "x"}, "MATCH_inputEPC": {"urn:example:in", "urn:example:out", "x"},
		"MATCH_outputEPC": {"urn:example:out", "urn:example:in", "x"}, "MATCH_anyEPC": {"urn:example:pallet", "urn:example:none", "x"}, "MATCH_epcClass": {classID, "urn:example:class:in", "x"},
		"MATCH_inputEPCClass": {"urn:example:class:in", classID, "x"}, "MATCH_outputEPCClass": {"urn:example:class:out", classID, "x"}, "MATCH_anyEPCClass": {"urn:example:class:in", "urn:example:none", "x"},
		"EQ_eventID": {"urn:example:event:1", "urn:example:event:9", "a\tb"}, "EXISTS_errorDeclaration": {"true", "", ""},
		"GE_errorDeclarationTime": {before, after, "x"}, "LT_errorDeclarationTime": {after, before, "x"}, "GE_errorDeclaration_Time": {before, after, "x"}, "LT_errorDeclaration_Time": {after, before, "x"},
		"EQ_errorReason": {"incorrect_data", "did_not_occur", "x"}, "EQ_correctiveEventID": {"urn:example:event:5", "urn:example:event:1", "a\tb"}, "EXISTS_sensorElementList": {"true", "", ""},
		"EQ_type": {"Temperature", "Mass", "Dance"}, "EQ_deviceID": {"urn:example:device:1", "urn:example:device:2", "x"}, "EQ_dataProcessingMethod": {"urn:example:method:1", "urn:example:method:2", "x"},
		"EQ_microorganism": {"https://example.com/organism", "https://example.com/other", "x"}, "EQ_chemicalSubstance": {"https://example.com/substance", "https://example.com/other", "x"},
		"EQ_bizRules": {"urn:example:rules:1", "urn:example:rules:2", "x"}, "EQ_stringValue": {"text", "other", ""}, "EQ_booleanValue": {"true", "false", "1"}, "EQ_hexBinaryValue": {"0AF0", "0AF1", ""},
		"EQ_uriValue":            {"https://example.com/value", "https://example.com/other", "x"},
		"EQ_bizTransaction_TYPE": {"po=urn:example:po:1", "inv=urn:example:po:1", "dance=urn:example:po:1"}, "EQ_source_TYPE": {"possessing_party=" + party + "3", "owning_party=" + party + "3", "dance=x"},
		"EQ_destination_TYPE": {"owning_party=" + party + "4", "owning_party=" + party + "3", "dance=x"},
		"EXISTS_prefix:name":  {"ext:n", "ext:none", "undefined:n"}, "HASATTR_prefix:name": {"", "bizLocation=urn:example:x", "colour=x"}, "EQ_ATTR_name_attr": {"", "bizLocation_urn:example:x=1", "bizLocation=x"}, "EQATTR_name_attr": {"", "bizLocation_urn:example:x=1", "bizLocation=x"},
		"orderBy": {"recordTime", "", "place"}, "orderDirection": {"ASC", "", "asc"}, "eventCountLimit": {"1&orderBy=eventTime", "", "1"}, "maxEventCount": {"10", "", "-1"}, "perPage": {"1", "", "0"}, "nextPageToken": {"", "", "x"},
	}
	for _, op := range []struct {
		name string
		found
	}{{"EQ", found{"5", "6", "x"}}, {"GT", found{"4", "5", "x"}}, {"GE", found{"5", "6", "x"}}, {"LT", found{"6", "5", "x"}}, {"LE", found{"5", "4", "x"}}} {
		quantity := op.found
		if op.name == "LT" || op.name == "LE" {
			quantity.miss = "1" // the transformation has that much of something
			if op.name == "LE" {
				quantity.miss = "0.5"
			}
		}
		out[op.name+"_quantity"], out[op.name+"_percRank"] = quantity, op.found
		for _, field := range []string{"value", "minValue", "maxValue", "meanValue", "sDev", "percValue", "quantity"} {
			unit := "CEL="
			if field == "quantity" {
				unit = "KGM="
			}
			out[op.name+"_"+field+"_UOM"] = found{unit + op.hit, unit + op.miss, "cel" + "=5"}
		}
		for _, where := range []string{"", "ILMD_", "ERROR_DECLARATION_", "SENSORELEMENT_", "SENSORMETADATA_", "SENSORREPORT_"} {
			out[op.name+"_"+where+"prefix:name"] = found{"ext:n=" + op.hit, "ext:n=" + op.miss, "undefined:n=5"}
			out[op.name+"_INNER_"+where+"prefix:name"] = found{"ext:m=" + op.hit, "ext:m=" + op.miss, "undefined:m=5"}
			out["EXISTS_"+where+"prefix:name"] = found{"ext:n", "ext:none", "undefined:n"}
			out["EXISTS_INNER_"+where+"prefix:name"] = found{"ext:m", "ext:n", "undefined:m"}
		}
	}
	for _, edge := range []string{"time", "startTime", "endTime"} {
		out["GE_"+edge], out["LT_"+edge] = found{at, after, "x"}, found{after, at, "x"}
	}
	return out
}

// with is the query of a parameter and a trial: a family's name is completed by what
// is before the trial's equals sign.
func with(name, trial string) string {
	for _, open := range []string{"TYPE", "UOM", "prefix:name", "name_attr"} {
		stem, ok := strings.CutSuffix(name, open)
		if !ok {
			continue
		}
		rest, value, given := strings.Cut(trial, "=")
		if !given {
			value = "true"
		}
		return url.QueryEscape(stem+rest) + "=" + url.QueryEscape(value)
	}
	value, more, _ := strings.Cut(trial, "&")
	if more != "" {
		more = "&" + more
	}
	return name + "=" + url.QueryEscape(value) + more
}

// TestEveryParameter tries each parameter of the event query in three ways.
func TestEveryParameter(t *testing.T) {
	h := newHarness(t, defaults())
	for _, e := range storied {
		h.do("POST", "/epcis/v2/events", e).want(t, 201)
	}
	ask := func(query string) reply {
		return h.do("GET", "/epcis/v2/events?"+query, "", "GS1-Extensions", "ext=https://ext.example.com/")
	}
	for name, trial := range parameterTrials() {
		if trial.hit != "" {
			if r := ask(with(name, trial.hit)); r.status != 200 || len(eventList(t, r)) == 0 {
				t.Errorf("%s: nothing is found: %d %.300s", with(name, trial.hit), r.status, r.body)
			}
		}
		if trial.miss != "" {
			if r := ask(with(name, trial.miss)); r.status != 200 || len(eventList(t, r)) != 0 {
				t.Errorf("%s: something is found: %d %.300s", with(name, trial.miss), r.status, r.body)
			}
		}
		if trial.refused != "" {
			if r := ask(with(name, trial.refused)); r.status != 400 || !strings.Contains(string(r.body), "QueryParameterException") {
				t.Errorf("%s is not refused: %d %.300s", with(name, trial.refused), r.status, r.body)
			}
		}
	}
	if p := ask("EQ_nonsense=1").problem(t, 400, "bad_parameter"); p["type"] != "epcisException:QueryParameterException" {
		t.Errorf("an unknown parameter: %v", p)
	}
}
