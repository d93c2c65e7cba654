package audit_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

var four = validatorsOf("a", "b", "c", "d")

// watch is a witness with the nodes that it follows.
type watch struct {
	t     *testing.T
	cfg   audit.WitnessConfig
	nodes []*simNode
	*audit.Witness
}

func newWatch(t *testing.T, trust *proof.Trust, histories ...*history) *watch {
	t.Helper()
	w := &watch{t: t, cfg: audit.WitnessConfig{Dir: t.TempDir(), Trust: trust, Name: "witness.example",
		Now: func() time.Time { return simStart.Add(time.Hour) }}}
	for i, h := range histories {
		n := &simNode{history: h}
		w.nodes = append(w.nodes, n)
		w.cfg.Nodes = append(w.cfg.Nodes, audit.WitnessNode{Name: "node" + string(rune('A'+i)), History: n})
	}
	w.open()
	return w
}

func (w *watch) open() {
	w.t.Helper()
	var err error
	if w.Witness, err = audit.OpenWitness(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.Close() })
}

// reopen is the witness started again.
func (w *watch) reopen() {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// signs makes a round that must cosign the checkpoint of this size.
func (w *watch) signs(h *history, size int) {
	w.t.Helper()
	if err := w.Round(context.Background()); err != nil {
		w.t.Fatalf("round: %v", err)
	}
	w.shows(h, size)
}

// shows checks the last word: a note that verifies, of this checkpoint.
func (w *watch) shows(h *history, size int) {
	w.t.Helper()
	if size == 0 {
		if note := w.Checkpoint(); note != nil {
			w.t.Fatalf("nothing should be cosigned:\n%s", note)
		}
		return
	}
	c, err := audit.OpenCheckpoint(w.Checkpoint(), w.Key())
	if err != nil {
		w.t.Fatal(err)
	}
	if c.ChainID != simChain || c.Size != uint64(size) || c.Root != proof.RootOf(h.entries[:size]) || len(c.Cosignatures) != 1 {
		w.t.Fatalf("cosigned is %d %s, should be the first %d", c.Size, c.Root, size)
	}
}

// alarms makes a round that must find two histories, and checks the evidence.
func (w *watch) alarms() *audit.Alarm {
	w.t.Helper()
	err := w.Round(context.Background())
	if !errors.Is(err, audit.ErrAlarm) {
		w.t.Fatalf("no alarm: %v, %+v", err, w.Status())
	}
	b, err := os.ReadFile(filepath.Join(w.cfg.Dir, "alarm.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := audit.DecodeAlarm(b)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := a.Check(w.cfg.Trust); err != nil {
		w.t.Fatalf("the evidence does not hold: %v", err)
	}
	return a
}

func TestWitnessFollows(t *testing.T) {
	h := newHistory(3, four)
	w := newWatch(t, h.trust(2), h, h)
	w.nodes[0].set(func(n *simNode) { n.anchors = 1 })
	w.nodes[1].set(func(n *simNode) { n.anchors = 1 })
	w.signs(h, 1)
	w.nodes[0].set(func(n *simNode) { n.anchors = 3 })
	w.signs(h, 3)
	if s := w.Status(); !s.Nodes[1].Behind || s.Nodes[0].Behind || s.Nodes[1].Fault != "" {
		t.Errorf("a node that lags is told as %+v", s.Nodes)
	}
	before := string(w.Checkpoint())
	w.signs(h, 3)
	w.reopen()
	w.signs(h, 3)
	if string(w.Checkpoint()) != before {
		t.Error("the same checkpoint was cosigned twice")
	}
	h.grow(4, "", four)
	for _, n := range w.nodes {
		n.set(func(n *simNode) { n.anchors = 0 })
	}
	w.signs(h, 7)
}

// Nothing recorded is no fault; a node that forgets all later is one.
func TestWitnessOfAnEmptyLedger(t *testing.T) {
	h := newHistory(1, four)
	empty := &history{headers: h.headers[:1]}
	w := newWatch(t, h.trust(1), empty)
	w.signs(h, 0)
	w.nodes[0].set(func(n *simNode) { n.history = h })
	w.signs(h, 1)
	w.nodes[0].set(func(n *simNode) { n.history = empty })
	if err := w.Round(context.Background()); err == nil || errors.Is(err, audit.ErrAlarm) {
		t.Errorf("a node without its history: %v", err)
	}
}

func TestWitnessSeesAForkBetweenNodes(t *testing.T) {
	for name, other := range map[string]func(*history) *history{
		"one is ahead":   func(h *history) *history { return h.fork(2, 3, "other") },
		"of one size":    func(h *history) *history { return h.fork(3, 1, "other") },
		"from the start": func(h *history) *history { return h.fork(0, 2, "other") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(4, four)
			f := other(h)
			w := newWatch(t, h.trust(1), h, f)
			if name == "from the start" {
				// The header at the trusted height is another there.
				if err := w.Round(context.Background()); err != nil {
					t.Fatal(err)
				}
				if s := w.Status(); s.Nodes[1].Fault == "" || s.Size != 4 {
					t.Errorf("%+v", s)
				}
				w.nodes[1].set(func(n *simNode) { n.pruned = 1 }) // does not show it
				w.reopen()
			}
			a := w.alarms()
			if a.Sides[0].Size > a.Sides[1].Size || a.Sides[0].Hash == a.Sides[1].Hash {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A rewrite by all validators, at all nodes: longer, as long, or shorter than what
// was cosigned; from any height on.
func TestWitnessSeesARewrite(t *testing.T) {
	for _, from := range []int{0, 1, 4, 6} {
		for _, steps := range []int{1, 2, 5, 9} {
			h := newHistory(7, four)
			w := newWatch(t, h.trust(1), h, h, h)
			for _, size := range []int{3, 5, 7} {
				for _, n := range w.nodes {
					n.set(func(n *simNode) { n.anchors = size })
				}
				w.signs(h, size)
			}
			f := h.fork(from, steps, "rewritten")
			for _, n := range w.nodes {
				n.set(func(n *simNode) { n.history, n.anchors, n.pruned = f, 0, 1 })
			}
			// A shorter history is an alarm once it reaches a checkpoint that is
			// kept behind the place where it parts; until then it lags.
			seen := false
			for len(f.anchors) < 7 && !seen {
				err := w.Round(context.Background())
				if seen = errors.Is(err, audit.ErrAlarm); !seen {
					w.shows(h, 7)
					f.grow(1, "rewritten", four)
				}
			}
			if !seen {
				w.alarms()
			}
			w.shows(h, 7)
			if kept := map[bool]int{true: 5, false: 3}[from >= 3]; from < kept && from+steps >= kept && len(f.anchors) > from+steps {
				t.Errorf("from %d, %d steps: the rewrite was noticed only after %d anchors", from, steps, len(f.anchors))
			}
		}
	}
}

// After an alarm nothing is cosigned, not after a restart either.
func TestWitnessStaysAlarmed(t *testing.T) {
	h := newHistory(4, four)
	w := newWatch(t, h.trust(1), h, h.fork(2, 3, "other"))
	w.alarms()
	w.nodes[1].set(func(n *simNode) { n.history = h })
	w.alarms()
	w.reopen()
	w.alarms()
	w.shows(h, 0)
	if !w.Status().Alarm {
		t.Error("the status does not tell of the alarm")
	}
}

// Evidence that is none is refused.
func TestAlarmMustHold(t *testing.T) {
	h := newHistory(4, four)
	w := newWatch(t, h.trust(1), h, h.fork(2, 3, "other"))
	good := w.alarms()
	strangers := newHistory(4, validatorsOf("e", "f", "g", "h"))
	for name, spoil := range map[string]func(*audit.Alarm){
		"one history":     func(a *audit.Alarm) { a.Sides[1] = a.Sides[0] },
		"strangers":       func(a *audit.Alarm) { a.Sides[1].Proof = strangers.anchors[3].proof.Encode() },
		"without anchor":  func(a *audit.Alarm) { a.Anchor = nil },
		"another anchor":  func(a *audit.Alarm) { a.Anchor.Height++ },
		"swapped":         func(a *audit.Alarm) { a.Sides[0], a.Sides[1] = a.Sides[1], a.Sides[0] },
		"one side":        func(a *audit.Alarm) { a.Sides = a.Sides[:1] },
		"told wrongly":    func(a *audit.Alarm) { a.Sides[0].Height++ },
		"no proof":        func(a *audit.Alarm) { a.Sides[0].Proof = nil },
		"index elsewhere": func(a *audit.Alarm) { a.Anchor.Index-- },
	} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(good)
			if err != nil {
				t.Fatal(err)
			}
			a, err := audit.DecodeAlarm(b)
			if err != nil {
				t.Fatal(err)
			}
			spoil(a)
			if err := a.Check(w.cfg.Trust); err == nil {
				t.Error("it is taken as evidence")
			}
		})
	}
	if good.Check(newHistory(2, validatorsOf("e", "f", "g", "h")).trust(1)) == nil {
		t.Error("evidence holds under another root of trust")
	}
	grown := &audit.Alarm{ChainID: simChain, Sides: []audit.AlarmSide{sideOf(h, 2), sideOf(h, 4)}}
	anchor, err := w.nodes[0].Anchor(context.Background(), 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	if grown.Anchor = anchor; grown.Check(h.trust(1)) == nil {
		t.Error("growth is taken as evidence")
	}
}

func sideOf(h *history, size int) audit.AlarmSide {
	p := h.anchors[size-1].proof
	return audit.AlarmSide{Size: uint64(size), Root: proof.RootOf(h.entries[:size]), Height: p.Anchor.Header.Height, Hash: p.Anchor.Hash(), Time: p.Anchor.Header.Time, Proof: p.Encode()}
}

// A node that is dead or lies is told of, and holds up nobody.
func TestWitnessAndBadNodes(t *testing.T) {
	h := newHistory(5, four)
	strangers := newHistory(6, validatorsOf("e", "f", "g", "h"))
	minority := newHistory(6, validatorsOf("a", "f", "g", "h"))
	future := newHistory(1, four)
	checkpoint := func(p *proof.CheckpointProof) func(string, any) {
		return func(what string, answer any) {
			if c, ok := answer.(*api.Checkpoint); ok {
				c.Proof = p.Encode()
			}
		}
	}
	forged := *h.anchors[4].proof
	forged.Anchor.Commit.Votes = append([]proof.Vote{}, forged.Anchor.Commit.Votes...)
	forged.Anchor.Commit.Votes[2].Signature = make([]byte, ed25519.SignatureSize)
	few := *h.anchors[4].proof
	few.Anchor.Commit.Votes = few.Anchor.Commit.Votes[:2]
	idle := *h.anchors[4].proof
	idle.Anchor = *h.headers[len(h.headers)-1]
	other := *h.anchors[4].proof
	other.Log = h.anchors[3].proof.Log
	late := future.blocks[future.anchors[0].at-1]
	late.Time = simStart.Add(3 * time.Hour)
	ahead := *future.anchors[0].proof
	ahead.Anchor = *sign(late, four)
	for name, spoil := range map[string]func(*simNode){
		"dead":                  func(n *simNode) { n.dead = errors.New("connection refused") },
		"other validators":      func(n *simNode) { n.history = strangers },
		"a minority":            func(n *simNode) { n.history = minority },
		"forged vote":           func(n *simNode) { n.lie = checkpoint(&forged) },
		"few votes":             func(n *simNode) { n.lie = checkpoint(&few) },
		"idle header as anchor": func(n *simNode) { n.lie = checkpoint(&idle) },
		"another log":           func(n *simNode) { n.lie = checkpoint(&other) },
		"from the future":       func(n *simNode) { n.lie = checkpoint(&ahead) },
		"no encoding": func(n *simNode) {
			n.lie = func(what string, answer any) {
				if c, ok := answer.(*api.Checkpoint); ok {
					c.Proof = c.Proof[:len(c.Proof)-1]
				}
			}
		},
		"no proof of growth": func(n *simNode) {
			n.lie = func(what string, answer any) {
				switch a := answer.(type) {
				case *api.Growth:
					a.Path = nil
				case *api.AnchorProof:
					a.Path = nil
				}
			}
		},
		"another index": func(n *simNode) {
			n.lie = func(what string, answer any) {
				switch a := answer.(type) {
				case *api.Growth:
					a.Path = nil
				case *api.AnchorProof:
					a.Index++
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch(t, h.trust(1), h, h, h)
			for _, n := range w.nodes {
				n.set(func(n *simNode) { n.anchors = 3 })
			}
			w.signs(h, 3)
			for _, n := range w.nodes {
				n.set(func(n *simNode) { n.anchors = 0 })
			}
			w.nodes[0].set(spoil)
			w.signs(h, 5)
			if s := w.Status(); s.Nodes[0].Fault == "" || s.Nodes[1].Fault != "" || s.Nodes[2].Fault != "" {
				t.Errorf("told as %+v", s.Nodes)
			}
			// Alone, such a node gets no cosignature.
			alone := newWatch(t, h.trust(1), h)
			alone.nodes[0].set(func(n *simNode) { n.anchors = 3 })
			alone.signs(h, 3)
			alone.nodes[0].set(func(n *simNode) { n.anchors = 0; spoil(n) })
			if err := alone.Round(context.Background()); err == nil || errors.Is(err, audit.ErrAlarm) {
				t.Errorf("a round with this node alone: %v", err)
			}
			alone.shows(h, 3)
		})
	}
	// A proof of growth that does not hold is no evidence: the anchor tells.
	w := newWatch(t, h.trust(1), h)
	w.nodes[0].set(func(n *simNode) { n.anchors = 3 })
	w.signs(h, 3)
	w.nodes[0].set(func(n *simNode) {
		n.anchors, n.lie = 0, func(_ string, answer any) {
			if g, ok := answer.(*api.Growth); ok {
				g.Path = nil
			}
		}
	})
	w.signs(h, 5)
}

// The validators change: some by some, then all between two rounds. The way leads
// over headers in between.
func TestWitnessFollowsValidators(t *testing.T) {
	h := newHistory(2, four)
	for _, v := range []validators{validatorsOf("a", "b", "c", "e"), validatorsOf("a", "b", "f", "e"), validatorsOf("g", "b", "f", "e"), validatorsOf("g", "h", "f", "e"), validatorsOf("g", "h", "i", "e")} {
		h.headers[len(h.headers)-1] = announce(h, v)
		h.grow(3, "", v)
	}
	w := newWatch(t, h.trust(2), h)
	w.nodes[0].set(func(n *simNode) { n.anchors = 1 })
	w.signs(h, 1)
	w.nodes[0].set(func(n *simNode) { n.anchors = 0 })
	w.signs(h, len(h.anchors))
	w.reopen()
	h.grow(1, "", validatorsOf("g", "h", "i", "e"))
	w.signs(h, len(h.anchors))
	// A fork by the validators of the end is evidence under the root of trust of the begin.
	f := h.fork(len(h.anchors)-1, 2, "other")
	w.nodes[0].set(func(n *simNode) { n.history = f })
	w.alarms()

	fresh := newWatch(t, h.trust(2), h)
	fresh.signs(h, len(h.anchors))
	pruned := newWatch(t, h.trust(2), h)
	pruned.nodes[0].set(func(n *simNode) { n.pruned = 3 })
	if err := pruned.Round(context.Background()); err == nil {
		t.Error("validators that nothing leads to are believed")
	}
}

// announce is the last header again, naming the next validators.
func announce(h *history, v validators) *proof.SignedHeader {
	n := len(h.headers)
	head, set := h.blocks[n-1], proof.ValidatorSetHash(v.set)
	head.NextValidators = set[:]
	return sign(head, h.vals[n-1])
}

func TestWitnessServes(t *testing.T) {
	h := newHistory(3, four)
	w := newWatch(t, h.trust(1), h)
	s := httptest.NewServer(w.Handler(time.Minute))
	defer s.Close()
	get := func(path string, status int) string {
		t.Helper()
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%s: %d, %v\n%s", path, res.StatusCode, err, b)
		}
		return string(b)
	}
	get("/checkpoint", 404)
	get("/healthz", 503)
	get("/alarm", 404)
	get("/timestamp", 404)
	w.signs(h, 3)
	if got := get("/checkpoint", 200); got != string(w.Checkpoint()) {
		t.Errorf("it shows\n%s", got)
	}
	key, err := proof.ParseWitnessKey(strings.TrimSpace(get("/key", 200)))
	if err != nil || key.String() != w.Key().String() {
		t.Errorf("key %v, %v", key, err)
	}
	get("/healthz", 200)
	get("/", 200)
	get("/nothing", 404)
	if m := get("/metrics", 200); !strings.Contains(m, "waybill_witness_size 3") || !strings.Contains(m, `waybill_witness_node_up{node="nodeA"} 1`) {
		t.Errorf("metrics:\n%s", m)
	}
	w.nodes[0].set(func(n *simNode) { n.history = h.fork(1, 3, "other") })
	w.alarms()
	get("/healthz", 503)
	if a, err := audit.DecodeAlarm([]byte(get("/alarm", 200))); err != nil || a.Check(w.cfg.Trust) != nil {
		t.Errorf("the alarm shown does not hold: %v", err)
	}
	if m := get("/metrics", 200); !strings.Contains(m, "waybill_witness_alarm 1") {
		t.Errorf("metrics:\n%s", m)
	}
}
