package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Governance. One member, one vote: members are the active ones of the state before
// the block. A proposal passes in the block in which more than two thirds of them
// are for it, and what it changes holds from the next block on. One passes in a
// block, so that each is judged by a directory that no other has changed. What ends
// by time is found when somebody comes to it: empty blocks change nothing.

// propose opens a proposal, for which its proposer votes. A participant, which has no
// vote, proposes nothing but its own removal.
func (m *message) propose(c *schemas.Change) schemas.Code {
	member := m.isMember(m.partner)
	if !member && !(c.Kind == schemas.Remove && c.Partner == m.partner) {
		return schemas.NotAMember
	}
	board := m.board()
	board.Open = slices.DeleteFunc(board.Open, func(o schemas.OpenProposal) bool { return m.now() > o.Ends })
	if !m.roomFor(board, member) {
		return schemas.TooManyProposals
	}
	if code := m.judge(c); code != schemas.OK {
		return code
	}
	p := schemas.Proposal{Proposer: m.partner, Time: m.now(), Ends: m.now() + m.dir.voting(), Change: *c}
	if member {
		p.For = []string{m.partner}
	}
	if c.Kind.OverSilence() {
		p.Ends += m.dir.silent()
		if c.Kind == schemas.Suspend {
			p.Ends += (schemas.LongSilence - 1) * m.dir.silent()
		}
		for _, member := range m.dir.members {
			p.Counts = append(p.Counts, schemas.Count{Member: member, Signed: m.signed(member)})
		}
	}
	board.Open = append(board.Open, schemas.OpenProposal{At: m.at, Proposer: m.partner, Ends: p.Ends})
	m.led.Emit(proposalRow(m.at), present)
	return m.decide(m.at, &p, board)
}

// roomFor reports whether another proposal of the message's signer has room: a member has
// some, a participant one, and all participants together so many that what each vote
// reads does not grow with them.
func (m *message) roomFor(board *schemas.Board, member bool) bool {
	mine, guests := 0, 0
	for _, o := range board.Open {
		if o.Proposer == m.partner {
			mine++
		}
		if m.dir.partner(o.Proposer).Standing == schemas.StandingParticipant {
			guests++
		}
	}
	if member {
		return mine < schemas.MaxOpenProposals
	}
	return mine == 0 && guests < schemas.MaxLeaving
}

// vote takes a member's vote, which decides the proposal if it can be decided.
func (m *message) vote(v *schemas.Vote) schemas.Code {
	if !m.isMember(m.partner) {
		return schemas.NotAMember
	}
	at, p, code := m.openProposal(v.Proposal)
	if code != schemas.OK {
		return code
	}
	voted := slices.Contains(p.For, m.partner) || slices.Contains(p.Against, m.partner)
	switch {
	case m.now() > p.Ends:
		return schemas.VotingOver
	case voted && !(v.Approve && slices.Contains(p.For, m.partner) && m.carried(at, p)):
		return schemas.AlreadyVoted // unless the others have been silent for long enough since
	case voted:
	case v.Approve:
		p.For = append(p.For, m.partner)
	default:
		p.Against = append(p.Against, m.partner)
	}
	return m.decide(at, p, m.board())
}

// takeBack withdraws a proposal.
func (m *message) takeBack(w *schemas.Withdraw) schemas.Code {
	at, p, code := m.openProposal(w.Proposal)
	switch {
	case code != schemas.OK:
		return code
	case p.Proposer != m.partner:
		return schemas.NotProposer
	}
	m.closeProposal(at, p, m.board(), schemas.ProposalWithdrawn)
	return schemas.OK
}

// decide writes a proposal, and runs its change if it passes.
func (m *message) decide(at schemas.Locator, p *schemas.Proposal, board *schemas.Board) schemas.Code {
	switch {
	case m.carried(at, p):
		if board.Passed == uint64(m.height) {
			return schemas.OneAtATime
		}
		if code := m.judge(&p.Change); code != schemas.OK {
			return code
		}
		if code := m.change(&p.Change); code != schemas.OK {
			return code
		}
		board.Passed = uint64(m.height)
		m.closeProposal(at, p, board, schemas.ProposalPassed)
	case 3*m.count(p.Against) >= len(m.dir.members): // the rest is not more than two thirds
		m.closeProposal(at, p, board, schemas.ProposalRejected)
	default:
		m.expect(nil, proposalDeadline(at, p))
		m.led.Set(schemas.ProposalKey(at), p.Append(nil), nil)
		m.led.Set(schemas.BoardKey(), board.Append(nil), nil)
	}
	return schemas.OK
}

