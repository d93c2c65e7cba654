package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/schemas"
)

// response notes what was answered, for the log and the metrics.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// observe gives each request an id, logs and counts it, and turns a panic into an
// answer without internals.
func (g *Gateway) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var id [8]byte
		rand.Read(id[:]) // never fails: crypto/rand ends the program instead
		state := &requestState{id: hex.EncodeToString(id[:])}
		r = withState(r, state)
		out := &response{ResponseWriter: w}
		out.Header().Set("X-Request-Id", state.id)
		out.Header().Set("X-Content-Type-Options", "nosniff")
		began := time.Now()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				g.metrics.panics.Inc()
				g.log.Error("panic while answering", slog.String("request", state.id), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
				if out.status == 0 {
					writeProblem(out, problemOf(r, fault(schemas.Internal, "the node met a fault of its own")))
				}
			}
			took := time.Since(began)
			route := routeOf(r)
			g.metrics.observe(r.Method, route, out.status, took)
			level := slog.LevelDebug // of thousands a second only what stands out is worth a line
			if out.status >= http.StatusBadRequest || took > time.Second {
				level = slog.LevelInfo
			}
			g.log.Log(r.Context(), level, "request", slog.String("request", state.id), slog.String("method", r.Method), slog.String("route", route),
				slog.Int("status", out.status), slog.Int64("bytes", out.bytes), slog.Duration("took", took), slog.String("key", state.key.ID))
		}()
		next.ServeHTTP(out, r)
	})
}

// routeOf is the pattern that a request matched: a bounded set, unlike paths.
func routeOf(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		if p := c.RoutePattern(); p != "" {
			return p
		}
	}
	return "none"
}

// reading bounds how many reads are worked on, for how long, and what their
// answers take together.
func (g *Gateway) reading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, err := g.reads.enter(keyOf(r).ID, 0)
		if err != nil {
			g.fail(w, r, err)
			return
		}
		defer at.leave()
		stateOf(r).read = at
		ctx, cancel := context.WithTimeout(r.Context(), g.limits.ReadTime)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// waiting lets requests pass one after the other that need no key, as many at once as the
// line holds: until then they take no place from those who have one.
func (g *Gateway) waiting(line chan struct{}) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), g.limits.ReadTime)
			defer cancel()
			leave, err := turn(r.WithContext(ctx), line)
			if err != nil {
				g.fail(w, r, err)
				return
			}
			defer leave()
			next.ServeHTTP(w, r)
		})
	}
}

// historyHeader names the heights whose records are missing from every answer.
const historyHeader = "Waybill-History-Missing"

// telling says with every answer to a question which heights' records it could
// not take into account, if there are any.
func (g *Gateway) telling(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			if view, err := g.ledger.View(); err == nil { // where there is none, the answer says so
				if first, last, err := view.Missing(); err == nil && last > 0 {
					w.Header().Set(historyHeader, fmt.Sprintf("%d-%d", first, last))
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}
