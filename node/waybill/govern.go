package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// change is a proposal as flags say it: its members as the act has them.
type change struct {
	Kind         string           `json:"kind"`
	Partner      string           `json:"partner,omitempty"`
	Name         string           `json:"name,omitempty"`
	GLN          string           `json:"gln,omitempty"`
	Standing     string           `json:"standing,omitempty"`
	LEI          string           `json:"lei,omitempty"`
	Registration string           `json:"registration,omitempty"`
	Host         string           `json:"host,omitempty"`
	Sponsor      string           `json:"sponsor,omitempty"`
	Threshold    uint32           `json:"threshold,omitempty"`
	Keys         []grant          `json:"keys,omitempty"`
	NodeID       string           `json:"nodeID,omitempty"`
	Validator    string           `json:"validator,omitempty"`
	Prefix       string           `json:"prefix,omitempty"`
	Strict       bool             `json:"strict,omitempty"`
	Parameters   parametersChange `json:"parameters,omitzero"`
	Height       uint64           `json:"height,omitempty"`
	Rules        uint32           `json:"rules,omitempty"`
	EventID      string           `json:"eventID,omitempty"`
	To           string           `json:"to,omitempty"`
	Items        []string         `json:"items,omitempty"`
	Recall       string           `json:"recall,omitempty"`
	Lots         []map[string]any `json:"lots,omitempty"`
	Shipments    []string         `json:"shipments,omitempty"`
	Reason       string           `json:"reason,omitempty"`
}

type grant struct {
	Public string   `json:"public"`
	Roles  []string `json:"roles"`
	Held   string   `json:"held"`
}

type parametersChange struct {
	Custody       string      `json:"custody,omitempty"`
	Acceptance    string      `json:"acceptance,omitempty"`
	VotingSeconds int64       `json:"votingSeconds,omitempty"`
	SilentSeconds int64       `json:"silentSeconds,omitempty"`
	Retention     []retention `json:"retention,omitempty"`
}

type retention struct {
	Name string `json:"name"`
	Min  int64  `json:"minSeconds,omitempty"`
	Max  int64  `json:"maxSeconds,omitempty"`
}

