package schemas_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/waybill-ledger/waybill/schemas"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of testdata again; review the difference")

func newCodec(tb testing.TB) *schemas.Codec {
	tb.Helper()
	c, err := schemas.NewCodec()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// prose is text that compresses as events do.
func prose(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, `{"type":"ObjectEvent","epcList":["urn:epc:id:sgtin:9521234.054321.%d"],"bizStep":"shipping"}`, r.Uint64())
	}
	return b.Bytes()[:size]
}

func TestCodecRoundTrip(t *testing.T) {
	c := newCodec(t)
	for _, size := range []int{0, 1, 255, 256, 65535, 65536 + 255, 65536 + 256, 1 << 20, 1<<20 + 1, schemas.MaxDeclared} {
		want := prose(size)
		frame := c.Compress(want)
		got, err := c.Decompress(frame, size)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if got, err := c.Expand(frame); err != nil || !bytes.Equal(got, want) {
			t.Errorf("expanding %d bytes: %v", size, err)
		}
		for _, wrong := range []int{size - 1, size + 1, -1, schemas.MaxDeclared + 1} {
			if _, err := c.Decompress(frame, wrong); err == nil && wrong != size {
				t.Errorf("%d bytes pass as %d", size, wrong)
			}
		}
	}
}

func TestCodecExpandBound(t *testing.T) {
	c := newCodec(t)
	most := make([]byte, 64<<20)
	if got, err := c.Expand(c.Compress(most)); err != nil || len(got) != len(most) {
		t.Errorf("%d bytes: %v", len(most), err)
	}
	if _, err := c.Expand(c.Compress(append(most, 0))); err == nil {
		t.Error("64 MiB and a byte are expanded")
	}
}

