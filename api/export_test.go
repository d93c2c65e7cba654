package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/schemas"
)

// TestingOnlyRoutes are the gateway's routes.
func (g *Gateway) TestingOnlyRoutes() chi.Routes { return g.handler.(chi.Routes) }

// TestingOnlyReads tells how many reads are worked on, and what their answers take.
func (g *Gateway) TestingOnlyReads() (count int, bytes int64) { return g.reads.used() }

// TestingOnlySubscribersRead tells how many reads for subscribers are under way, or rest.
func (g *Gateway) TestingOnlySubscribersRead() int { return len(g.subs.reading.all) }

// TestingOnlyException is the exception that a code is told as.
var TestingOnlyException = exception

// TestingOnlyChoose picks a media type by an Accept header.
func TestingOnlyChoose(accept string, offered ...string) string { return choose(accept, offered) }

// TestingOnlyQuery reads the query string of an event query, with its page.
func (g *Gateway) TestingOnlyQuery(raw string) (schemas.EventQuery, error) {
	a, err := g.askURL(newQuery(raw))
	if err != nil {
		return schemas.EventQuery{}, err
	}
	return a.query, nil
}

// TestingOnlyNameToken is where the next page of a list of names begins.
func (g *Gateway) TestingOnlyNameToken(list, name string) string {
	w := httptest.NewRecorder()
	g.tellNext(w, newQuery(""), nameToken(list, name))
	return w.Header().Get("nextPageToken")
}

// TestingOnlyQueryDocument renders records.
var TestingOnlyQueryDocument = queryDocument

func newQuery(raw string) *http.Request { return &http.Request{URL: &url.URL{RawQuery: raw}} }

// TestingOnlyFlights is how many requests with an idempotency key are being worked on.
func (g *Gateway) TestingOnlyFlights() int {
	g.flights.mu.Lock()
	defer g.flights.mu.Unlock()
	return len(g.flights.open)
}

// TestingOnlyClock makes subscriptions and page tokens follow another clock, before the start.
func (g *Gateway) TestingOnlyClock(now func() time.Time, after func(time.Duration) <-chan time.Time) {
	g.subs.now, g.subs.after, g.tokens.now = now, after, now
}

// TestingOnlyNext is the first time on a schedule after one.
func TestingOnlyNext(fields map[string]string, after time.Time) (time.Time, error) {
	s, err := parseSchedule(fields)
	if err != nil {
		return time.Time{}, err
	}
	return s.next(after), nil
}

// TestingOnlyGuard checks an address as connections are checked.
func TestingOnlyGuard(allowed []netip.Prefix, address string) error {
	return guard{allowed}.control("tcp", address, nil)
}

// TestingOnlySign writes the headers of a message.
func TestingOnlySign(h http.Header, token, id string, at time.Time, body []byte) {
	var tokens []string
	if token != "" {
		tokens = []string{token}
	}
	sign(h, tokens, id, at, body)
	signGS1(h, token, body)
}

// TestingOnlySockets is how many WebSockets are open.
func (g *Gateway) TestingOnlySockets() int {
	g.subs.mu.Lock()
	defer g.subs.mu.Unlock()
	return len(g.subs.sockets)
}

// TestingOnlyStreamTypes are the types of acts in the stream.
func TestingOnlyStreamTypes() map[string]string { return streamTypes }

// TestingOnlyOnly leaves in a trace what is shown.
func TestingOnlyOnly(t *schemas.Trace, shows func(*schemas.Record) bool) int { return only(t, shows) }

// TestingOnlyMostStreams sets how many subscriptions, webhooks and streams all keys have.
func (g *Gateway) TestingOnlyMostStreams(n int) { g.subs.most = n }

// TestingOnlyMeantPath is what a path is taken for.
func TestingOnlyMeantPath(path string) string { return meantPath(path) }
