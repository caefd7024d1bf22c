package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// What was rolled back is still in Git. If an environment asks for it, a commit that restores the directory of the app is pushed there: once for each release that
// was rolled back, which a process that comes after another one sees in Git itself.

// reverting is the revert of one release.
type reverting struct {
	of     release.Release
	env    *v1alpha1.Environment
	done   bool
	status v1alpha1.RevertStatus
}

// revertOf has what was rolled back be reverted in Git, if that is wanted, and returns how far it is; nil if nothing is to be told of it.
func (c *controller) revertOf(m *member, env *v1alpha1.Environment, out engine.Outcome, was *v1alpha1.RevertStatus) *v1alpha1.RevertStatus {
	rules, cur := env.Spec.Release, out.Releases.Current
	wanted := rules != nil && (rules.Revert == v1alpha1.RevertBranch || rules.Revert == v1alpha1.RevertCommit)
	m.mu.Lock()
	defer m.unlock()
	if t := m.place.tip; !wanted || !out.Back || cur.Phase != release.RolledBack || cur.Back.IsZero() || t == nil || t.attempt != "" || m.removed {
		m.reverts = nil
		return nil
	}
	if was != nil && was.Serial == int64(cur.Serial) && was.Commit != "" {
		m.reverts = nil
		return was
	}
	if r := m.reverts; r == nil || r.of.Serial != cur.Serial || r.env.Generation != env.Generation {
		m.reverts = &reverting{of: cur, env: env, status: v1alpha1.RevertStatus{Serial: int64(cur.Serial)}}
		c.revertQueue.add(m.name.Namespace, m.name.Object())
		return was
	}
	if st := m.reverts.status; st.Error != "" || st.Commit != "" {
		return &st
	}
	return was
}

// reconcileRevert reverts in Git what was rolled back.
func (c *controller) reconcileRevert(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	known := c.settleReverts(ctx, req.Namespace, req.Name)
	m := c.known(app.Owner{Namespace: req.Namespace, Name: req.Name})
	if !known {
		return reconcile.Result{RequeueAfter: settleAgain}, nil
	}
	if m == nil {
		return reconcile.Result{}, nil
	}
	m.mu.Lock()
	r, p := m.reverts, m.place
	m.unlock()
	if r == nil || r.done || p.tip == nil {
		return reconcile.Result{}, nil
	}
	act, done, mine := c.share.Act(ctx, keyOfApp(m.name.Owner()))
	if !mine {
		return reconcile.Result{RequeueAfter: late(true)}, nil
	}
	defer done()
	st, err := c.revert(act, m, p, *r)
	if act.Err() != nil {
		return reconcile.Result{RequeueAfter: late(true)}, nil
	}
	st.Serial = int64(r.of.Serial)
	if err != nil {
		st.Error = clipText(err.Error(), 500)
		c.log.WarnContext(ctx, "not reverted in Git", "app", m.name.String(), "error", err)
	} else {
		c.recordRevert(ctx, m, r.of, st)
		c.log.InfoContext(ctx, "reverted in Git", "app", m.name.String(), "branch", st.Branch, "commit", st.Commit)
	}
	m.mu.Lock()
	news := st != r.status
	r.status, r.done = st, err == nil
	m.unlock()
	if news {
		c.appQueue.add(req.Namespace, req.Name)
	}
	return reconcile.Result{RequeueAfter: revertAgain(err)}, nil
}

// revertAgain is how soon a revert is tried again.
func revertAgain(err error) time.Duration {
	switch kind := fault.KindOf(err); {
	case err == nil:
		return 0
	case errors.Is(err, git.ErrMoved):
		return time.Second
	case kind == fault.Transient:
		return max(15*time.Second, fault.After(err))
	}
	return time.Minute // a person may have mended it
}

