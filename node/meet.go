package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cometbft/cometbft/p2p"

	"github.com/waybill-ledger/waybill/schemas"
)

// Who joins knows the addresses that are in its invite, and nobody knows its own. So
// nodes ask their peers where the others are that the ledger names, remember it, and
// connect to them: a network that grew by the invites of one member does not fall apart
// when that member's node is gone, and a node that nobody can connect to finds those that
// come later. An address is a hint: who answers there proves the node's id, or is left.

const (
	meetEvery = 2 * time.Second  // between two looks for peers to ask
	askEvery  = 30 * time.Second // between two questions to one peer
	maxTold   = 512              // addresses of an answer
	maxHost   = 253              // bytes of a host's name
	maxHints  = 4                // addresses that are remembered of a node

	maxAddresses = maxTold * (maxHost + 64) // bytes of an answer
)

// meeting connects a node to those that it was told of.
type meeting struct {
	file  string
	own   p2p.ID
	fixed map[p2p.ID]string // addresses of the settings
	knew  map[string]bool   // ids of those, and of what an earlier run remembered
	names func(id string) bool
	log   *slog.Logger

	exchange *exchange // before the engine begins
	to       p2p.Switcher
	asked    map[p2p.ID]time.Time
	cancel   context.CancelFunc
	work     sync.WaitGroup

	mu    sync.Mutex          // guards what follows
	hints map[p2p.ID][]string // HOST:PORT, what was told last first
	kept  map[p2p.ID]context.CancelFunc
}

// newMeeting knows what the settings say and what an earlier run remembered. names
// reports whether the ledger names a node.
func newMeeting(s *Settings, own p2p.ID, names func(id string) bool, log *slog.Logger) *meeting {
	m := &meeting{file: peersPath(s.Home), own: own, names: names, log: log,
		fixed: map[p2p.ID]string{}, knew: map[string]bool{}, asked: map[p2p.ID]time.Time{}, hints: map[p2p.ID][]string{}, kept: map[p2p.ID]context.CancelFunc{}}
	for _, peer := range s.Peers {
		id, address, _ := strings.Cut(peer, "@")
		m.fixed[p2p.ID(id)], m.knew[id] = address, true
	}
	if hints, err := readHints(m.file); err != nil {
		log.Warn("the addresses that peers told are asked for anew", "error", err)
	} else {
		m.hints = hints
	}
	for id := range m.hints {
		m.knew[string(id)] = true
	}
	return m
}

func peersPath(home string) string { return filepath.Join(home, dataDir, "peers.json") }

func readHints(file string) (map[p2p.ID][]string, error) {
	hints := map[p2p.ID][]string{}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &hints)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return hints, nil
}

// KnownPeers are the nodes that a home's node was told of, as ID@HOST:PORT.
func KnownPeers(home string) (peers []string, err error) {
	hints, err := readHints(peersPath(home))
	for _, id := range slices.Sorted(maps.Keys(hints)) {
		if len(hints[id]) > 0 {
			peers = append(peers, p2p.IDAddressString(id, hints[id][0]))
		}
	}
	return peers, err
}

