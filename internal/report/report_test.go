package report_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/report"
)

var (
	now  = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	name = app.Name{Namespace: "shop", Environment: "prod", App: "web"}
	flgs = key("flags")
)

func key(s string) object.Key { return object.Key{Kind: "ConfigMap", Namespace: "shop", Name: s} }

func verdicts(v ...string) map[object.Key]health.Verdict {
	out := map[object.Key]health.Verdict{flgs: {Status: health.Healthy}}
	for i, text := range v {
		status, message, _ := strings.Cut(text, ": ")
		out[key(fmt.Sprintf("bad-%d", i))] = health.Verdict{Status: health.Status(status), Message: message}
	}
	return out
}

// well is a finding of which nothing is to be said.
func well() report.Finding {
	return report.Finding{
		Was: v1alpha1.AppStatus{Applied: v1alpha1.Revision{Revision: "main@sha1:aaa", Short: "aaa"}, Phase: v1alpha1.PhaseSynced, Health: "Healthy"},
		Now: now, Generation: 3, Wanted: v1alpha1.Revision{Revision: "main@sha1:bbb", Short: "bbb", Author: "ann", Subject: "more"}, Inputs: "in",
		Looked: true, Plan: plan.Plan{App: name}, Health: verdicts(), Claimed: 1,
	}
}

func step(do plan.Action, fields ...fingerprint.Path) plan.Step {
	live := object.New(map[string]any{"kind": "ConfigMap"})
	return plan.Step{Do: do, Key: flgs, Live: live, Why: "kubectl-edit changed data.a", Edit: fingerprint.Edit{Manager: "kubectl-edit", Operation: "Update", At: now.Add(-time.Hour), Fields: fields}}
}

