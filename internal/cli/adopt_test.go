package cli

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// TestObjections: what is new may come with what is taken over. Where all of it is new, something else runs than what Git says.
func TestObjections(t *testing.T) {
	step := func(do plan.Action) preview.Step {
		return preview.Step{Do: do, Kind: "ConfigMap", Object: "ConfigMap shop/a"}
	}
	for name, x := range map[string]struct {
		steps []preview.Step
		want  string
	}{
		"taken over":         {[]preview.Step{step(plan.Adopt)}, ""},
		"one of them is new": {[]preview.Step{step(plan.Adopt), step(plan.Create)}, ""},
		"nothing to do":      {nil, ""},
		"all new":            {[]preview.Step{step(plan.Create), step(plan.Create)}, "everything would be created"},
		"one less":           {[]preview.Step{step(plan.Adopt), step(plan.Delete)}, "would be done to ConfigMap shop/a"},
	} {
		got := strings.Join(objections(preview.Reply{Apps: []preview.App{{Name: "web", Steps: x.steps}}}, false), "; ")
		if (x.want == "") != (got == "") || !strings.Contains(got, x.want) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}
