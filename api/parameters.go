package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Pages.
const (
	defaultPage = 30
	maxPage     = 1000
	maxRecords  = 100 // of native lists, whose records carry their events
	maxList     = 500 // alternatives of one parameter
)

// parameters reads the query string: each parameter is one of the known, and
// given once. The standard writes lists with a pipe, so none needs repeating.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault(schemas.BadParameter, "the query string cannot be read")
	}
	out := make(map[string]string, len(q))
	for name, values := range q {
		switch {
		case !contains(known, name):
			return nil, fault(schemas.BadParameter, "no such parameter: "+clip(name))
		case len(values) != 1:
			return nil, fault(schemas.BadParameter, name+" is given more than once: separate alternatives by |")
		case values[0] == "":
			return nil, fault(schemas.BadParameter, name+" has no value")
		}
		out[name] = values[0]
	}
	return out, nil
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// perPage reads how many entries a page has.
func perPage(q map[string]string) (int, error) { return number(q, "perPage", defaultPage, 1, maxPage) }

func number(q map[string]string, name string, absent, least, most int) (int, error) {
	text, ok := q[name]
	if !ok {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fault(schemas.BadParameter, fmt.Sprintf("%s is a number from %d to %d: %s", name, least, most, clip(text)))
	}
	return n, nil
}

// linkNext tells where the next page is (RFC 8288).
func linkNext(w http.ResponseWriter, r *http.Request, token string) {
	q := r.URL.Query()
	q.Set("nextPageToken", token)
	w.Header().Set("Link", "<"+r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}

// eventParameters are the parameters of an event query that are understood.
var eventParameters = []string{
	"eventType", "GE_eventTime", "LT_eventTime", "GE_recordTime", "LT_recordTime", "EQ_action", "EQ_bizStep", "EQ_disposition",
	"EQ_bizLocation", "EQ_readPoint", "MATCH_epc", "MATCH_anyEPC", "MATCH_epcClass", "EQ_eventID",
	"orderBy", "orderDirection", "perPage", "nextPageToken",
}

// eventQuery reads the parameters of an event query, without its page.
func eventQuery(q map[string]string) (schemas.EventQuery, error) {
	out := schemas.EventQuery{}
	for _, p := range []struct {
		name string
		to   *[]string
		read func(string) (string, error)
	}{
		{"EQ_bizStep", &out.BizSteps, schemas.BizStepTerm},
		{"EQ_disposition", &out.Dispositions, schemas.DispositionTerm},
		{"EQ_bizLocation", &out.BizLocations, canonical},
		{"EQ_readPoint", &out.ReadPoints, canonical},
		{"MATCH_epc", &out.MatchEPC, canonical},
		{"MATCH_anyEPC", &out.MatchAnyEPC, canonical},
		{"MATCH_epcClass", &out.MatchEPCClass, canonical},
		{"EQ_eventID", &out.EventIDs, eventID},
	} {
		if err := list(q, p.name, p.to, p.read); err != nil {
			return out, err
		}
	}
	if err := list(q, "eventType", &out.EventTypes, named("event type", schemas.ParseEventType)); err != nil {
		return out, err
	}
	if err := list(q, "EQ_action", &out.Actions, named("action", schemas.ParseAction)); err != nil {
		return out, err
	}
	for _, p := range []struct {
		name string
		to   **time.Time
	}{{"GE_eventTime", &out.GEEventTime}, {"LT_eventTime", &out.LTEventTime}, {"GE_recordTime", &out.GERecordTime}, {"LT_recordTime", &out.LTRecordTime}} {
		if err := moment(q, p.name, p.to); err != nil {
			return out, err
		}
	}
	return out, order(q, &out)
}

func order(q map[string]string, out *schemas.EventQuery) error {
	switch by := q["orderBy"]; by {
	case "", "eventTime":
	case "recordTime":
		out.OrderBy = schemas.ByRecordTime
	default:
		return fault(schemas.BadParameter, "orderBy is eventTime or recordTime: "+clip(by))
	}
	switch direction := q["orderDirection"]; direction {
	case "", "DESC":
	case "ASC":
		out.Ascending = true
	default:
		return fault(schemas.BadParameter, "orderDirection is ASC or DESC: "+clip(direction))
	}
	return nil
}

// list reads alternatives that are separated by pipes, each once.
func list[T comparable](q map[string]string, name string, to *[]T, read func(string) (T, error)) error {
	text, ok := q[name]
	if !ok {
		return nil
	}
	if strings.Count(text, "|") >= maxList {
		return fault(schemas.BadParameter, fmt.Sprintf("%s has more than %d alternatives", name, maxList))
	}
	seen := map[T]bool{}
	for part := range strings.SplitSeq(text, "|") {
		if part == "" {
			return fault(schemas.BadParameter, name+" has an empty alternative")
		}
		v, err := read(part)
		if err != nil {
			return fault(schemas.BadParameter, name+": "+clip(part)+": "+faultOf(err).Detail)
		}
		if !seen[v] {
			seen[v] = true
			*to = append(*to, v)
		}
	}
	return nil
}

// printable reports whether a text has neither control characters nor blanks, as
// no URI and no name has: what separates parts of the ledger's keys must not come
// from outside.
func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }) < 0
}

func eventID(s string) (string, error) {
	if !printable(s) {
		return "", fault(schemas.BadParameter, "no URI")
	}
	return s, nil
}

func canonical(s string) (string, error) {
	c, _, err := schemas.Canonical(s)
	return c, err
}

func named[T any](what string, parse func(string) (T, bool)) func(string) (T, error) {
	return func(s string) (T, error) {
		v, ok := parse(s)
		if !ok {
			return v, fault(schemas.BadParameter, "no such "+what)
		}
		return v, nil
	}
}

// moment reads a time with its zone. A plus sign that was not percent-encoded
// arrives as a blank, and is meant.
func moment(q map[string]string, name string, to **time.Time) error {
	text, ok := q[name]
	if !ok {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "+", 1))
	if err != nil || t.Year() < 1970 || t.Year() > 2261 { // nanoseconds fit
		return fault(schemas.BadParameter, name+" is a time like 2026-01-31T12:00:00.000Z, from 1970 on: "+clip(text))
	}
	*to = &t
	return nil
}
