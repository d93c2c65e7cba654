package api

import (
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Shipment is a shipment as the ledger has it.
type Shipment struct {
	ID         string                `json:"id"`
	State      schemas.ShipmentState `json:"state"`
	HeldBy     string                `json:"held_by,omitempty"` // who stopped it
	Shipper    string                `json:"shipper"`
	Carriers   []string              `json:"carriers,omitempty"`
	Receiver   string                `json:"receiver"`
	Inspectors []string              `json:"inspectors,omitempty"`
	Arbiter    string                `json:"arbiter,omitempty"`
	Holder     string                `json:"holder"` // who accepted it last, at first the shipper
	Deadline   time.Time             `json:"deadline,omitzero"`
	Bands      []schemas.Band        `json:"bands,omitempty"`
	Documents  []Document            `json:"documents,omitempty"` // that its terms require
	Items      []string              `json:"items,omitempty"`     // units, of one shipment that is asked for
	Lots       []schemas.ShipmentLot `json:"lots,omitempty"`      // with the holder
	Announced  time.Time             `json:"announced"`
	Handovers  []Handover            `json:"handovers,omitempty"`  // the last first, at most a hundred, fewer where they list much
	Conditions []Condition           `json:"conditions,omitempty"` // of one shipment that is asked for, at most a hundred
	Events     uint64                `json:"events"`               // in its trail
	Head       string                `json:"head"`                 // of its trail
	Height     int64                 `json:"height"`               // of the answer
	Time       time.Time             `json:"time"`
}

// Document is one that a shipment's terms require, and what was attached for it.
type Document struct {
	schemas.Document
	Attached *Attachment `json:"attached,omitempty"`
}

// Attachment is a document that was attached to a shipment.
type Attachment struct {
	Document schemas.Hash `json:"document"`
	Partner  string       `json:"partner"` // who attached it
	Time     time.Time    `json:"time"`    // of the block
	schemas.Locator
}

// Handover is one hand-over of a shipment.
type Handover struct {
	Handover      uint64                `json:"handover"` // its number, from 1
	State         schemas.HandoverState `json:"state"`
	From          string                `json:"from"`
	To            string                `json:"to"`
	Until         time.Time             `json:"until"`
	Units         uint64                `json:"units"` // and lots, that are handed over
	Taken         uint64                `json:"taken"`
	Refused       uint64                `json:"refused"`
	Offered       Signing               `json:"offered"`
	Answered      *Signing              `json:"answered,omitempty"`
	Reason        string                `json:"reason,omitempty"` // that whoever rejected or withdrew it gave
	Discrepancies []schemas.Discrepancy `json:"discrepancies,omitempty"`
	Dispute       *Dispute              `json:"dispute,omitempty"`
}

// Signing is who did something, with which key, and how that was held.
type Signing struct {
	Partner   string          `json:"partner"`
	Key       string          `json:"key,omitempty"`
	Held      schemas.Holding `json:"held,omitzero"`    // absent of an event that came before the offer that it answers: its record tells
	Author    string          `json:"author,omitempty"` // key that signed the message itself
	Time      time.Time       `json:"time"`             // of the block
	EventTime time.Time       `json:"event_time"`
	schemas.Locator
}

// Dispute is an argument about a hand-over.
type Dispute struct {
	Open     bool       `json:"open"`
	Opened   Signing    `json:"opened"`
	Evidence []Evidence `json:"evidence,omitempty"`
	From     string     `json:"from_proposes,omitempty"`
	To       string     `json:"to_proposes,omitempty"`
	Outcome  string     `json:"outcome,omitempty"`
	Resolved *Signing   `json:"resolved,omitempty"`
}

// Evidence is a document by its hash, or an event by its eventID.
type Evidence struct {
	Document string `json:"document,omitempty"`
	Event    string `json:"event,omitempty"`
	Partner  string `json:"partner,omitempty"` // who brought it
}

// Shipments is a page of shipments, by id.
type Shipments struct {
	Height        int64      `json:"height"`
	Shipments     []Shipment `json:"shipments"`
	NextPageToken string     `json:"nextPageToken,omitempty"`
}

// Handovers are the last hand-overs of a shipment, the last first.
type Handovers struct {
	Shipment  string     `json:"shipment"`
	Height    int64      `json:"height"`
	Handovers []Handover `json:"handovers"`
}

func (g *Gateway) shipmentRoutes(m chi.Router) {
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeJSON), g.reading)
		m.Get("/shipments", g.listShipments)
		m.Get("/shipments/{id}", g.getShipment)
		m.Get("/shipments/{id}/handovers", g.getHandovers)
		m.Get("/shipments/{id}/conditions", g.getConditions)
		m.Get("/shipments/{id}/trail", func(w http.ResponseWriter, r *http.Request) {
			g.trail(w, r, func(schemas.Identifier) schemas.TrailKind { return schemas.ShipmentTrail })
		})
	})
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Capture), g.accepting(typeJSON), g.sending(typeJSON))
		m.Post("/shipments", g.postAct("AnnounceShipment"))
		for path, name := range map[string]string{"dispatch": schemas.StepDispatch, "close": schemas.StepClose, "cancel": schemas.StepCancel, "hold": schemas.StepHold,
			"unhold": schemas.StepUnhold, "documents": "AttachDocuments", "return": "ReturnShipment", "handovers": "OfferHandover"} {
			m.Post("/shipments/{id}/"+path, g.postAct(name, "id", "shipment"))
		}
		for path, name := range map[string]string{"accept": "AcceptHandover", "reject": schemas.StepReject, "cancel": schemas.StepWithdraw, "dispute": "DisputeHandover",
			"evidence": "AddEvidence", "resolve": "ResolveDispute"} {
			m.Post("/shipments/{id}/handovers/{handover}/"+path, g.postNumbered(name, []string{"handover"}, "id", "shipment"))
		}
		m.Post("/exceptions/{height}/{position}/{index}/settle", g.postSettle)
	})
}

