package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cometbft/cometbft/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// ErrConsensus says that the engine gave up: the node must not go on, since it
// can neither vote nor trust its state. The log says why.
var ErrConsensus = errors.New("consensus failed: the node stops, its log tells why")

// ErrEngineDisk says that one of the engine's databases, or the gateway's store, could not
// be written: whatever is written after that might be lost.
var ErrEngineDisk = errors.New("the disk fails: the node stops; started again, it goes on from what is there")

// ErrJoining says that a snapshot could not be restored, for a reason that is not
// a peer's. The log says which.
var ErrJoining = errors.New("restoring a snapshot failed: the node stops, its log tells why; started again, it begins again")

// Node is a node that runs.
type Node struct {
	settings Settings
	log      *slog.Logger
	engine   *engine
	history  *history
	mover    *mover // nil where nothing is moved
	ledger   *ledger
	gateway  *api.Gateway
	own      *local.Store
	follower *follower
	meeting  *meeting
	server   *http.Server
	served   chan error    // the gateway's listener ended
	failure  chan struct{} // closed when the engine cannot go on
	reason   error         // set before failure is closed
	once     sync.Once     // of closing failure
	stopping atomic.Bool
	failed   atomic.Bool
	diverged atomic.Pointer[Divergence]
	closers  []closer // what to close, last opened first

	session *session
	voter   types.PrivValidator // who votes for the engine
	standby bool                // the node runs under its machine's id, behind the other of its pair
	changed <-chan struct{}     // closed when the signer serves this node otherwise; nil without one
}

// session is what outlives a node that begins anew within its process: keys, so that
// nobody is asked for a passphrase again, and the connection to the signer.
type session struct {
	keys *Keys
	link *link
}

func (c *session) close() error {
	if c.link == nil {
		return nil
	}
	return c.link.close()
}

type closer struct {
	what  string
	close func() error
}

// Start opens everything of a home, brings engine and ledger to one height and
// begins to serve. version is the program's.
func Start(ctx context.Context, s Settings, version string, logTo io.Writer) (*Node, error) {
	own := &session{}
	n, err := startIn(ctx, own, s, version, logTo)
	if err != nil {
		return nil, errors.Join(err, own.close())
	}
	n.closers = append([]closer{{"the connection to the signer", own.close}}, n.closers...)
	return n, nil
}

func startIn(ctx context.Context, c *session, s Settings, version string, logTo io.Writer) (*Node, error) {
	n := &Node{settings: s, session: c, served: make(chan error, 1), failure: make(chan struct{})}
	if err := n.start(ctx, version, logTo); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context, version string, logTo io.Writer) (err error) {
	s := &n.settings
	if err := s.Check(); err != nil {
		return err
	}
	if n.log, err = newLogger(s, logTo); err != nil {
		return err
	}
	if err := promote(s); err != nil {
		return err
	}
	if n.session.keys == nil {
		if n.session.keys, err = s.Keys(); err != nil {
			return err
		}
	}
	genesis, err := checkGenesis(s, n.session.keys)
	if err := errors.Join(err, refuseDiverged(s.Home), refuseRescuing(s.Home)); err != nil {
		return err
	}
	keys, err := n.stand(ctx, genesis.ChainID)
	if err != nil {
		return err
	}
	// The port is taken first: a conflict should be told before anything starts.
	rest, err := net.Listen("tcp", s.REST)
	if err != nil {
		return fmt.Errorf("listening for the gateway: %w (another program uses the port: choose another with --rest)", err)
	}
	n.push("the gateway's listener", ignoreClosed(rest.Close))
	if err := n.open(ctx, keys, genesis, version); err != nil {
		return err
	}
	return n.serve(rest)
}

func (n *Node) push(what string, f func() error) { n.closers = append(n.closers, closer{what, f}) }

