package schemas

// Measured is the leaf value of what one device measured of a quality of a shipment,
// as one partner reported it, against the shipment's terms: the excursion record. No
// partner's readings change what another reported.
//
// Readings are reckoned in the order of the ledger, those of one event by when they end,
// the shorter first. The time outside is from a reading outside until the next one, and
// all of a span that a reading outside is of, less what was reckoned before. A reading of
// a time that was reckoned already is late: it counts, and adds no time.
type Measured struct {
	Readings        uint64  // that were compared
	Late            uint64  // of them, that came behind later ones
	From, Until     int64   // times of the first and the last, nanoseconds
	Least, Greatest Extreme // of all that was measured
	Outside         uint64  // readings outside the terms
	First, Last     Extreme // of them, by time
	Lasted          int64   // nanoseconds outside, as far as readings tell
	Open            bool    // the last reading that is not late is outside
}

// Extreme is an amount, and where and when it was measured.
type Extreme struct {
	Amount string  // degrees Celsius or per cent, a canonical decimal
	Time   int64   // claimed, nanoseconds
	At     Locator // of the event that tells it
}

func (e *Extreme) bind(b *binding) {
	bind(b, 1, "amount", &e.Amount, exact)
	bind(b, 2, "time", &e.Time, instant)
	bind(b, 3, "at", &e.At, located)
}

func (c *Measured) bind(b *binding) {
	count, extreme := whole[uint64](1<<63-1), object((*Extreme).bind)
	bind(b, 1, "readings", &c.Readings, count)
	bind(b, 2, "late", &c.Late, count)
	bind(b, 3, "from", &c.From, instant)
	bind(b, 4, "until", &c.Until, instant)
	bind(b, 5, "least", &c.Least, extreme)
	bind(b, 6, "greatest", &c.Greatest, extreme)
	bind(b, 7, "outside", &c.Outside, count)
	bind(b, 8, "first", &c.First, extreme)
	bind(b, 9, "last", &c.Last, extreme)
	bind(b, 10, "lasted", &c.Lasted, whole[int64](1<<63-1))
	bind(b, 11, "open", &c.Open, flagged)
}

// Append appends the leaf value: 1 readings, 2 of them late, 3 and 4 times of the first
// and the last, 5 least, 6 greatest, 7 readings outside, 8 the first of them, 9 the
// last, 10 nanoseconds outside, 11 whether it is outside still.
func (c *Measured) Append(dst []byte) []byte { return append(dst, appendBound(c.bind)...) }

// DecodeMeasured reads such a leaf value.
func DecodeMeasured(v []byte) (c Measured, err error) { return c, decodeBound(v, c.bind) }

// MeasuredKey is the key of what a device measured of a quality of a shipment, as a
// partner reported it.
func MeasuredKey(shipment string, of Quality, partner, device string) []byte {
	return stateKey(kindCondition, shipment, of.String(), partner, device)
}

// MeasuredOf begins the keys of all that was measured of a shipment.
func MeasuredOf(shipment string) []byte { return append(stateKey(kindCondition, shipment), 0) }

// Within is the range of a quality that terms allow, all of their bands together; false
// where they have none of it.
func (t *ShipmentTerms) Within(of Quality) (r Range, ok bool) {
	for i := range t.Bands {
		b := &t.Bands[i]
		if b.Of != of {
			continue
		}
		ok = true
		if low, err := ParseDecimal(b.Min); err == nil && (!r.Low || r.Min.less(low)) {
			r.Low, r.Min = true, low
		}
		if high, err := ParseDecimal(b.Max); err == nil && (!r.High || high.less(r.Max)) {
			r.High, r.Max = true, high
		}
	}
	return r, ok
}

// Range is what a quality is to stay in, both ends included.
type Range struct {
	Low, High bool // it has such an end
	Min, Max  Decimal
}

// Holds reports whether all of a reading is inside.
func (r *Range) Holds(a *Reading) bool {
	return !(r.Low && a.Low.less(r.Min)) && !(r.High && r.Max.less(a.High))
}

// Worst is the end of a reading that is farther outside, its greater one where it is
// inside.
func (r *Range) Worst(a *Reading) Decimal {
	if r.Low && a.Low.less(r.Min) && !(r.High && r.Max.less(a.High) && r.Min.Sub(a.Low).less(a.High.Sub(r.Max))) {
		return a.Low
	}
	return a.High
}

// MeasuredInfo is that as the ledger has it.
type MeasuredInfo struct {
	Of         Quality
	ReportedBy string
	Device     string // "" where none was named
	Measured
	Events map[Locator]string // eventIDs of the events that it refers to, where they are known
}
