package schemas

// EventType is one of the five event types of EPCIS 2.0, clause 7.4.
type EventType uint8

// Event types. Their numbers are in skeletons and never change.
const (
	ObjectEvent EventType = 1 + iota
	AggregationEvent
	TransactionEvent
	TransformationEvent
	AssociationEvent
)

// Action says how an event relates to the life of what it names (EPCIS 2.0, 7.3.2).
type Action uint8

// Actions. Their numbers are in skeletons and never change.
const (
	NoAction Action = iota // a transformation has none
	ActionAdd
	ActionObserve
	ActionDelete
)

// Skeleton is what rules read of an event: nothing else of it can change the
// state. Identifiers are canonical, vocabulary is a bare CBV word or a URI.
type Skeleton struct {
	Type             EventType
	Action           Action
	EventTime        int64 // claimed, nanoseconds since 1970 UTC
	BizStep          string
	Disposition      string
	ParentID         string
	EPCs             []string // epcList, childEPCs or inputEPCList, each once, as ordered in the body
	OutputEPCs       []string
	Quantities       []Quantity // quantityList, childQuantityList or inputQuantityList
	OutputQuantities []Quantity
	Sources          []Party
	Destinations     []Party
	TransformationID string
	EventID          string // "" where the event has none
	Declaration      *Declaration
	Order            *BodyOrder // of an order, which is no event and has nothing else but its time
	Act              Act        // of an act, which is none either
	Author           string     // id of the key of who signed the message by itself; "" for nobody
	Sensors          []Sensor   // each device once, ascending
}

// Quantity is an amount of a class or lot.
type Quantity struct {
	Class  string  // canonical
	UOM    string  // UN/ECE Recommendation 20, "" for a count
	Known  bool    // false where the amount was left out
	Amount Decimal // exact
}

// Party is an entry of a source or destination list.
type Party struct {
	Type string // owning_party, possessing_party, location, or a URI
	ID   string // canonical
}

// Declaration is an error declaration (EPCIS 2.0, 7.4.1.2): its event is void.
type Declaration struct {
	Time        int64 // claimed, nanoseconds since 1970 UTC
	Reason      string
	Corrections []string // eventIDs of events that correct it
}

// Member is a top-level member of a body: its name, unescaped, and its compact
// JSON as submitted.
type Member struct {
	Name  string
	Value []byte
}

// Event is a decoded body. What it holds refers to Body, which must not be
// changed.
type Event struct {
	Body        []byte   // compact JSON with its @context
	Members     []Member // in the order of the body
	Skeleton    Skeleton
	BizLocation string // canonical; read by the index, never by rules
	ReadPoint   string // canonical; read by the index, never by rules

	AuthorSignature []byte // of who is named as author; nil where nobody is, or it is withheld

	HashIDs []HashID // of EventHasher, where somebody computed them; for the index and receipts

	badKey *Fault // the first thing wrong with a public key that the act names

	measured int // readings, whether they can be compared or not: what they weigh

	// body and the skeleton's encoding, of an event that was decoded to be signed: by
	// them is found out whether it is still what was decoded.
	body, skeleton []byte
}

// DocumentEvent is one event of a document: decoded, or refused with the reason,
// whose pointer is into the document.
type DocumentEvent struct {
	Event   *Event
	Fault   *Fault
	Pointer string // where the event stands in the document
}
