package cli_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// as is the environment of a command that somebody gives.
func as(t *testing.T, plane *testkit.Plane, user string, groups ...string) map[string]string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(plane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range config.AuthInfos {
		who.Impersonate, who.ImpersonateGroups = user, append(groups, "system:authenticated")
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"KUBECONFIG": file}
}

const (
	waits  = "3f9a2c1e00000000000000000000000000000000"
	newest = "9999999900000000000000000000000000000000"
)

// TestGates approves and breaks the glass by commands, on an API server in which an app waits at a gate. No controller runs: what the app waits for is written here.
func TestGates(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	if err := plane.Objects.Apply(t.Context(), "", `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: approve, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fairlead-approve}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: override, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fairlead-override}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: production, namespace: shop}
spec:
  sources: [{repository: config, path: "apps/*", ref: {branch: main}}]
  release:
    gates:
    - approval: {groups: [leads, others], notAuthor: true}
    - name: christmas
      freeze: {from: "2026-12-20", until: "2027-01-04"}
---
apiVersion: fairlead.dev/v1alpha1
kind: App
metadata: {name: production-web, namespace: shop}
spec: {environment: production, name: web, repository: config, path: apps/web}
---
apiVersion: fairlead.dev/v1alpha1
kind: App
metadata: {name: production-api, namespace: shop}
spec: {environment: production, name: api, repository: config, path: apps/api}
`); err != nil {
		t.Fatal(err)
	}
	bob, ann := as(t, plane, "bob@example.com", "leads"), as(t, plane, "ann@example.com", "leads")
	eve := as(t, plane, "eve", "on-call")

	want{"approve production -n shop", 0, `^environment production holds nothing, and no release of it waits at a gate\n$`, `^$`}.check(t, bob)
	revision := "main@sha1:" + waits
	if err := plane.Objects.Patch(t.Context(), "test", "shop", "apps.fairlead.dev/production-web", `
status:
  wanted: {revision: "`+revision+`", short: 3f9a2c1e, author: Ann <ann@example.com>, subject: faster checkout}
  release: {serial: 2, phase: Gated, revision: "`+revision+`", why: waits for an approval}
`, "status"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error { // a policy comes into force some time after it is made
		if code, _, errs := run(ctx, ann, "approve", "production/web", "-n", "shop", "--yes"); code == 0 || !strings.Contains(errs, "fairlead-authors") {
			return errors.New("the author is let: " + errs)
		}
		return nil
	})

	want{"approve production/web -n shop", 2, `^$`, `^app production/web, commit 3f9a2c1e by Ann <ann@example.com>: faster checkout\n  waits for an approval\n` +
		`error: app production/web: input is not a terminal: use --commit 3f9a2c1e\n`}.check(t, bob)
	want{
		"approve production/web -n shop --commit 3f9a2c1e --because \"tried it\" --for 48h", 0,
		`^app production/web: commit 3f9a2c1e approved by bob@example.com until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n$`, `^$`,
	}.check(t, bob)
	want{"approve production/web -n shop --yes", 0, `^app production/web: commit 3f9a2c1e is approved by bob@example.com already, until .* UTC\n$`, `waits for an approval`}.check(t, bob)
	want{"approve production/web -n shop --commit 3f9a", 1, `^$`, `error: approve app production/web: .*you wrote the commit \(ann@example.com\), and who wrote a commit may not approve it in environment production\n$`}.check(t, ann)
	want{"approve production/web -n shop --commit 3f9a", 1, `^$`, `error: approve app production/web: .*nobody can tell whether you wrote the commit`}.check(t, as(t, plane, "carl"))
	want{"approve production/web -n shop --commit 1234", 1, `^$`, `^error: no app that is meant is to be released to 1234: .*has to be named in full\n$`}.check(t, bob)
	want{"approve production -n shop --commit " + newest, 1, `^$`, `say in spec.author who did`}.check(t, bob)
	want{"approve production/web -n shop --commit x", 2, `^$`, `^error: "x" is no commit`}.check(t, bob)
	want{"approve production/web -n shop --commit 3f9a --for 721h", 2, `^$`, `^error: --for 721h0m0s: want a time of at most 720h\n`}.check(t, bob)
	want{"approve production/web -n shop --commit 3f9a --hold x", 2, `^$`, `^error: --hold names held steps, --commit a release: both cannot be meant\n`}.check(t, bob)

	all, err := plane.Objects.List(t.Context(), "shop", "approvals.fairlead.dev")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d approvals: %v", len(all), err)
	}
	for path, value := range map[string]string{
		".spec.environment": "production", ".spec.app": "web", ".spec.commit": waits, ".spec.author": "ann@example.com", ".spec.by.user": "bob@example.com",
		".spec.by.groups[0]": "leads", ".spec.reason": "tried it",
	} {
		if got, err := testkit.Field(&all[0], path); got != value {
			t.Errorf("%s is %q, want %q: %v", path, got, value, err)
		}
	}

	want{"override production/web -n shop", 2, `^$`, `^error: say why: --because is missing`}.check(t, eve)
	want{"override production/web -n shop --because \"INC-42\"", 2, `^$`, `^error: This opens every gate of app production/web for commit 3f9a2c1e until .*: use --yes\n`}.check(t, eve)
	want{"override production/web -n shop --because \"INC-42\" --yes", 1, `^$`, `^error: override app production/web: .*cannot create resource "overrides"`}.check(t, bob)
	want{"override production/web -n shop --because \"INC-42\" --yes --for 25h", 2, `^$`, `^error: --for 25h0m0s: want a time of at most 24h\n`}.check(t, eve)
	want{"override production/web -n shop --because \"INC-42\" --yes --gate chrismas", 1, `^$`, `^error: app production/web has no gate "chrismas": did you mean "christmas"\?\n$`}.check(t, eve)
	want{"override production/api -n shop --because \"INC-42\" --yes", 1, `^$`, `^error: app production/api wants no commit that is known: say --commit\n$`}.check(t, eve)
	want{
		"override production/web -n shop --because \"INC-42: checkout is down\" --gate christmas --yes", 0,
		`^app production/web: gate christmas opened for commit 3f9a2c1e by eve until .* UTC: INC-42: checkout is down\n'kubectl -n shop delete override production-\S+' closes it again\n$`, `^$`,
	}.check(t, eve)
	want{"override production -n shop --because \"INC-43\" --yes --for 2h", 0, `^environment production: every gate opened for any commit by eve until .*`, `^$`}.check(t, eve)

	all, err = plane.Objects.List(t.Context(), "shop", "overrides.fairlead.dev")
	if err != nil || len(all) != 2 {
		t.Fatalf("%d overrides: %v", len(all), err)
	}
	if !slices.ContainsFunc(all, func(o unstructured.Unstructured) bool {
		commit, _ := testkit.Field(&o, ".spec.commit")
		gate, _ := testkit.Field(&o, ".spec.gates[0]")
		return commit == waits && gate == "christmas"
	}) {
		t.Errorf("no override is for commit %s and gate christmas: %v", waits, all)
	}
}
