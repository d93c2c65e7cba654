package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

// specification loads /openapi.json as a client would, and checks that it is an
// OpenAPI document whose examples are of their schemas.
func specification(t *testing.T, h *harness) *openapi3.T {
	t.Helper()
	for _, text := range []string{"text/event-stream", "text/html", "application/xml", "text/xml", "application/problem+xml", sheet.TypeXLSX} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.FileBodyDecoder) // of these the document says no more than that they are a file
	}
	doc, err := openapi3.NewLoader().LoadFromData(h.do("GET", "/openapi.json", "").want(t, 200).body)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPIIsTrue sends for every operation of the document a request that
// succeeds and one that fails, and holds both and their answers against it: the
// request's parameters and body, the answer's status, headers, media type and body,
// which may have no member that the document does not name. What needs a key is
// asked without one, too. The requests are in openapi_table_test.go.
func TestOpenAPIIsTrue(t *testing.T) {
	doc := specification(t, newHarness(t, defaults()))
	operations := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			operations[method+" "+path] = true
		}
	}
	for _, e := range exchanges() {
		if !operations[e.operation] {
			t.Errorf("%s: the document has no such operation, or it is exercised twice", e.operation)
			continue
		}
		delete(operations, e.operation)
		t.Run(strings.ReplaceAll(e.operation, "/", "_"), func(t *testing.T) {
			h, known := prepared(t)
			method, path, _ := strings.Cut(e.operation, " ")
			c := contract{t: t, h: h, known: known, doc: doc, path: path, item: doc.Paths.Value(path), method: method}
			c.operation = c.item.GetOperation(method)
			c.check(e.succeeds, true)
			for _, a := range e.also {
				c.check(a, true)
			}
			c.everyForm(e.succeeds)
			if e.fails.status != 0 {
				c.check(e.fails, false)
			}
			if security := c.operation.Security; security == nil || len(*security) > 0 && len((*security)[0]) > 0 {
				c.check(ask{path: e.succeeds.path, status: 401, headers: []string{"Authorization", ""}}, false)
			}
		})
	}
	for name := range operations {
		t.Errorf("%s is not exercised: give it a row in openapi_table_test.go", name)
	}
}

// contract is one operation of the document, and a gateway that is held to it.
type contract struct {
	t         *testing.T
	h         *harness
	known     *strings.Replacer
	doc       *openapi3.T
	path      string // as the document names it
	item      *openapi3.PathItem
	method    string
	operation *openapi3.Operation
}

// check makes a request. valid says that the request itself is as the document
// wants it.
func (c *contract) check(a ask, valid bool) reply {
	c.t.Helper()
	target := a.path
	if target == "" {
		target = c.path
	}
	target, a.body = c.known.Replace(target), c.known.Replace(a.body)
	req, err := http.NewRequest(c.method, c.h.server.URL+target, strings.NewReader(a.body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.h.key)
	if c.operation.RequestBody != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(a.headers); i += 2 {
		if req.Header.Set(a.headers[i], a.headers[i+1]); a.headers[i+1] == "" {
			req.Header.Del(a.headers[i])
		}
	}
	input := &openapi3filter.RequestValidationInput{Request: req.Clone(context.Background()), PathParams: c.parameters(req.URL.EscapedPath()),
		Route:   &routers.Route{Spec: c.doc, Path: c.path, PathItem: c.item, Method: c.method, Operation: c.operation},
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: c.authenticate, SkipSettingDefaults: true}}
	input.Request.Body = http.NoBody
	if a.body != "" {
		input.Request.Body = io.NopCloser(strings.NewReader(a.body))
	}
	if valid {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			c.t.Errorf("%s %s: the document refuses the request: %v", c.method, target, err)
		}
		c.named(req.URL.Query())
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	r := readReply(c.t, res)
	if r.status != a.status {
		c.t.Fatalf("%s %s: %d, want %d: %s", c.method, target, r.status, a.status, r.body)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: r.status, Header: r.header, Options: input.Options}
	if err := openapi3filter.ValidateResponse(context.Background(), out.SetBodyBytes(r.body)); err != nil {
		c.t.Errorf("%s %s: the document does not tell of this answer: %v\n%s", c.method, target, err, r.body)
	}
	c.headers(r)
	c.members(r)
	return r
}

// everyForm asks for each media type that the document promises of a read.
func (c *contract) everyForm(a ask) {
	c.t.Helper()
	if c.method != http.MethodGet || strings.Contains(a.path, "linkType=") || a.status != http.StatusOK {
		return
	}
	for mediaType := range c.operation.Responses.Status(a.status).Value.Content {
		a := a
		a.headers = append(slices.Clone(a.headers), "Accept", mediaType)
		if got := c.check(a, true).header.Get("Content-Type"); !strings.HasPrefix(got, mediaType) {
			c.t.Errorf("%s %s: %s is answered as %s", c.method, c.path, mediaType, got)
		}
	}
}

