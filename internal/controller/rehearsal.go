package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
)

// A candidate is rehearsed in an Environment of its own, its venue: it follows the commit, has those apps alone that the candidate changes, and is deleted with all that
// it made. So whatever is true of environments is true of it, and whoever goes on after a crash finds it as it is.

// AnnotationVenue is on a namespace that was made for a venue: the uid of that Environment. It is deleted with it.
const AnnotationVenue = "fairlead.dev/venue"

// mostRehearsed is how many apps of one candidate can be rehearsed.
const mostRehearsed = 200

// mostVenueName leaves a label room for the names of apps.
const mostVenueName = 50

// venues are the Environments in which candidates of one are rehearsed, by name; those that are being deleted are among them.
type venues map[string]*v1alpha1.Environment

// venueName names the venue of a candidate.
func venueName(env *v1alpha1.Environment, commit string) string {
	id := commit[:min(len(commit), 8)]
	return strings.TrimRight(env.Name[:min(len(env.Name), mostVenueName-1-len(id))], "-.") + "-" + id
}

// commitOfVenue is the commit that a venue is of.
func commitOfVenue(venue *v1alpha1.Environment) string {
	if len(venue.Spec.Sources) == 0 {
		return ""
	}
	return venue.Spec.Sources[0].Ref.Commit
}

// isVenueOf reports whether x is a venue of env, as it was made for it.
func isVenueOf(env, x *v1alpha1.Environment) bool {
	return x.Spec.Venue != nil && x.Spec.Venue.Of == env.Name && metav1.IsControlledBy(x, env)
}

// venuesOf finds the venues of an environment. What was made here and has not been heard of yet is asked for.
func (c *controller) venuesOf(ctx context.Context, env *v1alpha1.Environment, st *environment) (venues, error) {
	var list v1alpha1.EnvironmentList
	if err := c.client.List(ctx, &list, client.InNamespace(env.Namespace), client.MatchingLabels{v1alpha1.LabelVenue: env.Name}); err != nil {
		return nil, fmt.Errorf("list the venues of environment %s: %w", env.Name, err)
	}
	out := venues{}
	for i := range list.Items {
		if isVenueOf(env, &list.Items[i]) {
			out[list.Items[i].Name] = &list.Items[i]
		}
	}
	for name := range st.hopeful.venues {
		if out[name] != nil {
			continue
		}
		x := &v1alpha1.Environment{}
		err := c.reader.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, x)
		switch {
		case absent.Object(err) || err == nil && !isVenueOf(env, x):
			delete(st.hopeful.venues, name)
		case err != nil:
			return nil, fmt.Errorf("read Environment %s: %w", name, err)
		default:
			out[name] = x
		}
	}
	return out, nil
}

// rehearse makes the venues of the candidates that are recorded as being rehearsed, and deletes all others.
func (c *controller) rehearse(ctx context.Context, env *v1alpha1.Environment, st *environment, src v1alpha1.Source, there venues) error {
	want := map[string]bool{}
	for _, x := range stateOf(st.status).Rehearsed() {
		name := venueName(env, x.Commit)
		is := there[name]
		want[name] = true
		switch {
		case src.Candidate == nil || src.Candidate.Rehearsal == nil || len(x.Apps) > mostRehearsed: // it is about to end
			want[name] = false
		case is == nil:
			if err := c.makeVenue(ctx, env, st, src, x); err != nil {
				return err
			}
		case is.DeletionTimestamp.IsZero():
			if err := c.widen(ctx, is, x.Apps); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		is := there[name]
		if want[name] || !is.DeletionTimestamp.IsZero() {
			continue
		}
		uid := is.UID
		if err := c.client.Delete(ctx, is, client.Preconditions{UID: &uid}); absent.Ignore(err) != nil {
			return fmt.Errorf("delete the venue %s: %w", name, err)
		}
		c.log.InfoContext(ctx, "rehearsal over", "environment", env.Namespace+"/"+env.Name, "venue", name, "commit", commitOfVenue(is))
	}
	return nil
}

func (c *controller) makeVenue(ctx context.Context, env *v1alpha1.Environment, st *environment, src v1alpha1.Source, x candidate.Candidate) error {
	venue := venueFor(env, src, x)
	if st.hopeful.venues == nil {
		st.hopeful.venues = map[string]bool{}
	}
	st.hopeful.venues[venue.Name] = true
	err := c.client.Create(ctx, venue)
	if apierrors.IsAlreadyExists(err) {
		return nil // what that is, the next look tells
	}
	if err != nil {
		return fmt.Errorf("make the venue %s: %w", venue.Name, err)
	}
	c.log.InfoContext(ctx, "rehearsal begins", "environment", env.Namespace+"/"+env.Name, "venue", venue.Name, "commit", x.Commit)
	return nil
}

// widen lets a venue have apps that the candidate has come to change. What it has stays: it is deleted with it.
func (c *controller) widen(ctx context.Context, venue *v1alpha1.Environment, apps []string) error {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(venue.Spec.Venue.Apps, apps))))
	if equality.Semantic.DeepEqual(all, venue.Spec.Venue.Apps) || len(all) > mostRehearsed {
		return nil
	}
	base := venue.DeepCopy()
	now := venue.DeepCopy()
	now.Spec.Venue.Apps = all
	if err := c.client.Patch(ctx, now, client.MergeFrom(base)); err != nil {
		return fmt.Errorf("update the venue %s: %w", venue.Name, err)
	}
	return nil
}

