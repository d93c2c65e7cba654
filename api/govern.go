package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Proposals is a page of proposals, newest first.
type Proposals struct {
	Height        int64                   `json:"height"`
	Proposals     []schemas.ProposalState `json:"proposals"`
	NextPageToken string                  `json:"nextPageToken,omitempty"`
}

// Proposal is one proposal, and the height that it is told at.
type Proposal struct {
	Height int64 `json:"height"`
	schemas.ProposalState
}

// Rehearsal is what a proposal would get, and what it would do if it passed.
type Rehearsal struct {
	*schemas.Receipt
	Impact *schemas.Impact `json:"impact"`
}

// PartnerState is one partner, with the company prefixes that are registered for it.
type PartnerState struct {
	Height int64 `json:"height"`
	schemas.Partner
	Prefixes []schemas.Prefix `json:"prefixes"`
}

// Prefixes are the company prefixes that are registered.
type Prefixes struct {
	Height   int64            `json:"height"`
	Prefixes []schemas.Prefix `json:"prefixes"`
}

func (g *Gateway) governRoutes(m chi.Router) {
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeJSON), g.reading)
		m.Get("/proposals", g.getProposals)
		m.Get("/proposals/{proposal}", g.getProposal)
		m.Get("/partners/{id}", g.getPartner)
		m.Get("/partners/{id}/holdings", g.getHoldings)
		m.Get("/prefixes", g.getPrefixes)
	})
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Admin), g.accepting(typeJSON), g.sending(typeJSON))
		m.Post("/proposals", g.postProposal)
		m.Post("/proposals/{proposal}/votes", g.postAct("Vote", "proposal", "proposal"))
		m.Post("/proposals/{proposal}/withdraw", g.postAct("Withdraw", "proposal", "proposal"))
	})
}

// postProposal proposes a change. A dry run tells also what the change would do.
func (g *Gateway) postProposal(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxAct, func(body []byte, dry bool) (*answer, error) {
		act, err := schemas.ReadAct("Propose", body, time.Now())
		if err != nil {
			return nil, err
		}
		if !dry {
			return g.submitAct(r, body, act, false)
		}
		receipt, err := g.ledger.DryRun(r.Context(), keyOf(r).ID, false, []*schemas.Event{act})
		if err != nil {
			return nil, err
		}
		return g.rehearsal(r, receipt, &act.Skeleton.Act.(*schemas.Propose).Change)
	})
}

// rehearsal answers what a proposal would get, and what its change would do.
func (g *Gateway) rehearsal(r *http.Request, receipt *schemas.Receipt, c *schemas.Change) (*answer, error) {
	leave, err := turn(r, g.bundles) // what is stranded is counted over the whole ledger
	if err != nil {
		return nil, err
	}
	defer leave()
	out := Rehearsal{Receipt: receipt}
	err = g.read(func(view View) (err error) {
		out.Impact, err = view.Impact(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jsonAnswer(http.StatusOK, "", out)
}

// getProposals lists proposals.
func (g *Gateway) getProposals(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r)
	var before *schemas.Locator
	if text, ok := q["nextPageToken"]; err == nil && ok {
		before, err = parseLocatorToken(text)
	}
	var out Proposals
	if err == nil {
		err = g.read(func(view View) error {
			var more bool
			out.Height, out.NextPageToken = view.Height(), ""
			out.Proposals, more, err = view.Proposals(before, min(limit, maxRecords))
			if err == nil && more {
				out.NextPageToken = locatorToken(out.Proposals[len(out.Proposals)-1].At)
			}
			// What others proposed of others is left out for a bound key: its pages may be short.
			out.Proposals = slices.DeleteFunc(out.Proposals, func(p schemas.ProposalState) bool { return !proposedOf(keyOf(r), &p) })
			return err
		})
	}
	if out.Proposals == nil {
		out.Proposals = []schemas.ProposalState{}
	}
	g.writePage(w, r, out, out.NextPageToken, err)
}

// getProposal answers one proposal.
func (g *Gateway) getProposal(w http.ResponseWriter, r *http.Request) {
	var out Proposal
	g.answerOf(w, r, "proposal", &out, func(view View, id string) (bool, error) {
		p, err := view.Proposal(id)
		if p != nil && proposedOf(keyOf(r), p) {
			out = Proposal{view.Height(), *p}
		}
		return out.ID != "", err
	})
}

// getPartner answers one partner.
func (g *Gateway) getPartner(w http.ResponseWriter, r *http.Request) {
	var out PartnerState
	g.answerOf(w, r, "id", &out, func(view View, id string) (bool, error) {
		p, err := view.Partner(id)
		if p == nil || err != nil {
			return false, err
		}
		out = PartnerState{Height: view.Height(), Partner: *p, Prefixes: []schemas.Prefix{}}
		all, err := view.Prefixes()
		for _, prefix := range all {
			if prefix.Partner == id {
				out.Prefixes = append(out.Prefixes, prefix)
			}
		}
		return true, err
	})
}

// answerOf answers what is named in the path, out, once find found it.
func (g *Gateway) answerOf(w http.ResponseWriter, r *http.Request, inPath string, out any, find func(view View, id string) (bool, error)) {
	_, err := parameters(r)
	id, unread := segment(r, inPath)
	if err == nil {
		err = unread
	}
	if err == nil {
		err = g.read(func(view View) error {
			found, err := find(view, id)
			if err == nil && !found {
				err = fault(schemas.NotFound, "none of the name "+clip(id))
			}
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

// getPrefixes lists the company prefixes.
func (g *Gateway) getPrefixes(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var out Prefixes
	if err == nil {
		err = g.read(func(view View) error {
			out.Height = view.Height()
			out.Prefixes, err = view.Prefixes()
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if out.Prefixes == nil {
		out.Prefixes = []schemas.Prefix{}
	}
	g.writeJSON(w, r, http.StatusOK, out)
}
