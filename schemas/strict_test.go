package schemas

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
)

// What is read of an envelope is what the library reads, of every byte changed, too.
func TestReadEnvelope(t *testing.T) {
	files, err := filepath.Glob("testdata/transaction/*.hex")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transactions: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := hex.DecodeString(string(bytes.Fields(text)[0]))
		if err != nil {
			t.Fatal(err)
		}
		both := 0
		for i := -1; i < 2*len(whole); i++ {
			raw := bytes.Clone(whole)
			if i >= 0 {
				raw[i/2] ^= []byte{1, 0x18}[i%2]
			}
			size, err := Measure(raw)
			if err != nil {
				continue
			}
			got, err := readEnvelope(raw, size.Messages)
			want := &Envelope{}
			wantErr := unmarshal(raw, want)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%s, change %d: %v, by the library: %v", name, i, err, wantErr)
			}
			if err != nil {
				continue
			}
			both++
			if !proto.Equal(got, want) {
				t.Fatalf("%s, change %d: read as %v, by the library as %v", name, i, got, want)
			}
		}
		if both < len(whole) {
			t.Errorf("%s: read %d times", name, both)
		}
	}
}