// venueFor is the venue of a candidate: the same rules as its environment has, but that nobody has to agree, and nothing is gone back to.
func venueFor(env *v1alpha1.Environment, src v1alpha1.Source, x candidate.Candidate) *v1alpha1.Environment {
	from := *src.DeepCopy()
	from.Ref, from.Candidate, from.WriteSecretRef = v1alpha1.Ref{Commit: x.Commit}, nil, nil
	d := env.Spec.Destination
	d.Namespace, d.CreateNamespace = strings.ReplaceAll(src.Candidate.Rehearsal.Namespace, "{environment}", env.Name), true
	out := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: env.Namespace, Name: venueName(env, x.Commit), OwnerReferences: ownedBy(env), Finalizers: []string{finalizer},
			Labels: map[string]string{v1alpha1.LabelVenue: env.Name},
		},
		Spec: v1alpha1.EnvironmentSpec{
			Sources: []v1alpha1.Source{from}, Destination: d, Sync: v1alpha1.Sync{Interactive: env.Spec.Sync.Interactive}, Health: env.Spec.Health.DeepCopy(),
			Deletion: v1alpha1.DeletionPrune, Venue: &v1alpha1.Venue{Of: env.Name, Apps: slices.Sorted(slices.Values(x.Apps))},
		},
	}
	if r := env.Spec.Release; r != nil {
		out.Spec.Release = &v1alpha1.Release{Deadline: r.Deadline, Verify: r.DeepCopy().Verify, OnFailure: v1alpha1.OnFailureHalt}
	}
	return out
}

// apps are the apps that venues have, and the commits that those are of.
func (s venues) apps() map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		for _, n := range s[name].Spec.Venue.Apps {
			out[n] = commitOfVenue(s[name])
		}
	}
	return out
}

// rehearsals are how the apps fare that a commit changes, where it is rehearsed.
func (c *controller) rehearsals(e fleet.Environment, env *v1alpha1.Environment, src v1alpha1.Source, s *study, commit string, there venues) map[string]candidate.Verdict {
	out := map[string]candidate.Verdict{}
	if src.Candidate.Rehearsal == nil {
		return out
	}
	failed := ""
	name := venueName(env, commit)
	venue := there[name]
	if len(s.Apps) > mostRehearsed {
		failed = fmt.Sprintf("the commit changes %d apps, and no more than %d can be rehearsed", len(s.Apps), mostRehearsed)
	} else if venue == nil && c.isTaken(env, name) || venue != nil && commitOfVenue(venue) != commit {
		failed = fmt.Sprintf("Environment %s is there already, and was not made for this: rename it", name)
	}
	runs := c.runsIn(e, env, s.Apps)
	for _, n := range s.Apps {
		into := strings.NewReplacer("{app}", n, "{environment}", env.Name).Replace(src.Candidate.Rehearsal.Namespace)
		m := c.known(app.Name{Namespace: e.Namespace, Environment: name, App: n}.Owner())
		switch _, has := s.inputs[n]; {
		case !has: // it is removed: there is nothing to rehearse
			out[n] = candidate.Verdict{Outcome: candidate.Well}
		case failed != "":
			out[n] = candidate.Verdict{Outcome: candidate.Failed, Why: failed}
		case runs[into] != "":
			out[n] = candidate.Verdict{Outcome: candidate.Failed, Why: fmt.Sprintf("namespace %s is where app %s runs: name another one in candidate.rehearsal.namespace", into, runs[into])}
		case venue == nil || m == nil || m.name.Environment != name:
			out[n] = candidate.Verdict{Why: "it is being made"}
		default:
			out[n] = m.rehearsed(commit)
		}
	}
	return out
}

