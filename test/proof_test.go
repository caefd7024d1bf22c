package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// proof is a place with everybody who is told of releases, and how its app prod/web fared.
type proof struct {
	forgePlace
	people  *taker
	commits []source.Commit
	ends    []string // the phase in which the release of each commit ended
}

func (w world) proof(t *testing.T, name string, release map[string]any, changes ...gitserver.Change) *proof {
	t.Helper()
	p := &proof{forgePlace: w.place(t, "proof-"+name).atForge("t0ken"), people: newTaker(t)}
	p.apply(fmt.Sprintf("apiVersion: fairlead.dev/v1alpha1\nkind: Notifier\nmetadata: {name: people}\nspec: {webhook: {url: %q}, events: [Succeeded, Failed, RolledBack, Held, Drift]}\n", p.people.url))
	first := p.push(changes...)
	p.Environment(t, "prod", "apps/*", map[string]any{"release": release})
	p.ended(first, "Succeeded")
	return p
}

// ended waits until the release of the newest commit has ended so, and everybody was told that, once.
func (p *proof) ended(c source.Commit, phase string) v1alpha1.AppStatus {
	p.t.Helper()
	st := p.status("prod-web", func(st v1alpha1.AppStatus) error {
		if st.Release == nil || !strings.HasSuffix(st.Release.Revision, string(c)) {
			return fmt.Errorf("its release is %+v, want one of %s", st.Release, c.Short())
		}
		return phaseOf(phase)(st)
	})
	p.commits, p.ends = append(p.commits, c), append(p.ends, phase)
	var messages []string
	for i, end := range p.ends {
		if end != "Superseded" {
			messages = append(messages, messageOf(p.commits[i], end))
		}
	}
	p.people.has(p.t, messages...)
	state := map[string]string{"Succeeded": "success", "RolledBack": "failure"}[phase]
	if said := p.told(c, "web", state).Description; phase == "RolledBack" && !strings.Contains(said, "rolled back") {
		p.t.Errorf("the forge was told %q", said)
	}
	p.inOrder()
	p.onRecord()
	return st
}

// onRecord waits until the history has every release from its beginning to its end, no phase twice, and nothing else.
func (p *proof) onRecord() []history.Record {
	p.t.Helper()
	var want strings.Builder
	for i, end := range p.ends {
		if end == "RolledBack" {
			end = fmt.Sprintf("RollingBack %d RolledBack", i+1)
		}
		fmt.Fprintf(&want, "%[1]d Applying (%[1]d Progressing )?(%[1]d Verifying )?%[1]d %[2]s ", i+1, end)
	}
	complete := regexp.MustCompile("^" + want.String() + "$")
	var got struct{ Records []history.Record }
	testkit.Eventually(p.t, func(context.Context) error {
		out, err := p.tries("history", "prod/web", "--kind", "Release", "-o", "json", "--server", "http://"+p.ctl.Addr())
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		got.Records = nil
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			return err
		}
		var all strings.Builder
		for _, r := range got.Records {
			fmt.Fprintf(&all, "%d %s ", r.Serial, r.Phase)
		}
		if !complete.MatchString(all.String()) {
			return fmt.Errorf("on record is %q, want %q", all.String(), complete)
		}
		return nil
	})
	return got.Records
}

// figures says how long after its deadline, or after its verdict, the last release was back; limit is zero if there was a verdict.
func (p *proof) figures(limit time.Duration) {
	p.t.Helper()
	var began, back, done time.Time
	for _, r := range p.onRecord() {
		switch {
		case r.Serial != len(p.ends):
		case r.Phase == "Applying":
			began = r.Time
		case r.Phase == "RollingBack":
			back = r.Time
		case r.Phase == "RolledBack":
			done = r.Time
		}
	}
	if limit > 0 {
		p.t.Logf("the way back began %s after the deadline of %s, and took %s", back.Sub(began)-limit, limit, done.Sub(back))
	} else {
		p.t.Logf("the verdict came %s after the first apply, and the way back took %s", back.Sub(began), done.Sub(back))
	}
}

