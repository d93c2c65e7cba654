package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// sighting is what a node told in a round: a checkpoint under a header that is
// believed, or why it does not count.
type sighting struct {
	node       WitnessNode
	checkpoint *proof.Checkpoint
	proof      *proof.CheckpointProof
	chain      *believed // the memory, with what this node taught
	behind     bool
	met        bool // its past was compared with the root of trust
	fault      error
}

// look asks all nodes at once. Each has its own time: one that does not answer
// holds up nobody.
func (w *Witness) look(ctx context.Context) []*sighting {
	seen := make([]*sighting, len(w.cfg.Nodes))
	var asked sync.WaitGroup
	for i, node := range w.cfg.Nodes {
		seen[i] = &sighting{node: node, chain: w.chain.clone()}
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
			defer cancel()
			seen[i].fault = w.see(ctx, seen[i])
		})
	}
	asked.Wait()
	for _, s := range seen {
		if s.met {
			w.met[s.node.Name] = true
		}
	}
	return seen
}

// see fetches a node's checkpoint and checks it by itself.
func (w *Witness) see(ctx context.Context, s *sighting) error {
	answer, err := s.node.Checkpoint(ctx)
	var problem *api.Problem
	if errors.As(err, &problem) && problem.Code == schemas.NotFound && w.lastHeld() == nil {
		return nil // no transaction yet
	}
	if err != nil {
		return err
	}
	p, err := proof.DecodeCheckpointProof(answer.Proof)
	if err != nil {
		return err
	}
	if ahead := p.Anchor.Header.Time.Sub(w.cfg.Now()); ahead > maxAhead {
		return fmt.Errorf("its header is %s ahead of this machine's clock", ahead)
	}
	if err := s.chain.learn(ctx, s.node, &p.Anchor); err != nil {
		return err
	}
	if err := w.meet(ctx, s); err != nil {
		return err
	}
	c, err := p.Verify()
	if err != nil {
		return err
	}
	s.proof, s.checkpoint = p, c
	return nil
}

// meet compares a node's header at the trusted height with the root of trust, once.
// A node that has pruned that header is believed by its later ones.
func (w *Witness) meet(ctx context.Context, s *sighting) error {
	if w.met[s.node.Name] {
		return nil
	}
	h, err := fetchHeader(ctx, s.node, w.cfg.Trust.Height)
	var problem *api.Problem
	switch {
	case errors.As(err, &problem) && problem.Code == schemas.NotFound:
	case err != nil:
		return fmt.Errorf("asking for the header at the trusted height: %w", err)
	case h.Hash() != w.cfg.Trust.HeaderHash:
		return fmt.Errorf("its header at the trusted height %d is %s, the trusted one %s", w.cfg.Trust.Height, h.Hash(), w.cfg.Trust.HeaderHash)
	}
	s.met = true
	return nil
}

// compare relates what the nodes told to the last word and to each other. Its
// answer is the newest checkpoint that continues the last word, or evidence of
// two histories.
func (w *Witness) compare(ctx context.Context, seen []*sighting) (*Alarm, *sighting) {
	var valid []*sighting
	for _, s := range seen {
		if s.checkpoint != nil {
			valid = append(valid, s)
		}
	}
	slices.SortStableFunc(valid, func(a, b *sighting) int { return cmp.Compare(b.checkpoint.Size, a.checkpoint.Size) })
	var top *sighting
	for _, s := range valid {
		if alarm := w.past(ctx, s); alarm != nil {
			return alarm, nil
		}
		if s.fault == nil && top == nil {
			top = s
		}
	}
	for _, s := range valid {
		if s == top || s.fault != nil {
			continue
		}
		if alarm := w.relate(ctx, seer{s.node.Name, s.checkpoint, s.proof}, top, s); alarm != nil {
			return alarm, nil
		}
		s.behind = s.checkpoint.Size < top.checkpoint.Size
	}
	return nil, top
}

// past compares what a node told with what the witness cosigned before: the last
// word, or, where the node is behind that, the last one that it is not behind.
func (w *Witness) past(ctx context.Context, s *sighting) *Alarm {
	last := w.lastHeld()
	if last == nil {
		return nil
	}
	if s.checkpoint.Size < last.checkpoint.Size {
		s.behind = true
		var err error
		if last, err = w.store.below(s.checkpoint.Size, w.signer.Key); last == nil || err != nil {
			if err != nil {
				s.fault = err
			}
			return nil // all that is kept is later: the other nodes will tell
		}
	}
	return w.relate(ctx, seer{"the witness's own memory", last.checkpoint, last.proof}, s, s)
}

// seer is who saw a checkpoint.
type seer struct {
	name       string
	checkpoint *proof.Checkpoint
	proof      *proof.CheckpointProof
}

// relate checks that the checkpoint that large's node told continues a smaller
// one. That the node cannot prove it makes blame faulty, which is no evidence
// against the network; that its log proves to go another way is.
func (w *Witness) relate(ctx context.Context, small seer, large, blame *sighting) *Alarm {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	a, b := small.checkpoint, large.checkpoint
	if a.Size == b.Size {
		if a.Root == b.Root {
			return nil
		}
		return w.alarmOf(small, large, nil)
	}
	growth, err := large.node.Growth(ctx, a.Size, b.Size)
	if err == nil {
		if err = proof.VerifyConsistency(a.Head(), b.Head(), raw(growth.Path)); err == nil {
			return nil
		}
	}
	// Where the logs part, no proof of growth exists. What the larger log has in
	// place of the smaller one's last header tells that they do.
	anchor, other := large.node.Anchor(ctx, a.Size-1, b.Size)
	if other == nil {
		other = checkAnchor(anchor, a, b)
	}
	if other != nil {
		blame.fault = fmt.Errorf("%s cannot prove that its log of %d headers continues one of %d: %w", large.node.Name, b.Size, a.Size, errors.Join(err, other))
		return nil
	}
	if anchor.Height == small.proof.Anchor.Header.Height && anchor.Hash == small.proof.Anchor.Hash() {
		// A header commits to all before it: it is one history, badly proven.
		w.cfg.Logger.Warn("a node's proof of growth does not hold", slog.String("node", large.node.Name), slog.Any("error", err))
		return nil
	}
	return w.alarmOf(small, large, anchor)
}

func checkAnchor(p *api.AnchorProof, a, b *proof.Checkpoint) error {
	if p.Index != a.Size-1 || p.Size != b.Size {
		return errors.New("it answered something else than it was asked for")
	}
	return proof.VerifyInclusion(b.Head(), p.Index, schemas.AnchorEntry(p.Height, p.Hash[:]), raw(p.Path))
}

func (w *Witness) alarmOf(small seer, large *sighting, anchor *api.AnchorProof) *Alarm {
	a := &Alarm{ChainID: w.cfg.Trust.ChainID, Found: w.cfg.Now().UTC(), Anchor: anchor,
		Sides: []AlarmSide{sideOf(small.name, small.checkpoint, small.proof), sideOf(large.node.Name, large.checkpoint, large.proof)}}
	a.What = fmt.Sprintf("header %d that %s knows and header %d of %s belong to two histories: more than two thirds of the validators signed both",
		a.Sides[0].Height, small.name, a.Sides[1].Height, large.node.Name)
	for _, h := range large.chain.headers {
		a.Validators = append(a.Validators, h.Encode())
	}
	return a
}
