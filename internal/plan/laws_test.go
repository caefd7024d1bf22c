package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

var kinds = []struct {
	version, kind, namespace string
}{
	{"v1", "ConfigMap", "shop"},
	{"apps/v1", "Deployment", "shop"},
	{"v1", "PersistentVolumeClaim", "shop"},
	{"v1", "Namespace", ""},
	{"apiextensions.k8s.io/v1", "CustomResourceDefinition", ""},
	{"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", ""},
}

var annotations = []string{"fairlead.dev/apply: once", "fairlead.dev/apply: never", "fairlead.dev/apply: replace", "fairlead.dev/prune: never", "fairlead.dev/prune: confirm", "fairlead.dev/prune: always", "", "", "", "", "", ""}

var owners = []string{"", "", "", "", "none", "shop/prod-other"}

// drawn is an input in its parts, so that it can be put together in another order.
type drawn struct {
	in   plan.Input
	want []object.Object
}

func draw(t *rapid.T) drawn {
	one := func(name string, of int) bool { return rapid.IntRange(1, of).Draw(t, name) == 1 }
	d := drawn{in: plan.Input{
		App: web, Rendered: !one("unrendered", 6), Seen: map[object.Key]plan.Sighting{}, Claims: app.Claims{},
		Policy: app.Policy{Suspended: one("suspended", 8), ReportDrift: one("report", 4), Apart: one("apart", 8)},
		Census: plan.Census{Elsewhere: map[object.Key]app.Owner{}, Suspect: map[object.Key]string{}},
	}}
	if one("blocked", 8) {
		d.in.Blocked = "waits for app db"
	}
	if one("waiting", 6) {
		d.in.Census.Waiting = "waits for others"
	}
	if one("over", 5) {
		d.in.Census.Over = "too many"
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "objects") {
		d.object(t, i, one)
	}
	if one("approve", 3) {
		d.compose(nil)
		d.in.Approved = plan.Compute(d.in).HoldID
	}
	d.compose(nil)
	return d
}

func (d *drawn) object(t *rapid.T, i int, one func(string, int) bool) {
	k := rapid.SampledFrom(kinds).Draw(t, "kind")
	content := map[string]any{"apiVersion": k.version, "kind": k.kind, "metadata": map[string]any{"name": fmt.Sprintf("o-%d", i)}, "data": map[string]any{"a": "1"}}
	o := object.New(content)
	if k.namespace != "" {
		o = o.With(k.namespace, "metadata", "namespace")
	}
	annotate := func(o object.Object, text string) object.Object {
		if text == "" {
			return o
		}
		name, value := text[:len("fairlead.dev/apply")], text[len("fairlead.dev/apply: "):]
		return o.With(value, "metadata", "annotations", name)
	}
	wanted := one("wanted", 2)
	want := annotate(web.Mark(o), rapid.SampledFrom(annotations).Draw(t, "annotation"))
	want = want.With(fmt.Sprint(rapid.IntRange(-1, 1).Draw(t, "wave")), "metadata", "annotations", "fairlead.dev/wave")
	if wanted {
		d.want = append(d.want, want)
	}
	key := want.Key()
	s := plan.Sighting{State: plan.State(rapid.IntRange(0, 3).Draw(t, "state")), Health: health.Verdict{Status: health.Healthy}}
	if one("unhealthy", 4) {
		s.Health = health.Verdict{Status: health.Progressing, Message: "not ready"}
	}
	x := sighting{Owner: rapid.SampledFrom(owners).Draw(t, "owner")}
	if one("managed by another", 5) {
		x.Manager = "helm"
	}
	if s.State == plan.Absent && wanted {
		s.Predicted = applied(want, app.Manager)
	}
	if s.State == plan.Present {
		live := annotate(o.With(rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value"), "data", "a"), rapid.SampledFrom(annotations).Draw(t, "live annotation"))
		if one("deleting", 8) {
			live = live.With("2026-01-01T00:00:00Z", "metadata", "deletionTimestamp")
		}
		s.Live = x.live(live)
		s.Predicted = applied(want, app.Manager)
		s.Drifted = one("drifted", 4)
		if one("rival", 10) {
			s.Rival = app.Owner{Namespace: "shop", Name: "prod-other"}
		}
	}
	if s.Drifted {
		s.Edit = fingerprint.Edit{Manager: "kubectl-edit", Fields: []fingerprint.Path{"data.a"}}
		if one("contested", 4) {
			s.Contested = "keeps coming back"
		}
		if one("applied known", 2) {
			s.Applied = want
		}
	}
	if wanted && one("refused", 8) {
		s.Refusal = &plan.Refusal{Message: "spec is immutable", Immutable: one("immutable", 2)}
	}
	if s.State == plan.Unknown {
		s.Why, s.Deferred = "not known", one("deferred", 2)
	}
	d.in.Seen[key] = s
	if !wanted || !one("unclaimed", 3) {
		c := app.Claim{Key: key, Version: k.version, Want: want.Hash(), Print: "p", Wave: rapid.IntRange(-1, 1).Draw(t, "claimed wave"), Confirmed: one("confirmed", 6), Yielded: one("yielded", 8)}
		if one("old want", 2) {
			c.Want = "old"
		}
		if one("begun", 6) {
			c.Want, c.Print = "", ""
		}
		d.in.Claims[key] = c
	}
	if one("elsewhere", 8) {
		d.in.Census.Elsewhere[key] = app.Owner{Namespace: "shop", Name: "prod-other"}
	} else if one("suspect", 8) {
		d.in.Census.Suspect[key] = "may have moved"
	}
}

// compose orders the want, as it was drawn or shuffled.
func (d *drawn) compose(shuffle func([]object.Object) []object.Object) {
	objs := d.want
	if shuffle != nil {
		objs = shuffle(objs)
	}
	batches, err := order.Batches(objs)
	if err != nil {
		panic(err)
	}
	d.in.Want = batches
}

// What a plan may never do, whatever it is computed from.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		before := maps.Clone(d.in.Claims)
		p := plan.Compute(d.in)
		if diff := cmp.Diff(before, d.in.Claims); diff != "" {
			t.Fatal("the input was changed", diff)
		}
		sameWhateverTheOrder(t, d, p)
		deletesOnlyItsOwn(t, d.in, p)
		claimsFirst(t, d.in, p)
		dropsNoClaimInVain(t, d.in, p)
		comesInOrder(t, p)
		approvesWhatIsHeld(t, d.in, p)
	})
}

