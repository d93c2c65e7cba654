package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A witness watches a ledger from outside: an auditor, a regulator, a customer. It
// asks several partners' nodes for their last checkpoint, believes headers by the
// validators' signatures alone, makes sure that every checkpoint continues the one
// that it cosigned before, and cosigns the next. What no validator can do, however
// many join: make it cosign two histories. What it notices when they try is an
// alarm, with evidence that anybody can check.
//
//	witness_follow.go  what one node tells, and how two checkpoints relate
//	witness_light.go   why a header is believed
//	witness_store.go   what is kept, and in which order it is written
//	witness_alarm.go   evidence of two histories
//	witness_serve.go   what it shows: the last checkpoint, keys, health

// WitnessNode is a partner's node that a witness follows.
type WitnessNode struct {
	Name string // its URL
	api.History
}

// WitnessConfig is what a witness needs.
type WitnessConfig struct {
	Dir    string
	Trust  *proof.Trust
	Nodes  []WitnessNode
	Signer *WitnessSigner // nil: the directory's own key, made under Name where there is none
	Name   string
	TSA    string // URL of a time stamp authority; "": checkpoints get no time stamp
	Logger *slog.Logger

	Keep    int              // checkpoints that are kept; 0: 10,000
	Timeout time.Duration    // of one node's answers in a round; 0: 20 s
	Now     func() time.Time // nil: the clock
	HTTP    *http.Client     // to the authority; nil: the default
}

const (
	defaultKeep    = 10000
	defaultTimeout = 20 * time.Second
	// maxAhead is how far a header's time may be ahead of the witness's clock.
	maxAhead = 10 * time.Minute
)

// Witness is one that runs. Its methods may be called by many goroutines; rounds
// are made one at a time.
type Witness struct {
	cfg    WitnessConfig
	signer *WitnessSigner
	store  *witnessStore

	round sync.Mutex // held during a round, and guards chain and met, which rounds alone change
	chain *believed
	met   map[string]bool // nodes whose past was compared with the root of trust

	mu     sync.Mutex // guards what follows: what is shown
	last   *held
	alarm  []byte
	status WitnessStatus
}

// WitnessStatus is how a witness is.
type WitnessStatus struct {
	ChainID string              `json:"chain_id"`
	Key     string              `json:"key"`  // verifier key
	Size    uint64              `json:"size"` // of the last cosigned checkpoint
	Height  int64               `json:"height"`
	Time    time.Time           `json:"time"`    // of its header
	Checked time.Time           `json:"checked"` // when nodes were asked last, with an answer that holds
	Alarm   bool                `json:"alarm"`
	Nodes   []WitnessNodeStatus `json:"nodes"`
}

// WitnessNodeStatus is how a node was at the last round.
type WitnessNodeStatus struct {
	Node   string `json:"node"`
	Size   uint64 `json:"size"`   // of its checkpoint
	Height int64  `json:"height"` // of its header
	Behind bool   `json:"behind,omitempty"`
	Fault  string `json:"fault,omitempty"` // why it does not count
}

// OpenWitness opens a witness's directory, and takes up its last word.
func OpenWitness(cfg WitnessConfig) (_ *Witness, err error) {
	if cfg.Trust == nil || len(cfg.Nodes) == 0 {
		return nil, errors.New("a witness needs a root of trust and nodes to follow")
	}
	if cfg.Keep <= 0 {
		cfg.Keep = defaultKeep
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Timeout: timestampWait}
	}
	w := &Witness{cfg: cfg, signer: cfg.Signer, met: map[string]bool{}}
	if w.store, err = openWitnessStore(cfg.Dir, cfg.Keep); err != nil {
		return nil, err
	}
	if err := w.open(); err != nil {
		return nil, errors.Join(err, w.store.close())
	}
	return w, nil
}

func (w *Witness) open() (err error) {
	if err := w.store.bind(w.cfg.Trust); err != nil {
		return err
	}
	if w.signer == nil {
		if w.signer, err = w.store.signer(w.cfg.Name); err != nil {
			return err
		}
	}
	if err := w.store.public(w.signer.Key); err != nil {
		return err
	}
	headers, err := w.store.validators()
	if err != nil {
		return err
	}
	w.chain = &believed{trust: w.cfg.Trust, headers: headers}
	if w.last, err = w.store.last(w.signer.Key); err != nil {
		return err
	}
	if w.alarm, err = w.store.read("alarm.json"); err != nil {
		return err
	}
	w.status = WitnessStatus{ChainID: w.cfg.Trust.ChainID, Key: w.signer.Key.String(), Alarm: w.alarm != nil, Nodes: []WitnessNodeStatus{}}
	w.show()
	return nil
}

// Close ends the use of the directory.
func (w *Witness) Close() error { return w.store.close() }

// Key is the witness's verifier key.
func (w *Witness) Key() proof.WitnessKey { return w.signer.Key }

// show updates what is told of the last checkpoint; w.mu is held, or nobody else
// knows the witness yet.
func (w *Witness) show() {
	if w.last != nil {
		h := &w.last.proof.Anchor.Header
		w.status.Size, w.status.Height, w.status.Time = w.last.checkpoint.Size, h.Height, h.Time
	}
}

// Status tells how the witness is.
func (w *Witness) Status() WitnessStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Nodes = append([]WitnessNodeStatus{}, s.Nodes...)
	return s
}

// Checkpoint is the last cosigned checkpoint as a signed note, nil before the first.
func (w *Witness) Checkpoint() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		return nil
	}
	return []byte(w.last.Note)
}

