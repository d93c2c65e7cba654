package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Job is a capture job: what became of a request that was answered before its
// outcome was known. Receipts are not kept here: the ledger has them.
type Job struct {
	ID        string     `json:"-"`
	Owner     string     `json:"owner,omitempty"` // id of the API key that sent a client's transaction
	Behaviour string     `json:"behaviour"`       // rollback or proceed
	Document  bool       `json:"document"`        // of POST /capture
	Base      string     `json:"base"`            // of pointers to its events: see pointers of documents
	Finished  *time.Time `json:"finished,omitempty"`
	Errors    []JobError `json:"errors,omitempty"`
	Chunks    []Chunk    `json:"chunks,omitempty"` // transactions, in order
	// MasterData is that of the document's header, as JSON: no part of the ledger.
	MasterData json.RawMessage `json:"masterData,omitempty"`
	Size       int             `json:"-"` // bytes that it has on the disk, of one that was read
}

// JobError is why one event of a job, or all of it, was refused.
type JobError struct {
	Pointer string       `json:"pointer,omitempty"`
	Line    int          `json:"line,omitempty"` // of XML
	Code    schemas.Code `json:"code"`
	Detail  string       `json:"detail"`
}

// Chunk is one transaction of a job.
type Chunk struct {
	Transaction schemas.Hash `json:"transaction"`
	Committed   bool         `json:"committed"` // the ledger has its receipt
	Message     int          `json:"message"`   // of the transaction: the first that is the job's
	Count       int          `json:"count"`     // messages that are the job's
	First       int          `json:"first"`     // event of the document that the first message is
	Events      []int        `json:"events,omitempty"`
}

// Event is the place in the document of the chunk's i-th message: consecutive,
// unless refused events lie between them.
func (c *Chunk) Event(i int) int {
	if i < len(c.Events) {
		return c.Events[i]
	}
	return c.First + i
}

// PutJob writes a job.
func PutJob(j *Job) (Change, error) {
	value, err := json.Marshal(j)
	if err != nil {
		return Change{}, fmt.Errorf("encoding a capture job: %w", err)
	}
	return Change{key: row(rowJob, []byte(j.ID)), value: value}, nil
}

// Job returns a job, nil where there is none.
func (s *Store) Job(id string) (*Job, error) {
	value, err := s.db.Get(row(rowJob, []byte(id)))
	if err != nil {
		return nil, fmt.Errorf("reading a capture job: %w", err)
	}
	if value == nil {
		return nil, nil
	}
	return decodeJob(id, value)
}

// Jobs returns at most limit jobs, and not many more bytes than so many, made before
// the one named, or the newest, newest first.
func (s *Store) Jobs(before string, limit, mostBytes int) (out []*Job, err error) {
	end := []byte{rowJob + 1}
	if before != "" {
		end = row(rowJob, []byte(before))
	}
	it, err := s.db.ReverseIterator([]byte{rowJob}, end)
	if err != nil {
		return nil, fmt.Errorf("listing capture jobs: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ; it.Valid() && len(out) < limit && mostBytes > 0; it.Next() {
		j, err := decodeJob(string(it.Key()[1:]), it.Value())
		if err != nil {
			return nil, err
		}
		out, mostBytes = append(out, j), mostBytes-j.Size
	}
	return out, it.Error()
}

func decodeJob(id string, value []byte) (*Job, error) {
	j := &Job{ID: id, Size: len(value)}
	if err := json.Unmarshal(value, j); err != nil {
		return nil, fmt.Errorf("reading capture job %s: %w", id, err)
	}
	return j, nil
}
