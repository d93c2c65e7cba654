package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// directory is what the leaves of the last block say of the network's parameters and
// its partners, read once for the many who ask. It is made anew behind a block that
// changed one of those leaves and is never changed itself: what a block runs with is
// the directory of the state before it, so that such changes hold from the next
// block on.
type directory struct {
	parameters schemas.Parameters
	partners   []schemas.Partner // by id
	ordered    []string          // ids of those for whom a validator is ordered, ascending
	nodes      map[string]bool   // whether nodes may connect, by id: those of removed partners may not; only ever looked up
	byGLN      map[string]string // GLN to id of those that are not removed; only ever looked up
	byID       map[string]int    // place in partners; only ever looked up
	members    []string          // ids of those who vote
	turns      []string          // the values of byGLN, ascending
	read       bool              // from leaves, so that partners are by id
	prefixes   []schemas.Prefix  // company prefixes by their digits, none of which begins with another
}

func newDirectory(parameters schemas.Parameters, partners []schemas.Partner, prefixes []schemas.Prefix) *directory {
	d := &directory{parameters: parameters, partners: partners, nodes: map[string]bool{}, byGLN: map[string]string{}, byID: map[string]int{}}
	for i, p := range partners {
		d.byID[p.ID] = i
		if p.State != schemas.Removed {
			d.byGLN[p.GLN] = p.ID
			d.nodes[p.NodeID] = p.NodeID != ""
		} else if !d.nodes[p.NodeID] { // nobody else has it
			d.nodes[p.NodeID] = false
		}
		if p.Standing == schemas.StandingMember && p.State == schemas.Active {
			d.members = append(d.members, p.ID)
		}
	}
	// A copy: those before may be the last directory's, which others read.
	d.prefixes = slices.SortedFunc(slices.Values(prefixes), func(p, q schemas.Prefix) int { return strings.Compare(p.Digits, q.Digits) })
	d.turns = slices.Sorted(maps.Values(d.byGLN))
	return d
}

// prefixOf is the registered company prefix that digits begin with, nil where there is none.
func (d *directory) prefixOf(digits string) *schemas.Prefix {
	i, found := slices.BinarySearchFunc(d.prefixes, digits, func(p schemas.Prefix, digits string) int { return strings.Compare(p.Digits, digits) })
	if found {
		return &d.prefixes[i]
	}
	if i > 0 && strings.HasPrefix(digits, d.prefixes[i-1].Digits) {
		return &d.prefixes[i-1]
	}
	return nil
}

// overlaps reports whether a registered prefix begins with these digits, or they with it.
func (d *directory) overlaps(digits string) bool {
	i, _ := slices.BinarySearchFunc(d.prefixes, digits, func(p schemas.Prefix, digits string) int { return strings.Compare(p.Digits, digits) })
	return d.prefixOf(digits) != nil || i < len(d.prefixes) && strings.HasPrefix(d.prefixes[i].Digits, digits)
}

// voting and silent are periods of the parameters, in nanoseconds.
func (d *directory) voting() int64 {
	return int64(cmp.Or(d.parameters.VotingSeconds, schemas.DefaultVoting)) * second
}

func (d *directory) silent() int64 {
	return int64(cmp.Or(d.parameters.SilentSeconds, schemas.DefaultSilent)) * second
}

// partner is the partner of an id, nil where there is none.
func (d *directory) partner(id string) *schemas.Partner {
	if i, ok := d.byID[id]; ok {
		return &d.partners[i]
	}
	return nil
}

// readDirectory reads the directory from the last committed state.
func (a *App) readDirectory() error {
	d, err := directoryOf(a.store.Latest(), nil, nil, false)
	if err == nil {
		a.directory.Store(d)
	}
	return err
}

// renewDirectory reads of the last committed state what a block changed: of thousands
// of partners, one leaf where one of them changed.
func (a *App) renewDirectory(done *executed) error {
	d, err := directoryOf(a.store.Latest(), a.directory.Load(), done.touched, done.prefixed)
	if err == nil {
		a.directory.Store(d)
	}
	return err
}

