package app_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/oasisprotocol/curve25519-voi/curve"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// badKeys are the encodings of points of small order, all there are.
func badKeys(t *testing.T) (out [][]byte) {
	t.Helper()
	add := func(key []byte) {
		signed := bytes.Clone(key)
		signed[31] ^= 0x80 // of the same order, or zero with a sign
		out = append(out, key, signed)
	}
	for _, p := range curve.EIGHT_TORSION {
		b, err := p.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		add(b)
	}
	for _, low := range []byte{0xed, 0xee} { // y is p, 2^255 - 19, and p + 1
		b := bytes.Repeat([]byte{0xff}, ed25519.PublicKeySize)
		b[0], b[31] = low, 0x7f
		add(b)
	}
	return out
}

// Keys are refused that are a point of small order by what the library says that signatures
// are verified with, in whatever encoding it reads, and no others.
func TestPublicKeys(t *testing.T) {
	bad := 0
	judge := func(key []byte) {
		t.Helper()
		var p curve.EdwardsPoint
		small := p.UnmarshalBinary(key) == nil && p.IsSmallOrder()
		if small {
			bad++
		}
		if err := schemas.CheckPublicKey(key); (err != nil) != small {
			t.Errorf("%x: %v, of small order by the library: %t", key, err, small)
		}
	}
	for _, key := range badKeys(t) {
		judge(key)
	}
	for low := 0xed; low <= 0xff; low++ { // every encoding that is not the one of its point
		for _, top := range []byte{0x7f, 0xff} {
			b := bytes.Repeat([]byte{0xff}, ed25519.PublicKeySize)
			b[0], b[31] = byte(low), top
			judge(b)
		}
	}
	for n := range uint64(256) {
		seed := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
		judge(seed[:]) // half of them are no point
		judge(ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
	}
	if bad < 14 {
		t.Errorf("%d keys were bad", bad)
	}
	if schemas.CheckPublicKey(make([]byte, 31)) == nil || schemas.CheckPublicKey(nil) == nil {
		t.Error("a key of another length is taken")
	}
}

// An act that names a key of small order is in no proposal that an honest node votes for.
// A block that was decided all the same, or before anybody looked, comes to what it always
// did, and is computed again from the archive.
func TestBadKeysInActs(t *testing.T) {
	ctx := context.Background()
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	c.block()
	neutral := "01" + strings.Repeat("00", 31)
	grant := `{"public":"` + neutral + `","roles":["admin"],"held":"client"}`
	node := `"nodeID":"` + strings.Repeat("0b", 20) + `","validator":"` + neutral + `"`
	var txs [][]byte
	for _, act := range [][2]string{
		{"AddKey", grant},
		{"Ready", `{"key":"` + neutral + `"}`},
		{"Propose", `{"kind":"validator","partner":"mill",` + node + `}`},
		{"Propose", `{"kind":"recover","partner":"mill","keys":[` + grant + `]}`},
		{"Propose", `{"kind":"admit","partner":"dock","name":"Dock","gln":"` + gln(95) + `","standing":"member","keys":[` + grant + `],` + node + `}`},
	} {
		var f *schemas.Fault
		_, err := schemas.ReadAct(act[0], []byte(act[1]), c.time)
		if f, _ = err.(*schemas.Fault); f == nil || f.Code != schemas.BadValue || f.Pointer == "" || !strings.Contains(f.Detail, "small order") {
			t.Errorf("%s is answered %v", act, err)
		}
		e, err := schemas.DecodeAct(fmt.Appendf(nil, `{"type":%q,"eventTime":%q,%s`, act[0], c.time.Format(time.RFC3339), act[1][1:]))
		if err != nil {
			t.Fatalf("what is recorded cannot be read: %v", err)
		}
		d := c.draft("farm", false, e)
		d.DuplicateKeys = nil
		raw := c.sign(d)
		txs = append(txs, raw)
		if res, err := c.app.CheckTx(ctx, &abci.RequestCheckTx{Tx: raw}); err != nil || schemas.Code(res.Code) != schemas.BadValue {
			t.Errorf("%s is answered %s by CheckTx, %v", act, schemas.Code(res.Code), err)
		}
		if res, err := c.app.ProcessProposal(ctx, &abci.RequestProcessProposal{Height: c.height + 1, Txs: [][]byte{raw}}); err != nil || res.Status != abci.ResponseProcessProposal_REJECT {
			t.Errorf("%s is voted for: %v", act, err)
		}
		if res, err := c.app.PrepareProposal(ctx, &abci.RequestPrepareProposal{Height: c.height + 1, Txs: [][]byte{raw}, MaxTxBytes: 1 << 20}); err != nil || len(res.Txs) > 0 {
			t.Errorf("%s is proposed: %v", act, err)
		}
	}
	c.time = c.time.Add(time.Minute)
	for i, r := range c.finish(c.request(txs)).TxResults {
		if r.Code != 0 {
			t.Errorf("transaction %d of a decided block: %s", i, schemas.Code(r.Code))
		}
	}
	if code := c.last.Receipts[0].Events[0].Code; code != schemas.OK {
		t.Errorf("the key of a decided block is answered %s", code)
	}
	key, err := hex.DecodeString(neutral)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := c.view().Keys("farm")
	if err != nil || !bytes.Contains(fmt.Append(nil, keys), []byte(schemas.KeyID(key))) {
		t.Errorf("farm's keys are %v, %v", keys, err)
	}
	c.mustReplay()
}

// A network is not founded with such keys; what was founded with them goes on.
func TestBadKeysInGenesis(t *testing.T) {
	c := newChain(t, store.Options{})
	for _, key := range badKeys(t) {
		for what, change := range map[string]func(*schemas.Genesis){
			"a key":       func(g *schemas.Genesis) { g.Keys[1].Public = key },
			"a validator": func(g *schemas.Genesis) { g.Partners[1].Validate = key },
		} {
			g := &schemas.Genesis{}
			if err := json.Unmarshal(c.genesis, g); err != nil {
				t.Fatal(err)
			}
			if err := g.CheckKeys(); err != nil {
				t.Fatalf("good keys: %v", err)
			}
			change(g)
			b, err := json.Marshal(g)
			if err != nil {
				t.Fatal(err)
			}
			if g, err = schemas.DecodeGenesis(b); err != nil {
				t.Errorf("%s %x: what was founded cannot be read: %v", what, key, err)
			} else if g.CheckKeys() == nil {
				t.Errorf("%s %x is taken", what, key)
			}
		}
	}
}
