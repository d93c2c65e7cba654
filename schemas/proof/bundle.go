package proof

import (
	"encoding/binary"

	"github.com/waybill-ledger/waybill/schemas"
)

// BundleVersion is the version of the format that this package reads and writes.
const BundleVersion = 1

// Bounds of a bundle.
const (
	MaxBundle  = 64 << 20  // bytes
	MaxFields  = 1_000_000 // of the bundle itself, its partners, transactions and messages together
	maxNesting = 16        // containers within containers
)

// Subject says what a bundle is about.
type Subject uint64

// Subjects of bundles.
const (
	AnItem  Subject = 1 + iota // an instance: its custody and its observation trail
	AClass                     // a class or lot: its trail
	Unknown                    // an identifier under which the ledger has neither
)

var subjectNames = [...]string{AnItem: "item", AClass: "class", Unknown: "unknown"}

// String returns the subject's name, as JSON shows it.
func (s Subject) String() string {
	if s == 0 || s > Unknown {
		return "invalid"
	}
	return subjectNames[s]
}

// MarshalText writes the subject's name.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Bundle is what an auditor takes away about one identifier.
type Bundle struct {
	Subject    Subject
	ID         string // canonical
	Header     Header
	Commit     Commit
	Validators []Validator // in the order of their set

	Leaf       *StateLeaf  // of the item or class
	Containers []StateLeaf // of what the item is in, outwards
	Release    *StateLeaf  // of the emptied container that ends the way outwards
	Absent     [][]byte    // of an unknown identifier: the paths to no item and to no class

	Partners     []PartnerPart     // by id: who signed, and who holds the item
	Transactions []TransactionPart // in the order of the ledger
	Balances     []StateLeaf       // of a class: by unit and partner; without a value it has no such leaf
}

// StateLeaf is a value of the state with the path to it, as [Path.Append] wrote
// it. Its key follows from its place in the bundle.
type StateLeaf struct {
	Value []byte
	Path  []byte
}

