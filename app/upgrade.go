package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// A network changes its rules at a height that it voted for. A program knows all rules
// up to a version. Nodes whose program does not know the new ones stop in front of
// that height, with everything before it committed, and go on from there with one
// that does; until then old and new programs agree.

// UpgradeError says that the next block is one of rules that this program does not know.
type UpgradeError struct {
	Height int64  // of the first such block
	Rules  uint32 // that it needs
	Knows  uint32 // that the program knows at most
}

// Error tells what to do.
func (e *UpgradeError) Error() string {
	return fmt.Sprintf("from height %d on the network follows rules version %d, this program knows %d at most: nothing is lost, install a version of waybill that knows them (waybill version tells) and start the node again", e.Height, e.Rules, e.Knows)
}

// UpgradeDue is an error if the next block is of rules that this program does not know.
func (a *App) UpgradeDue() error {
	height, _ := a.store.Last()
	return a.KnowsRules(height + 1)
}

// KnowsRules is an *UpgradeError if the rules of a block that is not committed yet are
// none that this program knows.
func (a *App) KnowsRules(height int64) error {
	if u := a.unknown(height); u != nil {
		return u
	}
	return nil
}

// unknown is an error if a block of a height is of rules that the program does not know.
func (a *App) unknown(height int64) *UpgradeError {
	if rules := a.RulesAt(height); rules > a.rules {
		return &UpgradeError{Height: height, Rules: rules, Knows: a.rules}
	}
	return nil
}

// RulesAt is the version of the rules of a block that is not committed yet.
func (a *App) RulesAt(height int64) uint32 {
	d := a.directory.Load()
	if d == nil {
		return schemas.RulesVersion
	}
	return d.parameters.RulesAt(uint64(height))
}

// Upgrade is the upgrade that is scheduled: its height and the rules from there on;
// zeros where none is.
func (a *App) Upgrade() (height int64, rules uint32) {
	if d := a.directory.Load(); d != nil {
		return int64(d.parameters.UpgradeHeight), d.parameters.UpgradeRules
	}
	return 0, 0
}

// upgrade makes the rules of the block those of the parameters, in the first block with
// transactions that an upgrade holds for.
func (b *block) upgrade() {
	value, _ := b.get(schemas.ParametersKey())
	p := must(schemas.DecodeParameters(value))
	if p.UpgradeHeight == 0 || uint64(b.height) < p.UpgradeHeight {
		return
	}
	p.Rules, p.UpgradeHeight, p.UpgradeRules = p.UpgradeRules, 0, 0
	b.led.Set(schemas.ParametersKey(), p.Append(nil), nil)
	b.governed = true
}
