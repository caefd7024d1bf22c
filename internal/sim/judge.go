package sim

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// ErrCalm says that a scenario fails although nothing goes wrong.
var ErrCalm = errors.New("the scenario fails without any fault")

// judge holds the end of a run to what was promised, whatever went wrong on the way.
func (w *world) judge() {
	w.quiet()
	for _, l := range w.schedule.Scenario.later {
		if w.made[l[0]] < w.ready[l[1]] || w.made[l[0]] == 0 || w.ready[l[1]] == 0 {
			w.fail("%s was made before %s was ready", l[0], l[1])
		}
	}
	if w.failure != nil || w.schedule.reference || w.haunted {
		return
	}
	calm := calmOf(w.schedule.Scenario)
	if calm.err != nil {
		w.fail("%w: %w", ErrCalm, calm.err)
		return
	}
	w.toldOnce(calm.events)
	// Who is not sure of its Lease writes later, once for all that changed meanwhile.
	late := w.shares && slices.ContainsFunc(w.schedule.Faults, func(f Fault) bool { return f.Kind == Ahead || f.Kind == Doze })
	if w.crashes == 0 && !w.twinned && !w.hurried && !late && w.schedule.Seed == 0 {
		for text := range calm.events {
			if w.events[text] == 0 && strings.Contains(text, " Applied: ") && !w.wasRehearsed(text) {
				w.fail("it was never told: %s", text)
			}
		}
	}
	w.heard()
	if w.twinned && w.forsaken() {
		return
	}
	w.newest()
	if w.schedule.Scenario.releases {
		w.heardOutside(calm.told)
		w.remembered(calm.phases)
	}
	for what := range w.orphans() {
		if !calm.orphans[what] {
			w.fail("%s", what)
		}
	}
	for key := range w.deleted {
		if !calm.deleted[key] {
			w.fail("%s was deleted, and without faults it never is", key)
		}
	}
	for key, n := range w.history.relapses {
		if n > calm.relapses[key] && !w.twinned && !w.history.met[key] {
			w.fail("%s became again what it had been before: %d times, and %d without faults", key, n, calm.relapses[key])
		}
	}
	if end := w.end(); !reflect.DeepEqual(end, calm.end) {
		w.fail("the end is another one than without faults:\n%s", diff.Diff("without faults", []byte(calm.end.String()), "now", []byte(end.String())))
	}
}

// toldOnce checks that no App tells more often of a commit than it does without faults. Who was somewhere where it never is then, for a while, tells of it that it is
// back.
func (w *world) toldOnce(calm map[string]int) {
	if w.twinned || w.blind {
		return
	}
	for uid, all := range w.applied {
		times, last := map[string]int{}, ""
		for _, text := range all {
			if back := last != "" && last != text && calm[last] == 0; !back {
				times[text]++
			}
			if n := times[text]; n > max(1, calm[text]) {
				w.fail("it was told %d times: %s %s", n, uid, text)
			}
			last = text
		}
	}
}

// wasRehearsed reports whether a word is of an app that was rehearsed, and is gone: that may have been faster than the word.
func (w *world) wasRehearsed(text string) bool {
	about, _, _ := strings.Cut(text, " ")
	ns, name, _ := strings.Cut(about, "/")
	return w.venues[app.Owner{Namespace: ns, Name: name}]
}

// heard checks that it was told of every App which commit was applied last. An Event that goes with a status is written once that is known to be stored: who
// dies until then, or loses its Lease, tells nothing.
func (w *world) heard() {
	if w.crashes > 0 || w.twinned || w.blind || w.estranged {
		return
	}
	told := map[string]bool{}
	for uid, all := range w.applied {
		for _, text := range all {
			about, _, _ := strings.Cut(text, " by ")
			told[uid+" "+about] = true
		}
	}
	for _, u := range w.everything() {
		if revision, _, _ := unstructured.NestedString(u.Object, "status", "applied", "revision"); u.GetKind() == "App" && revision != "" {
			if about := fmt.Sprintf("%s %s/%s Applied: applied %s", u.GetUID(), u.GetNamespace(), u.GetName(), revision); !told[about] {
				w.fail("it was never told: %s", about)
			}
		}
	}
}

