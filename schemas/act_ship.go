package schemas

// Acts of shipments: goods are announced, offered from hand to hand, accepted or not,
// and argued about.
var shipActs = []func() Act{
	func() Act { return &AnnounceShipment{} },
	func() Act { return &ShipmentStep{Step: StepDispatch} },
	func() Act { return &ShipmentStep{Step: StepClose} },
	func() Act { return &ShipmentStep{Step: StepCancel} },
	func() Act { return &ShipmentStep{Step: StepHold} },
	func() Act { return &ShipmentStep{Step: StepUnhold} },
	func() Act { return &AttachDocuments{} },
	func() Act { return &OfferHandover{} },
	func() Act { return &ReturnShipment{} },
	func() Act { return &AcceptHandover{} },
	func() Act { return &HandoverStep{Step: StepReject} },
	func() Act { return &HandoverStep{Step: StepWithdraw} },
	func() Act { return &DisputeHandover{} },
	func() Act { return &AddEvidence{} },
	func() Act { return &ResolveDispute{} },
	func() Act { return &SettleException{} },
}

// Names of the acts that say no more than which shipment or hand-over they are about.
const (
	StepDispatch = "DispatchShipment"
	StepClose    = "CloseShipment"
	StepCancel   = "CancelShipment"
	StepHold     = "HoldShipment"
	StepUnhold   = "UnholdShipment"
	StepReject   = "RejectHandover"
	StepWithdraw = "CancelHandover"
)

// Bounds of one shipment.
const (
	MaxShipmentItems = 10_000    // units; a container is one, whatever is inside
	maxShipmentNames = 768 << 10 // bytes of their identifiers
	maxShipmentLots  = 64        // classes and lots
	maxShipmentRoles = 16        // carriers, and inspectors
	maxBands         = 8         // of conditions
	maxDocuments     = 64        // that are required
	MaxEvidence      = 64        // pieces, of each side of one dispute, and of the others together
	MaxDiscrepancies = 1000      // of one acceptance
	maxHandovers     = 1 << 32   // of one shipment
)

// ShipmentParties are the partners that a shipment concerns. Its shipper is who
// announces it.
type ShipmentParties struct {
	Carriers   []string
	Receiver   string
	Inspectors []string // who may stop it, and see it
	Arbiter    string   // who decides a dispute that its parties do not resolve; "" for nobody
}

func (p *ShipmentParties) bind(b *binding, n uint64) {
	bindList(b, n, "carriers", &p.Carriers, maxShipmentRoles, shortName)
	bind(b, n+1, "receiver", &p.Receiver, shortName)
	bindList(b, n+2, "inspectors", &p.Inspectors, maxShipmentRoles, shortName)
	bind(b, n+3, "arbiter", &p.Arbiter, shortName)
}

// ShipmentTerms are what its parties agreed on. Rules judge conditions by the bands, and
// want the documents attached when it is handed over to its receiver.
type ShipmentTerms struct {
	Deadline  int64 // by which the receiver is to have it, nanoseconds; 0 for none
	Bands     []Band
	Documents []Document // that are required, each once
}

func (t *ShipmentTerms) bind(b *binding, n uint64) {
	bind(b, n, "deadline", &t.Deadline, instant)
	bindList(b, n+1, "bands", &t.Bands, maxBands, object((*Band).bind))
	bindList(b, n+2, "documents", &t.Documents, maxDocuments, object((*Document).require))
	if b.pass == readJSON && b.fault == nil {
		b.refuse("documents", twice(t.Documents, Document.name), "a document is required twice")
	}
}

// Quality is what a band is of.
type Quality uint8

// Qualities that terms have bands of.
const (
	Temperature Quality = 1 + iota // degrees Celsius
	Humidity                       // per cent, relative
)

var qualityWords = []string{"", "temperature", "humidity"}

// String is the quality's name.
func (q Quality) String() string { return qualityWords[min(q, Humidity)] }

// MarshalText writes the quality's name.
func (q Quality) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads a quality's name.
func (q *Quality) UnmarshalText(b []byte) error { return wordOf(q, qualityWords, b) }

// Band is the range in which a condition is to stay, both ends included: in degrees
// Celsius or per cent of relative humidity. "" leaves an end open.
type Band struct {
	Of  Quality `json:"of"`
	Min string  `json:"min,omitempty"`
	Max string  `json:"max,omitempty"`
}

