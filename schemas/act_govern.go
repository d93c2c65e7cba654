package schemas

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
)

// Acts of members that govern the network.
var governActs = []func() Act{
	func() Act { return &Propose{} },
	func() Act { return &Vote{} },
	func() Act { return &Withdraw{} },
}

// Propose is a member's proposal of a change, which is its vote for it as well.
type Propose struct{ Change }

// Name is the act's type.
func (*Propose) Name() string { return "Propose" }

// Role is what a key needs to sign it.
func (*Propose) Role() uint32 { return RoleAdmin }

// The weight of an act of members is that of counting them, whom it reads.
const countWeight = 32

func (p *Propose) names() int {
	return countWeight + len(p.Items) + len(p.Lots) + len(p.Shipments)
}

func (p *Propose) bind(b *binding) { p.Change.bind(b) }

// Vote is a member's vote on a proposal: once given it stands.
type Vote struct {
	Proposal string // its id
	Approve  bool   // false: against
}

// Name is the act's type.
func (*Vote) Name() string { return "Vote" }

// Role is what a key needs to sign it.
func (*Vote) Role() uint32 { return RoleAdmin }

func (*Vote) names() int { return countWeight }

func (v *Vote) bind(b *binding) {
	bind(b, 1, "proposal", &v.Proposal, proposalID)
	bind(b, 2, "approve", &v.Approve, flagged)
	b.need("proposal", v.Proposal != "")
}

// Withdraw takes back a proposal, which its proposer alone can.
type Withdraw struct{ Proposal string }

// Name is the act's type.
func (*Withdraw) Name() string { return "Withdraw" }

// Role is what a key needs to sign it.
func (*Withdraw) Role() uint32 { return RoleAdmin }

func (*Withdraw) names() int { return 1 }

func (w *Withdraw) bind(b *binding) {
	bind(b, 1, "proposal", &w.Proposal, proposalID)
	b.need("proposal", w.Proposal != "")
}

// ChangeKind is what a proposal would change.
type ChangeKind uint8

// Kinds of changes. Their numbers are in skeletons and never change.
const (
	Admit ChangeKind = 1 + iota
	Suspend
	Resume
	Remove
	SetValidator
	RemoveValidator
	SetParameters
	ScheduleUpgrade
	CancelUpgrade
	RegisterPrefix
	WithdrawPrefix
	EraseBody
	RecoverKeys
	Reassign
	EndRecall
	EndShipments
)

var changeNames = []string{"", "admit", "suspend", "resume", "remove", "validator", "remove-validator", "parameters",
	"upgrade", "cancel-upgrade", "register-prefix", "withdraw-prefix", "erase", "recover", "reassign", "close-recall", "end-shipments"}

// String returns the kind's name.
func (k ChangeKind) String() string {
	if int(k) < len(changeNames) {
		return changeNames[k]
	}
	return "unknown"
}

// OverSilence reports whether a proposal of the kind can be carried by those who are
// not silent, where the partner that it is about is: to suspend it, or to give it new
// keys in the place of those that it lost.
func (k ChangeKind) OverSilence() bool { return k == Suspend || k == RecoverKeys }

// Inherits reports whether a proposal of the kind is about what a removed partner left.
func (k ChangeKind) Inherits() bool { return k == Reassign || k == EndShipments }

// MarshalText writes the kind's name.
func (k ChangeKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *ChangeKind) UnmarshalText(b []byte) error {
	i := slices.Index(changeNames, string(b))
	if i <= 0 {
		return fmt.Errorf("no such kind of proposal: %q", b)
	}
	*k = ChangeKind(i)
	return nil
}

// Change is what a proposal would change: its kind, and the members that its kind has.
type Change struct {
	Kind         ChangeKind
	Partner      string // whom it is about
	PartnerName  string
	GLN          string
	Standing     Standing
	LEI          string
	Registration string
	Host         string
	Sponsor      string
	Threshold    uint32
	Keys         []KeyGrant
	NodeID       string
	Validator    []byte // Ed25519 consensus key
	Prefix       string // digits of a GS1 company prefix
	Strict       bool   // of a prefix: as the parameter custody, for things under it
	Parameters   ParameterChange
	Height       uint64
	Rules        uint32
	EventID      string
	To           string   // who is to hold the items and lots
	Items        []string // canonical identifiers
	Recall       string   // name of a recall of the partner's
	Lots         []PassedLot
	Shipments    []string // canonical identifiers
}

