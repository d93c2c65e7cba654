package schemas

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// Standing says what a partner may do.
type Standing uint32

// Standings of partners.
const (
	StandingMember      Standing = 1 // votes and may validate
	StandingParticipant Standing = 2 // submits, hosted on a member's node
	StandingObserver    Standing = 3 // reads
)

var standingNames = map[Standing]string{StandingMember: "member", StandingParticipant: "participant", StandingObserver: "observer"}

// String returns the standing's name.
func (s Standing) String() string { return standingNames[s] }

// MarshalText writes the standing's name.
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a standing's name.
func (s *Standing) UnmarshalText(b []byte) error {
	for k, name := range standingNames {
		if name == string(b) {
			*s = k
			return nil
		}
	}
	return fmt.Errorf("no such standing: %q", b)
}

// State says whether a partner acts on the ledger. What it holds it holds in any state.
type State uint32

// States of partners.
const (
	Active    State = iota // as its standing allows
	Suspended              // it signs nothing, and counts in no vote, until it is active again
	Removed                // for good
)

var stateNames = [...]string{"active", "suspended", "removed"}

// String returns the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(b []byte) error {
	i := slices.Index(stateNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("no such state: %q", b)
	}
	*s = State(i)
	return nil
}

// Holding says how a key is held; proofs tell it.
type Holding uint32

// Holdings of keys.
const (
	HeldByGateway  Holding = 1
	HeldByClient   Holding = 2
	HeldInHardware Holding = 3
)

var holdingNames = map[Holding]string{HeldByGateway: "gateway", HeldByClient: "client", HeldInHardware: "hardware"}

// String returns the holding's name.
func (h Holding) String() string { return holdingNames[h] }

// MarshalText writes the holding's name.
func (h Holding) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads a holding's name.
func (h *Holding) UnmarshalText(b []byte) error {
	for k, name := range holdingNames {
		if name == string(b) {
			*h = k
			return nil
		}
	}
	return fmt.Errorf("no such holding: %q", b)
}

// Roles of keys, as bits.
const (
	RoleCapture  uint32 = 1 << iota // signs events
	RoleAdmin                       // signs changes of the partner itself, and its votes
	RoleOperator                    // signs what its node does: that it is ready
	RoleDevice                      // signs single messages, as their author
	RoleAuditor                     // signs nothing; whoever has it reads what its partner may
)

var roleNames = [...]string{"capture", "admin", "operator", "device", "auditor"}

