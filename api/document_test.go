package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

const behaviour = "GS1-Capture-Error-Behaviour"

// codes lists the errors of a job as pointer and code.
func codes(j api.Job) string {
	var out []string
	for _, e := range j.Errors {
		out = append(out, strings.TrimPrefix(e.Pointer, "/epcisBody/eventList/")+":"+e.Code.String())
	}
	return strings.Join(out, " ")
}

func TestDocument(t *testing.T) {
	h := newHarness(t, defaults())
	r := h.do("POST", "/epcis/v2/capture", document(event(1), event(2), event(3))).want(t, 202)
	if j := into[api.Job](t, r); !j.Running || j.CaptureID == "" || j.Behaviour != "rollback" || j.Errors == nil || r.header.Get("Location") != "/epcis/v2/capture/"+j.CaptureID {
		t.Fatalf("accepted: %s", r.body)
	}
	j := h.job(r.header.Get("Location"))
	if !j.Success || j.Behaviour != "rollback" || j.CreatedAt == nil || j.FinishedAt == nil || len(j.Errors) != 0 {
		t.Fatalf("job: %+v", j)
	}
	if len(j.Receipt.Events) != 3 || len(j.Receipt.Transactions) != 1 || j.Receipt.Height != 2 || j.Receipt.Events[2].Pointer != "/epcisBody/eventList/2" {
		t.Fatalf("receipt: %+v", j.Receipt)
	}
	if tx := h.ledger.committed()[0]; !tx.tx.Header.Atomic || tx.tx.Header.Actor == "" {
		t.Fatalf("header: %v", tx.tx.Header)
	}
	// The same again is known, event by event.
	j = h.job(h.do("POST", "/epcis/v2/capture", document(event(1), event(4))).want(t, 202).header.Get("Location"))
	if !j.Success || j.Receipt.Events[0].Effect != schemas.Duplicate || j.Receipt.Events[0].First == nil || j.Receipt.Events[1].Effect == schemas.Duplicate {
		t.Fatalf("again: %+v", j.Receipt)
	}
	// A list of events and a single event are documents, too; pointers are theirs.
	j = h.job(h.do("POST", "/epcis/v2/capture", "["+event(5)+","+event(6)+"]").want(t, 202).header.Get("Location"))
	if !j.Success || j.Receipt.Events[1].Pointer != "/1" {
		t.Fatalf("a list: %+v", j.Receipt)
	}
	j = h.job(h.do("POST", "/epcis/v2/capture", event(7)).want(t, 202).header.Get("Location"))
	if !j.Success || j.Receipt.Events[0].Pointer != "" {
		t.Fatalf("a single event: %+v", j.Receipt)
	}
	if j = h.job(h.do("POST", "/epcis/v2/capture", document()).want(t, 202).header.Get("Location")); !j.Success || j.Receipt != nil {
		t.Fatalf("an empty document: %+v", j)
	}
}

func TestDocumentRollback(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(1, `"eventID":"urn:uuid:1"`)).want(t, 201)
	bad := strings.Replace(event(2), "9521234.054321", "95.1", 1)
	p := h.do("POST", "/epcis/v2/capture", document(event(1), bad, strings.Replace(event(3), "OBSERVE", "LOOK", 1))).problem(t, 400, "bad_identifier")
	if p["pointer"] != "/epcisBody/eventList/1/epcList/0" || p["hint"] == "" || p["type"] != "epcisException:ValidationException" || len(p["errors"].([]any)) != 2 {
		t.Fatalf("problem: %v", p)
	}
	// What only the ledger can tell is told by the job, and undoes the others.
	j := h.job(h.do("POST", "/epcis/v2/capture", document(event(4), event(5, `"eventID":"urn:uuid:1"`), event(6))).want(t, 202).header.Get("Location"))
	if j.Success || codes(j) != "1:event_id_conflict" || j.Receipt.Events[0].Code != schemas.Undone {
		t.Fatalf("job: %+v", j)
	}
	if n := h.ledger.count(); n != 1 {
		t.Fatalf("%d events recorded", n)
	}
}

