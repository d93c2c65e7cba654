package app_test

import (
	"crypto/ed25519"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// byHash asks for the events of a hash ID, in the ledger's order.
func (c *chain) byHash(id string, also schemas.EventQuery) (ids []string) {
	c.t.Helper()
	also.EventIDs, also.Limit, also.Ascending = []string{id}, 10, true
	list, _, err := c.view().Events(c.t.Context(), also)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range list {
		ids = append(ids, list[i].EventID)
	}
	return ids
}

// The hash of an event is in its receipt, whoever asks for it and when, and finds
// it, alone and with other conditions, and under any eventID; an erasure takes it
// away. What a replay computes has the same rows.
func TestEventHashes(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	said := c.event("obj add epc=a step=commissioning id=x1 loc=hall note=first")
	same := c.event("obj add epc=a step=commissioning id=x2 loc=hall note=first")
	other := c.event("obj obs epc=a step=shipping id=x3 loc=hall note=first")
	hash := schemas.EventHash(said, schemas.CBV20)
	told := c.submit("farm", false, said, other)
	transaction := c.last.Receipts[0].Transaction
	told = append(told, c.submit("mill", false, same)...)
	for i, e := range []*schemas.Event{said, other, same} {
		if told[i].Hash == nil || told[i].Hash.String() != schemas.EventHash(e, schemas.CBV20) {
			t.Errorf("the receipt of %s has the hash %v", told[i].EventID, told[i].Hash)
		}
	}
	fresh := c.event("obj add epc=a step=commissioning id=x4 loc=hall note=first")
	rehearsed, err := c.app.DryRun("test", "farm", false, []*schemas.Event{fresh})
	if err != nil || rehearsed.Events[0].Hash.String() != schemas.EventHash(fresh, schemas.CBV20) {
		t.Errorf("a rehearsal tells %+v, %v", rehearsed, err)
	}
	later, _, err := c.view().Transaction(transaction)
	if err != nil || later.Events[0].Hash.String() != hash {
		t.Errorf("later the receipt is %+v, %v", later, err)
	}
	remembered := later
	c.app.TestingOnlyForget()
	if later, _, err = c.view().Transaction(transaction); err != nil || !reflect.DeepEqual(later, remembered) {
		t.Errorf("read from the archive the receipt is %+v, %v; it was %+v", later, err, remembered)
	}
	again := c.submit("farm", false, said)[0]
	if again.Effect != schemas.Duplicate || again.Hash.String() != hash || again.First.Hash.String() != hash {
		t.Errorf("a repetition is answered %+v, the first %+v", again, again.First)
	}
	told21 := strings.Replace(hash, "CBV2.0", "CBV2.1", 1) // nothing in the event makes a difference
	x1, x2, x3 := "urn:example:event:x1", "urn:example:event:x2", "urn:example:event:x3"
	for _, q := range []struct {
		id   string
		also schemas.EventQuery
		want []string
	}{
		{hash, schemas.EventQuery{}, []string{x1, x2}},
		{told21, schemas.EventQuery{}, []string{x1, x2}},
		{schemas.EventHash(other, schemas.CBV20), schemas.EventQuery{}, []string{x3}},
		{hash, schemas.EventQuery{BizSteps: []string{"commissioning"}}, []string{x1, x2}},
		{hash, schemas.EventQuery{BizSteps: []string{"shipping"}}, nil},
		{strings.Replace(hash, ";", ";0", 1), schemas.EventQuery{}, nil},
		{hash[:len(hash)-12] + "0" + hash[len(hash)-11:], schemas.EventQuery{}, nil}, // the beginning is that of another
	} {
		if q.id == hash && q.want == nil && len(q.also.BizSteps) == 0 {
			continue // the digest ends in 0 by chance
		}
		if got := c.byHash(q.id, q.also); !slices.Equal(got, q.want) {
			t.Errorf("%s with %v finds %v, want %v", q.id, q.also.BizSteps, got, q.want)
		}
	}
	if found, err := c.view().EventsByID(hash); err != nil || len(found) != 2 {
		t.Errorf("%d events by their hash, %v", len(found), err)
	}
	c.mustReplay()
	mustBe(t, "an order", c.give("farm", false, c.order(schemas.OrderErase, x1))[0], schemas.OK)
	if got := c.byHash(hash, schemas.EventQuery{}); !slices.Equal(got, []string{x2}) {
		t.Errorf("after the erasure of one are found %v", got)
	}
	later, _, err = c.view().Transaction(transaction)
	if err != nil || later.Events[0].Hash != nil || later.Events[1].Hash == nil {
		t.Errorf("after the erasure the receipt is %+v, %v", later, err)
	}
	c.mustReplay()
}

// An eventID that is itself a hash ID is found as what it is, and as a hash.
func TestEventIDThatIsAHash(t *testing.T) {
	c := newChain(t, store.Options{})
	e := c.event("obj add epc=a step=commissioning")
	hash := schemas.EventHash(e, schemas.CBV20)
	named, err := schemas.DecodeSingle([]byte(strings.TrimSuffix(string(e.Body), "}") + `,"eventID":"` + hash + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.submit("farm", false, named)[0]; got.EventID != hash || got.Hash.String() != hash {
		t.Fatalf("recorded as %+v", got)
	}
	if got := c.byHash(hash, schemas.EventQuery{}); !slices.Equal(got, []string{hash}) {
		t.Errorf("found are %v", got)
	}
}

// A transaction that its signer anticipates is judged and executed as any other,
// and needs no room once somebody has asked for it.
func TestAnticipated(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	key := c.members["farm"].key
	said, err := schemas.DecodeSingle(c.event("obj add epc=a step=commissioning id=x1 loc=hall note=first").Body)
	if err != nil {
		t.Fatal(err)
	}
	raw, tx, err := c.codec.SignDecoded(c.draft("farm", false, said), key)
	if err != nil || !c.app.Anticipates() {
		t.Fatalf("signing: %v", err)
	}
	body := said.Body
	c.app.Anticipate(raw, tx, key.Public().(ed25519.PublicKey))
	if said.Body == nil || !slices.Equal(said.Body, body) {
		t.Error("anticipating takes the signer's event apart")
	}
	if n := c.app.TestingOnlyAhead(); n == 0 {
		t.Error("what was anticipated takes no room")
	}
	res, err := c.app.CheckTx(t.Context(), &abci.RequestCheckTx{Tx: raw})
	if err != nil || res.Code != 0 {
		t.Fatalf("it is answered %+v, %v", res, err)
	}
	if n := c.app.TestingOnlyAhead(); n != 0 {
		t.Errorf("%d bytes are still ahead", n)
	}
	c.block(raw)
	if e := c.last.Receipts[0].Events[0]; e.Code != schemas.OK || e.Hash.String() != schemas.EventHash(said, schemas.CBV20) {
		t.Errorf("its receipt is %+v", e)
	}
	c.mustReplay()

	// One that its key may not sign is refused all the same.
	stranger := ed25519.NewKeyFromSeed([]byte("a key that no partner has at all"))
	raw, tx, err = c.codec.SignDecoded(c.draft("farm", false, c.event("obj obs epc=a")), stranger)
	if err != nil {
		t.Fatal(err)
	}
	c.app.Anticipate(raw, tx, stranger.Public().(ed25519.PublicKey))
	if res, err := c.app.CheckTx(t.Context(), &abci.RequestCheckTx{Tx: raw}); err != nil || schemas.Code(res.Code) != schemas.BadSignature {
		t.Errorf("a stranger's is answered %+v, %v", res, err)
	}
}