// newest checks that no App tells of a release as its newest one if a newer one is recorded. What was never recorded, since it changed nothing, does not count.
func (w *world) newest() {
	if w.blind {
		return
	}
	recorded := map[string]app.Record{}
	for n, r := range w.ledger() {
		recorded[n.Namespace+"/"+n.Object()] = r
	}
	for _, u := range w.everything() {
		serial, tells, _ := unstructured.NestedInt64(u.Object, "status", "release", "serial")
		last := recorded[u.GetNamespace()+"/"+u.GetName()].Releases.Current.Serial
		if u.GetKind() == "App" && tells && serial < int64(last) {
			w.fail("App %s/%s tells of release %d, and release %d is recorded", u.GetNamespace(), u.GetName(), serial, last)
		}
	}
}

// rest holds what there is while all is at rest, in the middle of a story, to what there is then without faults.
func (w *world) rest() {
	now := w.end()
	n := len(w.rests)
	w.rests = append(w.rests, now)
	if w.schedule.reference || w.haunted || w.twins > 0 { // of two controllers, the one does not know what the other wrote: see docs/reliability.md
		return
	}
	if calm := calmOf(w.schedule.Scenario); calm.err == nil && !reflect.DeepEqual(now, calm.rests[n]) {
		w.fail("at rest %d it is another way than without faults:\n%s", n+1, diff.Diff("without faults", []byte(calm.rests[n].String()), "now", []byte(now.String())))
	}
}

// course is what there is in the end, and how it became that: what is different from rest to rest, and what was ever deleted.
func (w *world) course() course {
	var b strings.Builder
	was := ""
	for i, r := range w.rests {
		now := r.String()
		_, _ = fmt.Fprintf(&b, "%s", diff.Diff(fmt.Sprintf("rest %d", i), []byte(was), fmt.Sprintf("rest %d", i+1), []byte(now)))
		was = now
	}
	c := course{Rests: b.String(), End: w.end().String()}
	for _, key := range slices.Sorted(maps.Keys(w.deleted)) {
		c.Deleted += key + "\n"
	}
	return c
}

// course is how a story goes without faults, as its file says: what changes from rest to rest, what is ever deleted, and what there is in the end.
type course struct{ Rests, Deleted, End string }

func (c course) String() string { return c.Rests + "deleted:\n" + c.Deleted + c.End }

// quiet checks that nothing was written after all was at rest, though everything was looked at once more.
func (w *world) quiet() {
	for _, c := range w.server.Changes(w.round) {
		if c.Resource != (schema.GroupResource{Resource: "events"}) && c.Resource != leaseResource.GroupResource() {
			w.fail("%s %s/%s is written though nothing changed", c.Resource, c.Namespace, c.Name)
			return
		}
	}
}

// orphans lists what carries an owner mark and is not claimed by that app, and what is claimed and does not exist. Only what was released is an orphan by right.
func (w *world) orphans() map[string]bool {
	out := map[string]bool{}
	claimed := map[object.Key]app.Owner{}
	for n, r := range w.ledger() {
		for k, claim := range r.Claims {
			if other, twice := claimed[k]; twice {
				out[fmt.Sprintf("%s is claimed by two: %s", k, slices.SortedFunc(slices.Values([]app.Owner{other, n.Owner()}), compareOwners))] = true
			}
			if claim.Ended == "" {
				claimed[k] = n.Owner()
			}
		}
	}
	for _, u := range w.everything() {
		o := object.New(u.Object)
		owner := app.OwnerOf(o)
		if by, ok := claimed[o.Key()]; owner != (app.Owner{}) && (!ok || by != owner) {
			out[fmt.Sprintf("%s is an orphan: it carries the owner mark of %s, and who claims it is %s", o.Key(), owner, by)] = true
		}
		delete(claimed, o.Key())
	}
	for k, by := range claimed {
		out[fmt.Sprintf("%s is claimed by %s and does not exist", k, by)] = true
	}
	return out
}