// authenticate is called for operations that need a key.
func (c *contract) authenticate(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	for _, scope := range in.Scopes {
		if !slices.Contains(local.Scopes(), local.Scope(scope)) {
			return fmt.Errorf("no such scope: %s", scope)
		}
	}
	if in.RequestValidationInput.Request.Header.Get("Authorization") == "" {
		return fmt.Errorf("no key")
	}
	return nil
}

// parameters are the path's, unescaped.
func (c *contract) parameters(path string) map[string]string {
	out := map[string]string{}
	names, values := strings.Split(c.path, "/"), strings.Split(path, "/")
	if len(names) != len(values) {
		c.t.Fatalf("%s is not of the form %s", path, c.path)
	}
	for i, name := range names {
		if strings.HasPrefix(name, "{") {
			value, err := url.PathUnescape(values[i])
			if err != nil {
				c.t.Fatal(err)
			}
			out[strings.Trim(name, "{}")] = value
		}
	}
	return out
}

// named checks that a request's parameters are in the document.
func (c *contract) named(q url.Values) {
	c.t.Helper()
	for name := range q {
		if c.operation.Parameters.GetByInAndName("query", name) == nil && c.item.Parameters.GetByInAndName("query", name) == nil {
			c.t.Errorf("%s %s: the document has no parameter %s", c.method, c.path, name)
		}
	}
}

// plain are headers of HTTP itself that no document names.
var plain = []string{"Content-Type", "Content-Length", "Date", "Connection"}

// headers checks that the document names each header of an answer. Those with
// x-everywhere are of every answer below that path, and there where they are required.
func (c *contract) headers(r reply) {
	c.t.Helper()
	told := map[string]bool{}
	for _, name := range plain {
		told[name] = true
	}
	for name, ref := range c.doc.Components.Headers {
		below, ok := ref.Value.Extensions["x-everywhere"].(string)
		if !ok || !strings.HasPrefix(c.path, below) {
			continue
		}
		told[http.CanonicalHeaderKey(name)] = true
		value := r.header.Get(name)
		if ref.Value.Required && value == "" {
			c.t.Errorf("%s %s: %d lacks the header %s", c.method, c.path, r.status, name)
		}
		if schema := ref.Value.Schema.Value; value != "" && schema.Pattern == "" && !schema.Type.Is("string") {
			if err := schema.VisitJSON(number(value), openapi3.EnableJSONSchema2020()); err != nil {
				c.t.Errorf("%s %s: %s: %v", c.method, c.path, name, err)
			}
		}
	}
	response := c.operation.Responses.Status(r.status)
	if response == nil || response.Value == nil {
		return // told already
	}
	for name := range response.Value.Headers {
		told[http.CanonicalHeaderKey(name)] = true
	}
	for name := range r.header {
		if !told[name] {
			c.t.Errorf("%s %s: the document does not tell of the header %s of %d", c.method, c.path, name, r.status)
		}
	}
	if len(response.Value.Content) == 0 && len(r.body) > 0 {
		c.t.Errorf("%s %s: the document does not tell that %d has a body: %s", c.method, c.path, r.status, r.body)
	}
}

func number(s string) any {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	return v
}

// members checks that the document names each member of a JSON answer.
func (c *contract) members(r reply) {
	c.t.Helper()
	response := c.operation.Responses.Status(r.status)
	if response == nil || response.Value == nil || !strings.Contains(r.header.Get("Content-Type"), "json") {
		return
	}
	media := response.Value.Content.Get(r.header.Get("Content-Type"))
	if media == nil || media.Schema == nil || len(r.body) == 0 {
		return
	}
	var body any
	d := json.NewDecoder(bytes.NewReader(r.body))
	if err := d.Decode(&body); err != nil {
		c.t.Fatal(err)
	}
	for _, at := range unnamed([]*openapi3.Schema{media.Schema.Value}, body, "") {
		c.t.Errorf("%s %s: the document does not name %s of %d: %s", c.method, c.path, at, r.status, r.body)
	}
}

// unnamed lists the members of a value that none of the schemas that it may have
// names.
func unnamed(of []*openapi3.Schema, v any, at string) (out []string) {
	switch v := v.(type) {
	case []any:
		items := parts(of, func(s *openapi3.Schema) *openapi3.SchemaRef { return s.Items })
		for i, e := range v {
			out = append(out, unnamed(items, e, fmt.Sprintf("%s/%d", at, i))...)
		}
	case map[string]any:
		for name, e := range v {
			below := parts(of, func(s *openapi3.Schema) *openapi3.SchemaRef { return s.Properties[name] })
			switch {
			case len(below) > 0:
				out = append(out, unnamed(below, e, at+"/"+name)...)
			case !slices.ContainsFunc(of, open):
				out = append(out, at+"/"+name)
			}
		}
	}
	return out
}

