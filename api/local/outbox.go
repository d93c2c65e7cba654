package local

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Entry is a signed transaction that was accepted and has no outcome yet.
type Entry struct {
	ID          string // sorts by the time of acceptance
	Client      bool   // signed by a client: nobody here can sign it again
	Actor       string
	Atomic      bool
	Transaction schemas.Hash
	Expiry      int64
	Size        int // bytes of the transaction
	Parts       []Part
}

// Part is what one request has in an entry: consecutive messages.
type Part struct {
	Job      string // the capture job that tells the outcome
	Messages int
	Answer   *schemas.Hash // the idempotency record that gets the outcome, if any
	Act      bool          // an act or an order: no event has its id
}

// NewID returns an id that sorts by time and that nobody can guess.
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	rand.Read(b[8:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// IDTime tells when an id was made, and whether it is one.
func IDTime(id string) (time.Time, bool) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 16 {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))), true
}

// PutEntry writes an entry with its transaction.
func PutEntry(e *Entry, raw []byte) []Change {
	return []Change{
		{key: row(rowEntry, []byte(e.ID)), value: e.encode()},
		{key: row(rowRaw, []byte(e.ID)), value: raw},
	}
}

// DeleteEntry ends an entry.
func DeleteEntry(id string) []Change {
	return []Change{{key: row(rowEntry, []byte(id))}, {key: row(rowRaw, []byte(id))}}
}

// Entries returns the outbox, oldest first, without the transactions.
func (s *Store) Entries() (out []*Entry, err error) {
	err = s.walk(rowEntry, nil, func(key, value []byte) (bool, error) {
		e, err := decodeEntry(string(key), value)
		if err != nil {
			return false, fmt.Errorf("entry %s: %w", key, err)
		}
		out = append(out, e)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	return out, nil
}

// Raw returns an entry's transaction.
func (s *Store) Raw(id string) ([]byte, error) {
	raw, err := s.db.Get(row(rowRaw, []byte(id)))
	if err != nil {
		return nil, fmt.Errorf("reading a transaction of the outbox: %w", err)
	}
	if raw == nil {
		return nil, fmt.Errorf("the outbox has no transaction %s", id)
	}
	return raw, nil
}

// encode writes 1 client, 2 actor, 3 atomic, 4 transaction, 5 expiry, 6 part
// (repeated: 1 job, 2 messages, 3 idempotency record, 4 act), 7 size.
func (e *Entry) encode() []byte {
	var b []byte
	if e.Client {
		b = schemas.AppendUint(b, 1, 1)
	}
	b = schemas.AppendString(b, 2, e.Actor)
	if e.Atomic {
		b = schemas.AppendUint(b, 3, 1)
	}
	b = schemas.AppendField(b, 4, e.Transaction[:])
	b = schemas.AppendUint(b, 5, uint64(e.Expiry))
	for _, p := range e.Parts {
		v := schemas.AppendString(nil, 1, p.Job)
		v = schemas.AppendUint(v, 2, uint64(p.Messages))
		if p.Answer != nil {
			v = schemas.AppendField(v, 3, p.Answer[:])
		}
		if p.Act {
			v = schemas.AppendUint(v, 4, 1)
		}
		b = schemas.AppendField(b, 6, v)
	}
	return schemas.AppendUint(b, 7, uint64(e.Size))
}

func decodeEntry(id string, b []byte) (*Entry, error) {
	e := &Entry{ID: id}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			e.Client = f.Uint(n, v) == 1
		case 2:
			e.Actor = string(v)
		case 3:
			e.Atomic = f.Uint(n, v) == 1
		case 4:
			e.Transaction = f.Hash(n, v)
		case 5:
			e.Expiry = int64(f.Uint(n, v))
		case 6:
			p, err := decodePart(v)
			if err != nil {
				return nil, err
			}
			e.Parts = append(e.Parts, p)
		case 7:
			e.Size = int(f.Uint(n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() == nil && len(e.Parts) == 0 {
		f.Fail(6, "missing")
	}
	return e, f.Err()
}

func decodePart(b []byte) (p Part, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.Job = string(v)
		case 2:
			p.Messages = int(f.Uint(n, v))
		case 3:
			h := f.Hash(n, bytes.Clone(v))
			p.Answer = &h
		case 4:
			p.Act = f.Uint(n, v) == 1
		default:
			f.Fail(n, "unknown")
		}
	}
	return p, f.Err()
}
