package api

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// A webhook tells what the stream tells, by requests that the node makes, with the
// headers and signatures of Standard Webhooks. It is delivered as subscriptions are.

// Bounds of a webhook.
const (
	mostBatch   = 100 // records a message
	madeSecret  = 32  // bytes of a secret that the gateway makes
	leastSecret = 24  // of one that is given, as Standard Webhooks bound them
	mostSecret  = 64

	keptSecret    = 24 * time.Hour     // for which one goes on signing after it was changed, unless it is said
	longestSecret = 7 * 24 * time.Hour // for which it may
	formerSecrets = 2                  // that sign beside the newest, at most
)

// WebhookRequest asks for a webhook.
type WebhookRequest struct {
	URL          string `json:"url"`
	local.Filter        // as the stream has it
	After        string `json:"after,omitempty"`  // a cursor of the stream; "": behind the last block
	Batch        int    `json:"batch,omitempty"`  // so many records a message at most, as a list; 0: one
	Secret       string `json:"secret,omitempty"` // whsec_BASE64; "": one is made
}

// Webhook is a webhook as it is told to whoever made it.
type Webhook struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	local.Filter
	Batch    int                 `json:"batch,omitempty"`
	Secret   string              `json:"secret,omitempty"` // in the answer to the request that made it or changed it, and never again
	Made     time.Time           `json:"createdAt"`
	Cursor   string              `json:"cursor"` // up to which everything was delivered
	Notified *time.Time          `json:"lastNotifiedAt,omitempty"`
	Status   *SubscriptionStatus `json:"status,omitempty"`
}

// Webhooks is a page of them.
type Webhooks struct {
	Webhooks      []Webhook `json:"webhooks"`
	NextPageToken string    `json:"nextPageToken,omitempty"`
}

// WebhookReplay says from where on a webhook is delivered again: behind a cursor, or from
// a height on.
type WebhookReplay struct {
	After  string `json:"after,omitempty"`
	Height int64  `json:"height,omitempty"`
}

// WebhookSecret changes the secret of a webhook.
type WebhookSecret struct {
	Secret string `json:"secret,omitempty"`      // whsec_BASE64; "": one is made
	Keep   *int64 `json:"keepSeconds,omitempty"` // for which the one before signs, too; absent: a day, 0: no more
}

func (g *Gateway) webhookRoutes(m chi.Router) {
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeJSON))
		m.With(g.reading).Get("/webhooks", g.listWebhooks)
		m.With(g.reading).Get("/webhooks/{webhook}", g.getWebhook)
		m.Delete("/webhooks/{webhook}", g.deleteWebhook)
		m.Group(func(m chi.Router) {
			m.Use(g.sending(typeJSON))
			m.Post("/webhooks", g.postWebhook)
			m.Post("/webhooks/{webhook}/replay", g.postWebhookChange(g.replayed))
			m.Post("/webhooks/{webhook}/secret", g.postWebhookChange(g.rotated))
			m.Post("/webhooks/{webhook}/pause", g.postWebhookChange(paused("its owner paused it")))
			m.Post("/webhooks/{webhook}/resume", g.postWebhookChange(paused("")))
		})
	})
}

