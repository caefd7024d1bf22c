package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

var web = app.Name{Namespace: "shop", Environment: "prod", App: "web"}

// A file holds want.yaml and live.yaml; where they are needed predicted.yaml (what dry runs answer; without, the live object with all that the want says),
// applied.yaml (what was applied before) and state (see type state); and plan: the expected plan, the next steps, and what becomes of the claims.
func TestPlan(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		in := input(t, ar)
		if in.Approved == "printed" {
			in.Approved = ""
			in.Approved = plan.Compute(in).HoldID
		}
		golden.Set(ar, "plan", describe(in, plan.Compute(in)))
	})
}

// state is what a file says beside the objects. Objects are named as they print.
type state struct {
	Unrendered, Suspended, Report, Apart bool
	Blocked, Approved, Held              string
	Waiting, Over                        string
	Elsewhere, Suspect                   map[string]string
	Objects                              map[string]sighting
	// Hooks are run for a release, on an occasion; Failed is the one that failed, of which all hooks that are for that are run.
	Hooks struct {
		Run, On, Failed string
		Over            bool
	}
}

type sighting struct {
	// Claimed: same (as wanted now), old (as wanted before), begun (recorded, but never applied), foretold (recorded as it is wanted now; whether it was
	// applied is not known).
	Claimed   string
	Confirmed bool
	Wave      int
	// Run is for what a hook was made last.
	Run, Why string
	// Owner is the App that the live object belongs to: ours if empty, nobody's if "none".
	Owner string
	// Manager applied the live object: we, if empty.
	Manager  string
	Current  bool
	Unknown  string
	Deferred string
	Refused  *plan.Refusal
	// Drift is who changed which fields.
	Drift     *struct{ By, Fields string }
	Added     bool
	Health    string
	Ended     health.Status
	Contested string
	Rival     string
	Late      bool
}

