package store

import "fmt"

// Damaged is an error that says what a node has and cannot be right, and how to mend it.
func Damaged(format string, args ...any) error {
	return fmt.Errorf("%w: restore the node from a backup or from its peers", fmt.Errorf(format, args...))
}

// copyBack is how to mend a file of the archive alone.
const copyBack = "copy the file back from a backup or another node"
