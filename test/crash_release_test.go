package test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// everyWrite lets the tests that kill the controller do so at each write, and not at a share of them.
var everyWrite = flag.Bool("every-write", false, "kill the controller at every write of a release, which takes minutes")

// TestReleaseKilledAtEveryWrite kills the controller before and after the writes of two releases that wait for an approval and are verified: one succeeds, the
// next is refuted and goes back. Whenever it dies, the controller that is started next comes to the same end: what is there, what is claimed, how the app stands,
// what people and the forge were told, and what is on record.
func TestReleaseKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), DataDir: filepath.Join(t.TempDir(), "data")})
	w := world{home: t, plane: plane, ctl: ctl}

	want, writes, _ := releaseRun(t, w, g, "killed-never", "", false)
	want.told(t)
	counted(t, ctl, `fairlead_trials_total{kind="cel",verdict="passed"}`)
	counted(t, ctl, `fairlead_trials_total{kind="cel",verdict="refuted"}`)
	t.Logf("without a crash there are the writes %q", writes)
	if len(writes) < 30 {
		t.Fatalf("there are %d writes: the test no longer does what it says", len(writes))
	}
	atWrites(t, "killed", writes, func(n int) bool { return n%7 == 3 }, func(t *testing.T, name, write string, after bool) bool {
		end, _, died := releaseRun(t, w, g, name, write, after)
		end.same(t, want)
		return died
	})
}

// releaseEnd is how the releases ended.
type releaseEnd struct {
	Objects   []string
	Claimed   []string
	Deletions int
	Status    string
	Releases  []string
	People    []string // what they were told, each once
	Forge     []string
	Record    []string // of what happened
}

// told fails the test unless the story is the one that it is to be.
func (e releaseEnd) told(t *testing.T) {
	t.Helper()
	want := []string{"1 Succeeded", "2 Succeeded", "3 RolledBack"}
	if !slices.Equal(e.Releases, want) || len(e.People) != 3 || len(e.Objects) != 3 || e.Deletions != 2 {
		t.Fatalf("it ends with %+v: the test no longer does what it says", e)
	}
}

func (e releaseEnd) same(t *testing.T, want releaseEnd) {
	t.Helper()
	if d := cmp.Diff(want, e); d != "" {
		t.Errorf("it ends otherwise than without a crash: -without +with\n%s", d)
	}
}

// releaseStory is the story as one place has it.
type releaseStory struct {
	forgePlace
	people *taker
	names  map[string]string // of commits, by their ids
	revive func()            // starts a controller that died
}

func releaseRun(t *testing.T, w world, g *gate, namespace, at string, after bool) (end releaseEnd, writes []string, died bool) {
	t.Helper()
	s := &releaseStory{forgePlace: w.place(t, namespace).atForge("t0ken"), people: newTaker(t), names: map[string]string{}, revive: func() {}}
	s.apply(fmt.Sprintf("apiVersion: fairlead.dev/v1alpha1\nkind: Notifier\nmetadata: {name: people}\nspec: {webhook: {url: %q}, events: [Succeeded, RolledBack, Failed]}\n", s.people.url))
	first := s.commits("first", says("first", "well"), write("apps/web", "b"))
	s.Environment(t, "prod", "apps/*", map[string]any{"release": map[string]any{
		"deadline": "1m", "gates": []any{map[string]any{"approval": map[string]any{"required": int64(1)}}},
		"verify": []any{map[string]any{"name": "says", "forgiven": int64(0), "interval": "1s", "cel": map[string]any{
			"of": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "a"}, "expressions": []any{"object.metadata.labels.says == 'well'"},
		}}},
	}})
	s.approves("prod", first)
	s.until(first, "Succeeded")
	s.isTold(first, "Succeeded")

	alive, over := g.deadly(t.Context(), w.ctl, namespace, at, after)
	dead := false
	s.revive = func() {
		if alive.Err() != nil && !dead {
			dead = true
			g.open()
			w.ctl.Start(t)
		}
	}
	good := s.commits("good", says("good", "well"), write("apps/web", "c"))
	s.released(good, "Succeeded")
	bad := s.commits("bad", says("bad", "ill"), gitserver.Delete("apps/web/b.yaml"), write("apps/web", "d"))
	s.released(bad, "RolledBack")
	s.revive()
	writes, died = over()
	s.revive()
	return s.end(g, good), writes, died
}

func says(commit, how string) gitserver.Change {
	return gitserver.Write("apps/web/a.yaml", config("a", "  labels: {says: "+how+", of: "+commit+"}\n"))
}

func (s *releaseStory) commits(name string, changes ...gitserver.Change) source.Commit {
	s.t.Helper()
	c := s.Git.Commit(s.t, "main", name, changes...)
	s.names[string(c)] = name
	return c
}

// released lets a commit be found, waits until it waits for an approval, approves it, and waits for its end.
func (s *releaseStory) released(c source.Commit, end string) {
	s.t.Helper()
	s.asks("prod", string(c))
	s.until(c, "Gated")
	s.approves("prod", c)
	s.until(c, end)
	s.isTold(c, end)
}

// waits waits for something that a controller does, and starts another one when it dies.
func (s *releaseStory) waits(check func(context.Context) error) {
	s.t.Helper()
	testkit.Eventually(s.t, func(ctx context.Context) error {
		s.revive()
		return check(ctx)
	})
}

