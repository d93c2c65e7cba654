package api

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Pages.
const (
	defaultPage = 30
	maxPage     = 1000
	maxRecords  = 100 // of native lists, whose records carry their events
	maxList     = 500 // alternatives of one parameter
)

// queryValues reads a query string. A semicolon is a character like others (RFC 3986,
// 3.4), as identifiers of events have it: ni:///sha-256;....
func queryValues(r *http.Request) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
}

// parameters reads the query string: each parameter is one of the known, and
// given once. The standard writes lists with a pipe, so none needs repeating.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	q, err := queryValues(r)
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
		case values[0] == "" && ofPages(name): // as clients ask for the first page
			continue
		case values[0] == "":
			return nil, fault(schemas.BadParameter, name+" has no value")
		}
		out[name] = values[0]
	}
	return out, nil
}

// ofPages reports whether a parameter tells what page is asked for.
func ofPages(name string) bool { return name == "perPage" || name == "nextPageToken" }

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// paging reads the parameters of a list that is answered page by page, and how many
// entries a page may have.
func paging(r *http.Request, names ...string) (q map[string]string, limit int, err error) {
	if q, err = parameters(r, append(names, "perPage", "nextPageToken")...); err == nil {
		limit, err = perPage(q)
	}
	return q, limit, err
}

// perPage reads how many entries a page may have: who asks for more than there
// can be gets as many (EPCIS 2.0, section 12), and the link to the others.
func perPage(q map[string]string) (int, error) {
	n, err := number(q, "perPage", defaultPage, 1, math.MaxInt32)
	return min(n, maxPage), err
}

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
	q, _ := queryValues(r) // it was read before
	q.Set("nextPageToken", token)
	w.Header().Set("Link", "<"+r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}

// writePage answers a page of a native list, or why there is none; next is the token of
// the page behind it, "" of the last.
func (g *Gateway) writePage(w http.ResponseWriter, r *http.Request, page any, next string, err error) {
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if next != "" {
		linkNext(w, r, next)
	}
	g.writeJSON(w, r, http.StatusOK, page)
}

// printable reports whether a text has neither control characters nor blanks, as
// no URI and no name has: what separates parts of the ledger's keys must not come
// from outside.
func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }) < 0
}
