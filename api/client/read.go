package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

func paging(perPage int, page string) url.Values {
	q := url.Values{}
	if perPage > 0 {
		q.Set("perPage", strconv.Itoa(perPage))
	}
	if page != "" {
		q.Set("nextPageToken", page)
	}
	return q
}

func itemPath(id string) string { return "/api/v1/items/" + url.PathEscape(id) }

// Item answers an item's state. The identifier may have any form; that of a class
// or lot is for Class.
func (c *Client) Item(ctx context.Context, id string) (*api.Item, error) {
	return get[api.Item](ctx, c, itemPath(id), nil)
}

// Class answers what partners hold of a class or lot.
func (c *Client) Class(ctx context.Context, id string) (*api.Class, error) {
	return get[api.Class](ctx, c, itemPath(id), nil)
}

// ItemJSON answers the state of an item, class or lot as the gateway wrote it.
func (c *Client) ItemJSON(ctx context.Context, id string) (json.RawMessage, error) {
	v, err := get[json.RawMessage](ctx, c, itemPath(id), nil)
	if err != nil {
		return nil, err
	}
	return *v, nil
}

// Trail answers a page of an item's records, oldest first; "" is the first page.
func (c *Client) Trail(ctx context.Context, id string, perPage int, page string) (*api.Trail, error) {
	return get[api.Trail](ctx, c, itemPath(id)+"/trail", paging(perPage, page))
}

// WholeTrail answers all records of an item.
func (c *Client) WholeTrail(ctx context.Context, id string) (*api.Trail, error) {
	return c.wholeTrail(ctx, itemPath(id))
}

// ShipmentTrail answers every message that did something to a shipment, oldest first.
func (c *Client) ShipmentTrail(ctx context.Context, id string) (*api.Trail, error) {
	return c.wholeTrail(ctx, ShipmentPath(id))
}

func (c *Client) wholeTrail(ctx context.Context, of string) (*api.Trail, error) {
	page := func(token string) (*api.Trail, error) {
		return get[api.Trail](ctx, c, of+"/trail", paging(1000, token))
	}
	whole, err := page("")
	for err == nil && whole.NextPageToken != "" {
		var next *api.Trail
		if next, err = page(whole.NextPageToken); err == nil {
			whole.Records = append(whole.Records, next.Records...)
			whole.Height, whole.NextPageToken = next.Height, next.NextPageToken
		}
	}
	if err != nil {
		return nil, err
	}
	return whole, nil
}

// Trace follows an item's history. A depth of 0 leaves it to the gateway.
func (c *Client) Trace(ctx context.Context, id string, direction schemas.Direction, maxDepth int) (*api.Trace, error) {
	q := url.Values{}
	switch direction {
	case schemas.Upstream:
		q.Set("direction", "upstream")
	case schemas.Downstream:
		q.Set("direction", "downstream")
	default:
		q.Set("direction", "both")
	}
	if maxDepth > 0 {
		q.Set("maxDepth", strconv.Itoa(maxDepth))
	}
	return get[api.Trace](ctx, c, itemPath(id)+"/trace", q)
}

