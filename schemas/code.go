package schemas

import (
	"net/http"
	"strconv"
)

// Code is a stable refusal or flag. Receipts, ABCI results and HTTP answers
// share this one closed list: a number never changes its meaning and is never
// used again. Numbers go on the wire and into hashes, names into JSON.
type Code uint32

// OK is the absence of a refusal.
const OK Code = 0

// What is wrong with an event or a request as written.
const (
	BadJSON           Code = 100 + iota // not one well-formed JSON text
	TooDeep                             // nested deeper than the limit
	TooLarge                            // larger than a limit on bytes or counts
	DuplicateKey                        // one object names a member twice
	MissingField                        // a member that the event type needs is absent
	UnknownField                        // a member that the standard does not define and no namespace owns
	BadValue                            // a member's value has the wrong type or form
	BadTime                             // a time or time zone offset that cannot be read
	BadIdentifier                       // an identifier that its scheme does not allow
	BadCheckDigit                       // a GS1 key whose check digit is wrong
	UnknownVocabulary                   // a bare word that the Core Business Vocabulary lacks
	BadQuantity                         // a quantity that is no bounded exact decimal
	BadContext                          // an @context that cannot be used, or a prefix it does not define
	BadDocument                         // not an EPCIS document of a version that is read here
	BadXML                              // not one well-formed XML document whose document type, if declared, is a name alone
)

// What is wrong with a transaction (class A: a block that holds one is invalid).
const (
	BadEncoding         Code = 200 + iota // bytes that are not the one canonical encoding
	WrongChain                            // signed for another chain
	WrongRules                            // signed for another rules version
	UnknownPartner                        // no such partner
	UnknownKey                            // the partner has no such key
	KeyNotValid                           // the key's validity does not cover this height, or its role not this kind
	BadSignature                          // the signature does not verify
	Expired                               // the expiry height has passed
	ExpiryTooFar                          // the expiry height is beyond the window that is remembered
	Replayed                              // this transaction was admitted before
	RootMismatch                          // the messages do not hash to the signed root
	TransactionTooLarge                   // a cap on a transaction or block is exceeded
	BadCompression                        // bodies do not decompress to exactly what was declared
	Unsupported                           // reserved bytes of a later version
)

// Why a rule refused a message (class B: always a code, never an invalid block).
const (
	EventIDConflict Code = 300 + iota // the partner recorded other content under this eventID
	Undone                            // an atomic transaction's other message was refused
	RuleFailed                        // a rule broke down; the message's writes were dropped
	TooFarInside                      // its containers and their lots are more than the block can look up
)

// Why an order about a body was refused (class B, too).
const (
	UnknownEvent    Code = 320 + iota // the partner recorded no event of this eventID before this block
	OnHold                            // the body is held: it may not be erased
	AlreadyErased                     // the body was erased before
	TooManyErasures                   // the block erases as many as it may
	Retained                          // the body's class keeps it longer
	UnknownClass                      // the network has no such retention class
	ShorterClass                      // the event's class keeps longer than the one that is ordered
)

// Why a change of validators was refused (class B, too).
const (
	NotOrdered     Code = 350 + iota // no validator of this key is ordered for the partner
	ValidatorTaken                   // another partner has, or ordered, this key or this node
	UnsafeChange                     // the validators seen signing lately would be no more than two thirds
	LastValidator                    // nobody would be left to decide blocks
	NoValidator                      // the partner has none, and none is ordered
	NoMember                         // only members validate
)

// Why a change of keys, or a move to another host, was refused (class B, too).
const (
	KeyKnown         Code = 360 + iota // the partner has or had this key
	NoSuchKey                          // the partner has no such key
	KeyEnded                           // the key ended, or would end before it begins
	LastAdminKey                       // fewer admin keys would be left than must agree
	ThresholdTooHigh                   // more than there are lasting admin keys
	TooManyKeys                        // the partner has as many keys as one may
	NoSuchChange                       // no such change of keys is open
	AlreadyApproved                    // the key agreed to it before
	NotParticipant                     // only participants have a host
	NoSuchHost                         // not an active member
)

