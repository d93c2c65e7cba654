package store

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/cockroachdb/pebble"
	dbm "github.com/cosmos/cosmos-db"
)

func openPebble(name, dir string, readOnly bool) (engine, error) {
	if readOnly {
		db, err := pebble.Open(filepath.Join(dir, name+dbm.DBFileSuffix), &pebble.Options{ReadOnly: true, ErrorIfNotExists: true, Logger: silent{}})
		if err != nil {
			return nil, err
		}
		return pebbleEngine{db: db}, nil
	}
	db, err := dbm.NewPebbleDB(name, dir, nil)
	if err != nil {
		return nil, err
	}
	own := db.(*dbm.PebbleDB)
	return pebbleEngine{own.DB(), own}, nil
}

// silent drops what pebble would print of its own.
type silent struct{}

func (silent) Infof(string, ...any)           {}
func (silent) Errorf(string, ...any)          {}
func (silent) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

type pebbleEngine struct {
	db      *pebble.DB
	written *dbm.PebbleDB // makes batches; nil where nothing may be written
}

func (e pebbleEngine) close() error       { return e.db.Close() }
func (e pebbleEngine) newBatch(int) batch { return e.written.NewBatch() }
func (e pebbleEngine) load(rows iter.Seq2[[]byte, []byte]) (err error) {
	b := e.written.NewBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	for key, value := range rows {
		if err := b.Set(key, value); err != nil {
			return err
		}
	}
	return b.WriteSync()
}

func (e pebbleEngine) snapshot() (snapshot, error) {
	return pebbleSnapshot{e.db.NewSnapshot()}, nil
}

type pebbleSnapshot struct{ s *pebble.Snapshot }

func (s pebbleSnapshot) release() {
	// It returns an error only when closed twice, which the reference count rules out.
	_ = s.s.Close()
}

func (s pebbleSnapshot) get(key []byte) ([]byte, error) {
	v, closer, err := s.s.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v = append([]byte{}, v...)
	return v, closer.Close()
}

func (s pebbleSnapshot) scan(start, end []byte, backwards bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		it, err := s.s.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
		if err != nil {
			yield(Row{}, err)
			return
		}
		more, step := it.First, it.Next
		if backwards {
			more, step = it.Last, it.Prev
		}
		for ok := more(); ok; ok = step() {
			if !yield(copyRow(it.Key(), it.Value()), nil) {
				_ = it.Close() // the range ended before an error could matter
				return
			}
		}
		if err := it.Close(); err != nil {
			yield(Row{}, err)
		}
	}
}
