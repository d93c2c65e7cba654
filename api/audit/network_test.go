package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const simChain = "waybill test/1"

var simStart = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// validators are a set with its keys: the n-th of a name are always the same.
type validators struct {
	set  []proof.Validator
	keys []ed25519.PrivateKey
}

func validatorsOf(names ...string) validators {
	var v validators
	for _, n := range names {
		seed := sha256.Sum256([]byte("validator " + n))
		key := ed25519.NewKeyFromSeed(seed[:])
		v.keys = append(v.keys, key)
		v.set = append(v.set, proof.Validator{Public: key.Public().(ed25519.PublicKey), Power: 10})
	}
	return v
}

// history is a chain without transactions: headers over states that hold the
// accumulator and the last height that changed anything. Each step is a changed
// block; its anchor follows, and then an idle header.
type history struct {
	vals    []validators // by height - 1
	headers []*proof.SignedHeader
	blocks  []proof.Header
	entries [][32]byte // of the accumulator, with the last anchor
	anchors []anchor
}

type anchor struct {
	proof *proof.CheckpointProof
	at    int64
}

func newHistory(steps int, v validators) *history {
	h := &history{}
	h.grow(steps, "", v)
	return h
}

// fork is another history that began as the first so many anchors of this.
func (h *history) fork(anchors, steps int, salt string) *history {
	f := &history{}
	last := int64(0)
	if anchors > 0 {
		last = h.anchors[anchors-1].at
	}
	f.headers, f.vals, f.blocks = slices.Clone(h.headers[:last]), slices.Clone(h.vals[:last]), slices.Clone(h.blocks[:last])
	f.entries, f.anchors = slices.Clone(h.entries[:anchors]), slices.Clone(h.anchors[:anchors])
	v := h.vals[0]
	if last > 0 {
		v = h.vals[last-1]
	}
	f.grow(steps, salt, v)
	return f
}

// grow adds changed blocks with their anchors, and an idle header behind each.
func (h *history) grow(steps int, salt string, v validators) {
	for range steps {
		// The block that changes something carries the state before it.
		before := h.state(max(0, len(h.entries)-1), h.changed())
		h.add(before, salt, v)
		changed := int64(len(h.headers))
		state := h.state(len(h.entries), changed)
		anchored := h.add(state, salt, v)
		p := &proof.CheckpointProof{Anchor: *anchored}
		for _, e := range h.entries {
			p.Log.Append(e)
		}
		p.Head, p.Changed = state.leaf(schemas.AccumulatorKey()), state.leaf(schemas.ChangedKey())
		hash := anchored.Hash()
		h.entries = append(h.entries, schemas.AnchorEntry(anchored.Header.Height, hash[:]))
		h.anchors = append(h.anchors, anchor{p, anchored.Header.Height})
		h.add(state, salt, v)
	}
}

func (h *history) changed() int64 {
	if len(h.anchors) == 0 {
		return 0
	}
	return h.anchors[len(h.anchors)-1].at - 1
}

func (h *history) state(count int, changed int64) state {
	s := state{"G": "genesis"}
	if changed > 0 {
		s[string(schemas.ChangedKey())] = string(schemas.AppendUint(nil, 1, uint64(changed)))
	}
	if count > 0 {
		s[string(schemas.AccumulatorKey())] = string(schemas.SingleHead(schemas.Head{Root: proof.RootOf(h.entries[:count]), Count: uint64(count)}))
	}
	return s
}

