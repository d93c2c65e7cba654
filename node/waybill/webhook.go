package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
)

func (p *program) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "webhook", Short: "Have receivers told what the stream tells, and see how that stands",
		Long: `Have receivers told by requests what waybill stream prints: at least once, in the order
of the ledger, signed as Standard Webhooks are (docs/webhooks.md). Without a command, the
API key's webhooks are listed: id, receiver, what it is told, and how its delivery stands.`,
		Args: noCommand,
	}
	p.nodeFlags(cmd)
	cmd.RunE = p.listWebhooks
	list := &cobra.Command{Use: "list", Short: "List the API key's webhooks, and how their delivery stands", Args: exactly(0, "no arguments"), RunE: p.listWebhooks}
	p.nodeFlags(list)
	cmd.AddCommand(p.webhookAddCommand(), list, p.webhookShowCommand(), p.webhookRemoveCommand(), p.webhookReplayCommand(), p.webhookRotateCommand(),
		p.webhookStep("pause", "Stop the delivery of a webhook; its cursor stays", (*client.Client).PauseWebhook),
		p.webhookStep("resume", "Let the delivery of a webhook go on, at once", (*client.Client).ResumeWebhook))
	return cmd
}

func (p *program) webhookAddCommand() *cobra.Command {
	var what api.WebhookRequest
	var types, secretFile string
	cmd := &cobra.Command{
		Use: "add URL", Short: "Have a receiver told what the stream tells", Args: exactly(1, "the receiver's URL"),
		Long: `Make a webhook: the node posts every record that the filter lets through to URL, again
until the receiver answers 2xx. Printed are its id, the URL, and the secret that messages
are signed with, which is not told again:

    waybill webhook add https://erp.example.com/waybill --type 'shipment.*|handover.*'

The webhook belongs to the API key, which needs the scope query.`,
	}
	p.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&what.After, "after", "", "cursor of the last message that is known; 0-0-0 begins with the first (what comes next)")
	f.StringVar(&types, "type", "", "only these types, separated by |; shipment.* is all below")
	f.StringVar(&what.Partner, "partner", "", "only what this partner recorded")
	f.StringVar(&what.Subject, "subject", "", "only what is about this: an identifier, ISSUER/RECALL, a proposal")
	f.IntVar(&what.Batch, "batch", 0, "1 to 100: as a list of at most so many records a message (one, without a list)")
	f.StringVar(&secretFile, "secret", "", "FILE with the secret, whsec_ and base64; - is standard input (the node makes one)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if types != "" {
			what.Types = strings.Split(types, "|")
		}
		var err error
		if what.Secret, err = p.webhookSecret(secretFile); err != nil {
			return err
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		what.URL = args[0]
		made, err := c.AddWebhook(cmd.Context(), what)
		if err != nil {
			return err
		}
		return p.printSecret(made)
	}
	return cmd
}

// webhookSecret reads a secret from a file that is named.
func (p *program) webhookSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := p.readFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" { // else the node would make one
		return "", usage("--secret: %s is empty", file)
	}
	return secret, nil
}

func (p *program) webhookRotateCommand() *cobra.Command {
	var secretFile string
	var keep time.Duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Change a webhook's secret; the one before signs beside it for a while", Args: exactly(1, "a webhook's id"),
		Long: `Change the secret that a webhook's messages are signed with. Printed are its id, the URL
and the new secret, which is not told again. For as long as --keep says messages have
two signatures, by the new secret and by the one before, so that the receiver can change
its own in between. --keep 0s is for a secret that somebody else got hold of.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&secretFile, "secret", "", "FILE with the secret, whsec_ and base64; - is standard input (the node makes one)")
	cmd.Flags().DurationVar(&keep, "keep", 24*time.Hour, "for how long the secret before signs, too, at most 168h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		seconds := int64(keep / time.Second)
		to := api.WebhookSecret{Keep: &seconds}
		var err error
		if to.Secret, err = p.webhookSecret(secretFile); err != nil {
			return err
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		changed, err := c.RotateWebhook(cmd.Context(), args[0], to)
		if err != nil {
			return err
		}
		return p.printSecret(changed)
	}
	return cmd
}

// printSecret prints a webhook whose secret is told, this once.
func (p *program) printSecret(h *api.Webhook) error {
	if p.output == "json" {
		return p.json(h)
	}
	fmt.Fprintf(p.out, "%s\t%s\t%s\n", escape(h.ID), escape(h.URL), escape(h.Secret))
	return nil
}

func (p *program) listWebhooks(cmd *cobra.Command, _ []string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	all := []api.Webhook{}
	for page, more := "", true; more; more = page != "" {
		list, err := c.Webhooks(cmd.Context(), 1000, page)
		if err != nil {
			return err
		}
		all, page = append(all, list.Webhooks...), list.NextPageToken
	}
	if p.output == "json" {
		return p.json(all)
	}
	for i := range all {
		p.printWebhook(&all[i])
	}
	return nil
}

// printWebhook prints a line: what is told to whom, and how it stands.
func (p *program) printWebhook(h *api.Webhook) {
	what := "everything"
	if len(h.Types) > 0 {
		what = escape(strings.Join(h.Types, "|"))
	}
	if h.Partner != "" {
		what += " of " + escape(h.Partner)
	}
	if h.Subject != "" {
		what += " about " + escape(h.Subject)
	}
	fmt.Fprintf(p.out, "%s\t%s\t%s\t%s%s\n", escape(h.ID), escape(h.URL), what, escape(h.Cursor), standing(h.Status))
}

// webhook prints a webhook, as a command's one result.
func (p *program) webhook(h *api.Webhook, err error) error {
	switch {
	case err != nil:
		return err
	case p.output == "json":
		return p.json(h)
	}
	p.printWebhook(h)
	return nil
}

func (p *program) webhookShowCommand() *cobra.Command {
	return p.webhookStep("show", "Tell a webhook, its cursor, and how its delivery stands", (*client.Client).Webhook)
}

// webhookStep is a command that needs no more than a webhook's id.
func (p *program) webhookStep(name, short string, do func(*client.Client, context.Context, string) (*api.Webhook, error)) *cobra.Command {
	cmd := &cobra.Command{Use: name + " ID", Short: short, Args: exactly(1, "a webhook's id")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		return p.webhook(do(c, cmd.Context(), args[0]))
	}
	return cmd
}

func (p *program) webhookRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "remove ID", Short: "End a webhook", Args: exactly(1, "a webhook's id")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		return c.RemoveWebhook(cmd.Context(), args[0])
	}
	return cmd
}

func (p *program) webhookReplayCommand() *cobra.Command {
	var from api.WebhookReplay
	cmd := &cobra.Command{
		Use: "replay ID", Short: "Deliver a webhook's records again, from a place in the stream on", Args: exactly(1, "a webhook's id"),
		Long: `Set the cursor of a webhook, back or forth. What is delivered again has the webhook-id
that it had before: a receiver that remembers ids takes what it missed, and skips the rest.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&from.After, "after", "", "cursor of the stream, behind which to go on; 0-0-0 is the beginning")
	cmd.Flags().Int64Var(&from.Height, "height", 0, "height from whose first record to go on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (from.After == "") == (from.Height == 0) {
			return usage("give --after or --height")
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		return p.webhook(c.ReplayWebhook(cmd.Context(), args[0], from))
	}
	return cmd
}
