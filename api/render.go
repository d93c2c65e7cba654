package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

const (
	standardContext = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
	timeFormat      = "2006-01-02T15:04:05.000Z07:00"
)

// queryDocument is an EPCISQueryDocument of events as they were submitted, with
// recordTime (the block's time), with the eventID that was derived where there was
// none, and with their contexts merged into the document's.
//
// An event whose body is erased, or not held, cannot be given as it was submitted
// and is left out: native answers tell what is left of it.
func queryDocument(records []schemas.Record, now time.Time, name string) ([]byte, error) {
	return resultsOf(records, now, results{name: name})
}

// results says what an EPCISQueryDocument answers.
type results struct {
	name         string // of the query
	subscription string // that it is sent for, if any
	cursor       string // that the receiver can resume from, if it asked to be told
}

// cursorContext defines the one member that is not the standard's.
const cursorContext = `{"waybill":"urn:waybill:"}`

func resultsOf(records []schemas.Record, now time.Time, of results) ([]byte, error) {
	records = slices.DeleteFunc(slices.Clone(records), func(r schemas.Record) bool { return r.Body == nil })
	contexts := newContexts()
	events := make([]parsedBody, len(records))
	size := 1024
	for i := range records {
		var err error
		if events[i], err = parseBody(records[i].Body); err != nil {
			return nil, err
		}
		contexts.add(events[i].context)
		size += len(records[i].Body) + 200
	}
	out := append(make([]byte, 0, size), `{"@context":[`...)
	out = appendString(out, standardContext)
	out = contexts.appendTo(out)
	if of.cursor != "" {
		out = append(out, ","+cursorContext...)
	}
	out = append(out, `],"type":"EPCISQueryDocument","schemaVersion":"2.0","creationDate":`...)
	out = appendString(out, now.UTC().Format(timeFormat))
	if of.cursor != "" {
		out = append(out, `,"waybill:cursor":`...)
		out = appendString(out, of.cursor)
	}
	out = append(out, `,"epcisBody":{"queryResults":{"queryName":`...)
	out = appendString(out, of.name)
	if of.subscription != "" {
		out = append(out, `,"subscriptionID":`...)
		out = appendString(out, of.subscription)
	}
	out = append(out, `,"resultsBody":{"eventList":[`...)
	for i := range records {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendEvent(out, &records[i], &events[i], contexts.merged(events[i].context))
	}
	return append(out, `]}}}}`...), nil
}

// translated gives records with the identifiers of their events in a form, where
// registered, if there is one, tells company prefixes; what they take, they take of a
// place, if there is one.
func translated(records []schemas.Record, to schemas.IdentifierForm, registered func(canonical string) int, in *place) ([]schemas.Record, error) {
	out := slices.Clone(records)
	for i := range out {
		if out[i].Body == nil { // erased, or not held
			continue
		}
		body, err := schemas.Translate(out[i].Body, to, registered)
		if err != nil {
			return nil, fmt.Errorf("translating a recorded event: %w", err)
		}
		if in != nil {
			if err := in.grow(int64(len(body))); err != nil {
				return nil, err
			}
		}
		out[i].Body = body
	}
	return out, nil
}

// appendEvent writes one event as submitted, with what the ledger knows of it.
func appendEvent(out []byte, r *schemas.Record, b *parsedBody, withoutContext bool) []byte {
	out = append(out, '{')
	first := true
	for _, m := range b.members {
		if m.name == `"recordTime"` || m.name == `"@context"` && withoutContext {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, m.name...), ':'), m.value...)
	}
	if !first {
		out = append(out, ',')
	}
	out = append(out, `"recordTime":`...)
	out = appendString(out, r.Time.UTC().Format(timeFormat))
	if !b.hasID {
		out = append(out, `,"eventID":`...)
		out = appendString(out, r.EventID)
	}
	return append(out, '}')
}

func appendString(out []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // cannot be: any string can be written
		return append(out, `""`...)
	}
	return append(out, b...)
}

// parsedBody is a body cut into its top-level members.
type parsedBody struct {
	members []member
	context []byte // value of @context, nil for none
	hasID   bool
}

// member is a name with its quotes, and a value, as written.
type member struct{ name, value string }

// errBody says that a recorded body is not what the ledger admits.
var errBody = errors.New("a recorded body is not compact JSON")

