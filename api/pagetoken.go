package api

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// The page tokens of EPCIS lists lapse at a time that is told with them (EPCIS 2.0,
// 12.6: GS1-Next-Page-Token-Expires): TIME.PLACE, where the place is the list's own
// and the time is in seconds since 1970, hexadecimal. Nothing is held for one, so
// that to release one is to remember that it was, until others take its room.

const (
	tokenExpires = "GS1-Next-Page-Token-Expires"
	tokenLife    = 24 * time.Hour
	maxToken     = 4 * schemas.MaxIdentifier // bytes
	maxReleased  = 4096
)

// pageTokens are the tokens of a gateway.
type pageTokens struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	released map[schemas.Hash]bool
	order    []schemas.Hash // of their release, as a ring
	oldest   int
}

func newPageTokens() *pageTokens {
	return &pageTokens{now: time.Now, released: map[schemas.Hash]bool{}}
}

func tokenMark(token string) schemas.Hash {
	return schemas.Sum("waybill/gateway/token", []byte(token))
}

// release makes a token one that is refused.
func (t *pageTokens) release(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mark := tokenMark(token)
	switch {
	case t.released[mark]:
		return
	case len(t.order) < maxReleased:
		t.order = append(t.order, mark)
	default:
		delete(t.released, t.order[t.oldest])
		t.order[t.oldest] = mark
		t.oldest = (t.oldest + 1) % maxReleased
	}
	t.released[mark] = true
}

// open checks a token, and gives the place in it.
func (t *pageTokens) open(token string) (place string, err error) {
	expires, place, ok := strings.Cut(token, ".")
	seconds, bad := strconv.ParseInt(expires, 16, 64)
	if !ok || bad != nil || place == "" || len(token) > maxToken {
		return "", fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	if at := time.Unix(seconds, 0); !at.After(t.now()) {
		return "", fault(schemas.ViewExpired, "nextPageToken expired at "+at.UTC().Format(time.RFC3339))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.released[tokenMark(token)] {
		return "", fault(schemas.ViewExpired, "nextPageToken was deleted")
	}
	return place, nil
}

// openPage checks the nextPageToken among parameters, if there is one, and leaves the
// place in it.
func (g *Gateway) openPage(q map[string]string) error {
	token, ok := q["nextPageToken"]
	if !ok {
		return nil
	}
	place, err := g.tokens.open(token)
	if err == nil {
		q["nextPageToken"] = place
	}
	return err
}

// tellNext tells where the next page of an EPCIS list is, and until when.
func (g *Gateway) tellNext(w http.ResponseWriter, r *http.Request, place string) {
	expires := g.tokens.now().Add(tokenLife).UTC().Truncate(time.Second)
	token := strconv.FormatInt(expires.Unix(), 16) + "." + place
	linkNext(w, r, token)
	w.Header().Set("nextPageToken", token)
	w.Header().Set(tokenExpires, expires.Format(time.RFC3339))
}

// tokenRoutes are the routes of page tokens (EPCIS 2.0, 12.4).
func (g *Gateway) tokenRoutes(m chi.Router) {
	const path = "/nextPageToken/{token}"
	m.Options(path, g.discover("DELETE, OPTIONS"))
	m.With(g.allow(local.Query), g.accepting(epcisTypes...)).Delete(path, g.deletePageToken)
}

// deletePageToken releases a token.
func (g *Gateway) deletePageToken(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var token string
	if err == nil {
		token, err = segment(r, "token")
	}
	if err == nil {
		if _, bad := g.tokens.open(token); bad != nil {
			err = fault(schemas.NotFound, "there is no such nextPageToken any more: "+clip(token))
		}
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.tokens.release(token)
	w.Header().Del("Content-Type")
	w.WriteHeader(http.StatusNoContent)
}
