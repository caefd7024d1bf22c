package sim

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/preview"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

var (
	changes = flag.Int("changes", 500, "how many random changes TestPreview plans and carries out")
	first   = flag.Uint64("first", 1, "the seed of its first world")
)

// perWorld is how many changes one world lives through: many enough for holds and broken files to pile up, few enough for a failure to be read.
const perWorld = 25

// TestPreview makes random changes to Git and by hand. Of each it asks what would be done, and then lets it be done: object for object, verb for verb, and for
// the same reasons, in the same order.
func TestPreview(t *testing.T) {
	seen := map[string]int{}
	for i := range (*changes + perWorld - 1) / perWorld {
		x := newChanges(t, *first+uint64(i))
		for n := range min(perWorld, *changes-i*perWorld) {
			x.change(n)
			if t.Failed() {
				t.Fatalf("seed %d, change %d: %s", x.seed, n, strings.Join(x.did, "; "))
			}
		}
		for _, p := range slices.Clone(x.w.processes) {
			p.kill()
		}
		for k, v := range x.seen {
			seen[k] += v
		}
	}
	t.Logf("%d changes: %v", *changes, seen)
	if *changes >= 500 {
		for _, what := range []string{"create", "update", "adopt", "repair", "replace", "delete", "held", "refused", "broken", "blocked", "kept", "unasked", "namespace", "nothing"} {
			if seen[what] == 0 {
				t.Errorf("of %d changes none has anything to do with %q: the test no longer does what it says", *changes, what)
			}
		}
	}
}

// random is a world whose Git and objects are changed at random.
type random struct {
	t      *testing.T
	w      *world
	seed   uint64
	dice   *rand.Rand
	log    *strings.Builder
	files  map[string]bool
	tip    int
	edited bool
	did    []string // in the change under way
	seen   map[string]int
}

const changesSetup = `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: shop, namespace: team}
spec: {url: "https://git.example.com/shop", interval: 30s}
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: prod, namespace: team}
spec:
  sources: [{repository: shop, ref: {branch: main}, path: apps/*}]
  destination: {namespace: shop}
  sync: {prune: {maxObjects: 3, maxPercent: 100}}
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: lab, namespace: team}
spec:
  sources: [{repository: shop, ref: {branch: main}, path: lab/*}]
  destination: {namespace: "lab-{app}", createNamespace: true}
`

func newChanges(t *testing.T, seed uint64) *random {
	t.Helper()
	x := &random{t: t, seed: seed, dice: rand.New(rand.NewPCG(seed, 7)), log: &strings.Builder{}, files: map[string]bool{}, seen: map[string]int{}}
	x.w = newWorld(Schedule{Verbose: x.log})
	keep := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keep}\n"
	x.commit(map[string]string{"apps/keep/keep.yaml": keep, "lab/keep/keep.yaml": keep})
	x.land()
	var objs []*unstructured.Unstructured
	for doc := range strings.SplitSeq(changesSetup, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatal(err)
		}
		objs = append(objs, u)
	}
	x.must(x.w.apply(objs))
	x.rest()
	return x
}

func (x *random) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatalf("seed %d: %v", x.seed, err)
	}
}

// commit makes a commit on branch next; an empty text removes a file.
func (x *random) commit(files map[string]string) {
	r := x.w.repo("shop")
	id, c := r.make(r.branches["next"], "change", sourcetest.Files(files))
	r.add("next", id, c)
	for p, text := range files {
		if x.files[p] = text != ""; text == "" {
			delete(x.files, p)
		}
	}
}

// land lets main be what next is.
func (x *random) land() {
	r := x.w.repo("shop")
	r.branches["main"] = r.branches["next"]
}

// rest lets everything happen until there is nothing to do for longer than any back-off, and no Job is left.
func (x *random) rest() {
	for x.settle(); x.finish(); {
		x.settle()
	}
}

