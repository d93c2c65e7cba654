package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// History is what a ledger tells to whoever watches that its past stays as it is:
// witnesses, who have no key, and believe nothing that is not proven.
type History interface {
	// SignedHeader answers the header of a height with what decided it, encoded.
	// Height 0 is the last. A *schemas.Fault not_found tells that it is not held.
	SignedHeader(ctx context.Context, height int64) (*SignedHeader, error)

	// Checkpoint answers the last checkpoint with its proof; a *schemas.Fault
	// not_found while no transaction is recorded.
	Checkpoint(ctx context.Context) (*Checkpoint, error)

	// Growth proves that the checkpoint of one size began as that of a smaller.
	Growth(ctx context.Context, from, to uint64) (*Growth, error)

	// Anchor proves which header is at an index in the checkpoint of a size.
	Anchor(ctx context.Context, index, size uint64) (*AnchorProof, error)

	// Carrying proves the same of the last header up to a height: it first carried
	// the state that the header of that height carries.
	Carrying(ctx context.Context, height int64, size uint64) (*AnchorProof, error)
}

// SignedHeader is a header and what decided it. All but Signed follows from it.
type SignedHeader struct {
	Height int64     `json:"height"`
	Time   time.Time `json:"time"`
	Hash   string    `json:"hash"`   // hexadecimal
	Signed Encoded   `json:"signed"` // as package proof encodes it
	// Rescue is the document by which the network was restarted behind this header,
	// as package proof encodes it; nil where it was not.
	Rescue Encoded `json:"rescue,omitempty"`
}

// Checkpoint is the last checkpoint of the header accumulator. All but Proof
// follows from it.
type Checkpoint struct {
	Origin string  `json:"origin"`
	Size   uint64  `json:"size"`
	Root   string  `json:"root"`   // hexadecimal
	Height int64   `json:"height"` // of the header that is its last entry
	Hash   string  `json:"hash"`   // and its hash
	Proof  Encoded `json:"proof"`  // as package proof encodes it
}

// Growth is a consistency proof between two checkpoints (RFC 6962, 2.1.2).
type Growth struct {
	From uint64         `json:"from"`
	To   uint64         `json:"to"`
	Path []schemas.Hash `json:"path"`
}

// AnchorProof is an entry of a checkpoint with its inclusion proof (RFC 6962, 2.1.1).
type AnchorProof struct {
	Index  uint64         `json:"index"`
	Size   uint64         `json:"size"`
	Height int64          `json:"height"`
	Hash   schemas.Hash   `json:"hash"` // of the header
	Path   []schemas.Hash `json:"path"`
	Signed Encoded        `json:"signed,omitempty"` // the header, as package proof encodes it
}

// Encoded is bytes, in JSON as base64.
type Encoded []byte

// MarshalText writes base64 with padding.
func (e Encoded) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, e), nil
}

// UnmarshalText reads it.
func (e *Encoded) UnmarshalText(b []byte) error {
	out, err := base64.StdEncoding.Strict().AppendDecode(nil, b)
	if err != nil {
		return fmt.Errorf("reading base64: %w", err)
	}
	*e = out
	return nil
}

// answerHistory answers what is proven from the ledger's past.
func answerHistory[T any](g *Gateway, w http.ResponseWriter, r *http.Request, prove func() (T, error)) {
	out, err := prove()
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

// getHeader answers the signed header of a height.
func (g *Gateway) getHeader(w http.ResponseWriter, r *http.Request) {
	answerHistory(g, w, r, func() (*SignedHeader, error) {
		if _, err := parameters(r); err != nil {
			return nil, err
		}
		text, err := segment(r, "height")
		if err != nil {
			return nil, err
		}
		height := int64(0)
		if text != "latest" {
			if height, err = strconv.ParseInt(text, 10, 64); err != nil || height < 1 {
				return nil, fault(schemas.BadParameter, "a height is a number from 1, or latest: "+clip(text))
			}
		}
		return g.ledger.SignedHeader(r.Context(), height)
	})
}

// getCheckpoint answers the last checkpoint.
func (g *Gateway) getCheckpoint(w http.ResponseWriter, r *http.Request) {
	answerHistory(g, w, r, func() (*Checkpoint, error) {
		if _, err := parameters(r); err != nil {
			return nil, err
		}
		return g.ledger.Checkpoint(r.Context())
	})
}

// getGrowth answers a consistency proof.
func (g *Gateway) getGrowth(w http.ResponseWriter, r *http.Request) {
	answerHistory(g, w, r, func() (*Growth, error) {
		q, err := parameters(r, "from", "to")
		if err != nil {
			return nil, err
		}
		from, err := size(q, "from")
		if err != nil {
			return nil, err
		}
		to, err := size(q, "to")
		if err != nil {
			return nil, err
		}
		if from > to {
			return nil, fault(schemas.BadParameter, "from is larger than to")
		}
		return g.ledger.Growth(r.Context(), from, to)
	})
}

// getAnchor answers an entry with its inclusion proof.
func (g *Gateway) getAnchor(w http.ResponseWriter, r *http.Request) {
	answerHistory(g, w, r, func() (*AnchorProof, error) {
		q, err := parameters(r, "size")
		if err != nil {
			return nil, err
		}
		text, err := segment(r, "index")
		if err != nil {
			return nil, err
		}
		index, err := strconv.ParseUint(text, 10, 62)
		if err != nil {
			return nil, fault(schemas.BadParameter, "an index is a number from 0: "+clip(text))
		}
		n, err := size(q, "size")
		if err != nil {
			return nil, err
		}
		if index >= n {
			return nil, fault(schemas.BadParameter, "the index is not below the size")
		}
		return g.ledger.Anchor(r.Context(), index, n)
	})
}

// getCarrying answers the header that first carried a state.
func (g *Gateway) getCarrying(w http.ResponseWriter, r *http.Request) {
	answerHistory(g, w, r, func() (*AnchorProof, error) {
		q, err := parameters(r, "size")
		if err != nil {
			return nil, err
		}
		text, err := segment(r, "height")
		if err != nil {
			return nil, err
		}
		height, err := strconv.ParseInt(text, 10, 64)
		if err != nil || height < 1 {
			return nil, fault(schemas.BadParameter, "a height is a number from 1: "+clip(text))
		}
		n, err := size(q, "size")
		if err != nil {
			return nil, err
		}
		return g.ledger.Carrying(r.Context(), height, n)
	})
}

// size reads the size of a checkpoint.
func size(q map[string]string, name string) (uint64, error) {
	n, err := strconv.ParseUint(q[name], 10, 62)
	if err != nil || n == 0 {
		return 0, fault(schemas.BadParameter, name+" is the size of a checkpoint, a number from 1: "+clip(q[name]))
	}
	return n, nil
}
