package keeper

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/outbox"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// figures are what is told Prometheus. Their names are part of the interface: docs/reference/metrics.md.
type figures struct {
	records                         *prometheus.CounterVec
	deployments, releases, failures *prometheus.CounterVec
	lead, restore                   *prometheus.HistogramVec
	leadOfApp, restoreOfApp         *prometheus.SummaryVec
}

// From a few seconds to weeks: a commit may wait for days to be released, and a rollback takes seconds.
var durations = []float64{5, 15, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600}

func newFigures(r prometheus.Registerer) *figures {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "fairlead", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "fairlead", Name: name, Help: help, Buckets: durations}, []string{"namespace", "environment"})
		r.MustRegister(v)
		return v
	}
	// Buckets for each of hundreds of apps would be thousands of series: of an app, its mean is told.
	summary := func(name, help string) *prometheus.SummaryVec {
		v := prometheus.NewSummaryVec(prometheus.SummaryOpts{Namespace: "fairlead", Name: name, Help: help}, []string{"namespace", "environment", "app"})
		r.MustRegister(v)
		return v
	}
	return &figures{
		records:     counter("history_records_total", "Records that this replica added to the history store.", "kind"),
		deployments: counter("deployments_total", "Releases that succeeded.", "namespace", "environment", "app"),
		releases:    counter("releases_total", "Releases that succeeded or failed.", "namespace", "environment", "app"),
		failures:    counter("release_failures_total", "Releases that failed or had to go back, before or after they had succeeded.", "namespace", "environment", "app"),
		lead:        histogram("lead_time_seconds", "From when a commit was made to when its release succeeded."),
		restore:     histogram("time_to_restore_seconds", "From when a release failed to when its app was well again."),

		leadOfApp:    summary("app_lead_time_seconds", "From when a commit was made to when its release of the app succeeded."),
		restoreOfApp: summary("app_time_to_restore_seconds", "From when a release of the app failed to when it was well again."),
	}
}

// outbox shows what waits.
func (f *figures) outbox(r prometheus.Registerer, o *outbox.Outbox) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "fairlead", Name: "history_pending", Help: "Records that wait to be added to the history store.",
		}, func() float64 { return float64(o.Pending()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "fairlead", Name: "history_failures_total", Help: "Attempts to add records to the history store that failed.",
		}, func() float64 { return float64(o.Counts().Failures) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "fairlead", Name: "history_refused_total", Help: "Times that a record was not taken, since too many waited; it is recorded again later.",
		}, func() float64 { return float64(o.Counts().Refused) }),
	)
}

func (f *figures) event(e history.Event) {
	if e.First {
		f.releases.WithLabelValues(e.Namespace, e.Environment, e.App).Inc()
	}
	switch e.What {
	case history.Deployed:
		f.deployments.WithLabelValues(e.Namespace, e.Environment, e.App).Inc()
		if e.Known {
			f.lead.WithLabelValues(e.Namespace, e.Environment).Observe(e.Took.Seconds())
			f.leadOfApp.WithLabelValues(e.Namespace, e.Environment, e.App).Observe(e.Took.Seconds())
		}
	case history.Undone:
		f.failures.WithLabelValues(e.Namespace, e.Environment, e.App).Inc()
	case history.Restored:
		f.restore.WithLabelValues(e.Namespace, e.Environment).Observe(e.Took.Seconds())
		f.restoreOfApp.WithLabelValues(e.Namespace, e.Environment, e.App).Observe(e.Took.Seconds())
	}
}

// ends reports whether a record may end something that went wrong.
func ends(r history.Record) bool {
	return r.Kind == history.Release && r.Phase == string(release.RolledBack)
}
