package proof

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Report is what a verified bundle says. Everything in it follows from the
// bundle and the root of trust alone. What partners reported (bodies, event
// times, places) is proven to have been reported, not to be so.
type Report struct {
	ChainID      string            `json:"chain_id"`
	Height       int64             `json:"height"`        // the state is that after this block
	AppHash      schemas.Hash      `json:"app_hash"`      // of the state
	HeaderHeight int64             `json:"header_height"` // of the header that carries the app hash
	HeaderHash   schemas.Hash      `json:"header_hash"`
	Time         time.Time         `json:"time"`   // of that header: every record is older
	Signed       int64             `json:"signed"` // power that signed the header
	Power        int64             `json:"power"`  // of all validators
	Subject      Subject           `json:"subject"`
	ID           string            `json:"id"`
	Present      bool              `json:"present"`
	Custodian    string            `json:"custodian,omitempty"` // of the outermost container; of an item
	Containers   []string          `json:"containers"`          // that the item is in, outwards
	Disposition  string            `json:"disposition,omitempty"`
	Ended        bool              `json:"ended,omitempty"`      // consumed, destroyed or decommissioned
	OfferedTo    string            `json:"offered_to,omitempty"` // whose answer an open offer awaits
	Partners     []schemas.Partner `json:"partners,omitempty"`   // who signed, and who holds the item
	Balances     []schemas.Balance `json:"balances,omitempty"`   // of a class or lot: by unit and partner, what each held
	Events       []Event           `json:"events"`               // in the order of the ledger
}

// Event is one record of a report.
type Event struct {
	schemas.Locator
	Trail       string           `json:"trail"`
	EventID     string           `json:"eventID"` // its own, or derived from the digest
	Type        string           `json:"type"`
	Action      string           `json:"action,omitempty"`
	BizStep     string           `json:"bizStep,omitempty"`
	Disposition string           `json:"disposition,omitempty"`
	EventTime   time.Time        `json:"eventTime"` // claimed
	Partner     string           `json:"partner"`
	PartnerName string           `json:"partner_name"`
	Key         string           `json:"key"`
	Held        schemas.Holding  `json:"held"` // how the key is held
	Actor       string           `json:"actor,omitempty"`
	Transaction schemas.Hash     `json:"transaction"`
	Digest      schemas.Hash     `json:"digest"`
	Effect      schemas.Effect   `json:"effect"`
	Flags       []schemas.Code   `json:"flags"`
	VoidedBy    *schemas.Locator `json:"voided_by,omitempty"` // the declaration that voids it
	Body        json.RawMessage  `json:"body"`                // members by name

	skeleton schemas.Skeleton
}

// trailNames is what reports and errors call a trail.
func trailNames(k schemas.TrailKind) string {
	switch k {
	case schemas.CustodyTrail:
		return "custody trail"
	case schemas.ObservationTrail:
		return "observation trail"
	case schemas.ClassTrail:
		return "class trail"
	}
	return "unknown trail"
}

func (r *Report) add(m *MessagePart, event *schemas.Event, name string, h *schemas.Header, signer *key, digest, transaction schemas.Hash, at schemas.Locator) {
	s := event.Skeleton
	id := s.EventID
	if id == "" {
		id = schemas.DerivedEventID(digest)
	}
	r.Events = append(r.Events, Event{
		Locator: at, Trail: trailNames(m.Trail), EventID: id, Type: s.Type.String(), Action: s.Action.String(), BizStep: s.BizStep,
		Disposition: s.Disposition, EventTime: time.Unix(0, s.EventTime).UTC(), Partner: h.Partner, PartnerName: name, Key: signer.ID, Held: signer.Held,
		Actor: h.Actor, Transaction: transaction, Digest: digest, Effect: m.Result.Effect,
		Flags: append([]schemas.Code{}, m.Result.Flags...), Body: json.RawMessage(event.Body), skeleton: s,
	})
}

// findVoided notes which events a declaration of their own recorder voids. The
// rules let one apply only to the identical event under the same eventID, which
// is in the same item's trails.
func (v *verification) findVoided() {
	events := v.report.Events
	type ref struct{ partner, id string }
	prior := make(map[ref]int)
	for i := range events {
		e := &events[i]
		if e.skeleton.EventID == "" {
			continue
		}
		at := ref{e.Partner, e.EventID}
		j, known := prior[at]
		switch {
		case e.skeleton.Declaration == nil:
			prior[at] = i
		case known && e.Effect == schemas.Applied && events[j].VoidedBy == nil &&
			schemas.ContentHash(&e.skeleton) == schemas.ContentHash(&events[j].skeleton):
			events[j].VoidedBy = &e.Locator
		}
	}
}

// Proven tells in words what the bundle proves to whoever trusts its root.
func (r *Report) Proven() []string {
	said := []string{fmt.Sprintf("Validators with %d of %d votes of the trusted set signed the ledger's state after block %d. By their clocks, all of it was decided before %s.",
		r.Signed, r.Power, r.Height, r.Time.Format(time.RFC3339Nano))}
	if !r.Present {
		return append(said, "The ledger then had neither an item nor a class or lot of this identifier.")
	}
	said = append(said, fmt.Sprintf("All that the ledger then had of this %s is %s, each as signed by its partner, in the order in which they were recorded.", r.Subject, count(len(r.Events), "record")))
	if r.Subject == AClass {
		return append(said, fmt.Sprintf("All that partners then held of it, as they reported, is %s. What was packed into containers is held with them, and is not counted here.", count(len(r.Balances), "balance")))
	}
	switch {
	case r.Custodian == "":
		said = append(said, "Nobody then held the item.")
	case strings.HasPrefix(r.Custodian, schemas.External):
		said = append(said, "The item was then held outside the network, by "+strings.TrimPrefix(r.Custodian, schemas.External)+".")
	default:
		said = append(said, "The custodian of the item was then the partner "+r.Custodian+".")
	}
	if n := len(r.Containers); n > 0 {
		said = append(said, fmt.Sprintf("The item was then inside %s.", count(n, "container")))
	}
	return said
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// NotProven tells in words what no bundle can prove.
func (r *Report) NotProven() []string {
	said := []string{
		fmt.Sprintf("What happened after block %d: the bundle is as fresh as that height.", r.Height),
		"That the trusted validators are still those of the network: an old root of trust is to be renewed.",
	}
	if !r.Present {
		return append(said, "That nothing happened to the thing: only that nobody had reported it.")
	}
	if r.Subject == AnItem {
		if _, scheme, err := schemas.Canonical(r.ID); err == nil && (scheme == schemas.PrivateURI || scheme == schemas.OtherGS1) {
			said = append(said, "That the identifier is not that of a class or lot as well: the bundle tells of the item.")
		}
		said = append(said, "What happened to containers that the item was in: their hand-overs and unpacking are in their own trails, ask for their bundles.")
	}
	said = append(said,
		"That everything that happened was reported, or that what was reported is true.",
		"The claimed times of the events, and when exactly each was recorded: only the order, the block, and that it was before the header's time.")
	return said
}