func sameWhateverTheOrder(t *rapid.T, d drawn, p plan.Plan) {
	d.compose(func(objs []object.Object) []object.Object { return rapid.Permutation(objs).Draw(t, "order") })
	again := plan.Compute(d.in)
	if diff := cmp.Diff(describe(d.in, p), describe(d.in, again)); diff != "" {
		t.Fatal("another plan from the same input", diff)
	}
}

func steps(p plan.Plan) []plan.Step {
	var out []plan.Step
	for _, b := range slices.Concat(p.Batches, p.Deletes) {
		out = append(out, b.Steps...)
	}
	return out
}

func deletesOnlyItsOwn(t *rapid.T, in plan.Input, p plan.Plan) {
	for _, s := range steps(p) {
		if s.Do != plan.Delete && s.Do != plan.Replace {
			continue
		}
		_, claimed := in.Claims[s.Key]
		live := in.Seen[s.Key].Live
		switch {
		case !in.Rendered:
			t.Fatalf("%s %s without a render", s.Do, s.Key)
		case live.IsZero() || app.OwnerOf(live) != web.Owner() || s.Do == plan.Delete && !claimed:
			t.Fatalf("%s %s: claimed %t, owner %s", s.Do, s.Key, claimed, app.OwnerOf(live))
		case s.Do == plan.Delete && (in.Census.Waiting != "" || in.Census.Elsewhere[s.Key] != (app.Owner{})):
			t.Fatalf("delete %s though it may be wanted elsewhere", s.Key)
		}
	}
	for _, s := range p.Next() {
		switch {
		case p.Suspended:
			t.Fatalf("%s %s though suspended", s.Do, s.Key)
		case p.Blocked != "" && s.Do != plan.Repair:
			t.Fatalf("%s %s though blocked", s.Do, s.Key)
		case s.Do == plan.Delete && !p.Applied():
			t.Fatalf("delete %s before everything is applied", s.Key)
		}
	}
}

func claimsFirst(t *rapid.T, in plan.Input, p plan.Plan) {
	for _, s := range p.Next() {
		if _, ok := p.Claims[s.Key]; !ok {
			t.Fatalf("%s %s without a claim", s.Do, s.Key)
		}
	}
	if p.Blocked == "" && !p.Suspended {
		return
	}
	for k := range p.Claims {
		if _, before := in.Claims[k]; !before {
			t.Fatalf("%s is claimed by a want that may not be applied", k)
		}
	}
}

func dropsNoClaimInVain(t *rapid.T, in plan.Input, p plan.Plan) {
	for k, c := range in.Claims {
		if _, kept := p.Claims[k]; kept {
			continue
		}
		s := in.Seen[k]
		owner := app.OwnerOf(s.Live)
		foreign := s.State == plan.Present && owner != web.Owner() && (owner != (app.Owner{}) || !c.Applied())
		left := s.State == plan.Present && app.PruneOf(s.Live) == app.PruneNever
		if !in.Rendered || s.State != plan.Absent && !foreign && !left {
			t.Fatalf("the claim of %s is dropped: rendered %t, %+v", k, in.Rendered, s)
		}
	}
}

