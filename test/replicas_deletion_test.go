package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestReplicasDeletion deletes many apps with hooks, and has the replica that deletes half of them die, or stand still, while some of these are at any of their
// writes. Whoever takes them over makes each hook as often as without, deletes nothing twice and nothing before its time, and leaves nothing over.
func TestReplicasDeletion(t *testing.T) {
	t.Parallel()
	for _, sleeps := range []bool{false, true} {
		t.Run(fmt.Sprintf("sleeps=%t", sleeps), func(t *testing.T) {
			t.Parallel()
			deletedByTwo(t, sleeps)
		})
	}
}

func deletedByTwo(t *testing.T, sleeps bool) {
	const apps = 16
	plane := testkit.Start(t, testkit.Options{})
	g, other := newGate(t, plane), newGate(t, plane)
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Lease: lease, Kubeconfig: other.kubeconfig(t)})}
	victim := plane.Controller(t, testkit.ControllerOptions{Lease: lease, Kubeconfig: g.kubeconfig(t)})
	r := replicas{place: w.place(t, "deletion"), all: []*testkit.Controller{w.ctl, victim}, paused: map[*testkit.Controller]bool{}}
	jobs := r.counts()
	files := map[string]string{"apps/stays/stays.yaml": config("stays")}
	for i := range apps {
		a := fmt.Sprintf("a%02d", i)
		files["apps/"+a+"/flags.yaml"] = config(a)
		files["apps/"+a+"/drain.yaml"] = hookJob(a+"-drain", `helm.sh/hook: pre-delete, helm.sh/hook-weight: "-5", helm.sh/hook-delete-policy: hook-succeeded`, "of: it")
		files["apps/"+a+"/wipe.yaml"] = hookJob(a+"-wipe", "argocd.argoproj.io/hook: PreDelete", map[bool]string{true: "devcluster/fail: Error", false: "of: it"}[fails(a)])
		files["apps/"+a+"/tell.yaml"] = hookJob(a+"-tell", "helm.sh/hook: post-delete", "of: it")
	}
	r.begin(map[string]any{"sync.prune.maxObjects": int64(1000), "sync.prune.maxPercent": int64(100)}, nil, gitserver.Files(files))
	r.shared(apps + 1)
	r.synced("prod-stays")
	stays := r.uids("configmap/stays")
	at := map[string]stop{}
	was, gone := map[string]map[string]string{}, []gitserver.Change{}
	owners := r.owners()
	for i := range apps {
		a := fmt.Sprintf("a%02d", i)
		r.synced("prod-" + a)
		was[a], gone = r.uids("configmap/"+a), append(gone, gitserver.Delete("apps/"+a))
		if owners["prod-"+a] == 1 && len(at) < 4 { // with more, a replica sends hardly anything for the others: it takes the server for slow
			at[a] = stop{write: 1 + rand.IntN(12), after: rand.IntN(2) == 0}
		}
	}

	stopped := r.stops(g, at)
	approved := map[string]string{}
	deleted := func(ctx context.Context) error { return r.letGo(ctx, approved, was) }
	r.push(gone...)
	testkit.Eventually(t, func(ctx context.Context) error {
		err := deleted(ctx)
		if there := stopped.all(ctx, r); there != nil {
			return errors.Join(there, err)
		}
		return nil
	})
	if t.Logf("the replica stands at %v", stopped.met); len(stopped.met) == 0 {
		t.Errorf("the replica stands at none of %v: the test no longer does what it says", at)
	}
	if sleeps {
		victim.Pause(t)
		r.paused[victim] = true
	} else {
		victim.Kill()
	}
	g.open()
	stopped.end()
	testkit.Eventually(t, deleted)
	if sleeps {
		victim.Resume(t)
		delete(r.paused, victim)
	} else {
		victim.Start(t)
	}
	r.shared(1)
	testkit.Eventually(t, func(ctx context.Context) error {
		for i, c := range r.all {
			if m, err := c.Metrics(ctx); err != nil || !m.Idle() {
				return errors.Join(fmt.Errorf("replica %d is at work", i), err)
			}
		}
		return nil
	})
	for i := range apps {
		a := fmt.Sprintf("a%02d", i)
		r.gone("configmap/"+a, "job/"+a+"-drain", "job/"+a+"-wipe", "job/"+a+"-tell", "apps.fairlead.dev/prod-"+a)
		r.forgotten(a)
	}
	r.kept(stays)
	made, deletions := jobs.made(t), map[string]int{}
	for _, of := range []*gate{g, other} {
		for _, kind := range []string{"configmaps", "jobs"} {
			for _, path := range of.deleted(r.Namespace, kind) {
				deletions[path[strings.LastIndexByte(path, '/')+1:]]++
			}
		}
	}
	for i := range apps {
		a := fmt.Sprintf("a%02d", i)
		if n := deletions[a]; n != 1 {
			t.Errorf("%s, stopped at %+v: its ConfigMap was deleted %d times", a, at[a], n)
		}
		for _, hook := range []string{"-drain", "-wipe", "-tell"} {
			if m, d := made[a+hook], deletions[a+hook]; m != 1 || d != 1 {
				t.Errorf("%s, stopped at %+v: hook %s was made %d times, and deleted %d times", a, at[a], a+hook, m, d)
			}
		}
	}
}

