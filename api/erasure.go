package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxOrder bounds the body of a request for an order.
const maxOrder = 16 << 10

// OrderRequest asks for an order about the body of one of the partner's events.
type OrderRequest struct {
	Order   string `json:"order"` // erase, hold, release or classify
	EventID string `json:"eventID"`
	Class   string `json:"class,omitempty"` // to classify: a retention class of the network
	Reason  string `json:"reason,omitempty"`
}

// postErasure gives an order and waits for its commit.
func (g *Gateway) postErasure(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxOrder, func(body []byte, dry bool) (*answer, error) {
		order, err := orderOf(body, time.Now())
		if err != nil {
			return nil, err
		}
		return g.submitAct(r, body, order, dry)
	})
}

func orderOf(body []byte, now time.Time) (*schemas.Event, error) {
	var q OrderRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return nil, fault(schemas.BadJSON, "this is no order: an object of order, eventID, class and reason")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fault(schemas.BadJSON, "something follows the order")
	}
	if q.Order == schemas.OrderClassify.String() {
		return schemas.MakeClassification(q.Class, q.EventID, q.Reason, now.UTC().Format(timeFormat))
	}
	if q.Class != "" {
		return nil, fault(schemas.BadValue, "only an order to classify names a class")
	}
	for what := schemas.OrderErase; what <= schemas.OrderRelease; what++ {
		if what.String() == q.Order {
			return schemas.MakeOrder(what, q.EventID, q.Reason, now.UTC().Format(timeFormat))
		}
	}
	return nil, fault(schemas.BadValue, "order is erase, hold, release or classify")
}

// getErasure tells how the body of an event stands.
func (g *Gateway) getErasure(w http.ResponseWriter, r *http.Request) {
	q, err := parameters(r, "eventID", "partner")
	var out *Erasure
	if err == nil && q["eventID"] == "" {
		err = fault(schemas.BadParameter, "eventID names the event")
	}
	if err == nil {
		partner := q["partner"]
		if partner == "" {
			partner = g.cfg.Partner
		}
		out, err = g.ledger.Erasure(r.Context(), partner, q["eventID"])
		if err == nil && out == nil {
			err = fault(schemas.NotFound, "no order stands about an event "+clip(q["eventID"])+" of "+clip(partner))
		}
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}
