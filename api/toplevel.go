package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/websocket"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Top-level resources (EPCIS 2.0, 12.4): values that events have, and the events of each.

// topLevel is one of them.
type topLevel struct {
	path      string          // of the list
	segment   string          // of one value
	of        schemas.Listing // 0 for event types, which are the standard's
	parameter string          // that finds a value's events
	canonical func(string) (string, error)
	words     []string // of the standard, sorted, whether or not an event has them
}

func topLevels() []topLevel {
	return []topLevel{
		{"/eventTypes", "eventType", 0, "eventType", func(s string) (string, error) { return s, nil }, nil},
		{"/epcs", "epc", schemas.ListEPCs, "MATCH_anyEPC", canonical, nil},
		{"/bizSteps", "bizStep", schemas.ListBizSteps, "EQ_bizStep", schemas.BizStepTerm, schemas.BizSteps.Words()},
		{"/bizLocations", "bizLocation", schemas.ListBizLocations, "EQ_bizLocation", canonical, nil},
		{"/readPoints", "readPoint", schemas.ListReadPoints, "EQ_readPoint", canonical, nil},
		{"/dispositions", "disposition", schemas.ListDispositions, "EQ_disposition", schemas.DispositionTerm, schemas.Dispositions.Words()},
	}
}

func canonical(s string) (string, error) {
	c, _, err := schemas.Canonical(s)
	return c, err
}

// queryRoutes are the routes of stored queries and top-level resources.
func (g *Gateway) queryRoutes(m chi.Router) {
	lists := m.With(g.allow(local.Query), g.accepting(epcisTypes...), g.reading)
	events := m.With(g.allow(local.Query), g.reading, g.tabular, g.accepting(epcisTypes...))
	for _, t := range topLevels() {
		one := t.path + "/{" + t.segment + "}"
		for _, path := range []string{t.path, one, one + "/events"} {
			m.Options(path, g.discover("GET, HEAD, OPTIONS"))
		}
		lists.Get(t.path, g.list(t))
		lists.Get(one, g.one(t))
		events.Get(one+"/events", g.eventsOf(t))
	}
	lists.Get("/", g.listTopLevels)
	lists.Head("/", g.listTopLevels) // GetHead finds the mount itself here
	m.Options("/queries", g.discover("GET, HEAD, POST, OPTIONS"))
	m.Options("/queries/{queryName}", g.discover("GET, HEAD, DELETE, OPTIONS"))
	m.Options("/queries/{queryName}/events", g.discover("GET, HEAD, OPTIONS"))
	m.With(g.allow(local.Query), g.accepting(typeJSON, typeLD), g.sending(typeJSON, typeLD)).Post("/queries", g.postQuery)
	m.With(g.allow(local.Query), g.accepting(typeJSON, typeLD)).Delete("/queries/{queryName}", g.deleteQuery)
	lists.Get("/queries", g.listQueries)
	m.With(g.allow(local.Query), g.accepting(typeJSON, typeLD), g.reading).Get("/queries/{queryName}", g.getQuery)
	page := chi.Chain(g.reading, g.tabular, g.accepting(epcisTypes...)).HandlerFunc(g.getQueryEvents)
	m.With(g.allow(local.Query)).Get("/queries/{queryName}/events", func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			g.getQuerySocket(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
	g.subscriptionRoutes(m)
}

// listTopLevels answers what there is.
func (g *Gateway) listTopLevels(w http.ResponseWriter, r *http.Request) {
	if _, err := parameters(r); err != nil {
		g.fail(w, r, err)
		return
	}
	members := slices.DeleteFunc(slices.Clone(epcisResources[:]), func(name string) bool { return name == "nextPageToken" }) // which is none to look at
	out := collection(members)
	g.writeForm(w, r, out, out.xml)
}

// Collection is a list of resources.
type Collection struct {
	Context any      `json:"@context"` // that of the standard, and of prefixes that members have
	Type    string   `json:"type"`
	Member  []string `json:"member"`
}

func collection(members []string) Collection {
	if members == nil {
		members = []string{}
	}
	return Collection{standardContext, "Collection", members}
}

// values lists values behind one.
func (t topLevel) values(ctx context.Context, view View, after string, limit int) (out []string, more bool, err error) {
	if t.of != 0 {
		return view.Values(ctx, t.of, after, limit)
	}
	for e := schemas.ObjectEvent; e <= schemas.AssociationEvent; e++ {
		if name := e.String(); name > after {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	if len(out) > limit {
		return out[:limit], true, nil
	}
	return out, false, nil
}

// one answers what there is of a value: its events.
func (g *Gateway) one(t topLevel) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := parameters(r)
		var value string
		if err == nil {
			value, err = t.value(r)
		}
		if err == nil && t.of != 0 && !slices.Contains(t.words, value) {
			err = g.read(func(view View) error { return t.known(r.Context(), view, value) })
		}
		if err != nil {
			g.fail(w, r, err)
			return
		}
		out := collection([]string{"events"})
		g.writeForm(w, r, out, out.xml)
	}
}

// finding is the parameter that finds a value's events.
func (t topLevel) finding(value string) schemas.Parameter {
	p := schemas.Parameter{Name: t.parameter, Values: []schemas.ParameterValue{{Text: value}}}
	if _, scheme, err := schemas.Canonical(value); err == nil && t.of == schemas.ListEPCs && scheme.Class() {
		p.Name = "MATCH_anyEPCClass"
	}
	return p
}

// known fails with not_found where no event has a value.
func (t topLevel) known(ctx context.Context, view View, value string) error {
	q, err := schemas.ReadQuery([]schemas.Parameter{t.finding(value)}, &schemas.Namespaces{})
	if err != nil {
		return err
	}
	q.Limit, q.MaxHeight = 1, view.Height()
	p, err := view.Page(ctx, *q)
	if err == nil && len(p.Records) == 0 {
		err = fault(schemas.NotFound, "no event has the "+t.segment+" "+clip(value))
	}
	return err
}

// eventsOf answers a page of the events that have a value; the query string restricts
// them further.
func (g *Gateway) eventsOf(t topLevel) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := t.value(r)
		var a *asked
		if err == nil {
			a, err = g.askURL(r, t.finding(value))
		}
		if err != nil {
			g.fail(w, r, err)
			return
		}
		g.answerQuery(w, r, a)
	}
}

// nameToken is where the next page of a list of names begins.
func nameToken(list, name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string([]byte{tokenVersion}) + list + "\x00" + name))
}

// parseNameToken reads the name that the page before ended with, "" for the first.
func (g *Gateway) parseNameToken(q map[string]string, list string) (string, error) {
	if err := g.openPage(q); err != nil {
		return "", err
	}
	text, ok := q["nextPageToken"]
	if !ok {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	name, found := strings.CutPrefix(string(b), string([]byte{tokenVersion})+list+"\x00")
	if err != nil || !found || !printable(name) {
		return "", fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	return name, nil
}
