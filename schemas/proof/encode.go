package proof

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Numbers of a bundle's fields. All that is unknown is refused.
const (
	fieldVersion     = 1
	fieldScope       = 2
	fieldChain       = 3
	fieldHeader      = 4
	fieldCommit      = 5
	fieldValidator   = 6
	fieldSubject     = 7
	fieldRelease     = 9
	fieldPartner     = 11
	fieldTransaction = 12
	fieldBalance     = 13
	fieldStep        = 14
	fieldAnchor      = 15
	fieldWitnessed   = 16
	fieldAccumulator = 17
	fieldBlock       = 18
	fieldRescue      = 19
	fieldHandover    = 20
	fieldUnits       = 21
)

// Encode is the bundle's one encoding.
func (b *Bundle) Encode() []byte {
	size := 4096
	for i := range b.Transactions {
		size += b.Transactions[i].size()
	}
	dst := schemas.AppendUint(make([]byte, 0, size), fieldVersion, BundleVersion)
	dst = schemas.AppendField(dst, fieldScope, b.Scope.encode())
	dst = schemas.AppendString(dst, fieldChain, b.ChainID)
	dst = schemas.AppendField(dst, fieldHeader, b.Header.encode())
	dst = schemas.AppendField(dst, fieldCommit, b.Commit.encode())
	dst = appendValidators(dst, fieldValidator, b.Validators)
	for i := range b.Subjects {
		dst = schemas.AppendField(dst, fieldSubject, b.Subjects[i].encode())
	}
	for i := range b.Releases {
		dst = schemas.AppendField(dst, fieldRelease, b.Releases[i].encode())
	}
	for i := range b.Partners {
		dst = schemas.AppendField(dst, fieldPartner, b.Partners[i].encode())
	}
	var transaction, message []byte
	for i := range b.Transactions {
		transaction, message = b.Transactions[i].encode(transaction[:0], message)
		dst = schemas.AppendField(dst, fieldTransaction, transaction)
	}
	for i := range b.Balances {
		dst = appendLeaf(dst, fieldBalance, &b.Balances[i])
	}
	for i := range b.Steps {
		dst = schemas.AppendField(dst, fieldStep, b.Steps[i].encode())
	}
	if b.Anchor != nil {
		dst = schemas.AppendField(dst, fieldAnchor, b.Anchor.encode())
	}
	for i := range b.Witnessed {
		dst = schemas.AppendField(dst, fieldWitnessed, b.Witnessed[i].encode())
	}
	dst = appendLeaf(dst, fieldAccumulator, b.Accumulator)
	for i := range b.Blocks {
		dst = schemas.AppendField(dst, fieldBlock, b.Blocks[i].encode())
	}
	for i := range b.Rescues {
		r := &b.Rescues[i]
		dst = schemas.AppendField(dst, fieldRescue, schemas.AppendField(schemas.AppendField(nil, 1, r.Document), 2, r.Path))
	}
	for i := range b.Handovers {
		h := &b.Handovers[i]
		dst = schemas.AppendField(dst, fieldHandover, appendLeaf(appendLeaf(nil, 1, &h.Leaf), 2, &h.Dispute))
	}
	return appendLeaf(dst, fieldUnits, b.Units)
}

// encode is the scope: 1 containers, 2 ancestors, 3 names, 4 times, 5 units.
func (s *Scope) encode() []byte {
	b := schemas.AppendUint(nil, 1, flag(s.Containers))
	b = schemas.AppendUint(b, 2, s.Ancestors)
	b = schemas.AppendUint(b, 3, flag(s.Names))
	b = schemas.AppendUint(b, 4, flag(s.Times))
	return schemas.AppendUint(b, 5, flag(s.Units))
}

func flag(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

func appendLeaf(dst []byte, n uint64, l *StateLeaf) []byte {
	if l == nil {
		return dst
	}
	return schemas.AppendField(dst, n, schemas.AppendField(schemas.AppendField(nil, 1, l.Value), 2, l.Path))
}

func appendValidators(dst []byte, n uint64, set []Validator) []byte {
	for _, v := range set {
		dst = schemas.AppendField(dst, n, binary.BigEndian.AppendUint64(append([]byte(nil), v.Public...), uint64(v.Power)))
	}
	return dst
}

func appendTime(dst []byte, n uint64, t time.Time) []byte {
	return schemas.AppendField(dst, n, binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())))
}

func appendHash(dst []byte, n uint64, h schemas.Hash) []byte {
	if h.IsZero() {
		return dst
	}
	return schemas.AppendField(dst, n, h[:])
}

func appendHashes(dst []byte, n uint64, hashes [][32]byte) []byte {
	var room [32 * 16]byte
	joined := room[:0]
	for i := range hashes {
		joined = append(joined, hashes[i][:]...)
	}
	return schemas.AppendField(dst, n, joined)
}

