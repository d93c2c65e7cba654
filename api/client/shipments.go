package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/waybill-ledger/waybill/api"
)

// Shipments are shipments by id, of a party and in a state, from a page's token on; ""
// is any, and begins.
func (c *Client) Shipments(ctx context.Context, party, state, page string) (*api.Shipments, error) {
	q := url.Values{}
	for name, value := range map[string]string{"party": party, "state": state, "nextPageToken": page} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return get[api.Shipments](ctx, c, "/api/v1/shipments", q)
}

// Shipment is a shipment with what it consists of and its hand-overs.
func (c *Client) Shipment(ctx context.Context, id string) (*api.Shipment, error) {
	return get[api.Shipment](ctx, c, ShipmentPath(id), nil)
}

// Conditions are what sensors measured of a shipment, from a page's token on; "" begins.
func (c *Client) Conditions(ctx context.Context, shipment, page string) (*api.Conditions, error) {
	q := url.Values{}
	if page != "" {
		q.Set("nextPageToken", page)
	}
	return get[api.Conditions](ctx, c, ShipmentPath(shipment)+"/conditions", q)
}

// OpenExceptions lists what of a partner's exceptions is not settled, with offers that
// ended without an answer behind all records; "" is the node's own partner.
func (c *Client) OpenExceptions(ctx context.Context, partner, page string) (*api.Exceptions, error) {
	q := url.Values{"open": {"true"}}
	for name, value := range map[string]string{"partner": partner, "nextPageToken": page} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return get[api.Exceptions](ctx, c, "/api/v1/exceptions", q)
}

// ShipmentPath is where a shipment is, and below it what is done about it.
func ShipmentPath(id string) string { return "/api/v1/shipments/" + url.PathEscape(id) }

// HandoverPath is where what is done about a hand-over is.
func HandoverPath(shipment string, n uint64) string {
	return ShipmentPath(shipment) + "/handovers/" + strconv.FormatUint(n, 10)
}