// PassedLot is how much of a class or lot goes from one partner to another.
type PassedLot struct {
	Class    string `json:"class"`
	Quantity string `json:"quantity,omitempty"` // exact decimal; "" is all that there is, though it be unknown
	UOM      string `json:"uom,omitempty"`
}

func (l *PassedLot) bind(b *binding) {
	bind(b, 1, "class", &l.Class, ofClass)
	bind(b, 2, "quantity", &l.Quantity, exact)
	bind(b, 3, "uom", &l.UOM, measure)
	b.need("class", l.Class != "")
	b.refuse("quantity", l.Quantity != "" && !positive(l.Quantity), "a quantity is more than nothing; left out, it is all that there is")
}

// KeyGrant is a key as a proposal gives it to a partner.
type KeyGrant struct {
	Public []byte
	Roles  uint32
	Held   Holding
}

// ParameterChange is what of the parameters changes; what is empty does not.
type ParameterChange struct {
	Custody       Custody
	Acceptance    Acceptance
	VotingSeconds uint64
	SilentSeconds uint64
	Retention     []RetentionClass // classes that are added
}

// Custody is the parameter whether events of who is not the custodian are recorded
// as claims, or refused.
type Custody uint8

// Acceptance is the parameter with which keys a hand-over is accepted.
type Acceptance uint8

// Values of both.
const (
	CustodyOpen      Custody    = 1
	CustodyStrict    Custody    = 2
	AcceptWithAny    Acceptance = 1
	AcceptWithClient Acceptance = 2
)

// Bounds of what a proposal can say.
const (
	MaxReassigned = 1000 // items, and as many lots
	MaxEnded      = 100  // shipments
	maxGrants     = 16
	minVoting     = 3600            // seconds; less, and nobody could vote for more again
	minSilent     = 24 * 3600       // seconds
	maxPeriod     = 366 * 24 * 3600 // seconds
)

// changeMembers are the members that a change of a kind needs, and those that it may have.
var changeMembers = [...]struct{ needs, may []string }{
	Admit:           {[]string{"partner", "name", "gln", "standing"}, []string{"lei", "registration", "host", "sponsor", "threshold", "keys", "nodeID", "validator"}},
	Suspend:         {[]string{"partner"}, nil},
	Resume:          {[]string{"partner"}, nil},
	Remove:          {[]string{"partner"}, nil},
	SetValidator:    {[]string{"partner", "nodeID", "validator"}, nil},
	RemoveValidator: {[]string{"partner"}, nil},
	SetParameters:   {[]string{"parameters"}, nil},
	ScheduleUpgrade: {[]string{"height", "rules"}, nil},
	CancelUpgrade:   {nil, nil},
	RegisterPrefix:  {[]string{"partner", "prefix"}, []string{"strict"}},
	WithdrawPrefix:  {[]string{"prefix"}, nil},
	EraseBody:       {[]string{"partner", "eventID"}, nil},
	RecoverKeys:     {[]string{"partner", "keys"}, []string{"threshold"}},
	Reassign:        {[]string{"partner", "to"}, []string{"items", "lots"}},
	EndRecall:       {[]string{"partner", "recall"}, nil},
	EndShipments:    {[]string{"partner", "shipments"}, nil},
}

