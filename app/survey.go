package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// A survey tells a proposer, from the state before a block, what its events can look
// up beyond what they name. It counts at least what the rules will count, however
// the events of the block change things in between: a container that a thing is in
// when its event comes is the one it was in before the block, or one that an event
// of the block packs into; and those, and the containers of all that is named, are
// counted. The lots in a container are those from before the block, and those that
// the block's events before this one name as they pack them.
//
// Most blocks need no look at the state: what their events could ask for at most is
// little.
type survey struct {
	state    reader
	most     int
	bound    int                    // what the events could ask for at most
	unseen   []*schemas.Transaction // taken while the bound was enough
	cost     int
	walked   map[string]bool // things whose containers are counted
	followed map[string]bool // those containers
	lots     map[string]int  // in each container that is opened, at most
}

func newSurvey(state reader, most int) *survey {
	return &survey{state: state, most: most, walked: map[string]bool{}, followed: map[string]bool{}, lots: map[string]int{}}
}

// fits reports whether a block has room for what a further transaction looks up. When
// it has none, the survey is over.
func (s *survey) fits(tx *schemas.Transaction) (bool, error) {
	s.unseen = append(s.unseen, tx)
	for i := range tx.Messages {
		s.bound += bound(&tx.Messages[i].Event.Skeleton)
	}
	if s.bound <= s.most {
		return true, nil
	}
	for _, tx := range s.unseen {
		for i := range tx.Messages {
			if err := s.look(&tx.Messages[i].Event.Skeleton); err != nil {
				return false, err
			}
			if s.cost > s.most {
				return false, nil
			}
		}
	}
	s.unseen = s.unseen[:0]
	return true, nil
}

// bound is what an event can ask for at most.
func bound(e *schemas.Skeleton) int {
	packs, lets := opened(e)
	n := len(e.EPCs) + len(e.OutputEPCs)
	if e.ParentID != "" {
		n++
	}
	return (maxDepth+1)*n + maxInside*(len(packs)+len(lets))
}

// opened are the containers whose lots an event looks up: the one that it packs lots
// into, and those that it takes lots out of, empties or ends.
func opened(e *schemas.Skeleton) (packs, lets []string) {
	switch {
	case e.Type == schemas.TransformationEvent, e.Type == schemas.ObjectEvent && e.Action == schemas.ActionDelete:
		return nil, e.EPCs
	case e.Type != schemas.AggregationEvent || e.ParentID == "":
	case e.Action == schemas.ActionAdd && len(e.Quantities) > 0:
		return []string{e.ParentID}, nil
	case e.Action == schemas.ActionDelete && (len(e.Quantities) > 0 || len(e.EPCs) == 0):
		return nil, []string{e.ParentID}
	}
	return nil, nil
}

// look counts what one event asks for, and no further than to know that it is too much.
func (s *survey) look(e *schemas.Skeleton) error {
	if e.Type == schemas.AggregationEvent && e.Action == schemas.ActionAdd {
		s.follow(e.ParentID)
	}
	for _, list := range [...][]string{{e.ParentID}, e.EPCs, e.OutputEPCs} {
		for _, id := range list {
			if err := s.walk(id); err != nil || s.cost > s.most {
				return err
			}
		}
	}
	packs, lets := opened(e)
	for _, list := range [...][]string{packs, lets} {
		for _, id := range list {
			if err := s.open(id); err != nil || s.cost > s.most {
				return err
			}
		}
	}
	for _, id := range packs {
		s.lots[id] = min(maxInside, s.lots[id]+len(e.Quantities))
	}
	return nil
}

// open counts the lots in a container.
func (s *survey) open(id string) error {
	n, known := s.lots[id]
	if !known {
		it, err := s.item(id)
		if err != nil {
			return err
		}
		n = int(it.Lots)
		s.lots[id] = n
	}
	s.cost += n
	return nil
}

// walk counts the containers that a thing is in.
func (s *survey) walk(id string) error {
	for id != "" && !s.walked[id] && s.cost <= s.most {
		s.walked[id] = true
		it, err := s.item(id)
		if err != nil {
			return err
		}
		id = it.Parent
		s.follow(id)
	}
	return nil
}

func (s *survey) follow(container string) {
	if container != "" && !s.followed[container] {
		s.followed[container] = true
		s.cost++
	}
}

func (s *survey) item(id string) (it schemas.Item, err error) {
	value, _, err := s.state.Get(schemas.ItemKey(id))
	if value == nil || err != nil {
		return it, err
	}
	if it, err = schemas.DecodeItem(value); err != nil {
		return it, fmt.Errorf("reading item %q: %w", id, err)
	}
	return it, nil
}
