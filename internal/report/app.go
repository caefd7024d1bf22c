package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Bounds of a status, so that it stays below 64 KiB.
const (
	maxNotes  = 10
	maxHeld   = 20
	maxDrifts = 10
	maxFields = 8
	maxReason = 700
	maxText   = 400 // of one note among many
	maxName   = 300 // of an object, a field, a file, a commit's subject
)

// Finding is all that a status is made from.
type Finding struct {
	// Was is the status before.
	Was        v1alpha1.AppStatus
	Generation int64
	Now        time.Time

	// Wanted is the newest commit that changed what the app renders from, and Inputs what that is.
	Wanted v1alpha1.Revision
	Inputs string
	// Broken is why Git's side cannot be read or rendered; nil if it can.
	Broken error
	// Removed says that the app's directory is gone.
	Removed bool
	// Suspended says who stopped the app and why; empty if nobody did.
	Suspended string
	// SuspendedBy is who did, if he is known.
	SuspendedBy string
	// Waits is the app that must be ready first; empty if none.
	Waits string

	// Looked says that a pass ran: what follows is its outcome.
	Looked  bool
	Plan    plan.Plan
	Errors  []StepError
	Health  map[object.Key]health.Verdict
	Claimed int
	Undone  []plan.Step
	// LeftOut are the objects that are not made, since the app is rehearsed.
	LeftOut []object.Key
	// Blind is why some kind of the app cannot be watched.
	Blind error
	Err   error
	// Bundle identifies the bundle of which everything was found applied; empty: nothing is known of that.
	Bundle string

	// Releases is how far the app's releases are, Records what happened to them since, and Ruled says that a person wrote rules for them.
	Releases release.State
	Records  []release.Release
	Ruled    bool
	// Handled is the request of a person's that was acted upon last, and Answer why nothing was done; empty if it was.
	Handled, Answer string
	// Attempt is the try of a candidate that was taken up; empty: none was that is not told of.
	Attempt string
	// Revert is the commit that has Git agree with what was rolled back, or why there is none; nil: what was told of it last holds.
	Revert *v1alpha1.RevertStatus
	// Helm is what was recorded of the app for Helm; nil: what was told of it last holds. One that is empty says that there is none any more.
	Helm *v1alpha1.HelmStatus
	// Back says that Plan and Health are about what was released before, not about what Git wants.
	Back bool
	// App is the name by which people ask for the app.
	App string

	LastHandledSync string
}

// StepError is a step that did not work.
type StepError struct {
	Key object.Key
	Err error
	At  string
}

// App returns the status of an app.
func App(f Finding) v1alpha1.AppStatus {
	st := v1alpha1.AppStatus{
		ObservedGeneration: f.Generation,
		Conditions:         slices.Clone(f.Was.Conditions),
		Wanted:             bounded(f.Wanted), Applied: f.Was.Applied, Inputs: f.Inputs,
		Objects: int32(min(f.Claimed, 1<<30)),
		Drift:   f.Was.Drift, Health: f.Was.Health, Told: f.Was.Told, Helm: f.Was.Helm, Recorded: f.Was.Recorded,
		LastHandledSync: cmp.Or(f.LastHandledSync, f.Was.LastHandledSync),
	}
	if f.Helm != nil {
		st.Helm = f.Helm
	}
	if f.Helm != nil && *f.Helm == (v1alpha1.HelmStatus{}) {
		st.Helm = nil
	}
	if st.Wanted.Revision == "" {
		st.Wanted = f.Was.Wanted
	}
	if !f.Looked {
		st.Objects, st.Unhealthy, st.Refused, st.Held, st.HoldID = f.Was.Objects, f.Was.Unhealthy, f.Was.Refused, f.Was.Held, f.Was.HoldID
	} else {
		f.objects(&st)
	}
	f.releases(&st)
	st.Phase, st.Reason = f.phase(&st)
	st.Reason = clip(st.Reason, maxReason)
	f.drift(&st)
	if f.Looked && (f.Broken == nil || f.Back) && f.Err == nil && f.Suspended == "" && len(f.Errors) == 0 && !f.Removed && f.Plan.Applied() &&
		st.Applied.Revision != f.target(st).Revision {
		st.Applied = f.target(st)
		st.Applied.At = metav1.NewTime(f.Now.Truncate(time.Second))
	}
	st.LeftOut = leftOut(f)
	st.Bundle = cmp.Or(f.Bundle, f.Was.Bundle)
	conditions(&st, f)
	return st
}

// leftOut names the first objects that are not made.
func leftOut(f Finding) []string {
	const most = 20
	if !f.Looked {
		return f.Was.LeftOut
	}
	var out []string
	for _, k := range f.LeftOut {
		out = append(out, clip(k.String(), maxName))
	}
	slices.Sort(out)
	return out[:min(len(out), most)]
}

// target is the commit that the cluster is to be at.
func (f Finding) target(st v1alpha1.AppStatus) v1alpha1.Revision {
	if to := f.Releases.Released.Revision; f.Back && to != "" {
		return v1alpha1.Revision{
			Revision: clip(to, maxName), Short: shortOf(to), Author: clip(f.Releases.Released.Author, maxName), Committed: at(f.Releases.Released.Committed),
		}
	}
	return st.Wanted
}

