package schemas

import (
	"iter"
	"time"
)

// RecallState is the leaf value of a recall.
type RecallState struct {
	Class       string
	Instruction string
	Deadline    int64   // nanoseconds, 0 for none
	Issued      int64   // time of its block, nanoseconds
	At          Locator // of the act that began it
	Closed      int64   // time of the block that ended it; 0: it is open
	Named       uint64  // things and lots that it names
	Made        []RecallSpan
}

func (r *RecallState) bind(b *binding) {
	bind(b, 1, "class", &r.Class, line(maxName))
	bind(b, 2, "instruction", &r.Instruction, line(maxReason))
	bind(b, 3, "deadline", &r.Deadline, instant)
	bind(b, 4, "issued", &r.Issued, instant)
	bind(b, 5, "at", &r.At, located)
	bind(b, 6, "closed", &r.Closed, instant)
	bind(b, 7, "named", &r.Named, whole[uint64](1<<62))
	bindList(b, 8, "made", &r.Made, MaxRecallSpans, object((*RecallSpan).bind))
}

// Append appends the leaf value: 1 class, 2 instruction, 3 deadline, 4 time it was
// issued, 5 locator, 6 time it was closed, 7 number of things and lots that it names,
// 8 span of which it names what was made (1 from, 2 until, 3 class), repeated.
func (r *RecallState) Append(dst []byte) []byte { return append(dst, appendBound(r.bind)...) }

// DecodeRecall reads such a leaf value.
func DecodeRecall(v []byte) (r RecallState, err error) { return r, decodeBound(v, r.bind) }

// Acknowledgement is the leaf value of a holder's last answer to a recall.
type Acknowledgement struct {
	Time int64   // of its block, nanoseconds
	At   Locator // of the act
	Held []RecallHolding
	Done bool
}

func (a *Acknowledgement) bind(b *binding) {
	bind(b, 1, "time", &a.Time, instant)
	bind(b, 2, "at", &a.At, located)
	bindList(b, 3, "held", &a.Held, MaxAcknowledged, object((*RecallHolding).bind))
	bind(b, 4, "done", &a.Done, flagged)
}

// Append appends the leaf value: 1 time, 2 locator, 3 what is held, 4 done.
func (a *Acknowledgement) Append(dst []byte) []byte { return append(dst, appendBound(a.bind)...) }

// DecodeAcknowledgement reads such a leaf value.
func DecodeAcknowledgement(v []byte) (a Acknowledgement, err error) {
	return a, decodeBound(v, a.bind)
}

// RecallRef names a recall: who issued it, under which name.
type RecallRef struct {
	Issuer string `json:"issuer"`
	Recall string `json:"recall"`
}

func (r *RecallRef) bind(b *binding) {
	bind(b, 1, "issuer", &r.Issuer, shortName)
	bind(b, 2, "recall", &r.Recall, shortName)
}

// MaxRecalls is by how many recalls one thing or lot can be named.
const MaxRecalls = 16

// Recalled is the leaf value of what recalls name, and of every class or lot of who
// brought it into being first, and from when to when that made any.
type Recalled struct {
	Maker   string
	Recalls []RecallRef
	First   int64 // event time of the maker's first commissioning or transformation of it, nanoseconds
	Last    int64 // and of its last
}

func (r *Recalled) bind(b *binding) {
	bind(b, 1, "maker", &r.Maker, shortName)
	bindList(b, 2, "recalls", &r.Recalls, MaxRecalls, object((*RecallRef).bind))
	bind(b, 3, "first", &r.First, instant)
	bind(b, 4, "last", &r.Last, instant)
}

// Append appends the leaf value: 1 maker, 2 recalls (1 issuer, 2 name), 3 first, 4 last
// time that some was made.
func (r *Recalled) Append(dst []byte) []byte { return append(dst, appendBound(r.bind)...) }

// DecodeRecalled reads such a leaf value.
func DecodeRecalled(v []byte) (r Recalled, err error) { return r, decodeBound(v, r.bind) }

// MaxRecallsInside is of how many recalls a container tells how much is inside it.
const MaxRecallsInside = 64

