package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// BenchmarkQuery times the first page of queries, with bodies, of ledgers of 10^5 and
// 10^6 events over 30 days: each item is named by five, each lot by a hundred, each step
// by a fortieth of all. A page is what a gateway reads for one of 30 events: steps of 8
// and more.
func BenchmarkQuery(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkQueries(b, size) })
	}
}

func benchmarkQueries(b *testing.B, size int) {
	const perTx, perBlock = 100, 100
	c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
	rng := rand.New(rand.NewPCG(1, 2))
	steps := []string{"shipping", "receiving", "storing", "packing", "picking", "loading", "inspecting", "arriving", "departing", "accepting"}
	step := func(n int) string {
		if n < len(steps) {
			return steps[n]
		}
		return fmt.Sprintf("urn:example:step:%d", n)
	}
	var txs [][]byte
	for n := 0; n < size; {
		events := make([]*schemas.Event, 0, perTx)
		for range perTx {
			at := began.Add(-time.Duration(rng.Int64N(int64(30 * 24 * time.Hour)))).Format(time.RFC3339)
			body := fmt.Appendf(nil, `{"@context":[{"ex":"https://ns.example.com/"}],"type":"ObjectEvent","action":"OBSERVE","eventTime":"%s","eventTimeZoneOffset":"+00:00",`+
				`"epcList":["https://id.gs1.org/01/09521234543213/21/%d"],"quantityList":[{"epcClass":"https://id.gs1.org/01/09521234543213/10/L%d","quantity":1}],`+
				`"bizStep":"%s","disposition":"in_progress","readPoint":{"id":"https://id.gs1.org/414/9521234000013"},"ex:n":%d}`, at, n%(size/5), n%(size/100), step(rng.IntN(40)), n)
			e, err := schemas.DecodeEvent(body)
			if err != nil {
				b.Fatal(err)
			}
			events = append(events, e)
			n++
		}
		if txs = append(txs, c.sign(c.draft("farm", false, events...))); len(txs) == perBlock {
			c.block(txs...)
			c.app.TestingOnlyForget()
			txs = nil
		}
	}
	hour := func(i int) (from, to string) {
		at := began.Add(-time.Duration(i%700) * time.Hour)
		return at.Add(-time.Hour).Format(time.RFC3339), at.Format(time.RFC3339)
	}
	for name, ask := range map[string]func(i int) []string{
		"epc": func(i int) []string {
			return []string{fmt.Sprintf("MATCH_epc=https://id.gs1.org/01/09521234543213/21/%d", i*7919%(size/5))}
		},
		"lot": func(i int) []string {
			return []string{fmt.Sprintf("MATCH_epcClass=https://id.gs1.org/01/09521234543213/10/L%d", i*7919%(size/100))}
		},
		"step": func(i int) []string {
			from, to := hour(i)
			return []string{"EQ_bizStep=" + step(i%40), "GE_eventTime=" + from, "LT_eventTime=" + to}
		},
		"all": func(i int) []string { return nil },
		"item class": func(i int) []string {
			return []string{"MATCH_epc=urn:epc:idpat:sgtin:9521234.054321.*", "EQ_bizStep=" + step(i%40)}
		},
		// Nothing matches: what a page may cost at most.
		"extension": func(i int) []string { return []string{"EQ_https://ns.example.com/n=none"} },
	} {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			found, before := 0, cpuTime()
			for i := range b.N {
				var list []schemas.Parameter
				for _, text := range ask(i) {
					n, v, _ := strings.Cut(text, "=")
					list = append(list, schemas.Parameter{Name: n, Values: []schemas.ParameterValue{{Text: v}}})
				}
				q, err := schemas.ReadQuery(list, &schemas.Namespaces{})
				if err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				v := c.view()
				q.Limit = 8
				for got, more := 0, true; more && got < 30; q.Limit = 22 {
					p, err := v.Page(context.Background(), *q)
					if err != nil {
						b.Fatal(err)
					}
					got, more = got+len(p.Records), p.More && p.Left > 0
					found += len(p.Records)
					q.After, q.AfterTime, q.Effort = &p.After, p.Time, p.Left
				}
				times = append(times, time.Since(start))
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs")
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(found)/float64(b.N), "events")
		})
	}
}
