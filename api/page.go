package api

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// pageToken is where the next page of an event query begins. It is bound to the
// query, and to the height of the query's first page, so that events that arrive
// meanwhile move nothing: no page repeats or skips an event. It holds no secret,
// and a forged one finds nothing that a query would not.
type pageToken struct {
	height int64
	after  schemas.Locator
	time   int64 // the last event's eventTime
	query  [8]byte
	given  int // events of all pages so far
}

const (
	tokenVersion      = 1
	eventTokenVersion = 2
	tokenSize         = 1 + 8 + schemas.LocatorSize + 8 + 8 + 8
)

func (t pageToken) String() string {
	b := make([]byte, 0, tokenSize)
	b = append(b, eventTokenVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(t.height))
	b = t.after.Append(b)
	b = binary.BigEndian.AppendUint64(b, uint64(t.time))
	b = append(b, t.query[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.given))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePageToken(s string) (t pageToken, err error) {
	bad := fault(schemas.BadParameter, "nextPageToken is not one of this query")
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != tokenSize || b[0] != eventTokenVersion {
		return t, bad
	}
	b = b[1:]
	t.height = int64(binary.BigEndian.Uint64(b))
	if t.after, err = schemas.DecodeLocator(b[8 : 8+schemas.LocatorSize]); err != nil || t.height < 1 {
		return t, bad
	}
	b = b[8+schemas.LocatorSize:]
	t.time = int64(binary.BigEndian.Uint64(b))
	copy(t.query[:], b[8:])
	if t.given = int(binary.BigEndian.Uint64(b[16:])); t.given < 0 {
		return t, bad
	}
	return t, nil
}

// markOf tells queries apart: two are the same when their names are, their
// parameters, and what defines the prefixes in these.
func markOf(name, prefixes string, list []schemas.Parameter) (mark [8]byte) {
	parts := [][]byte{[]byte(name), []byte(prefixes)}
	for i := range list {
		parts = append(parts, []byte(list[i].Name), binary.AppendUvarint(nil, uint64(len(list[i].Values))))
		for _, v := range list[i].Values {
			parts = append(parts, []byte{byte(v.Kind)}, []byte(v.Text))
		}
	}
	h := schemas.Sum("waybill/gateway/query", parts...)
	copy(mark[:], h[:])
	return mark
}

// trailToken is where the next page of an item's two trails begins. Trails only
// grow at their ends, and both are in ledger order, so two counts say it all.
type trailToken struct{ custody, observations uint64 }

func (t trailToken) String() string {
	b := binary.AppendUvarint([]byte{tokenVersion}, t.custody)
	return base64.RawURLEncoding.EncodeToString(binary.AppendUvarint(b, t.observations))
}

func parseTrailToken(s string) (t trailToken, err error) {
	bad := fault(schemas.BadParameter, "nextPageToken is not one of this list")
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 3 || b[0] != tokenVersion {
		return t, bad
	}
	var n, m int
	if t.custody, n = binary.Uvarint(b[1:]); n <= 0 {
		return t, bad
	}
	if t.observations, m = binary.Uvarint(b[1+n:]); m <= 0 || 1+n+m != len(b) {
		return t, bad
	}
	if t.custody > 1<<40 || t.observations > 1<<40 {
		return t, bad
	}
	return t, nil
}

// locatorToken is where the next page of a list in ledger order begins.
func locatorToken(l schemas.Locator) string {
	return base64.RawURLEncoding.EncodeToString(l.Append([]byte{tokenVersion}))
}

func parseLocatorToken(s string) (*schemas.Locator, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 1 || b[0] != tokenVersion {
		return nil, fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	l, err := schemas.DecodeLocator(b[1:])
	if err != nil || strings.Contains(s, "\n") {
		return nil, fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	return &l, nil
}