// begin dials, and asks.
func (m *meeting) begin(to p2p.Switcher) {
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.to = to
	m.work.Go(func() {
		tick := time.NewTicker(meetEvery)
		defer tick.Stop()
		for {
			m.dial(ctx)
			m.ask(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

func (m *meeting) close() error {
	if m.cancel != nil {
		m.cancel()
	}
	m.work.Wait()
	return nil
}

// dial keeps a connection to each node that is known, and not to those any more that
// the ledger does not name.
func (m *meeting) dial(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := maps.Clone(m.fixed)
	for id := range m.hints {
		if m.names(string(id)) {
			wanted[id] = ""
		}
	}
	delete(wanted, m.own)
	for id := range wanted {
		if m.kept[id] == nil {
			one, end := context.WithCancel(ctx)
			m.kept[id] = end
			m.work.Go(func() { keepPeer(one, m.to, id, m.address) })
		}
	}
	for id, end := range m.kept {
		if _, ok := wanted[id]; !ok {
			end()
			delete(m.kept, id)
		}
	}
}

// address is where a node may be: any of what is known, since the last word may be a
// lie, and the first out of date.
func (m *meeting) address(id p2p.ID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.hints[id])
	if fixed, ok := m.fixed[id]; ok && !slices.Contains(all, fixed) {
		all = append(all, fixed)
	}
	if len(all) == 0 {
		return ""
	}
	return all[rand.IntN(len(all))]
}

// listens reports whether a node that is known listens at a port.
func (m *meeting) listens(port string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := func(address string) bool { return strings.HasSuffix(address, ":"+port) }
	for _, hints := range m.hints {
		if slices.ContainsFunc(hints, there) {
			return true
		}
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(m.fixed)), there)
}

// ask asks the peers that were not asked lately.
func (m *meeting) ask(ctx context.Context) {
	now := time.Now()
	maps.DeleteFunc(m.asked, func(id p2p.ID, at time.Time) bool { return now.Sub(at) >= askEvery })
	var all sync.WaitGroup
	for _, peer := range m.exchange.peers() {
		if _, ok := m.asked[peer.ID()]; ok {
			continue
		}
		m.asked[peer.ID()] = now
		all.Go(func() {
			if told, err := m.exchange.ask(ctx, peer, addressChannel, nil); err == nil {
				m.learn(told)
			}
		})
	}
	all.Wait()
}

// tell answers where the peers of this node are.
func (m *meeting) tell(p2p.ID, []byte) (answer []byte, err error) {
	told := 0
	for _, peer := range m.exchange.peers() {
		if address := reached(peer); address != "" && m.names(string(peer.ID())) && told < maxTold {
			answer = schemas.AppendField(answer, 1, []byte(p2p.IDAddressString(peer.ID(), address)))
			told++
		}
	}
	return answer, nil
}

// reached is where others can connect to a peer, "" if nobody can: where it says that it
// listens, or, if it says no host, there at the address that its connection comes from.
func reached(peer p2p.Peer) string {
	info, ok := peer.NodeInfo().(p2p.DefaultNodeInfo)
	if !ok {
		return ""
	}
	host, port, err := splitAddress(strings.TrimPrefix(info.ListenAddr, "tcp://"))
	if err != nil || len(host) > maxHost { // port 0: nobody can connect to it
		return ""
	}
	remote := peer.RemoteIP()
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback() && !remote.IsLoopback()) {
		host = remote.String()
	}
	return net.JoinHostPort(host, port)
}

// learn takes what a peer told, as far as the ledger names who it is about.
func (m *meeting) learn(answer []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := false
	f := schemas.ReadFields(answer)
	for n, v, ok := f.Next(); ok && n == 1; n, v, ok = f.Next() {
		id, address, _ := strings.Cut(string(v), "@")
		host, _, err := splitAddress(address)
		if err != nil || host == "" || len(host) > maxHost || p2p.ID(id) == m.own || !m.names(id) {
			continue
		}
		hints := m.hints[p2p.ID(id)]
		if slices.Contains(hints, address) {
			continue
		}
		hints = append([]string{address}, hints...)
		m.hints[p2p.ID(id)], changed = hints[:min(len(hints), maxHints)], true
		m.log.Debug("a peer told where another node is", "node", id, "address", address)
	}
	if changed {
		m.save()
	}
}

// save remembers what holds for the next start. The caller holds the lock.
func (m *meeting) save() {
	maps.DeleteFunc(m.hints, func(id p2p.ID, _ []string) bool { return !m.names(string(id)) })
	b, err := json.MarshalIndent(m.hints, "", "  ")
	if err == nil {
		err = replaceFile(m.file, append(b, '\n'))
	}
	if err != nil {
		m.log.Warn("remembering the addresses that peers told", "error", err)
	}
}
