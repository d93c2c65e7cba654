package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Config is what a gateway needs. Zero numbers and times mean the default.
type Config struct {
	Ledger  Ledger       `validate:"required"`
	Local   *local.Store `validate:"required"`
	Logger  *slog.Logger
	Partner string `validate:"required"` // whose gateway this is
	Version string // of the program
	// Metrics is where the gateway registers its own and what /metrics shows;
	// nil makes one.
	Metrics *prometheus.Registry
	Limits  Limits
	// Destinations are addresses that subscribers may have though they are internal.
	Destinations []netip.Prefix
}

// Limits bound what the gateway takes upon itself.
type Limits struct {
	CaptureEvents   int           `validate:"min=1,max=5000"`                  // events of one document; with proceed four times as many
	CaptureBytes    int64         `validate:"min=1024,max=67108864"`           // bytes of one document
	EventBytes      int64         `validate:"min=1024,max=1048576"`            // bytes of one event
	ChunkEvents     int           `validate:"min=1,max=5000"`                  // events a transaction where a document may be split
	ChunkBytes      int           `validate:"min=1024,max=8388608"`            // bytes of their bodies
	Acknowledge     time.Duration `validate:"min=1ms,max=1m"`                  // how long a write waits for its outcome
	Crowded         time.Duration `validate:"min=1ms,max=1m"`                  // how long what waits may take the ledger before writes are told to come back
	Outbox          int           `validate:"min=1"`                           // transactions that wait for the ledger
	OutboxBytes     int64         `validate:"min=1048576"`                     // bytes of these
	InFlight        int           `validate:"min=1"`                           // writes that are worked on
	InFlightBytes   int64         `validate:"min=1048576"`                     // bytes of their bodies
	ReadTime        time.Duration `validate:"min=1ms,max=1m"`                  // how long a read may take
	Reads           int           `validate:"min=1"`                           // reads that are worked on
	ReadBytes       int64         `validate:"min=67108864"`                    // bytes that their answers take
	Bundles         int           `validate:"min=1"`                           // bundles that are made at once; others wait
	Traces          int           `validate:"min=1"`                           // traces
	Proofs          int           `validate:"min=1"`                           // proofs of the ledger's past, which need no key
	Public          int           `validate:"min=1"`                           // answers of what is public, which need no key
	Rate            float64       `validate:"gt=0"`                            // requests a second and API key
	Burst           float64       `validate:"gte=1"`                           // requests that may come at once
	URI             int           `validate:"min=256,max=65536"`               // bytes of a request target
	TraceEvents     int           `validate:"min=1,max=100000"`                // events of a trace
	Retention       time.Duration `validate:"min=168h"`                        // of jobs and idempotency records
	IdempotencyKeys int           `validate:"min=1"`                           // records held at most
	Gather          int           `validate:"min=1,max=5000"`                  // single events that share a signature; 1: none do
	GatherTime      time.Duration `validate:"min=1us,max=1s"`                  // how long the first waits for others
	Subscriptions   int           `validate:"min=1"`                           // of one API key, with its open WebSockets
	Deliveries      int           `validate:"min=1"`                           // messages to subscribers that are sent at once
	MessageEvents   int           `validate:"min=1,max=1000"`                  // events of one
	MessageBytes    int           `validate:"min=1024,max=8388608"`            // bytes of these, but of a single one
	Receiver        time.Duration `validate:"min=1ms,max=1m"`                  // how long a subscriber may take to answer
	Backoff         time.Duration `validate:"min=1ms,max=1m"`                  // before one that failed is tried again
	MaxBackoff      time.Duration `validate:"min=1ms,max=1h,gtefield=Backoff"` // and at most
	Retry           time.Duration `validate:"min=1ms,max=1m"`                  // before an unavailable ledger is asked again
	MaxRetry        time.Duration `validate:"min=1ms,max=10m,gtefield=Retry"`  // and at most
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{{&l.CaptureEvents, schemas.MaxMessages}, {&l.ChunkEvents, 500}, {&l.ChunkBytes, 1 << 20}, {&l.Outbox, 20000}, {&l.InFlight, 4096},
		{&l.Reads, 128}, {&l.Bundles, 2}, {&l.Traces, 8}, {&l.Proofs, 4}, {&l.Public, 4}, {&l.URI, 8192}, {&l.TraceEvents, 2000}, {&l.IdempotencyKeys, 20000000}, {&l.Gather, 100},
		{&l.Subscriptions, 100}, {&l.Deliveries, 32}, {&l.MessageEvents, 100}, {&l.MessageBytes, 512 << 10}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *int64
		value int64
	}{{&l.CaptureBytes, 16 << 20}, {&l.EventBytes, 1 << 20}, {&l.InFlightBytes, 128 << 20}, {&l.OutboxBytes, 1 << 30}, {&l.ReadBytes, 256 << 20}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.Acknowledge, 10 * time.Second}, {&l.Crowded, 5 * time.Second}, {&l.Retention, 7 * 24 * time.Hour}, {&l.GatherTime, 5 * time.Millisecond},
		{&l.ReadTime, 20 * time.Second}, {&l.Retry, 250 * time.Millisecond}, {&l.MaxRetry, 5 * time.Second},
		{&l.Receiver, 10 * time.Second}, {&l.Backoff, time.Second}, {&l.MaxBackoff, 5 * time.Minute}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *float64
		value float64
	}{{&l.Rate, 5000}, {&l.Burst, 10000}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// Gateway answers REST requests over one node.
type Gateway struct {
	cfg     Config
	ledger  Ledger
	local   *local.Store
	log     *slog.Logger
	limits  Limits
	check   *validator.Validate
	metrics *metrics
	outbox  *outbox
	gather  *gatherer
	flights *flights
	rates   *rates
	bodies  *room // that arrive
	writes  *room // that are worked on
	reads   *room
	queries *lane         // reads of pages of queries
	bundles chan struct{} // holds one for each that is being made
	traces  chan struct{}
	proofs  chan struct{} // of the ledger's past
	public  chan struct{} // answers to whoever shows no key
	handler http.Handler
	naming  sync.Mutex // held while a stored query or a subscription is made or deleted
	subs    *subscriptions
	tokens  *pageTokens

	stop context.CancelFunc
	work sync.WaitGroup
}

// New makes a gateway. It answers reads at once, and writes after Start.
func New(cfg Config) (*Gateway, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	check := validator.New(validator.WithRequiredStructEnabled())
	if err := check.Struct(cfg); err != nil {
		return nil, fmt.Errorf("checking the gateway's settings: %w", err)
	}
	if l := cfg.Limits; l.InFlightBytes < weight*max(l.CaptureBytes, l.EventBytes, schemas.MaxDeclared) {
		return nil, fmt.Errorf("checking the gateway's settings: InFlightBytes: %d is less than %d times the largest body", l.InFlightBytes, weight)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, ledger: cfg.Ledger, local: cfg.Local, log: cfg.Logger, limits: cfg.Limits, check: check,
		flights: newFlights(), rates: newRates(cfg.Limits.Rate, cfg.Limits.Burst),
		bodies: newRoom(maxConnections, cfg.Limits.InFlightBytes), writes: newRoom(cfg.Limits.InFlight, cfg.Limits.InFlightBytes),
		reads: newRoom(cfg.Limits.Reads, cfg.Limits.ReadBytes), queries: newLane(runtime.GOMAXPROCS(0)), bundles: make(chan struct{}, cfg.Limits.Bundles), traces: make(chan struct{}, cfg.Limits.Traces),
		proofs: make(chan struct{}, cfg.Limits.Proofs), public: make(chan struct{}, cfg.Limits.Public), tokens: &pageTokens{time.Now, cfg.Local}}
	g.outbox = newOutbox(cfg.Ledger, cfg.Partner, cfg.Local, codec, cfg.Logger, cfg.Limits)
	g.gather = newGatherer(g.outbox, cfg.Limits)
	g.subs = newSubscriptions(g)
	if g.metrics, err = newMetrics(cfg.Metrics, g); err != nil {
		return nil, fmt.Errorf("registering the gateway's metrics: %w", err)
	}
	if g.handler, err = g.routes(); err != nil {
		return nil, err
	}
	return g, nil
}

// ServeHTTP answers a request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// Start begins the background work: the outbox of an earlier run goes on.
func (g *Gateway) Start() error {
	if g.stop != nil {
		return errors.New("the gateway was started before")
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	if err := g.outbox.start(ctx); err != nil {
		stop()
		return err
	}
	if err := g.subs.start(ctx); err != nil {
		stop()
		return err
	}
	g.work.Go(func() { g.prune(ctx) })
	return nil
}

// Close ends the background work and returns when it has ended. What is not on
// the ledger yet stays in the outbox. The local store and the ledger stay open.
func (g *Gateway) Close() error {
	if g.stop == nil {
		return nil
	}
	g.stop()
	g.work.Wait()
	g.outbox.close()
	g.subs.close()
	return nil
}

// prune forgets jobs and idempotency records that are older than the retention.
func (g *Gateway) prune(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		n, err := g.local.Prune(time.Now().Add(-g.limits.Retention))
		if err != nil {
			g.log.Error("pruning records of the gateway", slog.Any("error", err))
		} else if n > 0 {
			g.log.Info("pruned records of the gateway", slog.Int("records", n))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
