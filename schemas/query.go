package schemas

import "time"

// EventQuery is the EPCIS simple event query (EPCIS 2.0, 8.2.7.1). Lists are
// alternatives, fields must all hold; empty fields do not restrict. Vocabulary is
// in bare or URI form and identifiers in canonical form, as skeletons have them.
type EventQuery struct {
	EventTypes        []EventType
	GEEventTime       *time.Time
	LTEventTime       *time.Time
	GERecordTime      *time.Time
	LTRecordTime      *time.Time
	Actions           []Action
	BizSteps          []string
	Dispositions      []string
	BizLocations      []string
	ReadPoints        []string
	Things            []Things
	TransformationIDs []string
	Parties           []Parties
	Amounts           []Amount
	EventIDs          []string
	Declared          bool // only error declarations
	GEDeclared        *time.Time
	LTDeclared        *time.Time
	Reasons           []string // of error declarations
	Corrections       []string // eventIDs that correct what is declared
	Conditions        []Condition
	Attributes        []Attribute // of master data
	Nothing           bool        // the demands contradict each other

	OrderBy     Order
	OrderFields []string // forms of the name of the extension that is the order, ByField
	Ascending   bool
	CountLimit  int // events of the whole answer, 0 for any number (eventCountLimit)
	MaxCount    int // more than these are refused as query_too_large, 0 for never (maxEventCount)

	Limit     int      // records of a page, 1 to 1,000
	MaxHeight int64    // records up to this height; 0 for the view's
	After     *Locator // the last record that was looked at for the page before
	AfterTime int64    // its eventTime in nanoseconds, where that is the order
	Effort    int      // how much is looked at for this page, 0 for the most that may be
}

// EventPage is a page of an answer. It may be short, or empty, though others
// follow: what one request looks at is bounded.
type EventPage struct {
	Records []Record
	More    bool    // others may follow
	After   Locator // where the next page begins, if others may follow
	Time    int64   // the eventTime there, in nanoseconds
	Left    int     // of the effort
}

// Order is what a query's answer is ordered by.
type Order uint8

// Orders of answers.
const (
	ByEventTime  Order = iota // claimed time, then ledger order
	ByRecordTime              // ledger order
	ByField                   // the value of an extension, then ledger order; events without it last
)

// Direction is that of a trace.
type Direction uint8

// Directions of traces.
const (
	Upstream Direction = 1 << iota
	Downstream
	Both = Upstream | Downstream
)

// TraceQuery asks where an item came from and where it went.
type TraceQuery struct {
	ID        string // canonical
	Direction Direction
	MaxDepth  int // transformations and containers to follow, 1 to 64
	MaxEvents int // events in the answer
	MaxBytes  int // bytes of their bodies, 0 for any number; those beyond come without a body
}

// Trace is the answer: the items met, the events that happened to them, how
// they are linked, and what is missing.
type Trace struct {
	ID     string      `json:"id"`
	Height int64       `json:"height"`
	Items  []TraceItem `json:"items"`
	Events []Record    `json:"-"` // each once, by eventTime, then ledger order
	Edges  []TraceEdge `json:"edges"`
	Gaps   []TraceGap  `json:"gaps"`
	// Truncated says that a limit ended the trace early.
	Truncated bool `json:"truncated"`
}

// TraceItem is an item or class that a trace met.
type TraceItem struct {
	ID        string `json:"id"`
	Class     bool   `json:"class"`     // a class or lot: its trace over-approximates
	Depth     int    `json:"depth"`     // edges from the item asked for
	Direction string `json:"direction"` // self, upstream or downstream
}

// TraceEdge links two items on the evidence of an event.
type TraceEdge struct {
	Kind  string     `json:"kind"` // transformation, containment or association
	From  string     `json:"from"` // input, or child
	To    string     `json:"to"`   // output, or parent
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end,omitempty"` // of containment that was closed
	Event string     `json:"event"`         // eventID of the evidence
	At    Locator    `json:"at"`
}

// TraceGap is something that a complete history would have.
type TraceGap struct {
	Kind   string  `json:"kind"` // shipped_not_received, containment_conflict, lot_approximation
	ID     string  `json:"id"`
	Detail string  `json:"detail"`
	Event  string  `json:"event,omitempty"`
	At     Locator `json:"at"`
}

// BundleQuery asks for a bundle: the proof of what the ledger has of an item, a
// class or lot, a partner or a shipment.
type BundleQuery struct {
	ID           string   // canonical; of a partner its id
	Of           BundleOf // what it is asked for as
	Observations bool     // also what was seen or claimed of an item, and of its containers and ancestors
	Containers   bool     // also the records of what it was inside of, while it was
	Ancestors    int      // transformations upstream that are followed
	Names        bool     // also the partners as the ledger has them
	Times        bool     // also when blocks were made
	Only         []string // members of events that are shown beside what rules read; nil for all
	Withhold     []string // members of events that are not shown
	HashIDs      bool     // eventIDs that are hashes of what is withheld are shown all the same
	Partner      string   // of a lot: events of this partner alone are shown
	Units        bool     // of a shipment: also where the things that it consists of are
	First, Count uint64   // of a partner or lot: records from the n-th on, at most so many; 0 for all
	Height       int64    // of the state; 0 for the last
	Since        int64    // height of the reader's root of trust; 0 where the validators never changed
}

// BundleOf says as what an identifier is asked for.
type BundleOf uint8

// What bundles are of.
const (
	BundleOfThing    BundleOf = iota // an item or a class, or both, whatever the ledger has
	BundleOfItem                     // an item
	BundleOfLot                      // a class or lot
	BundleOfPartner                  // a partner's activity
	BundleOfShipment                 // a shipment
)

// Listing is a kind of values that the index has in order.
type Listing uint8

// Listings.
const (
	ListEPCs Listing = 1 + iota // instances that events name
	ListBizSteps
	ListBizLocations
	ListReadPoints
	ListDispositions
)
