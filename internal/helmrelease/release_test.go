package helmrelease

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	helm "helm.sh/helm/v4/pkg/release/v1"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

var (
	now   = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	owner = app.Owner{Namespace: "shop", Name: "production-web"}
)

// content is what is known of a want.
func content(digest string) Content {
	o := object.New(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "web"}, "data": map[string]any{"want": digest}})
	hook := object.New(map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{
		"name": "migrate", "annotations": map[string]any{"helm.sh/hook": "pre-install, pre-upgrade", "helm.sh/hook-weight": "-5", "helm.sh/hook-delete-policy": "hook-succeeded"},
	}})
	crd := object.New(map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "widgets.example.com"}})
	test := object.New(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "ping", "annotations": map[string]any{"helm.sh/hook": "Test-Success"}}})
	ping, _ := HookOf(test.WithOrigin(object.Origin{File: "charts/web/templates/tests/ping.yaml"}))
	return Content{
		Chart: Chart{
			CRDs: []string{"charts/web/crds/widgets.yaml"}, Tests: []Hook{ping},
			Name: "web", Namespace: "web", Notes: "Hello " + digest, Config: json.RawMessage(`{"want":"` + digest + `"}`),
			Chart: json.RawMessage(`{"metadata":{"name":"web","version":"1.2.3","apiVersion":"v2"},"templates":[],"values":{"a":1},"files":[]}`),
		},
		Objects: []object.Object{
			o.WithOrigin(object.Origin{File: "charts/web/templates/a.yaml"}), hook.WithOrigin(object.Origin{File: "charts/web/templates/job.yaml"}),
			crd.WithOrigin(object.Origin{File: "charts/web/crds/widgets.yaml"}),
			crd.With("gadgets.example.com", "metadata", "name").WithOrigin(object.Origin{File: "charts/web/templates/crds/gadgets.yaml"}),
		},
	}
}

// write does to what is stored what Next says, as the API server would, and reads it anew.
func write(t interface{ Fatal(...any) }, stored []Record, changes []Change) []Record {
	for _, ch := range changes {
		stored = slices.DeleteFunc(slices.Clone(stored), func(r Record) bool { return r.Revision == ch.Record.Revision })
		if ch.Do == Delete {
			continue
		}
		if _, many := t.(*rapid.T); many { // it takes time to make Secrets, and others look at those
			ch.Record.version, ch.Record.uid = "1", "u"
			stored = append(stored, ch.Record)
			continue
		}
		o := ch.Record.Secret().With("1", "metadata", "resourceVersion").With("u", "metadata", "uid")
		r, err := Read(o)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, r)
	}
	return stored
}

func ended(phase release.Phase, serial int, want, released string) release.State {
	st := release.State{
		Current:  release.Release{Serial: serial, Want: release.Want{Digest: want}, Phase: phase, Since: now, Why: "it is sick"},
		Released: release.Want{Digest: released}, Good: release.Want{Digest: released},
	}
	return st
}

func text(stored []Record) string {
	var lines []string
	for _, r := range slices.SortedFunc(slices.Values(stored), func(a, b Record) int { return a.Revision - b.Revision }) {
		lines = append(lines, fmt.Sprintf("%d %s %s", r.Revision, r.Status, r.info().Description))
	}
	return strings.Join(lines, "\n")
}

func input(st release.State, stored []Record, known ...string) (Input, bool) {
	tail, ok := After(st)
	in := Input{Name: "web", Namespace: "web", App: owner, Tail: tail, Stored: stored, Contents: map[string]Content{}, Now: now}
	for _, k := range known {
		in.Contents[k] = content(k)
	}
	return in, ok
}

