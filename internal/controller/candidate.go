package controller

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// What is decided about the candidates of an environment is in its status before anything follows from it: whoever goes on from there places the same apps at
// the same commits, and moves the same branch.

// hopeful is what is known of an environment's candidates beyond what its status says. Its own reconciler has it.
type hopeful struct {
	laid    string // where apps were placed by candidates last; empty: nowhere
	unread  bool   // where apps are placed is not known: a commit cannot be read
	studies map[string]*study
	tips    map[source.Commit]*tip
	moves   map[string]*move // by commit
	telling forgeTelling
	asks    time.Time            // when the repository is asked again for what could not be read of it
	retold  bool                 // the history was told what the status had said before
	heard   map[string]time.Time // when it was heard here that the branch was moved, by commit
	venues  map[string]bool      // the venues that this process made, until they are gone
	unheard map[string]bool      // what names a candidate and cannot be read, as people were told
}

// moveAgain is how soon it is tried again to move a branch of which the server could not be asked; longer each time.
const (
	moveAgain     = time.Second
	moveAgainMost = time.Minute
)

// candidates decides what is tried, and which of it the branch is to be moved to. It returns when to look again.
func (c *controller) candidates(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, mine bool) (time.Duration, error) {
	src, has := candidateSource(env)
	if !mine {
		st.hopeful.retold = false // who has it meanwhile may die
	}
	if !mine || !has && len(env.Status.Candidates) == 0 && len(st.status.Candidates) == 0 {
		return 0, nil
	}
	if err := c.settle(ctx, env, st); err != nil {
		return 0, absent.Ignore(err)
	}
	c.retell(ctx, env, st, src)
	was := stateOf(st.status)
	next := *st.status.DeepCopy()
	there, err := c.venuesOf(ctx, env, st)
	if err != nil {
		return 0, err
	}
	var d candidate.Decision
	if has {
		if !c.isCaughtUp(env, st) {
			return askAgain, nil
		}
		seen, ok := c.seen(ctx, e, env, st, src, there)
		if !ok {
			return 0, nil
		}
		d = candidate.Next(was, seen, policyFor(src.Candidate), c.now())
	} else {
		d = withdrawn(was, c.now())
	}
	next.Candidates, next.LastHandledDeploy = c.toldOf(env, st, src, d.State), d.State.Request
	if !equality.Semantic.DeepEqual(next, st.status) {
		if err := c.writeEnvironment(ctx, env, st, next); err != nil {
			st.hopeful.retold = false // it may have been written
			return 0, err
		}
		if st.doubted || !equality.Semantic.DeepEqual(next.Candidates, st.status.Candidates) {
			st.hopeful.retold = false
			return conflictAgain, nil // somebody else wrote meanwhile
		}
		for _, r := range d.Records {
			c.tellCandidate(ctx, env, src, r)
		}
	}
	if err := c.rehearse(ctx, env, st, src, there); err != nil {
		return 0, err
	}
	c.tellForges(ctx, e, env, st, src)
	var again time.Duration
	if !d.Again.IsZero() {
		again = max(d.Again.Sub(c.now()), time.Millisecond)
	}
	_, unsure := st.hopeful.studies[""] // what one changes could not be found out
	if unsure && !c.now().Before(st.hopeful.asks) {
		st.hopeful.asks = c.now().Add(candidateAgain)
		c.askFor(types.NamespacedName{Namespace: env.Namespace, Name: src.Repository}) // it may not have been fetched here
	}
	if (len(d.State.Open())+len(there) > 0 || unsure) && (again == 0 || again > candidateAgain) {
		again = candidateAgain
	}
	return again, nil
}

// candidateAgain is when open candidates are looked at though nothing was heard.
const candidateAgain = 15 * time.Second

// policyFor is how candidates are tried.
func policyFor(c *v1alpha1.Candidate) candidate.Policy {
	p := candidate.Policy{Deadline: c.Deadline.Duration}
	if r := c.Rehearsal; r != nil {
		p.Rehearse, p.Rehearsal = true, r.Deadline.Duration
	}
	return p
}

