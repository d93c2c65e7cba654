package schemas_test

import (
	"os"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// BenchmarkDecodeEvent decodes events of about 800 bytes, one after the other.
func BenchmarkDecodeEvent(b *testing.B) {
	for _, name := range []string{"shipping", "sensor", "transformation"} {
		b.Run(name, func(b *testing.B) {
			body, err := os.ReadFile("testdata/events/" + name + ".json")
			if err != nil {
				b.Fatal(err)
			}
			if body, err = schemas.Compact(nil, body); err != nil {
				b.Fatal(err)
			}
			var skeleton []byte
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				e, err := schemas.DecodeEvent(body)
				if err != nil {
					b.Fatal(err)
				}
				skeleton = e.Skeleton.Append(skeleton[:0])
			}
		})
	}
}

// BenchmarkDecodeSingle decodes and checks the same as a gateway does: as they are
// sent, with whitespace.
func BenchmarkDecodeSingle(b *testing.B) {
	for _, name := range []string{"shipping", "sensor", "transformation"} {
		b.Run(name, func(b *testing.B) {
			text, err := os.ReadFile("testdata/events/" + name + ".json")
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schemas.DecodeSingle(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEventHash hashes events of about 800 bytes, one after the other.
func BenchmarkEventHash(b *testing.B) {
	for _, name := range []string{"shipping", "sensor", "transformation"} {
		b.Run(name, func(b *testing.B) {
			text, err := os.ReadFile("testdata/events/" + name + ".json")
			if err != nil {
				b.Fatal(err)
			}
			e, err := schemas.DecodeSingle(text)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(e.Body)))
			b.ReportAllocs()
			var h schemas.EventHasher
			for b.Loop() {
				h.Sum(e, schemas.CBV20)
			}
		})
	}
}

// TestDecodeSingleAllocations: reading an event of 800 bytes at the gateway, its hash and
// skeleton with it, takes no more than 50 allocations.
func TestDecodeSingleAllocations(t *testing.T) {
	for _, name := range []string{"shipping", "sensor", "transformation"} {
		text, err := os.ReadFile("testdata/events/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(100, func() {
			if _, err := schemas.DecodeSingle(text); err != nil {
				t.Fatal(err)
			}
		})
		if n > 50 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}