// forsaken reports whether there are objects of an app that is gone: of two controllers the one let its environment go while the other, which had not heard that
// it is being deleted, still made them. They go on running: see docs/reliability.md.
func (w *world) forsaken() bool {
	apps, owners := map[app.Owner]bool{}, map[app.Owner]bool{}
	for _, u := range w.everything() {
		if u.GetKind() == "App" {
			apps[app.Owner{Namespace: u.GetNamespace(), Name: u.GetName()}] = true
		}
		if owner := app.OwnerOf(object.New(u.Object)); owner != (app.Owner{}) {
			owners[owner] = true
		}
	}
	for owner := range owners {
		if !apps[owner] {
			return true
		}
	}
	return false
}

func compareOwners(a, b app.Owner) int { return strings.Compare(a.String(), b.String()) }

// everything is every object that there is, by resource, namespace and name.
func (w *world) everything() func(func(schema.GroupResource, *unstructured.Unstructured) bool) {
	return func(yield func(schema.GroupResource, *unstructured.Unstructured) bool) {
		for _, r := range w.server.Resources() {
			for _, u := range w.server.Objects(r) {
				if !yield(r, u) {
					return
				}
			}
		}
	}
}

// end is what there is in the end.
type end struct {
	objects []string // as JSON
	claims  []string
}

// end is what there is in the end that was not there in the beginning, without what is never the same twice: times, versions, uids, which of the
// commits in between were seen.
func (w *world) end() end {
	var e end
	for r, u := range w.everything() {
		if (r == schema.GroupResource{Resource: "secrets"} && u.GetNamespace() == system) || r.Resource == "events" || r == leaseResource.GroupResource() || w.begun(u) {
			continue
		}
		e.objects = append(e.objects, w.plain(u))
	}
	ledger := w.ledger()
	for _, n := range slices.SortedFunc(maps.Keys(ledger), app.Name.Compare) {
		e.claims = append(e.claims, n.String()+" claims")
		for _, k := range ledger[n].Claims.Keys() {
			c := ledger[n].Claims[k]
			text := fmt.Sprintf("  %s wave=%d", k, c.Wave)
			if c.Confirmed {
				text += " confirmed"
			}
			if c.Ended != "" {
				text += " ended=" + c.Ended
			}
			e.claims = append(e.claims, text)
		}
	}
	return e
}

