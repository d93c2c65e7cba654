package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
)

// A node may keep old bodies in an S3-compatible store, by whole segments of the
// archive. What rules, proofs and traces read stays; bodies are most of what is
// left, and are asked for one by one. A segment is an object named by its content,
// which is read back before the local file goes.

const (
	moveEvery    = 15 * time.Second
	readPatience = 10 * time.Second // for a block of a moved segment, which a question waits for
	segmentsDir  = "segments/"
	ownerFile    = "owner"
	ownerID      = "archive_store.id" // in a home's data
)

// movedSegments reads segments in a bucket.
type movedSegments struct{ bucket *bucket }

// Range implements store.Elsewhere.
func (m movedSegments) Range(object string, offset, length int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readPatience)
	defer cancel()
	o := minio.GetObjectOptions{}
	if err := o.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	name := segmentsDir + object
	from, err := m.bucket.client.GetObject(ctx, m.bucket.bucket, m.bucket.prefix+name, o)
	if err != nil {
		return nil, errors.Join(store.ErrAway, m.bucket.fault("reading", name, err))
	}
	defer from.Close()
	b, err := readLimited(from, name, length)
	if err != nil {
		return nil, errors.Join(store.ErrAway, m.bucket.fault("reading", name, err))
	}
	return b, nil
}

// archiveBucket is where the home's old segments are, nil for nowhere.
func (s *Settings) archiveBucket() (*bucket, error) {
	if s.ArchiveStore == "" {
		return nil, nil
	}
	b, err := openBucket(s.ArchiveStore, s.s3())
	if err != nil {
		return nil, fmt.Errorf("setting archive_store: %w", err)
	}
	return b, nil
}

// elsewhere reads the home's moved segments.
func (s *Settings) elsewhere() (store.Elsewhere, error) {
	b, err := s.archiveBucket()
	if b == nil || err != nil {
		return nil, err // no typed nil
	}
	return movedSegments{b}, nil
}

// ledgerOptions open the home's ledger.
func (s *Settings) ledgerOptions() (store.Options, error) {
	from, err := s.elsewhere()
	return store.Options{Dir: LedgerPath(s.Home), Backend: s.Backend, Elsewhere: from, SegmentBytes: s.SegmentBytes}, err
}

// mover moves segments out, and brings back those that an erasure needs. It is
// one goroutine, which no block waits for.
type mover struct {
	app      *app.App
	store    *store.Store
	bucket   *bucket
	settings *Settings
	log      *slog.Logger
	moved    prometheus.Gauge
	failures prometheus.Counter

	mu      sync.Mutex // held by a step; guards what follows
	claimed bool       // the prefix is this home's
	swept   bool       // nothing is there that no stub names

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func newMover(s *Settings, machine *app.App, ledger *store.Store, registry *prometheus.Registry, log *slog.Logger) (*mover, error) {
	b, err := s.archiveBucket()
	if b == nil || err != nil {
		return nil, err
	}
	m := &mover{app: machine, store: ledger, bucket: b, settings: s, log: log}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.moved = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "waybill", Subsystem: "archive", Name: "moved_segments",
		Help: "Segments of the archive that are in the store."})
	m.failures = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "waybill", Subsystem: "archive", Name: "store_failures_total",
		Help: "Times that segments could not be moved to or from the store."})
	registry.MustRegister(m.moved, m.failures)
	return m, nil
}

// begin works in the background.
func (m *mover) begin() {
	m.work.Go(func() {
		tick := time.NewTicker(moveEvery)
		defer tick.Stop()
		for {
			if err := m.step(m.ctx); err != nil && m.ctx.Err() == nil {
				m.failures.Inc()
				m.log.Error("moving segments of the archive: nothing is lost, it is tried again", "error", err)
			}
			select {
			case <-tick.C:
			case <-m.ctx.Done():
				return
			}
		}
	})
}

func (m *mover) close() error {
	m.cancel()
	m.work.Wait()
	return nil
}

// step does what is to be done now: recalls come first, since people wait for
// erasures.
func (m *mover) step(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.claim(ctx); err != nil {
		return err
	}
	needed, err := m.app.AwaitedSegments()
	if err != nil {
		return err
	}
	var failed []error // an object that is lost keeps nothing else from being done
	for _, segment := range needed {
		if err := m.store.Recall(segment); err != nil && ctx.Err() == nil {
			failed = append(failed, err)
		}
	}
	if err := m.settle(ctx, needed); err != nil {
		return errors.Join(append(failed, err)...)
	}
	return errors.Join(append(failed, m.moveAll(ctx, needed))...)
}

