package app_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// recordedChain plays the recorded chain on disk, up to a number of blocks.
func recordedChain(t *testing.T, limit int) *chain {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	var txs [][]byte
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		what, value, _ := strings.Cut(line, " ")
		switch what {
		case "time":
			nanos, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			c.time = time.Unix(0, nanos).UTC()
		case "tx":
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			txs = append(txs, raw)
		case "voted":
			key, err := hex.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			c.voters = append(c.voters, key)
		case "hash":
			c.finish(c.request(txs))
			c.voters = nil
			if txs = nil; c.height == int64(limit) {
				return c
			}
		}
	}
	return c
}

// replay computes a chain again from its archive into a store of its own.
func replay(t *testing.T, c *chain) (*store.Store, []app.ReplayedBlock, error) {
	t.Helper()
	s, err := store.OpenReplay(store.Options{Dir: t.TempDir(), Elsewhere: c.options.Elsewhere}, filepath.Join(c.options.Dir, "archive"), app.SameEntry(c.codec))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r, _, err := app.NewReplay(s, chainID, 1, c.genesis)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []app.ReplayedBlock
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return s, blocks, nil
		}
		if err != nil {
			return s, blocks, err
		}
		blocks = append(blocks, *b)
	}
}

// From the archive alone comes the whole database again, byte for byte: state,
// tree, rows and where the archive has what.
func TestReplayComputesTheDatabaseAgain(t *testing.T) {
	c := recordedChain(t, 1<<30)
	again, blocks, err := replay(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(blocks)) != c.height || blocks[len(blocks)-1].Root != schemas.Hash(c.hash) {
		t.Fatalf("%d blocks come to %s, the chain has %d and %x", len(blocks), blocks[len(blocks)-1].Root, c.height, c.hash)
	}
	for d, err := range store.Differences(c.store, again) {
		t.Fatalf("the databases differ: %c %q: %x, %x, %v", d.Space, d.Key, d.Have, d.Want, err)
	}
}

// What class A refuses never stands in an honest block. Where it does all the
// same, every node has the codes, and can compute them again.
func TestReplayOfRefusedTransactions(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	good := c.sign(c.draft("farm", false, c.event("obj add epc=a step=commissioning")))
	forged := append([]byte(nil), c.sign(c.draft("mill", false, c.event("obj add epc=b step=commissioning")))...)
	forged[len(forged)-1] ^= 1
	c.time = c.time.Add(time.Minute)
	res := c.finish(c.request([][]byte{forged, good, []byte("nonsense"), good}))
	_, blocks, err := replay(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 1 || len(blocks[0].Codes) != 4 {
		t.Fatalf("replayed %+v", blocks)
	}
	for i, r := range res.TxResults {
		if uint32(blocks[0].Codes[i]) != r.Code || (r.Code == 0) != (i == 1) {
			t.Errorf("transaction %d: code %d, replayed as %s", i, r.Code, blocks[0].Codes[i])
		}
	}
}
