package test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

var (
	soakTime = flag.Duration("soak", 20*time.Second, "for how long TestSoak goes on")
	soakSeed = flag.Uint64("seed", 1, "what TestSoak does, and when")
)

// TestSoak commits, edits and deletes at random, while replicas are killed and what they talk to is slow, loses, and dies. Now and then all that stops: then the
// cluster has to be what Git says, nothing may have been deleted that Git wants or that a person made, whatever stayed is the object that it was, and
// the replica that was never killed has no more goroutines and not much more memory than before.
func TestSoak(t *testing.T) {
	s := newSoak(t, *soakSeed)
	t.Logf("seed %d, for %s", *soakSeed, *soakTime)
	s.check()
	pause := min(max(*soakTime/10, 8*time.Second), time.Minute)
	began := time.Now()
	for time.Since(began) < *soakTime {
		for until := time.Now().Add(pause); time.Now().Before(until); {
			s.act()
			s.restore(false)
			select {
			case <-time.After(s.some(50, 400) * time.Millisecond): // people take their time
			case <-t.Context().Done():
				t.Fatal(t.Context().Err())
			}
		}
		s.restore(true)
		s.check()
		s.sample(time.Since(began))
		if t.Failed() {
			return
		}
	}
	s.flat()
}

// soak is what there should be, and what was done for it to come about.
type soak struct {
	place
	g              *gate
	rnd            *rand.Rand
	steady, victim *testkit.Controller // the one is never killed

	apps  map[string]map[string]int // by app and object: its value
	names int                       // how many there were
	mine  []string                  // what a person made
	uids  map[string]string         // of what is there since the last check, and was not deleted by hand
	due   []undo                    // faults that end by themselves
	down  time.Time                 // when a replica that was killed may start

	last     []string // what was done last
	done     map[string]int
	samples  []sample
	released int // commits that apps tell of
	again    int // those of which they tell more than once
}

type undo struct {
	at time.Time
	do func()
}

type sample struct{ goroutines, resident float64 }

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	replica := func(noWait bool) *testkit.Controller {
		return plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), Lease: lease, NoWait: noWait})
	}
	w := world{home: t, plane: plane, ctl: replica(false)}
	s := &soak{
		place: w.place(t, "soak"), g: g, rnd: rand.New(rand.NewPCG(seed, seed)), steady: w.ctl, victim: replica(true), //nolint:gosec // repeatable
		apps: map[string]map[string]int{}, uids: map[string]string{}, done: map[string]int{},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d; the last that was done:\n%s", seed, strings.Join(s.last, "\n"))
			t.Logf("log of the other replica:\n%s", s.victim.Tail("", 40))
		}
	})
	files := map[string]string{}
	for range 6 {
		a := s.name("app")
		s.apps[a] = map[string]int{}
		for range 4 {
			files[s.file(a, s.add(a))] = ""
		}
	}
	for file := range files {
		files[file] = s.text(file)
	}
	s.Git.Commit(t, "main", "first", gitserver.Files(files))
	s.Environment(t, "prod", "apps/*", map[string]any{"sync.prune": map[string]any{"maxObjects": int64(1000), "maxPercent": int64(100)}})
	return s
}

func (s *soak) some(least, most int) time.Duration {
	return time.Duration(least + s.rnd.IntN(most-least))
}

func (s *soak) name(kind string) string {
	s.names++
	return fmt.Sprintf("%s%d", kind, s.names)
}

func (s *soak) file(a, object string) string { return "apps/" + a + "/" + object + ".yaml" }

func (s *soak) text(file string) string {
	a, object := path.Base(path.Dir(file)), strings.TrimSuffix(path.Base(file), ".yaml")
	return told(object, fmt.Sprint(len(object)%2), fmt.Sprint("value", s.apps[a][object]))
}

func (s *soak) add(a string) string {
	object := s.name("object")
	s.apps[a][object] = 0
	return object
}

// one is an app at random, with an object of it.
func (s *soak) one() (a, object string) {
	a = pick(s.rnd, slices.Sorted(maps.Keys(s.apps)))
	return a, pick(s.rnd, slices.Sorted(maps.Keys(s.apps[a])))
}

