package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// Write says how something is written. The zero value is a plain write.
type Write struct {
	IdempotencyKey string // chosen when empty
	Plain          bool   // no Idempotency-Key: a repeated event is answered as a duplicate
	Proceed        bool   // of documents: record what can be, though other events are refused
	DryRun         bool   // answer what would be, record nothing
}

func (w Write) request(path, mediaType string, body []byte) request {
	h := http.Header{"Content-Type": {mediaType}}
	if w.IdempotencyKey != "" && !w.DryRun {
		h.Set("Idempotency-Key", w.IdempotencyKey)
	}
	if w.Proceed {
		h.Set("GS1-Capture-Error-Behaviour", "proceed")
	}
	if w.DryRun {
		path += "?dryRun=true"
	}
	return request{method: http.MethodPost, path: path, body: body, header: h, plain: w.DryRun || w.Plain}
}

// mediaType tells how EPCIS is written: as XML or as JSON.
func mediaType(text []byte) string {
	if epcisxml.IsXML(text) {
		return "application/xml"
	}
	return "application/json"
}

// Written is what became of a single event or a transaction: a receipt, or, when
// its outcome is not known yet, a job that will tell.
type Written struct {
	Receipt *schemas.Receipt // nil while the outcome is not known
	Job     string           // location of the job, "" when there is a receipt
}

// Event captures one event, JSON or XML, and waits for its commit, for as long as the gateway
// does.
func (c *Client) Event(ctx context.Context, event []byte, how Write) (*Written, error) {
	return c.write(ctx, how.request("/epcis/v2/events", mediaType(event), event))
}

// Transaction broadcasts a transaction that the caller signed.
func (c *Client) Transaction(ctx context.Context, raw []byte, how Write) (*Written, error) {
	return c.write(ctx, how.request("/api/v1/transactions", transactionType, raw))
}

// transactionType is the media type of a signed transaction.
const transactionType = "application/vnd.waybill.transaction"

func (c *Client) write(ctx context.Context, q request) (*Written, error) {
	a, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusAccepted {
		return &Written{Job: a.header.Get("Location")}, nil
	}
	receipt, err := decode[schemas.Receipt](a)
	return &Written{Receipt: receipt}, err
}

// Capture gives a document, JSON or XML, to the gateway. The job that it answers is running:
// Wait waits for its end.
func (c *Client) Capture(ctx context.Context, document []byte, how Write) (*api.Job, error) {
	how.DryRun = false
	a, err := c.do(ctx, how.request("/epcis/v2/capture", mediaType(document), document))
	if err != nil {
		return nil, err
	}
	job, err := decode[api.Job](a)
	if err != nil {
		return nil, err
	}
	if job.Location = a.header.Get("Location"); job.Location == "" {
		return nil, fmt.Errorf("%w: a capture without a job", errAnswer)
	}
	return job, nil
}

// DryRun answers the receipt that a document would get. Nothing is recorded.
func (c *Client) DryRun(ctx context.Context, document []byte, how Write) (*schemas.Receipt, error) {
	how.DryRun = true
	a, err := c.do(ctx, how.request("/epcis/v2/capture", mediaType(document), document))
	if err != nil {
		return nil, err
	}
	return decode[schemas.Receipt](a)
}

// Job asks what became of a capture, by its location or its id.
func (c *Client) Job(ctx context.Context, job string) (*api.Job, error) {
	if !strings.HasPrefix(job, "/") {
		job = "/epcis/v2/capture/" + url.PathEscape(job)
	}
	return get[api.Job](ctx, c, job, nil)
}

// Jobs lists captures, newest first, from a page on, "" for the first, and tells
// the next page, "" behind the last.
func (c *Client) Jobs(ctx context.Context, perPage int, page string) (jobs []api.Job, next string, err error) {
	return listOf[api.Job](ctx, c, "/epcis/v2/capture", perPage, page)
}

// Wait asks until a job has ended, or the context ends. A job that ended without
// success is no error: its Errors tell.
func (c *Client) Wait(ctx context.Context, job string) (*api.Job, error) {
	pause := 10 * time.Millisecond
	for {
		j, err := c.Job(ctx, job)
		if err != nil {
			return nil, err
		}
		if !j.Running {
			return j, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return j, ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, time.Second)
	}
}
