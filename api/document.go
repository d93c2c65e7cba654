package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// postCapture captures a document: it is answered with a job as soon as all of
// it is signed and on the disk.
func (g *Gateway) postCapture(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, g.limits.CaptureBytes, func(body []byte, dry bool) (*answer, error) {
		behaviour, err := behaviourOf(r)
		if err != nil {
			return nil, err
		}
		if dry {
			return g.dryDocument(r, body, behaviour)
		}
		return g.submit(r, body, func(res *reservation) (*answer, error) {
			return g.capture(r, body, behaviour, res)
		})
	})
}

// captureEvents is how many events a document may have: with rollback they must fit
// one transaction, with proceed they are split.
func (g *Gateway) captureEvents(behaviour string) int {
	if behaviour == proceed {
		return 4 * g.limits.CaptureEvents
	}
	return g.limits.CaptureEvents
}

func behaviourOf(r *http.Request) (string, error) {
	values := r.Header.Values(errorBehaviour)
	switch {
	case len(values) == 0:
		return rollback, nil
	case len(values) == 1 && (values[0] == rollback || values[0] == proceed):
		return values[0], nil
	}
	return "", fault(schemas.BadParameter, errorBehaviour+" is rollback or proceed, once")
}

// document is what a capture holds: the events that can be recorded, where each
// stood, and what is wrong with the others.
type document struct {
	events []*schemas.Event
	places []int
	errors []local.JobError
	base   string          // of their pointers
	master json.RawMessage // of the header, nil for none
}

// pointerOf is the place of an event in a document: in the list at base, or base
// itself where the document has no list.
func pointerOf(base string, place int) string {
	if list, ok := strings.CutSuffix(base, "/"); ok {
		return list + "/" + strconv.Itoa(place)
	}
	return base
}

// baseOf is what pointerOf needs, of a document whose first event has this pointer.
func baseOf(first string) string {
	if list, ok := strings.CutSuffix(first, "/0"); ok {
		return list + "/"
	}
	return first
}

// readDocument decodes a document. With rollback one malformed event refuses it;
// with proceed it does only when nothing would be left.
func (g *Gateway) readDocument(r *http.Request, body []byte, behaviour string) (*document, error) {
	list, master, err := decodeDocument(r, body, g.captureEvents(behaviour))
	if err != nil {
		return nil, err
	}
	if _, err := elementsOf(master); err != nil {
		return nil, err
	}
	d := &document{master: master}
	for i, e := range list {
		if i == 0 {
			d.base = baseOf(e.Pointer)
		}
		if e.Fault != nil {
			d.errors = append(d.errors, local.JobError{Pointer: e.Fault.Pointer, Line: e.Fault.Line, Code: e.Fault.Code, Detail: e.Fault.Detail})
			continue
		}
		d.events, d.places = append(d.events, e.Event), append(d.places, i)
	}
	if len(d.errors) > 0 && (behaviour == rollback || len(d.events) == 0) {
		first := d.errors[0]
		p := &Problem{Code: first.Code, Pointer: first.Pointer, Line: first.Line, Detail: first.Detail}
		if len(d.errors) > 1 {
			p.Errors = problemsOf(d.errors)
		}
		return nil, p
	}
	return d, nil
}

// manyErrors bounds how many of a document's faults one answer tells.
const manyErrors = 100

func problemsOf(errs []local.JobError) []Problem {
	out := make([]Problem, 0, min(len(errs), manyErrors))
	for _, e := range errs[:min(len(errs), manyErrors)] {
		out = append(out, Problem{Code: e.Code, Pointer: e.Pointer, Line: e.Line, Detail: e.Detail})
	}
	return out
}

func (g *Gateway) dryDocument(r *http.Request, body []byte, behaviour string) (*answer, error) {
	d, err := g.readDocument(r, body, behaviour)
	if err != nil {
		return nil, err
	}
	receipt := &schemas.Receipt{Events: []schemas.EventReceipt{}}
	if len(d.events) > 0 {
		if receipt, err = g.ledger.DryRun(r.Context(), keyOf(r).ID, behaviour == rollback, d.events); err != nil {
			return nil, err
		}
	}
	return jsonAnswer(http.StatusOK, "", dryReceipt{Receipt: receipt, Errors: errorsOf(d.errors)})
}

// dryReceipt is what a document would get, and what is wrong with events that
// would be left out.
type dryReceipt struct {
	*schemas.Receipt
	Errors []Problem `json:"errors,omitempty"`
}

// capture signs a document and puts it into the outbox with its job.
func (g *Gateway) capture(r *http.Request, body []byte, behaviour string, res *reservation) (*answer, error) {
	return g.captureInTurn(r, len(body), behaviour, res, func() (*document, error) { return g.readDocument(r, body, behaviour) })
}

