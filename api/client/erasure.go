package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/waybill-ledger/waybill/api"
)

// Order gives an order about the body of one of the partner's events, and waits
// for its commit, for as long as the gateway does.
func (c *Client) Order(ctx context.Context, order api.OrderRequest, how Write) (*Written, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("encoding an order: %w", err)
	}
	return c.write(ctx, how.request("/api/v1/erasures", "application/json", body))
}

// Erasure tells how the body of an event stands; "" is the node's own partner.
func (c *Client) Erasure(ctx context.Context, partner, eventID string) (*api.Erasure, error) {
	q := url.Values{"eventID": {eventID}}
	if partner != "" {
		q.Set("partner", partner)
	}
	return get[api.Erasure](ctx, c, "/api/v1/erasures", q)
}
