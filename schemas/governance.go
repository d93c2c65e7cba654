package schemas

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What the state says of how members govern the network: proposals, which of them
// are open, and who has which company prefix.

// Bounds of governance.
const (
	MaxMembers       = 128 // active ones
	MaxOpenProposals = 4   // of one member
	MaxLeaving       = 64  // open ones of all participants, each about its own removal
	LongSilence      = 4   // times of silence after which members that are fewer than half suspend one that is silent
)

// ProposalID is a proposal's id: the place of the act that made it.
func ProposalID(at Locator) string { return fmt.Sprintf("%d-%d-%d", at.Height, at.Position, at.Index) }

// ParseProposalID reads what ProposalID wrote.
func ParseProposalID(id string) (at Locator, ok bool) {
	parts := strings.Split(id, "-")
	if len(parts) != 3 || len(id) > maxName {
		return at, false
	}
	height, err1 := strconv.ParseInt(parts[0], 10, 64)
	position, err2 := strconv.ParseUint(parts[1], 10, 32)
	index, err3 := strconv.ParseUint(parts[2], 10, 32)
	at = Locator{height, uint32(position), uint32(index)}
	return at, err1 == nil && err2 == nil && err3 == nil && height > 0 && ProposalID(at) == id
}

// Outcome is how a proposal stands.
type Outcome uint8

// Outcomes of proposals. Of an open one whose time is over none is recorded.
const (
	ProposalOpen Outcome = iota
	ProposalPassed
	ProposalRejected
	ProposalWithdrawn
)

var outcomeNames = [...]string{"open", "passed", "rejected", "withdrawn"}

// String returns the outcome's name.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// Count is how many messages a member had signed when a proposal was made.
type Count struct {
	Member string
	Signed uint64
}

// Proposal is the leaf value of a proposal.
type Proposal struct {
	Proposer string
	Time     int64 // of its block, nanoseconds
	Ends     int64 // block time up to which votes count, nanoseconds
	Change   Change
	For      []string // who voted for it, in order; the proposer, if it is a member, first
	Against  []string
	Outcome  Outcome
	Decided  Locator // of the act that decided it

	Counts []Count // of one that can be carried over silence: what active members had signed
}

// Append appends the leaf value: 1 proposer, 2 time, 3 ends, 4 change, as the act's
// members, 5 for and 6 against (repeated), 7 outcome, 8 decided, 9 count (repeated:
// 1 member, 2 messages signed).
func (p *Proposal) Append(dst []byte) []byte {
	dst = AppendString(dst, 1, p.Proposer)
	dst = appendTime(appendTime(dst, 2, p.Time), 3, p.Ends)
	dst = AppendField(dst, 4, appendBound(p.Change.bind))
	dst = appendTexts(appendTexts(dst, 5, p.For), 6, p.Against)
	if p.Outcome != ProposalOpen {
		dst = AppendField(AppendUint(dst, 7, uint64(p.Outcome)), 8, p.Decided.Append(nil))
	}
	for _, c := range p.Counts {
		dst = AppendField(dst, 9, AppendUint(AppendString(nil, 1, c.Member), 2, c.Signed))
	}
	return dst
}

// DecodeProposal reads such a leaf value.
func DecodeProposal(b []byte) (p Proposal, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.Proposer = decodeText(f, n, v)
		case 2:
			p.Time = decodeTime(f, n, v)
		case 3:
			p.Ends = decodeTime(f, n, v)
		case 4:
			err = decodeBound(v, p.Change.bind)
		case 5:
			p.For = append(p.For, decodeText(f, n, v))
		case 6:
			p.Against = append(p.Against, decodeText(f, n, v))
		case 7:
			p.Outcome = Outcome(bounded(f, n, v, uint64(ProposalWithdrawn)))
		case 8:
			p.Decided, err = DecodeLocator(v)
		case 9:
			p.Counts = append(p.Counts, decodeCount(f, n, v))
		default:
			f.Fail(n, "unknown")
		}
		if err != nil {
			f.Fail(n, err.Error())
		}
	}
	return p, f.Exact(b, p.Append(nil))
}

