package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Streamed is what the stream tells of one message that was committed: what it was,
// what it was about and what became of it. Its body is not in it, but where to ask. What
// happened without a message has no event and no transaction, but what caused it.
type Streamed struct {
	Cursor      string         `json:"cursor"`
	Type        string         `json:"type"`
	Time        time.Time      `json:"time"` // of the block
	Partner     string         `json:"partner"`
	Subjects    []string       `json:"subjects"`
	EventID     string         `json:"eventID"`
	Transaction schemas.Hash   `json:"transaction,omitzero"`
	Code        schemas.Code   `json:"code"`
	Effect      schemas.Effect `json:"effect"`
	Flags       []schemas.Code `json:"flags"`
	Link        string         `json:"link"`
	Cause       string         `json:"cause,omitempty"` // cursor of the message that began or decided it
	From        int64          `json:"from,omitempty"`  // height from which it holds
}

// eventRecorded is the type of every event.
const eventRecorded = "event.recorded"

// streamTypes are the types of the stream by the names of acts.
var streamTypes = map[string]string{
	"Propose": "proposal.made", "Vote": "proposal.voted", "Withdraw": "proposal.withdrawn",
	"Ready":  "validator.ready",
	"AddKey": "key.added", "RevokeKey": "key.revoked", "SetThreshold": "key.threshold", "ApproveKeyChange": "key.approved", "MoveHost": "partner.moved",
	"Recall": "recall.issued", "ExtendRecall": "recall.extended", "AcknowledgeRecall": "recall.acknowledged", "CloseRecall": "recall.closed",
	"AnnounceShipment": "shipment.announced", schemas.StepDispatch: "shipment.dispatched", schemas.StepClose: "shipment.closed",
	schemas.StepCancel: "shipment.cancelled", schemas.StepHold: "shipment.held", schemas.StepUnhold: "shipment.released", "ReturnShipment": "shipment.returned",
	"OfferHandover": "handover.offered", "AcceptHandover": "handover.accepted", schemas.StepReject: "handover.rejected", schemas.StepWithdraw: "handover.withdrawn",
	"AttachDocuments": "shipment.documents_attached", "DisputeHandover": "dispute.opened", "AddEvidence": "dispute.evidence", "ResolveDispute": "dispute.resolved", "SettleException": "exception.settled",
}

// orderTypes are those of orders about bodies.
var orderTypes = map[schemas.OrderKind]string{
	schemas.OrderErase: "body.erasure_ordered", schemas.OrderHold: "body.held", schemas.OrderRelease: "body.released", schemas.OrderClassify: "body.classified",
}

func streamType(s *schemas.Skeleton) string {
	switch {
	case s.Order != nil:
		return orderTypes[s.Order.What]
	case s.Act != nil:
		return streamTypes[s.Act.Name()]
	}
	return eventRecorded
}

// isStreamType reports whether there is a type, or, where it ends in ".*", any below.
func isStreamType(text string) bool {
	is := func(name string) bool { return matchesType(text, name) }
	if is(eventRecorded) || isMomentType(text) {
		return true
	}
	for _, name := range streamTypes {
		if is(name) {
			return true
		}
	}
	for _, name := range orderTypes {
		if is(name) {
			return true
		}
	}
	return false
}

func matchesType(asked, name string) bool {
	if all, ok := strings.CutSuffix(asked, "*"); ok && strings.HasSuffix(all, ".") {
		return strings.HasPrefix(name, all)
	}
	return asked == name
}

// mostTypes bounds the types that one filter names.
const mostTypes = 64

// streamFilter is what of the stream is told. The error is for whoever asked.
func streamFilter(types []string, partner, subject string) (*local.Filter, error) {
	f := &local.Filter{Types: types, Partner: partner, Subject: subject}
	if id, err := schemas.ParseIdentifier(subject); subject != "" && err == nil {
		f.Subject = id.String()
	}
	if len(types) > mostTypes {
		return nil, fmt.Errorf("more than %d types are named", mostTypes)
	}
	for _, t := range types {
		if !isStreamType(t) {
			return nil, errors.New("no such type: " + clip(t))
		}
	}
	return f, nil
}