// encode is the header: 1 height, 2 time, 3 hash of the next validators where
// that is not the set's own, 4 app hash, 5 the hashes beside.
func (h *ShortHeader) encode() []byte {
	b := schemas.AppendUint(nil, 1, uint64(h.Height))
	b = appendTime(b, 2, h.Time)
	b = appendHash(b, 3, h.NextValidators)
	b = schemas.AppendField(b, 4, h.App[:])
	return appendHashes(b, 5, h.Beside[:])
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

// encode is the subject: 1 kind, 2 identifier, 3 value, 4 path, 5 the other
// kind's path, 6 trail (repeated: 1 kind, 2 first record, 3 hashes beside).
func (s *SubjectPart) encode() []byte {
	b := schemas.AppendUint(nil, 1, uint64(s.Kind))
	b = schemas.AppendString(b, 2, s.ID)
	b = schemas.AppendField(b, 3, s.Value)
	b = schemas.AppendField(b, 4, s.Path)
	b = schemas.AppendField(b, 5, s.Other)
	for i := range s.Trails {
		t := &s.Trails[i]
		part := schemas.AppendUint(nil, 1, uint64(t.Kind))
		part = schemas.AppendUint(part, 2, t.First)
		b = schemas.AppendField(b, 6, appendHashes(part, 3, t.Beside))
	}
	return b
}

// encode is the release: 1 container, 2 epoch, 3 leaf.
func (r *ReleasePart) encode() []byte {
	b := schemas.AppendString(nil, 1, r.Container)
	b = schemas.AppendUint(b, 2, r.Epoch)
	return appendLeaf(b, 3, &r.Leaf)
}

// encode is the partner: 1 id, 2 leaf, 3 key (repeated: 1 id, 2 leaf).
func (p *PartnerPart) encode() []byte {
	b := appendLeaf(schemas.AppendString(nil, 1, p.ID), 2, p.Leaf)
	for i := range p.Keys {
		b = schemas.AppendField(b, 3, appendLeaf(schemas.AppendString(nil, 1, p.Keys[i].ID), 2, &p.Keys[i].Leaf))
	}
	return b
}

// encode appends the transaction: 1 height, 2 position, 3 header, 4 signature, 5
// message (repeated). The memory of one message serves the next.
func (t *TransactionPart) encode(b, message []byte) (_, _ []byte) {
	b = slices.Grow(b, t.size())
	b = schemas.AppendUint(b, 1, uint64(t.Height))
	b = schemas.AppendUint(b, 2, uint64(t.Position))
	b = schemas.AppendField(b, 3, t.Header)
	b = schemas.AppendField(b, 4, t.Signature)
	for i := range t.Messages {
		message = t.Messages[i].encode(message[:0])
		b = schemas.AppendField(b, 5, message)
	}
	return b, message
}

// size is room for a transaction's encoding, about.
func (t *TransactionPart) size() int {
	n := 40 + len(t.Header) + len(t.Signature)
	for i := range t.Messages {
		n += t.Messages[i].size() + 8
	}
	return n
}

// size is room for a message's encoding, about.
func (m *MessagePart) size() int {
	n := 160 + len(m.DuplicateKey) + 32*(len(m.Inclusion)+len(m.Salts)) + 40*len(m.Withheld) + len(m.Skeleton)
	for i := range m.Members {
		n += len(m.Members[i].Name) + len(m.Members[i].Value) + 8
	}
	return n
}

func uvarintLen(v uint64) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], v)
}

// encode appends the message: 1 index, 2 trail (repeated), 3 kind, 4 duplicate key, 5
// result, 6 inclusion, 7 secret, 8 member (repeated), 9 leaf of a withheld member
// (repeated), 10 skeleton, 12 salts, 13 body root, 14 digest. 11 is reserved for
// the signature of an author.
func (m *MessagePart) encode(b []byte) []byte {
	b = schemas.AppendUint(slices.Grow(b, m.size()), 1, uint64(m.Index))
	var room [64]byte
	for _, t := range m.Trails {
		b = schemas.AppendField(b, 2, append(binary.AppendUvarint(room[:0], uint64(t.Subject)), byte(t.Kind)))
	}
	b = schemas.AppendUint(b, 3, uint64(m.Kind))
	b = schemas.AppendField(b, 4, m.DuplicateKey)
	b = schemas.AppendField(b, 5, m.Result.Append(room[:0]))
	b = appendHashes(b, 6, m.Inclusion)
	b = appendHash(b, 7, m.Secret)
	for _, member := range m.Members {
		name := uint64(len(member.Name))
		b = binary.AppendUvarint(b, 8)
		b = binary.AppendUvarint(b, uint64(uvarintLen(name))+name+uint64(len(member.Value)))
		b = append(append(binary.AppendUvarint(b, name), member.Name...), member.Value...)
	}
	for i := range m.Withheld {
		w := &m.Withheld[i]
		b = schemas.AppendField(b, 9, append(binary.AppendUvarint(nil, uint64(w.Place)), w.Leaf[:]...))
	}
	b = schemas.AppendField(b, 10, m.Skeleton)
	b = appendHashes(b, 12, m.Salts)
	b = appendHash(b, 13, m.BodyRoot)
	return appendHash(b, 14, m.Digest)
}

// encode is the step: 1 header, 2 commit, 3 validator (repeated).
func (s *Step) encode() []byte {
	var b []byte
	if s.Header != nil {
		b = schemas.AppendField(b, 1, s.Header.encode())
	}
	b = schemas.AppendField(b, 2, s.Commit.encode())
	return appendValidators(b, 3, s.Validators)
}

// encode is the anchor: 1 header, 2 its validators' hash, 3 index, 4 inclusion.
func (a *Anchor) encode() []byte {
	b := schemas.AppendField(nil, 1, a.Header.encode())
	b = appendHash(b, 2, a.Validators)
	b = schemas.AppendUint(b, 3, a.Index)
	return appendHashes(b, 4, a.Inclusion)
}

// encode is the block: 1 height, 2 time, 3 path of both in its header, 4 number
// of its parts, 5 their root, 6 path of its id in the next header, 7 index of
// that, 8 inclusion.
func (p *BlockPart) encode() []byte {
	b := schemas.AppendUint(nil, 1, uint64(p.Height))
	b = appendTime(b, 2, p.Time)
	b = appendHashes(b, 3, p.TimePath[:])
	b = schemas.AppendUint(b, 4, uint64(p.Parts.Total))
	b = schemas.AppendField(b, 5, p.Parts.Hash)
	b = appendHashes(b, 6, p.NextPath[:])
	b = schemas.AppendUint(b, 7, p.Index)
	return appendHashes(b, 8, p.Inclusion)
}