// TestYield lets an object go that another process's app wants, and takes that back when Git wants it again.
func TestYield(t *testing.T) {
	o := object.New(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": "moved"}})
	o = web.Mark(o)
	k := o.Key()
	batches, err := order.Batches([]object.Object{o})
	if err != nil {
		t.Fatal(err)
	}
	in := plan.Input{
		App: web, Rendered: true, Claims: app.Claims{k: {Key: k, Version: "v1", Want: o.Hash(), Print: "p"}},
		Seen:   map[object.Key]plan.Sighting{k: {State: plan.Present, Live: o}},
		Census: plan.Census{Elsewhere: map[object.Key]app.Owner{k: {Namespace: "shop", Name: "prod-api"}}},
	}
	if p := plan.Compute(in); p.Claims[k].Yielded || len(p.Leaving) != 1 {
		t.Errorf("to an app of the same process it is yielded: %t\n%s", p.Claims[k].Yielded, p)
	}
	in.Census.Foreign = map[object.Key]bool{k: true}
	p := plan.Compute(in)
	if !p.Claims[k].Yielded || len(p.Leaving) != 1 || len(p.Next()) > 0 {
		t.Errorf("to an app of another process it is yielded: %t\n%s", p.Claims[k].Yielded, p)
	}
	in.Claims, in.Want, in.Census = p.Claims, batches, plan.Census{}
	in.Seen[k] = plan.Sighting{State: plan.Current}
	if p := plan.Compute(in); p.Claims[k].Yielded {
		t.Errorf("wanted again, it is still yielded:\n%s", p)
	}
	in.Seen[k] = plan.Sighting{State: plan.Unknown, Why: "waits for app shop/prod-api to let it go"}
	if p := plan.Compute(in); p.Claims[k].Yielded || len(p.Next()) > 0 || p.Applied() {
		t.Errorf("what another one keeps is not left alone:\n%s", p)
	}
}

func input(t *testing.T, ar *txtar.Archive) plan.Input {
	t.Helper()
	var s state
	objs := map[string]map[object.Key]object.Object{}
	for _, f := range ar.Files {
		if f.Name == "state" {
			if err := yaml.Unmarshal(f.Data, &s); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasSuffix(f.Name, ".yaml") {
			continue
		}
		list, err := object.Parse(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		objs[f.Name] = map[object.Key]object.Object{}
		for _, o := range list {
			objs[f.Name][o.Key()] = o
		}
	}
	var want, placed []object.Object
	hooks := plan.Hooks{Of: map[object.Key]app.Hook{}, Run: s.Hooks.Run, On: app.Occasion(s.Hooks.On), FailedRun: s.Hooks.Failed, Over: s.Hooks.Over}
	for _, o := range objs["want.yaml"] {
		o = web.Mark(o)
		want = append(want, o)
		h := app.HookOf(o)
		if !h.IsZero() {
			hooks.Of[o.Key()], hooks.All = h, append(hooks.All, o)
		}
		if h.IsOnly(app.Deletion) && hooks.On != app.Deletion {
			delete(hooks.Of, o.Key())
			hooks.All = hooks.All[:len(hooks.All)-1]
		}
		if h.IsZero() || h.Has(app.Upgrade, app.During) {
			placed = append(placed, o)
		}
		if h.Has(app.Rollback, app.OnFailure) && s.Hooks.Failed != "" {
			hooks.Failed = append(hooks.Failed, o)
		}
	}
	slices.SortFunc(hooks.All, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	batches, err := order.Batches(placed)
	if err != nil {
		t.Fatal(err)
	}
	in := plan.Input{
		App: web, Rendered: !s.Unrendered, Want: batches, Seen: map[object.Key]plan.Sighting{}, Claims: app.Claims{},
		Policy: app.Policy{Suspended: s.Suspended, ReportDrift: s.Report, Apart: s.Apart}, Approved: s.Approved, Held: s.Held, Blocked: s.Blocked, Hooks: hooks,
		Census: plan.Census{Waiting: s.Waiting, Over: s.Over, Elsewhere: map[object.Key]app.Owner{}, Suspect: map[object.Key]string{}},
	}
	keys := map[string]object.Key{}
	for _, set := range objs {
		for k := range set {
			keys[k.String()] = k
		}
	}
	for name := range s.Objects {
		if _, ok := keys[name]; !ok {
			kind, rest, _ := strings.Cut(name, " ")
			ns, n, _ := strings.Cut(rest, "/")
			keys[name] = object.Key{Kind: kind, Namespace: ns, Name: n}
		}
	}
	for name, owner := range s.Elsewhere {
		in.Census.Elsewhere[keys[name]] = ownerOf(owner)
	}
	for name, why := range s.Suspect {
		in.Census.Suspect[keys[name]] = why
	}
	for name, k := range keys {
		x := s.Objects[name]
		in.Seen[k] = x.sight(k, objs)
		if x.Claimed != "" {
			in.Claims[k] = x.claim(k, objs, want)
		}
	}
	return in
}

func (x sighting) claim(k object.Key, objs map[string]map[object.Key]object.Object, want []object.Object) app.Claim {
	c := app.Claim{Key: k, Version: "v1", Want: "old", Print: "old", Confirmed: x.Confirmed, Wave: x.Wave}
	for _, o := range want {
		if o.Key() == k && (x.Claimed == "same" || x.Claimed == "foretold") {
			c.Want = o.Hash()
		}
	}
	if a, ok := objs["applied.yaml"][k]; ok {
		c.Want = web.Mark(a).Hash()
	}
	if c.Begun = x.Claimed == "foretold"; x.Run != "" {
		c.Run, c.Ended, c.Why = x.Run, string(x.Ended), x.Why
	}
	if x.Claimed == "begun" || x.Run != "" {
		c.Want, c.Print, c.Begun = "", "", x.Claimed == "begun"
	}
	return c
}

func (x sighting) sight(k object.Key, objs map[string]map[object.Key]object.Object) plan.Sighting {
	s := plan.Sighting{State: plan.Absent, Refusal: x.Refused, Contested: x.Contested, Rival: ownerOf(x.Rival), Ended: x.Ended, Late: x.Late}
	if live, ok := objs["live.yaml"][k]; ok {
		s.State, s.Live = plan.Present, x.live(live)
		s.Predicted = applied(merged(s.Live, objs["want.yaml"][k]), app.Manager)
	}
	if p, ok := objs["predicted.yaml"][k]; ok {
		s.Predicted = applied(web.Mark(p), app.Manager)
	}
	if a, ok := objs["applied.yaml"][k]; ok {
		s.Applied = web.Mark(a)
	}
	if x.Current {
		s.State = plan.Current
	}
	if x.Unknown+x.Deferred != "" {
		s.State, s.Why, s.Deferred = plan.Unknown, x.Unknown+x.Deferred, x.Deferred != ""
	}
	if x.Drift != nil {
		s.Drifted, s.Edit = true, fingerprint.Edit{Manager: x.Drift.By, Operation: "Update", Additions: x.Added}
		for _, f := range strings.Fields(x.Drift.Fields) {
			s.Edit.Fields = append(s.Edit.Fields, fingerprint.Path(f))
		}
	}
	status, message, _ := strings.Cut(x.Health, ": ")
	s.Health = health.Verdict{Status: health.Healthy}
	if status != "" {
		s.Health = health.Verdict{Status: health.Status(status), Message: message}
	}
	return s
}

func (x sighting) live(o object.Object) object.Object {
	switch {
	case x.Owner == "":
		o = web.Mark(o)
	case x.Owner != "none":
		other := ownerOf(x.Owner)
		o = o.With(other.Name, "metadata", "labels", app.LabelApp).With(other.Namespace, "metadata", "labels", app.LabelNamespace)
	}
	if o.UID() == "" {
		o = o.With("uid-"+o.Name(), "metadata", "uid")
	}
	manager := x.Manager
	if manager == "" {
		manager = app.Manager
	}
	return applied(o, manager)
}

// applied gives an object the managedFields that an apply of its data leaves.
func applied(o object.Object, manager string) object.Object {
	data := map[string]any{}
	if m, ok := o.At("data").(map[string]any); ok {
		for k := range m {
			data["f:"+k] = map[string]any{}
		}
	}
	entry := map[string]any{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:data": data}}
	return o.With([]any{entry}, "metadata", "managedFields")
}

// merged is a live object with all that a want says.
func merged(live, want object.Object) object.Object {
	if want.IsZero() {
		return live
	}
	out := live
	for k, v := range web.Mark(want).Content() {
		if k != "metadata" {
			out = out.With(v, k)
		}
	}
	for _, part := range []string{"labels", "annotations"} {
		m, _ := web.Mark(want).At("metadata", part).(map[string]any)
		for k, v := range m {
			out = out.With(v, "metadata", part, k)
		}
	}
	return out
}

func ownerOf(text string) app.Owner {
	ns, name, _ := strings.Cut(text, "/")
	return app.Owner{Namespace: ns, Name: name}
}

func describe(in plan.Input, p plan.Plan) string {
	var b strings.Builder
	b.WriteString(p.String())
	var next []string
	for _, s := range p.Next() {
		text := string(s.Do) + " " + s.Key.String()
		if s.Run != "" {
			text += " (" + s.Run + ")"
		}
		if s.Do == plan.Run && !s.Live.IsZero() {
			text += " (anew)"
		}
		if s.Takeover {
			text += " (taking over)"
		}
		next = append(next, text)
	}
	fmt.Fprintf(&b, "next: %s\n", orNone(strings.Join(next, ", ")))
	var changes []string
	for _, k := range p.Claims.Keys() {
		switch was, before := in.Claims[k]; {
		case !before:
			changes = append(changes, "+ "+k.String())
		case p.Claims[k].Confirmed != was.Confirmed:
			changes = append(changes, fmt.Sprintf("confirmed %t %s", p.Claims[k].Confirmed, k))
		case was.Begun && !p.Claims[k].Begun:
			changes = append(changes, "done "+k.String())
		case p.Claims[k].Run != was.Run:
			changes = append(changes, fmt.Sprintf("run %q %s", p.Claims[k].Run, k))
		case p.Claims[k].Ended != was.Ended:
			changes = append(changes, fmt.Sprintf("ended %s %s", p.Claims[k].Ended, k))
		}
	}
	for _, k := range in.Claims.Keys() {
		if _, kept := p.Claims[k]; !kept {
			changes = append(changes, "- "+k.String())
		}
	}
	if len(changes) > 0 {
		fmt.Fprintf(&b, "claims: %s\n", strings.Join(changes, ", "))
	}
	fmt.Fprintf(&b, "applied %t, done %t\n", p.Applied(), p.Done())
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
