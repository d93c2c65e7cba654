package app

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What happens without a message of its own, told by rows that no rule reads. A block
// behind the time of which something ended says between which times to look (deadline.go);
// what it made of its messages is a row each. So an empty block writes a row where
// something ended, and no more.

// The rows of a block's moments sort by kind; that which says that something ended by
// time comes last.
const momentsEnded = 0xff

func momentRow(height int64, kind byte, subject string) []byte {
	return append(append(append([]byte{rowMoment}, be64(height)...), kind), subject...)
}

func (b *block) happened(m *schemas.Moment) {
	b.led.Emit(momentRow(b.height, byte(m.Kind), m.Subjects[0]), m.Append(be64(b.now())))
}

// ended notes whether anything ended between the time of the block before and this
// one's. Nothing that this block writes did.
func (a *App) ended(b *block) {
	row := b.row([]byte{rowNow})
	if len(row) != 8 {
		return // it is the first, here: what ended before it is not known
	}
	before := int64(decodeUint64(row))
	prefix := []byte{rowDeadline}
	for row, err := range a.store.Latest().Rows(prefix, append(prefix, be64(before)...), false) {
		if err != nil {
			panic(ioFailure{fmt.Errorf("reading what ends: %w", err)})
		}
		if d := int64(decodeUint64(row.Key[1:])); d < b.now() {
			b.led.Emit(momentRow(b.height, momentsEnded, ""), append(be64(b.now()), be64(before)...))
		}
		break
	}
}

// became tells what became of the partners and of what they agreed on, in a block that
// changed something.
func (b *block) became() {
	if p := b.dir.parameters; p.UpgradeHeight != 0 && p.UpgradeHeight == uint64(b.height) {
		b.happened(&schemas.Moment{Kind: schemas.MomentUpgrade, Subjects: []string{fmt.Sprint(p.UpgradeRules)}})
	}
	if !b.governed {
		return
	}
	touched := slices.Clone(b.touched)
	slices.Sort(touched)
	for _, id := range slices.Compact(touched) {
		if after := b.partnerLeaf(id); after != nil { // else its admission was undone
			b.partnerBecame(b.dir.partner(id), after)
		}
	}
	value, _ := b.get(schemas.ParametersKey())
	after, before := must(schemas.DecodeParameters(value)), b.dir.parameters
	for _, p := range []*schemas.Parameters{&before, &after} {
		p.Rules, p.UpgradeHeight, p.UpgradeRules = 0, 0, 0 // what a vote schedules is told when it is in force
	}
	if !bytes.Equal(before.Append(nil), after.Append(nil)) {
		b.happened(&schemas.Moment{Kind: schemas.MomentParameters, Subjects: []string{after.ChainID}, From: b.height + 1})
	}
}

func (b *block) partnerBecame(before, after *schemas.Partner) {
	say := func(kind schemas.MomentKind, from int64) {
		b.happened(&schemas.Moment{Kind: kind, Subjects: []string{after.ID}, Concerns: []string{after.ID}, From: from})
	}
	if before == nil {
		say(schemas.MomentAdmitted, b.height+1)
		before = &schemas.Partner{NodeID: after.NodeID}
	} else if before.State != after.State {
		say(map[schemas.State]schemas.MomentKind{schemas.Active: schemas.MomentResumed, schemas.Suspended: schemas.MomentSuspended,
			schemas.Removed: schemas.MomentRemoved}[after.State], b.height+1)
	}
	switch {
	case len(after.Validate) == 0 && len(before.Validate) > 0:
		say(schemas.MomentNoValidator, b.height+2)
	case !bytes.Equal(after.Validate, before.Validate): // the engine lets it hold from the second block behind on
		say(schemas.MomentValidator, b.height+2)
	case after.NodeID != before.NodeID:
		say(schemas.MomentValidator, b.height+1)
	}
}

// decided tells that a vote decided a proposal.
func (m *message) decided(at schemas.Locator, p *schemas.Proposal) {
	kind, ok := map[schemas.Outcome]schemas.MomentKind{schemas.ProposalPassed: schemas.MomentPassed, schemas.ProposalRejected: schemas.MomentRejected}[p.Outcome]
	if !ok {
		return // its proposer withdrew it, which the message tells
	}
	told := schemas.Moment{Kind: kind, Subjects: []string{schemas.ProposalID(at)}, Concerns: []string{p.Proposer}, Cause: m.at}
	if about := cmp.Or(p.Change.Partner, p.Change.Prefix); about != "" {
		told.Subjects = append(told.Subjects, about)
	}
	if p.Change.Recall != "" {
		told.Subjects = append(told.Subjects, p.Change.Partner+"/"+p.Change.Recall)
	}
	if p.Change.Partner != "" && p.Change.Partner != p.Proposer {
		told.Concerns = append(told.Concerns, p.Change.Partner)
	}
	if kind == schemas.MomentPassed {
		told.From = m.height + 1
	}
	m.happened(&told)
}
