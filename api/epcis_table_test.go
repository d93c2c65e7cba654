package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// tableRow is a row of docs/epcis.md. To add one: write it there; a parameter also
// needs a trial in epcis_parameters_test.go, an exception a request in
// TestEveryException.
type tableRow struct {
	names   []string // in backticks, its braces resolved
	support string   // yes or no
	tests   []string // package.TestName
}

var quoted = regexp.MustCompile("`([^`]+)`")

// epcisTables reads the tables of docs/epcis.md, by their headings.
func epcisTables(t *testing.T) map[string][]tableRow {
	t.Helper()
	text, err := os.ReadFile("../docs/epcis.md")
	if err != nil {
		t.Fatal(err)
	}
	out, heading := map[string][]tableRow{}, ""
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "## "); ok {
			heading = strings.TrimSpace(rest)
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		if len(cells) != 6 {
			t.Fatalf("not four cells: %s", line)
		}
		r := tableRow{support: strings.TrimSpace(cells[2])}
		for _, name := range quoted.FindAllStringSubmatch(cells[1], -1) {
			names := []string{name[1]}
			if heading != "Resources" { // where braces are parameters of paths
				names = alternatives(name[1])
			}
			r.names = append(r.names, names...)
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[4], -1) {
			r.tests = append(r.tests, name[1])
		}
		if r.support != "yes" && r.support != "no" || len(r.tests) == 0 {
			t.Errorf("%v: %q is neither yes nor no, or no test is named", r.names, r.support)
		}
		out[heading] = append(out[heading], r)
	}
	return out
}

// alternatives resolves braces: {a,b}_c is a_c and b_c.
func alternatives(s string) []string {
	before, rest, ok := strings.Cut(s, "{")
	if !ok {
		return []string{s}
	}
	inside, after, _ := strings.Cut(rest, "}")
	var out []string
	for choice := range strings.SplitSeq(inside, ",") {
		out = append(out, alternatives(before+choice+after)...)
	}
	return out
}

// supports are the names of a table, with whether they are said to be known.
func supports(t *testing.T, rows []tableRow) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, r := range rows {
		for _, name := range r.names {
			if _, twice := out[name]; twice {
				t.Errorf("%s has two rows", name)
			}
			out[name] = r.support != "no"
		}
	}
	return out
}

// compare holds what a table says against what there is.
func compareTable(t *testing.T, table string, says map[string]bool, known map[string]bool) {
	t.Helper()
	for name := range known {
		if supported, told := says[name]; !told {
			t.Errorf("%s: %s has no row in docs/epcis.md", table, name)
		} else if !supported {
			t.Errorf("%s: docs/epcis.md says that %s is not there", table, name)
		}
	}
	for name, supported := range says {
		if supported && !known[name] {
			t.Errorf("%s: docs/epcis.md says that %s is there", table, name)
		}
	}
}

// TestEPCISTable: docs/epcis.md tells what there is, no less and no more, and every
// row names tests that there are.
func TestEPCISTable(t *testing.T) {
	tables, h := epcisTables(t), newHarness(t, defaults())
	tests := repositoryTests(t)
	for heading, rows := range tables {
		for _, r := range rows {
			for _, name := range r.tests {
				if !tests[name] {
					t.Errorf("%s: %v names the test %s, which there is not", heading, r.names, name)
				}
			}
		}
	}
	const below = "/epcis/v2"
	resources := map[string]bool{"OPTIONS": true}
	options := map[string]bool{}
	err := chi.Walk(h.g.TestingOnlyRoutes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		path, ok := strings.CutPrefix(route, below)
		if ok && method == http.MethodOptions {
			options[path] = true
		} else if ok && method != http.MethodHead { // goes with GET
			resources[method+" "+path] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range resources {
		if _, path, ok := strings.Cut(name, " "); ok && !options[path] {
			t.Errorf("OPTIONS %s is not answered", path)
		}
	}
	compareTable(t, "Resources", supports(t, tables["Resources"]), resources)

	doc := specification(t, h)
	parameters, headers, media := map[string]bool{}, map[string]bool{}, map[string]bool{"application/problem+json": true, "application/problem+xml": true}
	for name := range parameterTrials() {
		parameters[name] = true
	}
	query := doc.Paths.Value(below + "/events").Get
	for _, p := range query.Parameters {
		if p.Value.In == "query" && p.Value.Name != "families" && !parameters[p.Value.Name] {
			t.Errorf("the parameter %s of openapi.json has no trial", p.Value.Name)
		}
	}
	compareTable(t, "Parameters", supports(t, tables["Parameters"]), parameters)
	for mediaType := range query.Responses.Status(http.StatusOK).Value.Content {
		media[mediaType] = true
	}
	compareTable(t, "Media types", supports(t, tables["Media types"]), media)

	for _, name := range literals(t, regexp.MustCompile(`^GS1-[A-Za-z-]+$`)) {
		headers[name] = true
	}
	compareTable(t, "Headers", supports(t, tables["Headers"]), headers)
	exceptions := map[string]bool{}
	for _, name := range literals(t, regexp.MustCompile(`^[A-Za-z]+Exception$`)) {
		if name != "SettleException" { // an act of the native interface
			exceptions[name] = true
		}
	}
	compareTable(t, "Exceptions", supports(t, tables["Exceptions"]), exceptions)
	for name := range exceptions {
		if exceptionRequests()[name] == nil {
			t.Errorf("TestEveryException has no request for %s", name)
		}
	}
	for name, supported := range supports(t, tables["Resources"]) {
		if method, path, _ := strings.Cut(name, " "); !supported {
			path = strings.NewReplacer("{", "", "}", "").Replace(path)
			if r := h.do(method, below+path, ""); r.status != 404 && r.status != 405 {
				t.Errorf("%s: %d", name, r.status)
			}
		}
	}
}

// repositoryTests are the tests of the whole repository, as package.TestName.
func repositoryTests(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				out[filepath.Base(filepath.Dir(path))+"."+f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// literals are the texts in this package's source that match.
func literals(t *testing.T, match *regexp.Regexp) (out []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text := strings.Trim(l.Value, "\"`"); match.MatchString(text) {
					out = append(out, text)
				}
			}
			return true
		})
	}
	return out
}

