package controller

import (
	"context"
	"net/url"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/forge"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// telling is what is known of how a forge was told about an app. Only the reconciler of the forge's queue has it.
type telling struct {
	sure     hold // since then the forge says what status.told says
	failures int
}

const (
	// tellers is how many forges are told at once: one that hangs keeps one of them until its time is up.
	tellers = 20
	// oldNews is how long ago a commit came that a forge is not told of any more, if it was never told anything of the app: who asks for commit statuses does
	// not want those of years.
	oldNews = time.Hour
	// longestTell bounds the wait between two tries.
	longestTell = 10 * time.Minute
)

// reconcileForge tells the forge how the commit fares that changed an app last, if that is news. What was told is in the App's status. A process that does not
// know whether it was the one before it that had the last word, or whether it was heard itself, asks the forge first: nothing is said twice.
func (c *controller) reconcileForge(ctx context.Context, req reconcile.Request) (res reconcile.Result, err error) {
	m := c.known(app.Owner{Namespace: req.Namespace, Name: req.Name})
	if m == nil || m.rehearses.Load() {
		return reconcile.Result{}, nil
	}
	key := keyOfApp(m.name.Owner())
	ctx, done, mine := c.share.Act(ctx, key)
	if !mine {
		_, mine = c.share.Owns(key)
		return reconcile.Result{RequeueAfter: late(mine)}, nil
	}
	defer done()
	defer cutShort(ctx, &res, &err)
	m.mu.Lock()
	st, repository := *m.status.DeepCopy(), m.place.repository
	if t := m.place.tip; t != nil && t.source.Candidate != nil { // its branch's commit comes back after each candidate, and was told of before
		m.telling.sure = hold{}
	}
	m.unlock()
	v := report.Verdict(st)
	repo := &v1alpha1.Repository{}
	if !report.IsNews(st.Told, v) || repository == "" {
		return reconcile.Result{}, nil
	}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: m.name.Namespace, Name: repository}, repo); err != nil || repo.Spec.CommitStatus == nil {
		return reconcile.Result{}, absent.Ignore(err)
	}
	if st.Told == nil && v.State == v1alpha1.CommitSuccess && c.now().Sub(st.Wanted.At.Time) > oldNews {
		return reconcile.Result{}, nil
	}
	if v, err = c.tellForge(ctx, repo, m, v); err != nil {
		m.telling.sure, m.telling.failures = hold{}, min(m.telling.failures+1, 10)
		wait := min(max(fault.After(err), time.Second<<m.telling.failures), longestTell)
		if k := fault.KindOf(err); k == fault.Invalid || k == fault.Denied {
			wait = longestTell
			c.warn(repo, "CommitStatus", "Tell", err.Error())
		}
		c.log.WarnContext(ctx, "forge not told", "app", m.name.String(), "commit", v.Commit, "state", string(v.State), "error", err, "again", wait.String())
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	m.telling.failures = 0
	m.mu.Lock()
	m.status.Told = &v
	if !m.unwritten {
		m.unwritten, m.since = true, c.now()
	}
	more := report.IsNews(m.status.Told, report.Verdict(m.status))
	m.unlock()
	c.statusQueue.add(m.name.Namespace, m.name.Object())
	if more {
		c.forgeQueue.add(m.name.Namespace, m.name.Object())
	}
	return reconcile.Result{}, nil
}

// forgeOf is the forge of a Repository that says how it is told.
func (c *controller) forgeOf(ctx context.Context, repo *v1alpha1.Repository) (*forge.Client, error) {
	spec := repo.Spec.CommitStatus
	secret, err := c.secretAt(ctx, repo, "spec.commitStatus.secretRef", spec.SecretRef.Name)
	if err != nil {
		return nil, err
	}
	f, err := forge.Open(forge.Options{
		Kind: forge.Kind(spec.Forge), Repository: repo.Spec.URL, Path: spec.Repository, API: spec.API,
		Token: strings.TrimSpace(string(secret.Data["token"])), CA: secret.Data["ca.crt"],
	})
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "spec.commitStatus of Repository %s: %w", repo.Name, err)
	}
	return f, nil
}

// tellForge has the forge say it, unless it does already. It returns what the forge says then, which may be more: that the commit ended before.
func (c *controller) tellForge(ctx context.Context, repo *v1alpha1.Repository, m *member, v v1alpha1.CommitTold) (v1alpha1.CommitTold, error) {
	spec := repo.Spec.CommitStatus
	f, err := c.forgeOf(ctx, repo)
	if err != nil {
		return v, err
	}
	say := forge.Status{
		Context: spec.Prefix + "/" + m.name.Environment + "/" + m.name.App, State: forge.State(v.State), Description: v.Description,
		Link: strings.NewReplacer("{namespace}", url.PathEscape(m.name.Namespace), "{environment}", url.PathEscape(m.name.Environment),
			"{app}", url.PathEscape(m.name.App), "{commit}", v.Commit).Replace(spec.Link),
	}
	term, _ := c.share.Owns(keyOfApp(m.name.Owner()))
	if m.telling.sure != (hold{true, term}) {
		said, ok, err := f.Told(ctx, v.Commit, say.Context)
		if err != nil {
			return v, err
		}
		m.telling.sure = hold{true, term}
		if was := (v1alpha1.CommitTold{Commit: v.Commit, State: v1alpha1.CommitState(said.State), Description: said.Description}); ok && !report.IsNews(&was, v) {
			return was, nil
		}
	}
	if err := f.Tell(ctx, v.Commit, say); err != nil {
		return v, err
	}
	c.metrics.told.WithLabelValues(string(v.State)).Inc()
	return v, nil
}
