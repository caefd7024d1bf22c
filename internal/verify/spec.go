package verify

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
)

// Declared are the trials that an Environment declares, as trials of an app.
func Declared(spec []v1alpha1.Trial) []app.Trial {
	var out []app.Trial
	for _, s := range spec {
		t := app.Trial{Name: s.Name, For: length(s.For), Interval: length(s.Interval), Forgiven: s.Forgiven}
		if h := s.HTTP; h != nil {
			t.HTTP = declaredHTTP(h)
		}
		if s.Job != nil {
			t.Job = &app.JobTrial{Name: s.Job.Name}
		}
		if m := s.Metric; m != nil {
			t.Metric = &app.MetricTrial{
				URL: m.Prometheus, Target: service(m.Service), Query: m.Query, Secret: secret(m.SecretRef),
				AtMost: number(m.AtMost), AtLeast: number(m.AtLeast), RatioAtMost: number(m.RatioAtMost), RatioAtLeast: number(m.RatioAtLeast),
			}
		}
		if w := s.Webhook; w != nil {
			t.Webhook = &app.WebhookTrial{URL: w.URL, Secret: secret(w.SecretRef)}
		}
		if c := s.CEL; c != nil {
			t.CEL = &app.CELTrial{APIVersion: c.Of.APIVersion, Kind: c.Of.Kind, Name: c.Of.Name, Expressions: c.Expressions}
		}
		out = append(out, t)
	}
	return out
}

func declaredHTTP(h *v1alpha1.HTTPTrial) *app.HTTPTrial {
	t := &app.HTTPTrial{
		URL: h.URL, Target: service(h.Service), Path: h.Path, Contains: h.Contains, Matches: h.Matches, Timeout: length(h.Timeout), Secret: secret(h.SecretRef),
	}
	if p := h.Pods; p != nil {
		t.Target = app.Target{Labels: p.Labels, Namespace: p.Namespace, Port: strconv.Itoa(int(p.Port)), Scheme: p.Scheme}
	}
	for _, s := range h.Status {
		t.Status = append(t.Status, int(s))
	}
	for _, x := range h.Headers {
		t.Headers = append(t.Headers, app.HeaderTrial(x))
	}
	if l := h.Latency; l != nil {
		t.Each, t.P95 = length(l.Each), length(l.P95)
	}
	return t
}

func service(s *v1alpha1.ServiceTarget) app.Target {
	if s == nil {
		return app.Target{}
	}
	return app.Target{Service: s.Name, Namespace: s.Namespace, Port: s.Port.String(), Scheme: s.Scheme}
}

func length(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}

func secret(ref *v1alpha1.LocalReference) string {
	if ref == nil {
		return ""
	}
	return ref.Name
}

// number reads a number. The API server has seen to it that it is one.
func number(n *v1alpha1.Number) *float64 {
	if n == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(*n), 64)
	if err != nil {
		return nil
	}
	return &f
}
