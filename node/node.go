package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
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
	rest, err := n.listen(ctx, genesis.GenesisTime)
	if err != nil {
		return err
	}
	n.push("the gateway's listener", ignoreClosed(rest.Close))
	o := &opening{Node: n, version: version, genesis: genesis, keys: keys, registry: newRegistry(), blocks: &headers{}}
	if err := o.open(ctx); err != nil {
		return err
	}
	return n.serve(rest)
}

// listen takes the gateway's port, before anything starts, so that a conflict is told
// first, and no earlier than the network begins: until then the engine would sleep, deaf
// even to its end, behind a port that answers nobody.
func (n *Node) listen(ctx context.Context, begins time.Time) (net.Listener, error) {
	const look = 5 * time.Second // by when a clock that was set right is noticed
	for told := false; ; {
		rest, err := net.Listen("tcp", n.settings.REST)
		if err != nil {
			return nil, fmt.Errorf("listening for the gateway: %w (another program uses the port: choose another with --rest)", err)
		}
		ahead := time.Until(begins)
		if ahead <= 0 {
			return rest, nil
		}
		if err := rest.Close(); err != nil {
			return nil, fmt.Errorf("giving the gateway's port back: %w", err)
		}
		if !told {
			n.log.Warn("the network has not begun: nothing is served before the genesis document's time", "begins", begins)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting until the network begins: %w", ctx.Err())
		case <-time.After(min(ahead, look)):
		}
	}
}

func (n *Node) push(what string, f func() error) { n.closers = append(n.closers, closer{what, f}) }

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
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // ended while it waited for something to start with
		}
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
