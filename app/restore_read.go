package app

import (
	"sync"
	"sync/atomic"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// readRecord is a record with what follows from it alone.
type readRecord struct {
	schemas.SnapshotRecord
	leaf  proof.Leaf // of a state record
	ends  []deadline // by it
	event readEvent  // of an event
	err   error      // why it is none
}

// readAll computes what follows from each record alone, on up to four processors; what it
// says is then looked at in order.
func readAll(records []readRecord) {
	const each, readers = 512, 4
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(readers, len(records)/each+1) {
		all.Go(func() {
			for at := int(next.Add(each)) - each; at < len(records); at = int(next.Add(each)) - each {
				for i := at; i < min(at+each, len(records)); i++ {
					records[i].read()
				}
			}
		})
	}
	all.Wait()
}

func (rec *readRecord) read() {
	switch {
	case rec.Kind == schemas.SnapshotState && len(rec.Key) > 0:
		rec.leaf = store.StateLeaf(rec.Key, rec.Value)
		rec.ends, rec.err = readLeaf(rec.Key, rec.Value, rec.Aside)
	case rec.Kind == schemas.SnapshotEvent:
		rec.event, rec.err = readEventRecord(rec.Key, rec.Value)
	}
}