// Bundle answers the proof of what the ledger has of an item, a lot, a partner's
// activity or a shipment, in its binary form. The identifier may have any form.
func (c *Client) Bundle(ctx context.Context, q schemas.BundleQuery) ([]byte, error) {
	path := itemPath(q.ID)
	switch q.Of {
	case schemas.BundleOfLot:
		path = "/api/v1/lots/" + url.PathEscape(q.ID)
	case schemas.BundleOfPartner:
		path = "/api/v1/partners/" + url.PathEscape(q.ID)
	case schemas.BundleOfShipment:
		path = "/api/v1/shipments/" + url.PathEscape(q.ID)
	}
	path += "/bundle"
	if v := bundleValues(q); len(v) > 0 {
		path += "?" + v.Encode()
	}
	a, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// Renew answers a bundle again, of the same state under a header of now that leads
// from a root of trust of the height since, 0 for any.
func (c *Client) Renew(ctx context.Context, bundle []byte, since int64) ([]byte, error) {
	q := request{method: http.MethodPost, path: "/api/v1/bundles", plain: true, body: bundle, header: http.Header{"Content-Type": {"application/vnd.waybill.bundle"}}}
	if since > 0 {
		q.path += "?since=" + strconv.FormatInt(since, 10)
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

func bundleValues(q schemas.BundleQuery) url.Values {
	v := url.Values{}
	thing := q.Of != schemas.BundleOfPartner && q.Of != schemas.BundleOfShipment
	for name, set := range map[string]bool{"observations": q.Observations, "names": q.Names, "times": q.Times, "hashIDs": q.HashIDs, "units": q.Units} {
		if set {
			v.Set(name, "true")
		}
	}
	if thing && !q.Containers {
		v.Set("containers", "false")
	}
	if q.Of == schemas.BundleOfItem {
		v.Set("as", "item")
	}
	for name, n := range map[string]uint64{"ancestors": uint64(q.Ancestors), "first": q.First, "count": q.Count, "height": uint64(q.Height), "since": uint64(q.Since)} {
		if n != 0 {
			v.Set(name, strconv.FormatUint(n, 10))
		}
	}
	for name, text := range map[string]string{"only": strings.Join(q.Only, "|"), "withhold": strings.Join(q.Withhold, "|"), "partner": q.Partner} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return v
}

// Trust answers an auditor's root of trust.
func (c *Client) Trust(ctx context.Context) (*api.Trust, error) {
	return get[api.Trust](ctx, c, "/api/v1/trust", nil)
}

// Network answers the node's view of the network.
func (c *Client) Network(ctx context.Context) (*api.Network, error) {
	return get[api.Network](ctx, c, "/api/v1/network", nil)
}

// Partners lists the partners.
func (c *Client) Partners(ctx context.Context) (*api.Partners, error) {
	return get[api.Partners](ctx, c, "/api/v1/partners", nil)
}

// Exceptions lists flagged records that concern a partner, newest first; "" is
// the node's own partner, and the first page.
func (c *Client) Exceptions(ctx context.Context, partner string, perPage int, page string) (*api.Exceptions, error) {
	q := paging(perPage, page)
	if partner != "" {
		q.Set("partner", partner)
	}
	return get[api.Exceptions](ctx, c, "/api/v1/exceptions", q)
}

// Receipt answers a committed transaction.
func (c *Client) Receipt(ctx context.Context, id schemas.Hash) (*api.Transaction, error) {
	return get[api.Transaction](ctx, c, "/api/v1/transactions/"+id.String(), nil)
}

// Ready answers an error with the reason while the node does not do its work. It
// asks once.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.once(ctx, request{method: http.MethodGet, path: "/readyz", header: http.Header{}})
	return err
}

// Events is a page of an event query.
type Events struct {
	Document []byte            // the EPCISQueryDocument
	List     []json.RawMessage // its events
	Next     string            // nextPageToken, "" on the last page
}

// Events answers a page of an EPCIS event query with the parameters of the
// standard.
func (c *Client) Events(ctx context.Context, query url.Values) (*Events, error) {
	path := "/epcis/v2/events"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.events(ctx, path)
}

// EventsByID answers all partners' events of one eventID.
func (c *Client) EventsByID(ctx context.Context, eventID string) (*Events, error) {
	return c.events(ctx, "/epcis/v2/events/"+url.PathEscape(eventID))
}

func (c *Client) events(ctx context.Context, path string) (*Events, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	var d struct {
		Body struct {
			Results struct {
				Body struct {
					List []json.RawMessage `json:"eventList"`
				} `json:"resultsBody"`
			} `json:"queryResults"`
		} `json:"epcisBody"`
	}
	if err := json.Unmarshal(a.body, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	next, err := nextPage(a.header.Get("Link"))
	return &Events{Document: a.body, List: d.Body.Results.Body.List, Next: next}, err
}

// nextPage reads the token of the link to the next page.
func nextPage(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rest, `rel="next"`) {
		return "", fmt.Errorf("%w: a link that is not to the next page", errAnswer)
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errAnswer, err)
	}
	return u.Query().Get("nextPageToken"), nil
}
