package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/waybill-ledger/waybill/api"
)

const webhooksPath = "/api/v1/webhooks"

func webhookPath(id string) string { return webhooksPath + "/" + url.PathEscape(id) }

// AddWebhook has a receiver told what the stream tells. Its secret is in this answer
// alone.
func (c *Client) AddWebhook(ctx context.Context, what api.WebhookRequest) (*api.Webhook, error) {
	made := &api.Webhook{}
	if err := c.post(ctx, webhooksPath, what, nil, made); err != nil {
		return nil, err
	}
	return made, nil
}

// Webhooks are those of the API key, oldest first, from a page's token on; "" begins.
func (c *Client) Webhooks(ctx context.Context, perPage int, page string) (*api.Webhooks, error) {
	return get[api.Webhooks](ctx, c, webhooksPath, paging(perPage, page))
}

// Webhook tells a webhook, its cursor, and how its delivery stands.
func (c *Client) Webhook(ctx context.Context, id string) (*api.Webhook, error) {
	return get[api.Webhook](ctx, c, webhookPath(id), nil)
}

// RemoveWebhook ends a webhook.
func (c *Client) RemoveWebhook(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: webhookPath(id)})
	return err
}

// ReplayWebhook delivers again what is behind a cursor of the stream, or from a height on.
func (c *Client) ReplayWebhook(ctx context.Context, id string, from api.WebhookReplay) (*api.Webhook, error) {
	return c.changeWebhook(ctx, id, "/replay", from)
}

// RotateWebhook changes a webhook's secret, which is in this answer alone.
func (c *Client) RotateWebhook(ctx context.Context, id string, to api.WebhookSecret) (*api.Webhook, error) {
	return c.changeWebhook(ctx, id, "/secret", to)
}

// PauseWebhook stops the delivery of a webhook. Its cursor stays.
func (c *Client) PauseWebhook(ctx context.Context, id string) (*api.Webhook, error) {
	return c.changeWebhook(ctx, id, "/pause", struct{}{})
}

// ResumeWebhook lets the delivery of a webhook go on at once, where it was paused or waits
// to try again.
func (c *Client) ResumeWebhook(ctx context.Context, id string) (*api.Webhook, error) {
	return c.changeWebhook(ctx, id, "/resume", struct{}{})
}

func (c *Client) changeWebhook(ctx context.Context, id, change string, what any) (*api.Webhook, error) {
	changed := &api.Webhook{}
	if err := c.post(ctx, webhookPath(id)+change, what, nil, changed); err != nil {
		return nil, err
	}
	return changed, nil
}