// Why an act about a recall was refused (class B).
const (
	NoSuchRecall   Code = 390 + iota // no recall of this issuer and name is open
	NameUsed                         // the issuer has a recall of this name
	NotMaker                         // somebody else made it
	RecalledItem                     // it is recalled, and may not be shipped on
	TooManyRecalls                   // as many recalls as can be name it, or spans of time
)

// Why an act of governance was refused (class B, too).
const (
	NotAMember       Code = 330 + iota // active members alone propose and vote
	NoSuchProposal                     // there is none of this id
	ProposalEnded                      // it passed, was rejected or withdrawn
	VotingOver                         // the time to vote on it is over
	AlreadyVoted                       // a member's vote stands once it is given
	NotProposer                        // who proposed it alone withdraws a proposal
	TooManyProposals                   // the member has as many open as it may
	PartnerTaken                       // a partner has this id, GLN, node id or consensus key
	NoSuchPartner                      // no partner of this id is there, or none that this can be done to
	NothingToChange                    // it is so already
	LastMember                         // no active member would be left
	TooManyMembers                     // there would be more than 128 active ones
	PrefixTaken                        // a prefix that is registered begins with this one, or this one with it
	OneAtATime                         // another change took effect in this block
	HostNotMember                      // a participant's host and sponsor are active members
	TooSoon                            // an upgrade's height is not far enough ahead, or was passed
	BreaksQuorum                       // no validator would be left
	NotHeld                            // the item is not held by whom it would be taken from
	IssuerActive                       // whoever issued a recall can close it
)

// Why an act of a shipment, or in strict custody an event, was refused (class B, too).
const (
	NoSuchShipment  Code = 370 + iota // the ledger has no shipment of this id
	ShipmentKnown                     // it has one already
	WrongState                        // a shipment in this state does not do this
	WrongRole                         // not for this partner to do
	ShipmentHeld                      // somebody stopped the shipment
	NotAUnit                          // it is inside a container, or ended
	InShipment                        // it is in another shipment that is under way
	OfferOpen                         // it is offered already
	OfferExpired                      // the offer has ended
	OfferToSelf                       // from a partner to itself
	PartnerInactive                   // the partner is unknown, suspended or removed
	NotAParty                         // the partner is neither carrier nor receiver of the shipment
	BadDiscrepancy                    // it is larger than the offer, or of something else
	NoSuchHandover                    // the shipment has no such hand-over, or another is open
	NothingToOffer                    // the author holds nothing of the shipment
	BalanceTooLow                     // the author holds less of a lot
	ClientKeyNeeded                   // the network wants a key that a client or hardware holds
	EvidenceFull                      // no more evidence fits the dispute
	NotRequired                       // no document of this kind and hash is among the shipment's terms
	QuantityNeeded                    // it does not say how much, where balances are to be known
)

// Flags: recorded, with this said about it.
const (
	NotCustodian         Code = 400 + iota // a claim: somebody else holds what the event would change
	ClaimedUnseen                          // the item had no record; its first mover holds it now
	UnmatchedDeclaration                   // an error declaration without an identical prior event: voids nothing
	FutureTime                             // the claimed time is more than ten minutes ahead of the block
	FromExternal                           // the item came back from a holder outside the network
	AwaitingOffer                          // a receipt that came before its offer, and waits for it
	MatchedReceipt                         // the offer met a receipt that was waiting, and custody moved
	OfferReplaced                          // an earlier open offer was withdrawn by this one
	OfferRejected                          // the receiver refused the offer: custody stays
	OfferCancelled                         // the custodian withdrew the offer
	InsideContainer                        // not moved by itself: its container's hand-over decides
	ContainmentConflict                    // not moved: another container holds it
	ContainmentCycle                       // not moved: it would contain itself
	ContainmentTooDeep                     // not moved: containers nest at most sixteen deep
	NotContained                           // taken out of a container that it is not in, or not so much of it
	EndedItem                              // the item was consumed, destroyed or decommissioned before
	UnknownQuantity                        // a balance cannot be told after this event
	TooManyOpen                            // no further offer or receipt can wait for this item
	TooManyLots                            // not packed: a container holds at most sixty-four lots
)

// AwaitingApproval is the flag of a change of keys to which other admin keys must
// agree.
const AwaitingApproval Code = 460

