// Package local is what one gateway must remember by itself: events that it
// accepted and that are not on the ledger yet (the outbox), capture jobs, the
// answers to requests with an Idempotency-Key, stored queries and their
// subscriptions, page tokens that were released, API keys, and what is public. None of it is consensus; all of it is part of a backup.
//
// There is one database with one writer. Writers that come while the disk is
// syncing share the next sync, so that a hundred requests cost one. What must
// survive a kill before anything else happens (an outbox entry before its
// broadcast) is written with Commit, which returns after the sync. What can be
// derived again from the outbox and the ledger (that an entry is done) is written
// with Apply, unsynced, or Later, which does not even wait: the worst that its
// loss costs is that the outbox asks the ledger once more.
package local

import (
	"errors"
	"fmt"
	"sync"

	dbm "github.com/cosmos/cosmos-db"
)

// Rows by their first byte.
const (
	rowEntry        = 'o' // outbox entry, without its transaction
	rowRaw          = 'r' // the entry's transaction
	rowJob          = 'j' // capture job
	rowIdempotency  = 'i' // answer to a request with an Idempotency-Key
	rowAge          = 't' // time, idempotency record: what pruning walks
	rowKey          = 'k' // API key
	rowPublication  = 'p' // what is shown to whoever asks
	rowQuery        = 'q' // stored query
	rowElement      = 'm' // master data of one thing
	rowSubscription = 's' // subscription of a stored query
	rowCursor       = 'c' // how far a subscription was delivered
	rowReleased     = 'n' // when a page token expires that was released, its digest
)

// gathered bounds how many writes share one sync.
const gathered = 1024

// ErrClosed says that the store is closed.
var ErrClosed = errors.New("the gateway's store is closed")

// Store is the gateway's memory. It may be used by many goroutines.
type Store struct {
	db     dbm.DB
	queue  chan *write
	closed chan struct{}
	ended  chan struct{}
	once   sync.Once

	publishing sync.Mutex // held while publications change
	releasing  sync.Mutex // held while a page token is released

	failed error // of the first write that failed; the writer's own

	mu      sync.Mutex // guards what follows
	answers int        // idempotency records held
	queries int        // stored queries
	keys    map[[32]byte]Key
	broken  func(error) // told of the first write that failed, nil where nobody asked
}

// write is what one caller wants written in one batch.
type write struct {
	changes []Change
	sync    bool
	done    chan error // nil when nobody waits
}

// Change sets or deletes one row.
type Change struct {
	key, value []byte // a nil value deletes
	records    int    // by how many the idempotency records grow
	queries    int    // and the stored queries
}

// Open opens the database in a directory, and makes it when there is none.
func Open(dir string) (*Store, error) {
	db, err := dbm.NewDB("gateway", dbm.GoLevelDBBackend, dir)
	if err != nil {
		return nil, fmt.Errorf("opening the gateway's store in %s: %w", dir, err)
	}
	s, err := New(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// New reads a database that is open already. Close closes it.
func New(db dbm.DB) (*Store, error) {
	s := &Store{db: db, queue: make(chan *write, gathered), closed: make(chan struct{}), ended: make(chan struct{}), keys: map[[32]byte]Key{}}
	if err := s.loadKeys(); err != nil {
		return nil, err
	}
	err := s.walk(rowAge, nil, func(_, _ []byte) (bool, error) {
		s.answers++
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting idempotency records: %w", err)
	}
	err = s.walk(rowQuery, nil, func(_, _ []byte) (bool, error) {
		s.queries++
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting stored queries: %w", err)
	}
	go s.run()
	return s, nil
}

// Close writes what is queued and closes the database.
func (s *Store) Close() error {
	err := ErrClosed
	s.once.Do(func() {
		close(s.closed)
		<-s.ended
		err = s.db.Close()
	})
	return err
}

// OnFailure has told called, once, when a write fails. Nothing is written after that.
func (s *Store) OnFailure(told func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = told
}

// Commit writes changes, all or none, and returns when they are on the disk.
func (s *Store) Commit(changes ...Change) error { return s.wait(true, changes) }

// Apply writes changes, all or none, and returns when they can be read. A kill
// of the machine may lose them.
func (s *Store) Apply(changes ...Change) error { return s.wait(false, changes) }

// Later queues changes behind all that were written or queued before.
func (s *Store) Later(changes ...Change) {
	select {
	case s.queue <- &write{changes: changes}:
	case <-s.closed:
	}
}

// Queue is Apply whose end the caller may await: it takes its place in the order
// of writes at once.
func (s *Store) Queue(changes ...Change) (wait func() error) {
	w := &write{changes: changes, done: make(chan error, 1)}
	select {
	case s.queue <- w:
	case <-s.closed:
		return func() error { return ErrClosed }
	}
	return func() error { return s.await(w) }
}

func (s *Store) wait(sync bool, changes []Change) error {
	w := &write{changes: changes, sync: sync, done: make(chan error, 1)}
	select {
	case s.queue <- w:
	case <-s.closed:
		return ErrClosed
	}
	return s.await(w)
}

func (s *Store) await(w *write) error {
	select {
	case err := <-w.done:
		return err
	case <-s.ended:
	}
	select {
	case err := <-w.done: // written as the store closed
		return err
	default:
		return ErrClosed
	}
}

// run is the one writer.
func (s *Store) run() {
	defer close(s.ended)
	for {
		select {
		case w := <-s.queue:
			s.write(w)
		case <-s.closed:
			for {
				select {
				case w := <-s.queue:
					s.write(w)
				default:
					return
				}
			}
		}
	}
}

// write writes w and what else is queued in one batch.
func (s *Store) write(w *write) {
	group := []*write{w}
	for more := true; more && len(group) < gathered; {
		select {
		case next := <-s.queue:
			group = append(group, next)
		default:
			more = false
		}
	}
	err := s.flush(group)
	if err == nil {
		s.count(group)
	}
	for _, w := range group {
		if w.done != nil {
			w.done <- err
		}
	}
}

func (s *Store) count(group []*write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range group {
		for _, c := range w.changes {
			s.answers, s.queries = s.answers+c.records, s.queries+c.queries
		}
	}
}

// flush takes no write after one that failed. Of that nobody knows how much is on the
// disk, and goleveldb would number the next like it: where both are there, the next
// start drops the second, which was acknowledged, as a record out of order.
func (s *Store) flush(group []*write) (err error) {
	if s.failed != nil {
		return s.failed
	}
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	sync := false
	for _, w := range group {
		sync = sync || w.sync
		for _, c := range w.changes {
			if c.value == nil {
				err = batch.Delete(c.key)
			} else {
				err = batch.Set(c.key, c.value)
			}
			if err != nil {
				return fmt.Errorf("gathering the gateway's records: %w", err)
			}
		}
	}
	if sync {
		err = batch.WriteSync()
	} else {
		err = batch.Write()
	}
	if err != nil {
		s.failed = fmt.Errorf("writing the gateway's records: %w", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.broken != nil {
			s.broken(s.failed)
		}
		return s.failed
	}
	return nil
}

// walk calls visit for every row of a kind from the given key on, in order,
// until it says no. The key comes without its kind.
func (s *Store) walk(kind byte, from []byte, visit func(key, value []byte) (bool, error)) error {
	it, err := s.db.Iterator(row(kind, from), []byte{kind + 1})
	if err != nil {
		return err
	}
	for ; it.Valid(); it.Next() {
		more, err := visit(it.Key()[1:], it.Value())
		if err != nil || !more {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

func row(kind byte, key []byte) []byte { return append([]byte{kind}, key...) }
