package node_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// What is wrong with an event as written.
var written = []provoked{
	{schemas.BadJSON, `POST /epcis/v2/events {"type"`},
	{schemas.TooDeep, `event add commissioning a {"@context":[{"ex":"https://example.org/"}],"ex:a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`},
	{schemas.TooLarge, `event add commissioning a {"@context":[{"ex":"https://example.org/"}],"ex:a":"` + strings.Repeat("a", 1<<20) + `"}`},
	{schemas.DuplicateKey, `POST /epcis/v2/events {"type":"ObjectEvent","type":"ObjectEvent"}`},
	{schemas.MissingField, `POST /epcis/v2/events {"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent"}`},
	{schemas.UnknownField, `event add commissioning a {"colour":"red"}`},
	{schemas.BadValue, `event paint commissioning a`},
	{schemas.BadValue, `POST /api/v1/keys {"public":"` + strings.Repeat("00", 32) + `","roles":["device"],"held":"client"}`},
	{schemas.BadTime, `event add commissioning a {"eventTime":"yesterday"}`},
	{schemas.BadIdentifier, `event add commissioning {"epcList":["urn:epc:id:sgtin:1"]}`},
	{schemas.BadCheckDigit, `event add commissioning {"epcList":["https://id.gs1.org/01/09521234543214/21/1"]}`},
	{schemas.UnknownVocabulary, `event add juggling a`},
	{schemas.BadQuantity, `event add commissioning lot=lot:1e99`},
	{schemas.BadContext, `event add commissioning a {"ex:colour":"red"}`},
	{schemas.BadDocument, `POST /epcis/v2/capture {"type":"EPCISDocument","schemaVersion":"1.0"}`},
}

// What the ledger says of events and of orders about them.
var signed = []provoked{
	{schemas.EventIDConflict, recorded + `event observe holding a id=`},
	{schemas.Undone, recorded + `acme-farms!: observe storing b; observe holding a id=`},
	{schemas.UnknownEvent, `POST /api/v1/erasures {"order":"erase","eventID":"$event"}`},
	{schemas.OnHold, recorded + ordered("hold") + ordered("erase")},
	{schemas.AlreadyErased, recorded + ordered("erase") + ordered("erase")},
	{schemas.TooManyErasures, `
		acme-farms: ` + numbers("observe storing a id=%d", 17, "; ") + `
		acme-farms: ` + numbers("erase %d", 17, "; ")},
	{schemas.Retained, recorded + classified("books") + ordered("erase")},
	{schemas.UnknownClass, recorded + classified("nothing")},
	{schemas.ShorterClass, recorded + classified("books") + classified("plain")},
	{schemas.UnmatchedDeclaration, `event observe storing a id= void=incorrect_data`},
	{schemas.BuiltUpon, recorded + `
		acme-farms: observe shipping a to=mill
		mill: observe receiving a
		event add commissioning a id= {"eventTime":"2026-05-01T10:00:00Z","errorDeclaration":{"declarationTime":"2026-05-02T10:00:00Z","reason":"did_not_occur"}}`},
	{schemas.FutureTime, `event observe storing a {"eventTime":"2199-01-01T00:00:00Z"}`},
}

// The gateway knows its own events again.
const recorded = `event add commissioning a id= {"eventTime":"2026-05-01T10:00:00Z"}
`

func ordered(what string) string {
	return fmt.Sprintf("POST /api/v1/erasures {%q:%q,%q:%q}\n", "order", what, "eventID", "$event")
}

func classified(class string) string {
	return fmt.Sprintf("POST /api/v1/erasures {%q:%q,%q:%q,%q:%q}\n", "order", "classify", "eventID", "$event", "class", class)
}

