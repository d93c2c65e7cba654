package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// source is what a subscription tells of.
type source interface {
	// behind reads what is behind a cursor, as much as one message of at most limit
	// records holds, up to a height, 0 for the last. A message that was begun before
	// ends where it did.
	behind(ctx context.Context, c *local.Cursor, upTo int64, limit int) (*message, error)
	// letter writes the message behind a cursor, which was due at a time where there is
	// a schedule: the same whenever it is written again.
	letter(m *message, c *local.Cursor, due time.Time) (*letter, error)
}

// source is what a subscription tells of: events that a stored query finds, or what the
// stream tells.
func (g *Gateway) source(sub *local.Subscription) (source, error) {
	if sub.Filter != nil {
		return &hook{g, sub}, nil
	}
	query, err := g.storedQuery(sub.Query)
	if err != nil {
		return nil, err
	}
	return &found{g, query, sub}, nil
}

// letter is a message as it is sent, before it is signed.
type letter struct {
	id     string // of the message, and no other's
	header http.Header
	body   []byte
}

// message is what a subscription is told at once.
type message struct {
	records []schemas.Record
	texts   []json.RawMessage // of a webhook: the records as it tells them
	given   int               // records that are told: of a stored query those that have a body
	end     schemas.Locator   // of the message; all up to it is in it or does not match
	ended   bool              // nothing else is recorded up to the height
	height  int64             // of the view that it was read from
}

// How many records are read at once: at first, when their size is not known, and at
// most.
const (
	messageStep  = 8
	messageSteps = 64
)

// found tells of the events that a stored query finds.
type found struct {
	g     *Gateway
	query *StoredQuery
	sub   *local.Subscription
}

func (f *found) behind(ctx context.Context, c *local.Cursor, upTo int64, limit int) (m *message, err error) {
	g := f.g
	ctx, cancel := context.WithTimeout(ctx, g.limits.ReadTime)
	defer cancel()
	err = g.read(func(view View) error {
		if _, last, err := view.Missing(); err != nil || last > 0 && (c.After == nil || c.After.Height < last) {
			if err == nil {
				err = fault(schemas.HistoryMissing, fmt.Sprintf("the records up to height %d are not here yet", last))
			}
			return err
		}
		m = &message{height: view.Height()}
		if upTo > 0 {
			m.height = min(upTo, m.height)
		}
		ask := f.query.Behind(c.After, 0)
		ask.MaxHeight, ask.Effort = m.height, readEffort
		if c.Since != nil && (ask.GERecordTime == nil || ask.GERecordTime.Before(*c.Since)) {
			ask.GERecordTime = c.Since
		}
		return m.fill(ctx, view, ask, c, min(limit, g.limits.MessageEvents), g.limits.MessageBytes)
	})
	return m, err
}

// fill reads page by page until the message is full or nothing else is recorded.
func (m *message) fill(ctx context.Context, view View, ask schemas.EventQuery, c *local.Cursor, limit, most int) error {
	size := 0
	for {
		ask.Limit = messageStep
		if n := len(m.records); n > 0 {
			ask.Limit = min(messageSteps, (most-size)/(size/n+1)+1)
		}
		ask.Limit = max(1, min(ask.Limit, limit-len(m.records)))
		page, err := view.Page(ctx, ask)
		if err != nil {
			return err
		}
		for i := range page.Records {
			r := &page.Records[i]
			if size += len(r.Body); size > most && len(m.records) > 0 || c.Until != nil && r.Compare(*c.Until) > 0 {
				m.end = m.records[len(m.records)-1].Locator
				return nil
			}
			m.records = append(m.records, *r)
			if m.end = r.Locator; r.Body != nil {
				m.given++
			}
		}
		switch {
		case !page.More:
			m.ended = true
			if len(m.records) == 0 { // whatever comes is above
				m.end = endOf(m.height)
			}
			return nil
		case len(m.records) == 0:
			m.end = page.After
		}
		if len(m.records) >= limit || page.Left <= 0 {
			return nil
		}
		ask.After, ask.Effort = &page.After, page.Left
	}
}

// letter is an EPCISQueryDocument.
func (f *found) letter(m *message, c *local.Cursor, due time.Time) (*letter, error) {
	body, err := m.document(results{name: f.sub.Query, subscription: f.sub.ID}, f.sub.Format, due)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set("GS1-EPCIS-Version", epcisVersion)
	h.Set("GS1-CBV-Version", cbvVersion)
	if f.sub.Format != "" {
		h.Set(epcFormat, f.sub.Format)
	}
	signGS1(h, f.sub.Token, body)
	return &letter{messageID(f.sub.ID, c, due), h, body}, nil
}