// revert pushes a commit in which the directory of an app is as it was where the app went back to.
func (c *controller) revert(ctx context.Context, m *member, p place, r reverting) (st v1alpha1.RevertStatus, err error) {
	n := m.name
	branch, own := p.tip.source.Ref.Branch, revertBranch(n, r.of.Want)
	if branch == "" {
		return st, fault.Newf(fault.Invalid, "the Environment follows no branch of Repository %s", p.repository)
	}
	g, err := c.openGit(ctx, types.NamespacedName{Namespace: n.Namespace, Name: p.repository})
	if err != nil {
		return st, err
	}
	defer g.close(c)
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	write, err := c.writeAuth(ctx, r.env, p.tip.source, g)
	if err != nil {
		return st, err
	}
	head, made, err := c.revertHeads(ctx, g, branch, own, r)
	if err != nil {
		return st, err
	}
	push := r.env.Spec.Release.Revert == v1alpha1.RevertCommit
	if made != "" && !push {
		return v1alpha1.RevertStatus{Branch: own, Commit: string(made)}, nil // by a process before this one
	}
	if push && g.repo.Spec.Verify != nil {
		return st, fault.Newf(fault.Denied, "Repository %s asks for signatures, and Fairlead signs no commit: set spec.release.revert to Branch", p.repository)
	}
	d, err := c.draftRevert(ctx, n, p, r, g, head)
	if err != nil {
		return st, err
	}
	move := git.Move{Branch: own, To: d.Commit, Pack: d.Pack}
	if push {
		move.Branch, move.From = branch, head.Commit
	}
	if d.Pack == nil { // the branch has it: a process before this one was killed before it said so, or a person was faster
		return v1alpha1.RevertStatus{Branch: branch, Commit: string(head.Commit)}, nil
	}
	st = v1alpha1.RevertStatus{Branch: move.Branch, Commit: string(d.Commit)}
	i := c.intendRevert(ctx, n, p, revertRecord(m, r.of, st), move)
	if err := g.mirror.Move(ctx, write, move); err != nil {
		if isUnsure(err) && !errors.Is(err, git.ErrMoved) {
			c.doubt(i)
		} else {
			c.intents.book.Withdraw(i.Record.Key)
		}
		return v1alpha1.RevertStatus{}, err
	}
	if push {
		c.askFor(types.NamespacedName{Namespace: n.Namespace, Name: p.repository})
	}
	return st, nil
}

// revertBranch is the branch on which the revert of a want is made for people to look at.
func revertBranch(n app.Name, of release.Want) string {
	return "fairlead/revert-" + n.Environment + "-" + n.App + "-" + source.Commit(commitOf(of.Revision)).Short()
}

// writeAuth are the credentials that may push to the repository of a source.
func (c *controller) writeAuth(ctx context.Context, env *v1alpha1.Environment, s v1alpha1.Source, g opened) (git.Auth, error) {
	field, ref := "spec.sources.writeSecretRef", s.WriteSecretRef
	if ref == nil && s.Candidate != nil {
		field, ref = "spec.sources.candidate.secretRef", &s.Candidate.SecretRef
	}
	if ref == nil {
		return git.Auth{}, fault.Newf(fault.Invalid, "the source of Repository %s in spec.sources of the Environment has no writeSecretRef", s.Repository)
	}
	return c.pushAuth(ctx, env, field, ref.Name, g.repo.Spec.URL, g.auth)
}

// revertHeads fetches what a revert is made of: the branch as it is now, and the commit to go back to. Made is what the branch of the revert names, if there is one.
func (c *controller) revertHeads(ctx context.Context, g opened, branch, own string, r reverting) (at head, made source.Commit, err error) {
	list, err := g.mirror.Resolve(ctx, g.auth, []source.Ref{{Branch: branch}, {Branch: own}})
	if err == nil {
		err = list[0].Err
	}
	if err != nil {
		return at, "", err
	}
	if list[1].Err == nil {
		made = list[1].Commit
	}
	good := source.Commit(commitOf(r.of.Back.Revision))
	fetched, err := g.mirror.Fetch(ctx, g.auth, []source.Resolved{list[0].Resolved, {Ref: source.Ref{Commit: good}, Commit: good}})
	if err == nil {
		err = cmp.Or(fetched[0].Err, fetched[1].Err)
	}
	if err != nil {
		return at, "", err
	}
	at.Resolved = list[0].Resolved
	at.snapshot, err = g.mirror.Snapshot(ctx, at.Commit)
	return at, made, err
}

