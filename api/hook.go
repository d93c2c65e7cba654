package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// WebhookMessage is the body of a message to a webhook, as Standard Webhooks want it.
type WebhookMessage struct {
	Type string    `json:"type"`      // of the record, or "batch"
	Time time.Time `json:"timestamp"` // of the block, in a batch of the last
	// Data is a Streamed; of a webhook that asked for batches a list of them, whatever
	// their number.
	Data json.RawMessage `json:"data"`
}

const batchType = "batch"

// hook tells what the stream tells of, one record a message, or so many as the webhook
// asked for.
type hook struct {
	g   *Gateway
	sub *local.Subscription
}

// behind looks at few records more than streamStep at once, but where a message was begun
// before, whose records are not farther apart. To begin to read costs as much as a
// hundred records, so that there are no small steps.
func (h *hook) behind(ctx context.Context, c *local.Cursor, _ int64, limit int) (m *message, err error) {
	err = h.g.read(func(view View) error {
		m = &message{height: view.Height()}
		if c.After != nil {
			m.end = *c.After
		}
		looked, more := 0, true
		for step := max(messageSteps, limit); more && (looked < streamStep || c.Until != nil); step = streamStep {
			if err := ctx.Err(); err != nil {
				return err
			}
			records, others, err := view.Messages(m.end, step)
			if err != nil {
				return err
			}
			if more, err = h.fill(m, records, c.Until, limit); err != nil {
				return err
			}
			if more && !others {
				more, m.ended = false, true
				if end := endOf(m.height); m.end.Compare(end) < 0 {
					m.end = end
				}
			}
			looked += len(records)
		}
		return nil
	})
	return m, err
}

// fill puts records into a message, and tells whether it may hold more.
func (h *hook) fill(m *message, records []schemas.Record, until *schemas.Locator, limit int) (more bool, err error) {
	size := 0
	for _, text := range m.texts {
		size += len(text)
	}
	for i := range records {
		r := &records[i]
		if until != nil && r.Compare(*until) > 0 || len(m.records) >= limit {
			return false, nil
		}
		if one := streamed(h.sub.Filter, r); one != nil {
			text, err := json.Marshal(one)
			if err != nil {
				return false, fmt.Errorf("writing a record of the stream: %w", err)
			}
			if size += len(text); size > h.g.limits.MessageBytes && len(m.records) > 0 {
				return false, nil
			}
			m.records, m.texts, m.given = append(m.records, *r), append(m.texts, text), m.given+1
		}
		m.end = r.Locator
	}
	return len(m.records) < limit, nil
}

// letter names a message by its webhook and its records alone, so that it is known
// again whenever these are delivered, by a replay, too.
func (h *hook) letter(m *message, _ *local.Cursor, _ time.Time) (*letter, error) {
	first, last := &m.records[0], &m.records[len(m.records)-1]
	out := WebhookMessage{Type: typeOf(first), Time: last.Time, Data: m.texts[0]}
	var err error
	if h.sub.Batch > 0 {
		out.Type = batchType
		out.Data, err = json.Marshal(m.texts)
	}
	var body []byte
	if err == nil {
		body, err = json.Marshal(out)
	}
	if err != nil {
		return nil, fmt.Errorf("writing a message of a webhook: %w", err)
	}
	id := schemas.Sum("waybill/gateway/webhook", []byte(h.sub.ID), first.Append(nil), last.Append(nil))
	return &letter{id: "msg_" + hex.EncodeToString(id[:16]), body: body}, nil
}
