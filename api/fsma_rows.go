package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// The critical tracking events of 21 CFR 1.1325 to 1.1350.
const (
	harvesting     = "harvesting"
	cooling        = "cooling"
	initialPacking = "initial_packing"
	firstReceiving = "first_land_based_receiving"
	shippingCTE    = "shipping"
	receivingCTE   = "receiving"
	transformation = "transformation"
)

// required are the key data elements that each asks for, by the names of
// fsmaColumns.
var required = map[string][]string{
	harvesting:     {"commodity", "quantity", "uom", "location", "field", "date", "subsequent_recipient", "document_type", "document_number"},
	cooling:        {"commodity", "quantity", "uom", "location", "date", "farm", "subsequent_recipient", "document_type", "document_number"},
	initialPacking: {"tlc", "product", "quantity", "uom", "location", "date", "commodity", "lots_used", "quantities_used", "received_date", "farm", "field", "harvester", "harvester_phone", "harvest_date", "document_type", "document_number"},
	firstReceiving: {"tlc", "product", "quantity", "uom", "location", "date", "harvest_date", "harvest_location", "document_type", "document_number"},
	shippingCTE:    {"tlc", "product", "quantity", "uom", "location", "date", "subsequent_recipient", "tlc_source", "document_type", "document_number"},
	receivingCTE:   {"tlc", "product", "quantity", "uom", "location", "date", "previous_source", "tlc_source", "document_type", "document_number"},
	transformation: {"tlc", "product", "quantity", "uom", "location", "date", "lots_used", "products_used", "quantities_used", "document_type", "document_number"},
}

// fsmaStory is what is known of lots while events are told in the order in which
// they happened.
type fsmaStory struct {
	out      *FSMA
	lots     map[string]bool // that rows are told of; nil for all
	look     func(container string, before int64) ([]schemas.Record, error)
	known    map[string]map[string]string // key data elements by lot, which later events inherit
	inside   map[string][]fsmaContent     // by container; an entry without content is an emptied one
	awaiting map[string][]int             // rows by lot that want a subsequent recipient
	made     map[string]string            // by lot: the event that made it
	received map[string]string            // by lot: the date of the last event by which it was received
}

// fsmaContent is what an aggregation put into a container.
type fsmaContent struct {
	epc      string // "" for a quantity of a lot
	quantity schemas.Quantity
}

// tell makes the rows of events.
func (f *FSMA) tell(records []schemas.Record, lots map[string]bool, look func(string, int64) ([]schemas.Record, error)) error {
	f.Rows = []FSMARow{}
	records = slices.DeleteFunc(slices.Clone(records), func(r schemas.Record) bool {
		return r.Skeleton == nil || r.VoidedBy != nil || r.Skeleton.Order != nil || r.Skeleton.Act != nil
	})
	slices.SortStableFunc(records, func(a, b schemas.Record) int { return int(max(-1, min(1, a.Skeleton.EventTime-b.Skeleton.EventTime))) })
	s := &fsmaStory{out: f, lots: lots, look: look, known: map[string]map[string]string{}, inside: map[string][]fsmaContent{}, awaiting: map[string][]int{}, made: map[string]string{}, received: map[string]string{}}
	bodies := make([]fsmaBody, len(records))
	for i := range records { // a description may come with any event of a lot
		bodies[i] = readFSMABody(records[i].Body)
		described := records[i].Skeleton.Quantities
		if records[i].Skeleton.Type == schemas.TransformationEvent { // ilmd is of what is made
			described = records[i].Skeleton.OutputQuantities
		}
		for _, q := range described {
			s.describe(q.Class, &bodies[i])
		}
	}
	for i := range records {
		if err := s.event(&records[i], &bodies[i]); err != nil {
			return err
		}
		if len(f.Rows) > fsmaRows {
			return fault(schemas.TooLarge, fmt.Sprintf("more than %d rows: ask for less", fsmaRows))
		}
	}
	for i := range f.Rows {
		f.Rows[i].Missing = []string{}
		for _, name := range required[f.Rows[i].CTE] {
			if f.Rows[i].KDEs[name] == "" || slices.Contains(f.Rows[i].partly, name) {
				f.Rows[i].Missing = append(f.Rows[i].Missing, name)
			}
		}
	}
	return nil
}

func (s *fsmaStory) note(lot, name, value string) {
	if value == "" {
		return
	}
	if s.known[lot] == nil {
		s.known[lot] = map[string]string{}
	}
	if s.known[lot][name] == "" {
		s.known[lot][name] = value
	}
}

