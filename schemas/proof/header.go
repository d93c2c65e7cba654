package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-ledger/waybill/schemas"
)

// What the engine signs is rebuilt here from its specification (CometBFT v0.40,
// spec/core/data_structures and spec/core/encoding), so that to verify a bundle
// takes no engine. Its Merkle trees are RFC 6962's, the empty one included.

// BlockHeader is the whole header of a block, but for the hash of its validator
// set, which follows from the validators beside it.
type BlockHeader struct {
	VersionBlock   uint64 // of the block protocol
	VersionApp     uint64 // of the application
	ChainID        string
	Height         int64
	Time           time.Time // UTC
	LastBlock      BlockID   // zero in the first block
	LastCommit     []byte
	Data           []byte
	NextValidators []byte
	Consensus      []byte
	App            []byte // root of the state tree after the block before
	LastResults    []byte
	Evidence       []byte
	Proposer       []byte // address, 20 bytes
}

// Header is what a bundle has of a block's header: what is needed of it, and the
// hashes beside that in the Merkle tree of its fields.
type Header struct {
	Height         int64
	Time           time.Time    // UTC
	NextValidators schemas.Hash // zero where they are the block's own
	App            schemas.Hash // root of the state tree after the block before
	// Beside are the hashes of the version; of last block and last commit; of the
	// data; of the consensus parameters; of the last results; of evidence and
	// proposer.
	Beside [6][32]byte
}

// BlockID names a block: by its header's hash, and by how it was gossiped.
type BlockID struct {
	Hash  []byte
	Parts PartSet
}

// PartSet is how many parts a block was gossiped in, and their Merkle root.
type PartSet struct {
	Total uint32
	Hash  []byte
}

// Commit is the votes that decided a block. Whoever was absent or voted for
// nothing is left out: that vote proves nothing.
type Commit struct {
	Round int32
	Parts PartSet
	Votes []Vote // by ascending index
}

// Vote is one validator's precommit for the block.
type Vote struct {
	Index     uint16 // of the validator in its set
	Time      time.Time
	Signature []byte
}

// Validator sets beyond these bounds are refused: so many, and so much power
// that no sum of it can overflow.
const (
	maxValidators = 1000
	maxPower      = math.MaxInt64 / 8
)

// leaves are the hashes of the header's fields, each in the protobuf encoding of
// its type.
func (h *BlockHeader) leaves(validators schemas.Hash) [14][32]byte {
	version := appendVarint(nil, 1, h.VersionBlock)
	version = appendVarint(version, 2, h.VersionApp)
	var out [14][32]byte
	for i, field := range [14][]byte{
		version, textField(h.ChainID), numberField(h.Height), protoTime(h.Time),
		h.LastBlock.proto(), appendBytes(nil, 1, h.LastCommit), appendBytes(nil, 1, h.Data), appendBytes(nil, 1, validators[:]),
		appendBytes(nil, 1, h.NextValidators), appendBytes(nil, 1, h.Consensus), appendBytes(nil, 1, h.App), appendBytes(nil, 1, h.LastResults),
		appendBytes(nil, 1, h.Evidence), appendBytes(nil, 1, h.Proposer),
	} {
		out[i] = fieldHash(field)
	}
	return out
}

func textField(s string) []byte  { return appendBytes(nil, 1, []byte(s)) }
func numberField(n int64) []byte { return appendVarint(nil, 1, uint64(n)) }

// fieldHash is the leaf of a header's field.
func fieldHash(field []byte) [32]byte { return sha256.Sum256(append([]byte{leafPrefix}, field...)) }

// Hash is the hash of the header with a validator set of this hash: the Merkle
// root of its fields.
func (h *BlockHeader) Hash(validators schemas.Hash) schemas.Hash {
	leaves := h.leaves(validators)
	return schemas.Hash(rootOfHashes(leaves[:]))
}