func (m *message) closeProposal(at schemas.Locator, p *schemas.Proposal, board *schemas.Board, outcome schemas.Outcome) {
	m.expect(proposalDeadline(at, p), nil)
	p.Outcome, p.Decided, p.Counts = outcome, m.at, nil
	m.decided(at, p)
	board.Open = slices.DeleteFunc(board.Open, func(o schemas.OpenProposal) bool { return o.At == at })
	m.led.Set(schemas.ProposalKey(at), p.Append(nil), nil)
	m.led.Set(schemas.BoardKey(), board.Append(nil), nil)
}

// carried reports whether enough members are for a proposal: more than two thirds of
// all, or, where it is about one that is silent, of those that are not. These must be
// half of all at least, so that a few do not take the network from many that had nothing
// to sign; but to suspend one they may be fewer after a long time, so that the network
// is not stuck for ever with members that are gone.
func (m *message) carried(at schemas.Locator, p *schemas.Proposal) bool {
	all, yes := len(m.dir.members), m.count(p.For)
	if 3*yes > 2*all {
		return true
	}
	about := p.Change.Partner
	since := m.now() - p.Time
	if !p.Change.Kind.OverSilence() || since < m.dir.silent() || m.signedSince(p, about) {
		return false
	}
	if p.Change.Kind == schemas.Suspend && m.votesSince(at, about) {
		return false // to give it new keys counts what it signs with those that it has
	}
	awake := 0
	for _, member := range m.dir.members {
		if member != about && (m.signedSince(p, member) || m.votesSince(at, member)) {
			awake++
		}
	}
	long := p.Change.Kind == schemas.Suspend && since >= schemas.LongSilence*m.dir.silent()
	return 3*yes > 2*awake && (long || 2*awake >= all)
}

// signedSince reports whether a member signed anything since a proposal was made: a
// vote on it, or anything else.
func (m *message) signedSince(p *schemas.Proposal, member string) bool {
	if member == m.partner || slices.Contains(p.For, member) || slices.Contains(p.Against, member) {
		return true
	}
	i := slices.IndexFunc(p.Counts, func(c schemas.Count) bool { return c.Member == member })
	return i < 0 || m.signed(member) != p.Counts[i].Signed
}

// votesSince reports whether a member's validator is seen signing blocks, and was since
// a proposal was made.
func (m *message) votesSince(at schemas.Locator, member string) bool {
	p := m.dir.partner(member)
	if p == nil || len(p.Validate) == 0 {
		return false
	}
	address := schemas.AddressOf(p.Validate)
	return slices.ContainsFunc(m.block.signing, func(s schemas.Seen) bool { return s.Address == address && s.Height >= uint64(at.Height) })
}

// signed is how many messages a partner signed before this transaction.
func (b *block) signed(partner string) uint64 {
	return b.registerOf(partner).trail.Count
}

func (b *block) isMember(partner string) bool {
	_, ok := slices.BinarySearch(b.dir.members, partner)
	return ok
}

// count is how many of those who voted are members now.
func (b *block) count(voted []string) (n int) {
	for _, member := range voted {
		if b.isMember(member) {
			n++
		}
	}
	return n
}

func (b *block) board() *schemas.Board {
	value, _ := b.get(schemas.BoardKey())
	board := must(schemas.DecodeBoard(value))
	return &board
}

func (b *block) openProposal(id string) (schemas.Locator, *schemas.Proposal, schemas.Code) {
	at, _ := schemas.ParseProposalID(id)
	value, _ := b.get(schemas.ProposalKey(at))
	if value == nil {
		return at, nil, schemas.NoSuchProposal
	}
	b.affordLeaf(value)
	p := must(schemas.DecodeProposal(value))
	if p.Outcome != schemas.ProposalOpen {
		return at, nil, schemas.ProposalEnded
	}
	return at, &p, schemas.OK
}

func proposalRow(at schemas.Locator) []byte { return at.Append([]byte{rowProposal}) }