// captureInTurn reads and signs a document of so many bytes when it is its turn, if there
// is still room for it then, and puts it into the outbox when the turn has ended.
func (g *Gateway) captureInTurn(r *http.Request, size int, behaviour string, res *reservation, read func() (*document, error)) (*answer, error) {
	c := &signedDocument{s: newSubmission(res, time.Now())}
	c.s.shown, c.s.answered = true, true
	if err := g.inTurn(r.Context(), func() (err error) {
		if err = g.outbox.crowded(size); err != nil {
			return err
		}
		if c.document, err = read(); err != nil {
			return err
		}
		c.job = &local.Job{ID: c.s.job, Behaviour: behaviour, Document: true, Base: c.base, MasterData: c.master}
		c.entries, err = g.signDocument(keyOf(r).ID, c.document, behaviour, c.job)
		return err
	}); err != nil {
		return nil, err
	}
	return g.acceptDocument(c)
}

// inTurn does what takes a processor for a while when its turn has come.
func (g *Gateway) inTurn(ctx context.Context, work func() error) error {
	end, err := g.ledger.Turn(ctx)
	if err != nil {
		return err
	}
	defer end()
	return work()
}

// signedDocument is a document with the transactions that it became and the job that
// tells of them.
type signedDocument struct {
	*document
	s       *submission
	job     *local.Job
	entries []*entry
}

// acceptDocument puts a signed document into the outbox with its job.
func (g *Gateway) acceptDocument(c *signedDocument) (*answer, error) {
	a, err := acceptedAnswer(c.job.ID, c.job.Behaviour)
	if err != nil {
		return nil, err
	}
	if c.s.record != nil {
		a.record(c.s.record)
	}
	c.job.Errors = c.errors
	if len(c.entries) == 0 { // nothing to record: it is done
		finished := time.Now().UTC()
		c.job.Finished = &finished
		return a, g.keepDone(c.job, c.s)
	}
	for _, e := range c.entries {
		e.waits = []*submission{c.s}
	}
	put, err := local.PutJob(c.job)
	if err != nil {
		return nil, err
	}
	return a, g.outbox.accept(c.entries, put)
}

// keepDone remembers a job that needs no transaction.
func (g *Gateway) keepDone(job *local.Job, s *submission) error {
	put, err := local.PutJob(job)
	if err != nil {
		return err
	}
	changes, err := putMasterData(job)
	if err != nil {
		return err
	}
	changes = append(changes, put)
	if s.answer != nil {
		changes = append(changes, local.PutAnswer(*s.answer, s.record, true)...)
	}
	return g.local.Commit(changes...)
}

// signDocument makes the transactions of a document: one for rollback, as many
// as it takes for proceed. An event that fits no transaction becomes an error of
// the job.
func (g *Gateway) signDocument(actor string, d *document, behaviour string, job *local.Job) ([]*entry, error) {
	var entries []*entry
	add := func(signed Signed, places []int) {
		e := newEntry(fmt.Sprintf("%s-%04x", job.ID, len(entries)), actor, behaviour == rollback, signed)
		e.Parts, e.chunk = []local.Part{{Job: job.ID, Messages: len(places)}}, len(entries)
		chunk := local.Chunk{Transaction: signed.ID, Count: len(places), First: places[0]}
		for i, place := range places { // rows of a sheet may become several events each
			if place != places[0]+i {
				chunk.Events = places
				break
			}
		}
		entries, job.Chunks = append(entries, e), append(job.Chunks, chunk)
	}
	if behaviour == rollback {
		if len(d.events) == 0 {
			return nil, nil
		}
		signed, err := g.ledger.Sign(actor, true, d.events)
		if err != nil {
			return nil, signing(err)
		}
		add(signed, d.places)
		return entries, nil
	}
	for from := 0; from < len(d.events); {
		to := g.chunkEnd(d.events, from)
		for {
			signed, err := g.ledger.Sign(actor, false, d.events[from:to])
			if err == nil {
				add(signed, d.places[from:to])
				break
			}
			var f *schemas.Fault
			if !errors.As(err, &f) {
				return nil, signing(err)
			}
			if to-from == 1 {
				d.errors = append(d.errors, local.JobError{Pointer: pointerOf(d.base, d.places[from]), Code: f.Code, Detail: f.Detail})
				break
			}
			to = from + (to-from)/2
		}
		from = to
	}
	return entries, nil
}

// chunkEnd is where a transaction that begins with event from ends.
func (g *Gateway) chunkEnd(events []*schemas.Event, from int) int {
	to, bytes := from, 0
	for to < len(events) && to-from < g.limits.ChunkEvents && (to == from || bytes+len(events[to].Body) <= g.limits.ChunkBytes) {
		bytes += len(events[to].Body)
		to++
	}
	return to
}

// chunkOf reads which of a document's transactions an entry's id names.
func chunkOf(id string) (chunk int, document bool) {
	_, suffix, ok := strings.Cut(id, "-")
	if !ok {
		return -1, false
	}
	n, err := strconv.ParseUint(suffix, 16, 31)
	if err != nil {
		return -1, false
	}
	return int(n), true
}
