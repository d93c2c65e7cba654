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
	Author      string           `json:"author,omitempty"` // key of who signed the event by itself
	Held        schemas.Holding  `json:"held,omitzero"`    // how that key is held, or else key; in trails
	Transaction schemas.Hash     `json:"transaction"`
	EventID     string           `json:"eventID"`
	Digest      schemas.Hash     `json:"digest"`
	Code        schemas.Code     `json:"code"`
	Effect      schemas.Effect   `json:"effect"`
	Flags       []schemas.Code   `json:"flags"`
	VoidedBy    *schemas.Locator `json:"voided_by,omitempty"`
	Trail       string           `json:"trail,omitempty"` // custody or observations, of an item
	Event       json.RawMessage  `json:"event,omitempty"`
	Missing     *Missing         `json:"missing,omitempty"` // why there is no event, where the node has none or does not show it
}

// Missing tells why this node does not hold a body that others do, or does not show it.
type Missing struct {
	Code   schemas.Code `json:"code"`
	Detail string       `json:"detail"`
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
	shipmentTrail    = "shipment"
)

func missingOf(r *schemas.Record) *Missing {
	return &Missing{Code: schemas.BodyNotKept, Detail: "not kept by this node; ask the recording partner " + r.Partner}
}

func recordOf(r *schemas.Record, trail string) (Record, error) {
	event, err := asSubmitted(r)
	if err != nil {
		return Record{}, err
	}
	out := Record{Locator: r.Locator, Time: r.Time, Partner: r.Partner, Key: r.KeyID, Actor: r.Actor, Transaction: r.Transaction,
		Held: r.Held, EventID: r.EventID, Digest: r.Digest, Code: r.Result.Code, Effect: r.Result.Effect, Flags: r.Result.Flags,
		VoidedBy: r.VoidedBy, Trail: trail, Event: event}
	if r.Skeleton != nil {
		out.Author = r.Skeleton.Author
	}
	if r.Unkept {
		out.Missing = missingOf(r)
	}
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

func kindOfTrail(id schemas.Identifier) schemas.TrailKind {
	if id.Scheme().Class() {
		return schemas.ClassTrail
	}
	return schemas.CustodyTrail
}

// getTrail answers the records of an item or class, oldest first, page by page.
func (g *Gateway) getTrail(w http.ResponseWriter, r *http.Request) { g.trail(w, r, kindOfTrail) }

func (g *Gateway) trail(w http.ResponseWriter, r *http.Request, kind func(schemas.Identifier) schemas.TrailKind) {
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
			shows, err := shown(view, keyOf(r))
			if err != nil {
				return err
			}
			return out.readFrom(view, from, min(limit, maxRecords), pager{in: stateOf(r).read, shows: shows}, kind(id))
		})
	}
	g.writePage(w, r, out, out.NextPageToken, err)
}

// readFrom reads a page: of an item's two trails, merged into ledger order, or of
// a class's or a shipment's one.
func (t *Trail) readFrom(view View, from trailToken, limit int, read pager, kind schemas.TrailKind) error {
	first := cursor{view: view, read: &read, key: schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: t.ID}, name: custodyTrail, next: from.custody}
	second := cursor{view: view, read: &read, key: schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: t.ID}, name: observationTrail, next: from.observations}
	if kind != schemas.CustodyTrail {
		first.key.Kind, first.name, second.ended = kind, map[schemas.TrailKind]string{schemas.ClassTrail: classTrail, schemas.ShipmentTrail: shipmentTrail}[kind], true
	}
	t.Records, t.NextPageToken = []Record{}, ""
	for {
		a, err := first.peek(limit - len(t.Records))
		if err != nil {
			return err
		}
		b, err := second.peek(limit - len(t.Records))
		if err != nil {
			return err
		}
		if a == nil && b == nil {
			break
		}
		if len(t.Records) == limit || len(t.Records) > 0 && read.full() {
			t.NextPageToken = trailToken{first.next, second.next}.String()
			break
		}
		from := &first
		if a == nil || b != nil && b.Locator.Compare(a.Locator) < 0 {
			from = &second
		}
		r := from.take()
		record, err := recordOf(r, from.name)
		if err != nil {
			return err
		}
		if read.shows != nil && !read.shows(r) {
			record.withhold()
		}
		t.Records = append(t.Records, record)
	}
	if len(t.Records) == 0 && from == (trailToken{}) {
		return fault(schemas.NotFound, "the ledger has no record of "+clip(t.ID))
	}
	return nil
}

// cursor walks one trail in steps.
type cursor struct {
	view  View
	read  *pager
	key   schemas.TrailKey
	name  string
	next  uint64 // record that take answers
	ahead []schemas.Record
	ended bool
}

// peek returns the next record, nil at the end. wanted is how many may follow.
func (c *cursor) peek(wanted int) (*schemas.Record, error) {
	if len(c.ahead) == 0 && !c.ended {
		records, err := c.view.Trail(c.key, c.next, c.read.step(wanted+1))
		if err == nil {
			err = c.read.add(records...)
		}
		if err != nil {
			return nil, err
		}
		c.ahead, c.ended = records, len(records) == 0 // a view may answer fewer than it was asked for
	}
	if len(c.ahead) == 0 {
		return nil, nil
	}
	return &c.ahead[0], nil
}

// take goes past the record that peek answered.
func (c *cursor) take() *schemas.Record {
	r := &c.ahead[0]
	c.ahead, c.next = c.ahead[1:], c.next+1
	return r
}
