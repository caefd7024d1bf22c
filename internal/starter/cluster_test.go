package starter_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/starter"
)

func cluster() starter.Cluster {
	return starter.Cluster{
		Namespace: "fairlead-system", ClusterPath: "clusters/main", URL: "https://git.example.com/config.git", Branch: "main", Manifests: "kind: A\n",
	}
}

// TestChange: the manifests are written anew, what lets Fairlead follow Git only once, and what somebody else wrote never.
func TestChange(t *testing.T) {
	manifests, file, err := cluster().Files()
	if err != nil {
		t.Fatal(err)
	}
	m, c := "clusters/main/fairlead/install.yaml", "clusters/main/fairlead/cluster.yaml"
	if manifests.Path != m || file.Path != c {
		t.Fatalf("the files are %s and %s", manifests.Path, file.Path)
	}
	for name, x := range map[string]struct {
		has   map[string]string
		write []string
		kept  string
		err   string
	}{
		"empty":      {nil, []string{c, m}, "", ""},
		"as written": {map[string]string{m: manifests.Text, c: file.Text}, nil, "", ""},
		"older":      {map[string]string{m: manifests.Text + "kind: B\n", c: file.Text}, []string{m}, "", ""},
		"half":       {map[string]string{m: manifests.Text}, []string{c}, "", ""},
		"edited":     {map[string]string{m: manifests.Text, c: "kind: Mine\n"}, nil, c, ""},
		"foreign":    {map[string]string{m: "kind: Mine\n"}, nil, "", m + " is there already"},
	} {
		change, err := cluster().Change(func(p string) (string, bool, error) {
			text, ok := x.has[p]
			return text, ok, nil
		})
		if x.err != "" {
			if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), x.err) {
				t.Errorf("%s: %v, want %q", name, err, x.err)
			}
			continue
		}
		if got := slices.Sorted(maps.Keys(change.Write)); err != nil || !slices.Equal(got, x.write) || change.Kept != x.kept {
			t.Errorf("%s: writes %q and keeps %q, %v; want %q and %q", name, got, change.Kept, err, x.write, x.kept)
		}
	}
}

func TestClusterRefused(t *testing.T) {
	for want, change := range map[string]func(*starter.Cluster){
		`namespace "A"`:             func(c *starter.Cluster) { c.Namespace = "A" },
		`cluster-path "clusters/*"`: func(c *starter.Cluster) { c.ClusterPath = "clusters/*" },
		`cluster-path "/clusters"`:  func(c *starter.Cluster) { c.ClusterPath = "/clusters" },
		`secret "a\n"`:              func(c *starter.Cluster) { c.Secret = "a\n" },
	} {
		c := cluster()
		change(&c)
		if _, _, err := c.Files(); err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error of kind invalid with %s", err, want)
		}
	}
}