// describe notes what an event says of a lot: by the local names of the CBV's
// master data, and of others in use.
func (s *fsmaStory) describe(lot string, b *fsmaBody) {
	s.note(lot, "product", b.first("productdescription", "descriptionshort", "tradeitemdescription", "functionalname", "marketname", "speciesforfisherystatisticspurposesname"))
	commodity, variety := b.first("commodity"), b.first("variety")
	if variety != "" {
		commodity = strings.TrimPrefix(commodity+", "+variety, ", ")
	}
	s.note(lot, "commodity", commodity)
	s.note(lot, "field", b.first("field", "fieldname", "growingarea", "growingareaname", "containername"))
	s.note(lot, "harvester", b.first("harvester", "harvestername", "harvesterbusinessname"))
	s.note(lot, "harvester_phone", b.first("harvesterphone", "harvesterphonenumber", "harvestertelephone"))
	s.note(lot, "tlc_source", b.first("traceabilitylotcodesourcereference", "tlcsourcereference"))
	start, end := b.first("harveststartdate", "harvestdate"), b.first("harvestenddate")
	if end != "" && end != start {
		start = strings.TrimPrefix(start+" to "+end, " to ")
	}
	s.note(lot, "harvest_date", start)
	s.note(lot, "harvest_location", b.first("harvestlocation", "catcharea", "vesselname", "vesselid"))
}

// cteOf says which critical tracking event an event is, "" for none. A bizStep of
// one's own says it by its last word; the CBV's are read as GS1 US recommends.
func (s *fsmaStory) cteOf(e *schemas.Skeleton) string {
	step := e.BizStep
	if at := strings.LastIndexAny(step, ":/#"); at >= 0 {
		switch own := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(step[at+1:])); own {
		case harvesting, cooling, initialPacking, firstReceiving, transformation, shippingCTE, receivingCTE:
			return own
		}
		return ""
	}
	lots := len(e.Quantities) > 0
	switch {
	case e.Type == schemas.TransformationEvent:
		raw := len(e.Quantities) > 0
		for _, q := range e.Quantities {
			raw = raw && (s.made[q.Class] == harvesting || s.made[q.Class] == firstReceiving)
		}
		if raw || step == "packing" {
			return initialPacking
		}
		return transformation
	case e.Type == schemas.ObjectEvent && e.Action == schemas.ActionAdd && lots && step == "receiving":
		return firstReceiving // who receives it gives it its code
	case e.Type == schemas.ObjectEvent && e.Action == schemas.ActionAdd && lots && (step == "creating_class_instance" || step == "commissioning"):
		return harvesting
	case e.Type == schemas.ObjectEvent && e.Action == schemas.ActionObserve && lots && step == "other":
		return cooling
	case step == "shipping":
		return shippingCTE
	case step == "receiving":
		return receivingCTE
	}
	return ""
}

// event tells one event: rows of the lots that it names, itself or by what they
// are in.
func (s *fsmaStory) event(r *schemas.Record, b *fsmaBody) error {
	e := r.Skeleton
	if e.Type == schemas.AggregationEvent {
		s.pack(e)
	}
	contents, err := s.contents(e)
	if err != nil {
		return err
	}
	cte := s.cteOf(e)
	recipient := party(e.Destinations)
	if cte == shippingCTE || e.BizStep == "transporting" {
		for _, c := range contents {
			for _, i := range s.awaiting[c.lot.Class] {
				if recipient != "" {
					s.out.Rows[i].KDEs["subsequent_recipient"] = recipient
				}
			}
			if recipient != "" {
				delete(s.awaiting, c.lot.Class)
			}
		}
	}
	if cte == "" {
		return nil
	}
	base := elements(e, b)
	base["previous_source"], base["subsequent_recipient"] = party(e.Sources), recipient
	var partly []string
	if e.Type == schemas.TransformationEvent {
		partly = s.used(e, base, b.first("receiveddate", "datereceived"))
		contents = nil
		for _, q := range e.OutputQuantities {
			contents = append(contents, fsmaLot{lot: q})
		}
	}
	for _, c := range contents {
		s.row(r, cte, base, c, partly)
	}
	return nil
}

