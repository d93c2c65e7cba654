package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// outcome is what finally became of one request's part of a transaction.
type outcome struct {
	// receipt is that of the transaction, of which messages from first on, count
	// of them, are the request's; nil when nothing was recorded.
	receipt *schemas.Receipt
	first   int
	count   int
	events  []*schemas.Event // of the transaction, where what they say is needed to tell why one was refused
	signer  string           // partner that signed them
	act     bool             // the request's message is an act or an order
	// fault says why nothing was recorded, and never will be.
	fault *schemas.Fault
	// known says that these bytes were on the ledger before they were sent.
	known bool
}

// submission is a request whose outcome somebody may wait for.
type submission struct {
	job    string
	answer *schemas.Hash // idempotency record, if any
	record *local.Answer // what is reserved for it
	client bool          // a transaction that its client signed
	act    bool          // an act or an order of the gateway's own; set before accepted closes
	owner  string        // id of the API key that it came with, where that was noted

	accepted chan struct{} // closed when the outbox has it on disk, or refused it
	done     chan struct{} // closed when there is an outcome
	refused  error         // set before accepted closes: nothing was accepted
	outcome  outcome       // set before done closes, but not of documents

	// guarded by outbox.mu
	shown    bool // its job can be seen: somebody was told, or may have been
	answered bool // its idempotency record has an answer
	closing  bool // the outcome is being written
}

func newSubmission(res *reservation, now time.Time) *submission {
	s := &submission{job: local.NewID(now), accepted: make(chan struct{}), done: make(chan struct{})}
	if res != nil {
		s.answer, s.record = &res.key, &local.Answer{Request: res.request, Made: now, Job: s.job}
	}
	return s
}

// refuse ends a submission that was not accepted.
func (s *submission) refuse(err error) {
	s.refused = err
	close(s.accepted)
	close(s.done)
}

// entry is a transaction of the outbox and who waits for it.
type entry struct {
	local.Entry
	raw   []byte // held until it was broadcast once; afterwards read from the store
	waits []*submission
	// sent says that the network may have these bytes: from then on a refusal is
	// final only when the ledger has passed the expiry.
	sent bool
	// chunk is which of its job's transactions this is; -1: no document.
	chunk int
	// parcel is its place in the line, when it has one before it is delivered.
	parcel *parcel
}

// outbox accepts signed transactions and carries them to their outcome.
type outbox struct {
	ledger  Ledger
	partner string // whose gateway this is
	store   *local.Store
	codec   *schemas.Codec
	log     *slog.Logger
	limits  Limits
	line    *line // to the ledger
	ctx     context.Context
	work    sync.WaitGroup
	size    atomic.Int64 // entries
	bytes   atomic.Int64 // of their transactions
	behind  atomic.Int64 // of these, bytes of those that wait for another of their document
	resent  atomic.Int64
	signed  atomic.Int64 // again, after expiry

	mu      sync.Mutex // guards what follows, and the flags of submissions
	ready   bool
	running map[string]*submission // by job
}

func newOutbox(l Ledger, partner string, s *local.Store, c *schemas.Codec, log *slog.Logger, limits Limits) *outbox {
	return &outbox{ledger: l, partner: partner, store: s, codec: c, log: log, limits: limits, running: map[string]*submission{},
		line: newLine(l, limits.Retry, limits.MaxRetry)}
}

