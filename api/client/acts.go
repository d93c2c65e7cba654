package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// Act does what a path of the native interface does by an act, whose members request
// has as JSON, and waits for its commit, for as long as the gateway does.
func (c *Client) Act(ctx context.Context, path string, request any, how Write) (*Written, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encoding an act: %w", err)
	}
	return c.write(ctx, how.request(path, "application/json", body))
}
