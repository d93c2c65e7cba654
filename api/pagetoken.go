package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
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
)

// pageTokens are the tokens of a gateway.
type pageTokens struct {
	now  func() time.Time
	kept *local.Store
}

// release makes a token one that is refused, now and behind a restart.
func (t *pageTokens) release(token string) error {
	_, expires, err := t.open(token)
	if refused := new(schemas.Fault); errors.As(err, &refused) {
		return fault(schemas.NotFound, "there is no such nextPageToken any more: "+clip(token))
	}
	if err != nil {
		return err
	}
	return t.kept.ReleaseToken(tokenMark(token), expires)
}

func tokenMark(token string) schemas.Hash {
	return schemas.Sum("waybill/gateway/token", []byte(token))
}

// open checks a token, and gives the place in it and when it expires.
func (t *pageTokens) open(token string) (place string, expires time.Time, err error) {
	at, place, ok := strings.Cut(token, ".")
	seconds, bad := strconv.ParseInt(at, 16, 64)
	if !ok || bad != nil || place == "" || len(token) > maxToken {
		return "", expires, fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	expires = time.Unix(seconds, 0)
	if !expires.After(t.now()) {
		return "", expires, fault(schemas.ViewExpired, "nextPageToken expired at "+expires.UTC().Format(time.RFC3339))
	}
	released, err := t.kept.TokenReleased(tokenMark(token), expires)
	if err == nil && released {
		err = fault(schemas.ViewExpired, "nextPageToken was deleted")
	}
	return place, expires, err
}

// openPage checks the nextPageToken among parameters, if there is one, and leaves the
// place in it.
func (g *Gateway) openPage(q map[string]string) error {
	token, ok := q["nextPageToken"]
	if !ok {
		return nil
	}
	place, _, err := g.tokens.open(token)
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
		err = g.tokens.release(token)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Del("Content-Type")
	w.WriteHeader(http.StatusNoContent)
}
