package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// bad is what somebody sends who errs or cheats, and what that is answered: status,
// code, and words of the answer that tell what is wrong.
type bad struct {
	what   string
	status int
	code   schemas.Code
	says   string
	script string
}

// What others sign is posted as their transaction, which is recorded, and the receipt
// has what the ledger made of it (201); what the gateway signs is answered by the code's
// own status.
var badInput = []bad{
	{"a participant votes", 201, schemas.NotAMember, "", proposed + `tiny: Vote {"proposal":"$proposal","approve":true}`},
	{"an observer votes", 400, schemas.KeyNotValid, "", proposed + `watch: Vote {"proposal":"$proposal","approve":true}`},
	{"who was removed votes", 400, schemas.KeyNotValid, "", proposed + `gone: Vote {"proposal":"$proposal","approve":true}`},
	{"a key without the role votes", 400, schemas.KeyNotValid, "", proposed + `shop: Vote {"proposal":"$proposal","approve":true}`},
	{"a vote twice", 409, schemas.AlreadyVoted, "", proposed + `
		POST /api/v1/proposals/$proposal/votes {"approve":true}
		POST /api/v1/proposals/$proposal/votes {"approve":true}`},
	{"a vote by the proposer, whose proposal is its vote", 201, schemas.AlreadyVoted, "", proposed + `mill: Vote {"proposal":"$proposal","approve":true}`},
	{"a vote after the end", 409, schemas.ProposalEnded, "", proposed + `
		mill: Withdraw {"proposal":"$proposal"}
		POST /api/v1/proposals/$proposal/votes {"approve":true}`},
	{"a proposal that would break quorum", 409, schemas.BreaksQuorum, "", `POST /api/v1/proposals {"kind":"remove-validator","partner":"acme-farms"}`},
	{"a proposal that would remove whose validator holds the network up", 409, schemas.BreaksQuorum, "", `POST /api/v1/proposals {"kind":"remove","partner":"acme-farms"}`},

	{"a shipment of what another holds", 409, schemas.NotCustodian, "is held by mill", theirsDelivered + `POST /api/v1/shipments {"receiver":"shop","items":["$a"]}`},
	{"an offer of a shipment that another holds", 403, schemas.WrongRole, "is announced with mill", theirs + `POST /api/v1/shipments/%$shipment/handovers {"to":"acme-farms"}`},
	{"an event that ships what another holds", 201, schemas.OK, `"effect":"claim","flags":["not_custodian"]`, `
		mill: add commissioning a
		event observe shipping a to=shop`},
	{"the same in strict custody", 409, schemas.NotCustodian, "", `
		acme-farms: add commissioning strict; observe shipping strict to=mill
		mill: observe receiving strict
		event observe shipping strict to=shop`},
	{"an acceptance of what is offered to another", 201, schemas.WrongRole, "", arriving + `haul: AcceptHandover {"shipment":"$shipment","handover":1}`},
	{"a withdrawal of another's offer", 403, schemas.WrongRole, "its last hand-over, 1, from mill to acme-farms, open", arriving + `POST /api/v1/shipments/%$shipment/handovers/1/cancel {}`},
	{"a lot of which nothing is held, in strict custody", 409, schemas.BalanceTooLow, "holds none of", `POST /api/v1/shipments {"receiver":"shop","lots":[{"class":"$strictlot","quantity":1,"uom":"KGM"}]}`},
	{"more of a lot than is held, in strict custody", 409, schemas.BalanceTooLow, " in KGM acme-farms holds 5, and not 6", `
		acme-farms: add commissioning lot=strictlot:5:KGM
		event observe shipping lot=strictlot:6:KGM to=mill`},

	{"a shipment to oneself", 400, schemas.OfferToSelf, "the receiver is acme-farms", `
		acme-farms: add commissioning a
		POST /api/v1/shipments {"receiver":"acme-farms","items":["$a"]}`},
	{"an offer to oneself", 400, schemas.OfferToSelf, "acme-farms has it", announced + `POST /api/v1/shipments/%$shipment/handovers {"to":"acme-farms"}`},
	{"a shipment to a partner that was removed", 409, schemas.PartnerInactive, "gone is removed", `
		acme-farms: add commissioning a
		POST /api/v1/shipments {"receiver":"gone","items":["$a"]}`},
	{"an offer to an observer", 409, schemas.PartnerInactive, "watch is an observer", `
		acme-farms: add commissioning a; AnnounceShipment {"shipment":"$shipment","receiver":"watch","items":["$a"]}
		POST /api/v1/shipments/%$shipment/handovers {"to":"watch"}`},

	{"short of more than was offered", 400, schemas.BadDiscrepancy, "5 in KGM is offered, and not 6", lotArriving + `"short","quantity":6,"uom":"KGM"}]}`},
	{"over by more than was offered", 400, schemas.BadDiscrepancy, "", lotArriving + `"over","quantity":6,"uom":"KGM"}]}`},
	{"damaged more than was offered", 400, schemas.BadDiscrepancy, "", lotArriving + `"damaged","quantity":5.000000001,"uom":"KGM"}]}`},
	{"short in another unit", 400, schemas.BadDiscrepancy, "it is offered in KGM, and in no other unit", lotArriving + `"short","quantity":1,"uom":"LTR"}]}`},
	{"short and over", 400, schemas.BadDiscrepancy, "does not fit together", lotArriving + `"short","quantity":1,"uom":"KGM"},{"id":"$lot","what":"over","quantity":1,"uom":"KGM"}]}`},
	{"more damaged than came", 400, schemas.BadDiscrepancy, "does not fit together", lotArriving + `"short","quantity":4,"uom":"KGM"},{"id":"$lot","what":"damaged","quantity":2,"uom":"KGM"}]}`},
	{"short of a lot, and not how much", 400, schemas.BadDiscrepancy, "say how much", lotArriving + `"short","uom":"KGM"}]}`},
	{"over of one thing", 400, schemas.BadDiscrepancy, "one thing cannot be more", arriving + `POST /api/v1/shipments/%$shipment/handovers/1/accept {"discrepancies":[{"id":"$a","what":"over"}]}`},
	{"short of less than nothing", 400, schemas.BadValue, "", lotArriving + `"short","quantity":-1,"uom":"KGM"}]}`},
	{"short of what is not in it", 400, schemas.BadDiscrepancy, "it is no part of the hand-over", arriving + `POST /api/v1/shipments/%$shipment/handovers/1/accept {"discrepancies":[{"id":"$c","what":"short"}]}`},

	{"a shipment whose receiver carries it", 400, schemas.OfferToSelf, "shop is the receiver, and is not among the carriers", `
		acme-farms: add commissioning a
		POST /api/v1/shipments {"receiver":"shop","carriers":["haul","shop"],"items":["$a"]}`},
	{"a shipment to nobody", 409, schemas.PartnerInactive, "no partner is called ghost", `
		acme-farms: add commissioning a
		POST /api/v1/shipments {"receiver":"shop","inspectors":["ghost"],"items":["$a"]}`},
	{"an offer to who is none of its parties", 400, schemas.NotAParty, "mill is not haul or shop", announced + `POST /api/v1/shipments/%$shipment/handovers {"to":"mill"}`},
	{"a unit of another shipment", 409, schemas.InShipment, "which is announced", announced + `POST /api/v1/shipments {"receiver":"shop","items":["$a"]}`},
	{"a unit inside a container", 409, schemas.NotAUnit, " is inside ", `
		acme-farms: add commissioning a,b; add packing parent=a b
		POST /api/v1/shipments {"receiver":"shop","items":["$b"]}`},
	{"a unit that ended", 409, schemas.NotAUnit, "was consumed, destroyed or decommissioned", `
		acme-farms: add commissioning a; delete destroying a
		POST /api/v1/shipments {"receiver":"shop","items":["$a"]}`},
	{"a hand-over of what an event offered", 409, schemas.OfferOpen, " is offered to mill", announced + `
		acme-farms: observe shipping a to=mill
		POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`},
	{"an answer before any offer", 404, schemas.NoSuchHandover, "was not offered yet", announced + `POST /api/v1/shipments/%$shipment/handovers/1/cancel {}`},
	{"an answer to an offer that is answered", 409, schemas.WrongState, "its last hand-over, 1, from mill to acme-farms, accepted", arriving + `
		POST /api/v1/shipments/%$shipment/handovers/1/accept {}
		POST /api/v1/shipments/%$shipment/handovers/1/accept {}`},
	{"an offer of what is stopped", 409, schemas.ShipmentHeld, "acme-farms stopped ", announced + `
		POST /api/v1/shipments/%$shipment/hold {}
		POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`},

	{"a recall of what another made, among others", 403, schemas.NotMaker, "nobody made urn:example:nobodys on this ledger", `
		acme-farms: add commissioning a
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a","urn:example:nobodys"]}`},
	{"a recalled thing in strict custody", 409, schemas.RecalledItem, "is called back by acme-farms/", `
		acme-farms: add commissioning strict
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$strict"]}
		event observe shipping strict to=mill`},
	{"a container of something recalled in strict custody", 409, schemas.RecalledItem, " calls back 1 of what is inside https://id.gs1.org/", `
		acme-farms: add commissioning strict,a; add packing parent=strict a
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}
		event observe shipping strict to=mill`},
	{"an answer to a recall of less than nothing", 400, schemas.BadValue, "a quantity is not negative", `
		acme-farms: add commissioning a
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}
		POST /api/v1/recalls/acme-farms/$recall/acknowledgements {"held":[{"id":"$lot","quantity":-3,"uom":"KGM"}]}`},
	{"an answer to a recall that names one twice", 400, schemas.BadValue, "one is named twice", `
		acme-farms: add commissioning a
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}
		POST /api/v1/recalls/acme-farms/$recall/acknowledgements {"held":[{"id":"$a","state":"sold"},{"id":"$a","state":"sold"}]}`},
	{"some of a lot in strict custody, and not how much", 409, schemas.QuantityNeeded, "no quantity is told", `
		acme-farms: add commissioning lot=strictlot:5:KGM
		event observe shipping lot=strictlot to=mill`},

	{"a hand-over number zero", 404, schemas.NoSuchHandover, "numbered from 1", announced + `POST /api/v1/shipments/%$shipment/handovers/0/accept {}`},
	{"a hand-over that is no number", 400, schemas.BadParameter, "in the path is a number", announced + `POST /api/v1/shipments/%$shipment/handovers/x/accept {}`},
	{"an exception that there is not", 404, schemas.NotFound, "the ledger has no record 99999-0-0", `POST /api/v1/exceptions/99999/0/0/settle {}`},
	{"a cursor of another ledger", 400, schemas.BadParameter, "the cursor 999999-0-0 is above the ledger's height", `GET /api/v1/stream?after=999999-0-0&follow=false`},
	{"a root of trust of another ledger", 400, schemas.BadParameter, "since=999999 is above the ledger's height", `GET /api/v1/lots/%$lot/bundle?since=999999`},
	{"a state that is not yet there", 400, schemas.BadParameter, "height=999999 is above the ledger's height", `GET /api/v1/partners/mill/bundle?height=999999`},

	{"a thing inside itself", 201, schemas.ContainmentCycle, "", `
		acme-farms: add commissioning a
		event add packing parent=a a`},
	{"a container inside what is inside it", 201, schemas.ContainmentCycle, "", `
		acme-farms: add commissioning a,b,c; add packing parent=a b; add packing parent=b c
		event add packing parent=c a`},

	{"10,001 units in a shipment", 413, schemas.TooLarge, "10000", `POST /api/v1/shipments {"receiver":"shop","items":[` + numbers(`"urn:example:u:%d"`, schemas.MaxShipmentItems+1, ",") + `]}`},
	{"10,001 things in a recall", 413, schemas.TooLarge, "10000", `POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":[` + numbers(`"urn:example:u:%d"`, schemas.MaxRecalled+1, ",") + `]}`},
	{"20,001 things in an event", 413, schemas.TooLarge, "20000", `event observe storing {"epcList":[` + numbers(`"urn:example:u:%d"`, schemas.MaxEventItems+1, ",") + `]}`},
	{"more than 1 MiB of things in an event", 413, schemas.TooLarge, "", `event observe storing {"epcList":[` + numbers(`"urn:example:`+strings.Repeat("u", 100)+`:%d"`, 10_000, ",") + `]}`},
	{"1,001 discrepancies", 413, schemas.TooLarge, "1000", arriving + `POST /api/v1/shipments/%$shipment/handovers/1/accept {"discrepancies":[` + numbers(`{"id":"urn:example:u:%d","what":"over"}`, schemas.MaxDiscrepancies+1, ",") + `]}`},

	{"an event of tomorrow", 201, schemas.FutureTime, "", `event observe storing a {"eventTime":"$tomorrow"}`},
	{"an offer that had ended when it was made", 409, schemas.OfferExpired, "is past: the ledger's time is", announced + `POST /api/v1/shipments/%$shipment/handovers {"to":"haul","until":"$past"}`},
	{"a receipt that says it was before the offer", 201, schemas.AwaitingOffer, "observation", theirsOffered + `event observe receiving a {"eventTime":"$past"}`},
	{"a receipt of tomorrow does not wait for what is not offered yet", 201, schemas.FutureTime, "awaiting_offer", `
		mill: add commissioning a
		event observe receiving a {"eventTime":"$tomorrow"}`},
	{"a reading of tomorrow", 201, schemas.UnreadReading, "", announced + `event observe storing a {"sensorElementList":[{"sensorMetadata":{"time":"$tomorrow"},"sensorReport":[{"type":"Temperature","value":9,"uom":"CEL"}]}]}`},
	{"a deadline before the announcement", 201, schemas.OK, "", `
		acme-farms: add commissioning a
		POST /api/v1/shipments {"receiver":"shop","items":["$a"],"deadline":"$past"}`},
}

