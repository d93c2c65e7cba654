package node_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node whose ledger was restored, but whose engine was killed before it learned
// of it, begins again, if it still knows whom to trust, and never runs on half.
func TestUnfinishedRestore(t *testing.T) {
	s := alone(t)
	s.SnapshotHeights = 1
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, event(t, 1))
	var snapshot *abci.Snapshot
	var chunks [][]byte
	for deadline := time.Now().Add(patience); snapshot == nil; {
		net, err := n.Ledger().Network(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no snapshot was taken: %v", err)
		}
		if len(net.Snapshots) > 0 {
			snapshot, chunks = taken(t, s.Home)
		}
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	// What state sync leaves when it is killed at that moment: a ledger, no blocks.
	for _, name := range []string{"ledger", "blockstore.db", "state.db", "consensus"} {
		if err := os.RemoveAll(filepath.Join(s.Home, "data", name)); err != nil {
			t.Fatal(err)
		}
	}
	restoreInto(t, node.LedgerPath(s.Home), snapshot, chunks)
	if n, err := node.Start(t.Context(), s, "test", io.Discard); err == nil || !strings.Contains(err.Error(), "root of trust") {
		t.Fatalf("without a root of trust it starts: %v, %v", n, err)
	}
	root, err := json.Marshal(map[string]any{"chain_id": "alone", "height": 1, "time": time.Now(), "header_hash": strings.Repeat("ab", 32), "validator_set_hash": strings.Repeat("cd", 32)})
	if err != nil {
		t.Fatal(err)
	}
	s.Trust = node.TrustFile
	if err := os.WriteFile(filepath.Join(s.Home, s.Trust), root, 0o600); err != nil {
		t.Fatal(err)
	}
	// An only validator has nobody to join: it begins with the genesis state again,
	// and makes no block, because it has signed for these heights before.
	if n, err = node.Start(t.Context(), s, "test", io.Discard); err != nil {
		t.Fatal(err)
	}
	if net, err := n.Ledger().Network(t.Context()); err != nil || net.Height != 0 || net.Missing != nil {
		t.Errorf("something of the restored ledger is left: %+v, %v", net, err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
}

// taken reads the newest snapshot of a home.
func taken(t *testing.T, home string) (*abci.Snapshot, [][]byte) {
	t.Helper()
	saved, err := store.OpenSnapshots(node.SnapshotsPath(home))
	if err != nil {
		t.Fatal(err)
	}
	list := saved.List()
	last := list[len(list)-1]
	m, err := schemas.DecodeManifest(last.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	var chunks [][]byte
	for i := range m.Chunks {
		chunk, err := saved.Chunk(last.Height, i)
		if err != nil || chunk == nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk)
	}
	hash := schemas.ManifestHash(last.Manifest)
	return &abci.Snapshot{Height: uint64(last.Height), Format: schemas.SnapshotFormat, Chunks: uint32(len(chunks)), Hash: hash[:], Metadata: last.Manifest}, chunks
}

func restoreInto(t *testing.T, dir string, snapshot *abci.Snapshot, chunks [][]byte) {
	t.Helper()
	ledger, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(app.Config{Store: ledger})
	if err != nil {
		t.Fatal(err)
	}
	m, err := schemas.DecodeManifest(snapshot.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.OfferSnapshot(context.Background(), &abci.RequestOfferSnapshot{Snapshot: snapshot, AppHash: m.Root[:]}); err != nil {
		t.Fatal(err)
	}
	for i, chunk := range chunks {
		if res, err := a.ApplySnapshotChunk(context.Background(), &abci.RequestApplySnapshotChunk{Index: uint32(i), Chunk: chunk}); err != nil || res.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
			t.Fatal(res, err)
		}
	}
	if height, _ := ledger.Last(); height != m.Height {
		t.Fatalf("height %d is restored", height)
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
}
