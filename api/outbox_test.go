package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	dbm "github.com/cosmos/cosmos-db"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// hasty is limits whose requests are answered 202 soon.
func hasty() api.Limits {
	l := defaults()
	l.Acknowledge = 30 * time.Millisecond
	return l
}

// TestAcceptedWithoutQuorum: what was accepted while nothing can be committed is
// committed once, when it can be again, whether or not the gateway was killed in
// between, and however it came.
func TestAcceptedWithoutQuorum(t *testing.T) {
	for _, gather := range []int{1, 100} {
		for _, kill := range []bool{false, true} {
			for _, down := range []error{nil, api.ErrUnavailable} {
				t.Run(fmt.Sprintf("gather %d, kill %t, down %v", gather, kill, down), func(t *testing.T) {
					limits := hasty()
					limits.Gather = gather
					h := newHarness(t, limits)
					h.ledger.set(func() { h.ledger.quorum, h.ledger.down = false, down })
					single := h.do("POST", "/epcis/v2/events", event(1)).want(t, 202).header.Get("Location")
					whole := h.do("POST", "/epcis/v2/capture", document(event(2), event(3))).want(t, 202).header.Get("Location")
					if j := into[api.Job](t, h.do("GET", single, "").want(t, 200)); !j.Running || !j.Success || len(j.Errors) != 0 {
						t.Fatalf("a job without quorum: %+v", j)
					}
					if kill {
						h.stop()
						h.start()
						if j := into[api.Job](t, h.do("GET", single, "").want(t, 200)); !j.Running {
							t.Fatalf("after the kill: %+v", j)
						}
					}
					h.ledger.restore()
					for location, events := range map[string]int{single: 1, whole: 2} {
						j := h.job(location)
						if !j.Success || j.Receipt == nil || len(j.Receipt.Events) != events {
							t.Fatalf("job %s: %+v", location, j)
						}
					}
					if n := h.ledger.count(); n != 3 {
						t.Fatalf("%d events recorded, 3 were accepted", n)
					}
				})
			}
		}
	}
}

// TestSignedAgain: what expired without being committed is signed again under the
// same job, and recorded once.
func TestSignedAgain(t *testing.T) {
	h := newHarness(t, hasty())
	h.ledger.set(func() { h.ledger.quorum, h.ledger.lose = false, true })
	single := h.do("POST", "/epcis/v2/events", event(1)).want(t, 202).header.Get("Location")
	whole := h.do("POST", "/epcis/v2/capture", document(event(2), event(3)), "GS1-Capture-Error-Behaviour", "proceed").want(t, 202).header.Get("Location")
	before, _ := h.ledger.sent()
	h.ledger.pass(h.ledger.life + 1)
	eventually(t, "both are signed again", func() bool { n, _ := h.ledger.sent(); return n >= before+2 })
	h.ledger.restore()
	for _, location := range []string{single, whole} {
		if j := h.job(location); !j.Success {
			t.Fatalf("job %s: %+v", location, j)
		}
	}
	if n := h.ledger.count(); n != 3 {
		t.Fatalf("%d events recorded", n)
	}
}

// TestNeverAFalseFailure: bytes that the network may have are not refused because
// a later broadcast is: they may still be committed.
func TestNeverAFalseFailure(t *testing.T) {
	h := newHarness(t, hasty())
	h.ledger.set(func() { h.ledger.quorum = false })
	location := h.do("POST", "/epcis/v2/events", event(1)).want(t, 202).header.Get("Location")
	h.stop()
	h.ledger.set(func() {
		h.ledger.refuse = func(*schemas.Transaction) *schemas.Fault {
			return &schemas.Fault{Code: schemas.KeyNotValid, Detail: "rotated"}
		}
	})
	_, before := h.ledger.sent()
	h.start()
	eventually(t, "it is broadcast again", func() bool { _, n := h.ledger.sent(); return n > before })
	if j := into[api.Job](t, h.do("GET", location, "").want(t, 200)); !j.Running || len(j.Errors) != 0 {
		t.Fatalf("refused too early: %+v", j)
	}
	h.ledger.restore()
	if j := h.job(location); !j.Success || h.ledger.count() != 1 {
		t.Fatalf("job: %+v", j)
	}
}