func decodeCount(f *Fields, n uint64, v []byte) (c Count) {
	in := ReadFields(v)
	for k, w, ok := in.Next(); ok; k, w, ok = in.Next() {
		switch k {
		case 1:
			c.Member = decodeText(in, k, w)
		case 2:
			c.Signed = in.Uint(k, w)
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil {
		f.Fail(n, "no count")
	}
	return c
}

// Board is the leaf value that tells which proposals are open.
type Board struct {
	Passed uint64 // height at which a change took effect last: one does in a block
	Open   []OpenProposal
}

// OpenProposal is one that was not decided when the board was written.
type OpenProposal struct {
	At       Locator
	Proposer string
	Ends     int64
}

// Append appends the leaf value: 1 passed, 2 open (repeated: 1 locator, 2 proposer, 3 ends).
func (o *Board) Append(dst []byte) []byte {
	dst = AppendUint(dst, 1, o.Passed)
	for _, p := range o.Open {
		b := AppendString(AppendField(nil, 1, p.At.Append(nil)), 2, p.Proposer)
		dst = AppendField(dst, 2, appendTime(b, 3, p.Ends))
	}
	return dst
}

// DecodeBoard reads such a leaf value.
func DecodeBoard(b []byte) (o Board, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			o.Passed = f.Uint(n, v)
		case 2:
			var p OpenProposal
			in := ReadFields(v)
			for k, w, ok := in.Next(); ok; k, w, ok = in.Next() {
				switch k {
				case 1:
					if p.At, err = DecodeLocator(w); err != nil {
						in.Fail(k, err.Error())
					}
				case 2:
					p.Proposer = decodeText(in, k, w)
				case 3:
					p.Ends = decodeTime(in, k, w)
				default:
					in.Fail(k, "unknown")
				}
			}
			if in.Err() != nil {
				f.Fail(n, "no open proposal")
			}
			o.Open = append(o.Open, p)
		default:
			f.Fail(n, "unknown")
		}
	}
	return o, f.Exact(b, o.Append(nil))
}

// Prefix is a company prefix that is registered for a partner: it alone commissions
// what is named under it.
type Prefix struct {
	Digits  string `json:"prefix"`
	Partner string `json:"partner"`
	Strict  bool   `json:"strict,omitempty"` // events of who is not the custodian of such things are refused
}

// Append appends the leaf value: 1 partner, 2 strict.
func (p *Prefix) Append(dst []byte) []byte {
	return appendFlag(AppendString(dst, 1, p.Partner), 2, p.Strict)
}

// DecodePrefix reads the leaf value of a prefix.
func DecodePrefix(digits string, b []byte) (Prefix, error) {
	p := Prefix{Digits: digits}
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.Partner = decodeText(f, n, v)
		case 2:
			p.Strict = f.Uint(n, v) == 1
		default:
			f.Fail(n, "unknown")
		}
	}
	return p, f.Exact(b, p.Append(nil))
}

// Keys of what governs: the board, a proposal, a company prefix.
func BoardKey() []byte               { return stateKey(kindBoard) }
func ProposalKey(at Locator) []byte  { return at.Append([]byte{kindProposal}) }
func PrefixKey(digits string) []byte { return stateKey(kindPrefix, digits) }

func isCompanyPrefix(s string) bool {
	return MinCompanyPrefix <= len(s) && len(s) <= MaxCompanyPrefix && allDigits(s)
}

// Digits of a GS1 company prefix.
const (
	MinCompanyPrefix = 4
	MaxCompanyPrefix = 12
)

// CompanyDigits are the digits of a GS1 identifier in its canonical form from where
// its company prefix begins, "" where it has none: how many of them are the prefix
// it does not tell.
func CompanyDigits(canonical string) string {
	rest, ok := strings.CutPrefix(canonical, canonicalStem)
	if !ok {
		return ""
	}
	ai, rest, _ := strings.Cut(rest, "/")
	k := keyOf(ai)
	if k == nil {
		return ""
	}
	value, _, _ := strings.Cut(rest, "/")
	if k.digits > 0 && len(value) >= k.digits {
		value = value[:k.digits-1] // without the check digit
		if k.zero || k.lead {
			value = value[1:]
		}
	}
	end := strings.IndexFunc(value, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		value = value[:end]
	}
	return value[:min(len(value), MaxCompanyPrefix)]
}

