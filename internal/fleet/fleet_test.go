package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/object"
)

var prod = fleet.Environment{Namespace: "shop", Name: "prod"}

func name(s string) app.Name { return app.Name{Namespace: "shop", Environment: "prod", App: s} }

func names(list ...string) (out []app.Name) {
	for _, s := range list {
		out = append(out, name(s))
	}
	return out
}

func key(s string) object.Key { return object.Key{Kind: "ConfigMap", Namespace: "shop", Name: s} }

// keys are n keys that begin with a prefix.
func keys(prefix string, n int) (out []object.Key) {
	for i := range n {
		out = append(out, key(fmt.Sprintf("%s-%d", prefix, i)))
	}
	return out
}

// world is a fleet and what its apps claim.
type world struct {
	*fleet.Fleet
	claims map[app.Name]app.Claims
}

func open() *world {
	w := &world{claims: map[app.Name]app.Claims{}}
	w.Fleet = fleet.New(func(n app.Name) app.Claims { return w.claims[n] })
	return w
}

func (w *world) claim(n app.Name, confirmed bool, list ...object.Key) {
	c := app.Claims{}
	for k, v := range w.claims[n] {
		c[k] = v
	}
	for _, k := range list {
		c[k] = app.Claim{Key: k, Confirmed: confirmed}
	}
	w.claims[n] = c
}

func unbound() fleet.Budget { return fleet.Budget{MaxObjects: -1, MaxPercent: -1} }

// read tells that an app was found and read.
func (w *world) read(n app.Name, want ...object.Key) { w.Wants(n, w.Round(n), want) }

func TestWaitsForEveryApp(t *testing.T) {
	w := open()
	says := func(want string) {
		t.Helper()
		got := w.Census(name("a"), keys("x", 1)).Waiting
		if got != want || w.Idle() != (want == "") {
			t.Errorf("waiting is %q, want %q; idle is %t", got, want, w.Idle())
		}
	}
	says("")
	w.Stale(prod)
	says("waits until the apps of environment prod are found: one of them may want it")
	w.Stale(fleet.Environment{Namespace: "shop", Name: "staging"})
	says("waits until the apps of all environments are found: one of them may want it")
	w.Unfound(fleet.Environment{Namespace: "shop", Name: "staging"})
	w.Found(prod, unbound(), names("a", "b", "c"), names("a", "b", "c"), nil)
	says("waits until all apps are read: one of them may want it")
	w.read(name("a"), key("1"))
	w.Broken(name("b"), w.Round(name("b")), "bad YAML", nil)
	says("waits until app prod-c is read: it may want it")
	w.read(name("c"))
	says("")

	old := w.Round(name("c"))
	w.Found(prod, unbound(), names("a", "b", "c"), names("c"), nil)
	says("waits until app prod-c is read: it may want it")
	w.Wants(name("c"), old, nil)
	says("waits until app prod-c is read: it may want it") // that was the commit before
	w.Found(prod, unbound(), names("a", "b"), nil, names("c"))
	says("")
	w.Stale(prod)
	w.Drop(prod)
	says("")
}

// What is heard late of an app that is gone must not bring it back: nobody would ever read it.
func TestLateNews(t *testing.T) {
	late := func(w *world) {
		w.Wants(name("a"), w.Round(name("a")), keys("x", 1))
		w.Broken(name("a"), 0, "why", func(object.Key) bool { return true })
		w.Needs(name("a"), []string{"b"})
		w.Ready(name("a"), true)
	}
	for what, end := range map[string]func(*world){
		"dropped": func(w *world) { w.Drop(prod) },
		"gone":    func(w *world) { w.Gone(name("a")) },
		"removed": func(w *world) { w.Found(prod, unbound(), nil, nil, names("a")) },
	} {
		w := open()
		w.Found(prod, unbound(), names("a"), names("a"), nil)
		w.read(name("a"), keys("x", 1)...)
		end(w)
		late(w)
		c := w.Census(name("z"), keys("x", 1))
		if c.Waiting != "" || len(c.Elsewhere) > 0 || len(c.Suspect) > 0 || !w.Idle() || w.Waits(name("a")) != "" && what != "removed" {
			t.Errorf("%s: %+v, waits %q", what, c, w.Waits(name("a")))
		}
	}
}