// What moves from hand to hand, is packed and is counted.
var moved = []provoked{
	{schemas.NotCustodian, `
		acme-farms: add commissioning strict; observe shipping strict to=mill
		mill: observe receiving strict
		event delete destroying strict`},
	{schemas.ReservedPrefix, `event add commissioning foreign`},
	{schemas.BalanceTooLow, `event delete destroying lot=strictlot:5:KGM`},
	{schemas.QuantityNeeded, `event add commissioning lot=strictlot`},
	{schemas.ClaimedUnseen, `event delete destroying a`},
	{schemas.FromExternal, `
		acme-farms: add commissioning a; observe shipping a abroad=9521234000075
		event observe receiving a`},
	{schemas.AwaitingOffer, `
		mill: add commissioning a
		event observe receiving a`},
	{schemas.MatchedReceipt, `
		acme-farms: add commissioning a
		mill: observe receiving a
		event observe shipping a to=mill ago=1m`},
	{schemas.OfferReplaced, `
		acme-farms: add commissioning a; observe shipping a to=mill
		event observe shipping a to=shop`},
	{schemas.OfferRejected, `
		mill: add commissioning a; observe shipping a to=acme-farms
		event observe inspecting a {"disposition":"non_conformant"}`},
	{schemas.OfferCancelled, `
		acme-farms: add commissioning a; observe shipping a to=mill
		event observe void_shipping a`},
	{schemas.InsideContainer, boxed + `event observe shipping a to=mill`},
	{schemas.ContainmentConflict, boxed + `event add packing parent=other a`},
	{schemas.ContainmentCycle, boxed + `event add packing parent=a box`},
	{schemas.ContainmentTooDeep, `
		acme-farms: add commissioning ` + numbers("in%d", 18, ",") + `; ` + nested(16) + `
		event add packing parent=in16 in17`},
	{schemas.NotContained, boxed + `event delete unpacking parent=box other`},
	{schemas.EndedItem, `
		acme-farms: add commissioning a; delete destroying a
		event add packing a`},
	{schemas.UnknownQuantity, `
		acme-farms: add commissioning lot=lot:5:KGM
		event add commissioning lot=lot`},
	{schemas.TooManyOpen, `
		acme-farms: add commissioning lot=lot:99:KGM; ` + numbers("observe shipping to=mill lot=lot:1.%d:KGM", 16, "; ") + `
		event observe shipping to=mill lot=lot:2:KGM`},
	{schemas.TooManyLots, `
		acme-farms: add commissioning box ` + numbers("lot=lot%d:5:KGM", 65, " ") + `; add packing parent=box ` + numbers("lot=lot%d:1:KGM", 64, " ") + `
		event add packing parent=box lot=lot64:1:KGM`},
	{schemas.NoSuchRecall, `POST /api/v1/recalls/acme-farms/none/close {}`},
	{schemas.NameUsed, recalled + `POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}`},
	{schemas.NotMaker, `
		mill: add commissioning a
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}`},
	{schemas.RecalledItem, `
		acme-farms: add commissioning strict; Recall {"recall":"$recall","instruction":"stop","items":["$strict"]}
		event observe shipping strict to=mill`},
	{schemas.TooManyRecalls, `
		acme-farms: add commissioning a; ` + numbers(`Recall {"recall":"$recall-%d","instruction":"stop","items":["$a"]}`, 16, "; ") + `
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}`},
	{schemas.CalledBack, `
		acme-farms: add commissioning a; observe shipping a to=mill
		mill: observe receiving a
		POST /api/v1/recalls {"recall":"$recall","instruction":"stop","items":["$a"]}`},
	{schemas.ShippedRecalled, recalled + `event observe shipping a to=mill`},
}

const (
	boxed = `acme-farms: add commissioning a,box,other; add packing parent=box a
	`
	recalled = `acme-farms: add commissioning a; Recall {"recall":"$recall","instruction":"stop","items":["$a"]}
	`
)

// numbers repeats a form with the numbers from 0.
func numbers(form string, n int, between string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(form, i))
	}
	return strings.Join(out, between)
}

// numberedKey is the n-th of some public keys, in hexadecimal digits.
func numberedKey(n int) string {
	seed := sha256.Sum256(fmt.Appendf(nil, "key %d", n))
	return hex.EncodeToString(ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
}

// addedKeys adds the first of them.
func addedKeys(n int) string {
	var out []string
	for i := range n {
		out = append(out, `AddKey {"public":"`+numberedKey(i)+`","roles":["admin"],"held":"client"}`)
	}
	return strings.Join(out, "; ")
}

// nested puts things into each other.
func nested(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("add packing parent=in%d in%d", i, i+1))
	}
	return strings.Join(out, "; ")
}

