package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// prepared is what the chain's application would propose now, as it waits in the pool.
func (c *chain) prepared() [][]byte {
	c.t.Helper()
	res, err := c.app.PrepareProposal(context.Background(), &abci.RequestPrepareProposal{Height: c.height + 1, Time: c.time, MaxTxBytes: schemas.MaxBlock})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Txs
}

// signed are n transactions of a partner.
func (c *chain) signed(partner string, n int) (txs [][]byte) {
	for range n {
		txs = append(txs, c.sign(c.draft(partner, false, c.event("obj obs epc=a"))))
	}
	return txs
}

// hand offers transactions of one source and tells how many were taken.
func (c *chain) hand(from string, txs ...[]byte) (taken int) {
	c.t.Helper()
	for _, raw := range txs {
		switch err := c.app.Offer(from, raw); {
		case err == nil:
			taken++
		case !errors.Is(err, app.ErrPoolFull):
			c.t.Errorf("a transaction from %q: %v", from, err)
		}
	}
	if err := c.app.TestingOnlyCheckPool(); err != nil {
		c.t.Error(err)
	}
	return taken
}

func (c *chain) pending(want int) {
	c.t.Helper()
	if got, _ := c.app.Pending(); got != want {
		c.t.Errorf("%d transactions wait, not %d", got, want)
	}
}

// TestPoolRefuses: what could never be in a block is refused with its code and
// does not wait.
func TestPoolRefuses(t *testing.T) {
	c := newChain(t, store.Options{})
	committed := c.sign(c.draft("farm", false, c.event("obj add epc=a step=commissioning")))
	c.block(committed)
	c.block()
	for code, raw := range c.badTransactions(committed) {
		var refused *schemas.Fault
		if err := c.app.Offer("", raw); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("one that is refused with %s: %v", code, err)
		}
	}
	c.pending(0)
}

// TestPoolForgets: what a block held, what expired, and what shares an id with it
// waits no longer; the rest goes on waiting, in its order.
func TestPoolForgets(t *testing.T) {
	c := newChain(t, store.Options{})
	rang := 0
	c.app.OnOffer(func() { rang++ })
	txs := c.signed("farm", 3)
	d := c.draft("mill", false, c.event("obj obs epc=a"))
	d.Expiry = uint64(c.height) + 1
	late := c.sign(d)
	if n := c.hand("", txs...) + c.hand("peer", late) + c.hand("", txs[0]); n != 5 || rang != 4 {
		t.Fatalf("%d offers are taken, and the bell rang %d times", n, rang)
	}
	c.pending(4)
	if got := c.prepared(); len(got) != 4 {
		t.Errorf("%d transactions are proposed", len(got))
	}
	c.block(txs[1])
	c.pending(2)
	if got := c.prepared(); !slices.EqualFunc(got, [][]byte{txs[0], txs[2]}, slices.Equal) {
		t.Errorf("%d transactions are proposed, or in another order", len(got))
	}
	if err := c.app.Offer("", txs[1]); err == nil {
		t.Error("what was committed waits again")
	}
	c.block(txs[0], txs[2])
	c.pending(0)
	if got := c.prepared(); len(got) != 0 {
		t.Errorf("%d transactions are proposed, nothing waits", len(got))
	}
}

// TestPoolKeyEnds: what its key no longer may sign waits no longer.
func TestPoolKeyEnds(t *testing.T) {
	c := newChain(t, store.Options{})
	old := memberOf(1, "farm-old") // a key that ends
	last := int64(0)
	for ; ; last++ {
		d := c.draft("farm", false, c.event("obj obs epc=a"))
		d.KeyID = old.keyID()
		raw, _, err := c.codec.Sign(d, old.key)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.app.Offer("", raw); err != nil {
			break
		}
		c.block()
	}
	if last == 0 {
		t.Fatal("the key never may sign, so that this shows nothing")
	}
	c.pending(0)
}

