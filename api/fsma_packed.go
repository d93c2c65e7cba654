package api

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxInside bounds how many things one event is told to be about, by what its
// containers hold.
const maxInside = 10000

// pack notes what an aggregation does to a container. An observation tells what is
// inside where nothing is known yet.
func (s *fsmaStory) pack(e *schemas.Skeleton) {
	held, known := s.inside[e.ParentID]
	switch e.Action {
	case schemas.ActionObserve:
		if known {
			return
		}
		fallthrough
	case schemas.ActionAdd:
		for _, epc := range e.EPCs {
			if !slices.ContainsFunc(held, func(c fsmaContent) bool { return c.epc == epc }) {
				held = append(held, fsmaContent{epc: epc})
			}
		}
		for _, q := range e.Quantities {
			held = addQuantity(held, q)
		}
	case schemas.ActionDelete:
		if len(e.EPCs)+len(e.Quantities) == 0 {
			held = nil
			break
		}
		held = slices.DeleteFunc(slices.Clone(held), func(c fsmaContent) bool { return c.epc != "" && slices.Contains(e.EPCs, c.epc) })
		for _, q := range e.Quantities {
			held = takeQuantity(held, q)
		}
	}
	s.inside[e.ParentID] = held
}

func sameLot(q schemas.Quantity) func(fsmaContent) bool {
	return func(c fsmaContent) bool { return c.epc == "" && c.quantity.Class == q.Class && c.quantity.UOM == q.UOM }
}

func addQuantity(held []fsmaContent, q schemas.Quantity) []fsmaContent {
	at := slices.IndexFunc(held, sameLot(q))
	if at < 0 {
		return append(held, fsmaContent{quantity: q})
	}
	held = slices.Clone(held)
	if held[at].quantity.Known = held[at].quantity.Known && q.Known; held[at].quantity.Known {
		held[at].quantity.Amount = held[at].quantity.Amount.Add(q.Amount)
	}
	return held
}

func takeQuantity(held []fsmaContent, q schemas.Quantity) []fsmaContent {
	at := slices.IndexFunc(held, sameLot(q))
	if at < 0 {
		return held
	}
	if !q.Known || !held[at].quantity.Known {
		held[at].quantity.Known = false
		return held
	}
	left := held[at].quantity.Amount.Sub(q.Amount)
	if left.Sign() <= 0 {
		return slices.Delete(held, at, at+1)
	}
	held[at].quantity.Amount = left
	return held
}

// contents are the lots that an event is about: those it names, and those inside
// the containers that it names. Of a container that nothing is known of, the
// container alone.
func (s *fsmaStory) contents(e *schemas.Skeleton) (out []fsmaLot, err error) {
	within := ""
	if e.Type == schemas.AggregationEvent {
		within = e.ParentID
	}
	for _, q := range e.Quantities {
		out = append(out, fsmaLot{lot: q, container: within})
	}
	if e.Type == schemas.TransformationEvent {
		return out, nil
	}
	seen := map[string]bool{}
	var open func(epc string, depth int) error
	open = func(epc string, depth int) error {
		if seen[epc] || depth > 16 || len(out) > maxInside {
			return nil
		}
		seen[epc] = true
		if err := s.lookUp(epc, e.EventTime); err != nil {
			return err
		}
		for _, c := range s.inside[epc] {
			if c.epc == "" {
				out = append(out, fsmaLot{lot: c.quantity, container: epc})
			} else if err := open(c.epc, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, epc := range e.EPCs {
		before := len(out)
		if err := open(epc, 1); err != nil {
			return nil, err
		}
		if len(out) == before && s.lots == nil {
			out = append(out, fsmaLot{container: epc})
		}
	}
	if within != "" && len(e.Quantities)+len(e.EPCs) == 0 { // all that is in it
		err = open(within, 1)
	}
	return out, err
}

// lookUp asks the ledger what a container held before a range that is told of.
func (s *fsmaStory) lookUp(container string, before int64) error {
	if _, known := s.inside[container]; known || s.look == nil {
		return nil
	}
	if _, scheme, err := schemas.Canonical(container); err != nil || scheme == schemas.SGTIN {
		return nil // an item for sale: it holds nothing that is told of
	}
	s.inside[container] = nil
	packed, err := s.look(container, before)
	if err != nil {
		return err
	}
	delete(s.inside, container)
	for i := range packed {
		if e := packed[i].Skeleton; e != nil && e.ParentID == container && packed[i].VoidedBy == nil {
			s.pack(e)
		}
	}
	if _, known := s.inside[container]; !known {
		s.inside[container] = nil
	}
	return nil
}
