package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// leaving is how far a partner is on its way out of the network.
type leaving struct {
	Partner  string                 `json:"partner"`
	State    string                 `json:"state"` // of the partner, as its own node has it
	Peers    int                    `json:"peers,omitempty"`
	Proposal *schemas.ProposalState `json:"proposal,omitempty"` // to remove it
	Impact   *schemas.Impact        `json:"impact,omitempty"`   // of one that was just made
	Next     []string               `json:"next"`
}

func (p *program) leaveCommand() *cobra.Command {
	var anyway bool
	var reason string
	var s signing
	cmd := &cobra.Command{
		Use: "leave", Short: "Leave the network: propose the own partner's removal, and tell what is next", Args: exactly(0, "no arguments"),
		Long: `Leave the network. The node's own partner proposes that it be removed, which the other
members vote on, and is told what to do until its node is off. Run again it tells how
far that is, and proposes nothing twice. A participant, who has no node, does the same
with --signing-key and --partner, through its host's link.

It is refused where the partner still holds things, which would be stranded, and where
the network would stand fewer failing validators than now, unless --anyway is said. What
would break the quorum the ledger refuses itself. The API key needs the scope admin; a
participant's link does.`,
	}
	p.ownFlags(cmd, &s)
	cmd.Flags().BoolVar(&anyway, "anyway", false, "leave although custody is stranded, or the network stands fewer faults")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for everybody to read, at most 1,000 bytes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		if (s.keyFile == "") != (s.partner == "") {
			return usage("--signing-key and --partner go together")
		}
		var l *leaving
		if s.keyFile == "" {
			l, err = p.leave(cmd.Context(), c, anyway, reason)
		} else {
			l, err = p.leaveHost(cmd.Context(), c, &s, anyway, reason)
		}
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(l)
		}
		if l.Proposal != nil {
			p.printProposal(l.Proposal)
		}
		for i, step := range l.Next {
			fmt.Fprintf(p.out, "%d. %s\n", i+1, step)
		}
		return nil
	}
	return cmd
}

func (p *program) leave(ctx context.Context, c *client.Client, anyway bool, reason string) (*leaving, error) {
	network, err := c.Network(ctx)
	if err != nil {
		return nil, err
	}
	self, err := c.Partner(ctx, network.Partner)
	if err != nil {
		return nil, err
	}
	l := &leaving{Partner: network.Partner, State: self.State.String(), Peers: network.Peers}
	if l.Proposal, err = removalOf(ctx, c, network.Partner); err != nil {
		return nil, err
	}
	if self.State != schemas.Removed && l.Proposal == nil {
		body, err := json.Marshal(l.removal(reason))
		if err != nil {
			return nil, fmt.Errorf("encoding a proposal: %w", err)
		}
		r, err := c.RehearseProposal(ctx, body)
		if err == nil {
			err = l.weigh(r, network.Partners, anyway)
		}
		if err == nil {
			err = l.proposed(ctx, c, func(how client.Write) (*client.Written, error) { return c.Propose(ctx, body, how) })
		}
		if err != nil {
			return nil, err
		}
		if self, err = c.Partner(ctx, network.Partner); err != nil { // its vote may have been enough
			return nil, err
		}
		l.State = self.State.String()
	}
	export := "stop the node, and write what it has: waybill export --home DIR --out FILE"
	switch {
	case self.State == schemas.Removed && network.Peers > 0:
		l.Next = []string{"keep the node running until it has no peers: its validator may still be needed", export}
	case self.State == schemas.Removed:
		l.Next = []string{export}
	case network.Peers == 0 && len(network.Partners) > 1:
		l.Next = []string{"the node has no peers: ask another member whether the proposal passed (waybill proposals); then " + export}
	default:
		l.Next = []string{fmt.Sprintf("other members vote: waybill vote %s --approve", l.Proposal.ID),
			"keep the node running until it is removed and has no peers: waybill leave tells", export}
	}
	return l, nil
}

// removalOf is the open proposal to remove a partner, nil where there is none.
func removalOf(ctx context.Context, c *client.Client, partner string) (*schemas.ProposalState, error) {
	for page, more := "", true; more; more = page != "" {
		list, err := c.Proposals(ctx, 0, page)
		if err != nil {
			return nil, err
		}
		for i := range list.Proposals {
			s := &list.Proposals[i]
			var of change
			if err := json.Unmarshal(s.Change, &of); err != nil {
				return nil, fmt.Errorf("reading proposal %s: %w", s.ID, err)
			}
			if s.State == schemas.ProposalOpen.String() && of.Kind == schemas.Remove.String() && of.Partner == partner {
				return s, nil
			}
		}
		page = list.NextPageToken
	}
	return nil, nil
}

