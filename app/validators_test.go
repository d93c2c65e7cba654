package app_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// voting is a chain with an engine beside it, which knows who votes: the validators of
// the last block, of the next one and of the one behind it.
type voting struct {
	*chain
	events        int
	last, is, set []string // keys, as text, ascending
	down          map[string]bool
	seen          map[string]int64 // height at which a validator signed last
}

func key(name string) ed25519.PublicKey { return validatorOf(name).Public().(ed25519.PublicKey) }

func keysOf(names ...string) (out []string) {
	for _, name := range names {
		out = append(out, string(key(name)))
	}
	slices.Sort(out)
	return out
}

// newVoting is a chain on which the first so many partners validate.
func newVoting(t testing.TB, founders int, dir string) *voting {
	t.Helper()
	c := newChain(t, store.Options{Dir: dir})
	t.Cleanup(func() { c.store.Close() })
	var g schemas.Genesis
	if err := json.Unmarshal(c.genesis, &g); err != nil {
		t.Fatal(err)
	}
	for i := range g.Partners {
		if slices.Contains(partners[:founders], g.Partners[i].ID) {
			g.Partners[i].Validate = key(g.Partners[i].ID)
		} else {
			g.Partners[i].NodeID = ""
		}
	}
	var err error
	if c.genesis, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	c.init()
	first := keysOf(partners[:founders]...)
	return &voting{chain: c, last: nil, is: first, set: first, down: map[string]bool{}, seen: map[string]int64{}}
}

// live are those of a set who are not down.
func (v *voting) live(set []string) (out []string) {
	for _, k := range set {
		if !v.down[k] {
			out = append(out, k)
		}
	}
	return out
}

func (v *voting) decides() bool { return 3*len(v.live(v.is)) > 2*len(v.is) }

// step makes a block as far as its validators decide one, and follows what it changes.
func (v *voting) step(txs ...[]byte) *abci.ResponseFinalizeBlock {
	v.t.Helper()
	if !v.decides() {
		v.t.Fatalf("the network halts at height %d: %d of %d validators live", v.height+1, len(v.live(v.is)), len(v.is))
	}
	v.voters = nil
	for _, k := range v.live(v.last) {
		v.voters = append(v.voters, ed25519.PublicKey(k))
		v.seen[k] = v.height
	}
	res := v.block(txs...)
	next := slices.Clone(v.set)
	seen := map[string]bool{}
	for _, u := range res.ValidatorUpdates {
		k := string(u.PubKey.GetEd25519())
		if seen[k] {
			v.t.Fatal("one key is changed twice in one block")
		}
		seen[k] = true
		i, there := slices.BinarySearch(next, k)
		switch {
		case u.Power == 0 && there:
			next = slices.Delete(next, i, i+1)
		case u.Power == 1 && !there:
			next = slices.Insert(next, i, k)
		default:
			v.t.Fatalf("power %d of a validator that is there: %t", u.Power, there)
		}
	}
	if len(next) == 0 {
		v.t.Fatal("nobody validates any more")
	}
	if len(seen) > 0 {
		v.survives(next)
	}
	v.last, v.is, v.set = v.is, v.set, next
	return res
}

// survives holds a change against what the engine saw: of those who validate behind it
// more than two thirds signed within the last hundred heights. One who is new counts
// where the others could not do without it.
func (v *voting) survives(next []string) {
	v.t.Helper()
	stay, live := 0, 0
	for _, k := range next {
		if !slices.Contains(v.set, k) {
			continue
		}
		stay++
		if at, ok := v.seen[k]; ok && at+100 >= v.height {
			live++
		}
	}
	if stay < len(next) && 3*stay <= 2*len(next) {
		live++
	}
	if 3*live <= 2*len(next) {
		v.t.Fatalf("block %d leaves %d validators, of whom %d count", v.height, len(next), live)
	}
}

