package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// client returns a Go client of the harness's gateway.
func (h *harness) client(options ...client.Option) *client.Client {
	h.t.Helper()
	c, err := client.New(h.server.URL, h.key, options...)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestClient(t *testing.T) {
	h := newHarness(t, defaults())
	c, ctx := h.client(), context.Background()
	written, err := c.Event(ctx, []byte(event(1)), client.Write{})
	if err != nil || written.Receipt == nil || written.Receipt.Height != 2 {
		t.Fatalf("%+v %v", written, err)
	}
	job, err := c.Capture(ctx, []byte(document(event(2), event(3))), client.Write{Proceed: true})
	if err != nil {
		t.Fatal(err)
	}
	if job, err = c.Wait(ctx, job.Location); err != nil || !job.Success || len(job.Receipt.Events) != 2 {
		t.Fatalf("%+v %v", job, err)
	}
	if again, err := c.Job(ctx, job.CaptureID); err != nil || again.CaptureID != job.CaptureID {
		t.Fatalf("%+v %v", again, err)
	}
	if list, next, err := c.Jobs(ctx, 10, ""); err != nil || len(list) != 1 || next != "" {
		t.Fatalf("%+v %q %v", list, next, err)
	}
	if receipt, err := c.DryRun(ctx, []byte(document(event(4))), client.Write{}); err != nil || len(receipt.Events) != 1 {
		t.Fatalf("%+v %v", receipt, err)
	}
	if written, err = c.Transaction(ctx, h.signed(event(5)), client.Write{}); err != nil || written.Receipt == nil {
		t.Fatalf("%+v %v", written, err)
	}
	if tx, err := c.Receipt(ctx, written.Receipt.Transaction); err != nil || tx.Partner != "acme-farms" || tx.Height != written.Receipt.Height {
		t.Fatalf("%+v %v", tx, err)
	}
	reads(t, c)
	shipment := schemas.BundleQuery{ID: "urn:example:shipment:7", Of: schemas.BundleOfShipment, Units: true, Names: true}
	if _, err := c.Bundle(ctx, shipment); err != nil {
		t.Fatal(err)
	}
	h.ledger.mu.Lock()
	if diff := cmp.Diff(shipment, h.ledger.asked); diff != "" {
		t.Error(diff)
	}
	h.ledger.mu.Unlock()

	_, err = c.Event(ctx, []byte(`{"type":"ObjectEvent"}`), client.Write{})
	if p := client.Problem(err); p == nil || p.Code != schemas.MissingField || p.Status != 400 || p.Hint == "" || client.Code(err) != schemas.MissingField {
		t.Fatalf("%v", err)
	}
	if _, err := c.Item(ctx, "urn:epc:id:sgtin:9521234.054321.404"); client.Code(err) != schemas.NotFound {
		t.Fatalf("%v", err)
	}
	if client.Code(context.Canceled) != schemas.OK {
		t.Fatal("a code of another error")
	}
	if _, err := client.New("nowhere", ""); err == nil {
		t.Fatal("a node without a URL")
	}
}

func reads(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := context.Background()
	if item, err := c.Item(ctx, itemURN); err != nil || item.Observations != 1 {
		t.Fatalf("%+v %v", item, err)
	}
	if text, err := c.ItemJSON(ctx, itemURN); err != nil || !strings.Contains(string(text), `"observations":1`) {
		t.Fatalf("%s %v", text, err)
	}
	if trail, err := c.WholeTrail(ctx, itemURN); err != nil || len(trail.Records) != 1 {
		t.Fatalf("%+v %v", trail, err)
	}
	if trace, err := c.Trace(ctx, itemURN, schemas.Upstream, 4); err != nil || len(trace.Events) != 1 {
		t.Fatalf("%+v %v", trace, err)
	}
	if bundle, err := c.Bundle(ctx, schemas.BundleQuery{ID: itemURN}); err != nil || !strings.HasPrefix(string(bundle), "bundle\x00") {
		t.Fatalf("%q %v", bundle, err)
	}
	if trust, err := c.Trust(ctx); err != nil || trust.ChainID != "test" {
		t.Fatalf("%+v %v", trust, err)
	}
	if network, err := c.Network(ctx); err != nil || network.ChainID != "test" {
		t.Fatalf("%+v %v", network, err)
	}
	if partners, err := c.Partners(ctx); err != nil || len(partners.Partners) != 1 {
		t.Fatalf("%+v %v", partners, err)
	}
	if list, err := c.Exceptions(ctx, "", 2, ""); err != nil || len(list.Records) != 2 || list.NextPageToken == "" {
		t.Fatalf("%+v %v", list, err)
	}
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	page, err := c.Events(ctx, url.Values{"perPage": {"3"}})
	if err != nil || len(page.List) != 3 || page.Next == "" {
		t.Fatalf("%+v %v", page, err)
	}
	rest, err := c.Events(ctx, url.Values{"perPage": {"3"}, "nextPageToken": {page.Next}})
	if err != nil || len(rest.List) != 1 || rest.Next != "" {
		t.Fatalf("%+v %v", rest, err)
	}
	if _, err := c.EventsByID(ctx, "none"); client.Code(err) != schemas.NotFound {
		t.Fatalf("%v", err)
	}
}

func TestClientIsTold202(t *testing.T) {
	h := newHarness(t, hasty())
	h.ledger.set(func() { h.ledger.quorum = false })
	c, ctx := h.client(), context.Background()
	written, err := c.Event(ctx, []byte(event(1)), client.Write{})
	if err != nil || written.Receipt != nil || written.Job == "" {
		t.Fatalf("%+v %v", written, err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := c.Wait(short, written.Job); err == nil {
		t.Fatal("a job without quorum ended")
	}
	h.ledger.restore()
	if job, err := c.Wait(ctx, written.Job); err != nil || !job.Success {
		t.Fatalf("%+v %v", job, err)
	}
}

// TestClientRepeats: an answer that got lost is asked for again, and the event is
// recorded once, with its first receipt, because the key is the same.
func TestClientRepeats(t *testing.T) {
	h := newHarness(t, defaults())
	var asked atomic.Int64
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1: // recorded, but nobody is told
			h.g.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"type":"x","title":"overloaded","status":503,"code":"overloaded"}`))
		default:
			h.g.ServeHTTP(w, r)
		}
	}))
	defer flaky.Close()
	c, err := client.New(flaky.URL, h.key, client.WithAttempts(4, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	written, err := c.Event(context.Background(), []byte(event(1)), client.Write{})
	if err != nil || written.Receipt.Events[0].Effect != schemas.Observation {
		t.Fatalf("%+v %v", written, err)
	}
	if asked.Load() != 3 || h.ledger.count() != 1 {
		t.Fatalf("asked %d times, %d recorded", asked.Load(), h.ledger.count())
	}
	asked.Store(0)
	written, err = c.Event(context.Background(), []byte(event(2)), client.Write{Plain: true})
	if err != nil || written.Receipt.Events[0].Effect != schemas.Duplicate {
		t.Fatalf("without a key: %+v %v", written, err)
	}
}

// TestClientGivesUp: what cannot help is not repeated, and no context is outlived.
func TestClientGivesUp(t *testing.T) {
	var asked atomic.Int64
	status, body := http.StatusBadGateway, "<html>"
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer broken.Close()
	c, err := client.New(broken.URL, "", client.WithAttempts(3, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Network(context.Background()); err == nil || !strings.Contains(err.Error(), "502") || asked.Load() != 1 {
		t.Fatalf("%v after %d", err, asked.Load())
	}
	status, body = 200, "no JSON"
	if _, err := c.Network(context.Background()); err == nil {
		t.Fatal("an answer that is no JSON")
	}
	broken.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Network(ctx); err == nil {
		t.Fatal("an answer of nobody")
	}
}

func TestClientSubscribes(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	c, ctx := h.client(), t.Context()
	if err := c.StoreQuery(ctx, "packed", json.RawMessage(`{"EQ_bizStep":["packing","shipping"]}`)); err != nil {
		t.Fatal(err)
	}
	if err := c.StoreQuery(ctx, "packed", json.RawMessage(`{"EQ_bizStep":"picking"}`)); client.Code(err) != schemas.NameTaken {
		t.Fatalf("%v", err)
	}
	first, next, err := c.Queries(ctx, 1, "")
	if err != nil || len(first) != 1 || first[0].Name != "all" || next == "" {
		t.Fatalf("%v %q %v", first, next, err)
	}
	if rest, next, err := c.Queries(ctx, 1, next); err != nil || len(rest) != 1 || rest[0].Name != "packed" || next != "" {
		t.Fatalf("%v %q %v", rest, next, err)
	}
	made, err := c.Subscribe(ctx, "packed", api.SubscriptionRequest{Dest: r.URL, Token: "secret-token", Stream: true}, "Always_GS1_Digital_Link")
	if err != nil || made.Query != "packed" || made.Format != "Always_GS1_Digital_Link" || made.ID == "" {
		t.Fatalf("%+v %v", made, err)
	}
	h.capture(1)
	eventually(t, "a message", func() bool { return len(r.got()) == 1 })
	if m := r.got()[0]; m.header.Get("GS1-Signature") == "" || !strings.Contains(string(m.body), "https://id.gs1.org/01/09521234543213/21/1") {
		t.Errorf("%v %s", m.header, m.body)
	}
	eventually(t, "delivered", func() bool {
		s, err := c.Subscription(ctx, "packed", made.ID)
		return err == nil && s.Status.State == "current"
	})
	if list, next, err := c.Subscriptions(ctx, "packed", 10, ""); err != nil || len(list) != 1 || next != "" || list[0].ID != made.ID {
		t.Errorf("%v %q %v", list, next, err)
	}
	if _, err := c.Replay(ctx, made.ID, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is told again", func() bool { return len(r.got()) == 2 })
	if err := c.Unsubscribe(ctx, "packed", made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscription(ctx, "packed", made.ID); client.Code(err) != schemas.NotFound {
		t.Errorf("%v", err)
	}
	if err := c.DropQuery(ctx, "packed"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Subscriptions(ctx, "packed", 10, ""); client.Code(err) != schemas.NoSuchName {
		t.Errorf("%v", err)
	}
}
