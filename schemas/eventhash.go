package schemas

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// HashVersion is a version of the event hash algorithm.
type HashVersion uint8

// Versions of the event hash. They differ for sensor lists, and for extensions
// inside members that the standard defines.
const (
	CBV20 HashVersion = iota // CBV 2.0, section 8.9
	CBV21                    // CBV 2.1, draft
)

// String returns the version as hashes name it.
func (v HashVersion) String() string {
	if v == CBV21 {
		return "CBV2.1"
	}
	return "CBV2.0"
}

// hashStem opens every event hash (RFC 6920).
const hashStem = "ni:///sha-256;"

// EventHash returns the event's hash ID (CBV 2.0, 8.9), such as
// "ni:///sha-256;6ae9...?ver=CBV2.0". It is the same for every notation of the
// event, and says nothing of recordTime, eventID, errorDeclaration and
// certificationInfo, which the algorithm leaves out: the ledger's own digest
// covers all. It serves people and queries, and is never asked in consensus. It
// is "" for an event that is blown up beyond all measure when the namespaces of
// its names are written out: to more than 16 KiB and eight times its body.
func EventHash(e *Event, v HashVersion) string {
	var h EventHasher
	sum, ok := h.Sum(e, v)
	if !ok {
		return ""
	}
	return HashID{sum, v}.String()
}

// HashID is an event hash ID: the digest of a pre-hash string, and the version of
// the algorithm (RFC 6920; CBV 2.0, 8.9.1, rules 22 to 24).
type HashID struct {
	Sum     Hash
	Version HashVersion
}

// String writes the ID.
func (id HashID) String() string {
	out := make([]byte, 0, len(hashStem)+2*len(id.Sum)+len("?ver=CBV2.0"))
	out = hex.AppendEncode(append(out, hashStem...), id.Sum[:])
	return string(append(append(out, "?ver="...), id.Version.String()...))
}