// deployment is an app's Deployment; a simulated node lets its Pods fail as the annotation says, if there is one.
func deployment(image, fail string) gitserver.Change {
	return gitserver.Write("apps/web/web.yaml", deploymentOf("web", image, fail))
}

// podFails is the annotation by which a Pod fails on a simulated node, beside its labels.
func podFails(how string) string {
	if how == "" {
		return ""
	}
	return ", annotations: {devcluster/fail: " + how + "}"
}

// smoke is an app's smoke test.
func smoke(fail string) gitserver.Change {
	return gitserver.Write("apps/web/smoke.yaml", fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata: {name: smoke, annotations: {fairlead.dev/apply: never}}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {app: smoke}%s}
    spec: {restartPolicy: Never, containers: [{name: curl, image: "example.com/curl:1"}]}
`, podFails(fail)))
}

// TestProof has releases that do not get well, each in a way of its own. Each is taken back by itself, and that is what the app, the people, the forge and the
// history say, once; and a fix goes on.
func TestProof(t *testing.T) {
	w := newWorld(t)
	w.plane.Says(t, []string{"GET /checkout answered 500"}, nil)
	image := ".spec.template.spec.containers[0].image"
	label := func(version string) gitserver.Change {
		return gitserver.Write("apps/web/a.yaml", config("a", "  labels: {version: "+version+"}\n"))
	}
	for name, x := range map[string]struct {
		release          map[string]any
		deadline         time.Duration // that it is to miss; zero: a verdict comes first
		good, bad, fixed []gitserver.Change
		ref, path        string // which field of which object says what is released
		was, is          string
		words            []string
	}{
		"image": {
			release: map[string]any{"deadline": "3s"}, deadline: 3 * time.Second,
			good: []gitserver.Change{deployment("web:1", "")}, bad: []gitserver.Change{deployment("web:2-typo", "ImagePullBackOff")},
			fixed: []gitserver.Change{deployment("web:2", "")},
			ref:   "deployment/web", path: image, was: "web:1", is: "web:2", words: []string{"not healthy within 3s: Deployment", "1 replica not available"},
		},
		"unready": {
			release: map[string]any{"deadline": "3s"}, deadline: 3 * time.Second,
			good: []gitserver.Change{deployment("web:1", "")}, bad: []gitserver.Change{deployment("web:2", "CrashLoopBackOff")},
			fixed: []gitserver.Change{deployment("web:3", "")},
			ref:   "deployment/web", path: image, was: "web:1", is: "web:3", words: []string{"not healthy within 3s: Deployment", "1 replica not available"},
		},
		"smoke": {
			release: map[string]any{"verify": []any{map[string]any{"job": map[string]any{"name": "smoke"}}}},
			good:    []gitserver.Change{label("one"), smoke("")}, bad: []gitserver.Change{label("two"), smoke("Error")},
			fixed: []gitserver.Change{label("three"), smoke("")},
			ref:   "configmap/a", path: ".metadata.labels.version", was: "one", is: "three", words: []string{"smoke", "GET /checkout answered 500"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := w.proof(t, name, x.release, x.good...)
			p.at(x.ref, x.path, x.was)
			st := p.ended(p.push(x.bad...), "RolledBack")
			p.at(x.ref, x.path, x.was)
			p.pinned(st, x.words...)
			p.figures(x.deadline)
			p.ended(p.push(x.fixed...), "Succeeded")
			p.at(x.ref, x.path, x.is)
			p.synced("prod-web")
		})
	}
	for name, x := range map[string]struct {
		release map[string]any
		phase   string // in which the fix finds it
		bad     gitserver.Change
	}{
		"fix-unready": {map[string]any{"deadline": "1h"}, "Progressing", deployment("web:2", "CrashLoopBackOff")},
		"fix-refuted": {map[string]any{"deadline": "1h", "verify": []any{map[string]any{"name": "version", "forgiven": int64(1000), "cel": map[string]any{
			"of": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "expressions": []any{"object.spec.template.spec.containers[0].image != 'web:2'"},
		}}}}, "Verifying", deployment("web:2", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := w.proof(t, name, x.release, deployment("web:1", ""))
			bad := p.push(x.bad)
			p.status("prod-web", phaseOf(x.phase))
			p.commits, p.ends = append(p.commits, bad), append(p.ends, "Superseded")
			fix := p.Git.Commit(t, "main", "fix", deployment("web:3", ""))
			pushed := time.Now()
			p.hook()
			p.ended(fix, "Succeeded")
			p.at("deployment/web", image, "web:3")
			t.Logf("the fix was applied %s after it was pushed while the release before it was %s", p.applied(fix).Sub(pushed), x.phase)
		})
	}
	t.Run("latency", func(t *testing.T) {
		t.Parallel()
		doubles(t, w)
	})
}

// applied is when the first step of a commit was made, as the log has it.
func (p *proof) applied(c source.Commit) time.Time {
	p.t.Helper()
	for line := range strings.Lines(p.ctl.Tail(p.Namespace, 1000)) {
		var e struct {
			Time     time.Time
			Msg      string
			Revision string
		}
		if json.Unmarshal([]byte(line), &e) == nil && strings.HasPrefix(e.Msg, "step ") && strings.HasSuffix(e.Revision, string(c)) {
			return e.Time
		}
	}
	p.t.Fatalf("no step of %s was made", c.Short())
	return time.Time{}
}

// pinned fails the test unless an app that was rolled back is kept at the first commit, and says why.
func (p *proof) pinned(st v1alpha1.AppStatus, words ...string) {
	p.t.Helper()
	if good := p.commits[0].Short(); st.Pinned != good || st.Applied.Short != good {
		p.t.Errorf("pinned at %q, %s is applied, want %s", st.Pinned, st.Applied.Short, good)
	}
	for _, w := range words {
		if !strings.Contains(st.Reason, w) {
			p.t.Errorf("it says %q, want %q in it", st.Reason, w)
		}
	}
}

// doubles has an app that takes twice as long to answer as before, as a Prometheus sees it.
func doubles(t *testing.T, w world) {
	speed := func(seconds string) gitserver.Change {
		return gitserver.Write("apps/web/speed.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: speed}\ndata: {seconds: '"+seconds+"'}\n")
	}
	served := outward(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seconds, err := w.plane.Objects.Field(r.Context(), "proof-latency", "configmap/speed", ".data.seconds")
		if err != nil || seconds == "" {
			http.Error(rw, "it is not there", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintf(rw, "latency_seconds %s\n", seconds)
	}))
	at, err := url.Parse(served)
	if err != nil {
		t.Fatal(err)
	}
	prom := testkit.StartPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs:
- {job_name: web, fallback_scrape_protocol: PrometheusText0.0.4, static_configs: [{targets: [%q]}]}
`, at.Host))
	loopback, err := url.Parse(prom.URL())
	if err != nil {
		t.Fatal(err)
	}
	// What is measured lags behind what is applied, so a release is looked at for longer than that takes.
	trial := map[string]any{"name": "latency", "interval": "1s", "for": "10s", "forgiven": int64(2), "metric": map[string]any{
		"prometheus": outward(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: loopback.Scheme, Host: loopback.Host}) }}),
		"query":      "latency_seconds", "ratioAtMost": 1.5,
	}}
	p := w.proof(t, "latency", map[string]any{"verify": []any{trial}}, speed("0.2"))
	testkit.Eventually(t, func(ctx context.Context) error { // what it was before the release is known
		found, err := prom.Query(ctx, "latency_seconds offset 3s")
		if err == nil && len(found) == 0 {
			err = errors.New("it was not measured yet")
		}
		return err
	})
	st := p.ended(p.push(speed("0.4")), "RolledBack")
	p.pinned(st, "latency", "is 0.4, 2 times as much as before the release, when it was 0.2 (at most 1.5 times)")
	p.at("configmap/speed", ".data.seconds", "0.2")
	p.figures(0)
	p.ended(p.push(speed("0.25")), "Succeeded")
	p.at("configmap/speed", ".data.seconds", "0.25")
}