// checkGenesis finds what would otherwise be told deep in the engine.
func checkGenesis(s *Settings, k *Keys) (*types.GenesisDoc, error) {
	doc, err := genesisOf(s.Home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: put the network's genesis document there (waybill genesis makes one)", GenesisPath(s.Home))
	}
	if err != nil {
		return nil, err
	}
	g, err := schemas.DecodeGenesis(doc.AppState)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", GenesisPath(s.Home), err)
	}
	if _, err := os.Stat(InvitePath(s.Home)); err == nil {
		return doc, nil // the ledger tells, when it is there
	}
	for _, p := range g.Partners {
		if p.ID != s.Partner {
			continue
		}
		if p.NodeID != "" && p.NodeID != string(k.Node.ID()) {
			return nil, fmt.Errorf("the genesis document knows partner %s by node %s, this home has the key of %s: peers would refuse it", s.Partner, p.NodeID, k.Node.ID())
		}
		return doc, nil
	}
	return nil, fmt.Errorf("setting partner: the genesis document has no partner %q", s.Partner)
}

func (n *Node) open(ctx context.Context, keys *Keys, genesis *types.GenesisDoc, version string) error {
	s := &n.settings
	root, err := s.trust()
	if err != nil {
		return err
	}
	if root != nil && root.ChainID != genesis.ChainID {
		return fmt.Errorf("setting trust: it is of chain %q, the genesis document of %q", root.ChainID, genesis.ChainID)
	}
	if err := takeOver(s.Home); err != nil {
		return err
	}
	options, err := s.ledgerOptions()
	if err != nil {
		return err
	}
	ledgerStore, err := store.Open(options)
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	n.push("the ledger", ledgerStore.Close)
	if err := removeLeft(s.Home); err != nil {
		return err
	}
	n.tellDamage()
	if mended, err := mendLog(s.Home); err != nil {
		return err
	} else if mended {
		n.log.Warn("the engine's log had what cannot be read, as a full disk or a kill leaves it: it was taken out")
	}
	begun, _ := ledgerStore.Last()
	saved, err := store.OpenSnapshots(SnapshotsPath(s.Home))
	if err != nil {
		return err
	}
	blocks := &headers{}
	kept := &retention{blocks: blocks, age: evidenceAge(genesis)}
	restarts, err := dueRescue(s, ledgerStore)
	if err != nil {
		return err
	}
	machine, err := app.New(app.Config{Rescue: restarts, Store: ledgerStore, Logger: n.log.With("part", "ledger"), Blocks: blocks, CacheBytes: s.CacheBytes,
		PendingBytes: int(s.PendingBytes), PendingCount: s.PendingCount, Snapshots: saved, ChainID: genesis.ChainID, Invited: invited(s, genesis), Retain: kept.height, Own: s.own(), Rules: s.Rules})
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	if err := machine.UpgradeDue(); err != nil {
		return err
	}
	kept.app = machine
	warnOwn(s, n.log)
	if err := n.settle(machine, ledgerStore); err != nil {
		return err
	}
	registry := newRegistry()
	if n.session.link != nil {
		newSignerMetric(registry, n.session.link)
	}
	served := &archivist{app: machine, settings: s, readers: map[int64]*app.ArchiveReader{}}
	log := n.engineLog("engine")
	log.alarm = n.alarm
	asked := admission{startable: machine, stays: n.stays, stopping: &n.stopping, door: &door{}, dials: n.dials}
	if twin, err := s.twin(); err != nil {
		return err
	} else if twin != nil {
		asked.twin = twin.ID
	}
	named := func(id string) bool { return machine.AdmitsPeer(id) || n.stays(id) }
	if n.standby { // the others let it in under no id
		named = func(string) bool { return false }
	}
	n.meeting = newMeeting(s, keys.Node.ID(), named, n.log.With("part", "peers"))
	n.engine, err = newEngine(ctx, s, abstaining{rotate(n.voter, keys.NextValidator, blocks), machine.KnowsRules}, keys.Node, asked, blocks, root, served.answer, n.meeting.tell, n.broken, engineMetrics(registry), newWatchman(log, n.diverge))
	if err != nil {
		return err
	}
	n.meeting.exchange = n.engine.exchange
	n.push("the consensus engine", n.stopEngine)
	if err := refuseStale(n.session.keys.Validator, n.engine.BlockStore()); err != nil {
		return fmt.Errorf("%s: %w", signStatePath(s.Home), err)
	}
	n.history = newHistory(s, genesis, machine, n.engine.exchange, registry, n.log.With("part", "history"), func() { n.fail(errWholeHistory) })
	n.push("the history", n.history.close)
	if n.mover, err = newMover(s, machine, ledgerStore, registry, n.log.With("part", "archive")); err != nil {
		return err
	}
	if n.mover != nil {
		n.push("the archive's store", n.mover.close)
	}
	if err := n.openLedger(machine, ledgerStore, keys, version, registry); err != nil {
		return err
	}
	if err := n.openGateway(begun > 0, registry, version); err != nil {
		return err
	}
	n.push("what orders erasures that are due", beginExpiry(n.ledger, n.log.With("part", "retention")).close)
	n.push("the rotation of the gateway's key", beginRotation(n.ledger, n.own, n.log.With("part", "keys")).close)
	socket, err := serveControl(&control{node: n, store: ledgerStore, own: n.own})
	if err != nil {
		return err
	}
	n.push("the node's socket", socket.Close)
	return nil
}

