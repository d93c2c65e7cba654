package proof

import (
	"errors"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Verify checks a bundle against a root of trust, and nothing else: its answer
// is the same on every machine, at any time. The error names the first thing
// that does not hold, and where. Checks go from what is trusted to what is told:
// encoding, validators, headers, state, partners and keys, then record by record,
// that no record is missing, what belongs to it, balances, times.
//
// Where the network was restarted by a rescue since the root of trust, the bundle
// holds only for who accepts that rescue, by its id.
func Verify(bundle []byte, trust *Trust, accepted ...schemas.Hash) (*Report, error) {
	b, err := DecodeBundle(bundle)
	if err != nil {
		return nil, err
	}
	v := &verification{b: b, trust: trust, accepted: accepted, headers: map[int64]schemas.Hash{}, partners: make(map[string]*partner, len(b.Partners)),
		places: make(map[Thing]*subject, len(b.Subjects)), heights: map[int64]bool{}}
	for _, check := range []func() error{v.checkHeaders, v.checkRescues, v.checkAccumulator, v.checkSubjects, v.checkShipment, v.checkCustodians, v.checkPartners,
		v.checkTransactions, v.checkTrails, v.checkNeeds, v.checkBalances, v.checkBlocks, v.checkWitnessed} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	v.finish()
	return &v.report, nil
}

// verification is one run of Verify: what is known so far.
type verification struct {
	b       *Bundle
	trust   *Trust
	rescues []*Rescue // not met on the way yet
	root    [32]byte  // of the state tree
	signed  [32]byte  // of that which the signed header carries
	headers map[int64]schemas.Hash
	anchors Head // of the header accumulator, zero where the bundle has none
	report  Report

	accepted []schemas.Hash // ids of rescues

	next  schemas.Hash // hash of the set that signs what follows
	known []Validator  // the last set that is trusted, where it is known
	bare  bool         // known was given for its own sake, and nothing needed it yet

	subjects []*subject
	places   map[Thing]*subject
	releases map[release]*released
	partners map[string]*partner
	heights  map[int64]bool // of transactions
}

// checkHeaders leads from the root of trust to the root of the state.
func (v *verification) checkHeaders() error {
	b, t := v.b, v.trust
	if b.ChainID != t.ChainID {
		return fmt.Errorf("chain: the bundle is of %q, the trusted one is %q", b.ChainID, t.ChainID)
	}
	if err := v.readRescues(); err != nil {
		return err
	}
	v.next = t.ValidatorSetHash
	last := int64(0)
	for i := range b.Steps {
		s := &b.Steps[i]
		where := fmt.Sprintf("step %d", i)
		if s.Header == nil {
			if i > 0 || len(s.Commit.encode()) > 0 {
				return fmt.Errorf("%s: it has no header", where)
			}
			if set := ValidatorSetHash(s.Validators); set != v.next {
				return fmt.Errorf("%s: the set has the hash %s, the trusted one %s", where, set, v.next)
			}
			v.known, v.bare = s.Validators, true
			continue
		}
		if s.Header.Height <= last {
			return fmt.Errorf("%s: its height %d is not above %d", where, s.Header.Height, last)
		}
		last = s.Header.Height
		if _, _, err := v.follow(where, s.Header, &s.Commit, s.Validators); err != nil {
			return err
		}
		v.report.Steps = append(v.report.Steps, s.Header.Height)
		if s.Header.Height >= t.Height {
			v.report.led++
		}
	}
	if b.Header.Height <= last {
		return fmt.Errorf("header: its height %d is not above that of the last step, %d", b.Header.Height, last)
	}
	signed, total, err := v.follow("header", &b.Header, &b.Commit, b.Validators)
	if err != nil {
		return err
	}
	if v.bare {
		return errors.New("step 0: nothing needs the trusted set")
	}
	v.signed, v.root = b.Header.App, b.Header.App
	r := &v.report
	r.ChainID, r.Signed, r.Power = b.ChainID, signed, total
	r.SignedHeight, r.SignedHash, r.SignedTime = b.Header.Height, v.headers[b.Header.Height], b.Header.Time
	return nil
}

// follow checks one signed header: that a trusted set signed it.
func (v *verification) follow(where string, h *ShortHeader, c *Commit, set []Validator) (signed, total int64, err error) {
	t, own := v.trust, ValidatorSetHash(set)
	if h.Height < 1 || h.NextValidators == own {
		return 0, 0, fmt.Errorf("%s: height %d is none, or its next validators are written out although they are its own", where, h.Height)
	}
	hash := h.Hash(v.b.ChainID, own)
	skipped := false
	switch {
	case h.Height == t.Height && hash != t.HeaderHash:
		return 0, 0, fmt.Errorf("%s: at the trusted height %d its hash is %s, the trusted one %s", where, h.Height, hash, t.HeaderHash)
	case h.Height == t.Height && !h.Time.Equal(t.Time):
		return 0, 0, fmt.Errorf("trust: its time %s is not that of its header, %s", t.Time.UTC(), h.Time)
	case h.Height > t.Height && !h.Time.After(t.Time), h.Height < t.Height && !h.Time.Before(t.Time):
		return 0, 0, fmt.Errorf("%s: height %d at %s and the trusted height %d at %s contradict each other", where, h.Height, h.Time, t.Height, t.Time.UTC())
	case h.Height <= t.Height && own != t.ValidatorSetHash:
		return 0, 0, fmt.Errorf("%s: its validators have the hash %s, the trusted ones %s: older headers are proven through newer ones", where, own, t.ValidatorSetHash)
	case h.Height > t.Height && own != v.next:
		if v.known == nil {
			return 0, 0, fmt.Errorf("%s: its validators have the hash %s, the trusted ones %s, and no step leads there: ask for a bundle from this root of trust, or renew the root", where, own, v.next)
		}
		skipped = true
	}
	if signed, total, err = c.Verify(v.b.ChainID, h.Height, hash, set); err != nil {
		return 0, 0, fmt.Errorf("commit of %s at height %d: %w", where, h.Height, err)
	}
	if skipped {
		if err := trusted(c, set, v.known); err != nil {
			return 0, 0, fmt.Errorf("commit of %s at height %d: %w", where, h.Height, err)
		}
	}
	if h.Height > t.Height && v.bare {
		if !skipped {
			return 0, 0, errors.New("step 0: nothing needs the trusted set")
		}
		v.bare = false
	}
	if h.Height >= t.Height {
		v.next, v.known = h.next(own), set
		if err := v.cross(h.Height, hash, own); err != nil {
			return 0, 0, err
		}
	}
	v.headers[h.Height] = hash
	return signed, total, nil
}

// trusted checks that more than two thirds of a trusted set are among those who
// signed as members of another.
func trusted(c *Commit, set, known []Validator) error {
	powers := make(map[string]int64, len(known))
	for _, k := range known {
		powers[string(k.Public)] = k.Power
	}
	total, err := totalPower(known)
	if err != nil {
		return err
	}
	signed := int64(0)
	for _, vote := range c.Votes {
		key := string(set[vote.Index].Public)
		signed += powers[key]
		delete(powers, key)
	}
	if 3*signed <= 2*total {
		return fmt.Errorf("of the set trusted before, power %d out of %d signed it, more than two thirds must", signed, total)
	}
	return nil
}

// checkAccumulator proves the headers before the signed one, and with an anchor
// the older one that carries the state.
func (v *verification) checkAccumulator() error {
	b, r := v.b, &v.report
	state := &b.Header
	if l := b.Accumulator; l != nil {
		if err := member(v.signed, "header accumulator", schemas.AccumulatorKey(), l.Value, l.Path); err != nil {
			return err
		}
		head, err := schemas.DecodeSingleHead(l.Value)
		if err != nil {
			return fmt.Errorf("header accumulator: %w", err)
		}
		v.anchors = head
	}
	if a := b.Anchor; a != nil {
		state = &a.Header
		hash := a.Header.Hash(b.ChainID, a.Validators)
		if a.Header.NextValidators == a.Validators || a.Header.Height < 1 || a.Header.Height >= b.Header.Height {
			return fmt.Errorf("anchor: height %d is none below %d, or its next validators are written out although they are its own", a.Header.Height, b.Header.Height)
		}
		if err := VerifyInclusion(v.anchors, a.Index, schemas.AnchorEntry(a.Header.Height, hash[:]), a.Inclusion); err != nil {
			return fmt.Errorf("anchor: the header at height %d is not in the accumulator: %w", a.Header.Height, err)
		}
		if proven, ok := v.headers[a.Header.Height]; ok && proven != hash || a.Header.Height == v.trust.Height && hash != v.trust.HeaderHash {
			return fmt.Errorf("anchor: the header at height %d has the hash %s, another one is trusted", a.Header.Height, hash)
		}
		v.headers[a.Header.Height], v.root = hash, a.Header.App
	}
	r.Height, r.AppHash, r.HeaderHeight = state.Height-1, state.App, state.Height
	r.HeaderHash, r.Time = v.headers[state.Height], state.Time
	return nil
}

// member checks that a state has the value under the key.
func member(root [32]byte, where string, key, value, path []byte) error {
	p, err := DecodePath(path)
	if err == nil {
		err = VerifyMember(root, key, value, p)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// leaf checks that the state has the leaf's value under the key.
func (v *verification) leaf(where string, key []byte, l *StateLeaf) error {
	return member(v.root, where, key, l.Value, l.Path)
}

// absent checks that the state has nothing under the key.
func (v *verification) absent(where string, key, path []byte) error {
	p, err := DecodePath(path)
	if err == nil {
		err = VerifyAbsent(v.root, key, p)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// checkBlocks proves when blocks with records were made.
func (v *verification) checkBlocks() error {
	needed, times, last := false, map[int64]time.Time{}, int64(0)
	for i := range v.b.Blocks {
		p := &v.b.Blocks[i]
		where := fmt.Sprintf("time of block %d", p.Height)
		if p.Height <= last || !v.heights[p.Height] {
			return fmt.Errorf("%s: no record is in it, or it stands behind height %d", where, last)
		}
		last = p.Height
		next := p.next()
		if hash, ok := v.headers[p.Height+1]; ok {
			if hash != next || p.Index != 0 || len(p.Inclusion) > 0 {
				return fmt.Errorf("%s: it does not lead to the header at height %d", where, p.Height+1)
			}
		} else {
			needed = true
			if err := VerifyInclusion(v.anchors, p.Index, schemas.AnchorEntry(p.Height+1, next[:]), p.Inclusion); err != nil {
				return fmt.Errorf("%s: the header behind it is not in the accumulator: %w", where, err)
			}
		}
		times[p.Height] = p.Time
	}
	if v.b.Scope.Times && len(times) < len(v.heights) || !v.b.Scope.Times && len(times) > 0 {
		return fmt.Errorf("times: %d blocks are proven of %d that have records: all or none, as the scope says", len(times), len(v.heights))
	}
	if (v.b.Accumulator != nil) != (needed || v.b.Anchor != nil) {
		return errors.New("header accumulator: its leaf is missing, or nothing needs it")
	}
	for i := range v.report.Events {
		e := &v.report.Events[i]
		if at, ok := times[e.Height]; ok {
			e.Time = &at
		}
	}
	return nil
}