var findings = []struct {
	name string
	make func(*report.Finding)
}{
	{"synced", func(*report.Finding) {}},
	{"pending", func(f *report.Finding) { f.Looked, f.Was = false, v1alpha1.AppStatus{} }},
	{"not looked at", func(f *report.Finding) {
		f.Looked = false
		f.Was.Phase, f.Was.Reason, f.Was.HoldID, f.Was.Objects = v1alpha1.PhaseFailed, "refused", "h", 7
		f.Was.Refused = []v1alpha1.ObjectNote{{Object: "x"}}
		f.Was.Held = []v1alpha1.HeldStep{{Object: "x"}}
		f.Was.Unhealthy = []v1alpha1.ObjectNote{{Object: "x"}}
	}},
	{"no objects", func(f *report.Finding) { f.Health, f.Claimed = map[object.Key]health.Verdict{}, 0 }},
	{"progressing", func(f *report.Finding) { f.Health = verdicts("Progressing: 0 of 1 ready") }},
	{"degraded", func(f *report.Finding) { f.Health = verdicts("Progressing: 0 of 1 ready", "Degraded: crash loop") }},
	{"suspended object", func(f *report.Finding) { f.Health = verdicts("Suspended: paused") }},
	{"missing", func(f *report.Finding) { f.Health = verdicts("Missing: does not exist") }},
	{"suspended", func(f *report.Finding) { f.Suspended, f.Plan.Suspended = "suspended by ann: freeze", true }},
	{"broken", func(f *report.Finding) {
		f.Broken = fault.Newf(fault.Invalid, "apps/web/x.yaml:3: bad")
		f.Plan.Unread = true
	}},
	{"broken for now", func(f *report.Finding) { f.Broken, f.Plan.Unread = fault.Newf(fault.Transient, "git is down"), true }},
	{"rolled back, and broken for now", func(f *report.Finding) {
		f.Broken, f.Plan.Unread = fault.Newf(fault.Transient, "git is down"), true
		f.App, f.Releases = "prod/web", release.State{
			Current:  release.Release{Serial: 2, Want: release.Want{Digest: "b", Revision: "main@sha1:bbb"}, Phase: release.RolledBack, Why: "not healthy within 10m"},
			Released: release.Want{Digest: "a", Revision: "main@sha1:aaa"},
		}
	}},
	{"unread", func(f *report.Finding) { f.Plan.Unread = true }},
	{"refused", func(f *report.Finding) {
		f.Plan.Refused = []plan.Note{{Key: flgs, Text: "no\n" + strings.Repeat("long ", 200), At: "x.yaml:3"}, {Key: flgs, Text: "no"}}
		f.Plan.Blocked = "ConfigMap shop/flags is refused"
	}},
	{"refused by the apply", func(f *report.Finding) {
		f.Errors = []report.StepError{{Key: flgs, Err: fmt.Errorf("create: %w", &plan.Refusal{Message: "no"}), At: "x.yaml:3"}}
		f.Plan.Batches = []plan.Batch{{Steps: []plan.Step{step(plan.Create)}}}
	}},
	{"held", func(f *report.Finding) {
		h := plan.Held{Step: step(plan.Delete), Reason: strings.Repeat("long ", 200), Approve: "fairlead approve prod-web -n shop --hold h"}
		f.Plan.Held, f.Plan.HoldID = []plan.Held{h, h, h}, "h"
	}},
	{"waits for another app", func(f *report.Finding) {
		f.Waits, f.Plan.Blocked = "waits for app db to be ready", "waits for app db to be ready"
	}},
	{"depends on nothing", func(f *report.Finding) { f.Waits, f.Plan.Blocked = "depends on app databse", "x" }},
	{"error", func(f *report.Finding) { f.Err = errors.New("a bug") }},
	{"error that passes", func(f *report.Finding) { f.Err = fault.Newf(fault.Transient, "the API server is down") }},
	{"nothing seen", func(f *report.Finding) { f.Looked, f.Err = false, fault.Newf(fault.Denied, "no rights") }},
	{"blocked", func(f *report.Finding) { f.Plan.Blocked = "namespace shop: forbidden" }},
	{"waiting", func(f *report.Finding) {
		f.Plan.Waiting = []plan.Note{{Key: flgs, Text: "the API server did not answer"}}
	}},
	{"gated", func(f *report.Finding) {
		f.Plan.Batches = []plan.Batch{{Unsettled: []plan.Note{{Key: flgs, Text: "Progressing: 0 of 1"}}}, {Wave: 1, Steps: []plan.Step{step(plan.Create)}}}
	}},
	{"deferred in the last batch", func(f *report.Finding) {
		f.Plan.Batches = []plan.Batch{{Pending: 1, Unsettled: []plan.Note{{Key: flgs, Text: "waits for its CustomResourceDefinition"}}}}
	}},
	{"steps left", func(f *report.Finding) { f.Plan.Batches = []plan.Batch{{Steps: []plan.Step{step(plan.Create)}}} }},
	{"contested", func(f *report.Finding) {
		f.Plan.Contested = []plan.Note{{Key: flgs, Text: "operator keeps changing it"}}
	}},
	{"drift reported", func(f *report.Finding) { f.Plan.Reported = []plan.Step{step(plan.Repair, "data.a")} }},
	{"drift undone", func(f *report.Finding) {
		gone := step(plan.Repair)
		gone.Live, gone.Edit = object.Object{}, fingerprint.Edit{}
		f.Undone = []plan.Step{step(plan.Repair, "data.a", "data.b"), gone}
	}},
	{"removing", func(f *report.Finding) { f.Removed = true }},
	{"removing waits", func(f *report.Finding) {
		f.Removed, f.Plan.Waiting = true, []plan.Note{{Key: flgs, Text: "is being deleted; waits for finalizers: [x]"}}
	}},
	{"removing held", func(f *report.Finding) {
		f.Removed, f.Plan.Held = true, []plan.Held{{Step: step(plan.Delete), Reason: "its data would go with it"}}
	}},
	{"deleting", func(f *report.Finding) { f.Plan.Deletes = []plan.Batch{{Unsettled: []plan.Note{{Key: flgs}}}} }},
	{"blind", func(f *report.Finding) { f.Blind = errors.New("may not watch configmaps") }},
}

// testdata/status.txtar says what is reported of each finding.
func TestApp(t *testing.T) {
	golden.Run(t, "testdata/status.txtar", func(_ *testing.T, ar *txtar.Archive) {
		ar.Files = nil
		for _, x := range findings {
			f := well()
			x.make(&f)
			golden.Set(ar, x.name, describe(report.App(f)))
		}
	})
}

func describe(st v1alpha1.AppStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s: %s\n", st.Phase, st.Health, st.Reason)
	fmt.Fprintf(&b, "applied %s at %s, %d objects, drift %d, %d in all\n", st.Applied.Short, st.Applied.At.UTC().Format(time.TimeOnly), st.Objects, st.Drift.Objects, st.Drift.Total)
	for _, c := range st.Conditions {
		fmt.Fprintf(&b, "  %s %s %s\n", c.Type, c.Status, c.Reason)
	}
	list := func(what string, notes []v1alpha1.ObjectNote) {
		for _, n := range notes {
			fmt.Fprintf(&b, "  %s: %s %s %.60s %s\n", what, n.Object, n.Health, n.Message, n.At)
		}
	}
	list("unhealthy", st.Unhealthy)
	list("refused", st.Refused)
	for _, h := range st.Held {
		why := h.Why
		if len(why) > 100 {
			why = why[:40] + " [...] " + why[len(why)-55:]
		}
		fmt.Fprintf(&b, "  held: %s %s %s\n", h.Action, h.Object, why)
	}
	for _, d := range st.Drift.Last {
		fmt.Fprintf(&b, "  drift: %s %s %v %s at %s\n", d.Object, d.Manager, d.Fields, d.Outcome, d.At.UTC().Format(time.TimeOnly))
	}
	return b.String()
}

