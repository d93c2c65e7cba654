package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Job tells what became of a capture (EPCIS 2.0, EPCISCaptureJob). With Running
// false and Success true everything is on the ledger; while it runs, Success says
// that there is no error yet.
type Job struct {
	CaptureID  string      `json:"captureID"`
	CreatedAt  *time.Time  `json:"createdAt,omitempty"`
	FinishedAt *time.Time  `json:"finishedAt,omitempty"`
	Running    bool        `json:"running"`
	Success    bool        `json:"success"`
	Behaviour  string      `json:"captureErrorBehaviour"`
	Errors     []Problem   `json:"errors"`
	Receipt    *JobReceipt `json:"receipt,omitempty"`
	Location   string      `json:"location,omitempty"`
	// MasterData is that of the document's header, the value of epcisMasterData: kept
	// by this node alone, with the job.
	MasterData json.RawMessage `json:"epcisMasterData,omitempty"`
}

// JobReceipt is the receipt of a capture: of its last transaction, with the
// events of all of them in the order of the document.
type JobReceipt struct {
	Transaction  schemas.Hash `json:"transaction"`
	Height       int64        `json:"height"`
	Position     uint32       `json:"position"`
	Time         time.Time    `json:"time"`
	Code         schemas.Code `json:"code"`
	Events       []JobEvent   `json:"events"`
	Transactions []JobPart    `json:"transactions"`
}

// JobEvent is what one event of a capture got, and where.
type JobEvent struct {
	schemas.EventReceipt
	Pointer     string       `json:"pointer"`
	Transaction schemas.Hash `json:"transaction"`
	Height      int64        `json:"height"`
}

// JobPart is one transaction of a capture.
type JobPart struct {
	Transaction schemas.Hash `json:"transaction"`
	Height      int64        `json:"height"`
	Code        schemas.Code `json:"code"`
	Events      int          `json:"events"`
}

// finish writes the outcome of an entry and tells those who wait. When a write
// fails it may be called again.
func (o *outbox) finish(e *entry, out *outcome, last bool) error {
	changes := local.DeleteEntry(e.ID)
	o.explain(e, out)
	more, must, err := o.outcomes(e, out, last)
	if err != nil {
		return err
	}
	changes = append(changes, more...)
	if must {
		if err := o.store.Apply(changes...); err != nil {
			return err
		}
	} else {
		o.store.Later(changes...) // if it is lost, the ledger is asked again
	}
	o.count([]*entry{e}, -1)
	if e.chunk >= 0 && !last {
		return nil
	}
	o.mu.Lock()
	for _, s := range e.waits {
		delete(o.running, s.job)
	}
	o.mu.Unlock()
	for _, s := range e.waits {
		close(s.done)
	}
	return nil
}

// outcomes lists what must be written of an outcome, and whether somebody may
// look for it as soon as it is told.
func (o *outbox) outcomes(e *entry, out *outcome, last bool) (changes []local.Change, must bool, err error) {
	if e.chunk >= 0 {
		changes, err := o.finishChunk(e, out, last)
		return changes, true, err
	}
	first := 0
	for i, s := range e.waits {
		count := e.Parts[i].Messages
		s.outcome = outcome{receipt: out.receipt, events: out.events, signer: out.signer, act: s.act, first: first, count: count, fault: out.fault, known: out.known}
		first += count
		o.mu.Lock()
		s.closing = true
		shown, answered := s.shown, s.answered
		o.mu.Unlock()
		if shown {
			put, err := local.PutJob(o.finishedJob(s))
			if err != nil {
				return nil, false, err
			}
			changes, must = append(changes, put), true
		}
		if s.answer != nil && !answered {
			a, err := o.finalAnswer(s)
			if err != nil {
				return nil, false, err
			}
			a.record(s.record)
			changes, must = append(changes, local.PutAnswer(*s.answer, s.record, false)...), true
		}
	}
	return changes, must, nil
}