// streamed is what is told of a record, nil where the filter leaves it out.
func streamed(f *local.Filter, r *schemas.Record) *Streamed {
	name := typeOf(r)
	if f.Partner != "" && !of(r, f.Partner) ||
		len(f.Types) > 0 && !slices.ContainsFunc(f.Types, func(asked string) bool { return matchesType(asked, name) }) {
		return nil
	}
	subjects := about(r)
	if _, ok := slices.BinarySearch(subjects, f.Subject); f.Subject != "" && !ok {
		return nil
	}
	if r.Moment != nil {
		return momentStreamed(r)
	}
	return &Streamed{Cursor: streamCursor(r.Locator), Type: name, Time: r.Time, Partner: r.Partner, Subjects: append([]string{}, subjects...),
		EventID: r.EventID, Transaction: r.Transaction, Code: r.Result.Code, Effect: r.Result.Effect, Flags: append([]schemas.Code{}, r.Result.Flags...),
		Link: "/api/v1/transactions/" + r.Transaction.String()}
}

// streamCursor writes a place in the stream: height, position and index.
func streamCursor(at schemas.Locator) string {
	return fmt.Sprintf("%d-%d-%d", at.Height, at.Position, at.Index)
}

func parseStreamCursor(text string) (at schemas.Locator, err error) {
	var n [3]uint64
	parts := strings.Split(text, "-")
	for i := range n {
		if bits := 32; err == nil && len(parts) == len(n) {
			if i == 0 {
				bits = 62
			}
			n[i], err = strconv.ParseUint(parts[i], 10, bits)
		}
	}
	if err != nil || len(parts) != len(n) {
		return at, fault(schemas.BadParameter, "a cursor is the id of a record of the stream, HEIGHT-POSITION-INDEX, 0-0-0 for the beginning: "+clip(text))
	}
	return schemas.Locator{Height: int64(n[0]), Position: uint32(n[1]), Index: uint32(n[2])}, nil
}

// maxCursorAhead is how many heights a cursor may be before the node, which others may
// have had it from: one that follows the network is no farther behind.
const maxCursorAhead = 1000

// reaches refuses a height that this ledger is far before, which it cannot have told.
func (g *Gateway) reaches(ctx context.Context, height, ahead int64, what string) error {
	view, err := g.ledger.View()
	if err != nil || height <= view.Height()+ahead {
		return err
	}
	n, err := g.ledger.Network(ctx)
	if err != nil || n.CatchingUp {
		return err
	}
	return fault(schemas.BadParameter, fmt.Sprintf("%s is above the ledger's height, %d: it is of another network, or this node is behind: ask again when it has come as far", what, view.Height()))
}

// askStream reads what a request for the stream asks for. Without a cursor it begins
// behind the last block.
func (g *Gateway) askStream(r *http.Request) (f *local.Filter, at schemas.Locator, follow bool, err error) {
	q, err := parameters(r, "after", "type", "partner", "subject", "follow")
	if err != nil {
		return f, at, false, err
	}
	if text := q["follow"]; text != "" && text != "true" && text != "false" {
		return f, at, false, fault(schemas.BadParameter, "follow is true or false: "+clip(text))
	}
	var types []string
	if q["type"] != "" {
		types = strings.Split(q["type"], "|")
	}
	if f, err = streamFilter(types, q["partner"], q["subject"]); err != nil {
		return f, at, false, fault(schemas.BadParameter, err.Error())
	}
	if p, ok := q["partner"]; ok && !schemas.IsPartnerID(p) {
		return f, at, false, fault(schemas.BadParameter, "partner is a partner's name: "+clip(p))
	}
	cursor := r.Header.Get("Last-Event-ID") // where a client goes on by itself, its address still has the first one
	if cursor == "" {
		cursor = q["after"]
	}
	if cursor != "" {
		if at, err = parseStreamCursor(cursor); err == nil {
			// Whoever waited behind it would be told nothing, for as long as it takes.
			err = g.reaches(r.Context(), at.Height, maxCursorAhead, "the cursor "+streamCursor(at))
		}
		return f, at, q["follow"] != "false", err
	}
	err = g.read(func(view View) error {
		at = endOf(view.Height())
		return nil
	})
	return f, at, q["follow"] != "false", err
}