func isGLN(s string) bool {
	id, err := ParseIdentifier("https://id.gs1.org/417/" + s)
	gln, ok := id.GLN()
	return err == nil && ok && gln == s
}

// isLEI checks an LEI (ISO 17442-1, clause 6: check digits of ISO/IEC 7064, MOD 97-10).
func isLEI(s string) bool {
	if len(s) != 20 {
		return false
	}
	remainder := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			remainder = (remainder*10 + int(c-'0')) % 97
		case 'A' <= c && c <= 'Z' && i < 18:
			remainder = (remainder*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return remainder == 1
}

// ProposalState is a proposal as it is told.
type ProposalState struct {
	ID       string          `json:"proposal"`
	Proposer string          `json:"proposer"`
	Change   json.RawMessage `json:"change"` // as its act says it
	State    string          `json:"state"`  // open, passed, rejected, withdrawn or expired
	Time     time.Time       `json:"time"`
	Ends     time.Time       `json:"ends"`
	For      []string        `json:"for"`
	Against  []string        `json:"against"`
	Needed   int             `json:"needed"` // votes of active members, at the view's height
	At       Locator         `json:"at"`
	Decided  *Locator        `json:"decided,omitempty"`
}

// Tell is a proposal as it is told at a time, where so many members vote.
func (p *Proposal) Tell(at Locator, now int64, members int) ProposalState {
	b := binding{pass: writeJSON, out: []byte{'{'}}
	p.Change.bind(&b)
	s := ProposalState{ID: ProposalID(at), Proposer: p.Proposer, Change: append(b.out, '}'), State: p.Outcome.String(), At: at,
		Time: time.Unix(0, p.Time).UTC(), Ends: time.Unix(0, p.Ends).UTC(), For: append([]string{}, p.For...), Against: append([]string{}, p.Against...), Needed: Quorum(members)}
	switch {
	case p.Outcome != ProposalOpen:
		s.Decided = &p.Decided
	case now > p.Ends:
		s.State = "expired"
	}
	return s
}

// Quorum is how many of so many members must be for a proposal: more than two thirds.
func Quorum(members int) int { return 2*members/3 + 1 }

// Faults is how many of so many validators may fail while blocks go on: less than a
// third.
func Faults(validators int) int { return max(validators-1, 0) / 3 }

// Impact is what a change would do, told before anybody votes on it.
type Impact struct {
	Members    int `json:"members"`    // active ones, after it
	Needed     int `json:"needed"`     // of their votes, for a proposal to pass
	Validators int `json:"validators"` // after it
	Faults     int `json:"faults"`     // of them that may fail at once while blocks go on

	Stranded *Stranded `json:"stranded,omitempty"` // where a partner would be suspended or removed
}

// Stranded is what stays with who can sign nothing any more.
type Stranded struct {
	Items     int  `json:"items"`     // that it holds, containers with what is in them as one
	Lots      int  `json:"lots"`      // of which it has some, by class or lot and unit
	Shipments int  `json:"shipments"` // under way, of which it is shipper, carrier or receiver
	Partial   bool `json:"partial"`   // it holds so many at least: not all of the ledger was looked at
}

// Holdings is what a partner holds, and what waits for it.
type Holdings struct {
	Items     []string     `json:"items"`     // that are in no container
	Lots      []LotHolding `json:"lots"`      // of which it has some, outside of containers
	Shipments []string     `json:"shipments"` // under way, of which it is shipper, carrier or receiver
}

// LotHolding is how much somebody has of a class or lot.
type LotHolding struct {
	Class    string `json:"class"`
	Quantity string `json:"quantity,omitempty"` // exact decimal, "" where it is not known
	UOM      string `json:"uom,omitempty"`
	Known    bool   `json:"known"`
}