// readWebhook reads the body of a request about webhooks.
func readWebhook(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if _, err := schemas.Compact(nil, body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return badWebhook(strings.TrimPrefix(wrong.Field, "Filter."), "a %s cannot be here", wrong.Value)
	case err != nil:
		return badWebhook("", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func badWebhook(member, format string, args ...any) error {
	f := &schemas.Fault{Code: schemas.BadWebhook, Detail: fmt.Sprintf(format, args...)}
	if member != "" {
		f.Pointer = "/" + member
	}
	return f
}

// postWebhook makes a webhook.
func (g *Gateway) postWebhook(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxSubscription, func(body []byte, dry bool) (*answer, error) {
		sub, at, err := g.subs.webhook(body)
		if err != nil {
			return nil, err
		}
		now := g.subs.now().UTC()
		sub.ID, sub.Owner, sub.Made = local.NewID(now), keyOf(r).ID, now
		told := Webhook{ID: sub.ID, URL: sub.Dest, Filter: *sub.Filter, Batch: sub.Batch, Made: now, Cursor: streamCursor(*at)}
		if dry {
			return jsonAnswer(http.StatusOK, "", told)
		}
		return g.once(r, body, func(res *reservation) (*answer, error) {
			told.Secret = sub.Token
			out, err := jsonAnswer(http.StatusCreated, "/api/v1/webhooks/"+sub.ID, told)
			if err != nil {
				return nil, err
			}
			cursor := &local.Cursor{After: at}
			changes, err := local.NewSubscription(sub, cursor)
			if err != nil {
				return nil, err
			}
			return out, g.subs.add(sub, cursor, append(res.keep(out, now), changes...))
		})
	})
}

// webhook reads a webhook that is to be made, and where it begins.
func (a *subscriptions) webhook(body []byte) (*local.Subscription, *schemas.Locator, error) {
	var q WebhookRequest
	if err := readWebhook(body, &q); err != nil {
		return nil, nil, err
	}
	if err := a.guard.dest(schemas.BadWebhook, "url", q.URL); err != nil {
		return nil, nil, err
	}
	filter, err := streamFilter(q.Types, q.Partner, q.Subject)
	switch {
	case err != nil:
		return nil, nil, badWebhook("types", "%s", err)
	case q.Partner != "" && !schemas.IsPartnerID(q.Partner):
		return nil, nil, badWebhook("partner", "no partner can have this name")
	case q.Batch < 0 || q.Batch > mostBatch:
		return nil, nil, badWebhook("batch", "a message has 1 to %d records", mostBatch)
	}
	if q.Secret, err = secretOf(q.Secret); err != nil {
		return nil, nil, err
	}
	at, err := a.g.streamPlace(q.After)
	return &local.Subscription{Dest: q.URL, Token: q.Secret, Filter: filter, Batch: q.Batch}, at, err
}

// secretOf checks a secret that is given, or makes one.
func secretOf(given string) (string, error) {
	if given == "" {
		var b [madeSecret]byte
		rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		return secretPrefix + base64.StdEncoding.EncodeToString(b[:]), nil
	}
	text, ok := strings.CutPrefix(given, secretPrefix)
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) < leastSecret || len(b) > mostSecret {
		return "", badWebhook("secret", "a secret is %s and the base64 of %d to %d bytes; without one the gateway makes it", secretPrefix, leastSecret, mostSecret)
	}
	return given, nil
}

// streamPlace is the place of a cursor that the ledger has reached; of "" the end of it.
func (g *Gateway) streamPlace(cursor string) (*schemas.Locator, error) {
	view, err := g.ledger.View()
	if err != nil {
		return nil, err
	}
	at := endOf(view.Height())
	if cursor == "" {
		return &at, nil
	}
	asked, err := parseStreamCursor(cursor)
	if err != nil {
		return nil, badWebhook("after", "%s", faultOf(err).Detail)
	}
	if asked.Compare(at) > 0 {
		return nil, badWebhook("after", "the ledger is at height %d, before this", view.Height())
	}
	return &asked, nil
}

// postWebhookChange changes the cursor of a webhook as read makes of a request's body.
func (g *Gateway) postWebhookChange(read func(body []byte) (func(*local.Cursor), error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.write(w, r, maxSubscription, func(body []byte, dry bool) (*answer, error) {
			s, err := g.findWebhook(r)
			if err != nil {
				return nil, err
			}
			change, err := read(body)
			if err != nil {
				return nil, err
			}
			view, err := g.ledger.View()
			if err != nil {
				return nil, err
			}
			changed := &subscriber{Subscription: s.Subscription, cursor: s.at()}
			change(&changed.cursor)
			told := changed.webhook(view.Height())
			if now := changed.cursor.Secrets; !dry && len(now) > 0 && !slices.Equal(now, s.at().Secrets) {
				told.Secret = now[0].Token
			}
			out, err := jsonAnswer(http.StatusOK, "", told)
			if err != nil || dry {
				return out, err
			}
			return g.once(r, body, func(res *reservation) (*answer, error) {
				return out, s.set(change, res.keep(out, g.subs.now().UTC())...)
			})
		})
	}
}

// replayed reads from where on a webhook is delivered again.
func (g *Gateway) replayed(body []byte) (func(*local.Cursor), error) {
	var q WebhookReplay
	if err := readWebhook(body, &q); err != nil {
		return nil, err
	}
	switch {
	case (q.After == "") == (q.Height == 0):
		return nil, badWebhook("", "give after, a cursor, or height")
	case q.Height < 0:
		return nil, badWebhook("height", "the first height is 1")
	case q.Height > 0:
		q.After = streamCursor(endOf(q.Height - 1))
	}
	at, err := g.streamPlace(q.After)
	if f := new(schemas.Fault); q.Height > 0 && errors.As(err, &f) {
		f.Pointer = "/height"
	}
	return func(c *local.Cursor) {
		*c = local.Cursor{After: at, Round: c.Round + 1, Notified: c.Notified, Paused: c.Paused, Secrets: c.Secrets}
	}, err
}

// rotated reads a secret that takes the place of the one before, which goes on signing
// beside it for a while: so a receiver loses nothing while it changes its own.
func (g *Gateway) rotated(body []byte) (func(*local.Cursor), error) {
	var q WebhookSecret
	if err := readWebhook(body, &q); err != nil {
		return nil, err
	}
	keep := keptSecret
	if q.Keep != nil {
		if *q.Keep < 0 || *q.Keep > int64(longestSecret/time.Second) {
			return nil, badWebhook("keepSeconds", "0 to %d", int64(longestSecret/time.Second))
		}
		keep = time.Duration(*q.Keep) * time.Second
	}
	secret, err := secretOf(q.Secret)
	now := g.subs.now().UTC()
	return func(c *local.Cursor) {
		before := c.Secrets
		if len(before) == 0 {
			before = []local.Secret{{}} // the one that it was made with
		}
		secrets := []local.Secret{{Token: secret}}
		for i, s := range before {
			if i == 0 || s.Until.After(now.Add(keep)) {
				s.Until = now.Add(keep)
			}
			if s.Until.After(now) && len(secrets) <= formerSecrets {
				secrets = append(secrets, s)
			}
		}
		c.Secrets = secrets
	}, err
}

// paused stops the delivery of a webhook for a reason, or lets it go on where that is "".
func paused(why string) func(body []byte) (func(*local.Cursor), error) {
	return func(body []byte) (func(*local.Cursor), error) {
		return func(c *local.Cursor) { c.Paused = why }, readWebhook(body, &struct{}{})
	}
}

// webhook is what may be seen of a webhook.
func (s *subscriber) webhook(height int64) Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Webhook{ID: s.ID, URL: s.Dest, Filter: *s.Filter, Batch: s.Batch, Made: s.Made, Notified: given(s.cursor.Notified), Status: s.status(height)}
	if s.cursor.After != nil {
		out.Cursor = streamCursor(*s.cursor.After)
	}
	return out
}

