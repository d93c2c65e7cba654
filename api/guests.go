package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// maxGuests bounds the bound API keys of a gateway.
const maxGuests = 20_000

// GuestRequest asks for an API key for a participant that is to work through this
// node. It need not be admitted yet: until it is, the key reads nothing.
type GuestRequest struct {
	Partner string `json:"partner"`
}

// Guest is an API key of a participant.
type Guest struct {
	ID      string `json:"id"` // of the API key, by which it is revoked
	Partner string `json:"partner"`
	Key     string `json:"key,omitempty"` // shown once
	Host    string `json:"host"`
	ChainID string `json:"chain_id"`
}

func (g *Gateway) guestRoutes(m chi.Router) {
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Admin), g.accepting(typeJSON))
		m.With(g.sending(typeJSON)).Post("/guests", g.postGuest)
		m.Delete("/guests/{id}", g.deleteGuest)
	})
}

// postGuest makes an API key that is bound to a participant.
func (g *Gateway) postGuest(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxPublication, func(body []byte, dry bool) (*answer, error) {
		var in GuestRequest
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, fault(schemas.BadJSON, err.Error())
		}
		if !schemas.IsPartnerID(in.Partner) || in.Partner == g.cfg.Partner {
			return nil, fault(schemas.BadIdentifier, clip(in.Partner)+" is no name for a guest: 1 to 32 of a-z, 0-9 and inner hyphens, and not the node's own")
		}
		bound := 0
		for _, k := range g.local.Keys() {
			if k.Bound() {
				bound++
			}
		}
		if bound >= maxGuests {
			return nil, fault(schemas.TooLarge, fmt.Sprintf("%d API keys are bound already: revoke those of guests that left", bound))
		}
		out := Guest{Partner: in.Partner, Host: g.cfg.Partner}
		err := g.read(func(view View) error {
			p, err := view.Partner(in.Partner)
			if err == nil && p != nil && (p.Standing != schemas.StandingParticipant || p.State == schemas.Removed) {
				err = fault(schemas.PartnerTaken, in.Partner+" is on the ledger, and no participant")
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		network, err := g.ledger.Network(r.Context())
		if err != nil {
			return nil, err
		}
		if out.ChainID = network.ChainID; dry {
			return jsonAnswer(http.StatusOK, "", out)
		}
		key, kept, err := g.local.CreateBoundKey(in.Partner, local.Binding{Partner: in.Partner}, local.Capture, local.Query)
		if err != nil {
			return nil, err
		}
		out.ID, out.Key = kept.ID, key
		return jsonAnswer(http.StatusCreated, "", out)
	})
}

// deleteGuest revokes a guest's or an observer's API key.
func (g *Gateway) deleteGuest(w http.ResponseWriter, r *http.Request) {
	dry, err := dryRunOf(r)
	id, unread := segment(r, "id")
	if err == nil {
		err = unread
	}
	if err == nil && !slices.ContainsFunc(g.local.Keys(), func(k local.Key) bool { return k.ID == id && k.Bound() }) {
		err = fault(schemas.NotFound, "no guest has the API key "+clip(id))
	}
	if err == nil && !dry {
		_, err = g.local.RevokeKey(id)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
