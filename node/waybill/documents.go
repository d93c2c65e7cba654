package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
)

// documentSaid is a document as requests have it.
type documentSaid struct {
	Kind     string `json:"kind,omitempty"`
	Document string `json:"document,omitempty"`
}

// documentIn reads KIND, SHA256 or KIND=SHA256.
func documentIn(text string) documentSaid {
	if at := strings.LastIndexByte(text, '='); at >= 0 && isHash(text[at+1:]) {
		return documentSaid{text[:at], text[at+1:]}
	}
	if isHash(text) {
		return documentSaid{Document: text}
	}
	return documentSaid{Kind: text}
}

func isHash(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 32
}

func (p *program) attachCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "attach ID DOCUMENT...", Short: "Attach documents that a shipment's terms require, as one of its parties", Args: atLeast(2, "a shipment and its documents"),
		Long: `Attach documents that a shipment's terms require, as one of its parties. DOCUMENT is
KIND=SHA256, or SHA256 of one whose hash the terms say. The ledger keeps the hash alone.

    waybill shipment attach urn:example:shipment:7 "phytosanitary certificate=$(sha256sum cert.pdf | cut -c-64)"`,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var q struct {
			Documents []documentSaid `json:"documents"`
		}
		for _, text := range args[1:] {
			q.Documents = append(q.Documents, documentIn(text))
		}
		return p.act(cmd, client.ShipmentPath(args[0])+"/documents", q, "documents attached")
	}
	return cmd
}

// documents prints what a shipment's terms require, and what was attached.
func (p *program) documents(list []api.Document) {
	for _, d := range list {
		fmt.Fprintf(p.out, "requires %s", word(d.Kind))
		if !d.Hash.IsZero() {
			fmt.Fprintf(p.out, " %s", d.Hash)
		}
		if a := d.Attached; a != nil {
			fmt.Fprintf(p.out, ": %s attached %s\n", word(a.Partner), a.Document)
		} else {
			fmt.Fprintln(p.out, ": missing")
		}
	}
}