// TestRefusedFinally: a refusal of bytes that nobody has is told at once; after
// expiry what is signed again is refused, and the job tells it.
func TestRefusedFinally(t *testing.T) {
	h := newHarness(t, defaults())
	refuse := func(*schemas.Transaction) *schemas.Fault {
		return &schemas.Fault{Code: schemas.KeyNotValid, Detail: "rotated"}
	}
	h.ledger.set(func() { h.ledger.refuse = refuse })
	h.do("POST", "/epcis/v2/events", event(1)).problem(t, 400, "key_not_valid")
	j := h.job(h.do("POST", "/epcis/v2/capture", document(event(2))).want(t, 202).header.Get("Location"))
	if j.Success || len(j.Errors) != 1 || j.Errors[0].Code != schemas.KeyNotValid || j.Errors[0].Pointer != "" {
		t.Fatalf("job: %+v", j)
	}

	j = h.job(h.do("POST", "/epcis/v2/capture", document(event(2), event(3)), behaviour, "proceed").want(t, 202).header.Get("Location"))
	if codes(j) != "0:key_not_valid 1:key_not_valid" {
		t.Fatalf("job: %+v", j)
	}
	h.stop()
	h.limits = hasty()
	h.start()
	h.ledger.set(func() { h.ledger.refuse, h.ledger.quorum, h.ledger.lose = nil, false, true })
	location := h.do("POST", "/epcis/v2/events", event(3)).want(t, 202).header.Get("Location")
	h.ledger.set(func() { h.ledger.refuse, h.ledger.height = refuse, h.ledger.height+h.ledger.life+1 })
	if j := h.job(location); j.Success || len(j.Errors) != 1 || j.Errors[0].Code != schemas.KeyNotValid {
		t.Fatalf("job: %+v", j)
	}
	if n := h.ledger.count(); n != 0 {
		t.Fatalf("%d events recorded", n)
	}
}

// TestOneFaultRefusesNobodyElse: events that share a signature share no fate.
func TestOneFaultRefusesNobodyElse(t *testing.T) {
	limits := defaults()
	limits.GatherTime, limits.Gather = 50*time.Millisecond, 8
	h := newHarness(t, limits)
	h.ledger.set(func() {
		h.ledger.refuse = func(tx *schemas.Transaction) *schemas.Fault {
			for _, m := range tx.Messages {
				if strings.Contains(string(m.Event.Body), "9521234.054321.3\"") {
					return &schemas.Fault{Code: schemas.BadEncoding, Detail: "poison"}
				}
			}
			return nil
		}
	})
	statuses := h.parallel(8, func(i int) (reply, error) { return h.try("POST", "/epcis/v2/events", event(i)) })
	for i, r := range statuses {
		if want := map[bool]int{true: 400, false: 201}[i == 3]; r.status != want {
			t.Errorf("event %d: %d %s", i, r.status, r.body)
		}
	}
	if n := h.ledger.count(); n != 7 {
		t.Fatalf("%d events recorded", n)
	}
}

// TestOneStopsNoOther: a transaction that by itself cannot be taken, again and
// again, does not hold up those behind it.
func TestOneStopsNoOther(t *testing.T) {
	limits := hasty()
	limits.Gather = 1
	h := newHarness(t, limits)
	h.ledger.set(func() {
		h.ledger.refuse = func(tx *schemas.Transaction) *schemas.Fault {
			if strings.Contains(string(tx.Messages[0].Event.Body), "9521234.054321.1\"") {
				return &schemas.Fault{Code: schemas.Overloaded}
			}
			return nil
		}
	})
	stuck := h.do("POST", "/epcis/v2/events", event(1)).want(t, 202).header.Get("Location")
	for i := range 3 {
		h.do("POST", "/epcis/v2/events", event(2+i))
	}
	eventually(t, "the others are recorded", func() bool { return h.ledger.count() == 3 })
	h.ledger.restore()
	if j := h.job(stuck); !j.Success {
		t.Fatalf("job: %+v", j)
	}
}

