package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/waybill-ledger/waybill/api/local"
)

// TestMatrix asks for every operation of /openapi.json, in every role, for what is the
// node's own partner's: the requests are those of openapi_table_test.go, which succeed
// for a key with all scopes. The document says who may; nobody else is let in, and
// somebody else's key, whatever its scopes, is answered as if nothing were there.
func TestMatrix(t *testing.T) {
	h, known := prepared(t)
	doc := specification(t, h)
	m := matrix{t: t, h: h, known: known, keys: guests(t, h)}
	bound := sortedKeys(m.keys)
	m.keys["nobody"], m.keys["made up"] = "", "Bearer made-up"
	for _, s := range local.Scopes() {
		key, _, err := h.store.CreateKey(string(s), s)
		if err != nil {
			t.Fatal(err)
		}
		m.keys[string(s)] = "Bearer " + key
	}
	rows := map[string]ask{}
	for _, e := range exchanges() {
		rows[e.operation] = e.succeeds
	}
	// Those who may do something of the partner's come last: they change it.
	for _, last := range []bool{false, true} {
		cells := 0
		for path, item := range doc.Paths.Map() {
			for method, operation := range item.Operations() {
				if operation.Security == nil {
					t.Fatalf("%s %s says nothing of security", method, path)
				}
				a, ok := rows[method+" "+path]
				if !ok {
					t.Errorf("%s %s has no row in openapi_table_test.go", method, path)
					continue
				}
				if a.path == "" {
					a.path = path
				}
				open, scope := whoMay(operation)
				for who := range m.keys {
					let := who == scope || open && (scope == "" || who == "nobody")
					if let == last {
						m.cell(method, path, who, a, let, slices.Contains(bound, who))
						cells++
					}
				}
			}
		}
		if cells < 100 {
			t.Errorf("%d cells", cells)
		}
	}
}

// ofItsOwn are operations that answer a bound key with what is its own.
var ofItsOwn = []string{"GET /epcis/v2/events", "GET /api/v1/stream"}

// stayHere is a client that follows no redirection.
var stayHere = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// matrix is a gateway, and keys in every role.
type matrix struct {
	t     *testing.T
	h     *harness
	known interface{ Replace(string) string }
	keys  map[string]string
}

// whoMay is what the document says of an operation: that it is open to who has no key,
// and what scope a key needs, "" for none.
func whoMay(o *openapi3.Operation) (open bool, scope string) {
	for _, one := range *o.Security {
		open = open || len(one) == 0
		for _, scopes := range one { // the key as a token, and as a password
			scope = scopes[0]
		}
	}
	return open || len(*o.Security) == 0, scope
}

// cell asks in one role.
func (m *matrix) cell(method, path, who string, a ask, let, bound bool) {
	m.t.Helper()
	req, err := http.NewRequest(method, m.h.server.URL+m.known.Replace(a.path), strings.NewReader(m.known.Replace(a.body)))
	if err != nil {
		m.t.Fatal(err)
	}
	if a.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(a.headers); i += 2 {
		req.Header.Set(a.headers[i], a.headers[i+1])
	}
	if req.Header.Set("Authorization", m.keys[who]); who == "nobody" {
		req.Header.Del("Authorization")
	}
	res, err := stayHere.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	r := readReply(m.t, res)
	refused := r.status == 401 || r.status == 403
	switch operation := method + " " + path; {
	case let && refused:
		m.t.Errorf("%s: %s is not let in: %d %.200s", operation, who, r.status, r.body)
	case let, r.status == 403, bound && r.status == 404:
	case r.status == 401:
		if who != "nobody" && who != "made up" {
			m.t.Errorf("%s: %s is not known: %.200s", operation, who, r.body)
		}
	case bound && slices.Contains(ofItsOwn, operation) && r.status == 200: // there is nothing
		if strings.Contains(string(r.body), "urn:epc:id") || strings.Contains(string(r.body), "data:") {
			m.t.Errorf("%s: %s sees %.300s", operation, who, r.body)
		}
	case bound && operation == "GET /api/v1/proposals" && r.status == 200: // the same
		if strings.Contains(string(r.body), "proposer") {
			m.t.Errorf("%s: %s sees %.300s", operation, who, r.body)
		}
	default:
		m.t.Errorf("%s: %s is let in: %d %.200s", operation, who, r.status, r.body)
	}
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