func TestDocumentProceed(t *testing.T) {
	limits := defaults()
	limits.ChunkEvents = 3
	h := newHarness(t, limits)
	h.do("POST", "/epcis/v2/events", event(1, `"eventID":"urn:uuid:1"`)).want(t, 201)
	var events []string
	for i := range 10 {
		events = append(events, event(10+i))
	}
	events[2] = `{"type":"ObjectEvent"}`
	events[7] = event(17, `"eventID":"urn:uuid:1"`)
	j := h.job(h.do("POST", "/epcis/v2/capture", document(events...), behaviour, "proceed").want(t, 202).header.Get("Location"))
	if j.Success || codes(j) != "2/eventTime:missing_field 7:event_id_conflict" || j.Behaviour != "proceed" {
		t.Fatalf("job: %+v", j)
	}
	if len(j.Receipt.Transactions) != 3 || len(j.Receipt.Events) != 9 || j.Receipt.Events[2].Pointer != "/epcisBody/eventList/3" {
		t.Fatalf("receipt: %+v", j.Receipt)
	}
	if n := h.ledger.count(); n != 9 {
		t.Fatalf("%d events recorded", n)
	}
	for i, c := range h.ledger.committed()[1:] {
		if c.tx.Header.Atomic || i < 2 && len(c.tx.Messages) != 3 {
			t.Fatalf("transaction %d: %v", i, c.tx.Header)
		}
	}
	// In the order of the document, though there are several transactions.
	list := eventList(t, h.do("GET", "/epcis/v2/events?orderBy=recordTime&orderDirection=ASC", "").want(t, 200))
	if got := serials(list[1:]); got != "10 11 13 14 15 16 18 19" {
		t.Fatalf("recorded: %s", got)
	}
	h.do("POST", "/epcis/v2/capture", document(`{"type":"ObjectEvent"}`), behaviour, "proceed").problem(t, 400, "missing_field")
}

// TestProceedAcrossAKill: the transactions of a document that are left go on
// after a kill, those that were committed are not sent for a second record.
func TestProceedAcrossAKill(t *testing.T) {
	limits := defaults()
	limits.ChunkEvents = 1
	h := newHarness(t, limits)
	committed := 0
	h.ledger.set(func() {
		h.ledger.refuse = func(*schemas.Transaction) *schemas.Fault {
			if committed++; committed > 2 {
				h.ledger.quorum = false
			}
			return nil
		}
	})
	location := h.do("POST", "/epcis/v2/capture", document(event(1), event(2), event(3), event(4)), behaviour, "proceed").want(t, 202).header.Get("Location")
	eventually(t, "two are on the ledger", func() bool { return h.ledger.count() == 2 })
	h.stop()
	h.start()
	if j := into[api.Job](t, h.do("GET", location, "").want(t, 200)); !j.Running || j.Receipt != nil {
		t.Fatalf("job: %+v", j)
	}
	h.ledger.restore()
	j := h.job(location)
	if !j.Success || len(j.Receipt.Events) != 4 || len(j.Receipt.Transactions) != 4 {
		t.Fatalf("job: %+v", j)
	}
	list := eventList(t, h.do("GET", "/epcis/v2/events?orderBy=recordTime&orderDirection=ASC", "").want(t, 200))
	if got := serials(list); got != "1 2 3 4" {
		t.Fatalf("recorded: %s", got)
	}
}

func TestDocumentLimits(t *testing.T) {
	limits := defaults()
	limits.CaptureEvents, limits.CaptureBytes, limits.EventBytes = 3, 20000, 2000
	h := newHarness(t, limits)
	p := h.do("POST", "/epcis/v2/capture", document(event(1), event(2), event(3), event(4))).problem(t, 413, "too_large")
	if p["type"] != "epcisException:CaptureLimitExceededException" {
		t.Errorf("type %v", p["type"])
	}
	large := event(1, `"ex:x":"`+strings.Repeat("x", 30000)+`"`)
	h.do("POST", "/epcis/v2/capture", document(large)).problem(t, 413, "too_large")
	h.do("POST", "/epcis/v2/events", large).problem(t, 413, "too_large")
	if r := h.do("OPTIONS", "/epcis/v2/capture", ""); r.header.Get("GS1-EPCIS-Capture-Limit") != "3" || r.header.Get("GS1-EPCIS-Capture-File-Size-Limit") != "20000" {
		t.Errorf("announced: %v", r.header)
	}
	for body, code := range map[string]string{"": "bad_json", "{": "bad_json", "[[[": "bad_json", `{"type":"EPCISDocument"}`: "bad_document",
		`{"type":"EPCISDocument","schemaVersion":"1.2","creationDate":"2026-05-01T11:00:00Z","epcisBody":{"eventList":[]}}`: "bad_document"} {
		h.do("POST", "/epcis/v2/capture", body).problem(t, 400, code)
	}
	h.do("POST", "/epcis/v2/events", strings.Replace(event(1), `"action"`, `"type":"ObjectEvent","action"`, 1)).problem(t, 400, "duplicate_key")
	if n := h.ledger.count(); n != 0 {
		t.Fatalf("%d events recorded", n)
	}
}

// TestRollbackFitsOneTransaction: what does not is refused at once, with 413; with
// proceed the same document is split, and only an event that fits none is left out.
func TestRollbackFitsOneTransaction(t *testing.T) {
	limits := defaults()
	limits.ChunkBytes = 8 << 20
	h := newHarness(t, limits)
	noise := func(n int) string { return `"ex:noise":"` + url.PathEscape(string(random(n))) + `"` }
	var events []string
	for i := range 4 {
		events = append(events, event(i, noise(300000)))
	}
	body := document(events...)
	h.do("POST", "/epcis/v2/capture", body).problem(t, 413, "transaction_too_large")
	j := h.job(h.do("POST", "/epcis/v2/capture", body, behaviour, "proceed").want(t, 202).header.Get("Location"))
	if !j.Success || len(j.Receipt.Events) != 4 || len(j.Receipt.Transactions) < 2 {
		t.Fatalf("job: %v %+v", codes(j), j.Receipt)
	}
}

