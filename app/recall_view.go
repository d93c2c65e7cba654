package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of one look at where a recall reaches.
const (
	maxReachEvents = 100_000 // events that are looked at
	maxReachDepth  = 64

	maxHeldTold = 20_000 // things and lots that all answers together list
)

// Recalls are recalls in the order of issuer and name, behind one, at most limit; more
// tells whether there are others.
func (v *View) Recalls(after schemas.RecallRef, open bool, limit int) (out []schemas.RecallInfo, more bool, err error) {
	prefix := schemas.RecallKey("", "")[:1]
	last := schemas.RecallKey(after.Issuer, after.Recall)
	for leaf, err := range v.at.LeavesFrom(prefix, last) {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading recalls: %w", err))
		}
		issuer, name, ok := strings.Cut(string(leaf.Key[1:]), "\x00")
		if !ok || issuer == "" || string(leaf.Key) == string(last) {
			continue // how many are open, or the one before
		}
		s, err := schemas.DecodeRecall(leaf.Value)
		if err != nil {
			return nil, false, fmt.Errorf("reading a recall of %s: %w", issuer, err)
		}
		if open && s.Closed != 0 {
			continue
		}
		if len(out) == limit {
			return out, true, nil
		}
		out = append(out, schemas.RecallInfo{RecallRef: schemas.RecallRef{Issuer: issuer, Recall: name}, RecallState: s})
	}
	return out, false, nil
}

// Recall is a recall with the answers of its holders, nil where there is none.
func (v *View) Recall(ref schemas.RecallRef) (*schemas.RecallInfo, error) {
	return v.recallWith(ref, maxHeldTold)
}

// recallWith is Recall with so many things and lots that answers list.
func (v *View) recallWith(ref schemas.RecallRef, held int) (*schemas.RecallInfo, error) {
	value, _, err := v.get(schemas.RecallKey(ref.Issuer, ref.Recall))
	if value == nil || err != nil || ref.Issuer == "" {
		return nil, err
	}
	out := &schemas.RecallInfo{RecallRef: ref}
	if out.RecallState, err = schemas.DecodeRecall(value); err != nil {
		return nil, fmt.Errorf("reading a recall of %s: %w", ref.Issuer, err)
	}
	told, prefix := 0, schemas.RecallReplyKey(ref.Issuer, ref.Recall, "")
	for leaf, err := range v.at.Leaves(prefix) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading answers to a recall: %w", err))
		}
		a, err := schemas.DecodeAcknowledgement(leaf.Value)
		if err != nil {
			return nil, fmt.Errorf("reading an answer to a recall: %w", err)
		}
		reply := schemas.RecallReply{Partner: string(leaf.Key[len(prefix):]), Acknowledgement: a}
		if told += len(a.Held); told > held {
			reply.Held, reply.Cut = nil, len(a.Held) > 0
		}
		out.Replies = append(out.Replies, reply)
	}
	return out, nil
}

// recalledBy are the things and lots that a recall names, as far as one look goes; more
// tells whether there are others.
func (v *View) recalledBy(ref schemas.RecallRef) (ids []string, more bool, err error) {
	prefix := recalledRow(ref, "")
	for row, err := range v.at.Rows(prefix, nil, false) {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading what a recall names: %w", err))
		}
		if len(ids) >= maxReachEvents {
			return ids, true, nil
		}
		ids = append(ids, string(row.Key[len(prefix):]))
	}
	return ids, false, nil
}

// RecallReach follows what a recall names downstream, and tells who holds what of it
// now. It reads no bodies. On a node that lacks records it cannot tell all, and says so.
func (v *View) RecallReach(ctx context.Context, ref schemas.RecallRef) (*schemas.RecallReach, error) {
	info, err := v.Recall(ref)
	if info == nil || err != nil {
		return nil, err
	}
	named, more, err := v.recalledBy(ref)
	if err != nil {
		return nil, err
	}
	_, lacking, err := v.Missing()
	if err != nil {
		return nil, err
	}
	t := v.tracer(ctx, schemas.TraceQuery{Direction: schemas.Downstream, MaxDepth: maxReachDepth, MaxEvents: maxReachEvents})
	t.bare = true
	made := making{tracer: t, issuer: ref.Issuer}
	for i := range info.Made {
		if err := made.gather(&info.Made[i]); err != nil {
			return nil, err
		}
	}
	for _, id := range append(named, made.ids...) {
		t.queue = append(t.queue, step{id: id, span: always, down: true, contents: always, branch: "self"})
	}
	if err := t.run(); err != nil {
		return nil, err
	}
	out := &schemas.RecallReach{RecallInfo: *info, Height: v.Height(), Time: v.Time(), Items: len(t.out.Items), Truncated: t.out.Truncated || more || lacking > 0}
	if err := v.holders(ctx, t, out); err != nil {
		return nil, err
	}
	if out.Packed, err = v.packedUnnamed(t, made.ids, named); err != nil {
		return nil, err
	}
	for i := range out.Holders { // answers are in the order of partners, too
		h := &out.Holders[i]
		at, found := slices.BinarySearchFunc(info.Replies, h.Partner, func(r schemas.RecallReply, partner string) int { return strings.Compare(r.Partner, partner) })
		if h.Acknowledged = found; found {
			h.Done = info.Replies[at].Done
		}
		if !h.Done {
			out.Open++
		}
	}
	return out, nil
}

