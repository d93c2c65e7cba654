package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the gateway counts of itself.
type metrics struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	panics   prometheus.Counter
	messages prometheus.Counter // that subscribers took
}

func newMetrics(registry prometheus.Registerer, g *Gateway) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_gateway_requests_total", Help: "Requests answered, by route, method and status."}, []string{"route", "method", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_gateway_request_seconds", Help: "Time to answer, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10}}, []string{"route", "method"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_gateway_panics_total", Help: "Panics while answering, which became status 500."}),
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_gateway_subscription_messages_total", Help: "Messages that subscribers took."}),
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
	}
	for _, c := range []prometheus.Collector{m.requests, m.took, m.panics, m.messages,
		gauge("waybill_gateway_subscriptions", "Subscriptions that are delivered to.", func() float64 { n, _ := g.subs.count(); return float64(n) }),
		gauge("waybill_gateway_subscriptions_failing", "Of these, how many wait for their receiver.", func() float64 { _, n := g.subs.count(); return float64(n) }),
		gauge("waybill_gateway_outbox", "Transactions accepted and without an outcome yet.", func() float64 { return float64(g.outbox.size.Load()) }),
		gauge("waybill_gateway_outbox_line", "Of these, how many the ledger cannot take now.", func() float64 { return float64(g.outbox.line.waiting()) }),
		counter("waybill_gateway_resent_total", "Transactions sent again because there was no outcome for a while.", func() float64 { return float64(g.outbox.resent.Load()) }),
		counter("waybill_gateway_signed_again_total", "Transactions signed again after their expiry.", func() float64 { return float64(g.outbox.signed.Load()) }),
		gauge("waybill_gateway_writes", "Writes that are being worked on.", func() float64 { n, _ := g.writes.used(); return float64(n) }),
		gauge("waybill_gateway_idempotency_records", "Idempotency records held.", func() float64 { return float64(g.local.Answers()) }),
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS":
	default:
		method = "other" // clients invent methods, and every label value is kept
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(route, method).Observe(took.Seconds())
}