func pick[T any](rnd *rand.Rand, of []T) T { return of[rnd.IntN(len(of))] }

// did notes what was done.
func (s *soak) did(kind, format string, args ...any) {
	s.done[kind]++
	s.last = append(s.last, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	s.last = s.last[max(0, len(s.last)-40):]
}

// act does something.
func (s *soak) act() {
	s.t.Helper()
	switch n := s.rnd.IntN(100); {
	case n < 45:
		s.commit()
	case n < 80:
		s.person()
	default:
		s.fault()
	}
}

// commit changes some of what Git says, and mostly tells a replica.
func (s *soak) commit() {
	s.t.Helper()
	var changes []gitserver.Change
	what := ""
	write := func(a, object string) {
		changes = append(changes, gitserver.Write(s.file(a, object), s.text(s.file(a, object))))
	}
	a, object := s.one()
	switch n := s.rnd.IntN(10); {
	case n < 4:
		s.apps[a][object]++
		write(a, object)
		what = "change " + object + " of " + a
	case n < 6 && len(s.apps[a]) < 8:
		object = s.add(a)
		write(a, object)
		what = "add " + object + " to " + a
	case n < 7 && len(s.apps[a]) > 1:
		delete(s.apps[a], object)
		changes, what = append(changes, gitserver.Delete(s.file(a, object))), "remove "+object+" from "+a
	case n < 8 && len(s.apps[a]) > 1:
		to := pick(s.rnd, slices.Sorted(maps.Keys(s.apps)))
		s.apps[to][object] = s.apps[a][object] + 1
		if to != a {
			delete(s.apps[a], object)
			changes = append(changes, gitserver.Delete(s.file(a, object)))
		}
		write(to, object)
		what = "move " + object + " from " + a + " to " + to
	case n < 9 && len(s.apps) < 10:
		a = s.name("app")
		s.apps[a] = map[string]int{}
		for range 3 {
			write(a, s.add(a))
		}
		what = "add " + a
	case len(s.apps) > 4:
		delete(s.apps, a)
		changes, what = append(changes, gitserver.Delete("apps/"+a)), "remove "+a
	default:
		return
	}
	c := s.Git.Commit(s.t, "main", what, changes...)
	s.did("commits", "commit %s: %s", c.Short(), what)
	if s.rnd.IntN(10) > 0 {
		s.tell(pick(s.rnd, []*testkit.Controller{s.steady, s.victim}))
	}
}

// tell sends a webhook to a replica, which may not be able to take it.
func (s *soak) tell(c *testkit.Controller) {
	if !c.Running() {
		c = s.steady
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	_ = s.Hook(ctx, c)
}

// person does something by hand.
func (s *soak) person() {
	ctx := s.t.Context()
	_, object := s.one()
	var err error
	switch n := s.rnd.IntN(10); {
	case n < 6:
		err = s.objs.Patch(ctx, "kubectl-edit", s.Namespace, "configmap/"+object, `{data: {of: hand}}`, "")
		s.did("edits", "edit %s: %v", object, err)
	case n < 8:
		delete(s.uids, object)
		err = s.objs.Delete(ctx, s.Namespace, "configmap/"+object)
		s.did("edits", "delete %s by hand: %v", object, err)
	default:
		name := s.name("mine")
		if err = s.objs.Apply(ctx, s.Namespace, config(name)); err == nil {
			s.mine = append(s.mine, name)
		}
		s.did("edits", "create %s: %v", name, err)
	}
}

// fault breaks something for a while.
func (s *soak) fault() {
	s.t.Helper()
	later := func(do func()) {
		s.due = append(s.due, undo{time.Now().Add(s.some(500, 6000) * time.Millisecond), do})
	}
	anything := oneOf(3, s.rnd.Uint64())
	switch n := s.rnd.IntN(20); {
	case n < 6 && s.victim.Running():
		s.did("faults", "kill a replica")
		s.victim.Kill()
		s.down = time.Now().Add(s.some(0, 4000) * time.Millisecond)
	case n < 13:
		kind := pick(s.rnd, []string{"slow", "unsent", "unheard", "cut"})
		s.did("faults", "requests are %s", kind)
		switch kind {
		case "slow":
			s.g.guard(anything, slow(s.rnd.Uint64(), 500*time.Millisecond))
		case "unsent":
			s.g.guard(first(40, anything), unsent)
		case "unheard":
			s.g.guard(first(40, anything), unheard)
		case "cut":
			s.g.guard(first(40, anything), cut)
		}
		later(s.g.open)
	case n < 16:
		code := pick(s.rnd, []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusForbidden})
		s.did("faults", "Git answers %d", code)
		s.Git.Fail(code, map[string]string{"Retry-After": "1"})
		later(s.Git.Serve)
	case n < 18:
		s.did("faults", "etcd is compacted, and connections break")
		s.Plane.Compact(s.t)
		s.g.server.CloseClientConnections()
	case n < 19:
		s.did("faults", "the API server is killed and started")
		s.Plane.APIServer(s.t, "restart")
	}
}

// restore ends the faults whose time has come, or all. A replica that ended is started again, as a Deployment does: one that starts while its first requests
// are lost gives up.
func (s *soak) restore(all bool) {
	if (all || time.Now().After(s.down)) && !s.victim.Running() {
		s.did("starts", "start a replica again")
		s.victim.Start(s.t)
	}
	s.due = slices.DeleteFunc(s.due, func(u undo) bool {
		if !all && time.Now().Before(u.at) {
			return false
		}
		u.do()
		return true
	})
}

// check waits until the cluster is what Git says, and looks at what happened until then.
func (s *soak) check() {
	s.t.Helper()
	s.did("checks", "check")
	s.g.open()
	s.Git.Serve()
	s.tell(s.steady)
	s.tell(s.victim)
	testkit.Eventually(s.t, func(ctx context.Context) error {
		s.restore(true)
		return s.settled(ctx)
	})

	is := map[string]string{}
	list, err := s.objs.List(s.t.Context(), s.Namespace, "configmaps")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range list {
		is[u.GetName()] = string(u.GetUID())
	}
	for object, was := range s.uids {
		if s.wants(object) && is[object] != was {
			s.t.Errorf("%s is not the object that it was", object)
		}
	}
	s.uids = map[string]string{}
	for _, objects := range s.apps {
		for object := range objects {
			s.uids[object] = is[object]
		}
	}
	for _, name := range s.mine {
		if is[name] == "" {
			s.t.Errorf("%s, which a person made, is gone", name)
		}
	}
	s.deletions()
	s.events()
}

func (s *soak) wants(object string) bool {
	for _, objects := range s.apps {
		if _, ok := objects[object]; ok {
			return true
		}
	}
	return false
}

// settled returns nil if the cluster, the statuses and the ledger are what Git says.
func (s *soak) settled(ctx context.Context) error {
	head, err := s.Git.Head(ctx, "main")
	if err != nil {
		return err
	}
	want := fmt.Sprintf("%s %d %d True", head.Short(), len(s.apps), len(s.apps))
	if err := s.Is(ctx, "environments.fairlead.dev/prod", `{.status.commit} {.status.apps.total} {.status.apps.ready} {.status.conditions[?(@.type=="Ready")].status}`, want); err != nil {
		return err
	}
	list, err := s.objs.List(ctx, s.Namespace, "configmaps")
	if err != nil {
		return err
	}
	is := map[string]string{}
	for i := range list {
		u := &list[i]
		if owner := u.GetLabels()[app.LabelApp]; owner != "" {
			value, _ := testkit.Field(u, ".data.of")
			is[u.GetName()] = owner + " " + value
		}
	}
	for a, objects := range s.apps {
		for object, value := range objects {
			if want := fmt.Sprintf("prod-%s value%d", a, value); is[object] != want {
				return fmt.Errorf("%s is %q, want %q", object, is[object], want)
			}
			delete(is, object)
		}
	}
	if len(is) > 0 {
		return fmt.Errorf("left over: %v", is)
	}
	return s.recorded(ctx)
}

// recorded returns nil if the ledger claims just what Git says.
func (s *soak) recorded(ctx context.Context) error {
	all, broken, err := ledger.Open(s.Plane.Kube.CoreV1().Secrets(testkit.Namespace)).List(ctx)
	if err != nil || len(broken) > 0 {
		return errors.Join(err, fmt.Errorf("broken records: %v", broken))
	}
	if len(all) != len(s.apps) {
		return fmt.Errorf("there are records of %d apps, want %d", len(all), len(s.apps))
	}
	for n, r := range all {
		var claimed []string
		for k := range r.Claims {
			claimed = append(claimed, k.Name)
		}
		slices.Sort(claimed)
		if want := slices.Sorted(maps.Keys(s.apps[n.App])); !slices.Equal(claimed, want) {
			return fmt.Errorf("%s claims %v, want %v", n, claimed, want)
		}
	}
	return nil
}

// deletions fails the test if something was deleted that is wanted, or a person's, or twice. No name is ever used again.
func (s *soak) deletions() {
	s.t.Helper()
	seen := map[string]bool{}
	for _, p := range s.g.deleted(s.Namespace, "configmaps") {
		object := path.Base(p)
		why := ""
		switch {
		case s.wants(object):
			why = "though Git wants it"
		case strings.HasPrefix(object, "mine"):
			why = "though a person made it"
		case seen[object]:
			why = "twice: it was made again in between"
		}
		if why != "" {
			s.t.Errorf("%s was deleted, %s\nthe replica that was never killed:\n%s\nthe other:\n%s", object, why, s.steady.Tail(object, 60), s.victim.Tail(object, 60))
		}
		seen[object] = true
	}
}

// events counts the commits that apps tell of, and those that they tell of again: a replica that takes an app over while what it knows lags behind does.
func (s *soak) events() {
	s.t.Helper()
	list, err := s.objs.List(s.t.Context(), s.Namespace, "events.events.k8s.io")
	if err != nil {
		s.t.Fatal(err)
	}
	told := map[string]int{}
	for i := range list {
		u := &list[i]
		if reason, _ := testkit.Field(u, ".reason"); reason != "Applied" {
			continue
		}
		about, _ := testkit.Field(u, "{.regarding.uid} {.regarding.name}: {.note}")
		count, _ := testkit.Field(u, ".series.count")
		times, _ := strconv.Atoi(count)
		told[about] += max(times, 1)
	}
	s.released, s.again = len(told), 0
	for about, times := range told {
		if times > 1 {
			s.again++
			s.last = append(s.last, fmt.Sprintf("told %d times: %s", times, about))
		}
	}
}

// sample prints how the replica is that was never killed.
func (s *soak) sample(after time.Duration) {
	s.t.Helper()
	m, err := s.steady.Metrics(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	now := sample{m.Sum("go_goroutines"), m.Sum("process_resident_memory_bytes") / (1 << 20)}
	s.samples = append(s.samples, now)
	s.t.Logf("%6s: %4d commits, %4d edits, %3d faults, %3d replicas started, %d apps, %4d commits told, %d of them again; %3.0f goroutines, %3.0f MiB resident, %3.0f MiB heap",
		after.Round(time.Second), s.done["commits"], s.done["edits"], s.done["faults"], s.done["starts"], len(s.apps), s.released, s.again, now.goroutines, now.resident,
		m.Sum("go_memstats_heap_inuse_bytes")/(1<<20))
}

// flat fails the test if goroutines or memory have grown from the second quarter of the samples to the last.
func (s *soak) flat() {
	s.t.Helper()
	n := len(s.samples) / 4
	if n < 2 {
		return // too short to tell
	}
	mean := func(of []sample) (m sample) {
		for _, x := range of {
			m.goroutines += x.goroutines / float64(len(of))
			m.resident += x.resident / float64(len(of))
		}
		return m
	}
	before, after := mean(s.samples[n:2*n]), mean(s.samples[len(s.samples)-n:])
	s.t.Logf("second quarter: %.0f goroutines, %.0f MiB; last quarter: %.0f goroutines, %.0f MiB", before.goroutines, before.resident, after.goroutines, after.resident)
	if after.goroutines > before.goroutines*1.1+10 {
		s.t.Errorf("goroutines have grown from %.0f to %.0f", before.goroutines, after.goroutines)
	}
	if after.resident > before.resident*1.15+24 {
		s.t.Errorf("memory has grown from %.0f MiB to %.0f MiB", before.resident, after.resident)
	}
}