// PartnerPart is a partner as the state has it, with the keys that signed.
type PartnerPart struct {
	ID   string
	Leaf StateLeaf
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
type MessagePart struct {
	Index        uint32
	Trail        schemas.TrailKind
	Kind         schemas.Kind
	DuplicateKey []byte
	Result       schemas.Result
	Inclusion    [][32]byte // of its digest in its transaction
	Secret       schemas.Hash
	Members      []schemas.Member // of its body, by name
}

// Numbers of a bundle's fields. Those that are reserved are for changes of the
// validator set since the root of trust (14), older headers through the
// accumulator (15), witness cosignatures (16), ancestors and the contents of
// containers (17); of a message's, for a withheld member's leaf (9), a detached
// body's skeleton (10) and an author's signature (11). Until a version defines
// them they are refused, as all that is unknown.
const (
	fieldVersion = 1 + iota
	fieldSubject
	fieldID
	fieldHeader
	fieldCommit
	fieldValidator
	fieldLeaf
	fieldContainer
	fieldRelease
	fieldAbsent
	fieldPartner
	fieldTransaction
	fieldBalance
)

// Encode is the bundle's one encoding.
func (b *Bundle) Encode() []byte {
	dst := schemas.AppendUint(nil, fieldVersion, BundleVersion)
	dst = schemas.AppendUint(dst, fieldSubject, uint64(b.Subject))
	dst = schemas.AppendString(dst, fieldID, b.ID)
	dst = schemas.AppendField(dst, fieldHeader, b.Header.encode())
	dst = schemas.AppendField(dst, fieldCommit, b.Commit.encode())
	for _, v := range b.Validators {
		dst = schemas.AppendField(dst, fieldValidator, binary.BigEndian.AppendUint64(append([]byte(nil), v.Public...), uint64(v.Power)))
	}
	dst = appendLeaf(dst, fieldLeaf, b.Leaf)
	for i := range b.Containers {
		dst = appendLeaf(dst, fieldContainer, &b.Containers[i])
	}
	dst = appendLeaf(dst, fieldRelease, b.Release)
	for _, path := range b.Absent {
		dst = schemas.AppendField(dst, fieldAbsent, path)
	}
	for i := range b.Partners {
		dst = schemas.AppendField(dst, fieldPartner, b.Partners[i].encode())
	}
	for i := range b.Transactions {
		dst = schemas.AppendField(dst, fieldTransaction, b.Transactions[i].encode())
	}
	for i := range b.Balances {
		dst = appendLeaf(dst, fieldBalance, &b.Balances[i])
	}
	return dst
}

func appendLeaf(dst []byte, n uint64, l *StateLeaf) []byte {
	if l == nil {
		return dst
	}
	return schemas.AppendField(dst, n, schemas.AppendField(schemas.AppendField(nil, 1, l.Value), 2, l.Path))
}

// encode is the header: 1 block version, 2 application version, 3 chain id, 4
// height, 5 time, 6 last block's hash, 7 its parts, 8 their root, 9 last commit,
// 10 data, 11 next validators, 12 consensus, 13 app, 14 last results, 15
// evidence, 16 proposer.
func (h *Header) encode() []byte {
	b := schemas.AppendUint(nil, 1, h.VersionBlock)
	b = schemas.AppendUint(b, 2, h.VersionApp)
	b = schemas.AppendString(b, 3, h.ChainID)
	b = schemas.AppendUint(b, 4, uint64(h.Height))
	b = schemas.AppendField(b, 5, binary.BigEndian.AppendUint64(nil, uint64(h.Time.UnixNano())))
	b = schemas.AppendField(b, 6, h.LastBlock.Hash)
	b = schemas.AppendUint(b, 7, uint64(h.LastBlock.Parts.Total))
	b = schemas.AppendField(b, 8, h.LastBlock.Parts.Hash)
	for i, v := range h.hashes() {
		b = schemas.AppendField(b, uint64(9+i), *v)
	}
	return b
}

// hashes are the fields from the ninth, in order.
func (h *Header) hashes() []*[]byte {
	return []*[]byte{&h.LastCommit, &h.Data, &h.NextValidators, &h.Consensus, &h.App, &h.LastResults, &h.Evidence, &h.Proposer}
}

const voteSize = 2 + 8 + 64 // index, time, signature

// encode is the commit: 1 round, 2 parts, 3 their root, 4 vote (repeated).
func (c *Commit) encode() []byte {
	b := schemas.AppendUint(nil, 1, uint64(c.Round))
	b = schemas.AppendUint(b, 2, uint64(c.Parts.Total))
	b = schemas.AppendField(b, 3, c.Parts.Hash)
	for _, v := range c.Votes {
		vote := binary.BigEndian.AppendUint16(make([]byte, 0, voteSize), v.Index)
		vote = binary.BigEndian.AppendUint64(vote, uint64(v.Time.UnixNano()))
		b = schemas.AppendField(b, 4, append(vote, v.Signature...))
	}
	return b
}

// encode is the partner: 1 id, 2 leaf, 3 key (repeated: 1 id, 2 leaf).
func (p *PartnerPart) encode() []byte {
	b := appendLeaf(schemas.AppendString(nil, 1, p.ID), 2, &p.Leaf)
	for i := range p.Keys {
		b = schemas.AppendField(b, 3, appendLeaf(schemas.AppendString(nil, 1, p.Keys[i].ID), 2, &p.Keys[i].Leaf))
	}
	return b
}

// encode is the transaction: 1 height, 2 position, 3 header, 4 signature, 5
// message (repeated).
func (t *TransactionPart) encode() []byte {
	b := schemas.AppendUint(nil, 1, uint64(t.Height))
	b = schemas.AppendUint(b, 2, uint64(t.Position))
	b = schemas.AppendField(b, 3, t.Header)
	b = schemas.AppendField(b, 4, t.Signature)
	for i := range t.Messages {
		b = schemas.AppendField(b, 5, t.Messages[i].encode())
	}
	return b
}

// encode is the message: 1 index, 2 trail, 3 kind, 4 duplicate key, 5 result, 6
// inclusion, 7 secret, 8 member (repeated).
func (m *MessagePart) encode() []byte {
	b := schemas.AppendUint(nil, 1, uint64(m.Index))
	b = schemas.AppendUint(b, 2, uint64(m.Trail))
	b = schemas.AppendUint(b, 3, uint64(m.Kind))
	b = schemas.AppendField(b, 4, m.DuplicateKey)
	b = schemas.AppendField(b, 5, m.Result.Append(nil))
	var path []byte
	for i := range m.Inclusion {
		path = append(path, m.Inclusion[i][:]...)
	}
	b = schemas.AppendField(b, 6, path)
	b = schemas.AppendField(b, 7, m.Secret[:])
	for _, member := range m.Members {
		value := binary.AppendUvarint(nil, uint64(len(member.Name)))
		value = append(append(value, member.Name...), member.Value...)
		b = schemas.AppendField(b, 8, value)
	}
	return b
}