// finishedJob is the record of a single event, or of a client's transaction.
func (o *outbox) finishedJob(s *submission) *local.Job {
	now := time.Now().UTC()
	j := &local.Job{ID: s.job, Behaviour: proceed, Finished: &now, Owner: s.owner}
	switch out := s.outcome; {
	case out.fault != nil:
		j.Errors = []local.JobError{{Pointer: out.fault.Pointer, Code: out.fault.Code, Detail: out.fault.Detail}}
	default:
		j.Chunks = []local.Chunk{{Transaction: out.receipt.Transaction, Committed: true, Message: out.first, Count: out.count}}
		j.Errors = o.refusals(j, &j.Chunks[0], &out)
	}
	return j
}

// finishChunk notes what became of one of a document's transactions.
func (o *outbox) finishChunk(e *entry, out *outcome, last bool) (changes []local.Change, err error) {
	id := e.Parts[0].Job
	j, err := o.store.Job(id)
	if err != nil {
		return nil, err
	}
	if j == nil || e.chunk >= len(j.Chunks) {
		return nil, fmt.Errorf("job %s has no transaction %d", id, e.chunk)
	}
	c := &j.Chunks[e.chunk]
	if out.receipt != nil {
		c.Transaction, c.Committed = out.receipt.Transaction, true
		j.Errors = append(j.Errors, o.refusals(j, c, out)...)
	} else if j.Behaviour == rollback {
		j.Errors = append(j.Errors, local.JobError{Pointer: out.fault.Pointer, Code: out.fault.Code, Detail: out.fault.Detail})
	} else {
		for i := range c.Count {
			j.Errors = append(j.Errors, local.JobError{Pointer: pointerOf(j.Base, c.Event(i)), Code: out.fault.Code, Detail: out.fault.Detail})
		}
	}
	if last {
		now := time.Now().UTC()
		j.Finished = &now
		if changes, err = putMasterData(j); err != nil {
			return nil, err
		}
	}
	put, err := local.PutJob(j)
	return append(changes, put), err
}

// refusals are the errors that a receipt tells of a job's messages. Events that
// were undone because of another are told by the receipt; the error is the other.
func (o *outbox) refusals(j *local.Job, c *local.Chunk, of *outcome) (out []local.JobError) {
	r := of.receipt
	if r.Code != schemas.OK {
		out = append(out, local.JobError{Code: r.Code, Detail: "the transaction was refused"})
	}
	for i := range c.Count {
		if c.Message+i >= len(r.Events) {
			break
		}
		e := &r.Events[c.Message+i]
		if e.Code == schemas.OK || e.Code == schemas.Undone {
			continue
		}
		detail := of.refused(e)
		if len(out) < refusalLooks {
			detail = o.refusal(e, of, c.Message+i)
		}
		out = append(out, local.JobError{Pointer: pointerOf(j.Base, c.Event(i)), Code: e.Code, Detail: detail})
	}
	return out
}