func (n *Node) settle(machine *app.App, ledgerStore *store.Store) error {
	restored, err := machine.Restored()
	if err != nil {
		return err
	}
	return settle(&n.settings, ledgerStore, restored)
}

// invited are the nodes that may connect while there is no ledger that says so.
func invited(s *Settings, genesis *types.GenesisDoc) []string {
	var ids []string
	if g, err := schemas.DecodeGenesis(genesis.AppState); err == nil { // it was read before
		for _, p := range g.Partners {
			if p.NodeID != "" {
				ids = append(ids, p.NodeID)
			}
		}
	}
	for _, peer := range s.Peers {
		id, _, _ := strings.Cut(peer, "@")
		ids = append(ids, id)
	}
	return ids
}

func (n *Node) openLedger(machine *app.App, s *store.Store, keys *Keys, version string, registry *prometheus.Registry) error {
	codec, err := schemas.NewCodec()
	if err != nil {
		return err
	}
	height, _ := s.Last()
	n.ledger = &ledger{app: machine, computed: n.history.computed.Load, anchors: app.NewAnchors(machine), engine: n.engine, codec: codec, keys: keys, signing: newSigning(machine, n.settings.Partner, keys, registry, n.log.With("part", "keys")), settings: &n.settings, standby: n.standby, chainID: n.engine.GenesisDoc().ChainID,
		waits: newWaits(height, time.Now()), turns: newTurns(), failed: n.failed.Load, log: n.log, version: version, started: time.Now()}
	n.ledger.pace = &pace{connected: n.ledger.quorum}
	blockTime := newLedgerMetrics(registry, n.ledger)
	taken := newSnapshots(machine, n.settings.SnapshotHeights, registry, n.log.With("part", "snapshots"))
	n.push("the snapshots", taken.close)
	gone := &sweeper{app: machine, blocks: n.engine.blocks, log: n.log.With("part", "erasure"), swept: map[int64]bool{}}
	n.push("what removes erased blocks", gone.close)
	n.follower = newFollower(n.ledger, n.voter, n.log.With("part", "standing"))
	n.push("what follows the ledger's word on nodes", n.follower.close)
	machine.ProposeAtMost(firstBlock)
	machine.OnCommit(func(c app.Committed) {
		blockTime(c)
		n.ledger.signing.choose()
		n.follower.committed(c)
		if err := machine.UpgradeDue(); err != nil {
			n.fail(err)
		}
		gone.committed(c)
		taken.committed(c)
		now := time.Now()
		_, waiting := machine.Pending()
		machine.ProposeAtMost(n.ledger.pace.committed(now, c.Bytes, waiting))
		n.ledger.waits.committed(c, now)
	})
	return nil
}

// openOwn opens the gateway's store of a home, which has one as soon as it has blocks: a
// new one in its place would tell nobody that what was accepted is gone.
func openOwn(home string, blocks bool) (*local.Store, error) {
	dir := GatewayPath(home)
	if _, err := os.Stat(ownPath(home)); blocks && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the gateway's store is missing in %s, and with it what was accepted and is not committed, jobs, subscriptions and API keys: bring it back, or restore the home from a backup; if it is lost for ever, make the directory %s, and API keys in it (waybill key add --home %s)", dir, dir, home)
	}
	own, err := local.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("%w (if its files are damaged: restore the home from a backup; or move %s away, make it anew, and API keys in it (waybill key add): what was accepted and is not committed, jobs and subscriptions are lost then)", err, dir)
	}
	return own, nil
}