func (e end) String() string {
	var b strings.Builder
	for _, o := range e.objects {
		text, err := yaml.JSONToYAML([]byte(o))
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%s---\n", text)
	}
	for _, line := range e.claims {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// begun reports whether an object is as it was in the beginning.
func (w *world) begun(u *unstructured.Unstructured) bool {
	rv, err := strconv.ParseInt(u.GetResourceVersion(), 10, 64)
	return err == nil && rv <= w.born
}

// passing are the fields of Fairlead's own status that say when, how often, and which commits were seen on the way. How a release fared is of that kind, where
// nobody wrote rules for it: it was healthy for a moment, or was not seen to be.
var passing = []string{"lastTransitionTime", "moved", "forced", "at", "bundle", "last", "total", "wanted", "applied", "since", "began", "attempt", "lastHandledSync", "recorded", "holdID", "release", "releases"}

// plain is an object without what is never the same twice, found out once of each state: from rest to rest, most of them stay.
func (w *world) plain(u *unstructured.Unstructured) string {
	if known, ok := w.plained[u]; ok {
		return known
	}
	m := maps.Clone(u.Object) // and of what is below no more than what plain changes
	m["metadata"] = runtime.DeepCopyJSON(at(m, "metadata"))
	if status, ok := m["status"]; ok {
		m["status"] = runtime.DeepCopyJSONValue(status)
	}
	if spec, ok := m["spec"].(map[string]any); ok {
		m["spec"] = maps.Clone(spec)
	}
	plain(m)
	text := string(textOf(nil, m))
	w.plained[u] = text
	return text
}

func plain(m map[string]any) {
	if meta, ok := m["metadata"].(map[string]any); ok {
		for _, f := range []string{"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "managedFields"} {
			delete(meta, f)
		}
		refs, _ := meta["ownerReferences"].([]any)
		for _, r := range refs {
			if ref, ok := r.(map[string]any); ok {
				delete(ref, "uid")
			}
		}
	}
	if spec, ok := m["spec"].(map[string]any); ok && m["kind"] == "Service" {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	if spec, ok := m["spec"].(map[string]any); ok && m["kind"] == "Job" { // they name its uid
		delete(spec, "selector")
		delete(at(at(spec, "template"), "metadata"), "labels")
	}
	if notes, ok := at(m, "metadata")["annotations"].(map[string]any); ok {
		delete(notes, controller.AnnotationApprove) // a hold is named by how it came about
		if notes[controller.AnnotationVenue] != nil {
			notes[controller.AnnotationVenue] = "a uid"
		}
	}
	if st, ok := m["status"].(map[string]any); ok {
		delete(st, "observedGeneration")
		if m["kind"] == "CustomResourceDefinition" {
			drop(st["conditions"])
		}
		if version, _ := m["apiVersion"].(string); strings.HasPrefix(version, "fairlead.dev/") {
			switch m["kind"] {
			case "App":
				settled(st)
			case "Notifier":
				tried(st)
			}
			drop(st)
		}
	}
}

func at(m map[string]any, field string) map[string]any {
	is, _ := m[field].(map[string]any)
	return is
}

// settled keeps of an App's commits whether the one that is applied is the one that is wanted.
func settled(st map[string]any) {
	of := func(field string) any {
		m, _ := st[field].(map[string]any)
		return m["revision"]
	}
	if st["phase"] == "Synced" {
		st["applies"] = of("wanted") == of("applied")
	}
}

// tried leaves out when and how often it was tried to tell what was told.
func tried(st map[string]any) {
	all, _ := st["told"].([]any)
	for _, x := range all {
		if t, ok := x.(map[string]any); ok {
			for _, f := range []string{"noted", "again", "tries"} {
				delete(t, f)
			}
		}
	}
}

// holds are named by uids, among others.
var holds = regexp.MustCompile(`--hold [0-9a-f]+`)

// budgets are the two ways to say that a deletion is held for the budget: after a restart it may be counted while not every app is read, and the hold is kept
// with the other words.
var budgets = regexp.MustCompile(`\d+ objects of environment \S+ would be deleted, more than sync\.prune\.max\w+ \(\d+\)|` +
	`its commit deletes more than the environment's budget allows, and only other parts of that were approved`)

// overdue is how the word of a release begins that did not get well within its deadline.
const overdue = "not healthy within "

// soonAfter is how long after its success a release got sick.
var soonAfter = regexp.MustCompile(`-?[0-9µhms.]+ after it succeeded`)

func drop(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, f := range passing {
			delete(v, f)
		}
		delete(v, "observedGeneration")
		for k, x := range v {
			v[k] = drop(x)
		}
	case []any:
		for i, x := range v {
			v[i] = drop(x)
		}
	case string:
		if i := strings.Index(v, overdue); i >= 0 { // who comes after the deadline may not have seen yet what is the matter
			v = v[:i+len(overdue)] + "…"
		}
		if strings.Contains(v, " after it succeeded") {
			v = soonAfter.ReplaceAllString(v, "soon after it succeeded")
		}
		if strings.Contains(v, "hold") || strings.Contains(v, "deletes") || strings.Contains(v, "deleted") { // a look for each word is much faster
			return budgets.ReplaceAllString(holds.ReplaceAllString(v, "--hold …"), "the budget is exceeded")
		}
		return v
	}
	return v
}