// TestNothingToSignAgain: what expired and cannot be signed again has a final
// outcome, too.
func TestNothingToSignAgain(t *testing.T) {
	h := newHarness(t, hasty())
	h.ledger.set(func() { h.ledger.quorum = false })
	location := h.do("POST", "/epcis/v2/events", event(1)).want(t, 202).header.Get("Location")
	h.ledger.set(func() { h.ledger.signErr = &schemas.Fault{Code: schemas.UnknownKey, Detail: "gone"} })
	h.ledger.pass(h.ledger.life + 1)
	if j := h.job(location); j.Success || len(j.Errors) != 1 || j.Errors[0].Code != schemas.UnknownKey {
		t.Fatalf("job: %+v", j)
	}
}

// parallel makes n requests at once.
func (h *harness) parallel(n int, do func(int) (reply, error)) []reply {
	h.t.Helper()
	out := make([]reply, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if out[i], err = do(i); err != nil {
				h.t.Errorf("request %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return out
}

// TestGathered: events that come together share signatures, and each answer has
// its own event alone.
func TestGathered(t *testing.T) {
	limits := defaults()
	limits.GatherTime, limits.Gather = 20*time.Millisecond, 20
	h := newHarness(t, limits)
	for i, r := range h.parallel(60, func(i int) (reply, error) { return h.try("POST", "/epcis/v2/events", event(i)) }) {
		r.want(t, 201)
		receipt := into[schemas.Receipt](t, r)
		if len(receipt.Events) != 1 {
			t.Fatalf("event %d: %s", i, r.body)
		}
		got := h.do("GET", r.header.Get("Location"), "").want(t, 200)
		if !strings.Contains(string(got.body), fmt.Sprintf("9521234.054321.%d\"", i)) {
			t.Fatalf("event %d got another's receipt: %s", i, got.body)
		}
	}
	if signed, _ := h.ledger.sent(); signed > 30 {
		t.Fatalf("%d signatures for 60 events", signed)
	}
	if n := h.ledger.count(); n != 60 {
		t.Fatalf("%d events recorded", n)
	}
}

// failing is a database whose synced writes fail when told to.
type failing struct {
	dbm.DB
	mu   sync.Mutex
	fail error
}

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *failing) NewBatch() dbm.Batch { return &failingBatch{f.DB.NewBatch(), f} }

type failingBatch struct {
	dbm.Batch
	db *failing
}

func (b *failingBatch) WriteSync() error {
	b.db.mu.Lock()
	err := b.db.fail
	b.db.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Batch.WriteSync()
}

// TestNothingIsSentBeforeItIsSynced: when the disk refuses the outbox, nothing is
// broadcast and nobody is told that it was accepted, until the node is started again.
func TestNothingIsSentBeforeItIsSynced(t *testing.T) {
	h := newHarness(t, defaults())
	h.stop()
	broken := &failing{DB: h.db.DB}
	h.db.DB = broken
	h.start()
	broken.set(errors.New("disk full"))
	h.do("POST", "/epcis/v2/events", event(1), "Idempotency-Key", "a").problem(t, 500, "internal")
	h.do("POST", "/epcis/v2/capture", document(event(2))).problem(t, 500, "internal")
	if _, n := h.ledger.sent(); n != 0 {
		t.Fatalf("%d broadcasts of what is not on the disk", n)
	}
	broken.set(nil)
	h.do("POST", "/epcis/v2/events", event(1), "Idempotency-Key", "a").problem(t, 500, "internal")
	h.stop()
	h.start()
	h.do("POST", "/epcis/v2/events", event(1), "Idempotency-Key", "a").want(t, 201)
}

// TestOutboxIsBounded: beyond its bound captures are told to come back, and
// nothing of them is kept.
func TestOutboxIsBounded(t *testing.T) {
	limits := hasty()
	limits.Outbox, limits.Gather = 3, 1
	h := newHarness(t, limits)
	h.ledger.set(func() { h.ledger.quorum = false })
	for i := range 3 {
		h.do("POST", "/epcis/v2/events", event(i)).want(t, 202)
	}
	r := h.do("POST", "/epcis/v2/events", event(4))
	r.problem(t, 503, "overloaded")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.ledger.restore()
	eventually(t, "there is room again", func() bool {
		return h.do("POST", "/epcis/v2/events", event(4)).status != http.StatusServiceUnavailable
	})
	eventually(t, "all are recorded", func() bool { return h.ledger.count() == 4 })
}

// TestCrowdedLedger: where what waits would take the ledger long, writes are told how
// long to wait before anything is made of them; what was accepted before is answered,
// and reads and acts are.
func TestCrowdedLedger(t *testing.T) {
	limits := hasty()
	limits.Gather, limits.Crowded = 1, 2*time.Second
	h := newHarness(t, limits)
	h.do("POST", "/epcis/v2/events", event(1), "Idempotency-Key", "a").want(t, 201)
	h.ledger.set(func() { h.ledger.delay = 5500 * time.Millisecond })
	for path, body := range map[string]string{"/epcis/v2/events": event(2), "/epcis/v2/capture": document(event(3))} {
		r := h.do("POST", path, body)
		r.problem(t, 503, "overloaded")
		if got := r.header.Get("Retry-After"); got != "4" {
			t.Errorf("%s: Retry-After %q, not 4", path, got)
		}
	}
	if n, _ := h.ledger.sent(); n != 1 {
		t.Errorf("%d transactions were signed, not the first alone", n)
	}
	h.do("POST", "/epcis/v2/events", event(1), "Idempotency-Key", "a").want(t, 201)
	h.ledger.set(func() { h.ledger.delay = 2 * time.Second })
	h.do("POST", "/epcis/v2/events", event(2)).want(t, 201)
}

// TestCrowdedByDocuments: what waits behind the first of its document is in front of
// further documents that are as long, and of nothing else.
func TestCrowdedByDocuments(t *testing.T) {
	limits := hasty()
	limits.Gather, limits.ChunkEvents, limits.ChunkBytes = 1, 1, 1024
	h := newHarness(t, limits)
	h.ledger.set(func() { h.ledger.quorum = false })
	long := func(from int) string {
		var events []string
		for i := range 8 {
			events = append(events, event(from+i))
		}
		return document(events...)
	}
	if len(event(10)) > limits.ChunkBytes || len(long(0)) <= limits.ChunkBytes {
		t.Fatal("the document is not long")
	}
	told := func() int64 {
		h.ledger.mu.Lock()
		defer h.ledger.mu.Unlock()
		return h.ledger.waiting
	}
	proceed := []string{"GS1-Capture-Error-Behaviour", "proceed"}
	h.do("POST", "/epcis/v2/capture", long(0), proceed...).want(t, 202)
	h.do("POST", "/epcis/v2/events", event(10)).want(t, 202)
	front := told()
	h.do("POST", "/epcis/v2/capture", long(11), proceed...).want(t, 202)
	if all := told(); front <= 0 || all < 6*front {
		t.Errorf("%d bytes are in front of one event, and %d of a document, behind one of eight", front, all)
	}
	h.ledger.restore()
	eventually(t, "all are recorded", func() bool { return h.ledger.count() == 17 })
	next := 30
	eventually(t, "nothing is in front", func() bool { // the gateway learns of the last outcomes after the ledger has them
		next++
		h.do("POST", "/epcis/v2/events", event(next)).want(t, 201)
		return told() == 0
	})
}
