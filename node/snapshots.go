package node

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/app"
)

// SnapshotsPath is where a home keeps what other nodes restore from.
func SnapshotsPath(home string) string { return filepath.Join(home, dataDir, "snapshots") }

// idleShare is how many times as long as it works a snapshot waits: what it takes
// must be left over from the blocks.
const idleShare = 3

// snapshots takes snapshots beside the blocks, one at a time.
type snapshots struct {
	app    *app.App
	every  uint64
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	busy   atomic.Bool
	work   sync.WaitGroup

	height prometheus.Gauge
	took   prometheus.Gauge
	failed prometheus.Counter
}

func newSnapshots(machine *app.App, every int, registry *prometheus.Registry, log *slog.Logger) *snapshots {
	s := &snapshots{app: machine, every: uint64(every), log: log,
		height: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "waybill", Subsystem: "snapshot", Name: "height", Help: "Height of the last snapshot."}),
		took:   prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "waybill", Subsystem: "snapshot", Name: "seconds", Help: "How long the last snapshot took, its pauses included."}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "waybill", Subsystem: "snapshot", Name: "failures_total", Help: "Snapshots that could not be taken."})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	registry.MustRegister(s.height, s.took, s.failed)
	if heights := machine.Snapshots(); len(heights) > 0 {
		s.height.Set(float64(heights[len(heights)-1]))
	}
	return s
}

// committed takes a snapshot if the block asks for one. It is called between two
// blocks, and does not keep the second waiting. While one snapshot is being taken,
// the next is left out.
func (s *snapshots) committed(c app.Committed) {
	if !c.Changed || s.every == 0 || s.ctx.Err() != nil || s.busy.Load() {
		return
	}
	due, err := s.app.DueSnapshot(s.every)
	if err != nil {
		s.fail(c.Height, err)
	}
	if due == nil {
		return
	}
	s.busy.Store(true)
	s.work.Go(func() {
		defer s.busy.Store(false)
		defer due.Release()
		s.take(due)
	})
}

func (s *snapshots) take(due *app.Snapshot) {
	began := time.Now()
	resumed := began
	err := due.Take(s.ctx, func() {
		s.pause(idleShare * time.Since(resumed))
		resumed = time.Now()
	})
	switch {
	case err == nil:
		s.height.Set(float64(due.Height))
		s.took.Set(time.Since(began).Seconds())
		s.log.Info("a snapshot was taken", "height", due.Height, "seconds", time.Since(began).Seconds())
	case s.ctx.Err() == nil:
		s.fail(due.Height, err)
	}
}

func (s *snapshots) fail(height int64, err error) {
	s.failed.Inc()
	s.log.Error("taking a snapshot", "height", height, "error", err)
}

func (s *snapshots) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
}

// close gives up the snapshot that is being taken.
func (s *snapshots) close() error {
	s.cancel()
	s.work.Wait()
	return nil
}
