package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	cmtstore "github.com/cometbft/cometbft/store"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// An export is everything that a home has, for who leaves the network and wants to
// read it without a node: a file of JSON Lines. The first is the network, with a root
// of trust by which bundles can still be verified, its genesis document and partners;
// then comes a line for every message of the ledger, in its order, with what the rules
// answered; the last counts them, so that a file that was cut short is noticed.

// ExportHead is an export's first line.
type ExportHead struct {
	Type     string            `json:"type"` // "network"
	ChainID  string            `json:"chain_id"`
	Height   int64             `json:"height"`
	Time     time.Time         `json:"time"` // of the block
	AppHash  schemas.Hash      `json:"app_hash"`
	Partner  string            `json:"partner"` // whose home it was
	Trust    *proof.Trust      `json:"trust"`
	Partners []schemas.Partner `json:"partners"`
	Genesis  json.RawMessage   `json:"genesis"`
}

// ExportLine is a line of an export about a message.
type ExportLine struct {
	Type string `json:"type"` // "event", "order" or "act"
	schemas.Locator
	Time        time.Time        `json:"time"` // of the block
	Transaction schemas.Hash     `json:"transaction"`
	Partner     string           `json:"partner"`
	KeyID       string           `json:"key_id"`
	Actor       string           `json:"actor,omitempty"`
	EventID     string           `json:"event_id,omitempty"`
	Digest      schemas.Hash     `json:"digest"`
	Code        schemas.Code     `json:"code"` // "ok", or why the message was refused
	Effect      schemas.Effect   `json:"effect"`
	Flags       []schemas.Code   `json:"flags,omitempty"`
	First       *schemas.Locator `json:"first,omitempty"`     // of a duplicate
	VoidedBy    *schemas.Locator `json:"voided_by,omitempty"` // the error declaration
	Body        json.RawMessage  `json:"body,omitempty"`      // as it was submitted
	Secret      *schemas.Hash    `json:"secret,omitempty"`    // by which the digest commits to the body
	Missing     string           `json:"missing,omitempty"`   // why there is no body: "erased", or "not_kept"
}

// ExportTail is an export's last line.
type ExportTail struct {
	Type    string `json:"type"` // "end"
	Records uint64 `json:"records"`
}

// Export writes all that a home has, whose node must be stopped. The answer is the
// last line.
func Export(ctx context.Context, s Settings, to io.Writer) (tail *ExportTail, err error) {
	options, err := s.ledgerOptions()
	if err != nil {
		return nil, err
	}
	ledger, err := store.OpenReadOnly(options)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w (stop the node first)", err)
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	machine, err := app.New(app.Config{Store: ledger, CacheBytes: s.CacheBytes, Own: s.own(), Rules: s.Rules})
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	view, err := machine.View()
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(to, 1<<20)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	head, err := exportHead(s, view)
	if err == nil {
		err = lines.Encode(head)
	}
	if err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	tail = &ExportTail{Type: "end"}
	for r, err := range view.Records(ctx) {
		if err == nil {
			err = lines.Encode(exportLine(&r))
		}
		if err != nil {
			return nil, fmt.Errorf("exporting: %w", err)
		}
		tail.Records++
	}
	if err := errors.Join(lines.Encode(tail), out.Flush()); err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	return tail, nil
}

func exportHead(s Settings, view *app.View) (*ExportHead, error) {
	h := &ExportHead{Type: "network", Height: view.Height(), Time: view.Time(), AppHash: view.Root(), Partner: s.Partner}
	doc, err := genesisOf(s.Home)
	if err != nil {
		return nil, err
	}
	h.ChainID = doc.ChainID
	if h.Genesis, err = os.ReadFile(GenesisPath(s.Home)); err != nil {
		return nil, err
	}
	if h.Partners, err = view.Partners(); err != nil {
		return nil, err
	}
	db, done, err := readOnlyDB("blockstore", filepath.Join(s.Home, dataDir))
	if err != nil {
		return nil, fmt.Errorf("reading the last header: %w (stop the node first)", err)
	}
	defer done()
	meta := cmtstore.NewBlockStore(db).LoadBlockMeta(h.Height)
	if meta == nil {
		return nil, fmt.Errorf("the engine does not have header %d: start the node, and stop it again", h.Height)
	}
	h.Trust = &proof.Trust{ChainID: h.ChainID, Height: h.Height, Time: meta.Header.Time,
		HeaderHash: schemas.Hash(meta.BlockID.Hash), ValidatorSetHash: schemas.Hash(meta.Header.ValidatorsHash)}
	return h, nil
}

func exportLine(r *schemas.Record) *ExportLine {
	l := &ExportLine{Type: "event", Locator: r.Locator, Time: r.Time, Transaction: r.Transaction, Partner: r.Partner, KeyID: r.KeyID, Actor: r.Actor,
		EventID: r.EventID, Digest: r.Digest, Code: r.Result.Code, Effect: r.Result.Effect, Flags: r.Result.Flags, First: r.Result.First,
		VoidedBy: r.VoidedBy, Body: r.Body}
	switch r.Kind {
	case schemas.KindErasure:
		l.Type, l.EventID = "order", ""
	case schemas.KindAct:
		l.Type, l.EventID = "act", ""
	}
	switch {
	case r.Body != nil:
		l.Secret = &r.Secret
	case r.Unkept:
		l.Missing = "not_kept"
	default:
		l.Missing = "erased"
	}
	return l
}

// ExportFile is Export into a file, which appears when it is complete.
func ExportFile(ctx context.Context, s Settings, path string) (tail *ExportTail, err error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%s is there: an export replaces nothing", path)
	}
	f, err := os.OpenFile(path+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	tail, err = Export(ctx, s, f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path+".part"))
	}
	if err := os.Rename(path+".part", path); err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	return tail, nil
}
