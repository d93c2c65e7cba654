package app_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// sighting is a reading as the model has it: exact, and in the order of the ledger.
type sighting struct {
	low, high   *big.Rat // degrees Celsius or per cent
	from, until time.Time
}

// conditionModel is all that was measured, by quality, partner and device.
type conditionModel map[string][]sighting

// exactly is an amount of a unit as the definitions of units have it.
func exactly(text, unit string) *big.Rat {
	v, _ := new(big.Rat).SetString(text)
	ratio := func(a, b int64) *big.Rat { return big.NewRat(a, b) }
	switch unit {
	case "KEL":
		return v.Sub(v, ratio(27315, 100))
	case "FAH":
		return v.Mul(v.Sub(v, ratio(32, 1)), ratio(5, 9))
	case "C62":
		return v.Mul(v, ratio(100, 1))
	}
	return v
}

// bounds are the terms of the shipment: temperature and humidity.
var bounds = map[string][2]string{"temperature": {"2", "8"}, "humidity": {"", "60.5"}}

// outside reports whether a sighting is.
func (s *sighting) outside(of string) bool {
	low, high := bounds[of][0], bounds[of][1]
	return low != "" && s.low.Cmp(exactly(low, "")) < 0 || high != "" && s.high.Cmp(exactly(high, "")) > 0
}

// tell computes from all sightings of a device what the ledger keeps.
func tell(of string, all []sighting) string {
	var clock time.Time
	var lasted time.Duration
	out, late, open := 0, 0, false
	for i, s := range all {
		outside := s.outside(of)
		if outside {
			out++
		}
		if reckoned := s.until.Before(clock) || s.until.Equal(clock) && !s.from.Equal(clock); i > 0 && reckoned {
			late++
			continue
		}
		// Time passes up to the reading as it was before, and through it as it is.
		start := s.from
		if i > 0 && start.Before(clock) {
			start = clock
		}
		if open {
			lasted += start.Sub(clock)
		}
		if outside {
			lasted += s.until.Sub(start)
		}
		clock, open = s.until, outside
	}
	line := fmt.Sprintf("%d readings, %d late, until %s, %d outside", len(all), late, clock.Format(time.RFC3339), out)
	if out == 0 {
		return line
	}
	var first, last time.Time
	for _, s := range all {
		if s.outside(of) {
			if first.IsZero() || s.from.Before(first) {
				first = s.from
			}
			if s.until.After(last) {
				last = s.until
			}
		}
	}
	return line + fmt.Sprintf(", from %s to %s, %s, open %t", first.Format(time.RFC3339), last.Format(time.RFC3339), lasted, open)
}

// TestConditionHistories reports random readings, in random units and orders, by partners
// that are parties of a shipment and not, of what is in it and not. Two replicas, one of which is
// started again now and then, have equal hashes, and say what the model says.
func TestConditionHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newChain(rt, store.Options{}), newChain(rt, store.Options{})
		run := func(who, text string) {
			e, err := notation{a.members}.event(text, a.time.Add(time.Minute))
			if err != nil {
				rt.Fatal(err)
			}
			raw := a.sign(a.draft(who, false, e))
			a.block(raw)
			b.block(raw)
			if string(a.hash) != string(b.hash) {
				rt.Fatalf("block %d: %x on one replica, %x on the other", a.height, a.hash, b.hash)
			}
			if r := a.last.Receipts[0].Events[0]; r.Code != schemas.OK {
				rt.Fatalf("%s: %s is refused: %s", who, text, r.Code)
			}
		}
		run("farm", "obj add epc=one,two,other step=commissioning")
		run("farm", "agg add parent=P-box epc=two")
		run("farm", `act AnnounceShipment {"shipment":"urn:example:shipment:m","carriers":["haul"],"receiver":"shop","items":["`+full("one")+`","`+full("P-box")+`"],"bands":[{"of":"temperature","min":2,"max":9},{"of":"temperature","max":8},{"of":"humidity","max":60.5}]}`)
		m, announced := conditionModel{}, a.time
		for range rapid.IntRange(1, 12).Draw(rt, "events") {
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				b.restart()
			}
			who := rapid.SampledFrom([]string{"farm", "haul", "shop", "mill"}).Draw(rt, "who")
			what := rapid.SampledFrom([]string{"one", "two", "P-box", "one,two", "other", "other,two"}).Draw(rt, "what")
			now := a.time.Add(time.Minute)
			told := map[string][]sighting{}
			var parts []string
			for range rapid.IntRange(1, 6).Draw(rt, "readings") {
				text, of, device, s := drawReading(rt, now)
				parts = append(parts, text)
				if who != "mill" && what != "other" && !s.until.After(now.Add(10*time.Minute)) && !s.until.Before(announced) {
					key := of + " " + who + " " + device
					told[key] = append(told[key], s)
				}
			}
			for key, list := range told {
				slices.SortFunc(list, func(x, y sighting) int {
					return cmp.Or(x.until.Compare(y.until), y.from.Compare(x.from), x.low.Cmp(y.low), x.high.Cmp(y.high))
				})
				for _, s := range list {
					if s.from.Before(announced) {
						s.from = announced
					}
					m[key] = append(m[key], s)
				}
			}
			run(who, "obj obs epc="+what+" sense="+strings.Join(parts, ","))
		}
		m.check(rt, a)
	})
}