// rootOfHashes is MTH of RFC 6962, section 2.1, over leaves that are hashed already.
func rootOfHashes(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return NodeHash(rootOfHashes(leaves[:k]), rootOfHashes(leaves[k:]))
}

// Short is what a bundle has of the header with a validator set of this hash.
func (h *BlockHeader) Short(validators schemas.Hash) (Header, error) {
	if len(h.App) != len(schemas.Hash{}) || len(h.NextValidators) != len(schemas.Hash{}) {
		return Header{}, fmt.Errorf("the header at height %d carries no state", h.Height)
	}
	if !fits(h.Time) {
		return Header{}, fmt.Errorf("the header's time %s cannot be encoded", h.Time)
	}
	leaves := h.leaves(validators)
	short := Header{Height: h.Height, Time: h.Time, App: schemas.Hash(h.App), Beside: [6][32]byte{
		leaves[0], NodeHash(leaves[4], leaves[5]), leaves[6], leaves[9], leaves[11], NodeHash(leaves[12], leaves[13])}}
	if next := schemas.Hash(h.NextValidators); next != validators {
		short.NextValidators = next
	}
	return short, nil
}

// Hash is the hash of the header of a chain's block with a validator set of this
// hash.
func (h *Header) Hash(chain string, validators schemas.Hash) schemas.Hash {
	next := h.next(validators)
	left := NodeHash(
		NodeHash(NodeHash(h.Beside[0], fieldHash(textField(chain))), NodeHash(fieldHash(numberField(h.Height)), fieldHash(protoTime(h.Time)))),
		NodeHash(h.Beside[1], NodeHash(h.Beside[2], fieldHash(appendBytes(nil, 1, validators[:])))))
	right := NodeHash(
		NodeHash(NodeHash(fieldHash(appendBytes(nil, 1, next[:])), h.Beside[3]), NodeHash(fieldHash(appendBytes(nil, 1, h.App[:])), h.Beside[4])),
		h.Beside[5])
	return schemas.Hash(NodeHash(left, right))
}

// next is the hash of the set that signs the block after.
func (h *Header) next(validators schemas.Hash) schemas.Hash {
	if h.NextValidators.IsZero() {
		return validators
	}
	return h.NextValidators
}

// Block proves when a block was made: header is its own, and next the one behind
// it, with the hash of its validators.
func Block(header, next *BlockHeader, own, following schemas.Hash) (BlockPart, error) {
	leaves, after := header.leaves(own), next.leaves(following)
	hash := rootOfHashes(leaves[:])
	if next.Height != header.Height+1 || string(next.LastBlock.Hash) != string(hash[:]) || !fits(header.Time) {
		return BlockPart{}, fmt.Errorf("the header at height %d is not that before height %d", header.Height, next.Height)
	}
	return BlockPart{Height: header.Height, Time: header.Time, Parts: next.LastBlock.Parts,
		TimePath: [3][32]byte{NodeHash(leaves[0], leaves[1]), rootOfHashes(leaves[4:8]), rootOfHashes(leaves[8:])},
		NextPath: [4][32]byte{after[5], NodeHash(after[6], after[7]), rootOfHashes(after[:4]), rootOfHashes(after[8:])}}, nil
}

// next is the hash of the header behind the block's.
func (p *BlockPart) next() schemas.Hash {
	own := NodeHash(NodeHash(NodeHash(p.TimePath[0], NodeHash(fieldHash(numberField(p.Height)), fieldHash(protoTime(p.Time)))), p.TimePath[1]), p.TimePath[2])
	id := BlockID{Hash: own[:], Parts: p.Parts}
	inner := NodeHash(NodeHash(fieldHash(id.proto()), p.NextPath[0]), p.NextPath[1])
	return schemas.Hash(NodeHash(NodeHash(p.NextPath[2], inner), p.NextPath[3]))
}

