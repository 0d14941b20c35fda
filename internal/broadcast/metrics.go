package broadcast

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Metrics counts what the service does. Labels are bounded: never an address, never an announcement.
type Metrics struct {
	accepted     prometheus.Counter
	calls        *prometheus.CounterVec
	latency      *prometheus.HistogramVec
	seconds      *prometheus.HistogramVec
	fenced       prometheus.Counter
	conservation prometheus.Gauge
	expires      *prometheus.GaugeVec
	healthy      *prometheus.GaugeVec
}

// NewMetrics registers the service's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{Name: "crieur_accepted_total", Help: "Announcements accepted."}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crieur_calls_total", Help: "Calls to channels by verb and outcome."},
			[]string{"channel", "verb", "outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "crieur_publish_latency_seconds", Help: "From first due to published.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 5, 30, 120, 600, 3600}}, []string{"channel"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "crieur_call_seconds", Help: "How long calls to channels take.",
			Buckets: []float64{.005, .02, .1, .5, 1, 5, 15, 60}}, []string{"channel"}),
		fenced: prometheus.NewCounter(prometheus.CounterOpts{Name: "crieur_fenced_total", Help: "Results refused because somebody else took over the delivery."}),
	}
	m.expires = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crieur_credentials_expire_timestamp_seconds", Help: "When an account's credentials end, as of the last look."}, []string{"account"})
	m.healthy = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crieur_account_healthy", Help: "1 for an account that the last look found able to publish, else 0."}, []string{"account"})
	m.conservation = prometheus.NewGauge(prometheus.GaugeOpts{Name: "crieur_conservation_errors", Help: "Letters found to be counted wrong, recounted one by one at the start and when a mailing ends. Anything but 0 is a defect."})
	r.MustRegister(m.conservation, m.accepted, m.calls, m.latency, m.seconds, m.fenced, m.expires, m.healthy)
	return m
}

func (m *Metrics) checked(c Checkup) {
	if c.Expires.IsZero() {
		m.expires.DeleteLabelValues(c.Channel)
	} else {
		m.expires.WithLabelValues(c.Channel).Set(float64(c.Expires.Unix()))
	}
	healthy := 1.0
	if severe(c.Report) {
		healthy = 0
	}
	m.healthy.WithLabelValues(c.Channel).Set(healthy)
}

func (m *Metrics) called(c call, channel string, took time.Duration, now time.Time) {
	outcome := "ok"
	if c.Err != nil {
		outcome = asError(c.Err).Outcome.String()
	}
	m.calls.WithLabelValues(channel, string(c.Verb), outcome).Inc()
	m.seconds.WithLabelValues(channel).Observe(took.Seconds())
	if c.Err == nil && c.Verb == announce.Publish {
		m.latency.WithLabelValues(channel).Observe(now.Sub(c.Delivery.First).Seconds())
	}
}

// gauge reads the state of all deliveries from the store when metrics are scraped.
type gauge struct {
	store  *store.DB
	mu     sync.Mutex
	until  time.Time // the totals are read again from then on: counting millions of rows takes a while
	totals map[string]map[announce.State]int
	due    time.Time
	count  *prometheus.Desc
	oldest *prometheus.Desc
	stop   *prometheus.Desc
}

// Gauge is a collector of the deliveries by account and state, the age of the oldest due one, and stops.
func Gauge(db *store.DB) prometheus.Collector {
	return &gauge{
		store:  db,
		count:  prometheus.NewDesc("crieur_deliveries", "Deliveries by account and state, at most 15 seconds old.", []string{"account", "state"}, nil),
		oldest: prometheus.NewDesc("crieur_oldest_due_seconds", "Age of the oldest delivery that is due.", nil, nil),
		stop:   prometheus.NewDesc("crieur_account_stopped", "1 for an account that stopped and waits for a person; account \"\" is the panic stop.", []string{"account"}, nil),
	}
}

func (g *gauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.count; ch <- g.oldest; ch <- g.stop }

func (g *gauge) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	totals, oldest, err := g.read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.count, err)
		return
	}
	for account, states := range totals {
		for state, n := range states {
			ch <- prometheus.MustNewConstMetric(g.count, prometheus.GaugeValue, float64(n), account, string(state))
		}
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, g.store.Now().Sub(oldest).Seconds())
	}
	ch <- prometheus.MustNewConstMetric(g.oldest, prometheus.GaugeValue, age)
	accounts, err := g.store.Accounts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.stop, err)
		return
	}
	for _, a := range accounts {
		ch <- prometheus.MustNewConstMetric(g.stop, prometheus.GaugeValue, oneIf(a.Stopped), a.Account)
	}
	stopped, _, _, err := g.store.Stopped(ctx)
	if err == nil {
		ch <- prometheus.MustNewConstMetric(g.stop, prometheus.GaugeValue, oneIf(stopped), "")
	}
}

func (g *gauge) read(ctx context.Context) (map[string]map[announce.State]int, time.Time, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Now().Before(g.until) {
		return g.totals, g.due, nil
	}
	totals, due, err := g.store.Totals(ctx)
	if err == nil {
		g.totals, g.due, g.until = totals, due, time.Now().Add(15*time.Second)
	}
	return totals, due, err
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
