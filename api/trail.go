package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Record is a message as the ledger recorded it, with the event as submitted.
type Record struct {
	schemas.Locator
	Time        time.Time        `json:"time"`
	Partner     string           `json:"partner"`
	Key         string           `json:"key"`
	Actor       string           `json:"actor,omitempty"`
	Transaction schemas.Hash     `json:"transaction"`
	EventID     string           `json:"eventID"`
	Digest      schemas.Hash     `json:"digest"`
	Code        schemas.Code     `json:"code"`
	Effect      schemas.Effect   `json:"effect"`
	Flags       []schemas.Code   `json:"flags"`
	VoidedBy    *schemas.Locator `json:"voided_by,omitempty"`
	Trail       string           `json:"trail,omitempty"` // custody or observations, of an item
	Event       json.RawMessage  `json:"event,omitempty"`
}

// Trail is a page of an item's or class's records, in ledger order.
type Trail struct {
	ID            string   `json:"id"`
	Height        int64    `json:"height"`
	Records       []Record `json:"records"`
	NextPageToken string   `json:"nextPageToken,omitempty"`
}

// Names of an item's trails.
const (
	custodyTrail     = "custody"
	observationTrail = "observations"
	classTrail       = "class"
)

func recordOf(r *schemas.Record, trail string) (Record, error) {
	event, err := asSubmitted(r)
	if err != nil {
		return Record{}, err
	}
	out := Record{Locator: r.Locator, Time: r.Time, Partner: r.Partner, Key: r.KeyID, Actor: r.Actor, Transaction: r.Transaction,
		EventID: r.EventID, Digest: r.Digest, Code: r.Result.Code, Effect: r.Result.Effect, Flags: r.Result.Flags,
		VoidedBy: r.VoidedBy, Trail: trail, Event: event}
	if out.Flags == nil {
		out.Flags = []schemas.Code{}
	}
	return out, nil
}

func recordsOf(records []schemas.Record) ([]Record, error) {
	out := make([]Record, len(records))
	for i := range records {
		var err error
		if out[i], err = recordOf(&records[i], ""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// getTrail answers the records of an item or class, oldest first, page by page.
func (g *Gateway) getTrail(w http.ResponseWriter, r *http.Request) {
	q, err := parameters(r, "perPage", "nextPageToken")
	var id schemas.Identifier
	var limit int
	var from trailToken
	if err == nil {
		id, err = subject(r)
	}
	if err == nil {
		limit, err = perPage(q)
	}
	if text, ok := q["nextPageToken"]; err == nil && ok {
		from, err = parseTrailToken(text)
	}
	out := Trail{ID: id.String()}
	if err == nil {
		err = g.read(func(view View) error {
			out.Height = view.Height()
			if id.Scheme().Class() {
				return out.readClass(view, from, min(limit, maxRecords))
			}
			return out.readItem(view, from, min(limit, maxRecords))
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if out.NextPageToken != "" {
		linkNext(w, r, out.NextPageToken)
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

// readItem merges an item's two trails into ledger order.
func (t *Trail) readItem(view View, from trailToken, limit int) error {
	custody, err := view.Trail(schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: t.ID}, from.custody, limit+1)
	if err != nil {
		return err
	}
	observations, err := view.Trail(schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: t.ID}, from.observations, limit+1)
	if err != nil {
		return err
	}
	t.Records, t.NextPageToken = []Record{}, ""
	i, j := 0, 0
	for len(t.Records) < limit && (i < len(custody) || j < len(observations)) {
		next, name := &schemas.Record{}, ""
		if j == len(observations) || i < len(custody) && custody[i].Locator.Compare(observations[j].Locator) < 0 {
			next, name, i = &custody[i], custodyTrail, i+1
		} else {
			next, name, j = &observations[j], observationTrail, j+1
		}
		record, err := recordOf(next, name)
		if err != nil {
			return err
		}
		t.Records = append(t.Records, record)
	}
	if i < len(custody) || j < len(observations) {
		t.NextPageToken = trailToken{from.custody + uint64(i), from.observations + uint64(j)}.String()
	}
	if len(t.Records) == 0 && from == (trailToken{}) {
		return fault(schemas.NotFound, "the ledger has no record of "+clip(t.ID))
	}
	return nil
}

func (t *Trail) readClass(view View, from trailToken, limit int) error {
	records, err := view.Trail(schemas.TrailKey{Kind: schemas.ClassTrail, Subject: t.ID}, from.custody, limit+1)
	if err != nil {
		return err
	}
	t.NextPageToken = ""
	if len(records) > limit {
		records = records[:limit]
		t.NextPageToken = trailToken{custody: from.custody + uint64(limit)}.String()
	}
	t.Records = make([]Record, len(records))
	for i := range records {
		if t.Records[i], err = recordOf(&records[i], classTrail); err != nil {
			return err
		}
	}
	if len(records) == 0 && from == (trailToken{}) {
		return fault(schemas.NotFound, "the ledger has no record of "+clip(t.ID))
	}
	return nil
}
