package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node that joined by a snapshot has the state, and none of the records before.
// Beside its work it fetches the archive of its peers from the first block on,
// checks each block before it keeps it (header, votes, transactions), and computes
// the ledger again from it, in a directory of its own. When that has caught up, it
// takes the place of the ledger that was restored: archive, state and index are
// then those of a node that was there from the beginning.

const (
	historyPause   = time.Second
	slowAnswer     = askTimeout / 4 // after which another is asked first
	historyBehind  = 20             // heights that the engine fetches again when the ledger takes its place
	completeMarker = "complete"
)

// errWholeHistory says that the history is complete: the node takes it over when
// it starts again.
var errWholeHistory = errors.New("the history is complete: the node starts again with it")

// history fetches what came before the node's snapshot.
type history struct {
	settings *Settings
	genesis  *types.GenesisDoc
	app      *app.App // the ledger that the node runs on
	exchange *exchange
	log      *slog.Logger
	done     func() // called when the history is complete
	ctx      context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup

	computed atomic.Int64 // height up to which the ledger is computed again
	fetched  atomic.Int64 // bytes

	store     *store.Store
	replay    *app.Replay
	chain     chainCheck
	collected *store.Collection
	behind    *store.Cursor // at the end of the last block that was computed
	erase     []store.Ref   // that orders erased which were computed
	dismissed map[p2p.ID]bool
	turn      int              // of whose turn it is to be asked first
	gave      map[int64]p2p.ID // who gave a block that lacks bodies
}

func newHistory(s *Settings, genesis *types.GenesisDoc, machine *app.App, x *exchange, registry *prometheus.Registry, log *slog.Logger, done func()) *history {
	h := &history{settings: s, genesis: genesis, app: machine, exchange: x, log: log, done: done}
	value := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "waybill", Subsystem: "history", Name: name, Help: help}, f)
	}
	registry.MustRegister(
		value("missing_height", "Height up to which records are missing, since the node joined by a snapshot; 0: none are.", func() float64 {
			restored, err := machine.Restored()
			if err != nil {
				return -1
			}
			return float64(restored)
		}),
		value("fetched_height", "Height up to which they have been fetched and computed.", func() float64 { return float64(h.computed.Load()) }),
		value("fetched_bytes", "Bytes of them that were fetched since the node started.", func() float64 { return float64(h.fetched.Load()) }))
	return h
}

// begin fetches in the background, if the ledger lacks anything.
func (h *history) begin() {
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if h.settings.own() != "" {
		return // it would bring all bodies
	}
	h.dismissed, h.gave = map[p2p.ID]bool{}, map[int64]p2p.ID{}
	h.work.Go(func() {
		for h.ctx.Err() == nil {
			if restored, err := h.app.Restored(); err != nil || restored == 0 {
				if err == nil && !h.awaiting() {
					return // the ledger has all
				}
				pause(h.ctx, historyPause)
				continue
			}
			err := errors.Join(h.run(), h.end())
			switch {
			case h.ctx.Err() != nil:
				return
			case err == nil:
				h.log.Info("the history is complete", "height", h.computed.Load())
				h.done()
				return
			}
			h.log.Error("fetching the history", "error", err)
			pause(h.ctx, 10*historyPause)
		}
	})
}

// awaiting reports whether the node may yet restore a snapshot.
func (h *history) awaiting() bool {
	view, err := h.app.View()
	return err == nil && view.Height() == 0 && h.settings.Trust != ""
}

// close stops fetching; what was fetched is kept.
func (h *history) close() error {
	if h.cancel == nil {
		return nil
	}
	h.cancel()
	h.work.Wait()
	return nil
}

