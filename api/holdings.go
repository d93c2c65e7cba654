package api

import (
	"encoding/base64"
	"net/http"

	"github.com/waybill-ledger/waybill/schemas"
)

// Holdings is a page of what a partner holds: items, then lots, then shipments.
type Holdings struct {
	Partner string `json:"partner"`
	Height  int64  `json:"height"`
	schemas.Holdings
	NextPageToken string `json:"nextPageToken,omitempty"`
}

// getHoldings lists what a partner holds. It is looked for among all that the ledger has,
// a bounded part for each page, so that few do so at a time.
func (g *Gateway) getHoldings(w http.ResponseWriter, r *http.Request) {
	out, err := g.holdings(r)
	g.writePage(w, r, out, out.NextPageToken, err)
}

func (g *Gateway) holdings(r *http.Request) (out Holdings, err error) {
	q, limit, err := paging(r)
	if err != nil {
		return out, err
	}
	behind, err := base64.RawURLEncoding.DecodeString(q["nextPageToken"])
	if err != nil {
		return out, fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	if out.Partner, err = segment(r, "id"); err != nil {
		return out, err
	}
	leave, err := turn(r, g.bundles)
	if err != nil {
		return out, err
	}
	defer leave()
	return out, g.read(func(view View) error {
		if err := g.tellsHoldings(view, r, out.Partner); err != nil {
			return err
		}
		next := ""
		out.Height = view.Height()
		out.Holdings, next, err = view.Holdings(out.Partner, string(behind), limit)
		out.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(next))
		return err
	})
}

// tellsHoldings refuses a list of the stock of an active partner to other partners. What
// the members are to decide about, who goes or has gone leaves them, all may see.
func (g *Gateway) tellsHoldings(view View, r *http.Request, partner string) error {
	p, err := view.Partner(partner)
	if err == nil && p == nil {
		err = fault(schemas.NotFound, "none of the name "+clip(partner))
	}
	if k := keyOf(r); err != nil || partner == g.cfg.Partner || k.Bound() && sees(k, partner) {
		return err
	}
	leaving, err := view.Leaving(partner)
	if err == nil && !leaving {
		err = fault(schemas.Forbidden, partner+" is active, and what it holds is listed for itself alone: for the others when it is suspended or removed, or that is proposed")
	}
	return err
}
