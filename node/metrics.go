package node

import (
	"time"

	"github.com/cometbft/cometbft/blocksync"
	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/consensus"
	"github.com/cometbft/cometbft/mempool"
	cmtnode "github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/statesync"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// newRegistry makes the registry that /metrics shows.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// engineMetrics puts the engine's metrics into the registry. The engine knows no
// other place for them than the client library's default, which is lent to it
// while it registers: nodes of one process are therefore made one after the other.
func engineMetrics(into *prometheus.Registry) cmtnode.MetricsProvider {
	provide := cmtnode.DefaultMetricsProvider(&config.InstrumentationConfig{Prometheus: true, Namespace: "cometbft"})
	return func(chainID string) (*consensus.Metrics, *p2p.Metrics, *mempool.Metrics, *state.Metrics, *proxy.Metrics, *blocksync.Metrics, *statesync.Metrics) {
		lent := prometheus.DefaultRegisterer
		prometheus.DefaultRegisterer = into
		defer func() { prometheus.DefaultRegisterer = lent }()
		c, p, m, s, x, b, y := provide(chainID)
		// Counting each message twice, by peer and by kind, looks up labels that are
		// made anew each time: a fourteenth of what a block costs.
		none := p2p.NopMetrics()
		p.PeerSendBytesTotal, p.PeerReceiveBytesTotal = none.PeerSendBytesTotal, none.PeerReceiveBytesTotal
		p.MessageSendBytesTotal, p.MessageReceiveBytesTotal = none.MessageSendBytesTotal, none.MessageReceiveBytesTotal
		return c, p, m, s, x, b, y
	}
}

// newLedgerMetrics registers what the ledger measures of itself, and returns
// what is to be called after each block.
func newLedgerMetrics(into *prometheus.Registry, l *ledger) func(app.Committed) {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "waybill", Subsystem: "ledger", Name: "events_total",
		Help: "Events committed since the node started, by what they did or why they were refused."}, []string{"outcome"})
	transactions := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "waybill", Subsystem: "ledger", Name: "transactions_total",
		Help: "Transactions committed since the node started."})
	into.MustRegister(events, transactions,
		gauge("height", "Last committed height.", func() float64 { height, _, _ := l.waits.last(); return float64(height) }),
		gauge("block_age_seconds", "Time since this node committed the last block.", func() float64 {
			_, _, arrived := l.waits.last()
			return time.Since(arrived).Seconds()
		}),
		gauge("waiting", "Callers that wait for a transaction's outcome.", func() float64 { return float64(l.waits.waiting()) }),
		gauge("pending", "Transactions that wait for a block.", func() float64 { count, _ := l.app.Pending(); return float64(count) }),
		gauge("pending_bytes", "Bytes of the transactions that wait for a block.", func() float64 { _, bytes := l.app.Pending(); return float64(bytes) }),
		gauge("catching_up", "1 while the node fetches blocks that others made.", func() float64 { return bit(l.engine.catchingUp()) }),
		gauge("halted", "1 when consensus has failed.", func() float64 { return bit(l.failed()) }),
	)
	return func(c app.Committed) {
		transactions.Add(float64(len(c.Receipts)))
		for _, r := range c.Receipts {
			for _, e := range r.Events {
				outcome := e.Code.String()
				if e.Code == schemas.OK {
					outcome = e.Effect.String()
				}
				events.WithLabelValues(outcome).Inc()
			}
		}
	}
}

// newSignerMetric registers what a remote signer makes of the node.
func newSignerMetric(into *prometheus.Registry, k *link) {
	into.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "waybill", Subsystem: "signer", Name: "standing",
		Help: "What the remote signer makes of this node: 0 does not answer, 1 serves another, 2 serves it."}, func() float64 {
		is, _ := k.now()
		return float64(is)
	}))
}

func gauge(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "waybill", Subsystem: "ledger", Name: name, Help: help}, value)
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
