package api_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

const importMapping = `{"source":{"format":"csv"},"time":{"zone":"UTC"},"events":[
	{"event":{"type":"ObjectEvent","action":"ADD","bizStep":"commissioning","eventTime":{"$time":"{Time}"},"epcList":["urn:epc:id:sgtin:9521234.054321.{Serial}"]}},
	{"group":["Ship"],"event":{"type":"ObjectEvent","action":"OBSERVE","bizStep":"shipping","eventTime":{"$time":"{Time}"},"epcList":[{"$rows":"urn:epc:id:sgtin:9521234.054321.{Serial}"}]}}]}`

const importRows = "Time,Serial,Ship\n2026-05-01T10:00,1,A\n2026-05-01T10:00,2,A\n2026-05-01T11:00,3,B\n"

// form is a body of multipart/form-data, and its type.
func form(t *testing.T, parts ...string) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		at, err := w.CreateFormFile(parts[i], "name")
		if err == nil {
			_, err = at.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.FormDataContentType()
}

func (h *harness) imports(query, mapping, file string, headers ...string) reply {
	h.t.Helper()
	body, contentType := form(h.t, "mapping", mapping, "file", file)
	return h.do("POST", "/api/v1/imports"+query, body, append([]string{"Content-Type", contentType}, headers...)...)
}

func TestImport(t *testing.T) {
	h := newHarness(t, defaults())
	plan := into[api.Import](t, h.imports("?dryRun=true", importMapping, importRows).want(t, 200))
	if plan.Rows != 3 || plan.Events != 5 || len(plan.Errors) != 0 || plan.Receipt == nil || len(plan.Receipt.Events) != 5 || h.ledger.count() != 0 {
		t.Fatalf("a dry run: %+v", plan)
	}
	job := h.job(h.imports("", importMapping, importRows).want(t, 202).header.Get("Location"))
	if !job.Success || len(job.Receipt.Events) != 5 || h.ledger.count() != 5 {
		t.Fatalf("job: %+v", job)
	}
	var places []string
	for _, e := range job.Receipt.Events {
		places = append(places, e.Pointer)
	}
	if got := strings.Join(places, " "); got != "/rows/2 /rows/3 /rows/4 /rows/2 /rows/4" {
		t.Errorf("places: %s", got)
	}
	// The document of the dry run and a file that is sent again are known.
	again := h.job(h.imports("", importMapping, importRows).want(t, 202).header.Get("Location"))
	captured := h.job(h.do("POST", "/epcis/v2/capture", string(plan.Document)).want(t, 202).header.Get("Location"))
	for _, j := range []api.Job{again, captured} {
		for _, e := range j.Receipt.Events {
			if e.Effect != schemas.Duplicate {
				t.Errorf("%s at %s", e.Effect, e.Pointer)
			}
		}
	}
	if h.ledger.count() != 5 {
		t.Errorf("%d events", h.ledger.count())
	}
}

