package schemas

// Signatures that are being implemented; this file goes when it is empty.

// --- transactions (transaction.go, bodies.go)

type Size struct{ Declared, Messages int }

// Measure reads how large a transaction's bodies and how many its messages are,
// before anything is decompressed.
func Measure(raw []byte) (Size, error)       { panic("pending") }
func DecodeHeader(b []byte) (*Header, error) { panic("pending") }
func EncodeBodies(b *Bodies) []byte          { panic("pending") }
func DecodeBodies(b []byte) (*Bodies, error) { panic("pending") }

// Expand decompresses what this node's Compress wrote (archive records), whose
// size the frame itself declares, at most 64 MiB.
func (c *Codec) Expand(frame []byte) ([]byte, error) { panic("pending") }