// Shipments.
var shipped = []provoked{
	{schemas.NoSuchShipment, `POST /api/v1/shipments/%$shipment/dispatch {}`},
	{schemas.ShipmentKnown, announced + `POST /api/v1/shipments {"shipment":"$shipment","receiver":"shop","items":["$c"]}`},
	{schemas.WrongState, announced + `
		acme-farms: CancelShipment {"shipment":"$shipment"}
		POST /api/v1/shipments/%$shipment/dispatch {}`},
	{schemas.WrongRole, theirs + `POST /api/v1/shipments/%$shipment/dispatch {}`},
	{schemas.ShipmentHeld, announced + `
		acme-farms: HoldShipment {"shipment":"$shipment"}
		POST /api/v1/shipments/%$shipment/handovers {"to":"haul"}`},
	{schemas.NotAUnit, boxed + `POST /api/v1/shipments {"receiver":"shop","items":["$a"]}`},
	{schemas.InShipment, announced + `POST /api/v1/shipments {"receiver":"shop","items":["$a"]}`},
	{schemas.OfferOpen, announced + `
		acme-farms: HoldShipment {"shipment":"$shipment"}; observe shipping a to=shop; UnholdShipment {"shipment":"$shipment"}
		POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`},
	{schemas.OfferExpired, announced + `POST /api/v1/shipments/%$shipment/handovers {"to":"haul","until":"2026-01-01T00:00:00Z"}`},
	{schemas.OfferToSelf, announced + `POST /api/v1/shipments/%$shipment/handovers {"to":"acme-farms"}`},
	{schemas.PartnerInactive, `
		acme-farms: add commissioning a
		POST /api/v1/shipments {"receiver":"nobody","items":["$a"]}`},
	{schemas.NotAParty, announced + `POST /api/v1/shipments/%$shipment/handovers {"to":"mill"}`},
	{schemas.BadDiscrepancy, arriving + `POST /api/v1/shipments/%$shipment/handovers/1/accept {"discrepancies":[{"id":"$c","what":"short"}]}`},
	{schemas.NoSuchHandover, arriving + `POST /api/v1/shipments/%$shipment/handovers/7/accept {}`},
	{schemas.NothingToOffer, announced + `
		acme-farms: observe shipping a,b to=tiny
		tiny: observe receiving a,b
		POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`},
	{schemas.EvidenceFull, disputed + `POST /api/v1/shipments/%$shipment/handovers/1/evidence {"evidence":[` + numbers(`{"event":"urn:example:event:%d"}`, 64, ",") + `]}`},

	{schemas.NotRequired, announced + `POST /api/v1/shipments/%$shipment/documents {"documents":[{"document":"` + strings.Repeat("ab", 32) + `"}]}`},

	{schemas.DocumentsMissing, `
		acme-farms: add commissioning strict; AnnounceShipment {"shipment":"$shipment","receiver":"shop","items":["$strict"],"documents":[{"kind":"invoice"}]}
		POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`},
	{schemas.OutsideShipment, announced + `event observe shipping a to=mill`},
	{schemas.Incomplete, announced + `
		acme-farms: delete destroying a
		POST /api/v1/shipments/%$shipment/handovers {"to":"shop"}`},
	{schemas.Differs, arriving + `POST /api/v1/shipments/%$shipment/handovers/1/accept {"discrepancies":[{"id":"$a","what":"short"}]}`},
	{schemas.DisputeOpened, arrived + `POST /api/v1/shipments/%$shipment/handovers/1/dispute {"evidence":[{"event":"$event"}]}`},
	{schemas.DisputeResolved, disputed + `
		mill: ResolveDispute {"shipment":"$shipment","handover":1,"outcome":"delivered"}
		POST /api/v1/shipments/%$shipment/handovers/1/resolve {"outcome":"delivered"}`},
	{schemas.ShipmentStopped, announced + `POST /api/v1/shipments/%$shipment/hold {}`},
	{schemas.Excursion, announced + `event observe storing a {"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":9,"uom":"CEL"}]}]}`},
	{schemas.UnreadReading, announced + `event observe storing a {"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":9}]}]}`},
}

// Shared beginnings: a shipment of ours, and one that the mill sends us.
const (
	announced = `acme-farms: add commissioning a,b; AnnounceShipment {"shipment":"$shipment","carriers":["haul"],"receiver":"shop","inspectors":["mill"],"items":["$a","$b"],"bands":[{"of":"temperature","min":2,"max":8}]}
	`
	theirs = `mill: add commissioning a,b; AnnounceShipment {"shipment":"$shipment","receiver":"acme-farms","items":["$a","$b"]}
	`
	arriving = theirs + `mill: OfferHandover {"shipment":"$shipment","to":"acme-farms"}
	`
	arrived = arriving + `acme-farms: AcceptHandover {"shipment":"$shipment","handover":1}
	`
	disputed = arrived + `acme-farms: DisputeHandover {"shipment":"$shipment","handover":1,"evidence":[{"event":"$event"}]}
	`
)

