package app_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/types"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

func (c *chain) event(text string) *schemas.Event {
	c.t.Helper()
	e, err := notation{c.members}.event(text, c.time)
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// altered opens a signed transaction, changes it and signs it again.
func (c *chain) altered(raw []byte, change func(e *schemas.Envelope, h *schemas.Header)) []byte {
	c.t.Helper()
	e, h := &schemas.Envelope{}, &schemas.Header{}
	if err := errors.Join(proto.Unmarshal(raw, e), proto.Unmarshal(e.Header, h)); err != nil {
		c.t.Fatal(err)
	}
	change(e, h)
	options := proto.MarshalOptions{Deterministic: true}
	var err error
	if e.Header, err = options.Marshal(h); err != nil {
		c.t.Fatal(err)
	}
	id := schemas.TransactionID(e.Header)
	e.Signature = ed25519.Sign(c.members["farm"].key, id[:])
	if raw, err = options.Marshal(e); err != nil {
		c.t.Fatal(err)
	}
	return raw
}

// badTransactions are transactions that no block may hold, by what is wrong.
func (c *chain) badTransactions(committed []byte) map[schemas.Code][]byte {
	good := func(change func(*schemas.Draft)) []byte {
		d := c.draft("farm", false, c.event("obj add epc=bad step=commissioning"))
		change(&d)
		raw, _, err := c.codec.Sign(d, c.members["farm"].key)
		if err != nil {
			c.t.Fatal(err)
		}
		return raw
	}
	plain := func(*schemas.Draft) {}
	header := func(f func(h *schemas.Header)) []byte {
		return c.altered(good(plain), func(_ *schemas.Envelope, h *schemas.Header) { f(h) })
	}
	forged := good(plain)
	forged[bytes.LastIndex(forged, []byte{0x12, 0x40})+10] ^= 1 // in the signature
	old := memberOf(1, "farm-old")
	oldDraft := c.draft("farm", false, c.event("obj add epc=bad step=commissioning"))
	oldDraft.KeyID = old.keyID()
	late, _, err := c.codec.Sign(oldDraft, old.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return map[schemas.Code][]byte{
		schemas.BadEncoding:    append(good(plain), 0),
		schemas.WrongChain:     good(func(d *schemas.Draft) { d.ChainID = "other" }),
		schemas.WrongRules:     header(func(h *schemas.Header) { h.Rules = 2 }),
		schemas.UnknownPartner: good(func(d *schemas.Draft) { d.Partner = "nobody" }),
		schemas.UnknownKey:     good(func(d *schemas.Draft) { d.KeyID = "0123456789abcdef" }),
		schemas.KeyNotValid:    late,
		schemas.BadSignature:   forged,
		schemas.Expired:        good(func(d *schemas.Draft) { d.Expiry = uint64(c.height) }),
		schemas.ExpiryTooFar:   good(func(d *schemas.Draft) { d.Expiry = uint64(c.height) + 20 + schemas.MaxExpiry }),
		schemas.Replayed:       committed,
		schemas.RootMismatch:   header(func(h *schemas.Header) { h.Root = make([]byte, 32) }),
		schemas.TransactionTooLarge: c.altered(good(plain), func(e *schemas.Envelope, h *schemas.Header) {
			for len(e.Payloads) <= schemas.MaxMessages {
				e.Payloads = append(e.Payloads, e.Payloads[0])
			}
			h.Count = uint32(len(e.Payloads))
		}),
		schemas.BadCompression: c.altered(good(plain), func(e *schemas.Envelope, _ *schemas.Header) { e.Bodies.Frame = append(e.Bodies.Frame, 0) }),
		schemas.Unsupported:    c.altered(good(plain), func(e *schemas.Envelope, _ *schemas.Header) { e.Payloads[0].Author = 1 }),
	}
}

// TestClassA holds every refusal of class A: CheckTx names it, a proposal with it
// is voted down, PrepareProposal leaves it out, and a block that has it all the
// same executes as if it were not there.
func TestClassA(t *testing.T) {
	c := newChain(t, store.Options{})
	committed := c.sign(c.draft("farm", false, c.event("obj add epc=a step=commissioning")))
	c.block(committed)
	c.block()
	bad := c.badTransactions(committed)
	for _, code := range schemas.Codes() {
		if code >= 200 && code < 300 && bad[code] == nil {
			t.Errorf("no transaction shows %s", code)
		}
	}
	ctx := context.Background()
	good := c.sign(c.draft("mill", false, c.event("obj add epc=b step=commissioning")))
	all := [][]byte{good}
	for code, raw := range bad {
		all = append(all, raw)
		check, err := c.app.CheckTx(ctx, &abci.RequestCheckTx{Tx: raw})
		if err != nil || schemas.Code(check.Code) != code || check.Log == "" {
			t.Errorf("CheckTx of %s answers %s %q %v", code, schemas.Code(check.Code), check.Log, err)
		}
		answer, err := c.app.ProcessProposal(ctx, &abci.RequestProcessProposal{Height: c.height + 1, Txs: [][]byte{good, raw}})
		if err != nil || answer.Status != abci.ResponseProcessProposal_REJECT {
			t.Errorf("a proposal with %s is answered %v %v", code, answer.Status, err)
		}
	}
	all = append(all, good) // twice
	prepared, err := c.app.PrepareProposal(ctx, &abci.RequestPrepareProposal{Height: c.height + 1, MaxTxBytes: 4 << 20, Txs: all})
	if err != nil || len(prepared.Txs) != 1 || !bytes.Equal(prepared.Txs[0], good) {
		t.Errorf("%d transactions are proposed, %v", len(prepared.Txs), err)
	}
	twice, err := c.app.ProcessProposal(ctx, &abci.RequestProcessProposal{Height: c.height + 1, Txs: [][]byte{good, good}})
	if err != nil || twice.Status != abci.ResponseProcessProposal_REJECT {
		t.Errorf("a proposal with a transaction twice is answered %v %v", twice.Status, err)
	}

	// The same block on a ledger that was given only the good one.
	other := newChain(t, store.Options{})
	other.block(committed)
	other.block()
	c.time = c.time.Add(1)
	other.time = c.time
	want := other.finish(other.request([][]byte{good}))
	got := c.finish(c.request([][]byte{good}))
	if !bytes.Equal(got.AppHash, want.AppHash) {
		t.Fatal("two ledgers with one history differ")
	}
	got = c.finish(c.request(all))
	for i, raw := range all[1 : len(all)-1] {
		if code := schemas.Code(got.TxResults[i+1].Code); bad[code] == nil || !bytes.Equal(bad[code], raw) || len(got.TxResults[i+1].Data) > 0 {
			t.Errorf("in a block, transaction %d is answered %s", i+1, code)
		}
	}
	if schemas.Code(got.TxResults[0].Code) != schemas.Replayed || !bytes.Equal(got.AppHash, want.AppHash) {
		t.Error("a block of refused transactions changes the state")
	}
}

// TestObserversDoNotSubmit: who only reads signs nothing.
func TestObserversDoNotSubmit(t *testing.T) {
	c := newChain(t, store.Options{})
	raw := c.sign(c.draft("watch", false, c.event("obj add epc=a")))
	check, err := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw})
	if err != nil || schemas.Code(check.Code) != schemas.KeyNotValid {
		t.Errorf("answered %s, %v", schemas.Code(check.Code), err)
	}
}

