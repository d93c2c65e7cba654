package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Renew makes of an old bundle one of the same state under a header of now: for
// readers whose root of trust is younger than it. What it says stays what it was;
// the header accumulator proves the header that carries its state.
func (l *ledger) Renew(ctx context.Context, old []byte, since int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bundleWait)
	defer cancel()
	b, err := proof.DecodeBundle(old)
	if err != nil {
		return nil, &schemas.Fault{Code: schemas.BadEncoding, Detail: err.Error()}
	}
	for {
		view, err := l.app.View()
		if err != nil {
			return nil, err
		}
		if err = l.renew(ctx, view, b, since); err == nil {
			return b.Encode(), nil
		}
		var f *schemas.Fault
		if expired := errors.As(err, &f) && f.Code == schemas.ViewExpired; !expired && !errors.Is(err, proof.ErrFewVotes) {
			return nil, err
		}
		select {
		case <-l.Watch(view.Height()):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
}

func (l *ledger) renew(ctx context.Context, view *app.View, b *proof.Bundle, since int64) error {
	carried := &b.Header
	if b.Anchor != nil {
		carried = &b.Anchor.Header
	}
	to, err := l.carrier(ctx, view)
	if err != nil {
		return err
	}
	at, err := view.AnchorUpTo(min(carried.Height, to-1))
	if err != nil {
		return err
	}
	if at == nil {
		return fmt.Errorf("%w: no header before this state is in the accumulator yet", api.ErrUnavailable)
	}
	header, err := l.header(at.Height)
	if err != nil {
		return err
	}
	if b.ChainID != header.header.ChainID || !bytes.Equal(header.header.App, carried.App[:]) {
		return &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the accumulator has no header up to height %d that carries the bundle's state: it is of another ledger, or nothing changed since it", carried.Height)}
	}
	short, err := header.header.Short(header.validators)
	if err != nil {
		return err
	}
	b.Steps, b.Accumulator = nil, nil
	b.Anchor = &proof.Anchor{Header: short, Validators: header.validators}
	b.Resettle()
	b.Anchor.Index, b.Anchor.Inclusion, _, err = l.anchors.Of(ctx, view, at.Height)
	if err == nil {
		err = addAccumulator(view, b)
	}
	if err != nil {
		return err
	}
	way, err := l.way(ctx, since, to)
	if err != nil {
		return err
	}
	if err := errors.Join(way.lead(b), way.tell(view, b)); err != nil {
		return err
	}
	return l.locate(ctx, view, b)
}
