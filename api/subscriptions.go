package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Subscription is a subscription as it is told to whoever made it, without its
// signatureToken.
type Subscription struct {
	ID            string              `json:"subscriptionID"`
	Query         string              `json:"queryName"`
	Dest          string              `json:"dest"`
	Stream        bool                `json:"stream,omitempty"`
	Schedule      map[string]string   `json:"schedule,omitempty"`
	ReportIfEmpty bool                `json:"reportIfEmpty"`
	Initial       *time.Time          `json:"initialRecordTime,omitempty"`
	Made          time.Time           `json:"createdAt"`
	Notified      *time.Time          `json:"lastNotifiedAt,omitempty"`
	Least         *time.Time          `json:"minRecordTime,omitempty"`
	Format        string              `json:"epcFormat,omitempty"`
	Status        *SubscriptionStatus `json:"status,omitempty"`
}

// SubscriptionRequest asks for a subscription of a stored query.
type SubscriptionRequest struct {
	Dest          string            `json:"dest"`
	Token         string            `json:"signatureToken,omitempty"`
	Stream        bool              `json:"stream,omitempty"`
	Schedule      map[string]string `json:"schedule,omitempty"`
	ReportIfEmpty bool              `json:"reportIfEmpty,omitempty"`
	Initial       string            `json:"initialRecordTime,omitempty"`
}

// SubscriptionStatus is how the delivery of a subscription stands.
type SubscriptionStatus struct {
	State    string     `json:"state"`               // current, behind or retrying; of a webhook, too, paused
	Height   int64      `json:"height,omitempty"`    // up to which everything was delivered
	Lag      int64      `json:"lag"`                 // heights behind the ledger
	Failures int        `json:"failures"`            // in a row
	Failure  string     `json:"lastError,omitempty"` // or why it is paused
	Next     *time.Time `json:"nextTry,omitempty"`
}

// told is what may be seen of a subscription of a stored query.
func (s *subscriber) told(height int64) Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.cursor
	out := Subscription{ID: s.ID, Query: s.Query, Dest: s.Dest, Stream: s.Schedule == nil, Schedule: s.Schedule, ReportIfEmpty: s.ReportIfEmpty, Initial: s.Initial, Made: s.Made,
		Notified: given(c.Notified), Least: c.Since, Format: s.Format}
	if out.Least == nil {
		out.Least = &out.Made
	}
	if out.Notified != nil && out.Notified.After(*out.Least) {
		out.Least = out.Notified
	}
	out.Status = s.status(height)
	return out
}

// status is how the delivery stands while the ledger has a height; s.mu is held.
func (s *subscriber) status(height int64) *SubscriptionStatus {
	st := &SubscriptionStatus{State: "current", Lag: height, Failures: s.failures, Failure: s.failure, Next: given(s.next)}
	if after := s.cursor.After; after != nil {
		st.Height = after.Height
		st.Lag = max(0, height-after.Height)
	}
	switch {
	case s.cursor.Paused != "":
		st.State, st.Failure = "paused", s.cursor.Paused
	case s.failures > 0:
		st.State = "retrying"
	case st.Lag > 0:
		st.State = "behind"
	}
	return st
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// subscriptionRoutes are the routes of subscriptions.
func (g *Gateway) subscriptionRoutes(m chi.Router) {
	const all, one = "/queries/{queryName}/subscriptions", "/queries/{queryName}/subscriptions/{subscriptionID}"
	m.Options(all, g.discover("GET, HEAD, POST, OPTIONS"))
	m.Options(one, g.discoverSubscription)
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeJSON, typeLD))
		m.With(g.sending(typeJSON, typeLD)).Post(all, g.postSubscription)
		m.With(g.reading).Get(one, g.getSubscription)
		m.Delete(one, g.deleteSubscription)
	})
	m.With(g.allow(local.Query), g.accepting(epcisTypes...), g.reading).Get(all, g.listSubscriptions)
}

