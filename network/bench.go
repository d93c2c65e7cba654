package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// BenchSpec says what is measured.
type BenchSpec struct {
	Local    LocalSpec
	Seconds  int // of each phase
	Writers  int // requests in flight at each node
	Batch    int // events a signature in the first phase
	Depth    int // of the chains that are traced
	Chains   int
	MinTotal int    // events on the ledger before traces are measured
	Profiles string // directory for processor profiles of the nodes and of the load; "": none
}

// gatherSetting lets single events share no signature, for the phase that
// measures one event a signature.
const gatherSetting = "WAYBILL_GATHER_EVENTS"

// loadGrowth is by how many percent the load's heap may grow between two collections:
// what they take is the nodes' otherwise.
const loadGrowth = 800

// bench is one run.
type bench struct {
	spec    BenchSpec
	log     io.Writer
	row     func(what, value string)
	net     *Local
	clients []*client.Client
	once    []*client.Client // that try no request twice
	events  int64            // committed on the network that runs
	phases  int              // that were profiled
}

// Bench measures a local network, and gives row what it found: throughput with many events
// a signature and with one, latency at half load, traces, disk and memory. The
// load is on the same machine. Progress goes to log.
func Bench(ctx context.Context, spec BenchSpec, row func(what, value string), log io.Writer) (err error) {
	debug.SetGCPercent(loadGrowth)
	b := &bench{spec: spec, log: log, row: row}
	size, ratio, err := corpus()
	if err != nil {
		return err
	}
	b.row("events", fmt.Sprintf("%d bytes on average, a hundred compress %.1f times", size, ratio))
	single, err := b.alone(ctx)
	if err != nil {
		return err
	}
	if err := b.start(ctx, "many"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.net.Stop()) }()
	for _, phase := range []func(context.Context) error{b.batched, func(ctx context.Context) error { return b.halfLoad(ctx, single/2) }, b.traces, b.resources} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts a network of its own for a part of the run.
func (b *bench) start(ctx context.Context, part string) error {
	spec := b.spec.Local
	spec.Dir += "/" + part
	var err error
	if b.net, err = StartLocal(ctx, spec); err != nil {
		return err
	}
	b.events, b.clients, b.once = 0, nil, nil
	for _, m := range b.net.Members {
		c, err := client.New(m.REST, m.Key)
		if err != nil {
			return errors.Join(err, b.net.Stop())
		}
		once, err := client.New(m.REST, m.Key, client.WithAttempts(1, time.Second))
		if err != nil {
			return errors.Join(err, b.net.Stop())
		}
		b.clients, b.once = append(b.clients, c), append(b.once, once)
	}
	return nil
}

// alone measures single events that share no signature, on a network that was
// told so.
func (b *bench) alone(ctx context.Context) (rate float64, err error) {
	if err := os.Setenv(gatherSetting, "1"); err != nil {
		return 0, fmt.Errorf("telling the nodes to gather nothing: %w", err)
	}
	err = b.start(ctx, "single")
	if err := errors.Join(err, os.Unsetenv(gatherSetting)); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.net.Stop()) }()
	fmt.Fprintln(b.log, "one event a signature ...")
	d, err := b.drive(ctx, func(ctx context.Context, g *generator, c *client.Client) (int, error) {
		w, err := c.Event(ctx, g.event(), client.Write{Plain: true})
		if err == nil && w.Receipt == nil {
			_, err = c.Wait(ctx, w.Job)
		}
		return 1, err
	})
	if err != nil {
		return 0, err
	}
	b.row("one event a signature", d.String())
	return d.rate, nil
}

func (b *bench) batched(ctx context.Context) error {
	fmt.Fprintf(b.log, "%d events a signature ...\n", b.spec.Batch)
	d, err := b.drive(ctx, b.captureBatch)
	if err != nil {
		return err
	}
	b.row(fmt.Sprintf("%d events a signature", b.spec.Batch), d.String())
	return nil
}

func (b *bench) captureBatch(ctx context.Context, g *generator, c *client.Client) (int, error) {
	return b.spec.Batch, captureAll(ctx, c, g.document(b.spec.Batch))
}

// captureAll captures a document and waits for its commit.
func captureAll(ctx context.Context, c *client.Client, doc []byte) error {
	job, err := c.Capture(ctx, doc, client.Write{Plain: true})
	if err != nil {
		return err
	}
	if job, err = c.Wait(ctx, job.Location); err != nil {
		return err
	}
	if !job.Success {
		if len(job.Errors) > 0 {
			return &job.Errors[0]
		}
		return errors.New("a capture failed without a reason")
	}
	return nil
}

// driven is what came of driving the nodes.
type driven struct {
	rate  float64   // events a second, counted when all nodes have committed all of them
	taken latencies // of what each writer did, from when it was accepted
	spent string
	later int // answers that told to come back later
}

func (d driven) String() string {
	s := fmt.Sprintf("%.0f events/s, p50 %s, p99 %s, %s", d.rate, round(d.taken.percentile(50)), round(d.taken.percentile(99)), d.spent)
	if d.later > 0 {
		s += fmt.Sprintf(", %d times told to come back later", d.later)
	}
	return s
}

// mostBroken is how many broken connections a writer goes on after.
const mostBroken = 5

