package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// What happened to an app goes into the history. What its releases went through lies in its record until the history has it. What is done to objects is noted
// before that: see intents. What else is told is told of a status that was compared with the one before it.

// placeOf is where an app is, as the history names it.
func placeOf(m *member) history.Place {
	return history.Place{Namespace: m.name.Namespace, Environment: m.name.Environment, App: m.name.App}
}

// versionOf is a want, as the history tells of it.
func versionOf(w release.Want) history.Version {
	v := history.Version{Commit: commitOf(w.Revision), Author: w.Author, Committed: w.Committed, Digest: w.Digest}
	if w.Images != "" {
		v.Images = strings.Split(w.Images, "\n")
		v.Images = v.Images[:min(len(v.Images), history.MostImages)]
	}
	return v
}

// recordReleases hands over to the history what releases went through. Whatever else comes of a pass, nobody is given that a second time.
func (c *controller) recordReleases(ctx context.Context, m *member, out engine.Outcome) {
	for _, r := range out.Untold {
		if m.rehearses.Load() {
			c.engine.Confirmed(m.name, r, true)
			continue
		}
		rec := history.OfRelease(placeOf(m), r, versionOf)
		if r.Phase == release.Applying {
			rec.Plan = planText(out)
		}
		err := c.history.Record(rec, func() { c.engine.Confirmed(m.name, r, true) })
		if err != nil {
			c.engine.Confirmed(m.name, r, false)
			c.log.WarnContext(ctx, "not in the history yet", "app", m.name.String(), "what", rec.Key, "error", err)
		}
	}
}

// recordStanding tells of drift that is left, of suspensions and of holds, before the App says so, and counts that in what the App is to say: who is started when
// this process dies in between finds them again, and counts them the same.
func (c *controller) recordStanding(ctx context.Context, m *member, f report.Finding, is *v1alpha1.AppStatus) {
	was, left := f.Was, f.Plan.Reported
	tell := func(r history.Record, about string) {
		is.Recorded++
		r.Time = c.now()
		c.recordOnce(ctx, m, r, fmt.Sprintf("%s %d at %d", about, is.Recorded, f.Generation))
	}
	if n := is.Drift.Objects; n > 0 && was.Drift.Objects == 0 && len(left) > 0 {
		tell(history.Record{Kind: history.Drift, Phase: history.Found, Who: left[0].Edit.Manager, Why: edited(left[0])}, "left")
	} else if n == 0 && was.Drift.Objects > 0 {
		tell(history.Record{Kind: history.Drift, Phase: history.Gone}, "left")
	}
	suspended := is.Phase == v1alpha1.PhaseSuspended
	switch before := was.Phase == v1alpha1.PhaseSuspended; {
	case suspended && !before:
		tell(history.Record{Kind: history.Suspension, Who: f.SuspendedBy, Why: is.Reason}, "suspension")
	case before && !suspended:
		tell(history.Record{Kind: history.Resumption}, "suspension")
	}
	if is.HoldID != was.HoldID && was.HoldID != "" {
		tell(history.Record{Kind: history.Hold, Phase: history.Gone, Why: "hold " + was.HoldID}, was.HoldID)
	}
	if is.HoldID != was.HoldID && is.HoldID != "" {
		tell(history.Record{Kind: history.Hold, Phase: history.Held, Why: "hold " + is.HoldID + ": " + is.Reason}, is.HoldID)
	}
}

// recordAgreed tells, before the engine acts upon it, that somebody lets go what is held.
func (c *controller) recordAgreed(ctx context.Context, m *member, obj *v1alpha1.App, st v1alpha1.AppStatus) {
	id := obj.Annotations[AnnotationApprove]
	if id == "" || id != st.HoldID {
		return
	}
	said := func(annotation string) string {
		text, ofThis := strings.CutPrefix(obj.Annotations[annotation], id+" ")
		if !ofThis {
			return ""
		}
		return text
	}
	why := "hold " + id
	if because := said(AnnotationApprovedBecause); because != "" {
		why += ": " + because
	}
	r := history.Record{Time: c.now(), Kind: history.Approval, Phase: history.Given, Who: said(AnnotationApprovedBy), Why: why}
	c.recordOnce(ctx, m, r, fmt.Sprintf("hold %s %d at %d", id, st.Recorded, obj.Generation))
}

