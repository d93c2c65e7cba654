package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
)

func (p *program) recallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "recall", Short: "Call goods back, answer a recall, see where it reaches",
		Long: `Call goods back that the node's own partner made, answer the recalls of others, and
see who holds what of it. A recall is named ISSUER/NAME. Without a command, the recalls
are listed.`,
		Args: noCommand,
	}
	open := cmd.Flags().Bool("open", false, "only those that are open")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.listRecalls(cmd, *open) }
	cmd.AddCommand(p.recallIssueCommand(), p.recallExtendCommand(), p.recallAnswerCommand(), p.recallCloseCommand(), p.recallShowCommand())
	return cmd
}

func (p *program) listRecalls(cmd *cobra.Command, open bool) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	all := []api.Recall{}
	for page, more := "", true; more; more = page != "" {
		list, err := c.Recalls(cmd.Context(), open, page)
		if err != nil {
			return err
		}
		all, page = append(all, list.Recalls...), list.NextPageToken
	}
	if p.output == "json" {
		return p.json(all)
	}
	for _, r := range all {
		fmt.Fprintf(p.out, "%s/%s  %s  names %d  %s\n", word(r.Issuer), word(r.Recall), standingOf(&r), r.Named, word(r.Instruction))
	}
	return nil
}

func standingOf(r *api.Recall) string {
	if r.Open {
		return "open since " + r.Issued.Format(time.RFC3339)
	}
	return "closed " + r.Closed.Format(time.RFC3339)
}

// recallScope are the flags that name things, lots and spans of time.
type recallScope struct {
	Items []string     `json:"items,omitempty"`
	Lots  []string     `json:"lots,omitempty"`
	Made  []recallSpan `json:"made,omitempty"`

	spans []string
	of    string
}

type recallSpan struct {
	From  string `json:"from"`
	Until string `json:"until,omitempty"`
	Class string `json:"class,omitempty"`
}

func (s *recallScope) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.Items, "item", nil, "a thing, in any form of its identifier; can repeat")
	cmd.Flags().StringArrayVar(&s.Lots, "lot", nil, "a class or lot; can repeat")
	cmd.Flags().StringArrayVar(&s.spans, "made", nil, "all made in a span of time, FROM/UNTIL or FROM/ as 2026-01-31T08:00:00Z/2026-01-31T10:00:00Z; can repeat")
	cmd.Flags().StringVar(&s.of, "of", "", "of what --made says, things and lots of this class alone")
}

// read reads the spans.
func (s *recallScope) read() error {
	if s.of != "" && len(s.spans) == 0 {
		return usage("--of is of what --made says: %q", s.of)
	}
	for _, text := range s.spans {
		from, until, ok := strings.Cut(text, "/")
		if !ok || from == "" {
			return usage("--made is FROM/UNTIL, or FROM/: %q", text)
		}
		s.Made = append(s.Made, recallSpan{from, until, s.of})
	}
	return nil
}

func (p *program) recallIssueCommand() *cobra.Command {
	var scope recallScope
	var class, instruction, deadline string
	cmd := &cobra.Command{Use: "issue NAME", Short: "Recall things, lots or a span of time of what the node's own partner made", Args: exactly(1, "a name")}
	scope.flags(cmd)
	cmd.Flags().StringVar(&class, "class", "", "how grave it is, as I or II")
	cmd.Flags().StringVar(&instruction, "instruction", "", "what holders are to do")
	cmd.Flags().StringVar(&deadline, "deadline", "", "by when holders are to answer, as 2026-01-31T12:00:00Z")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := scope.read(); err != nil {
			return err
		}
		return p.act(cmd, "/api/v1/recalls", struct {
			Recall      string `json:"recall"`
			Class       string `json:"class,omitempty"`
			Instruction string `json:"instruction,omitempty"`
			Deadline    string `json:"deadline,omitempty"`
			recallScope
		}{args[0], class, instruction, deadline, scope}, "recall issued")
	}
	return cmd
}

func (p *program) recallExtendCommand() *cobra.Command {
	var scope recallScope
	var packed bool
	cmd := &cobra.Command{Use: "extend ISSUER/NAME", Short: "Add to what a recall names", Args: exactly(1, "a recall")}
	scope.flags(cmd)
	cmd.Flags().BoolVar(&packed, "packed", false, "name all things in containers that its spans of time have")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := recallPath(args[0])
		if err == nil {
			err = scope.read()
		}
		if err != nil {
			return err
		}
		if packed {
			if len(scope.Items)+len(scope.Lots)+len(scope.Made) > 0 {
				return usage("--packed goes alone: it finds what to name")
			}
			return p.namePacked(cmd, args[0], path)
		}
		return p.act(cmd, path+"/items", scope, "recall extended")
	}
	return cmd
}

