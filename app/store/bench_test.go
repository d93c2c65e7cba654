package store_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

const updates = 5000 // a block

func benchKey(i uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("item https://id.gs1.org/01/09521234543213/21/"), i*0x9e3779b97f4a7c15)
}

// filled opens a store on disk with n keys.
func filled(b *testing.B, n int, backend string) *store.Store {
	b.Helper()
	s, err := store.Open(store.Options{Dir: b.TempDir(), Backend: backend})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	value := make([]byte, 220)
	for i := 0; i < n; {
		height, _ := s.Last()
		block := s.Begin(height + 1)
		for range min(50_000, n-i) {
			binary.BigEndian.PutUint64(value, rand.Uint64())
			block.Set(benchKey(uint64(i)), value[:100], value[100:])
			i++
		}
		if err := block.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

var sizes = []int{10_000, 100_000, 1_000_000}

// BenchmarkCommit replaces the values of 5,000 keys a block, all over the state,
// each durable when Commit returns.
func BenchmarkCommit(b *testing.B) {
	for _, backend := range []string{"goleveldb", "pebbledb"} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/keys=%d", backend, n), func(b *testing.B) {
				s := filled(b, n, backend)
				value := make([]byte, 220)
				before := cpuTime()
				for b.Loop() {
					height, _ := s.Last()
					block := s.Begin(height + 1)
					for range updates {
						binary.BigEndian.PutUint64(value, rand.Uint64())
						block.Set(benchKey(rand.Uint64N(uint64(n))), value[:100], value[100:])
					}
					if err := block.Commit(); err != nil {
						b.Fatal(err)
					}
				}
				total := float64(b.N) * updates
				b.ReportMetric(total/b.Elapsed().Seconds(), "updates/s")
				b.ReportMetric(total/(cpuTime()-before).Seconds(), "updates/s-core")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s := filled(b, n, "")
			v := s.Latest()
			before := cpuTime()
			for b.Loop() {
				if value, _, err := v.Get(benchKey(rand.Uint64N(uint64(n)))); value == nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, before)
		})
	}
}

func BenchmarkPath(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s := filled(b, n, "")
			v := s.Latest()
			before := cpuTime()
			for b.Loop() {
				if _, err := v.Path(benchKey(rand.Uint64N(uint64(n)))); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, before)
		})
	}
}
