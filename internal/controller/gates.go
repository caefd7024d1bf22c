package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/forge"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/gatekeeper"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/verifier"
)

// lookAgain is how soon a gate is looked at again that waits for what another environment says of itself.
const lookAgain = 15 * time.Second

// gates returns the gates of an app's releases, those of its own declaration included, as they are when that is called. The lock of the member is held.
func (c *controller) gates(ctx context.Context, m *member, env *v1alpha1.Environment) func(release.Want) []release.Gate {
	rules := slices.Concat(env.Spec.Release.Gates, gate.Declared(m.decl.Gates))
	if len(rules) == 0 {
		return nil
	}
	repository := m.place.repository
	return func(w release.Want) []release.Gate {
		now := c.now()
		s := gate.Subject{
			Namespace: m.name.Namespace, Environment: m.name.Environment, App: m.name.App, Destination: Destination(env, m.name.App),
			Commit: commitOf(w.Revision), Digest: w.Digest, Author: mailOf(w.Author),
		}
		facts, err := c.facts(ctx, m, s, rules)
		if err != nil {
			return []release.Gate{{Waits: "waits until the approvals can be read: " + err.Error(), Until: now.Add(lookAgain)}}
		}
		facts.Answers = c.keeper.Answers(s, repository, rules)
		c.recordWords(ctx, m, facts, s)
		all := gate.Judge(rules, s, facts, now)
		out := gate.Gates(all)
		for i, g := range rules {
			if g.Soak != nil && !out[i].Open && out[i].Until.IsZero() {
				out[i].Until = now.Add(lookAgain)
			}
		}
		return out
	}
}

// facts are what gates go by that is in this cluster.
func (c *controller) facts(ctx context.Context, m *member, s gate.Subject, rules []v1alpha1.Gate) (gate.Facts, error) {
	var approvals v1alpha1.ApprovalList
	var overrides v1alpha1.OverrideList
	if err := c.client.List(ctx, &approvals, client.InNamespace(s.Namespace)); err != nil {
		return gate.Facts{}, err
	}
	if err := c.client.List(ctx, &overrides, client.InNamespace(s.Namespace)); err != nil {
		return gate.Facts{}, err
	}
	f := gate.Facts{Approvals: approvals.Items, Overrides: overrides.Items, Soaks: map[string]gate.Soak{}}
	m.mu.Lock()
	seen := m.wanted.At.Time
	m.unlock()
	for _, g := range rules {
		if g.Soak != nil {
			f.Soaks[g.Soak.Environment] = gate.SoakOf(c.there(m, g.Soak.Environment), s.Commit, seen)
		}
	}
	return f, nil
}

// there is the app of the same name in another environment.
func (c *controller) there(m *member, at string) gate.There {
	n := app.Name{Namespace: m.name.Namespace, Environment: at, App: m.name.App}
	if space, env, ok := strings.Cut(at, "/"); ok {
		n.Namespace, n.Environment = space, env
	}
	x := c.known(n.Owner())
	if x == nil {
		return gate.There{}
	}
	st, here, other := x.stands(), m.where(), x.where()
	return gate.There{
		Status:  &st,
		Follows: here.tip != nil && other.tip != nil && here.repository == other.repository && n.Namespace == m.name.Namespace && here.tip.head().Name == other.tip.head().Name,
	}
}

// commitOf is the full id of the commit of a revision, such as "main@sha1:…".
func commitOf(revision string) string {
	return revision[strings.LastIndex(revision, ":")+1:]
}

// mailOf is the mail address of an author, such as "Ada <ada@example.com>".
func mailOf(author string) string {
	_, mail, ok := strings.Cut(author, "<")
	if !ok {
		return ""
	}
	mail, _, _ = strings.Cut(mail, ">")
	return mail
}

// waitingIn are the apps of a namespace whose releases wait at a gate.
func (c *controller) waitingIn(_ context.Context, o client.Object) []reconcile.Request {
	c.mu.Lock()
	var all []*member
	for owner, m := range c.apps {
		if owner.Namespace == o.GetNamespace() {
			all = append(all, m)
		}
	}
	c.mu.Unlock()
	var reqs []reconcile.Request
	for _, m := range all {
		if r := m.stands().Release; r != nil && r.Phase == string(release.Gated) {
			reqs = append(reqs, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}})
		}
	}
	slices.SortFunc(reqs, func(a, b reconcile.Request) int { return strings.Compare(a.Name, b.Name) })
	return reqs
}

// Keeper asks what gates want to know of the world outside. See package gatekeeper.
type Keeper interface {
	Answers(s gate.Subject, repository string, gates []v1alpha1.Gate) map[string]gate.Answer
	Forget(gatekeeper.App)
}

// silent knows nothing.
type silent struct{}

func (silent) Answers(gate.Subject, string, []v1alpha1.Gate) map[string]gate.Answer { return nil }
func (silent) Forget(gatekeeper.App)                                                {}

// outside is what asks the world outside for a controller's gates.
func (c *controller) outside(ctx context.Context) Keeper {
	return gatekeeper.New(ctx, gatekeeper.Options{
		Secret: c.secretData, Mark: c.mark, May: verifier.Public, Now: c.now,
		Changed: func(a gatekeeper.App) {
			c.appQueue.add(a.Namespace, app.Name{Namespace: a.Namespace, Environment: a.Environment, App: a.App}.Object())
		},
	})
}

// secretData reads a Secret that the rules for releases name.
func (c *controller) secretData(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	s, err := c.secretIn(ctx, namespace, "spec.release", name)
	if err != nil {
		return nil, err
	}
	return s.Data, nil
}

// mark reads what the forge of a Repository says beside a commit.
func (c *controller) mark(ctx context.Context, namespace, repository, commit, name string) (gatekeeper.Mark, error) {
	repo := &v1alpha1.Repository{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: repository}, repo); err != nil {
		return gatekeeper.Mark{}, fmt.Errorf("read Repository %s/%s: %w", namespace, repository, err)
	}
	if repo.Spec.CommitStatus == nil {
		return gatekeeper.Mark{}, fault.Newf(fault.Invalid, "Repository %s has no spec.commitStatus, which says how its forge is asked", repository)
	}
	f, err := c.forgeOf(ctx, repo)
	if err != nil {
		return gatekeeper.Mark{}, err
	}
	said, ok, err := f.Marked(ctx, commit, name)
	if err != nil || !ok {
		return gatekeeper.Mark{}, err
	}
	states := map[forge.State]gatekeeper.MarkState{
		forge.Pending: gatekeeper.MarkPending, forge.Success: gatekeeper.MarkSuccess, forge.Failure: gatekeeper.MarkFailure,
	}
	return gatekeeper.Mark{State: states[said.State], Says: said.Description}, nil
}
