package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// simpleEventQuery is the standard's own query.
const simpleEventQuery = "SimpleEventQuery"

// extensionsHeader defines prefixes of names, as prefix=namespace, ....
const extensionsHeader = "GS1-Extensions"

// asked is an event query with its page.
type asked struct {
	query schemas.EventQuery
	name  string  // of the query
	mark  [8]byte // tells it from others
	given int     // events of the pages before, where their number is limited
}

// queryString reads a query string as parameters of the event query and those of
// pages. Each is given once: the standard writes lists with a pipe.
func queryString(r *http.Request) (list []schemas.Parameter, page map[string]string, err error) {
	q, err := queryValues(r)
	if err != nil {
		return nil, nil, fault(schemas.BadParameter, "the query string cannot be read")
	}
	page = map[string]string{}
	for name, values := range q {
		if len(values) != 1 {
			return nil, nil, fault(schemas.BadParameter, clip(name)+" is given more than once: separate alternatives by |")
		}
		if ofPages(name) {
			if values[0] != "" { // as clients ask for the first page
				page[name] = values[0]
			}
			continue
		}
		if strings.Count(values[0], "|") >= schemas.MaxAlternatives {
			return nil, nil, fault(schemas.BadParameter, fmt.Sprintf("%s has more than %d alternatives", clip(name), schemas.MaxAlternatives))
		}
		p := schemas.Parameter{Name: name}
		if namesURIs(name) { // which have no blank: a plus sign was not percent-encoded, and is meant
			values[0] = strings.ReplaceAll(values[0], " ", "+")
		}
		for part := range strings.SplitSeq(values[0], "|") {
			p.Values = append(p.Values, schemas.ParameterValue{Text: part})
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b schemas.Parameter) int { return strings.Compare(a.Name, b.Name) })
	return list, page, nil
}

// namesURIs reports whether the values of a parameter are URIs.
func namesURIs(name string) bool {
	for _, stem := range []string{"MATCH_", "WD_", "EQ_readPoint", "EQ_bizLocation", "EQ_eventID", "EQ_correctiveEventID", "EQ_transformationID",
		"EQ_bizTransaction_", "EQ_source_", "EQ_destination_", "EQ_deviceID", "EQ_uriValue"} {
		if strings.HasPrefix(name, stem) && !strings.HasPrefix(name, "EQ_readPoint_") && !strings.HasPrefix(name, "EQ_bizLocation_") { // extensions of places
			return true
		}
	}
	return false
}

// namespaces reads the prefixes that a request's header defines.
func namespaces(h http.Header) (ns schemas.Namespaces, prefixes map[string]string, err error) {
	for _, line := range h.Values(extensionsHeader) {
		for part := range strings.SplitSeq(line, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			name, uri, ok := strings.Cut(part, "=")
			if !ok {
				return ns, nil, fault(schemas.BadParameter, extensionsHeader+" is a list of prefix=namespace: "+clip(part))
			}
			if err := ns.Define(strings.TrimSpace(name), strings.TrimSpace(uri)); err != nil {
				return ns, nil, fault(schemas.BadParameter, extensionsHeader+": "+faultOf(err).Detail)
			}
			if prefixes == nil {
				prefixes = map[string]string{}
			}
			prefixes[strings.TrimSpace(name)] = strings.TrimSpace(uri)
		}
	}
	return ns, prefixes, nil
}

// paged adds the page that is asked for to a query; mark tells the query from others.
func (g *Gateway) paged(query *schemas.EventQuery, name string, mark [8]byte, page map[string]string) (*asked, error) {
	err := g.openPage(page)
	if err != nil {
		return nil, err
	}
	a := &asked{query: *query, name: name, mark: mark}
	if a.query.Limit, err = perPage(page); err != nil {
		return nil, err
	}
	if text, ok := page["nextPageToken"]; ok {
		token, err := parsePageToken(text)
		if err != nil {
			return nil, err
		}
		if token.query != mark {
			return nil, fault(schemas.BadParameter, "nextPageToken belongs to another query")
		}
		a.query.MaxHeight, a.query.After, a.query.AfterTime, a.given = token.height, &token.after, token.time, token.given
		a.query.MaxCount = 0 // the first page was not refused, and the events are the same
	}
	if most := a.query.CountLimit; most > 0 {
		a.query.Limit = max(0, min(a.query.Limit, most-a.given))
	}
	return a, nil
}

// askURL reads a query from a request's query string; fixed are parameters that its
// path gives.
func (g *Gateway) askURL(r *http.Request, fixed ...schemas.Parameter) (*asked, error) {
	list, page, err := queryString(r)
	if err != nil {
		return nil, err
	}
	ns, _, err := namespaces(r.Header)
	if err != nil {
		return nil, err
	}
	for _, f := range fixed {
		if slices.ContainsFunc(list, func(p schemas.Parameter) bool { return p.Name == f.Name }) {
			return nil, fault(schemas.BadParameter, f.Name+" is given by the path already")
		}
		list = append(list, f)
	}
	query, err := g.readQuery(list, &ns)
	if err != nil {
		f := *faultOf(err)
		f.Pointer = "" // a query string has none
		return nil, &f
	}
	return g.paged(query, simpleEventQuery, markOf(simpleEventQuery, strings.Join(r.Header.Values(extensionsHeader), ","), list), page)
}

// getEvents answers an event query (EPCIS 2.0, 8.2.7.1) page by page.
func (g *Gateway) getEvents(w http.ResponseWriter, r *http.Request) {
	a, err := g.askURL(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.answerQuery(w, r, a)
}

// answerQuery answers a page of a query.
func (g *Gateway) answerQuery(w http.ResponseWriter, r *http.Request, a *asked) {
	var body []byte
	var token string
	err := g.readPage(r, func(view View) error {
		q := a.query
		if q.MaxHeight == 0 {
			q.MaxHeight = view.Height()
		}
		p, err := page(r, view, q)
		if err != nil {
			return err
		}
		token = ""
		given := a.given + len(p.Records)
		if p.More && (q.CountLimit == 0 || given < q.CountLimit) {
			token = pageToken{height: q.MaxHeight, after: p.After, time: p.Time, query: a.mark, given: given}.String()
		}
		body, err = resultsDocument(w, r, p.Records, view, a.name)
		return err
	})
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if token != "" {
		g.tellNext(w, r, token)
	}
	writeBody(w, http.StatusOK, typeJSON, body)
}
