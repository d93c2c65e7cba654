package app_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const chainID = "waybill-test"

// began is the time of the first block.
var began = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// partners of the test ledgers, in order of their GLNs.
var partners = []string{"farm", "mill", "haul", "shop"}

// member is a partner who signs.
type member struct {
	id, gln string
	key     ed25519.PrivateKey
	secret  []byte
}

// gln makes the n-th GLN under GS1's demonstration prefix.
func gln(n int) string {
	digits := fmt.Sprintf("9521234%05d", n)
	sum := 0
	for i, c := range digits {
		sum += int(c-'0') * (1 + 2*(i%2))
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}

func memberOf(n int, id string) *member {
	seed := sha256.Sum256([]byte("key of " + id))
	secret := sha256.Sum256([]byte("secret of " + id))
	return &member{id: id, gln: gln(n), key: ed25519.NewKeyFromSeed(seed[:]), secret: secret[:]}
}

func (m *member) keyID() string { return schemas.KeyID(m.key.Public().(ed25519.PublicKey)) }

// chain drives one application as the engine does.
type chain struct {
	t       tester
	app     *app.App
	store   *store.Store
	options store.Options
	members map[string]*member
	keys    map[string]ed25519.PrivateKey // further keys, by id
	codec   *schemas.Codec
	genesis []byte
	height  int64
	time    time.Time
	drawn   uint64 // nonces and secrets drawn
	hash    []byte // app hash after the last block
	last    app.Committed
	rules   uint32                                               // that the program knows, if set
	lookups int                                                  // that a block affords, if set
	rescue  *proof.Rescue                                        // by which the network is restarted, if set
	voters  []ed25519.PublicKey                                  // who voted for the last block; told in the next
	own     string                                               // whose bodies alone are kept, if set
	told    func(req *abci.RequestFinalizeBlock, appHash []byte) // told of every block, if set
}

func genesisOf(members map[string]*member) []byte {
	g := schemas.Genesis{Rules: schemas.RulesVersion}
	for _, id := range partners {
		m := members[id]
		g.Partners = append(g.Partners, schemas.Partner{ID: id, Name: id, GLN: m.gln, Standing: schemas.StandingMember, NodeID: "node-" + id})
		g.Keys = append(g.Keys, schemas.Key{Partner: id, ID: m.keyID(), Public: m.key.Public().(ed25519.PublicKey),
			Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1})
	}
	w := memberOf(90, "watch")
	g.Partners = append(g.Partners, schemas.Partner{ID: "watch", Name: "watch", GLN: w.gln, Standing: schemas.StandingObserver})
	g.Keys = append(g.Keys, schemas.Key{Partner: "watch", ID: w.keyID(), Public: w.key.Public().(ed25519.PublicKey), Roles: schemas.RoleCapture, Held: schemas.HeldByGateway, From: 1})
	old := memberOf(1, "farm-old")
	g.Keys = append(g.Keys, schemas.Key{Partner: "farm", ID: old.keyID(), Public: old.key.Public().(ed25519.PublicKey), Roles: schemas.RoleCapture, Held: schemas.HeldByGateway, From: 1, Until: 1})
	b, err := json.Marshal(g)
	if err != nil {
		panic(err)
	}
	return b
}

// tester is a test, a benchmark or one history of rapid's, whose stores close with it.
type tester interface {
	rapid.TB
	Cleanup(func())
	Context() context.Context
}

func newChain(t tester, options store.Options) *chain {
	t.Helper()
	c := &chain{t: t, options: options, members: map[string]*member{}, time: began.Add(-time.Minute)}
	for i, id := range partners {
		c.members[id] = memberOf(i+1, id)
	}
	c.members["watch"] = memberOf(90, "watch")
	c.members["dock"] = memberOf(95, "dock") // no partner at first
	c.genesis = genesisOf(c.members)
	var err error
	if c.codec, err = schemas.NewCodec(); err != nil {
		t.Fatal(err)
	}
	c.open()
	c.init()
	return c
}

func (c *chain) open() {
	c.t.Helper()
	var err error
	if c.store, err = store.Open(c.options); err != nil {
		c.t.Fatal(err)
	}
	opened := c.store
	c.t.Cleanup(func() { _ = opened.Close() }) // unless the test did: what is open keeps its memory
	c.attach()
}

func (c *chain) attach() {
	c.t.Helper()
	var err error
	if c.app, err = app.New(app.Config{Store: c.store, Rescue: c.rescue, Own: c.own, Blocks: c, Rules: c.rules}); err != nil {
		c.t.Fatal(err)
	}
	if c.lookups > 0 {
		c.app.TestingOnlyLookups(c.lookups)
	}
	c.app.OnCommit(func(done app.Committed) { c.last = done })
}

func (c *chain) init() {
	c.t.Helper()
	res, err := c.app.InitChain(context.Background(), &abci.RequestInitChain{ChainId: chainID, InitialHeight: 1, AppStateBytes: c.genesis})
	if err != nil {
		c.t.Fatal(err)
	}
	c.hash = res.AppHash
}

// restart opens the application again. A store on disk is closed and opened; one
// in memory only loses what the application remembered.
func (c *chain) restart() {
	c.t.Helper()
	if c.options.Dir != "" {
		if err := c.store.Close(); err != nil {
			c.t.Fatal(err)
		}
		c.open()
	} else {
		c.attach()
	}
	if c.height == 0 {
		c.init()
	}
}

// draw returns bytes that differ each time and are the same in each run.
func (c *chain) draw(what string) [32]byte {
	c.drawn++
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(what), c.drawn))
}

