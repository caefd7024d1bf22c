package demo

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The tour speaks of services and environments by name; the sample has exactly those.
func TestShopIsComplete(t *testing.T) {
	files, err := shopFiles()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for path := range files {
		parts := strings.Split(path, "/")
		if len(parts) == 4 && parts[3] == "kustomization.yaml" && parts[2] != "base" {
			found = append(found, parts[2]+"-"+parts[1])
		}
	}
	slices.Sort(found)
	want := names(environments, services)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("the sample has the apps %v, the tour knows %v", found, want)
	}
}

// Whatever kind the sample has, the demo can list it and the tenant's account may write it.
func TestShopIsCovered(t *testing.T) {
	files, err := shopFiles()
	if err != nil {
		t.Fatal(err)
	}
	role, err := manifest("2-place.yaml", "${ENVIRONMENT}", "staging")
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		var o struct{ Kind string }
		if !strings.Contains(path, "/base/") || strings.HasSuffix(path, "kustomization.yaml") {
			continue
		}
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if !slices.Contains(owned, o.Kind) {
			t.Errorf("%s: kind %s is not among those that the demo lists", path, o.Kind)
		}
		if !strings.Contains(role, resources[o.Kind].Resource) {
			t.Errorf("%s: the deployer has no right to %s", path, resources[o.Kind].Resource)
		}
	}
}

// Manifests are filled in completely.
func TestTenantIsFilled(t *testing.T) {
	for name, fill := range map[string][]string{
		"1-tenant.yaml":      {"${TOKEN}", "secret", "${URL}", "http://127.0.0.1:1/shop-config.git"},
		"2-place.yaml":       {"${ENVIRONMENT}", "staging"},
		"3-environment.yaml": {"${ENVIRONMENT}", "staging"},
	} {
		text, err := manifest(name, fill...)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "${") {
			t.Errorf("%s: a placeholder is left:\n%s", name, text)
		}
		for doc := range strings.SplitSeq(text, "\n---\n") {
			var o struct {
				Kind     string
				Metadata struct{ Name string }
			}
			if err := yaml.UnmarshalStrict([]byte(doc), &map[string]any{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := yaml.Unmarshal([]byte(doc), &o); err != nil || resources[o.Kind].Resource == "" || o.Metadata.Name == "" {
				t.Errorf("%s: %q cannot be applied: %v", name, o.Kind, err)
			}
		}
	}
}

func TestStepsAreTold(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range steps() {
		if s.name == "" || !strings.HasSuffix(s.about, ".") || s.run == nil || seen[s.name] {
			t.Errorf("step %q: a step has a name of its own, whole sentences and something to do", s.name)
		}
		seen[s.name] = true
	}
}