// withdrawn ends all candidates of an environment that does not want any now.
func withdrawn(s candidate.State, now time.Time) candidate.Decision {
	s.List = slices.Clone(s.List)
	d := candidate.Decision{State: s}
	for i := range s.List {
		if x := &s.List[i]; !x.Phase.Ended() {
			x.Phase, x.Since, x.Why, x.Leaves = candidate.Gone, now, "the environment has no candidates any more", nil
			d.Records = append(d.Records, *x)
		}
	}
	return d
}

// seen is what there is to be seen of candidates; false if the repository has not been asked yet.
func (c *controller) seen(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, src v1alpha1.Source, there venues) (candidate.Seen, bool) {
	was := stateOf(st.status)
	branch, asked := c.headOf(ctx, env.Namespace, src)
	if !asked {
		return candidate.Seen{}, false
	}
	seen := candidate.Seen{
		Branch: src.Ref.Branch, Studies: map[string]candidate.Study{}, Verdicts: map[string]map[string]candidate.Verdict{},
		Denied: map[string]string{}, Delayed: map[string]string{}, Suspended: env.Spec.Sync.Suspend,
		Rehearsals: map[string]map[string]candidate.Verdict{}, Venues: there.apps(),
	}
	if branch.err != nil {
		return seen, true
	}
	seen.Tip = string(branch.head.Commit)
	if d := deployOf(env); d != nil && d.Request != was.Request {
		seen.Asked = &candidate.Asked{Request: d.Request, Commit: d.Commit, By: d.By}
	}
	seen.Refs, seen.Listed = c.named(env, src)
	x := examiner{c: c, env: env, st: st, src: src, branch: branch.head}
	commits := map[string]bool{}
	for _, r := range seen.Refs {
		commits[r.Commit] = true
	}
	attempts := map[string]string{}
	for _, o := range was.Open() {
		commits[o.Commit], attempts[o.Commit] = true, attemptOf(o)
	}
	if seen.Asked != nil {
		commits[seen.Asked.Commit] = true
	}
	keep := map[string]*study{}
	for _, id := range slices.Sorted(maps.Keys(commits)) {
		s := x.study(ctx, source.Commit(id))
		keep[s.key] = s
		seen.Studies[id] = s.Study
		seen.Verdicts[id] = c.verdicts(e, s, attempts[id])
		seen.Rehearsals[id] = c.rehearsals(e, env, src, s, id, there)
		if m := st.hopeful.move(id); m != nil {
			c.mu.Lock()
			seen.Denied[id], seen.Delayed[id] = m.denied, m.delayed
			c.mu.Unlock()
		}
	}
	st.hopeful.studies = keep
	c.tellUnread(env, st, seen)
	return seen, true
}

// tellUnread tells people of what names a candidate and cannot be read, once: until it is read it is none, and no status tells of it.
func (c *controller) tellUnread(env *v1alpha1.Environment, st *environment, seen candidate.Seen) {
	was := st.hopeful.unheard
	st.hopeful.unheard = map[string]bool{}
	for _, r := range seen.Refs {
		s := seen.Studies[r.Commit]
		if s.Known || s.Wrong == "" {
			continue
		}
		name := r.Name + " " + source.Commit(r.Commit).Short()
		if st.hopeful.unheard[name] = true; !was[name] {
			c.warn(env, "CandidateUnread", "Read", fmt.Sprintf("%s cannot be read, and is no candidate until it can; it is tried again: %s", name, s.Wrong))
		}
	}
}

// named are the refs that name candidates, and whether these are all.
func (c *controller) named(env *v1alpha1.Environment, src v1alpha1.Source) ([]candidate.Ref, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: src.Repository}]
	p := patternOf(src.Candidate)
	if r == nil || !r.listed[p] {
		return nil, false
	}
	var out []candidate.Ref
	for ref, n := range r.nominees {
		if x, means := p.Ref(n.Name); means && x == ref && ref != refOf(src.Ref) {
			out = append(out, candidate.Ref{Name: ref.String(), Commit: string(n.Commit)})
		}
	}
	slices.SortFunc(out, func(a, b candidate.Ref) int { return strings.Compare(a.Name, b.Name) })
	return out, true
}

