package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
)

var golden = flag.Bool("golden", false, "record the golden chain anew: only for a new version of the rules")

const goldenFile = "testdata/golden/chain.txt"

// TestGolden executes a recorded chain and compares every app hash. What it holds
// is what every network in the field holds: if it fails, nodes of this program and
// of the last would part.
func TestGolden(t *testing.T) {
	if *golden {
		recordGolden(t)
	}
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(t, store.Options{})
	var txs [][]byte
	blocks := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		what, value, _ := strings.Cut(line, " ")
		switch what {
		case "genesis":
			if got := hex.EncodeToString(c.hash); got != value {
				t.Fatalf("the genesis state hashes to %s, recorded is %s", got, value)
			}
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
			if got := hex.EncodeToString(c.hash); got != value {
				t.Fatalf("block %d comes to %s, recorded is %s", c.height, got, value)
			}
			txs = nil
			blocks++
		}
	}
	if blocks < 50 {
		t.Errorf("only %d blocks are recorded", blocks)
	}
}

// recordGolden plays all scripts on one chain and writes down what they submit.
func recordGolden(t *testing.T) {
	var out bytes.Buffer
	s := &script{chain: newChain(t, store.Options{}), recording: true}
	fmt.Fprintf(&out, "genesis %x\n", s.hash)
	s.told = func(req *abci.RequestFinalizeBlock, appHash []byte) {
		fmt.Fprintf(&out, "time %d\n", req.Time.UnixNano())
		for _, key := range s.voters {
			fmt.Fprintf(&out, "voted %x\n", key)
		}
		for _, raw := range req.Txs {
			fmt.Fprintf(&out, "tx %s\n", base64.StdEncoding.EncodeToString(raw))
		}
		fmt.Fprintf(&out, "hash %x\n", appHash)
	}
	for file, text := range scripts(t) {
		if strings.HasSuffix(file, "/strict.txt") {
			continue // no message of the chain says that its network is strict
		}
		s.play(text)
		s.block()
	}
	if err := os.MkdirAll(filepath.Dir(goldenFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
