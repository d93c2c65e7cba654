package node_test

import (
	"testing"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/store"

	"github.com/waybill-ledger/waybill/node"
)

// What the engine leaves running ends at a database that is closed, without a panic.
func TestReadOfAClosedEngine(t *testing.T) {
	inner, err := dbm.NewGoLevelDB("blockstore", t.TempDir())
	must(t, err)
	db := node.EngineDB(inner)
	must(t, db.Set([]byte("key"), []byte("value")))
	if b, err := db.Get([]byte("key")); err != nil || string(b) != "value" {
		t.Errorf("open, it answers %q, %v", b, err)
	}
	blocks := store.NewBlockStore(db)
	must(t, db.Close())
	ended, answered := make(chan struct{}), false
	go func() {
		defer close(ended)
		blocks.LoadSeenCommit(1)
		answered = true
	}()
	<-ended
	if answered {
		t.Error("a closed database answers")
	}
}
