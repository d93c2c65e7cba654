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
// are reports, too. So the records, which are complete, name all balances.

// holding names a balance of a class.
type holding struct{ uom, partner string }

// holdings are the balances of one class that its records name.
type holdings map[holding]bool

// add notes what a record of the partner may have changed.
func (h holdings) add(class, partner string, s *schemas.Skeleton) {
	for _, list := range [][]schemas.Quantity{s.Quantities, s.OutputQuantities} {
		for _, q := range list {
			if q.Class == class {
				h[holding{q.UOM, partner}] = true
			}
		}
	}
}

func (h holdings) sorted() []holding {
	list := make([]holding, 0, len(h))
	for one := range h {
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
		named := holdings{}
		for i := range v.report.Events {
			if e := &v.report.Events[i]; e.skeleton != nil && e.in(s.ID, schemas.ClassTrail) {
				named.add(s.ID, e.Partner, e.skeleton)
			}
		}
		if len(named) > len(balances) {
			return fmt.Errorf("balances: %d are there, the records name %d", len(balances), len(named))
		}
		for i, one := range named.sorted() {
			if err := v.checkBalance(s, one, &balances[i]); err != nil {
				return err
			}
		}
		balances = balances[len(named):]
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