// finish lets Jobs be complete, as their controller does, and reports whether one was not.
func (x *random) finish() bool {
	found := false
	for _, u := range x.w.server.Objects(served["Job"].GroupResource()) {
		done, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		if len(done) > 0 || u.GetDeletionTimestamp() != nil {
			continue
		}
		found = true
		_, err := x.w.people.Resource(served["Job"]).Namespace(u.GetNamespace()).Patch(context.Background(), u.GetName(), mergePatch, []byte(`{"status": {"succeeded": 1,
			"startTime": "2025-01-01T00:00:00Z", "completionTime": "2025-01-01T00:00:00Z", "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]}}`), patched, "status")
		x.must(err)
	}
	return found
}

func (x *random) settle() {
	w := x.w
	w.changed = w.now
	for n := 0; ; n++ {
		if n > most {
			x.t.Fatalf("seed %d: it does not come to rest", x.seed)
		}
		w.observe()
		if things := w.runnable(); len(things) > 0 {
			w.do(things[0])
			continue
		}
		t, i, ok := w.timers.next()
		if !ok || !t.at.Before(w.changed.Add(quiet)) {
			break
		}
		w.now = maxTime(w.now, t.at)
		w.timers.take(i)
		t.do()
	}
	x.must(w.failure)
}

// watch lets what happened in the cluster be seen, and nothing be done about it but by the cluster's own controllers.
func (x *random) watch() {
	for {
		things := slices.DeleteFunc(x.w.runnable(), func(t thing) bool {
			return !strings.Contains(t.String(), " watch ") && t.String() != "the cluster's own controllers"
		})
		if len(things) == 0 {
			return
		}
		x.w.do(things[0])
	}
}

// change makes one change, and compares what is foretold with what is done.
func (x *random) change(n int) {
	x.did, x.edited = nil, false
	x.commit(x.draw())
	moved := slices.ContainsFunc(x.did, func(what string) bool { return strings.HasPrefix(what, "move ") })
	for range x.dice.IntN(3) {
		if moved { // of an edited object that moves, what the edit added is undone by a step of its own after it: see decision 10
			break
		}
		x.hand()
	}
	x.watch()
	before := x.w.server.Revision()
	foretold := map[string]preview.Reply{}
	for _, env := range []string{"prod", "lab"} {
		reply, err := x.w.processes[0].tree.Preview(context.Background(), preview.Request{
			Namespace: "team", Environment: env, To: string(x.w.repo("shop").branches["next"]),
		})
		x.must(err)
		foretold[env] = reply
	}
	if now := x.w.server.Revision(); now != before {
		x.t.Errorf("asking what would be done has written something")
	}
	from := x.log.Len()
	x.land()
	at, name, err := x.w.at("Repository", "team/shop")
	x.must(err)
	_, err = at.Patch(context.Background(), name, mergePatch, fmt.Appendf(nil, `{"metadata": {"annotations": {"fairlead.dev/sync-requested": "%d-%d"}}}`, x.seed, n), patched)
	x.must(err)
	x.rest()
	done := readLog(x.log.String()[from:])
	for env, reply := range foretold {
		for _, a := range reply.Apps {
			x.compare(env, a, done["team/"+env+"-"+a.Name])
			delete(done, "team/"+env+"-"+a.Name)
		}
	}
	if x.t.Failed() {
		for _, u := range x.w.server.Objects(apps.GroupResource()) {
			x.t.Log(u.GetName(), u.Object["status"].(map[string]any)["phase"], u.Object["status"].(map[string]any)["reason"])
		}
		for line := range strings.Lines(x.log.String()[from:]) {
			if strings.Contains(line, "msg=") {
				x.t.Log(strings.TrimSpace(line))
			}
		}
	}
	for app, steps := range done {
		x.t.Errorf("%s was not planned, and did %v", app, steps)
	}
	if len(x.seen) == 0 {
		x.seen["nothing"]++
	}
	if x.dice.IntN(3) == 0 {
		x.approve()
	}
}

