package sheet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	_ "time/tzdata" // a mapping names time zones; not every machine has them
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of a mapping.
const (
	MaxMapping   = 1 << 20 // bytes
	maxTemplates = 100     // events
)

// Mapping says what events the rows of a file become.
type Mapping struct {
	source  source
	clock   clock // of times that say nothing else
	tables  map[string]map[string]string
	context []byte // value of @context, nil for none
	events  []eventTemplate
}

// source says how a file is read.
type source struct {
	format    string
	separator rune
	sheet     string
	header    int
	decimal   byte
	grouping  string
	split     []splitting
}

// splitting says that a column holds several values.
type splitting struct{ column, by string }

// eventTemplate says what event a row, or a group of rows, becomes.
type eventTemplate struct {
	at    string
	when  []condition
	group []string // columns whose values rows of one event share
	each  bool     // every row is an event
	event template
}

// condition holds of a row when its column has one of the values.
type condition struct {
	column string
	values []string
	any    bool // or any value at all
}

// DecodeMapping reads a mapping. Errors are Faults whose pointer is into it.
func DecodeMapping(text []byte) (*Mapping, error) {
	if len(text) > MaxMapping {
		return nil, tooLarge("a mapping of %d bytes, %d are allowed", len(text), MaxMapping)
	}
	if !utf8.Valid(text) {
		return nil, &schemas.Fault{Code: schemas.BadJSON, Detail: "the mapping is not UTF-8"}
	}
	v, err := readTree(text)
	if err != nil {
		return nil, err
	}
	if err := v.object("a mapping", "description", "source", "time", "tables", "context", "events"); err != nil {
		return nil, err
	}
	m := &Mapping{tables: map[string]map[string]string{}}
	for _, part := range []struct {
		name     string
		required bool
		read     func(*value) error
	}{{"description", false, func(v *value) error { _, err := v.text(); return err }}, {"source", true, m.readSource}, {"time", false, m.readClock},
		{"tables", false, m.readTables}, {"context", false, m.readContext}, {"events", true, m.readEvents}} {
		at := v.member(part.name)
		if at == nil {
			if part.required {
				return nil, &schemas.Fault{Code: schemas.MissingField, Pointer: "/" + part.name, Detail: "a mapping has " + part.name}
			}
			continue
		}
		if err := part.read(at); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Format returns what the mapping reads: csv, xlsx, x12 or edifact.
func (m *Mapping) Format() string { return m.source.format }

func (m *Mapping) readSource(v *value) error {
	if err := v.object("source", "format", "separator", "sheet", "header", "decimal", "grouping", "split"); err != nil {
		return err
	}
	s := &m.source
	var err error
	if s.format, err = v.optional("format", ""); err != nil {
		return err
	}
	switch s.format {
	case "csv", "xlsx", "x12", "edifact":
	default:
		return &schemas.Fault{Code: schemas.BadValue, Pointer: "/source/format", Detail: "format is csv, xlsx, x12 or edifact"}
	}
	for name, only := range map[string]string{"separator": "csv", "sheet": "xlsx"} {
		if at := v.member(name); at != nil && s.format != only {
			return at.fault(schemas.UnknownField, "only %s has a %s", only, name)
		}
	}
	if s.sheet, err = v.optional("sheet", ""); err != nil {
		return err
	}
	separator, err := v.optional("separator", ",")
	if err != nil {
		return err
	}
	switch separator {
	case ",", ";", "\t", "|":
		s.separator = rune(separator[0])
	default:
		return v.member("separator").fault(schemas.BadValue, `separator is ",", ";", "\t" or "|"`)
	}
	s.header = 1
	if at := v.member("header"); at != nil {
		n, _ := at.scalar.(json.Number)
		if s.header, err = strconv.Atoi(n.String()); err != nil || s.header < 1 || s.header > 1000 {
			return at.fault(schemas.BadValue, "header is the number of the row that names columns, from 1 to 1000")
		}
	}
	if err := m.readNumbers(v); err != nil {
		return err
	}
	at := v.member("split")
	if at == nil {
		return nil
	}
	if err := at.object("split"); err != nil {
		return err
	}
	if len(at.members) > 10 {
		return at.fault(schemas.TooLarge, "at most 10 columns are split")
	}
	for i := range at.members {
		by, err := at.members[i].text()
		if err != nil || by == "" {
			return at.members[i].fault(schemas.BadValue, "what separates the values of this column")
		}
		s.split = append(s.split, splitting{at.members[i].name, by})
	}
	return nil
}

// readNumbers reads how numbers are written.
func (m *Mapping) readNumbers(v *value) error {
	decimal, err := v.optional("decimal", ".")
	if err != nil {
		return err
	}
	if decimal != "." && decimal != "," {
		return v.member("decimal").fault(schemas.BadValue, `decimal is "." or ","`)
	}
	m.source.decimal = decimal[0]
	if m.source.grouping, err = v.optional("grouping", ""); err != nil {
		return err
	}
	switch m.source.grouping {
	case decimal:
		return v.member("grouping").fault(schemas.BadValue, "decimal and grouping cannot be the same")
	case "", ".", ",", " ", "'", "\u00a0", "\u202f":
		return nil
	}
	return v.member("grouping").fault(schemas.BadValue, `grouping is ".", ",", "'" or a blank`)
}

func (m *Mapping) readClock(v *value) error {
	if err := v.object("time", "format", "zone"); err != nil {
		return err
	}
	return m.clock.read(v)
}

func (m *Mapping) readTables(v *value) error {
	if err := v.object("tables"); err != nil {
		return err
	}
	for i := range v.members {
		t := &v.members[i]
		if _, taken := filters[t.name]; taken {
			return t.fault(schemas.BadValue, "%s is the name of a conversion that is always there", t.name)
		}
		if err := t.object("a table"); err != nil {
			return err
		}
		m.tables[t.name] = map[string]string{}
		for k := range t.members {
			to, err := t.members[k].text()
			if err != nil {
				return err
			}
			m.tables[t.name][t.members[k].name] = to
		}
	}
	return nil
}

func (m *Mapping) readContext(v *value) error {
	if v.kind != '[' && v.kind != '{' {
		return v.fault(schemas.BadValue, "context is an object of prefixes, or a list of these")
	}
	m.context = v.raw(nil)
	return nil
}

func (m *Mapping) readEvents(v *value) error {
	if v.kind != '[' || len(v.items) == 0 || len(v.items) > maxTemplates {
		return v.fault(schemas.BadValue, "events is a list of 1 to %d templates", maxTemplates)
	}
	for i := range v.items {
		at := &v.items[i]
		if err := at.object("a template", "when", "group", "event"); err != nil {
			return err
		}
		e := eventTemplate{at: at.at, each: true}
		var err error
		if when := at.member("when"); when != nil {
			if e.when, err = readConditions(when); err != nil {
				return err
			}
		}
		if group := at.member("group"); group != nil {
			e.each = false
			if e.group, err = group.texts(); err != nil {
				return err
			}
		}
		event := at.member("event")
		if event == nil || event.kind != '{' {
			return at.fault(schemas.MissingField, "a template has event, an EPCIS event with {Column} where a value belongs")
		}
		if err := zoned(event); err != nil {
			return err
		}
		if e.event, err = m.compile(event); err != nil {
			return err
		}
		m.events = append(m.events, e)
	}
	return nil
}

// zoned adds the member that says which zone an event's time is in, as the time
// of the template tells it.
func zoned(event *value) error {
	t := event.member("eventTime")
	if t == nil || t.member("$time") == nil || event.member("eventTimeZoneOffset") != nil {
		return nil
	}
	if event.member("$when") != nil {
		return event.fault(schemas.UnknownField, "a template of an event has when beside event, not $when in it")
	}
	offset := *t
	offset.members = append([]member{{name: "$offset", value: *t.member("$time")}}, t.members...)
	event.members = append(event.members, member{"eventTimeZoneOffset", offset})
	return nil
}

// readConditions reads {"Column": ["value", ...]}, {"Column": "value"} or
// {"Column": "*"}.
func readConditions(v *value) (out []condition, err error) {
	if err := v.object("a condition"); err != nil {
		return nil, err
	}
	for i := range v.members {
		at := &v.members[i]
		c := condition{column: at.name}
		if text, ok := at.scalar.(string); ok {
			c.any, c.values = text == "*", []string{text}
		} else if c.values, err = at.texts(); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *condition) holds(r *Row) bool {
	text := r.cell(c.column).text
	if c.any {
		return text != ""
	}
	for _, v := range c.values {
		if v == text {
			return true
		}
	}
	return false
}

func hold(when []condition, r *Row) bool {
	for i := range when {
		if !when[i].holds(r) {
			return false
		}
	}
	return true
}

// clock says how times are written, and where.
type clock struct {
	format string
	zone   *time.Location // nil where the time itself must say it
}

func (c *clock) read(v *value) (err error) {
	if c.format, err = v.optional("format", c.format); err != nil {
		return err
	}
	if at := v.member("format"); at != nil {
		if err := checkFormat(c.format); err != nil {
			return at.fault(schemas.BadValue, "%v", err)
		}
	}
	at := v.member("zone")
	if at == nil {
		return nil
	}
	name, err := at.text()
	if err != nil {
		return err
	}
	if c.zone, err = zoneOf(name); err != nil {
		return at.fault(schemas.BadTime, "%v", err)
	}
	return nil
}

// zoneOf reads a zone of the IANA database, or a fixed offset.
func zoneOf(name string) (*time.Location, error) {
	if t, err := time.Parse("Z07:00", name); err == nil {
		_, seconds := t.Zone()
		return time.FixedZone(name, seconds), nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("a zone is a name such as Europe/Berlin, or an offset such as +01:00")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("no time zone %q: a zone is a name such as Europe/Berlin, or an offset such as +01:00", clip(name))
	}
	return zone, nil
}
