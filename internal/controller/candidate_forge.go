package controller

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/forge"
)

// forgeTelling is how far it is that a forge is told about candidates, beside what each of its apps has told. The controller's lock is held by who looks at it.
type forgeTelling struct {
	told     map[string]v1alpha1.CommitState // by commit; what was written to the status is forgotten
	under    bool
	failures int
	next     time.Time
}

// commitState is what a forge is to be told of a candidate; empty: nothing.
func commitState(x v1alpha1.CandidateStatus) v1alpha1.CommitState {
	switch candidate.Phase(x.Phase) {
	case candidate.Waiting, candidate.Rehearsing, candidate.Trying, candidate.Moving:
		return v1alpha1.CommitPending
	case candidate.Moved:
		return v1alpha1.CommitSuccess
	case candidate.Refused:
		return v1alpha1.CommitFailure
	case candidate.Gone:
	}
	return ""
}

// tellForges has the forge told how candidates fare: those that do not render are known to no app. It does not wait for that.
func (c *controller) tellForges(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, src v1alpha1.Source) {
	repo := &v1alpha1.Repository{}
	err := c.client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: src.Repository}, repo)
	if err != nil || repo.Spec.CommitStatus == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &st.hopeful.telling
	var news []v1alpha1.CandidateStatus
	for _, x := range st.status.Candidates {
		if t.told[x.Commit] == x.Told {
			delete(t.told, x.Commit)
		}
		ended := candidate.Phase(x.Phase).Ended()
		if s := commitState(x); s != "" && s != cmp.Or(t.told[x.Commit], x.Told) && (!ended || c.now().Sub(x.Since.Time) < oldNews) {
			news = append(news, x)
		}
	}
	if len(news) == 0 || t.under || c.now().Before(t.next) {
		return
	}
	t.under = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	go func() {
		defer cancel()
		c.tellCandidates(ctx, e, env.DeepCopy(), repo, t, news)
	}()
}

// tellCandidates tells a forge of candidates until it has been told of all, or cannot be.
func (c *controller) tellCandidates(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, repo *v1alpha1.Repository, t *forgeTelling, news []v1alpha1.CandidateStatus) {
	spec := repo.Spec.CommitStatus
	f, err := c.forgeOf(ctx, repo)
	told := map[string]v1alpha1.CommitState{}
	for _, x := range news {
		if err != nil {
			break
		}
		s := commitState(x)
		say := forge.Status{
			Context: spec.Prefix + "/" + env.Name, State: forge.State(s), Description: cmp.Or(clipText(x.Why, 400), strings.ToLower(x.Phase)),
			Link: strings.NewReplacer("{namespace}", url.PathEscape(env.Namespace), "{environment}", url.PathEscape(env.Name), "{app}", "", "{commit}", x.Commit).Replace(spec.Link),
		}
		if err = f.Tell(ctx, x.Commit, say); err == nil {
			told[x.Commit] = s
			c.metrics.told.WithLabelValues(string(s)).Inc()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.under = false
	if t.told == nil {
		t.told = map[string]v1alpha1.CommitState{}
	}
	for id, s := range told {
		t.told[id] = s
	}
	if t.failures++; err == nil {
		t.failures = 0
	}
	wait := time.Duration(0)
	if err != nil {
		wait = min(time.Second<<min(t.failures, 10), longestTell)
		c.log.WarnContext(ctx, "forge not told of a candidate", "environment", env.Namespace+"/"+env.Name, "error", err, "again", wait.String())
	}
	t.next = c.now().Add(wait)
	c.envQueue.after(e.Namespace, e.Name, wait)
}