// document is the message as an EPCISQueryDocument: the same whenever it is made
// again. A message without events is of the time that it was due.
func (m *message) document(of results, format string, due time.Time) ([]byte, error) {
	at := due
	if n := len(m.records); n > 0 {
		at = m.records[n-1].Time
	}
	records := m.records
	if to := epcForms[format]; to != schemas.AsSubmitted {
		var err error
		if records, err = translated(records, to, nil, nil); err != nil {
			return nil, err
		}
	}
	return resultsOf(records, at, of)
}

// messageID names a message: the same whenever it is sent again, and another one's
// never.
func messageID(subscription string, c *local.Cursor, due time.Time) string {
	var from, until []byte
	if c.After != nil {
		from = c.After.Append(nil)
	}
	if c.Until != nil {
		until = c.Until.Append(nil)
	} else {
		until = strconv.AppendInt(nil, due.Unix(), 10)
	}
	h := schemas.Sum("waybill/gateway/message", []byte(subscription), strconv.AppendUint(nil, c.Round, 10), from, until)
	return "msg_" + hex.EncodeToString(h[:16])
}

// signGS1 writes GS1-Signature (EPCIS 2.0, 12.6): the HMAC-SHA256 of the body under the
// signatureToken, in hexadecimal, if there is one.
func signGS1(h http.Header, token string, body []byte) {
	if token != "" {
		h.Set("GS1-Signature", hex.EncodeToString(mac([]byte(token), body)))
	}
}

// secretPrefix begins secrets as Standard Webhooks write them; base64 follows.
const secretPrefix = "whsec_"

// sign writes the headers of Standard Webhooks that tell which message it is, and, with
// tokens, who sent it: a signature by each of them. One that is written as they write
// secrets, whsec_ and base64, is decoded.
func sign(h http.Header, tokens []string, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	var signatures []string
	for _, token := range tokens {
		secret := []byte(token)
		if text, ok := strings.CutPrefix(token, secretPrefix); ok {
			if b, err := base64.StdEncoding.DecodeString(text); err == nil {
				secret = b
			}
		}
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac(secret, []byte(id+"."+stamp+"."), body)))
	}
	if len(signatures) > 0 {
		h.Set("webhook-signature", strings.Join(signatures, " "))
	}
}

// tokens are what messages are signed with at a time, the newest first.
func (s *subscriber) tokens(now time.Time) (out []string) {
	secrets := s.at().Secrets
	if len(secrets) == 0 && s.Token != "" {
		return []string{s.Token}
	}
	for _, one := range secrets {
		if one.Until.IsZero() || now.Before(one.Until) {
			out = append(out, cmp.Or(one.Token, s.Token))
		}
	}
	return out
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p) // a hash takes everything
	}
	return h.Sum(nil)
}

// post sends a message to the receiver, and answers the status that it answers, and
// how long it wants to be left alone.
func (s *subscriber) post(ctx context.Context, l *letter) (status int, wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Dest, bytes.NewReader(l.body))
	if err != nil {
		return 0, 0, fmt.Errorf("making a message: %w", err)
	}
	maps.Copy(r.Header, l.header)
	r.Header.Set("Content-Type", typeJSON)
	r.Header.Set("User-Agent", s.all.g.vendorVersion())
	now := s.all.now()
	sign(r.Header, s.tokens(now), l.id, now, l.body)
	res, err := s.all.client.Do(r)
	if err != nil {
		var where *url.Error // whose URL may hold secrets of the receiver's
		if errors.As(err, &where) {
			err = where.Err
		}
		return 0, 0, fmt.Errorf("%w cannot be called: %w", errReceiver, err)
	}
	_, err = io.CopyN(io.Discard, res.Body, maxReply) // so that the connection can be used again
	if closed := res.Body.Close(); err == nil || err == io.EOF {
		err = closed
	}
	if err != nil && res.StatusCode/100 != 2 { // its word counts, whatever came of the rest
		return 0, 0, fmt.Errorf("%w gave no whole answer: %w", errReceiver, err)
	}
	return res.StatusCode, retryAfter(res, s.all.now()), nil
}

// retryAfter is how long a receiver that is busy wants to be left alone (RFC 9110,
// 10.2.3: seconds, or a time), 0 where it does not say.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	text := res.Header.Get("Retry-After")
	if text == "" || res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(maxRetryAfter, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(maxRetryAfter, at.Sub(now)))
	}
	return 0
}