// end closes what run opened.
func (h *history) end() error {
	var errs []error
	if h.collected != nil {
		errs = append(errs, h.collected.Close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	h.store, h.collected = nil, nil
	return errors.Join(errs...)
}

// run fetches and computes until the history is complete.
func (h *history) run() error {
	if err := h.open(); err != nil {
		return err
	}
	for h.ctx.Err() == nil {
		view, err := h.app.View()
		if err == nil && h.computed.Load() > view.Height() {
			// A peer told of blocks that the engine does not have yet, and which the ledger
			// may not be ahead of it by.
			pause(h.ctx, historyPause)
			continue
		}
		if err == nil && h.computed.Load() >= view.Height()-historyBehind {
			if restored, err := h.app.Restored(); err != nil || h.computed.Load() >= restored {
				return errors.Join(err, h.complete())
			}
		}
		if h.paused() {
			pause(h.ctx, historyPause)
			continue
		}
		began := time.Now()
		n, err := h.next()
		if err != nil {
			return err
		}
		if n == 0 { // nobody has more
			pause(h.ctx, historyPause)
			continue
		}
		// Half of the time, and no more than so many bytes a second: the rest is the
		// blocks' that are being made now.
		pause(h.ctx, max(time.Since(began), time.Duration(n)*time.Second/time.Duration(h.settings.HistoryRate)))
	}
	return h.ctx.Err()
}

// paused reports whether an operator wants no history now.
func (h *history) paused() bool {
	if h.settings.HistoryRate == 0 {
		return true
	}
	_, err := os.Stat(PausePath(h.settings.Home))
	return err == nil
}

// open computes the ledger from what was fetched before, and stands at its end.
// What does not hold any more, because a disk damaged it, is fetched again.
func (h *history) open() error {
	dir := HistoryPath(h.settings.Home)
	err := h.resume(dir)
	if err == nil || h.ctx.Err() != nil {
		return err
	}
	h.log.Warn("what was fetched of the history cannot be used, it is fetched again", "error", err)
	if err := errors.Join(h.end(), os.RemoveAll(dir)); err != nil {
		return err
	}
	return h.resume(dir)
}

func (h *history) resume(dir string) error {
	h.computed.Store(0)
	h.erase = nil
	// The database was never synced, and the archive tells all that is in it.
	if err := os.RemoveAll(filepath.Join(dir, store.DatabaseName(h.settings.Backend))); err != nil {
		return err
	}
	if err := os.MkdirAll(store.ArchiveDir(dir), 0o700); err != nil {
		return fmt.Errorf("fetching the history: %w", err)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return err
	}
	if h.store, err = store.OpenReplay(store.Options{Dir: dir, Backend: h.settings.Backend}, store.ArchiveDir(dir), app.SameEntry(codec)); err != nil {
		return err
	}
	var root schemas.Hash
	if h.replay, root, err = newReplay(h.store, h.genesis, h.settings.Rules); err != nil {
		return err
	}
	h.chain = chainCheck{chainID: h.genesis.ChainID, appHash: root[:]}
	if err := h.compute(); err != nil {
		return err
	}
	if h.collected, err = store.Collect(dir, h.replay.Cursor()); err != nil {
		return err
	}
	return h.overwrite()
}

// overwrite erases what orders erased that were computed: also when it was stopped
// before, since then they are computed again.
func (h *history) overwrite() error {
	for _, ref := range h.erase {
		if err := h.collected.Erase(store.Bodies, ref); err != nil {
			return err
		}
	}
	h.erase = nil
	return nil
}

// compute computes what is in the archive and not computed yet.
func (h *history) compute() error {
	for {
		h.behind = h.replay.Cursor().Copy()
		b, err := h.replay.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, app.ErrCut) {
			return nil
		}
		if err == nil {
			err = h.chain.follow(b, h.genesis)
		}
		if err == nil {
			err = h.ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("computing the history at height %d: %w", h.computed.Load()+1, err)
		}
		h.computed.Store(b.Height)
		h.erase = append(h.erase, h.replay.Erased()...)
	}
}

// next asks a peer for the next blocks, keeps those that the validators signed,
// and computes them. It returns how many bytes that were; 0, nobody has any.
func (h *history) next() (int, error) {
	from := h.computed.Load() + 1
	for _, peer := range inTurn(h.exchange.peers(), h.turn) {
		if h.dismissed[peer.ID()] {
			continue
		}
		began := time.Now()
		answer, err := h.exchange.ask(h.ctx, peer, historyChannel, schemas.AppendUint(nil, 1, uint64(from)))
		if err != nil || time.Since(began) >= slowAnswer {
			h.turn++
		}
		if err != nil {
			continue // it has none, is slow, or is gone
		}
		n, err := h.take(answer, from)
		h.attribute(peer.ID())
		var lie *lied
		if errors.As(err, &lie) {
			h.dismissed[peer.ID()] = true
			h.log.Warn("a peer's history is refused, it is asked no more", "peer", peer.ID(), "height", from, "error", err)
			continue
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	if len(h.dismissed) > 0 && len(h.dismissed) >= len(h.exchange.peers()) {
		clear(h.dismissed) // perhaps it was this node's disk
	}
	return 0, nil
}

// attribute notes who gave blocks that lack bodies: that orders erased them shows
// in the end.
func (h *history) attribute(peer p2p.ID) {
	for _, height := range h.replay.Withheld() {
		if _, known := h.gave[height]; !known {
			h.gave[height] = peer
		}
	}
}

// settle begins again, and without those who withheld them, if bodies are missing
// that nobody ordered to be erased.
func (h *history) settle() error {
	fault := h.replay.Settled()
	if fault == nil {
		return nil
	}
	for _, height := range h.replay.Withheld() {
		if peer, known := h.gave[height]; known {
			h.dismissed[peer] = true
			h.log.Warn("a peer withheld bodies, it is asked no more", "peer", peer, "height", height)
		}
	}
	clear(h.gave)
	return errors.Join(fmt.Errorf("the history is fetched again: %w", fault), h.end(), os.RemoveAll(HistoryPath(h.settings.Home)))
}

// lied is what is wrong with a peer's answer, in contrast to a fault of this node.
type lied struct{ err error }

func (l *lied) Error() string { return l.err.Error() }
func (l *lied) Unwrap() error { return l.err }

// take keeps what holds of an answer, and returns how many bytes it had, 0 if
// nothing new was in it. The results and codes in it are only known to be right
// when they are computed: a block in which they are wrong goes again.
func (h *history) take(answer []byte, from int64) (int, error) {
	blocks, err := h.confirmed(answer, from)
	if err != nil {
		return 0, &lied{err}
	}
	if len(blocks) == 0 {
		return 0, nil
	}
	err = h.keep(blocks, len(answer))
	var damage *store.Damage
	if !errors.As(err, &damage) {
		return len(answer), err
	}
	if again := h.rewind(); again != nil {
		return 0, errors.Join(err, again)
	}
	return 0, &lied{err}
}

// rewind drops what is behind the last block that was computed.
func (h *history) rewind() (err error) {
	if err := h.collected.Close(); err != nil {
		return err
	}
	h.replay.Rewind(h.behind)
	h.collected, err = store.Collect(HistoryPath(h.settings.Home), h.behind)
	return err
}

// keep adds blocks to the archive, durably, and computes them.
func (h *history) keep(blocks []app.ArchivedBlock, size int) error {
	for _, b := range blocks {
		for _, r := range b.Records {
			if err := h.collected.Append(store.Records, r); err != nil {
				return err
			}
		}
		for _, r := range b.Bodies {
			if err := h.collected.Append(store.Bodies, r); err != nil {
				return err
			}
		}
	}
	if err := h.collected.Flush(); err != nil {
		return err
	}
	h.fetched.Add(int64(size))
	return errors.Join(h.compute(), h.overwrite())
}

// confirmed are the blocks of an answer that follow the last one and that the
// validators signed: the votes for a block are in the next one, so the last of the
// answer confirms and is not confirmed. Nothing is executed for it.
func (h *history) confirmed(answer []byte, from int64) (blocks []app.ArchivedBlock, err error) {
	ahead := h.chain
	f := schemas.ReadFields(answer)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 {
			return nil, errMalformed
		}
		b, err := app.DecodeArchivedBlock(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformed, err)
		}
		if b.Height != from+int64(len(blocks)) {
			return nil, fmt.Errorf("block %d came where %d was due", b.Height, from+int64(len(blocks)))
		}
		block, err := h.app.ReadArchived(&b)
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", b.Height, err)
		}
		if err := ahead.precede(block, h.genesis, len(blocks) == 0); err != nil {
			return nil, fmt.Errorf("block %d: %w", b.Height, err)
		}
		blocks = append(blocks, b)
	}
	if f.Err() != nil {
		return nil, errMalformed
	}
	return blocks[:max(len(blocks)-1, 0)], nil
}