// verdicts are how the apps fare that a commit changes.
func (c *controller) verdicts(e fleet.Environment, s *study, attempt string) map[string]candidate.Verdict {
	out := map[string]candidate.Verdict{}
	for _, name := range s.Apps {
		n := app.Name{Namespace: e.Namespace, Environment: e.Name, App: name}
		m := c.known(n.Owner())
		inputs, there := s.inputs[name]
		switch {
		case !there && !slices.Contains(s.Leaves, name): // it goes when the branch has the commit: there is nothing to try
			out[name] = candidate.Verdict{Outcome: candidate.Well}
		case !there && (m == nil || m.name != n):
			out[name] = candidate.Verdict{Outcome: candidate.Well}
		case m == nil || m.name != n:
			out[name] = candidate.Verdict{Why: "it is new"}
		default:
			out[name] = m.verdict(inputs, attempt)
		}
	}
	return out
}

// verdict is how the app fares with what it renders from at a candidate; empty: it is to be gone.
func (m *member) verdict(inputs, attempt string) candidate.Verdict {
	m.mu.Lock()
	defer m.unlock()
	st := m.status
	switch {
	case inputs == "":
		return candidate.Verdict{Why: st.Reason}
	case m.place.tip == nil || m.place.tip.attempt != attempt || m.dirty || m.behind || st.Inputs != inputs:
		return candidate.Verdict{Why: "it is being looked at"}
	case m.mustTry(attempt):
		return candidate.Verdict{Why: "it is about to be tried"}
	case st.Phase == v1alpha1.PhaseSynced && isReady(st):
		return candidate.Verdict{Outcome: candidate.Well}
	case st.Phase == v1alpha1.PhaseHeld:
		return candidate.Verdict{Why: st.Reason}
	case st.Phase == v1alpha1.PhaseRolledBack && st.Release != nil && st.Release.Why != "": // without what people can do about an app
		return candidate.Verdict{Outcome: candidate.Failed, Why: "rolled back: " + st.Release.Why}
	case isFailed(st):
		return candidate.Verdict{Outcome: candidate.Failed, Why: cmp.Or(st.Reason, string(st.Phase))}
	}
	return candidate.Verdict{Why: cmp.Or(st.Reason, strings.ToLower(string(st.Phase)))}
}

// tellCandidate tells people and the log what became of a candidate.
func (c *controller) tellCandidate(ctx context.Context, env *v1alpha1.Environment, src v1alpha1.Source, r candidate.Candidate) {
	name := cmp.Or(r.Ref, "commit") + " " + source.Commit(r.Commit).Short()
	c.log.InfoContext(ctx, "candidate", "environment", env.Namespace+"/"+env.Name, "ref", r.Ref, "commit", r.Commit, "phase", string(r.Phase),
		"apps", strings.Join(r.Apps[:min(len(r.Apps), 20)], " "), "why", r.Why)
	c.recordCandidate(ctx, env, src, r)
	switch r.Phase {
	case candidate.Moved:
		c.note(env, "CandidateMoved", "Move", fmt.Sprintf("%s got well, and %s has it", name, src.Ref.Branch))
	case candidate.Refused:
		c.warn(env, "CandidateRefused", "Try", fmt.Sprintf("%s is refused, and %s stays: %s", name, src.Ref.Branch, r.Why))
	case candidate.Trying:
		c.note(env, "CandidateTried", "Try", fmt.Sprintf("%s is tried: it changes %s", name, cmp.Or(strings.Join(r.Apps, ", "), "no app")))
	case candidate.Rehearsing:
		c.note(env, "CandidateRehearsed", "Rehearse", fmt.Sprintf("%s is rehearsed in environment %s: it changes %s", name, venueName(env, r.Commit), cmp.Or(strings.Join(r.Apps, ", "), "no app")))
	case candidate.Waiting, candidate.Moving, candidate.Gone:
	}
}