// parts are what choose finds in schemas and in what they are made of.
func parts(of []*openapi3.Schema, choose func(*openapi3.Schema) *openapi3.SchemaRef) (out []*openapi3.Schema) {
	for _, s := range of {
		if ref := choose(s); ref != nil {
			out = append(out, ref.Value)
		}
		for _, list := range []openapi3.SchemaRefs{s.AllOf, s.OneOf, s.AnyOf} {
			for _, ref := range list {
				out = append(out, parts([]*openapi3.Schema{ref.Value}, choose)...)
			}
		}
	}
	return out
}

// open reports whether a schema says itself that it does not name all members.
func open(s *openapi3.Schema) bool {
	if s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has || s.AdditionalProperties.Schema != nil {
		return true
	}
	return slices.ContainsFunc(slices.Concat(s.AllOf, s.OneOf, s.AnyOf), func(ref *openapi3.SchemaRef) bool { return open(ref.Value) })
}

// TestOpenAPINamesEveryField: what Go writes as JSON, the document's schemas name,
// and they name nothing else.
func TestOpenAPINamesEveryField(t *testing.T) {
	doc := specification(t, newHarness(t, defaults()))
	for name, v := range answered() {
		ref := doc.Components.Schemas[name]
		if ref == nil {
			t.Errorf("the document has no schema %s", name)
			continue
		}
		told, have := map[string]bool{}, map[string]bool{}
		properties(ref.Value, told)
		fields(reflect.TypeOf(v), have)
		if got, want := sortedNames(told), sortedNames(have); !slices.Equal(got, want) {
			t.Errorf("%s names %v, and Go writes %v", name, got, want)
		}
	}
}

func properties(s *openapi3.Schema, into map[string]bool) {
	for name := range s.Properties {
		into[name] = true
	}
	for _, ref := range s.AllOf {
		properties(ref.Value, into)
	}
}

func fields(t reflect.Type, into map[string]bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			fields(f.Type, into)
		case name == "":
			into[f.Name] = true
		default:
			into[name] = true
		}
	}
}

func sortedNames(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// answered are the Go types behind the document's schemas.
func answered() map[string]any {
	return map[string]any{
		"Locator": schemas.Locator{}, "Problem": api.Problem{}, "Receipt": schemas.Receipt{}, "EventReceipt": schemas.EventReceipt{},
		"Job": api.Job{}, "Item": api.Item{}, "Offer": api.ItemOffer{}, "Class": api.Class{}, "Record": api.Record{}, "Trail": api.Trail{},
		"Shipments": api.Shipments{}, "Shipment": api.Shipment{}, "Conditions": api.Conditions{}, "Condition": api.Condition{}, "Excursion": api.Excursion{}, "Measure": api.Measure{}, "Handovers": api.Handovers{}, "Handover": api.Handover{}, "Signing": api.Signing{}, "Dispute": api.Dispute{}, "Evidence": api.Evidence{},
		"Trace": api.Trace{}, "OrderRequest": api.OrderRequest{}, "Erasure": api.Erasure{}, "ErasureReceipt": schemas.ErasureReceipt{}, "Exceptions": api.Exceptions{},
		"Transaction": api.Transaction{}, "Partner": schemas.Partner{}, "Partners": api.Partners{}, "FSMA": api.FSMA{}, "Import": api.Import{}, "Network": api.Network{}, "Trust": api.Trust{},
		"SignedHeader": api.SignedHeader{}, "Checkpoint": api.Checkpoint{}, "Growth": api.Growth{}, "AnchorProof": api.AnchorProof{},
		"GuestRequest": api.GuestRequest{}, "Guest": api.Guest{}, "PublicationRequest": api.PublicationRequest{}, "Publication": local.Publication{}, "Publications": api.Publications{}, "Link": local.Link{},
		"PublicItem": api.PublicItem{}, "Publisher": api.Publisher{}, "PublicEvent": api.PublicEvent{}, "Linkset": api.Linkset{}, "LinkTarget": api.LinkTarget{},
		"ResolverDescription": api.ResolverDescription{},
		"ProposalState":       schemas.ProposalState{}, "Proposal": api.Proposal{}, "Proposals": api.Proposals{}, "Rehearsal": api.Rehearsal{}, "Impact": schemas.Impact{},
		"Stranded": schemas.Stranded{}, "Holdings": api.Holdings{}, "LotHolding": schemas.LotHolding{}, "PartnerState": api.PartnerState{}, "Prefix": schemas.Prefix{}, "Prefixes": api.Prefixes{},
		"Subscription": api.Subscription{}, "SubscriptionStatus": api.SubscriptionStatus{}, "ReplayRequest": api.ReplayRequest{}, "Streamed": api.Streamed{},
		"WebhookRequest": api.WebhookRequest{}, "Webhook": api.Webhook{}, "Webhooks": api.Webhooks{}, "WebhookReplay": api.WebhookReplay{}, "WebhookMessage": api.WebhookMessage{},
	}
}