// Flags of what concerns a recall.
const (
	CalledBack      Code = 450 + iota // a recall names what the partner holds
	ShippedRecalled                   // it is recalled, and was shipped on all the same
)

// Flags about conditions.
const (
	Excursion     Code = 455 + iota // measured outside the terms of a shipment
	UnreadReading                   // of a shipment, and not compared with its terms
)

// Flags of what governs.
const (
	ReservedPrefix Code = 465 + iota // a claim: another partner alone commissions under this company prefix
)

// Flags about shipments.
const (
	OutsideShipment  Code = 430 + iota // it is in a shipment under way, of which this is no step
	Incomplete                         // less was offered than the shipment consists of
	BuiltUpon                          // what was declared void has consequences that stand: somebody else holds it by now
	Differs                            // accepted with discrepancies
	DisputeOpened                      // a hand-over is argued about
	DisputeResolved                    // no more
	ShipmentStopped                    // by one of its parties
	DocumentsMissing                   // handed over to the receiver without documents that the terms require
	ShipmentEnded                      // by vote, since one of its parties left the network
)

// What the gateway says of a request.
const (
	Unauthorized         Code = 500 + iota // no valid API key
	Forbidden                              // the key lacks the scope
	NotFound                               // no such resource
	MethodNotAllowed                       // the resource does not do this
	NotAcceptable                          // none of the accepted media types can be given
	UnsupportedMediaType                   // the body's media type is not read
	BadParameter                           // a query parameter that is unknown, repeated or malformed
	IdempotencyConflict                    // the Idempotency-Key was used with another body
	InProgress                             // the first request with this Idempotency-Key has no outcome yet
	RateLimited                            // too many requests for this key
	Overloaded                             // the node sheds load
	Unavailable                            // catching up, halted or without quorum
	ViewExpired                            // the page's height is no longer held
	URITooLong                             // the request line is too long
	Internal                               // a fault of the node, logged there
	HistoryMissing                         // the node joined by a snapshot, and does not have this old record yet
	QueryTooLarge                          // a query finds more than its maxEventCount
	QueryTooComplex                        // a query that would cost more than one request may
	BadQuery                               // a body that is no query
	NoSuchName                             // no stored query of this name
	NameTaken                              // a stored query has this name
	ArchiveAway                            // bodies were moved to a store that does not answer the node
	BadSheet                               // a spreadsheet, or a message of EDI, that cannot be read
	BadSubscription                        // how a subscription is to be told cannot be done
	BodyNotKept                            // of a record: this node keeps the bodies of what its partner is a party to
	BadWebhook                             // a webhook that cannot be made, or set back, as it was asked for
	NotHosted                              // a participant's key, of one that does not work through this node, or not yet
)

type codeRow struct {
	name   string
	status int // HTTP status of an answer that is this code; 0 for flags, which never are
	hint   string
}

