package api

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

//go:embed openapi.json
var openapi []byte

//go:embed index.html
var index []byte

// getLive answers as long as the process can answer at all.
func (g *Gateway) getLive(w http.ResponseWriter, _ *http.Request) {
	writeBody(w, http.StatusOK, typeJSON, []byte(`{"live":true}`))
}

// Ready tells whether the node does its work.
type Ready struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Height int64  `json:"height"`
}

// getReady answers 503 with the reason while writes cannot be committed or reads
// would be stale.
func (g *Gateway) getReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	n, err := g.ledger.Network(ctx)
	if err != nil {
		g.fail(w, r, &Problem{Code: schemas.Unavailable, Detail: "the node does not answer", RetryAfter: 1})
		return
	}
	reason := ""
	switch {
	case n.Halted:
		reason = "halted"
	case n.CatchingUp && !n.Quorum:
		reason = "catching up, and no quorum"
	case n.CatchingUp:
		reason = "catching up"
	case !n.Quorum:
		reason = "no quorum"
	case !g.outbox.isReady():
		reason = "starting"
	}
	if reason != "" {
		g.fail(w, r, &Problem{Code: schemas.Unavailable, Detail: reason, RetryAfter: 1})
		return
	}
	g.writeJSON(w, r, http.StatusOK, Ready{Ready: true, Height: n.Height})
}

func (o *outbox) isReady() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ready
}

func (g *Gateway) getOpenAPI(w http.ResponseWriter, _ *http.Request) {
	writeBody(w, http.StatusOK, typeJSON, openapi)
}

func (g *Gateway) getIndex(w http.ResponseWriter, _ *http.Request) { writePage(w, index) }

// writePage answers a page that needs nothing from elsewhere.
func writePage(w http.ResponseWriter, page []byte) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	writeBody(w, http.StatusOK, typeHTML+"; charset=utf-8", page)
}
