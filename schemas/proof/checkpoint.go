package proof

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/waybill-ledger/waybill/schemas"
)

// A checkpoint is the header accumulator as of one anchor: a header that carries
// the app hash of a block with transactions. The state under that header commits
// to all anchors before it; the checkpoint is the log of these with the anchor
// itself as last entry. So there is one checkpoint for each size of the log,
// whoever makes it, and its root stands for one whole history: two checkpoints
// of one size with two roots are a fork.
//
// As a text it is a C2SP tlog-checkpoint without extension lines.

// Checkpoint names a history: the log of the first Size anchors.
type Checkpoint struct {
	ChainID string
	Size    uint64
	Root    schemas.Hash
}

// MaxCheckpointProof bounds the encoding of a checkpoint's proof.
const MaxCheckpointProof = MaxSignedHeader + 64<<10

// originPrefix and the chain id make the origin of a ledger's checkpoints.
const originPrefix = "github.com/waybill-ledger/waybill/"

// Origin is the first line of all checkpoints of a chain.
func Origin(chainID string) string { return originPrefix + url.PathEscape(chainID) }

// ParseOrigin answers the chain id that an origin is made of.
func ParseOrigin(origin string) (chainID string, err error) {
	escaped, ok := strings.CutPrefix(origin, originPrefix)
	if ok {
		chainID, err = url.PathUnescape(escaped)
	}
	if !ok || err != nil || chainID == "" || Origin(chainID) != origin {
		return "", fmt.Errorf("origin %q: it is none of a ledger's checkpoints", origin)
	}
	return chainID, nil
}

// Body is the checkpoint as a text: what witnesses sign, behind the line that
// tells when.
func (c *Checkpoint) Body() []byte {
	b := append([]byte(Origin(c.ChainID)), '\n')
	b = append(strconv.AppendUint(b, c.Size, 10), '\n')
	return append(base64.StdEncoding.AppendEncode(b, c.Root[:]), '\n')
}

// Head is the checkpoint as the head of a log.
func (c *Checkpoint) Head() Head { return Head{Root: c.Root, Count: c.Size} }

// CheckpointProof leads from a signed header to its checkpoint.
type CheckpointProof struct {
	Anchor  SignedHeader
	Log     Log       // of the anchors before it
	Head    StateLeaf // of the accumulator; without a value it has none yet
	Changed StateLeaf // of the last height that changed anything: the one before the anchor
}

// Encode is the proof's one encoding: 1 signed header, 2 log, 3 the accumulator's
// leaf, 4 that of the last height that changed anything.
func (p *CheckpointProof) Encode() []byte {
	b := schemas.AppendField(nil, 1, p.Anchor.Encode())
	b = schemas.AppendField(b, 2, p.Log.AppendTo(nil))
	b = appendLeaf(b, 3, &p.Head)
	return appendLeaf(b, 4, &p.Changed)
}

// DecodeCheckpointProof reads what Encode wrote: all of b. Whether it holds,
// [CheckpointProof.Verify] tells.
func DecodeCheckpointProof(b []byte) (*CheckpointProof, error) {
	if len(b) > MaxCheckpointProof {
		return nil, fmt.Errorf("proof of a checkpoint of %d bytes, %d are read: %w", len(b), MaxCheckpointProof, ErrMalformed)
	}
	p := &CheckpointProof{}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		var err error
		switch n {
		case 1:
			var anchor *SignedHeader
			if anchor, err = DecodeSignedHeader(v); err == nil {
				p.Anchor = *anchor
			}
		case 2:
			p.Log, err = DecodeLog(v)
		case 3:
			p.Head = readPlace(f, n, v)
		case 4:
			p.Changed = readPlace(f, n, v)
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			f.Fail(n, err.Error())
		}
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("proof of a checkpoint: %w: %w", err, ErrMalformed)
	}
	if !bytes.Equal(p.Encode(), b) {
		return nil, fmt.Errorf("proof of a checkpoint: it is not in its one encoding: %w", ErrMalformed)
	}
	return p, nil
}

