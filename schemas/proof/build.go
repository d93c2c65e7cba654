package proof

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Material is what a bundle is made of. Whoever keeps the ledger fills it from
// one view of the state, the header that carries that view's app hash, and the
// commit of that header.
type Material struct {
	Subject    Subject // AnItem or AClass; what the state has none of becomes Unknown
	ID         string  // canonical
	Header     Header
	Commit     Commit // votes that do not hold are left out of the bundle
	Validators []Validator

	// State answers a value of the view with its path, or nil and the path that
	// proves that there is none.
	State func(key []byte) (value []byte, path Path, err error)

	// Records are those of the subject's trails, each trail whole and in order.
	Records map[schemas.TrailKind][]Record
}

// Record is a record with the transaction that it is in.
type Record struct {
	schemas.Record
	Transaction *Transaction // records of one transaction may share it
}

// Transaction is what a record needs of its transaction.
type Transaction struct {
	Header    []byte // as signed
	Signature []byte
	Digests   []schemas.Hash // of all its messages
}

// ErrOtherSubject is Build's answer where the state has an item under the
// identifier of what was asked for as a class, or a class for an item: of a
// private identifier its form does not tell.
var ErrOtherSubject = errors.New("the other kind of subject is there: ask for that")

// Build makes a bundle. It checks what it needs to know, not everything: Verify
// does that.
func Build(m Material) (*Bundle, error) {
	b, err := Assemble(m)
	if err != nil {
		return nil, err
	}
	return b, b.Seal(m.Header, m.Commit, m.Validators)
}

// Assemble makes a bundle that lacks the header, which may not be there yet: the
// header that carries a state's hash is that of a later block. The state is read
// before anything that takes long, so that a view which is held for some blocks
// suffices.
func Assemble(m Material) (*Bundle, error) {
	b := &Bundle{Subject: m.Subject, ID: m.ID}
	w := builder{Material: m, b: b, signers: map[string]map[string]bool{}, named: newHoldings()}
	for _, step := range []func() error{w.subject, w.name, w.partners, w.balances, w.records} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("bundle of %s: %w", m.ID, err)
		}
	}
	return b, nil
}

// ErrFewVotes is Seal's answer where the votes that hold are not of more than two
// thirds of the power. The engine accepts signatures that this package does not,
// and one validator may make such ones: another commit, with more votes, may do.
var ErrFewVotes = errors.New("too few votes hold")

// Seal gives an assembled bundle the header that carries its state's hash, with
// its commit, whose votes may be in any order and there twice. Those that do not
// hold are left out.
func (b *Bundle) Seal(h Header, c Commit, set []Validator) error {
	if err := h.representable(); err != nil {
		return fmt.Errorf("bundle of %s: %w", b.ID, err)
	}
	b.Header, b.Commit, b.Validators = h, c, set
	b.dropVotes()
	if _, _, err := b.Commit.Verify(h.ChainID, h.Height, h.Hash(ValidatorSetHash(set)), set); err != nil {
		return fmt.Errorf("bundle of %s: %w: %w", b.ID, ErrFewVotes, err)
	}
	return nil
}

// representable reports whether the header's time fits its encoding.
func (h *Header) representable() error {
	if !fits(h.Time) {
		return fmt.Errorf("the header's time %s cannot be encoded", h.Time)
	}
	return nil
}