func (h *history) add(s state, salt string, v validators) *proof.SignedHeader {
	root := s.root()
	fill := func(name string) []byte { sum := sha256.Sum256([]byte(name + salt)); return sum[:] }
	height := int64(len(h.headers)) + 1
	set := proof.ValidatorSetHash(v.set)
	head := proof.Header{VersionBlock: 11, VersionApp: 1, ChainID: simChain, Height: height, Time: simStart.Add(time.Duration(height) * time.Second),
		Data: fill("data"), NextValidators: set[:], Consensus: fill("consensus"), App: root[:], LastResults: fill("results"), Evidence: fill("evidence"), Proposer: fill("proposer")[:20]}
	if n := len(h.headers); n > 0 {
		last := h.headers[n-1].Hash()
		head.LastBlock = proof.BlockID{Hash: last[:], Parts: proof.PartSet{Total: 1, Hash: fill("parts")}}
	}
	signed := sign(head, v)
	h.headers, h.vals, h.blocks = append(h.headers, signed), append(h.vals, v), append(h.blocks, head)
	return signed
}

// sign is a header that all validators signed.
func sign(head proof.Header, v validators) *proof.SignedHeader {
	votes := votesFor(head, v)
	s, err := proof.NewSignedHeader(&votes)
	if err != nil {
		panic(err)
	}
	return s
}

// votesFor is a header with all validators' votes.
func votesFor(head proof.Header, v validators) proof.Signed {
	hash := head.Hash(proof.ValidatorSetHash(v.set))
	c := proof.Commit{Round: 0, Parts: proof.PartSet{Total: 1, Hash: hash[:]}}
	for i, key := range v.keys {
		at := head.Time.Add(time.Duration(i+1) * time.Millisecond)
		c.Votes = append(c.Votes, proof.Vote{Index: uint16(i), Time: at, Signature: ed25519.Sign(key, c.SignBytes(head.ChainID, head.Height, hash, at))})
	}
	return proof.Signed{Header: head, Commit: c, Validators: v.set}
}

// trust is a root of trust at a height.
func (h *history) trust(height int64) *proof.Trust {
	s := h.headers[height-1]
	return &proof.Trust{ChainID: simChain, Height: height, Time: s.Header.Time, HeaderHash: s.Hash(), ValidatorSetHash: proof.ValidatorSetHash(s.Validators)}
}

// state is a state tree, by its definition.
type state map[string]string

