package api

import (
	"net/http"
	"slices"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// concernsShipment hides shipments of which nobody is a party whom the key may see.
func (g *Gateway) concernsShipment(r *http.Request, k *local.Key) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	return g.read(func(view View) error {
		s, err := view.Shipment(id.String())
		if err == nil && (s == nil || !isParty(s, k)) {
			err = fault(schemas.NoSuchShipment, "the ledger has no shipment "+clip(id.String()))
		}
		return err
	})
}

func isParty(s *schemas.ShipmentInfo, k *local.Key) bool {
	return slices.ContainsFunc(s.Parties(), func(p string) bool { return sees(k, p) })
}

// concernsShipments lets a key list the shipments of a partner that it may see.
func (g *Gateway) concernsShipments(r *http.Request, k *local.Key) error {
	if q, err := queryValues(r); err != nil || !sees(k, q.Get("party")) {
		return fault(schemas.NotFound, "name with party one whose shipments this key may see")
	}
	return nil
}

// confined leaves of the stream what a key may be told: what its partners recorded, and of
// what took effect the events and acts that it may read, and what became of these by
// time.
func confined(view View, k *local.Key, records []schemas.Record) ([]schemas.Record, error) {
	if !k.Bound() {
		return records, nil
	}
	shows, err := shown(view, k)
	if err != nil {
		return nil, err
	}
	party := map[string]bool{} // of shipments that were looked at
	out := make([]schemas.Record, 0, len(records))
	for i := range records {
		r := &records[i]
		may := false
		switch {
		case r.Moment != nil:
			may = slices.ContainsFunc(r.Moment.Concerns, func(p string) bool { return sees(k, p) }) ||
				slices.ContainsFunc(r.Moment.Subjects, func(id string) bool { return slices.Contains(k.Items, id) })
		case sees(k, r.Partner):
			may = true
		case r.Result.Code != schemas.OK || r.Skeleton.Order != nil:
		case r.Skeleton.Act == nil:
			may = shows(r)
		default:
			if may, err = tellsAct(view, k, r, party); err != nil {
				return nil, err
			}
		}
		if may {
			out = append(out, *r)
		}
	}
	return out, nil
}

// tellsAct reports whether an act is about a thing that was granted, or a shipment of
// which somebody is a party whom the key may see.
func tellsAct(view View, k *local.Key, r *schemas.Record, party map[string]bool) (bool, error) {
	if slices.ContainsFunc(r.Skeleton.Subjects(r.Partner, r.EventID), func(id string) bool { return slices.Contains(k.Items, id) }) {
		return true, nil
	}
	id := schemas.ShipmentOf(r.Skeleton.Act, r.EventID)
	if id == "" {
		return false, nil
	}
	may, known := party[id]
	if !known {
		s, err := view.Shipment(id)
		if err != nil {
			return false, err
		}
		may = s != nil && isParty(s, k)
		party[id] = may
	}
	return may, nil
}
