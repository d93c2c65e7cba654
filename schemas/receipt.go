package schemas

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Effect says what a recorded message did.
type Effect uint32

// Effects. A refused message has none.
const (
	NoEffect    Effect = iota
	Applied            // changed custody, containment, balances or another event's standing
	Claim              // recorded without effect: its author is not the custodian
	Observation        // recorded as something seen
	Duplicate          // recorded before: the first receipt stands
)

var effectNames = [...]string{"none", "applied", "claim", "observation", "duplicate"}

// String returns the effect's name, as JSON shows it.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return "unknown"
}

// MarshalText writes the effect's name.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads an effect's name.
func (e *Effect) UnmarshalText(b []byte) error {
	for i, name := range effectNames {
		if name == string(b) {
			*e = Effect(i)
			return nil
		}
	}
	return fmt.Errorf("no such effect: %q", b)
}

// Locator is a message's place in the ledger; locators order all messages.
type Locator struct {
	Height   int64  `json:"height"`   // of the block
	Position uint32 `json:"position"` // of the transaction in the block
	Index    uint32 `json:"index"`    // of the message in the transaction
}

// LocatorSize is the length of an encoded locator.
const LocatorSize = 16

// Append appends the locator, big-endian, so that bytes sort as locators do.
func (l Locator) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.Height))
	dst = binary.BigEndian.AppendUint32(dst, l.Position)
	return binary.BigEndian.AppendUint32(dst, l.Index)
}

// DecodeLocator reads an encoded locator.
func DecodeLocator(b []byte) (Locator, error) {
	if len(b) != LocatorSize {
		return Locator{}, fmt.Errorf("a locator has %d bytes, not %d", LocatorSize, len(b))
	}
	return Locator{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}, nil
}

// Compare orders locators as the ledger does.
func (l Locator) Compare(m Locator) int {
	switch {
	case l == m:
		return 0
	case l.Height < m.Height, l.Height == m.Height && (l.Position < m.Position || l.Position == m.Position && l.Index < m.Index):
		return -1
	}
	return 1
}

// Result is what the rules answered to one message. Results are hashed with the
// block, so every node has the same.
type Result struct {
	Code   Code     // OK, or why it was refused
	Effect Effect   // what it did
	Flags  []Code   // ascending, each once
	First  *Locator // of a duplicate: the message that stands
}

// Flag adds a flag, once, in order.
func (r *Result) Flag(c Code) {
	for i, f := range r.Flags {
		if f == c {
			return
		}
		if f > c {
			r.Flags = append(r.Flags[:i], append([]Code{c}, r.Flags[i:]...)...)
			return
		}
	}
	r.Flags = append(r.Flags, c)
}

// Has reports whether the flag is set.
func (r *Result) Has(c Code) bool {
	for _, f := range r.Flags {
		if f == c {
			return true
		}
	}
	return false
}

// Append appends the result's encoding: 1 code, 2 effect, 3 flag (repeated), 4
// locator of the first.
func (r *Result) Append(dst []byte) []byte {
	dst = AppendUint(dst, 1, uint64(r.Code))
	dst = AppendUint(dst, 2, uint64(r.Effect))
	for _, f := range r.Flags {
		dst = AppendUint(dst, 3, uint64(f))
	}
	if r.First != nil {
		dst = AppendField(dst, 4, r.First.Append(nil))
	}
	return dst
}

// DecodeResult reads an encoded result.
func DecodeResult(b []byte) (r Result, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			r.Code = Code(f.Uint(n, v))
		case 2:
			r.Effect = Effect(f.Uint(n, v))
		case 3:
			flag := Code(f.Uint(n, v))
			if k := len(r.Flags); k > 0 && r.Flags[k-1] >= flag {
				f.Fail(n, "flags are not in ascending order")
			}
			r.Flags = append(r.Flags, flag)
		case 4:
			first, err := DecodeLocator(v)
			if err != nil {
				f.Fail(n, err.Error())
			}
			r.First = &first
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return r, f.Exact(b, r.Append(stack[:0]))
}

// AppendResults appends a transaction's results, each as field 1.
func AppendResults(dst []byte, results []Result) []byte {
	for i := range results {
		dst = appendAlways(dst, 1, results[i].Append(nil))
	}
	return dst
}

// DecodeResults reads a transaction's results.
func DecodeResults(b []byte) (out []Result, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 {
			f.Fail(n, "unknown")
			break
		}
		r, err := DecodeResult(v)
		if err != nil {
			return nil, fmt.Errorf("result %d: %w", len(out), err)
		}
		out = append(out, r)
	}
	var stack [valueSize]byte
	return out, f.Exact(b, AppendResults(stack[:0], out))
}

// Receipt is what a caller gets for a transaction that was committed.
type Receipt struct {
	Transaction Hash           `json:"transaction"`
	Height      int64          `json:"height"`
	Position    uint32         `json:"position"`
	Time        time.Time      `json:"time"` // of the block: the events' recordTime
	Code        Code           `json:"code"` // OK, or why the whole transaction was refused
	Events      []EventReceipt `json:"events"`
}

// EventReceipt is what a caller gets for one event.
type EventReceipt struct {
	EventID string        `json:"eventID"`
	Hash    *HashID       `json:"hash,omitempty"` // of the event by CBV 2.0; nil where its body is not held
	Digest  Hash          `json:"digest"`
	Code    Code          `json:"code"`
	Effect  Effect        `json:"effect"`
	Flags   []Code        `json:"flags"`
	First   *FirstReceipt `json:"first,omitempty"` // of a duplicate
}

// FirstReceipt is the receipt of the message that a duplicate repeats.
type FirstReceipt struct {
	Transaction Hash      `json:"transaction"`
	Time        time.Time `json:"time"`
	Locator
	EventReceipt
}
