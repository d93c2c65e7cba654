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

// checkBalances proves every balance that the records name, or that there is none.
func (v *verification) checkBalances() error {
	named := holdings{}
	if v.b.Subject == AClass {
		for i := range v.report.Events {
			named.add(v.b.ID, v.report.Events[i].Partner, &v.report.Events[i].skeleton)
		}
	}
	if len(named) != len(v.b.Balances) {
		return fmt.Errorf("balances: %d are there, the records name %d", len(v.b.Balances), len(named))
	}
	for i, one := range named.sorted() {
		leaf := &v.b.Balances[i]
		where := fmt.Sprintf("balance of %q in unit %q", one.partner, one.uom)
		key := schemas.BalanceKey(v.b.ID, one.uom, one.partner)
		if len(leaf.Value) == 0 {
			if err := v.absent(where, key, leaf.Path); err != nil {
				return err
			}
			continue
		}
		if err := v.leaf(where, key, leaf); err != nil {
			return err
		}
		balance, err := schemas.DecodeLotBalance(leaf.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		v.report.Balances = append(v.report.Balances, schemas.Balance{Partner: one.partner, UOM: one.uom, Quantity: balance.Amount, Known: !balance.Unknown})
	}
	return nil
}

// balances adds the leaves of what the records name.
func (w *builder) balances() error {
	for _, one := range w.named.sorted() {
		value, path, err := w.State(schemas.BalanceKey(w.ID, one.uom, one.partner))
		if err != nil {
			return fmt.Errorf("reading a balance: %w", err)
		}
		w.b.Balances = append(w.b.Balances, StateLeaf{Value: value, Path: path.Append(nil)})
	}
	return nil
}