// leaveHost is the way out of a participant, who signs itself, through its host.
func (p *program) leaveHost(ctx context.Context, c *client.Client, s *signing, anyway bool, reason string) (*leaving, error) {
	self, err := c.Partner(ctx, s.partner)
	if err != nil {
		return nil, err
	}
	l := &leaving{Partner: s.partner, State: self.State.String()}
	if l.Proposal, err = removalOf(ctx, c, s.partner); err != nil {
		return nil, err
	}
	if l.Proposal == nil {
		body, err := json.Marshal(l.removal(reason))
		if err != nil {
			return nil, fmt.Errorf("encoding a proposal: %w", err)
		}
		act, err := schemas.ReadAct("Propose", body, time.Now())
		if err != nil {
			return nil, err
		}
		raw, _, err := p.signed(ctx, s, []*schemas.Event{act})
		if err != nil {
			return nil, err
		}
		r, err := c.RehearseSigned(ctx, raw)
		if err == nil {
			err = l.weigh(r, nil, anyway)
		}
		if err == nil {
			err = l.proposed(ctx, c, func(how client.Write) (*client.Written, error) { return c.Transaction(ctx, raw, how) })
		}
		if err != nil {
			return nil, err
		}
	}
	l.Next = []string{fmt.Sprintf("members vote: waybill vote %s --approve", l.Proposal.ID),
		fmt.Sprintf("until they have, take what the ledger has of yours: waybill bundle %s --partner > FILE; afterwards the link opens nothing any more", l.Partner)}
	return l, nil
}

func (l *leaving) removal(reason string) change {
	return change{Kind: schemas.Remove.String(), Partner: l.Partner, Reason: reason}
}

// weigh refuses a removal that would be refused, or does harm.
func (l *leaving) weigh(r *api.Rehearsal, now []api.NetworkMember, anyway bool) error {
	if code := r.Events[0].Code; code != schemas.OK {
		return fmt.Errorf("%s cannot leave now: %s (%s)", l.Partner, code, code.Hint())
	}
	l.Impact = r.Impact
	if harm := l.harm(now); harm != "" && !anyway {
		return fmt.Errorf("%s; --anyway proposes it all the same", harm)
	}
	return nil
}

// proposed proposes the removal, and reads the proposal.
func (l *leaving) proposed(ctx context.Context, c *client.Client, propose func(client.Write) (*client.Written, error)) error {
	w, err := propose(client.Write{IdempotencyKey: client.NewIdempotencyKey()})
	if err != nil {
		return err
	}
	if w.Receipt == nil {
		return fmt.Errorf("the outcome is not known yet: %s tells; then run waybill leave again", w.Job)
	}
	if e := w.Receipt.Events[0]; e.Code != schemas.OK {
		return fmt.Errorf("refused: %s (%s)", e.Code, e.Code.Hint())
	}
	made, err := c.Proposal(ctx, schemas.ProposalID(schemas.Locator{Height: w.Receipt.Height, Position: w.Receipt.Position}))
	if err == nil {
		l.Proposal = &made.ProposalState
	}
	return err
}

// harm tells what the removal would do that should be seen to before, to those who are
// partners now.
func (l *leaving) harm(now []api.NetworkMember) string {
	validators := 0
	for i := range now {
		if p := &now[i]; len(p.Validate) > 0 && p.State != schemas.Removed {
			validators++
		}
	}
	var harm []string
	if s := l.Impact.Stranded; s != nil && s.Items+s.Lots+s.Shipments > 0 {
		harm = append(harm, fmt.Sprintf("%s still holds %s, which nobody could hand over, or end, any more: hand them over first", l.Partner, strandedWords(s)))
	}
	if faults := schemas.Faults(validators); l.Impact.Faults < faults {
		harm = append(harm, fmt.Sprintf("of %s left, %d may fail while blocks go on, now %d may: let another member validate first", counted(l.Impact.Validators, "validator"), l.Impact.Faults, faults))
	}
	return strings.Join(harm, "; ")
}
