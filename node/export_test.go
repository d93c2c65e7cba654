package node

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/consensus"
	cstypes "github.com/cometbft/cometbft/consensus/types"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Waits is who waits for which transaction and height, for its tests.
type Waits = waits

// The seams of Waits.
var (
	NewWaits       = newWaits
	WaitsCommitted = (*waits).committed
	WaitsWait      = (*waits).wait
	WaitsWatch     = (*waits).watch
	WaitsWaiting   = (*waits).waiting
)

// TestingCloseLedger closes the ledger under a node that runs, as a disk that
// fails does.
func (n *Node) TestingCloseLedger() error {
	for _, c := range n.closers {
		if c.what == "the ledger" {
			return c.close()
		}
	}
	return nil
}

// Ledger is what the node gives its gateway.
func (n *Node) Ledger() *ledger { return n.ledger }

// HeaderOf, CommitOf and SetOf turn what the engine has into what bundles have.
var (
	HeaderOf = headerOf
	CommitOf = commitOf
	SetOf    = setOf
)

// Chain is where Lead finds headers and validator sets.
type Chain interface {
	Signed(height int64) (*proof.Signed, error)
	Validators(height int64) ([]proof.Validator, error)
}

type exported struct{ Chain }

func (c exported) signedAt(height int64) (*proof.Signed, error)         { return c.Signed(height) }
func (c exported) validatorsAt(height int64) ([]proof.Validator, error) { return c.Validators(height) }

// Lead adds to a bundle what leads from a root of trust to the header of a height.
func Lead(c Chain, b *proof.Bundle, since, past, to int64) error {
	return (&steps{ledger: exported{c}, ctx: context.Background(), since: since, past: past, to: to}).lead(b)
}

// Base is the first block that the engine still has.
func (n *Node) Base() int64 { return n.engine.BlockStore().Base() }

// History computes the history of a node from what peers answer, in a home of its
// own.
type History struct{ h *history }

// NewHistory begins the history of a node's network.
func NewHistory(n *Node, home string) (*History, error) {
	doc, err := types.GenesisDocFromFile(GenesisPath(n.settings.Home))
	if err != nil {
		return nil, err
	}
	s := n.settings
	s.Home = home
	h := newHistory(&s, doc, n.ledger.app, nil, prometheus.NewRegistry(), n.log, func() {})
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.dismissed, h.gave = map[p2p.ID]bool{}, map[int64]p2p.ID{}
	return &History{h}, h.open()
}

// Confirmed tells how many blocks of an answer may be kept.
func (h *History) Confirmed(answer []byte) (int, error) {
	blocks, err := h.h.confirmed(answer, h.h.computed.Load()+1)
	return len(blocks), err
}

// Keep keeps and computes what an answer has.
func (h *History) Keep(answer []byte) error {
	_, err := h.h.take(answer, h.h.computed.Load()+1)
	h.h.attribute("a peer")
	return err
}

// Dismissed are the peers that are asked no more.
func (h *History) Dismissed() map[p2p.ID]bool { return h.h.dismissed }

// Located are the eventIDs that the computed index has at a place, sorted.
func (h *History) Located(place string) (ids []string, err error) {
	machine, err := app.New(app.Config{Store: h.h.store})
	if err != nil {
		return nil, err
	}
	view, err := machine.View()
	if err != nil {
		return nil, err
	}
	found, _, err := view.Events(h.h.ctx, schemas.EventQuery{BizLocations: []string{place}, Limit: 100})
	for _, r := range found {
		ids = append(ids, r.EventID)
	}
	slices.Sort(ids)
	return ids, err
}

// Computed is the height up to which the history is there, and its state root.
func (h *History) Computed() (height int64, root [32]byte) { return h.h.store.Last() }

// Complete leaves the computed ledger for the next start.
func (h *History) Complete() error { return h.h.complete() }

// Close leaves what was fetched.
func (h *History) Close() error { return h.h.end() }

// Archive answers a peer's question for blocks from a height on.
func (n *Node) Archive(from int64) ([]byte, error) {
	a := &archivist{app: n.ledger.app, settings: &n.settings, readers: map[int64]*app.ArchiveReader{}}
	return a.answer("", schemas.AppendUint(nil, 1, uint64(from)))
}

// TakeOver is what a start does with a complete history.
var TakeOver = takeOver

// Convict hands evidence of a validator that signed twice to the engine, as a peer does.
func (n *Node) Convict(e types.Evidence) error { return n.ledger.engine.EvidencePool().AddEvidence(e) }

// Block is the engine's block of a height, the last one's if that is 0.
func (n *Node) Block(height int64) *types.Block {
	blocks := n.ledger.engine.BlockStore()
	if height == 0 {
		height = blocks.Height()
	}
	return blocks.LoadBlock(height)
}

// BoundOffers bounds the snapshots that a peer may offer, to MaxOffers.
var BoundOffers = boundOffers

// MaxOffers is how many one may.
const MaxOffers = maxOffers

// HistoryInTurn is the order in which peers are asked at a turn.
func HistoryInTurn(peers []string, turn int) []string { return inTurn(peers, turn) }

// Exchange is the reactor of questions and answers.
type Exchange = exchange

// The seams of Exchange.
var (
	NewExchange = newExchange
	ExchangeAsk = (*exchange).ask
	ErrNotThere = errNotThere
	ErrNotYet   = errNotYet
)

// Channels of Exchange.
const (
	HeaderChannel  = headerChannel
	HistoryChannel = historyChannel
)

