package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// BenchmarkDispatch is what a block costs that a thousand subscriptions are told of:
// each asks for what is new behind the block before, as a webhook by looking at all of it. Of blocks of one event and of
// 5,000, where a thousandth is for each subscription, or nothing.
func BenchmarkDispatch(b *testing.B) {
	const subscriptions, old = 1000, 100_000
	c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
	serial := 0
	fill := func(size int) {
		var txs [][]byte
		for n := 0; n < size; {
			var events []*schemas.Event
			for ; n < size && len(events) < 500; n++ {
				e, err := schemas.DecodeEvent(fmt.Appendf(nil, `{"@context":[{"ex":"https://ns.example.com/"}],"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00",`+
					`"epcList":["https://id.gs1.org/01/09521234543213/21/%d"],"bizStep":"urn:example:step:%d","readPoint":{"id":"https://id.gs1.org/414/9521234000013"},"ex:n":%d}`, serial, serial%subscriptions, serial))
				if err != nil {
					b.Fatal(err)
				}
				events = append(events, e)
				serial++
			}
			txs = append(txs, c.sign(c.draft("farm", false, events...)))
		}
		c.block(txs...)
		c.app.TestingOnlyForget()
	}
	for range old / 5000 {
		fill(5000)
	}
	for _, size := range []int{1, 5000} {
		before := c.view().Height()
		fill(size)
		for name, ask := range map[string]func(n int) schemas.Parameter{
			"by step": func(n int) schemas.Parameter { return of("EQ_bizStep", fmt.Sprintf("urn:example:step:%d", n)) },
			"by item": func(n int) schemas.Parameter {
				return of("MATCH_epc", fmt.Sprintf("https://id.gs1.org/01/09521234543213/21/%d", serial-n-1))
			},
			"by place":     func(n int) schemas.Parameter { return of("EQ_readPoint", "https://id.gs1.org/414/9521234000020") },
			"by extension": func(n int) schemas.Parameter { return of("EQ_https://ns.example.com/n", "none") },
		} {
			b.Run(fmt.Sprintf("%d events/%s", size, name), func(b *testing.B) {
				found := 0
				for range b.N {
					v := c.view()
					for n := range subscriptions {
						q, err := schemas.ReadQuery([]schemas.Parameter{ask(n)}, &schemas.Namespaces{})
						if err != nil {
							b.Fatal(err)
						}
						after := schemas.Locator{Height: before, Position: 1 << 31}
						q.OrderBy, q.Ascending, q.After, q.MaxHeight, q.Limit = schemas.ByRecordTime, true, &after, v.Height(), 8
						p, err := v.Page(context.Background(), *q)
						if err != nil {
							b.Fatal(err)
						}
						found += len(p.Records)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/subscriptions, "µs/subscription")
				b.ReportMetric(float64(found)/float64(b.N), "events")
			})
		}
		b.Run(fmt.Sprintf("%d events/as a webhook", size), func(b *testing.B) {
			for range b.N {
				v := c.view()
				for range subscriptions {
					at := schemas.Locator{Height: before, Position: 1 << 31}
					for more := true; more; {
						records, _, err := v.Messages(at, 256)
						if err != nil {
							b.Fatal(err)
						}
						if more = len(records) == 256; more {
							at = records[255].Locator
						}
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/subscriptions, "µs/subscription")
		})
	}
}

func of(name, value string) schemas.Parameter {
	return schemas.Parameter{Name: name, Values: []schemas.ParameterValue{{Text: value}}}
}