// until waits until the release of a commit is in a phase.
func (s *releaseStory) until(c source.Commit, phase string) {
	s.t.Helper()
	s.waits(func(ctx context.Context) error {
		st, err := s.statusNow(ctx, "prod-web")
		if err != nil {
			return err
		}
		if st.Release == nil || !strings.HasSuffix(st.Release.Revision, string(c)) {
			return fmt.Errorf("its release is %+v, want that of %s", st.Release, s.names[string(c)])
		}
		return phaseOf(phase)(st)
	})
}

// isTold waits until everybody knows how a commit ended, and the history too.
func (s *releaseStory) isTold(c source.Commit, end string) {
	s.t.Helper()
	s.waits(func(ctx context.Context) error {
		if all := s.people.ids(); !slices.Contains(all, messageOf(c, end)) {
			return fmt.Errorf("people were told %q", all)
		}
		said, err := s.objs.Field(ctx, s.Namespace, "notifiers.fairlead.dev/people", ".status.conditions[0].message")
		if err == nil && said != "what happened was told" {
			err = fmt.Errorf("the Notifier says %q", said)
		}
		return err
	})
	s.waits(func(context.Context) error {
		all := s.statuses()
		if want := s.names[string(c)] + " " + map[string]string{"Succeeded": "success", "RolledBack": "failure"}[end]; !slices.Contains(all, want) {
			return fmt.Errorf("the forge was told %q, want %q", all, want)
		}
		return nil
	})
	s.waits(func(context.Context) error {
		all, err := s.record()
		if err == nil && !slices.ContainsFunc(all, func(r string) bool { return strings.HasSuffix(r, s.names[string(c)]+" "+end) }) {
			err = fmt.Errorf("on record is %q", all)
		}
		return err
	})
}

// statuses are what the forge was told, as "COMMIT STATE"; that a commit is on its way is left out, since one that is there at once is not told to be.
func (s *releaseStory) statuses() []string {
	var out []string
	for _, x := range s.forge.Told() {
		if x.State != "pending" {
			out = append(out, s.names[x.Commit]+" "+x.State)
		}
	}
	return out
}

// record is what is on record: who approved what, what was pruned, and then, in its order, "SERIAL COMMIT PHASE" of releases. A release may go through Planned and
// Progressing without staying there, and the first finds its approval or waits for it.
func (s *releaseStory) record() ([]string, error) {
	out, err := s.tries("history", "prod/web", "--limit", "1000", "-o", "json", "--server", "http://"+s.ctl.Addr())
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var got struct{ Records []history.Record }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return nil, err
	}
	var words, all []string
	for _, r := range got.Records {
		switch {
		case r.Kind == history.Approval:
			words = append(words, fmt.Sprintf("%s of %s", r.Kind, s.names[r.Want.Commit]))
		case r.Kind == history.Prune:
			words = append(words, "Prune "+strings.ReplaceAll(r.Why, s.Namespace, "NAMESPACE"))
		case r.Kind == history.Release && r.Phase != "Planned" && r.Phase != "Progressing" && (r.Phase != "Gated" || r.Serial > 1):
			all = append(all, fmt.Sprintf("%d %s %s", r.Serial, s.names[r.Want.Commit], r.Phase))
		}
	}
	slices.Sort(words)
	return append(words, all...), nil
}

var commitID = regexp.MustCompile(`[0-9a-f]{40}`)

// end waits for the end.
func (s *releaseStory) end(g *gate, good source.Commit) releaseEnd {
	s.t.Helper()
	st := s.phase("prod-web", v1alpha1.PhaseRolledBack, "says")
	if st.Pinned != good.Short() || st.Applied.Short != good.Short() {
		s.t.Errorf("it is pinned at %q, and %s is applied", st.Pinned, st.Applied.Short)
	}
	s.guarded("a", "b", "c")
	s.gone("configmap/d")
	e := releaseEnd{Status: fmt.Sprintf("%s %s, %d objects", st.Phase, st.Health, st.Objects), Deletions: len(g.deleted(s.Namespace, "configmaps"))}
	for _, r := range slices.Backward(append([]v1alpha1.ReleaseStatus{*st.Release}, st.Releases...)) {
		e.Releases = append(e.Releases, fmt.Sprintf("%d %s", r.Serial, r.Phase))
	}
	list, err := s.objs.List(s.t.Context(), s.Namespace, "configmaps")
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range list {
		labels, _ := json.Marshal(list[i].GetLabels())
		labels = bytes.ReplaceAll(labels, []byte(s.Namespace), []byte("NAMESPACE"))
		e.Objects = append(e.Objects, list[i].GetName()+" "+string(labels))
	}
	all, _, err := claims(s.t.Context(), s.Plane, s.Namespace, "prod", "web")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, k := range all.Keys() {
		e.Claimed = append(e.Claimed, k.Name)
	}
	slices.Sort(e.Claimed)
	for _, id := range s.people.ids() {
		e.People = append(e.People, commitID.ReplaceAllStringFunc(id, func(c string) string { return s.names[c] }))
	}
	slices.Sort(e.People)
	e.Forge = s.statuses()
	s.inOrder()
	if e.Record, err = s.record(); err != nil {
		s.t.Fatal(err)
	}
	s.remove("environments.fairlead.dev/prod") // who is started next has less to look at
	return e
}