// What the gateway says of a request.
var asked = []provoked{
	{schemas.NotFound, `GET /api/v1/items/%$nothing`},
	{schemas.MethodNotAllowed, `DELETE /api/v1/network`},
	{schemas.BadParameter, `GET /api/v1/network?colour=red`},
	{schemas.URITooLong, `GET /api/v1/network?colour=` + strings.Repeat("r", 9000)},
	{schemas.QueryTooLarge, `
		acme-farms: add commissioning a; observe storing a
		GET /epcis/v2/events?MATCH_epc=%$a&maxEventCount=1`},
	{schemas.QueryTooComplex, `POST /epcis/v2/queries {"name":"complex","query":{` + complexQuery + `}}`},
	{schemas.BadQuery, `POST /epcis/v2/queries {"name":1}`},
	{schemas.NoSuchName, `GET /epcis/v2/queries/none`},
	{schemas.NameTaken, `
		POST /epcis/v2/queries {"name":"taken","query":{"EQ_bizStep":["storing"]}}
		POST /epcis/v2/queries {"name":"taken","query":{"EQ_bizStep":["holding"]}}`},
	{schemas.BadSubscription, `
		POST /epcis/v2/queries {"name":"told","query":{"EQ_bizStep":["storing"]}}
		POST /epcis/v2/queries/told/subscriptions {"dest":"nowhere","stream":true}`},
	{schemas.BadWebhook, `POST /api/v1/webhooks {"url":"nowhere"}`},
	{schemas.BodyNotKept, `
		mill: add commissioning a id=
		GET /epcis/v2/events/$event`},
}

var complexQuery = func() string {
	var out []string
	for _, name := range []string{"EQ_bizStep", "EQ_disposition", "EQ_readPoint", "EQ_bizLocation", "EQ_eventID"} {
		out = append(out, fmt.Sprintf("%q:[%s]", name, numbers(`"urn:example:value:%d"`, 500, ",")))
	}
	return strings.Join(out, ",")
}()