// Verify answers the checkpoint that the anchor's header commits to. That the
// header itself is to be believed, its signatures tell.
func (p *CheckpointProof) Verify() (*Checkpoint, error) {
	h := &p.Anchor.Header
	root := [32]byte(h.App)
	changed, err := DecodePath(p.Changed.Path)
	if err == nil {
		err = VerifyMember(root, schemas.ChangedKey(), p.Changed.Value, changed)
	}
	if err == nil && !bytes.Equal(p.Changed.Value, schemas.AppendUint(nil, 1, uint64(h.Height-1))) {
		err = errors.New("another header carried this state first, and is the anchor")
	}
	if err != nil {
		return nil, fmt.Errorf("last change before header %d: %w", h.Height, err)
	}
	if err := p.verifyHead(root); err != nil {
		return nil, fmt.Errorf("accumulator under header %d: %w", h.Height, err)
	}
	hash, log := p.Anchor.Hash(), p.Log
	log.Append(schemas.AnchorEntry(h.Height, hash[:]))
	return &Checkpoint{ChainID: p.Anchor.ChainID, Size: log.Count, Root: log.Root()}, nil
}

func (p *CheckpointProof) verifyHead(root [32]byte) error {
	path, err := DecodePath(p.Head.Path)
	if err != nil {
		return err
	}
	if len(p.Head.Value) == 0 {
		if p.Log.Count > 0 {
			return fmt.Errorf("a log of %d anchors without its leaf: %w", p.Log.Count, ErrMalformed)
		}
		return VerifyAbsent(root, schemas.AccumulatorKey(), path)
	}
	if err := VerifyMember(root, schemas.AccumulatorKey(), p.Head.Value, path); err != nil {
		return err
	}
	head, err := schemas.DecodeSingleHead(p.Head.Value)
	if err != nil {
		return err
	}
	if p.Log.Count >= MaxCount {
		return fmt.Errorf("a log of %d anchors: %w", p.Log.Count, ErrMalformed)
	}
	return p.Log.Check(head)
}

// SubtreeRoot answers the RFC 6962 root of the entries from lo to before hi of a
// log, all those of one full subtree. It is how a keeper of many entries proves
// things about them without reading all.
type SubtreeRoot func(lo, hi uint64) ([32]byte, error)

// InclusionIn proves that the log of the first count entries has one at the index.
func InclusionIn(count, index uint64, root SubtreeRoot) ([][32]byte, error) {
	if count > MaxCount || index >= count {
		return nil, fmt.Errorf("inclusion of entry %d of %d: %w", index, count, ErrMalformed)
	}
	nodes, err := proof.Inclusion(index, count)
	if err != nil {
		return nil, err
	}
	return pathOf(nodes, root)
}

// ConsistencyIn proves that the log of the first count entries began as that of
// the first old of them. For an empty and for the same log the proof is empty.
func ConsistencyIn(old, count uint64, root SubtreeRoot) ([][32]byte, error) {
	if count > MaxCount || old > count {
		return nil, fmt.Errorf("growth from %d to %d entries: %w", old, count, ErrMalformed)
	}
	if old == 0 || old == count {
		return nil, nil
	}
	nodes, err := proof.Consistency(old, count)
	if err != nil {
		return nil, err
	}
	return pathOf(nodes, root)
}

// pathOf asks for the hashes of full subtrees, and joins those that make up one
// that is not full.
func pathOf(nodes proof.Nodes, root SubtreeRoot) ([][32]byte, error) {
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		hash, err := root(id.Index<<id.Level, (id.Index+1)<<id.Level)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash[:]
	}
	hashes, err := nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		return nil, err
	}
	path := make([][32]byte, len(hashes))
	for i, hash := range hashes {
		path[i] = [32]byte(hash)
	}
	return path, nil
}
