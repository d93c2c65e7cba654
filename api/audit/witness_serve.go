package audit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler shows what a witness knows, to anybody: the last checkpoint, its time
// stamp, the witness's key, evidence of an alarm, health and metrics. It reads
// nothing of a request but its path. Healthy is a witness without alarm that had an
// answer that holds within the time given.
func (w *Witness) Handler(healthy time.Duration) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(out http.ResponseWriter, _ *http.Request) {
		text(out, fmt.Sprintf("A witness of the ledger %q.\n\n/checkpoint, /timestamp, /key, /alarm, /healthz, /metrics\n", w.cfg.Trust.ChainID))
	})
	m.HandleFunc("GET /checkpoint", func(out http.ResponseWriter, r *http.Request) {
		if note := w.Checkpoint(); note != nil {
			text(out, string(note))
			return
		}
		http.Error(out, "nothing is cosigned yet", http.StatusNotFound)
	})
	m.HandleFunc("GET /key", func(out http.ResponseWriter, _ *http.Request) { text(out, w.Key().String()+"\n") })
	m.HandleFunc("GET /timestamp", w.serveTimestamp)
	m.HandleFunc("GET /alarm", w.serveAlarm)
	m.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) { w.serveHealth(out, healthy) })
	m.Handle("GET /metrics", promhttp.HandlerFor(w.metrics(), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return m
}

func text(out http.ResponseWriter, s string) {
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.Header().Set("X-Content-Type-Options", "nosniff")
	out.Write([]byte(s)) // whoever asked may be gone
}

func (w *Witness) serveTimestamp(out http.ResponseWriter, _ *http.Request) {
	token, err := w.Timestamp()
	switch {
	case err != nil:
		w.cfg.Logger.Error("reading a time stamp", slog.Any("error", err))
		http.Error(out, "the time stamp cannot be read", http.StatusInternalServerError)
	case token == nil:
		http.Error(out, "the last checkpoint has no time stamp", http.StatusNotFound)
	default:
		out.Header().Set("Content-Type", "application/timestamp-reply")
		out.Write(token) // whoever asked may be gone
	}
}

func (w *Witness) serveAlarm(out http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	alarm := w.alarm
	w.mu.Unlock()
	if alarm == nil {
		http.Error(out, "no alarm", http.StatusNotFound)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	out.Write(alarm) // whoever asked may be gone
}

func (w *Witness) serveHealth(out http.ResponseWriter, healthy time.Duration) {
	s := w.Status()
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		http.Error(out, "the status cannot be written", http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	if s.Alarm || w.cfg.Now().Sub(s.Checked) > healthy {
		out.WriteHeader(http.StatusServiceUnavailable)
	}
	out.Write(append(b, '\n')) // whoever asked may be gone
}

// metrics are read from the status when they are asked for.
func (w *Witness) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(witnessMetrics{w,
		prometheus.NewDesc("waybill_witness_size", "Size of the last cosigned checkpoint.", nil, nil),
		prometheus.NewDesc("waybill_witness_height", "Height of its header.", nil, nil),
		prometheus.NewDesc("waybill_witness_alarm", "1 while there is evidence of two histories.", nil, nil),
		prometheus.NewDesc("waybill_witness_checked_seconds", "When a node last gave an answer that holds, in seconds since 1970.", nil, nil),
		prometheus.NewDesc("waybill_witness_node_up", "1 if the node's last answer held.", []string{"node"}, nil)})
	return r
}

type witnessMetrics struct {
	w                                  *Witness
	size, height, alarm, checked, node *prometheus.Desc
}

func (m witnessMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.size, m.height, m.alarm, m.checked, m.node} {
		out <- d
	}
}

func (m witnessMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.w.Status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.size, float64(s.Size))
	gauge(m.height, float64(s.Height))
	gauge(m.alarm, flag(s.Alarm))
	gauge(m.checked, float64(max(0, s.Checked.Unix())))
	for _, n := range s.Nodes {
		gauge(m.node, flag(n.Fault == ""), n.Node)
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