// directoryOf reads the directory of a state. What is not among the partners touched,
// and prefixes that are not, it takes over from last, unless that was not read itself.
func directoryOf(view *store.View, last *directory, touched []string, prefixed bool) (*directory, error) {
	value, _, err := view.Get(schemas.ParametersKey())
	if err != nil {
		return nil, err
	}
	parameters, err := schemas.DecodeParameters(value)
	if err != nil {
		return nil, store.Damaged("the ledger's parameters are damaged: %w", err)
	}
	var partners []schemas.Partner
	var prefixes []schemas.Prefix
	if last == nil || !last.read {
		prefixed = true
		partners, err = partnersOf(view)
	} else {
		partners, err = last.partnersWith(view, touched)
		prefixes = last.prefixes
	}
	if err != nil {
		return nil, err
	}
	if prefixed {
		if prefixes, err = prefixesOf(view); err != nil {
			return nil, err
		}
	}
	d := newDirectory(parameters, partners, prefixes)
	d.read = true
	return d, d.readOrders(view)
}

// partnersWith are the partners with those touched read again; the directory's own
// stay as they are.
func (d *directory) partnersWith(view *store.View, touched []string) ([]schemas.Partner, error) {
	if len(touched) == 0 {
		return d.partners, nil
	}
	out := slices.Clone(d.partners)
	for _, id := range touched {
		value, _, err := view.Get(schemas.PartnerKey(id))
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue // its admission was undone: leaves of partners are never removed
		}
		p, err := schemas.DecodePartner(id, value)
		if err != nil {
			return nil, fmt.Errorf("reading partner %q: %w", id, err)
		}
		i, known := slices.BinarySearchFunc(out, id, func(p schemas.Partner, id string) int { return strings.Compare(p.ID, id) })
		if known {
			out[i] = p
		} else {
			out = slices.Insert(out, i, p)
		}
	}
	return out, nil
}

// readOrders reads what is ordered for validators: a node whose key is ordered has to
// connect before it can be ready.
func (d *directory) readOrders(view *store.View) error {
	prefix := schemas.ValidatorKey("")
	for leaf, err := range view.Leaves(prefix) {
		if err != nil {
			return err
		}
		id := string(leaf.Key[len(prefix):])
		order, err := schemas.DecodeValidatorOrder(leaf.Value)
		if err != nil {
			return fmt.Errorf("reading what is ordered for %q: %w", id, err)
		}
		d.ordered = append(d.ordered, id)
		if p := d.partner(id); p != nil && p.State != schemas.Removed {
			d.nodes[order.NodeID] = order.NodeID != ""
		}
	}
	return nil
}

// partnersOf are the partners by id, read from their leaves: rules go by them, so
// that it must be the state root that says who they are.
func partnersOf(view *store.View) (out []schemas.Partner, err error) {
	prefix := schemas.PartnerKey("")
	for leaf, err := range view.Leaves(prefix) {
		if err != nil {
			return nil, err
		}
		id := string(leaf.Key[len(prefix):])
		p, err := schemas.DecodePartner(id, leaf.Value)
		if err != nil {
			return nil, fmt.Errorf("reading partner %q: %w", id, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// prefixesOf are the company prefixes that are registered, by their digits.
func prefixesOf(view *store.View) (out []schemas.Prefix, err error) {
	key := schemas.PrefixKey("")
	for leaf, err := range view.Leaves(key) {
		if err != nil {
			return nil, err
		}
		p, err := schemas.DecodePrefix(string(leaf.Key[len(key):]), leaf.Value)
		if err != nil {
			return nil, fmt.Errorf("reading company prefix %q: %w", leaf.Key[len(key):], err)
		}
		out = append(out, p)
	}
	return out, nil
}

func (a *App) chainID() string {
	if d := a.directory.Load(); d != nil {
		return d.parameters.ChainID
	}
	return ""
}

func (a *App) partnersByGLN() map[string]string {
	if d := a.directory.Load(); d != nil {
		return d.byGLN
	}
	return nil
}

// Retention are the network's retention classes.
func (a *App) Retention() []schemas.RetentionClass {
	if d := a.directory.Load(); d != nil {
		return d.parameters.Retention
	}
	return nil
}

// AdmitsPeer reports whether a node may connect: one that the ledger names, of a
// partner that is not removed. Until this node has caught up with the others, whose
// ledger may name further ones, those count too that its operator named, but for those
// whose partner is removed by what it has.
func (a *App) AdmitsPeer(id string) bool {
	d := a.directory.Load()
	if d != nil {
		if named, known := d.nodes[id]; known {
			return named
		}
	}
	return !a.caughtUp.Load() && (a.invited == nil && d == nil || slices.Contains(a.invited, id))
}

// CaughtUp says that the node has caught up with the others: from now on the ledger
// alone says who may connect.
func (a *App) CaughtUp() { a.caughtUp.Store(true) }
