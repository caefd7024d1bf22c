package verify

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
)

// What is usual where nobody says otherwise.
const (
	usualInterval = 10 * time.Second
	jobInterval   = 2 * time.Second
	usualTimeout  = 10 * time.Second
	usualForgiven = 2
)

// Place is where an app is. Namespace is where its objects live.
type Place struct{ App, Namespace, Environment string }

// fill replaces the placeholders in a text.
func (p Place) fill(text string) string {
	return strings.NewReplacer("{app}", p.App, "{namespace}", p.Namespace, "{environment}", p.Environment).Replace(text)
}

// Trial is a trial of one app: its placeholders are filled in, its expressions compiled. It is immutable and safe for concurrent use.
type Trial struct {
	app.Trial
	Pace Pace
	// Title is what it does, as the beginning of a sentence.
	Title string

	matches    *regexp.Regexp
	conditions []health.Condition
}

// Compile makes trials of what is declared. An error is of kind fault.Invalid and names the trial.
func Compile(declared []app.Trial, in Place) ([]Trial, error) {
	out := make([]Trial, 0, len(declared))
	for i, d := range declared {
		t, err := compile(d, in)
		if err != nil {
			return nil, fault.Newf(fault.Invalid, "trial %s: %w", cmp.Or(d.Name, fmt.Sprint(i+1)), err)
		}
		out = append(out, t)
	}
	return out, nil
}

// Check returns the error that [Compile] returns, for an app of any name; or one that says that a trial cannot pass before the deadline of the release. A deadline
// of 0 is none.
func Check(declared []app.Trial, deadline time.Duration) error {
	trials, err := Compile(declared, Place{App: "app", Namespace: "namespace", Environment: "environment"})
	if err != nil {
		return err
	}
	for i, t := range trials {
		if deadline > 0 && t.For >= deadline {
			return fault.Newf(fault.Invalid, "trial %s: it has to pass for %s, and the release has only %s (spec.release.deadline of the Environment)",
				cmp.Or(t.Name, fmt.Sprint(i+1)), t.For, deadline)
		}
	}
	return nil
}

func compile(d app.Trial, in Place) (Trial, error) {
	t := Trial{Trial: d, Pace: Pace{Interval: cmp.Or(d.Interval, usualInterval), Timeout: usualTimeout, For: d.For, Forgiven: usualForgiven}}
	if d.Forgiven != nil {
		t.Pace.Forgiven = int(*d.Forgiven)
	}
	kinds, err := 0, error(nil)
	for _, k := range []struct {
		set  bool
		make func(Place) error
	}{
		{d.HTTP != nil, t.http},
		{d.Job != nil, t.job},
		{d.Metric != nil, t.metric},
		{d.Webhook != nil, t.webhook},
		{d.CEL != nil, t.cel},
	} {
		if k.set {
			kinds++
			err = cmp.Or(err, k.make(in))
		}
	}
	if kinds != 1 {
		return Trial{}, fault.Newf(fault.Invalid, "exactly one of http, job, metric, webhook or cel must be set")
	}
	if t.Name != "" {
		t.Title = t.Name + ": " + t.Title
	}
	t.Title = line(t.Title, mostTitle)
	return t, err
}

func (t *Trial) http(in Place) error {
	h := *t.HTTP
	h.URL, h.Path, h.Target = in.fill(h.URL), cmp.Or(in.fill(h.Path), "/"), in.target(h.Target)
	t.HTTP = &h
	t.Pace.Timeout, t.Pace.P95 = cmp.Or(h.Timeout, usualTimeout), h.P95
	switch {
	case (h.URL == "") == h.Target.IsZero():
		return fault.Newf(fault.Invalid, "http: exactly one of url, service or pods must be set")
	case h.URL != "":
		t.Title = "GET " + showURL(h.URL)
		if _, err := parseURL(h.URL); err != nil {
			return fmt.Errorf("http.url: %w", err)
		}
	default:
		path, _, _ := strings.Cut(h.Path, "?")
		t.Title = "GET " + path + " of " + showTarget(h.Target)
		if err := checkPath(path); err != nil {
			return err
		}
	}
	if h.P95 > 0 && t.For == 0 {
		return fault.Newf(fault.Invalid, "http.latency.p95 speaks of many answers: say with for how long to ask")
	}
	if h.Matches == "" {
		return nil
	}
	var err error
	if t.matches, err = regexp.Compile(h.Matches); err != nil {
		return fault.Newf(fault.Invalid, "http.matches: %w", err)
	}
	return nil
}

