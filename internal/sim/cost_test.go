package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestCommitCost: what a commit makes Fairlead look at in Git does not depend on how many apps there are that it does not concern.
func TestCommitCost(t *testing.T) {
	for name, change := range map[string]string{
		"one app":         "-- next/apps/app-3/cm.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: app-3}\ndata: {a: other}\n",
		"no app":          "-- next/README.md --\nread it\n",
		"what two share":  "-- next/base/two/cm.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {a: other}\n",
		"one file is new": "-- next/apps/app-3/notes --\nnothing\n",
	} {
		few, many := looks(t, 6, change), looks(t, 60, change)
		if few != many || few == 0 {
			t.Errorf("%s: %d looks with 6 apps, %d with 60", name, few, many)
		}
	}
}

// looks counts how often files and directories are looked at since a commit that comes to n apps at rest.
func looks(t *testing.T, n int, change string) int {
	t.Helper()
	var first strings.Builder
	for i := range n {
		fmt.Fprintf(&first, "-- first/apps/app-%d/cm.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: app-%d}\n", i, i)
		if i < 2 {
			fmt.Fprintf(&first, "-- first/apps/app-%d/kustomization.yaml --\nresources: [cm.yaml, ../../base/two]\nnameSuffix: -%d\n", i, i)
		}
	}
	const told = `
apply shop.yaml
commit shop main first
rest
commit shop main settle
rest
commit shop main next
-- shop.yaml --
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: shop, namespace: team}
spec: {url: "https://git.example.com/shop", interval: 30s}
---
apiVersion: fairlead.dev/v1alpha1
kind: Environment
metadata: {name: prod, namespace: team}
spec:
  sources: [{repository: shop, path: apps/*, ref: {branch: main}}]
  destination: {namespace: shop}
-- first/base/two/kustomization.yaml --
resources: [cm.yaml]
-- first/base/two/cm.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
-- settle/README --
the first commit after a start finds every app at rest
`
	s, err := parse(fmt.Sprint(n), txtar.Parse([]byte(told+first.String()+change)))
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	last := &s.Acts[len(s.Acts)-1]
	do := last.do
	last.do = func(w *world) error {
		before = w.looks
		return do(w)
	}
	w, err := run(Schedule{Scenario: s, reference: true})
	if err != nil {
		t.Fatal(err)
	}
	return w.looks - before
}
