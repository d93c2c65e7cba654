package schemas

import (
	"crypto/sha256"
	"encoding/hex"
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
// covers all. It serves people and queries, and is never asked in consensus.
func EventHash(e *Event, v HashVersion) string {
	sum := sha256.Sum256(PreHash(e, v))
	out := make([]byte, 0, len(hashStem)+2*len(sum)+len("?ver=CBV2.0"))
	out = hex.AppendEncode(append(out, hashStem...), sum[:])
	return string(append(append(out, "?ver="...), v.String()...))
}

// IsEventHash reports whether an eventID has the form of an event hash.
func IsEventHash(id string) bool {
	rest, ok := strings.CutPrefix(id, hashStem)
	if !ok || len(rest) < 2*sha256.Size {
		return false
	}
	for i := range 2 * sha256.Size {
		if c := rest[i]; !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	rest = rest[2*sha256.Size:]
	return rest == "?ver="+CBV20.String() || rest == "?ver="+CBV21.String()
}

// PreHash returns the string that the event hash is computed of: what the event
// says, each thing in its one form, in the one order of CBV 2.0, 8.9.
func PreHash(e *Event, v HashVersion) []byte {
	h := hasher{version: v, out: make([]byte, 0, 2*len(e.Body))}
	h.t = tokenizer{text: string(e.Body), depth: MaxDepth, tape: make([]token, 0, 16+len(e.Body)/8)}
	if f := h.t.run(); f != nil { // no decoded event is refused here
		return nil
	}
	if n := h.t.lookup(0, "@context"); n > 0 {
		if f := h.p.readContext(&h.t, n); f != nil { // nor here
			return nil
		}
	}
	h.event()
	return h.out
}

// hasher writes one event's pre-hash string.
type hasher struct {
	t       tokenizer
	p       prefixes
	version HashVersion
	out     []byte
	moved   []string // of CBV 2.0: the extensions of the standard's objects, each behind the object's name
	sorting []string // scratch
}

// event writes the members in their order, then the extensions.
func (h *hasher) event() {
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
	from, own := len(h.out), parts(nil)
	for _, m := range others {
		h.extension(&own, h.t.str(m), m+1)
	}
	for _, s := range h.moved {
		own.begin(h)
		h.out = append(h.out, s...)
	}
	h.sort(from, own)
}

// parts are where the pieces of a list begin that are to be sorted.
type parts []int

func (p *parts) begin(h *hasher) { *p = append(*p, len(h.out)) }

// end returns where the piece ends.
func (p parts) end(i int, h *hasher) int {
	if i+1 < len(p) {
		return p[i+1]
	}
	return len(h.out)
}

// sort puts pieces that were written one after another into the order of their
// bytes (8.9, rule 10).
func (h *hasher) sort(from int, p parts) {
	if len(p) < 2 {
		return
	}
	s := h.sorting[:0]
	text := string(h.out[from:])
	for i, at := range p {
		s = append(s, text[at-from:p.end(i, h)-from])
	}
	if !slices.IsSorted(s) {
		slices.Sort(s)
		h.out = h.out[:from]
		for _, piece := range s {
			h.out = append(h.out, piece...)
		}
	}
	h.sorting = s
}
