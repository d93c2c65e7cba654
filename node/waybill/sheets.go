package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/api/sheet"
)

// sheetTypes are what a table can be printed as.
var sheetTypes = map[string]string{"csv": sheet.TypeCSV, "xlsx": sheet.TypeXLSX, "json": "application/json"}

// sheetFlags adds --as and --out.
func sheetFlags(cmd *cobra.Command, as, file *string) {
	cmd.Flags().StringVar(as, "as", "csv", "csv, xlsx or json")
	cmd.Flags().StringVar(file, "out", "", "file to write, standard output when absent")
}

// sheetType is the media type that --as names: with --output json, JSON if it names none.
func (p *program) sheetType(cmd *cobra.Command, as string) (string, error) {
	if p.output == "json" && !cmd.Flags().Changed("as") {
		as = "json"
	}
	mediaType, ok := sheetTypes[as]
	if !ok {
		return "", usage("--as %q is neither csv nor xlsx nor json", as)
	}
	return mediaType, nil
}

// toFile runs a writer on a file, or on standard output.
func (p *program) toFile(name string, write func(io.Writer) error) (err error) {
	if name == "" {
		return write(p.out)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

func (p *program) eventsCommand() *cobra.Command {
	var as, file string
	cmd := &cobra.Command{
		Use: "events [PARAMETER=VALUE...]", Short: "Print the events that an EPCIS query finds, as CSV, XLSX or JSON", Args: cobra.ArbitraryArgs,
		Long: `Print the events that an EPCIS query finds, all pages of it: as rows of a sheet
(docs/import.md tells the columns), or with --as json (-o json) as the events, one a line.

  waybill events EQ_bizStep=shipping GE_eventTime=2026-05-01T00:00:00Z --as xlsx --out shipped.xlsx`,
	}
	p.nodeFlags(cmd)
	sheetFlags(cmd, &as, &file)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{"perPage": {"1000"}}
		for _, a := range args {
			name, value, ok := strings.Cut(a, "=")
			if !ok {
				return usage("%q is not PARAMETER=VALUE", a)
			}
			query.Set(name, value)
		}
		mediaType, err := p.sheetType(cmd, as)
		if err != nil {
			return err
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		return p.toFile(file, func(to io.Writer) error { return allEvents(cmd.Context(), c, query, mediaType, to) })
	}
	return cmd
}

// allEvents writes the events of all pages.
func allEvents(ctx context.Context, c *client.Client, query url.Values, mediaType string, to io.Writer) error {
	table := mediaType != "application/json"
	var w sheet.Writer
	var err error
	if table {
		if w, err = sheet.NewWriter(mediaType, to); err == nil {
			err = w.Row(sheet.EventColumns)
		}
	}
	for err == nil {
		var page *client.Events
		if page, err = c.Events(ctx, query); err != nil {
			break
		}
		if table {
			err = sheet.AppendEvents(w, page.Document)
		} else {
			for _, e := range page.List {
				if _, err = fmt.Fprintf(to, "%s\n", escapeJSON(e)); err != nil {
					break
				}
			}
		}
		if page.Next == "" {
			break
		}
		query.Set("nextPageToken", page.Next)
	}
	if err == nil && table {
		err = w.Close()
	}
	return err
}

func (p *program) fsmaCommand() *cobra.Command {
	var as, file, lot, direction, from, to string
	cmd := &cobra.Command{
		Use: "fsma204", Short: "Print critical tracking events with their key data elements (FSMA 204)", Args: exactly(0, "no arguments"),
		Long: `Print the sortable spreadsheet of critical tracking events with their key data
elements (21 CFR 1.1325 to 1.1350) of a lot, with what it came from and went into,
or of a range of event times. A column lists the elements that the ledger lacks.`,
	}
	p.nodeFlags(cmd)
	sheetFlags(cmd, &as, &file)
	cmd.Flags().StringVar(&lot, "lot", "", "traceability lot code, in any form")
	cmd.Flags().StringVar(&direction, "direction", "", "of a lot: upstream, downstream or both")
	cmd.Flags().StringVar(&from, "from", "", "event times from this on, like 2026-05-01T00:00:00Z")
	cmd.Flags().StringVar(&to, "to", "", "and before this")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		mediaType, err := p.sheetType(cmd, as)
		if err != nil {
			return err
		}
		if (lot == "") == (from == "" || to == "") {
			return usage("say of what: --lot LOT, or --from TIME --to TIME")
		}
		query := url.Values{}
		for name, value := range map[string]string{"lot": lot, "direction": direction, "from": from, "to": to} {
			if value != "" {
				query.Set(name, value)
			}
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		body, err := c.FSMA(cmd.Context(), query, mediaType)
		if err != nil {
			return err
		}
		if mediaType == sheetTypes["json"] {
			body = append(escapeJSON(body), '\n')
		}
		return p.toFile(file, func(to io.Writer) error {
			_, err := io.Copy(to, bytes.NewReader(body))
			return err
		})
	}
	return cmd
}
