package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// call is a request of a collection that another implementation publishes.
type call struct {
	method, path, body string
	status             int // that it expects, 0 for any success
}

var (
	bruMethod = regexp.MustCompile(`(?m)^(get|post|delete|options) \{\n\s+url: (.*)$`)
	bruStatus = regexp.MustCompile(`res\.status: eq (\d+)`)
	bruVars   = regexp.MustCompile(`(?s)vars:pre-request \{\n(.*?)\n\}`)
	bruBody   = regexp.MustCompile(`(?s)\nbody:json \{\n(.*?)\n\}`)
)

// readCall reads a file of a collection.
func readCall(t *testing.T, file string) call {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := bruMethod.FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("%s has no request", file)
	}
	c := call{method: strings.ToUpper(m[1]), path: strings.Replace(m[2], "{{baseUrl}}", "/epcis/v2", 1)}
	if vars := bruVars.FindStringSubmatch(string(text)); vars != nil {
		for line := range strings.Lines(vars[1]) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			c.path = strings.ReplaceAll(c.path, "{{"+name+"}}", value)
		}
	}
	if s := bruStatus.FindStringSubmatch(string(text)); s != nil {
		c.status, _ = strconv.Atoi(s[1])
	}
	if b := bruBody.FindStringSubmatch(string(text)); b != nil && c.method == "POST" {
		c.body = b[1]
	}
	return c
}

// TestCallCollections replays the calls of query interfaces that another
// implementation publishes, in their order, after events that they ask for.
func TestCallCollections(t *testing.T) {
	root := "../../shared/conformance/FasTnT-v2/Documents"
	if _, err := os.Stat(root); err != nil {
		t.Skip("no collections here")
	}
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", `{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00","bizStep":"receiving","disposition":"in_progress",
		"eventID":"ni:///sha-256;df7bb3c352fef055578554f09f5e2aa41782150ced7bd0b8af24dd3ccb30ba69?ver=CBV2=0","epcList":["urn:epc:id:sgtin:0614141.107346.2018"],
		"readPoint":{"id":"urn:epc:id:sgln:0012345.11111.400"},"bizLocation":{"id":"urn:epc:id:sgln:0012345.11111.400"}}`).want(t, 201)
	for _, name := range []string{"MyQuery", "CustomQuery"} {
		h.do("POST", "/epcis/v2/queries", `{"name":"`+name+`","query":{"EQ_bizStep":["receiving"]}}`).want(t, 201)
	}
	other := map[string]int{ // what differs here, with reason
		"Top-Level/Get BizLocation SubResources List.bru": 404, // of a location that is no URI
		"Top-Level/Get ReadPoint SubResources List.bru":   404,
		"Queries/Retrieve Query Definition.bru":           404, // its path is another's
		"Events/Get Individual Event.bru":                 200,
	}
	asked := 0
	for _, pattern := range []string{"Discovery/*", "Events/*", "Top-Level/*", "Queries/Create*", "Queries/List*", "Queries/Retrieve*", "Queries/Remove*"} {
		files, _ := filepath.Glob(filepath.Join(root, "API", "EPCIS 2.0", filepath.FromSlash(pattern)))
		for _, file := range files {
			c := readCall(t, file)
			name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
			want := c.status
			if o, ok := other[name]; ok {
				want = o
			}
			c.path = strings.ReplaceAll(c.path, "{{captureId}}", "x")
			if r := h.do(c.method, c.path, c.body); r.status != want && (want != 0 || r.status != 200) {
				t.Errorf("%s: %s %s: %d, want %d: %s", name, c.method, c.path, r.status, want, r.body)
			}
			asked++
		}
	}
	for _, c := range postmanCalls(t, filepath.Join(root, "EPCIS 2.0.postman_collection.json")) {
		if r := h.do(c.method, c.path, c.body); r.status >= 300 {
			t.Errorf("%s %s: %d: %s", c.method, c.path, r.status, r.body)
		}
		asked++
	}
	if asked < 30 {
		t.Errorf("%d calls", asked)
	}
}

// postmanCalls are the calls of a collection's query interface: what is stored first,
// what is deleted last.
func postmanCalls(t *testing.T, file string) (out []call) {
	type item struct {
		Item    []item
		Request *struct {
			Method string
			URL    json.RawMessage
			Body   struct{ Raw string }
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all item
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	ranks := map[string][]call{}
	var walk func(item)
	walk = func(i item) {
		for _, inner := range i.Item {
			walk(inner)
		}
		var target struct{ Raw string }
		if i.Request == nil || json.Unmarshal(i.Request.URL, &target) != nil && json.Unmarshal(i.Request.URL, &target.Raw) != nil {
			return
		}
		path, ok := strings.CutPrefix(target.Raw, "{{BaseUrl}}/v2_0")
		if !ok || strings.Contains(strings.ToLower(path), "capture") || strings.Contains(path, "subscriptions") || i.Request.Method == "POST" && path != "/queries" {
			return
		}
		c := call{method: i.Request.Method, path: "/epcis/v2" + path}
		if c.method == "POST" {
			c.body = i.Request.Body.Raw
		}
		ranks[c.method] = append(ranks[c.method], c)
	}
	walk(all)
	for _, method := range []string{"POST", "GET", "DELETE"} {
		out = append(out, ranks[method]...)
	}
	return out
}

// TestInvalidQueries: the documents of others that are no queries are refused for
// their own reason.
func TestInvalidQueries(t *testing.T) {
	files, _ := filepath.Glob("../../shared/conformance/openepcis-test-resources/core/src/main/resources/2.0/EPCIS/JSON/Query/Queries/Invalid/*.json")
	if len(files) == 0 {
		t.Skip("no documents here")
	}
	h := newHarness(t, defaults())
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := h.do("POST", "/epcis/v2/queries", `{"name":"a","query":`+string(text)+`}`).problem(t, 400, "bad_parameter")
		if detail, _ := p["detail"].(string); !strings.Contains(detail, "no such parameter") {
			t.Errorf("%s: %s", filepath.Base(file), detail)
		}
	}
}
