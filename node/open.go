package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/cometbft/cometbft/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// opening is a node while it is opened, with what one part of it gives the next.
type opening struct {
	*Node
	version  string
	genesis  *types.GenesisDoc
	keys     *Keys
	root     *proof.Trust // nil where the node begins with the first block
	registry *prometheus.Registry
	store    *store.Store
	begun    int64 // the ledger's height when it was opened
	app      *app.App
	blocks   *headers
}

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

// open opens every part, lowest first.
func (o *opening) open(ctx context.Context) (err error) {
	if o.root, err = o.settings.trust(); err != nil {
		return err
	}
	if o.root != nil && o.root.ChainID != o.genesis.ChainID {
		return fmt.Errorf("setting trust: it is of chain %q, the genesis document of %q", o.root.ChainID, o.genesis.ChainID)
	}
	if err := o.openStore(); err != nil {
		return err
	}
	if err := o.openApp(); err != nil {
		return err
	}
	if err := o.openEngine(ctx); err != nil {
		return err
	}
	if err := o.openHistory(); err != nil {
		return err
	}
	if err := o.openLedger(); err != nil {
		return err
	}
	if err := o.openGateway(); err != nil {
		return err
	}
	o.push("what orders erasures that are due", beginExpiry(o.ledger, o.log.With("part", "retention")).close)
	o.push("the rotation of the gateway's key", beginRotation(o.ledger, o.own, o.log.With("part", "keys")).close)
	socket, err := serveControl(&control{node: o.Node, store: o.store, own: o.own})
	if err != nil {
		return err
	}
	o.push("the node's socket", socket.Close)
	return nil
}

func (o *opening) openStore() error {
	if err := takeOver(o.settings.Home); err != nil {
		return err
	}
	options, err := o.settings.ledgerOptions()
	if err != nil {
		return err
	}
	if o.store, err = store.Open(options); err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	o.push("the ledger", o.store.Close)
	o.begun, _ = o.store.Last()
	if err := removeLeft(o.settings.Home); err != nil {
		return err
	}
	o.tellDamage()
	mended, err := mendLog(o.settings.Home)
	if mended {
		o.log.Warn("the engine's log had what cannot be read, as a full disk or a kill leaves it: it was taken out")
	}
	return err
}

