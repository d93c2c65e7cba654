package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// In a network with retention classes bodies are due to be erased some day. The
// ledger erases nothing by itself: the node of the partner that recorded an event
// orders it, with the message that anybody gives who orders, so that every erasure
// has somebody who ordered it, in a place that is proved. It remembers nothing: what
// was not committed is due at the next look.

const (
	dueEvery  = 10 * time.Second // between two looks
	dueAtOnce = 16               // bodies: as many as a block erases
	dueReason = "the longest time of its retention class is over"
)

// expiry orders what is due.
type expiry struct {
	ledger *ledger
	log    *slog.Logger
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// beginExpiry looks from time to time, if the network has retention classes.
func beginExpiry(l *ledger, log *slog.Logger) *expiry {
	ctx, cancel := context.WithCancel(context.Background())
	e := &expiry{ledger: l, log: log, cancel: cancel}
	e.work.Go(func() {
		tick := time.NewTicker(dueEvery)
		defer tick.Stop()
		for {
			if err := e.order(ctx); err != nil && ctx.Err() == nil {
				e.log.Warn("ordering what is due to be erased, this is tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return e
}

func (e *expiry) close() error {
	e.cancel()
	e.work.Wait()
	return nil
}

// order gives orders until nothing is due, a block's worth at a time.
func (e *expiry) order(ctx context.Context) error {
	for ctx.Err() == nil {
		due, err := e.due()
		if len(due) == 0 || err != nil {
			return err
		}
		orders := make([]*schemas.Event, len(due))
		for i, eventID := range due {
			if orders[i], err = schemas.MakeOrder(schemas.OrderErase, eventID, dueReason, time.Now().UTC().Format(time.RFC3339)); err != nil {
				return err
			}
		}
		signed, err := e.ledger.Sign("retention", false, orders)
		if err != nil {
			return err
		}
		if err := e.ledger.Broadcast(ctx, signed.Raw); err != nil {
			return err
		}
		receipt, err := e.ledger.Await(ctx, signed.ID, signed.Expiry)
		if err != nil {
			return err
		}
		erased := 0
		for _, r := range receipt.Events {
			if r.Code == schemas.OK {
				erased++
			}
		}
		e.log.Info("bodies were due and are erased", "ordered", len(orders), "erased", erased, "height", receipt.Height)
		if erased == 0 {
			return nil // others were faster, or a hold was: look again later
		}
	}
	return nil
}

func (e *expiry) due() ([]string, error) {
	if len(e.ledger.app.Retention()) == 0 {
		return nil, nil
	}
	view, err := e.ledger.app.View()
	if err != nil {
		return nil, err
	}
	return view.Due(e.ledger.settings.Partner, dueAtOnce)
}
