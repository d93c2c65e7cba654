package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// sense reads sense=TYPE:AMOUNT:UNIT[:TIME[:DEVICE]],... where an AMOUNT may be
// LEAST~GREATEST and a TIME, relative to the block's, FROM~UNTIL.
func sense(e map[string]any, value string, now time.Time) bool {
	var elements []any
	for _, part := range strings.Split(value, ",") {
		f := append(strings.Split(part, ":"), "", "", "")
		report, meta := map[string]any{"type": f[0]}, map[string]any{}
		if low, high, ok := strings.Cut(f[1], "~"); ok {
			report["minValue"], report["maxValue"] = json.Number(low), json.Number(high)
		} else if low != "" {
			report["value"] = json.Number(low)
		} else {
			report["exception"] = "ERROR_CONDITION"
		}
		if f[2] != "" {
			report["uom"] = f[2]
		}
		if from, until, ok := strings.Cut(f[3], "~"); ok {
			meta["startTime"], meta["endTime"] = shifted(now, from), shifted(now, until)
		} else if from != "" {
			meta["time"] = shifted(now, from)
		}
		if f[4] != "" {
			meta["deviceID"] = "urn:example:logger:" + f[4]
		}
		element := map[string]any{"sensorReport": []any{report}}
		if len(meta) > 0 {
			element["sensorMetadata"] = meta
		}
		elements = append(elements, element)
	}
	e["sensorElementList"] = elements
	return true
}

func shifted(now time.Time, by string) string {
	d, err := time.ParseDuration(by)
	if err != nil {
		panic(err)
	}
	return now.Add(d).Format(time.RFC3339Nano)
}

// conditions answers the script's command of this name.
func (s *script) conditions(name string) {
	id := "urn:example:shipment:" + name
	if strings.HasPrefix(name, "P-") {
		id = full(name)
	}
	list, more, err := s.view().Conditions(id, nil, 100)
	if more || err != nil {
		s.print("%t %v", more, err)
	}
	for i := range list {
		s.print("%s", told(&list[i]))
	}
}

func told(c *schemas.MeasuredInfo) string {
	clock := func(at int64) string { return time.Unix(0, at).UTC().Format("15:04:05") }
	extreme := func(e *schemas.Extreme) string {
		return fmt.Sprintf("%s at %s by %d/%d/%d", e.Amount, clock(e.Time), e.At.Height, e.At.Position, e.At.Index)
	}
	line := fmt.Sprintf("%s %s/%s: %d from %s until %s, least %s, greatest %s", c.Of, c.ReportedBy, strings.TrimPrefix(c.Device, "urn:example:logger:"), c.Readings,
		clock(c.From), clock(c.Until), extreme(&c.Least), extreme(&c.Greatest))
	if c.Late > 0 {
		line += fmt.Sprintf(", %d late", c.Late)
	}
	if c.Outside == 0 {
		return line
	}
	line += fmt.Sprintf("; %d outside: first %s, last %s, lasted %s", c.Outside, extreme(&c.First), extreme(&c.Last), time.Duration(c.Lasted))
	if c.Open {
		line += " and goes on"
	}
	return line
}