func (c *Change) bind(b *binding) {
	bind(b, 1, "kind", &c.Kind, choice[ChangeKind](changeNames...))
	bind(b, 2, "partner", &c.Partner, shortName)
	bind(b, 3, "name", &c.PartnerName, line(maxReason/4))
	bind(b, 4, "gln", &c.GLN, partyGLN)
	bind(b, 5, "standing", &c.Standing, choice[Standing]("", "member", "participant", "observer"))
	bind(b, 6, "lei", &c.LEI, legalEntity)
	bind(b, 7, "registration", &c.Registration, line(maxReason/4))
	bind(b, 8, "host", &c.Host, shortName)
	bind(b, 9, "sponsor", &c.Sponsor, shortName)
	bind(b, 10, "threshold", &c.Threshold, whole[uint32](maxGrants))
	bindList(b, 11, "keys", &c.Keys, maxGrants, object((*KeyGrant).bind))
	bind(b, 12, "nodeID", &c.NodeID, peerID)
	bind(b, 13, "validator", &c.Validator, publicKey)
	bind(b, 14, "prefix", &c.Prefix, companyPrefix)
	bind(b, 15, "strict", &c.Strict, flagged)
	bind(b, 16, "parameters", &c.Parameters, object((*ParameterChange).bind))
	bind(b, 17, "height", &c.Height, whole[uint64](1<<62))
	bind(b, 18, "rules", &c.Rules, whole[uint32](1<<31))
	bind(b, 19, "eventID", &c.EventID, uri)
	bind(b, 20, "to", &c.To, shortName)
	bindList(b, 21, "items", &c.Items, MaxReassigned, thing)
	bind(b, 22, "recall", &c.Recall, shortName)
	bindList(b, 23, "lots", &c.Lots, MaxReassigned, object((*PassedLot).bind))
	bindList(b, 24, "shipments", &c.Shipments, MaxEnded, thing)
	c.check(b)
}

// check holds a change to the members that its kind has.
func (c *Change) check(b *binding) {
	b.need("kind", c.Kind != 0)
	if int(c.Kind) >= len(changeMembers) {
		return
	}
	of := changeMembers[c.Kind]
	for _, m := range [...]struct {
		name string
		said bool
	}{
		{"partner", c.Partner != ""}, {"name", c.PartnerName != ""}, {"gln", c.GLN != ""}, {"standing", c.Standing != 0}, {"lei", c.LEI != ""},
		{"registration", c.Registration != ""}, {"host", c.Host != ""}, {"sponsor", c.Sponsor != ""}, {"threshold", c.Threshold != 0},
		{"keys", len(c.Keys) > 0}, {"nodeID", c.NodeID != ""}, {"validator", len(c.Validator) > 0}, {"prefix", c.Prefix != ""}, {"strict", c.Strict},
		{"parameters", !c.Parameters.empty()}, {"height", c.Height != 0}, {"rules", c.Rules != 0}, {"eventID", c.EventID != ""}, {"to", c.To != ""}, {"items", len(c.Items) > 0},
		{"recall", c.Recall != ""}, {"lots", len(c.Lots) > 0}, {"shipments", len(c.Shipments) > 0},
	} {
		if slices.Contains(of.needs, m.name) {
			b.need(m.name, m.said)
		} else {
			b.refuse(m.name, m.said && !slices.Contains(of.may, m.name), "a proposal to "+c.Kind.String()+" has no "+m.name)
		}
	}
	if c.Kind == Admit || c.Kind == RecoverKeys {
		c.checkKeys(b)
	}
	if c.Kind == Admit {
		guest := c.Standing == StandingParticipant
		b.refuse("host", (c.Host != "") != guest, "a participant has a host, and nobody else")
		b.refuse("sponsor", (c.Sponsor != "") != guest, "a participant has a sponsor, and nobody else")
		b.refuse("nodeID", (c.NodeID != "") != (len(c.Validator) > 0), "a validator has a node id and a consensus key")
		b.refuse("validator", len(c.Validator) > 0 && c.Standing != StandingMember, "only a member validates")
	}
	if c.Kind == Reassign {
		b.need("items", len(c.Items)+len(c.Lots) > 0)
	}
	itself := func(id string) string { return id }
	b.refuse("items", twice(c.Items, itself), "an item is there twice")
	b.refuse("lots", twice(c.Lots, func(l PassedLot) string { return l.Class + "\x00" + l.UOM }), "a lot is there twice in one unit")
	b.refuse("shipments", twice(c.Shipments, itself), "a shipment is there twice")
}

func (c *Change) checkKeys(b *binding) {
	admins := uint32(0)
	for i, k := range c.Keys {
		if k.Roles&RoleAdmin != 0 {
			admins++
		}
		b.refuse("keys", slices.ContainsFunc(c.Keys[:i], func(l KeyGrant) bool { return string(l.Public) == string(k.Public) }), "a key is there twice")
	}
	b.need("keys", len(c.Keys) > 0 || c.Standing == StandingObserver)
	b.refuse("keys", admins == 0 && len(c.Keys) > 0, "one of the keys, at least, has the role admin")
	b.refuse("threshold", c.Threshold > max(admins, 1), "there are fewer keys with the role admin than are to agree")
}

