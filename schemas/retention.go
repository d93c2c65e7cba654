package schemas

import (
	"errors"
	"fmt"
)

// Retention. A network may say how long bodies are kept, in classes: an event is
// in the first of them unless who recorded it ordered another. Before a class's
// shortest time its body cannot be erased; when its longest is over, the node of
// who recorded it orders that by itself. Both count from the block that recorded it.

// RetentionClass is how long bodies are kept, in seconds of block time.
type RetentionClass struct {
	Name string `json:"name"`
	Min  int64  `json:"min_seconds"`           // not erased before
	Max  int64  `json:"max_seconds,omitempty"` // erased after; 0: only when ordered
}

const (
	maxClasses   = 32
	maxRetention = 200 * 366 * 24 * 3600 // seconds
	nanoseconds  = 1_000_000_000
)

// CheckRetention checks a network's classes.
func CheckRetention(classes []RetentionClass) error {
	if len(classes) > maxClasses {
		return fmt.Errorf("%d retention classes, %d are allowed", len(classes), maxClasses)
	}
	seen := map[string]bool{}
	for _, c := range classes {
		switch {
		case !partnerID.MatchString(c.Name):
			return fmt.Errorf("retention class %q: names are 1 to 32 of a-z, 0-9 and inner hyphens", c.Name)
		case seen[c.Name]:
			return fmt.Errorf("retention class %q is there twice", c.Name)
		case c.Min < 0 || c.Max < 0 || c.Min > maxRetention || c.Max > maxRetention || c.Max > 0 && c.Max <= c.Min:
			return fmt.Errorf("retention class %q: from %d to %d seconds is no time to keep", c.Name, c.Min, c.Max)
		}
		seen[c.Name] = true
	}
	return nil
}

// FindClass is the class of a name; "" names the first. ok is false where there is none.
func FindClass(classes []RetentionClass, name string) (c RetentionClass, ok bool) {
	for _, c := range classes {
		if name == "" || c.Name == name {
			return c, true
		}
	}
	return c, false
}

// From is when a body may be erased first, and Due when it is to be, in nanoseconds
// since 1970, of an event that was recorded then; Due is 0 where it never is.
func (c RetentionClass) From(recorded int64) int64 { return recorded + c.Min*nanoseconds }

// Due is told with From.
func (c RetentionClass) Due(recorded int64) int64 {
	if c.Max == 0 {
		return 0
	}
	return recorded + c.Max*nanoseconds
}

// Parameters is the leaf value of what a network agreed on: in its genesis, and later
// by vote.
type Parameters struct {
	ChainID   string
	Rules     uint32
	Retention []RetentionClass

	Strict        bool   // events of who is not the custodian are refused, instead of recorded as claims
	VotingSeconds uint64 // for how long a proposal can be voted on, in block time; 0 is DefaultVoting
	SilentSeconds uint64 // after which a member that signed nothing counts as silent; 0 is DefaultSilent
	ClientAccepts bool   // a hand-over is accepted with a key that a client or hardware holds
	UpgradeHeight uint64 // from which on the rules are those of UpgradeRules; 0: none is scheduled
	UpgradeRules  uint32
}

// RulesAt is the version of the rules that a block of a height is executed by.
func (p *Parameters) RulesAt(height uint64) uint32 {
	if p.UpgradeHeight > 0 && height >= p.UpgradeHeight {
		return p.UpgradeRules
	}
	return p.Rules
}

// What parameters that are left out mean, in seconds.
const (
	DefaultVoting = 7 * 24 * 3600
	DefaultSilent = 30 * 24 * 3600
)

// Append appends the leaf value: 1 chain id, 2 rules version, 3 retention class
// (repeated: 1 name, 2 shortest, 3 longest time in seconds), 4 strict, 5 voting
// seconds, 6 silent seconds, 7 client accepts, 8 upgrade height, 9 its rules version.
func (p *Parameters) Append(dst []byte) []byte {
	dst = AppendUint(AppendString(dst, 1, p.ChainID), 2, uint64(p.Rules))
	for _, c := range p.Retention {
		b := AppendUint(AppendString(nil, 1, c.Name), 2, uint64(c.Min))
		dst = AppendField(dst, 3, AppendUint(b, 3, uint64(c.Max)))
	}
	dst = appendFlag(dst, 4, p.Strict)
	dst = AppendUint(AppendUint(dst, 5, p.VotingSeconds), 6, p.SilentSeconds)
	dst = appendFlag(dst, 7, p.ClientAccepts)
	return AppendUint(AppendUint(dst, 8, p.UpgradeHeight), 9, uint64(p.UpgradeRules))
}

// DecodeParameters reads such a leaf value.
func DecodeParameters(b []byte) (p Parameters, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.ChainID = decodeText(f, n, v)
		case 2:
			p.Rules = uint32(bounded(f, n, v, 1<<32-1))
		case 3:
			p.Retention = append(p.Retention, decodeClass(f, n, v))
		case 4:
			p.Strict = f.Uint(n, v) == 1
		case 5:
			p.VotingSeconds = f.Uint(n, v)
		case 6:
			p.SilentSeconds = f.Uint(n, v)
		case 7:
			p.ClientAccepts = f.Uint(n, v) == 1
		case 8:
			p.UpgradeHeight = f.Uint(n, v)
		case 9:
			p.UpgradeRules = uint32(bounded(f, n, v, 1<<32-1))
		default:
			f.Fail(n, "unknown")
		}
	}
	if err := f.Exact(b, p.Append(nil)); err != nil {
		return p, err
	}
	if p.ChainID == "" {
		return p, errors.New("parameters without a chain id")
	}
	return p, CheckRetention(p.Retention)
}

func decodeClass(f *Fields, n uint64, v []byte) (c RetentionClass) {
	in := ReadFields(v)
	for k, w, ok := in.Next(); ok; k, w, ok = in.Next() {
		switch k {
		case 1:
			c.Name = decodeText(in, k, w)
		case 2:
			c.Min = int64(bounded(in, k, w, maxRetention))
		case 3:
			c.Max = int64(bounded(in, k, w, maxRetention))
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil {
		f.Fail(n, "no retention class")
	}
	return c
}
