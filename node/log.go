package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cometbft/cometbft/consensus"
)

// The consensus engine appends to its write-ahead log also behind what a full disk or a kill
// left of a record, and reads what follows by chance only. It mends the end alone, and leaves
// a copy behind, for ever, with bodies that may be erased since.

func logPath(home string) string { return filepath.Join(home, dataDir, "consensus", "wal") }

// mendLog takes what cannot be read out of the file that the log grows in, and removes the
// engine's copy. It reports whether there was anything.
func mendLog(home string) (mended bool, err error) {
	if err := os.Remove(logPath(home) + ".CORRUPTED"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("removing an older copy of the engine's log: %w", err)
	}
	b, err := os.ReadFile(logPath(home))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the engine's log: %w", err)
	}
	kept := readable(b)
	if len(kept) == len(b) {
		return false, nil
	}
	if err := replaceFile(logPath(home), kept); err != nil {
		return false, fmt.Errorf("mending the engine's log: %w", err)
	}
	return true, nil
}

// readable is what of a log the engine can replay: of the heights that ended every record
// that is whole, and of the last, as the engine's own repair has it, those before the first
// that is not.
func readable(b []byte) (kept []byte) {
	ended, broken := 0, -1 // in kept: behind the last height that ended; the first damage behind that
	for at := 0; at < len(b); {
		m, err := consensus.NewWALDecoder(bytes.NewReader(b[at:])).Decode()
		size := len(b) - at
		if size >= 8 {
			if n := binary.BigEndian.Uint32(b[at+4:]); n > maxLogRecord+1024 {
				size = 8
			} else {
				size = min(size, 8+int(n))
			}
		}
		if err == nil {
			kept = append(kept, b[at:at+size]...)
			if _, is := m.Msg.(consensus.EndHeightMessage); is {
				ended, broken = len(kept), -1
			}
		} else if broken < 0 {
			broken = len(kept)
		}
		at += size
	}
	if broken >= ended {
		return kept[:broken]
	}
	return kept
}
