package api

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Keys are a partner's keys on the ledger, and the changes of them that wait.
type Keys struct {
	Height    int64       `json:"height"`
	Partner   string      `json:"partner"`
	Threshold uint32      `json:"threshold"` // admin keys that must agree to a change
	Keys      []LedgerKey `json:"keys"`      // all that it has or had, by id
	Changes   []KeyChange `json:"changes"`
}

// LedgerKey is a partner's key. It is valid from its first to its last height, both
// included.
type LedgerKey struct {
	ID     string          `json:"id"`
	Public string          `json:"public"` // Ed25519, hexadecimal
	Roles  []string        `json:"roles"`
	Held   schemas.Holding `json:"held"`
	From   uint64          `json:"from"`
	Until  uint64          `json:"until,omitempty"` // 0: no end
	Valid  bool            `json:"valid"`           // in the next block
}

// KeyChange is a change of keys to which other admin keys must agree.
type KeyChange struct {
	ID      string          `json:"id"`
	Act     json.RawMessage `json:"act"`
	By      []string        `json:"by"` // keys that agreed
	Expires time.Time       `json:"expires"`
}

func (g *Gateway) keyRoutes(m chi.Router) {
	m.With(g.allow(local.Query), g.accepting(typeJSON), g.reading).Get("/partners/{id}/keys", g.getKeys)
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Admin), g.accepting(typeJSON), g.sending(typeJSON))
		m.Post("/keys", g.postAct("AddKey"))
		m.Post("/keys/threshold", g.postAct("SetThreshold"))
		m.Post("/keys/{key}/revoke", g.postAct("RevokeKey", "key", "key"))
		m.Post("/keys/changes/{change}/approve", g.postAct("ApproveKeyChange", "change", "change"))
	})
}

// getKeys lists a partner's keys.
func (g *Gateway) getKeys(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	id, unread := segment(r, "id")
	if err == nil {
		err = unread
	}
	out := Keys{Partner: id, Keys: []LedgerKey{}, Changes: []KeyChange{}}
	if err == nil {
		err = g.read(func(view View) error { return out.read(view) })
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

func (out *Keys) read(view View) error {
	p, err := view.Partner(out.Partner)
	switch {
	case err != nil:
		return err
	case p == nil:
		return fault(schemas.NotFound, "no partner "+clip(out.Partner))
	}
	out.Threshold = max(1, p.Threshold)
	keys, err := view.Keys(out.Partner)
	if err != nil {
		return err
	}
	open, err := view.KeyChanges(out.Partner)
	out.Height = view.Height()
	for _, k := range keys {
		out.Keys = append(out.Keys, LedgerKey{ID: k.ID, Public: hex.EncodeToString(k.Public), Roles: strings.Split(schemas.RoleNames(k.Roles), ","),
			Held: k.Held, From: k.From, Until: k.Until, Valid: k.ValidAt(uint64(out.Height + 1))})
	}
	for _, c := range open {
		out.Changes = append(out.Changes, KeyChange{ID: c.ID, Act: schemas.ActJSON(c.Act), By: c.By, Expires: time.Unix(0, c.Expires).UTC()})
	}
	return err
}
