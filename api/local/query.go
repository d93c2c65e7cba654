package local

import (
	"encoding/json"
	"fmt"
	"time"
)

// StoredQuery is a query of events that was stored: what was asked, as it was sent. It is read
// again whenever it is used, so that what it means follows the standard and not the
// version that stored it.
type StoredQuery struct {
	Name       string            `json:"-"`
	Definition json.RawMessage   `json:"query"`                // parameters of the simple event query
	Prefixes   map[string]string `json:"extensions,omitempty"` // that came beside it
	Made       time.Time         `json:"made"`
}

// PutQuery writes a stored query, of a name that no other has.
func PutQuery(q *StoredQuery) (Change, error) {
	value, err := json.Marshal(q)
	if err != nil {
		return Change{}, fmt.Errorf("encoding a stored query: %w", err)
	}
	return Change{key: row(rowQuery, []byte(q.Name)), value: value, queries: 1}, nil
}

// DropQuery deletes a stored query, which is there.
func DropQuery(name string) Change { return Change{key: row(rowQuery, []byte(name)), queries: -1} }

// QueryCount tells how many queries are stored.
func (s *Store) QueryCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries
}

// Query returns a stored query, nil where there is none.
func (s *Store) Query(name string) (*StoredQuery, error) {
	value, err := s.db.Get(row(rowQuery, []byte(name)))
	if err != nil {
		return nil, fmt.Errorf("reading a stored query: %w", err)
	}
	if value == nil {
		return nil, nil
	}
	return decodeQuery(name, value)
}

// Queries returns at most limit stored queries, and not many more bytes than so many, by
// name, those behind a name. more tells that there are others.
func (s *Store) Queries(after string, limit, mostBytes int) (out []*StoredQuery, more bool, err error) {
	var from []byte
	if after != "" {
		from = append([]byte(after), 0)
	}
	err = s.walk(rowQuery, from, func(name, value []byte) (bool, error) {
		if more = len(out) >= limit || mostBytes <= 0; more {
			return false, nil
		}
		mostBytes -= len(value)
		q, err := decodeQuery(string(name), value)
		out = append(out, q)
		return true, err
	})
	if err != nil {
		return nil, false, fmt.Errorf("listing stored queries: %w", err)
	}
	return out, more, nil
}

func decodeQuery(name string, value []byte) (*StoredQuery, error) {
	q := &StoredQuery{Name: name}
	if err := json.Unmarshal(value, q); err != nil {
		return nil, fmt.Errorf("reading stored query %q: %w", name, err)
	}
	return q, nil
}
