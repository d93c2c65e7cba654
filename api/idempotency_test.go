package api_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

const idempotent = "Idempotency-Key"

func same(t *testing.T, first, again reply) {
	t.Helper()
	if first.status != again.status || !bytes.Equal(first.body, again.body) || first.header.Get("Location") != again.header.Get("Location") ||
		first.header.Get("Content-Type") != again.header.Get("Content-Type") {
		t.Fatalf("first %d %s %s\nagain %d %s %s", first.status, first.header.Get("Location"), first.body, again.status, again.header.Get("Location"), again.body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(7, `"eventID":"urn:uuid:1"`)).want(t, 201)
	raw := h.signed(event(8))
	for _, p := range []struct {
		name, path, body, other string
		status                  int
	}{
		{"event", "/epcis/v2/events", event(1), event(2), 201},
		{"known event", "/epcis/v2/events", event(7, `"eventID":"urn:uuid:1"`), event(2), 200},
		{"refused event", "/epcis/v2/events", event(5, `"eventID":"urn:uuid:1"`), event(6), 409},
		{"document", "/epcis/v2/capture", document(event(3)), document(event(4)), 202},
		{"empty document", "/epcis/v2/capture", document(), document(event(4)), 202},
		{"act", "/api/v1/shipments/urn:example:s:1/hold", `{}`, `{"reason":"wet"}`, 201},
		{"proposal", "/api/v1/proposals", `{"kind":"remove","partner":"mill"}`, `{"kind":"suspend","partner":"mill"}`, 201},
		{"transaction", "/api/v1/transactions", string(raw), string(h.signed(event(9))), 201},
	} {
		t.Run(p.name, func(t *testing.T) {
			headers := []string{idempotent, p.name}
			if p.name == "transaction" {
				headers = append(headers, "Content-Type", "application/vnd.waybill.transaction")
			}
			first := h.do("POST", p.path, p.body, headers...).want(t, p.status)
			if location := first.header.Get("Location"); p.status == 202 {
				h.job(location)
			}
			count := h.ledger.count()
			signed, _ := h.ledger.sent()
			again := h.do("POST", p.path, p.body, headers...)
			same(t, first, again)
			if again.header.Get("Idempotency-Replayed") != "true" {
				t.Error("a repeat does not say so")
			}
			h.do("POST", p.path, p.other, headers...).problem(t, 409, "idempotency_conflict")
			h.stop()
			h.start()
			same(t, first, h.do("POST", p.path, p.body, headers...))
			if after, _ := h.ledger.sent(); after != signed || h.ledger.count() != count {
				t.Fatal("a repeat was signed again")
			}
		})
	}
}

// signed is a transaction that its client signed.
func (h *harness) signed(events ...string) []byte {
	h.t.Helper()
	var list []*schemas.Event
	for _, e := range events {
		decoded, err := schemas.DecodeSingle([]byte(e))
		if err != nil {
			h.t.Fatal(err)
		}
		list = append(list, decoded)
	}
	s, err := h.ledger.Sign("erp", false, list)
	if err != nil {
		h.t.Fatal(err)
	}
	return s.Raw
}

func TestIdempotencyKeyIsChecked(t *testing.T) {
	h := newHarness(t, defaults())
	long := string(bytes.Repeat([]byte("x"), 256))
	h.do("POST", "/epcis/v2/events", event(1), idempotent, long).problem(t, 400, "bad_parameter")
	h.do("POST", "/epcis/v2/events", event(1), idempotent, "").problem(t, 400, "bad_parameter")
	// A malformed request leaves the key free.
	h.do("POST", "/epcis/v2/events", `{"type":"ObjectEvent"}`, idempotent, "k").problem(t, 400, "missing_field")
	h.do("POST", "/epcis/v2/events", event(1), idempotent, "k").want(t, 201)
	// Another API key's use of the same Idempotency-Key is another request.
	other, _, err := h.store.CreateKey("other", local.Capture)
	if err != nil {
		t.Fatal(err)
	}
	h.do("POST", "/epcis/v2/events", event(2), idempotent, "k", "Authorization", "Bearer "+other).want(t, 201)
	// A dry run is no use of the key.
	h.do("POST", "/epcis/v2/events?dryRun=true", event(3), idempotent, "d").want(t, 200)
	h.do("POST", "/epcis/v2/events", event(4), idempotent, "d").want(t, 201)
}

// TestRepeatsWait: repeats of a request that is being worked on get its answer,
// and it is recorded once.
func TestRepeatsWait(t *testing.T) {
	h := newHarness(t, defaults())
	h.ledger.set(func() { h.ledger.quorum = false })
	var replies []reply
	var wg sync.WaitGroup
	wg.Go(func() {
		replies = h.parallel(8, func(int) (reply, error) { return h.try("POST", "/epcis/v2/events", event(1), idempotent, "k") })
	})
	eventually(t, "it is broadcast", func() bool { _, n := h.ledger.sent(); return n > 0 })
	h.ledger.restore()
	wg.Wait()
	for _, r := range replies {
		r.want(t, 201)
		same(t, replies[0], r)
	}
	if n := h.ledger.count(); n != 1 {
		t.Fatalf("%d events recorded", n)
	}
}

func TestInProgress(t *testing.T) {
	h := newHarness(t, hasty())
	hold := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(hold) }) }
	defer release()
	h.ledger.set(func() {
		h.ledger.refuse = func(*schemas.Transaction) *schemas.Fault { return nil }
	})
	// The first is held before it is accepted, so that it has no answer to give.
	h.stop()
	slow := &slowDB{DB: h.db.DB, hold: hold, held: make(chan struct{}, 100)}
	h.db.DB = slow
	h.start()
	slow.on.Store(true)
	first := make(chan reply, 1)
	go func() {
		r, _ := h.try("POST", "/epcis/v2/events", event(1), idempotent, "k")
		first <- r
	}()
	<-slow.held
	r := h.do("POST", "/epcis/v2/events", event(1), idempotent, "k")
	r.problem(t, 409, "in_progress")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.do("POST", "/epcis/v2/events", event(2), idempotent, "k").problem(t, 409, "idempotency_conflict")
	release()
	if r := <-first; r.status != 201 && r.status != 202 {
		t.Fatalf("the first: %d %s", r.status, r.body)
	}
}

