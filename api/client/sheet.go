package client

import (
	"context"
	"net/http"
	"net/url"
)

// FSMA answers critical tracking events as a media type: application/json,
// text/csv or XLSX. The query has lot, or from and to.
func (c *Client) FSMA(ctx context.Context, query url.Values, mediaType string) ([]byte, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: "/api/v1/fsma204?" + query.Encode(), header: http.Header{"Accept": {mediaType}}})
	if err != nil {
		return nil, err
	}
	return a.body, nil
}