// isTaken reports whether an Environment of that name is known that is no venue of env.
func (c *controller) isTaken(env *v1alpha1.Environment, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.envs[fleet.Environment{Namespace: env.Namespace, Name: name}]
	return st != nil && !isVenueOf(env, st.spec)
}

// runsIn are the namespaces that apps of an environment run in, and which.
func (c *controller) runsIn(e fleet.Environment, env *v1alpha1.Environment, more []string) map[string]string {
	out := map[string]string{}
	for _, n := range c.fleet.Apps(e) {
		out[Destination(env, n.App)] = n.App
	}
	for _, n := range more {
		out[Destination(env, n)] = n
	}
	return out
}

// rehearsed is how an app of a venue fares at the commit.
func (m *member) rehearsed(commit string) candidate.Verdict {
	m.mu.Lock()
	defer m.unlock()
	st := m.status
	v := candidate.Verdict{Why: st.Reason, LeftOut: st.LeftOut}
	switch {
	case m.dirty || m.behind || m.removed || commitOf(st.Wanted.Revision) != commit:
		v.Why = "it is being looked at"
	case st.Phase == v1alpha1.PhaseSynced && isReady(st):
		v.Outcome, v.Why = candidate.Well, ""
	case st.Phase == v1alpha1.PhaseHeld:
	case isFailed(st):
		v.Outcome = candidate.Failed
	}
	if v.Outcome != candidate.Well && v.Why == "" {
		v.Why = strings.ToLower(string(st.Phase))
	}
	return v
}

// only leaves the apps of a venue, and what stands in their way.
func (f *finding) only(s *v1alpha1.Venue) {
	maps.DeleteFunc(f.apps, func(name string, _ place) bool { return !slices.Contains(s.Apps, name) })
	f.strays, f.wrong = nil, nil
}

// rehearsing is what an app says of itself, for a venue: no gate, and no app that is not there.
func rehearsing(d app.Declaration, s *v1alpha1.Venue) app.Declaration {
	d.Gates = nil
	d.DependsOn = slices.DeleteFunc(slices.Clone(d.DependsOn), func(n string) bool { return !slices.Contains(s.Apps, n) })
	return d
}

// strike deletes the namespaces that were made for a venue, and reports whether all of them are gone. One that the ServiceAccount may not delete is kept: why.
func (c *controller) strike(ctx context.Context, env *v1alpha1.Environment) (gone bool, kept []string, err error) {
	if env.Spec.Venue == nil {
		return true, nil, nil
	}
	session, err := c.cluster.As(app.Identity{Namespace: env.Namespace, ServiceAccount: env.Spec.Destination.ServiceAccount})
	if err != nil {
		return false, nil, err
	}
	gone = true
	seen := map[string]bool{}
	for _, n := range env.Spec.Venue.Apps {
		into := Destination(env, n)
		if seen[into] {
			continue
		}
		seen[into] = true
		is, err := session.RemoveNamespace(ctx, into, AnnotationVenue, string(env.UID))
		if fault.KindOf(err) == fault.Denied {
			kept = append(kept, fmt.Sprintf("namespace %s was made for this rehearsal, and stays: %s", into, err))
			continue
		}
		if err != nil && fault.KindOf(err) != fault.Conflict {
			return false, nil, fmt.Errorf("delete namespace %s: %w", into, err)
		}
		gone = gone && is
	}
	return gone, kept, nil
}

// strikeLate deletes what a process may have made for an environment that another one let go meanwhile: it stood still, and nobody could know.
func (c *controller) strikeLate(ctx context.Context, env *v1alpha1.Environment) error {
	if !c.shared.Load() {
		return nil
	}
	_, _, err := c.strike(ctx, env)
	return err
}

// wakeRehearsing looks again at the environment whose candidate is rehearsed here.
func (c *controller) wakeRehearsing(env *v1alpha1.Environment) {
	if env != nil && env.Spec.Venue != nil {
		c.envQueue.add(env.Namespace, env.Spec.Venue.Of)
	}
}

// marks are the annotations of a namespace that is made for an environment.
func marks(env *v1alpha1.Environment) map[string]string {
	if env.Spec.Venue == nil {
		return nil
	}
	return map[string]string{AnnotationVenue: string(env.UID)}
}
