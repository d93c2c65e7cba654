package schemas_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// sensing is an event that measures something.
func sensing(t testing.TB, elements string) *schemas.Event {
	t.Helper()
	e, err := schemas.DecodeEvent([]byte(`{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-03-01T09:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:example:box:1"],"sensorElementList":[` + elements + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	b := e.Skeleton.Append(nil)
	s, err := schemas.DecodeSkeleton(b)
	if err != nil {
		t.Fatalf("its skeleton cannot be read: %v", err)
	}
	if !bytes.Equal(s.Append(nil), b) {
		t.Fatal("its skeleton does not come back")
	}
	return e
}

// TestAmounts: amounts in every unit come to what the units' definitions say, exactly
// where that has twelve decimals, else to the decimals next to it. "-" is none.
func TestAmounts(t *testing.T) {
	for _, line := range []string{
		"Temperature 8 CEL 8 8",
		"Temperature -8.50 CEL -8.5 -8.5",
		"Temperature 0 KEL -273.15 -273.15",
		"Temperature 281.15 KEL 8 8",
		"Temperature 46.4 FAH 8 8",
		"Temperature -40 FAH -40 -40",
		"Temperature 0 FAH -17.777777777778 -17.777777777777",
		"Temperature 33 FAH 0.555555555555 0.555555555556",
		"Temperature 491.67 A48 0 0",
		"Temperature 0 A48 -273.15 -273.15",
		"Temperature 21.299999999999997 CEL 21.299999999999 21.3",
		"Temperature -21.299999999999997 CEL -21.3 -21.299999999999",
		"Temperature 46.4000000000000000000000001 FAH 8 8.000000000001",
		"Temperature 46.3999999999999999999999999 FAH 7.999999999999 8",
		"Temperature 80e-1 CEL 8 8",
		"Temperature 8E0 CEL 8 8",
		"Temperature 1e-60 CEL 0 0.000000000001",
		"Temperature -1e-60 CEL -0.000000000001 0",
		"Temperature 1000000000 CEL 1000000000 1000000000",
		"RelativeHumidity 61.5 P1 61.5 61.5",
		"RelativeHumidity 0.615 C62 61.5 61.5",
		"RelativeHumidity 615 NX 61.5 61.5",
		"RelativeHumidity 615000 59 61.5 61.5",
		"RelativeHumidity 615000000 61 61.5 61.5",
		"RelativeHumidity 1 61 0.0000001 0.0000001",
		"RelativeHumidity 1e-8 61 0 0.000000000001",
		"RelativeHumidity 104 P1 104 104",

		"Temperature -0.01 KEL -",
		"Temperature -273.150000000001 CEL -",
		"Temperature -460 FAH -",
		"Temperature 1000000000.1 CEL -",
		"Temperature 1000000000.0000000000001 CEL -",
		"Temperature 1e400 CEL -",
		"Temperature 1e99999999999999999999 CEL -",
		"Temperature 1e-99999999999999999999 CEL -",
		"Temperature 0e99999999999999999999 KEL -",
		"Temperature 0." + strings.Repeat("0", 400) + " CEL -",
		"Temperature 1." + strings.Repeat("1", 60) + " CEL -",
		"Temperature 8 P1 -",
		"Temperature 8 KGM -",
		"Temperature 8 DD -",
		"RelativeHumidity 8 CEL -",
		"RelativeHumidity 12 A93 -",
		"RelativeHumidity -0.5 P1 -",
	} {
		f := strings.Fields(line)
		of := map[string]schemas.Quality{"Temperature": schemas.Temperature, "RelativeHumidity": schemas.Humidity}[f[0]]
		e := sensing(t, fmt.Sprintf(`{"sensorReport":[{"type":%q,"value":%s,"uom":%q}]}`, f[0], f[1], f[2]))
		if len(e.Skeleton.Sensors) != 1 {
			t.Errorf("%s: %+v", line, e.Skeleton.Sensors)
			continue
		}
		s := e.Skeleton.Sensors[0]
		switch {
		case f[3] == "-":
			if len(s.Readings) > 0 || !s.Unread.Has(of) {
				t.Errorf("%.60s: %v", line, s)
			}
		case len(s.Readings) != 1 || s.Unread != 0 || s.Readings[0].Of != of || s.Readings[0].Low.String() != f[3] || s.Readings[0].High.String() != f[4]:
			t.Errorf("%s: %v", line, s)
		}
	}
}

// TestSensors: what is a reading, of which device, and when.
func TestSensors(t *testing.T) {
	e := sensing(t, `{"sensorReport":[{"type":"gs1:Temperature","value":5,"uom":"CEL","time":"2026-03-01T08:00:00Z","deviceID":"urn:example:d:2"},{"type":"Temperature","minValue":1,"maxValue":4,"meanValue":5,"uom":"CEL"},`+
		`{"type":"Temperature","value":1,"uom":"CEL","exception":"ERROR_CONDITION"},{"type":"Temperature","value":7,"uom":"CEL","exception":"ALARM_CONDITION","time":"2026-03-01T07:00:00Z"},`+
		`{"type":"Temperature","uom":"CEL"},{"type":"Temperature","sDev":3,"percValue":8,"uom":"CEL"},{"type":"AbsoluteHumidity","value":9,"uom":"A93"},{"exception":"ALARM_CONDITION"}],`+
		`"sensorMetadata":{"startTime":"2026-03-01T08:30:00Z","endTime":"2026-03-01T08:00:00Z","deviceID":"urn:example:d:1"}},`+
		`{"sensorReport":[{"type":"https://gs1.org/voc/MeasurementType-RelativeHumidity","value":50,"uom":"P1"},{"type":"Temperature","value":3}]}`)
	var got []string
	for _, s := range e.Skeleton.Sensors {
		for _, r := range s.Readings {
			got = append(got, fmt.Sprintf("%s %s %s~%s %d~%d", s.Device, r.Of, r.Low, r.High, (r.From-e.Skeleton.EventTime)/6e10, (r.Until-e.Skeleton.EventTime)/6e10))
		}
		if s.Unread != 0 {
			got = append(got, fmt.Sprintf("%s unread %d", s.Device, s.Unread))
		}
	}
	want := " humidity 50~50 0~0\n unread 2\nurn:example:d:1 temperature 7~7 -120~-120\nurn:example:d:1 temperature 1~5 -60~-30\nurn:example:d:2 temperature 5~5 -60~-60"
	if strings.Join(got, "\n") != want {
		t.Errorf("\n%s\nis not\n%s", strings.Join(got, "\n"), want)
	}
	if e := sensing(t, `{"sensorReport":[{"type":"Mass","value":5,"uom":"KGM"}]}`); e.Skeleton.Sensors != nil {
		t.Errorf("a mass is read as %v", e.Skeleton.Sensors)
	}
}

// TestManyReadings: a body full of readings costs its bytes, and a block's worth of them
// is bounded, whether they can be compared or not.
func TestManyReadings(t *testing.T) {
	for name, report := range map[string]string{"compared": `{"type":"Temperature","value":%d,"uom":"FAH"}`, "not compared": `{"type":"Temperature","value":-5%d,"uom":"KEL"}`} {
		var b strings.Builder
		const n = 20_000
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, report, n-i)
		}
		e := sensing(t, `{"sensorReport":[`+b.String()+`]}`)
		skeleton := e.Skeleton.Append(nil)
		if len(skeleton) > 2*len(e.Body) {
			t.Errorf("%s: a skeleton of %d bytes, of a body of %d", name, len(skeleton), len(e.Body))
		}
		w := e.Weight(len(skeleton))
		if w.Names != n+1 {
			t.Errorf("%s: they weigh %d", name, w.Names)
		}
		all := schemas.Weight{}
		for range 5 {
			all = all.Plus(w)
		}
		var f *schemas.Fault
		if err := all.Check(); !errors.As(err, &f) || f.Code != schemas.TransactionTooLarge {
			t.Errorf("%s: five of them are answered %v", name, err)
		}
	}
}