func (k *KeyGrant) bind(b *binding) {
	bind(b, 1, "public", &k.Public, publicKey)
	bind(b, 2, "roles", &k.Roles, roleList)
	bind(b, 3, "held", &k.Held, choice[Holding]("", "gateway", "client", "hardware"))
	b.need("public", len(k.Public) > 0)
	b.need("roles", k.Roles != 0)
	b.need("held", k.Held != 0)
}

// Key is the grant as a partner's key that is valid from a height on.
func (k *KeyGrant) Key(partner string, from uint64) Key {
	return Key{Partner: partner, ID: KeyID(ed25519.PublicKey(k.Public)), Public: k.Public, Roles: k.Roles, Held: k.Held, From: from}
}

func (p *ParameterChange) empty() bool {
	return p.Custody == 0 && p.Acceptance == 0 && p.VotingSeconds == 0 && p.SilentSeconds == 0 && len(p.Retention) == 0
}

func (p *ParameterChange) bind(b *binding) {
	bind(b, 1, "custody", &p.Custody, choice[Custody]("", "open", "strict"))
	bind(b, 2, "acceptance", &p.Acceptance, choice[Acceptance]("", "any", "client"))
	bind(b, 3, "votingSeconds", &p.VotingSeconds, whole[uint64](maxPeriod))
	bind(b, 4, "silentSeconds", &p.SilentSeconds, whole[uint64](maxPeriod))
	bindList(b, 5, "retention", &p.Retention, maxClasses, object((*RetentionClass).bind))
	b.refuse("votingSeconds", p.VotingSeconds != 0 && p.VotingSeconds < minVoting, fmt.Sprintf("%d seconds at least", minVoting))
	b.refuse("silentSeconds", p.SilentSeconds != 0 && p.SilentSeconds < minSilent, fmt.Sprintf("%d seconds at least", minSilent))
	if err := CheckRetention(p.Retention); err != nil {
		b.refuse("retention", true, err.Error())
	}
}

func (c *RetentionClass) bind(b *binding) {
	bind(b, 1, "name", &c.Name, shortName)
	bind(b, 2, "minSeconds", &c.Min, whole[int64](maxRetention))
	bind(b, 3, "maxSeconds", &c.Max, whole[int64](maxRetention))
	b.need("name", c.Name != "")
}

// Notations of what proposals alone say.
var (
	proposalID = textual(func(d *decoder, n int) (string, *Fault) {
		if _, ok := ParseProposalID(d.t.str(n)); !ok {
			return "", d.t.fault(BadValue, n, "a proposal's id is like 1042-0-3: "+quoteRaw(d.t.raw(n)))
		}
		return d.t.str(n), nil
	})
	partyGLN = textual(func(d *decoder, n int) (string, *Fault) {
		if !isGLN(d.t.str(n)) {
			return "", d.t.fault(BadIdentifier, n, "a GLN of 13 digits: "+quoteRaw(d.t.raw(n)))
		}
		return d.t.str(n), nil
	})
	legalEntity = textual(func(d *decoder, n int) (string, *Fault) {
		if !isLEI(d.t.str(n)) {
			return "", d.t.fault(BadIdentifier, n, "an LEI has 20 letters and digits, of which the last two check the others: "+quoteRaw(d.t.raw(n)))
		}
		return d.t.str(n), nil
	})
	peerID = textual(func(d *decoder, n int) (string, *Fault) {
		if b, err := hex.DecodeString(d.t.str(n)); err != nil || len(b) != 20 || hex.EncodeToString(b) != d.t.str(n) {
			return "", d.t.fault(BadValue, n, "a node's id is 20 bytes as lower-case hexadecimal digits: "+quoteRaw(d.t.raw(n)))
		}
		return d.t.str(n), nil
	})
	companyPrefix = textual(func(d *decoder, n int) (string, *Fault) {
		if !isCompanyPrefix(d.t.str(n)) {
			return "", d.t.fault(BadValue, n, "a company prefix has 4 to 12 digits: "+quoteRaw(d.t.raw(n)))
		}
		return d.t.str(n), nil
	})
)