func (r *Band) bind(b *binding) {
	bind(b, 1, "of", &r.Of, choice[Quality](qualityWords...))
	bind(b, 2, "min", &r.Min, exact)
	bind(b, 3, "max", &r.Max, exact)
	b.need("of", r.Of != 0)
	b.need("min", r.Min != "" || r.Max != "")
	if r.Min != "" && r.Max != "" {
		low, err := ParseDecimal(r.Min)
		high, err2 := ParseDecimal(r.Max)
		b.refuse("max", err == nil && err2 == nil && high.less(low), "the greatest is less than the least")
	}
}

// ShipmentLot is how much of a class or lot is in a shipment.
type ShipmentLot struct {
	Class    string `json:"class"`
	Quantity string `json:"quantity"` // exact decimal
	UOM      string `json:"uom,omitempty"`
}

func (l *ShipmentLot) bind(b *binding) {
	bind(b, 1, "class", &l.Class, ofClass)
	bind(b, 2, "quantity", &l.Quantity, exact)
	bind(b, 3, "uom", &l.UOM, measure)
	b.need("class", l.Class != "")
	b.need("quantity", l.Quantity != "")
	b.refuse("quantity", l.Quantity != "" && !positive(l.Quantity), "a quantity is more than nothing")
}

func positive(decimal string) bool {
	d, err := ParseDecimal(decimal)
	return err == nil && d.Sign() > 0
}

// Is reports whether the lot is that of a quantity.
func (l *ShipmentLot) Is(class, uom string) bool { return l.Class == class && l.UOM == uom }

// AnnounceShipment tells what the author is about to ship, to whom and on what terms.
type AnnounceShipment struct {
	Shipment string // GSIN, GINC or a private URI; "" takes the act's eventID
	ShipmentParties
	Items []string // units: things, and containers with all that is inside
	Lots  []ShipmentLot
	ShipmentTerms
}

// Name is the act's type.
func (*AnnounceShipment) Name() string { return "AnnounceShipment" }

// Role is what a key needs to sign it.
func (*AnnounceShipment) Role() uint32 { return RoleCapture }

func (a *AnnounceShipment) names() int {
	return len(a.Items) + len(a.Lots) + len(a.Carriers) + len(a.Inspectors) + 2
}

func (a *AnnounceShipment) bind(b *binding) {
	bind(b, 1, "shipment", &a.Shipment, thing)
	a.ShipmentParties.bind(b, 2)
	bindList(b, 6, "items", &a.Items, MaxShipmentItems, thing)
	bindList(b, 7, "lots", &a.Lots, maxShipmentLots, object((*ShipmentLot).bind))
	a.ShipmentTerms.bind(b, 8)
	b.need("receiver", a.Receiver != "")
	b.need("items", len(a.Items)+len(a.Lots) > 0)
	if b.pass == readJSON && b.fault == nil {
		b.refuse("items", sizeOf(a.Items) > maxShipmentNames, "identifiers of more than 768 KiB: ship containers, or several shipments")
		b.refuse("items", twice(a.Items, func(s string) string { return s }), "a unit is named twice")
		b.refuse("lots", twice(a.Lots, func(l ShipmentLot) string { return l.Class + "\x00" + l.UOM }), "a lot is named twice in one unit")
	}
}

func sizeOf(list []string) (n int) {
	for _, s := range list {
		n += len(s)
	}
	return n
}

func twice[T any](list []T, name func(T) string) bool {
	seen := make(map[string]bool, len(list))
	for _, v := range list {
		if seen[name(v)] {
			return true
		}
		seen[name(v)] = true
	}
	return false
}

// ShipmentStep is an act about a shipment that says no more than which.
type ShipmentStep struct {
	Step     string // its name
	Shipment string
}

// Name is the act's type.
func (s *ShipmentStep) Name() string { return s.Step }

// Role is what a key needs to sign it.
func (*ShipmentStep) Role() uint32 { return RoleCapture }

func (*ShipmentStep) names() int { return 1 }

func (s *ShipmentStep) bind(b *binding) {
	bind(b, 1, "shipment", &s.Shipment, thing)
	b.need("shipment", s.Shipment != "")
}

