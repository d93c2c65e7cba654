package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxConditionsTold is how many conditions are told with their shipment.
const maxConditionsTold = 100

// Condition is what one device measured of a shipment, as one partner reported it.
type Condition struct {
	Of         schemas.Quality `json:"of"`
	ReportedBy string          `json:"reported_by"`
	Device     string          `json:"device,omitempty"`
	Readings   uint64          `json:"readings"`       // that were compared with the terms
	Late       uint64          `json:"late,omitempty"` // of them, behind later ones: they add no time
	From       time.Time       `json:"from"`
	Until      time.Time       `json:"until"`
	Least      Measure         `json:"least"`
	Greatest   Measure         `json:"greatest"`
	Excursion  *Excursion      `json:"excursion,omitempty"` // where any reading was outside
}

// Excursion is what of a condition was outside the shipment's terms.
type Excursion struct {
	Readings uint64  `json:"readings"`
	First    Measure `json:"first"`
	Last     Measure `json:"last"`
	Seconds  int64   `json:"seconds"` // outside, as far as readings tell, rounded down
	Open     bool    `json:"open"`    // the last reading is outside
}

// Measure is an amount, in degrees Celsius or per cent, and the event that tells it.
type Measure struct {
	Amount string    `json:"amount"` // exact decimal
	Time   time.Time `json:"time"`
	Event  string    `json:"event,omitempty"` // its eventID, where the node has the record
	schemas.Locator
}

// Conditions is a page of what was measured of a shipment.
type Conditions struct {
	Shipment      string      `json:"shipment"`
	Height        int64       `json:"height"`
	Conditions    []Condition `json:"conditions"`
	NextPageToken string      `json:"nextPageToken,omitempty"`
}

// getConditions answers what was measured of a shipment, page by page.
func (g *Gateway) getConditions(w http.ResponseWriter, r *http.Request) {
	out, err := g.conditions(r)
	g.writePage(w, r, out, out.NextPageToken, err)
}

func (g *Gateway) conditions(r *http.Request) (out Conditions, err error) {
	q, limit, err := paging(r)
	if err != nil {
		return out, err
	}
	behind, err := conditionAfter(q["nextPageToken"])
	if err != nil {
		return out, err
	}
	id, err := subject(r)
	if err != nil {
		return out, err
	}
	out = Conditions{Shipment: id.String(), Conditions: []Condition{}}
	return out, g.read(func(view View) error {
		s, err := view.Shipment(out.Shipment)
		if err == nil && s == nil {
			err = fault(schemas.NoSuchShipment, "the ledger has no shipment "+clip(out.Shipment))
		}
		if err != nil {
			return err
		}
		list, more, err := view.Conditions(out.Shipment, behind, min(limit, maxRecords))
		out.Height, out.Conditions, out.NextPageToken = view.Height(), []Condition{}, ""
		for i := range list {
			out.Conditions = append(out.Conditions, conditionOf(&list[i]))
		}
		if more && len(list) > 0 {
			last := &list[len(list)-1]
			out.NextPageToken = last.Of.String() + "/" + last.ReportedBy + "/" + last.Device
		}
		return err
	})
}

// conditionAfter reads where a page begins, nil for the first.
func conditionAfter(token string) (*schemas.MeasuredInfo, error) {
	if token == "" {
		return nil, nil
	}
	var m schemas.MeasuredInfo
	parts := strings.SplitN(token, "/", 3)
	if len(parts) != 3 || m.Of.UnmarshalText([]byte(parts[0])) != nil || !schemas.IsPartnerID(parts[1]) || parts[2] != "" && !printable(parts[2]) {
		return nil, fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	m.ReportedBy, m.Device = parts[1], parts[2]
	return &m, nil
}

func conditionOf(m *schemas.MeasuredInfo) Condition {
	measure := func(e *schemas.Extreme) Measure {
		return Measure{Amount: e.Amount, Time: ledgerTime(e.Time), Event: m.Events[e.At], Locator: e.At}
	}
	c := Condition{Of: m.Of, ReportedBy: m.ReportedBy, Device: m.Device, Readings: m.Readings, Late: m.Late, From: ledgerTime(m.From), Until: ledgerTime(m.Until),
		Least: measure(&m.Least), Greatest: measure(&m.Greatest)}
	if m.Outside > 0 {
		c.Excursion = &Excursion{Readings: m.Outside, First: measure(&m.First), Last: measure(&m.Last), Seconds: m.Lasted / int64(time.Second), Open: m.Open}
	}
	return c
}