// recordCandidate tells the history which phase a candidate is in, and since when. Whoever reads the same in the status later says the same.
func (c *controller) recordCandidate(ctx context.Context, env *v1alpha1.Environment, src v1alpha1.Source, r candidate.Candidate) {
	since := r.Since.UTC().Truncate(time.Second).Format(time.RFC3339)
	key := fmt.Sprintf("candidate %s/%s %s %s %s %s", env.Namespace, env.Name, r.Commit, r.Phase, r.Request, since)
	rec := history.Record{
		Time: r.Since, Kind: history.Candidate, Key: key[:min(len(key), history.MostKey)], Namespace: env.Namespace, Environment: env.Name, Phase: string(r.Phase),
		Want: history.Version{Commit: r.Commit}, Who: r.By, Why: clipText(strings.Trim(r.Ref+": "+candidateText(env, src, r), ": "), history.MostText),
	}
	if err := c.history.Record(rec, nil); err != nil {
		c.log.WarnContext(ctx, "not in the history", "environment", env.Namespace+"/"+env.Name, "what", rec.Key, "error", err)
	}
}

// candidateText is what the history says of a phase.
func candidateText(env *v1alpha1.Environment, src v1alpha1.Source, r candidate.Candidate) string {
	apps := cmp.Or(strings.Join(r.Apps[:min(len(r.Apps), 20)], ", "), "no app")
	rehearsed := src.Candidate != nil && src.Candidate.Rehearsal != nil
	switch {
	case r.Phase == candidate.Rehearsing:
		return fmt.Sprintf("it is rehearsed in environment %s: it changes %s", venueName(env, r.Commit), apps)
	case r.Phase == candidate.Trying && rehearsed && len(r.LeftOut) > 0:
		return fmt.Sprintf("it got well in its rehearsal in environment %s, without %s; it changes %s", venueName(env, r.Commit), strings.Join(r.LeftOut, ", "), apps)
	case r.Phase == candidate.Trying && rehearsed:
		return fmt.Sprintf("it got well in its rehearsal in environment %s; it changes %s", venueName(env, r.Commit), apps)
	case r.Phase == candidate.Trying:
		return "it changes " + apps
	case r.Phase == candidate.Moved:
		return cmp.Or(r.Why, src.Ref.Branch+" has it")
	}
	return r.Why
}

// retell tells the history what the status says of candidates, once: a process that died may have written that down and not told it.
func (c *controller) retell(ctx context.Context, env *v1alpha1.Environment, st *environment, src v1alpha1.Source) {
	if st.hopeful.retold {
		return
	}
	st.hopeful.retold = true
	for _, r := range stateOf(st.status).List {
		c.recordCandidate(ctx, env, src, r)
	}
}

// stateOf is what a status has recorded of candidates.
func stateOf(st v1alpha1.EnvironmentStatus) candidate.State {
	s := candidate.State{Request: st.LastHandledDeploy}
	for _, x := range st.Candidates {
		s.List = append(s.List, candidate.Candidate{
			Ref: x.Ref, Commit: x.Commit, Request: x.Request, By: x.By, Phase: candidate.Phase(x.Phase), Since: x.Since.Time, Began: x.Began.Time,
			Base: x.Base, Apps: x.Apps, Leaves: x.Leaves, LeftOut: x.LeftOut, Why: x.Why,
		})
	}
	return s
}

// toldOf is how a status records candidates.
func (c *controller) toldOf(env *v1alpha1.Environment, st *environment, src v1alpha1.Source, s candidate.State) []v1alpha1.CandidateStatus {
	var out []v1alpha1.CandidateStatus
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: src.Repository}]
	for _, x := range s.List {
		is := v1alpha1.CandidateStatus{
			Ref: clipText(x.Ref, 255), Commit: x.Commit, Request: x.Request, By: x.By, Phase: string(x.Phase), Since: toSecond(x.Since), Began: toSecond(x.Began),
			Base: x.Base, Apps: x.Apps, Leaves: x.Leaves, LeftOut: x.LeftOut, Why: clipText(x.Why, 700),
		}
		for _, old := range st.status.Candidates {
			if old.Commit == x.Commit {
				is.Author, is.Subject, is.Told = old.Author, old.Subject, old.Told
			}
		}
		if r != nil && is.Author == "" {
			if n, ok := r.nominee(source.Commit(x.Commit)); ok && n.err == nil {
				is.Author, is.Subject = author(n.snapshot.Author), clipText(n.snapshot.Subject, 120)
			}
		}
		if told, ok := st.hopeful.telling.told[x.Commit]; ok {
			is.Told = told
		}
		out = append(out, is)
	}
	return out
}

func toSecond(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.Truncate(time.Second))
}