func (p *program) proposeCommand() *cobra.Command {
	c := change{}
	var keys, classes, lots []string
	var voting, silent time.Duration
	var file string
	var dry, all bool
	cmd := &cobra.Command{
		Use: "propose KIND", Short: "Propose a change of the network to its members", Args: atMostOne("what to propose"),
		Long: `Propose a change of the network, which counts as the own partner's vote for it.
It passes when more than two thirds of the active members are for it, and holds
from the next block on. KIND is

  admit             --partner --name --gln --standing --admin-key, and as wanted --lei --registration
                    --threshold; a participant has --host and --sponsor; a validator --node-id and --validator
  suspend, resume, remove            --partner
  validator         --partner --node-id --validator: adds or replaces it
  remove-validator  --partner
  parameters        --custody --acceptance --voting --silent --retention: those that change
  upgrade           --height --rules;  cancel-upgrade
  register-prefix   --partner --prefix, and as wanted --strict;  withdraw-prefix  --prefix
  erase             --partner --event: the body of an event that the partner recorded
  recover           --partner --admin-key: new keys in the place of all that it has
  reassign          --partner --to --item --lot, or --all: what a removed partner holds
  end-shipments     --partner --shipment, or --all: those that a removed partner is a party of
  close-recall      --partner --recall: a recall of who is suspended or removed

--dry-run records nothing and tells what would come of it: members and votes needed
after it, how many validators may fail then, and what would be stranded: things,
lots, and shipments under way.
The API key needs the scope admin. docs/governance.md tells each by an example.`,
	}
	p.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.Partner, "partner", "", "whom it is about: its short name")
	f.StringVar(&c.Name, "name", "", "legal name")
	f.StringVar(&c.GLN, "gln", "", "13 digits")
	f.StringVar(&c.Standing, "standing", "", "member, participant or observer")
	f.StringVar(&c.LEI, "lei", "", "legal entity identifier, ISO 17442")
	f.StringVar(&c.Registration, "registration", "", "in a register of companies")
	f.StringVar(&c.Host, "host", "", "of a participant: the member whose node it works through")
	f.StringVar(&c.Sponsor, "sponsor", "", "of a participant: the member that answers for it")
	f.Uint32Var(&c.Threshold, "threshold", 0, "admin keys that must agree to a change of keys (1)")
	f.StringArrayVar(&keys, "admin-key", nil, "HEX[:ROLES[:HELD]]: an Ed25519 public key, its roles (capture,admin), and who holds it: gateway, client or hardware (gateway); may repeat")
	f.StringVar(&c.NodeID, "node-id", "", "of the validator's node: 40 hexadecimal digits")
	f.StringVar(&c.Validator, "validator", "", "its Ed25519 consensus key: 64 hexadecimal digits")
	f.StringVar(&c.Prefix, "prefix", "", "GS1 company prefix, 4 to 12 digits")
	f.BoolVar(&c.Strict, "strict", false, "of a prefix: refuse events of who is not the custodian")
	f.StringVar(&c.Parameters.Custody, "custody", "", "open: such events are recorded as claims; strict: they are refused")
	f.StringVar(&c.Parameters.Acceptance, "acceptance", "", "any: every key accepts a hand-over; client: only keys that clients or hardware hold")
	f.DurationVar(&voting, "voting", 0, "for how long proposals can be voted on, 1h at least")
	f.DurationVar(&silent, "silent", 0, "after how long a member that signs nothing can be suspended by the others, 24h at least")
	f.StringArrayVar(&classes, "retention", nil, "NAME=MIN[,MAX]: a retention class that is added, MIN and MAX as 72h; may repeat")
	f.Uint64Var(&c.Height, "height", 0, "from which the upgrade's rules hold")
	f.Uint32Var(&c.Rules, "rules", 0, "version of the rules")
	f.StringVar(&c.EventID, "event", "", "an eventID")
	f.StringVar(&c.To, "to", "", "who is to hold the items and lots")
	f.StringArrayVar(&c.Items, "item", nil, "an item in any form of identifier; may repeat")
	f.StringArrayVar(&lots, "lot", nil, "LOT[=[QUANTITY][:UNIT]]: some of a lot, or all that there is in a unit; may repeat")
	f.StringArrayVar(&c.Shipments, "shipment", nil, "a shipment's id; may repeat")
	f.BoolVar(&all, "all", false, "of reassign: all that the partner holds; of end-shipments: all that wait for it; in as many proposals as that takes")
	f.StringVar(&c.Recall, "recall", "", "the name of a recall that the partner issued")
	f.StringVar(&c.Reason, "reason", "", "why, for everybody to read, at most 1,000 bytes")
	f.StringVar(&file, "file", "", "read the proposal, as JSON, from a file in the place of KIND and the other flags")
	f.BoolVar(&dry, "dry-run", false, "tell what would come of it, and record nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (len(args) == 1) == (file != "") {
			return usage("say what to propose, or --file, which says it")
		}
		c.Kind = strings.Join(args, "")
		if all && (c.Kind != schemas.Reassign.String() && c.Kind != schemas.EndShipments.String() || c.Partner == "" || len(c.Items)+len(lots)+len(c.Shipments) > 0) {
			return usage("--all goes with reassign and end-shipments, --partner, and no --item, --lot or --shipment")
		}
		c.Parameters.VotingSeconds, c.Parameters.SilentSeconds = int64(voting/time.Second), int64(silent/time.Second)
		if err := c.read(keys, classes, lots); err != nil {
			return err
		}
		body, err := json.Marshal(c)
		if file != "" && err == nil {
			body, err = os.ReadFile(file)
		}
		if err != nil {
			return err
		}
		node, err := p.client()
		if err != nil {
			return err
		}
		if all {
			return p.proposeAll(cmd, node, &c, dry)
		}
		if dry {
			return p.rehearse(cmd, node, body)
		}
		w, err := node.Propose(cmd.Context(), body, client.Write{IdempotencyKey: client.NewIdempotencyKey()})
		if err != nil {
			return err
		}
		return p.decided(cmd, node, w, "")
	}
	return cmd
}

