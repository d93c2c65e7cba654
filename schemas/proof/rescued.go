package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// RescueReport is what a bundle tells of a rescue.
type RescueReport struct {
	ID      schemas.Hash `json:"id"`
	Epoch   uint64       `json:"epoch"`
	Height  int64        `json:"height"` // of the last block before
	Reason  string       `json:"reason"`
	Lost    []string     `json:"lost"` // partners, as those who agreed named them
	Agreed  []string     `json:"agreed"`
	Aside   []string     `json:"aside,omitempty"` // neither
	Stayed  int64        `json:"stayed"`          // votes of those who agreed
	Power   int64        `json:"power"`           // of the whole set before
	Crossed bool         `json:"crossed"`         // the proof rests on it
}

// readRescues checks the documents by themselves.
func (v *verification) readRescues() error {
	if len(v.b.Rescues) > maxRescues {
		return fmt.Errorf("rescues: %d, a bundle has at most %d", len(v.b.Rescues), maxRescues)
	}
	var last *Rescue
	for i := range v.b.Rescues {
		r, err := DecodeRescue(v.b.Rescues[i].Document)
		if err == nil {
			err = r.Complete()
		}
		switch {
		case err != nil:
			return fmt.Errorf("rescue %d: %w", i, err)
		case r.ChainID != v.b.ChainID:
			return fmt.Errorf("rescue %d: it is of the chain %q", i, r.ChainID)
		case last != nil && (r.Epoch <= last.Epoch || r.Height <= last.Height):
			return fmt.Errorf("rescue %d: epochs and heights ascend", i)
		case r.Height >= v.b.Header.Height:
			return fmt.Errorf("rescue %d: it restarted the network at height %d, and nothing here is later", i, r.Height)
		}
		last = r
		crossed := r.Height >= v.trust.Height
		if crossed {
			v.rescues = append(v.rescues, r)
		}
		told := r.report()
		told.Crossed = crossed
		if crossed && !slices.Contains(v.accepted, told.ID) {
			return fmt.Errorf("rescue: %s Ask several of them by a way that the bundle's maker does not control; who accepts it says so by this id (--accept-rescue)", told.says())
		}
		v.report.Rescues = append(v.report.Rescues, told)
	}
	return nil
}

func (r *Rescue) report() RescueReport {
	return RescueReport{ID: r.ID(), Epoch: r.Epoch, Height: r.Height, Reason: r.Reason, Lost: r.Partners(Lost), Agreed: r.Partners(Stays),
		Aside: r.Partners(Aside), Stayed: r.Power(Stays), Power: r.Power(Lost) + r.Power(Stays) + r.Power(Aside)}
}

// Says tells in words what a whole document says.
func (r *Rescue) Says() string {
	told := r.report()
	return told.says()
}

// Restarts checks that a document restarted the network behind a header that is
// believed.
func (r *Rescue) Restarts(last *SignedHeader) error {
	if err := r.Complete(); err != nil {
		return err
	}
	if r.ChainID != last.ChainID || r.Height != last.Header.Height || r.Header != last.Hash() || ValidatorSetHash(r.Before()) != ValidatorSetHash(last.Validators) {
		return fmt.Errorf("rescue: it is of another header than that at height %d, or of other validators", last.Header.Height)
	}
	return nil
}

// cross goes over a rescue behind a header that is believed: those who stay are
// believed from there on.
func (v *verification) cross(height int64, hash, set schemas.Hash) error {
	if len(v.rescues) == 0 || v.rescues[0].Height != height {
		return nil
	}
	r := v.rescues[0]
	if r.Header != hash || ValidatorSetHash(r.Before()) != set {
		return fmt.Errorf("rescue: it is of another header at height %d, or of other validators, than those that are trusted", height)
	}
	v.rescues = v.rescues[1:]
	v.known = r.After()
	v.next = ValidatorSetHash(v.known)
	return nil
}

// checkRescues finds rescues to which nothing leads, and proves that each is a
// fact of the ledger, as soon as a header can tell.
func (v *verification) checkRescues() error {
	if len(v.rescues) > 0 {
		return fmt.Errorf("rescue: no step is the header at height %d, at which it restarted the network: ask for a bundle from this root of trust", v.rescues[0].Height)
	}
	for i, told := range v.report.Rescues {
		part := &v.b.Rescues[i]
		if v.b.Header.Height == told.Height+1 {
			if len(part.Path) > 0 || !told.Crossed {
				return fmt.Errorf("rescue %d: the header behind it cannot prove it", i)
			}
			continue
		}
		if err := member(v.signed, fmt.Sprintf("rescue %d", i), schemas.RescueKey(told.Epoch), part.Document, part.Path); err != nil {
			return err
		}
	}
	return nil
}

// Restarts tells in words how the network was restarted, as far as the bundle tells
// of it: that comes before anything else that is said.
func (r *Report) Restarts() (said []string) {
	for i := range r.Rescues {
		told := &r.Rescues[i]
		if told.Crossed {
			said = append(said, told.says())
			continue
		}
		said = append(said, "Before the root of trust: "+told.says())
	}
	return said
}

func (r *Report) crossed() bool {
	return slices.ContainsFunc(r.Rescues, func(told RescueReport) bool { return told.Crossed })
}

func (r *RescueReport) says() string {
	said := fmt.Sprintf("The network lost its quorum and was restarted behind block %d by rescue %s (its number %d), for the reason %q. Lost for ever: %s. ",
		r.Height, r.ID, r.Epoch, r.Reason, strings.Join(r.Lost, ", "))
	if len(r.Aside) > 0 {
		said += fmt.Sprintf("Not lost, and took no part: %s. ", strings.Join(r.Aside, ", "))
	}
	return said + fmt.Sprintf("It was agreed by %s, with %d of the %d votes before, each with its validator's key and its own: the names are as they gave them. Not more than two thirds of the old votes stand behind everything later than block %d.",
		strings.Join(r.Agreed, ", "), r.Stayed, r.Power, r.Height)
}