// OfferHandover offers all that the author holds of a shipment to one of its carriers,
// or to its receiver.
type OfferHandover struct {
	Shipment string
	To       string
	Until    int64 // block time at which the offer ends, nanoseconds; 0: when any does
}

// Name is the act's type.
func (*OfferHandover) Name() string { return "OfferHandover" }

// Role is what a key needs to sign it.
func (*OfferHandover) Role() uint32 { return RoleCapture }

func (*OfferHandover) names() int { return 1 }

func (o *OfferHandover) bind(b *binding) {
	bind(b, 1, "shipment", &o.Shipment, thing)
	bind(b, 2, "to", &o.To, shortName)
	bind(b, 3, "until", &o.Until, instant)
	b.need("shipment", o.Shipment != "")
	b.need("to", o.To != "")
}

// ReturnShipment offers a shipment back to its shipper; the shipper's own, while it
// still holds what was rejected, ends it.
type ReturnShipment struct {
	Shipment string
	Until    int64 // as that of OfferHandover
}

// Name is the act's type.
func (*ReturnShipment) Name() string { return "ReturnShipment" }

// Role is what a key needs to sign it.
func (*ReturnShipment) Role() uint32 { return RoleCapture }

func (*ReturnShipment) names() int { return 1 }

func (r *ReturnShipment) bind(b *binding) {
	bind(b, 1, "shipment", &r.Shipment, thing)
	bind(b, 2, "until", &r.Until, instant)
	b.need("shipment", r.Shipment != "")
}

// Difference says in what way goods differ from what was offered.
type Difference uint8

// Differences.
const (
	Short   Difference = 1 + iota // less came: it stays with who offered it
	Over                          // more came
	Damaged                       // it came, and not whole
)

var differenceWords = []string{"", "short", "over", "damaged"}

// String is the difference's name.
func (d Difference) String() string {
	return differenceWords[min(d, Damaged)]
}

// MarshalText writes the difference's name.
func (d Difference) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a difference's name.
func (d *Difference) UnmarshalText(b []byte) error { return wordOf(d, differenceWords, b) }

// Discrepancy is a difference of one unit, or of some of a lot.
type Discrepancy struct {
	ID       string     `json:"id"` // unit, class or lot
	What     Difference `json:"what"`
	Quantity string     `json:"quantity,omitempty"` // of a lot
	UOM      string     `json:"uom,omitempty"`
}

func (d *Discrepancy) bind(b *binding) {
	bind(b, 1, "id", &d.ID, anything)
	bind(b, 2, "what", &d.What, choice[Difference](differenceWords...))
	bind(b, 3, "quantity", &d.Quantity, exact)
	bind(b, 4, "uom", &d.UOM, measure)
	b.need("id", d.ID != "")
	b.need("what", d.What != 0)
	b.refuse("quantity", d.Quantity != "" && !positive(d.Quantity), "a quantity is more than nothing")
}

// AcceptHandover accepts an offer: in full, or with discrepancies.
type AcceptHandover struct {
	Shipment      string
	Handover      uint64 // its number, from 1
	Discrepancies []Discrepancy
}

// Name is the act's type.
func (*AcceptHandover) Name() string { return "AcceptHandover" }

// Role is what a key needs to sign it.
func (*AcceptHandover) Role() uint32 { return RoleCapture }

func (a *AcceptHandover) names() int { return 1 + len(a.Discrepancies) }

func (a *AcceptHandover) bind(b *binding) {
	bindHandover(b, &a.Shipment, &a.Handover)
	bindList(b, 3, "discrepancies", &a.Discrepancies, MaxDiscrepancies, object((*Discrepancy).bind))
	if b.pass == readJSON && b.fault == nil {
		b.refuse("discrepancies", twice(a.Discrepancies, func(d Discrepancy) string { return d.ID + "\x00" + d.UOM + "\x00" + d.What.String() }), "one is named twice")
	}
}

func bindHandover(b *binding, shipment *string, n *uint64) {
	bind(b, 1, "shipment", shipment, thing)
	bind(b, 2, "handover", n, whole[uint64](maxHandovers))
	b.need("shipment", *shipment != "")
	b.need("handover", *n != 0)
}

// HandoverStep is an act about a hand-over that says no more than which.
type HandoverStep struct {
	Step     string // its name
	Shipment string
	Handover uint64
}

