package app_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Random events and random queries over few values, so that queries find something.

var (
	storyEPCs = []string{
		"urn:epc:id:sgtin:9521234.054321.1", "https://id.gs1.org/01/09521234543213/21/1", "https://example.com/x/01/09521234543213/21/2",
		"urn:epc:id:sgtin:9521234.054321.2", "urn:epc:id:sgtin:9521234.012345.a%2Fb", "urn:epc:id:sscc:9521234.0000000001", "urn:epc:id:sscc:9521234.0000000002",
		"urn:epc:id:grai:9521234.12345.7", "urn:example:thing:1", "https://example.com/things/2",
	}
	storyParents = []string{"urn:epc:id:sscc:9521234.0000000001", "urn:epc:id:sscc:9521234.0000000003", "urn:epc:id:sgln:9521234.00001.0", "https://id.gs1.org/414/9521234000013", "urn:example:box"}
	storyClasses = []string{"urn:epc:idpat:sgtin:9521234.054321.*", "https://id.gs1.org/01/09521234543213", "urn:epc:class:lgtin:9521234.054321.L1",
		"https://id.gs1.org/01/09521234543213/10/L1", "urn:epc:class:lgtin:9521234.054321.L2", "urn:epc:class:lgtin:9521234.012345.L1", "urn:example:class"}
	storyPatterns = []string{"urn:epc:idpat:sgtin:9521234.054321.*", "urn:epc:idpat:sgtin:9521234.*.*", "urn:epc:idpat:sscc:9521234.*", "urn:epc:idpat:sgtin:*.*.*",
		"urn:epc:idpat:grai:9521234.12345.*", "urn:epc:idpat:sgln:9521234.00001.*", "https://id.gs1.org/01/09521234543213"}
	storyClassPatterns = []string{"urn:epc:idpat:lgtin:9521234.054321.*", "urn:epc:idpat:lgtin:9521234.*.*", "urn:epc:idpat:sgtin:9521234.*.*"}
	storySteps         = []string{"shipping", "receiving", "urn:epcglobal:cbv:bizstep:shipping", "https://ref.gs1.org/cbv/BizStep-receiving", "urn:example:step:waiting"}
	storyDisps         = []string{"in_transit", "active", "urn:epcglobal:cbv:disp:active", "urn:example:disp:odd"}
	storyPlaces        = []string{"urn:epc:id:sgln:9521234.00001.0", "https://id.gs1.org/414/9521234000013", "urn:epc:id:sgln:9521234.00002.7", "urn:example:hall"}
	storyPapers        = []string{"urn:epcglobal:cbv:bt:9521234000006:1", "urn:epc:id:gdti:9521234.00001.9", "urn:example:po:2"}
	storyUnits         = []string{"KGM", "GRM", "LBR", "CEL", "FAH", "KEL", "XYZ", ""}
	storyTimes         = []string{"2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-02T00:00:00.5Z", "2026-02-01T12:00:00-05:00"}
)

type storyteller struct{ *rand.Rand }

func draw[T any](s *storyteller, list []T) T { return list[s.IntN(len(list))] }

// some draws a few of a list, each once.
func some(s *storyteller, list []string, most int) []string {
	var out []string
	for range 1 + s.IntN(most) {
		out = append(out, draw(s, list))
	}
	return out
}

func (s *storyteller) maybe() bool { return s.IntN(3) == 0 }

func (s *storyteller) number() json.Number {
	return json.Number(draw(s, []string{"0", "1", "1.0", "1e3", "1000", "2.5", "0.45359237", "4", "39.2", "277.15", "-3"}))
}

func (s *storyteller) quantities() []any {
	var out []any
	for range 1 + s.IntN(2) {
		q := map[string]any{"epcClass": draw(s, storyClasses)}
		if !s.maybe() {
			q["quantity"] = json.Number(strings.TrimPrefix(s.number().String(), "-"))
			if unit := draw(s, storyUnits); unit != "" {
				q["uom"] = unit
			}
		}
		out = append(out, q)
	}
	return out
}

// extension is a value of an extension, with others inside.
func (s *storyteller) extension(depth int) any {
	switch s.IntN(7) {
	case 0:
		return s.number()
	case 1:
		return draw(s, storyTimes)
	case 2:
		return s.IntN(2) == 0
	case 3:
		return []any{s.extension(depth + 1), "b"}
	case 4, 5:
		if depth < 3 {
			return map[string]any{"ex:inner": s.extension(depth + 1), "plain": s.extension(depth + 2)}
		}
	}
	return draw(s, []string{"a", "b", "19", "019"})
}

// extend gives an object extensions, under one of two prefixes of one namespace.
func (s *storyteller) extend(to map[string]any) map[string]any {
	for _, name := range []string{"ex:size", "other:size", "ex:note"} {
		if s.maybe() {
			to[name] = s.extension(0)
		}
	}
	return to
}