// RoleNames are the names of roles, joined with commas.
func RoleNames(roles uint32) string {
	var out []string
	for i, name := range roleNames {
		if roles&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// ParseRoles reads what RoleNames wrote.
func ParseRoles(s string) (roles uint32, err error) {
	for name := range strings.SplitSeq(s, ",") {
		i := slices.Index(roleNames[:], name)
		if i < 0 {
			return 0, fmt.Errorf("no such role: %q, there are %s", name, strings.Join(roleNames[:], ", "))
		}
		roles |= 1 << i
	}
	return roles, nil
}

// Partner is an organisation on the ledger.
type Partner struct {
	ID       string   `json:"id"`   // short name, [a-z0-9-]
	Name     string   `json:"name"` // legal name
	GLN      string   `json:"gln"`  // 13 digits; its PGLN
	Standing Standing `json:"standing"`
	NodeID   string   `json:"node_id,omitempty"`   // of its validator node, as peers know it
	Validate []byte   `json:"validator,omitempty"` // Ed25519 consensus key of its validator

	State        State  `json:"state,omitzero"`
	Host         string `json:"host,omitempty"`         // of a participant: the member whose node it works through
	Sponsor      string `json:"sponsor,omitempty"`      // of a participant: the member that answers for it
	LEI          string `json:"lei,omitempty"`          // ISO 17442
	Registration string `json:"registration,omitempty"` // in a register of companies, as "DE HRB 123456"
	Threshold    uint32 `json:"threshold,omitempty"`    // admin keys that must agree to a change of keys; 0 is 1
}

// Append appends the partner's leaf value: 1 name, 2 GLN, 3 standing, 4 node id,
// 5 consensus key, 6 state, 7 host, 8 sponsor, 9 LEI, 10 registration, 11 threshold.
func (p *Partner) Append(dst []byte) []byte {
	dst = AppendString(dst, 1, p.Name)
	dst = AppendString(dst, 2, p.GLN)
	dst = AppendUint(dst, 3, uint64(p.Standing))
	dst = AppendString(dst, 4, p.NodeID)
	dst = AppendField(dst, 5, p.Validate)
	dst = AppendUint(dst, 6, uint64(p.State))
	dst = AppendString(dst, 7, p.Host)
	dst = AppendString(dst, 8, p.Sponsor)
	dst = AppendString(dst, 9, p.LEI)
	dst = AppendString(dst, 10, p.Registration)
	return AppendUint(dst, 11, uint64(p.Threshold))
}

// DecodePartner reads the leaf value of the partner id.
func DecodePartner(id string, b []byte) (Partner, error) {
	p := Partner{ID: id}
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.Name = string(v)
		case 2:
			p.GLN = string(v)
		case 3:
			p.Standing = Standing(f.Uint(n, v))
		case 4:
			p.NodeID = string(v)
		case 5:
			p.Validate = bytes.Clone(v)
		case 6:
			p.State = State(bounded(f, n, v, uint64(Removed)))
		case 7:
			p.Host = string(v)
		case 8:
			p.Sponsor = string(v)
		case 9:
			p.LEI = string(v)
		case 10:
			p.Registration = string(v)
		case 11:
			p.Threshold = uint32(bounded(f, n, v, 1<<32-1))
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return p, f.Exact(b, p.Append(stack[:0]))
}

// IsPartnerID reports whether a partner may have this id: 1 to 32 of a-z, 0-9 and
// inner hyphens.
func IsPartnerID(id string) bool { return partnerID.MatchString(id) }

// Key is a partner's signing key.
type Key struct {
	Partner string  `json:"partner"`
	ID      string  `json:"id"`
	Public  []byte  `json:"public"` // Ed25519
	Roles   uint32  `json:"roles"`
	Held    Holding `json:"held"`
	From    uint64  `json:"from"`            // first height at which it is valid
	Until   uint64  `json:"until,omitempty"` // last height, 0 for no end
}

// KeyID is the id of a public key: the first 16 hexadecimal digits of its hash.
func KeyID(public ed25519.PublicKey) string { return Sum("waybill/key", public).String()[:16] }

// ValidAt reports whether the key may be used at a height.
func (k *Key) ValidAt(height uint64) bool {
	return height >= k.From && (k.Until == 0 || height <= k.Until)
}

// Append appends the key's leaf value: 1 public key, 2 roles, 3 holding, 4 from,
// 5 until.
func (k *Key) Append(dst []byte) []byte {
	dst = AppendField(dst, 1, k.Public)
	dst = AppendUint(dst, 2, uint64(k.Roles))
	dst = AppendUint(dst, 3, uint64(k.Held))
	dst = AppendUint(dst, 4, k.From)
	return AppendUint(dst, 5, k.Until)
}

// DecodeKey reads the leaf value of a partner's key.
func DecodeKey(partner, id string, b []byte) (Key, error) {
	k := Key{Partner: partner, ID: id}
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			k.Public = bytes.Clone(v)
		case 2:
			k.Roles = uint32(f.Uint(n, v))
		case 3:
			k.Held = Holding(f.Uint(n, v))
		case 4:
			k.From = f.Uint(n, v)
		case 5:
			k.Until = f.Uint(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	if len(k.Public) != ed25519.PublicKeySize {
		f.Fail(1, "no Ed25519 key")
	}
	var stack [valueSize]byte
	return k, f.Exact(b, k.Append(stack[:0]))
}

// Genesis is the ledger's first state: the application state of CometBFT's
// genesis document.
type Genesis struct {
	Rules    uint32    `json:"rules"`
	Partners []Partner `json:"partners"`
	Keys     []Key     `json:"keys"`

	Retention []RetentionClass `json:"retention,omitempty"` // the first is that of events without one of their own

	Strict        bool     `json:"strict,omitempty"`         // the rest is as in Parameters
	VotingSeconds uint64   `json:"voting_seconds,omitempty"` // 60 at least, where it is given
	SilentSeconds uint64   `json:"silent_seconds,omitempty"` // 60 at least, where it is given
	ClientAccepts bool     `json:"client_accepts,omitempty"`
	Prefixes      []Prefix `json:"prefixes,omitempty"` // company prefixes that are registered
}

// Parameters are those that the genesis state gives a chain.
func (g *Genesis) Parameters(chainID string) Parameters {
	return Parameters{ChainID: chainID, Rules: g.Rules, Retention: g.Retention, Strict: g.Strict,
		VotingSeconds: g.VotingSeconds, SilentSeconds: g.SilentSeconds, ClientAccepts: g.ClientAccepts}
}

var partnerID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// DecodeGenesis reads and checks a genesis state.
func DecodeGenesis(b []byte) (*Genesis, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	g := &Genesis{}
	if err := d.Decode(g); err != nil {
		return nil, fmt.Errorf("reading the genesis state: %w", err)
	}
	if d.More() {
		return nil, errors.New("reading the genesis state: more follows behind it")
	}
	if err := g.check(); err != nil {
		return nil, fmt.Errorf("checking the genesis state: %w", err)
	}
	sort.Slice(g.Partners, func(i, j int) bool { return g.Partners[i].ID < g.Partners[j].ID })
	return g, nil
}

func (g *Genesis) check() error {
	if g.Rules < 1 || g.Rules > RulesVersion {
		return fmt.Errorf("rules version %d, this program knows 1 to %d", g.Rules, RulesVersion)
	}
	if err := CheckRetention(g.Retention); err != nil {
		return err
	}
	seen := map[string]bool{}
	unique := func(what, value string) error {
		if seen[what+value] {
			return fmt.Errorf("%s %q is used twice", what, value)
		}
		seen[what+value] = true
		return nil
	}
	for _, p := range g.Partners {
		if !partnerID.MatchString(p.ID) {
			return fmt.Errorf("partner %q: names are 1 to 32 of a-z, 0-9 and inner hyphens", p.ID)
		}
		if !isGLN(p.GLN) {
			return fmt.Errorf("partner %s: %q is no GLN", p.ID, p.GLN)
		}
		if p.Standing.String() == "" {
			return fmt.Errorf("partner %s: no standing", p.ID)
		}
		if len(p.Validate) != 0 && len(p.Validate) != ed25519.PublicKeySize {
			return fmt.Errorf("partner %s: no Ed25519 consensus key", p.ID)
		}
		for what, value := range map[string]string{"partner": p.ID, "GLN": p.GLN} {
			if err := unique(what, value); err != nil {
				return err
			}
		}
	}
	for _, k := range g.Keys {
		if !seen["partner"+k.Partner] {
			return fmt.Errorf("key %s: no partner %q", k.ID, k.Partner)
		}
		if len(k.Public) != ed25519.PublicKeySize || k.ID == "" || !plainName(k.ID) || k.Held.String() == "" {
			return fmt.Errorf("key %q of %s: id, Ed25519 key or holding is missing", k.ID, k.Partner)
		}
		if err := unique("key ", k.Partner+"/"+k.ID); err != nil {
			return err
		}
	}
	return g.checkGovernance(seen)
}

// CheckKeys refuses a first state with public keys under which nobody should sign or
// validate (see CheckPublicKey). It is asked when a network is founded; DecodeGenesis does
// not ask it, so that one that was founded before goes on.
func (g *Genesis) CheckKeys() error {
	for _, p := range g.Partners {
		if len(p.Validate) == 0 {
			continue
		}
		if err := CheckPublicKey(p.Validate); err != nil {
			return fmt.Errorf("the validator of partner %s has %w", p.ID, err)
		}
	}
	for _, k := range g.Keys {
		if err := CheckPublicKey(k.Public); err != nil {
			return fmt.Errorf("key %q of %s is %w", k.ID, k.Partner, err)
		}
	}
	return nil
}

// checkGovernance checks what members can change later; seen has "partner" and the id of each.
func (g *Genesis) checkGovernance(seen map[string]bool) error {
	for name, seconds := range map[string]uint64{"voting_seconds": g.VotingSeconds, "silent_seconds": g.SilentSeconds} {
		if seconds != 0 && seconds < 60 || seconds > maxPeriod {
			return fmt.Errorf("%s is %d: 60 to %d, or nothing", name, seconds, maxPeriod)
		}
	}
	for i, p := range g.Prefixes {
		switch {
		case !isCompanyPrefix(p.Digits):
			return fmt.Errorf("prefix %q: a company prefix has %d to %d digits", p.Digits, MinCompanyPrefix, MaxCompanyPrefix)
		case !seen["partner"+p.Partner]:
			return fmt.Errorf("prefix %s: no partner %q", p.Digits, p.Partner)
		}
		for _, q := range g.Prefixes[:i] {
			if strings.HasPrefix(p.Digits, q.Digits) || strings.HasPrefix(q.Digits, p.Digits) {
				return fmt.Errorf("prefix %s: one begins with the other, %s", p.Digits, q.Digits)
			}
		}
	}
	return nil
}
