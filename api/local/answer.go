package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Answer is the record of one request with an Idempotency-Key: what it asked,
// and what it was answered once that is known.
type Answer struct {
	Request  schemas.Hash // hash of what was sent
	Made     time.Time
	Job      string // tells the outcome until there is an answer
	Status   int    // 0 while there is none
	Location string
	Type     string
	Body     []byte
}

// PutAnswer writes a record, new or known already.
func PutAnswer(key schemas.Hash, a *Answer, isNew bool) []Change {
	b := schemas.AppendField(nil, 1, a.Request[:])
	b = schemas.AppendUint(b, 2, uint64(a.Made.UnixNano()))
	b = schemas.AppendString(b, 3, a.Job)
	b = schemas.AppendUint(b, 4, uint64(a.Status))
	b = schemas.AppendString(b, 5, a.Location)
	b = schemas.AppendString(b, 6, a.Type)
	b = schemas.AppendField(b, 7, a.Body)
	age := Change{key: ageRow(a.Made, key), value: []byte{1}}
	if isNew {
		age.records = 1
	}
	return []Change{{key: row(rowIdempotency, key[:]), value: b}, age}
}

func ageRow(made time.Time, key schemas.Hash) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{rowAge}, uint64(made.UnixNano())), key[:]...)
}

// Answer returns the record of an idempotency key, nil where there is none.
func (s *Store) Answer(key schemas.Hash) (*Answer, error) {
	value, err := s.db.Get(row(rowIdempotency, key[:]))
	if err != nil {
		return nil, fmt.Errorf("reading an idempotency record: %w", err)
	}
	if value == nil {
		return nil, nil
	}
	a := &Answer{}
	f := schemas.ReadFields(value)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			a.Request = f.Hash(n, v)
		case 2:
			a.Made = time.Unix(0, int64(f.Uint(n, v)))
		case 3:
			a.Job = string(v)
		case 4:
			a.Status = int(f.Uint(n, v))
		case 5:
			a.Location = string(v)
		case 6:
			a.Type = string(v)
		case 7:
			a.Body = bytes.Clone(v)
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() != nil {
		return nil, fmt.Errorf("reading an idempotency record: %w", f.Err())
	}
	return a, nil
}

// Answers tells how many idempotency records are held.
func (s *Store) Answers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers
}

// pruned bounds how much one batch of pruning deletes, so that requests do not
// wait behind it.
const pruned = 1000

// Prune deletes idempotency records and finished jobs older than a time, and page
// tokens that expired before it, and tells how many. Jobs that run stay, however old.
func (s *Store) Prune(before time.Time) (int, error) {
	total := 0
	for _, prune := range []func(time.Time) ([]Change, int, error){s.oldAnswers, s.oldJobs, s.oldReleased} {
		for {
			changes, n, err := prune(before)
			if err != nil {
				return total, fmt.Errorf("pruning the gateway's records: %w", err)
			}
			if n == 0 {
				break
			}
			if err := s.Apply(changes...); err != nil {
				return total, err
			}
			total += n
		}
	}
	return total, nil
}

func (s *Store) oldAnswers(before time.Time) (changes []Change, n int, err error) {
	err = s.walk(rowAge, nil, func(key, _ []byte) (bool, error) {
		if n == pruned || int64(binary.BigEndian.Uint64(key)) >= before.UnixNano() {
			return false, nil
		}
		changes = append(changes, Change{key: row(rowAge, key), records: -1}, Change{key: row(rowIdempotency, key[8:])})
		n++
		return true, nil
	})
	return changes, n, err
}

func (s *Store) oldJobs(before time.Time) (changes []Change, n int, err error) {
	err = s.walk(rowJob, nil, func(key, value []byte) (bool, error) {
		made, ok := IDTime(string(key))
		if n == pruned || ok && !made.Before(before) {
			return false, nil
		}
		j, err := decodeJob(string(key), value)
		if err != nil {
			return false, err
		}
		if j.Finished != nil {
			changes = append(changes, Change{key: row(rowJob, key)})
			n++
		}
		return true, nil
	})
	return changes, n, err
}
