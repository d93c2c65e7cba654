// Package client talks to a gateway as an ERP system does: over REST, with an
// API key. The command line, the demonstration, the load generator and the tests
// of whole networks use it, so that what they do others can do.
//
// Reads are repeated when the gateway cannot be reached or sheds load. Writes are
// repeated too, because each carries an Idempotency-Key: whatever became of the
// first attempt, the ledger records it once, and its answer is given again. Even
// without that key the ledger records an event once; a repeat is then answered as
// a duplicate.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// maxAnswer bounds what is read of an answer, unless told less.
const maxAnswer = 256 << 20

// Client talks to one gateway. It may be used by many goroutines.
type Client struct {
	base     string
	key      string
	http     *http.Client
	attempts int
	pause    time.Duration
	most     int64 // bytes of an answer
}

// URL is that of the gateway that the client asks.
func (c *Client) URL() string { return c.base }

// Option changes a client.
type Option func(*Client)

// WithAttempts says how often a request is tried, and how long the first pause
// between is; each is twice the one before.
func WithAttempts(attempts int, pause time.Duration) Option {
	return func(c *Client) { c.attempts, c.pause = max(1, attempts), pause }
}

// WithAnswers bounds the bytes that are read of an answer.
func WithAnswers(most int64) Option { return func(c *Client) { c.most = most } }

// New returns a client of the gateway at a URL such as http://127.0.0.1:8080.
func New(node, key string, options ...Option) (*Client, error) {
	u, err := url.Parse(node)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the URL of a node, like http://127.0.0.1:8080", node)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	c := &Client{base: strings.TrimSuffix(u.String(), "/"), key: key, attempts: 5, pause: 100 * time.Millisecond, most: maxAnswer,
		http: &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

// request is one thing asked of a gateway.
type request struct {
	method string
	path   string // percent-encoded, with its query
	body   []byte
	header http.Header
	plain  bool // without an Idempotency-Key
}

// answer is what a gateway answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// Problem finds the gateway's problem document in an error; nil when the error is
// another.
func Problem(err error) *api.Problem {
	var p *api.Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// Code is the code of the problem in an error, OK when it is another error.
func Code(err error) schemas.Code {
	if p := Problem(err); p != nil {
		return p.Code
	}
	return schemas.OK
}

// do asks, and asks again while that is safe and may help.
func (c *Client) do(ctx context.Context, q request) (*answer, error) {
	if q.header == nil {
		q.header = http.Header{}
	}
	if q.method == http.MethodPost && !q.plain && q.header.Get("Idempotency-Key") == "" {
		q.header.Set("Idempotency-Key", NewIdempotencyKey())
	}
	pause := c.pause
	for attempt := 1; ; attempt++ {
		a, err := c.once(ctx, q)
		if err == nil || attempt >= c.attempts || !again(err) {
			return a, err
		}
		if e := rest(ctx, pause, err); e != nil {
			return nil, errors.Join(e, err)
		}
		pause *= 2
	}
}

// rest waits before what broke down is asked again: for a pause, or for as long as the
// gateway said.
func rest(ctx context.Context, pause time.Duration, err error) error {
	if p := Problem(err); p != nil {
		pause = max(pause, time.Duration(p.RetryAfter)*time.Second)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// again reports whether the same request may succeed later. A fault inside the
// node is not one of these cases: whether it passes, nobody knows.
func again(err error) bool {
	if p := Problem(err); p != nil {
		switch p.Code {
		case schemas.Overloaded, schemas.Unavailable, schemas.RateLimited, schemas.InProgress:
			return true
		}
		return false
	}
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errAnswer)
}

// errAnswer says that what answered is no gateway, or a broken one.
var errAnswer = errors.New("the answer cannot be read")

// NewIdempotencyKey makes a key for one write.
func NewIdempotencyKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

func (c *Client) once(ctx context.Context, q request) (*answer, error) {
	res, err := c.send(ctx, c.http, q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := c.read(res)
	if err != nil {
		return nil, err
	}
	return &answer{res.StatusCode, res.Header, body}, nil
}

// send sends a request. The body of what is answered is the caller's to read and to
// close; a refusal is an error.
func (c *Client) send(ctx context.Context, by *http.Client, q request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	if q.header != nil {
		req.Header = q.header.Clone()
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := by.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", c.base, err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	body, err := c.read(res)
	if err != nil {
		return nil, err
	}
	return nil, problemOf(res, body)
}

// read reads the whole of an answer, which is bounded.
func (c *Client) read(res *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, c.most+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	if int64(len(body)) > c.most {
		return nil, fmt.Errorf("%w: larger than %d bytes", errAnswer, c.most)
	}
	return body, nil
}

// problemOf reads a problem document.
func problemOf(res *http.Response, body []byte) error {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	p := &api.Problem{}
	if media != "application/problem+json" || json.Unmarshal(body, p) != nil {
		return fmt.Errorf("%w: status %s without a problem document", errAnswer, res.Status)
	}
	p.Status = res.StatusCode
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = seconds
	}
	return p
}

// get reads a JSON document.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	a, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return decode[T](a)
}

func decode[T any](a *answer) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(a.body, v); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return v, nil
}