// draft is a transaction of a partner that expires in a hundred heights.
func (c *chain) draft(partner string, atomic bool, events ...*schemas.Event) schemas.Draft {
	m := c.members[partner]
	nonce, secret := c.draw("nonce"), c.draw("secret")
	d := schemas.Draft{ChainID: chainID, Rules: c.app.RulesAt(c.height + 1), Partner: partner, KeyID: m.keyID(), Actor: "test", Expiry: uint64(c.height + 100),
		Nonce: nonce[:schemas.NonceSize], Secret: secret[:], Atomic: atomic, Events: events}
	for _, e := range events {
		var key []byte // an order has none
		if e.KindOf() == schemas.KindEvent {
			key = schemas.DuplicateKeyOf(m.secret, e)
		}
		d.DuplicateKeys = append(d.DuplicateKeys, key)
	}
	return d
}

func (c *chain) sign(d schemas.Draft) []byte {
	c.t.Helper()
	key, ok := c.keys[d.KeyID]
	if !ok {
		key = c.members[d.Partner].key
	}
	raw, _, err := c.codec.Sign(d, key)
	if err != nil {
		c.t.Fatal(err)
	}
	return raw
}

func (c *chain) request(txs [][]byte) *abci.RequestFinalizeBlock {
	hash := sha256.Sum256(fmt.Appendf(nil, "block %d", c.height+1))
	return &abci.RequestFinalizeBlock{Height: c.height + 1, Time: c.time, Hash: hash[:], Txs: txs, DecidedLastCommit: c.lastCommit()}
}

func (c *chain) lastCommit() (commit abci.CommitInfo) {
	for _, key := range c.voters {
		address := schemas.AddressOf(key)
		commit.Votes = append(commit.Votes, abci.VoteInfo{Validator: abci.Validator{Address: address[:], Power: 1}, BlockIdFlag: 2})
	}
	return commit
}

// Header gives the application the engine's encoding of the commit alone.
func (c *chain) Header(int64) (header, lastCommit, validators []byte, err error) {
	for _, v := range c.lastCommit().Votes {
		signature := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(v.BlockIdFlag))
		signature = protowire.AppendBytes(protowire.AppendTag(signature, 2, protowire.BytesType), v.Validator.Address)
		lastCommit = protowire.AppendBytes(protowire.AppendTag(lastCommit, 4, protowire.BytesType), signature)
	}
	return nil, lastCommit, nil, nil
}

