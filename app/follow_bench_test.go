package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// reader reports what a cold chain's readers do: one new item an event, where and when, under
// which papers, at which temperature, in some 900 bytes with random serials.
type coldReader struct {
	rng  *rand.Rand
	made int
}

func (g *coldReader) serial() string { return fmt.Sprintf("%012d", g.rng.Uint64N(1e12)) }

func (g *coldReader) event(b *testing.B) *schemas.Event {
	g.made++
	stamp := began.Add(time.Duration(g.made) * 37 * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
	text := fmt.Appendf(nil, `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent","eventID":"urn:uuid:%08x-0000-4000-a000-%012x","eventTime":"%s","eventTimeZoneOffset":"+00:00",`,
		g.rng.Uint32(), g.rng.Uint64N(1<<48), stamp)
	text = fmt.Appendf(text, `"epcList":["urn:epc:id:sgtin:9521234.%06d.%s"],"action":"ADD","bizStep":"commissioning","disposition":"active",`, g.rng.IntN(40)+100, g.serial())
	text = fmt.Appendf(text, `"readPoint":{"id":"urn:epc:id:sgln:9521234.%05d.%d"},"bizLocation":{"id":"urn:epc:id:sgln:9521234.%05d.0"},`, g.rng.IntN(60), g.rng.IntN(8), g.rng.IntN(60))
	text = fmt.Appendf(text, `"bizTransactionList":[{"type":"po","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:PO-%s"},{"type":"desadv","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:DA-%s"}],`, g.serial(), g.serial())
	text = fmt.Appendf(text, `"sensorElementList":[{"sensorMetadata":{"time":"%s","deviceID":"urn:epc:id:giai:9521234.LOG-%06d"},"sensorReport":[{"type":"Temperature","value":%d.%02d,"uom":"CEL"},{"type":"RelativeHumidity","value":%d.%02d,"uom":"A93"}]}]}`,
		stamp, g.rng.IntN(1e6), g.rng.IntN(12), g.rng.IntN(100), 40+g.rng.IntN(50), g.rng.IntN(100))
	e, err := schemas.DecodeEvent(text)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// BenchmarkFollow is what a block costs a node that follows: transactions as peers send them,
// their proposal, the block, its commit. An event's processor time, user and system, by step.
// Signing is left out by measuring around it.
func BenchmarkFollow(b *testing.B) {
	for _, shape := range []struct{ txs, events int }{{48, 100}, {250, 1}} {
		b.Run(fmt.Sprintf("%dx%d", shape.txs, shape.events), func(b *testing.B) {
			c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
			defer func() {
				if err := c.store.Close(); err != nil {
					b.Error(err)
				}
			}()
			g := &coldReader{rng: rand.New(rand.NewPCG(1, 2))}
			c.block()
			var steps [4]time.Duration // check, process, finalize, commit
			const signed = 8           // blocks at a time
			for made := 0; made < b.N; {
				blocks := make([][][]byte, min(signed, b.N-made))
				for n := range blocks {
					for i := range shape.txs {
						events := make([]*schemas.Event, shape.events)
						for j := range events {
							events[j] = g.event(b)
						}
						blocks[n] = append(blocks[n], c.sign(c.draft(partners[i%4], false, events...)))
					}
				}
				for _, txs := range blocks {
					c.time = c.time.Add(time.Second)
					req := c.request(txs)
					at := cpuTime()
					step := func(n int) {
						now := cpuTime()
						steps[n] += now - at
						at = now
					}
					c.prepare(txs)
					step(0)
					res, err := c.app.ProcessProposal(context.Background(), &abci.RequestProcessProposal{Height: req.Height, Time: req.Time, Hash: req.Hash, Txs: txs})
					if err != nil || res.Status != abci.ResponseProcessProposal_ACCEPT {
						b.Fatal(res, err)
					}
					step(1)
					if _, err := c.app.FinalizeBlock(context.Background(), req); err != nil {
						b.Fatal(err)
					}
					step(2)
					if _, err := c.app.Commit(context.Background(), &abci.RequestCommit{}); err != nil {
						b.Fatal(err)
					}
					step(3)
					c.height++
					made++
				}
			}
			events := float64(b.N * shape.txs * shape.events)
			sum := time.Duration(0)
			for i, name := range []string{"check", "process", "finalize", "commit"} {
				sum += steps[i]
				b.ReportMetric(float64(steps[i].Nanoseconds())/events, name+"-ns/event")
			}
			b.ReportMetric(float64(sum.Nanoseconds())/events, "cpu-ns/event")
			b.ReportMetric(0, "ns/op")
		})
	}
}
