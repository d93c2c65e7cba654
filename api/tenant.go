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

// A bound key is an API key of somebody else than the node's partner: of a
// participant that works through this node, or of an observer to whom it shows
// something. What such a key may do is listed here, and nothing else is allowed, so
// that a new route is closed to it. What it may not see is answered as what is not
// there. It writes only what its own partner signed: the gateway signs for nobody
// but its own.

// boundRoutes are the requests that a bound key may make, and what is looked at
// before they are answered.
var boundRoutes = map[string]func(g *Gateway, r *http.Request, k *local.Key) error{
	"GET /api/v1/items/{id}":                (*Gateway).concernsThing,
	"GET /api/v1/items/{id}/trail":          (*Gateway).concernsThing,
	"GET /api/v1/items/{id}/trace":          (*Gateway).concernsThing,
	"GET /api/v1/exceptions":                (*Gateway).concernsExceptions,
	"GET /api/v1/shipments":                 (*Gateway).concernsShipments,
	"GET /api/v1/shipments/{id}":            (*Gateway).concernsShipment,
	"GET /api/v1/shipments/{id}/handovers":  (*Gateway).concernsShipment,
	"GET /api/v1/shipments/{id}/conditions": (*Gateway).concernsShipment,
	"GET /api/v1/shipments/{id}/trail":      (*Gateway).concernsShipment,
	"GET /api/v1/stream":                    nil, // told leaves out what is not theirs
	"GET /api/v1/proposals":                 nil, // getProposals and getProposal leave out what is of others alone
	"GET /api/v1/proposals/{proposal}":      nil,
	"GET /api/v1/partners/{id}":             (*Gateway).concernsPartner,
	"GET /api/v1/partners/{id}/holdings":    (*Gateway).concernsPartner,
	"GET /api/v1/partners/{id}/keys":        (*Gateway).concernsPartner,
	"GET /api/v1/partners/{id}/bundle":      (*Gateway).concernsPartner,
	"GET /api/v1/transactions/{hash}":       (*Gateway).concernsTransaction,
	"POST /api/v1/transactions":             nil, // postTransaction looks who signed it
	"GET /epcis/v2/events":                  nil, // page leaves out what others recorded
	"GET /epcis/v2/events/{eventID}":        nil,
	"GET /epcis/v2/capture/{captureID}":     (*Gateway).concernsJob,
}

// bounded judges a request with a bound key.
func (g *Gateway) bounded(r *http.Request, k *local.Key) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	look, ok := boundRoutes[method+" "+chi.RouteContext(r.Context()).RoutePattern()]
	if !ok {
		return fault(schemas.Forbidden, fmt.Sprintf("the API key %q is bound to %s, and this is no request of theirs", k.Name, k.Whose()))
	}
	if method == http.MethodGet {
		if err := g.hosts(k); err != nil {
			return err
		}
	}
	if look == nil {
		return nil
	}
	return look(g, r, k)
}

// hosts refuses reads to who works through another node now. What a participant
// signed it may send through any.
func (g *Gateway) hosts(k *local.Key) error {
	if k.Partner == "" || k.Partner == g.cfg.Partner {
		return nil
	}
	return g.read(func(view View) error {
		p, err := view.Partner(k.Partner)
		switch {
		case err != nil:
			return err
		case p == nil:
			return fault(schemas.NotHosted, "the members have not admitted "+k.Partner+" yet: "+g.cfg.Partner+" proposes it, by the request that waybill join participant printed")
		case p.State == schemas.Removed:
			return fault(schemas.NotHosted, "the members removed "+k.Partner+" from this network")
		case p.Standing != schemas.StandingParticipant || p.Host != g.cfg.Partner:
			return fault(schemas.NotHosted, k.Partner+" does not work through this node: its host is "+p.Host)
		}
		return nil
	})
}

// sees reports whether a key may see what a partner recorded.
func sees(k *local.Key, partner string) bool {
	return !k.Bound() || partner == k.Partner && partner != "" || slices.Contains(k.Partners, partner)
}

// seen leaves out of records those that a key may not see.
func seen(k *local.Key, records []schemas.Record) []schemas.Record {
	if !k.Bound() {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), func(r schemas.Record) bool { return !sees(k, r.Partner) })
}

// concernsPartner lets a key ask about the partners that it may see.
func (g *Gateway) concernsPartner(r *http.Request, k *local.Key) error {
	id, err := segment(r, "id")
	if err == nil && !sees(k, id) {
		err = fault(schemas.NotFound, "no partner "+clip(id))
	}
	return err
}

