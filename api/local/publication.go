package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// maxPublications bounds how much a gateway may hold published.
const maxPublications = 100000

// ErrFull says that no further publication can be held.
var ErrFull = errors.New("the gateway holds as many publications as it can")

// Publication is what the node's partner shows of an item, of a class and all that
// belongs to it, or of everything under a company prefix, to whoever asks.
type Publication struct {
	Of      string    `json:"of"`    // canonical identifier, or the digits of a company prefix
	Title   string    `json:"title"` // for people; "" for none
	Show    []string  `json:"show"`  // top-level members of the partner's own events
	Custody bool      `json:"custody"`
	Links   []Link    `json:"links"`
	Made    time.Time `json:"made"`
	By      string    `json:"by"` // id of the API key
}

// Link leads from what is published to something about it.
type Link struct {
	Type  string `json:"type"` // of the GS1 Web Vocabulary, without prefix
	Href  string `json:"href"`
	Title string `json:"title,omitempty"`
	Media string `json:"media,omitempty"` // media type of what is there
	Lang  string `json:"lang,omitempty"`  // BCP 47
}

// Publish keeps a publication in place of any that was there of the same, and
// tells whether there was none. It returns when it is on the disk; ErrFull says
// that there are too many.
func (s *Store) Publish(p Publication) (first bool, err error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	old, err := s.Publication(p.Of)
	if err != nil {
		return false, err
	}
	if old == nil {
		held := 0
		err := s.walk(rowPublication, nil, func(_, _ []byte) (bool, error) {
			held++
			return held < maxPublications, nil
		})
		if err != nil {
			return false, fmt.Errorf("counting publications: %w", err)
		}
		if held >= maxPublications {
			return false, ErrFull
		}
	}
	value, err := json.Marshal(p)
	if err != nil {
		return false, fmt.Errorf("encoding a publication: %w", err)
	}
	return old == nil, s.Commit(Change{key: row(rowPublication, []byte(p.Of)), value: value})
}

// Unpublish ends a publication, and tells whether there was one. It returns when
// that is on the disk.
func (s *Store) Unpublish(of string) (bool, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	p, err := s.Publication(of)
	if err != nil || p == nil {
		return false, err
	}
	return true, s.Commit(Change{key: row(rowPublication, []byte(of))})
}

// Publication returns what is published of exactly this, nil where nothing is.
func (s *Store) Publication(of string) (*Publication, error) {
	value, err := s.db.Get(row(rowPublication, []byte(of)))
	if err != nil {
		return nil, fmt.Errorf("reading a publication: %w", err)
	}
	if value == nil {
		return nil, nil
	}
	return decodePublication(value)
}

// Publications returns publications by what they are of, at most limit behind the
// given one; more tells whether others follow.
func (s *Store) Publications(after string, limit int) (list []Publication, more bool, err error) {
	from := []byte(after)
	if after != "" {
		from = append(from, 0)
	}
	err = s.walk(rowPublication, from, func(_, value []byte) (bool, error) {
		if more = len(list) == limit; more {
			return false, nil
		}
		p, err := decodePublication(value)
		if err == nil {
			list = append(list, *p)
		}
		return true, err
	})
	return list, more, err
}

func decodePublication(value []byte) (*Publication, error) {
	p := new(Publication)
	if err := json.Unmarshal(value, p); err != nil {
		return nil, fmt.Errorf("reading a publication: %w", err)
	}
	return p, nil
}
