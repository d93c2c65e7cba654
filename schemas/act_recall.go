package schemas

import "strings"

// Acts of recalls: who made things calls them back, whoever holds them tells what
// became of them.
var recallActs = []func() Act{
	func() Act { return &Recall{} },
	func() Act { return &ExtendRecall{} },
	func() Act { return &AcknowledgeRecall{} },
	func() Act { return &CloseRecall{} },
}

// MaxRecalled bounds the things that one act of a recall names.
const MaxRecalled = 10_000

// MaxRecallSpans is of how many spans of time a partner's open recalls can be.
const MaxRecallSpans = 64

// RecallScope is what a recall calls back: things, and classes or lots, all of them
// made by who recalls them; and what that made in a span of time.
type RecallScope struct {
	Items []string
	Lots  []string
	Made  []RecallSpan
}

func (s *RecallScope) bind(b *binding, n uint64) {
	bindList(b, n, "items", &s.Items, MaxRecalled, thing)
	bindList(b, n+1, "lots", &s.Lots, MaxRecalled, ofClass)
	bindList(b, n+2, "made", &s.Made, MaxRecallSpans, object((*RecallSpan).bind))
	b.need("items", len(s.Items)+len(s.Lots)+len(s.Made) > 0)
}

func (s *RecallScope) names() int { return len(s.Items) + len(s.Lots) + len(s.Made) }

// RecallSpan is all that a partner made in a span of time, by the eventTime of the
// commissioning or transformation: of one trade item, or of whatever it is.
type RecallSpan struct {
	From  int64  // nanoseconds
	Until int64  // the first that is not in it, nanoseconds; 0: it has no end
	Class string // things and lots of this class alone; "" for all
}

func (s *RecallSpan) bind(b *binding) {
	bind(b, 1, "from", &s.From, instant)
	bind(b, 2, "until", &s.Until, instant)
	bind(b, 3, "class", &s.Class, ofClass)
	b.need("from", s.From != 0)
	b.refuse("until", s.Until != 0 && s.Until <= s.From, "until is the first moment behind the span: later than from")
}

// Covers reports whether what was made from one event time to another, both included,
// is in the span.
func (s *RecallSpan) Covers(id string, first, last int64) bool {
	if last < s.From || s.Until != 0 && first >= s.Until {
		return false
	}
	rest, of := strings.CutPrefix(id, s.Class)
	return of && (s.Class == "" || rest == "" || rest[0] == '/')
}

// Recall begins a recall, of what the author made.
type Recall struct {
	Recall      string // name, the author's own
	Class       string // how grave it is, as "I", "II"; "" says nothing
	Instruction string // what holders are to do
	Deadline    int64  // by which they are to answer, nanoseconds; 0 sets none
	RecallScope
}

// Name is the act's type.
func (*Recall) Name() string { return "Recall" }

// Role is what a key needs to sign it.
func (*Recall) Role() uint32 { return RoleCapture }

func (r *Recall) bind(b *binding) {
	bind(b, 1, "recall", &r.Recall, shortName)
	bind(b, 2, "class", &r.Class, line(maxName))
	bind(b, 3, "instruction", &r.Instruction, line(maxReason))
	bind(b, 4, "deadline", &r.Deadline, instant)
	r.RecallScope.bind(b, 5)
	b.need("recall", r.Recall != "")
	b.need("instruction", r.Instruction != "")
}

// ExtendRecall adds to what a recall calls back: what else the author made, or what
// came of things that are recalled.
type ExtendRecall struct {
	Recall string
	RecallScope
}

// Name is the act's type.
func (*ExtendRecall) Name() string { return "ExtendRecall" }

// Role is what a key needs to sign it.
func (*ExtendRecall) Role() uint32 { return RoleCapture }

func (r *ExtendRecall) bind(b *binding) {
	bind(b, 1, "recall", &r.Recall, shortName)
	r.RecallScope.bind(b, 2)
	b.need("recall", r.Recall != "")
}

// AcknowledgeRecall is a holder's answer: it knows of the recall, and tells what it
// holds. A later one takes the place of an earlier.
type AcknowledgeRecall struct {
	Issuer string
	Recall string
	Held   []RecallHolding
	Done   bool // nothing is left to do at this holder
}

// RecallHolding is how much a holder has of a thing or lot that is recalled, and what
// became of it.
type RecallHolding struct {
	ID       string // thing, class or lot
	Quantity string // exact decimal; "" for one thing
	UOM      string
	State    string // as "quarantined", "destroyed", "sold"
}

func (h *RecallHolding) bind(b *binding) {
	bind(b, 1, "id", &h.ID, anything)
	bind(b, 2, "quantity", &h.Quantity, exact)
	bind(b, 3, "uom", &h.UOM, measure)
	bind(b, 4, "state", &h.State, line(maxName))
	b.need("id", h.ID != "")
	b.refuse("uom", h.UOM != "" && h.Quantity == "", "a unit needs a quantity")
	if d, err := ParseDecimal(h.Quantity); h.Quantity != "" && err == nil {
		b.refuse("quantity", d.Sign() < 0, "a quantity is not negative")
	}
}

// Name is the act's type.
func (*AcknowledgeRecall) Name() string { return "AcknowledgeRecall" }

// Role is what a key needs to sign it.
func (*AcknowledgeRecall) Role() uint32 { return RoleCapture }

func (r *AcknowledgeRecall) bind(b *binding) {
	bind(b, 1, "issuer", &r.Issuer, shortName)
	bind(b, 2, "recall", &r.Recall, shortName)
	bindList(b, 3, "held", &r.Held, MaxAcknowledged, object((*RecallHolding).bind))
	bind(b, 4, "done", &r.Done, flagged)
	if b.pass == readJSON && b.fault == nil {
		b.refuse("held", twice(r.Held, func(h RecallHolding) string { return h.ID + "\x00" + h.UOM + "\x00" + h.State }), "one is named twice in one state and unit")
	}
	b.need("issuer", r.Issuer != "")
	b.need("recall", r.Recall != "")
}

func (r *AcknowledgeRecall) names() int { return len(r.Held) }

// MaxAcknowledged bounds what one acknowledgement lists: it is kept in one leaf.
const MaxAcknowledged = 1000

// CloseRecall ends a recall of the author's: what it named can be shipped again.
type CloseRecall struct{ Recall string }

// Name is the act's type.
func (*CloseRecall) Name() string { return "CloseRecall" }

// Role is what a key needs to sign it.
func (*CloseRecall) Role() uint32 { return RoleCapture }

func (*CloseRecall) names() int { return 0 }

func (r *CloseRecall) bind(b *binding) {
	bind(b, 1, "recall", &r.Recall, shortName)
	b.need("recall", r.Recall != "")
}