// TestReadingsRefused: a skeleton says what was measured in one way.
func TestReadingsRefused(t *testing.T) {
	field := func(n byte, v string) string { return string([]byte{n, byte(len(v))}) + v }
	head := field(1, "\x01") + field(3, "\x00\x00\x00\x00\x00\x00\x00\x05")
	reading := func(of, low, high string) string { return field(3, field(1, of)+field(4, low)+field(5, high)) }
	at := func(from, until string) string {
		return field(3, field(1, "\x01")+field(2, from)+field(3, until)+field(4, "1"))
	}
	good := field(3, field(1, "\x01")+field(4, "1"))
	for name, sensors := range map[string]string{
		"nothing":                   field(19, ""),
		"a device alone":            field(19, field(1, "urn:x:y")),
		"an unknown quality":        field(19, field(3, field(1, "\x03")+field(4, "1"))),
		"no quality":                field(19, field(3, field(4, "1"))),
		"unread of no quality":      field(19, field(2, "\x01")),
		"unread of another":         field(19, field(2, "\x08")),
		"no amount":                 field(19, field(3, field(1, "\x01"))+""),
		"high is low":               field(19, reading("\x01", "1", "1")),
		"high is lower":             field(19, reading("\x01", "1", "0.5")),
		"no canonical amount":       field(19, reading("\x01", "1.0", "2")),
		"below all there is":        field(19, reading("\x01", "-274", "2")),
		"more than anything":        field(19, reading("\x01", "1", "1000000001")),
		"negative humidity":         field(19, reading("\x02", "-1", "2")),
		"from is the event's time":  field(19, at("\x00\x00\x00\x00\x00\x00\x00\x05", "\x00\x00\x00\x00\x00\x00\x00\x06")),
		"until is from":             field(19, at("\x00\x00\x00\x00\x00\x00\x00\x06", "\x00\x00\x00\x00\x00\x00\x00\x06")),
		"until before from":         field(19, at("\x00\x00\x00\x00\x00\x00\x00\x06", "\x00\x00\x00\x00\x00\x00\x00\x01")),
		"readings out of order":     field(19, field(3, field(1, "\x01")+field(4, "2"))+good),
		"a device twice":            field(19, good) + field(19, good),
		"devices out of order":      field(19, field(1, "urn:x:y")+good) + field(19, good),
		"an unknown field":          field(19, good+field(4, "x")),
		"an unknown field within":   field(19, field(3, field(1, "\x01")+field(4, "1")+field(6, "x"))),
		"the next reserved field":   field(19, good) + field(20, "x"),
		"a text that is no decimal": field(19, field(3, field(1, "\x01")+field(4, "NaN"))),
	} {
		if s, err := schemas.DecodeSkeleton([]byte(head + sensors)); err == nil {
			t.Errorf("%s: accepted: %+v", name, s)
		}
	}
	if _, err := schemas.DecodeSkeleton([]byte(head + field(19, good+good) + field(19, field(1, "urn:x:y")+field(2, "\x06")))); err != nil {
		t.Errorf("what the others differ from is refused: %v", err)
	}
}

// Amounts so far apart that no decimal says their difference are compared all the same.
func TestFarApart(t *testing.T) {
	terms := schemas.ShipmentTerms{Bands: []schemas.Band{{Of: schemas.Temperature, Max: "-999999999999999999"}}}
	allowed, _ := terms.Within(schemas.Temperature)
	one, err := schemas.ParseDecimal("1")
	if err != nil {
		t.Fatal(err)
	}
	if allowed.Holds(&schemas.Reading{Of: schemas.Temperature, Low: one, High: one}) {
		t.Error("1 is not above -999999999999999999")
	}
	_, err = schemas.ReadAct("AnnounceShipment", []byte(`{"receiver":"shop","items":["urn:example:a"],"bands":[{"of":"temperature","min":999999999999999999,"max":-999999999999999999}]}`), time.Now())
	if err == nil || !strings.Contains(err.Error(), "the greatest is less than the least") {
		t.Errorf("a band that nothing is in: %v", err)
	}
}