// What governs, in the order in which it is played.
var governed = []provoked{
	{schemas.NotAMember, `tiny: Vote {"proposal":"1-0-7","approve":true}`},
	{schemas.NoSuchProposal, `POST /api/v1/proposals/1-0-7/votes {"approve":true}`},
	{schemas.NotProposer, proposed + `POST /api/v1/proposals/$proposal/withdraw {}`},
	{schemas.AlreadyVoted, proposed + `
		acme-farms: Vote {"proposal":"$proposal"}
		POST /api/v1/proposals/$proposal/votes {"approve":true}`},
	{schemas.ProposalEnded, proposed + `
		mill: Withdraw {"proposal":"$proposal"}
		POST /api/v1/proposals/$proposal/votes {"approve":true}`},
	{schemas.PartnerTaken, admitted("mill", "member", `"nodeID":"`+strings.Repeat("0b", 20)+`","validator":"`+strings.Repeat("0c", 32)+`"`)},
	{schemas.HostNotMember, admitted("dock", "participant", `"host":"watch","sponsor":"acme-farms"`)},
	{schemas.NoSuchPartner, `POST /api/v1/proposals {"kind":"suspend","partner":"nobody"}`},
	{schemas.NothingToChange, `POST /api/v1/proposals {"kind":"resume","partner":"shop"}`},
	{schemas.PrefixTaken, `POST /api/v1/proposals {"kind":"register-prefix","partner":"mill","prefix":"952123"}`},
	{schemas.TooSoon, `POST /api/v1/proposals {"kind":"upgrade","height":2,"rules":7}`},
	{schemas.BreaksQuorum, `POST /api/v1/proposals {"kind":"remove-validator","partner":"acme-farms"}`},
	{schemas.NotHeld, `POST /api/v1/proposals {"kind":"reassign","partner":"gone","to":"shop","items":["$a"]}`},
	{schemas.IssuerActive, `
		mill: Recall {"recall":"theirs","instruction":"stop","made":[{"from":"2026-03-01T00:00:00Z"}]}
		POST /api/v1/proposals {"kind":"close-recall","partner":"mill","recall":"theirs"}`},
	{schemas.NotOrdered, `mill: Ready {"key":"` + strings.Repeat("0c", 32) + `"}`},
	{schemas.NotParticipant, `mill: MoveHost {"host":"acme-farms"}`},
	{schemas.NoSuchHost, `tiny: MoveHost {"host":"nobody"}`},
	{schemas.ShipmentEnded, `
		acme-farms: add commissioning a; AnnounceShipment {"shipment":"$shipment","receiver":"leaves","items":["$a"]}
		haul: Propose {"kind":"remove","partner":"leaves"}
		acme-farms: Vote {"proposal":"$proposal","approve":true}
		mill: Vote {"proposal":"$proposal","approve":true}
		haul: Propose {"kind":"end-shipments","partner":"leaves","shipments":["$shipment"]}
		mill: Vote {"proposal":"$proposal","approve":true}
		POST /api/v1/proposals/$proposal/votes {"approve":true}`},
	{schemas.OneAtATime, `
		haul: Propose {"kind":"register-prefix","partner":"mill","prefix":"9541"}
		haul: Propose {"kind":"register-prefix","partner":"mill","prefix":"9542"}
		acme-farms: Vote {"proposal":"$earlier","approve":true}; Vote {"proposal":"$proposal","approve":true}
		mill: Vote {"proposal":"$earlier","approve":true}; Vote {"proposal":"$proposal","approve":true}`},
	{schemas.ClientKeyNeeded, arriving + `
		haul: Propose {"kind":"parameters","parameters":{"acceptance":"client"}}
		acme-farms: Vote {"proposal":"$proposal","approve":true}
		mill: Vote {"proposal":"$proposal","approve":true}
		POST /api/v1/shipments/%$shipment/handovers/1/accept {}`},
	{schemas.TooManyProposals, `
		acme-farms: ` + numbers(`Propose {"kind":"register-prefix","partner":"mill","prefix":"955%d"}`, schemas.MaxOpenProposals, "; ") + `
		POST /api/v1/proposals {"kind":"register-prefix","partner":"mill","prefix":"9559"}`},

	{schemas.NoSuchKey, `POST /api/v1/keys/0123456789abcdef/revoke {}`},
	{schemas.KeyEnded, `POST /api/v1/keys {"public":"` + strings.Repeat("1d", 32) + `","roles":["device"],"held":"hardware","until":1}`},
	{schemas.LastAdminKey, `POST /api/v1/keys/$key/revoke {}`},
	{schemas.ThresholdTooHigh, `POST /api/v1/keys/threshold {"threshold":2}`},
	{schemas.NoSuchChange, `POST /api/v1/keys/changes/0000000000000000/approve {}`},
	{schemas.TooManyKeys, `
		acme-farms: ` + addedKeys(schemas.MaxThreshold-1) + `
		POST /api/v1/keys {"public":"` + strings.Repeat("20", 32) + `","roles":["admin"],"held":"client"}`},
	{schemas.KeyKnown, `POST /api/v1/keys {"public":"` + numberedKey(0) + `","roles":["admin"],"held":"client"}`},
	{schemas.AwaitingApproval, `
		POST /api/v1/keys/threshold {"threshold":2}
		POST /api/v1/keys/threshold {"threshold":1}`},
	{schemas.AlreadyApproved, `POST /api/v1/keys/changes/$change/approve {}`},

	{schemas.LastMember, `POST /api/v1/proposals/$newest/withdraw {}
		` + suspended("shop", "acme-farms", "haul") + suspended("haul", "acme-farms", "haul") + suspended("mill", "acme-farms") + `
		POST /api/v1/proposals {"kind":"suspend","partner":"acme-farms"}`},
}

const proposed = `mill: Propose {"kind":"register-prefix","partner":"mill","prefix":"9530"}
`

func admitted(partner, standing, more string) string {
	return `POST /api/v1/proposals {"kind":"admit","partner":"` + partner + `","name":"Dock BV","gln":"9521234000082","standing":"` + standing +
		`","keys":[{"public":"` + strings.Repeat("1a", 32) + `","roles":["capture","admin"],"held":"client"}],` + more + `}`
}

// suspended is how the mill proposes to suspend a partner, and others agree.
func suspended(partner string, others ...string) string {
	lines := []string{`mill: Propose {"kind":"suspend","partner":"` + partner + `"}`}
	for _, other := range others {
		lines = append(lines, other+`: Vote {"proposal":"$proposal","approve":true}`)
	}
	return strings.Join(lines, "\n") + "\n"
}
