package schemas

import (
	"cmp"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
)

// Conditions: what the sensors of an event measured of the qualities that a shipment's
// terms can bound. Rules compare amounts, so each is brought to one unit per quality,
// degrees Celsius or per cent of relative humidity, and to twelve decimals: its low end
// rounded down, its high end up. Bounds have twelve decimals at most, so that an amount
// is below or above one exactly if its rounded end is: nothing is decided by rounding.

// Sensor is what one device measured, as an event tells it.
type Sensor struct {
	Device   string    // canonical; "" where none is named
	Unread   Qualities // some of what was measured of these cannot be compared
	Readings []Reading // by quality and time: when they end, then the shorter first
}

// Reading is what was measured at a time, or in a span of time: one amount, or the
// range from the least to the greatest.
type Reading struct {
	Of          Quality
	From, Until int64   // claimed, nanoseconds since 1970 UTC
	Low, High   Decimal // degrees Celsius or per cent
}

// Qualities is a set of them.
type Qualities uint8

// Has reports whether a quality is in the set.
func (q Qualities) Has(of Quality) bool { return q&(1<<of) != 0 }

func (q *Qualities) add(of Quality) { *q |= 1 << of }

const allQualities Qualities = 1<<Temperature | 1<<Humidity

// scale is the unit that amounts of a quality are compared in, the units that it is
// reckoned from, and what no amount is below.
type scale struct {
	unit  string
	own   unitOf
	of    map[string]unitOf // by code; only ever looked up
	least Decimal
}

var scales = [...]scale{Temperature: scaleOf("CEL", "-273.15"), Humidity: scaleOf("P1", "0")}

func scaleOf(unit, least string) scale {
	s := scale{unit: unit, own: unitOfCode(unit), of: map[string]unitOf{}}
	for code, u := range units {
		if u.dimension == s.own.dimension {
			s.of[code] = u
		}
	}
	s.least, _ = ParseDecimal(least)
	return s
}

// read brings an amount as JSON has it to the scale's unit. What is of another
// dimension, out of the bounds of numbers that are compared, and what cannot be, is none.
func (s *scale) read(raw, unit string) (low, high Decimal, ok bool) {
	u, known := s.of[unit]
	if _, ok := numberIn(raw); !known || !ok {
		return low, high, false
	}
	if unit == s.unit {
		if d, err := ParseDecimal(raw); err == nil {
			return d, d, s.holds(d, d)
		}
	}
	r, ok := rational(raw)
	if !ok {
		return low, high, false
	}
	r = u.base(r)
	if s.own.offset != nil {
		r.Sub(r, s.own.offset)
	}
	if s.own.factor != nil {
		r.Quo(r, s.own.factor)
	}
	low, high, ok = around(r)
	return low, high, ok && s.holds(low, high)
}

// holds reports whether amounts can be: of the order of what anything has, too.
func (s *scale) holds(low, high Decimal) bool {
	return !low.less(s.least) && !mostMeasured.less(high)
}

var mostMeasured, _ = ParseDecimal("1000000000")

// around are the decimals next to a number, below it or it, and above it or it.
func around(r *big.Rat) (low, high Decimal, ok bool) {
	const room = 96 // bits that a decimal has for sure
	scaled := new(big.Int).Mul(r.Num(), big.NewInt(1e12))
	floor, rest := new(big.Int).DivMod(scaled, r.Denom(), new(big.Int))
	if floor.BitLen() > room {
		return low, high, false
	}
	low = decimalOf(floor)
	if high = low; rest.Sign() != 0 {
		high = decimalOf(floor.Add(floor, big.NewInt(1)))
	}
	return low, high, true
}

// decimalOf is a whole number of 10^-12.
func decimalOf(v *big.Int) Decimal {
	var b [16]byte
	v.FillBytes(b[:])
	return Decimal{hi: binary.BigEndian.Uint64(b[:8]), lo: binary.BigEndian.Uint64(b[8:]), negative: v.Sign() < 0}
}

// less compares amounts whose difference may be beyond what a decimal can say.
func (d Decimal) less(e Decimal) bool {
	switch {
	case d.negative != e.negative:
		return d.negative
	case d.negative:
		return e.magnitudeLess(d)
	}
	return d.magnitudeLess(e)
}

// taken is a reading with the device that took it, or that one cannot be compared.
type taken struct {
	device string
	Reading
	unread bool
}

func (a taken) compare(b taken) int {
	return cmp.Or(strings.Compare(a.device, b.device), a.Reading.compare(b.Reading))
}

// compare orders readings of one device: by when they end, so that what is told in
// detail comes before the span that sums it up.
func (r Reading) compare(o Reading) int {
	return cmp.Or(cmp.Compare(r.Of, o.Of), cmp.Compare(r.Until, o.Until), cmp.Compare(o.From, r.From), r.Low.Sub(o.Low).Sign(), r.High.Sub(o.High).Sign())
}

// sensors reads a sensorElementList that was found well-formed.
func (d *decoder) sensors(n int) []Sensor {
	var all []taken
	for e := n + 1; e < int(d.t.tape[n].next); e = int(d.t.tape[e].next) {
		about := taken{Reading: Reading{From: d.e.Skeleton.EventTime, Until: d.e.Skeleton.EventTime}}
		if m := d.t.lookup(e, "sensorMetadata"); m > 0 {
			d.metadata(m, &about)
		}
		reports := d.t.lookup(e, "sensorReport")
		for r := reports + 1; r < int(d.t.tape[reports].next); r = int(d.t.tape[r].next) {
			if one, ok := d.reading(r, about); ok {
				all = append(all, one)
			}
		}
	}
	d.e.measured = len(all)
	slices.SortStableFunc(all, taken.compare)
	var out []Sensor
	for _, one := range all {
		if len(out) == 0 || out[len(out)-1].Device != one.device {
			out = append(out, Sensor{Device: one.device})
		}
		if s := &out[len(out)-1]; one.unread {
			s.Unread.add(one.Of)
		} else {
			s.Readings = append(s.Readings, one.Reading)
		}
	}
	return out
}