// Run makes rounds until the context ends. An alarm is logged at each round, and
// does not end it: the witness goes on to show what it knows.
func (w *Witness) Run(ctx context.Context, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := w.Round(ctx); err != nil && ctx.Err() == nil {
			w.cfg.Logger.Error("round", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Round asks every node, and cosigns the newest checkpoint that continues the last
// one. Its error is ErrAlarm where the ledger has two histories, or tells that no
// node's answer held.
func (w *Witness) Round(ctx context.Context) error {
	w.round.Lock()
	defer w.round.Unlock()
	if w.alarmed() {
		return fmt.Errorf("%w: %s/alarm.json has the evidence, and nothing is cosigned while it is there", ErrAlarm, w.cfg.Dir)
	}
	seen := w.look(ctx)
	alarm, top := w.compare(ctx, seen)
	w.tell(seen)
	if alarm != nil {
		return w.raise(alarm)
	}
	if top == nil {
		return nothing(seen)
	}
	if last := w.lastHeld(); last != nil && last.checkpoint.Size >= top.checkpoint.Size {
		return w.stamp(ctx) // an earlier round may have found no authority
	}
	if err := w.cosign(top); err != nil {
		return err
	}
	return w.stamp(ctx)
}

// nothing tells why a round has no checkpoint.
func nothing(seen []*sighting) error {
	var errs []error
	for _, s := range seen {
		if s.fault != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.node.Name, s.fault))
		}
	}
	if len(errs) < len(seen) {
		return nil // some node answered: the ledger has no transaction yet
	}
	return fmt.Errorf("no node gave an answer that holds: %w", errors.Join(errs...))
}

func (w *Witness) alarmed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alarm != nil
}

func (w *Witness) lastHeld() *held {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// tell updates the status of the nodes.
func (w *Witness) tell(seen []*sighting) {
	nodes, good := make([]WitnessNodeStatus, len(seen)), false
	for i, s := range seen {
		n := WitnessNodeStatus{Node: s.node.Name, Behind: s.behind}
		if s.checkpoint != nil {
			n.Size, n.Height = s.checkpoint.Size, s.proof.Anchor.Header.Height
		}
		if s.fault != nil {
			n.Fault = s.fault.Error()
			w.cfg.Logger.Error("a node's answer does not hold", slog.String("node", n.Node), slog.String("fault", n.Fault))
		} else {
			good = true
		}
		nodes[i] = n
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Nodes = nodes
	if good {
		w.status.Checked = w.cfg.Now().UTC()
	}
}

// cosign signs a checkpoint that continues the last one. It is on the disk before
// anybody can see it: a witness that is killed in between has said nothing.
func (w *Witness) cosign(s *sighting) error {
	last := w.lastHeld()
	if last != nil && s.checkpoint.Size <= last.checkpoint.Size {
		return fmt.Errorf("a checkpoint of size %d does not come behind one of size %d", s.checkpoint.Size, last.checkpoint.Size)
	}
	note, err := w.signer.Cosign(s.checkpoint, w.cfg.Now())
	if err != nil {
		return err
	}
	if len(s.chain.headers) != len(w.chain.headers) {
		if err := w.store.putValidators(s.chain.headers); err != nil {
			return err
		}
	}
	w.chain = s.chain
	next := &held{Note: string(note), Proof: s.proof.Encode(), checkpoint: s.checkpoint, proof: s.proof}
	if err := w.store.put(next); err != nil {
		return err
	}
	w.cfg.Logger.Info("cosigned", slog.Uint64("size", s.checkpoint.Size), slog.String("root", s.checkpoint.Root.String()), slog.Int64("height", s.proof.Anchor.Header.Height))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = next
	w.show()
	return nil
}

// raise keeps the evidence of two histories.
func (w *Witness) raise(a *Alarm) error {
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("writing an alarm: %w", err)
	}
	w.cfg.Logger.Error("ALARM: the ledger has two histories", slog.String("what", a.What), slog.String("evidence", w.cfg.Dir+"/alarm.json"))
	err = w.store.write("alarm.json", append(b, '\n'), 0o600)
	w.mu.Lock()
	w.alarm, w.status.Alarm = b, true // even if the disk fails: this process cosigns nothing any more
	w.mu.Unlock()
	return errors.Join(fmt.Errorf("%w: %s (evidence in %s/alarm.json)", ErrAlarm, a.What, w.cfg.Dir), err)
}

// stamp gets a time stamp for the last checkpoint, where there is an authority and
// none yet. Without one the checkpoint stands all the same.
func (w *Witness) stamp(ctx context.Context) error {
	last := w.lastHeld()
	if w.cfg.TSA == "" || last == nil {
		return nil
	}
	name := checkpointFile(last.checkpoint.Size) + ".tsr"
	have, err := w.store.read(name)
	if err != nil || have != nil {
		return err
	}
	token, err := RequestTimestamp(ctx, w.cfg.HTTP, w.cfg.TSA, last.checkpoint)
	if err != nil {
		w.cfg.Logger.Warn("no time stamp", slog.Any("error", err))
		return nil
	}
	return w.store.write(name, token, 0o600)
}

// Timestamp is the time stamp token of the last checkpoint, nil where there is none.
func (w *Witness) Timestamp() ([]byte, error) {
	last := w.lastHeld()
	if last == nil {
		return nil, nil
	}
	return w.store.read(checkpointFile(last.checkpoint.Size) + ".tsr")
}
