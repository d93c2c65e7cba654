package node

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	dbm "github.com/cometbft/cometbft-db"

	"github.com/waybill-ledger/waybill/app"
)

// A database that is told to delete only notes that: what was there stays in its
// files until they are written anew, which may never happen. So when a block goes
// that has erased bodies, the files that had it are written anew.

// sweeper sees to it that blocks with erased bodies are gone from the disk once
// the engine dropped them.
type sweeper struct {
	app    *app.App
	blocks *headers
	log    *slog.Logger
	work   sync.WaitGroup
	busy   atomic.Bool
	ended  atomic.Bool

	base  int64          // first block that the engine had when it was looked last; the worker's
	swept map[int64]bool // heights; the worker's
}

// committed looks again where a block erased, or the engine dropped some. It is
// called between two blocks, and does not keep the second waiting: what comes while
// it works is seen at the next block.
func (s *sweeper) committed(c app.Committed) {
	blocks, err := s.blocks.of()
	if err != nil || s.ended.Load() || !s.busy.CompareAndSwap(false, true) {
		return
	}
	base := blocks.Base()
	if base == s.base && !c.Erased {
		s.busy.Store(false)
		return
	}
	s.work.Go(func() {
		defer s.busy.Store(false)
		if err := s.sweep(base); err != nil {
			s.log.Error("removing blocks with erased bodies from the disk, this is tried again", "error", err)
			return
		}
		s.base = base
	})
}

// sweep rewrites what the engine's database had of blocks before base whose bodies
// are erased.
func (s *sweeper) sweep(base int64) error {
	heights, err := s.app.ErasedBefore(base)
	if err != nil {
		return err
	}
	for _, height := range heights {
		if s.ended.Load() {
			return nil
		}
		if s.swept[height] {
			continue
		}
		if err := s.blocks.compact(height); err != nil {
			return err
		}
		s.swept[height] = true
	}
	return nil
}

// close waits for what is being rewritten.
func (s *sweeper) close() error {
	s.ended.Store(true)
	s.work.Wait()
	return nil
}

// compact writes the files anew that have, or had, the parts of a block.
func (h *headers) compact(height int64) error {
	h.mu.RLock()
	db := h.db
	h.mu.RUnlock()
	if db == nil {
		return nil
	}
	// The engine's key of a block's part: height and number, in decimal digits.
	if err := db.Compact(fmt.Appendf(nil, "P:%d:", height), fmt.Appendf(nil, "P:%d;", height)); err != nil {
		return fmt.Errorf("compacting block %d of the engine's: %w", height, err)
	}
	return nil
}

func (h *headers) keepDB(db dbm.DB) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.db = db
}
