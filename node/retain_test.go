package node_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// forgetful are the settings of a node alone in its network, which has often
// snapshots and soon evidence that is too old to keep blocks for.
func forgetful(t *testing.T) node.Settings {
	t.Helper()
	s := alone(t)
	s.IdleInterval, s.SnapshotHeights = node.Duration(10*time.Millisecond), 1
	doc, err := types.GenesisDocFromFile(node.GenesisPath(s.Home))
	if err != nil {
		t.Fatal(err)
	}
	doc.ConsensusParams.Evidence.MaxAgeNumBlocks, doc.ConsensusParams.Evidence.MaxAgeDuration = 5, time.Millisecond
	if err := errors.Join(doc.ValidateAndComplete(), doc.SaveAs(node.GenesisPath(s.Home))); err != nil {
		t.Fatal(err)
	}
	return s
}

// Blocks go once two snapshots exist and no evidence about them counts; headers
// and records that proofs need are still there, also after a restart.
func TestRetention(t *testing.T) {
	s := forgetful(t)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	first := commit(t, n, event(t, 1))
	until := func(what string, ask func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ask(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s did not come about", what)
			}
			<-n.Ledger().Watch(height(t, n)) // the next block
		}
	}
	until("the first look", func() bool { return height(t, n) > 60 })
	want, err := n.Ledger().SignedHeader(t.Context(), first.Height+1)
	if err != nil {
		t.Fatal(err)
	}
	if base := n.Base(); base != 1 {
		t.Fatalf("with one snapshot blocks before %d went", base)
	}
	// While one snapshot is being taken, the next is left out.
	made := 1
	until("pruning", func() bool {
		made++
		commit(t, n, event(t, made))
		return n.Base() > first.Height+5
	})
	for range 2 {
		header, err := n.Ledger().SignedHeader(t.Context(), first.Height+1)
		if err != nil {
			t.Fatalf("the header of a block that went: %v", err)
		}
		if header.Hash != want.Hash {
			t.Fatalf("header %s is answered, it was %s", header.Hash, want.Hash)
		}
		signed, err := proof.DecodeSignedHeader(header.Signed)
		if err == nil {
			err = signed.Verify()
		}
		if err != nil {
			t.Fatalf("the header of a block that went does not verify: %v", err)
		}
		if net, err := n.Ledger().Network(t.Context()); err != nil || net.Missing != nil || len(net.Snapshots) != 2 {
			t.Errorf("%+v, %v", net, err)
		}
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		if n, err = node.Start(t.Context(), s, "test", io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, n, event(t, made+1))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	mustHold(t, check(t, s.Home, false))
}

// Where the engine's blocks, or what it knows of their validators, cannot be pruned, the
// node ends and says why; started again it has everything, and prunes.
func TestPruningThatFails(t *testing.T) {
	for _, name := range []string{"blockstore", "state"} {
		for _, before := range []bool{false, true} {
			if before && testing.Short() {
				continue
			}
			s := forgetful(t)
			failing := s
			failing.TestingOnlyDisk = func(opened string, db dbm.DB) dbm.DB {
				if opened != name {
					return db
				}
				return &failingDB{DB: db, fail: true, before: before, prunes: true}
			}
			n := start(t, failing)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			var ended error
			go func() {
				defer cancel()
				ended = n.Wait(ctx)
			}()
			made, acked := record(ctx, t, n, 0, func() bool { return false })
			if !errors.Is(ended, node.ErrEngineDisk) || !errors.Is(ended, errDisk) || !strings.Contains(ended.Error(), name) {
				t.Errorf("%s: the node ended with %v", name, ended)
			}
			_ = n.Stop() // the engine says once more what it could not do
			n = start(t, s)
			base := n.Base()
			_, more := record(t.Context(), t, n, made, func() bool { return n.Base() > base })
			if held, err := bodiesOf(t, n); err != nil || len(held) < acked+more {
				t.Errorf("%s: %d events of %d are left, %v", name, len(held), acked+more, err)
			}
			must(t, n.Stop())
			mustHold(t, check(t, s.Home, false))
		}
	}
}

// record records events, from the one after made on, until something comes about or the
// context ends.
func record(ctx context.Context, t *testing.T, n *node.Node, made int, ask func() bool) (last, acked int) {
	t.Helper()
	for ctx.Err() == nil && !ask() {
		made++
		signed, err := n.Ledger().Sign("test", false, []*schemas.Event{event(t, made)})
		must(t, err)
		err = n.Ledger().Broadcast(ctx, signed.Raw)
		if err == nil {
			_, err = n.Ledger().Await(ctx, signed.ID, signed.Expiry)
		}
		if err == nil {
			acked++
		}
	}
	return made, acked
}

// A block with an erased body goes from the disk, not only from the engine's
// index of it, once the engine drops it.
func TestErasedBlocksGo(t *testing.T) {
	s := forgetful(t)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	first := commit(t, n, patientEvent(t, 1))
	commit(t, n, event(t, 100))
	b, err := n.Archive(first.Height)
	if err != nil {
		t.Fatal(err)
	}
	f := schemas.ReadFields(b)
	_, v, _ := f.Next()
	block, err := app.DecodeArchivedBlock(v)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := schemas.DecodeBodies(block.Bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	// Random, so that no compression of a database hides it.
	onDisk := func() (found bool) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(s.Home, "data", "blockstore.db", "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // it may go meanwhile
				t.Fatal(err)
			}
			found = found || bytes.Contains(text, sent.Secret[:])
		}
		return found
	}
	if !onDisk() {
		t.Fatal("the block is not where it is looked for")
	}
	if r := commit(t, n, erasure(t, 1)); r.Events[0].Code != schemas.OK {
		t.Fatal(r.Events[0].Code)
	}
	made := 100
	for deadline := time.Now().Add(patience); n.Base() <= first.Height || onDisk(); {
		if time.Now().After(deadline) {
			t.Fatalf("the engine's blocks begin at %d, the block of height %d is on the disk: %v", n.Base(), first.Height, onDisk())
		}
		made++
		commit(t, n, event(t, made))
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	mustHold(t, check(t, s.Home, false))
}

func height(t *testing.T, n *node.Node) int64 {
	t.Helper()
	net, err := n.Ledger().Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.Height
}
