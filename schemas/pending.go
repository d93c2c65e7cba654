package schemas

// Signatures that are being implemented; this file goes when it is empty.

// --- identifiers (identifier.go, digitallink.go)

type Scheme uint8

const (
	PrivateURI Scheme = iota
	SGTIN
	SSCC
	SGLN
	PGLN
	GRAI
	GIAI
	GTIN  // class: all instances of a trade item
	LGTIN // class: a lot
	OtherGS1
)

// Class reports whether the scheme names a class or lot rather than an instance.
func (s Scheme) Class() bool { panic("pending") }

type Identifier struct{}

func ParseIdentifier(s string) (Identifier, error)                    { panic("pending") }
func (id Identifier) Scheme() Scheme                                  { panic("pending") }
func (id Identifier) String() string                                  { panic("pending") } // canonical
func (id Identifier) URN() (string, bool)                             { panic("pending") }
func (id Identifier) GLN() (string, bool)                             { panic("pending") } // 13 digits, of an SGLN or PGLN
func Canonical(s string) (canonical string, scheme Scheme, err error) { panic("pending") }

// --- decimals (decimal.go)

type Decimal struct{}

func ParseDecimal(s string) (Decimal, error) { panic("pending") }
func (d Decimal) Add(e Decimal) Decimal      { panic("pending") }
func (d Decimal) Sub(e Decimal) Decimal      { panic("pending") }
func (d Decimal) Sign() int                  { panic("pending") }
func (d Decimal) String() string             { panic("pending") } // canonical

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