// fails reports whether a hook of an app fails, so that a person has to let it go.
func fails(a string) bool { return strings.HasSuffix(a, "0") || strings.HasSuffix(a, "5") }

// letGo approves whatever is held, and reports apps that are still there.
func (r replicas) letGo(ctx context.Context, approved map[string]string, was map[string]map[string]string) error {
	list, err := r.objs.List(ctx, r.Namespace, "apps.fairlead.dev")
	if err != nil {
		return err
	}
	for i := range list {
		name := list[i].GetName()
		st, err := r.statusNow(ctx, name)
		if err != nil {
			return err
		}
		if st.Phase != v1alpha1.PhaseHeld || st.HoldID == approved[name] {
			continue
		}
		if !strings.Contains(st.Reason, "-wipe: nothing of the app is deleted before this hook has ended well") {
			r.t.Errorf("%s is held: %s", name, st.Reason)
		}
		r.kept(was[strings.TrimPrefix(name, "prod-")])
		if err := r.approveAs(st.Reason); err != nil {
			return err
		}
		approved[name] = st.HoldID
	}
	if len(list) > 1 {
		return fmt.Errorf("%d apps are there, want 1", len(list))
	}
	return nil
}

// A stop is where a replica stands still with an app: at which of its writes, and whether that is done.
type stop struct {
	write int
	after bool
}

// stops are the writes that a replica stands at. They are not answered until end, and then by nobody.
type stops struct {
	end func()

	mu    sync.Mutex
	at    map[string]stop
	count map[string]int
	met   map[string]string
}

var appOf = regexp.MustCompile(`\ba[0-9][0-9]\b`)

// stops has a replica stand still at a write of each of some apps, and at all that follow.
func (r replicas) stops(g *gate, at map[string]stop) *stops {
	over := make(chan struct{})
	s := &stops{at: at, count: map[string]int{}, met: map[string]string{}, end: sync.OnceFunc(func() { close(over) })}
	r.t.Cleanup(s.end)
	g.guard(isWrite, func(w http.ResponseWriter, req *http.Request, pass http.Handler) {
		passes, done := s.meet(req)
		if passes {
			pass.ServeHTTP(w, req)
			return
		}
		if done {
			pass.ServeHTTP(httptest.NewRecorder(), req)
		}
		<-over
		panic(http.ErrAbortHandler)
	})
	return s
}

// meet counts a write: it passes, or stops, and is done nevertheless.
func (s *stops) meet(req *http.Request) (passes, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := appOf.FindString(req.URL.Path)
	at, known := s.at[a]
	if !known {
		return true, false
	}
	s.count[a]++
	if s.count[a] == at.write {
		s.met[a] = req.Method + " " + req.URL.Path
	}
	return s.count[a] < at.write, s.count[a] == at.write && at.after
}

// all reports an app that has not come to its stop; one that is gone did not have as many writes.
func (s *stops) all(ctx context.Context, r replicas) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.at {
		if s.met[a] != "" {
			continue
		}
		if _, err := r.objs.Get(ctx, r.Namespace, "apps.fairlead.dev/prod-"+a); !testkit.IsNotFound(err) {
			return fmt.Errorf("%s is at write %d, to come to %d", a, s.count[a], s.at[a].write)
		}
	}
	return nil
}
