package verify_test

import (
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

var (
	began = time.Date(2026, 3, 2, 12, 3, 0, 0, time.UTC)
	place = verify.Place{App: "web", Namespace: "shop", Environment: "production"}
)

// TestStories tells how trials go. A file has the trial as an Environment declares it, and tries: each line a time and what was answered then; it tells what
// follows from each. Objects are in NAME.yaml.
func TestStories(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		golden.Drop(ar, "told")
		s := story{t: t, objects: map[string]object.Object{}}
		for _, f := range ar.Files {
			switch f.Name {
			case "trial.yaml":
				s.trial = declared(t, string(f.Data))
			case "tries":
				for line := range strings.Lines(string(f.Data)) {
					s.try(strings.TrimSpace(line))
				}
			default:
				objs, err := object.Parse(f.Name, f.Data)
				if err != nil || len(objs) != 1 {
					t.Fatalf("%s: %v", f.Name, err)
				}
				s.objects[strings.TrimSuffix(f.Name, ".yaml")] = objs[0]
			}
		}
		golden.Set(ar, "told", s.told.String())
	})
}

func declared(t *testing.T, text string) verify.Trial {
	t.Helper()
	var spec v1alpha1.Trial
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	all, err := verify.Compile(verify.Declared([]v1alpha1.Trial{spec}), place)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

type story struct {
	t       *testing.T
	trial   verify.Trial
	objects map[string]object.Object
	course  verify.Course
	told    strings.Builder
}

// try is one line: a time, then words key=value, of which _ are blanks.
func (s *story) try(line string) {
	at, words, _ := strings.Cut(line, " ")
	after, err := time.ParseDuration(at)
	if err != nil {
		s.t.Fatal(err)
	}
	o := s.observe(strings.Fields(words))
	o.At = began.Add(after)
	s.course = s.course.Observe(s.trial.Pace, o)
	verdict := string(s.course.Verdict)
	if verdict == "" {
		verdict = "Pending"
	}
	fmt.Fprintf(&s.told, "%s\n\t%s: %s\n", line, verdict, s.trial.Why(s.course))
	if again := s.course.Again(s.trial.Pace); !again.IsZero() {
		fmt.Fprintf(&s.told, "\tagain at %s\n", again.Sub(began))
	}
	for _, l := range s.trial.Result(s.course).Log {
		fmt.Fprintf(&s.told, "\t| %s\n", l)
	}
}

func (s *story) observe(words []string) verify.Observation {
	var (
		a           = verify.Answer{Header: textproto.MIMEHeader{}}
		objs        []object.Object
		now, before verify.Values
		log         []string
	)
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		value = strings.ReplaceAll(value, "_", " ")
		switch key {
		case "took":
			a.Took, _ = time.ParseDuration(value)
		case "silent":
			a.Silent = value
		case "unasked":
			a.Unasked = value
		case "from":
			a.From = value
		case "body":
			a.Body = []byte(value)
		case "cut":
			a.Cut = true
		case "header":
			name, v, _ := strings.Cut(value, ":")
			a.Header.Add(name, v)
		case "value":
			now = append(now, float(s.t, value))
		case "before":
			before = append(before, float(s.t, value))
		case "object":
			objs = append(objs, s.objects[value])
		case "log":
			log = append(log, value)
		default:
			status, err := strconv.Atoi(key)
			if err != nil {
				s.t.Fatalf("unknown word %q", w)
			}
			a.Status = status
		}
	}
	switch {
	case s.trial.HTTP != nil:
		return s.trial.OfHTTP(a)
	case s.trial.Metric != nil:
		return s.trial.OfMetric(now, before)
	case s.trial.Webhook != nil:
		return s.trial.OfWebhook(a)
	case s.trial.Job != nil:
		return s.trial.OfJob(objs[0], log)
	}
	return s.trial.OfObjects(objs)
}

