package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	dbm "github.com/cosmos/cosmos-db"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// counting is a ledger that counts pages, and how many are read at once.
type counting struct {
	api.Ledger
	pages, now atomic.Int64
	mu         sync.Mutex // guards what follows
	most       int64
}

type countingView struct {
	api.View
	of *counting
}

func (c *counting) View() (api.View, error) {
	v, err := c.Ledger.View()
	return countingView{v, c}, err
}

func (v countingView) Page(ctx context.Context, q schemas.EventQuery) (schemas.EventPage, error) {
	c := v.of
	c.pages.Add(1)
	n := c.now.Add(1)
	defer c.now.Add(-1)
	c.mu.Lock()
	c.most = max(c.most, n)
	c.mu.Unlock()
	runtime.Gosched() // so that whoever may read, too, does
	return v.View.Page(ctx, q)
}

// However many subscriptions there are, few read the ledger at once, each as often as
// blocks come at most, and all are told.
func TestDispatchIsBounded(t *testing.T) {
	const subscriptions, blocks = 400, 3
	limits := defaults()
	limits.Subscriptions = subscriptions
	h := &harness{t: t, ledger: newLedger(t), db: &outliving{dbm.NewMemDB()}, limits: limits}
	c, told := &counting{Ledger: h.ledger}, &atomic.Int64{}
	h.configure = func(cfg *api.Config) {
		cfg.Ledger, cfg.Destinations = c, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	h.start()
	t.Cleanup(h.stop)
	r := newReceiver(t)
	r.answers(func(int, []byte) int { told.Add(1); return http.StatusNoContent })
	for n := range subscriptions {
		query := fmt.Sprintf("/epcis/v2/queries/q%d", n/100) // each is of some
		if n%100 == 0 {
			h.do("POST", "/epcis/v2/queries", fmt.Sprintf(`{"name":"q%d","query":{"EQ_bizStep":"shipping"}}`, n/100)).want(t, 201)
		}
		h.do("POST", query+"/subscriptions", fmt.Sprintf(`{"dest":"%s/%d","stream":true}`, r.URL, n)).want(t, 201)
	}
	eventually(t, "nothing is left to read", func() bool { return c.now.Load() == 0 })
	before := c.pages.Load()
	for n := range blocks {
		h.do("POST", "/epcis/v2/events", event(n)).want(t, 201)
	}
	eventually(t, "all are told", func() bool {
		all := 0
		for n := range subscriptions / 100 {
			for _, s := range into[[]api.Subscription](t, h.do("GET", fmt.Sprintf("/epcis/v2/queries/q%d/subscriptions?perPage=1000", n), "")) {
				if s.Status.State == "current" && s.Status.Lag == 0 && s.Notified != nil {
					all++
				}
			}
		}
		return all == subscriptions
	})
	if n := told.Load(); n < subscriptions || n > subscriptions*blocks {
		t.Errorf("%d messages", n)
	}
	// A read that finds something is followed by one that tells that it was all.
	if n := c.pages.Load() - before; n > 2*subscriptions*(blocks+1) {
		t.Errorf("%d reads for %d subscriptions and %d blocks", n, subscriptions, blocks)
	}
	if most := int64(max(1, runtime.GOMAXPROCS(0)/2)); c.most > most {
		t.Errorf("%d read at once, where %d may", c.most, most)
	}
}

// BenchmarkDispatch is what the gateway adds, beside its receiver, for a thousand subscriptions
// that are all told of a block of one event: reading in turn, signing, a request each,
// the cursor on the disk. What the ledger itself reads is app's benchmark of this name.
func BenchmarkDispatch(b *testing.B) {
	const subscriptions = 1000
	store, err := local.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	key, _, err := store.CreateKey("erp", local.Scopes()...)
	if err != nil {
		b.Fatal(err)
	}
	g, err := api.New(api.Config{Ledger: newLedger(b), Local: store, Partner: "acme-farms", Limits: api.Limits{Subscriptions: subscriptions}, Destinations: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Start(); err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	told := make(chan struct{}, subscriptions)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- struct{}{} }))
	defer receiver.Close()
	post := func(path, body string) {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		if g.ServeHTTP(w, r); w.Code != 201 {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	post("/epcis/v2/queries", `{"name":"all","query":{"EQ_bizStep":"shipping"}}`)
	for range subscriptions {
		post("/epcis/v2/queries/all/subscriptions", `{"dest":"`+receiver.URL+`","stream":true,"signatureToken":"t"}`)
	}
	b.ResetTimer()
	for n := range b.N {
		post("/epcis/v2/events", event(n))
		for range subscriptions {
			<-told
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/subscriptions, "µs/subscription")
}
