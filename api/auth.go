package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// contextKey names what the gateway puts into a request's context.
type contextKey int

const (
	contextRequest contextKey = iota // *requestState
)

// requestState is what is known of a request while it is answered.
type requestState struct {
	id   string
	key  local.Key
	read *place        // of a read: what its answer takes
	form epcisxml.Form // of an answer in XML
}

func stateOf(r *http.Request) *requestState {
	if s, ok := r.Context().Value(contextRequest).(*requestState); ok {
		return s
	}
	return &requestState{}
}

func requestID(r *http.Request) string { return stateOf(r).id }

// keyOf is the API key that a request was made with.
func keyOf(r *http.Request) *local.Key { return &stateOf(r).key }

func withState(r *http.Request, s *requestState) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), contextRequest, s))
}

// allow lets requests pass that show an API key with the scope, at the key's rate.
func (g *Gateway) allow(scope local.Scope) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key, err := g.authenticate(r)
			if err == nil && !key.Has(scope) {
				err = fault(schemas.Forbidden, fmt.Sprintf("the API key %q lacks the scope %s", key.Name, scope))
			}
			if err == nil {
				err = g.spend(key.ID)
			}
			if err == nil && key.Bound() {
				err = g.bounded(r, &key)
			}
			if err != nil {
				g.fail(w, r, err)
				return
			}
			stateOf(r).key = key
			next.ServeHTTP(w, r)
		})
	}
}

// authenticate finds the API key that a request shows. EPCIS resources take it also as the
// password of any user (RFC 7617), which clients of other repositories send; never from a
// page, whose browser would send it unasked.
func (g *Gateway) authenticate(r *http.Request) (local.Key, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return local.Key{}, fault(schemas.Unauthorized, "no API key, or more than one")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if ok && strings.EqualFold(scheme, "Basic") && isEPCIS(r) && r.Header.Get("Origin") == "" {
		_, token, ok = r.BasicAuth()
		scheme = "Bearer"
	}
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return local.Key{}, fault(schemas.Unauthorized, "the Authorization header is not: Bearer KEY")
	}
	key, ok := g.local.Authenticate(strings.TrimSpace(token))
	if !ok {
		return local.Key{}, fault(schemas.Unauthorized, "no such API key")
	}
	return key, nil
}

func (g *Gateway) spend(key string) error {
	wait, ok := g.rates.take(key)
	if ok {
		return nil
	}
	return &Problem{Code: schemas.RateLimited, Detail: fmt.Sprintf("more than %g requests a second", g.limits.Rate),
		RetryAfter: max(1, int(math.Ceil(wait.Seconds())))}
}