// postSettle settles an exception of a record that the ledger has: what is settled by a
// wrong number would stay on the list.
func (g *Gateway) postSettle(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxAct, func(body []byte, dry bool) (*answer, error) {
		if err := g.findRecord(chi.URLParam(r, "height") + "-" + chi.URLParam(r, "position") + "-" + chi.URLParam(r, "index")); err != nil {
			return nil, err
		}
		return g.takeAct(r, body, dry, "SettleException", []string{"height", "position", "index"})
	})
}

// findRecord fails if the ledger has no record at a place, as far as the node knows.
func (g *Gateway) findRecord(place string) error {
	at, err := parseStreamCursor(place)
	if err != nil {
		return fault(schemas.BadParameter, "height, position and index in the path are numbers: "+clip(place))
	}
	return g.read(func(view View) error {
		records, _, err := view.Messages(before(at), 1)
		if f := new(schemas.Fault); errors.As(err, &f) && f.Code == schemas.HistoryMissing {
			return nil // what the node does not know it does not judge
		}
		if err == nil && (len(records) == 0 || records[0].Locator != at) {
			err = fault(schemas.NotFound, "the ledger has no record "+clip(place))
		}
		return err
	})
}

// before is the place before another.
func before(at schemas.Locator) schemas.Locator {
	switch {
	case at.Index > 0:
		at.Index--
	case at.Position > 0:
		at.Position, at.Index = at.Position-1, math.MaxUint32
	default:
		at = endOf(max(at.Height, 1) - 1)
	}
	return at
}

// listShipments answers shipments, page by page.
func (g *Gateway) listShipments(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r, "party", "state")
	var state schemas.ShipmentState
	if name, ok := q["state"]; err == nil && ok {
		if wrong := state.UnmarshalText([]byte(name)); wrong != nil {
			err = fault(schemas.BadParameter, "state is one of those in docs/custody.md: "+clip(name))
		}
	}
	if p, ok := q["party"]; err == nil && ok && !schemas.IsPartnerID(p) {
		err = fault(schemas.BadParameter, "party is a partner's name: "+clip(p))
	}
	if token, ok := q["nextPageToken"]; err == nil && ok && !printable(token) {
		err = fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	out := Shipments{}
	if err == nil {
		err = g.read(func(view View) error {
			list, after, err := view.Shipments(q["party"], state, q["nextPageToken"], min(limit, maxRecords))
			out.Height, out.Shipments, out.NextPageToken = view.Height(), []Shipment{}, after
			for i := range list {
				out.Shipments = append(out.Shipments, shipmentOf(view, &list[i]))
			}
			return err
		})
	}
	g.writePage(w, r, out, out.NextPageToken, err)
}