// TestConflictsAreNoReason: two honest transactions that contradict each other are
// one block, whose proposer is not voted down.
func TestConflictsAreNoReason(t *testing.T) {
	c := newChain(t, store.Options{})
	first := c.sign(c.draft("farm", false, c.event("obj add epc=a id=1"), c.event("obj add epc=a id=1 note=other")))
	second := c.sign(c.draft("mill", true, c.event("obj del epc=a"), c.event("obj add epc=b id=1")))
	res := c.block(first, second)
	for i, r := range res.TxResults {
		if r.Code != 0 || len(r.Data) == 0 || r.Log != "" || r.Info != "" || len(r.Events) > 0 {
			t.Errorf("transaction %d: %v", i, r)
		}
	}
}

// TestProposalsFit: what is proposed never exceeds what the engine asked for, nor
// the ledger's own bounds.
func TestProposalsFit(t *testing.T) {
	c := newChain(t, store.Options{})
	var txs [][]byte
	for range 40 {
		txs = append(txs, c.sign(c.draft("farm", false, c.event("obj add epc=a step=commissioning"))))
	}
	for limit := int64(0); limit < 20_000; limit += 97 {
		res, err := c.app.PrepareProposal(context.Background(), &abci.RequestPrepareProposal{Height: 1, MaxTxBytes: limit, Txs: txs})
		if err != nil {
			t.Fatal(err)
		}
		size := types.ComputeProtoSizeForTxs(types.ToTxs(res.Txs))
		if size > limit {
			t.Fatalf("%d bytes are proposed, %d were asked for", size, limit)
		}
		if room := limit - size; len(res.Txs) < len(txs) && room > int64(len(txs[0]))+100 {
			t.Fatalf("%d bytes of %d are left empty", room, limit)
		}
	}
}

