package proof_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// sensed is an item of which much was measured, in all forms that a reading can have:
// what of it is in the skeleton, every verifier has to derive. One event is withheld.
func sensed(t testing.TB) vector {
	l := newActs(t)
	see := func(partner, elements string) {
		body := eventJSON(unit, "OBSERVE", "sensor_reporting", fmt.Sprintf(`,"sensorElementList":[%s]`, strings.NewReplacer("\n", "", "\t", "").Replace(elements)))
		l.transact(partner, message{body: body, trails: []schemas.TrailKey{observations(unit)}, result: schemas.Result{Effect: schemas.Observation}})
	}
	report := func(members string) string { return `{"sensorReport":[{` + members + `}]}` }
	l.setKey("carrier", schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldInHardware, From: 1})
	l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	for _, unitOf := range []string{"CEL", "KEL", "FAH", "A48", "P1"} {
		all := ""
		for i, v := range []string{"0", "-0.0", "46.4", "46.400000000000000000001", "300.000000000000000000001e0", "1E2", "12e-1", "5e-59", "1e-70", "0e400", "0.00e-70", "-1", "999999999.9999999999999", "1000000001",
			"1234567890123456789012345678901234567890123456789012345678901e-59", "-273.150000000001", "-273.15"} {
			if i > 0 {
				all += ","
			}
			all += report(fmt.Sprintf(`"type":"Temperature","value":%s,"uom":%q`, v, unitOf))
		}
		see("acme-farms", all)
	}
	for _, unitOf := range []string{"P1", "C62", "NX", "59", "61", "A93"} {
		see("acme-farms", report(`"type":"gs1:RelativeHumidity","value":0.123456789012345678901,"uom":"`+unitOf+`"`)+","+
			report(`"type":"https://ref.gs1.org/cbv/MeasurementType-RelativeHumidity","minValue":0,"maxValue":-1e-40,"uom":"`+unitOf+`"`))
	}
	see("acme-farms", `{"sensorMetadata":{"startTime":"2026-03-01T08:00:00Z","endTime":"2026-03-01T07:00:00.5Z","deviceID":"urn:epc:id:giai:9521234.LOG-1"},"sensorReport":[
		{"type":"Temperature","minValue":3,"meanValue":4.1,"maxValue":5,"uom":"CEL"},{"type":"Temperature","value":2,"uom":"CEL","time":"2026-03-01T07:30:00Z"},
		{"type":"Temperature","value":2,"uom":"CEL","deviceID":"ex:other"},{"type":"Temperature","exception":"ALARM_CONDITION"},
		{"type":"Temperature","value":99,"uom":"CEL","exception":"gs1:SensorAlertType-ERROR_CONDITION"},{"type":"Speed","value":9,"uom":"KMH"},{"type":"ex:Temperature","value":9,"uom":"CEL"}]},
		{"sensorReport":[{"value":8,"type":"gs1:MeasurementType-Temperature"}],"sensorMetadata":{"endTime":"2026-03-01T07:00:00Z"}},
		{"sensorMetadata":{"time":"2026-03-01T06:00:00+01:00","startTime":"2026-03-01T08:00:00Z"},"sensorReport":[{"type":"https://gs1.org/voc/Temperature","value":1,"uom":"CEL"},{"type":"Temperature","value":1,"uom":"CEL"}]}`)
	see("carrier", report(`"type":"Temperature","value":9,"uom":"CEL","ex:secret":1`))
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	m := l.everything(proof.AnItem, unit)
	m.Disclosure = proof.Disclosure{Partner: "acme-farms"}
	return vector{name: "sensed", bundle: l.make(m), trust: l.trust()}
}