// postSubscription makes a subscription.
func (g *Gateway) postSubscription(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxSubscription, func(body []byte, dry bool) (*answer, error) {
		name, err := queryName(r)
		if err == nil {
			_, err = g.storedQuery(name)
		}
		if err != nil {
			return nil, err
		}
		sub, err := g.subs.read(body)
		if err != nil {
			return nil, err
		}
		now := g.subs.now().UTC()
		sub.ID, sub.Query, sub.Owner, sub.Made, sub.Format = local.NewID(now), name, keyOf(r).ID, now, formatOf(r)
		if dry {
			return jsonAnswer(http.StatusOK, "", (&subscriber{Subscription: *sub}).asked())
		}
		return g.once(r, body, func(res *reservation) (*answer, error) { return g.subscribe(sub, res) })
	})
}

// formatOf is the form of identifiers that a request asks for, "" for that in which they
// were submitted.
func formatOf(r *http.Request) string {
	if asked := r.Header.Get(epcFormat); epcForms[asked] != schemas.AsSubmitted {
		return asked
	}
	return ""
}

// asked is a subscription without how it stands.
func (s *subscriber) asked() Subscription {
	s.cursor.Since = s.Initial
	out := s.told(0)
	out.Status = nil
	return out
}

// read reads a subscription that is to be made.
func (a *subscriptions) read(body []byte) (*local.Subscription, error) {
	if _, err := schemas.Compact(nil, body); err != nil {
		return nil, err
	}
	var sent map[string]json.RawMessage
	if json.Unmarshal(body, &sent) != nil || sent == nil {
		return nil, fault(schemas.BadSubscription, "this is no object of dest, and stream or schedule")
	}
	sub := &local.Subscription{}
	stream, initial := false, ""
	// Clients write null for what they do not give; and secret for the token, which a
	// schema of the REST binding wants under this name.
	maps.DeleteFunc(sent, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	if other, ok := sent["secret"]; ok && sent["signatureToken"] == nil {
		sent["signatureToken"] = other
	}
	delete(sent, "secret")
	for name, value := range sent {
		var into any
		switch name {
		case "dest":
			into = &sub.Dest
		case "signatureToken":
			into = &sub.Token
		case "stream":
			into = &stream
		case "schedule":
			into = &sub.Schedule
		case "reportIfEmpty":
			into = &sub.ReportIfEmpty
		case "initialRecordTime":
			into = &initial
		default:
			return nil, &schemas.Fault{Code: schemas.BadSubscription, Pointer: "/" + clip(name), Detail: "a subscription has no " + clip(name)}
		}
		if json.Unmarshal(value, into) != nil {
			return nil, &schemas.Fault{Code: schemas.BadSubscription, Pointer: "/" + name, Detail: name + " has the wrong type: dest, signatureToken, initialRecordTime and the fields of schedule are texts, stream and reportIfEmpty true or false"}
		}
	}
	if err := a.guard.dest(schemas.BadSubscription, "dest", sub.Dest); err != nil {
		return nil, err
	}
	if len(sub.Token) > 256 || sent["signatureToken"] != nil && !printable(sub.Token) {
		return nil, &schemas.Fault{Code: schemas.BadSubscription, Pointer: "/signatureToken", Detail: "signatureToken has 1 to 256 bytes, without blanks"}
	}
	return sub, controls(sub, stream, initial)
}

// controls checks when a subscription is told, and from when on.
func controls(sub *local.Subscription, stream bool, initial string) error {
	_, err := parseSchedule(sub.Schedule)
	switch {
	case stream && sub.Schedule != nil:
		return fault(schemas.BadSubscription, "stream and schedule exclude each other")
	case !stream && sub.Schedule == nil:
		return fault(schemas.BadSubscription, "give stream, which is true, or a schedule")
	case sub.Schedule != nil && err != nil:
		return err
	}
	if initial == "" {
		return nil
	}
	sub.Initial, err = recordTime(initial)
	return err
}

// recordTime reads a record time, as the parameter GE_recordTime of a query has it.
func recordTime(text string) (*time.Time, error) {
	q, err := schemas.ReadQuery([]schemas.Parameter{{Name: "GE_recordTime", Values: []schemas.ParameterValue{{Text: text}}}}, &schemas.Namespaces{})
	if err != nil {
		return nil, fault(schemas.BadSubscription, "a record time is written as 2026-01-31T12:00:00.000Z: "+clip(text))
	}
	at := q.GERecordTime.UTC()
	return &at, nil
}

// begin is where a subscription begins: at a record time, or behind what is recorded.
func (g *Gateway) begin(initial *time.Time) (*local.Cursor, error) {
	if initial != nil {
		return &local.Cursor{Since: initial}, nil
	}
	view, err := g.ledger.View()
	if err != nil {
		return nil, err
	}
	end := endOf(view.Height())
	return &local.Cursor{After: &end}, nil
}

// subscribe makes a subscription, with the answer to its Idempotency-Key.
func (g *Gateway) subscribe(sub *local.Subscription, res *reservation) (*answer, error) {
	g.naming.Lock() // the query stays meanwhile
	defer g.naming.Unlock()
	if _, err := g.keptQuery(sub.Query); err != nil {
		return nil, err
	}
	cursor, err := g.begin(sub.Initial)
	if err != nil {
		return nil, err
	}
	out, err := jsonAnswer(http.StatusCreated, "/epcis/v2/queries/"+url.PathEscape(sub.Query)+"/subscriptions/"+sub.ID, (&subscriber{Subscription: *sub}).asked())
	if err != nil {
		return nil, err
	}
	changes, err := local.NewSubscription(sub, cursor)
	if err != nil {
		return nil, err
	}
	return out, g.subs.add(sub, cursor, append(res.keep(out, sub.Made), changes...))
}

// add writes a subscription that is new, and begins to deliver it.
func (a *subscriptions) add(sub *local.Subscription, cursor *local.Cursor, changes []local.Change) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.room(sub.Owner); err != nil {
		return err
	}
	if err := a.g.local.Commit(changes...); err != nil {
		return err
	}
	return a.run(sub, cursor)
}

