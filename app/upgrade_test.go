package app_test

import (
	"context"
	"errors"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A program that does not know the rules of a height votes for nothing there, and
// tells what is missing; one that knows them goes on, and takes only what is signed
// for them.
func TestUpgrade(t *testing.T) {
	c := newChain(t, store.Options{})
	c.submit("farm", false, c.event("obj add epc=a step=commissioning"))
	c.app.TestingOnlySchedule(c.height+3, 2)
	c.submit("farm", false, c.event("obj add epc=b step=commissioning"))
	late := c.sign(c.draft("farm", false, c.event("obj add epc=c step=commissioning")))
	if err := c.app.UpgradeDue(); err != nil {
		t.Fatalf("a block too early: %v", err)
	}
	c.block()
	var due *app.UpgradeError
	if err := c.app.UpgradeDue(); !errors.As(err, &due) || due.Height != c.height+1 || due.Rules != 2 || due.Knows != 1 {
		t.Fatalf("in front of the upgrade: %v", err)
	}
	ctx := context.Background()
	if res, err := c.app.ProcessProposal(ctx, &abci.RequestProcessProposal{Height: c.height + 1}); err != nil || res.Status != abci.ResponseProcessProposal_REJECT {
		t.Errorf("a block of rules that are not known is voted for: %v %v", res, err)
	}
	if res, err := c.app.PrepareProposal(ctx, &abci.RequestPrepareProposal{Height: c.height + 1, Txs: [][]byte{late}, MaxTxBytes: 1 << 20}); err != nil || len(res.Txs) > 0 {
		t.Errorf("it is proposed: %v %v", res, err)
	}
	c.rules = 2
	c.restart()
	if err := c.app.UpgradeDue(); err != nil {
		t.Fatal(err)
	}
	if res, err := c.app.CheckTx(ctx, &abci.RequestCheckTx{Tx: late}); err != nil || res.Code != uint32(schemas.WrongRules) {
		t.Errorf("signed for the old rules: %v %v", res, err)
	}
	at := c.height + 1
	c.block()
	c.submit("farm", false, c.event("obj add epc=d step=commissioning"))
	if told := c.checkMoments(); len(told) != 1 || told[0].Height != at || told[0].Moment.Kind != schemas.MomentUpgrade || told[0].Moment.Subjects[0] != "2" {
		t.Errorf("of the upgrade is told %+v", told)
	}
	if p := c.parameters(); p.Rules != 2 || p.UpgradeHeight != 0 || p.UpgradeRules != 0 {
		t.Errorf("behind the upgrade the parameters are %+v", p)
	}
	c.submit("farm", false, c.event("obj add epc=e step=commissioning"))
	if rules := c.app.RulesAt(c.height + 1); rules != 2 {
		t.Errorf("the rules are %d", rules)
	}
}

func (c *chain) parameters() schemas.Parameters {
	c.t.Helper()
	value, err := c.view().StateValue(schemas.ParametersKey())
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := schemas.DecodeParameters(value)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}
