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

// --- events (decode_event.go, skeleton.go, document.go)

func DecodeEvent(body []byte) (*Event, error)    { panic("pending") }
func (s *Skeleton) Append(dst []byte) []byte     { panic("pending") }
func DecodeSkeleton(b []byte) (*Skeleton, error) { panic("pending") }

// CanonicalEvent is the event's one normal JSON form without the named top-level members.
func CanonicalEvent(e *Event, without ...string) []byte { panic("pending") }

// DecodeSingle reads one event as a client sends it (whitespace, own @context or
// none), makes its body and decodes it.
func DecodeSingle(text []byte) (*Event, error) { panic("pending") }

// DecodeDocument reads an EPCIS 2.0 document. The error is of the document as a whole;
// what is wrong with one event stands in its place.
func DecodeDocument(text []byte, maxEvents int) ([]DocumentEvent, error) { panic("pending") }

func (t EventType) String() string              { panic("pending") } // "ObjectEvent"
func ParseEventType(s string) (EventType, bool) { panic("pending") }
func (a Action) String() string                 { panic("pending") } // "ADD", "" for none
func ParseAction(s string) (Action, bool)       { panic("pending") }

// BizStepTerm, DispositionTerm: any legal form (bare word, URN, web URI) to the form that skeletons have.
func BizStepTerm(s string) (string, error)     { panic("pending") }
func DispositionTerm(s string) (string, error) { panic("pending") }
