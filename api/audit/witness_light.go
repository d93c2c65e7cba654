package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// maxBetween bounds how many headers one way from a believed header to a new one
// may take.
const maxBetween = 128

// believed is a light client's memory: the root of trust, and headers at which the
// validators had changed, each believed because of the one before.
type believed struct {
	trust   *proof.Trust
	headers []*proof.SignedHeader // ascending
}

// clone is a memory that may learn without the first one learning too.
func (b *believed) clone() *believed {
	return &believed{trust: b.trust, headers: slices.Clip(slices.Clone(b.headers))}
}

// add takes a header into the memory, if it is believed.
func (b *believed) add(h *proof.SignedHeader) error {
	if n := len(b.headers); n > 0 && b.headers[n-1].Header.Height >= h.Header.Height {
		return fmt.Errorf("header %d stands behind header %d", h.Header.Height, b.headers[n-1].Header.Height)
	}
	if err := b.believes(h); err != nil {
		return err
	}
	b.headers = append(b.headers, h)
	return nil
}

// base is the last header in the memory below a height, nil where only the root
// of trust can tell.
func (b *believed) base(height int64) *proof.SignedHeader {
	for i := len(b.headers) - 1; i >= 0; i-- {
		if b.headers[i].Header.Height < height {
			return b.headers[i]
		}
	}
	return nil
}

// believes checks a header by what is in the memory.
func (b *believed) believes(h *proof.SignedHeader) error {
	base := b.base(h.Header.Height)
	if base == nil {
		return h.VerifyRoot(b.trust)
	}
	if h.Header.Height <= b.trust.Height {
		return h.VerifyRoot(b.trust)
	}
	return base.Follows(h)
}

// learn checks a header, and fetches headers between where the validators changed
// too much at once. What it learns stays in the memory.
func (b *believed) learn(ctx context.Context, node api.History, h *proof.SignedHeader) error {
	left := maxBetween
	if len(b.headers) == 0 && errors.Is(b.believes(h), proof.ErrTooFar) && h.Header.Height != b.trust.Height {
		first, err := fetchHeader(ctx, node, b.trust.Height)
		if err != nil {
			return fmt.Errorf("the validators changed since the root of trust, and its own header cannot be had: %w", err)
		}
		if first.Hash() != b.trust.HeaderHash {
			return fmt.Errorf("the header at the trusted height %d is another than the trusted one", b.trust.Height)
		}
		if err := b.add(first); err != nil {
			return err
		}
	}
	return b.reach(ctx, node, h, &left)
}

func (b *believed) reach(ctx context.Context, node api.History, h *proof.SignedHeader, left *int) error {
	for {
		err := b.believes(h)
		base := b.base(h.Header.Height)
		if err == nil {
			b.note(h)
			return nil
		}
		if !errors.Is(err, proof.ErrTooFar) {
			return errors.Join(restarted(ctx, node, base, h), err)
		}
		if base == nil || *left == 0 {
			return err
		}
		*left--
		middle, err := fetchHeader(ctx, node, base.Header.Height+(h.Header.Height-base.Header.Height+1)/2)
		if err != nil {
			return err
		}
		if middle.Header.Height >= h.Header.Height {
			return fmt.Errorf("header %d: its validators are not known", h.Header.Height)
		}
		if err := b.reach(ctx, node, middle, left); err != nil {
			return err
		}
		if n := len(b.headers); n == 0 || b.headers[n-1].Header.Height < middle.Header.Height {
			b.headers = append(b.headers, middle)
		}
	}
}

// ErrRestarted says that the network was restarted by a rescue: that its validators
// are others, and not by the votes of those before.
var ErrRestarted = errors.New("the network was restarted, which no light client follows: whoever accepts the rescue begins a new witness, with a new root of trust")

// restarted tells of the rescue by which a header's validators took over from those
// of the header before, nil where no document says so.
func restarted(ctx context.Context, node api.History, before, after *proof.SignedHeader) error {
	if before == nil || after.Header.Height != before.Header.Height+1 {
		return nil
	}
	answer, err := node.SignedHeader(ctx, before.Header.Height)
	if err != nil || len(answer.Rescue) == 0 {
		return nil // the node has nothing to say for itself
	}
	r, err := proof.DecodeRescue(answer.Rescue)
	if err == nil {
		err = r.Restarts(before)
	}
	if err == nil && proof.ValidatorSetHash(r.After()) != proof.ValidatorSetHash(after.Validators) {
		err = errors.New("rescue: the validators behind it are others than those who agreed")
	}
	if err != nil {
		return fmt.Errorf("the node tells of a rescue that does not hold: %w", err)
	}
	return fmt.Errorf("%w. %s", ErrRestarted, r.Says())
}

// note remembers a header whose validators are others than those before.
func (b *believed) note(h *proof.SignedHeader) {
	base := b.base(h.Header.Height)
	if base == nil && len(b.headers) > 0 || base != nil && base != b.headers[len(b.headers)-1] || h.Header.Height <= b.trust.Height {
		return // it is older than what is remembered
	}
	if base == nil || proof.ValidatorSetHash(base.Validators) != proof.ValidatorSetHash(h.Validators) {
		b.headers = append(b.headers, h)
	}
}

// fetchHeader asks a node for the header of a height.
func fetchHeader(ctx context.Context, node api.History, height int64) (*proof.SignedHeader, error) {
	answer, err := node.SignedHeader(ctx, height)
	if err != nil {
		return nil, err
	}
	h, err := proof.DecodeSignedHeader(answer.Signed)
	if err != nil {
		return nil, err
	}
	if h.Header.Height != height {
		return nil, fmt.Errorf("asked for header %d, the node answered header %d", height, h.Header.Height)
	}
	return h, nil
}
