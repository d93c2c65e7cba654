package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func none(string) string { return "" }

// A command of commands that is asked for one that it has not ends as wrong use: a
// script with a slip of the pen must not go on as if a hand-over had been accepted.
func TestUnknownCommands(t *testing.T) {
	groups := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if !cmd.HasSubCommands() {
			return
		}
		groups++
		path := strings.Fields(cmd.CommandPath())[1:]
		for _, args := range [][]string{{"nonsense"}, {"nonsense", "urn:x:y", "1"}} {
			var out bytes.Buffer
			if code := run(t.Context(), append(path, args...), strings.NewReader(""), &out, &out, none); code != exitUsage {
				t.Errorf("%v %v ended with %d, expected %d:\n%s", path, args, code, exitUsage, out.String())
			}
		}
	}
	walk((&program{getenv: none}).root())
	if groups < 10 {
		t.Errorf("%d commands have commands", groups)
	}
}

// Events are rows, unless JSON is asked for, in either of the two ways.
func TestEventsAsAskedFor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"type":"EPCISQueryDocument","epcisBody":{"queryResults":{"resultsBody":{"eventList":[{"type":"ObjectEvent","eventID":"urn:x:1"}]}}}}`)
	}))
	defer server.Close()
	for flags, asJSON := range map[string]bool{"": false, "-o json": true, "--as json": true, "-o json --as csv": false} {
		var out, errs bytes.Buffer
		args := append([]string{"events", "--node", server.URL, "--key", "k"}, strings.Fields(flags)...)
		if code := run(t.Context(), args, nil, &out, &errs, none); code != 0 {
			t.Fatalf("%q ended with %d: %s", flags, code, errs.String())
		}
		if got := json.Valid(out.Bytes()); got != asJSON || out.Len() == 0 {
			t.Errorf("%q printed %q", flags, out.String())
		}
	}
}

// What a load measured is a table, unless JSON is asked for.
func TestPrintMeasured(t *testing.T) {
	rows := []measured{{"disk", "1,200 bytes an event"}, {"one event a signature", "5,000/s"}}
	for output, want := range map[string]string{
		"text": "disk                   1,200 bytes an event\none event a signature  5,000/s\n",
		"json": "[\n  {\n    \"what\": \"disk\",\n    \"value\": \"1,200 bytes an event\"\n  },\n  {\n    \"what\": \"one event a signature\",\n    \"value\": \"5,000/s\"\n  }\n]\n",
	} {
		var out bytes.Buffer
		if err := (&program{out: &out, output: output}).printMeasured(rows); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s", output, err, out.String())
		}
	}
}

// Text of others is shown as it is, or so that nothing of it can be overlooked.
func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"Käse & Söhne":     "Käse & Söhne",
		"a\x1b[2Jb":        `"a\x1b[2Jb"`,
		"a\nb":             `"a\nb"`,
		"a\u202eb":         `"a\u202eb"`,
		"urn:x:1.\u3164No": `"urn:x:1.\u3164No"`,
		"urn:x:ä\u2800No":  `"urn:x:\u00e4\u2800No"`,
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
		if got := string(escapeJSON([]byte(in))); strings.ContainsAny(got, "\x1b\u202e\u2800\u3164") {
			t.Errorf("%q in JSON: %s", in, got)
		}
	}
}
