package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
)

func (p *program) publishCommand() *cobra.Command {
	what := api.PublicationRequest{}
	var links []string
	cmd := &cobra.Command{
		Use: "publish [ID]", Short: "Show an item, a class or a company prefix to whoever asks, or list what is public", Args: atMostOne("an identifier, the digits of a company prefix, or nothing"),
		Long: `Let the node's gateway answer whoever asks, without an API key, about an item, a
class and all that belongs to it, or all below a company prefix (its 6 to 12
digits). It shows the identifier, the links given here, and of the events that the
node's own partner recorded the members named by --show; what others recorded it
never shows. What was public of the same before is replaced. Without ID: list what
is public. The API key needs the scope admin.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&what.Title, "title", "", "what it is, for people")
	cmd.Flags().StringSliceVar(&what.Show, "show", nil, "top-level members of events that are shown (type,eventTime,eventTimeZoneOffset,bizStep,disposition)")
	cmd.Flags().BoolVar(&what.Custody, "custody", false, "show also that the partner holds the item, while it does")
	cmd.Flags().StringArrayVar(&links, "link", nil, "TYPE=URL: a link of the GS1 Web Vocabulary, like gs1:pip=https://example.com/tomatoes; may repeat")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, l := range links {
			name, href, ok := strings.Cut(l, "=")
			if !ok {
				return usage("--link %q is not TYPE=URL", l)
			}
			what.Links = append(what.Links, local.Link{Type: name, Href: href})
		}
		if len(args) == 0 {
			return p.listPublications(cmd)
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		made, err := c.Publish(cmd.Context(), args[0], what)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(made)
		}
		p.printPublication(made)
		return nil
	}
	return cmd
}

func (p *program) printPublication(made *local.Publication) {
	custody := ""
	if made.Custody {
		custody = " custody"
	}
	fmt.Fprintf(p.out, "%s\t%s%s\t%s\n", escape(made.Of), escape(strings.Join(made.Show, ",")), custody, counted(len(made.Links), "link"))
}

func (p *program) listPublications(cmd *cobra.Command) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	all, page := []local.Publication{}, ""
	for {
		list, err := c.Publications(cmd.Context(), 1000, page)
		if err != nil {
			return err
		}
		all = append(all, list.Publications...)
		if page = list.NextPageToken; page == "" {
			break
		}
	}
	if p.output == "json" {
		return p.json(all)
	}
	for i := range all {
		p.printPublication(&all[i])
	}
	return nil
}

func (p *program) unpublishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unpublish ID", Short: "Show it no more to whoever asks", Args: exactly(1, "an identifier, or the digits of a company prefix"),
		Long: "End what publish began of exactly this. What a published class or company prefix\ncovers beside it stays public. The API key needs the scope admin.",
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		return c.Unpublish(cmd.Context(), args[0])
	}
	return cmd
}