// exceptionRequests provoke each exception of the standard.
func exceptionRequests() map[string]func(*harness) reply {
	get := func(path string, headers ...string) func(*harness) reply {
		return func(h *harness) reply { return h.do("GET", path, "", headers...) }
	}
	post := func(path, body string, headers ...string) func(*harness) reply {
		return func(h *harness) reply { return h.do("POST", path, body, headers...) }
	}
	return map[string]func(*harness) reply{
		"ValidationException":      post("/epcis/v2/events", `{"type":"ObjectEvent"}`),
		"QueryParameterException":  get("/epcis/v2/events?EQ_nonsense=1"),
		"QueryValidationException": post("/epcis/v2/queries", `{"name":"bad"}`),
		"SubscriptionControlsException": func(h *harness) reply {
			h.do("POST", "/epcis/v2/queries", `{"name":"told","query":{}}`)
			return h.do("POST", "/epcis/v2/queries/told/subscriptions", `{"dest":"https://example.com/"}`)
		},
		"SecurityException":       get("/epcis/v2/events", "Authorization", "Bearer wrong"),
		"NoSuchNameException":     get("/epcis/v2/queries/none"),
		"NoSuchResourceException": get("/epcis/v2/events/none"),
		"NotAcceptableException":  get("/epcis/v2/events", "Accept", "image/png"),
		"ResourceAlreadyExistsException": func(h *harness) reply {
			h.do("POST", "/epcis/v2/queries", `{"name":"twice","query":{}}`)
			return h.do("POST", "/epcis/v2/queries", `{"name":"twice","query":{"EQ_action":["ADD"]}}`)
		},
		"CaptureLimitExceededException": post("/epcis/v2/capture", document(event(1), event(2), event(3))),
		"QueryTooLargeException": func(h *harness) reply {
			h.do("POST", "/epcis/v2/events", event(1))
			h.do("POST", "/epcis/v2/events", event(2))
			return h.do("GET", "/epcis/v2/events?maxEventCount=1", "")
		},
		"QueryTooComplexException": func(h *harness) reply {
			var b strings.Builder
			for i := range 300 {
				b.WriteString("&EXISTS_ext:" + strings.Repeat("a", i+1) + "=true")
			}
			return h.do("GET", "/epcis/v2/events?"+b.String()[1:], "", "GS1-Extensions", "ext=https://ext.example.com/")
		},
		"URITooLongException":           get("/epcis/v2/events?EQ_bizStep=" + strings.Repeat("x", 1<<17-100)),
		"UnsupportedMediaTypeException": post("/epcis/v2/events", event(1), "Content-Type", "text/csv"),
		"ImplementationException":       post("/epcis/v2/events/x", ""),
	}
}

// TestExceptionOfEveryCode: what a code is told as fits its status, whatever was asked.
func TestExceptionOfEveryCode(t *testing.T) {
	fits := map[int]string{400: "Validation QueryValidation QueryParameter SubscriptionControls", 401: "Security", 403: "Security", 404: "NoSuchName NoSuchResource",
		405: "Implementation", 406: "NotAcceptable", 409: "ResourceAlreadyExists Validation", 410: "QueryParameter Validation", 413: "CaptureLimitExceeded QueryTooLarge QueryTooComplex",
		414: "URITooLong", 415: "UnsupportedMediaType", 429: "Implementation", 500: "Implementation", 503: "Implementation"}
	for _, code := range schemas.Codes() {
		for _, method := range []string{"GET", "POST"} {
			got := strings.TrimSuffix(api.TestingOnlyException(code, method), "Exception")
			if status := code.Status(); status >= 400 && !slices.Contains(strings.Fields(fits[status]), got) {
				t.Errorf("%s, %d of %s: %s", code, status, method, got)
			}
		}
	}
}

// TestEveryException: the standard's exceptions are told by their names, as problems.
func TestEveryException(t *testing.T) {
	limits := defaults()
	limits.CaptureEvents, limits.URI = 2, 65536
	h := newHarness(t, limits)
	for name, provoke := range exceptionRequests() {
		r := provoke(h)
		if r.status < 400 || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %.200s", name, r.status, r.body)
			continue
		}
		if p := into[map[string]any](t, r); p["type"] != "epcisException:"+name || p["hint"] == "" || p["detail"] == "" {
			t.Errorf("%s: %.300s", name, r.body)
		}
	}
}
