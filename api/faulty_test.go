package api_test

import (
	"sync/atomic"

	dbm "github.com/cosmos/cosmos-db"
)

// slowDB is a database whose synced writes wait.
type slowDB struct {
	dbm.DB
	on   atomic.Bool
	hold chan struct{} // closed to let them go on
	held chan struct{} // told of each that waits
}

func (d *slowDB) NewBatch() dbm.Batch { return &slowBatch{d.DB.NewBatch(), d} }

type slowBatch struct {
	dbm.Batch
	db *slowDB
}

func (b *slowBatch) WriteSync() error {
	if b.db.on.Load() {
		b.db.held <- struct{}{}
		<-b.db.hold
	}
	return b.Batch.WriteSync()
}

// forgetfulDB is a disk that loses what was not synced.
type forgetfulDB struct {
	dbm.DB
	on atomic.Bool
}

func (d *forgetfulDB) NewBatch() dbm.Batch { return &forgetfulBatch{d.DB.NewBatch(), d} }

type forgetfulBatch struct {
	dbm.Batch
	db *forgetfulDB
}

func (b *forgetfulBatch) Write() error {
	if b.db.on.Load() {
		return nil
	}
	return b.Batch.Write()
}
