package proof

import (
	"crypto/ed25519"
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

// Header is the header of a block, but for the hash of its validator set, which
// follows from the validators beside it.
type Header struct {
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

// Validator is a member of the set that signs blocks.
type Validator struct {
	Public ed25519.PublicKey
	Power  int64
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

// Hash is the hash of the header with a validator set of this hash: the Merkle
// root of its fields, each in the protobuf encoding of its type.
func (h *Header) Hash(validators schemas.Hash) schemas.Hash {
	version := appendVarint(nil, 1, h.VersionBlock)
	version = appendVarint(version, 2, h.VersionApp)
	return schemas.MerkleRoot([][]byte{
		version,
		appendBytes(nil, 1, []byte(h.ChainID)),
		appendVarint(nil, 1, uint64(h.Height)),
		protoTime(h.Time),
		h.LastBlock.proto(),
		appendBytes(nil, 1, h.LastCommit),
		appendBytes(nil, 1, h.Data),
		appendBytes(nil, 1, validators[:]),
		appendBytes(nil, 1, h.NextValidators),
		appendBytes(nil, 1, h.Consensus),
		appendBytes(nil, 1, h.App),
		appendBytes(nil, 1, h.LastResults),
		appendBytes(nil, 1, h.Evidence),
		appendBytes(nil, 1, h.Proposer),
	})
}

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