// claim finds that the prefix is this home's, and makes it so: two homes, or a
// home and what was restored of it, would remove each other's segments.
func (m *mover) claim(ctx context.Context) error {
	if m.claimed {
		return nil
	}
	own, err := homeID(filepath.Join(m.settings.Home, dataDir, ownerID))
	if err != nil {
		return err
	}
	have, err := m.bucket.read(ctx, ownerFile, 1<<10)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = m.bucket.write(ctx, ownerFile, own)
	case err == nil && string(have) != string(own):
		err = fmt.Errorf("%s has segments of another home, or of this one before it was restored: set archive_store to another prefix", m.bucket)
	}
	m.claimed = err == nil
	return err
}

// homeID is a random name that a home has, and no copy made by a restore.
func homeID(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) == 32 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	b = []byte(hex.EncodeToString(random(16)))
	return b, errors.Join(store.WriteSynced(path, b), store.SyncPath(filepath.Dir(path)))
}

// settle removes from the store what is not needed there any more: of segments
// that came back, and what a move left that was cut short. Nobody can read there
// what was erased here.
func (m *mover) settle(ctx context.Context, needed []string) error {
	segments, err := m.store.Segments(store.Bodies)
	if err != nil {
		return err
	}
	used, count := map[string]bool{}, 0
	var back []store.Segment
	for _, g := range segments {
		switch {
		case g.Object == "":
		case !g.Local:
			used[g.Object] = true
			count++
		default:
			back = append(back, g)
		}
	}
	m.moved.Set(float64(count))
	if len(back) == 0 && m.swept {
		return nil
	}
	for _, g := range back {
		if slices.Contains(needed, g.Name) {
			used[g.Object] = true // until what is erased in it is
		}
	}
	objects, err := m.bucket.list(ctx, segmentsDir)
	if err != nil {
		return err
	}
	for _, name := range objects {
		if !used[strings.TrimPrefix(name, segmentsDir)] {
			if err := m.bucket.remove(ctx, name); err != nil {
				return err
			}
		}
	}
	for _, g := range back {
		if !used[g.Object] {
			if err := m.store.ForgetMoved(g.Name); err != nil {
				return err
			}
		}
	}
	m.swept = true
	return nil
}

// moveAll moves the segments whose bodies are all older than the setting says.
func (m *mover) moveAll(ctx context.Context, needed []string) error {
	height, _ := m.store.Last()
	first, err := m.app.SettledBodies(height - m.settings.ArchiveHeights)
	if err != nil || first == "" {
		return err
	}
	segments, err := m.store.Segments(store.Bodies)
	if err != nil {
		return err
	}
	for _, g := range segments {
		if g.Name >= first || !g.Local || g.Object != "" || slices.Contains(needed, g.Name) {
			continue
		}
		if err := m.move(ctx, g.Name); err != nil {
			return fmt.Errorf("moving %s: %w", g.Name, err)
		}
	}
	return nil
}

func (m *mover) move(ctx context.Context, segment string) error {
	f, object, err := m.store.Content(segment)
	if err != nil {
		return err
	}
	defer f.Close()
	m.swept = false // until it is known whether the object is used
	if err := m.bucket.keep(ctx, segmentsDir+object, f, object); err != nil {
		return err
	}
	moved, err := m.store.Moved(segment, object)
	if moved {
		m.log.Info("a segment of the archive was moved to the store", "segment", segment, "object", object)
	}
	return err
}

// keep writes a file of any size, and reads it back: its SHA-256 is sum.
func (b *bucket) keep(ctx context.Context, name string, f *os.File, sum string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	ctx, cancel := within(ctx, 2*info.Size())
	defer cancel()
	if _, err := b.client.PutObject(ctx, b.bucket, b.prefix+name, f, info.Size(), minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}); err != nil {
		return b.fault("writing", name, err)
	}
	o, err := b.client.GetObject(ctx, b.bucket, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return b.fault("reading", name, err)
	}
	defer o.Close()
	again := sha256.New()
	if _, err := io.Copy(again, o); err != nil {
		return b.fault("reading", name, err)
	}
	if hex.EncodeToString(again.Sum(nil)) != sum {
		return fmt.Errorf("writing %s of %s: what was written reads back otherwise: the store is failing", name, b)
	}
	return nil
}