// event is a block with a transaction, in which nothing happens.
func (v *voting) event() *abci.ResponseFinalizeBlock {
	v.t.Helper()
	v.events++
	return v.step(v.sign(v.draft("farm", false, v.chain.event(fmt.Sprintf("obj add epc=x%d step=commissioning", v.events)))))
}

// order orders a validator, nil for none, in a block of its own.
func (v *voting) order(partner string, key []byte) (code schemas.Code) {
	v.t.Helper()
	v.app.TestingOnlyOrder(func(c schemas.Code) { code = c }, partner, strings.Repeat("0", 32)+fmt.Sprintf("%x", partner[:4]), key)
	v.event()
	return code
}

// ready says for a partner's node that it is.
func (v *voting) ready(partner string, key []byte) (schemas.Code, []abci.ValidatorUpdate) {
	v.t.Helper()
	e, err := schemas.MakeAct(&schemas.Ready{Key: key}, "", v.time)
	if err != nil {
		v.t.Fatal(err)
	}
	res := v.step(v.sign(v.draft(partner, false, e)))
	return v.chain.last.Receipts[0].Events[0].Code, res.ValidatorUpdates
}

func (v *voting) want(what string, got, want schemas.Code) {
	v.t.Helper()
	if got != want {
		v.t.Fatalf("%s: %s, not %s", what, got, want)
	}
}

// A network grows from one validator to four, each when its node is ready.
func TestValidatorsGrow(t *testing.T) {
	v := newVoting(t, 1, "")
	v.event()
	v.event()
	for _, id := range partners[1:] {
		code, _ := v.ready(id, key(id))
		v.want("ready without an order", code, schemas.NotOrdered)
		v.want("an order", v.order(id, key(id)), schemas.OK)
		if len(v.event().ValidatorUpdates) > 0 {
			t.Fatal("who is not ready becomes a validator")
		}
		code, _ = v.ready(id, key("another"))
		v.want("ready with another key", code, schemas.NotOrdered)
		before := v.height
		code, updates := v.ready(id, key(id))
		v.want("ready", code, schemas.OK)
		if len(updates) != 1 || updates[0].Power != 1 || !bytes.Equal(updates[0].PubKey.GetEd25519(), key(id)) {
			t.Fatalf("%s, ready at height %d, makes the updates %v", id, before, updates)
		}
		for range 4 { // the new one signs, and is seen
			v.event()
		}
		if order, err := v.view().Order(id); order != nil || err != nil {
			t.Errorf("what holds is still ordered: %v %v", order, err)
		}
	}
	if len(v.is) != 4 {
		t.Fatalf("%d validators", len(v.is))
	}
	if _, _, err := replay(t, quietChain(t)); err != nil {
		t.Fatal(err)
	}
}

// quietChain is a chain of votes, some missing, and no orders.
func quietChain(t *testing.T) *chain {
	v := newVoting(t, 4, filepath.Join(t.TempDir(), "ledger"))
	for i := range 120 {
		v.down = map[string]bool{string(key(partners[i/3%4])): true}
		if v.step(); i%4 == 0 {
			v.event()
		}
	}
	return v.chain
}