// Name is the act's type.
func (s *HandoverStep) Name() string { return s.Step }

// Role is what a key needs to sign it.
func (*HandoverStep) Role() uint32 { return RoleCapture }

func (*HandoverStep) names() int { return 1 }

func (s *HandoverStep) bind(b *binding) { bindHandover(b, &s.Shipment, &s.Handover) }

// Evidence is what a party of a dispute refers to: a document by its hash, or an event
// or act by its eventID.
type Evidence struct {
	Document Hash
	Event    string
	Partner  string // who brought it, of a dispute as the ledger has it; "" in an act
}

func (e *Evidence) bind(b *binding) {
	bind(b, 1, "document", &e.Document, sum)
	bind(b, 2, "event", &e.Event, uri)
	b.need("document", !e.Document.IsZero() || e.Event != "")
}

// DisputeHandover opens a dispute about a hand-over that was answered.
type DisputeHandover struct {
	Shipment string
	Handover uint64
	Evidence []Evidence
}

// Name is the act's type.
func (*DisputeHandover) Name() string { return "DisputeHandover" }

// Role is what a key needs to sign it.
func (*DisputeHandover) Role() uint32 { return RoleCapture }

func (d *DisputeHandover) names() int { return 1 + len(d.Evidence) }

func (d *DisputeHandover) bind(b *binding) {
	bindHandover(b, &d.Shipment, &d.Handover)
	bindList(b, 3, "evidence", &d.Evidence, MaxEvidence, object((*Evidence).bind))
}

// AddEvidence adds evidence to an open dispute.
type AddEvidence struct {
	Shipment string
	Handover uint64
	Evidence []Evidence
}

// Name is the act's type.
func (*AddEvidence) Name() string { return "AddEvidence" }

// Role is what a key needs to sign it.
func (*AddEvidence) Role() uint32 { return RoleCapture }

func (a *AddEvidence) names() int { return 1 + len(a.Evidence) }

func (a *AddEvidence) bind(b *binding) {
	bindHandover(b, &a.Shipment, &a.Handover)
	bindList(b, 3, "evidence", &a.Evidence, MaxEvidence, object((*Evidence).bind))
	b.need("evidence", len(a.Evidence) > 0)
}

// Settlement is how a dispute ends.
type Settlement uint8

// Settlements.
const (
	GoOn       Settlement = 1 + iota // the shipment goes on its way
	Settled                          // it counts as delivered
	ComeBack                         // it is to be returned
	outcomeEnd                       // none
)

var outcomeWords = []string{"", "go_on", "delivered", "return"}

// String is the outcome's name.
func (o Settlement) String() string { return outcomeWords[o%outcomeEnd] }

// MarshalText writes the outcome's name.
func (o Settlement) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// ResolveDispute says how a dispute is to end. It does when both parties have said the
// same, or the arbiter that the shipment names has said it.
type ResolveDispute struct {
	Shipment string
	Handover uint64
	Outcome  Settlement
}

// Name is the act's type.
func (*ResolveDispute) Name() string { return "ResolveDispute" }

// Role is what a key needs to sign it.
func (*ResolveDispute) Role() uint32 { return RoleCapture }

func (*ResolveDispute) names() int { return 1 }

func (r *ResolveDispute) bind(b *binding) {
	bindHandover(b, &r.Shipment, &r.Handover)
	bind(b, 3, "outcome", &r.Outcome, choice[Settlement](outcomeWords...))
	b.need("outcome", r.Outcome != 0)
}

// SettleException takes a record off its author's list of exceptions: it was worked off.
type SettleException struct {
	Height   uint64
	Position uint64
	Index    uint64
}

// Name is the act's type.
func (*SettleException) Name() string { return "SettleException" }

// Role is what a key needs to sign it.
func (*SettleException) Role() uint32 { return RoleCapture }

func (*SettleException) names() int { return 1 }

func (s *SettleException) bind(b *binding) {
	bind(b, 1, "height", &s.Height, whole[uint64](1<<62))
	bind(b, 2, "position", &s.Position, whole[uint64](MaxBlockMessages))
	bind(b, 3, "index", &s.Index, whole[uint64](MaxBlockMessages))
	b.need("height", s.Height != 0)
}