// TestPoolIsFair: whoever sends little does not wait for whoever sends much, and
// a source's own order stays.
func TestPoolIsFair(t *testing.T) {
	c := newChain(t, store.Options{})
	flood, few, own := c.signed("farm", 60), c.signed("mill", 3), c.signed("haul", 3)
	c.hand("noisy", flood...)
	c.hand("quiet", few...)
	c.hand("", own...)
	got := c.prepared()
	if len(got) != 66 {
		t.Fatalf("%d of 66 transactions are proposed", len(got))
	}
	at := func(raw []byte) int {
		return slices.IndexFunc(got, func(other []byte) bool { return slices.Equal(raw, other) })
	}
	for _, source := range [][][]byte{flood, few, own} {
		for i := range source[1:] {
			if at(source[i]) > at(source[i+1]) {
				t.Fatal("a source's transactions changed their order")
			}
		}
	}
	for i := range 3 {
		if at(few[i]) > 3*i+3 || at(own[i]) > 3*i+3 {
			t.Errorf("behind a flood, the %d-th of others are at %d and %d", i, at(few[i]), at(own[i]))
		}
	}
	// A source that only now begins is not behind either, though the flood has had blocks.
	c.block(got[:30]...)
	late := c.signed("shop", 1)
	c.hand("new", late...)
	if got = c.prepared(); at(late[0]) > 4 {
		t.Errorf("a new source's first is at %d", at(late[0]))
	}
}

// TestPoolBounds: a flood pushes out nothing but itself, and never what the node
// accepted; a full pool says so.
func TestPoolBounds(t *testing.T) {
	c := newChain(t, store.Options{})
	c.app.TestingOnlyPool(1<<20, 20)
	few, own := c.signed("mill", 4), c.signed("haul", 12)
	c.hand("quiet", few[:2]...)
	if n := c.hand("noisy", c.signed("farm", 40)...); n != 18 {
		t.Errorf("%d of a flood are taken, there is room for 18", n)
	}
	if n := c.hand("quiet", few[2:]...); n != 2 {
		t.Errorf("beside a flood %d of 2 are taken", n)
	}
	if n := c.hand("", own...); n != 10 {
		t.Errorf("beside a flood %d of the node's own are taken, it may have 10", n)
	}
	c.pending(20)
	if n := c.hand("third", c.signed("shop", 9)...); n != 3 {
		t.Errorf("a third peer gets %d in, 3 leave it no more than another has", n)
	}
	got := c.prepared()
	for _, raw := range slices.Concat(own[:10], few[:2]) {
		if !slices.ContainsFunc(got, func(other []byte) bool { return slices.Equal(raw, other) }) {
			t.Error("a flood pushed out what was there before it")
		}
	}
	c.block(own[:10]...)
	if n := c.hand("", own[10:]...); n != 2 {
		t.Errorf("after a block %d of 2 are taken", n)
	}
}

// TestPoolKeepsPromises: whatever is offered, committed and pushed out, sums and
// orders hold, no peer that holds less than another loses anything, and what is
// proposed is admissible.
func TestPoolKeepsPromises(t *testing.T) {
	c := newChain(t, store.Options{})
	rapid.Check(t, func(r *rapid.T) {
		c.app.TestingOnlyPool(1<<20, rapid.IntRange(2, 12).Draw(r, "count"))
		c.block()
		held := map[string][][]byte{}
		committed := map[string]bool{}
		commit := func(txs [][]byte) {
			c.block(txs...)
			for _, raw := range txs {
				committed[string(raw)] = true
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"offer": func(r *rapid.T) {
				from := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(r, "from")
				raw := c.signed(rapid.SampledFrom([]string{"farm", "mill"}).Draw(r, "partner"), 1)[0]
				if c.app.Offer(from, raw) == nil {
					held[from] = append(held[from], raw)
				}
			},
			"block": func(r *rapid.T) {
				txs := c.prepared()
				commit(txs[:rapid.IntRange(0, len(txs)).Draw(r, "of it")])
			},
			"": func(r *rapid.T) {
				if err := c.app.TestingOnlyCheckPool(); err != nil {
					r.Fatal(err)
				}
			},
		})
		for len(c.prepared()) > 0 {
			commit(c.prepared())
		}
		c.pending(0)
		for _, raw := range held[""] { // the node's own are never lost, unless blocks leave them out until they expire
			var left *schemas.Fault
			if err := c.app.Offer("", raw); !committed[string(raw)] && (!errors.As(err, &left) || left.Code != schemas.Expired) {
				r.Errorf("one of the node's own was not committed: %v", err)
			}
		}
	})
}