func (s state) leaves() []proof.Leaf {
	var list []proof.Leaf
	for k, v := range s {
		list = append(list, proof.Leaf{Key: proof.KeyHash([]byte(k)), Value: proof.ValueHash([]byte(v))})
	}
	slices.SortFunc(list, func(a, b proof.Leaf) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return list
}

func (s state) root() [32]byte { return subtree(s.leaves(), 0) }

func subtree(list []proof.Leaf, depth int) [32]byte {
	switch len(list) {
	case 0:
		return [32]byte{}
	case 1:
		return proof.LeafHash(list[0].Key, list[0].Value)
	}
	k := slices.IndexFunc(list, func(l proof.Leaf) bool { return proof.Bit(&l.Key, depth) == 1 })
	if k < 0 {
		k = len(list)
	}
	return proof.NodeHash(subtree(list[:k], depth+1), subtree(list[k:], depth+1))
}

// leaf is a value with its path, or the proof that there is none.
func (s state) leaf(key []byte) proof.StateLeaf {
	hash, list := proof.KeyHash(key), s.leaves()
	var p proof.Path
	for depth := 0; len(list) > 1; depth++ {
		k := slices.IndexFunc(list, func(l proof.Leaf) bool { return proof.Bit(&l.Key, depth) == 1 })
		if k < 0 {
			k = len(list)
		}
		beside := list[k:]
		if proof.Bit(&hash, depth) == 1 {
			beside, list = list[:k], list[k:]
		} else {
			list = list[:k]
		}
		p.Siblings = append(p.Siblings, subtree(beside, depth+1))
	}
	value := s[string(key)]
	if value == "" && len(list) == 1 {
		p.Other = &list[0]
	}
	out := proof.StateLeaf{Path: p.Append(nil)}
	if value != "" {
		out.Value = []byte(value)
	}
	return out
}

// simNode is a node that tells a history up to an anchor, or lies.
type simNode struct {
	mu      sync.Mutex // guards what follows
	history *history
	anchors int // that it knows; 0: all
	dead    error
	pruned  int64 // heights up to this are not held
	lie     func(what string, answer any)
}

func (n *simNode) set(f func(*simNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

func (n *simNode) know() int {
	if n.anchors == 0 || n.anchors > len(n.history.anchors) {
		return len(n.history.anchors)
	}
	return n.anchors
}

// told answers what the node says, lies included.
func told[T any](n *simNode, what string, f func() (*T, error)) (*T, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead != nil {
		return nil, n.dead
	}
	out, err := f()
	if err == nil && n.lie != nil {
		n.lie(what, out)
	}
	return out, err
}

func notFound() error { return &api.Problem{Status: 404, Code: schemas.NotFound} }

func (n *simNode) SignedHeader(_ context.Context, height int64) (*api.SignedHeader, error) {
	return told(n, "header", func() (*api.SignedHeader, error) {
		if height <= n.pruned || height > int64(len(n.history.headers)) {
			return nil, notFound()
		}
		return &api.SignedHeader{Height: height, Signed: n.history.headers[height-1].Encode()}, nil
	})
}

func (n *simNode) Checkpoint(context.Context) (*api.Checkpoint, error) {
	return told(n, "checkpoint", func() (*api.Checkpoint, error) {
		if n.know() == 0 {
			return nil, notFound()
		}
		return &api.Checkpoint{Proof: n.history.anchors[n.know()-1].proof.Encode()}, nil
	})
}

func (n *simNode) Growth(_ context.Context, from, to uint64) (*api.Growth, error) {
	return told(n, "growth", func() (*api.Growth, error) {
		if to > uint64(n.know()) {
			return nil, notFound()
		}
		path, err := proof.Consistency(n.history.entries[:to], from)
		return &api.Growth{From: from, To: to, Path: hashes(path)}, err
	})
}

func (n *simNode) Anchor(_ context.Context, index, size uint64) (*api.AnchorProof, error) {
	return told(n, "anchor", func() (*api.AnchorProof, error) {
		if size > uint64(n.know()) {
			return nil, notFound()
		}
		path, err := proof.Inclusion(n.history.entries[:size], index)
		a := n.history.anchors[index].proof.Anchor
		return &api.AnchorProof{Index: index, Size: size, Height: a.Header.Height, Hash: a.Hash(), Path: hashes(path)}, err
	})
}

func (n *simNode) Carrying(ctx context.Context, height int64, size uint64) (*api.AnchorProof, error) {
	n.mu.Lock()
	index := -1
	for i, a := range n.history.anchors {
		if uint64(i) < size && a.at <= height {
			index = i
		}
	}
	n.mu.Unlock()
	if index < 0 {
		return nil, notFound()
	}
	out, err := n.Anchor(ctx, uint64(index), size)
	if err != nil {
		return nil, err
	}
	out.Signed = n.history.anchors[index].proof.Anchor.Encode()
	return out, nil
}

func hashes(path [][32]byte) []schemas.Hash {
	var out []schemas.Hash
	for _, h := range path {
		out = append(out, h)
	}
	return out
}

// TestSimulation holds the simulated network to the rules that it stands for.
func TestSimulation(t *testing.T) {
	h := newHistory(5, validatorsOf("a", "b", "c", "d"))
	for i, a := range h.anchors {
		c, err := a.proof.Verify()
		if err != nil {
			t.Fatal(err)
		}
		if c.Size != uint64(i+1) || c.Root != schemas.Hash(proof.RootOf(h.entries[:i+1])) {
			t.Errorf("checkpoint %d is %+v", i, c)
		}
	}
	if fmt.Sprint(h.fork(3, 2, "x").entries[:3]) != fmt.Sprint(h.entries[:3]) {
		t.Error("a fork does not begin as its original")
	}
}
