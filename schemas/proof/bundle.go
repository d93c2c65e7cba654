package proof

import (
	"crypto/ed25519"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// BundleVersion is the version of the format that this package reads and writes.
const BundleVersion = 2

// Bounds of a bundle.
const (
	MaxBundle    = 64 << 20  // bytes
	MaxFields    = 1_000_000 // of the bundle and all that is nested in it, together
	MaxAncestry  = 16        // transformations upstream that a bundle may follow
	maxNesting   = 16        // containers within containers
	maxInclusion = 64        // hashes beside the way of an entry in its log
)

// Subject says what a part of a bundle is about.
type Subject uint64

// Subjects of bundles.
const (
	AnItem    Subject = 1 + iota // an instance: its custody trail, and on request its observations
	AClass                       // a class or lot: its trail
	Unknown                      // an identifier under which the ledger has neither
	APartner                     // a partner: every message that it sent
	AShipment                    // a shipment: what was done about it
)

var subjectNames = [...]string{AnItem: "item", AClass: "class", Unknown: "unknown", APartner: "partner", AShipment: "shipment"}

// String returns the subject's name, as JSON shows it.
func (s Subject) String() string {
	if s == 0 || s > AShipment {
		return "invalid"
	}
	return subjectNames[s]
}

// MarshalText writes the subject's name.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a subject's name.
func (s *Subject) UnmarshalText(b []byte) error {
	for i, name := range subjectNames {
		if i > 0 && name == string(b) {
			*s = Subject(i)
			return nil
		}
	}
	*s = 0
	return nil
}

// Bundle is what an auditor takes away.
type Bundle struct {
	Scope        Scope
	ChainID      string
	Header       ShortHeader // signed; it carries the state, unless Anchor has an older one
	Commit       Commit
	Validators   []Validator       // that signed, in the order of their set
	Subjects     []SubjectPart     // those asked for, then the others by kind and identifier
	Releases     []ReleasePart     // of emptied containers, by container and epoch
	Partners     []PartnerPart     // by id: whose keys signed
	Transactions []TransactionPart // in the order of the ledger
	Balances     []StateLeaf       // of classes asked for: without a value it has no such leaf
	Steps        []Step            // from the root of trust to the header
	Anchor       *Anchor           // of an older header, which carries the state
	Witnessed    []WitnessedPart   // checkpoints that witnesses cosigned, by size
	Accumulator  *StateLeaf        // of the headers before, under the signed header
	Blocks       []BlockPart       // by height: when blocks were made
	Rescues      []RescuePart      // by epoch: how the network was restarted
	Handovers    []HandoverPart    // of the shipment asked for, all of them, from the first on
	Units        *StateLeaf        // what the shipment consists of
}

// Scope is what a bundle claims to have beside its subjects' own records.
type Scope struct {
	Containers bool   `json:"containers"`      // the trails of the containers that things were in, while they were
	Names      bool   `json:"names"`           // the partners, as the state has them
	Times      bool   `json:"times"`           // when the blocks with records were made
	Ancestors  uint64 `json:"ancestors"`       // how many transformations upstream are followed
	Units      bool   `json:"units,omitempty"` // of a shipment: where the things that it consists of are
}

// SubjectPart is what the state has of one thing, and which records of its trails
// are there. Its key follows from kind and identifier.
type SubjectPart struct {
	Kind  Subject
	ID    string // canonical; of a partner its id
	Value []byte // of its leaf; nil of what is unknown
	Path  []byte // as [Path.Append] wrote it
	Other []byte // path that proves that the other of item and class is absent
	// Trails are those of which the bundle has records, by kind. A trail without
	// records is not listed.
	Trails []TrailPart
}

// TrailPart says which records of a trail the bundle has: those from First on,
// as many as name the trail. Beside are the hashes of what is before and behind
// them, in the order of the tree, from left to right.
type TrailPart struct {
	Kind   schemas.TrailKind
	First  uint64
	Beside [][32]byte
}

// StateLeaf is a value of the state with the path to it, as [Path.Append] wrote
// it. Its key follows from its place in the bundle.
type StateLeaf struct {
	Value []byte
	Path  []byte
}

// ReleasePart tells who held what an emptied container let go.
type ReleasePart struct {
	Container string
	Epoch     uint64 // that ended
	Leaf      StateLeaf
}

// HandoverPart is a hand-over of a shipment, and the dispute about it: a path alone
// where there is none.
type HandoverPart struct {
	Leaf    StateLeaf
	Dispute StateLeaf
}

// PartnerPart is a partner's keys that signed, and, on request, its own leaf.
type PartnerPart struct {
	ID   string
	Leaf *StateLeaf
	Keys []KeyPart // by id
}

// KeyPart is a partner's key as the state has it.
type KeyPart struct {
	ID   string
	Leaf StateLeaf
}

// TransactionPart is a signed header and those of its messages that the bundle
// is about.
type TransactionPart struct {
	Height    int64
	Position  uint32
	Header    []byte // as signed
	Signature []byte
	Messages  []MessagePart // by ascending index
}

// MessagePart is one message: what was reported, and what the ledger made of it.
// Its event is there in one of four forms: whole, with its secret; some of its
// members, each with its salt, and the leaves of the others; as its skeleton and
// body root, where the body is not held; or withheld, as its digest alone. Beside
// the members of an act its skeleton is there, too: which member is which field of
// it only those know who know the act.
type MessagePart struct {
	Index        uint32
	Trails       []TrailRef // by subject and kind
	Kind         schemas.Kind
	DuplicateKey []byte
	Result       schemas.Result
	Inclusion    [][32]byte // of its digest in its transaction
	Secret       schemas.Hash
	Members      []schemas.Member // by name
	Withheld     []WithheldMember // by place
	Skeleton     []byte
	Salts        [][32]byte // of Members, one each
	BodyRoot     schemas.Hash
	Digest       schemas.Hash
}

// TrailRef names a trail of one of the bundle's subjects.
type TrailRef struct {
	Subject uint32 // its place among them, from 0
	Kind    schemas.TrailKind
}

// WithheldMember is what a bundle tells of a member that it does not show.
type WithheldMember struct {
	Place uint32 // among all members of the body by name, from 0
	Leaf  schemas.Hash
}

// Step is a header on the way from the root of trust to the bundle's, with the
// set that signed it. The first may have the set alone: the trusted one.
type Step struct {
	Header     *ShortHeader
	Commit     Commit
	Validators []Validator
}

// RescuePart is a rescue's document, with the path to it in the state that the
// signed header carries, where that can have it.
type RescuePart struct {
	Document []byte
	Path     []byte
}

// Anchor is an older header, proven by the header accumulator.
type Anchor struct {
	Header     ShortHeader
	Validators schemas.Hash // hash of its set
	Index      uint64       // in the accumulator
	Inclusion  [][32]byte
}

// BlockPart proves when a block was made: the time in its header, whose hash is
// in the next header, which is shown or in the accumulator.
type BlockPart struct {
	Height    int64
	Time      time.Time
	TimePath  [3][32]byte // beside height and time in the header
	Parts     PartSet
	NextPath  [4][32]byte // beside the last block's id in the next header
	Index     uint64      // of the next header in the accumulator
	Inclusion [][32]byte
}

// Validator is a member of the set that signs blocks.
type Validator struct {
	Public ed25519.PublicKey
	Power  int64
}