func TestDryRun(t *testing.T) {
	h := newHarness(t, defaults())
	for path, body := range map[string]string{"/epcis/v2/events": event(1), "/epcis/v2/capture": document(event(1), event(2))} {
		receipt := into[schemas.Receipt](t, h.do("POST", path+"?dryRun=true", body).want(t, 200))
		if len(receipt.Events) == 0 || receipt.Events[0].Effect != schemas.Observation {
			t.Fatalf("%s: %+v", path, receipt)
		}
	}
	raw := string(h.signed(event(1)))
	h.do("POST", "/api/v1/transactions?dryRun=true", raw, "Content-Type", "application/octet-stream").want(t, 200)
	h.do("POST", "/epcis/v2/events?dryRun=perhaps", event(1)).problem(t, 400, "bad_parameter")
	h.do("POST", "/epcis/v2/events?dryRun=true", `{}`).problem(t, 400, "missing_field")
	h.do("POST", "/epcis/v2/capture?dryRun=true", document()).want(t, 200)
	if n, _ := h.ledger.sent(); h.ledger.count() != 0 || n == 0 {
		t.Fatal("a dry run recorded something")
	}
	if _, n := h.ledger.sent(); n != 0 {
		t.Fatal("a dry run broadcast something")
	}
	if jobs := into[[]api.Job](t, h.do("GET", "/epcis/v2/capture", "").want(t, 200)); len(jobs) != 0 {
		t.Fatalf("a dry run left jobs: %+v", jobs)
	}
}

func TestJobs(t *testing.T) {
	h := newHarness(t, defaults())
	var made []string
	for i := range 5 {
		location := h.do("POST", "/epcis/v2/capture", document(event(i))).want(t, 202).header.Get("Location")
		h.job(location)
		made = append([]string{location}, made...)
	}
	var listed []string
	path := "/epcis/v2/capture?perPage=2"
	for path != "" {
		r := h.do("GET", path, "").want(t, 200)
		for _, j := range into[[]api.Job](t, r) { // an array, as the standard's binding has it
			if !j.Success || j.Receipt != nil {
				t.Fatalf("job: %+v", j)
			}
			listed = append(listed, j.Location)
		}
		path = ""
		if link := r.header.Get("Link"); link != "" {
			path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
	}
	if fmt.Sprint(listed) != fmt.Sprint(made) {
		t.Fatalf("listed %v, made %v", listed, made)
	}
	for _, q := range []string{"perPage=0", "nextPageToken=x", "perPage=2&perPage=3"} {
		h.do("GET", "/epcis/v2/capture?"+q, "").problem(t, 400, "bad_parameter")
	}
	h.do("GET", "/epcis/v2/capture/none", "").problem(t, 404, "not_found")
}

func TestClientSigned(t *testing.T) {
	h := newHarness(t, hasty())
	post := func(raw []byte, headers ...string) reply {
		return h.do("POST", "/api/v1/transactions", string(raw), append([]string{"Content-Type", "application/vnd.waybill.transaction"}, headers...)...)
	}
	post([]byte("garbage")).problem(t, 400, "bad_encoding")
	expiring, lost := h.signed(event(1)), h.signed(event(2))
	h.ledger.set(func() { h.ledger.quorum = false })
	location := post(expiring).want(t, 202).header.Get("Location")
	h.stop()
	h.start()
	h.ledger.restore()
	if j := h.job(location); !j.Success || j.Receipt.Events[0].EventID == "" {
		t.Fatalf("job: %+v", j)
	}
	h.stop()
	h.limits = defaults()
	h.start()
	known := post(expiring).want(t, 200)
	if receipt := into[schemas.Receipt](t, known); receipt.Height != 2 || !strings.HasPrefix(known.header.Get("Location"), "/api/v1/transactions/") {
		t.Fatalf("receipt: %s", known.body)
	}
	post(h.signed(event(3))).want(t, 201)
	// What expires is refused for good: nobody here can sign it again.
	h.ledger.pass(h.ledger.life + 1)
	signed, _ := h.ledger.sent()
	if p := post(lost).problem(t, 400, "expired"); p["type"] != "urn:waybill:code:expired" {
		t.Errorf("type %v", p["type"])
	}
	if n, _ := h.ledger.sent(); n != signed {
		t.Fatal("a client's transaction was signed again")
	}
	if n := h.ledger.count(); n != 2 {
		t.Fatalf("%d events recorded", n)
	}
}