// proposedOf reports whether a key may see a proposal: those by, and those about,
// partners that it may see.
func proposedOf(k *local.Key, p *schemas.ProposalState) bool {
	var about struct {
		Partner string `json:"partner"`
	}
	return sees(k, p.Proposer) || json.Unmarshal(p.Change, &about) == nil && sees(k, about.Partner)
}

// concernsExceptions lets it ask for exceptions of the partners that it may see.
func (g *Gateway) concernsExceptions(r *http.Request, k *local.Key) error {
	q, err := queryValues(r)
	if err != nil {
		return fault(schemas.BadParameter, "the query string cannot be read")
	}
	partner := q.Get("partner")
	if partner == "" {
		partner = g.cfg.Partner
	}
	if !sees(k, partner) {
		return fault(schemas.NotFound, "name with partner one whose exceptions this key may see")
	}
	return nil
}

// concernsTransaction hides transactions of partners that it may not see.
func (g *Gateway) concernsTransaction(r *http.Request, k *local.Key) error {
	var hash schemas.Hash
	text, err := segment(r, "hash")
	if err != nil || hash.UnmarshalText([]byte(text)) != nil {
		return err // what is no hash getTransaction refuses
	}
	return g.read(func(view View) error {
		_, info, err := view.Transaction(hash)
		if err == nil && info != nil && !sees(k, info.Partner) {
			err = fault(schemas.NotFound, noTransaction)
		}
		return err
	})
}

const noTransaction = "no such transaction is on the ledger"

// concernsJob hides jobs that were begun with other keys.
func (g *Gateway) concernsJob(r *http.Request, k *local.Key) error {
	id := chi.URLParam(r, "captureID")
	j, err := g.local.Job(id)
	if err != nil {
		return err
	}
	s := g.outbox.find(id)
	if j != nil && j.Owner == k.ID || j == nil && s != nil && s.owner == k.ID {
		return nil
	}
	return fault(schemas.NotFound, noJob)
}

const noJob = "no such capture job"

// mostLooked bounds the records of a trail that are looked at to find out whether a
// partner is in it.
const mostLooked = 1024

// concernsThing hides things that no partner holds, or was a party of, whom the key
// may see.
func (g *Gateway) concernsThing(r *http.Request, k *local.Key) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	if slices.Contains(k.Items, id.String()) {
		return nil
	}
	return g.read(func(view View) error {
		kinds := []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}
		if id.Scheme().Class() {
			kinds = []schemas.TrailKind{schemas.ClassTrail}
		} else if s, err := view.Item(id.String()); err != nil || s != nil && sees(k, s.Custodian) {
			return err
		}
		parties, err := partiesOf(view, k)
		if err != nil {
			return err
		}
		for _, kind := range kinds {
			found, err := takesPart(view, schemas.TrailKey{Kind: kind, Subject: id.String()}, k, parties)
			if found || err != nil {
				return err
			}
		}
		return fault(schemas.NotFound, "the ledger has no record of "+clip(id.String()))
	})
}

// partiesOf are the PGLNs of the partners whom a key may see, as events name them.
func partiesOf(view View, k *local.Key) (out []string, err error) {
	for _, id := range append(slices.Clone(k.Partners), k.Partner) {
		p, err := view.Partner(id)
		if err != nil {
			return nil, err
		}
		if p != nil {
			out = append(out, gs1Root+"417/"+p.GLN)
		}
	}
	return out, nil
}

// takesPart reports whether records of a trail are by, or name as a party, somebody
// whom the key may see.
func takesPart(view View, key schemas.TrailKey, k *local.Key, parties []string) (bool, error) {
	for from := uint64(0); from < mostLooked; {
		records, err := view.Trail(key, from, mostStep)
		if err != nil || len(records) == 0 {
			return false, err
		}
		for i := range records {
			if sees(k, records[i].Partner) || names(records[i].Skeleton, parties) {
				return true, nil
			}
		}
		from += uint64(len(records))
	}
	return false, nil
}

func names(s *schemas.Skeleton, parties []string) bool {
	if s == nil {
		return false
	}
	return slices.ContainsFunc(append(slices.Clone(s.Sources), s.Destinations...), func(p schemas.Party) bool { return slices.Contains(parties, p.ID) })
}

// signedBy refuses a transaction that another partner signed than the key's.
func signedBy(k *local.Key, tx *schemas.Transaction) error {
	if k.Bound() && tx.Header.Partner != k.Partner {
		return fault(schemas.Forbidden, fmt.Sprintf("the API key %q sends what %s signed, and nothing else", k.Name, k.Whose()))
	}
	return nil
}