// TestingMove does at once what the mover does from time to time.
func (n *Node) TestingMove() error { return n.mover.step(context.Background()) }

// AwaitedSegments lists the segments that erasures wait for.
func (n *Node) AwaitedSegments() ([]string, error) { return n.ledger.app.AwaitedSegments() }

// Abstaining is a validator that signs what due lets it.
func Abstaining(v types.PrivValidator, due func(height int64) error) types.PrivValidator {
	return abstaining{v, due}
}

// Rotating is a validator that gets another key.
func Rotating(now types.PrivValidator) types.PrivValidator { return &rotating{now: now} }

// RestoreMark is in a directory that a restore makes.
const RestoreMark = restoring

// EngineDB is a database as the engine has it, and what is told when it fails.
func EngineDB(db dbm.DB, broken func(error)) dbm.DB {
	return &engineDB{DB: db, name: "blockstore", broken: broken}
}

// NewBell puts a doorbell before the engine's timer, and returns what rings it and
// what schedules a timeout as the engine does.
func NewBell(t consensus.TimeoutTicker, waiting func() bool) (b consensus.TimeoutTicker, ring func(), wait func(cstypes.RoundStepType, int64, time.Duration)) {
	return bellBefore(t, waiting)
}

func bellBefore[T any](t ticker[T], waiting func() bool) (*bell[T], func(), func(cstypes.RoundStepType, int64, time.Duration)) {
	b := newBell(t, waiting)
	return b, b.ring, func(step cstypes.RoundStepType, height int64, d time.Duration) {
		var timeout T
		text, err := json.Marshal(map[string]any{"duration": d, "height": height, "step": step})
		if err == nil {
			err = json.Unmarshal(text, &timeout)
		}
		if err != nil {
			panic(err)
		}
		b.ScheduleTimeout(timeout)
	}
}

// Gossip is the reactor of transactions.
type Gossip = gossip

// The seams of Gossip.
var (
	NewGossip     = newGossip
	GossipSubmit  = (*gossip).submit
	GossipPack    = pack
	GossipAgain   = (*gossip).sendAgain
	GossipJudges  = (*gossip).judgeMessage
	GossipDeafFor = deafFor
	GossipChannel = gossipChannel
)

// GossipBeat shows peers that the node lives, and gives the silent ones up.
func GossipBeat(g *Gossip, peers []p2p.Peer, stop func(p2p.Peer, any)) { g.beat(peers, stop) }

// Silence is how long a peer may be silent.
const Silence = silence

// Meeting connects a node to those that it was told of.
type Meeting struct{ *meeting }

// NewMeeting is of a home whose settings have peers.
func NewMeeting(home string, own p2p.ID, peers []string, names func(string) bool) Meeting {
	return Meeting{newMeeting(&Settings{Home: home, Peers: peers}, own, names, slog.New(slog.DiscardHandler))}
}

// Learn takes what a peer told: ID@HOST:PORT each.
func (m Meeting) Learn(told ...string) {
	var answer []byte
	for _, t := range told {
		answer = schemas.AppendField(answer, 1, []byte(t))
	}
	m.learn(answer)
}

// Hints are the addresses that are remembered of a node.
func (m Meeting) Hints(id p2p.ID) []string { return m.hints[id] }

// Reached is where others can connect to a peer.
var Reached = reached

// InboxBytes is how much of one peer's waits to be judged at most.
const InboxBytes = inboxBytes

// GossipHeld is how much of a peer's waits to be judged.
func GossipHeld(g *Gossip, peer p2p.ID) int {
	g.mu.Lock()
	in := g.inboxes[peer]
	g.mu.Unlock()
	if in == nil {
		return 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bytes
}

// Fence is what a signer signs through.
type Fence interface {
	By(node string) types.PrivValidator
}

type exportedFence struct{ *fence }

// By is the validator as one node sees it.
func (f exportedFence) By(node string) types.PrivValidator { return f.by(node) }

// MakeFence makes what a signer's home has of a validator that signed nothing.
func MakeFence(home string, key ed25519.PrivKey) error {
	pv := privval.NewFilePV(key, "", signStatePath(home))
	pv.LastSignState.Save()
	return writeFence(home, fenceState{})
}

// OpenFence opens it, as a signer does that starts.
func OpenFence(home string, key ed25519.PrivKey) (Fence, error) {
	var state privval.FilePVLastSignState
	b, err := os.ReadFile(signStatePath(home))
	if err == nil {
		err = cmtjson.Unmarshal(b, &state)
	}
	if err != nil {
		return nil, err
	}
	f, err := openFence(home, validatorOf(key, state, signStatePath(home)))
	return exportedFence{f}, err
}

// TestingOnlyClaim lets a home take an arrival, as one does that is cut off before it has
// the key, and answers what the arrival is called then.
func TestingOnlyClaim(arrival, home string) (string, error) {
	return claimed(arrival, home), claim(arrival, home)
}

// NewPace is what learns how fast blocks take up what waits: what to call after each,
// and how long bytes will take.
func NewPace(connected func() time.Duration) (committed func(now time.Time, bytes, waiting int) int64, delay func(now time.Time, bytes int) time.Duration) {
	p := &pace{connected: connected}
	return p.committed, p.delay
}

// NewDoor is what bounds how many connections from one place are looked at.
func NewDoor() (admits func(now time.Time, address string) bool) {
	return (&door{}).admits
}
