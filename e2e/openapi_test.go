package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// good is a request that a node's own document allows, by the operation's method and
// path there; path is the target, where that has parameters.
type good struct {
	operation, path, body string
	headers               []string // name, value, name, value
	status                int
}

// A node does what its own /openapi.json says: of each group of operations one is
// asked, over a ledger that has what is asked for. That every operation does, and each
// way to fail, is tested over the gateway alone.
func TestDocumentIsTrueOfANode(t *testing.T) {
	x := shared.get(t)
	doc := x.document(t)
	id, body := newEvent(1, "document", 1)
	if err := acknowledge(t.Context(), x.plain(t, 1), body); err != nil {
		t.Fatal(err)
	}
	x.level(t)
	receipt, err := x.client(t, 1).EventsByID(t.Context(), id)
	if err != nil || len(receipt.List) != 1 {
		t.Fatalf("%v %v", receipt, err)
	}
	const item, lot = "urn:epc:id:sgtin:9521235.012345.document-1", "urn:epc:class:lgtin:9521235.012345.L1"
	_, other := newEvent(1, "document", 2)
	document := `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-05-01T10:00:00Z","epcisBody":{"eventList":[` + string(other) + `]}}`
	items := "/api/v1/items/" + url.PathEscape(item)
	binary := []string{"Accept", "application/vnd.waybill.bundle"}
	for _, g := range []good{
		{"GET /epcis/v2/", "", "", nil, 200},
		{"POST /epcis/v2/events", "", string(body), nil, 200}, // recorded before
		{"GET /epcis/v2/events", "/epcis/v2/events?perPage=1&EQ_bizStep=commissioning", "", nil, 200},
		{"GET /epcis/v2/events", "/epcis/v2/events?MATCH_epc=" + item, "", []string{"Accept", "application/xml", "GS1-EPC-Format", "Always_GS1_Digital_Link"}, 200},
		{"GET /epcis/v2/events/{eventID}", "/epcis/v2/events/" + url.PathEscape(id), "", nil, 200},
		{"POST /epcis/v2/capture", "", document, nil, 202},
		{"GET /epcis/v2/capture", "/epcis/v2/capture?perPage=1", "", nil, 200},
		{"GET /epcis/v2/bizSteps", "/epcis/v2/bizSteps?perPage=1", "", nil, 200},
		{"GET /epcis/v2/bizSteps/{bizStep}/events", "/epcis/v2/bizSteps/commissioning/events?perPage=1", "", nil, 200},
		{"POST /epcis/v2/queries", "", `{"name":"document","query":{"EQ_bizStep":["commissioning"]}}`, nil, 201},
		{"GET /epcis/v2/queries/{queryName}/events", "/epcis/v2/queries/document/events?perPage=1", "", nil, 200},
		{"POST /epcis/v2/queries/{queryName}/subscriptions", "/epcis/v2/queries/document/subscriptions", `{"dest":"https://example.invalid/","schedule":{"month":"1"}}`, nil, 201},
		{"GET /epcis/v2/queries/{queryName}/subscriptions", "/epcis/v2/queries/document/subscriptions", "", nil, 200},
		{"DELETE /epcis/v2/queries/{queryName}", "/epcis/v2/queries/document", "", nil, 204},
		{"OPTIONS /epcis/v2/capture", "", "", nil, 204},
		{"GET /api/v1/items/{id}", items, "", nil, 200},
		{"GET /api/v1/items/{id}/trail", items + "/trail", "", nil, 200},
		{"GET /api/v1/items/{id}/trace", items + "/trace", "", nil, 200},
		{"GET /api/v1/items/{id}/bundle", items + "/bundle", "", binary, 200},
		{"GET /api/v1/shipments/{id}/bundle", "/api/v1/shipments/urn:example:shipment:none/bundle", "", binary, 200}, // that there is none
		{"GET /api/v1/lots/{id}/bundle", "/api/v1/lots/" + url.PathEscape(lot) + "/bundle", "", binary, 200},         // that it has no record
		{"GET /api/v1/exceptions", "/api/v1/exceptions?perPage=1", "", nil, 200},
		{"GET /api/v1/fsma204", "/api/v1/fsma204?from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z", "", nil, 200},
		{"GET /api/v1/network", "", "", nil, 200},
		{"GET /api/v1/partners", "", "", nil, 200},
		{"GET /api/v1/trust", "", "", nil, 200},
		{"GET /api/v1/headers/{height}", "/api/v1/headers/latest", "", nil, 200},
		{"GET /api/v1/checkpoint", "", "", nil, 200},
		{"GET /api/v1/public", "", "", nil, 200},
		{"GET /readyz", "", "", nil, 200},
	} {
		x.asDocumented(t, doc, g)
	}
}

// document loads a node's own.
func (x *testNet) document(t *testing.T) *openapi3.T {
	t.Helper()
	for _, text := range []string{"application/xml", "text/xml", "application/vnd.waybill.bundle"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.FileBodyDecoder)
	}
	res, err := http.Get(x.members[1].REST + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// asDocumented makes a request, and holds it and its answer against the document.
func (x *testNet) asDocumented(t *testing.T, doc *openapi3.T, g good) {
	t.Helper()
	method, path, _ := strings.Cut(g.operation, " ")
	target := g.path
	if target == "" {
		target = path
	}
	entry := doc.Paths.Value(path)
	if entry == nil || entry.GetOperation(method) == nil {
		t.Errorf("%s: there is no such operation", g.operation)
		return
	}
	r, err := http.NewRequestWithContext(t.Context(), method, x.members[1].REST+target, strings.NewReader(g.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+x.members[1].Key)
	if g.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(g.headers); i += 2 {
		r.Header.Set(g.headers[i], g.headers[i+1])
	}
	in := &openapi3filter.RequestValidationInput{Request: r.Clone(context.Background()), PathParams: map[string]string{},
		Route:   &routers.Route{Spec: doc, Path: path, PathItem: entry, Method: method, Operation: entry.GetOperation(method)},
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	in.Request.Body = http.NoBody
	if g.body != "" {
		in.Request.Body = io.NopCloser(strings.NewReader(g.body))
	}
	names, values := strings.Split(path, "/"), strings.Split(r.URL.EscapedPath(), "/")
	for i, name := range names {
		if value, err := url.PathUnescape(values[i]); err == nil && strings.HasPrefix(name, "{") {
			in.PathParams[strings.Trim(name, "{}")] = value
		}
	}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
		t.Errorf("%s: the document refuses the request: %v", g.operation, err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != g.status {
		t.Errorf("%s: %d, want %d: %v %.300s", g.operation, res.StatusCode, g.status, err, body)
		return
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: in.Options}
	if err := openapi3filter.ValidateResponse(t.Context(), out.SetBodyBytes(bytes.Clone(body))); err != nil {
		t.Errorf("%s: the document does not tell of this answer: %v\n%.300s", g.operation, err, body)
	}
}