const (
	theirsDelivered = `
		acme-farms: add commissioning a; observe shipping a to=mill
		mill: observe receiving a
		`
	theirsOffered = `
		mill: add commissioning a; observe shipping a to=acme-farms
		`
	lotArriving = `
		mill: add commissioning lot=lot:5:KGM; AnnounceShipment {"shipment":"$shipment","receiver":"acme-farms","lots":[{"class":"$lot","quantity":5,"uom":"KGM"}]}; OfferHandover {"shipment":"$shipment","to":"acme-farms"}
		POST /api/v1/shipments/%$shipment/handovers/1/accept {"discrepancies":[{"id":"$lot","what":`
)

// Whoever errs or cheats is told so, through the gateway of a node that runs, and
// nothing of it is done.
func TestBadInput(t *testing.T) {
	x := startTown(t)
	for i, row := range badInput {
		t.Run(row.what, func(t *testing.T) {
			s := &playing{town: x, t: t, tag: fmt.Sprintf("bad%d.", i)}
			r := s.script(row.script)
			if row.code != schemas.OK {
				r.shows(t, row.code)
			}
			if r.status != row.status || !strings.Contains(string(r.body), row.says) {
				t.Errorf("status %d, not %d, or it does not say %q:\n%.2000s", r.status, row.status, row.says, r.body)
			}
			if strings.HasPrefix(row.script, proposed) { // who made it can have but few open
				s.line(t, s.fill(`mill: Withdraw {"proposal":"$proposal"}`))
			}
		})
	}
	t.Run("an acceptance after the end", func(t *testing.T) { acceptLate(t, &playing{town: x, t: t, tag: "late."}) })
	t.Run("a hand-over to a suspended partner", func(t *testing.T) { shipToSuspended(t, &playing{town: x, t: t, tag: "suspended."}) })
}