// metadata reads device and time of a sensor element.
func (d *decoder) metadata(n int, about *taken) {
	var start, end int64
	var from, until, at bool
	for m := n + 1; m < int(d.t.tape[n].next); m = d.t.after(m) {
		switch d.t.str(m) {
		case "time":
			at = true
			about.From, _ = d.time(m + 1)
			about.Until = about.From
		case "startTime":
			from = true
			start, _ = d.time(m + 1)
		case "endTime":
			until = true
			end, _ = d.time(m + 1)
		case "deviceID":
			about.device, _, _ = d.identifier(m + 1)
		}
	}
	if at || !from && !until {
		return
	}
	if !from {
		start = end
	}
	if !until {
		end = start
	}
	about.From, about.Until = min(start, end), max(start, end)
}

// reading reads a sensor report, if it is of a quality that terms can bound and tells
// an amount. What a sensor measured that says of itself that it fails is none.
func (d *decoder) reading(n int, about taken) (one taken, ok bool) {
	one = about
	var amounts []string
	unit := ""
	for m := n + 1; m < int(d.t.tape[n].next); m = d.t.after(m) {
		v := m + 1
		switch d.t.str(m) {
		case "type":
			one.Of = d.quality(v)
		case "exception":
			if s, _ := d.term(&alerts, v, false); s == "ERROR_CONDITION" {
				return one, false
			}
		case "value", "minValue", "maxValue", "meanValue":
			amounts = append(amounts, d.t.raw(v))
		case "uom":
			unit = d.t.str(v)
		case "time":
			one.From, _ = d.time(v)
			one.Until = one.From
		case "deviceID":
			one.device, _, _ = d.identifier(v)
		}
	}
	if one.Of == 0 || len(amounts) == 0 {
		return one, false
	}
	for i, raw := range amounts {
		low, high, ok := scales[one.Of].read(raw, unit)
		if !ok {
			return taken{device: one.device, Reading: Reading{Of: one.Of}, unread: true}, true
		}
		if i == 0 || low.less(one.Low) {
			one.Low = low
		}
		if i == 0 || one.High.less(high) {
			one.High = high
		}
	}
	return one, true
}

// quality is the quality that a type of measurement is of, 0 for those of no terms.
func (d *decoder) quality(n int) Quality {
	switch s, _ := d.term(&measurements, n, false); s {
	case "Temperature":
		return Temperature
	case "RelativeHumidity":
		return Humidity
	}
	return 0
}

// append appends a sensor as field n of a skeleton; at is the event's time.
func (s *Sensor) append(dst []byte, n uint64, at int64) []byte {
	b := AppendUint(AppendString(nil, 1, s.Device), 2, uint64(s.Unread))
	for i := range s.Readings {
		b = AppendField(b, 3, s.Readings[i].append(nil, at))
	}
	return AppendField(dst, n, b)
}

func (r *Reading) append(dst []byte, at int64) []byte {
	dst = AppendUint(dst, 1, uint64(r.Of))
	if r.From != at {
		dst = appendTime(dst, 2, r.From)
	}
	if r.Until != r.From {
		dst = appendTime(dst, 3, r.Until)
	}
	dst = AppendString(dst, 4, r.Low.String())
	if !r.High.Equal(r.Low) {
		dst = AppendString(dst, 5, r.High.String())
	}
	return dst
}

// decodeSensor reads the field of a sensor. That it is in its one encoding is for who
// appends it again to see; here it is only held to its order and its bounds.
func decodeSensor(f *Fields, n uint64, v []byte, at int64) (s Sensor) {
	in := ReadFields(v)
	for k, v, ok := in.Next(); ok; k, v, ok = in.Next() {
		switch k {
		case 1:
			s.Device = decodeText(in, k, v)
		case 2:
			s.Unread = Qualities(bounded(in, k, v, uint64(allQualities)))
			if s.Unread&^allQualities != 0 {
				in.Fail(k, "out of range")
			}
		case 3:
			r := decodeReading(in, k, v, at)
			if last := len(s.Readings) - 1; last >= 0 && s.Readings[last].compare(r) > 0 {
				in.Fail(k, "out of order")
			}
			s.Readings = append(s.Readings, r)
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil || s.Unread == 0 && len(s.Readings) == 0 {
		f.Fail(n, "no sensor")
	}
	return s
}

func decodeReading(f *Fields, n uint64, v []byte, at int64) Reading {
	r := Reading{From: at, Until: at}
	in := ReadFields(v)
	var err error
	for k, v, ok := in.Next(); ok; k, v, ok = in.Next() {
		switch k {
		case 1:
			r.Of = Quality(bounded(in, k, v, uint64(Humidity)))
		case 2:
			r.From = decodeTime(in, k, v)
			r.Until = r.From
		case 3:
			r.Until = decodeTime(in, k, v)
		case 4, 5:
			var d Decimal
			if d, err = ParseDecimal(string(v)); err != nil {
				in.Fail(k, "no decimal")
			}
			if k == 4 {
				r.Low = d
			}
			r.High = d
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil || r.Of == 0 || r.Until < r.From || r.High.less(r.Low) || !scales[r.Of].holds(r.Low, r.High) {
		f.Fail(n, "no reading")
	}
	return r
}
