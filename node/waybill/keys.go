package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys [PARTNER]", Short: "List a partner's keys on the ledger, and change one's own", Args: atMostOne("a partner, or nothing for the node's own, or a link's"),
		Long: `List the keys that a partner signs with, those that ended too, and the changes that
wait for other admin keys to agree. add, revoke, threshold and approve change the own
partner's: the node's gateway signs, if its key has the role admin and the API key the
scope admin, or, with --signing-key and --partner, a key that no gateway has.

These are keys on the ledger. API keys of a gateway, and key files: waybill key.`,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		partner := strings.Join(args, "")
		if partner == "" {
			partner = p.guest
		}
		if partner == "" {
			network, err := c.Network(cmd.Context())
			if err != nil {
				return err
			}
			partner = network.Partner
		}
		list, err := c.Keys(cmd.Context(), partner)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(list)
		}
		p.printKeys(list)
		return nil
	}
	cmd.AddCommand(p.keysAddCommand(), p.keysRevokeCommand(), p.keysThresholdCommand(), p.keysApproveCommand())
	return cmd
}

func (p *program) printKeys(list *api.Keys) {
	for _, k := range list.Keys {
		standing := "valid"
		switch {
		case k.Valid:
		case k.Until != 0 && k.Until <= uint64(list.Height):
			standing = "ended"
		default:
			standing = "to come"
		}
		valid := fmt.Sprintf("from %d", k.From)
		if k.Until != 0 {
			valid += fmt.Sprintf(" until %d", k.Until)
		}
		fmt.Fprintf(p.out, "%s  %-8s %-9s %-20s %s\n", word(k.ID), k.Held, standing, escape(strings.Join(k.Roles, ",")), valid)
	}
	fmt.Fprintf(p.out, "threshold %d\n", list.Threshold)
	for _, c := range list.Changes {
		fmt.Fprintf(p.out, "waits %s  %d of %d agreed, until %s: %s\n", word(c.ID), len(c.By), list.Threshold, c.Expires.Format(time.RFC3339), escape(string(c.Act)))
	}
}

// ownAct is an act of the own partner's keys: by which path the gateway makes it, and
// what of it the path says.
type ownAct struct {
	name, path string
	given      []string // members that are in the path, each with its value
	request    any      // the others
}

// ownFlags adds the flags that say who signs.
func (p *program) ownFlags(cmd *cobra.Command, s *signing) {
	p.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.keyFile, "signing-key", "", "sign with the key in this file (waybill key new), not with the gateway's")
	f.StringVar(&s.partner, "partner", "", "with --signing-key: whose key it is")
	f.StringVar(&s.keyID, "key-id", "", "with --signing-key: its id on the ledger, where it is another than that of its public half")
}

// do does an act, or signs it here and sends it, and tells what came of it.
func (p *program) do(cmd *cobra.Command, s *signing, a ownAct, done string) error {
	if (s.keyFile == "") != (s.partner == "") {
		return usage("--signing-key and --partner go together")
	}
	c, err := p.client()
	if err != nil {
		return err
	}
	var w *client.Written
	how := client.Write{IdempotencyKey: client.NewIdempotencyKey()}
	if s.keyFile == "" {
		w, err = c.Act(cmd.Context(), a.path, a.request, how)
	} else {
		w, err = p.doSigned(cmd, c, s, &a, how)
	}
	if err != nil {
		return err
	}
	known, err := p.outcome(w, "refused")
	switch {
	case !known || err != nil:
		return err
	case p.output == "json":
		return p.json(w.Receipt)
	case slices.Contains(w.Receipt.Events[0].Flags, schemas.AwaitingApproval):
		change := schemas.ChangeID(w.Receipt.Events[0].Digest)
		if _, approved := strings.CutSuffix(a.path, "/approve"); approved {
			change = a.given[1]
		}
		fmt.Fprintf(p.out, "waits until other admin keys agree: waybill keys approve %s\n", change)
		return nil
	}
	fmt.Fprintf(p.out, "%s at height %d\n", done, w.Receipt.Height)
	return nil
}

func (p *program) doSigned(cmd *cobra.Command, c *client.Client, s *signing, a *ownAct, how client.Write) (*client.Written, error) {
	body, err := json.Marshal(a.request)
	if err != nil {
		return nil, fmt.Errorf("encoding an act: %w", err)
	}
	act, err := schemas.ReadAct(a.name, body, time.Now(), a.given...)
	if err != nil {
		return nil, err
	}
	raw, _, err := p.signed(cmd.Context(), s, []*schemas.Event{act})
	if err != nil {
		return nil, err
	}
	return c.Transaction(cmd.Context(), raw, how)
}

