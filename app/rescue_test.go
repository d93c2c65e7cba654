package app_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

func validatorOf(id string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("validator of " + id))
	return ed25519.NewKeyFromSeed(seed[:])
}

// validated is a chain whose partners have validators, with three blocks.
func validated(t *testing.T) *chain {
	t.Helper()
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	var g schemas.Genesis
	if err := json.Unmarshal(c.genesis, &g); err != nil {
		t.Fatal(err)
	}
	for i := range g.Partners {
		if g.Partners[i].Standing == schemas.StandingMember {
			g.Partners[i].Validate = validatorOf(g.Partners[i].ID).Public().(ed25519.PublicKey)
		}
	}
	var err error
	if c.genesis, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	c.init()
	for _, epc := range []string{"a", "b", "c"} {
		c.submit("farm", false, c.event("obj add epc="+epc+" step=commissioning"))
	}
	return c
}

// restarts is a rescue of the chain behind its last block: farm and mill stay.
func (c *chain) restarts(alter func(*proof.RescueStatement)) *proof.Rescue {
	c.t.Helper()
	r := &proof.Rescue{RescueStatement: proof.RescueStatement{ChainID: chainID, Epoch: 1, Height: c.height, Header: schemas.Hash{9}, App: schemas.Hash(c.hash), Reason: "fire"}}
	for i, id := range partners {
		v := proof.RescueValidator{Partner: id, Fate: proof.Lost, Validator: proof.Validator{Public: validatorOf(id).Public().(ed25519.PublicKey), Power: 10}}
		if i < 2 {
			v.Fate, v.Signing = proof.Stays, c.members[id].key.Public().(ed25519.PublicKey)
		}
		r.Validators = append(r.Validators, v)
	}
	alter(&r.RescueStatement)
	for _, id := range partners[:2] {
		if err := r.Sign(validatorOf(id), c.members[id].key); err != nil {
			c.t.Fatal(err)
		}
	}
	return r
}

func (c *chain) accepts(height int64, txs ...[]byte) bool {
	c.t.Helper()
	res, err := c.app.ProcessProposal(context.Background(), &abci.RequestProcessProposal{Height: height, Txs: txs})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Status == abci.ResponseProcessProposal_ACCEPT
}

// A rescue enters the ledger in one block alone, of nodes that were started with
// that very document; and the ledger goes on with it, computes again, and tells it.
func TestRescueIsAFactOfTheLedger(t *testing.T) {
	c := validated(t)
	same := func(*proof.RescueStatement) {}
	r := c.restarts(same)
	document, at := r.Encode(), c.height+1
	if res, err := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: document}); err != nil || res.Code == 0 {
		t.Errorf("the document enters the mempool: %v %v", res, err)
	}
	if c.accepts(at, document) {
		t.Error("a node that was not started with the document accepts it")
	}
	other := c.restarts(func(s *proof.RescueStatement) { s.Reason = "a coup" }).Encode()
	c.rescue = r
	c.restart()
	tx := c.sign(c.draft("farm", false, c.event("obj add epc=d step=commissioning")))
	for name, txs := range map[string][][]byte{"nothing": nil, "a transaction alone": {tx}, "the document behind a transaction": {tx, document},
		"another document": {other}, "the document twice": {document, document}} {
		if c.accepts(at, txs...) {
			t.Errorf("a block with %s is accepted", name)
		}
	}
	if c.accepts(at+1, document) {
		t.Error("the document is accepted in another block")
	}
	prepared, err := c.app.PrepareProposal(context.Background(), &abci.RequestPrepareProposal{Height: at, MaxTxBytes: 1 << 20, Txs: [][]byte{tx}})
	if err != nil || !slices.EqualFunc(prepared.Txs, [][]byte{document, tx}, slices.Equal) {
		t.Fatalf("a proposal of %d transactions: %v", len(prepared.Txs), err)
	}
	// A node that dies before the commit executes the block again.
	if _, err := c.app.FinalizeBlock(context.Background(), c.request(prepared.Txs)); err != nil {
		t.Fatal(err)
	}
	c.restart()
	c.block(document, tx)
	c.rescue = nil
	c.restart()
	c.submit("mill", false, c.event("obj add epc=e step=commissioning"))
	if c.accepts(c.height+1, document) {
		t.Error("the document is accepted again")
	}
	told, err := c.app.Rescues()
	if err != nil || len(told) != 1 || told[0].ID() != r.ID() {
		t.Errorf("the ledger tells of %v: %v", told, err)
	}
	again, blocks, err := replay(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		if (b.Rescue != nil) != (b.Height == at) {
			t.Errorf("block %d of the replay has the rescue %v", i, b.Rescue)
		}
	}
	for d, err := range store.Differences(c.store, again) {
		t.Fatalf("the databases differ: %c %q: %x, %x, %v", d.Space, d.Key, d.Have, d.Want, err)
	}
	for height := int64(1); height <= c.height; height++ {
		reader, err := c.app.Archive(height)
		if err != nil {
			t.Fatal(err)
		}
		b, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if read, err := c.app.ReadArchived(&b); err != nil || (read.Rescue != nil) != (height == at) {
			t.Errorf("the archive's block %d: %v", height, err)
		}
	}
}

// A document that does not fit the ledger stops the node before it does anything.
func TestRescueMustFitTheLedger(t *testing.T) {
	c := validated(t)
	for want, alter := range map[string]func(*proof.RescueStatement){
		"":                            func(s *proof.RescueStatement) { s.Height-- }, // past its block, it changes nothing
		"the ledger has block":        func(s *proof.RescueStatement) { s.Height++ },
		"has the hash":                func(s *proof.RescueStatement) { s.App[0] ^= 1 },
		"of the chain":                func(s *proof.RescueStatement) { s.ChainID = "other" },
		"not the next of this ledger": func(s *proof.RescueStatement) { s.Epoch = 2 },
		"does not know this partner": func(s *proof.RescueStatement) {
			s.Validators[3].Public = validatorOf("stranger").Public().(ed25519.PublicKey)
		},
		"shop2: the ledger does": func(s *proof.RescueStatement) { s.Validators[3].Partner = "shop2" },
		"more than two thirds":   func(s *proof.RescueStatement) { s.Validators[0].Power = 1000 },
	} {
		_, err := app.New(app.Config{Store: c.store, Rescue: c.restarts(alter)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