// holders tells who holds what of a reach, and how much.
func (v *View) holders(ctx context.Context, t *tracer, out *schemas.RecallReach) error {
	at := map[string]int{}
	holder := func(partner string) *schemas.RecallHolder {
		i, ok := at[partner]
		if !ok {
			i, at[partner] = len(out.Holders), len(out.Holders)
			out.Holders = append(out.Holders, schemas.RecallHolder{Partner: partner})
		}
		return &out.Holders[i]
	}
	for i, it := range t.out.Items {
		if i%256 == 255 && ctx.Err() != nil {
			return ctx.Err()
		}
		if it.Class {
			balances, err := v.Balances(it.ID)
			if err != nil {
				return err
			}
			for _, b := range balances {
				if b.Known && b.Quantity == "0" {
					continue
				}
				h := holder(b.Partner)
				if h.Lots++; len(h.Balances) < schemas.MaxReachShown {
					h.Balances = append(h.Balances, schemas.RecallBalance{ID: it.ID, Balance: b})
				}
			}
			continue
		}
		s, err := v.itemMet(t, it.ID)
		if err != nil {
			return err
		}
		if s == nil || s.Ended || s.Custodian == "" {
			continue
		}
		h := holder(s.Custodian)
		if h.Items++; len(h.IDs) < schemas.MaxReachShown {
			h.IDs = append(h.IDs, it.ID)
		}
	}
	slices.SortFunc(out.Holders, func(a, b schemas.RecallHolder) int { return strings.Compare(a.Partner, b.Partner) })
	return nil
}

// packedUnnamed are things that a recall names by their time alone, inside containers.
func (v *View) packedUnnamed(t *tracer, ids, named []string) (packed []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	known := map[string]bool{}
	for _, id := range named {
		known[id] = true
	}
	for _, id := range ids {
		it := t.leaves[id]
		if it == nil || it.Parent == "" || known[id] {
			continue
		}
		parent, _, err := v.placed(it)
		if err != nil {
			return nil, err
		}
		if parent == nil {
			continue
		}
		if packed = append(packed, id); len(packed) >= schemas.MaxReachShown {
			break
		}
	}
	return packed, nil
}

// itemMet is the state of an item that a trace has met, nil where there is none.
func (v *View) itemMet(t *tracer, id string) (*schemas.ItemState, error) {
	it, known := t.leaves[id]
	switch {
	case !known:
		return v.Item(id)
	case it == nil:
		return nil, nil
	}
	return v.stateOf(id, it)
}

// Recalled are the open recalls that name a thing or lot.
func (v *View) Recalled(id string) (open []schemas.RecallRef, err error) {
	value, _, err := v.get(schemas.RecalledKey(id))
	if err != nil {
		return nil, err
	}
	marks, err := schemas.DecodeRecalled(value)
	if err != nil {
		return nil, fmt.Errorf("reading which recalls name %q: %w", id, err)
	}
	if it, err := v.leaf(id); err != nil {
		return nil, err
	} else if it != nil && it.Maker != "" {
		marks.Maker, marks.First, marks.Last = it.Maker, it.Made, it.Made
	}
	if marks.Recalls, err = v.spanning(id, &marks); err != nil {
		return nil, err
	}
	for _, ref := range marks.Recalls {
		still, err := v.recallOpen(ref)
		if err != nil {
			return nil, err
		}
		if still {
			open = append(open, ref)
		}
	}
	return open, nil
}

// RecallsInside is what open recalls name inside a container, by the list that the rules go
// by.
func (v *View) RecallsInside(container string) (schemas.RecalledInside, error) {
	value, _, err := v.get(schemas.RecalledInsideKey(container))
	if err != nil {
		return schemas.RecalledInside{}, err
	}
	in, err := schemas.DecodeRecalledInside(value)
	if err != nil {
		return in, fmt.Errorf("reading which recalls name something inside %q: %w", container, err)
	}
	all := in.Recalls
	in.Recalls = nil
	for _, r := range all {
		open, err := v.recallOpen(r.RecallRef)
		if err != nil {
			return in, err
		}
		if open {
			in.Recalls = append(in.Recalls, r)
		}
	}
	return in, nil
}

func (v *View) recallOpen(ref schemas.RecallRef) (bool, error) {
	value, _, err := v.get(schemas.RecallKey(ref.Issuer, ref.Recall))
	if err != nil {
		return false, err
	}
	s, err := schemas.DecodeRecall(value)
	if err != nil {
		return false, fmt.Errorf("reading a recall of %s: %w", ref.Issuer, err)
	}
	return s.Closed == 0, nil
}
