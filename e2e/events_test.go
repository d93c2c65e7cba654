package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// newEvent is a commissioning by partner i, of an item and under an eventID that
// the run and n make unique.
func newEvent(i int, run string, n int) (eventID string, body []byte) {
	eventID = fmt.Sprintf("urn:example:%s-%d-%d", run, i, n)
	body, err := json.Marshal(map[string]any{
		"@context": []any{"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"},
		"type":     "ObjectEvent", "action": "ADD", "bizStep": "commissioning", "disposition": "active",
		"eventTime": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "eventTimeZoneOffset": "+00:00", "eventID": eventID,
		"epcList": []any{fmt.Sprintf("urn:epc:id:sgtin:%d.012345.%s-%d", 9521234+i, run, n)},
	})
	if err != nil {
		panic(err) // strings and lists always encode
	}
	return eventID, body
}

// acknowledge captures an event and waits for its final outcome, which must be
// its commit. It asks again, under one idempotency key, while the node is down.
func acknowledge(ctx context.Context, c *client.Client, body []byte) error {
	how := client.Write{IdempotencyKey: client.NewIdempotencyKey()}
	return poll(ctx, func() (bool, error) {
		w, err := c.Event(ctx, body, how)
		if down(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if w.Receipt != nil {
			if len(w.Receipt.Events) != 1 || w.Receipt.Events[0].Code != schemas.OK {
				return false, fmt.Errorf("receipt %+v", w.Receipt)
			}
			return true, nil
		}
		return true, finish(ctx, c, w.Job)
	})
}

// finish waits for a job's end, which must be success.
func finish(ctx context.Context, c *client.Client, location string) error {
	return poll(ctx, func() (bool, error) {
		job, err := c.Job(ctx, location)
		switch {
		case down(err) || err == nil && job.Running:
			return false, nil
		case err != nil:
			return false, err
		case !job.Success:
			return false, fmt.Errorf("the job ended with %+v", job.Errors)
		}
		return true, nil
	})
}

// down reports whether an error is that of a node which cannot be reached, or
// cannot take requests yet.
func down(err error) bool {
	if err == nil {
		return false
	}
	p := client.Problem(err)
	return p == nil || p.Status == http.StatusServiceUnavailable || p.Code == schemas.InProgress
}

// onAllNodesOnce checks that every node has every event, once, with one body.
func (x *testNet) onAllNodesOnce(t *testing.T, ids []string) {
	t.Helper()
	for _, id := range ids {
		var first string
		for i, m := range x.members {
			events, err := x.client(t, i).EventsByID(t.Context(), id)
			if err != nil {
				t.Fatalf("asking %s for %s: %v", m.Partner, id, err)
			}
			if len(events.List) != 1 {
				t.Fatalf("%s has %s %d times", m.Partner, id, len(events.List))
			}
			if i == 0 {
				first = string(events.List[0])
			}
			if diff := cmp.Diff(first, string(events.List[0])); diff != "" {
				t.Fatalf("%s has %s otherwise than %s (-, +):\n%s", m.Partner, id, x.members[0].Partner, diff)
			}
		}
	}
}

// level waits until every node has committed what any of them has now.
func (x *testNet) level(t *testing.T) {
	t.Helper()
	height := int64(0)
	for i := range x.members {
		n, err := x.client(t, i).Network(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		height = max(height, n.Height)
	}
	for i, m := range x.members {
		c := x.plain(t, i)
		eventually(t, fmt.Sprintf("%s reaches height %d", m.Partner, height), func() bool {
			have, err := c.Network(t.Context())
			return err == nil && have.Height >= height
		})
	}
}
