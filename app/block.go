package app

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// executed is a block between FinalizeBlock and Commit.
type executed struct {
	height     int64
	time       time.Time
	changed    bool     // some transaction was admitted
	governed   bool     // what the directory tells has changed
	touched    []string // partners whose leaves changed
	prefixed   bool     // company prefixes did
	validators []abci.ValidatorUpdate
	receipts   []schemas.Receipt
	txs        [][]byte            // all of the block's
	keys       [][sha256.Size]byte // their hashes
	admitted   []schemas.Hash      // ids of those of them that were

	erase    []store.Ref // of bodies that the block's orders erase, to be overwritten
	erasedAt []place     // of the transactions whose they were
	late     []place     // those of erasedAt that earlier blocks put off
	putOff   []place     // of transactions whose bodies are erased later: they were moved
	hashes   []hashes    // of each receipt's events
}

// bytes are those of the block's transactions.
func (e *executed) bytes() (n int) {
	for _, raw := range e.txs {
		n += len(raw)
	}
	return n
}

// proposed is a decided block whose transactions are judged here.
type proposed struct {
	admission *admission
	txs       [][]byte
	keys      [][sha256.Size]byte // their hashes
	restarts  *proof.Rescue       // in the place of the first transaction
}

func (p *proposed) rescue() *proof.Rescue { return p.restarts }

func (p *proposed) admit(i int) (*schemas.Transaction, error) {
	return p.admission.admitKeyed(p.keys[i], p.txs[i])
}

func (p *proposed) raw(i int) ([sha256.Size]byte, []byte) { return p.keys[i], p.txs[i] }
func (p *proposed) gone(int) []byte                       { return nil }
func (p *proposed) remains(int) []byte                    { return nil }
func (p *proposed) delays() *delays                       { return nil }

func (p *proposed) unkept(b *block, tx *schemas.Transaction, i int) []uint32 {
	return b.unkept(tx, uint32(i))
}

// proposed is what a decided block holds, judged from the state before it, as its
// proposal was.
func (a *App) proposed(req *abci.RequestFinalizeBlock) *proposed {
	state, _ := a.before()
	keys := make([][sha256.Size]byte, len(req.Txs))
	for i, raw := range req.Txs {
		keys[i] = sha256.Sum256(raw)
	}
	ad := a.admission(state, req.Height)
	ad.decided = true
	return &proposed{ad, req.Txs, keys, a.rescueIn(req.Height, req.Txs)}
}

// execute runs a decided block of count transactions over led. Its answer is the
// same on every node.
func (a *App) execute(led ledger, req *abci.RequestFinalizeBlock, source decided, count int) (*executed, []*abci.ExecTxResult, error) {
	b := &block{led: led, chain: a.chainID(), height: req.Height, time: req.Time.UTC(), rules: a.RulesAt(req.Height), dir: a.directory.Load(), probe: a.probe,
		before: a.leavesBefore(), most: a.lookups, followed: map[string]bool{}, own: a.own, heeded: map[schemas.Locator]bool{}}
	out := &executed{height: req.Height, time: b.time}
	a.ended(b)
	b.led.PutRow([]byte{rowNow}, be64(b.now()))
	last := b.lastChanged()
	if last > 0 && last == req.Height-1 {
		// This block's header is the first that carries the app hash of the last change.
		b.led.PutRow(anchorRow(), append(be64(req.Height), req.Hash...))
	}
	if count > 0 {
		b.readSigning(req.DecidedLastCommit.Votes)
	}
	results := make([]*abci.ExecTxResult, count)
	recorded := make([]txRecord, count)
	for i := range results {
		if r := source.rescue(); r != nil && i == 0 {
			b.led.Set(schemas.RescueKey(r.Epoch), r.Encode(), nil)
			b.rescued(r)
			results[i], out.changed = &abci.ExecTxResult{}, true
			continue
		}
		tx, err := source.admit(i)
		if err != nil {
			code, known := faultCode(err)
			if !known {
				return nil, nil, err
			}
			results[i] = &abci.ExecTxResult{Code: uint32(code)}
			continue
		}
		out.admitted = append(out.admitted, tx.ID)
		answers, ok := b.safely(tx, uint32(i))
		if !ok {
			results[i] = &abci.ExecTxResult{Code: uint32(schemas.RuleFailed)}
			continue
		}
		results[i] = &abci.ExecTxResult{Data: schemas.AppendResults(nil, answers)}
		recorded[i] = txRecord{tx: tx, results: answers, unkept: source.unkept(b, tx, i)}
		out.changed = true
	}
	if out.changed {
		b.writeLogs()
		b.writeSigning()
		b.upgrade()
		b.activate()
		b.anchor()
		b.forgetNonces(last)
		b.led.Set(schemas.ChangedKey(), schemas.AppendUint(nil, 1, uint64(req.Height)), nil)
	}
	b.became()
	if err := a.record(b, req, source, recorded, results, out); err != nil {
		return nil, nil, err
	}
	out.touched, out.prefixed = b.touched, b.prefixed
	out.governed, out.validators = b.governed, b.validatorUpdates()
	b.emitRuns() // without what the block's own erasures took out again
	return out, results, nil
}

