package schemas

import (
	"time"
)

// Record is a message as the ledger recorded it: what the rules answered, and
// what it says.
type Record struct {
	Locator
	Time        time.Time // of the block: recordTime
	Partner     string    // who recorded it
	KeyID       string
	Held        Holding // how the key is held that signed it, or its author's; 0 where a view does not tell
	Actor       string
	Transaction Hash
	Kind        Kind
	EventID     string // its own, or derived from the digest
	Digest      Hash
	Result      Result
	VoidedBy    *Locator // the error declaration that voids it, as of the view

	SkeletonBytes []byte
	Skeleton      *Skeleton
	BodyRoot      Hash
	DuplicateKey  []byte
	Body          []byte // as submitted; nil where the body is not held
	Secret        Hash   // the event's secret; zero where the body is not held
	Unkept        bool   // the body is not held because the node keeps its own partner's alone

	Moment *Moment // what happened without a message: then only place, time and partner are set
}

// TrailKind says which of a subject's trails is meant.
type TrailKind byte

// Kinds of trails.
const (
	CustodyTrail     TrailKind = 'c' // of an item: what changed its state
	ObservationTrail TrailKind = 'o' // of an item: what was seen or claimed
	ClassTrail       TrailKind = 'l' // of a class or lot
	PartnerTrail     TrailKind = 'p' // of a partner: every message it sent
	ShipmentTrail    TrailKind = 's' // of a shipment: what was done about it
)

// TrailKey names a trail: of an item or class by canonical identifier, of a
// partner by name.
type TrailKey struct {
	Kind    TrailKind
	Subject string
}

// Append appends the key's encoding: the kind, then the subject.
func (k TrailKey) Append(dst []byte) []byte {
	return append(append(dst, byte(k.Kind)), k.Subject...)
}

// Head is a trail's head: the RFC 6962 root over its entries, and their count.
type Head struct {
	Root  Hash   `json:"root"`
	Count uint64 `json:"count"`
}

// Entry is the link of one message in a trail.
func Entry(key TrailKey, digest, transaction Hash, at Locator, r *Result) Hash {
	flags := make([]byte, 0, 4*len(r.Flags))
	for _, f := range r.Flags {
		flags = append(flags, be32(uint32(f))...)
	}
	return Sum(tagEntry, key.Append(nil), digest[:], transaction[:], at.Append(nil),
		be32(uint32(r.Code)), be32(uint32(r.Effect)), flags)
}

// RegisterEntry is the link of one recorded event in its partner's register:
// all that later duplicates, repeated eventIDs and error declarations are
// judged by.
//
// In a network with retention classes the time of its block is part of it, in
// nanoseconds, from which its body's age counts; 0 elsewhere. A claim is marked: nothing
// can have been built upon it.
func RegisterEntry(eventID string, duplicateKey []byte, content Hash, at Locator, recorded int64, claim bool) Hash {
	switch {
	case claim:
		return Sum(tagRegister, []byte(eventID), duplicateKey, content[:], at.Append(nil), be64(uint64(recorded)), []byte("claim"))
	case recorded != 0:
		return Sum(tagRegister, []byte(eventID), duplicateKey, content[:], at.Append(nil), be64(uint64(recorded)))
	}
	return Sum(tagRegister, []byte(eventID), duplicateKey, content[:], at.Append(nil))
}

// VoidEntry is the link of a declaration in its partner's register: the event
// recorded at prior is void as of at.
func VoidEntry(prior, at Locator) Hash { return Sum(tagVoid, prior.Append(nil), at.Append(nil)) }

// AnchorEntry is the link of one block in the header accumulator.
func AnchorEntry(height int64, block []byte) Hash {
	return Sum(tagAnchor, be64(uint64(height)), block)
}

// TransactionInfo is who signed a transaction, with what.
type TransactionInfo struct {
	Partner string `json:"partner"`
	KeyID   string `json:"key"`
	Actor   string `json:"actor,omitempty"`
	Expiry  int64  `json:"expiry"`
	Atomic  bool   `json:"atomic"`
}

// ItemState is an item as the ledger has it, with what follows from containers.
type ItemState struct {
	Item
	ID        string
	Custodian string    // of the outermost container
	Parent    string    // "" when it is in none, or its container was emptied
	Receipts  []Offer   // that wait for their offer, by partner
	Inside    []HeldLot // classes and lots that it holds
}

// Balance is what a partner holds of a class or lot.
type Balance struct {
	Partner  string `json:"partner"`
	UOM      string `json:"uom,omitempty"`
	Quantity string `json:"quantity,omitempty"` // "" when it cannot be told
	Known    bool   `json:"known"`
}

// Packed is how much of a class or lot is inside one container.
type Packed struct {
	Container string `json:"container"`
	Custodian string `json:"custodian"` // of the outermost container
	UOM       string `json:"uom,omitempty"`
	Quantity  string `json:"quantity,omitempty"` // "" when it cannot be told
	Known     bool   `json:"known"`
}