func fits(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

// dropVotes leaves out votes that would spoil the bundle: those that this
// package's verification of signatures, stricter than the engine's, refuses.
func (b *Bundle) dropVotes() {
	hash := b.Header.Hash(ValidatorSetHash(b.Validators))
	kept := make([]Vote, 0, len(b.Commit.Votes))
	for _, v := range b.Commit.Votes {
		if int(v.Index) < len(b.Validators) && len(b.Validators[v.Index].Public) == ed25519.PublicKeySize && fits(v.Time) &&
			b.Commit.holds(v, b.Header.ChainID, b.Header.Height, hash, b.Validators) {
			kept = append(kept, v)
		}
	}
	slices.SortStableFunc(kept, func(a, b Vote) int { return int(a.Index) - int(b.Index) })
	b.Commit.Votes = slices.CompactFunc(kept, func(a, b Vote) bool { return a.Index == b.Index })
}

type builder struct {
	Material
	b       *Bundle
	signers map[string]map[string]bool // partner to its keys that signed
	holder  string
	named   *holdings // of a class
}

// leaf reads a value that must be there.
func (w *builder) leaf(key []byte) (*StateLeaf, error) {
	value, path, err := w.State(key)
	if err != nil {
		return nil, fmt.Errorf("reading state %q: %w", key, err)
	}
	if value == nil {
		return nil, fmt.Errorf("the state has nothing at %q", key)
	}
	return &StateLeaf{Value: value, Path: path.Append(nil)}, nil
}

func (w *builder) subject() (err error) {
	var key []byte
	switch w.Subject {
	case AnItem:
		key = schemas.ItemKey(w.ID)
	case AClass:
		key = schemas.ClassKey(w.ID)
	default:
		return fmt.Errorf("about a subject of kind %d", w.Subject)
	}
	value, path, err := w.State(key)
	switch {
	case err != nil:
		return fmt.Errorf("reading state %q: %w", key, err)
	case value == nil:
		return w.absent()
	}
	w.b.Leaf = &StateLeaf{Value: value, Path: path.Append(nil)}
	if w.Subject == AnItem {
		return w.containers(value)
	}
	return nil
}

func (w *builder) absent() error {
	for _, key := range [][]byte{schemas.ItemKey(w.ID), schemas.ClassKey(w.ID)} {
		value, path, err := w.State(key)
		if err != nil {
			return fmt.Errorf("reading state %q: %w", key, err)
		}
		if value != nil {
			return ErrOtherSubject
		}
		w.b.Absent = append(w.b.Absent, path.Append(nil))
	}
	w.b.Subject, w.Records = Unknown, nil
	return nil
}

// containers adds what leads from the item to who holds it.
func (w *builder) containers(value []byte) error {
	it, err := schemas.DecodeItem(value)
	if err != nil {
		return fmt.Errorf("reading an item: %w", err)
	}
	for it.Parent != "" {
		l, err := w.leaf(schemas.ItemKey(it.Parent))
		if err != nil {
			return err
		}
		w.b.Containers = append(w.b.Containers, *l)
		parent, err := schemas.DecodeItem(l.Value)
		if err != nil {
			return fmt.Errorf("reading a container: %w", err)
		}
		if parent.Epoch != it.ParentEpoch {
			if w.b.Release, err = w.leaf(schemas.ReleaseKey(it.Parent, it.ParentEpoch)); err != nil {
				return err
			}
			holder, err := schemas.DecodeRelease(w.b.Release.Value)
			if err != nil {
				return fmt.Errorf("reading a release: %w", err)
			}
			parent = schemas.Item{Custodian: holder}
		} else if len(w.b.Containers) > maxNesting {
			return fmt.Errorf("nested deeper than %d", maxNesting)
		}
		it = parent
	}
	w.holder = it.Custodian
	return nil
}

// name notes whose leaves the records need.
func (w *builder) name() error {
	for _, records := range w.Records { // both are sets
		for i := range records {
			r := &records[i]
			if r.Skeleton == nil {
				return fmt.Errorf("record at %d/%d/%d comes without its skeleton", r.Height, r.Position, r.Index)
			}
			w.sign(r.Partner, r.KeyID)
			if w.Subject == AClass {
				w.named.add(w.ID, r.Partner, r.Skeleton)
			}
		}
	}
	return nil
}

// records adds the transactions of all trails, in ledger order.
func (w *builder) records() error {
	type placed struct {
		*Record
		trail schemas.TrailKind
	}
	var all []placed
	for trail, records := range w.Records { // the order is that of the sort below
		for i := range records {
			all = append(all, placed{&records[i], trail})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Locator.Compare(all[j].Locator) < 0 })
	trees := make(map[*Transaction]*subtrees) // a transaction is hashed once, however many of its messages are taken
	for _, r := range all {
		message, err := messageOf(r.Record, r.trail, trees)
		if err != nil {
			return fmt.Errorf("record at %d/%d/%d: %w", r.Height, r.Position, r.Index, err)
		}
		n := len(w.b.Transactions)
		if n == 0 || w.b.Transactions[n-1].Height != r.Height || w.b.Transactions[n-1].Position != r.Position {
			w.b.Transactions = append(w.b.Transactions, TransactionPart{Height: r.Height, Position: r.Position,
				Header: r.Transaction.Header, Signature: r.Transaction.Signature})
			n++
		}
		t := &w.b.Transactions[n-1]
		t.Messages = append(t.Messages, message)
	}
	return nil
}

func (w *builder) sign(partner, key string) {
	if w.signers[partner] == nil {
		w.signers[partner] = map[string]bool{}
	}
	w.signers[partner][key] = true
}

func messageOf(r *Record, trail schemas.TrailKind, trees map[*Transaction]*subtrees) (m MessagePart, err error) {
	m = MessagePart{Index: r.Index, Trail: trail, Kind: r.Kind, DuplicateKey: r.DuplicateKey, Result: r.Result, Secret: r.Secret}
	if r.Transaction == nil {
		return m, errors.New("it comes without its transaction")
	}
	if len(r.Body) == 0 {
		return m, errors.New("its body is not held here")
	}
	event, err := schemas.DecodeEvent(r.Body)
	if err != nil {
		return m, fmt.Errorf("reading its body: %w", err)
	}
	m.Members = schemas.SortMembers(event.Members)
	tree, ok := trees[r.Transaction]
	if !ok {
		digests := make([][32]byte, len(r.Transaction.Digests))
		for i, d := range r.Transaction.Digests {
			digests[i] = d
		}
		tree = newSubtrees(digests)
		trees[r.Transaction] = tree
	}
	if m.Inclusion, err = tree.inclusion(uint64(r.Index)); err != nil {
		return m, err
	}
	return m, nil
}

// partners adds who signed, and who holds the item.
func (w *builder) partners() error {
	if w.holder != "" && !strings.HasPrefix(w.holder, schemas.External) && w.signers[w.holder] == nil {
		w.signers[w.holder] = map[string]bool{}
	}
	for _, id := range sorted(w.signers) {
		l, err := w.leaf(schemas.PartnerKey(id))
		if err != nil {
			return err
		}
		part := PartnerPart{ID: id, Leaf: *l}
		for _, key := range sorted(w.signers[id]) {
			l, err := w.leaf(schemas.KeyKey(id, key))
			if err != nil {
				return err
			}
			part.Keys = append(part.Keys, KeyPart{ID: key, Leaf: *l})
		}
		w.b.Partners = append(w.b.Partners, part)
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