func TestElsewhere(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("a", "b", "c"), names("a", "b", "c"), nil)
	w.read(name("c"), key("moved"))
	w.read(name("b"), key("moved"), key("mine"))
	w.read(name("a"), key("other"))
	c := w.Census(name("a"), []object.Key{key("moved"), key("gone"), key("other")})
	if len(c.Elsewhere) != 1 || c.Elsewhere[key("moved")] != name("b").Owner() {
		t.Errorf("elsewhere: %v", c.Elsewhere)
	}
	w.read(name("b"))
	w.Gone(name("c"))
	if c = w.Census(name("a"), keys("moved", 1)); len(c.Elsewhere) > 0 {
		t.Errorf("elsewhere when nobody wants it any more: %v", c.Elsewhere)
	}
}

func TestTaken(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("a", "b"), names("a", "b"), nil)
	w.read(name("a"), key("x"))
	w.read(name("b"), key("x"))
	round := w.Round(name("a"))
	says := func(when, want string) {
		t.Helper()
		if by, taken := w.Taken(name("a"), round, key("x")); taken != (want != "") || taken && by != name(want).Owner() {
			t.Errorf("%s: taken by %s: %t, want %q", when, by, taken, want)
		}
	}
	says("both want it", "")
	w.Stale(prod)
	says("the environment may have changed", "b")
	w.Found(prod, unbound(), names("a", "b"), nil, nil)
	says("it has not", "")
	w.Found(prod, unbound(), names("a", "b"), names("a"), nil)
	says("the app has changed", "b")
	w.Found(prod, unbound(), nil, nil, names("a"))
	says("the app is gone", "b")
	w.read(name("b"))
	says("nobody wants it", "")
	w.read(name("b"), key("x"))
	w.Gone(name("a"))
	says("the app is no more", "b")
}

func TestOvertaken(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("a", "b"), names("a", "b"), nil)
	old := w.Round(name("a"))
	says := func(when string, want bool) {
		t.Helper()
		if got := w.Overtaken(name("a"), old); got != want {
			t.Errorf("%s: overtaken: %t", when, got)
		}
	}
	says("it was found once", false)
	w.Found(prod, unbound(), names("a", "b"), names("b"), nil)
	says("another app has changed", false)
	w.Found(prod, unbound(), names("a", "b"), names("a"), nil)
	says("it has changed", true)
	w.read(name("a"))
	says("and was read", true)
	old = w.Round(name("a"))
	says("in that round", false)
	leaves := func(when string, want bool) {
		t.Helper()
		if got := w.Leaves(name("a")); got != want {
			t.Errorf("%s: it leaves: %t", when, got)
		}
	}
	leaves("it is found", false)
	w.Found(prod, unbound(), nil, nil, names("a"))
	says("it is gone", true)
	leaves("it is gone", true)
	w.Found(prod, unbound(), names("a"), names("a"), nil)
	leaves("it is back", false)
	w.Gone(name("a"))
	leaves("nobody knows it", false)
}

func TestSuspect(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("a", "b", "c"), names("a", "b", "c"), nil)
	w.read(name("a"))
	mentions := func(k object.Key) bool { return k.Name == "moved" }
	w.Broken(name("b"), w.Round(name("b")), strings.Repeat("x", 1000), mentions)
	if c := w.Census(name("a"), []object.Key{key("moved")}); len(c.Suspect) > 0 {
		t.Errorf("while app c is unread: %+v", c)
	}
	w.Broken(name("c"), w.Round(name("c")), "no files", nil)
	c := w.Census(name("a"), []object.Key{key("moved"), key("gone")})
	want := "app prod-b cannot be read (" + strings.Repeat("x", 200) + "…) and its files mention the object, so it may have moved there: mend that app"
	if len(c.Suspect) != 1 || c.Suspect[key("moved")] != want {
		t.Errorf("suspect: %v", c.Suspect)
	}
	if c := w.Census(name("b"), []object.Key{key("moved")}); len(c.Suspect) > 0 {
		t.Errorf("an app is suspected of its own objects: %v", c.Suspect)
	}
	w.read(name("b"))
	if c := w.Census(name("a"), []object.Key{key("moved")}); len(c.Suspect) > 0 {
		t.Errorf("when mended: %v", c.Suspect)
	}
}

