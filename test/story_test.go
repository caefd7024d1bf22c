package test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// story is two commits for two apps, of which the second creates, updates, adopts and prunes in two waves, and hands an object over. Whatever happens while it
// is told, it has one end.
type story struct {
	place
	head source.Commit
	was  map[string]string // the uids of what is to stay
}

// story brings a tenant to the first commit, and makes the second, of which nobody is told.
func (w world) story(t *testing.T, namespace string) story {
	t.Helper()
	s := w.begun(t, namespace)
	s.second()
	return s
}

// begun brings a tenant to the first commit.
func (w world) begun(t *testing.T, namespace string) story {
	t.Helper()
	p := w.place(t, namespace)
	p.Git.Commit(t, "main", "first", gitserver.Files(map[string]string{
		"apps/web/a.yaml": told("a", "0", "one"), "apps/web/b.yaml": told("b", "0", "one"), "apps/web/keep.yaml": told("keep", "1", "one"),
		"apps/web/moved.yaml": told("moved", "0", "one"), "apps/api/other.yaml": told("other", "0", "one"),
	}))
	p.Environment(t, "prod", "apps/*", nil)
	for _, a := range []string{"web", "api"} {
		p.synced("prod-" + a)
	}
	if out, err := p.Plane.Kubectl(t.Context(), namespace, "create", "configmap", "found", "--from-literal=old=gone", "--save-config"); err != nil {
		t.Fatalf("create a ConfigMap by hand: %v: %s", err, out)
	}
	return story{place: p, was: p.uids("configmap/a", "configmap/keep", "configmap/moved", "configmap/other", "configmap/found")}
}

// second makes the second commit.
func (s *story) second(more ...gitserver.Change) {
	s.t.Helper()
	s.head = s.Git.Commit(s.t, "main", "second", append(more, gitserver.Delete("apps/web/b.yaml"), gitserver.Delete("apps/web/moved.yaml"), gitserver.Files(map[string]string{
		"apps/web/a.yaml": told("a", "0", "two"), "apps/web/new.yaml": told("new", "1", "two"), "apps/web/found.yaml": told("found", "0", "two"),
		"apps/api/moved.yaml": told("moved", "0", "two"),
	}))...)
}

func told(name, wave, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  annotations: {fairlead.dev/wave: %q}\ndata: {of: %s}\n", name, wave, value)
}

// heals changes ConfigMaps by hand and waits until that is undone: they have the value of a commit again.
func (s story) heals(value string, names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.patch("configmap/"+name, `{data: {of: hand}}`)
		testkit.Eventually(s.t, func(ctx context.Context) error { return s.Is(ctx, "configmap/"+name, ".data.of", value) })
	}
}

// done returns nil once the second commit is applied.
func (s story) done(ctx context.Context) error {
	for _, a := range []string{"web", "api"} {
		if err := s.Is(ctx, "apps.fairlead.dev/prod-"+a, ".status.applied.short", s.head.Short()); err != nil {
			return err
		}
	}
	return s.Is(ctx, "environments.fairlead.dev/prod", `{.status.commit} {.status.conditions[?(@.type=="Ready")].status}`, s.head.Short()+" True")
}

// handed returns nil once the app that had an object before has let it go: it hears by a watch that the other one has it, which may just have been cut.
func (s story) handed(ctx context.Context) error {
	all, _, err := claims(ctx, s.Plane, s.Namespace, "prod", "web")
	for k, c := range all {
		if c.Yielded {
			return fmt.Errorf("%s is being handed over", k)
		}
	}
	return err
}

// storyEnd is how a story ended.
type storyEnd struct {
	Objects   []string // each on one line, sorted by name
	Deletions int      // that were done
}

// told fails the test unless it is the end that the story should have.
func (e storyEnd) told(t *testing.T) {
	t.Helper()
	if len(e.Objects) != 6 || e.Deletions != 1 {
		t.Fatalf("%d deletions, and in the end %q: the test no longer does what it says", e.Deletions, e.Objects)
	}
}

// same fails the test unless a story ended as another.
func (e storyEnd) same(t *testing.T, want storyEnd) {
	t.Helper()
	if d := cmp.Diff(want, e); d != "" {
		t.Errorf("it ends otherwise than without a fault: -without +with\n%s", d)
	}
}

// end waits for the end of a story. What was to stay must be what it was, and the ledger must know just what is there.
func (s story) end(g *gate) storyEnd {
	s.t.Helper()
	testkit.Eventually(s.t, s.done)
	testkit.Eventually(s.t, s.handed)
	s.kept(s.was)
	claimed := map[string]string{} // by object: the app that claims it
	for _, a := range []string{"web", "api"} {
		all, _, err := claims(s.t.Context(), s.Plane, s.Namespace, "prod", a)
		if err != nil {
			s.t.Fatal(err)
		}
		for k, c := range all {
			if c.Want == "" || c.Print == "" {
				s.t.Errorf("%s is claimed but its apply was never recorded", k)
			}
			if other := claimed[k.Name]; other != "" {
				s.t.Errorf("%s is claimed by %s and %s", k, other, a)
			}
			claimed[k.Name] = "prod-" + a
		}
	}
	list, err := s.objs.List(s.t.Context(), s.Namespace, "configmaps")
	if err != nil {
		s.t.Fatal(err)
	}
	e := storyEnd{Deletions: len(g.deleted(s.Namespace, "configmaps"))}
	for i := range list {
		u := &list[i]
		if u.GetName() == "kube-root-ca.crt" {
			continue
		}
		data, _ := json.Marshal(u.Object["data"])
		annotations, _ := json.Marshal(u.GetAnnotations())
		owner := u.GetLabels()[app.LabelApp]
		e.Objects = append(e.Objects, fmt.Sprintf("%s %s %s %s", u.GetName(), data, annotations, owner))
		if owner != claimed[u.GetName()] {
			s.t.Errorf("%s carries the mark of %q and is claimed by %q", u.GetName(), owner, claimed[u.GetName()])
		}
		delete(claimed, u.GetName())
	}
	if len(claimed) > 0 {
		s.t.Errorf("claimed and not there: %v", claimed)
	}
	return e
}