func (t *Trial) job(in Place) error {
	t.Title = "Job " + in.Namespace + "/" + t.Job.Name
	t.Pace.Interval, t.Pace.For, t.Pace.Forgiven = cmp.Or(t.Interval, jobInterval), 0, 0
	if t.Job.Name == "" {
		return fault.Newf(fault.Invalid, "job.name must be set")
	}
	return nil
}

func (t *Trial) metric(in Place) error {
	m := *t.Metric
	m.URL, m.Query, m.Target = in.fill(m.URL), in.fill(m.Query), in.target(m.Target)
	t.Metric = &m
	t.Title = "metric " + line(m.Query, 120)
	switch {
	case (m.URL == "") == m.Target.IsZero():
		return fault.Newf(fault.Invalid, "metric: exactly one of prometheus or service must be set")
	case m.Query == "":
		return fault.Newf(fault.Invalid, "metric.query must be set")
	case m.AtMost == nil && m.AtLeast == nil && !t.Compares():
		return fault.Newf(fault.Invalid, "metric: at least one of atMost, atLeast, ratioAtMost or ratioAtLeast must be set")
	case m.URL == "":
		return nil
	}
	if _, err := parseURL(m.URL); err != nil {
		return fmt.Errorf("metric.prometheus: %w", err)
	}
	return nil
}

func (t *Trial) webhook(in Place) error {
	w := *t.Webhook
	w.URL = in.fill(w.URL)
	t.Webhook = &w
	t.Title = "POST " + showURL(w.URL)
	if _, err := parseURL(w.URL); err != nil {
		return fmt.Errorf("webhook.url: %w", err)
	}
	return nil
}

func (t *Trial) cel(Place) error {
	c := t.CEL
	switch {
	case c.APIVersion == "" || c.Kind == "":
		return fault.Newf(fault.Invalid, "cel.of: apiVersion and kind must be set")
	case len(c.Expressions) == 0:
		return fault.Newf(fault.Invalid, "cel.expressions must not be empty")
	}
	t.Title = c.Kind + " " + c.Name
	if c.Name == "" {
		t.Title = "each " + c.Kind + " of the app"
	}
	for _, text := range c.Expressions {
		cond, err := health.CompileCondition(text)
		if err != nil {
			return fault.Newf(fault.Invalid, "cel: %s: %w", line(text, 80), err)
		}
		t.conditions = append(t.conditions, cond)
	}
	return nil
}

// Compares reports whether the trial needs to know what its metric was before the release.
func (t Trial) Compares() bool {
	return t.Metric != nil && (t.Metric.RatioAtMost != nil || t.Metric.RatioAtLeast != nil)
}

// target is a target with its namespace.
func (p Place) target(t app.Target) app.Target {
	if t.IsZero() {
		return t
	}
	t.Service, t.Namespace, t.Scheme = p.fill(t.Service), cmp.Or(t.Namespace, p.Namespace), cmp.Or(t.Scheme, "http")
	return t
}

func showTarget(t app.Target) string {
	if t.Service != "" {
		return "Service " + t.Namespace + "/" + t.Service + ":" + t.Port
	}
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		labels = append(labels, k+"="+t.Labels[k])
	}
	return "the Pods " + strings.Join(labels, ",") + " in " + t.Namespace + ", port " + t.Port
}

// checkPath refuses a path that leads out of the Service or the Pod, to elsewhere in the API server.
func checkPath(path string) error {
	plain, err := url.PathUnescape(path)
	if err != nil || !strings.HasPrefix(path, "/") || slices.Contains(strings.Split(plain, "/"), "..") {
		return fault.Newf(fault.Invalid, "http.path is not of the form /healthz")
	}
	return nil
}

// parseURL reads the address of somebody who is asked directly. Its errors do not repeat it: credentials may be in it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fault.Newf(fault.Invalid, "it is not of the form https://host/path")
	case u.User != nil:
		return nil, fault.Newf(fault.Invalid, "it must hold no credentials: put them in a Secret")
	}
	return u, nil
}

// showURL is an address as people are shown it: without what may be a secret.
func showURL(text string) string {
	u, err := parseURL(text)
	if err != nil {
		return "a URL"
	}
	shown := u.Scheme + "://" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?…"
	}
	return shown
}
