package node_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/node"
)

// Whatever is damaged in the engine's log, a start and a stop leave one in which everything
// can be read, and no copy of what was there.
func TestLogIsMended(t *testing.T) {
	s := alone(t)
	n := start(t, s)
	for i := range 3 {
		commit(t, n, event(t, i+1))
	}
	must(t, n.Stop())
	log := filepath.Join(s.Home, "data", "consensus", "wal")
	made := 3
	for _, c := range []struct {
		what   string
		damage func([]byte) []byte
	}{
		{"nothing", func(b []byte) []byte { return b }},
		{"a flipped bit", func(b []byte) []byte { b[10] ^= 4; return b }},
		{"a record is cut off, and others follow", func(b []byte) []byte { return append(bytes.Clone(b[:len(b)/3]), b...) }},
		{"a length beyond the end", func(b []byte) []byte { return append(b, 1, 2, 3, 4, 0, 0, 4, 0, 9) }},
		{"a length that is too great, and others follow", func(b []byte) []byte { return append(append(bytes.Clone(b), "garbage garbage"...), b...) }},
		// A validator that is alone, and has lost what it was voting on, cannot go on.
		{"the end is cut off", func(b []byte) []byte { return b[:len(b)-5] }},
		{"all", func(b []byte) []byte { return bytes.Repeat([]byte{0xa5}, 1003) }},
	} {
		b, err := os.ReadFile(log)
		must(t, err)
		must(t, os.WriteFile(log, c.damage(b), 0o600))
		must(t, os.WriteFile(log+".CORRUPTED", b, 0o600))
		var said bytes.Buffer
		s.LogLevel = "warn"
		n, err := node.Start(t.Context(), s, "test", &said)
		must(t, err)
		if c.what != "the end is cut off" && c.what != "all" {
			made++
			commit(t, n, event(t, made))
		}
		must(t, n.Stop())
		if _, err := os.Stat(log + ".CORRUPTED"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: there is a copy: %v", c.what, err)
		}
		if told := strings.Contains(said.String(), "taken out"); told != (c.what != "nothing") {
			t.Errorf("%s: the node says %s", c.what, said.String())
		}
		mustHold(t, check(t, s.Home, false))
	}
}
