package app

import (
	"cmp"
	"fmt"
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
	byGLN      map[string]string // GLN to id of those that are not removed; only ever looked up
	byID       map[string]int    // place in partners; only ever looked up
	members    []string          // ids of those who vote
	prefixes   []schemas.Prefix  // company prefixes by their digits, none of which begins with another
}

func newDirectory(parameters schemas.Parameters, partners []schemas.Partner, prefixes []schemas.Prefix) *directory {
	d := &directory{parameters: parameters, partners: partners, prefixes: prefixes, byGLN: map[string]string{}, byID: map[string]int{}}
	for i, p := range partners {
		d.byID[p.ID] = i
		if p.State != schemas.Removed {
			d.byGLN[p.GLN] = p.ID
		}
		if p.Standing == schemas.StandingMember && p.State == schemas.Active {
			d.members = append(d.members, p.ID)
		}
	}
	slices.SortFunc(d.prefixes, func(p, q schemas.Prefix) int { return strings.Compare(p.Digits, q.Digits) })
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
	view := a.store.Latest()
	value, _, err := view.Get(schemas.ParametersKey())
	if err != nil {
		return err
	}
	parameters, err := schemas.DecodeParameters(value)
	if err != nil {
		return fmt.Errorf("the ledger's parameters are damaged: restore the node from a backup or from its peers: %w", err)
	}
	partners, err := partnersOf(view)
	if err != nil {
		return err
	}
	prefixes, err := prefixesOf(view)
	if err != nil {
		return err
	}
	a.directory.Store(newDirectory(parameters, partners, prefixes))
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

// admitsPeer reports whether a node id is a partner's. Before there is a ledger,
// while a node joins, those count that its operator named.
func (a *App) admitsPeer(id string) bool {
	d := a.directory.Load()
	if d == nil {
		return a.invited == nil || slices.Contains(a.invited, id)
	}
	return id != "" && slices.ContainsFunc(d.partners, func(p schemas.Partner) bool {
		return p.NodeID == id && p.State != schemas.Removed
	})
}
