package node

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
	"github.com/syndtr/goleveldb/leveldb"
)

// databases opens the engine's databases, and knows them, so that all are closed
// whatever part of the engine came to life.
type databases struct {
	mu     sync.Mutex // guards opened
	opened []*engineDB
	blocks *headers
	broken func(error)
	disk   func(name string, db dbm.DB) dbm.DB // tests', or nil
}

func (d *databases) open(ctx *config.DBContext) (dbm.DB, error) {
	inner, err := config.DefaultDBProvider(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the engine's %s: %w (another node may run in this home)", ctx.ID, err)
	}
	if d.disk != nil {
		inner = d.disk(ctx.ID, inner)
	}
	db := &engineDB{DB: inner, name: ctx.ID, broken: d.broken}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = append(d.opened, db)
	switch ctx.ID {
	case "blockstore":
		d.blocks.attach(store.NewBlockStore(db))
		d.blocks.keepDB(db)
	case "state":
		d.blocks.attachState(state.NewStore(db, state.StoreOptions{}))
	}
	return db, nil
}

func (d *databases) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, db := range d.opened {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// engineDB is one of the engine's databases. It may be closed twice: by the engine, and
// by whoever makes sure.
//
// It takes no write after one that failed. Of that nobody knows how much is on the disk,
// and what goleveldb wrote next would take its place in the journal: the next start could
// read both, or neither. The engine itself only logs that blocks could not be dropped, and
// goes on.
type engineDB struct {
	dbm.DB
	name   string
	broken func(error) // told once, of the first write that failed

	mu     sync.Mutex // held by a write; guards failed
	failed error

	once   sync.Once
	closed error
}

func (d *engineDB) Close() error {
	d.once.Do(func() { d.closed = d.DB.Close() })
	return d.closed
}

// Get reads a value. Routines of peers go on for a moment when the engine has stopped,
// and nothing waits for them; the engine panics at the error of a closed database. They
// end here instead.
func (d *engineDB) Get(key []byte) ([]byte, error) {
	b, err := d.DB.Get(key)
	if errors.Is(err, leveldb.ErrClosed) {
		runtime.Goexit()
	}
	return b, err
}

func (d *engineDB) write(act func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return d.failed
	}
	err := act()
	if err == nil || errors.Is(err, leveldb.ErrClosed) {
		return err
	}
	d.failed = fmt.Errorf("writing the engine's %s: %w", d.name, err)
	d.broken(d.failed)
	return d.failed
}

func (d *engineDB) Set(key, value []byte) error {
	return d.write(func() error { return d.DB.Set(key, value) })
}

func (d *engineDB) SetSync(key, value []byte) error {
	return d.write(func() error { return d.DB.SetSync(key, value) })
}

func (d *engineDB) Delete(key []byte) error {
	return d.write(func() error { return d.DB.Delete(key) })
}

func (d *engineDB) DeleteSync(key []byte) error {
	return d.write(func() error { return d.DB.DeleteSync(key) })
}

func (d *engineDB) NewBatch() dbm.Batch { return engineBatch{d.DB.NewBatch(), d} }

// engineBatch is written as its database is.
type engineBatch struct {
	dbm.Batch
	db *engineDB
}

func (b engineBatch) Write() error     { return b.db.write(b.Batch.Write) }
func (b engineBatch) WriteSync() error { return b.db.write(b.Batch.WriteSync) }

// caught has the engine's stores answer an error, where they panic because their database
// did not take a write or give what they read: a full disk is no fault of the program.
func caught(act func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			panic(r)
		case error:
			err = r
		default:
			err = fmt.Errorf("%v", r)
		}
	}()
	return act()
}
