package store

import (
	"os"
	"syscall"
)

// punch gives the file system back the room of zeros, where it can: they read as before.
// What it refuses costs that room alone.
func punch(f *os.File, at, n int64) {
	const keepSize, punchHole = 1, 2 // FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
	_ = syscall.Fallocate(int(f.Fd()), keepSize|punchHole, at, n)
}