// safely runs a transaction, and drops it whole if what frames its messages
// breaks down: a block is never failed by what a transaction says.
func (b *block) safely(tx *schemas.Transaction, position uint32) (results []schemas.Result, ok bool) {
	b.registered = b.registered[:0]
	b.growing = growing{}
	mark := b.mark()
	defer func() {
		if r := recover(); r != nil {
			if failure, disk := r.(ioFailure); disk {
				panic(failure)
			}
			b.undo(mark)
			results, ok = nil, false
		}
	}()
	results = b.transaction(tx, position)
	b.grown.keep(&b.growing)
	b.led.Keep() // a list that many events write is held as often as it was written
	b.runs.keep()
	return results, true
}

// transaction runs the messages of an admitted transaction: each by itself, or
// all or none.
func (b *block) transaction(tx *schemas.Transaction, position uint32) []schemas.Result {
	mark := b.mark()
	results := make([]schemas.Result, len(tx.Messages))
	undo := false
	for i := range tx.Messages {
		if undo {
			results[i] = schemas.Result{Code: schemas.Undone}
			continue
		}
		results[i] = b.run(tx, i, position)
		if tx.Header.Atomic && results[i].Code != schemas.OK {
			undo = true
			b.undo(mark)
			for j := range i {
				results[j] = schemas.Result{Code: schemas.Undone}
			}
		}
	}
	b.appendActivity(tx, position, results)
	b.growing.expiry, b.growing.nonces = tx.Header.Expiry, b.noncesOf(tx.Header.Expiry)
	b.growing.nonces.append(tx.ID)
	b.noteCopies(tx, position, results)
	return results
}

// appendActivity puts every message of a transaction, whatever came of it, into
// its partner's trail, and those that were recorded into its register.
func (b *block) appendActivity(tx *schemas.Transaction, position uint32, results []schemas.Result) {
	key := schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: tx.Header.Partner}
	r := b.registerOf(tx.Header.Partner)
	for i := range tx.Messages {
		m := &tx.Messages[i]
		at := schemas.Locator{Height: b.height, Position: position, Index: uint32(i)}
		if i == len(tx.Messages)-1 {
			b.led.Emit(trailRow(key, r.trail.Count), trailValue(at, m.Event.Skeleton.EventTime))
		}
		r.trail.grow(b.led, key, schemas.Entry(key, m.Digest, tx.ID, at, &results[i]))
	}
	for _, entry := range b.registered {
		r.events.append(entry)
	}
	b.growing.partner, b.growing.register = tx.Header.Partner, r
}

// lastChanged is the last height that changed anything, 0 before the first.
func (b *block) lastChanged() int64 {
	value, _ := b.get(schemas.ChangedKey())
	return numberOf(value)
}

// anchor appends the header that carries the app hash of the last change to the
// header accumulator, so that any later header proves that one.
func (b *block) anchor() {
	pending := b.row(anchorRow())
	if len(pending) < 8 {
		return
	}
	height := int64(binary.BigEndian.Uint64(pending))
	_, aside := b.get(schemas.AccumulatorKey())
	l := readLog(aside)
	b.led.Emit(accumulatorRow(l.Count), pending)
	l.append(schemas.AnchorEntry(height, pending[8:]))
	b.led.Set(schemas.AccumulatorKey(), schemas.SingleHead(l.head()), l.AppendTo(nil))
	b.led.DeleteRow(anchorRow())
}

// forgetNonces drops what expired since the last change. Empty blocks drop
// nothing, so that they change nothing.
func (b *block) forgetNonces(last int64) {
	until := min(b.height-1, last+schemas.MaxExpiry)
	for expiry := last; expiry <= until; expiry++ {
		key := schemas.NoncesKey(uint64(expiry))
		if value, _ := b.get(key); value != nil {
			b.led.Delete(key)
		}
	}
}

func be64(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// recovered turns a fault of the disk, carried as a panic, into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		failure, ok := r.(ioFailure)
		if !ok {
			panic(r)
		}
		*err = fmt.Errorf("executing: %w", failure.err)
	}
}