func (n *Node) openGateway(blocks bool, registry *prometheus.Registry, version string) error {
	own, err := openOwn(n.settings.Home, blocks)
	if err != nil {
		return err
	}
	own.OnFailure(n.broken)
	n.push("the gateway's store", own.Close)
	n.own = own
	allowed, err := n.settings.destinations()
	if err != nil {
		return err
	}
	n.gateway, err = api.New(api.Config{Ledger: n.ledger, Local: own, Logger: n.log.With("part", "gateway"),
		Partner: n.settings.Partner, Version: version, Metrics: registry, Limits: api.Limits{Gather: n.settings.GatherEvents}, Destinations: allowed})
	return err
}

// serve starts the engine, then what depends on it.
func (n *Node) serve(rest net.Listener) error {
	if err := n.engine.Start(); err != nil {
		return fmt.Errorf("starting the consensus engine: %w", err)
	}
	go n.watch()
	n.meeting.begin(n.engine.Switch())
	n.push("what connects to peers", n.meeting.close)
	n.history.begin()
	n.follower.begin()
	if n.mover != nil {
		n.mover.begin()
	}
	if n.settings.RPC != "" {
		l, err := serveRPC(n.settings.RPC, n.ledger, n.engineLog("rpc"))
		if err != nil {
			return err
		}
		n.push("the engine's calls", ignoreClosed(l.Close))
	}
	if err := n.gateway.Start(); err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	n.push("the gateway", n.gateway.Close)
	n.server = api.Server(n.gateway, n.log, connections())
	n.server.RegisterOnShutdown(n.gateway.EndStreams)
	n.push("open requests", n.shutdown)
	go func() { n.served <- n.server.Serve(api.Explained(rest)) }()
	n.log.Info("the node serves", "rest", n.settings.REST, "p2p", n.settings.P2P, "id", string(n.engine.NodeInfo().ID()))
	return nil
}

// watch notices when consensus ends without being stopped: CometBFT logs it and
// leaves the process alive, which would look like a node and be none.
func (n *Node) watch() {
	n.engine.state.Wait()
	if !n.stopping.Load() {
		n.fail(ErrConsensus)
	}
}

// broken stops the node when the engine could not write one of its databases, or the
// gateway its store.
func (n *Node) broken(err error) { n.fail(fmt.Errorf("%w: %w", ErrEngineDisk, err)) }

func (n *Node) fail(reason error) {
	n.once.Do(func() {
		n.reason = reason
		n.failed.Store(!anew(reason))
		close(n.failure)
	})
}

// alarm notices what the engine tells only in its log: that joining by a snapshot
// ended. The process would stay alive and never have a ledger.
func (n *Node) alarm(msg string) {
	switch msg {
	case "State sync failed", "Failed to bootstrap node with new state", "Failed to store last seen commit", "Failed to switch to block sync":
		n.fail(ErrJoining)
	}
}

// Wait blocks until the context ends, or the node cannot go on.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.changed:
		return errStanding
	case <-n.failure:
		if d := n.diverged.Load(); d != nil {
			return errors.Join(d.explain(), n.keepDivergence(d))
		}
		return n.reason
	case err := <-n.served:
		return fmt.Errorf("serving the gateway: %w", err)
	}
}

func (n *Node) engineLog(part string) engineLogger {
	return engineLogger{to: n.log.With("part", part), stopping: &n.stopping}
}

// anew reports whether a node that ended for that reason begins again.
func anew(reason error) bool {
	return errors.Is(reason, errWholeHistory) || errors.Is(reason, errStanding)
}

// Run is a node from start to end: until the context ends, or it cannot go on. When it
// has fetched its history, or its signer serves it otherwise than before, it starts
// again, within the same process.
func Run(ctx context.Context, s Settings, version string, logTo io.Writer) (err error) {
	c := &session{}
	defer func() { err = errors.Join(err, c.close()) }()
	for {
		n, err := startIn(ctx, c, s, version, logTo)
		if err != nil {
			return err
		}
		if err = n.Wait(ctx); !anew(err) {
			return errors.Join(err, n.Stop())
		}
		if err := n.Stop(); err != nil {
			return err
		}
	}
}

// connections is how many connections the gateway may hold: a quarter of the
// files that the process may open, since the ledger's own must never lack.
func connections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur/4 > 4096 {
		return 4096
	}
	return max(16, int(limit.Cur/4))
}