// What would leave the network without those it needs is refused, or waits.
func TestValidatorChangesAreSafe(t *testing.T) {
	v := newVoting(t, 4, "")
	v.event()
	v.event()
	shop, mill := key("shop"), key("mill")
	v.want("a key that another has", v.order("farm", mill), schemas.ValidatorTaken)
	v.want("of a stranger", v.order("nobody", key("x")), schemas.UnknownPartner)
	v.want("of an observer", v.order("watch", key("x")), schemas.NoMember)
	v.want("away from who has none", v.order("watch", nil), schemas.NoValidator)

	v.down[string(shop)] = true
	for range 101 {
		v.step()
	}
	v.event()
	v.want("of one who is up, while another is down", v.order("mill", nil), schemas.UnsafeChange)
	v.want("a new key, while another is down", v.order("mill", key("mill2")), schemas.OK)
	if code, updates := v.ready("mill", key("mill2")); code != schemas.OK || len(updates) > 0 {
		t.Fatalf("a key is replaced while only two others live: %s %v", code, updates)
	}
	v.down[string(shop)] = false
	v.step()
	v.step()
	if updates := v.event().ValidatorUpdates; len(updates) != 2 {
		t.Fatalf("it is not tried again: %v", updates)
	}
	v.want("back", v.order("mill", mill), schemas.OK)
	v.want("withdrawn", v.order("mill", key("mill2")), schemas.OK) // the key that holds
	if order, _ := v.view().Order("mill"); order != nil {
		t.Errorf("the order still stands: %v", order)
	}
	// The one that is down can always be removed.
	v.down[string(shop)] = true
	for range 101 {
		v.step()
	}
	v.event()
	v.want("the one that is down", v.order("shop", nil), schemas.OK)
	for _, id := range []string{"haul", "mill"} {
		for range 4 {
			v.event()
		}
		v.want(id, v.order(id, nil), schemas.OK)
	}
	v.event()
	v.want("the last", v.order("farm", nil), schemas.LastValidator)
}

// A node that was ready long ago is not any more.
func TestReadinessPasses(t *testing.T) {
	v := newVoting(t, 4, "")
	v.event()
	v.event()
	v.down[string(key("shop"))] = true
	for range 101 {
		v.step()
	}
	v.want("an order", v.order("mill", key("mill2")), schemas.OK)
	v.ready("mill", key("mill2"))
	for range 101 {
		v.step()
	}
	v.down[string(key("shop"))] = false
	v.step()
	v.step()
	for range 3 {
		if updates := v.event().ValidatorUpdates; len(updates) > 0 {
			t.Fatal("a node that was ready a hundred blocks ago becomes a validator")
		}
	}
}

// TestValidatorsModel: whatever is ordered, while nobody dies who was alive, blocks
// go on; what the ledger says is what the engine has.
func TestValidatorsModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			v := newVoting(t, 1+r.IntN(4), "")
			v.event()
			keys := map[string]string{} // what was ordered last, by partner
			for n := range 250 {
				if r.IntN(40) == 0 && len(v.down) == 0 && len(v.is) > 3 && len(v.set) > 3 {
					v.down[v.is[r.IntN(len(v.is))]] = true
					for range 101 {
						v.step()
					}
				} else if r.IntN(20) == 0 {
					clear(v.down)
				}
				id := partners[r.IntN(len(partners))]
				switch r.IntN(6) {
				case 0:
					v.order(id, nil)
				case 1, 2:
					keys[id] = fmt.Sprint(id, n%5)
					v.order(id, key(keys[id]))
				case 3, 4:
					if keys[id] != "" {
						v.ready(id, key(keys[id]))
					}
				default:
					v.step()
				}
				var said []string
				list, err := v.view().Partners()
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range list {
					if len(p.Validate) > 0 {
						said = append(said, string(p.Validate))
					}
				}
				if slices.Sort(said); !slices.Equal(said, v.set) {
					t.Fatalf("height %d: the ledger has %d validators, the engine %d others", v.height, len(said), len(v.set))
				}
			}
		})
	}
}

// What is ordered is taken back by the vote that takes the validator away, and goes with
// the partner.
func TestOrdersAreTakenBack(t *testing.T) {
	s := newScript(t)
	order := fmt.Sprintf(`"kind":"validator","partner":"shop","nodeID":"%040x","validator":"%x"`, "shop", []byte(key("shop")))
	for _, ends := range []string{`"kind":"remove-validator","partner":"shop"`, `"kind":"remove","partner":"shop"`} {
		s.pass(order, "mill", "haul")
		if o, err := s.view().Order("shop"); o == nil || err != nil {
			t.Fatal("nothing is ordered", err)
		}
		s.pass(ends, "mill", "haul")
		if o, err := s.view().Order("shop"); o != nil || err != nil {
			t.Errorf("behind %s there is still %+v ordered: %v", ends, o, err)
		}
	}
}