// room reports why an API key can have no further subscription; a.mu is held.
func (a *subscriptions) room(owner string) error {
	if a.ctx == nil || a.closed || a.ctx.Err() != nil {
		return fmt.Errorf("the gateway is starting or stopping: %w", ErrUnavailable)
	}
	own := 0
	for _, s := range a.byID {
		if s.Owner == owner {
			own++
		}
	}
	for s := range a.sockets {
		if s.owner == owner {
			own++
		}
	}
	if all := len(a.byID) + len(a.sockets); all >= a.most && own < a.g.limits.Subscriptions {
		return fault(schemas.Overloaded, fmt.Sprintf("the node has %d subscriptions, webhooks and streams of all API keys together, and no more can be until one ends", all))
	}
	if own >= a.g.limits.Subscriptions {
		return fault(schemas.TooLarge, fmt.Sprintf("the API key has %d subscriptions, webhooks and streams, and no more can be: end one", own))
	}
	return nil
}

// dropAll forgets a query and ends its subscriptions, whosever they are.
func (a *subscriptions) dropAll(name string, changes ...local.Change) error {
	ending := a.of(name, "")
	for _, s := range ending {
		s.mu.Lock() // no cursor is written from here on
		defer s.mu.Unlock()
		changes = append(changes, local.DropSubscription(s.ID)...)
	}
	if err := a.g.local.Commit(changes...); err != nil {
		return err
	}
	for _, s := range ending {
		s.end()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.sockets {
		if s.query == name {
			s.stop()
		}
	}
	return nil
}

// of are the subscriptions of a query, or, where that is "", webhooks, oldest first; of
// one API key unless it is "".
func (a *subscriptions) of(name, owner string) (out []*subscriber) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.byID {
		if s.Query == name && (owner == "" || s.Owner == owner) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y *subscriber) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// count tells how many there are, and how many wait for their receiver.
func (a *subscriptions) count() (all, failing int) {
	a.mu.Lock()
	list := make([]*subscriber, 0, len(a.byID))
	for _, s := range a.byID {
		list = append(list, s)
	}
	a.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		if s.failures > 0 {
			failing++
		}
		s.mu.Unlock()
	}
	return len(list), failing
}

