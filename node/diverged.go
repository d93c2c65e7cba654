package node

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	cmtlog "github.com/cometbft/cometbft/libs/log"

	"github.com/waybill-ledger/waybill/app/store"
)

// Divergence is a state that differs from the one which the validators decided:
// this node executed a block otherwise than they did, or its disk changed what it
// had. It can neither vote nor answer any more.
type Divergence struct {
	Height  int64  `json:"height"`  // after which the states differ
	Ours    string `json:"ours"`    // app hash, hexadecimal
	Decided string `json:"decided"` // in the header of the next block
	Block   []byte `json:"block"`   // that block, in the engine's encoding, where it is at hand
}

// ErrDiverged says that a node stopped, or does not start, because its state
// differs from the network's.
var ErrDiverged = errors.New("the state of this node is not the one that the validators decided")

func (d *Divergence) explain() error {
	return fmt.Errorf("%w: after height %d its app hash is %s, the next block carries %s. The node keeps state and archive as they are: "+
		"waybill check tells whether its disk is at fault, and --rebuild mends that; waybill doctor diff names the first key that differs from another partner's", ErrDiverged, d.Height, d.Ours, d.Decided)
}

func divergencePath(home string) string { return filepath.Join(home, dataDir, "diverged.json") }

// refuseDiverged keeps a node that diverged from starting again as if nothing
// had been: it would ask its peers for blocks for ever.
func refuseDiverged(home string) error {
	d, err := readDivergence(home)
	if d == nil || err != nil {
		return err
	}
	return fmt.Errorf("%w; %s removed lets it try again", d.explain(), divergencePath(home))
}

func readDivergence(home string) (*Divergence, error) {
	b, err := os.ReadFile(divergencePath(home))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	d := &Divergence{}
	if err == nil {
		err = json.Unmarshal(b, d)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", divergencePath(home), err)
	}
	return d, nil
}

// watchman reads along what the engine logs, for the one thing that it tells in no
// other way: more than two thirds of the votes are for a block whose app hash is
// another than ours. The engine says so only behind verified votes: when it
// catches up ("Error in validation"), and when it ends consensus.
type watchman struct {
	cmtlog.Logger
	pattern *regexp.Regexp
	once    *sync.Once
	tell    func(ours, decided string)
	hint    *sync.Once
}

func newWatchman(log cmtlog.Logger, tell func(ours, decided string)) *watchman {
	return &watchman{log, regexp.MustCompile(`wrong Block\.Header\.AppHash\.\s+Expected ([0-9A-Fa-f]{64}), got ([0-9A-Fa-f]{64})`), &sync.Once{}, tell, &sync.Once{}}
}

// Error logs, and looks.
func (w *watchman) Error(msg string, kv ...any) {
	w.Logger.Error(msg, kv...)
	if msg != "Error in validation" && !strings.HasPrefix(msg, "CONSENSUS FAILURE") {
		return
	}
	for _, v := range kv {
		if said := fmt.Sprint(v); strings.Contains(said, "wrong set size") || strings.Contains(said, "wrong Block.Header.ValidatorsHash") {
			w.hint.Do(func() {
				w.Logger.Error("peers have blocks of other validators than this node expects: if the network was restarted by a rescue, stop the node and run waybill rescue start with its document")
			})
		}
		if m := w.pattern.FindStringSubmatch(fmt.Sprint(v)); m != nil {
			w.once.Do(func() { w.tell(strings.ToLower(m[1]), strings.ToLower(m[2])) })
		}
	}
}

// With keeps on looking.
func (w *watchman) With(kv ...any) cmtlog.Logger {
	return &watchman{w.Logger.With(kv...), w.pattern, w.once, w.tell, w.hint}
}

// diverge notes that the node's state is not the network's, and stops it.
func (n *Node) diverge(ours, decided string) {
	d := &Divergence{Ours: ours, Decided: decided}
	if n.ledger != nil {
		d.Height, _, _ = n.ledger.waits.last()
	}
	n.diverged.Store(d)
	n.fail(ErrConsensus)
}

// keepDivergence writes down what is known, when consensus is at rest.
func (n *Node) keepDivergence(d *Divergence) error {
	if block := n.engine.state.GetRoundState().ProposalBlock; block != nil && strings.EqualFold(hex.EncodeToString(block.AppHash), d.Decided) {
		if pb, err := block.ToProto(); err == nil {
			d.Block, _ = pb.Marshal() // without it the note still tells
		}
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err == nil {
		err = store.WriteSynced(divergencePath(n.settings.Home), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("noting that the state differs: %w", err)
	}
	return nil
}