// block makes a block a minute after the last and returns what it answered.
func (c *chain) block(txs ...[]byte) *abci.ResponseFinalizeBlock {
	c.t.Helper()
	c.time = c.time.Add(time.Minute)
	req := c.request(txs)
	proposal, err := c.app.ProcessProposal(context.Background(), &abci.RequestProcessProposal{Height: req.Height, Time: req.Time, Hash: req.Hash, Txs: txs})
	if err != nil || proposal.Status != abci.ResponseProcessProposal_ACCEPT {
		for _, raw := range txs {
			if res, _ := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw}); res.Code != 0 {
				c.t.Errorf("a transaction is refused: %s", res.Log)
			}
		}
		c.t.Fatalf("block %d is not accepted: %v %v", req.Height, proposal, err)
	}
	return c.finish(req)
}

func (c *chain) finish(req *abci.RequestFinalizeBlock) *abci.ResponseFinalizeBlock {
	c.t.Helper()
	res, err := c.app.FinalizeBlock(context.Background(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.app.Commit(context.Background(), &abci.RequestCommit{}); err != nil {
		c.t.Fatal(err)
	}
	c.height, c.hash = req.Height, res.AppHash
	if c.last.Governed {
		if kept, whole, err := c.app.TestingOnlyDirectory(); err != nil || !reflect.DeepEqual(kept, whole) {
			c.t.Fatalf("behind block %d the directory is %+v, read whole %+v: %v", req.Height, kept, whole, err)
		}
	}
	for i, told := range c.last.Receipts {
		r, _, err := c.view().Transaction(told.Transaction)
		if err != nil || r == nil || len(r.Events) != len(told.Events) || r.Position != told.Position {
			c.t.Fatalf("receipt %d is told as %v, read as %v: %v", i, told, r, err)
		}
		for j, e := range told.Events {
			if read := r.Events[j]; e.Code != read.Code || e.Effect != read.Effect || e.First != nil && (read.First == nil || e.First.Locator != read.First.Locator) {
				c.t.Fatalf("event %d of receipt %d is told as %v, read as %v", j, i, e, read)
			}
		}
		c.last.Receipts[i] = *r
	}
	if c.told != nil {
		c.told(req, res.AppHash)
	}
	return res
}

// submit commits one transaction in a block of its own.
func (c *chain) submit(partner string, atomic bool, events ...*schemas.Event) []schemas.EventReceipt {
	c.t.Helper()
	c.block(c.sign(c.draft(partner, atomic, events...)))
	if len(c.last.Receipts) != 1 {
		c.t.Fatalf("%d receipts for one transaction", len(c.last.Receipts))
	}
	return c.last.Receipts[0].Events
}

func (c *chain) view() *app.View {
	c.t.Helper()
	v, err := c.app.View()
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// checkTrails recomputes the head of every trail that the subjects have from its
// records, and compares the counts with the state.
func (c *chain) checkTrails(subjects ...schemas.TrailKey) {
	c.t.Helper()
	v := c.view()
	for _, key := range subjects {
		head, err := v.TrailHead(key)
		if err != nil {
			c.t.Fatal(err)
		}
		entries, err := v.TrailEntries(key)
		if err != nil {
			c.t.Fatal(err)
		}
		hashes := make([][]byte, len(entries))
		for i := range entries {
			hashes[i] = entries[i].Hash[:]
		}
		if root := schemas.MerkleRoot(hashes); head.Count > 0 && root != head.Root {
			c.t.Fatalf("trail %c %s: records hash to %s, its head is %s", key.Kind, key.Subject, root, head.Root)
		}
		if !slices.IsSortedFunc(entries, func(a, b app.TrailEntry) int { return a.Record.Locator.Compare(b.Record.Locator) }) {
			c.t.Fatalf("trail %c %s is not in the ledger's order", key.Kind, key.Subject)
		}
	}
}

// prepare lets the application see transactions as the mempool does.
func (c *chain) prepare(txs [][]byte) {
	c.t.Helper()
	for _, raw := range txs {
		if res, err := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw}); err != nil || res.Code != 0 {
			c.t.Fatal(res, err)
		}
	}
}