// openApp makes the state machine over the store.
func (o *opening) openApp() error {
	s := &o.settings
	saved, err := store.OpenSnapshots(SnapshotsPath(s.Home))
	if err != nil {
		return err
	}
	restarts, err := dueRescue(s, o.store)
	if err != nil {
		return err
	}
	kept := &retention{blocks: o.blocks, age: evidenceAge(o.genesis)}
	o.app, err = app.New(app.Config{Rescue: restarts, Store: o.store, Logger: o.log.With("part", "ledger"), Blocks: o.blocks, CacheBytes: s.CacheBytes,
		PendingBytes: int(s.PendingBytes), PendingCount: s.PendingCount, Snapshots: saved, ChainID: o.genesis.ChainID, Invited: invited(s, o.genesis), Retain: kept.height, Own: s.own(), Rules: s.Rules})
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	if err := o.app.UpgradeDue(); err != nil {
		return err
	}
	kept.app = o.app
	warnOwn(s, o.log)
	restored, err := o.app.Restored()
	if err != nil {
		return err
	}
	return settle(s, o.store, restored)
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

// openEngine makes the engine, and what decides which peers it has.
func (o *opening) openEngine(ctx context.Context) error {
	s := &o.settings
	asked := admission{startable: o.app, stays: o.stays, stopping: &o.stopping, door: &door{}, dials: o.dials}
	if twin, err := s.twin(); err != nil {
		return err
	} else if twin != nil {
		asked.twin = twin.ID
	}
	named := func(id string) bool { return o.app.AdmitsPeer(id) || o.stays(id) }
	if o.standby { // the others let it in under no id
		named = func(string) bool { return false }
	}
	o.meeting = newMeeting(s, o.keys.Node.ID(), named, o.log.With("part", "peers"))
	served := &archivist{app: o.app, settings: s, readers: map[int64]*app.ArchiveReader{}}
	o.meeting.exchange = newExchange(o.blocks.answerHeader, served.answer, o.meeting.tell)
	if o.session.link != nil {
		newSignerMetric(o.registry, o.session.link)
	}
	log := o.engineLog("engine")
	log.alarm = o.alarm
	var err error
	o.engine, err = newEngine(ctx, engineParts{settings: s, genesis: o.genesis, root: o.root, app: asked, blocks: o.blocks, exchange: o.meeting.exchange,
		voter: abstaining{rotate(o.voter, o.keys.NextValidator, o.blocks), o.app.KnowsRules}, id: o.keys.Node,
		broken: o.broken, metrics: engineMetrics(o.registry), log: newWatchman(log, o.diverge)})
	if err != nil {
		return err
	}
	o.push("the consensus engine", o.stopEngine)
	if err := refuseStale(o.session.keys.Validator, o.engine.BlockStore()); err != nil {
		return fmt.Errorf("%s: %w", signStatePath(s.Home), err)
	}
	return nil
}

// openHistory makes what fetches what came before the node, and what moves it away.
func (o *opening) openHistory() (err error) {
	o.history = newHistory(&o.settings, o.genesis, o.app, o.engine.exchange, o.registry, o.log.With("part", "history"), func() { o.fail(errWholeHistory) })
	o.push("the history", o.history.close)
	o.mover, err = newMover(&o.settings, o.app, o.store, o.registry, o.log.With("part", "archive"))
	if err == nil && o.mover != nil {
		o.push("the archive's store", o.mover.close)
	}
	return err
}

// openLedger makes what the gateway asks.
func (o *opening) openLedger() error {
	codec, err := schemas.NewCodec()
	if err != nil {
		return err
	}
	height, _ := o.store.Last()
	o.ledger = &ledger{app: o.app, computed: o.history.computed.Load, anchors: app.NewAnchors(o.app), engine: o.engine, codec: codec, keys: o.keys, signing: newSigning(o.app, o.settings.Partner, o.keys, o.registry, o.log.With("part", "keys")), settings: &o.settings, standby: o.standby, chainID: o.engine.GenesisDoc().ChainID,
		waits: newWaits(height, time.Now()), turns: newTurns(), failed: o.failed.Load, log: o.log, version: o.version, started: time.Now()}
	o.ledger.pace = &pace{connected: o.ledger.quorum}
	blockTime := newLedgerMetrics(o.registry, o.ledger)
	taken := newSnapshots(o.app, o.settings.SnapshotHeights, o.registry, o.log.With("part", "snapshots"))
	o.push("the snapshots", taken.close)
	gone := &sweeper{app: o.app, blocks: o.engine.blocks, log: o.log.With("part", "erasure"), swept: map[int64]bool{}}
	o.push("what removes erased blocks", gone.close)
	o.follower = newFollower(o.ledger, o.voter, o.log.With("part", "standing"))
	o.push("what follows the ledger's word on nodes", o.follower.close)
	o.app.ProposeAtMost(firstBlock)
	o.app.OnCommit(func(c app.Committed) {
		blockTime(c)
		o.ledger.signing.choose()
		o.follower.committed(c)
		if err := o.app.UpgradeDue(); err != nil {
			o.fail(err)
		}
		gone.committed(c)
		taken.committed(c)
		now := time.Now()
		_, waiting := o.app.Pending()
		o.app.ProposeAtMost(o.ledger.pace.committed(now, c.Bytes, waiting))
		o.ledger.waits.committed(c, now)
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

func (o *opening) openGateway() error {
	own, err := openOwn(o.settings.Home, o.begun > 0)
	if err != nil {
		return err
	}
	own.OnFailure(o.broken)
	o.push("the gateway's store", own.Close)
	o.own = own
	allowed, err := o.settings.destinations()
	if err != nil {
		return err
	}
	o.gateway, err = api.New(api.Config{Ledger: o.ledger, Local: own, Logger: o.log.With("part", "gateway"),
		Partner: o.settings.Partner, Version: o.version, Metrics: o.registry, Limits: api.Limits{Gather: o.settings.GatherEvents}, Destinations: allowed})
	return err
}
