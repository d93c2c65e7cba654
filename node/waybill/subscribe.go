package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) subscribeCommand() *cobra.Command {
	var what api.SubscriptionRequest
	var parameters []string
	var tokenFile, format string
	cmd := &cobra.Command{
		Use: "subscribe QUERY URL", Short: "Have a receiver told what a stored query finds, as it is recorded", Args: exactly(2, "the name of a stored query and the receiver's URL"),
		Long: `Make a durable subscription: the node posts an EPCISQueryDocument to URL whenever
events are recorded that the stored query finds, at least once and in the order of
the ledger, again until the receiver answers 2xx. With --parameter the query is
stored first, under the name QUERY; without, it was stored before:

    waybill subscribe shipped https://erp.example.com/events --parameter EQ_bizStep=shipping

--schedule tells at set times in UTC instead of at once: --schedule hour=1,minute=5.
The subscription belongs to the API key, which needs the scope query.`,
	}
	p.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&parameters, "parameter", nil, "NAME=VALUE: a parameter of the event query, alternatives separated by |; may repeat")
	f.StringToStringVar(&what.Schedule, "schedule", nil, "FIELD=VALUES: second, minute, hour, dayOfMonth, month, dayOfWeek (docs/subscriptions.md)")
	f.BoolVar(&what.ReportIfEmpty, "report-if-empty", false, "with --schedule: a message also where nothing is new")
	f.StringVar(&what.Initial, "from", "", "record time from which on events are told, like 2026-01-31T12:00:00Z (now)")
	f.StringVar(&tokenFile, "signature-token", "", "FILE with the secret that messages are signed with; - is standard input")
	f.StringVar(&format, "epc-format", "", "form of identifiers: Always_GS1_Digital_Link, Always_EPC_URN or Never_Translates (as submitted)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query, err := queryDefinition(parameters)
		if err != nil {
			return err
		}
		if tokenFile != "" {
			text, err := p.readFile(tokenFile)
			if err != nil {
				return err
			}
			what.Token = strings.TrimSpace(string(text))
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		if query != nil {
			if err := c.StoreQuery(cmd.Context(), args[0], query); err != nil {
				return err
			}
		}
		what.Dest, what.Stream = args[1], len(what.Schedule) == 0
		made, err := c.Subscribe(cmd.Context(), args[0], what, format)
		if err != nil {
			if query != nil { // nobody else knows of it yet
				err = errors.Join(err, c.DropQuery(context.WithoutCancel(cmd.Context()), args[0]))
			}
			return err
		}
		if p.output == "json" {
			return p.json(made)
		}
		p.printSubscription(made)
		return nil
	}
	return cmd
}

// queryDefinition is an event query of parameters as a command line has them, nil for
// none.
func queryDefinition(parameters []string) (json.RawMessage, error) {
	if len(parameters) == 0 {
		return nil, nil
	}
	query := map[string]any{}
	for _, text := range parameters {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := query[name]; !ok || name == "" || twice {
			return nil, usage("--parameter %q is not NAME=VALUE, or given twice", text)
		}
		if list := strings.Split(value, "|"); len(list) > 1 {
			query[name] = list
		} else {
			query[name] = value
		}
	}
	out, err := json.Marshal(query)
	if err != nil {
		return nil, fmt.Errorf("writing the query: %w", err)
	}
	return out, nil
}

// printSubscription prints a line: what is told, to whom, when, and how it stands.
func (p *program) printSubscription(s *api.Subscription) {
	when := "stream"
	if !s.Stream {
		text, err := json.Marshal(s.Schedule)
		if err != nil { // cannot be: it is text
			text = nil
		}
		when = string(text)
	}
	fmt.Fprintf(p.out, "%s\t%s\t%s\t%s%s\n", escape(s.Query), escape(s.ID), escape(s.Dest), escape(when), standing(s.Status))
}

// standing is how a delivery stands, behind a tab; "" of one that has not begun.
func standing(st *api.SubscriptionStatus) string {
	if st == nil {
		return ""
	}
	text := fmt.Sprintf("\t%s, %s behind", st.State, counted(int(st.Lag), "height"))
	if st.Failure != "" {
		text += ": " + escape(st.Failure)
	}
	if st.Next != nil {
		text += ", next try " + st.Next.UTC().Format(time.RFC3339)
	}
	return text
}

func (p *program) subscriptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "subscriptions [QUERY]", Short: "List the API key's subscriptions, and how their delivery stands", Args: atMostOne("the name of a stored query, or nothing"),
		Long: `List the subscriptions that the API key made, of one stored query or of all: the
query, the subscription's ID, the receiver, when it is told, and how its delivery
stands: current, behind or retrying, and what the receiver answered last.`,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		names := args
		if len(names) == 0 {
			if names, err = queryNames(cmd.Context(), c); err != nil {
				return err
			}
		}
		all := []api.Subscription{}
		for _, name := range names {
			for page, more := "", true; more; more = page != "" {
				var list []api.Subscription
				if list, page, err = c.Subscriptions(cmd.Context(), name, 1000, page); err != nil {
					if len(args) == 0 && client.Code(err) == schemas.NoSuchName { // deleted meanwhile
						break
					}
					return err
				}
				all = append(all, list...)
			}
		}
		if p.output == "json" {
			return p.json(all)
		}
		for i := range all {
			p.printSubscription(&all[i])
		}
		return nil
	}
	return cmd
}

func queryNames(ctx context.Context, c *client.Client) (names []string, err error) {
	for page, more := "", true; more; more = page != "" {
		var list []api.QueryDefinition
		if list, page, err = c.Queries(ctx, 1000, page); err != nil {
			return nil, err
		}
		for _, q := range list {
			names = append(names, q.Name)
		}
	}
	return names, nil
}

func (p *program) unsubscribeCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "unsubscribe QUERY [ID]", Short: "End a subscription, or with --all a stored query and its subscriptions",
		Long: `End the subscription ID of the stored query. With --all instead of ID: forget the
query itself, which ends every subscription of it, those of other API keys, too.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "forget the query and end all of its subscriptions")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if all && len(args) != 1 || !all && len(args) != 2 {
			return usage("expected the name of a stored query, and a subscription's ID or --all")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		if all {
			return c.DropQuery(cmd.Context(), args[0])
		}
		return c.Unsubscribe(cmd.Context(), args[0], args[1])
	}
	return cmd
}