// objects fills in what is to be said of single objects.
func (f Finding) objects(st *v1alpha1.AppStatus) {
	worst := health.Healthy
	keys := make([]object.Key, 0, len(f.Health))
	for k, v := range f.Health {
		keys = append(keys, k)
		if v.Status.Worse(worst) {
			worst = v.Status
		}
	}
	st.Health = string(worst)
	if len(f.Health) == 0 {
		st.Health = string(health.Unknown) // there is nothing that could be well
	}
	slices.SortFunc(keys, func(a, b object.Key) int {
		x, y := f.Health[a].Status, f.Health[b].Status
		switch {
		case x.Worse(y):
			return -1
		case y.Worse(x):
			return 1
		}
		return a.Compare(b)
	})
	for _, k := range keys {
		v := f.Health[k]
		if !v.Status.Worse(health.Suspended) || len(st.Unhealthy) == maxNotes {
			break
		}
		st.Unhealthy = append(st.Unhealthy, v1alpha1.ObjectNote{Object: name(k), Health: string(v.Status), Message: clip(v.Message, maxText)})
	}
	for _, n := range f.refusals() {
		if len(st.Refused) < maxNotes {
			st.Refused = append(st.Refused, v1alpha1.ObjectNote{Object: name(n.Key), Message: clip(n.Text, maxText), At: clip(n.At, maxName)})
		}
	}
	for _, h := range f.Plan.Held {
		if len(st.Held) < maxHeld {
			st.Held = append(st.Held, v1alpha1.HeldStep{Action: string(h.Step.Do), Object: name(h.Step.Key), Why: why(h)})
		}
	}
	st.HoldID = f.Plan.HoldID
}

// refusals are the objects that were not accepted, by a dry run or by the apply itself.
func (f Finding) refusals() []plan.Note {
	notes := slices.Clone(f.Plan.Refused)
	for _, e := range f.Errors {
		var refusal *plan.Refusal
		if errors.As(e.Err, &refusal) {
			notes = append(notes, plan.Note{Key: e.Key, Text: refusal.Message, At: cmp.Or(refusal.At, e.At)})
		}
	}
	return notes
}

// phase finds the first reason why the app is not further.
func (f Finding) phase(st *v1alpha1.AppStatus) (v1alpha1.Phase, string) {
	refusals := f.refusals()
	phase, why := f.released()
	switch {
	case f.Suspended != "":
		return v1alpha1.PhaseSuspended, f.Suspended
	case f.Broken != nil && fault.KindOf(f.Broken) == fault.Transient && phase == v1alpha1.PhaseRolledBack: // that is so whatever Git says
		return phase, why + "; Git cannot be read now: " + f.Broken.Error()
	case f.Broken != nil && fault.KindOf(f.Broken) == fault.Transient:
		return v1alpha1.PhaseWaiting, f.Broken.Error()
	case f.Broken != nil:
		return v1alpha1.PhaseFailed, f.Broken.Error()
	case !f.Looked && f.Err == nil:
		return cmp.Or(f.Was.Phase, v1alpha1.PhasePending), f.Was.Reason
	case len(refusals) > 0:
		return v1alpha1.PhaseFailed, f.refusal(refusals)
	case len(f.Plan.Held) > 0:
		return v1alpha1.PhaseHeld, held(f.Plan)
	case f.Waits != "" && strings.HasPrefix(f.Waits, "waits"):
		return v1alpha1.PhaseWaiting, f.Waits
	case f.Waits != "":
		return v1alpha1.PhaseFailed, f.Waits
	case f.Err != nil && fault.KindOf(f.Err) != fault.Transient && fault.KindOf(f.Err) != fault.Conflict:
		return v1alpha1.PhaseFailed, f.Err.Error()
	case f.Err != nil:
		return v1alpha1.PhaseWaiting, f.Err.Error()
	case phase == v1alpha1.PhaseHeld, phase == v1alpha1.PhaseRolledBack:
		return phase, why
	case f.Plan.Blocked != "":
		return v1alpha1.PhaseFailed, f.Plan.Blocked
	case len(f.Plan.Waiting) > 0 && !f.Removed:
		return v1alpha1.PhaseWaiting, located(f.Plan.Waiting[0])
	case f.Plan.Broken != (plan.Note{}):
		return v1alpha1.PhaseFailed, "hook " + located(f.Plan.Broken)
	case f.Removed && !f.Plan.Applied():
		return v1alpha1.PhaseRemoving, f.removing()
	case !f.Plan.Applied():
		return v1alpha1.PhaseApplying, applying(f.Plan)
	case len(f.Plan.Contested) > 0:
		return v1alpha1.PhaseDrifted, f.Plan.Contested[0].Key.String() + ": " + f.Plan.Contested[0].Text
	case len(f.Plan.Reported) > 0:
		return v1alpha1.PhaseDrifted, f.Plan.Reported[0].Key.String() + ": " + f.Plan.Reported[0].Why
	case f.Removed:
		return v1alpha1.PhaseRemoving, f.removing()
	case f.Blind != nil:
		return v1alpha1.PhaseFailed, "drift would not be seen: " + f.Blind.Error()
	case len(f.Plan.Deletes) > 0:
		return v1alpha1.PhaseApplying, "objects that Git no longer has are being deleted"
	case phase != "":
		return phase, why
	case f.Plan.Lacking() != (plan.Note{}) && len(st.Unhealthy) == 0:
		return v1alpha1.PhaseApplying, "hook " + located(f.Plan.Lacking())
	}
	if len(st.Unhealthy) > 0 {
		u := st.Unhealthy[0]
		return v1alpha1.PhaseSynced, fmt.Sprintf("%s is %s: %s", u.Object, u.Health, u.Message)
	}
	if len(f.Health) == 0 {
		return v1alpha1.PhaseSynced, "there is no object to apply"
	}
	return v1alpha1.PhaseSynced, ""
}