func (s *storyteller) sensors() []any {
	meta := s.extend(map[string]any{"time": draw(s, storyTimes), "deviceID": draw(s, storyEPCs[:3])})
	if s.maybe() {
		meta["startTime"], meta["bizRules"] = draw(s, storyTimes), "https://example.com/rules"
	}
	var reports []any
	for range 1 + s.IntN(2) {
		r := s.extend(map[string]any{"type": draw(s, []string{"Temperature", "Mass", "https://gs1.org/voc/MeasurementType-Temperature", "urn:example:smell"})})
		for _, name := range []string{"value", "minValue", "sDev", "percRank"} {
			if s.maybe() {
				r[name] = s.number()
			}
		}
		if unit := draw(s, storyUnits); unit != "" {
			r["uom"] = unit
		}
		if s.maybe() {
			r["stringValue"], r["booleanValue"], r["hexBinaryValue"], r["uriValue"] = draw(s, []string{"x", "y|z"}), s.IntN(2) == 0, draw(s, []string{"aB", "Ab", "ff"}), "https://example.com/v"
		}
		if s.maybe() {
			r["time"], r["deviceID"] = draw(s, storyTimes), draw(s, storyEPCs[:3])
		}
		reports = append(reports, r)
	}
	return []any{s.extend(map[string]any{"sensorMetadata": meta, "sensorReport": reports})}
}

// event makes the n-th event.
func (s *storyteller) event(n int, from time.Time) map[string]any {
	kind := draw(s, []string{"ObjectEvent", "ObjectEvent", "AggregationEvent", "AssociationEvent", "TransactionEvent", "TransformationEvent"})
	at := from.Add(time.Duration(s.IntN(20)) * 10 * time.Second)
	e := s.extend(map[string]any{"@context": []any{map[string]any{"ex": "https://ns.example.com/epcis/", "other": "https://ns.example.com/epcis"}},
		"type": kind, "eventTime": at.Format(time.RFC3339), "eventTimeZoneOffset": "+00:00", "ex:n": n, "eventID": fmt.Sprintf("urn:example:event:%d", n)})
	action := draw(s, []string{"ADD", "OBSERVE", "DELETE"})
	if kind != "TransformationEvent" {
		e["action"] = action
	}
	epcs, amounts := "epcList", "quantityList"
	switch kind {
	case "AggregationEvent", "AssociationEvent":
		e["parentID"], epcs, amounts = draw(s, storyParents), "childEPCs", "childQuantityList"
	case "TransactionEvent":
		if s.maybe() {
			e["parentID"] = draw(s, storyParents)
		}
	case "TransformationEvent":
		epcs, amounts = "inputEPCList", "inputQuantityList"
		e["outputEPCList"] = some(s, storyEPCs, 2)
		if s.maybe() {
			e["outputQuantityList"], e["transformationID"] = s.quantities(), draw(s, storyPapers)
		}
	}
	e[epcs] = some(s, storyEPCs, 2)
	if s.maybe() {
		e[amounts] = s.quantities()
	}
	if kind == "TransformationEvent" || kind == "ObjectEvent" && action == "ADD" {
		e["ilmd"] = s.extend(map[string]any{"ex:lot": draw(s, []string{"L1", "L2"})})
	}
	s.where(e, kind)
	if s.maybe() {
		e["sensorElementList"] = s.sensors()
	}
	if s.IntN(6) == 0 {
		e["errorDeclaration"] = s.extend(map[string]any{"declarationTime": draw(s, storyTimes), "reason": draw(s, []string{"incorrect_data", "urn:epcglobal:cbv:er:did_not_occur"}),
			"correctiveEventIDs": []any{fmt.Sprintf("urn:example:event:%d", s.IntN(9))}})
	}
	return e
}

// where gives an event steps, places, papers and parties.
func (s *storyteller) where(e map[string]any, kind string) {
	if !s.maybe() {
		e["bizStep"] = draw(s, storySteps)
	}
	if s.maybe() {
		e["disposition"] = draw(s, storyDisps)
	}
	if s.maybe() {
		e["persistentDisposition"] = map[string]any{"set": some(s, storyDisps, 2), "unset": some(s, storyDisps, 1)}
	}
	if s.maybe() {
		e["readPoint"] = s.extend(map[string]any{"id": draw(s, storyPlaces)})
	}
	if s.maybe() {
		e["bizLocation"] = s.extend(map[string]any{"id": draw(s, storyPlaces)})
	}
	if kind == "TransactionEvent" || s.maybe() {
		e["bizTransactionList"] = []any{map[string]any{"type": draw(s, []string{"po", "urn:epcglobal:cbv:btt:inv"}), "bizTransaction": draw(s, storyPapers)},
			map[string]any{"bizTransaction": draw(s, storyPapers)}}
	}
	for _, name := range []string{"source", "destination"} {
		if s.maybe() {
			e[name+"List"] = []any{map[string]any{"type": draw(s, []string{"location", "urn:epcglobal:cbv:sdt:possessing_party"}), name: draw(s, storyPlaces[:3])}}
		}
	}
}