// drawReading makes a reading: its text in the scripts' notation, and as the model has it.
func drawReading(rt *rapid.T, now time.Time) (text, of, device string, s sighting) {
	of = rapid.SampledFrom([]string{"temperature", "humidity"}).Draw(rt, "of")
	kind, units := "Temperature", []string{"CEL", "KEL", "FAH"}
	near := []string{"2", "8", "35.6", "46.4", "275.15", "281.15", "-40", "1.999999999999", "46.40000000000000000001", "35.59999999999999999999"}
	if of == "humidity" {
		kind, units, near = "RelativeHumidity", []string{"P1", "C62"}, []string{"60.5", "0.605", "0", "60.500000000000000001", "0.60499999999999999999", "60.49"}
	}
	unit := rapid.SampledFrom(units).Draw(rt, "unit")
	amount := func(name string) string {
		v := rapid.SampledFrom(near).Draw(rt, name)
		if unit == "KEL" && !strings.HasPrefix(v, "2") {
			v = "280"
		}
		return v
	}
	low := amount("amount")
	high := low
	s.low = exactly(low, unit)
	s.high = s.low
	if rapid.Bool().Draw(rt, "range") {
		high = amount("greatest")
		if s.high = exactly(high, unit); s.high.Cmp(s.low) < 0 {
			s.low, s.high = s.high, s.low
		}
	}
	from := time.Duration(rapid.IntRange(-12, 12).Draw(rt, "from")) * time.Minute
	until := from
	if rapid.Bool().Draw(rt, "span") {
		until += time.Duration(rapid.IntRange(0, 4).Draw(rt, "length")) * time.Minute
	}
	s.from, s.until = now.Add(from), now.Add(until)
	device = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "device")
	text = fmt.Sprintf("%s:%s~%s:%s:%s~%s:%s", kind, low, high, unit, from, until, device)
	return text, of, device, s
}

// check compares the ledger with the model.
func (m conditionModel) check(rt *rapid.T, c *chain) {
	list, more, err := c.view().Conditions("urn:example:shipment:m", nil, 1000)
	if more || err != nil {
		rt.Fatal(more, err)
	}
	got := map[string]string{}
	for _, i := range list {
		key := i.Of.String() + " " + i.ReportedBy + " " + strings.TrimPrefix(i.Device, "urn:example:logger:")
		at := func(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }
		got[key] = fmt.Sprintf("%d readings, %d late, until %s, %d outside", i.Readings, i.Late, at(i.Until), i.Outside)
		if i.Outside > 0 {
			got[key] += fmt.Sprintf(", from %s to %s, %s, open %t", at(i.First.Time), at(i.Last.Time), time.Duration(i.Lasted), i.Open)
		}
		least, greatest := m[key][0].low, m[key][0].high
		for _, s := range m[key] {
			if s.low.Cmp(least) < 0 {
				least = s.low
			}
			if s.high.Cmp(greatest) > 0 {
				greatest = s.high
			}
		}
		// Rounded outwards, by less than one in the twelfth decimal.
		off := func(amount string, v *big.Rat) int {
			d := exactly(amount, "")
			d.Sub(d, v)
			if d.Sign() != 0 && new(big.Rat).Abs(d).Cmp(big.NewRat(1, 1e12)) >= 0 {
				return 2
			}
			return d.Sign()
		}
		if o := off(i.Least.Amount, least); o > 0 {
			rt.Errorf("%s: least %s, the model says %s", key, i.Least.Amount, least.FloatString(15))
		}
		if o := off(i.Greatest.Amount, greatest); o < 0 || o > 1 {
			rt.Errorf("%s: greatest %s, the model says %s", key, i.Greatest.Amount, greatest.FloatString(15))
		}
	}
	want := map[string]string{}
	for key, all := range m {
		want[key] = tell(strings.Fields(key)[0], all)
	}
	if !maps.Equal(got, want) {
		rt.Fatalf("the ledger says\n%q\nthe model\n%q", got, want)
	}
}
