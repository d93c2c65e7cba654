package schemas

import "fmt"

// Bounds of what the events of one block, and so of one transaction, ask of
// every node beyond their bytes and their number. Identifiers can be four bytes
// long, members eight, and a prefix of one letter can stand for a thousand: so
// bytes alone bound neither the time nor the memory that a block takes.
const (
	MaxBlockNames     = 100_000   // EPCs, quantities and readings: each costs a read, a write and a link, or to be reckoned
	MaxBlockMembers   = 1_000_000 // top-level members: each is hashed behind a salt of its own
	MaxBlockSkeletons = 32 << 20  // bytes of skeletons, in which prefixes are resolved
	MaxBlockAuthors   = 2_000     // signatures of authors: each is verified
)

// Weight is what events ask of every node beyond their bytes and their number.
type Weight struct {
	Names     int
	Members   int
	Skeletons int
	Authors   int
}

// Plus is the weight of both.
func (w Weight) Plus(v Weight) Weight {
	return Weight{w.Names + v.Names, w.Members + v.Members, w.Skeletons + v.Skeletons, w.Authors + v.Authors}
}

// Check reports what is too much for one block, as a Fault.
func (w Weight) Check() error {
	what, n, most := "", 0, 0
	switch {
	case w.Names > MaxBlockNames:
		what, n, most = "%d EPCs, quantities and readings, %d are allowed", w.Names, MaxBlockNames
	case w.Members > MaxBlockMembers:
		what, n, most = "%d members of events, %d are allowed", w.Members, MaxBlockMembers
	case w.Skeletons > MaxBlockSkeletons:
		what, n, most = "%d bytes of what rules read, prefixes resolved, %d are allowed", w.Skeletons, MaxBlockSkeletons
	case w.Authors > MaxBlockAuthors:
		what, n, most = "%d messages with an author's signature, %d are allowed", w.Authors, MaxBlockAuthors
	default:
		return nil
	}
	return &Fault{Code: TransactionTooLarge, Detail: fmt.Sprintf(what, n, most)}
}

// Weight is that of an event whose skeleton has so many bytes.
func (e *Event) Weight(skeleton int) Weight {
	s, w := &e.Skeleton, Weight{Members: len(e.Members), Skeletons: skeleton}
	if w.Names = len(s.EPCs) + len(s.OutputEPCs) + len(s.Quantities) + len(s.OutputQuantities) + e.measured; s.Act != nil {
		w.Names = s.Act.names()
	}
	if s.Author != "" {
		w.Authors = 1
	}
	return w
}

// text is about how many bytes the event's resolved names take.
func (s *Skeleton) text() int {
	n := len(s.ParentID) + len(s.BizStep) + len(s.Disposition)
	for _, list := range [...][]string{s.EPCs, s.OutputEPCs} {
		for _, id := range list {
			n += len(id)
		}
	}
	for _, list := range [...][]Quantity{s.Quantities, s.OutputQuantities} {
		for i := range list {
			n += len(list[i].Class)
		}
	}
	for _, list := range [...][]Party{s.Sources, s.Destinations} {
		for i := range list {
			n += len(list[i].Type) + len(list[i].ID)
		}
	}
	for i := range s.Sensors {
		n += len(s.Sensors[i].Device)
	}
	return n
}