// located says what a note says, and where in Git its object is written, if that is known.
func located(n plan.Note) string {
	text := n.Key.String() + ": " + clip(n.Text, maxText)
	if n.At != "" {
		text += " (" + n.At + ")"
	}
	return text
}

func (f Finding) removing() string {
	for _, n := range slices.Concat(f.Plan.Waiting, f.Plan.Leaving) {
		return n.Key.String() + ": " + n.Text
	}
	if n := cmp.Or(f.Plan.Gate(), f.Plan.Lacking()); n != (plan.Note{}) {
		return "its directory is gone from Git; hook " + n.Key.String() + ": " + n.Text
	}
	return "its directory is gone from Git"
}

func applying(p plan.Plan) string {
	n := p.Gate()
	switch {
	case n != (plan.Note{}):
		return fmt.Sprintf("the rest waits for %s: %s", n.Key, n.Text)
	case p.Unread:
		return "what Git wants is not known yet"
	}
	return "steps are left"
}

// refusal is the reason of an app of which objects were not accepted, by a dry run of the whole or in the middle of it.
func (f Finding) refusal(notes []plan.Note) string {
	text := located(notes[0])
	if more := len(notes) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	if len(f.Plan.Refused) == 0 {
		return text + "; what comes after it was not applied"
	}
	return text + "; nothing of this commit was applied"
}

func held(p plan.Plan) string {
	h := p.Held[0]
	text := fmt.Sprintf("held: %s: %s", h.What(), why(h))
	if more := len(p.Held) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// why keeps what to do whole, however long the reason is.
func why(h plan.Held) string {
	h.Reason = clip(h.Reason, maxName)
	return h.Text()
}

// drift counts and records the hand edits.
func (f Finding) drift(st *v1alpha1.AppStatus) {
	if !f.Looked {
		return
	}
	st.Drift.Objects = int32(min(len(f.Plan.Reported)+len(f.Plan.Contested), 1<<30))
	record := func(s plan.Step, outcome string) {
		r := v1alpha1.DriftRecord{Object: name(s.Key), Manager: clip(s.Edit.Manager, maxName), Operation: s.Edit.Operation, Outcome: outcome}
		if !s.Edit.At.IsZero() {
			r.At = metav1.NewTime(s.Edit.At.UTC())
		} else {
			r.At = metav1.NewTime(f.Now.UTC().Truncate(time.Second))
		}
		for _, p := range s.Edit.Fields {
			if len(r.Fields) < maxFields {
				r.Fields = append(r.Fields, clip(string(p), maxName/2))
			}
		}
		if s.Live.IsZero() {
			r.Fields = []string{"(deleted)"}
		}
		for _, old := range st.Drift.Last {
			if outcome != "Undone" && old.Object == r.Object && old.Outcome == outcome && slices.Equal(old.Fields, r.Fields) {
				return // reported before
			}
		}
		st.Drift.Total++
		st.Drift.Last = append([]v1alpha1.DriftRecord{r}, st.Drift.Last...)
		st.Drift.Last = st.Drift.Last[:min(len(st.Drift.Last), maxDrifts)]
	}
	forgotten := max(0, len(f.Undone)-maxDrifts)
	st.Drift.Total += int64(forgotten)
	for _, s := range f.Undone[forgotten:] {
		record(s, "Undone")
	}
	// No more than are remembered: one that was forgotten would be reported again with every look.
	for _, s := range f.Plan.Reported[:min(len(f.Plan.Reported), maxDrifts)] {
		record(s, "Reported")
	}
}

func bounded(r v1alpha1.Revision) v1alpha1.Revision {
	r.Revision, r.Short = clip(r.Revision, maxName), clip(r.Short, maxName)
	r.Author, r.Subject = clip(r.Author, maxName), clip(r.Subject, maxName)
	return r
}

func name(k object.Key) string { return clip(k.String(), maxName) }

// clip makes one printable line of at most so many bytes.
func clip(s string, most int) string {
	s = s[:min(len(s), 4*most)] // what is cut off here would be cut off below
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= most {
		return s
	}
	cut := most - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
