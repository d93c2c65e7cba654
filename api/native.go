package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Exceptions is a page of flagged records that concern a partner, newest first.
type Exceptions struct {
	Partner       string   `json:"partner"`
	Height        int64    `json:"height"`
	Records       []Record `json:"records"`
	Overdue       []Record `json:"overdue,omitempty"` // offers that ended without an answer, of open ones, behind all records
	NextPageToken string   `json:"nextPageToken,omitempty"`
}

// getExceptions lists what somebody should look at.
func (g *Gateway) getExceptions(w http.ResponseWriter, r *http.Request) {
	q, err := parameters(r, "partner", "open", "perPage", "nextPageToken")
	out := Exceptions{Partner: g.cfg.Partner}
	if p, ok := q["partner"]; ok {
		if out.Partner = p; !printable(p) {
			err = fault(schemas.BadParameter, "partner is a name")
		}
	}
	var limit int
	if err == nil {
		limit, err = perPage(q)
	}
	open := false
	if err == nil {
		open, err = flag(q, "open", false)
	}
	var before, after *schemas.Locator
	if text, ok := q["nextPageToken"]; err == nil && ok {
		if behind, overdue := strings.CutPrefix(text, overdueToken); overdue && open {
			after, err = parseLocatorToken(behind)
		} else {
			before, err = parseLocatorToken(text)
		}
	}
	if err == nil {
		err = g.read(func(view View) error {
			out.Height, out.NextPageToken = view.Height(), ""
			if after != nil {
				out.Records = []Record{}
				return out.addOverdue(view, after, limit)
			}
			records, next, err := exceptions(view, out.Partner, before, open, min(limit, maxRecords), pager{in: stateOf(r).read})
			if err != nil {
				return err
			}
			if next != nil {
				out.NextPageToken = locatorToken(*next)
			}
			if out.Records, err = recordsOf(records); err != nil || !open || out.NextPageToken != "" {
				return err
			}
			return out.addOverdue(view, nil, limit)
		})
	}
	g.writePage(w, r, out, out.NextPageToken, err)
}

// overdueToken begins the tokens of pages of offers that nobody answered. No other has a dot.
const overdueToken = "o."

// addOverdue adds offers that nobody answered, behind one.
func (e *Exceptions) addOverdue(view View, after *schemas.Locator, limit int) error {
	records, next, err := view.Overdue(e.Partner, after, min(limit, maxRecords))
	if err != nil {
		return err
	}
	if next != nil {
		e.NextPageToken = overdueToken + locatorToken(*next)
	}
	e.Overdue, err = recordsOf(records)
	return err
}

// exceptions reads a page in steps. One that is short of what it was asked for ends the
// page: it was large, or passed over much that is settled.
func exceptions(view View, partner string, before *schemas.Locator, open bool, limit int, read pager) (records []schemas.Record, next *schemas.Locator, err error) {
	for next = before; len(records) < limit && !read.full(); {
		asked := read.step(limit - len(records))
		var step []schemas.Record
		if step, next, err = view.Exceptions(partner, next, open, asked); err != nil {
			return nil, nil, err
		}
		if err := read.add(step...); err != nil {
			return nil, nil, err
		}
		if records = append(records, step...); next == nil || len(step) < asked {
			break
		}
	}
	return records, next, nil
}

// Transaction is a committed transaction: its receipt, and who signed it.
type Transaction struct {
	*schemas.Receipt
	*schemas.TransactionInfo
}

// getTransaction answers a transaction's receipt.
func (g *Gateway) getTransaction(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var hash schemas.Hash
	if err == nil {
		var text string
		if text, err = segment(r, "hash"); err == nil {
			err = hash.UnmarshalText([]byte(text))
		}
	}
	var out Transaction
	if err == nil {
		err = g.read(func(view View) error {
			out.Receipt, out.TransactionInfo, err = view.Transaction(hash)
			if err == nil && out.Receipt == nil {
				err = fault(schemas.NotFound, noTransaction)
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

// postTransaction broadcasts a transaction that its client signed, and waits for
// its commit. Nobody here can sign it again: what expires is refused for good.
func (g *Gateway) postTransaction(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, schemas.MaxTransaction, func(body []byte, dry bool) (*answer, error) {
		if dry {
			return g.dryTransaction(r, body)
		}
		return g.submit(r, body, func(res *reservation) (*answer, error) {
			tx, err := g.decode(r, body)
			if err != nil {
				return nil, err
			}
			if err := signedBy(keyOf(r), tx); err != nil {
				return nil, err
			}
			s := newSubmission(res, time.Now())
			s.client, s.owner = true, keyOf(r).ID
			e := newEntry(s.job, tx.Header.Actor, tx.Header.Atomic, Signed{Raw: body, ID: tx.ID, Expiry: int64(tx.Header.Expiry)})
			e.Client, e.waits = true, []*submission{s}
			e.Parts = []local.Part{{Job: s.job, Messages: len(tx.Messages), Answer: s.answer}}
			if err := g.outbox.accept([]*entry{e}); err != nil {
				return nil, err
			}
			return g.await(r, s)
		})
	})
}

// decode reads a client's transaction, when there is room for what it declares.
func (g *Gateway) decode(r *http.Request, raw []byte) (*schemas.Transaction, error) {
	size, err := schemas.Measure(raw)
	if err != nil {
		return nil, err
	}
	at, err := g.writes.enter(keyOf(r).ID, weight*int64(size.Declared))
	if err != nil {
		return nil, err
	}
	defer at.leave()
	return g.outbox.codec.Decode(raw)
}

// dryTransaction answers what a client's transaction would get, and, of a proposal
// alone, what it would do.
func (g *Gateway) dryTransaction(r *http.Request, body []byte) (*answer, error) {
	tx, err := g.decode(r, body)
	if err != nil {
		return nil, err
	}
	if err := signedBy(keyOf(r), tx); err != nil {
		return nil, err
	}
	receipt, err := g.ledger.Rehearse(r.Context(), tx)
	if err != nil {
		return nil, err
	}
	if len(tx.Messages) == 1 {
		if p, ok := tx.Messages[0].Event.Skeleton.Act.(*schemas.Propose); ok {
			return g.rehearsal(r, receipt, &p.Change)
		}
	}
	return jsonAnswer(http.StatusOK, "", receipt)
}

// getNetwork tells the node's view of the network.
func (g *Gateway) getNetwork(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var network *Network
	if err == nil {
		network, err = g.ledger.Network(r.Context())
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, network)
}

// getTrust answers an auditor's root of trust.
func (g *Gateway) getTrust(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var trust *Trust
	if err == nil {
		trust, err = g.ledger.Trust(r.Context())
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, trust)
}

// Partners are the organisations on the ledger.
type Partners struct {
	Height   int64             `json:"height"`
	Partners []schemas.Partner `json:"partners"`
}

// getPartners lists the partners.
func (g *Gateway) getPartners(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	out := Partners{}
	if err == nil {
		err = g.read(func(view View) error {
			out.Height = view.Height()
			out.Partners, err = view.Partners()
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}