// TestFirstAnswerAcrossAKill: a request that was accepted, and whose client was
// told nothing because the gateway was killed, is answered when it is repeated.
func TestFirstAnswerAcrossAKill(t *testing.T) {
	limits := defaults()
	limits.Acknowledge = time.Minute
	h := newHarness(t, limits)
	h.ledger.set(func() { h.ledger.quorum = false })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = h.try("POST", "/epcis/v2/events", event(1), idempotent, "k")
	}()
	eventually(t, "it is broadcast", func() bool { _, n := h.ledger.sent(); return n > 0 })
	h.server.CloseClientConnections()
	<-ended
	// Until the gateway has noticed, stopping it would answer 202, and keep that.
	eventually(t, "the client is known to have gone", func() bool { return h.g.TestingOnlyFlights() == 0 })
	h.stop()
	h.start()
	got := make(chan reply, 1)
	go func() {
		r, _ := h.try("POST", "/epcis/v2/events", event(1), idempotent, "k")
		got <- r
	}()
	_, before := h.ledger.sent()
	eventually(t, "it is broadcast again", func() bool { _, n := h.ledger.sent(); return n > before || before > 1 })
	h.ledger.restore()
	first := <-got
	first.want(t, 201)
	same(t, first, h.do("POST", "/epcis/v2/events", event(1), idempotent, "k"))
	if n := h.ledger.count(); n != 1 {
		t.Fatalf("%d events recorded", n)
	}
}

// TestAcceptedAnswerStays: who was told 202 is told the same again, and the job
// tells the outcome.
func TestAcceptedAnswerStays(t *testing.T) {
	h := newHarness(t, hasty())
	h.ledger.set(func() { h.ledger.quorum = false })
	first := h.do("POST", "/epcis/v2/events", event(1), idempotent, "k").want(t, 202)
	same(t, first, h.do("POST", "/epcis/v2/events", event(1), idempotent, "k"))
	h.stop()
	h.start()
	same(t, first, h.do("POST", "/epcis/v2/events", event(1), idempotent, "k"))
	h.ledger.restore()
	if j := h.job(first.header.Get("Location")); !j.Success {
		t.Fatalf("job: %+v", j)
	}
	same(t, first, h.do("POST", "/epcis/v2/events", event(1), idempotent, "k"))
	if n := h.ledger.count(); n != 1 {
		t.Fatalf("%d events recorded", n)
	}
}

