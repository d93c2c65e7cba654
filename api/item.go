package api

import (
	"net/http"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Item is an instance as the ledger has it.
type Item struct {
	ID          string              `json:"id"`  // canonical
	URN         string              `json:"urn"` // "" where neither the form asked for nor its first events tell it
	Custodian   string              `json:"custodian"`
	Parent      string              `json:"parent"`
	Disposition string              `json:"disposition"`
	Ended       bool                `json:"ended"`
	Shipment    string              `json:"shipment,omitempty"` // that it was announced in last, as a unit
	Offer       *ItemOffer          `json:"offer,omitempty"`
	Waiting     []ItemOffer         `json:"waiting,omitempty"` // receipts that wait for their offer
	Lots        []ItemLot           `json:"lots,omitempty"`    // classes and lots that it holds
	Recalls     []schemas.RecallRef `json:"recalls,omitempty"` // open ones that name it

	// How many things inside it open recalls name; or there are, or were, too many of them
	// to tell, since it was last emptied.
	RecallsInside []schemas.RecallInside `json:"recalls_inside,omitempty"`
	RecallsMany   bool                   `json:"recalls_inside_many,omitempty"`

	Events       uint64    `json:"events"`            // that changed its state
	Observations uint64    `json:"observations"`      // seen or claimed by others
	Head         string    `json:"head"`              // of the trail of events
	ObservedHead string    `json:"observations_head"` // of the trail of observations
	Height       int64     `json:"height"`
	Time         time.Time `json:"time"`
}

// ItemOffer is an open offer to hand over, or a receipt that waits for one.
type ItemOffer struct {
	Party     string    `json:"party"`
	Shipment  string    `json:"shipment,omitempty"` // that is handed over
	Handover  uint64    `json:"handover,omitempty"` // its number
	Until     time.Time `json:"until,omitzero"`
	EventTime time.Time `json:"event_time"`
	Time      time.Time `json:"time"` // of the block
	schemas.Locator
}

// ItemLot is how much of a class or lot is inside an item.
type ItemLot struct {
	Class    string `json:"class"`
	UOM      string `json:"uom,omitempty"`
	Quantity string `json:"quantity,omitempty"` // "" when it cannot be told
	Known    bool   `json:"known"`
}

// Class is a class or lot as the ledger has it.
type Class struct {
	ID       string              `json:"id"`
	Class    bool                `json:"class"`                 // true
	Balances []schemas.Balance   `json:"balances"`              // loose, by partner and unit
	Packed   []schemas.Packed    `json:"packed,omitempty"`      // inside containers, at most a hundred
	Recalls  []schemas.RecallRef `json:"recalls,omitempty"`     // open ones that name it
	More     bool                `json:"packed_more,omitempty"` // there are others
	Events   uint64              `json:"events"`
	Head     string              `json:"head"`
	Height   int64               `json:"height"`
	Time     time.Time           `json:"time"`
}

// subject reads the identifier in a path, in any of its forms.
func subject(r *http.Request) (schemas.Identifier, error) {
	text, err := segment(r, "id")
	if err != nil {
		return schemas.Identifier{}, err
	}
	id, err := schemas.ParseIdentifier(text)
	if err != nil {
		f := faultOf(err)
		return id, fault(f.Code, clip(text)+": "+f.Detail)
	}
	return id, nil
}

// getItem answers an item's state, or a class's balances.
func (g *Gateway) getItem(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var id schemas.Identifier
	if err == nil {
		id, err = subject(r)
	}
	var out any
	if err == nil {
		err = g.read(func(view View) error {
			if id.Scheme().Class() {
				out, err = classOf(view, id.String())
			} else {
				out, err = itemOf(view, id, pager{in: stateOf(r).read})
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

func itemOf(view View, id schemas.Identifier, read pager) (*Item, error) {
	s, err := view.Item(id.String())
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fault(schemas.NotFound, "the ledger has no record of "+clip(id.String()))
	}
	urn, known := id.URN()
	if !known && id.Scheme() != schemas.PrivateURI {
		if urn, err = urnOf(view, id.String(), read); err != nil {
			return nil, err
		}
	}
	out := &Item{ID: id.String(), URN: urn, Custodian: s.Custodian, Parent: s.Parent, Disposition: s.Disposition, Ended: s.Ended, Shipment: s.Item.Shipment,
		Events: s.Custody.Count, Observations: s.Observations.Count, Head: s.Custody.Root.String(), ObservedHead: s.Observations.Root.String(),
		Height: view.Height(), Time: view.Time()}
	if s.Offer != nil {
		o := offerOf(s.Offer)
		out.Offer = &o
	}
	for i := range s.Receipts {
		out.Waiting = append(out.Waiting, offerOf(&s.Receipts[i]))
	}
	for _, l := range s.Inside {
		out.Lots = append(out.Lots, ItemLot{Class: l.Class, UOM: l.UOM, Quantity: l.Amount, Known: !l.Unknown})
	}
	if out.Recalls, err = view.Recalled(out.ID); err != nil {
		return nil, err
	}
	inside, err := view.RecallsInside(out.ID)
	out.RecallsInside, out.RecallsMany = inside.Recalls, inside.Many
	return out, err
}

func offerOf(o *schemas.Offer) ItemOffer {
	return ItemOffer{Party: o.Party, Shipment: o.Shipment, Handover: o.Handover, Until: ledgerTime(o.Until), EventTime: time.Unix(0, o.EventTime).UTC(), Time: time.Unix(0, o.Time).UTC(), Locator: o.Locator}
}

func classOf(view View, id string) (*Class, error) {
	head, err := view.TrailHead(schemas.TrailKey{Kind: schemas.ClassTrail, Subject: id})
	if err != nil {
		return nil, err
	}
	balances, err := view.Balances(id)
	if err != nil {
		return nil, err
	}
	if head.Count == 0 && len(balances) == 0 {
		return nil, fault(schemas.NotFound, "the ledger has no record of "+clip(id))
	}
	if balances == nil {
		balances = []schemas.Balance{}
	}
	packed, more, err := view.Packed(id)
	if err != nil {
		return nil, err
	}
	recalls, err := view.Recalled(id)
	if err != nil {
		return nil, err
	}
	return &Class{Recalls: recalls, ID: id, Class: true, Balances: balances, Packed: packed, More: more, Events: head.Count, Head: head.Root.String(), Height: view.Height(), Time: view.Time()}, nil
}
