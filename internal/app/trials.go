package app

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/strict"
)

// Bounds of trials: the same as in an Environment.
const (
	maxTrials   = 20
	maxFor      = 24 * time.Hour
	minInterval = time.Second
	maxInterval = time.Hour
	maxTimeout  = time.Minute
	maxText     = 1024
	maxQuery    = 4096
)

// trials reads what an app adds to the trials of its Environment. It may reach only what the environment's ServiceAccount may: no URL, no Secret.
func trials(r strict.Reader, n *yaml.Node) ([]Trial, error) {
	items, err := r.List(n, "verify", "[{job: {name: smoke}}]", maxTrials)
	if err != nil {
		return nil, err
	}
	var all []Trial
	for _, item := range items {
		t, err := trial(r, item)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// reader reads one field.
type reader = func(strict.Reader, *yaml.Node) error

func trial(r strict.Reader, n *yaml.Node) (Trial, error) {
	var t Trial
	var often *yaml.Node // what a Job does not take
	note := func(n *yaml.Node) *yaml.Node {
		if !strict.IsNull(n) {
			often = n
		}
		return n
	}
	err := r.Mapping(n, "a trial", strict.Fields{
		"name": word(&t.Name, "name", "smoke", 63),
		"for": func(r strict.Reader, n *yaml.Node) (err error) {
			t.For, err = within(r, note(n), "for", 0, maxFor)
			return err
		},
		"interval": func(r strict.Reader, n *yaml.Node) (err error) {
			t.Interval, err = within(r, note(n), "interval", minInterval, maxInterval)
			return err
		},
		"forgiven": func(r strict.Reader, n *yaml.Node) error {
			f, err := r.Whole(note(n), "forgiven", 0, 1000)
			if forgiven := int32(f); !strict.IsNull(n) {
				t.Forgiven = &forgiven
			}
			return err
		},
		"http":    func(r strict.Reader, n *yaml.Node) (err error) { t.HTTP, err = httpTrial(r, n); return err },
		"job":     func(r strict.Reader, n *yaml.Node) (err error) { t.Job, err = jobTrial(r, n); return err },
		"metric":  func(r strict.Reader, n *yaml.Node) (err error) { t.Metric, err = metricTrial(r, n); return err },
		"cel":     func(r strict.Reader, n *yaml.Node) (err error) { t.CEL, err = celTrial(r, n); return err },
		"webhook": outside("webhook", "http with a service"),
	})
	if err != nil {
		return Trial{}, err
	}
	kinds := 0
	for _, set := range []bool{t.HTTP != nil, t.Job != nil, t.Metric != nil, t.CEL != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return Trial{}, r.Errorf(n, "a trial has exactly one of http, job, metric and cel: for example job: {name: smoke}")
	case t.Job != nil && often != nil:
		return Trial{}, r.Errorf(often, "a job runs once for each release: it takes no for, interval or forgiven")
	case t.HTTP != nil && t.HTTP.P95 > 0 && t.For == 0:
		return Trial{}, r.Errorf(n, "latency.p95 speaks of many answers: say with for how long to ask")
	}
	return t, nil
}

// outside refuses what leads out of what the environment's ServiceAccount may reach.
func outside(field, instead string) reader {
	return func(r strict.Reader, n *yaml.Node) error {
		return r.Errorf(n, "%s: only the Environment may say that, since it is asked with Fairlead's own network and credentials: write %s here", field, instead)
	}
}

// word reads a text of bounded length.
func word(into *string, what, example string, most int) reader {
	return func(r strict.Reader, n *yaml.Node) (err error) {
		*into, err = r.Text(n, what, example)
		if err == nil && len(*into) > most {
			err = r.Errorf(n, "%s is longer than %d bytes", what, most)
		}
		return err
	}
}

func within(r strict.Reader, n *yaml.Node, what string, least, most time.Duration) (time.Duration, error) {
	d, err := r.Duration(n, what)
	if err == nil && !strict.IsNull(n) && (d < least || d > most) {
		err = r.Errorf(n, "%s: %s is not from %s to %s", what, d, least, most)
	}
	return d, err
}

func httpTrial(r strict.Reader, n *yaml.Node) (*HTTPTrial, error) {
	h := &HTTPTrial{}
	err := r.Mapping(n, "http", strict.Fields{
		"url":       outside("url", "service or pods"),
		"secretRef": outside("secretRef", "a service that needs none"),
		"service":   func(r strict.Reader, n *yaml.Node) (err error) { return service(r, n, &h.Target) },
		"pods":      func(r strict.Reader, n *yaml.Node) (err error) { return pods(r, n, &h.Target) },
		"path":      word(&h.Path, "path", "/healthz", 2048),
		"status":    func(r strict.Reader, n *yaml.Node) (err error) { h.Status, err = statuses(r, n); return err },
		"contains":  word(&h.Contains, "contains", "Welcome", maxText),
		"matches":   word(&h.Matches, "matches", `"version: 1\\."`, maxText),
		"headers":   func(r strict.Reader, n *yaml.Node) (err error) { h.Headers, err = headers(r, n); return err },
		"latency":   func(r strict.Reader, n *yaml.Node) error { return latency(r, n, h) },
		"timeout": func(r strict.Reader, n *yaml.Node) (err error) {
			h.Timeout, err = within(r, n, "timeout", 0, maxTimeout)
			return err
		},
	})
	switch {
	case err != nil:
		return nil, err
	case h.Target.IsZero() || h.Target.Service != "" && len(h.Target.Labels) > 0:
		return nil, r.Errorf(n, "http has exactly one of service and pods: for example service: {name: web, port: 80}")
	case h.Path != "" && (h.Path[0] != '/' || strings.ContainsAny(h.Path, "# ")):
		return nil, r.Errorf(n, "http.path: %q is not of the form /healthz", strict.Clip(h.Path))
	}
	return h, nil
}

func service(r strict.Reader, n *yaml.Node, into *Target) error {
	err := r.Mapping(n, "service", strict.Fields{
		"name":      word(&into.Service, "service.name", "web", 253),
		"namespace": word(&into.Namespace, "namespace", "shop", 63),
		"port":      func(r strict.Reader, n *yaml.Node) (err error) { into.Port, err = port(r, n); return err },
		"scheme":    scheme(&into.Scheme),
	})
	if err == nil && (into.Service == "" || into.Port == "") {
		err = r.Errorf(n, "a service needs its name and a port: for example service: {name: web, port: 80}")
	}
	return err
}

func pods(r strict.Reader, n *yaml.Node, into *Target) error {
	into.Labels = map[string]string{}
	err := r.Mapping(n, "pods", strict.Fields{
		"labels": func(r strict.Reader, n *yaml.Node) error {
			return r.Each(n, "pods.labels", 20, func(r strict.Reader, key string, value *yaml.Node) (err error) {
				into.Labels[key], err = r.Text(value, "a label", "web")
				return err
			})
		},
		"namespace": word(&into.Namespace, "namespace", "shop", 63),
		"port": func(r strict.Reader, n *yaml.Node) error {
			p, err := r.Whole(n, "port", 1, 65535)
			into.Port = strconv.Itoa(p)
			return err
		},
		"scheme": scheme(&into.Scheme),
	})
	if err == nil && (len(into.Labels) == 0 || into.Port == "") {
		err = r.Errorf(n, "pods need their labels and a port: for example pods: {labels: {app: web}, port: 8080}")
	}
	return err
}

func scheme(into *string) reader {
	return func(r strict.Reader, n *yaml.Node) (err error) {
		*into, err = r.Text(n, "scheme", "https")
		if err == nil && *into != "" && *into != "http" && *into != "https" {
			err = r.Errorf(n, "scheme: %q is neither http nor https", strict.Clip(*into))
		}
		return err
	}
}

// port reads the number or the name of a port.
func port(r strict.Reader, n *yaml.Node) (string, error) {
	number, err := r.Whole(n, "port", 1, 65535)
	if err == nil {
		return strconv.Itoa(number), nil
	}
	name, no := r.Text(n, "port", "80")
	switch {
	case no != nil:
		return "", err
	case !appName.MatchString(name):
		return "", r.Errorf(n, "port: %q is neither a number from 1 to 65535 nor the name of a port", strict.Clip(name))
	}
	return name, nil
}

func statuses(r strict.Reader, n *yaml.Node) ([]int, error) {
	items, err := r.List(n, "status", "[200, 204]", 20)
	var all []int
	for _, item := range items {
		code, err := r.Whole(item, "an entry of status", 100, 599)
		if err != nil {
			return nil, err
		}
		all = append(all, code)
	}
	return all, err
}

func headers(r strict.Reader, n *yaml.Node) ([]HeaderTrial, error) {
	items, err := r.List(n, "headers", "[{name: Content-Type, value: text/html}]", 20)
	var all []HeaderTrial
	for _, item := range items {
		var h HeaderTrial
		err := r.Mapping(item, "a header", strict.Fields{
			"name": word(&h.Name, "name", "Content-Type", 128), "value": word(&h.Value, "value", "text/html", maxText),
		})
		if err == nil && h.Name == "" {
			err = r.Errorf(item, "a header needs a name: for example {name: Content-Type, value: text/html}")
		}
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, err
}

func latency(r strict.Reader, n *yaml.Node, h *HTTPTrial) error {
	return r.Mapping(n, "latency", strict.Fields{
		"each": func(r strict.Reader, n *yaml.Node) (err error) {
			h.Each, err = r.Duration(n, "latency.each")
			return err
		},
		"p95": func(r strict.Reader, n *yaml.Node) (err error) { h.P95, err = r.Duration(n, "latency.p95"); return err },
	})
}

func jobTrial(r strict.Reader, n *yaml.Node) (*JobTrial, error) {
	j := &JobTrial{}
	err := r.Mapping(n, "job", strict.Fields{"name": word(&j.Name, "job.name", "smoke", 63)})
	if err == nil && j.Name == "" {
		err = r.Errorf(n, "a job needs a name: that of a Job in this directory, for example job: {name: smoke}")
	}
	return j, err
}

func metricTrial(r strict.Reader, n *yaml.Node) (*MetricTrial, error) {
	m := &MetricTrial{}
	number := func(into **float64, what string) reader {
		return func(r strict.Reader, n *yaml.Node) error {
			f, err := r.Number(n, what, "0.01")
			if !strict.IsNull(n) {
				*into = &f
			}
			return err
		}
	}
	err := r.Mapping(n, "metric", strict.Fields{
		"prometheus":   outside("prometheus", "service"),
		"secretRef":    outside("secretRef", "a service that needs none"),
		"service":      func(r strict.Reader, n *yaml.Node) error { return service(r, n, &m.Target) },
		"query":        word(&m.Query, "query", "sum(rate(errors[1m]))", maxQuery),
		"atMost":       number(&m.AtMost, "atMost"),
		"atLeast":      number(&m.AtLeast, "atLeast"),
		"ratioAtMost":  number(&m.RatioAtMost, "ratioAtMost"),
		"ratioAtLeast": number(&m.RatioAtLeast, "ratioAtLeast"),
	})
	switch {
	case err != nil:
		return nil, err
	case m.Target.IsZero() || m.Query == "":
		return nil, r.Errorf(n, "a metric needs the service of a Prometheus and a query: for example {service: {name: prometheus, port: 9090}, query: up, atLeast: 1}")
	case m.AtMost == nil && m.AtLeast == nil && m.RatioAtMost == nil && m.RatioAtLeast == nil:
		return nil, r.Errorf(n, "a metric needs at least one of atMost, atLeast, ratioAtMost and ratioAtLeast")
	}
	return m, nil
}

func celTrial(r strict.Reader, n *yaml.Node) (*CELTrial, error) {
	c := &CELTrial{}
	err := r.Mapping(n, "cel", strict.Fields{
		"of": func(r strict.Reader, n *yaml.Node) error {
			return r.Mapping(n, "cel.of", strict.Fields{
				"apiVersion": word(&c.APIVersion, "apiVersion", "apps/v1", 253), "kind": word(&c.Kind, "kind", "Deployment", 63),
				"name": word(&c.Name, "name", "web", 253),
			})
		},
		"expressions": func(r strict.Reader, n *yaml.Node) error {
			items, err := r.List(n, "expressions", "[object.status.readyReplicas >= 2]", 20)
			for _, item := range items {
				var text string
				if err := word(&text, "an expression", "object.status.readyReplicas >= 2", maxExpression)(r, item); err != nil {
					return err
				}
				c.Expressions = append(c.Expressions, text)
			}
			return err
		},
	})
	if err == nil && (c.APIVersion == "" || c.Kind == "" || len(c.Expressions) == 0) {
		err = r.Errorf(n, "cel needs objects and expressions: for example {of: {apiVersion: apps/v1, kind: Deployment}, expressions: [object.status.readyReplicas >= 2]}")
	}
	return c, err
}