// TestImportErrors: with rollback one faulty row refuses the file, with proceed the
// others are recorded; either tells the rows.
func TestImportErrors(t *testing.T) {
	h := newHarness(t, defaults())
	rows := importRows + "soon,4,C\n2026-05-01T12:00,\"\",C\n"
	p := h.imports("", importMapping, rows).problem(t, 400, "bad_time")
	if p["pointer"] != "/rows/5/Time" || len(p["errors"].([]any)) != 4 || h.ledger.count() != 0 {
		t.Fatalf("rollback: %v", p)
	}
	plan := into[api.Import](t, h.imports("?dryRun=true", importMapping, rows).want(t, 200))
	if len(plan.Errors) != 4 || plan.Receipt != nil || plan.Errors[0].Hint == "" || plan.Events != 5 {
		t.Errorf("a dry run: %+v", plan)
	}
	job := h.job(h.imports("", importMapping, rows, "GS1-Capture-Error-Behaviour", "proceed").want(t, 202).header.Get("Location"))
	if job.Success || len(job.Errors) != 4 || job.Errors[0].Pointer != "/rows/5/Time" || len(job.Receipt.Events) != 5 || h.ledger.count() != 5 {
		t.Fatalf("proceed: %+v", job)
	}
	for name, c := range map[string]struct{ mapping, file, code, pointer string }{
		"mapping":   {strings.Replace(importMapping, `"csv"`, `"doc"`, 1), importRows, "bad_value", "/mapping/source/format"},
		"column":    {importMapping, "Time,Serial\n1,2\n", "missing_field", "/mapping/events/1/group"},
		"encoding":  {importMapping, "\xe4", "bad_sheet", ""},
		"many rows": {importMapping, "Time,Serial,Ship\n" + strings.Repeat("1,2,3\n", 50001), "too_large", ""},
	} {
		r := h.imports("", c.mapping, c.file)
		p := r.problem(t, r.status, c.code)
		if pointer, _ := p["pointer"].(string); pointer != c.pointer {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestImportForms(t *testing.T) {
	h := newHarness(t, defaults())
	for name, parts := range map[string][]string{"no file": {"mapping", importMapping}, "no mapping": {"file", importRows},
		"twice": {"mapping", importMapping, "mapping", importMapping, "file", importRows}, "another": {"mapping", importMapping, "file", importRows, "more", ""}} {
		body, contentType := form(t, parts...)
		if p := h.do("POST", "/api/v1/imports", body, "Content-Type", contentType).problem(t, 400, "bad_sheet"); p["detail"] == "" {
			t.Errorf("%s: %v", name, p)
		}
	}
	body, contentType := form(t, "mapping", importMapping, "file", importRows)
	h.do("POST", "/api/v1/imports", body[:len(body)-20], "Content-Type", contentType).problem(t, 400, "bad_sheet")
	h.do("POST", "/api/v1/imports", body, "Content-Type", "multipart/form-data").problem(t, 400, "bad_sheet")
	h.imports("", importMapping, strings.Repeat("x", 9<<20)).problem(t, 413, "too_large")
	h.imports("", importMapping, strings.Repeat("x", 11<<20)).problem(t, 413, "too_large")
}

// TestImportOnce: forms with different boundaries are one request to an
// Idempotency-Key.
func TestImportOnce(t *testing.T) {
	h := newHarness(t, defaults())
	first := h.imports("", importMapping, importRows, "Idempotency-Key", "k").want(t, 202)
	if r := h.imports("", importMapping, importRows, "Idempotency-Key", "k").want(t, 202); r.header.Get("Location") != first.header.Get("Location") {
		t.Error("a repeat is another job")
	}
	h.imports("", importMapping, importRows+"2026-05-01T11:00,4,B\n", "Idempotency-Key", "k").problem(t, 409, "idempotency_conflict")
}

// TestImportOutlivesKill: what was accepted is recorded by the gateway of a later
// start, once.
func TestImportOutlivesKill(t *testing.T) {
	h := newHarness(t, defaults())
	h.ledger.set(func() { h.ledger.quorum = false })
	location := h.imports("", importMapping, importRows, "GS1-Capture-Error-Behaviour", "proceed").want(t, 202).header.Get("Location")
	h.stop()
	h.ledger.restore()
	h.start()
	if job := h.job(location); !job.Success || len(job.Receipt.Events) != 5 || job.Receipt.Events[3].Pointer != "/rows/2" || h.ledger.count() != 5 {
		t.Fatalf("job: %+v, %d events", job, h.ledger.count())
	}
}

// TestEventsAsSheet: a query is answered as CSV or XLSX, page by page.
func TestEventsAsSheet(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 3 {
		h.do("POST", "/epcis/v2/events", event(i, `"disposition":"in_transit"`)).want(t, 201)
	}
	r := h.do("GET", "/epcis/v2/events?perPage=2&orderDirection=ASC", "", "Accept", "text/csv").want(t, 200)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(r.body), "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "eventID" || rows[2][11] != "urn:epc:id:sgtin:9521234.054321.1" {
		t.Fatalf("%v: %v", err, rows)
	}
	if r.header.Get("Link") == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") || r.header.Get("Content-Length") != fmt.Sprint(len(r.body)) {
		t.Errorf("headers: %v", r.header)
	}
	if r := h.do("GET", "/epcis/v2/events", "", "Accept", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet").want(t, 200); string(r.body[:2]) != "PK" {
		t.Error("no XLSX")
	}
	if r := h.do("GET", "/epcis/v2/events", "", "Accept", "text/csv;q=0.5, application/json").want(t, 200); r.header.Get("Content-Type") != "application/json" {
		t.Errorf("JSON was liked better: %v", r.header)
	}
	h.do("GET", "/epcis/v2/events?nope=1", "", "Accept", "text/csv").problem(t, 400, "bad_parameter")
	h.do("GET", "/epcis/v2/events/none", "", "Accept", "text/csv").problem(t, 404, "not_found")
	h.do("HEAD", "/epcis/v2/events", "", "Accept", "text/csv").want(t, 200)
	h.do("GET", "/epcis/v2/capture", "", "Accept", "text/csv").problem(t, 406, "not_acceptable")
}
