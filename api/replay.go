package api

import (
	"encoding/json"
	"net/http"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// ReplayRequest sets the cursor of a subscription.
type ReplayRequest struct {
	RecordTime string `json:"recordTime"` // from which on everything is delivered again
}

// postReplay sets the cursor of a subscription to a record time.
func (g *Gateway) postReplay(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxSubscription, func(body []byte, dry bool) (*answer, error) {
		s, err := g.find(r)
		if err != nil {
			return nil, err
		}
		if _, err := schemas.Compact(nil, body); err != nil {
			return nil, err
		}
		var q ReplayRequest
		if json.Unmarshal(body, &q) != nil || q.RecordTime == "" {
			return nil, &schemas.Fault{Code: schemas.BadSubscription, Pointer: "/recordTime", Detail: "this names no recordTime"}
		}
		since, err := recordTime(q.RecordTime)
		if err == nil && !dry {
			err = s.set(func(c *local.Cursor) {
				*c = local.Cursor{Since: since, Round: c.Round + 1, Ran: c.Ran, Notified: c.Notified}
			})
		}
		if err != nil {
			return nil, err
		}
		view, err := g.ledger.View()
		if err != nil {
			return nil, err
		}
		return jsonAnswer(http.StatusOK, "", s.told(view.Height()))
	})
}
