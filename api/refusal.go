package api

import (
	"context"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of looking up what an event was refused for.
const (
	refusalTime  = time.Second
	refusalLooks = 100 // for one transaction; what is refused beside is told without
	refusalReads = 32  // events of one eventID: other partners may have used it, too
)

// refusal tells why an event was refused, with what it met.
func (o *outbox) refusal(e *schemas.EventReceipt) string {
	text := "event " + clip(e.EventID) + " was refused"
	if e.Code != schemas.EventIDConflict {
		return text
	}
	ctx, cancel := context.WithTimeout(o.ctx, refusalTime)
	defer cancel()
	view, err := o.ledger.View()
	if err != nil {
		return text
	}
	page, err := view.Page(ctx, schemas.EventQuery{EventIDs: []string{e.EventID}, OrderBy: schemas.ByRecordTime, Ascending: true, MaxHeight: view.Height(), Limit: refusalReads})
	if err != nil {
		return text
	}
	for i := range page.Records {
		r := &page.Records[i]
		if r.Partner != o.partner || r.EventID != e.EventID || r.Skeleton.Declaration != nil {
			continue
		}
		return fmt.Sprintf("%s: %s recorded another event under this eventID at %s, eventTime %s, as message %d of transaction %s (position %d of height %d)", text, o.partner,
			r.Time.UTC().Format(timeFormat), time.Unix(0, r.Skeleton.EventTime).UTC().Format(time.RFC3339Nano), r.Index, r.Transaction, r.Position, r.Height)
	}
	if page.More {
		return text
	}
	return text + ": another event that was sent with it has this eventID"
}