// complete leaves the computed ledger, durably, for the next start.
func (h *history) complete() error {
	dir := HistoryPath(h.settings.Home)
	if err := h.settle(); err != nil {
		return err
	}
	if err := h.end(); err != nil {
		return err
	}
	if err := store.SyncTree(dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, completeMarker), nil, 0o600); err != nil {
		return fmt.Errorf("completing the history: %w", err)
	}
	return store.SyncTree(dir)
}

// takingOver reports whether a node was killed between the two renames of takeOver: a
// ledger that somebody made anew would be in the way of the second.
func takingOver(home string) bool {
	_, ledger := os.Stat(LedgerPath(home))
	_, next := os.Stat(filepath.Join(HistoryPath(home), completeMarker))
	return errors.Is(ledger, fs.ErrNotExist) && next == nil
}

// takeOver puts a complete history in the place of the ledger that was restored:
// two renames, and a kill anywhere is made good by the next start.
func takeOver(home string) error {
	ledger, next, old := LedgerPath(home), HistoryPath(home), LedgerPath(home)+".restored"
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	var errs []error
	if exists(filepath.Join(next, completeMarker)) {
		if exists(ledger) && !exists(old) {
			errs = append(errs, os.Rename(ledger, old))
		}
		if !exists(ledger) {
			errs = append(errs, os.Rename(next, ledger), store.SyncTree(filepath.Join(home, dataDir)))
		}
	}
	if errors.Join(errs...) == nil && exists(filepath.Join(ledger, completeMarker)) {
		errs = append(errs, os.RemoveAll(old), os.Remove(filepath.Join(ledger, completeMarker)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking the history over: %w", err)
	}
	return nil
}

// PauseHistory pauses fetching the history in a home, or lets it go on; a node
// that runs notices within a second.
func PauseHistory(home string, pause bool) error {
	if _, err := os.Stat(filepath.Join(home, SettingsFile)); err != nil {
		return fmt.Errorf("%s is no node's home: %s is missing (waybill init makes one)", home, SettingsFile)
	}
	if pause {
		return os.WriteFile(PausePath(home), []byte("remove this file, or \"waybill history resume\", to go on\n"), 0o600)
	}
	if err := os.Remove(PausePath(home)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