// read reads the flags that are more than a text.
func (c *change) read(keys, classes, lots []string) error {
	for _, k := range keys {
		g := grant{Roles: []string{"capture", "admin"}, Held: schemas.HeldByGateway.String()}
		parts := strings.SplitN(k, ":", 3)
		g.Public = parts[0]
		if len(parts) > 1 {
			g.Roles = strings.Split(parts[1], ",")
		}
		if len(parts) > 2 {
			g.Held = parts[2]
		}
		c.Keys = append(c.Keys, g)
	}
	for _, text := range lots {
		lot := map[string]any{"id": text}
		if strings.Contains(text, "=") {
			var err error
			if lot, err = quantityIn("--lot", text); err != nil {
				return err
			}
		}
		if lot["quantity"] == json.Number("") {
			delete(lot, "quantity")
		}
		lot["class"] = lot["id"]
		delete(lot, "id")
		c.Lots = append(c.Lots, lot)
	}
	for _, class := range classes {
		name, times, ok := strings.Cut(class, "=")
		from, until, bounded := strings.Cut(times, ",")
		least, err := time.ParseDuration(from)
		var most time.Duration
		if bounded && err == nil {
			most, err = time.ParseDuration(until)
		}
		if !ok || err != nil {
			return usage("--retention %q is not NAME=MIN[,MAX]", class)
		}
		c.Parameters.Retention = append(c.Parameters.Retention, retention{name, int64(least / time.Second), int64(most / time.Second)})
	}
	return nil
}

func (p *program) rehearse(cmd *cobra.Command, c *client.Client, body []byte) error {
	r, err := c.RehearseProposal(cmd.Context(), body)
	if err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(r)
	}
	if code := r.Events[0].Code; code != schemas.OK {
		return fmt.Errorf("it would be refused: %s (%s)", code, code.Hint())
	}
	i := r.Impact
	fmt.Fprintf(p.out, "members      %d, of whom %d must be for a proposal\nvalidators   %d, of which %d may fail while blocks go on\n", i.Members, i.Needed, i.Validators, i.Faults)
	if s := i.Stranded; s != nil {
		fmt.Fprintf(p.out, "stranded     %s with who could sign nothing any more\n", strandedWords(s))
	}
	return nil
}

// strandedWords says what is stranded, as far as it was counted.
func strandedWords(s *schemas.Stranded) string {
	said := []string{counted(s.Items, "item")}
	if s.Lots > 0 {
		said = append(said, counted(s.Lots, "lot"))
	}
	if s.Shipments > 0 {
		said = append(said, counted(s.Shipments, "shipment")+" under way")
	}
	if s.Partial {
		said = append(said, "or more")
	}
	return strings.Join(said, ", ")
}

// decided prints the proposal that an act made or was about; "" is the one it made.
func (p *program) decided(cmd *cobra.Command, c *client.Client, w *client.Written, proposal string) error {
	made, err := p.proposal(cmd.Context(), c, w, proposal)
	if made == nil || err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(made)
	}
	p.printProposal(&made.ProposalState)
	return nil
}

// proposal reads the proposal that an act was about, or made where none is given: nil, and
// said, where the outcome is not known yet.
func (p *program) proposal(ctx context.Context, c *client.Client, w *client.Written, id string) (*api.Proposal, error) {
	if known, err := p.outcome(w, "it was refused"); !known || err != nil {
		return nil, err
	}
	if id == "" {
		id = schemas.ProposalID(schemas.Locator{Height: w.Receipt.Height, Position: w.Receipt.Position})
	}
	return c.Proposal(ctx, id)
}