// parseBody cuts a compact JSON object, which the ledger checked when it admitted
// it, into its members. It follows brackets and strings only. A body that is not
// held has no members.
func parseBody(body []byte) (out parsedBody, err error) {
	if body == nil {
		return out, nil
	}
	text := string(body)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return out, errBody
	}
	for pos := 1; pos < len(text)-1; {
		end := stringEnd(text, pos)
		if end < 0 || end >= len(text) || text[end] != ':' {
			return out, errBody
		}
		name, from := text[pos:end], end+1
		if pos = valueEnd(text, from); pos < 0 {
			return out, errBody
		}
		if strings.IndexByte(name, '\\') >= 0 { // an escape must not hide a name that is compared
			var plain string
			if json.Unmarshal([]byte(name), &plain) != nil {
				return out, errBody
			}
			name = string(appendString(nil, plain))
		}
		m := member{name: name, value: text[from:pos]}
		switch name {
		case `"@context"`:
			out.context = body[from:pos]
		case `"eventID"`:
			out.hasID = true
		}
		out.members = append(out.members, m)
		if text[pos] == ',' {
			pos++
		}
	}
	return out, nil
}

// stringEnd is the place after the string that begins at pos, or -1.
func stringEnd(text string, pos int) int {
	if pos >= len(text) || text[pos] != '"' {
		return -1
	}
	for pos++; pos < len(text); pos++ {
		switch text[pos] {
		case '\\':
			pos++
		case '"':
			return pos + 1
		}
	}
	return -1
}

// valueEnd is the place of the comma or brace that ends the value at pos, or -1.
func valueEnd(text string, pos int) int {
	depth := 0
	for pos < len(text) {
		switch text[pos] {
		case '"':
			if pos = stringEnd(text, pos); pos < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return pos
			}
			depth--
		case ',':
			if depth == 0 {
				return pos
			}
		}
		pos++
	}
	return -1
}

// contexts merges the @context of events into one. An event whose context says
// otherwise of a prefix than one before it keeps its own.
type contexts struct {
	lifted   map[string]bool   // contexts as written: whether the document's says the same
	prefixes map[string]string // what the document's says
	remote   map[string]bool
}

func newContexts() *contexts {
	return &contexts{lifted: map[string]bool{}, prefixes: map[string]string{}, remote: map[string]bool{}}
}

func (c *contexts) add(context []byte) {
	if context == nil {
		return
	}
	if _, seen := c.lifted[string(context)]; seen {
		return
	}
	var entries []json.RawMessage
	if json.Unmarshal(context, &entries) != nil {
		c.lifted[string(context)] = false
		return
	}
	prefixes, remote := map[string]string{}, []string{}
	for _, e := range entries {
		var terms map[string]json.RawMessage
		if json.Unmarshal(e, &terms) != nil {
			remote = append(remote, string(e))
			continue
		}
		for name, meaning := range terms {
			if other, ok := prefixes[name]; ok && other != string(meaning) {
				c.lifted[string(context)] = false // the later one counts: order matters
				return
			}
			prefixes[name] = string(meaning)
		}
	}
	for name, meaning := range prefixes {
		if other, ok := c.prefixes[name]; ok && other != meaning {
			c.lifted[string(context)] = false
			return
		}
	}
	for name, meaning := range prefixes {
		c.prefixes[name] = meaning
	}
	for _, e := range remote {
		c.remote[e] = true
	}
	c.lifted[string(context)] = true
}

// merged reports whether the document's context says all that an event's does.
func (c *contexts) merged(context []byte) bool { return context != nil && c.lifted[string(context)] }

// appendTo writes the merged entries, in one order whatever the events' was.
func (c *contexts) appendTo(out []byte) []byte {
	for _, e := range sorted(c.remote) {
		out = append(append(out, ','), e...)
	}
	for _, name := range sorted(c.prefixes) {
		out = append(out, ",{"...)
		out = appendString(out, name)
		out = append(append(append(out, ':'), c.prefixes[name]...), '}')
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// asSubmitted is one event by itself, with its own context, for native answers.
func asSubmitted(r *schemas.Record) (json.RawMessage, error) {
	if r.Body == nil {
		return nil, nil
	}
	b, err := parseBody(r.Body)
	if err != nil {
		return nil, err
	}
	return appendEvent(make([]byte, 0, len(r.Body)+200), r, &b, false), nil
}
