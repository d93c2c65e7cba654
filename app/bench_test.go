package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// batches makes transactions of 100 events: units that are made, packed, moved.
func batches(c *chain, n int) [][]byte {
	var txs [][]byte
	for i := range n {
		var events []*schemas.Event
		for j := range 50 {
			unit := fmt.Sprintf("u%d", i*50+j)
			events = append(events,
				c.event(fmt.Sprintf("obj add epc=%s step=commissioning disp=active loc=plant read=line id=%s-made note=%s", unit, unit, "some-text-that-rules-do-not-read")),
				c.event(fmt.Sprintf("obj obs epc=%s step=storing disp=in_progress loc=hall read=gate id=%s-kept", unit, unit)))
		}
		txs = append(txs, c.sign(c.draft("farm", false, events...)))
	}
	return txs
}

// BenchmarkExecute times FinalizeBlock and Commit of one event, 100 a transaction
// and 10 transactions a block, decoding and verifying left out: CheckTx has done it.
func BenchmarkExecute(b *testing.B) {
	c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
	c.block()
	const per = 10
	txs := batches(c, (b.N/100/per+1)*per)
	done := 0
	var executed time.Duration
	b.ResetTimer()
	for block := range slices.Chunk(txs, per) {
		b.StopTimer()
		c.time = c.time.Add(time.Minute)
		c.prepare(block)
		req := c.request(block)
		b.StartTimer()
		start := time.Now()
		if _, err := c.app.FinalizeBlock(context.Background(), req); err != nil {
			b.Fatal(err)
		}
		executed += time.Since(start)
		if _, err := c.app.Commit(context.Background(), &abci.RequestCommit{}); err != nil {
			b.Fatal(err)
		}
		c.height++
		if done += per * 100; done >= b.N {
			break
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/event")
	b.ReportMetric(float64(executed.Nanoseconds())/float64(done), "executing-ns/event")
}

// BenchmarkTrace times the upstream trace of one unit of 10^5 events, with bodies:
// a lot, six transformations, containers between them.
func BenchmarkTrace(b *testing.B) {
	c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
	const chains = 2000
	var events []*schemas.Event
	flush := func() {
		if len(events) == 0 {
			return
		}
		c.block(c.sign(c.draft("farm", false, events...)))
		events = nil
	}
	add := func(text string) {
		if events = append(events, c.event(text)); len(events) == 100 {
			flush()
		}
	}
	for stage := range 7 {
		for i := range chains {
			id := fmt.Sprintf("s%d-%d", stage, i)
			if stage == 0 {
				add("obj add epc=" + id + " step=commissioning t=-10h")
			} else {
				add(fmt.Sprintf("xform epc=s%d-%d out=%s step=commissioning t=-%dm", stage-1, i, id, 600-60*stage))
			}
			for n := range 3 {
				add(fmt.Sprintf("obj obs epc=%s step=storing t=-%dm", id, 590-60*stage-n))
			}
			add(fmt.Sprintf("agg add parent=P-%s epc=%s t=-%dm", id, id, 585-60*stage))
			add(fmt.Sprintf("obj obs epc=P-%s step=storing t=-%dm", id, 580-60*stage))
			add(fmt.Sprintf("agg del parent=P-%s t=-%dm", id, 575-60*stage))
		}
	}
	flush()
	v := c.view()
	var times []time.Duration
	b.ResetTimer()
	for i := range b.N {
		start := time.Now()
		tr, err := v.Trace(context.Background(), schemas.TraceQuery{ID: full(fmt.Sprintf("s6-%d", i*7919%chains)), Direction: schemas.Upstream, MaxDepth: 16, MaxEvents: 1000})
		if err != nil || len(tr.Events) < 45 {
			b.Fatal(len(tr.Events), err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}