func (p *program) printProposal(s *schemas.ProposalState) {
	votes := fmt.Sprintf("%d for", len(s.For))
	if len(s.Against) > 0 {
		votes += fmt.Sprintf(", %d against", len(s.Against))
	}
	if s.State == schemas.ProposalOpen.String() {
		votes += fmt.Sprintf(", %d needed until %s", s.Needed, s.Ends.Format(time.RFC3339))
	}
	fmt.Fprintf(p.out, "%s %s by %s: %s: %s\n", escape(s.ID), escape(s.State), word(s.Proposer), votes, escape(string(s.Change)))
}

func (p *program) voteCommand() *cobra.Command {
	var approve, against bool
	var reason string
	cmd := &cobra.Command{
		Use: "vote PROPOSAL", Short: "Vote for a proposal or against it, as the node's own partner", Args: exactly(1, "a proposal's id"),
		Long: "Vote for a proposal or against it, as the node's own partner. A vote stands. The API\nkey needs the scope admin.",
	}
	p.nodeFlags(cmd)
	cmd.Flags().BoolVar(&approve, "approve", false, "vote for it")
	cmd.Flags().BoolVar(&against, "against", false, "vote against it")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for everybody to read, at most 1,000 bytes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if approve == against {
			return usage("say --approve or --against")
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		w, err := c.Vote(cmd.Context(), args[0], approve, reason, client.Write{IdempotencyKey: client.NewIdempotencyKey()})
		if err != nil {
			return err
		}
		return p.decided(cmd, c, w, args[0])
	}
	return cmd
}

func (p *program) withdrawCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "withdraw PROPOSAL", Short: "Withdraw a proposal of the node's own partner", Args: exactly(1, "a proposal's id")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		w, err := c.Withdraw(cmd.Context(), args[0], client.Write{IdempotencyKey: client.NewIdempotencyKey()})
		if err != nil {
			return err
		}
		return p.decided(cmd, c, w, args[0])
	}
	return cmd
}

func (p *program) proposalsCommand() *cobra.Command {
	var page string
	cmd := &cobra.Command{Use: "proposals [PROPOSAL]", Short: "List proposals, newest first, or print one", Args: atMostOne("a proposal's id, or nothing")}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&page, "page", "", "where to go on: what the end of the page before said")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		list := &api.Proposals{}
		if len(args) == 0 {
			list, err = c.Proposals(cmd.Context(), 0, page)
		} else {
			var one *api.Proposal
			if one, err = c.Proposal(cmd.Context(), args[0]); err == nil {
				list.Height, list.Proposals = one.Height, []schemas.ProposalState{one.ProposalState}
			}
		}
		switch {
		case err != nil:
			return err
		case p.output == "json":
			return p.json(list)
		}
		for i := range list.Proposals {
			p.printProposal(&list.Proposals[i])
		}
		if list.NextPageToken != "" {
			fmt.Fprintf(p.out, "more: --page %s\n", escape(list.NextPageToken))
		}
		return nil
	}
	return cmd
}

func (p *program) partnersCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "partners", Short: "List the partners, how they stand, and their company prefixes", Args: exactly(0, "no arguments")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		list, err := c.Partners(cmd.Context())
		if err != nil {
			return err
		}
		prefixes, err := c.Prefixes(cmd.Context())
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(struct {
				*api.Partners
				Prefixes []schemas.Prefix `json:"prefixes"`
			}{list, prefixes.Prefixes})
		}
		fmt.Fprintf(p.out, "%-20s %-14s %-12s %-10s %-10s %s\n", "partner", "GLN", "standing", "state", "validates", "prefixes")
		for _, m := range list.Partners {
			var own []string
			for _, prefix := range prefixes.Prefixes {
				if prefix.Partner == m.ID {
					own = append(own, prefix.Digits)
				}
			}
			fmt.Fprintf(p.out, "%-20s %-14s %-12s %-10s %-10t %s\n", escape(m.ID), escape(m.GLN), m.Standing, m.State, len(m.Validate) > 0, escape(strings.Join(own, ",")))
		}
		return nil
	}
	return cmd
}
