package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/waybill-ledger/waybill/api"
)

func queryPath(name string) string { return "/epcis/v2/queries/" + url.PathEscape(name) }

func subscriptionPath(name, id string) string {
	return queryPath(name) + "/subscriptions/" + url.PathEscape(id)
}

// StoreQuery names an event query (EPCIS 2.0, 8.2.7.1): an object of its parameters,
// with an @context for prefixes of its own. A name that is taken is name_taken.
func (c *Client) StoreQuery(ctx context.Context, name string, query json.RawMessage) error {
	return c.post(ctx, "/epcis/v2/queries", api.QueryDefinition{Name: name, Query: query}, nil, nil)
}

// DropQuery forgets a stored query, and ends its subscriptions, whosever they are.
func (c *Client) DropQuery(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: queryPath(name)})
	return err
}

// Queries lists the stored queries by name, a page of them; next is that of the page
// behind, "" on the last.
func (c *Client) Queries(ctx context.Context, perPage int, page string) (list []api.QueryDefinition, next string, err error) {
	return listOf[api.QueryDefinition](ctx, c, "/epcis/v2/queries", perPage, page)
}

// Subscribe makes a subscription of a stored query. epcFormat is how identifiers are
// written in messages (GS1-EPC-Format), "" for as they were submitted.
func (c *Client) Subscribe(ctx context.Context, query string, what api.SubscriptionRequest, epcFormat string) (*api.Subscription, error) {
	made := &api.Subscription{}
	header := http.Header{}
	if epcFormat != "" {
		header.Set("GS1-EPC-Format", epcFormat)
	}
	if err := c.post(ctx, queryPath(query)+"/subscriptions", what, header, made); err != nil {
		return nil, err
	}
	return made, nil
}

// Subscriptions lists the API key's subscriptions of a stored query, oldest first, a
// page of them; next is that of the page behind, "" on the last.
func (c *Client) Subscriptions(ctx context.Context, query string, perPage int, page string) (list []api.Subscription, next string, err error) {
	return listOf[api.Subscription](ctx, c, queryPath(query)+"/subscriptions", perPage, page)
}

// Subscription tells one of the API key's subscriptions, and how its delivery stands.
func (c *Client) Subscription(ctx context.Context, query, id string) (*api.Subscription, error) {
	return get[api.Subscription](ctx, c, subscriptionPath(query, id), nil)
}

// Unsubscribe ends a subscription.
func (c *Client) Unsubscribe(ctx context.Context, query, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: subscriptionPath(query, id)})
	return err
}

// Replay delivers everything that was recorded from a time on once more.
func (c *Client) Replay(ctx context.Context, id string, since time.Time) (*api.Subscription, error) {
	told := &api.Subscription{}
	path := "/api/v1/subscriptions/" + url.PathEscape(id) + "/replay"
	if err := c.post(ctx, path, api.ReplayRequest{RecordTime: since.UTC().Format(time.RFC3339Nano)}, nil, told); err != nil {
		return nil, err
	}
	return told, nil
}

// post writes a JSON document, once however often it is sent, and reads the answer.
func (c *Client) post(ctx context.Context, path string, what any, header http.Header, into any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("writing a request: %w", err)
	}
	q := Write{}.request(path, "application/json", body)
	for name, values := range header {
		q.header[name] = values
	}
	a, err := c.do(ctx, q)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return nil
}

// listOf reads a page of a list whose next page is told by a link.
func listOf[T any](ctx context.Context, c *Client, path string, perPage int, page string) (list []T, next string, err error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path + "?" + paging(perPage, page).Encode()})
	if err != nil {
		return nil, "", err
	}
	out, err := decode[[]T](a)
	if err != nil {
		return nil, "", err
	}
	next, err = nextPage(a.header.Get("Link"))
	return *out, next, err
}