func comesInOrder(t *rapid.T, p plan.Plan) {
	next := map[object.Key]bool{}
	for _, s := range p.Next() {
		if s.Do != plan.Repair {
			next[s.Key] = true
		}
	}
	for _, list := range [][]plan.Batch{p.Batches, p.Deletes} {
		stop := false
		for _, b := range list {
			for _, s := range b.Steps {
				if next[s.Key] && stop {
					t.Fatalf("%s %s comes before an earlier batch is done\n%s", s.Do, s.Key, p)
				}
			}
			stop = stop || len(b.Steps) > 0 || len(b.Unsettled) > 0 || b.Pending > 0
		}
	}
}

func approvesWhatIsHeld(t *rapid.T, in plan.Input, p plan.Plan) {
	if p.HoldID == "" {
		return
	}
	held := map[object.Key]bool{}
	for _, h := range p.Held {
		held[h.Step.Key] = h.Approve != ""
	}
	in.Approved = p.HoldID
	after := plan.Compute(in)
	deleted := func(p plan.Plan) map[object.Key]bool {
		out := map[object.Key]bool{}
		for _, b := range p.Deletes {
			for _, s := range b.Steps {
				out[s.Key] = true
			}
		}
		return out
	}
	was, is := deleted(p), deleted(after)
	for k := range in.Claims {
		gone := is[k] && !was[k]
		if want := held[k] && in.Census.Waiting == ""; gone != want {
			t.Fatalf("approved: delete %s is %t, held %t\n%s\n%s", k, gone, held[k], p, after)
		}
		if held[k] && !after.Claims[k].Confirmed {
			t.Fatalf("the approval of %s is not remembered", k)
		}
	}
	if after.HoldID != "" {
		t.Fatalf("something is held after all is approved\n%s", after)
	}
}

// What a plan's steps lead to leaves nothing to do: no plan goes round in circles.
func TestEndsWithNothingToDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t).in
		for round := 0; ; round++ {
			p := plan.Compute(in)
			next := p.Next()
			if len(next) == 0 {
				nothingLeft(t, in, p)
				break
			}
			if round == 50 {
				t.Fatalf("fifty rounds, and still\n%s", p)
			}
			in = carriedOut(in, p.Claims, next)
		}
	})
}

// A process may die at any step after it recorded what it was to do. What is planned then is what was left, and nobody is blamed for it.
func TestKilledAmidSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t).in
		p := plan.Compute(in)
		next := slices.DeleteFunc(p.Next(), func(s plan.Step) bool { return s.Do == plan.Repair || s.Do == plan.Replace })
		if p.Blocked != "" || p.Suspended || p.Unread {
			return
		}
		made := next[:rapid.IntRange(0, len(next)).Draw(t, "made")]
		was := in
		in = carriedOut(in, p.Claims, made)
		in.Claims = p.Begin(next)
		for _, s := range next[len(made):] {
			if in.Claims[s.Key].Begun {
				seen := was.Seen[s.Key]
				seen.Drifted = false // what was begun and is not there is no drift
				in.Seen[s.Key] = seen
			}
		}
		after := plan.Compute(in)
		for _, s := range after.Repairs {
			if in.Claims[s.Key].Begun {
				t.Fatalf("somebody is blamed for %s\n%s", s.Key, after)
			}
		}
		for _, s := range made {
			if s.Print != "" && (after.Claims[s.Key].Begun || after.Claims[s.Key].Want != s.Object.Hash()) {
				t.Fatalf("%s was applied and is not known to be\n%s", s.Key, after)
			}
		}
		for _, s := range next[len(made):] {
			if s.Do != plan.Delete && !slices.ContainsFunc(steps(after), func(x plan.Step) bool { return x.Key == s.Key }) {
				t.Fatalf("%s is forgotten\n%s", s.Key, after)
			}
		}
	})
}

func nothingLeft(t *rapid.T, in plan.Input, p plan.Plan) {
	for _, b := range slices.Concat(p.Batches, p.Deletes) {
		if len(b.Unsettled) > 0 || b.Pending > 0 {
			return
		}
	}
	if p.Blocked != "" || p.Suspended || p.Unread {
		return
	}
	if left := steps(p); len(left) > 0 || !p.Applied() {
		t.Fatalf("nothing is in the way, and still\n%s", p)
	}
	if in.Census.Waiting+in.Census.Over == "" && len(in.Claims) > 0 && len(p.Held)+len(p.Waiting)+len(p.Leaving)+len(p.Contested) == 0 && !p.Done() {
		t.Fatalf("not done\n%s", p)
	}
}

func carriedOut(in plan.Input, claims app.Claims, next []plan.Step) plan.Input {
	in.Seen, in.Claims = maps.Clone(in.Seen), maps.Clone(claims)
	for _, s := range next {
		if s.Do == plan.Delete {
			in.Seen[s.Key] = plan.Sighting{State: plan.Absent}
			continue
		}
		c := in.Claims[s.Key]
		c.Want, c.Print = s.Object.Hash(), "p"
		in.Claims[s.Key] = c
		in.Seen[s.Key] = plan.Sighting{State: plan.Current, Health: health.Verdict{Status: health.Healthy}}
	}
	return in
}
