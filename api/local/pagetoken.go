package local

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxReleased bounds the page tokens that are remembered as released: behind it those
// that expire first make room.
const maxReleased = 1024

func releasedRow(expires time.Time, token schemas.Hash) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{rowReleased}, uint64(expires.Unix())), token[:]...)
}

// ReleaseToken remembers that a page token was released that expires at a time in whole
// seconds. It returns when that is on the disk.
func (s *Store) ReleaseToken(token schemas.Hash, expires time.Time) error {
	s.releasing.Lock()
	defer s.releasing.Unlock()
	changes := []Change{{key: releasedRow(expires, token), value: []byte{}}}
	n := 0
	err := s.walk(rowReleased, nil, func(key, _ []byte) (bool, error) {
		if n++; n == 1 {
			changes = append(changes, Change{key: row(rowReleased, key)})
		}
		return n < maxReleased, nil
	})
	if err != nil {
		return fmt.Errorf("reading the page tokens that were released: %w", err)
	}
	if n < maxReleased {
		changes = changes[:1]
	}
	return s.Commit(changes...)
}

// TokenReleased reports whether a page token was released.
func (s *Store) TokenReleased(token schemas.Hash, expires time.Time) (bool, error) {
	ok, err := s.db.Has(releasedRow(expires, token))
	if err != nil {
		return false, fmt.Errorf("reading a page token that was released: %w", err)
	}
	return ok, nil
}

func (s *Store) oldReleased(before time.Time) (changes []Change, n int, err error) {
	err = s.walk(rowReleased, nil, func(key, _ []byte) (bool, error) {
		if n == pruned || int64(binary.BigEndian.Uint64(key)) >= before.Unix() {
			return false, nil
		}
		changes = append(changes, Change{key: row(rowReleased, key)})
		n++
		return true, nil
	})
	return changes, n, err
}