func TestBudget(t *testing.T) {
	bound := func(objects, percent int) fleet.Budget { return fleet.Budget{MaxObjects: objects, MaxPercent: percent} }
	for what, test := range map[string]struct {
		budget    fleet.Budget
		claimed   int // by app a
		kept      int // of them
		confirmed int
		moved     int // to app b
		removed   bool
		broken    bool
		over      string
	}{
		"nothing goes":                 {budget: bound(0, 0), claimed: 20, kept: 20},
		"no bounds":                    {budget: unbound(), claimed: 100},
		"as many as may":               {budget: bound(50, -1), claimed: 50},
		"one more than may":            {budget: bound(50, -1), claimed: 51, over: "51 objects of environment prod would be deleted, more than sync.prune.maxObjects (50)"},
		"none may":                     {budget: bound(0, -1), claimed: 20, kept: 19, over: "1 objects of environment prod would be deleted, more than sync.prune.maxObjects (0)"},
		"ten are within any percent":   {budget: bound(-1, 0), claimed: 10},
		"eleven are not":               {budget: bound(-1, 0), claimed: 11, over: "11 of the 111 objects of environment prod would be deleted, more than sync.prune.maxPercent (0)"},
		"just the percentage":          {budget: bound(-1, 25), claimed: 100, kept: 50},
		"past the percentage":          {budget: bound(-1, 25), claimed: 100, kept: 49, over: "51 of the 200 objects of environment prod would be deleted, more than sync.prune.maxPercent (25)"},
		"confirmed ones do not count":  {budget: bound(5, -1), claimed: 20, confirmed: 15},
		"moved ones do not count":      {budget: bound(5, -1), claimed: 20, moved: 15},
		"a directory that is removed":  {budget: bound(50, 25), claimed: 20, removed: true},
		"a large one that is removed":  {budget: bound(50, -1), claimed: 60, removed: true, over: "60 objects of environment prod would be deleted, more than sync.prune.maxObjects (50)"},
		"a broken app deletes nothing": {budget: bound(0, 0), claimed: 60, broken: true},
	} {
		w := open()
		w.Found(prod, test.budget, names("a", "b"), names("a", "b"), nil)
		all, others := keys("a", test.claimed), keys("b", 100)
		w.claim(name("a"), false, all...)
		w.claim(name("a"), true, all[test.kept:test.kept+test.confirmed]...)
		w.claim(name("b"), false, others...)
		w.read(name("b"), slices.Concat(others, all[test.kept:test.kept+test.moved])...)
		switch {
		case test.removed:
			w.Found(prod, test.budget, names("b"), nil, names("a"))
		case test.broken:
			w.Broken(name("a"), w.Round(name("a")), "bad", nil)
		default:
			w.read(name("a"), all[:test.kept]...)
		}
		if c := w.Census(name("a"), all[test.kept:]); c.Over != test.over || c.Waiting != "" {
			t.Errorf("%s: %q (%s), want %q", what, c.Over, c.Waiting, test.over)
		}
		w.Stale(prod)
		if c := w.Census(name("a"), all[test.kept:]); c.Over != "" {
			t.Errorf("%s: %q is said while apps are unread", what, c.Over)
		}
	}
}

func TestWholeEnvironmentGone(t *testing.T) {
	w := open()
	w.claim(name("a"), false, keys("x", 3)...)
	w.Found(prod, unbound(), nil, nil, names("a"))
	want := "Git no longer has any app of environment prod, 3 objects would be deleted"
	if c := w.Census(name("a"), keys("x", 3)); c.Over != want {
		t.Errorf("over is %q, want %q", c.Over, want)
	}
	w.Found(prod, fleet.Budget{Everything: true}, nil, nil, names("a"))
	if c := w.Census(name("a"), keys("x", 3)); c.Over != "" {
		t.Errorf("a person asked for it: %q", c.Over)
	}
}

func TestClaims(t *testing.T) {
	w := open()
	owner := name("a").Owner()
	unread := false
	asks := func(want bool, when string) {
		t.Helper()
		if got, gotUnread := w.Claims(owner, key("x")); got != want || gotUnread != unread {
			t.Errorf("%s: %t, unread %t", when, got, gotUnread)
		}
	}
	asks(false, "no such app")
	w.Found(prod, unbound(), names("a"), names("a"), nil)
	unread = true
	asks(true, "not read, and what it claims may have been told late")
	w.claim(name("a"), false, key("x"))
	asks(true, "not read, claimed")
	unread = false
	w.read(name("a"))
	asks(false, "read, and not wanted")
	w.read(name("a"), key("x"))
	asks(true, "wanted")
	w.Found(prod, unbound(), names("a"), names("a"), nil)
	unread = true
	asks(true, "wanted, and changed since")
	unread = false
	w.read(name("a"))
	w.Broken(name("a"), w.Round(name("a")), "bad", nil)
	asks(true, "broken, claimed")
	w.Found(prod, unbound(), nil, nil, names("a"))
	asks(false, "removed")
	w.Found(prod, unbound(), names("a"), names("a"), nil)
	unread = true
	asks(true, "back, not read yet")
	unread = false
	w.Gone(name("a"))
	asks(false, "gone")
}