// TestPoolOlder: what waits is listed once it is old, oldest first, whoever it came
// from, and no more than was asked for.
func TestPoolOlder(t *testing.T) {
	c := newChain(t, store.Options{})
	txs := c.signed("farm", 3)
	for i, raw := range txs[:2] {
		c.hand(fmt.Sprint("peer", i), raw)
	}
	old, mark := c.app.Older(0, 1<<20)
	if len(old) != 0 {
		t.Errorf("%d are old at once", len(old))
	}
	c.hand("", txs[2])
	old, _ = c.app.Older(mark, 1<<20)
	if len(old) != 2 || old[0].From != "peer0" || old[1].From != "peer1" || !slices.Equal(old[0].Raw, txs[0]) {
		t.Errorf("%d are old: %v", len(old), old)
	}
	if old, _ = c.app.Older(mark, len(txs[0])); len(old) != 1 {
		t.Errorf("%d are listed, there was room for one", len(old))
	}
}

// TestPoolBesideBlocks: many offer while blocks are made of what waits; each
// transaction is committed once, and nothing stays.
func TestPoolBesideBlocks(t *testing.T) {
	c := newChain(t, store.Options{})
	var offers sync.WaitGroup
	count := 0
	for i, partner := range []string{"farm", "mill", "haul"} {
		txs := c.signed(partner, 30) // no more than have blocks of their own before they expire
		count += len(txs)
		for j := range 2 { // from two peers at once
			offers.Go(func() {
				for _, raw := range txs {
					var f *schemas.Fault
					if err := c.app.Offer(fmt.Sprint(i, j), raw); err != nil && (!errors.As(err, &f) || f.Code != schemas.Replayed) {
						t.Error(err)
					}
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { offers.Wait(); close(done) }()
	committed := 0
	for ended := false; ; {
		txs := c.prepared()
		if len(txs) > 0 {
			c.block(txs...)
			committed += len(txs)
		} else if ended {
			break
		}
		select {
		case <-done:
			ended = true
		default:
		}
	}
	if committed != count {
		t.Errorf("%d of %d transactions are committed", committed, count)
	}
	c.pending(0)
	if err := c.app.TestingOnlyCheckPool(); err != nil {
		t.Error(err)
	}
}

// TestProposeAtMost: a block of this node's is as large as it was told, in the pool's
// order, and a transaction that is larger has one of its own.
func TestProposeAtMost(t *testing.T) {
	c := newChain(t, store.Options{})
	txs := c.signed("farm", 5)
	c.hand("", txs...)
	size := int64(len(txs[0]))
	for most, want := range map[int64]int{0: 5, 1: 1, size: 1, 3*size + size/2: 3, 100 * size: 5} {
		c.app.ProposeAtMost(most)
		if got := c.prepared(); !slices.EqualFunc(got, txs[:min(want, len(txs))], slices.Equal) {
			t.Errorf("of %d transactions of %d bytes %d are proposed in at most %d bytes, not the first %d", len(txs), size, len(got), most, want)
		}
	}
}

// TestCrowd: of each peer no more is in front of the node's own than has its share.
func TestCrowd(t *testing.T) {
	c := newChain(t, store.Options{})
	own, quiet, noisy := c.signed("farm", 2), c.signed("shop", 1), c.signed("shop", 8)
	c.hand("", own...)
	c.hand("quiet", quiet...)
	c.hand("noisy", noisy...)
	bytes := func(txs [][]byte) (n int) {
		for _, raw := range txs {
			n += len(raw)
		}
		return n
	}
	if got, want := c.app.Crowd(bytes(own)), bytes(quiet)+bytes(own); got != want {
		t.Errorf("%d bytes of peers are in front of %d, not %d", got, bytes(own), want)
	}
	c.block(slices.Concat(own, quiet, noisy[:7])...)
	if got, want := c.app.Crowd(1<<20), bytes(noisy[7:]); got != want {
		t.Errorf("behind a block %d bytes of peers are in front, not %d", got, want)
	}
}
