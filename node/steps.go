package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// chain is where headers and validator sets are found.
type chain interface {
	signedAt(height int64) (*proof.Signed, error)
	validatorsAt(height int64) ([]proof.Validator, error)
}

// steps leads from an auditor's root of trust to a bundle's header: over as few
// headers as it takes. Each is signed by the set that the one before it names, or
// by more than two thirds of the set before; between two of which neither holds
// lies another one, at last the very next.
type steps struct {
	ledger chain
	ctx    context.Context
	since  int64 // height of the root of trust, 0 where the reader did not tell
	past   int64 // a height that must be among them, 0 for none
	to     int64 // height of the bundle's header
	// rescues are those by which the network was restarted, in order.
	rescues []*proof.Rescue

	at    int64
	next  schemas.Hash      // hash of the set that signs what follows
	known []proof.Validator // the last trusted set
	bare  bool              // known is the root's own, of which the reader knows the hash alone
	plan  []proof.Signed
}

// lead adds the steps and the header.
func (s *steps) lead(b *proof.Bundle) error {
	if s.since > s.to {
		return api.Unavailable(fmt.Sprintf("the root of trust is of height %d, this state of %d: ask again when the node has come as far", s.since, s.to))
	}
	root := s.since
	if root == 0 {
		root = s.to // a reader who does not tell trusts the set that there is
	}
	trusted, err := s.ledger.validatorsAt(root)
	if err != nil {
		return err
	}
	s.at, s.known, s.next, s.bare = s.since, trusted, proof.ValidatorSetHash(trusted), true
	by := map[int64]*proof.Rescue{}
	for _, r := range s.rescues {
		if s.since > 0 && r.Height >= s.since && r.Height < s.to {
			by[r.Height] = r
		}
	}
	points := slices.Sorted(maps.Keys(by))
	if s.past > 0 {
		points = append(points, s.past)
	}
	points = append(points, s.to)
	slices.Sort(points)
	for _, to := range slices.Compact(points) {
		if err := s.walk(to); err != nil {
			return err
		}
		if r := by[to]; r != nil {
			s.known, s.next = r.After(), proof.ValidatorSetHash(r.After())
		}
	}
	last := len(s.plan) - 1
	for i := range s.plan[:last] {
		if err := b.Follow(s.plan[i]); err != nil {
			return err
		}
	}
	return b.Seal(s.plan[last])
}

// walk plans what leads to a height, and that.
func (s *steps) walk(to int64) error {
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		pivot, signed, err := s.reach(to)
		if err != nil {
			return err
		}
		if s.bare && signed.Known != nil {
			s.plan = append([]proof.Signed{{Validators: s.known}}, s.plan...)
		}
		s.plan = append(s.plan, *signed)
		if pivot >= s.since {
			s.at, s.known, s.bare, s.next = pivot, signed.Validators, false, schemas.Hash(signed.Header.NextValidators)
		}
		if pivot == to {
			return nil
		}
	}
}

// reach finds the highest header up to a height, halving the distance each time,
// that what is trusted leads to.
func (s *steps) reach(to int64) (int64, *proof.Signed, error) {
	for pivot := to; ; {
		signed, err := s.ledger.signedAt(pivot)
		if err != nil {
			return 0, nil, err
		}
		own := proof.ValidatorSetHash(signed.Validators)
		if own == s.next {
			return pivot, signed, nil
		}
		if pivot <= s.since {
			return 0, nil, fmt.Errorf("%w: the header at height %d was signed by others than those of the root of trust at %d: ask again when another block has changed something", api.ErrUnavailable, pivot, s.since)
		}
		if signed.Known = s.known; s.since != 0 {
			if err = (&proof.Bundle{}).Seal(*signed); err == nil {
				return pivot, signed, nil
			}
			if !errors.Is(err, proof.ErrFewVotes) {
				return 0, nil, err
			}
		}
		half := s.at + (pivot-s.at)/2
		switch {
		case half > s.at:
			pivot = half
		case s.bare && s.at == s.since && pivot != s.since && s.since != 0:
			pivot = s.since // the root's own header names the set after it
		default:
			return 0, nil, fmt.Errorf("no header leads from height %d to height %d", s.at, pivot)
		}
	}
}
