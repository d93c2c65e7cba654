package api_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const interopSuite = "../../shared/conformance/fosstrak-interop/epcis-interop-test/src/test/resources/queries/webservice"

// interopRequest is a request of the query control interface of EPCIS 1.0.
type interopRequest struct {
	Params []struct {
		Name   string   `xml:"name"`
		Values []string `xml:"value>string"`
	} `xml:"params>param"`
	Controls struct {
		Schedule struct {
			Fields []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"schedule"`
		InitialRecordTime string `xml:"initialRecordTime"`
		ReportIfEmpty     bool   `xml:"reportIfEmpty"`
	} `xml:"controls"`
}

// query are the request's parameters as the REST binding has them in a URI.
func (r *interopRequest) query() url.Values {
	out := url.Values{}
	for _, p := range r.Params {
		out.Set(p.Name, strings.Join(p.Values, "|"))
	}
	return out
}

// subscription is the request's body as the REST binding has it.
func (r *interopRequest) subscription(t *testing.T, dest string) string {
	schedule := map[string]string{}
	for _, f := range r.Controls.Schedule.Fields {
		schedule[f.XMLName.Local] = f.Text
	}
	text, err := json.Marshal(map[string]any{"dest": dest, "schedule": schedule, "initialRecordTime": r.Controls.InitialRecordTime, "reportIfEmpty": r.Controls.ReportIfEmpty})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readInterop reads a request of the suite, and the exception that it expects, if any.
func readInterop(t *testing.T, name string) (r interopRequest, exception string) {
	t.Helper()
	requests, _ := filepath.Glob(filepath.Join(interopSuite, "requests", "Test-EPCIS10-"+name+"-Request-1-*"))
	answers, _ := filepath.Glob(filepath.Join(interopSuite, "responses", "Test-EPCIS10-"+name+"-Response-*Exception.xml"))
	if len(requests) != 1 || len(answers) != 1 {
		t.Fatalf("%s: %d requests and %d exceptions", name, len(requests), len(answers))
	}
	text, err := os.ReadFile(requests[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	exception = strings.TrimSuffix(filepath.Base(answers[0]), ".xml")
	return r, exception[strings.LastIndex(exception, "-")+1:]
}

// The requests of the interoperability suite of EPCIS 1.0 that a server refuses, or fails
// at, are answered with the exception that the suite expects. The others are asked of the
// application and of a network.
func TestInteroperabilityExceptions(t *testing.T) {
	if _, err := os.Stat(interopSuite); err != nil {
		t.Skip("the suite is not here")
	}
	h := newSubscribed(t, defaults(), nil)
	for name, ill := range map[string]func(){
		"SE49": func() { h.ledger.tooComplex = true },
		"SE51": func() { h.ledger.viewFails = errors.New("the disk is gone") },
	} {
		r, exception := readInterop(t, name)
		path := "/epcis/v2/events?" + r.query().Encode()
		h.do("GET", path, "").want(t, 200)
		h.ledger.set(ill)
		if p := into[map[string]any](t, h.do("GET", path, "")); p["type"] != "epcisException:"+exception {
			t.Errorf("%s: %v, want %s", name, p, exception)
		}
		h.ledger.set(func() { h.ledger.tooComplex, h.ledger.viewFails = false, nil })
	}
	for _, name := range []string{"SE55", "SE57", "SE59", "SE61", "SE63", "SE65"} {
		r, exception := readInterop(t, name)
		query := map[string][]string{}
		for _, p := range r.Params {
			query[p.Name] = p.Values
		}
		stored, err := json.Marshal(map[string]any{"name": name, "query": query})
		if err != nil {
			t.Fatal(err)
		}
		h.do("POST", "/epcis/v2/queries", string(stored)).want(t, 201)
		path := fmt.Sprintf("/epcis/v2/queries/%s/subscriptions", name)
		answer := h.do("POST", path, r.subscription(t, "https://receiver.example/"))
		if p := into[map[string]any](t, answer); answer.status != 400 || p["type"] != "epcisException:"+exception {
			t.Errorf("%s: %v, want %s", name, p, exception)
		}
		// Nothing but the schedule is wrong with it.
		r.Controls.Schedule.Fields = r.Controls.Schedule.Fields[:0]
		good := strings.Replace(r.subscription(t, "https://receiver.example/"), `"schedule":{}`, `"schedule":{"second":"0","minute":"0"}`, 1)
		h.do("POST", path+"?dryRun=true", good).want(t, 200)
	}
}
