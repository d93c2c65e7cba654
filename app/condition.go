package app

import (
	"cmp"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Conditions: what an event's sensors measured is compared with the terms of the
// shipments that it is about, and kept by shipment, quality, partner and device. A
// measurement is a fact like others: it refuses nothing and moves nothing.

// What comparing costs, in lookups: a record is read and written, and so many readings
// are reckoned for one.
const (
	lookupsPerRecord  = 2
	readingsPerLookup = 32
)

// conditions compares what was measured with the terms of every shipment that the event
// names, or of which it names something.
func (m *message) conditions() {
	if len(m.event.Sensors) == 0 || m.event.Declaration != nil {
		return
	}
	var done once
	for _, id := range m.instances() {
		for _, s := range m.shipmentsOf(id) {
			if !done.has(s.id) {
				done.add(s.id)
				m.measure(s)
			}
		}
	}
}

// shipmentsOf are the shipment of this name, and that of the unit which a thing is or is
// inside of.
func (m *message) shipmentsOf(id string) (list []*shipment) {
	if _, scheme, err := schemas.Canonical(id); err == nil && (scheme == schemas.PrivateURI || scheme == schemas.GSIN || scheme == schemas.GINC) {
		if s := m.shipment(id); s != nil {
			list = append(list, s)
		}
	}
	it := m.item(id)
	for range maxDepth + 1 {
		m.settle(it)
		if it.Shipment != "" {
			if s := m.shipment(it.Shipment); s != nil && !s.Final() {
				return append(list, s)
			}
		}
		if it.Parent == "" {
			break
		}
		it = m.container(it)
	}
	return list
}

// measure compares what a party of a shipment measured with its terms.
func (m *message) measure(s *shipment) {
	if len(s.Bands) == 0 || s.Final() || !slices.Contains(s.Parties(), m.partner) {
		return
	}
	until := m.arrived(s)
	for _, of := range [...]schemas.Quality{schemas.Temperature, schemas.Humidity} {
		allowed, ok := s.Within(of)
		if !ok {
			continue
		}
		for i := range m.event.Sensors {
			d := &m.event.Sensors[i]
			m.afford(lookupsPerRecord + len(d.Readings)/readingsPerLookup)
			if d.Unread.Has(of) {
				m.flag(schemas.UnreadReading)
			}
			m.gauge(s, of, &allowed, d, until)
		}
	}
}

// arrived is until when conditions are those of the shipment: when it was delivered, or
// came back.
func (m *message) arrived(s *shipment) int64 {
	const never = 1<<63 - 1
	if s.Handovers == 0 || s.State == schemas.HandoverPending {
		return never
	}
	h := m.handover(s.id, s.Handovers)
	if s.last != nil {
		h = *s.last
	}
	took := h.State == schemas.HandoverAccepted || h.State == schemas.HandoverAcceptedWith
	if took && (h.To == s.Receiver || h.To == s.Shipper) {
		return cmp.Or(h.Answered.Time, h.Until) // of what was taken, and then ran out of time, nobody answered the rest
	}
	return never
}

// gauge reckons what a device measured of a quality up to a time.
func (m *message) gauge(s *shipment, of schemas.Quality, allowed *schemas.Range, d *schemas.Sensor, until int64) {
	key := schemas.MeasuredKey(s.id, of, m.partner, d.Device)
	var c *schemas.Measured
	var before schemas.Measured
	for i := range d.Readings {
		r := d.Readings[i]
		switch {
		case r.Of != of:
			continue
		case r.Until > m.now()+maxAhead:
			m.flag(schemas.UnreadReading)
			continue
		case r.Until < s.Announced || r.From > until:
			continue // of another time than the shipment's
		}
		r.From, r.Until = max(r.From, s.Announced), min(r.Until, until)
		if c == nil {
			c = m.condition(key)
			before = *c
		}
		m.reckon(c, allowed, &r)
	}
	if c == nil {
		return
	}
	m.led.Set(key, c.Append(nil), nil)
	if c.Outside > before.Outside {
		m.touchShipment(s)
		m.flag(schemas.Excursion)
		if !before.Open { // it begins: while it lasts, the record tells
			parties := s.Parties()
			m.afford(len(parties)) // a row each
			for _, p := range parties {
				m.concern(p)
			}
		}
	} else if before.Open && !c.Open {
		m.touchShipment(s)
	}
}

func (b *block) condition(key []byte) *schemas.Measured {
	value, _ := b.get(key)
	c := must(schemas.DecodeMeasured(value))
	return &c
}

// reckon adds a reading to what is known.
func (m *message) reckon(c *schemas.Measured, allowed *schemas.Range, r *schemas.Reading) {
	outside := !allowed.Holds(r)
	first := c.Readings == 0
	c.Readings++
	if least := decimalOf(c.Least.Amount); first || r.Low.Sub(least).Sign() < 0 {
		c.Least = m.extreme(r.Low, r.From)
	}
	if greatest := decimalOf(c.Greatest.Amount); first || r.High.Sub(greatest).Sign() > 0 {
		c.Greatest = m.extreme(r.High, r.From)
	}
	if outside {
		worst := allowed.Worst(r)
		if c.Outside == 0 || r.From < c.First.Time {
			c.First = m.extreme(worst, r.From)
		}
		if c.Outside == 0 || r.Until >= c.Last.Time {
			c.Last = m.extreme(worst, r.Until)
		}
		c.Outside++
	}
	if first || r.From < c.From {
		c.From = r.From
	}
	if !first && (r.Until < c.Until || r.Until == c.Until && r.From < c.Until) {
		c.Late++
		return
	}
	from := r.From
	if !first {
		if from = max(from, c.Until); c.Open {
			c.Lasted += from - c.Until
		}
	}
	if outside {
		c.Lasted += r.Until - from
	}
	c.Open, c.Until = outside, r.Until
}

func (m *message) extreme(amount schemas.Decimal, at int64) schemas.Extreme {
	return schemas.Extreme{Amount: amount.String(), Time: at, At: m.at}
}

func decimalOf(amount string) schemas.Decimal {
	if amount == "" {
		return schemas.Decimal{}
	}
	return must(schemas.ParseDecimal(amount))
}
