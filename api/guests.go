package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// maxGuests bounds the bound API keys of a gateway.
const maxGuests = 20_000

// maxGrants bounds what one observer is shown.
const maxGrants = 100

// GuestRequest asks for an API key for a participant that is to work through this
// node, which need not be admitted yet: until it is, the key reads nothing. Or for an
// observer, by a name for people and what it is shown.
type GuestRequest struct {
	Partner string   `json:"partner,omitempty"`
	Name    string   `json:"name,omitempty"`
	Grant   []string `json:"grant,omitempty"` // names of partners, and identifiers of things
}

// Guest is an API key of a participant or an observer.
type Guest struct {
	ID      string   `json:"id"` // of the API key, by which it is revoked
	Partner string   `json:"partner,omitempty"`
	Name    string   `json:"name,omitempty"`
	Grant   []string `json:"grant,omitempty"`
	Key     string   `json:"key,omitempty"` // shown once
	Host    string   `json:"host"`
	ChainID string   `json:"chain_id"`
}

func (g *Gateway) guestRoutes(m chi.Router) {
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Admin), g.accepting(typeJSON))
		m.With(g.sending(typeJSON)).Post("/guests", g.postGuest)
		m.Delete("/guests/{id}", g.deleteGuest)
	})
}

// Granted is what an observer is shown: of partners by their names, and of things by
// their identifiers, which are URIs.
func Granted(grants []string) (to local.Binding, err error) {
	for _, grant := range grants {
		if schemas.IsPartnerID(grant) {
			to.Partners = append(to.Partners, grant)
			continue
		}
		id, _, err := schemas.Canonical(grant)
		if err != nil {
			return to, fmt.Errorf("%q is neither a partner's name nor an identifier: %w", grant, err)
		}
		to.Items = append(to.Items, id)
	}
	return to, nil
}

// binding is to what the key that was asked for is bound, and the name that people know
// it by.
func (g *Gateway) binding(in *GuestRequest) (to local.Binding, name string, err error) {
	if len(in.Grant) == 0 && in.Name == "" {
		if !schemas.IsPartnerID(in.Partner) || in.Partner == g.cfg.Partner {
			return to, "", fault(schemas.BadIdentifier, clip(in.Partner)+" is no name for a guest: 1 to 32 of a-z, 0-9 and inner hyphens, and not the node's own")
		}
		return local.Binding{Partner: in.Partner}, in.Partner, nil
	}
	switch {
	case in.Partner != "":
		return to, "", fault(schemas.BadValue, "a guest is a participant, by partner, or an observer, by name and grant")
	case in.Name == "" || len(in.Name) > 200 || !printable(in.Name):
		return to, "", fault(schemas.MissingField, "an observer's key has a name for people, of at most 200 bytes")
	case len(in.Grant) == 0:
		return to, "", fault(schemas.MissingField, "grant names the partners and things that the observer is shown")
	case len(in.Grant) > maxGrants:
		return to, "", fault(schemas.TooLarge, fmt.Sprintf("%d grants, %d at most", len(in.Grant), maxGrants))
	}
	if to, err = Granted(in.Grant); err != nil {
		err = fault(schemas.BadIdentifier, err.Error())
	}
	return to, in.Name, err
}

// postGuest makes an API key that is bound to a participant or an observer.
func (g *Gateway) postGuest(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxPublication, func(body []byte, dry bool) (*answer, error) {
		var in GuestRequest
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, fault(schemas.BadJSON, err.Error())
		}
		to, name, err := g.binding(&in)
		if err != nil {
			return nil, err
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
		out := Guest{Partner: in.Partner, Name: in.Name, Grant: in.Grant, Host: g.cfg.Partner}
		err = g.read(func(view View) error {
			if in.Partner == "" {
				return nil
			}
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
		scopes := []local.Scope{local.Query}
		if in.Partner != "" {
			scopes = append(scopes, local.Capture)
		}
		a, err := g.once(r, body, func(res *reservation) (*answer, error) {
			kept := keptGuest{Salt: make([]byte, 32)}
			rand.Read(kept.Salt) // never fails: crypto/rand ends the program instead
			key, added, err := local.BoundKey(kept.secret(r), name, to, scopes...)
			if err != nil {
				return nil, err
			}
			out.ID = added.ID
			kept.Guest = out
			record, err := jsonAnswer(http.StatusCreated, "", kept)
			if err != nil {
				return nil, err
			}
			if err := g.local.AddKey(added, res.keep(record, added.Made)...); err != nil {
				return nil, err
			}
			out.Key = key
			return jsonAnswer(http.StatusCreated, "", out)
		})
		if err == nil && a.replayed {
			err = a.showGuest(r)
		}
		return a, err
	})
}

// keptGuest is what an idempotency record has of a Guest: not the API key, of which the
// gateway keeps the hash alone, but what a repeat, which shows the API key that the first
// request showed, makes it of again.
type keptGuest struct {
	Guest
	Salt []byte `json:"salt"`
}

func (k *keptGuest) secret(r *http.Request) (secret [32]byte) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	mac := hmac.New(sha256.New, []byte(strings.TrimSpace(token)))
	mac.Write(k.Salt)
	return [32]byte(mac.Sum(nil))
}

// showGuest puts the API key into a repeated answer.
func (a *answer) showGuest(r *http.Request) error {
	var kept keptGuest
	if err := json.Unmarshal(a.body, &kept); err != nil {
		return fmt.Errorf("reading an idempotency record: %w", err)
	}
	kept.Key = local.KeyText(kept.secret(r))
	shown, err := jsonAnswer(a.status, "", kept.Guest)
	if err == nil {
		a.body = shown.body
	}
	return err
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
