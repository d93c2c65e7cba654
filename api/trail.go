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

// part is what was read of a trail, and how many records it has in all.
type part struct {
	records []schemas.Record
	from    uint64
	count   uint64
	taken   int
}

func readPart(view View, key schemas.TrailKey, from uint64, limit int) (*part, error) {
	head, err := view.TrailHead(key)
	if err != nil {
		return nil, err
	}
	records, err := view.Trail(key, from, limit)
	if err != nil {
		return nil, err
	}
	return &part{records: records, from: from, count: head.Count}, nil
}

func (p *part) next() uint64 { return p.from + uint64(p.taken) }
func (p *part) read() bool   { return p.taken < len(p.records) }
func (p *part) more() bool   { return p.next() < p.count }

// readItem merges an item's two trails into ledger order, as far as both were read.
func (t *Trail) readItem(view View, from trailToken, limit int) error {
	custody, err := readPart(view, schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: t.ID}, from.custody, limit)
	if err != nil {
		return err
	}
	observations, err := readPart(view, schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: t.ID}, from.observations, limit)
	if err != nil {
		return err
	}
	t.Records, t.NextPageToken = []Record{}, ""
	for len(t.Records) < limit && (custody.read() || observations.read()) {
		if !custody.read() && custody.more() || !observations.read() && observations.more() {
			break // what comes next may not have been read
		}
		next, name := observations, observationTrail
		if !observations.read() || custody.read() && custody.records[custody.taken].Locator.Compare(observations.records[observations.taken].Locator) < 0 {
			next, name = custody, custodyTrail
		}
		record, err := recordOf(&next.records[next.taken], name)
		if err != nil {
			return err
		}
		next.taken++
		t.Records = append(t.Records, record)
	}
	if custody.more() || observations.more() {
		t.NextPageToken = trailToken{custody.next(), observations.next()}.String()
	}
	if len(t.Records) == 0 && from == (trailToken{}) {
		return fault(schemas.NotFound, "the ledger has no record of "+clip(t.ID))
	}
	return nil
}

func (t *Trail) readClass(view View, from trailToken, limit int) error {
	p, err := readPart(view, schemas.TrailKey{Kind: schemas.ClassTrail, Subject: t.ID}, from.custody, limit)
	if err != nil {
		return err
	}
	t.NextPageToken = ""
	t.Records = make([]Record, len(p.records))
	for ; p.read(); p.taken++ {
		if t.Records[p.taken], err = recordOf(&p.records[p.taken], classTrail); err != nil {
			return err
		}
	}
	if p.more() {
		t.NextPageToken = trailToken{custody: p.next()}.String()
	}
	if len(p.records) == 0 && from == (trailToken{}) {
		return fault(schemas.NotFound, "the ledger has no record of "+clip(t.ID))
	}
	return nil
}
