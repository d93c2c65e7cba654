package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

const (
	// PartnersFile is written into a local network's directory when all are ready.
	PartnersFile = "partners.json"

	// MaxLocal is how many partners a local network can have: each takes three of
	// a hundred ports.
	MaxLocal = 32

	rpcOffset    = 33 // first port of the engine's calls
	p2pOffset    = 66 // first port of peers
	readyTimeout = 2 * time.Minute
)

// LocalSpec says what local network is wanted.
type LocalSpec struct {
	Partners int
	Dir      string // exists and is empty, or is made
	BasePort int    // all ports are in BasePort to BasePort + 99
	Program  string // the waybill program, which each partner runs
}

// Local is a local network that runs: one process a partner.
type Local struct {
	Members []Member
	dir     string
	nodes   []*process
}

// Member is an entry of partners.json.
type Member struct {
	Partner string `json:"partner"`
	REST    string `json:"rest"`
	RPC     string `json:"rpc"`
	P2P     string `json:"p2p"`
	Key     string `json:"key"` // API key with all scopes
	Home    string `json:"home"`
	PID     int    `json:"pid"`
	GLN     string `json:"gln"`
}

// Check finds what no local network can have.
func (s LocalSpec) Check() error {
	if s.Partners < 1 || s.Partners > MaxLocal {
		return fmt.Errorf("%d partners: a local network has 1 to %d", s.Partners, MaxLocal)
	}
	if s.BasePort < 1024 || s.BasePort > 65535-99 {
		return fmt.Errorf("base port %d: choose one from 1024 to %d", s.BasePort, 65535-99)
	}
	return nil
}

// StartLocal makes the homes of a local network and starts every node. It
// answers when all are ready; on an error it leaves no process behind.
func StartLocal(ctx context.Context, spec LocalSpec) (l *Local, err error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	if spec.Dir, err = filepath.Abs(spec.Dir); err != nil {
		return nil, fmt.Errorf("finding %s: %w", spec.Dir, err)
	}
	if err := emptyDir(spec.Dir); err != nil {
		return nil, err
	}
	if err := portsFree(spec); err != nil {
		return nil, err
	}
	l = &Local{dir: spec.Dir}
	if err := l.makeHomes(spec); err != nil {
		return nil, err
	}
	started := l // what is answered with an error is nil
	defer func() {
		if err != nil {
			err = errors.Join(err, started.Stop())
		}
	}()
	for i := range l.Members {
		p, err := startProcess(spec.Program, l.Members[i].Home)
		if err != nil {
			return nil, err
		}
		l.nodes = append(l.nodes, p)
		l.Members[i].PID = p.pid()
	}
	if err := l.awaitReady(ctx); err != nil {
		return nil, err
	}
	return l, l.writeMembers()
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// portsFree tells of a taken port before anything is made.
func portsFree(spec LocalSpec) error {
	for i := range spec.Partners {
		for _, port := range []int{spec.BasePort + i, spec.BasePort + rpcOffset + i, spec.BasePort + p2pOffset + i} {
			l, err := net.Listen("tcp", address(port))
			if err != nil {
				return fmt.Errorf("port %d cannot be used: %w (stop what uses it, or choose another --base-port)", port, err)
			}
			if err := l.Close(); err != nil {
				return fmt.Errorf("trying port %d: %w", port, err)
			}
		}
	}
	return nil
}

func (l *Local) makeHomes(spec LocalSpec) error {
	var cards []Card
	for i := range spec.Partners {
		p := localPartner(i)
		s := node.DefaultSettings(filepath.Join(spec.Dir, p.ID))
		s.Partner = p.ID
		s.REST, s.RPC, s.P2P = address(spec.BasePort+i), address(spec.BasePort+rpcOffset+i), address(spec.BasePort+p2pOffset+i)
		card, key, err := MakeHome(s, p)
		if err != nil {
			return fmt.Errorf("making the home of %s: %w", p.ID, err)
		}
		cards = append(cards, card)
		l.Members = append(l.Members, Member{Partner: p.ID, REST: "http://" + s.REST, RPC: "http://" + s.RPC, P2P: card.Peer, Key: key, Home: s.Home, GLN: p.GLN})
	}
	var unique [4]byte
	rand.Read(unique[:])
	genesis, err := Genesis("waybill-local-"+hex.EncodeToString(unique[:]), time.Now(), cards)
	if err != nil {
		return err
	}
	for _, m := range l.Members {
		if err := Join(m.Home, genesis, cards, nil); err != nil {
			return fmt.Errorf("finishing the home of %s: %w", m.Partner, err)
		}
	}
	return nil
}

// localPartner is the i-th partner of a local network: four with a role in the
// story, then plain ones. Company prefixes are GS1's, for demonstrations.
func localPartner(i int) schemas.Partner {
	named := [...]schemas.Partner{
		{ID: "acme-farms", Name: "Acme Farms"},
		{ID: "brook-foods", Name: "Brook Foods"},
		{ID: "coast-lines", Name: "Coast Lines Logistics"},
		{ID: "daily-market", Name: "Daily Market"},
	}
	p := schemas.Partner{ID: fmt.Sprintf("partner-%02d", i+1), Name: fmt.Sprintf("Partner %d", i+1)}
	if i < len(named) {
		p = named[i]
	}
	p.GLN = withCheckDigit(companyPrefix(i) + "00000")
	p.Standing = schemas.StandingMember
	return p
}

// companyPrefix is the i-th partner's GS1 company prefix.
func companyPrefix(i int) string { return strconv.Itoa(9521234 + i) }

// withCheckDigit appends the check digit of a GS1 key (GS1 General
// Specifications, 7.9).
func withCheckDigit(digits string) string {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			d *= 3
		}
		sum += d
	}
	return digits + strconv.Itoa((10-sum%10)%10)
}

// writeMembers writes partners.json so that who sees it sees all of it.
func (l *Local) writeMembers() error {
	b, err := json.MarshalIndent(l.Members, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", PartnersFile, err)
	}
	path := filepath.Join(l.dir, PartnersFile)
	// The keys in it open every gateway.
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", PartnersFile, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing %s: %w", PartnersFile, err)
	}
	return nil
}

// ReadMembers reads a local network's partners.json.
func ReadMembers(dir string) ([]Member, error) {
	b, err := os.ReadFile(filepath.Join(dir, PartnersFile))
	if err != nil {
		return nil, fmt.Errorf("reading the partners of a local network: %w", err)
	}
	var members []Member
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, fmt.Errorf("reading %s: %w", PartnersFile, err)
	}
	return members, nil
}