func (p *program) keysAddCommand() *cobra.Command {
	var s signing
	var key struct {
		Public string   `json:"public"`
		Roles  []string `json:"roles"`
		Held   string   `json:"held"`
		From   uint64   `json:"from,omitempty"`
		Until  uint64   `json:"until,omitempty"`
	}
	cmd := &cobra.Command{
		Use: "add PUBLIC --roles ROLES --held HOW", Short: "Give the own partner another key", Args: exactly(1, "a public key: 64 hexadecimal digits, which waybill key new prints"),
		Long: `Give the own partner another key, valid from the next block on. Roles are capture
(signs events and hand-overs), admin (changes of keys, votes), operator (what a node
says of itself), device (single messages, as their author) and auditor (nothing). A key
is held by a gateway, by a client who has its file, or in hardware.`,
	}
	p.ownFlags(cmd, &s)
	f := cmd.Flags()
	f.StringSliceVar(&key.Roles, "roles", nil, "capture, admin, operator, device, auditor, separated by commas")
	f.StringVar(&key.Held, "held", "", "gateway, client or hardware")
	f.Uint64Var(&key.From, "from", 0, "first height at which it is valid (the next)")
	f.Uint64Var(&key.Until, "until", 0, "last height at which it is valid (no end)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		public, err := hex.DecodeString(args[0])
		if err != nil || len(key.Roles) == 0 || key.Held == "" {
			return usage("say the public key as hexadecimal digits, --roles and --held")
		}
		key.Public = args[0]
		return p.do(cmd, &s, ownAct{"AddKey", "/api/v1/keys", nil, key}, "key "+schemas.KeyID(public)+" added")
	}
	return cmd
}

func (p *program) keysRevokeCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use: "revoke KEY", Short: "End a key of the own partner, for good", Args: exactly(1, "a key's id, which waybill keys lists"),
		Long: "End a key of the own partner with the block that this is in. It never comes back. The\nlast admin keys, as many as the threshold says, cannot be revoked.",
	}
	p.ownFlags(cmd, &s)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.do(cmd, &s, ownAct{"RevokeKey", "/api/v1/keys/" + url.PathEscape(args[0]) + "/revoke", []string{"key", args[0]}, struct{}{}}, "key "+word(args[0])+" revoked")
	}
	return cmd
}

func (p *program) keysThresholdCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use: "threshold N", Short: "Say how many admin keys must agree to a change of the own partner's keys", Args: exactly(1, "a number"),
		Long: `Say how many of the own partner's admin keys must agree to a change of its keys. From
then on a change waits, seven days at most, until so many others approved of it.`,
	}
	p.ownFlags(cmd, &s)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return usage("%q is no number", args[0])
		}
		request := struct {
			Threshold uint64 `json:"threshold"`
		}{n}
		return p.do(cmd, &s, ownAct{"SetThreshold", "/api/v1/keys/threshold", nil, request}, fmt.Sprintf("threshold %d", n))
	}
	return cmd
}

func (p *program) keysApproveCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use: "approve CHANGE", Short: "Agree to a change of the own partner's keys, with another admin key", Args: exactly(1, "a change's id, which waybill keys lists"),
		Long: "Agree to a change of the own partner's keys that another of its admin keys asked for.\nWith the last one that is needed the change is made.",
	}
	p.ownFlags(cmd, &s)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.do(cmd, &s, ownAct{"ApproveKeyChange", "/api/v1/keys/changes/" + url.PathEscape(args[0]) + "/approve", []string{"change", args[0]}, struct{}{}}, "change "+word(args[0])+" made")
	}
	return cmd
}

func (p *program) hostCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use: "host MEMBER --signing-key KEYFILE --partner ID", Short: "Move a participant to another host: the member whose node it works through", Args: exactly(1, "a member"),
		Long: `Move a participant to another host, by one act that the participant alone signs, with
an admin key. Any member's node takes it that gave the participant an API key. From the
next block on the old host's gateway answers it nothing any more.`,
	}
	p.ownFlags(cmd, &s)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if s.keyFile == "" {
			return usage("say with --signing-key and --partner who signs: a host cannot")
		}
		request := struct {
			Host string `json:"host"`
		}{args[0]}
		return p.do(cmd, &s, ownAct{"MoveHost", "", nil, request}, s.partner+" works through "+word(args[0]))
	}
	return cmd
}
