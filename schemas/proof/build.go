package proof

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Material is what a bundle is made of.
type Material struct {
	Asked        []Thing // one; or an item and a class of one identifier
	Scope        Scope
	Observations bool // of the items asked for and, while it counts, of containers and ancestors
	Disclosure   Disclosure
	First, Count uint64 // records of a partner, or of a class without ancestors, 0 for all
	Source
}

// Source is where a bundle's maker reads one committed state.
type Source interface {
	// State answers a value of the state with its path, or nil and the path that
	// proves that there is none.
	State(key []byte) (value []byte, path Path, err error)
	// Records answers records of a trail from the n-th on, at most limit and one at
	// least where there is one.
	Records(key schemas.TrailKey, from uint64, limit int) ([]Record, error)
	// Beside answers the hashes beside records of a trail of so many: see [Range].
	Beside(key schemas.TrailKey, count, first, behind uint64) ([][32]byte, error)
}

// Record is a record with what its transaction proves of it.
type Record struct {
	schemas.Record
	Header    []byte // of its transaction, as signed
	Signature []byte
	Inclusion [][32]byte // of its digest in the header
}

// Assemble makes a bundle that lacks the header, which may not be there yet: the
// header that carries a state's hash is that of a later block. It checks what it
// needs to know, not everything: Verify does that.
func Assemble(m Material) (*Bundle, error) {
	b := &Bundle{Scope: m.Scope}
	w := builder{Material: m, b: b, read: map[Thing]*reading{}, signers: map[string]map[string]bool{}, releases: map[release]bool{}}
	for _, step := range []func() error{w.subjects, w.trails, w.records, w.partners, w.balances, w.handovers} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("bundle of %s: %w", m.Asked[0].ID, err)
		}
	}
	return b, nil
}

// ErrFewVotes is Seal's answer where the votes that hold are not of more than two
// thirds of the power. The engine accepts signatures that this package does not,
// and one validator may make such ones: another commit, with more votes, may do.
var ErrFewVotes = errors.New("too few votes hold")

// Signed is a header with the votes for it and the set that they are of.
type Signed struct {
	Header     Header
	Commit     Commit // votes may be in any order and there twice
	Validators []Validator
	Known      []Validator // the set trusted before, where the header follows from its votes
}

// short is what a bundle has of a signed header: of its votes as few as suffice.
func (s *Signed) short() (ShortHeader, Commit, error) {
	set := ValidatorSetHash(s.Validators)
	h, err := s.Header.Short(set)
	if err != nil {
		return h, Commit{}, err
	}
	c := s.Commit
	c.Votes, err = s.votes(h.Hash(s.Header.ChainID, set))
	return h, c, err
}

// votes are those that hold, as many as have more than two thirds of the power of
// their set, and of the set trusted before.
func (s *Signed) votes(hash schemas.Hash) (kept []Vote, err error) {
	total, err := totalPower(s.Validators)
	if err != nil {
		return nil, err
	}
	known, wanted, power, trusted := map[string]int64{}, int64(0), int64(0), int64(0)
	for _, k := range s.Known {
		known[string(k.Public)] = k.Power
		wanted += k.Power
	}
	kept = s.inOrder(func(v Vote) bool {
		by := s.Validators[v.Index]
		helps := 3*power <= 2*total || known[string(by.Public)] > 0 && 3*trusted <= 2*wanted
		if !helps || !s.Commit.holds(v, s.Header.ChainID, s.Header.Height, hash, s.Validators) {
			return false
		}
		power, trusted = power+by.Power, trusted+known[string(by.Public)]
		delete(known, string(by.Public)) // each key counts once
		return true
	})
	if 3*power <= 2*total || wanted > 0 && 3*trusted <= 2*wanted {
		return nil, fmt.Errorf("header at height %d: %w: power %d of %d", s.Header.Height, ErrFewVotes, power, total)
	}
	return kept, nil
}

