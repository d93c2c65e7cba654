package schemas_test

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bodies of every length must come back, the shortest too: a frame declares
// short contents otherwise than long ones.
func TestCompressShort(t *testing.T) {
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 1100 {
		content := bytes.Repeat([]byte("abcdefg"), n/7+1)[:n]
		got, err := codec.Decompress(codec.Compress(content), n)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got, err := codec.Expand(codec.Compress(content)); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes expanded: %v", n, err)
		}
		if got, err := codec.Expand(codec.Frame(content)); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes expanded, perhaps not compressed: %v", n, err)
		}
	}
}

// What is read of a frame without the library is what the library makes of it, on
// every bit flipped in the headers, too.
func TestFrameAsTheLibraryReadsIt(t *testing.T) {
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	library, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer library.Close()
	for _, n := range []int{0, 1, 2, 255, 256, 257, 600, 1023} {
		content := bytes.Repeat([]byte("abcdefg"), n/7+1)[:n]
		whole := codec.Frame(content)
		if got, err := library.DecodeAll(whole, nil); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes, by the library: %v", n, err)
		}
		if got, err := codec.Decompress(whole, n); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		for bit := range 8 * min(len(whole), 12) {
			frame := bytes.Clone(whole)
			frame[bit/8] ^= 1 << (bit % 8)
			got, err := codec.Expand(frame)
			if err != nil {
				continue // more is refused than by the library
			}
			if want, err := library.DecodeAll(frame, nil); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, bit %d flipped: read as %d bytes, by the library as %d, %v", n, bit, len(got), len(want), err)
			}
		}
	}
}
