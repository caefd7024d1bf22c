package controller

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/pace"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// metrics are what Fairlead tells Prometheus. Their names are part of the interface: docs/reference/metrics.md.
type metrics struct {
	stages     *prometheus.HistogramVec
	failures   *prometheus.CounterVec
	steps      *prometheus.CounterVec
	drifts     *prometheus.CounterVec
	appReady   *prometheus.GaugeVec
	appPhase   *prometheus.GaugeVec
	appHealth  *prometheus.GaugeVec
	appDrift   *prometheus.GaugeVec
	api        *prometheus.CounterVec
	git        *prometheus.CounterVec
	registry   *prometheus.CounterVec
	told       *prometheus.CounterVec
	messages   *prometheus.CounterVec
	trials     *prometheus.CounterVec
	liveEvents prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "fairlead", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fairlead", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	m := &metrics{
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "fairlead", Name: "stage_duration_seconds", Help: "How long each stage of the way from Git to the cluster took; its count is how often it ran.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 14),
		}, []string{"stage"}),
		failures:  counter("stage_errors_total", "Stages that ended in an error, by the kind of error.", "stage", "kind"),
		steps:     counter("steps_total", "Steps that were executed.", "action", "result"),
		drifts:    counter("drift_total", "Hand edits that were seen.", "outcome"),
		appReady:  gauge("app_ready", "1 if the app is applied and healthy.", "namespace", "app"),
		appPhase:  gauge("app_phase", "1 for the phase that the app is in.", "namespace", "app", "phase"),
		appHealth: gauge("app_health", "1 for the health that the app has.", "namespace", "app", "health"),
		appDrift:  gauge("app_drifted_objects", "Objects that differ from Git.", "namespace", "app"),
		api:       counter("api_requests_total", "Requests to the API server, each attempt of them.", "verb", "resource"),
		git:       counter("git_requests_total", "Requests to Git servers.", "kind"),
		registry:  counter("registry_requests_total", "Requests to registries and repositories of charts.", "kind"),
		told:      counter("commit_statuses_total", "Commit statuses that a forge was told.", "state"),
		messages:  counter("messages_total", "Tries to send a message of a Notifier.", "way", "result"),
		trials:    counter("trials_total", "Trials of releases that have come to a verdict.", "kind", "verdict"),
		liveEvents: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "fairlead", Name: "live_changes_total", Help: "Changes of claimed objects that made an app be looked at.",
		}),
	}
	r.MustRegister(m.stages, m.liveEvents)
	for _, stage := range []string{"fetch", "discover", "render", "place", "observe", "record", "execute", "pass"} {
		m.failures.WithLabelValues(stage, fault.Internal.String()) // an increase from nothing is none: the first error would not be seen
	}
	return m
}

// pace shows how many requests the API server is asked at once.
func (m *metrics) pace(r prometheus.Registerer, state func() pace.State) {
	gauge := func(name, help string, value func(pace.State) int) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fairlead", Name: name, Help: help}, func() float64 { return float64(value(state())) }))
	}
	gauge("api_requests_limit", "How many requests to the API server may be under way at once; follows what it bears.", func(s pace.State) int { return s.Limit })
	gauge("api_requests_busy", "Requests to the API server that are under way.", func(s pace.State) int { return s.Busy })
	gauge("api_requests_waiting", "Requests to the API server that wait for their turn.", func(s pace.State) int { return s.Waiting })
}

// standing shows how far what is written lags behind what is known.
func (m *metrics) standing(r prometheus.Registerer, unwritten func() int) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "fairlead", Name: "statuses_waiting", Help: "Apps whose App object does not yet say how they stand.",
	}, func() float64 { return float64(unwritten()) }))
}

// share shows how many replicas there are, and how much of the work this one has.
func (m *metrics) share(r prometheus.Registerer, replicas, apps func() int) {
	gauge := func(name, help string, value func() int) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fairlead", Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	gauge("replicas", "Replicas that share the apps, as this one knows; 0 as long as it waits for its part.", replicas)
	gauge("owned_apps", "Apps that this replica has.", apps)
}

func (m *metrics) stage(name string, took time.Duration, err error) {
	m.stages.WithLabelValues(name).Observe(took.Seconds())
	if err != nil {
		m.failures.WithLabelValues(name, fault.KindOf(err).String()).Inc()
	}
}

func (m *metrics) gitRequest(kind string)           { m.git.WithLabelValues(kind).Inc() }
func (m *metrics) registryRequest(kind string)      { m.registry.WithLabelValues(kind).Inc() }
func (m *metrics) apiRequest(verb, resource string) { m.api.WithLabelValues(verb, resource).Inc() }

func (m *metrics) pass(out engine.Outcome, err error) {
	if err != nil {
		m.failures.WithLabelValues("pass", fault.KindOf(err).String()).Inc()
	}
	for _, r := range out.Results {
		result := "ok"
		if r.Err != nil {
			result = "error"
		}
		m.steps.WithLabelValues(string(r.Step.Do), result).Inc()
	}
	m.drifts.WithLabelValues("undone").Add(float64(len(out.Undone)))
}

// app shows how an app stands now, in place of how it was.
func (m *metrics) app(n app.Name, was, st v1alpha1.AppStatus) {
	ready := 0.0
	if isReady(st) {
		ready = 1
	}
	if was.Phase != st.Phase {
		m.appPhase.DeleteLabelValues(n.Namespace, n.Object(), string(was.Phase))
	}
	if was.Health != st.Health {
		m.appHealth.DeleteLabelValues(n.Namespace, n.Object(), was.Health)
	}
	m.appReady.WithLabelValues(n.Namespace, n.Object()).Set(ready)
	m.appPhase.WithLabelValues(n.Namespace, n.Object(), string(st.Phase)).Set(1)
	m.appHealth.WithLabelValues(n.Namespace, n.Object(), st.Health).Set(1)
	m.appDrift.WithLabelValues(n.Namespace, n.Object()).Set(float64(st.Drift.Objects))
}

func (m *metrics) message(way string, taken bool) {
	m.messages.WithLabelValues(way, map[bool]string{true: "sent", false: "failed"}[taken]).Inc()
}

func (m *metrics) trial(kind string, v release.Verdict) {
	m.trials.WithLabelValues(kind, strings.ToLower(string(v))).Inc()
}

func (m *metrics) forget(n app.Name) {
	labels := prometheus.Labels{"namespace": n.Namespace, "app": n.Object()}
	for _, v := range []*prometheus.GaugeVec{m.appReady, m.appPhase, m.appHealth, m.appDrift} {
		v.DeletePartialMatch(labels)
	}
}