// inOrder are the votes that are wanted, by index, one of each validator at most.
func (s *Signed) inOrder(wanted func(Vote) bool) (kept []Vote) {
	votes := slices.Clone(s.Commit.Votes)
	slices.SortStableFunc(votes, func(a, b Vote) int { return int(a.Index) - int(b.Index) })
	for _, v := range votes {
		if n := len(kept); int(v.Index) < len(s.Validators) && (n == 0 || kept[n-1].Index != v.Index) && fits(v.Time) && wanted(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// Seal gives an assembled bundle the header that carries its state's hash.
func (b *Bundle) Seal(s Signed) (err error) {
	b.ChainID, b.Validators = s.Header.ChainID, s.Validators
	b.Header, b.Commit, err = s.short()
	return err
}

// Follow adds a step: a signed header between the root of trust and the bundle's.
// Without a header it is the trusted set alone.
func (b *Bundle) Follow(s Signed) error {
	step := Step{Validators: s.Validators}
	if s.Header.Height > 0 {
		h, c, err := s.short()
		if err != nil {
			return err
		}
		step.Header, step.Commit = &h, c
	}
	b.Steps = append(b.Steps, step)
	return nil
}

type builder struct {
	Material
	b        *Bundle
	read     map[Thing]*reading
	needs    map[Thing]*need
	signers  map[string]map[string]bool // partner to its keys that signed
	named    []string                   // partners that are told of beside those that signed
	releases map[release]bool           // that are there
	leaves   []Thing                    // of containers that are needed for their leaves
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

// subjects adds what was asked for, and finds what belongs to it.
func (w *builder) subjects() error {
	for _, t := range w.Asked {
		if t.Kind == APartner && !schemas.IsPartnerID(t.ID) {
			return &schemas.Fault{Code: schemas.BadValue, Detail: fmt.Sprintf("%q is the id of no partner that can be", t.ID)}
		}
		part, err := w.subject(t, true)
		if err != nil {
			return err
		}
		w.b.Subjects = append(w.b.Subjects, *part)
	}
	asked := w.Asked
	if w.b.Subjects[0].Kind == Unknown {
		asked = nil
	}
	for _, t := range asked {
		err := w.whole(t)
		if err != nil {
			return err
		}
		switch t.Kind {
		case AnItem:
			err = w.outwards(t)
		case AShipment:
			err = w.shipment(t)
		}
		if err != nil {
			return err
		}
	}
	found, err := w.settle(asked)
	if err != nil {
		return err
	}
	w.needs = found.needs
	if n := &w.b.Scope.Ancestors; *n > 0 && !found.cut {
		*n = found.deepest() + 1
	}
	var others []Thing
	for t := range w.needs { // sorted below
		if !slices.Contains(asked, t) {
			others = append(others, t)
		}
	}
	alone := map[Thing]bool{} // needed for their leaves alone
	for _, t := range w.leaves {
		if w.needs[t] == nil && !alone[t] {
			alone[t] = true
			others = append(others, t)
		}
	}
	for _, t := range others {
		part, err := w.subject(t, false)
		if err != nil {
			return err
		}
		w.b.Subjects = append(w.b.Subjects, *part)
	}
	rest := w.b.Subjects[len(w.Asked):]
	if len(rest) > 0 {
		sort.Slice(rest, func(i, j int) bool { return before(&rest[i], &rest[j]) })
	}
	w.b.Subjects = slices.CompactFunc(w.b.Subjects, func(a, b SubjectPart) bool { return a.Kind == b.Kind && a.ID == b.ID })
	return nil
}

// settle searches until a search reads nothing more: what one reads on behalf of one
// thing may be the begin of what another was inside of, and whoever checks the
// bundle sees all of it from the start.
func (w *builder) settle(asked []Thing) (*search, error) {
	for {
		before := w.loaded()
		found, err := find(w, w.Scope, asked)
		if err != nil || w.loaded() == before {
			return found, err
		}
	}
}

// stateKeys are the keys of a thing's leaf and of that of the other kind.
func stateKeys(t Thing) (own, other []byte) {
	switch t.Kind {
	case AnItem:
		return schemas.ItemKey(t.ID), schemas.ClassKey(t.ID)
	case AClass:
		return schemas.ClassKey(t.ID), schemas.ItemKey(t.ID)
	case AShipment:
		return schemas.ShipmentKey(t.ID), nil
	}
	return schemas.RegisterKey(t.ID), nil
}

func (w *builder) subject(t Thing, asked bool) (*SubjectPart, error) {
	own, other := stateKeys(t)
	value, path, err := w.State(own)
	if err != nil {
		return nil, fmt.Errorf("reading state %q: %w", own, err)
	}
	part := &SubjectPart{Kind: t.Kind, ID: t.ID, Value: value, Path: path.Append(nil)}
	if other == nil || !asked || len(w.Asked) > 1 {
		if value == nil && t.Kind != APartner && t.Kind != AShipment {
			return nil, fmt.Errorf("the state has nothing at %q", own)
		}
		return part, nil
	}
	_, scheme, err := schemas.Canonical(t.ID)
	if err != nil {
		return nil, err
	}
	if value != nil && scheme != schemas.PrivateURI && scheme != schemas.OtherGS1 {
		return part, nil
	}
	has, path, err := w.State(other)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading state %q: %w", other, err)
	case has == nil:
		part.Other = path.Append(nil)
	case value == nil:
		return nil, ErrOtherSubject
	}
	if value == nil {
		part.Kind = Unknown
		if t.Kind == AClass {
			part.Path, part.Other = part.Other, part.Path
		}
	}
	return part, nil
}

// ErrOtherSubject is the answer where the state has an item under the identifier
// of what was asked for as a class, or a class for an item: of a private
// identifier its form does not tell.
var ErrOtherSubject = errors.New("the other kind of subject is there: ask for that")

// outwards adds what leads from the item to who holds it.
func (w *builder) outwards(t Thing) error {
	value, _, err := w.State(schemas.ItemKey(t.ID))
	if err != nil {
		return err
	}
	it, err := schemas.DecodeItem(value)
	if err != nil {
		return fmt.Errorf("reading an item: %w", err)
	}
	for range maxNesting + 1 {
		if it.Parent == "" {
			w.named = append(w.named, it.Custodian)
			return nil
		}
		w.leaves = append(w.leaves, Thing{AnItem, it.Parent})
		l, err := w.leaf(schemas.ItemKey(it.Parent))
		if err != nil {
			return err
		}
		parent, err := schemas.DecodeItem(l.Value)
		if err != nil {
			return fmt.Errorf("reading a container: %w", err)
		}
		if parent.Epoch != it.ParentEpoch {
			at := release{it.Parent, it.ParentEpoch}
			if w.releases[at] {
				return nil
			}
			w.releases[at] = true
			released, err := w.leaf(schemas.ReleaseKey(at.container, at.epoch))
			if err != nil {
				return err
			}
			holder, err := schemas.DecodeRelease(released.Value)
			if err != nil {
				return fmt.Errorf("reading a release: %w", err)
			}
			w.named = append(w.named, holder)
			w.b.Releases = append(w.b.Releases, ReleasePart{at.container, at.epoch, *released})
			return nil
		}
		it = parent
	}
	return fmt.Errorf("nested deeper than %d", maxNesting)
}

// records adds the transactions of all trails, in ledger order.
func (w *builder) records() error {
	type reference struct {
		*Record
		TrailRef
	}
	var all []reference
	for i := range w.b.Subjects {
		s := &w.b.Subjects[i]
		for _, r := range w.readings(Thing{s.Kind, s.ID}) {
			for j := range r.records {
				all = append(all, reference{&r.records[j], TrailRef{uint32(i), r.key.Kind}})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Locator.Compare(all[j].Locator) < 0 })
	var last schemas.Locator
	for _, r := range all {
		n := len(w.b.Transactions)
		if n == 0 || last.Height != r.Height || last.Position != r.Position {
			w.b.Transactions = append(w.b.Transactions, TransactionPart{Height: r.Height, Position: r.Position, Header: r.Header, Signature: r.Signature})
			n++
		} else if last == r.Locator {
			m := &w.b.Transactions[n-1].Messages
			(*m)[len(*m)-1].Trails = append((*m)[len(*m)-1].Trails, r.TrailRef)
			continue
		}
		last = r.Locator
		message, err := w.message(r.Record)
		if err != nil {
			return fmt.Errorf("record at %d/%d/%d: %w", r.Height, r.Position, r.Index, err)
		}
		message.Trails = []TrailRef{r.TrailRef}
		t := &w.b.Transactions[n-1]
		t.Messages = append(t.Messages, *message)
		w.sign(r.Partner, r.KeyID)
		if r.Skeleton.Author != "" && message.shape() != digestAlone {
			w.sign(r.Partner, r.Skeleton.Author)
		}
	}
	return nil
}

func (w *builder) sign(partner, key string) {
	if w.signers[partner] == nil {
		w.signers[partner] = map[string]bool{}
	}
	w.signers[partner][key] = true
}

// partners adds who signed, and, where names are wanted, who holds the items, and the
// parties of a shipment.
func (w *builder) partners() error {
	for _, holder := range w.named {
		if w.Scope.Names && holder != "" && !strings.HasPrefix(holder, schemas.External) && w.signers[holder] == nil {
			w.signers[holder] = map[string]bool{}
		}
	}
	for _, id := range sorted(w.signers) {
		part := PartnerPart{ID: id}
		if w.Scope.Names {
			var err error
			if part.Leaf, err = w.leaf(schemas.PartnerKey(id)); err != nil {
				return err
			}
		}
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

// balances adds the leaves of what the records of classes asked for name, as far
// as they are shown.
func (w *builder) balances() error {
	for i, t := range w.Asked {
		if t.Kind != AClass || w.b.Subjects[i].Kind != AClass {
			continue
		}
		named := newHoldings()
		for _, r := range w.readings(t) {
			for j := range r.records {
				if record := &r.records[j]; w.form(record) != digestAlone {
					named.add(t.ID, record.Partner, record.Skeleton)
				}
			}
		}
		for _, one := range named.sorted() {
			value, path, err := w.State(schemas.BalanceKey(t.ID, one.uom, one.partner))
			if err != nil {
				return fmt.Errorf("reading a balance: %w", err)
			}
			w.b.Balances = append(w.b.Balances, StateLeaf{Value: value, Path: path.Append(nil)})
		}
	}
	return nil
}
