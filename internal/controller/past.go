package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// lookback is the looking for what an app was at a commit that a person asks to go back to. A pass must not wait for a server, so it is a loop of its own that looks.
type lookback struct {
	request, commit string
	done            bool
	past            engine.Past
	err             error
}

// searching is what the engine asks for the past of an app. It begins the search for a request, or tells what came of it.
func (c *controller) searching(m *member, request string) func(string) (engine.Past, bool, error) {
	return func(commit string) (engine.Past, bool, error) {
		m.mu.Lock()
		defer m.unlock()
		if m.lookback == nil || m.lookback.request != request {
			m.lookback = &lookback{request: request, commit: commit}
			c.pastQueue.add(m.name.Namespace, m.name.Object())
		}
		s := *m.lookback
		return s.past, s.done, s.err
	}
}

// reconcilePast looks for what an app was.
func (c *controller) reconcilePast(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	m := c.known(app.Owner{Namespace: req.Namespace, Name: req.Name})
	if m == nil {
		return reconcile.Result{}, nil
	}
	m.mu.Lock()
	s, p := m.lookback, m.place
	m.unlock()
	if s == nil || s.done {
		return reconcile.Result{}, nil
	}
	past, err := c.pastOf(ctx, m.name, p, s.commit)
	if ctx.Err() != nil {
		return reconcile.Result{}, ctx.Err()
	}
	m.mu.Lock()
	s.past, s.err, s.done = past, err, true
	m.unlock()
	c.appQueue.add(req.Namespace, req.Name)
	return reconcile.Result{}, nil
}

// pastOf renders an app as it was at a commit of the branch or tag that it is followed at.
func (c *controller) pastOf(ctx context.Context, n app.Name, p place, commit string) (engine.Past, error) {
	at := p.tip.head()
	if at.Commit == "" {
		return engine.Past{}, fault.Newf(fault.Transient, "commit %s is none that is kept, and Git has not been read", commit)
	}
	g, err := c.openGit(ctx, types.NamespacedName{Namespace: n.Namespace, Name: p.repository})
	if err != nil {
		return engine.Past{}, err
	}
	defer g.close(c)
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	id, err := g.mirror.Past(ctx, g.auth, at.Commit, commit)
	if err != nil {
		return engine.Past{}, err
	}
	then := head{Resolved: source.Resolved{Ref: at.Ref, Name: at.Name, Commit: id}}
	if err := c.vouchPast(ctx, g, then.Resolved); err != nil {
		return engine.Past{}, err
	}
	if then.snapshot, err = g.mirror.Snapshot(ctx, id); err != nil {
		return engine.Past{}, err
	}
	res, err := c.renderAt(ctx, n, p.tip.source, then)
	r := then.revision()
	return engine.Past{Revision: r.Revision, Author: r.Author, Committed: r.Committed.Time, Objects: res.Objects}, err
}

// renderAt renders an app from where it was in a commit.
func (c *controller) renderAt(ctx context.Context, n app.Name, of v1alpha1.Source, at head) (render.Result, error) {
	env, _, _ := c.settings(fleet.Of(n))
	if env == nil {
		return render.Result{}, fault.New(fault.Transient, errNoEnvironment)
	}
	dir, err := dirAt(n, of, at)
	if err != nil {
		return render.Result{}, err
	}
	req, _ := c.requestOf(ctx, env, n, at.snapshot.Tree, dir)
	res, err := c.renders(req)
	if err != nil {
		return render.Result{}, fmt.Errorf("app %s does not render at %s: %w", n.App, at.Revision(), err)
	}
	return res, nil
}

// dirAt is where an app is in a commit.
func dirAt(n app.Name, of v1alpha1.Source, at head) (string, error) {
	found, err := discover.Named(at.snapshot.Tree, of.Path, of.Name)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", at.Revision(), err)
	}
	i := slices.IndexFunc(found.Found, func(f discover.Found) bool { return f.Name == n.App })
	if i < 0 {
		return "", fault.Newf(fault.Invalid, "app %s was not there at %s: no directory of it matches %s", n.App, at.Revision(), of.Path)
	}
	return found.Found[i].Dir, nil
}

// vouchPast makes sure that a commit to go back to is signed, if a Repository asks for that.
func (c *controller) vouchPast(ctx context.Context, g opened, at source.Resolved) error {
	trusted, err := c.trustOf(ctx, g.repo)
	if err != nil || trusted == nil {
		return err
	}
	if v, ok := g.mirror.Mirror.(voucher); ok {
		_, err = v.Vouch(ctx, g.auth, trusted.keys, at.Commit)
		return err
	}
	if trusted.mode == v1alpha1.VerifyTag {
		return fault.Newf(fault.Denied, "commit %s is none that is kept, and spec.verify.mode of Repository %s is Tag: let the Environment follow the tag of what it is to go back to",
			at.Commit.Short(), g.repo.Name)
	}
	_, err = c.vouchCommit(ctx, &repository{mirror: g.mirror}, trusted, at.Commit, c.now())
	return err
}

// opened is a Repository whose mirror is open, for one use.
type opened struct {
	repo    *v1alpha1.Repository
	mirror  *mirror
	auth    git.Auth
	timeout time.Duration
}

// openGit opens the mirror of a Repository.
func (c *controller) openGit(ctx context.Context, name types.NamespacedName) (opened, error) {
	g := opened{repo: &v1alpha1.Repository{}}
	if err := c.client.Get(ctx, name, g.repo); err != nil {
		return g, fault.New(fault.Invalid, fmt.Errorf("read Repository %s: %w", name.Name, err))
	}
	secret, err := c.secretOf(ctx, g.repo)
	if err != nil {
		return g, err
	}
	if g.auth, err = authOf(secret, g.repo.Spec.URL); err != nil {
		return g, err
	}
	g.timeout = cmp.Or(g.repo.Spec.Timeout.Duration, 2*time.Minute)
	g.mirror, err = c.openMirror(addressOf(g.repo), g.auth)
	return g, err
}

func (g opened) close(c *controller) { c.closeMirror(g.mirror) }