// elements are the key data elements that an event tells of all its lots.
func elements(e *schemas.Skeleton, b *fsmaBody) map[string]string {
	out := map[string]string{"location": b.BizLocation.ID}
	if out["location"] == "" {
		out["location"] = b.ReadPoint.ID
	}
	at := time.Unix(0, e.EventTime).UTC()
	if zone, err := time.Parse("Z07:00", b.Offset); err == nil {
		at = at.In(zone.Location())
	}
	out["date"] = at.Format("2006-01-02")
	if len(b.Transactions) > 0 {
		t := b.Transactions[0]
		out["document_type"] = t.Type[strings.LastIndexAny(t.Type, ":/-")+1:]
		out["document_number"] = t.ID
		if number, ok := strings.CutPrefix(t.ID, "urn:epcglobal:cbv:bt:"); ok {
			_, out["document_number"], _ = strings.Cut(number, ":")
		}
	}
	return out
}

// party is who or where an entry of a source or destination list names.
func party(list []schemas.Party) string {
	for _, kind := range []string{"location", "possessing_party", "owning_party"} {
		for _, p := range list {
			if p.Type == kind {
				return p.ID
			}
		}
	}
	return ""
}

// used notes what a transformation took, and when that was received, and hands on to
// what it made what was known of it. It answers which elements tell only a part.
func (s *fsmaStory) used(e *schemas.Skeleton, base map[string]string, received string) (partly []string) {
	used := map[string][]string{"received_date": {received}}
	for _, in := range e.Quantities {
		s.note(in.Class, "commodity", s.known[in.Class]["product"])
		used["lots_used"], used["products_used"] = append(used["lots_used"], in.Class), append(used["products_used"], s.known[in.Class]["product"])
		quantity := amount(in)
		if quantity != "" {
			quantity = strings.TrimSpace(quantity + " " + in.UOM)
		}
		used["quantities_used"] = append(used["quantities_used"], quantity)
		if received == "" {
			used["received_date"] = append(used["received_date"], s.received[in.Class])
		}
		for _, name := range []string{"farm", "field", "harvester", "harvester_phone", "harvest_date", "harvest_location", "cooling_location", "cooling_date", "commodity"} {
			for _, to := range e.OutputQuantities {
				s.note(to.Class, name, s.known[in.Class][name])
			}
		}
	}
	if received == "" {
		used["received_date"] = used["received_date"][1:]
	}
	used["lots_used"] = append(used["lots_used"], e.EPCs...)
	for name, values := range used {
		told := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		if len(told) < len(values) {
			partly = append(partly, name)
		}
		if name != "quantities_used" {
			told = slices.Compact(told)
		}
		base[name] = strings.Join(told, "; ")
	}
	return partly
}

func amount(q schemas.Quantity) string {
	if !q.Known {
		return ""
	}
	return q.Amount.String()
}

// fsmaLot is a lot that an event tells of, with what it was in.
type fsmaLot struct {
	lot       schemas.Quantity
	container string
}

func (s *fsmaStory) row(r *schemas.Record, cte string, base map[string]string, c fsmaLot, partly []string) {
	lot := c.lot.Class
	switch cte { // what later events inherit, also where no row is told of the lot
	case harvesting:
		s.note(lot, "farm", base["location"])
		s.note(lot, "harvest_date", base["date"])
	case cooling:
		s.note(lot, "cooling_location", base["location"])
		s.note(lot, "cooling_date", base["date"])
	case receivingCTE:
		s.received[lot] = base["date"]
	}
	switch cte {
	case harvesting, initialPacking, firstReceiving, transformation:
		s.made[lot] = cte
		if cte != harvesting {
			s.note(lot, "tlc_source", base["location"])
		}
	}
	if s.lots != nil && lot != "" && !s.lots[lot] {
		return
	}
	kdes := map[string]string{"tlc": lot, "quantity": amount(c.lot), "uom": c.lot.UOM, "container": c.container}
	if c.lot.Known && c.lot.UOM == "" {
		kdes["uom"] = "each"
	}
	for _, from := range []map[string]string{base, s.known[lot]} {
		for name, value := range from {
			if kdes[name] == "" {
				kdes[name] = value
			}
		}
	}
	if kdes["commodity"] == "" && (cte == harvesting || cte == cooling) {
		kdes["commodity"] = kdes["product"]
	}
	for name, value := range kdes {
		if value == "" {
			delete(kdes, name)
		}
	}
	if (cte == harvesting || cte == cooling) && kdes["subsequent_recipient"] == "" {
		s.awaiting[lot] = append(s.awaiting[lot], len(s.out.Rows))
	}
	s.out.Rows = append(s.out.Rows, FSMARow{CTE: cte, KDEs: kdes, EventID: r.EventID, Partner: r.Partner, Recorded: r.Time.UTC(), partly: partly})
}
