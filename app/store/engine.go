package store

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"syscall"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// engine is the ordered database below the store. Its batches are atomic, and
// durable when WriteSync returns; its snapshots never change.
type engine interface {
	newBatch(size int) batch
	// load writes rows that come by descending key, each once, all or none, and
	// durably when it returns. Many at once cost less than in a batch.
	load(rows iter.Seq2[[]byte, []byte]) error
	snapshot() (snapshot, error)
	close() error
}

type batch interface {
	Set(key, value []byte) error
	Delete(key []byte) error
	Write() error // not synced
	WriteSync() error
	Close() error
}

// snapshot is one state of the database, for any number of goroutines. What it
// returns is the caller's.
type snapshot interface {
	get(key []byte) ([]byte, error) // nil where there is none
	// scan yields start (inclusive) to end (exclusive, nil: to the last key).
	scan(start, end []byte, backwards bool) iter.Seq2[Row, error]
	release()
}

// Memory that a goleveldb database may take: one buffer is filled while the one
// before it is written out.
const (
	writeBuffer = 16 << 20
	blockCache  = 16 << 20
	spareBytes  = 16 << 20 // kept from a block for the next
)

func levelOptions() *opt.Options {
	return &opt.Options{
		Filter:             filter.NewBloomFilter(10),
		WriteBuffer:        writeBuffer,
		BlockCacheCapacity: blockCache,
		// Hashes do not compress, and what is large is compressed before it comes here.
		Compression: opt.NoCompression,
		// Reads of random keys must not set off compactions: those that writes set
		// off are enough.
		DisableSeeksCompaction: true,
	}
}

// databases are the backends and the names of their databases, which differ: one
// backend must not write into what the other left.
func databases() map[string]string {
	return map[string]string{string(dbm.GoLevelDBBackend): "state", string(dbm.PebbleDBBackend): "state-pebble"}
}

func openEngine(dir, backend string) (engine, error) { return openDatabase(dir, backend, false) }

// openEngineReadOnly opens a database that nothing may change; it must be there.
func openEngineReadOnly(dir, backend string) (engine, error) { return openDatabase(dir, backend, true) }

func openDatabase(dir, backend string, readOnly bool) (engine, error) {
	if dir == "" {
		db, err := leveldb.Open(storage.NewMemStorage(), &opt.Options{Compression: opt.NoCompression, BlockCacheCapacity: 1 << 20})
		if err != nil {
			return nil, fmt.Errorf("opening a database in memory: %w", err)
		}
		return &levelEngine{db: db}, nil
	}
	if backend == "" {
		backend = string(dbm.GoLevelDBBackend)
	}
	for other, name := range databases() {
		if _, err := os.Stat(filepath.Join(dir, name+dbm.DBFileSuffix)); err == nil && other != backend {
			return nil, fmt.Errorf("the ledger in %s is kept in %s, not in %s: set that backend", dir, other, backend)
		}
	}
	name, known := databases()[backend]
	if !known {
		return nil, fmt.Errorf("no database backend %q: choose %s or %s", backend, dbm.GoLevelDBBackend, dbm.PebbleDBBackend)
	}
	var e engine
	var err error
	if backend == string(dbm.PebbleDBBackend) {
		e, err = openPebble(name, dir, readOnly)
	} else {
		if err := CheckJournals(filepath.Join(dir, name+dbm.DBFileSuffix)); err != nil {
			err = fmt.Errorf("%w: with the node stopped, waybill check --rebuild computes the database again", err)
			return nil, err
		}
		var db *dbm.GoLevelDB
		options := levelOptions()
		options.ReadOnly, options.ErrorIfMissing = readOnly, readOnly
		if db, err = dbm.NewGoLevelDBWithOpts(name, dir, options); err == nil {
			e = &levelEngine{db: db.DB()}
		}
	}
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, storage.ErrLocked):
		return nil, fmt.Errorf("%s is open in another process: stop that one first: %w", dir, err)
	case err != nil:
		return nil, fmt.Errorf("opening the database in %s, alone among processes: %w", dir, err)
	}
	return e, nil
}

type levelEngine struct {
	db    *leveldb.DB
	spare *leveldb.Batch // of the block before: fresh memory costs more than what is copied into it
	room  int            // of spare, in bytes
}

func (e *levelEngine) close() error { return e.db.Close() }

// newBatch is called by one goroutine at a time, and not before the batch before
// is closed.
func (e *levelEngine) newBatch(size int) batch {
	b, room := e.spare, e.room
	e.spare = nil
	if b == nil || room < size { // a batch of many rows grows in small steps, each a copy of all
		b, room = leveldb.MakeBatch(size), size
	}
	return &levelBatch{engine: e, Batch: b, room: room}
}

// load writes tables without a journal: they become part of the database by one
// synced record, and what was killed before it leaves files that opening removes.
// Rows descend, because the skip list in front of a table finds the place before
// all others at once.
func (e *levelEngine) load(rows iter.Seq2[[]byte, []byte]) error {
	t, err := e.db.OpenTransaction()
	if err != nil {
		return err
	}
	for key, value := range rows {
		if err := t.Put(key, value, nil); err != nil {
			t.Discard()
			return err
		}
	}
	if err := t.Commit(); err != nil {
		t.Discard()
		return err
	}
	return nil
}

func (e *levelEngine) snapshot() (snapshot, error) {
	s, err := e.db.GetSnapshot()
	if err != nil {
		return nil, err
	}
	return levelSnapshot{s}, nil
}

type levelBatch struct {
	*leveldb.Batch
	engine *levelEngine
	room   int
}

func (b *levelBatch) Set(key, value []byte) error { b.Put(key, value); return nil }
func (b *levelBatch) Delete(key []byte) error     { b.Batch.Delete(key); return nil }
func (b *levelBatch) Write() error                { return b.engine.db.Write(b.Batch, nil) }
func (b *levelBatch) WriteSync() error {
	return b.engine.db.Write(b.Batch, &opt.WriteOptions{Sync: true})
}

func (b *levelBatch) Close() error {
	if b.room <= spareBytes {
		b.Reset()
		b.engine.spare, b.engine.room = b.Batch, b.room
	}
	return nil
}

type levelSnapshot struct{ s *leveldb.Snapshot }

func (s levelSnapshot) release() { s.s.Release() }

func (s levelSnapshot) get(key []byte) ([]byte, error) {
	v, err := s.s.Get(key, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

func (s levelSnapshot) scan(start, end []byte, backwards bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		it := s.s.NewIterator(&util.Range{Start: start, Limit: end}, nil)
		defer it.Release()
		step := it.Next
		if backwards {
			step = it.Prev
			if !it.Last() {
				step = func() bool { return false }
			} else if !yield(copyRow(it.Key(), it.Value()), nil) {
				return
			}
		}
		for step() {
			if !yield(copyRow(it.Key(), it.Value()), nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(Row{}, err)
		}
	}
}

// copyRow copies key and value into one piece of memory.
func copyRow(key, value []byte) Row {
	b := make([]byte, 0, len(key)+len(value))
	b = append(append(b, key...), value...)
	return Row{Key: b[:len(key):len(key)], Value: b[len(key):]}
}
