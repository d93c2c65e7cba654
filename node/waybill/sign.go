package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) keyNewCommand() *cobra.Command {
	return &cobra.Command{
		Use: "new FILE", Short: "Make a signing key that stays with who makes it", Args: exactly(1, "a file for the key"),
		Long: `Make a signing key that stays with who makes it: of a participant, a person, a
device, or a partner's admin. Its public half is what AddKey, or a partner's
admission, puts on the ledger.`,
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := node.MakeClientKey(args[0])
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(map[string]any{"key": k.ID(), "public": hex.EncodeToString(k.Public())})
			}
			fmt.Fprintf(p.out, "%s\t%s\n", k.ID(), hex.EncodeToString(k.Public()))
			return nil
		},
	}
}

func (p *program) keyRotateCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "rotate --home DIR", Short: "Change the key with which the node's gateway signs", Args: exactly(0, "no arguments"),
		Long: `Make the key that is to follow the one with which the node's gateway signs. The node
must be stopped, and does the rest once it is started: it adds the new key on the
ledger, signs with it from the height on at which it is valid, and revokes the old
one when nothing waits any more that it signed. Where the partner's threshold is
above one, other admin keys must agree to both.`,
		RunE: func(*cobra.Command, []string) error {
			if err := requireHome(home); err != nil {
				return err
			}
			s, err := node.LoadSettings(home, p.getenv)
			if err != nil {
				return err
			}
			id, err := node.RotateKey(&s)
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(map[string]any{"key": id})
			}
			fmt.Fprintf(p.out, "%s follows when the node is started\n", id)
			return nil
		},
	}
	p.homeFlag(cmd, &home)
	return cmd
}

// signing is what a transaction is signed for, and how.
type signing struct {
	partner, keyFile, keyID, actor, chain, out string
	expiry                                     uint64
	atomic, send                               bool
}

// signLife is for how many heights a transaction is valid where nothing says so.
const signLife = 1000

func (p *program) signCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use: "sign FILE --signing-key KEYFILE --partner ID", Short: "Sign events or an act with a key of one's own, and send them", Args: exactly(1, "a file, or - for standard input"),
		Long: `Sign a transaction with a key that no gateway has, of an EPCIS document, an event,
or an act ({"type":"MoveHost","host":"..."}), as JSON. --send sends it through a node
and waits for what becomes of it; --out writes it into a file, for POST
/api/v1/transactions of any node. Chain and height are asked of the node, unless
--chain and --expiry say them: then nothing is asked, and the key may be on a machine
without a network.`,
	}
	p.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.keyFile, "signing-key", "", "file of the key (waybill key new)")
	f.StringVar(&s.partner, "partner", "", "whose key it is")
	f.StringVar(&s.keyID, "key-id", "", "the key's id on the ledger, where it is another than that of its public half")
	f.StringVar(&s.actor, "actor", "", "who or what acts, for everybody to read")
	f.StringVar(&s.chain, "chain", "", "the chain id")
	f.Uint64Var(&s.expiry, "expiry", 0, "last height at which it may be committed")
	f.BoolVar(&s.atomic, "atomic", false, "all or none")
	f.BoolVar(&s.send, "send", false, "send it")
	f.StringVar(&s.out, "out", "", "write the transaction into this file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case s.keyFile == "" || !schemas.IsPartnerID(s.partner):
			return usage("say with --signing-key and --partner who signs")
		case s.send == (s.out != ""):
			return usage("--send it, or write it --out")
		case (s.chain == "") != (s.expiry == 0):
			return usage("--chain and --expiry go together")
		}
		text, err := p.readFile(args[0])
		if err != nil {
			return err
		}
		messages, err := messagesOf(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return p.sign(cmd.Context(), &s, messages)
	}
	return cmd
}

// messagesOf reads an act, an event, or a document.
func messagesOf(text []byte) ([]*schemas.Event, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	one := func(e *schemas.Event, err error) ([]*schemas.Event, error) { return []*schemas.Event{e}, err }
	switch {
	case slices.Contains(schemas.ActNames(), kind.Type):
		return one(schemas.ReadAct(kind.Type, text, time.Now()))
	case kind.Type != "EPCISDocument":
		return one(schemas.DecodeSingle(text))
	}
	events, err := schemas.DecodeDocument(text, schemas.MaxMessages)
	var out []*schemas.Event
	for _, e := range events {
		if e.Fault != nil {
			return nil, e.Fault
		}
		out = append(out, e.Event)
	}
	return out, err
}

func (p *program) sign(ctx context.Context, s *signing, messages []*schemas.Event) error {
	raw, id, err := p.signed(ctx, s, messages)
	if err != nil {
		return err
	}
	if s.send {
		return p.sendSigned(ctx, raw)
	}
	if err := os.WriteFile(s.out, raw, 0o600); err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(map[string]any{"transaction": id, "expiry": s.expiry, "messages": len(messages)})
	}
	fmt.Fprintf(p.out, "%s\t%s, may be committed up to height %d\n", id, counted(len(messages), "message"), s.expiry)
	return nil
}

// signed signs a transaction, for the chain and up to the height that are said, or
// that the node tells.
func (p *program) signed(ctx context.Context, s *signing, messages []*schemas.Event) (raw []byte, id schemas.Hash, err error) {
	key, err := node.ReadClientKey(s.keyFile)
	if err != nil {
		return nil, id, err
	}
	if s.chain == "" {
		all, err := p.clients(true)
		if err != nil {
			return nil, id, err
		}
		trust, err := all[0].Trust(ctx)
		if err != nil {
			return nil, id, fmt.Errorf("asking for the chain and its height: %w", err)
		}
		s.chain, s.expiry = trust.ChainID, uint64(trust.Height+signLife)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, id, err
	}
	draft := schemas.Draft{ChainID: s.chain, Partner: s.partner, KeyID: s.keyID, Actor: s.actor, Expiry: s.expiry, Nonce: make([]byte, schemas.NonceSize),
		Secret: make([]byte, len(schemas.Hash{})), Atomic: s.atomic, Events: messages, DuplicateKeys: make([][]byte, len(messages))}
	if s.keyID == "" {
		draft.KeyID = key.ID()
	}
	for i, m := range messages {
		if m.KindOf() == schemas.KindEvent {
			draft.DuplicateKeys[i] = schemas.DuplicateKeyOf(key.Duplicates, m)
		}
	}
	rand.Read(draft.Nonce) // never fails: crypto/rand ends the program instead
	rand.Read(draft.Secret)
	return codec.Sign(draft, key.Private)
}

// sendSigned sends a transaction, and tells what became of it.
func (p *program) sendSigned(ctx context.Context, raw []byte) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	w, err := c.Transaction(ctx, raw, client.Write{IdempotencyKey: client.NewIdempotencyKey()})
	if err != nil {
		return err
	}
	out := captured{Receipt: w.Receipt}
	if w.Receipt == nil {
		if out.Job, err = c.Wait(ctx, w.Job); err != nil {
			return err
		}
	}
	out.collect()
	if p.output == "json" {
		err = p.json(out)
	} else {
		p.printCaptured(&out)
	}
	if err == nil && !out.good() {
		err = fmt.Errorf("not recorded, wholly or in part")
	}
	return err
}