// acceptLate accepts an offer that has ended, by the blocks' time.
func acceptLate(t *testing.T, s *playing) {
	s.script(theirs + "\nGET /livez")
	s.offerShortly(t, "mill: OfferHandover ", `"shipment":"$shipment","to":"acme-farms"`)
	shipment := s.fill("/api/v1/shipments/%$shipment")
	for i := 0; ; i++ {
		if r := s.ask(t, "GET", shipment, ""); !strings.Contains(string(r.body), schemas.HandoverPending.String()) {
			break
		}
		s.script(fmt.Sprintf("event add commissioning tick%d", i)) // time goes on with blocks
	}
	r := s.ask(t, "POST", shipment+"/handovers/1/accept", "{}")
	r.ours = true
	r.shows(t, schemas.OfferExpired)
	if r.status != 409 {
		t.Errorf("status %d", r.status)
	}
	if item := s.ask(t, "GET", s.fill("/api/v1/items/%$a"), ""); !strings.Contains(string(item.body), `"custodian":"mill"`) {
		t.Errorf("who holds it now: %s", item.body)
	}
}

// shipToSuspended hands over to a partner that was suspended while the shipment was on
// its way.
func shipToSuspended(t *testing.T, s *playing) {
	s.script(announced + suspended("shop", "acme-farms", "haul") + "acme-farms: add commissioning strict")
	for _, line := range []string{`POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`, `POST /api/v1/shipments {"receiver":"shop","items":["$strict"]}`,
		`event observe shipping strict to=shop`} {
		r := s.line(t, s.fill(line))
		r.shows(t, schemas.PartnerInactive)
		if r.status != 409 {
			t.Errorf("%s: status %d", line, r.status)
		}
	}
}

// offerShortly makes an offer that ends soon, behind the block that it is in, however slow
// the machine is.
func (s *playing) offerShortly(t *testing.T, request, members string) {
	t.Helper()
	for wait := time.Second; ; wait *= 2 {
		r := s.line(t, s.fill(request+"{"+members+`,"until":"`+time.Now().Add(wait).UTC().Format(time.RFC3339Nano)+`"}`))
		if r.fine() {
			return
		}
		r.shows(t, schemas.OfferExpired)
	}
}
