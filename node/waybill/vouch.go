package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// vouchFlags say which witnesses shall vouch for a bundle.
type vouchFlags struct {
	witnesses []string
	wait      time.Duration
}

func (f *vouchFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.witnesses, "witness", nil, "URL of a witness, whose cosigned checkpoint is put into the bundle when it has seen its state")
	cmd.Flags().DurationVar(&f.wait, "witness-wait", time.Minute, "how long to wait for the witnesses")
}

func (f *vouchFlags) vouch(ctx context.Context, bundle []byte, node *client.Client) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	for _, url := range f.witnesses {
		if bundle, err = audit.Vouch(ctx, bundle, node, &http.Client{Timeout: 20 * time.Second}, url); err != nil {
			return nil, err
		}
	}
	return bundle, nil
}

// demandFlags say whose words a bundle must have.
type demandFlags struct {
	witnesses []string
	needed    int
	tsa       string
	rescues   []string
}

func (f *demandFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.witnesses, "witness", nil, "a witness's key, or a file that has it: the bundle must carry its cosignature")
	cmd.Flags().IntVar(&f.needed, "witnesses-needed", 0, "how many of the witnesses must have cosigned (default: all)")
	cmd.Flags().StringArrayVar(&f.rescues, "accept-rescue", nil, "id of a rescue since the root of trust that the partners confirmed: across no other the bundle is believed")
	cmd.Flags().StringVar(&f.tsa, "tsa", "", "file with certificates (PEM) of time stamp authorities: the bundle must carry the stamp of one")
}

func (f *demandFlags) read(cmd *cobra.Command) (d audit.Demands, err error) {
	d.Needed = f.needed
	if !cmd.Flags().Changed("witnesses-needed") {
		d.Needed = len(f.witnesses)
	}
	if d.Needed < 0 || d.Needed > len(f.witnesses) {
		return d, usage("--witnesses-needed %d of %d witnesses", f.needed, len(f.witnesses))
	}
	for _, text := range f.witnesses {
		key, err := witnessKey(text)
		if err != nil {
			return d, err
		}
		d.Witnesses = append(d.Witnesses, key)
	}
	for _, text := range f.rescues {
		var id schemas.Hash
		if err := id.UnmarshalText([]byte(text)); err != nil {
			return d, usage("--accept-rescue %s: %v", text, err)
		}
		d.Accepted = append(d.Accepted, id)
	}
	if f.tsa != "" {
		text, err := readBounded(f.tsa)
		if err == nil {
			d.Authorities, err = audit.ParseAuthorities(text)
		}
		if err != nil {
			return d, fmt.Errorf("reading the time stamp authorities of %s: %w", f.tsa, err)
		}
	}
	return d, nil
}

// witnessKey reads a key, or the file that has it: a key has plus signs where few
// files have.
func witnessKey(text string) (proof.WitnessKey, error) {
	key, err := proof.ParseWitnessKey(text)
	if err == nil || !fileThere(text) {
		return key, err
	}
	b, err := readBounded(text)
	if err != nil {
		return key, fmt.Errorf("reading a witness's key: %w", err)
	}
	return proof.ParseWitnessKey(strings.TrimSpace(string(b)))
}