// draftRevert makes the commit, and makes sure that it wants what was good. Without a pack, there is nothing to revert any more.
func (c *controller) draftRevert(ctx context.Context, n app.Name, p place, r reverting, g opened, at head) (git.Draft, error) {
	is, dir, err := c.wantAt(ctx, n, p, r.env, at)
	switch {
	case r.of.Want.Revision == r.of.Back.Revision:
		return git.Draft{}, fault.Newf(fault.Invalid, "there is nothing to revert in Git: the release is of the same commit as what was good, and %s", cmp.Or(r.of.Want.Cause, "something outside of Git changed"))
	case err != nil:
		return git.Draft{}, err
	case is == r.of.Back.Digest:
		return git.Draft{Commit: at.Commit}, nil
	case is != r.of.Want.Digest:
		return git.Draft{}, fault.Newf(fault.Invalid, "%s has something newer than what was rolled back", at.Revision())
	}
	good := source.Commit(commitOf(r.of.Back.Revision))
	then := head{Resolved: source.Resolved{Ref: at.Ref, Name: at.Name, Commit: good}}
	if then.snapshot, err = g.mirror.Snapshot(ctx, good); err != nil {
		return git.Draft{}, err
	}
	paths := []string{dir}
	if was, err := dirAt(n, p.tip.source, then); err == nil && was != dir {
		paths = append(paths, was)
	}
	d, err := g.mirror.Restore(ctx, git.Restoring{Head: at.Commit, Paths: paths, From: good, Message: revertMessage(n, r.of, dir), When: r.of.Since})
	if err != nil {
		return d, err
	}
	then.Commit = d.Commit
	if then.snapshot, err = g.mirror.Snapshot(ctx, d.Commit); err != nil {
		return d, err
	}
	if is, _, err = c.wantAt(ctx, n, p, r.env, then); err != nil || is != r.of.Back.Digest {
		return d, fault.Newf(fault.Invalid, "with %s as it was at %s, the app is not what was good: something that changed is outside of that directory, and has to be reverted by hand",
			dir, good.Short())
	}
	return d, nil
}

// wantAt identifies what an app wants in a commit, and tells in which directory it is.
func (c *controller) wantAt(ctx context.Context, n app.Name, p place, env *v1alpha1.Environment, at head) (digest, dir string, err error) {
	res, err := c.renderAt(ctx, n, p.tip.source, at)
	if err != nil {
		return "", "", err
	}
	if dir, err = dirAt(n, p.tip.source, at); err != nil {
		return "", "", err
	}
	digest, err = c.engine.Digest(ctx, engine.Subject{Name: n, Namespace: Destination(env, n.App), Policy: policyOf(env), Objects: func() []object.Object { return res.Objects }})
	return digest, dir, err
}

// revertMessage says which release is reverted, and why.
func revertMessage(n app.Name, r release.Release, dir string) string {
	bad, good := source.Commit(commitOf(r.Want.Revision)).Short(), source.Commit(commitOf(r.Back.Revision)).Short()
	return fmt.Sprintf("Revert %s of %s to %s\n\nRelease %d, of commit %s, was rolled back in environment %s:\n%s\n\nThis restores %s as it was at commit %s.",
		n.App, n.Environment, good, r.Serial, bad, n.Environment, clipText(r.Why, 1000), dir, commitOf(r.Back.Revision))
}

// askFor has a repository be asked at once.
func (c *controller) askFor(name types.NamespacedName) {
	c.mu.Lock()
	if r := c.repos[name]; r != nil {
		r.hooked = true
	}
	c.mu.Unlock()
	c.repoQueue.add(name.Namespace, name.Name)
}