func (g *Gateway) findWebhook(r *http.Request) (*subscriber, error) {
	return g.subscriber(r, "webhook", true)
}

// listWebhooks answers the API key's webhooks, oldest first.
func (g *Gateway) listWebhooks(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r)
	var view View
	if err == nil {
		view, err = g.ledger.View()
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	out := Webhooks{Webhooks: []Webhook{}}
	for _, s := range g.subs.of("", keyOf(r).ID) {
		if s.ID <= q["nextPageToken"] { // which is the last one's id
			continue
		}
		if len(out.Webhooks) == limit {
			out.NextPageToken = out.Webhooks[limit-1].ID
			break
		}
		out.Webhooks = append(out.Webhooks, s.webhook(view.Height()))
	}
	g.writePage(w, r, out, out.NextPageToken, nil)
}

// getWebhook answers one, and how its delivery stands.
func (g *Gateway) getWebhook(w http.ResponseWriter, r *http.Request) {
	g.writeSubscriber(w, r, g.findWebhook, func(s *subscriber, height int64) any { return s.webhook(height) })
}

// deleteWebhook ends one.
func (g *Gateway) deleteWebhook(w http.ResponseWriter, r *http.Request) {
	dry, err := dryRunOf(r)
	var s *subscriber
	if err == nil {
		s, err = g.findWebhook(r)
	}
	if err == nil && !dry {
		err = g.subs.drop(s)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
