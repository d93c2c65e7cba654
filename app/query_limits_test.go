package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// sized are events with an extension that says how large something is; the last two
// have none.
func sized(t *testing.T, c *chain, sizes ...string) {
	t.Helper()
	var events []*schemas.Event
	for i, size := range append(sizes, "", "") {
		extension := ""
		if size != "" {
			extension = `,"ex:size":` + size
		}
		body := fmt.Sprintf(`{"@context":[{"ex":"https://ns.example.com/"}],"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-01-01T00:00:%02dZ","eventTimeZoneOffset":"+00:00",`+
			`"eventID":"urn:example:event:%d","epcList":["urn:example:thing:%d"]%s}`, i, i, i%3, extension)
		e, err := schemas.DecodeEvent([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	c.block(c.sign(c.draft("farm", false, events...)))
}

// pagesOf reads all pages and returns the numbers of their events, a bar between pages.
func pagesOf(t *testing.T, c *chain, q schemas.EventQuery) string {
	t.Helper()
	var out []string
	for more := true; more; {
		p, err := c.view().Page(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, r := range p.Records {
			page = append(page, strings.TrimPrefix(r.EventID, "urn:example:event:"))
		}
		out = append(out, strings.Join(page, " "))
		more, q.After, q.AfterTime = p.More, &p.After, p.Time
	}
	return strings.Join(out, " | ")
}

func TestOrderedByExtension(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	sized(t, c, "5", `"40"`, "-1", "5.0", `"large"`)
	for direction, want := range map[bool]string{true: "2 0 | 3 1 | 4 5 | 6", false: "4 1 | 3 0 | 2 6 | 5"} {
		q, err := schemas.ReadQuery([]schemas.Parameter{{Name: "orderBy", Values: []schemas.ParameterValue{{Text: "https://ns.example.com/size"}}}}, &schemas.Namespaces{})
		if err != nil {
			t.Fatal(err)
		}
		q.Ascending, q.Limit = direction, 2
		if got := pagesOf(t, c, *q); got != want {
			t.Errorf("ascending %v: %s, want %s", direction, got, want)
		}
	}
	var f *schemas.Fault
	q := schemas.EventQuery{OrderBy: schemas.ByField, OrderFields: []string{"https://ns.example.com/size"}, Limit: 2, MaxCount: 6}
	if _, err := c.view().Page(context.Background(), q); !errors.As(err, &f) || f.Code != schemas.QueryTooLarge {
		t.Errorf("seven events where six may be: %v", err)
	}
	q.MaxCount, q.After = 0, &schemas.Locator{Height: 99}
	if _, err := c.view().Page(context.Background(), q); !errors.As(err, &f) || f.Code != schemas.ViewExpired {
		t.Errorf("behind an event that is not there: %v", err)
	}
}

// TestEffort: a page that would cost too much is short, and says where the next one
// begins; how many there are is told, or refused, never guessed.
func TestEffort(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	sized(t, c, "1", "2", "3", "4", "5", "6")
	q, err := schemas.ReadQuery([]schemas.Parameter{{Name: "GE_https://ns.example.com/size", Values: []schemas.ParameterValue{{Text: "3"}}}}, &schemas.Namespaces{})
	if err != nil {
		t.Fatal(err)
	}
	q.Limit, q.Effort = 3, 1
	if got, want := pagesOf(t, c, *q), " |  | 5 | 4 | 3 | 2 |  |  | "; got != want {
		t.Errorf("one event a page: %q, want %q", got, want)
	}
	var f *schemas.Fault
	for most, want := range map[int]schemas.Code{3: schemas.QueryTooComplex, 4: schemas.QueryTooComplex} {
		q.MaxCount = most
		if _, err := c.view().Page(context.Background(), *q); !errors.As(err, &f) || f.Code != want {
			t.Errorf("at most %d, unaffordable: %v", most, err)
		}
	}
	q.Effort, q.MaxCount = 0, 3
	if _, err := c.view().Page(context.Background(), *q); !errors.As(err, &f) || f.Code != schemas.QueryTooLarge {
		t.Errorf("four where three may be: %v", err)
	}
	q.MaxCount, q.Limit = 4, 1
	if got, want := pagesOf(t, c, *q), "5 | 4 | 3 | 2"; got != want {
		t.Errorf("four where four may be: %q, want %q", got, want)
	}
}

func TestValues(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	sized(t, c, "1", "2")
	c.submit("farm", false, c.event("obj add epc=u1 step=storing disp=active loc=hall read=gate id=a"), c.event("obj obs epc=u1 step=packing id=b"))
	for of, want := range map[schemas.Listing]string{schemas.ListBizSteps: "packing storing", schemas.ListDispositions: "active", schemas.ListReadPoints: strings.Join(names("@gate"), ""),
		schemas.ListEPCs: full("u1") + " urn:example:thing:0 urn:example:thing:1 urn:example:thing:2"} {
		var got []string
		for more, after := true, ""; more; after = got[len(got)-1] {
			page, others, err := c.view().Values(context.Background(), of, after, 1)
			if err != nil || len(page) != 1 {
				t.Fatalf("%v: %v, %v", of, page, err)
			}
			got, more = append(got, page...), others
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v, want %s", of, got, want)
		}
	}
}

// An extension is the order of as many events as are sorted at most, whatever else is
// recorded; of one more it is refused as too large.
func TestOrderOfTooMany(t *testing.T) {
	c := newChain(t, store.Options{})
	c.block()
	crowd := func(from, to int) {
		var events []*schemas.Event
		for i := from; i < to; i++ {
			e, err := schemas.DecodeEvent(fmt.Appendf(nil, `{"@context":[{"ex":"https://ns.example.com/"}],"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00",`+
				`"epcList":["urn:example:thing:%d"],"bizStep":"%s","ex:n":%d}`, i, []string{"shipping", "packing"}[i%2], i))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		c.block(c.sign(c.draft("farm", false, events...)))
	}
	for from := 0; from < 10000; from += 2500 {
		crowd(from, from+2500)
	}
	q, err := schemas.ReadQuery([]schemas.Parameter{{Name: "orderBy", Values: []schemas.ParameterValue{{Text: "https://ns.example.com/n"}}},
		{Name: "EQ_bizStep", Values: []schemas.ParameterValue{{Text: "packing"}}}}, &schemas.Namespaces{})
	if err != nil {
		t.Fatal(err)
	}
	q.Limit = 1
	p, err := c.view().Page(context.Background(), *q)
	if err != nil || len(p.Records) != 1 || !bytes.Contains(p.Records[0].Body, []byte(`"ex:n":9999`)) {
		t.Fatalf("five thousand of ten: %v %v", p.Records, err)
	}
	crowd(10001, 10002)
	var f *schemas.Fault
	if _, err := c.view().Page(context.Background(), *q); !errors.As(err, &f) || f.Code != schemas.QueryTooLarge || !strings.Contains(f.Detail, "5000") {
		t.Fatalf("one more: %v", err)
	}
}
