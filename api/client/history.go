package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/waybill-ledger/waybill/api"
)

// SignedHeader answers the header of a height with what decided it; 0 is the last.
func (c *Client) SignedHeader(ctx context.Context, height int64) (*api.SignedHeader, error) {
	at := "latest"
	if height > 0 {
		at = strconv.FormatInt(height, 10)
	}
	return get[api.SignedHeader](ctx, c, "/api/v1/headers/"+at, nil)
}

// Checkpoint answers the last checkpoint of the node's ledger, with its proof.
func (c *Client) Checkpoint(ctx context.Context) (*api.Checkpoint, error) {
	return get[api.Checkpoint](ctx, c, "/api/v1/checkpoint", nil)
}

// Growth answers the proof that the checkpoint of one size began as that of a
// smaller.
func (c *Client) Growth(ctx context.Context, from, to uint64) (*api.Growth, error) {
	return get[api.Growth](ctx, c, "/api/v1/checkpoint/growth", url.Values{"from": {strconv.FormatUint(from, 10)}, "to": {strconv.FormatUint(to, 10)}})
}

// Anchor answers which header is at an index in the checkpoint of a size, with
// its proof.
func (c *Client) Anchor(ctx context.Context, index, size uint64) (*api.AnchorProof, error) {
	return get[api.AnchorProof](ctx, c, "/api/v1/checkpoint/anchors/"+strconv.FormatUint(index, 10), url.Values{"size": {strconv.FormatUint(size, 10)}})
}

// Carrying answers which header first carried the state that the header of a height
// carries, with its proof in the checkpoint of a size.
func (c *Client) Carrying(ctx context.Context, height int64, size uint64) (*api.AnchorProof, error) {
	return get[api.AnchorProof](ctx, c, "/api/v1/checkpoint/carrying/"+strconv.FormatInt(height, 10), url.Values{"size": {strconv.FormatUint(size, 10)}})
}