// start goes on with what an earlier run left.
func (o *outbox) start(ctx context.Context) error {
	o.ctx = ctx
	entries, err := o.store.Entries()
	if err != nil {
		return err
	}
	jobs := map[string][]*entry{}
	var order []string
	for _, e := range entries {
		id := e.Parts[0].Job
		if jobs[id] == nil {
			order = append(order, id)
		}
		resumed := &entry{Entry: *e, sent: true, chunk: -1}
		jobs[id] = append(jobs[id], resumed)
		o.count([]*entry{resumed}, 1)
	}
	for _, id := range order {
		if err := o.resume(jobs[id]); err != nil {
			return fmt.Errorf("resuming job %s: %w", id, err)
		}
	}
	if len(entries) > 0 {
		o.log.Info("resuming the outbox", slog.Int("transactions", len(entries)))
	}
	for _, id := range order { // what was accepted first goes first
		first := jobs[id][0]
		first.parcel = o.line.enqueue(o.loader(first))
	}
	o.work.Go(func() { o.line.run(ctx) })
	for _, id := range order {
		o.follow(jobs[id])
		o.work.Go(func() { o.carry(jobs[id]) })
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ready = true
	return nil
}

// resume rebuilds who waits for the entries of one job. Whoever asked may have
// been told of the job, so it is shown.
func (o *outbox) resume(entries []*entry) error {
	_, document := chunkOf(entries[0].ID)
	var whole *submission
	for _, e := range entries {
		for _, p := range e.Parts {
			s := whole
			if s == nil {
				s = &submission{job: p.Job, answer: p.Answer, client: e.Client, act: p.Act, accepted: make(chan struct{}), done: make(chan struct{}), shown: true}
				close(s.accepted)
			}
			if j, err := o.store.Job(p.Job); err != nil {
				return err
			} else if j != nil {
				s.owner = j.Owner
			}
			if p.Answer != nil && s.record == nil {
				record, err := o.store.Answer(*p.Answer)
				if err != nil {
					return err
				}
				s.record, s.answered = record, record == nil || record.Status != 0
			}
			e.waits = append(e.waits, s)
			o.mu.Lock()
			o.running[p.Job] = s
			o.mu.Unlock()
			if document {
				whole = s
			}
		}
		if document {
			e.chunk, _ = chunkOf(e.ID)
		}
	}
	return nil
}

// close waits until everything has stopped; start's context has ended.
func (o *outbox) close() {
	o.mu.Lock()
	o.ready = false
	o.mu.Unlock()
	o.work.Wait()
}

// find returns the submission of a running job.
func (o *outbox) find(job string) *submission {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running[job]
}

// accept writes entries, and whatever else must be remembered with them, in one
// synced batch, and carries them to their outcome in order. When it returns an
// error nothing was accepted, and everybody who waits was told.
func (o *outbox) accept(entries []*entry, more ...local.Change) error {
	err := o.admit(entries)
	if err == nil {
		defer o.work.Done()
		err = o.store.Commit(o.reserve(entries, more)...)
		if err != nil {
			o.forget(entries)
		}
	}
	for _, e := range entries[1:] {
		e.raw = nil // they wait for the first; until then the disk has them
	}
	for _, s := range waiters(entries) {
		if err != nil {
			s.refuse(err)
		} else {
			close(s.accepted)
		}
	}
	if err == nil {
		o.follow(entries)
		o.work.Go(func() { o.carry(entries) })
	}
	return err
}

// follow counts those of a document's entries that wait for the first.
func (o *outbox) follow(entries []*entry) {
	for _, e := range entries[1:] {
		o.behind.Add(int64(e.Size))
	}
}

// crowded refuses, before anything is made of it, a write that would wait for longer
// than the ledger should let anybody wait. A document of several transactions waits
// for those of other documents, too.
func (o *outbox) crowded(size int) error {
	own := o.bytes.Load()
	if size <= o.limits.ChunkBytes {
		own -= o.behind.Load()
	}
	delay := o.ledger.Delay(own)
	if delay <= o.limits.Crowded {
		return nil
	}
	return &Problem{Code: schemas.Overloaded, Detail: fmt.Sprintf("what waits takes the ledger another %d seconds", int(delay.Seconds())),
		RetryAfter: min(mostRetryAfter, 1+int((delay-o.limits.Crowded).Seconds()))}
}

// mostRetryAfter is the longest that a write is told to wait, in seconds: what the
// ledger does until then nobody knows better.
const mostRetryAfter = 10

// admit counts entries in, within the bound. The caller ends one unit of work.
func (o *outbox) admit(entries []*entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.ready || o.ctx.Err() != nil:
		return fmt.Errorf("the gateway is starting or stopping: %w", ErrUnavailable)
	case o.size.Load()+int64(len(entries)) > int64(o.limits.Outbox), o.bytes.Load() >= o.limits.OutboxBytes:
		return fault(schemas.Overloaded, fmt.Sprintf("%d transactions of %d bytes wait for the ledger", o.size.Load(), o.bytes.Load()))
	}
	o.count(entries, 1)
	o.work.Add(1) // so that close waits for what is being accepted
	return nil
}

// count adds entries to what is held, or takes them from it.
func (o *outbox) count(entries []*entry, sign int64) {
	for _, e := range entries {
		o.size.Add(sign)
		o.bytes.Add(sign * int64(e.Size))
	}
}

// reserve lists what makes entries durable.
func (o *outbox) reserve(entries []*entry, changes []local.Change) []local.Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range entries {
		changes = append(changes, local.PutEntry(&e.Entry, e.raw)...)
	}
	for _, s := range waiters(entries) {
		o.running[s.job] = s
		if s.answer != nil {
			changes = append(changes, local.PutAnswer(*s.answer, s.record, true)...)
		}
	}
	return changes
}

// forget undoes reserve in memory. Whether the disk has the entries nobody knows
// after a failed write: the next start finds out, and goes on with them.
func (o *outbox) forget(entries []*entry) {
	o.count(entries, -1)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range waiters(entries) {
		delete(o.running, s.job)
	}
}

// waiters are the submissions of entries, each once.
func waiters(entries []*entry) []*submission {
	var out []*submission
	seen := map[*submission]bool{}
	for _, e := range entries {
		for _, s := range e.waits {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// show makes a submission's job visible because its asker is about to be told
// of it. It answers false when the outcome is known already, or nearly.
func (o *outbox) show(s *submission, told *answer) (bool, error) {
	o.mu.Lock()
	if s.closing {
		o.mu.Unlock()
		return false, nil
	}
	var changes []local.Change
	if !s.shown {
		s.shown = true
		put, err := local.PutJob(&local.Job{ID: s.job, Behaviour: proceed, Owner: s.owner})
		if err != nil {
			o.mu.Unlock()
			return false, err
		}
		changes = append(changes, put)
	}
	if s.answer != nil && !s.answered {
		s.answered = true
		told.record(s.record)
		changes = append(changes, local.PutAnswer(*s.answer, s.record, false)...)
	}
	// Queued while the lock is held, so that it comes before what finish writes.
	wait := o.store.Queue(changes...)
	o.mu.Unlock()
	return true, wait()
}

// errStopped ends the carrying of an entry when the gateway stops.
var errStopped = errors.New("the gateway stops")