func TestDepends(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("a", "b", "c", "d", "e", "self", "free"), nil, nil)
	w.Needs(name("a"), []string{"b", "c"})
	w.Needs(name("c"), []string{"d"})
	w.Needs(name("d"), []string{"c"})
	w.Needs(name("e"), []string{"databse"})
	w.Needs(name("self"), []string{"self"})
	w.Found(prod, unbound(), names("database"), nil, nil)
	says := func(n, want string) {
		t.Helper()
		if got := w.Waits(name(n)); got != want {
			t.Errorf("%s: %q, want %q", n, got, want)
		}
	}
	says("a", "waits for app b to be ready")
	says("c", "dependsOn goes round in a circle: c → d → c")
	says("d", "dependsOn goes round in a circle: c → d → c")
	says("e", "depends on app databse, which environment prod does not have: did you mean database?")
	says("self", "dependsOn goes round in a circle: self → self")
	says("free", "")
	says("nobody", "")

	wake := w.Ready(name("b"), true)
	if !slices.Equal(wake, names("a")) || w.Ready(name("b"), true) != nil {
		t.Errorf("woken by b: %v", wake)
	}
	says("a", "waits for app c to be ready")
	w.Needs(name("d"), nil)
	says("c", "waits for app d to be ready")
	w.Ready(name("d"), true)
	w.Ready(name("c"), true)
	says("a", "")
	w.Found(prod, unbound(), nil, names("c"), nil)
	says("a", "waits for app c to be ready") // it has changed
	w.Found(prod, unbound(), nil, nil, names("b"))
	says("a", "depends on app b, which environment prod does not have")
}

func TestACircleConcernsAllInIt(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("a", "b", "c"), nil, nil)
	w.Needs(name("a"), []string{"b"})
	if got := w.Needs(name("b"), []string{"a"}); !slices.Equal(got, names("a")) {
		t.Errorf("the app that closes a circle wakes %v, want the one that it closes it with", got)
	}
	if got := w.Needs(name("b"), []string{"a"}); got != nil {
		t.Errorf("needs that did not change wake %v, want nobody", got)
	}
}

func TestApps(t *testing.T) {
	w := open()
	w.Found(prod, unbound(), names("b", "a"), nil, names("c"))
	if got := w.Apps(prod); !slices.Equal(got, names("a", "b", "c")) {
		t.Errorf("%v", got)
	}
	dropped := w.Drop(prod)
	if len(dropped) != 3 || w.Apps(prod) != nil || w.Drop(prod) != nil {
		t.Errorf("after Drop: %v, %v", dropped, w.Apps(prod))
	}
}

// five thousand apps with ten objects each, all read; app 0 wants none of its own.
func large() *world {
	w := open()
	var all []app.Name
	for i := range 5000 {
		all = append(all, name(fmt.Sprintf("app-%d", i)))
	}
	w.Found(prod, fleet.Budget{MaxObjects: 50, MaxPercent: 25}, all, all, nil)
	for i, n := range all {
		mine := keys(fmt.Sprint(i), 10)
		w.claim(n, false, mine...)
		if i == 0 {
			mine = nil
		}
		w.read(n, mine...)
	}
	return w
}

func BenchmarkCensus(b *testing.B) {
	w := large()
	mine := keys("0", 10)
	for b.Loop() {
		w.Census(name("app-0"), mine)
	}
}

// Every deletion changes the claims of one app.
func BenchmarkCensusAfterChange(b *testing.B) {
	w := large()
	mine := keys("0", 10)
	i := 0
	for b.Loop() {
		i++
		w.claim(name(fmt.Sprintf("app-%d", 1+i%4999)), false)
		w.Census(name("app-0"), mine)
	}
}

func BenchmarkClaims(b *testing.B) {
	w := large()
	for b.Loop() {
		w.Claims(name("app-77").Owner(), key("77-1"))
	}
}