func fits(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

// ValidatorSetHash is the hash of a validator set: the Merkle root of its
// members in the set's own order, each as the engine's SimpleValidator.
func ValidatorSetHash(set []Validator) schemas.Hash {
	leaves := make([][]byte, len(set))
	for i, v := range set {
		leaf := appendMessage(nil, 1, appendBytes(nil, 1, v.Public)) // PublicKey, ed25519
		leaves[i] = appendVarint(leaf, 2, uint64(v.Power))
	}
	return schemas.MerkleRoot(leaves)
}

// SignBytes is what a validator signs to commit a block: the engine's
// CanonicalVote of a precommit, behind its length.
func (c *Commit) SignBytes(chainID string, height int64, block schemas.Hash, at time.Time) []byte {
	id := BlockID{Hash: block[:], Parts: c.Parts}
	b := appendVarint(nil, 1, 2) // SIGNED_MSG_TYPE_PRECOMMIT
	b = appendFixed(b, 2, uint64(height))
	b = appendFixed(b, 3, uint64(int64(c.Round)))
	b = appendMessage(b, 4, id.proto())
	b = appendMessage(b, 5, protoTime(at))
	b = appendBytes(b, 6, []byte(chainID))
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// Verify checks that more than two thirds of the set's power signed the block
// with this header. Every vote must hold, also those beyond two thirds.
func (c *Commit) Verify(chainID string, height int64, block schemas.Hash, set []Validator) (signed, total int64, err error) {
	if total, err = totalPower(set); err != nil {
		return 0, 0, err
	}
	for i, v := range c.Votes {
		switch {
		case int(v.Index) >= len(set):
			return 0, 0, fmt.Errorf("vote of validator %d, the set has %d", v.Index, len(set))
		case i > 0 && v.Index <= c.Votes[i-1].Index:
			return 0, 0, fmt.Errorf("vote of validator %d behind that of %d", v.Index, c.Votes[i-1].Index)
		case !c.holds(v, chainID, height, block, set):
			return 0, 0, fmt.Errorf("the signature of validator %d does not hold", v.Index)
		}
		signed += set[v.Index].Power
	}
	if 3*signed <= 2*total {
		return 0, 0, fmt.Errorf("validators of power %d out of %d signed, more than two thirds must", signed, total)
	}
	return signed, total, nil
}

func (c *Commit) holds(v Vote, chainID string, height int64, block schemas.Hash, set []Validator) bool {
	return ed25519.Verify(set[v.Index].Public, c.SignBytes(chainID, height, block, v.Time), v.Signature)
}

func totalPower(set []Validator) (total int64, err error) {
	if len(set) == 0 || len(set) > maxValidators {
		return 0, fmt.Errorf("%d validators, 1 to %d can be", len(set), maxValidators)
	}
	for i, v := range set {
		if len(v.Public) != ed25519.PublicKeySize {
			return 0, fmt.Errorf("validator %d has no Ed25519 key", i)
		}
		if v.Power <= 0 || v.Power > maxPower-total {
			return 0, errors.New("the validators' power is out of bounds")
		}
		total += v.Power
	}
	return total, nil
}

// proto is the BlockID and the CanonicalBlockID alike: the part set is there
// even when it is empty.
func (id *BlockID) proto() []byte {
	parts := appendVarint(nil, 1, uint64(id.Parts.Total))
	parts = appendBytes(parts, 2, id.Parts.Hash)
	return appendMessage(appendBytes(nil, 1, id.Hash), 2, parts)
}

// protoTime is google.protobuf.Timestamp.
func protoTime(t time.Time) []byte {
	b := appendVarint(nil, 1, uint64(t.Unix()))
	return appendVarint(b, 2, uint64(t.Nanosecond()))
}

func appendVarint(dst []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, n, protowire.VarintType), v)
}

func appendFixed(dst []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, n, protowire.Fixed64Type), v)
}

func appendBytes(dst []byte, n protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return appendMessage(dst, n, v)
}

// appendMessage appends a field that is there even when it is empty.
func appendMessage(dst []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), v)
}