// subscriber is what has the id in a request's path, which its own API key alone can see: a
// webhook, or a subscription of a stored query.
func (g *Gateway) subscriber(r *http.Request, parameter string, webhook bool) (*subscriber, error) {
	id, err := segment(r, parameter)
	if err != nil {
		return nil, err
	}
	g.subs.mu.Lock()
	s := g.subs.byID[id]
	g.subs.mu.Unlock()
	if s == nil || s.Owner != keyOf(r).ID || (s.Filter != nil) != webhook {
		what := "subscription "
		if webhook {
			what = "webhook "
		}
		return nil, fault(schemas.NotFound, "this API key has no "+what+clip(id))
	}
	return s, nil
}

// find is the subscription of a path.
func (g *Gateway) find(r *http.Request) (*subscriber, error) {
	s, err := g.subscriber(r, "subscriptionID", false)
	if err != nil {
		return nil, err
	}
	if chi.URLParam(r, "queryName") == "" {
		return s, nil
	}
	name, err := queryName(r)
	if err == nil && name != s.Query {
		_, err = g.keptQuery(name)
		if err == nil {
			err = fault(schemas.NotFound, "the subscription is one of another query")
		}
	}
	return s, err
}

// listSubscriptions answers the API key's subscriptions of a query.
func (g *Gateway) listSubscriptions(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r)
	var after, name string
	if err == nil {
		after, err = g.parseNameToken(q, "subscriptions")
	}
	if err == nil {
		name, err = queryName(r)
	}
	if err == nil {
		_, err = g.keptQuery(name)
	}
	var view View
	if err == nil {
		view, err = g.ledger.View()
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	out := []Subscription{}
	for _, s := range g.subs.of(name, keyOf(r).ID) {
		if s.ID <= after {
			continue
		}
		if len(out) == limit {
			g.tellNext(w, r, nameToken("subscriptions", out[limit-1].ID))
			break
		}
		out = append(out, s.told(view.Height()))
	}
	g.writeForm(w, r, out, func() []byte {
		ids := make([]string, len(out))
		for i := range out {
			ids[i] = out[i].ID
		}
		return stringsXML("GetSubscriptionIDsResult", ids)
	})
}

// getSubscription answers one, and how its delivery stands.
func (g *Gateway) getSubscription(w http.ResponseWriter, r *http.Request) {
	g.writeSubscriber(w, r, g.find, func(s *subscriber, height int64) any { return s.told(height) })
}

// writeSubscriber answers the subscription or webhook of a request.
func (g *Gateway) writeSubscriber(w http.ResponseWriter, r *http.Request, find func(*http.Request) (*subscriber, error), told func(s *subscriber, height int64) any) {
	_, err := parameters(r)
	var s *subscriber
	if err == nil {
		s, err = find(r)
	}
	var view View
	if err == nil {
		view, err = g.ledger.View()
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, told(s, view.Height()))
}

// minRecordTime is from when on recorded events are still to be told (EPCIS 2.0, 12.6).
const minRecordTime = "GS1-Query-Min-Record-Time"

// discoverSubscription answers what a subscription does, and its own API key, which
// the request need not show, from when on events are still to be told.
func (g *Gateway) discoverSubscription(w http.ResponseWriter, r *http.Request) {
	if key, err := g.authenticate(r); err == nil {
		stateOf(r).key = key
		if s, err := g.find(r); err == nil {
			w.Header().Set(minRecordTime, s.told(0).Least.Format(timeFormat))
		}
	}
	g.discover("GET, HEAD, DELETE, OPTIONS")(w, r)
}

// deleteSubscription ends one.
func (g *Gateway) deleteSubscription(w http.ResponseWriter, r *http.Request) {
	dry, err := dryRunOf(r)
	var s *subscriber
	if err == nil {
		s, err = g.find(r)
	}
	if err == nil && !dry {
		err = g.subs.drop(s)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Del("Content-Type")
	w.WriteHeader(http.StatusNoContent)
}
