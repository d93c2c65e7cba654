package proof

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// The balances of a class or lot are leaves by unit of measure and partner. No
// list of them is in the state, but the rules change a balance only of a partner
// that reported on the class in that unit at least once: an offer and a receipt
// are reports, too; so is what emptied or ended a container into which some was
// packed in that unit, though it names the container alone; so is an act, which
// moves what events told of. So the records, which are complete, name all balances.

// holding names a balance of a class.
type holding struct{ uom, partner string }

// holdings are the balances of one class that its records name.
type holdings struct {
	named  map[holding]bool
	packed map[string]map[string]bool // by container, the units in which some was packed
	opened []opening
	acting map[string]bool // partners whose acts are among the records
}

// opening is a record that lets go what a container holds.
type opening struct{ container, partner string }

func newHoldings() *holdings {
	return &holdings{named: map[holding]bool{}, packed: map[string]map[string]bool{}, acting: map[string]bool{}}
}

// add notes what a record of the partner may have changed.
func (h *holdings) add(class, partner string, s *schemas.Skeleton) {
	if s.Act != nil {
		h.acting[partner] = true
	}
	for _, list := range [][]schemas.Quantity{s.Quantities, s.OutputQuantities} {
		for _, q := range list {
			if q.Class == class {
				h.named[holding{q.UOM, partner}] = true
				if s.Type == schemas.AggregationEvent && s.Action == schemas.ActionAdd && s.ParentID != "" {
					h.pack(s.ParentID, q.UOM)
				}
			}
		}
	}
	switch {
	case s.Type == schemas.AggregationEvent && s.Action == schemas.ActionDelete && len(s.EPCs) == 0 && len(s.Quantities) == 0:
		h.opened = append(h.opened, opening{s.ParentID, partner})
	case s.Type == schemas.ObjectEvent && s.Action == schemas.ActionDelete, s.Type == schemas.TransformationEvent:
		for _, id := range s.EPCs {
			h.opened = append(h.opened, opening{id, partner})
		}
	}
}

func (h *holdings) pack(container, uom string) {
	if h.packed[container] == nil {
		h.packed[container] = map[string]bool{}
	}
	h.packed[container][uom] = true
}

func (h *holdings) sorted() []holding {
	for _, o := range h.opened {
		for uom := range h.packed[o.container] {
			h.named[holding{uom, o.partner}] = true
		}
	}
	units := map[string]bool{}
	for one := range h.named {
		units[one.uom] = true
	}
	for partner := range h.acting {
		for uom := range units {
			h.named[holding{uom, partner}] = true
		}
	}
	list := make([]holding, 0, len(h.named))
	for one := range h.named {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b holding) int {
		return cmp.Or(cmp.Compare(a.uom, b.uom), cmp.Compare(a.partner, b.partner))
	})
	return list
}

// checkBalances proves every balance that the records of a class asked for name,
// or that there is none. What is withheld names none.
func (v *verification) checkBalances() error {
	balances := v.b.Balances
	for _, s := range v.subjects {
		if !s.asked || s.Kind != AClass {
			continue
		}
		named := newHoldings()
		for i := range v.report.Events {
			if e := &v.report.Events[i]; e.skeleton != nil && e.in(s.ID, schemas.ClassTrail) {
				named.add(s.ID, e.Partner, e.skeleton)
			}
		}
		list := named.sorted()
		if len(list) > len(balances) {
			return fmt.Errorf("balances: %d are there, the records name %d", len(balances), len(list))
		}
		for i, one := range list {
			if err := v.checkBalance(s, one, &balances[i]); err != nil {
				return err
			}
		}
		balances = balances[len(list):]
	}
	if len(balances) > 0 {
		return fmt.Errorf("balances: %d are there that no record names", len(balances))
	}
	return nil
}

func (v *verification) checkBalance(s *subject, one holding, leaf *StateLeaf) error {
	where := fmt.Sprintf("balance of %q in unit %q", one.partner, one.uom)
	key := schemas.BalanceKey(s.ID, one.uom, one.partner)
	if len(leaf.Value) == 0 {
		return v.absent(where, key, leaf.Path)
	}
	if err := v.leaf(where, key, leaf); err != nil {
		return err
	}
	balance, err := schemas.DecodeLotBalance(leaf.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	s.report.Balances = append(s.report.Balances, schemas.Balance{Partner: one.partner, UOM: one.uom, Quantity: balance.Amount, Known: !balance.Unknown})
	return nil
}
