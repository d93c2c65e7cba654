package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// BenchmarkRestoreSnapshot restores a ledger of 200,000 items, all checks included,
// and writes as many bytes to a file, by turns.
func BenchmarkRestoreSnapshot(b *testing.B) {
	c := newChain(b, store.Options{})
	c.keepSnapshots(filepath.Join(b.TempDir(), "snapshots"))
	c.init()
	for n := 0; n < 200_000; {
		events := make([]*schemas.Event, 500)
		for i := range events {
			n++
			events[i] = c.event(fmt.Sprintf("obj add epc=thing%d id=%d", n, n))
		}
		c.time = c.time.Add(time.Second)
		c.replay([][]byte{c.sign(c.draft("farm", false, events...))})
	}
	began := time.Now()
	o := c.take()
	b.ReportMetric(time.Since(began).Seconds(), "s-to-take")
	size, sent := 0, 0
	for _, chunk := range o.chunks {
		records, err := c.codec.ExpandChunk(chunk)
		if err != nil {
			b.Fatal(err)
		}
		size, sent = size+len(records), sent+len(chunk)
	}
	gigabytes := float64(size) / 1e9
	for b.Loop() {
		plain := time.Now()
		if err := store.WriteSynced(filepath.Join(b.TempDir(), "copy"), make([]byte, size)); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(plain).Seconds()/gigabytes, "s/GB-copied")
		into := joining(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
		began, used := time.Now(), cpuTime()
		if _, last := into.restore(o); last == nil || last.Result != 1 {
			b.Fatal(last)
		}
		seconds := time.Since(began).Seconds()
		b.ReportMetric(seconds/gigabytes, "s/GB")
		b.ReportMetric((cpuTime()-used).Seconds()/gigabytes, "cpu-s/GB")
		b.ReportMetric(float64(size)/1e6, "MB")
		b.ReportMetric(float64(sent)/1e6, "MB-sent")
		if err := into.store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBesideSnapshot commits blocks of a hundred events, first alone, then
// while snapshots are taken at the pace of a node.
func BenchmarkBesideSnapshot(b *testing.B) {
	c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
	c.keepSnapshots(filepath.Join(b.TempDir(), "snapshots"))
	c.init()
	n := 0
	commit := func() time.Duration {
		events := make([]*schemas.Event, 100)
		for i := range events {
			n++
			events[i] = c.event(fmt.Sprintf("obj add epc=thing%d id=%d", n, n))
		}
		raw := c.sign(c.draft("farm", false, events...))
		began := time.Now()
		c.time = c.time.Add(time.Second)
		c.replay([][]byte{raw})
		return time.Since(began)
	}
	for range 300 { // 30,000 events
		commit()
	}
	measure := func() (p50, p99 time.Duration) {
		var times []time.Duration
		for range 200 {
			times = append(times, commit())
		}
		slices.Sort(times)
		return times[len(times)/2], times[len(times)*99/100]
	}
	for b.Loop() {
		p50, p99 := measure()
		b.ReportMetric(float64(p50.Microseconds()), "alone-p50-µs")
		b.ReportMetric(float64(p99.Microseconds()), "alone-p99-µs")
		due, err := c.app.DueSnapshot(1)
		if err != nil || due == nil {
			b.Fatal(due, err)
		}
		stop, done := make(chan struct{}), make(chan error)
		taken := 0
		go func() {
			defer due.Release()
			for {
				began := time.Now()
				if err := due.Take(context.Background(), func() { <-time.After(3 * time.Since(began)); began = time.Now() }); err != nil {
					done <- err
					return
				}
				taken++
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
			}
		}()
		p50, p99 = measure()
		close(stop)
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(p50.Microseconds()), "beside-p50-µs")
		b.ReportMetric(float64(p99.Microseconds()), "beside-p99-µs")
		b.ReportMetric(float64(taken), "snapshots")
	}
}
