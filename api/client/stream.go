package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api"
)

// silence is how long a stream may be quiet, signs of life included, before its
// connection counts as dead: four times what a gateway leaves between them.
const silence = time.Minute

// Stream calls tell with every message that is committed and that the parameters of
// GET /api/v1/stream let through (docs/stream.md), each once and in the ledger's order. A
// connection that ends is made anew behind the last record, as often as the client tries
// anything. It ends with the context, with an error of tell or of the gateway, or, where
// follow is false, with nil when all that is committed was told.
func (c *Client) Stream(ctx context.Context, parameters url.Values, tell func(*api.Streamed) error) error {
	q := url.Values{}
	maps.Copy(q, parameters)
	pause := c.pause
	for failed := 0; ; {
		last, err := c.streamOnce(ctx, q, tell)
		var told *toldError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &told):
			return told.error
		case err == nil && q.Get("follow") == "false":
			return nil
		case err != nil && !again(err):
			return err
		}
		if last != "" {
			q.Set("after", last)
			failed, pause = 0, c.pause
		}
		if failed++; failed >= c.attempts {
			return errors.Join(errors.New("the stream ends again and again"), err)
		}
		if err := rest(ctx, pause, err); err != nil {
			return err
		}
		pause *= 2
	}
}

// errSilent says that a connection gave no sign of life for too long.
var errSilent = errors.New("the stream gives no sign of life")

// toldError is the caller's own, which no new connection cures.
type toldError struct{ error }

// streamOnce follows one connection to its end, and answers the last cursor that it had.
func (c *Client) streamOnce(ctx context.Context, q url.Values, tell func(*api.Streamed) error) (last string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() {
		if err != nil && context.Cause(ctx) == errSilent { // else it would look as if the caller had enough
			err = errSilent
		}
	}()
	endless := *c.http
	endless.Timeout = 0 // that of a whole answer
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	res, err := c.send(ctx, &endless, request{method: http.MethodGet, path: "/api/v1/stream?" + q.Encode()})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, int(c.most))
	var data, id string
	for lines.Scan() {
		quiet.Reset(silence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimPrefix(value, " "); {
		case lines.Text() == "": // the end of a record
			if data != "" {
				one := &api.Streamed{}
				if err := json.Unmarshal([]byte(data), one); err != nil {
					return last, fmt.Errorf("%w: %w", errAnswer, err)
				}
				if err := tell(one); err != nil {
					return last, &toldError{err}
				}
			}
			if id != "" {
				last = id
			}
			data, id = "", ""
		case name == "data":
			data += value
		case name == "id":
			id = value
		}
	}
	if err := lines.Err(); err != nil {
		return last, fmt.Errorf("reading the stream of %s: %w", c.base, err)
	}
	return last, nil
}
