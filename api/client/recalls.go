package client

import (
	"context"
	"net/url"

	"github.com/waybill-ledger/waybill/api"
)

// Recalls are recalls by issuer and name, all of them or the open ones, from a page's
// token on; "" begins.
func (c *Client) Recalls(ctx context.Context, open bool, page string) (*api.Recalls, error) {
	q := url.Values{}
	if open {
		q.Set("open", "true")
	}
	if page != "" {
		q.Set("nextPageToken", page)
	}
	return get[api.Recalls](ctx, c, "/api/v1/recalls", q)
}

// Recall is a recall with where it reaches.
func (c *Client) Recall(ctx context.Context, issuer, recall string) (*api.RecallReach, error) {
	return get[api.RecallReach](ctx, c, RecallPath(issuer, recall), nil)
}

// RecallPath is where a recall is, and below it what is done about it.
func RecallPath(issuer, recall string) string {
	return "/api/v1/recalls/" + url.PathEscape(issuer) + "/" + url.PathEscape(recall)
}