// asking is a parameter with its alternatives.
type asking struct {
	name   string
	values []string
}

// parameter draws one.
func (s *storyteller) parameter() asking {
	op := draw(s, []string{"EQ", "GT", "GE", "LT", "LE"})
	number := s.number().String()
	list := func(name string, from []string) asking { return asking{name, some(s, from, 2)} }
	one := func(name, value string) asking { return asking{name, []string{value}} }
	infix := draw(s, []string{"", "ILMD_", "ERROR_DECLARATION_", "SENSORELEMENT_", "SENSORMETADATA_", "SENSORREPORT_", "readPoint_", "bizLocation_"})
	if s.maybe() {
		infix = "INNER_" + infix
	}
	extension := infix + draw(s, []string{"q:size", "q:note", "q:inner", "q:lot", "https://ns.example.com/epcis/size"})
	all := append(append([]string{}, storyEPCs...), storyPatterns...)
	switch s.IntN(28) {
	case 0:
		return list("eventType", []string{"ObjectEvent", "AggregationEvent", "AssociationEvent", "TransactionEvent", "TransformationEvent", "urn:example:type"})
	case 1:
		return list("EQ_action", []string{"ADD", "OBSERVE", "DELETE"})
	case 2:
		return list("EQ_bizStep", storySteps)
	case 3:
		return list("EQ_disposition", storyDisps)
	case 4:
		return list(draw(s, []string{"EQ_persistentDisposition_set", "EQ_persistentDisposition_unset"}), storyDisps)
	case 5, 6:
		return list(draw(s, []string{"EQ_readPoint", "EQ_bizLocation", "WD_readPoint", "WD_bizLocation"}), storyPlaces)
	case 7, 8, 9:
		return list(draw(s, []string{"MATCH_epc", "MATCH_anyEPC", "MATCH_inputEPC", "MATCH_outputEPC"}), all)
	case 10:
		return list("MATCH_parentID", append(append([]string{}, storyParents...), storyPatterns...))
	case 11, 12:
		return list(draw(s, []string{"MATCH_epcClass", "MATCH_inputEPCClass", "MATCH_outputEPCClass", "MATCH_anyEPCClass"}), append(append([]string{}, storyClasses...), storyClassPatterns...))
	case 13:
		return list("EQ_transformationID", storyPapers)
	case 14:
		return list(draw(s, []string{"EQ_bizTransaction_po", "EQ_bizTransaction_inv", "EQ_bizTransaction_urn:epcglobal:cbv:btt:po"}), storyPapers)
	case 15:
		return list(draw(s, []string{"EQ_source_location", "EQ_source_possessing_party", "EQ_destination_urn:epcglobal:cbv:sdt:location", "EQ_destination_possessing_party"}), storyPlaces[:3])
	case 16:
		return one(op+"_quantity"+draw(s, []string{"", "_KGM", "_LBR", "_XYZ"}), number)
	case 17:
		return one(op+"_"+draw(s, []string{"value", "minValue", "sDev"})+"_"+draw(s, storyUnits[:7]), number)
	case 18:
		return one(op+"_percRank", number)
	case 19:
		return draw(s, []asking{one("EXISTS_errorDeclaration", "true"), list("EQ_errorReason", []string{"incorrect_data", "did_not_occur"}), one("GE_errorDeclarationTime", storyTimes[2]),
			one("LT_errorDeclaration_Time", storyTimes[2]), list("EQ_correctiveEventID", []string{"urn:example:event:1", "urn:example:event:2"})})
	case 20:
		return one(draw(s, []string{"GE_time", "LT_time", "GE_startTime", "LT_startTime"}), draw(s, storyTimes))
	case 21:
		return draw(s, []asking{one("EXISTS_sensorElementList", ""), list("EQ_type", []string{"Temperature", "Mass", "urn:example:smell"}), list("EQ_deviceID", storyEPCs[:4]),
			list("EQ_stringValue", []string{"x", "y|z"}), one("EQ_booleanValue", "true"), list("EQ_hexBinaryValue", []string{"ab", "FF"}), one("EQ_uriValue", "https://example.com/v"),
			one("EQ_bizRules", "https://example.com/rules")})
	case 22:
		return one("EXISTS_"+extension, "true")
	case 23:
		return one(draw(s, []string{"GT", "GE", "LT", "LE"})+"_"+extension, draw(s, []string{number, storyTimes[1]}))
	case 24, 25:
		return list("EQ_"+extension, []string{"a", "b", "L1", "19", "1", "1000", "true", storyTimes[0]})
	case 26:
		return list("EQ_eventID", []string{fmt.Sprintf("urn:example:event:%d", s.IntN(60)), fmt.Sprintf("urn:example:event:%d", s.IntN(60))})
	}
	return one(draw(s, []string{"GE_eventTime", "LT_eventTime", "GE_recordTime", "LT_recordTime"}), began.Add(time.Duration(s.IntN(60)-20)*time.Minute/4).Format(time.RFC3339))
}