func TestStory(t *testing.T) {
	var stored []Record
	step := func(st release.State, want string, known ...string) {
		t.Helper()
		in, ok := input(st, stored, known...)
		if !ok {
			t.Fatalf("nothing follows from %s", st.Current.Phase)
		}
		stored = write(t, stored, Next(in))
		if got := text(stored); got != want {
			t.Errorf("is\n%s\nand not\n%s", got, want)
		}
		in.Stored = stored
		if more := Next(in); len(more) > 0 {
			t.Errorf("there is more to write: %s %d", more[0].Do, more[0].Record.Revision)
		}
	}
	step(ended(release.Succeeded, 1, "a", "a"), "1 deployed Install complete", "a")
	step(ended(release.Planned, 2, "b", "a"), "1 deployed Install complete", "b") // a gate is closed
	step(ended(release.Succeeded, 2, "b", "b"), "1 superseded Install complete\n2 deployed Upgrade complete", "b")
	step(ended(release.RolledBack, 3, "c", "b"), "1 superseded Install complete\n2 superseded Upgrade complete\n"+
		"3 failed Release \"web\" failed: it is sick\n4 deployed Rollback to 2", "c")
	step(ended(release.RolledBack, 3, "c", "b"), text(stored))
	step(ended(release.Failed, 4, "d", "d"), text(stored)+"\n5 failed Release \"web\" failed: it is sick", "d")
	in, _ := input(ended(release.Succeeded, 4, "d", "d"), stored)
	stored = write(t, stored, Next(in))
	if last := stored[slices.IndexFunc(stored, func(r Record) bool { return r.Revision == 5 })]; last.Status != Deployed || last.App != owner {
		t.Errorf("what got well in the end is %s", last.Status)
	}
}

func TestNothingWhileUnderWay(t *testing.T) {
	for _, phase := range []release.Phase{release.Applying, release.Progressing, release.Verifying, release.RollingBack} {
		if _, ok := After(ended(phase, 2, "b", "b")); ok {
			t.Errorf("something is written while a release is %s", phase)
		}
	}
}

// TestTakenOver: a history of Helm's goes on, and what Helm began and did not end has failed.
func TestTakenOver(t *testing.T) {
	var stored []Record
	for i, s := range []Status{Superseded, Deployed, "pending-upgrade"} {
		r := Record{Name: "web", Namespace: "web", Revision: i + 1, Status: s, labels: map[string]string{"team": "a", "modifiedAt": "1"}}
		r.body = content("helm's").body("web", "web", i+1, info{First: "2025-01-02T03:04:05Z", Status: s})
		stored = write(t, stored, []Change{{Create, r}})
	}
	if p := Pending(stored); len(p) != 1 || p[0].Revision != 3 {
		t.Errorf("pending are %d", len(p))
	}
	in, _ := input(ended(release.Succeeded, 1, "a", "a"), stored, "a")
	stored = write(t, stored, Next(in))
	want := "1 superseded \n2 superseded \n3 failed It was pending-upgrade, and nobody ended that; Fairlead took the release over\n4 deployed Upgrade complete"
	if got := text(stored); got != want {
		t.Errorf("is\n%s", got)
	}
	last := stored[slices.IndexFunc(stored, func(r Record) bool { return r.Revision == 4 })]
	if last.labels["team"] != "a" || last.labels["modifiedAt"] != "" || last.info().First != "2025-01-02T03:04:05Z" {
		t.Errorf("what was before it is forgotten: %v %v", last.labels, last.info())
	}
}

