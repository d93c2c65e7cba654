package local

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Subscription is a subscription of a stored query, or of the stream where it has a
// filter, as it was asked for. It never changes; how far it was delivered is its cursor,
// a row of its own.
type Subscription struct {
	ID            string            `json:"id"`
	Query         string            `json:"query"` // name of the stored query
	Owner         string            `json:"owner"` // API key that made it
	Dest          string            `json:"dest"`
	Token         string            `json:"token,omitempty"`    // what messages are signed with; told to nobody
	Schedule      map[string]string `json:"schedule,omitempty"` // nil: stream
	ReportIfEmpty bool              `json:"reportIfEmpty,omitempty"`
	Initial       *time.Time        `json:"initial,omitempty"` // record time from which on
	Made          time.Time         `json:"made"`
	Format        string            `json:"format,omitempty"` // GS1-EPC-Format of its events; "" as they were submitted
	Filter        *Filter           `json:"filter,omitempty"` // of the stream; nil: of a stored query
	Batch         int               `json:"batch,omitempty"`  // of the stream: records a message; 0: one, without a list around it
}

// Filter is what of the stream is told. What is empty leaves out nothing.
type Filter struct {
	Types   []string `json:"types,omitempty"` // shipment.* is all below
	Partner string   `json:"partner,omitempty"`
	Subject string   `json:"subject,omitempty"` // canonical
}

// Cursor is how far a subscription was delivered: all that was recorded up to
// After, and from Since on, was answered by the receiver.
type Cursor struct {
	After *schemas.Locator `json:"after,omitempty"`
	Since *time.Time       `json:"since,omitempty"` // nothing before it is wanted
	// Until is where the message ends that is being delivered: so that it is the
	// same when it is sent again after a kill.
	Until    *schemas.Locator `json:"until,omitempty"`
	Round    uint64           `json:"round,omitempty"` // how often the cursor was set back
	Ran      time.Time        `json:"ran,omitzero"`    // when its schedule was last followed
	Notified time.Time        `json:"notified,omitzero"`
	Paused   string           `json:"paused,omitempty"`  // why nothing is delivered; "": it is
	Secrets  []Secret         `json:"secrets,omitempty"` // what messages are signed with, the newest first; none: Token
}

// Secret is what messages are signed with since a subscription's was changed.
type Secret struct {
	Token string    `json:"token,omitempty"` // "": the subscription's own
	Until time.Time `json:"until,omitzero"`  // zero: until it is changed
}

// PutSubscription writes a subscription.
func PutSubscription(s *Subscription) (Change, error) {
	value, err := json.Marshal(s)
	if err != nil {
		return Change{}, fmt.Errorf("encoding a subscription: %w", err)
	}
	return Change{key: row(rowSubscription, []byte(s.ID)), value: value}, nil
}

// PutCursor writes how far a subscription was delivered.
func PutCursor(id string, c *Cursor) (Change, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return Change{}, fmt.Errorf("encoding a subscription's cursor: %w", err)
	}
	return Change{key: row(rowCursor, []byte(id)), value: value}, nil
}

// NewSubscription writes a subscription and from where on it is delivered.
func NewSubscription(s *Subscription, c *Cursor) ([]Change, error) {
	put, err := PutSubscription(s)
	if err != nil {
		return nil, err
	}
	at, err := PutCursor(s.ID, c)
	return []Change{put, at}, err
}

// DropSubscription deletes a subscription and its cursor.
func DropSubscription(id string) []Change {
	return []Change{{key: row(rowSubscription, []byte(id))}, {key: row(rowCursor, []byte(id))}}
}

// Subscriptions returns all subscriptions, oldest first.
func (s *Store) Subscriptions() (out []*Subscription, err error) {
	err = s.walk(rowSubscription, nil, func(id, value []byte) (bool, error) {
		var sub Subscription
		if err := json.Unmarshal(value, &sub); err != nil {
			return false, fmt.Errorf("subscription %s: %w", id, err)
		}
		out = append(out, &sub)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading subscriptions: %w", err)
	}
	return out, nil
}

// Cursor returns how far a subscription was delivered, nil where that is not known.
func (s *Store) Cursor(id string) (*Cursor, error) {
	value, err := s.db.Get(row(rowCursor, []byte(id)))
	if value == nil || err != nil {
		return nil, err
	}
	var c Cursor
	if err := json.Unmarshal(value, &c); err != nil {
		return nil, fmt.Errorf("reading the cursor of subscription %s: %w", id, err)
	}
	return &c, nil
}

// KeyByID returns the API key of an id.
func (s *Store) KeyByID(id string) (Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.ID == id {
			return k, true
		}
	}
	return Key{}, false
}