// TestGuestIsMadeOnce: a repeat gets the same API key, which the gateway has nowhere, also
// after a restart; without the header each request makes one.
func TestGuestIsMadeOnce(t *testing.T) {
	h := newHarness(t, defaults())
	const path, body = "/api/v1/guests", `{"name":"auditor","grant":["borg-foods"]}`
	first := h.do("POST", path, body, idempotent, "k").want(t, 201)
	guest := into[api.Guest](t, first)
	same(t, first, h.do("POST", path, body, idempotent, "k"))
	h.stop()
	h.start()
	same(t, first, h.do("POST", path, body, idempotent, "k"))
	h.do("POST", path, strings.Replace(body, "borg", "other", 1), idempotent, "k").problem(t, 409, "idempotency_conflict")
	if k, ok := h.store.Authenticate(guest.Key); !ok || k.ID != guest.ID {
		t.Errorf("the API key is that of %+v", k)
	}
	if other := into[api.Guest](t, h.do("POST", path, body, idempotent, "l").want(t, 201)); other.ID == guest.ID || other.Key == guest.Key {
		t.Errorf("under another key the same guest: %+v", other)
	}
	if other := into[api.Guest](t, h.do("POST", path, body).want(t, 201)); other.ID == guest.ID {
		t.Errorf("without a key the same guest: %+v", other)
	}
	rows, err := h.db.Iterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for ; rows.Valid(); rows.Next() {
		if bytes.Contains(rows.Value(), []byte(guest.Key)) {
			t.Errorf("the store has the API key: %s", rows.Value())
		}
	}
}

// TestActIsFound: the Location of an act or an order leads to its transaction, since no
// event has its id; also when its outcome was found out after a kill.
func TestActIsFound(t *testing.T) {
	h := newHarness(t, defaults())
	h.stop()
	forgetful := &forgetfulDB{DB: h.db.DB}
	h.db.DB = forgetful
	h.start()
	for path, body := range map[string]string{"/api/v1/shipments": `{"receiver":"shop","items":["urn:epc:id:sgtin:9521234.054321.1001"]}`, "/api/v1/erasures": `{"order":"hold","eventID":"urn:uuid:1"}`} {
		forgetful.on.Store(true)
		first := h.do("POST", path, body, idempotent, "k").want(t, 201)
		h.stop()
		forgetful.on.Store(false)
		h.start()
		again := h.do("POST", path, body, idempotent, "k").want(t, 201)
		for _, r := range []reply{first, again} {
			found := h.do("GET", r.header.Get("Location"), "").want(t, 200)
			if into[schemas.Receipt](t, found).Transaction != into[schemas.Receipt](t, r).Transaction {
				t.Errorf("%s: Location %s leads to %s", path, r.header.Get("Location"), found.body)
			}
		}
	}
}

// TestOutcomeLost: a kill after the commit, before the outcome is on the disk,
// records nothing twice, even when the transaction has expired meanwhile.
func TestOutcomeLost(t *testing.T) {
	for _, expired := range []bool{false, true} {
		h := newHarness(t, defaults())
		h.stop()
		forgetful := &forgetfulDB{DB: h.db.DB}
		h.db.DB = forgetful
		h.start()
		forgetful.on.Store(true)
		h.do("POST", "/epcis/v2/events", event(1), idempotent, "k").want(t, 201)
		whole := h.do("POST", "/epcis/v2/capture", document(event(2), event(3))).want(t, 202).header.Get("Location")
		eventually(t, "all is on the ledger", func() bool { return h.ledger.count() == 3 })
		h.stop()
		forgetful.on.Store(false)
		if expired {
			h.ledger.pass(h.ledger.life + 1)
		}
		h.start()
		if j := h.job(whole); !j.Success || len(j.Receipt.Events) != 2 {
			t.Fatalf("job: %+v", j)
		}
		r := h.do("POST", "/epcis/v2/events", event(1), idempotent, "k").want(t, 201)
		if receipt := into[schemas.Receipt](t, r); len(receipt.Events) != 1 || receipt.Events[0].Effect != schemas.Observation {
			t.Fatalf("receipt: %s", r.body)
		}
		if n, committed := h.ledger.count(), len(h.ledger.committed()); n != 3 || committed != 2 {
			t.Fatalf("%d events in %d transactions", n, committed)
		}
	}
}