// The same finding a minute later is the same status, to the last byte: nothing is written where nothing changed.
func TestSameFindingSameStatus(t *testing.T) {
	for _, x := range findings {
		f := well()
		x.make(&f)
		f.Was = report.App(f)
		f.Undone, f.Now = nil, f.Now.Add(time.Minute)
		if diff := cmp.Diff(f.Was, report.App(f)); diff != "" {
			t.Errorf("%s: %s", x.name, diff)
		}
	}
}

// Drift that is left in place is recorded once, however much of it there is.
func TestManyReported(t *testing.T) {
	f := well()
	for i := range 30 {
		s := step(plan.Repair, "data.a")
		s.Key = key(fmt.Sprint(i))
		f.Plan.Reported = append(f.Plan.Reported, s)
	}
	first := report.App(f)
	f.Was = first
	if diff := cmp.Diff(first, report.App(f)); diff != "" {
		t.Error(diff)
	}
	if first.Drift.Objects != 30 || len(first.Drift.Last) != 10 {
		t.Errorf("%d objects, %d records", first.Drift.Objects, len(first.Drift.Last))
	}
}

func TestTransition(t *testing.T) {
	f := well()
	f.Was = report.App(f)
	f.Now = now.Add(time.Hour)
	f.Health = verdicts("Degraded: crash loop")
	st := report.App(f)
	for _, c := range st.Conditions {
		was := f.Was.Conditions[slices.IndexFunc(f.Was.Conditions, func(x metav1.Condition) bool { return x.Type == c.Type })]
		changed := c.Status != was.Status
		if changed != c.LastTransitionTime.Equal(&metav1.Time{Time: f.Now}) {
			t.Errorf("%s: changed %t, at %s", c.Type, changed, c.LastTransitionTime)
		}
	}
	if &f.Was.Conditions[0] == &st.Conditions[0] {
		t.Error("the old status was changed")
	}
}

// However many objects there are and whatever they say, a status stays below 64 KiB.
func TestBounded(t *testing.T) {
	long := strings.Repeat("wörds and \"more\"\n\x1b[31m\xff ", 500)
	f := well()
	f.Wanted = v1alpha1.Revision{Revision: long, Short: long, Author: long, Subject: long}
	f.Health = map[object.Key]health.Verdict{}
	for i := range 10_000 {
		k := object.Key{Group: strings.Repeat("g", 250), Kind: strings.Repeat("K", 63), Namespace: strings.Repeat("n", 63), Name: fmt.Sprintf("%s%d", strings.Repeat("x", 240), i)}
		s := plan.Step{Do: plan.Delete, Key: k, Why: long, Edit: fingerprint.Edit{Manager: long, Fields: slices.Repeat([]fingerprint.Path{fingerprint.Path(long)}, 50)}}
		s.Live = object.New(map[string]any{"kind": "X"})
		f.Health[k] = health.Verdict{Status: health.Degraded, Message: long}
		f.Plan.Refused = append(f.Plan.Refused, plan.Note{Key: k, Text: long, At: long})
		f.Plan.Held = append(f.Plan.Held, plan.Held{Step: s, Reason: long, Approve: "fairlead approve prod-web -n shop --hold h"})
		f.Plan.Waiting = append(f.Plan.Waiting, plan.Note{Key: k, Text: long})
		f.Plan.Reported = append(f.Plan.Reported, s)
		f.Undone = append(f.Undone, s)
	}
	for range 3 {
		f.Was = report.App(f)
	}
	data, err := json.Marshal(f.Was)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 64<<10 {
		t.Errorf("%d bytes", len(data))
	}
	if strings.Contains(string(data), `\u001b`) || strings.Contains(string(data), `\n`) {
		t.Error("it holds what a terminal would act upon")
	}
	if f.Was.Drift.Total < 10_000 {
		t.Errorf("%d hand edits are counted", f.Was.Drift.Total)
	}
	if len(f.Was.Unhealthy) == 0 || len(f.Was.Refused) == 0 || len(f.Was.Held) == 0 || len(f.Was.Drift.Last) == 0 {
		t.Error("it says too little")
	}
}