// codes is the one table from codes to names, HTTP statuses and hints.
var codes = map[Code]codeRow{
	OK: {"ok", http.StatusOK, ""},

	BadJSON:           {"bad_json", 400, "send one JSON object, encoded as UTF-8"},
	TooDeep:           {"too_deep", 400, "flatten the nesting: at most 32 levels are read"},
	TooLarge:          {"too_large", 413, "send less in one piece: the limits are announced by OPTIONS and in docs/format.md"},
	DuplicateKey:      {"duplicate_key", 400, "name each member of an object once"},
	MissingField:      {"missing_field", 400, "add the member that the pointer names"},
	UnknownField:      {"unknown_field", 400, "correct the name, or give an extension a prefix that @context defines"},
	BadValue:          {"bad_value", 400, "correct the value that the pointer names"},
	BadTime:           {"bad_time", 400, "write times as 2026-01-31T12:00:00.000+01:00, offsets as +01:00"},
	BadIdentifier:     {"bad_identifier", 400, "write an EPC URN, a GS1 Digital Link URI or a private URI"},
	BadCheckDigit:     {"bad_check_digit", 400, "correct the key: its last digit does not follow from the others"},
	UnknownVocabulary: {"unknown_vocabulary", 400, "use a term of the Core Business Vocabulary, or your own as a URI"},
	BadQuantity:       {"bad_quantity", 400, "write a decimal number of at most 18 digits before and 12 after the point"},
	BadContext:        {"bad_context", 400, "define the prefix inline in @context: remote contexts are never fetched"},
	BadDocument:       {"bad_document", 400, "send an EPCISDocument: JSON or XML of schemaVersion 2.0, or XML of 1.2"},
	BadXML:            {"bad_xml", 400, "send one well-formed XML document, encoded as UTF-8, without a document type declaration that has more than a name"},

	BadEncoding:         {"bad_encoding", 400, "encode the transaction canonically: docs/format.md"},
	WrongChain:          {"wrong_chain", 400, "sign for the chain id that /api/v1/network tells"},
	WrongRules:          {"wrong_rules", 400, "sign for the rules version that /api/v1/network tells"},
	UnknownPartner:      {"unknown_partner", 400, "the partner is not on this ledger"},
	UnknownKey:          {"unknown_key", 400, "the partner has no key of this id"},
	KeyNotValid:         {"key_not_valid", 400, "use a key whose role and validity cover this"},
	BadSignature:        {"bad_signature", 400, "sign the header's own bytes with the key that it names"},
	Expired:             {"expired", 400, "sign again with a later expiry height"},
	ExpiryTooFar:        {"expiry_too_far", 400, "choose an expiry at most 10,000 heights ahead"},
	Replayed:            {"replayed", 409, "the transaction is on the ledger already: ask for its receipt"},
	RootMismatch:        {"root_mismatch", 400, "sign the Merkle root of the messages that are sent"},
	TransactionTooLarge: {"transaction_too_large", 413, "send fewer or smaller events in one transaction"},
	BadCompression:      {"bad_compression", 400, "one zstd frame, exact declared size, window up to 1 MiB, no dictionary"},
	Unsupported:         {"unsupported", 400, "leave out what is reserved for a later version"},

	EventIDConflict: {"event_id_conflict", 409, "give the new event an eventID of its own; to take the earlier one back, send that one again as it was, with an errorDeclaration"},
	Undone:          {"undone", 409, "correct the refused event and send all again, or let the others proceed"},
	UnknownEvent:    {"unknown_event", 404, "name an event that this partner recorded, by its eventID"},
	OnHold:          {"on_hold", 409, "release it first"},
	AlreadyErased:   {"already_erased", 409, "nothing is left to erase"},
	TooManyErasures: {"too_many_erasures", 429, "send it again: a later block has room"},
	Retained:        {"retained", 409, "its status says from when on it may be erased"},
	UnknownClass:    {"unknown_class", 400, "name one of the network's classes; an event that was recorded before there were any is in none"},
	ShorterClass:    {"shorter_class", 409, "an event can only get a class that keeps it as long, at least, as the one it has"},
	RuleFailed:      {"rule_failed", 500, "nothing was changed; tell the maintainers the transaction"},
	TooFarInside:    {"too_far_inside", 413, "send it again, with fewer things at a time, or name their container"},

	NotOrdered:     {"not_ordered", 409, "propose this consensus key for the partner first: it is ordered when the vote has passed"},
	ValidatorTaken: {"validator_taken", 409, "make a key and a node of the partner's own"},
	UnsafeChange:   {"unsafe_change", 409, "bring the validators that are down back first, or replace them one by one"},
	LastValidator:  {"last_validator", 409, "add another validator first, and wait until it signs"},
	NoValidator:    {"no_validator", 409, "the network's list tells whose node validates"},
	NoMember:       {"no_member", 409, "change the partner's standing to member first"},

	KeyKnown:         {"key_known", 409, "make a new key: one that was revoked never comes back"},
	NoSuchKey:        {"no_such_key", 404, "GET /api/v1/partners/{id}/keys lists the partner's keys"},
	KeyEnded:         {"key_ended", 409, "nothing is left to revoke; let a new key end later than the next block"},
	LastAdminKey:     {"last_admin_key", 409, "add another lasting admin key first, or lower the threshold"},
	ThresholdTooHigh: {"threshold_too_high", 409, "add admin keys without an end first"},
	TooManyKeys:      {"too_many_keys", 409, "a partner can have 32 lasting admin keys at a time, and 10,000 keys in all"},
	NoSuchChange:     {"no_such_change", 404, "GET /api/v1/partners/{id}/keys lists those that are open; one lapses after seven days"},
	AlreadyApproved:  {"already_approved", 409, "another admin key must agree"},
	NotParticipant:   {"not_participant", 409, "a member has a node of its own, and no host"},
	NoSuchHost:       {"no_such_host", 409, "name an active member"},
	AwaitingApproval: {"awaiting_approval", 0, "it is made once as many admin keys agree as the partner's threshold says"},
	NoSuchRecall:     {"no_such_recall", 404, "name an open recall, and who issued it"},
	NameUsed:         {"name_used", 409, "give the recall another name"},
	NotMaker:         {"not_maker", 403, "recall only what you made: name things in items, classes and lots in lots"},
	RecalledItem:     {"recalled_item", 409, "do as the recall says; its issuer closes it"},
	TooManyRecalls:   {"too_many_recalls", 409, "close a recall that names it, or one of a span of time: a partner can have sixty-four open"},
	NotAMember:       {"not_a_member", 403, "let an active member propose and vote"},
	NoSuchProposal:   {"no_such_proposal", 404, "GET /api/v1/proposals lists the ids there are"},
	ProposalEnded:    {"proposal_ended", 409, "propose it anew"},
	VotingOver:       {"voting_over", 409, "propose it anew"},
	AlreadyVoted:     {"already_voted", 409, "there is nothing to do: the vote stands"},
	NotProposer:      {"not_proposer", 403, "vote against it"},
	TooManyProposals: {"too_many_proposals", 429, "withdraw one of yours that is open, or wait until it ends"},
	PartnerTaken:     {"partner_taken", 409, "choose another id, GLN, node id or consensus key: no two partners share one"},
	NoSuchPartner:    {"no_such_partner", 409, "GET /api/v1/partners tells the partners and their states"},
	NothingToChange:  {"nothing_to_change", 409, "it is so already"},
	LastMember:       {"last_member", 409, "admit another member first"},
	TooManyMembers:   {"too_many_members", 409, "remove a member first, or admit a participant"},
	PrefixTaken:      {"prefix_taken", 409, "withdraw the other prefix first"},
	OneAtATime:       {"one_at_a_time", 409, "send it again: one change takes effect in a block"},
	HostNotMember:    {"host_not_member", 409, "name active members as host and sponsor"},
	TooSoon:          {"too_soon", 409, "choose a height that is still to come, and rules of a later version"},
	BreaksQuorum:     {"breaks_quorum", 409, "add another member's validator first"},
	NotHeld:          {"not_held", 409, "name items that the removed partner holds, outermost containers for their contents"},
	IssuerActive:     {"issuer_active", 409, "ask who issued the recall to close it"},

	ReservedPrefix: {"reserved_prefix", 409, "let the partner that has the company prefix commission it; as a flag: recorded as a claim"},

	NoSuchShipment:  {"no_such_shipment", 404, "name a shipment that was announced, in the form it was announced in"},
	ShipmentKnown:   {"shipment_known", 409, "choose another id, or none"},
	WrongState:      {"wrong_state", 409, "GET /api/v1/shipments/{id} tells the state: docs/custody.md shows what can be done in it"},
	WrongRole:       {"wrong_role", 403, "GET /api/v1/shipments/{id} tells the parties: docs/custody.md shows who may do it"},
	ShipmentHeld:    {"shipment_held", 409, "ask the partner in the shipment's held_by to let it go"},
	NotAUnit:        {"not_a_unit", 409, "name the outermost container, or take the thing out first"},
	InShipment:      {"in_shipment", 409, "finish or cancel the other shipment first"},
	OfferOpen:       {"offer_open", 409, "wait for the answer, or cancel the offer"},
	OfferExpired:    {"offer_expired", 409, "ask for another offer"},
	OfferToSelf:     {"offer_to_self", 400, "offer to another partner; in a shipment the receiver is neither its shipper nor a carrier"},
	PartnerInactive: {"partner_inactive", 409, "name a partner that is active: GET /api/v1/partners"},
	NotAParty:       {"not_a_party", 400, "offer to a carrier or the receiver that the shipment names"},
	BadDiscrepancy:  {"bad_discrepancy", 400, "name units or lots of the hand-over, and no more of a lot than was offered, in its unit"},
	NoSuchHandover:  {"no_such_handover", 404, "GET /api/v1/shipments/{id} tells the hand-overs"},
	NothingToOffer:  {"nothing_to_offer", 409, "nothing of the shipment is with its holder any more: close or cancel it"},
	BalanceTooLow:   {"balance_too_low", 409, "record what is held first: in strict custody no balance goes below zero"},
	ClientKeyNeeded: {"client_key_needed", 403, "sign with a key that a client or hardware holds"},
	EvidenceFull:    {"evidence_full", 409, "a dispute has room for sixty-four pieces from each side, and as many from inspectors and arbiter together"},

	QuantityNeeded: {"quantity_needed", 409, "say how much: in strict custody a balance must be known"},
	NotRequired:    {"not_required", 400, "GET /api/v1/shipments/{id} tells the documents that its terms require, by kind and hash"},

	OutsideShipment:  {"outside_shipment", 0, "hand it over by the shipment that it is in, or finish that first"},
	Incomplete:       {"incomplete", 0, "units of the shipment are elsewhere: its hand-overs tell where"},
	BuiltUpon:        {"built_upon", 0, "nothing moves back: ask the custodian for the opposite event"},
	Differs:          {"discrepancies", 0, "the hand-over lists them"},
	DisputeOpened:    {"dispute_opened", 0, "add evidence, and agree on an outcome"},
	DisputeResolved:  {"dispute_resolved", 0, "the shipment goes on"},
	ShipmentStopped:  {"shipment_stopped", 0, "whoever stopped it must let it go"},
	DocumentsMissing: {"documents_missing", 409, "attach what is missing: POST /api/v1/shipments/{id}/documents"},
	ShipmentEnded:    {"shipment_ended", 0, "announce what you hold of it anew, if it is to go on"},

	NotCustodian:         {"not_custodian", 409, "ask the custodian for a hand-over; as a flag: recorded as a claim"},
	ClaimedUnseen:        {"claimed_unseen", 0, "the ledger knew nothing of the item before"},
	UnmatchedDeclaration: {"unmatched_declaration", 0, "declare the same event under the same eventID to void it"},
	FutureTime:           {"future_time", 0, "check the clock of the system that wrote the event"},
	FromExternal:         {"from_external", 0, "the item was held outside the network"},
	AwaitingOffer:        {"awaiting_offer", 0, "custody moves when the custodian's shipping event names you"},
	MatchedReceipt:       {"matched_receipt", 0, "the receiver's event was waiting for this offer"},
	OfferReplaced:        {"offer_replaced", 0, "an earlier open offer made room for this one"},
	OfferRejected:        {"offer_rejected", 0, "custody stays with the shipper"},
	OfferCancelled:       {"offer_cancelled", 0, "custody stays with the shipper"},
	InsideContainer:      {"inside_container", 0, "hand over the outermost container, or take the item out first"},
	ContainmentConflict:  {"containment_conflict", 0, "take the item out of the other container first"},
	ContainmentCycle:     {"containment_cycle", 0, "a thing cannot be inside itself"},
	ContainmentTooDeep:   {"containment_too_deep", 0, "containers nest at most sixteen deep"},
	NotContained:         {"not_contained", 0, "the item was not in this container, or not so much of it"},
	EndedItem:            {"ended_item", 0, "the item was consumed, destroyed or decommissioned before"},
	UnknownQuantity:      {"unknown_quantity", 0, "report exact quantities to keep a balance"},
	TooManyOpen:          {"too_many_open", 0, "close offers or receipts that are open"},
	TooManyLots:          {"too_many_lots", 0, "pack it into a container inside this one"},

	CalledBack:      {"called_back", 0, "answer the recall: what you hold, and what became of it"},
	ShippedRecalled: {"shipped_recalled", 0, "tell the receiver, and do as the recall says"},

	Excursion:     {"excursion", 0, "GET /api/v1/shipments/{id}/conditions tells since when, how far and how long"},
	UnreadReading: {"unread_reading", 0, "give a number, its unit (CEL, KEL, FAH; P1), and a time that is not in the future"},

	Unauthorized:         {"unauthorized", 401, "send Authorization: Bearer KEY"},
	Forbidden:            {"forbidden", 403, "use a key with the scope that the detail names"},
	NotHosted:            {"not_hosted", 403, "a participant's link opens its host's node, once the members have admitted it"},
	NotFound:             {"not_found", 404, "check the identifier"},
	MethodNotAllowed:     {"method_not_allowed", 405, "see /openapi.json"},
	NotAcceptable:        {"not_acceptable", 406, "accept application/json, or for events application/xml: the detail says more"},
	UnsupportedMediaType: {"unsupported_media_type", 415, "send application/json, or EPCIS as application/xml, as UTF-8"},
	BadParameter:         {"bad_parameter", 400, "see /openapi.json for the parameters"},
	IdempotencyConflict:  {"idempotency_conflict", 409, "use a new Idempotency-Key for a new request"},
	InProgress:           {"in_progress", 409, "ask again: the first request has no outcome yet"},
	RateLimited:          {"rate_limited", 429, "wait as Retry-After says"},
	Overloaded:           {"overloaded", 503, "wait as Retry-After says"},
	Unavailable:          {"unavailable", 503, "wait until /readyz answers 200"},
	ViewExpired:          {"view_expired", 410, "begin again at the first page"},
	URITooLong:           {"uri_too_long", 414, "shorten the request line"},
	Internal:             {"internal", 500, "the node's log tells more"},
	HistoryMissing:       {"history_missing", 503, "the node still fetches what is older than its snapshot: ask another partner's node, or later"},
	QueryTooLarge:        {"query_too_large", 413, "ask for less, or read it page by page without maxEventCount"},
	QueryTooComplex:      {"query_too_complex", 413, "ask for an item, a business step or a time range, and for fewer things at once"},
	BadQuery:             {"bad_query", 400, "send {\"name\": ..., \"query\": {parameters of the simple event query}}"},
	NoSuchName:           {"no_such_name", 404, "GET /epcis/v2/queries lists the names there are"},
	NameTaken:            {"name_taken", 409, "choose another name, or delete that query first"},
	ArchiveAway:          {"archive_away", 503, "the node keeps old bodies in a store that does not answer now: ask later, or another partner's node"},
	BodyNotKept:          {"body_not_kept", 404, "not kept by this node: ask the node of the partner who recorded it"},
	BadSheet:             {"bad_sheet", 400, "send CSV as UTF-8, an .xlsx workbook, or the message that the mapping names: docs/import.md"},
	BadSubscription:      {"bad_subscription", 400, "give a dest, and stream or a schedule: docs/subscriptions.md"},
	BadWebhook:           {"bad_webhook", 400, "give a url, and correct what the detail names: docs/webhooks.md"},
}