// getJob tells what became of a capture.
func (g *Gateway) getJob(w http.ResponseWriter, r *http.Request) {
	if _, err := parameters(r); err != nil {
		g.fail(w, r, err)
		return
	}
	id := chi.URLParam(r, "captureID")
	j, err := g.local.Job(id)
	if err == nil && j == nil && g.outbox.find(id) != nil {
		j = &local.Job{ID: id, Behaviour: proceed}
	}
	if err == nil && j == nil {
		err = fault(schemas.NotFound, noJob)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	events := 0
	for i := range j.Chunks {
		events += j.Chunks[i].Count
	}
	if err := g.holdJob(stateOf(r).read, j, events); err != nil {
		g.fail(w, r, err)
		return
	}
	out := jobOf(j)
	if out.Receipt, err = g.receiptOf(j); err != nil {
		g.fail(w, r, err)
		return
	}
	if out.Running {
		w.Header().Set("Retry-After", "1")
	}
	g.writeForm(w, r, out, out.xml)
}

// holdJob takes the room for what is told of a job and so many of its events; one alone
// always finds it.
func (g *Gateway) holdJob(in *place, j *local.Job, events int) error {
	return in.grow(min(g.limits.ReadBytes/2, answerWeight*int64(j.Size)+receiptWeight*int64(events)))
}

func jobOf(j *local.Job) Job {
	out := Job{CaptureID: j.ID, MasterData: j.MasterData, FinishedAt: j.Finished, Running: j.Finished == nil, Behaviour: j.Behaviour, Errors: errorsOf(j.Errors), Location: jobPath(j.ID)}
	if made, ok := local.IDTime(j.ID); ok {
		made = made.UTC()
		out.CreatedAt = &made
	}
	out.Success = len(j.Errors) == 0
	return out
}

// errorsOf shows all errors of a job, as problem documents.
func errorsOf(errs []local.JobError) []Problem {
	out := make([]Problem, len(errs))
	for i, e := range errs {
		p := Problem{Code: e.Code, Pointer: e.Pointer, Line: e.Line, Detail: e.Detail}
		out[i] = *p.in(true, http.MethodPost, "")
	}
	return out
}

// receiptOf reads the receipts of a job from the ledger; nil where there is none,
// and while the job runs: whoever asks again and again until it ends would have
// every event read and hashed each time.
func (g *Gateway) receiptOf(j *local.Job) (*JobReceipt, error) {
	if j.Finished == nil {
		return nil, nil
	}
	var out *JobReceipt
	var view View
	for i := range j.Chunks {
		c := &j.Chunks[i]
		if !c.Committed {
			continue
		}
		if view == nil {
			var err error
			if view, err = g.ledger.View(); err != nil {
				return nil, err
			}
		}
		r, _, err := view.Transaction(c.Transaction)
		if err != nil {
			return nil, err
		}
		if r == nil {
			return nil, fmt.Errorf("transaction %s of job %s is not on the ledger", c.Transaction, j.ID)
		}
		if out == nil {
			out = &JobReceipt{}
		}
		out.add(j, c, r)
	}
	return out, nil
}

func (jr *JobReceipt) add(j *local.Job, c *local.Chunk, r *schemas.Receipt) {
	jr.Transaction, jr.Height, jr.Position, jr.Time = r.Transaction, r.Height, r.Position, r.Time
	if jr.Code == schemas.OK {
		jr.Code = r.Code
	}
	jr.Transactions = append(jr.Transactions, JobPart{Transaction: r.Transaction, Height: r.Height, Code: r.Code, Events: c.Count})
	for i := range c.Count {
		if c.Message+i >= len(r.Events) {
			break
		}
		jr.Events = append(jr.Events, JobEvent{EventReceipt: r.Events[c.Message+i], Pointer: pointerOf(j.Base, c.Event(i)), Transaction: r.Transaction, Height: r.Height})
	}
}

// listJobs tells the captures of this gateway, newest first.
func (g *Gateway) listJobs(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r)
	if err == nil {
		err = g.openPage(q)
	}
	before := q["nextPageToken"]
	if _, ok := local.IDTime(before); err == nil && before != "" && !ok {
		err = fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	list, next := []Job{}, ""
	if err == nil {
		next, err = g.pageOfJobs(stateOf(r).read, before, limit, func(j *local.Job) { list = append(list, jobOf(j)) })
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if next != "" {
		g.tellNext(w, r, next)
	}
	g.writeForm(w, r, list, func() []byte {
		root := leaf("Collection", "")
		for i := range list {
			root.add(list[i].element())
		}
		return root.write()
	})
}

// What is read and told of jobs at once: some have master data or errors of megabytes.
const (
	pageErrors = 5000 // end a page of jobs early, as pageBytes do
	jobsStep   = 10
	jobsBytes  = 1 << 20
)

// receiptWeight is how many bytes are taken for what a job tells of an event.
const receiptWeight = 1 << 10

// pageOfJobs visits at most limit jobs made before one, newest first, and answers
// the last of them when others follow.
func (g *Gateway) pageOfJobs(in *place, before string, limit int, visit func(*local.Job)) (next string, err error) {
	for n, errors, bytes := 0, 0, 0; ; {
		jobs, err := g.local.Jobs(before, jobsStep, jobsBytes)
		if err != nil || len(jobs) == 0 {
			return "", err
		}
		for _, j := range jobs {
			if n == limit || errors > pageErrors || n > 0 && bytes+j.Size > pageBytes {
				return before, nil
			}
			if err := g.holdJob(in, j, 0); err != nil {
				return "", err
			}
			visit(j)
			n, errors, bytes, before = n+1, errors+len(j.Errors), bytes+j.Size, j.ID
		}
	}
}