// namePacked names what is in containers, as many at once as the node tells.
func (p *program) namePacked(cmd *cobra.Command, recall, path string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	issuer, name, _ := strings.Cut(recall, "/")
	for last := ""; ; {
		r, err := c.Recall(cmd.Context(), issuer, name)
		if err != nil {
			return err
		}
		if len(r.Packed) == 0 {
			if p.output != "json" {
				fmt.Fprintln(p.out, "nothing else of it is in containers")
			}
			return nil
		}
		if r.Packed[0] == last {
			return fmt.Errorf("%s is named already, and the node does not show it yet: try again", word(last))
		}
		last = r.Packed[0]
		if err := p.act(cmd, path+"/items", recallScope{Items: r.Packed}, fmt.Sprintf("recall names %d things more", len(r.Packed))); err != nil {
			return err
		}
	}
}

func (p *program) recallCloseCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "close ISSUER/NAME", Short: "Close a recall that the node's own partner issued", Args: exactly(1, "a recall")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := recallPath(args[0])
		if err != nil {
			return err
		}
		return p.act(cmd, path+"/close", struct{}{}, "recall closed")
	}
	return cmd
}

func (p *program) recallAnswerCommand() *cobra.Command {
	var held []string
	var done bool
	cmd := &cobra.Command{
		Use: "answer ISSUER/NAME", Short: "Tell what the node's own partner holds of what is recalled", Args: exactly(1, "a recall"),
		Long: `Tell what the node's own partner holds of what is recalled, and what became of it. A
later answer takes the place of an earlier.

    waybill recall answer farm/listeria --held ID=quarantined --held LOT=sold:12.5:KGM --done`,
	}
	cmd.Flags().StringArrayVar(&held, "held", nil, "ID=STATE[:QUANTITY[:UNIT]]; can repeat")
	cmd.Flags().BoolVar(&done, "done", false, "nothing is left to do here")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := recallPath(args[0])
		if err != nil {
			return err
		}
		request := map[string]any{}
		if done {
			request["done"] = true
		}
		var list []map[string]any
		for _, text := range held {
			h, err := holdingOf(text)
			if err != nil {
				return err
			}
			list = append(list, h)
		}
		if list != nil {
			request["held"] = list
		}
		return p.act(cmd, path+"/acknowledgements", request, "recall answered")
	}
	return cmd
}

// holdingOf reads ID=STATE[:QUANTITY[:UNIT]].
func holdingOf(text string) (map[string]any, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return nil, usage("--held is ID=STATE[:QUANTITY[:UNIT]]: %q", text)
	}
	parts := strings.Split(text[at+1:], ":")
	h := map[string]any{"id": text[:at]}
	if parts[0] != "" {
		h["state"] = parts[0]
	}
	if len(parts) > 1 {
		h["quantity"] = json.Number(parts[1])
	}
	if len(parts) > 2 {
		h["uom"] = parts[2]
	}
	return h, nil
}

func (p *program) recallShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ISSUER/NAME", Short: "Tell where a recall reaches, and who has answered", Args: exactly(1, "a recall")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		issuer, name, ok := strings.Cut(args[0], "/")
		if !ok {
			return usage("a recall is named ISSUER/NAME: %q", args[0])
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		r, err := c.Recall(cmd.Context(), issuer, name)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(r)
		}
		fmt.Fprintf(p.out, "%s/%s: %s, %s\nreaches %d things and lots, held by %d, %d of them not done\n", word(r.Issuer), word(r.Recall.Recall), standingOf(&r.Recall), word(r.Instruction), r.Items, len(r.Holders), r.OpenHolders)
		for _, s := range r.Made {
			until, of := "until further notice", ""
			if !s.Until.IsZero() {
				until = "until " + s.Until.Format(time.RFC3339)
			}
			if s.Class != "" {
				of = ", of " + word(s.Class)
			}
			fmt.Fprintf(p.out, "  all made from %s %s%s\n", s.From.Format(time.RFC3339), until, of)
		}
		for _, h := range r.Holders {
			said := "no answer"
			if h.Done {
				said = "done"
			} else if h.Acknowledged {
				said = "acknowledged"
			}
			fmt.Fprintf(p.out, "  %s: %d things, %d lots, %s\n", word(h.Partner), h.Items, h.Lots, said)
		}
		return nil
	}
	return cmd
}

func recallPath(text string) (string, error) {
	issuer, name, ok := strings.Cut(text, "/")
	if !ok {
		return "", usage("a recall is named ISSUER/NAME: %q", text)
	}
	return client.RecallPath(issuer, name), nil
}