// String returns the code's stable name, as JSON shows it.
func (c Code) String() string {
	if row, ok := codes[c]; ok {
		return row.name
	}
	return "unknown_code"
}

// Status returns the HTTP status of an answer that is this code, 0 for flags.
func (c Code) Status() int { return codes[c].status }

// Hint returns what a caller can do about it.
func (c Code) Hint() string { return codes[c].hint }

// Known reports whether the code is in the list.
func (c Code) Known() bool { _, ok := codes[c]; return ok }

// MarshalText writes the code's name.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a code's name.
func (c *Code) UnmarshalText(b []byte) error {
	for k, row := range codes {
		if row.name == string(b) {
			*c = k
			return nil
		}
	}
	return &Fault{Code: BadValue, Detail: "no such code: " + string(b)}
}

// Codes returns every code of the list, in no particular order.
func Codes() []Code {
	out := make([]Code, 0, len(codes))
	for c := range codes {
		out = append(out, c)
	}
	return out
}

// Fault is an error that tells a caller what is wrong, where, and what to do.
type Fault struct {
	Code    Code
	Pointer string // RFC 6901 pointer into what was sent, where one applies; "" is the whole
	Line    int    // of XML that was sent, from 1; its pointer is into the same document as JSON
	Detail  string // what is wrong, naming the offending value
}

// Error returns the code, the pointer and the detail in one line.
func (f *Fault) Error() string {
	s := f.Code.String()
	if f.Line > 0 {
		s += " in line " + strconv.Itoa(f.Line)
	}
	if f.Pointer != "" {
		s += " at " + f.Pointer
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}
