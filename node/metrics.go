package node

import (
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
		return provide(chainID)
	}
}
