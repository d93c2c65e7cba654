package client

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/waybill-ledger/waybill/api"
)

func proposalPath(id string) string { return "/api/v1/proposals/" + url.PathEscape(id) }

// Propose proposes a change, an object of kind and its members, and waits for the
// proposal's commit, for as long as the gateway does.
func (c *Client) Propose(ctx context.Context, change json.RawMessage, how Write) (*Written, error) {
	how.DryRun = false
	return c.write(ctx, how.request("/api/v1/proposals", "application/json", change))
}

// RehearseProposal answers what a proposal would get, and what it would do.
func (c *Client) RehearseProposal(ctx context.Context, change json.RawMessage) (*api.Rehearsal, error) {
	a, err := c.do(ctx, Write{DryRun: true}.request("/api/v1/proposals", "application/json", change))
	if err != nil {
		return nil, err
	}
	return decode[api.Rehearsal](a)
}

// RehearseSigned answers what a proposal would get, and what it would do, that the
// caller signed as a transaction of its own.
func (c *Client) RehearseSigned(ctx context.Context, raw []byte) (*api.Rehearsal, error) {
	a, err := c.do(ctx, Write{DryRun: true}.request("/api/v1/transactions", transactionType, raw))
	if err != nil {
		return nil, err
	}
	return decode[api.Rehearsal](a)
}

// Vote votes for a proposal or against it.
func (c *Client) Vote(ctx context.Context, proposal string, approve bool, reason string, how Write) (*Written, error) {
	body, err := json.Marshal(struct {
		Approve bool   `json:"approve,omitempty"`
		Reason  string `json:"reason,omitempty"`
	}{approve, reason})
	if err != nil {
		return nil, err
	}
	return c.write(ctx, how.request(proposalPath(proposal)+"/votes", "application/json", body))
}

// Withdraw withdraws a proposal of the node's own partner.
func (c *Client) Withdraw(ctx context.Context, proposal string, how Write) (*Written, error) {
	return c.write(ctx, how.request(proposalPath(proposal)+"/withdraw", "application/json", []byte("{}")))
}

// Proposals lists proposals, newest first.
func (c *Client) Proposals(ctx context.Context, perPage int, page string) (*api.Proposals, error) {
	return get[api.Proposals](ctx, c, "/api/v1/proposals", paging(perPage, page))
}

// Proposal tells of one proposal.
func (c *Client) Proposal(ctx context.Context, id string) (*api.Proposal, error) {
	return get[api.Proposal](ctx, c, proposalPath(id), nil)
}

// Partner tells of one partner.
func (c *Client) Partner(ctx context.Context, id string) (*api.PartnerState, error) {
	return get[api.PartnerState](ctx, c, "/api/v1/partners/"+url.PathEscape(id), nil)
}

// Holdings lists what a partner holds.
func (c *Client) Holdings(ctx context.Context, partner string, perPage int, page string) (*api.Holdings, error) {
	return get[api.Holdings](ctx, c, "/api/v1/partners/"+url.PathEscape(partner)+"/holdings", paging(perPage, page))
}

// Prefixes lists the company prefixes that are registered.
func (c *Client) Prefixes(ctx context.Context) (*api.Prefixes, error) {
	return get[api.Prefixes](ctx, c, "/api/v1/prefixes", nil)
}

// Keys lists a partner's keys, and the changes of them that wait.
func (c *Client) Keys(ctx context.Context, partner string) (*api.Keys, error) {
	return get[api.Keys](ctx, c, "/api/v1/partners/"+url.PathEscape(partner)+"/keys", nil)
}

// Invite makes an API key for a participant, which the answer shows once.
func (c *Client) Invite(ctx context.Context, partner string) (*api.Guest, error) {
	out := &api.Guest{}
	return out, c.post(ctx, "/api/v1/guests", api.GuestRequest{Partner: partner}, nil, out)
}

// Show makes an API key for an observer, by a name for people, who is shown what
// concerns these partners and things. The answer shows the key once.
func (c *Client) Show(ctx context.Context, name string, grants []string) (*api.Guest, error) {
	out := &api.Guest{}
	return out, c.post(ctx, "/api/v1/guests", api.GuestRequest{Name: name, Grant: grants}, nil, out)
}