// frame builds a frame from its parts.
func frame(parts ...string) []byte {
	b, err := hex.DecodeString("28b52ffd" + strings.Join(parts, ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestCodecRefuses(t *testing.T) {
	c := newCodec(t)
	good := frame("20", "03", "190000", "616263") // one raw block of "abc"
	if got, err := c.Decompress(good, 3); err != nil || string(got) != "abc" {
		t.Fatalf("%q, %v", got, err)
	}
	large := prose(300 << 10)
	for name, f := range map[string]struct {
		frame []byte
		size  int
	}{
		"nothing":                     {nil, 0},
		"magic number alone":          {frame(), 0},
		"another magic number":        {append([]byte{0x29}, good[1:]...), 3},
		"skippable frame":             {append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, good...), 3},
		"two frames":                  {append(bytes.Clone(good), good...), 6},
		"an empty frame behind":       {append(bytes.Clone(good), frame("20", "00", "010000")...), 3},
		"bytes behind":                {append(bytes.Clone(good), 0), 3},
		"cut short":                   {good[:len(good)-1], 3},
		"no last block":               {frame("20", "03", "180000", "616263"), 3},
		"no content size":             {frame("00", "00", "190000", "616263"), 3},
		"dictionary":                  {frame("21", "07", "03", "190000", "616263"), 3},
		"dictionary 0":                {frame("21", "00", "03", "190000", "616263"), 3},
		"reserved bit":                {frame("28", "03", "190000", "616263"), 3},
		"unused bit":                  {frame("30", "03", "190000", "616263"), 3},
		"reserved block":              {frame("20", "03", "1f0000", "616263"), 3},
		"less than declared":          {frame("20", "04", "190000", "616263"), 4},
		"more than declared":          {frame("20", "02", "190000", "616263"), 2},
		"repeated byte, too many":     {frame("a0", "00001000", "03008061"), 1 << 20},
		"blocks that cannot hold it":  {frame("a0", "00001000", "150000", "6162"), 1 << 20},
		"window of 8 MiB":             {frame("80", "68", "03000000", "190000", "616263"), 3},
		"window of 1 MiB and a bit":   {frame("80", "51", "03000000", "190000", "616263"), 3},
		"one segment above 1 MiB":     {frame("a0", "01001000", "190000", "616263"), 1<<20 + 1},
		"size of 2^63":                {frame("e0", "0000000000000080", "190000", "616263"), 3},
		"wrong checksum":              {frame("24", "03", "190000", "616263", "00000000"), 3},
		"checksum cut short":          {frame("24", "03", "190000", "616263", "0000"), 3},
		"compressed block of nothing": {frame("20", "03", "050000"), 3},
		"a stream without sizes":      {stream(t, large), len(large)},
	} {
		if got, err := c.Decompress(f.frame, f.size); err == nil {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		if got, err := c.Expand(f.frame); err == nil && len(got) == f.size {
			t.Errorf("%s: expanded", name)
		}
	}
}

// stream compresses as a stream, which does not declare its size.
func stream(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A frame of few bytes may not make a node allocate what it claims to hold.
func TestCodecAllocation(t *testing.T) {
	c := newCodec(t)
	bomb := frame("80", "50", "00008000", "150000", "6162") // 8 MiB in one block of two bytes
	const runs = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		if _, err := c.Decompress(bomb, schemas.MaxDeclared); err == nil {
			t.Fatal("decompressed")
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > 64<<10 {
		t.Errorf("%d bytes allocated for a frame of %d", got, len(bomb))
	}
}

func TestCodecConcurrency(t *testing.T) {
	c := newCodec(t)
	want := prose(100 << 10)
	compressed := c.Compress(want)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				got, err := c.Decompress(c.Compress(want), len(want))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if _, err := c.Expand(compressed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// The library's verdicts on damaged frames are part of the rules: what it accepts
// or refuses here may not change without a new rules version. The frames are in
// the file too, as another encoder would make others.
func TestCodecVerdicts(t *testing.T) {
	const file = "testdata/transaction/verdicts.txt"
	c := newCodec(t)
	seeds := []int{40, 700, 5000}
	if *rewrite {
		var b strings.Builder
		b.WriteString("# Frames, and of each the verdicts on damaged copies of it: docs/format.md, \"Compression\".\n")
		for _, size := range seeds {
			f := c.Compress(prose(size))
			fmt.Fprintf(&b, "%d %x %s\n", size, f, verdicts(c, f, size))
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range lines(t, file) {
		var size int
		var encoded, want string
		if _, err := fmt.Sscan(line, &size, &encoded, &want); err != nil {
			t.Fatal(err)
		}
		f, err := hex.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		got := verdicts(c, f, size)
		if !strings.ContainsRune(got, '.') || strings.Count(got, "x") < 50 {
			t.Errorf("size %d: the damage is too mild or too coarse: %s", size, got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the verdicts on damaged copies of the frame of %d bytes changed:\n%s", size, diff)
		}
	}
}

// verdicts damages a frame in 512 ways, told by a generator of our own, and
// writes for each whether the damaged frame is refused (x), or gives the same
// content (=) or other content (.) of the same size.
func verdicts(c *schemas.Codec, f []byte, size int) string {
	want, err := c.Decompress(f, size)
	if err != nil {
		return err.Error()
	}
	state := uint32(size)
	next := func(n int) int {
		state = state*1664525 + 1013904223
		return int(state>>8) % n
	}
	var b strings.Builder
	for range 512 {
		damaged := bytes.Clone(f)
		for range 1 + next(2) {
			damaged[5+next(len(f)-5)] ^= 1 << next(8)
		}
		got, err := c.Decompress(damaged, size)
		switch {
		case err != nil:
			b.WriteByte('x')
		case bytes.Equal(got, want):
			b.WriteByte('=')
		default:
			b.WriteByte('.')
		}
	}
	return b.String()
}

func FuzzDecompress(f *testing.F) {
	c := newCodec(f)
	for _, size := range []int{0, 3, 300, 70000} {
		f.Add(c.Compress(prose(size)), size)
	}
	f.Add(frame("20", "03", "190000", "616263"), 3)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		size &= schemas.MaxDeclared - 1
		got, err := c.Decompress(b, size)
		if err == nil && len(got) != size {
			t.Fatalf("%d bytes where %d were declared", len(got), size)
		}
		expanded, expandErr := c.Expand(b)
		if err == nil && (expandErr != nil || !bytes.Equal(got, expanded)) {
			t.Fatalf("the two decoders differ: %v", expandErr)
		}
	})
}