// drive has every writer do one thing after the other for the phase's time.
func (b *bench) drive(ctx context.Context, do func(context.Context, *generator, *client.Client) (int, error)) (d driven, err error) {
	var (
		mu      sync.Mutex // guards d.taken, events and errs
		events  int64
		errs    []error
		writers sync.WaitGroup
	)
	before, err := used(ctx, b.net.Members)
	if err != nil {
		return d, err
	}
	begin := time.Now()
	end := begin.Add(time.Duration(b.spec.Seconds) * time.Second)
	profiled := b.profile(ctx)
	for i, c := range b.once {
		for w := range b.spec.Writers {
			writers.Go(func() {
				g, broken := newGenerator(i, uint64(begin.UnixNano())+uint64(w)), 0
				for time.Now().Before(end) {
					from := time.Now()
					n, err := do(ctx, g, c)
					told := client.Problem(err)
					wait := time.Duration(0)
					mu.Lock()
					switch {
					case err == nil:
						events, d.taken = events+int64(n), append(d.taken, time.Since(from))
					case told != nil && told.Code == schemas.Overloaded:
						d.later++
						wait = time.Duration(told.RetryAfter) * time.Second
					case told == nil && broken < mostBroken: // more connections at once than the machine serves in time
						broken++
						wait = time.Second
					default:
						errs = append(errs, err)
					}
					stop := len(errs) > 0
					mu.Unlock()
					due := time.Now().Add(wait)
					if stop || due.After(end) || sleepUntil(ctx, due) != nil {
						return
					}
				}
			})
		}
	}
	writers.Wait()
	if err := errors.Join(append(errs, profiled())...); err != nil {
		return d, err
	}
	b.events += events
	if err := b.countEverywhere(ctx); err != nil {
		return d, err
	}
	d.rate = float64(events) / time.Since(begin).Seconds()
	after, err := used(ctx, b.net.Members)
	d.spent = after.since(before, len(b.net.Members), events)
	return d, err
}

func (b *bench) countEverywhere(ctx context.Context) error {
	want := make([]int64, len(b.net.Members))
	for i := range want {
		want[i] = b.events
	}
	return everywhere(ctx, b.net.Members, want)
}

// halfLoad offers single events at a rate, whether earlier ones were answered or
// not, so that waiting shows.
func (b *bench) halfLoad(ctx context.Context, rate float64) error {
	rate = max(rate, 10)
	fmt.Fprintf(b.log, "half load: %.0f events/s ...\n", rate)
	var (
		mu       sync.Mutex // guards taken and errs
		taken    latencies
		errs     []error
		requests sync.WaitGroup
	)
	gens := make([]*generator, len(b.clients))
	for i := range gens {
		gens[i] = newGenerator(i, uint64(time.Now().UnixNano()))
	}
	begin := time.Now()
	count := int(rate * float64(b.spec.Seconds))
	for n := range count {
		due := begin.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
		body, c := gens[n%len(gens)].event(), b.clients[n%len(gens)]
		requests.Go(func() {
			w, err := c.Event(ctx, body, client.Write{Plain: true})
			if err == nil && w.Receipt == nil {
				_, err = c.Wait(ctx, w.Job)
			}
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, time.Since(due))
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	requests.Wait()
	if len(errs) > 0 {
		return errs[0]
	}
	b.events += int64(count)
	b.row("POST /events at half load", fmt.Sprintf("%.0f events/s offered, p50 %s, p99 %s", rate, round(taken.percentile(50)), round(taken.percentile(99))))
	return b.countEverywhere(ctx)
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// traces fills the ledger up, puts chains on it, and follows them upstream.
func (b *bench) traces(ctx context.Context) error {
	for b.events < int64(b.spec.MinTotal) {
		fmt.Fprintf(b.log, "filling the ledger: %d of %d events ...\n", b.events, b.spec.MinTotal)
		if _, err := b.drive(ctx, b.captureBatch); err != nil {
			return err
		}
	}
	g := newGenerator(0, uint64(time.Now().UnixNano()))
	var taken latencies
	for range b.spec.Chains {
		doc, last := g.chain(b.spec.Depth)
		if err := captureAll(ctx, b.clients[0], doc); err != nil {
			return fmt.Errorf("capturing a chain: %w", err)
		}
		b.events += int64(b.spec.Depth)
		for range 5 {
			from := time.Now()
			t, err := b.clients[0].Trace(ctx, last, schemas.Upstream, b.spec.Depth+1)
			if err != nil {
				return fmt.Errorf("tracing a chain: %w", err)
			}
			taken = append(taken, time.Since(from))
			if len(t.Events) != b.spec.Depth {
				return fmt.Errorf("a trace of %d steps has %d events", b.spec.Depth, len(t.Events))
			}
		}
	}
	b.row("trace upstream over REST", fmt.Sprintf("depth %d, %d events on the ledger, p50 %s, p99 %s", b.spec.Depth, b.events, round(taken.percentile(50)), round(taken.percentile(99))))
	return b.countEverywhere(ctx)
}

func (b *bench) resources(context.Context) error {
	for _, m := range b.net.Members {
		disk, err := diskBytes(m.Home)
		if err != nil {
			return err
		}
		b.row(m.Partner, fmt.Sprintf("%.0f bytes of disk an event (%.1f MiB for %d), %.0f MiB of memory at most",
			float64(disk)/float64(max(b.events, 1)), float64(disk)/(1<<20), b.events, float64(peakMemory(m.PID))/(1<<20)))
	}
	return nil
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
