package node_test

import (
	"errors"
	"testing"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/store"

	"github.com/waybill-ledger/waybill/node"
)

// What the engine leaves running ends at a database that is closed, without a panic.
func TestReadOfAClosedEngine(t *testing.T) {
	inner, err := dbm.NewGoLevelDB("blockstore", t.TempDir())
	must(t, err)
	db := node.EngineDB(inner, func(error) { t.Error("it fails") })
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

// failingDB does what it is told, and says that it could not once.
type failingDB struct {
	dbm.DB
	fail   bool
	before bool // the write that fails does nothing
	prunes bool // only a batch that deletes fails
}

var errDisk = errors.New("input/output error")

func (d *failingDB) write(deletes bool, act func() error) error {
	if !d.fail || d.prunes && !deletes {
		return act()
	}
	d.fail = false
	if d.before {
		return errDisk
	}
	return errors.Join(act(), errDisk)
}

func (d *failingDB) Set(k, v []byte) error {
	return d.write(false, func() error { return d.DB.Set(k, v) })
}

func (d *failingDB) SetSync(k, v []byte) error {
	return d.write(false, func() error { return d.DB.SetSync(k, v) })
}

func (d *failingDB) Delete(k []byte) error {
	return d.write(false, func() error { return d.DB.Delete(k) })
}

func (d *failingDB) DeleteSync(k []byte) error {
	return d.write(false, func() error { return d.DB.DeleteSync(k) })
}

func (d *failingDB) NewBatch() dbm.Batch { return &failingBatch{Batch: d.DB.NewBatch(), db: d} }

type failingBatch struct {
	dbm.Batch
	db      *failingDB
	deletes bool
}

func (b *failingBatch) Delete(k []byte) error {
	b.deletes = true
	return b.Batch.Delete(k)
}

func (b *failingBatch) Write() error     { return b.db.write(b.deletes, b.Batch.Write) }
func (b *failingBatch) WriteSync() error { return b.db.write(b.deletes, b.Batch.WriteSync) }

// Once a write of one of its databases failed, whichever, the engine can write nothing more
// there, and the node is told.
func TestEngineWritesNothingAfterAFailure(t *testing.T) {
	one, two := []byte("one"), []byte("two")
	inBatch := func(write func(dbm.Batch) error) func(dbm.DB) error {
		return func(db dbm.DB) error {
			b := db.NewBatch()
			defer b.Close()
			return errors.Join(b.Set(two, two), write(b))
		}
	}
	writes := map[string]func(dbm.DB) error{
		"set":             func(db dbm.DB) error { return db.Set(two, two) },
		"synced set":      func(db dbm.DB) error { return db.SetSync(two, two) },
		"deletion":        func(db dbm.DB) error { return db.Delete(one) },
		"synced deletion": func(db dbm.DB) error { return db.DeleteSync(one) },
		"batch":           inBatch(dbm.Batch.Write),
		"synced batch":    inBatch(dbm.Batch.WriteSync),
	}
	for first, write := range writes {
		inner := &failingDB{DB: dbm.NewMemDB()}
		var told []error
		db := node.EngineDB(inner, func(err error) { told = append(told, err) })
		must(t, db.Set(one, one))
		inner.fail = true
		if err := write(db); !errors.Is(err, errDisk) {
			t.Errorf("a %s that failed answers %v", first, err)
		}
		must(t, errors.Join(inner.Set(one, one), inner.Delete(two)))
		for then, write := range writes {
			if err := write(db); !errors.Is(err, errDisk) {
				t.Errorf("after a %s that failed a %s answers %v", first, then, err)
			}
			had, err := inner.Has(one)
			must(t, err)
			if has, err := inner.Has(two); err != nil || has || !had {
				t.Errorf("after a %s that failed a %s is written", first, then)
			}
		}
		if len(told) != 1 || !errors.Is(told[0], errDisk) {
			t.Errorf("of a %s that failed the node is told %v", first, told)
		}
	}
}
