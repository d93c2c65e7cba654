//go:build !linux

package store

import "os"

// punch does nothing: the room of zeros stays taken.
func punch(*os.File, int64, int64) {}