// MarshalText writes the ID.
func (id HashID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an ID.
func (id *HashID) UnmarshalText(b []byte) error {
	var ok bool
	if *id, ok = ParseHashID(string(b)); !ok {
		return fmt.Errorf("no event hash ID: %s", quote(string(b)))
	}
	return nil
}

// ParseHashID reads an ID in the one form that String writes; false for what is
// none.
func ParseHashID(s string) (id HashID, ok bool) {
	rest, ok := strings.CutPrefix(s, hashStem)
	if !ok || len(rest) < 2*len(id.Sum) {
		return HashID{}, false
	}
	if _, err := hex.Decode(id.Sum[:], []byte(rest[:2*len(id.Sum)])); err != nil {
		return HashID{}, false
	}
	for id.Version = CBV20; id.Version <= CBV21; id.Version++ {
		if id.String() == s {
			return id, true
		}
	}
	return HashID{}, false
}

// PreHash returns the string that the event hash is computed of: what the event
// says, each thing in its one form, in the one order of CBV 2.0, 8.9. It is nil
// where there is no hash.
func PreHash(e *Event, v HashVersion) []byte {
	var h EventHasher
	if !h.read(e, v) {
		return nil
	}
	return h.out
}

// maxKept is how many bytes a hasher keeps for the next event.
const maxKept = 1 << 20

// EventHasher computes event hashes one after another, with the same memory. The
// zero value is ready.
type EventHasher struct {
	t       tokenizer
	p       prefixes
	version HashVersion
	differs bool // the versions' pre-hash strings
	unnamed int  // where the list of sensors begins, which is without a name in CBV 2.0
	out     []byte
	aside   int // bytes that were moved
	most    int // bytes that may be written
	room    int // the same; negative when there was no more
	scratch []byte
	moved   []string // of CBV 2.0: the extensions of the standard's objects, each behind the object's name
	marks   []int    // where the pieces of the lists begin that are being written, inner ones last
	spans   []span
	known   []string // the decoder's canonical identifiers, as tokens know them
}

// Sum returns the digest of an event's pre-hash string; false where there is no
// hash.
func (h *EventHasher) Sum(e *Event, v HashVersion) (Hash, bool) {
	if !h.read(e, v) {
		return Hash{}, false
	}
	return sha256.Sum256(h.out), true
}

// IDs returns the event's hash IDs: that of CBV 2.0, and that of 2.1 where it has
// another digest. It is nil where the event has none.
func (h *EventHasher) IDs(e *Event) []HashID {
	if !h.parse(e) {
		return nil
	}
	return h.ids()
}

// idsOf are the IDs of the event that a decoder has just read, whose tokens and
// identifiers need not be read again. There are none where the hasher breaks down:
// whether a transaction is accepted must never hang on it.
func (h *EventHasher) idsOf(d *decoder) (ids []HashID) {
	defer func() {
		if recover() != nil {
			*h, ids = EventHasher{}, nil
		}
	}()
	if d.t.cut {
		return h.IDs(d.e)
	}
	h.bound(len(d.e.Body))
	own, list := h.t.tape, h.p.list
	h.t, h.p, h.known = d.t, d.p, d.ids
	ids = h.ids()
	h.t, h.p, h.known = tokenizer{tape: own}, prefixes{list: list}, nil
	return ids
}

// ids are the IDs of the event that was parsed.
func (h *EventHasher) ids() []HashID {
	if !h.write(CBV20) {
		return nil
	}
	sum := Hash(sha256.Sum256(h.out))
	if !h.differs || !h.rewrite() {
		return []HashID{{sum, CBV20}}
	}
	return []HashID{{sum, CBV20}, {sha256.Sum256(h.out), CBV21}}
}

// rewrite makes the string of CBV 2.1 of that of 2.0, and reports whether there is one.
// Those of most events differ by one name.
func (h *EventHasher) rewrite() bool {
	if len(h.moved) > 0 || len(h.out)+len(sensorList) > h.most {
		return h.write(CBV21)
	}
	h.out = slices.Insert(h.out, h.unnamed, []byte(sensorList)...)
	return true
}

// bound makes room for an event's pre-hash string.
func (h *EventHasher) bound(body int) {
	if h.out == nil || cap(h.out)+cap(h.scratch) > maxKept {
		*h = EventHasher{out: make([]byte, 0, 2*body)}
	}
	h.most = 16<<10 + 8*body
}

// parse reads the event's tokens and context.
func (h *EventHasher) parse(e *Event) bool {
	h.bound(len(e.Body))
	if h.t.tape == nil {
		h.t.tape = make([]token, 0, 16+len(e.Body)/8)
	}
	h.t = tokenizer{text: string(e.Body), depth: MaxDepth, tape: h.t.tape[:0]}
	h.p.list, h.p.last = h.p.list[:0], 0
	if f := h.t.run(); f != nil { // no decoded event is refused here
		return false
	}
	if n := h.t.lookup(0, "@context"); n > 0 {
		if f := h.p.readContext(&h.t, n); f != nil { // nor here
			return false
		}
	}
	return true
}

// read writes the event's pre-hash string, and reports whether it has one.
func (h *EventHasher) read(e *Event, v HashVersion) bool { return h.parse(e) && h.write(v) }

// write writes the pre-hash string of the event that was parsed, and reports
// whether it has one.
func (h *EventHasher) write(v HashVersion) bool {
	h.room = h.most
	h.version, h.differs, h.aside = v, false, 0
	h.out, h.moved, h.marks = h.out[:0], h.moved[:0], h.marks[:0]
	h.event()
	return !h.full()
}

// full reports whether too much was written. Every piece is asked before it is
// begun, and adds no more than a body and a namespace.
func (h *EventHasher) full() bool {
	if len(h.out)+h.aside > h.room {
		h.room = -1
	}
	return h.room < 0
}

// event writes the members in their order, then the extensions.
func (h *EventHasher) event() {
	var at [fieldCount]int
	var few [8]int
	others := few[:0]
	for m := 1; m < int(h.t.tape[0].next); m = h.t.after(m) {
		if k := fieldOf(h.t.str(m)); k != fieldCount {
			at[k] = m + 1
		} else {
			others = append(others, m)
		}
	}
	h.out = append(append(h.out, "eventType="...), h.t.str(at[fieldType])...)
	for i := range hashOrder {
		if n := at[hashOrder[i].field]; n != 0 {
			h.member(&hashOrder[i].hashed, n)
		}
	}
	inner := len(h.marks)
	for _, m := range others {
		h.extension(h.t.str(m), m+1)
	}
	h.aside = 0
	for _, s := range h.moved {
		h.begin()
		h.out = append(h.out, s...)
	}
	h.sort(inner)
}

// begin notes that a piece of the innermost list begins.
func (h *EventHasher) begin() { h.marks = append(h.marks, len(h.out)) }

// span is a piece of what was written.
type span struct{ from, to int }

// pieces takes the pieces of the list that began at that mark off the stack, in
// the order in which they were written.
func (h *EventHasher) pieces(inner int) []span {
	h.spans = h.spans[:0]
	for i, from := range h.marks[inner:] {
		to := len(h.out)
		if next := inner + i + 1; next < len(h.marks) {
			to = h.marks[next]
		}
		h.spans = append(h.spans, span{from, to})
	}
	h.marks = h.marks[:inner]
	return h.spans
}

// sort puts the pieces of the innermost list, which began at that mark, into the
// order of their bytes (8.9, rule 10).
func (h *EventHasher) sort(inner int) {
	list := h.pieces(inner)
	if len(list) < 2 {
		return
	}
	order := func(text []byte, base int) func(a, b span) int {
		return func(a, b span) int { return bytes.Compare(text[a.from-base:a.to-base], text[b.from-base:b.to-base]) }
	}
	if slices.IsSortedFunc(list, order(h.out, 0)) {
		return
	}
	base := list[0].from
	h.scratch = append(h.scratch[:0], h.out[base:]...)
	slices.SortFunc(list, order(h.scratch, base))
	h.out = h.out[:base]
	for _, s := range list {
		h.out = append(h.out, h.scratch[s.from-base:s.to-base]...)
	}
}
