package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gatekeeper"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/report"
	"github.com/fairlead-cd/fairlead/internal/verifier"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// AnnotationRollback asks, on an App, for an earlier want, or for what was rolled back to be tried again: a [Rollback].
const AnnotationRollback = "fairlead.dev/rollback"

// Rollback is what a person asks for of an app's releases. It is carried out once.
type Rollback struct {
	// Request is another one each time.
	Request string `json:"request"`
	// To is the commit to go back to, or the first digits of its id; empty: what was good before.
	To string `json:"to,omitempty"`
	// Lift asks to try again what was rolled back.
	Lift bool `json:"lift,omitempty"`
	// Sure says that it is to be done though versions or fields of CustomResourceDefinitions go with it.
	Sure    bool   `json:"sure,omitempty"`
	By      string `json:"by,omitempty"`
	Because string `json:"because,omitempty"`
}

// releasing is how an app gets from one want to the next. The lock of the member is held.
func (c *controller) releasing(ctx context.Context, m *member, env *v1alpha1.Environment, obj *v1alpha1.App) engine.Releasing {
	r := engine.Releasing{Told: told(m.status.Release)}
	var asked Rollback
	if text := obj.Annotations[AnnotationRollback]; text != "" && json.Unmarshal([]byte(text), &asked) == nil && asked.Request != "" {
		r.Past = c.searching(m, asked.Request)
		r.Requests = append(r.Requests, engine.Request{ID: asked.Request, Asked: release.Asked{
			By: asked.By, Because: asked.Because, Back: !asked.Lift, Sure: asked.Sure, Lift: asked.Lift, To: release.Want{Revision: asked.To},
		}})
	}
	m.attempts(&r)
	if done := m.status.Rollback; m.lookback != nil && done != nil && done.Request == m.lookback.request {
		m.lookback = nil
	}
	rules := env.Spec.Release
	r.Policy.Halt = m.removed      // who goes does not come back for a hook that failed
	if rules == nil || m.removed { // what is removed is held by other rules, and there is nothing to verify
		return r
	}
	r.Ruled, r.Unread = true, !m.declared
	r.Policy = release.Policy{
		Deadline: rules.Deadline.Duration, Verify: len(m.trials(env)) > 0, Halt: rules.OnFailure == v1alpha1.OnFailureHalt, WatchFor: rules.WatchFor.Duration,
	}
	r.Gates = c.gates(ctx, m, env)
	m.returns(&r)
	r.Verdict = func(of release.Release) (release.Verdict, string) { return c.verifier.Verdict(m.name, of.Serial) }
	return r
}

// attempt is what Fairlead tries the app at; empty: what its branch has. The lock is held.
func (m *member) attempt() string {
	if m.place.tip == nil {
		return ""
	}
	return m.place.tip.attempt
}

// attempts asks for what is wanted of an app at a candidate to be tried, also if it was gone back from before. That comes before what a person asks for: who
// sees it tried may want it back. The lock is held.
func (m *member) attempts(r *engine.Releasing) {
	if t := m.attempt(); t != "" && m.mustTry(t) {
		try := engine.Request{ID: t, Own: true, Asked: release.Asked{By: "Fairlead", Because: "it is tried as a candidate", Again: true}}
		r.Requests = append([]engine.Request{try}, r.Requests...)
	}
}

// mustTry reports whether the app has still to be asked for an attempt. The lock is held.
func (m *member) mustTry(attempt string) bool {
	return m.env != nil && m.env.Spec.Release != nil && m.status.Attempt != attempt
}

// returns asks an app that was tried at a candidate to go back to what its branch has, if its gates would have to agree to that else: they did before. The lock
// is held.
func (m *member) returns(r *engine.Releasing) {
	back, cur := m.place.back, m.status.Release
	if r.Gates == nil || back == "" || m.attempt() != "" || cur == nil || !strings.HasSuffix(cur.Revision, ":"+back) {
		return
	}
	switch release.Phase(cur.Phase) {
	case release.Applying, release.Progressing, release.Verifying, release.Succeeded, release.Failed:
		leave := engine.Request{
			ID: fmt.Sprintf("return from %s %d", back, cur.Serial), Own: true,
			Asked: release.Asked{By: "Fairlead", Because: "the candidate was not moved to", Back: true, Sure: true},
		}
		r.Requests = append([]engine.Request{leave}, r.Requests...)
	case release.Planned, release.Gated, release.RollingBack, release.RolledBack, release.Superseded: // it is at what was good before
	}
}