func (g *Gateway) shipmentAt(r *http.Request) (out Shipment, err error) {
	if _, err = parameters(r); err != nil {
		return out, err
	}
	id, err := subject(r)
	if err != nil {
		return out, err
	}
	return out, g.read(func(view View) error {
		s, err := view.Shipment(id.String())
		if err == nil && s == nil {
			err = fault(schemas.NoSuchShipment, "the ledger has no shipment "+clip(id.String()))
		}
		if err != nil {
			return err
		}
		out = shipmentOf(view, s)
		measured, _, err := view.Conditions(s.ID, nil, maxConditionsTold)
		for i := range measured {
			out.Conditions = append(out.Conditions, conditionOf(&measured[i]))
		}
		return err
	})
}

// getShipment answers a shipment, with what it consists of and its hand-overs.
func (g *Gateway) getShipment(w http.ResponseWriter, r *http.Request) {
	s, err := g.shipmentAt(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, s)
}

// getHandovers answers the hand-overs of a shipment.
func (g *Gateway) getHandovers(w http.ResponseWriter, r *http.Request) {
	s, err := g.shipmentAt(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	out := Handovers{Shipment: s.ID, Height: s.Height, Handovers: s.Handovers}
	if out.Handovers == nil {
		out.Handovers = []Handover{}
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

func shipmentOf(view View, s *schemas.ShipmentInfo) Shipment {
	out := Shipment{ID: s.ID, State: s.State, HeldBy: s.HeldBy, Shipper: s.Shipper, Carriers: s.Carriers, Receiver: s.Receiver, Inspectors: s.Inspectors,
		Arbiter: s.Arbiter, Holder: s.Holder, Deadline: ledgerTime(s.Deadline), Bands: s.Bands, Documents: documentsOf(&s.Shipment), Items: s.Contents, Lots: s.Lots,
		Announced: ledgerTime(s.Announced), Events: s.Trail.Count, Head: s.Trail.Root.String(), Height: view.Height(), Time: view.Time()}
	for i := range s.Last {
		out.Handovers = append(out.Handovers, handoverOf(&s.Last[i]))
	}
	return out
}

func documentsOf(s *schemas.Shipment) (out []Document) {
	for i, term := range s.Documents {
		d := Document{Document: term}
		if a := s.Attachment(i + 1); a != nil {
			d.Attached = &Attachment{Document: a.Document, Partner: a.Partner, Time: ledgerTime(a.Time), Locator: a.At}
		}
		out = append(out, d)
	}
	return out
}

func handoverOf(h *schemas.HandoverInfo) Handover {
	out := Handover{Handover: h.Number, State: h.State, From: h.Offered.Partner, To: h.To, Until: ledgerTime(h.Until), Units: h.Units, Taken: h.Took,
		Refused: h.Refused, Offered: signingOf(&h.Offered), Answered: signingIf(&h.Answered), Reason: h.Reason, Discrepancies: h.Discrepancies}
	if d := h.Dispute; d != nil {
		out.Dispute = &Dispute{Open: d.Outcome == 0, Opened: signingOf(&d.Opened), From: d.From.String(), To: d.To.String(), Outcome: d.Outcome.String(), Resolved: signingIf(&d.Resolved)}
		for _, e := range d.Evidence {
			shown := Evidence{Event: e.Event, Partner: e.Partner}
			if !e.Document.IsZero() {
				shown.Document = e.Document.String()
			}
			out.Dispute.Evidence = append(out.Dispute.Evidence, shown)
		}
	}
	return out
}

func signingOf(s *schemas.Signing) Signing {
	return Signing{Partner: s.Partner, Key: s.KeyID, Held: s.Held, Author: s.Author, Time: ledgerTime(s.Time), EventTime: ledgerTime(s.EventTime), Locator: s.At}
}

func signingIf(s *schemas.Signing) *Signing {
	if s.Partner == "" {
		return nil
	}
	out := signingOf(s)
	return &out
}