// TestAsHelmReads: Helm's own type reads it.
func TestAsHelmReads(t *testing.T) {
	in, _ := input(ended(release.Succeeded, 1, "a", "a"), nil, "a")
	s := Next(in)[0].Record.Secret()
	if s.Name() != "sh.helm.release.v1.web.v1" || s.Label("owner") != "helm" || s.Label("status") != "deployed" || s.Label("fairlead.dev/app") != "" {
		t.Errorf("the Secret is %s %v", s.Name(), s.At("metadata", "labels"))
	}
	once, err := base64.StdEncoding.DecodeString(s.Text("data", "release"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(string(once))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = unzip(data); err != nil {
		t.Fatal(err)
	}
	var r helm.Release
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if r.Name != "web" || r.Version != 1 || r.Info.Notes != "Hello a" || !r.Info.LastDeployed.Equal(now) || r.Chart.Metadata.Version != "1.2.3" || r.Config["want"] != "a" {
		t.Errorf("Helm reads %+v %+v", r, r.Info)
	}
	if !strings.HasPrefix(r.Manifest, "---\n# Source: charts/web/templates/a.yaml\napiVersion: v1\n") || strings.Contains(r.Manifest, "migrate") {
		t.Errorf("the manifest is %s", r.Manifest)
	}
	if strings.Contains(r.Manifest, "widgets") || !strings.Contains(r.Manifest, "gadgets") {
		t.Errorf("of the definitions, the one that a template made is in the manifest, and the one of crds is not: it is %s", r.Manifest)
	}
	if len(r.Hooks) != 2 || r.Hooks[1].Name != "ping" || r.Hooks[1].Events[0] != helm.HookTest {
		t.Errorf("the hooks are %+v, and the last is a test", r.Hooks)
	}
	h := r.Hooks[0]
	if strings.Contains(h.Manifest, "# Source") { // Helm says it of each hook that it prints
		t.Errorf("the manifest of the hook is %s", h.Manifest)
	}
	if h.Name != "migrate" || h.Weight != -5 || len(h.Events) != 2 || h.Events[1] != helm.HookPreUpgrade || h.DeletePolicies[0] != helm.HookSucceeded {
		t.Errorf("the hook is %+v", h)
	}
}

// TestLaws: whoever dies between two writes is followed by one who makes the rest; nothing is pending; the history is bounded.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wants := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		phases := rapid.SampledFrom([]release.Phase{release.Succeeded, release.Failed, release.RolledBack, release.Gated})
		var stored []Record
		for serial := 1; serial < 30; serial++ {
			phase, want, back := phases.Draw(t, "phase"), wants.Draw(t, "want"), wants.Draw(t, "back")
			if phase != release.RolledBack && phase != release.Gated {
				back = want
			}
			in, ok := input(ended(phase, serial, want, back), stored, "a", "b", "c", "d")
			if !ok {
				continue
			}
			all := Next(in)
			done := rapid.IntRange(0, len(all)).Draw(t, "done")
			whole := write(t, stored, all)
			in.Stored = write(t, stored, all[:done])
			stored = write(t, in.Stored, Next(in))
			if text(stored) != text(whole) {
				t.Fatalf("after a death it is\n%s\nelse\n%s", text(stored), text(whole))
			}
			in.Stored = stored
			if more := Next(in); len(more) > 0 {
				t.Fatalf("there is more to write: %s %d", more[0].Do, more[0].Record.Revision)
			}
			deployed := 0
			for _, r := range stored {
				if r.Status == Deployed {
					deployed++
				}
				if r.Status.isPending() {
					t.Fatalf("%d is %s", r.Revision, r.Status)
				}
			}
			if deployed > 1 || len(stored) > History+1 {
				t.Fatalf("%d are deployed of %d", deployed, len(stored))
			}
		}
	})
}

// FuzzRead: whatever a Secret holds, it is a record or an error.
func FuzzRead(f *testing.F) {
	in, _ := input(ended(release.Succeeded, 1, "a", "a"), nil, "a")
	f.Add(Next(in)[0].Record.Secret().Text("data", "release"), "1")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, data, version string) {
		r, err := Read(object.New(map[string]any{"metadata": map[string]any{"labels": map[string]any{"version": version}}, "data": map[string]any{"release": data}}))
		if err != nil {
			return
		}
		again, err := Read(r.Secret())
		if err != nil || again.Revision != r.Revision || !reflect.DeepEqual(again.info(), r.info()) {
			t.Errorf("what is written of it is read as revision %d, %v, and not as %d, %v: %v", again.Revision, again.info(), r.Revision, r.info(), err)
		}
	})
}