// recordAsked tells of what was asked for of an app's releases, and carried out. Was is what was told of that before.
func (c *controller) recordAsked(ctx context.Context, m *member, r engine.Releasing, out engine.Outcome, was *v1alpha1.RollbackStatus) {
	for _, q := range r.Requests {
		if why, handled := out.Answer(q.ID); handled && !q.Asked.Again && (was == nil || was.Request != q.ID) {
			c.recordOnce(ctx, m, history.Record{Time: c.now(), Kind: history.Rollback, Who: q.Asked.By, Why: askedText(q.Asked, why)}, q.ID)
		}
	}
}

// askedText is what was asked for, and why nothing was done for it if nothing was.
func askedText(asked release.Asked, answer string) string {
	what := "goes back"
	if asked.Lift {
		what = "tries again what was rolled back"
	} else if asked.To.Revision != "" {
		what += " to " + asked.To.Revision
	}
	if asked.Because != "" {
		what += ": " + asked.Because
	}
	if answer != "" {
		what += "; nothing was done: " + answer
	}
	return what
}

// recordRevert tells of the commit that reverts a release in Git, once, whoever finds it there again.
func (c *controller) recordRevert(ctx context.Context, m *member, of release.Release, st v1alpha1.RevertStatus) {
	c.happened(ctx, revertRecord(m, of, st))
}

func revertRecord(m *member, of release.Release, st v1alpha1.RevertStatus) history.Record {
	return keyed(m, history.Record{
		Time: of.Since, Kind: history.Rollback, Who: "Fairlead", Serial: of.Serial, Why: "reverted in Git by commit " + st.Commit + " on branch " + st.Branch,
	}, of.Since, fmt.Sprintf("revert %d %s", of.Serial, st.Commit))
}

// recordWords tells of what people said about the releases of an app.
func (c *controller) recordWords(ctx context.Context, m *member, f gate.Facts, s gate.Subject) {
	for _, a := range f.Approvals {
		if a.Spec.Environment != s.Environment || a.Spec.App != "" && a.Spec.App != s.App || a.Spec.Commit != s.Commit {
			continue
		}
		c.recordOf(ctx, m, history.Record{
			Time: a.CreationTimestamp.UTC(), Kind: history.Approval, Phase: history.Given, Who: a.Spec.By.User, Why: a.Spec.Reason, Until: a.Spec.Expires.UTC(),
			Want: history.Version{Commit: a.Spec.Commit},
		}, string(a.UID))
	}
	for _, o := range f.Overrides {
		if o.Spec.Environment != s.Environment || o.Spec.App != "" && o.Spec.App != s.App {
			continue
		}
		c.recordOf(ctx, m, history.Record{
			Time: o.CreationTimestamp.UTC(), Kind: history.Override, Phase: history.Given, Who: o.Spec.By.User, Why: o.Spec.Reason, Until: o.Spec.Expires.UTC(),
			Want: history.Version{Commit: o.Spec.Commit},
		}, string(o.UID))
	}
}

// recordOf tells of something that happened to an app. Of two that are of the same kind and time, and about the same, one is kept.
func (c *controller) recordOf(ctx context.Context, m *member, r history.Record, about string) {
	if !m.rehearses.Load() {
		c.happened(ctx, keyed(m, r, r.Time, about))
	}
}

// recordOnce tells of what may be found again, and is told apart from all else by what it is about alone.
func (c *controller) recordOnce(ctx context.Context, m *member, r history.Record, about string) {
	if !m.rehearses.Load() {
		c.happened(ctx, keyed(m, r, time.Time{}, about))
	}
}

// keyed completes a record of an app. Its key is made of the time and of what it is about.
func keyed(m *member, r history.Record, at time.Time, about string) history.Record {
	p := placeOf(m)
	r.Namespace, r.Environment, r.App = p.Namespace, p.Environment, p.App
	key := fmt.Sprintf("%s %s %s %s %s", strings.ToLower(string(r.Kind)), p, r.Phase, at.UTC().Format(time.RFC3339Nano), about)
	r.Key, r.Why = key[:min(len(key), history.MostKey)], clipText(r.Why, history.MostText)
	return r
}

// planText is what was done in a pass, and what is still to be done, one line for each step. It names fields, and no value.
func planText(out engine.Outcome) string {
	var steps []plan.Step
	for _, r := range out.Results {
		steps = append(steps, r.Step)
	}
	for _, b := range slices.Concat(out.Plan.Batches, out.Plan.Deletes) {
		steps = append(steps, b.Steps...)
	}
	var lines []string
	for _, s := range steps {
		line := string(s.Do) + " " + s.Key.String()
		var fields []string
		for _, ch := range s.Changes {
			fields = append(fields, ch.Path)
		}
		if len(fields) > 0 {
			line += ": " + strings.Join(fields, ", ")
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, "\n")
	return text[:min(len(text), history.MostPlan)]
}