func float(t *testing.T, text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCompileErrors are mistakes that the API server does not see.
func TestCompileErrors(t *testing.T) {
	one := 1.0
	for _, c := range []struct {
		trial app.Trial
		want  string
	}{
		{app.Trial{}, "trial 1: exactly one of http, job, metric, webhook or cel must be set"},
		{app.Trial{Job: &app.JobTrial{Name: "a"}, Webhook: &app.WebhookTrial{URL: "http://a"}}, "trial 1: exactly one of http, job, metric, webhook or cel must be set"},
		{app.Trial{Name: "smoke", Job: &app.JobTrial{}}, "trial smoke: job.name must be set"},
		{app.Trial{HTTP: &app.HTTPTrial{}}, "trial 1: http: exactly one of url, service or pods must be set"},
		{app.Trial{HTTP: &app.HTTPTrial{URL: "http://a", Matches: "("}}, "trial 1: http.matches: error parsing regexp: missing closing ): `(`"},
		{app.Trial{HTTP: &app.HTTPTrial{URL: "http://ann:hunter2@a"}}, "trial 1: http.url: it must hold no credentials: put them in a Secret"},
		{app.Trial{HTTP: &app.HTTPTrial{URL: "http://a", P95: time.Second}}, "trial 1: http.latency.p95 speaks of many answers: say with for how long to ask"},
		{app.Trial{HTTP: &app.HTTPTrial{Target: app.Target{Service: "a", Port: "1"}, Path: "/a/%2e./b"}}, "trial 1: http.path is not of the form /healthz"},
		{app.Trial{HTTP: &app.HTTPTrial{Target: app.Target{Service: "a", Port: "1"}, Path: "a"}}, "trial 1: http.path is not of the form /healthz"},
		{app.Trial{Webhook: &app.WebhookTrial{URL: "file:///etc/passwd"}}, "trial 1: webhook.url: it is not of the form https://host/path"},
		{app.Trial{Metric: &app.MetricTrial{URL: "http://a", AtMost: &one}}, "trial 1: metric.query must be set"},
		{app.Trial{Metric: &app.MetricTrial{URL: "http://a", Query: "up"}}, "trial 1: metric: at least one of atMost, atLeast, ratioAtMost or ratioAtLeast must be set"},
		{app.Trial{CEL: &app.CELTrial{APIVersion: "v1", Kind: "Pod"}}, "trial 1: cel.expressions must not be empty"},
		{app.Trial{CEL: &app.CELTrial{APIVersion: "v1", Kind: "Pod", Expressions: []string{"objct.x"}}}, "trial 1: cel: objct.x: line 1, column 1: undeclared reference to 'objct'"},
	} {
		_, err := verify.Compile([]app.Trial{c.trial}, place)
		if err == nil || err.Error() != c.want || fault.KindOf(err) != fault.Invalid {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	long := []app.Trial{{HTTP: &app.HTTPTrial{URL: "http://{app}.{namespace}/{environment}"}}, {Name: "long", For: 10 * time.Minute, HTTP: &app.HTTPTrial{URL: "http://{app}/"}}}
	const want = "trial long: it has to pass for 10m0s, and the release has only 10m0s (spec.release.deadline of the Environment)"
	if err := verify.Check(long, 10*time.Minute); err == nil || err.Error() != want || fault.KindOf(err) != fault.Invalid {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, deadline := range []time.Duration{0, 11 * time.Minute} {
		if err := verify.Check(long, deadline); err != nil {
			t.Errorf("deadline %s: %v", deadline, err)
		}
	}
	if err := verify.Check([]app.Trial{{}}, 0); err == nil {
		t.Error("a trial of nothing")
	}
}

func TestSum(t *testing.T) {
	pending, passed, refuted := verify.Result{Why: "a waits"}, verify.Result{Verdict: release.Passed, Why: "b passed"}, verify.Result{Verdict: release.Refuted, Why: "c answered 503"}
	for _, c := range []struct {
		results []verify.Result
		want    string
	}{
		{nil, "Passed "},
		{[]verify.Result{passed, passed}, "Passed "},
		{[]verify.Result{passed, pending}, " a waits"},
		{[]verify.Result{pending, passed, pending}, " a waits (and 1 more)"},
		{[]verify.Result{pending, passed, refuted}, "Refuted c answered 503"},
	} {
		if v, why := verify.Sum(c.results); string(v)+" "+why != c.want {
			t.Errorf("got %q, want %q", string(v)+" "+why, c.want)
		}
	}
}