// TestBlocksAreBounded: the caps of a block hold though each transaction is within
// its own.
func TestBlocksAreBounded(t *testing.T) {
	c := newChain(t, store.Options{})
	events := make([]*schemas.Event, schemas.MaxMessages)
	for i := range events {
		events[i] = c.event("obj obs epc=a")
	}
	var txs [][]byte
	for range schemas.MaxBlockMessages/schemas.MaxMessages + 1 {
		d := c.draft("farm", false)
		d.Events, d.DuplicateKeys = events, nil
		txs = append(txs, c.sign(d))
	}
	ctx := context.Background()
	res, err := c.app.PrepareProposal(ctx, &abci.RequestPrepareProposal{Height: 1, MaxTxBytes: 1 << 30, Txs: txs})
	if err != nil || len(res.Txs) != len(txs)-1 {
		t.Fatalf("%d transactions of %d are proposed, %v", len(res.Txs), len(txs), err)
	}
	answer, err := c.app.ProcessProposal(ctx, &abci.RequestProcessProposal{Height: 1, Txs: txs})
	if err != nil || answer.Status != abci.ResponseProcessProposal_REJECT {
		t.Errorf("a block beyond its bounds is answered %v, %v", answer.Status, err)
	}
}

// TestPeers: the node ids of partners may connect, from any address.
func TestPeers(t *testing.T) {
	c := newChain(t, store.Options{})
	for path, want := range map[string]schemas.Code{
		"/p2p/filter/addr/10.0.0.1:26656": schemas.OK,
		"/p2p/filter/id/node-farm":        schemas.OK,
		"/p2p/filter/id/node-stranger":    schemas.Forbidden,
		"/p2p/filter/id/":                 schemas.Forbidden,
		"/store/key":                      schemas.NotFound,
	} {
		res, err := c.app.Query(context.Background(), &abci.RequestQuery{Path: path})
		if err != nil || schemas.Code(res.Code) != want {
			t.Errorf("%s: %s, %v", path, schemas.Code(res.Code), err)
		}
	}
}

// Until a node has caught up, the nodes of the genesis document and of its invite may
// connect, and those of the ledger; afterwards the ledger's alone, as of the last block.
// Who is removed does not come back, also not through a node that starts again.
func TestPeersFollowTheLedger(t *testing.T) {
	s := &script{chain: newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")}), subjects: map[schemas.TrailKey]bool{}}
	invited := []string{"node-farm", "node-haul", "node-of-the-invite"}
	s.app.TestingOnlyInvite(invited)
	admitted := func(when string, want ...string) {
		t.Helper()
		for _, id := range []string{"node-farm", "node-haul", "node-mill", "node-of-the-invite", fmt.Sprintf("%040x", "shop"), "node-stranger"} {
			res, err := s.app.Query(context.Background(), &abci.RequestQuery{Path: "/p2p/filter/id/" + id})
			if ok := err == nil && res.Code == 0; ok != slices.Contains(want, id) {
				t.Errorf("%s %s is admitted: %t, %v", when, id, ok, err)
			}
		}
	}
	admitted("at first", "node-farm", "node-haul", "node-mill", "node-of-the-invite")
	s.app.CaughtUp()
	admitted("caught up", "node-farm", "node-haul", "node-mill")
	s.pass(fmt.Sprintf(`"kind":"validator","partner":"shop","nodeID":"%040x","validator":"%x"`, "shop", []byte(key("shop"))), "mill", "shop")
	admitted("ordered", "node-farm", "node-haul", "node-mill", fmt.Sprintf("%040x", "shop"))
	s.pass(`"kind":"suspend","partner":"haul"`, "mill", "shop")
	admitted("suspended", "node-farm", "node-haul", "node-mill", fmt.Sprintf("%040x", "shop"))
	s.pass(`"kind":"remove","partner":"haul"`, "mill", "shop")
	admitted("behind the removal", "node-farm", "node-mill", fmt.Sprintf("%040x", "shop"))
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	defer s.store.Close()
	s.app.TestingOnlyInvite(invited)
	admitted("started again", "node-farm", "node-mill", "node-of-the-invite", fmt.Sprintf("%040x", "shop"))
}

// TestSignatureFirst: what nobody signed is refused before it is decompressed.
func TestSignatureFirst(t *testing.T) {
	c := newChain(t, store.Options{})
	signed := c.altered(c.sign(c.draft("farm", false, c.event("obj add epc=a"))), func(e *schemas.Envelope, _ *schemas.Header) {
		e.Bodies.Frame = append(e.Bodies.Frame, 0)
	})
	forged := bytes.Clone(signed)
	forged[bytes.LastIndex(forged, []byte{0x12, 0x40})+10] ^= 1
	for want, raw := range map[schemas.Code][]byte{schemas.BadCompression: signed, schemas.BadSignature: forged} {
		if res, err := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw}); err != nil || schemas.Code(res.Code) != want {
			t.Errorf("answered %s, not %s: %v", schemas.Code(res.Code), want, err)
		}
	}
}
