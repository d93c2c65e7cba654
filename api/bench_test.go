package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
)

// BenchmarkPostEvent is what the gateway adds to a ledger that commits at once:
// decoding, signing, the synced outbox, the answer.
func BenchmarkPostEvent(b *testing.B) {
	for _, gather := range []int{1, 100} {
		b.Run(fmt.Sprintf("gather %d", gather), func(b *testing.B) {
			store, err := local.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			key, _, err := store.CreateKey("erp", local.Capture)
			if err != nil {
				b.Fatal(err)
			}
			ledger := newLedger(b)
			g, err := api.New(api.Config{Ledger: ledger, Local: store, Partner: "acme-farms", Limits: api.Limits{Gather: gather, Rate: 1e9, Burst: 1e9}})
			if err != nil {
				b.Fatal(err)
			}
			if err := g.Start(); err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			var serial atomic.Int64
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequest("POST", "/epcis/v2/events", strings.NewReader(event(int(serial.Add(1)))))
					r.Header.Set("Authorization", "Bearer "+key)
					w := httptest.NewRecorder()
					g.ServeHTTP(w, r)
					if w.Code != 201 {
						b.Fatalf("%d %s", w.Code, w.Body)
					}
				}
			})
		})
	}
}

// BenchmarkCapture takes an XML document of 10,000 events of 900 bytes up to the answer
// that it is accepted: reading, decoding, signing in parts, the synced outbox.
func BenchmarkCapture(b *testing.B) {
	store, err := local.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	key, _, err := store.CreateKey("erp", local.Capture)
	if err != nil {
		b.Fatal(err)
	}
	g, err := api.New(api.Config{Ledger: newLedger(b), Local: store, Partner: "acme-farms", Limits: api.Limits{Rate: 1e9, Burst: 1e9}})
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Start(); err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	events := make([]string, 10000)
	for i := range events {
		events[i] = xmlEvent(i, "<remark xmlns=\"https://example.com/\">"+strings.Repeat("a lot ", 90)+"</remark>")
	}
	text := xmlDocument("2.0", events...)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/epcis/v2/capture", strings.NewReader(text))
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/xml")
		r.Header.Set("GS1-Capture-Error-Behaviour", "proceed")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != 202 {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
