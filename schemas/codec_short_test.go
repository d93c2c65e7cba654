package schemas_test

import (
	"bytes"
	"testing"

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