// carriedOut fills in what was carried out of what was asked for.
func carriedOut(f *report.Finding, r engine.Releasing, out engine.Outcome) {
	for _, q := range r.Requests {
		switch why, handled := out.Answer(q.ID); {
		case !handled:
		case q.Asked.Again:
			f.Attempt = q.ID
		case !q.Own:
			f.Handled, f.Answer = q.ID, why
		}
	}
}

// checkRelease says what is wrong with the rules for releases of an environment; nil if nothing is.
func checkRelease(r *v1alpha1.Release) error {
	if r == nil {
		return nil
	}
	if err := verify.Check(verify.Declared(r.Verify), r.Deadline.Duration); err != nil {
		return fault.Newf(fault.KindOf(err), "spec.release.verify: %w", err)
	}
	return nil
}

// rulesFor are the rules of an app, by what its environment and its own declaration say; or what is wrong with the latter.
func rulesFor(envRules app.Health, env *v1alpha1.Environment, d app.Declaration) (health.Rules, error) {
	rules, err := health.Compile(envRules, d.Health) // those of the Environment were compiled before
	if err != nil || len(d.Verify) == 0 {
		return rules, err
	}
	deadline := time.Duration(0)
	if env != nil && env.Spec.Release != nil {
		deadline = env.Spec.Release.Deadline.Duration
	}
	return rules, verify.Check(d.Verify, deadline)
}

// trials are what a release of the app has to prove: those of the environment, then the app's own. The lock is held.
func (m *member) trials(env *v1alpha1.Environment) []app.Trial {
	if env.Spec.Release == nil {
		return nil
	}
	return slices.Concat(verify.Declared(env.Spec.Release.Verify), m.decl.Verify)
}

// prove lets the newest release of an app be tried if it has come to that, and not any longer; and so with what its gates ask.
func (c *controller) prove(m *member, env *v1alpha1.Environment, s engine.Subject, now release.State) {
	if now.Current.Phase != release.Gated {
		c.keeper.Forget(gatekeeper.App{Namespace: m.name.Namespace, Environment: m.name.Environment, App: m.name.App})
	}
	if now.Current.Phase != release.Verifying {
		c.verifier.Forget(m.name)
		return
	}
	if s.Policy.Suspended {
		c.verifier.Leave(m.name)
		return
	}
	m.mu.Lock()
	trials := m.trials(env)
	m.unlock()
	c.verifier.Begin(verifier.Task{
		App: m.name, Serial: now.Current.Serial, Revision: now.Current.Want.Revision, Identity: s.Identity, Namespace: s.Namespace,
		Objects: s.Objects(), Trials: trials, Before: now.Current.Began,
	})
}

// Verifier tries releases. See package verifier.
type Verifier interface {
	Begin(verifier.Task)
	Forget(app.Name)
	Leave(app.Name)
	Verdict(n app.Name, serial int) (release.Verdict, string)
	LastWords(ctx context.Context, id app.Identity, of object.Key) string
}

// none tries nothing: what has to be verified waits until it is.
type none struct{}

func (none) Begin(verifier.Task) {}
func (none) Forget(app.Name)     {}
func (none) Leave(app.Name)      {}
func (none) Verdict(app.Name, int) (release.Verdict, string) {
	return release.Pending, "nothing verifies releases here"
}

func (none) LastWords(context.Context, app.Identity, object.Key) string { return "" }

// trier is what tries the releases of a controller's apps.
func (c *controller) trier(ctx context.Context, config *rest.Config) Verifier {
	return verifier.New(ctx, verifier.Options{
		As:      func(id app.Identity) *rest.Config { return cluster.Acting(config, id.User()) },
		Kinds:   c.cluster.Kinds,
		Secret:  c.secretData,
		Changed: c.verdictChanged,
		Judged:  c.metrics.trial,
		Now:     c.now, Log: c.log,
	})
}

// verdictChanged looks at an app again whose release was tried.
func (c *controller) verdictChanged(n app.Name) { c.appQueue.add(n.Namespace, n.Object()) }

// told is the newest release as an App tells of it.
func told(r *v1alpha1.ReleaseStatus) release.Release {
	if r == nil {
		return release.Release{}
	}
	return release.Release{
		Serial: int(r.Serial), Want: release.Want{Revision: r.Revision}, Phase: release.Phase(r.Phase), Since: r.Since.Time, Began: r.Began.Time, Why: r.Why,
	}
}