// compare holds what was foretold of an app to what it did.
func (x *random) compare(env string, a preview.App, did []string) {
	var rounds [][]string
	for _, s := range a.Steps {
		for len(rounds) < s.Round {
			rounds = append(rounds, nil)
		}
		rounds[s.Round-1] = append(rounds[s.Round-1], fmt.Sprintf("%s %s: %s", s.Do, s.Object, s.Why))
		x.seen[string(s.Do)]++
		if s.Unasked {
			x.seen["unasked"]++
		}
	}
	x.count(a)
	if x.surprised(env, a) {
		x.seen["refused unasked"]++
		return
	}
	rest := did
	for _, want := range rounds {
		got := rest[:min(len(want), len(rest))]
		rest = rest[len(got):]
		slices.Sort(want)
		got = slices.Sorted(slices.Values(got))
		if !slices.Equal(got, want) {
			x.t.Errorf("%s/%s:\nforetold\n  %s\ndone\n  %s\nall that was done:\n  %s\n%s", env, a.Name, strings.Join(want, "\n  "), strings.Join(got, "\n  "), strings.Join(did, "\n  "), a.Text())
			return
		}
	}
	if len(rest) > 0 {
		x.t.Errorf("%s/%s: done, and not foretold:\n  %s\n%s", env, a.Name, strings.Join(rest, "\n  "), a.Text())
	}
	if len(a.Waiting) > 0 {
		return // what is wanted elsewhere may be held in between, while that other app is not read yet
	}
	hold := ""
	for _, h := range a.Held {
		if _, id, ok := strings.Cut(h.Approve, "--hold "); ok {
			hold = id
		}
	}
	at, name, err := x.w.at("App", "team/"+env+"-"+a.Name)
	x.must(err)
	u, err := at.Get(context.Background(), name, got)
	if missed(err) != nil {
		x.must(err)
	}
	if err == nil {
		if is, _, _ := unstructured.NestedString(u.Object, "status", "holdID"); is != hold {
			x.t.Errorf("%s/%s: hold %q was foretold, and it holds %q\n%s", env, a.Name, hold, is, a.Text())
		}
	} else if hold != "" {
		x.t.Errorf("%s/%s: a hold was foretold, and the app is gone", env, a.Name)
	}
}

// surprised reports whether an object was refused of which the plan says that the API server could not be asked: the one thing that no plan can know.
func (x *random) surprised(env string, a preview.App) bool {
	at, name, err := x.w.at("App", "team/"+env+"-"+a.Name)
	x.must(err)
	u, err := at.Get(context.Background(), name, got)
	if err != nil {
		return false
	}
	refused, _, _ := unstructured.NestedSlice(u.Object, "status", "refused")
	return slices.ContainsFunc(a.Steps, func(s preview.Step) bool {
		return s.Unasked && slices.ContainsFunc(refused, func(r any) bool { m, _ := r.(map[string]any); return m["object"] == s.Object })
	})
}

func (x *random) count(a preview.App) {
	for what, is := range map[string]bool{
		"held": len(a.Held) > 0, "refused": len(a.Refused) > 0, "broken": a.Broken != "", "blocked": a.Blocked != "", "kept": len(a.Kept) > 0,
		"namespace": a.Namespace != "", "waiting": len(a.Waiting) > 0, "nothing": a.Text() == "",
	} {
		if is {
			x.seen[what]++
		}
	}
}

var (
	logged   = regexp.MustCompile(`msg="step (\w+)" app=(\S+) do=(\w+) object=("(?:[^"\\]|\\.)*"|\S+) why=("(?:[^"\\]|\\.)*"|\S*)`)
	whenGone = "waits until the old object is gone"
)

// readLog reads from the log what each app did. A replacement that had to wait until the old object was gone is one.
func readLog(text string) map[string][]string {
	out := map[string][]string{}
	going := map[string]string{}
	for line := range strings.Lines(text) {
		m := logged.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		app, do, object, why := m[2], m[3], unquote(m[4]), unquote(m[5])
		step := fmt.Sprintf("%s %s: %s", do, object, why)
		if m[1] == "failed" {
			if strings.Contains(line, whenGone) {
				going[app+" "+object] = step
			}
			continue
		}
		if was := going[app+" "+object]; was != "" && do == string(plan.Create) {
			step = was
			delete(going, app+" "+object)
		}
		out[app] = append(out[app], step)
	}
	return out
}