// RecalledInside is the leaf value of what recalls name inside a container, in whatever
// is inside that, too: absent where they name nothing of it.
type RecalledInside struct {
	Recalls []RecallInside
	Many    bool // more recalls named something inside than are listed, since the container was last emptied: none is listed
}

// RecallInside is how many things inside a container a recall names.
type RecallInside struct {
	RecallRef
	Things uint64 `json:"things"`
}

// Refs are the recalls.
func (r *RecalledInside) Refs() (refs []RecallRef) {
	for i := range r.Recalls {
		refs = append(refs, r.Recalls[i].RecallRef)
	}
	return refs
}

func (r *RecallInside) bind(b *binding) {
	r.RecallRef.bind(b)
	bind(b, 3, "things", &r.Things, whole[uint64](1<<62))
}

func (r *RecalledInside) bind(b *binding) {
	bindList(b, 1, "recalls", &r.Recalls, MaxRecallsInside, object((*RecallInside).bind))
	bind(b, 2, "many", &r.Many, flagged)
}

// Append appends the leaf value: 1, repeated, recall: 1 issuer, 2 name, 3 things that it
// names; 2 many.
func (r *RecalledInside) Append(dst []byte) []byte { return append(dst, appendBound(r.bind)...) }

// DecodeRecalledInside reads such a leaf value.
func DecodeRecalledInside(v []byte) (r RecalledInside, err error) { return r, decodeBound(v, r.bind) }

// RecallSpans is the leaf value of the spans of time of which a partner's open recalls
// name what it made.
type RecallSpans []OpenSpan

// OpenSpan is one of them.
type OpenSpan struct {
	Recall string // name of the recall
	RecallSpan
}

func (s *OpenSpan) bind(b *binding) {
	bind(b, 1, "recall", &s.Recall, shortName)
	bind(b, 2, "span", &s.RecallSpan, object((*RecallSpan).bind))
}

func (l *RecallSpans) bind(b *binding) {
	bindList(b, 1, "spans", (*[]OpenSpan)(l), MaxRecallSpans, object((*OpenSpan).bind))
}

// Append appends the leaf value: 1, repeated, span: 1 recall, 2 as a recall's.
func (l *RecallSpans) Append(dst []byte) []byte { return append(dst, appendBound(l.bind)...) }

// DecodeRecallSpans reads such a leaf value.
func DecodeRecallSpans(v []byte) (l RecallSpans, err error) { return l, decodeBound(v, l.bind) }

// Covering yields the names of the recalls that name what was made from one event time
// to another, each as often as it does.
func (l RecallSpans) Covering(id string, first, last int64) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range l {
			if l[i].Covers(id, first, last) && !yield(l[i].Recall) {
				return
			}
		}
	}
}

// MaxReachShown is how many things and lots of each holder a reach lists.
const MaxReachShown = 1000

// RecallInfo is a recall with what its holders answered.
type RecallInfo struct {
	RecallRef
	RecallState
	Replies []RecallReply
}

// RecallReply is a holder's last answer to a recall.
type RecallReply struct {
	Partner string
	Acknowledgement
	Cut bool // what it lists is left out: all answers together list too much
}

// RecallReach is where a recall reaches: what it names, and what came of that, along
// the ledger's graph; and who holds it now.
type RecallReach struct {
	RecallInfo
	Height    int64
	Time      time.Time // of the view
	Items     int       // things and lots that it reaches
	Holders   []RecallHolder
	Open      int      // holders who are not done
	Packed    []string // things inside containers that it names by their time alone, so that the containers do not know: at most MaxReachShown
	Truncated bool     // it reaches farther than was looked, or than the node has records
}

// RecallHolder is who holds things or lots that a recall reaches.
type RecallHolder struct {
	Partner      string // or External and a PGLN
	Items        int
	Lots         int
	IDs          []string        // things, at most MaxReachShown
	Balances     []RecallBalance // of lots, at most as many
	Acknowledged bool
	Done         bool
}

// RecallBalance is what a holder has of a class or lot.
type RecallBalance struct {
	ID string
	Balance
}
