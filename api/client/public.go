package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
)

func publicPath(of string) string { return "/api/v1/public/" + url.PathEscape(of) }

// Publish makes a GS1 identifier, or all below the digits of a company prefix,
// public, in place of what was public of it before.
func (c *Client) Publish(ctx context.Context, of string, what api.PublicationRequest) (*local.Publication, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return nil, fmt.Errorf("encoding a publication: %w", err)
	}
	a, err := c.do(ctx, request{method: http.MethodPut, path: publicPath(of), body: body, header: http.Header{"Content-Type": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	return decode[local.Publication](a)
}

// Unpublish makes it public no more; not_found says that it was not.
func (c *Client) Unpublish(ctx context.Context, of string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: publicPath(of)})
	return err
}

// Publications lists what is public, from a page on; "" is the first.
func (c *Client) Publications(ctx context.Context, perPage int, page string) (*api.Publications, error) {
	return get[api.Publications](ctx, c, "/api/v1/public", paging(perPage, page))
}
