package cli

import (
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// TestWentBack: what was gone back from is told though the app has moved on by then.
func TestWentBack(t *testing.T) {
	r := func(serial int64, phase string) v1alpha1.ReleaseStatus {
		return v1alpha1.ReleaseStatus{Serial: serial, Phase: phase}
	}
	for name, x := range map[string]struct {
		now   v1alpha1.ReleaseStatus
		past  []v1alpha1.ReleaseStatus
		since int64
		want  int64
	}{
		"on its way":                  {r(3, "RollingBack"), []v1alpha1.ReleaseStatus{r(2, "Succeeded")}, 3, 3},
		"over, and another one began": {r(4, "Succeeded"), []v1alpha1.ReleaseStatus{r(3, "RolledBack"), r(2, "Succeeded")}, 3, 3},
		"an older one":                {r(4, "Succeeded"), []v1alpha1.ReleaseStatus{r(3, "RolledBack")}, 4, 0},
		"none":                        {r(4, "Succeeded"), nil, 4, 0},
	} {
		back, goes := wentBack(v1alpha1.AppStatus{Release: &x.now, Releases: x.past}, x.since)
		if back.Serial != x.want || goes != (x.want != 0) {
			t.Errorf("%s: release %d (%t), want %d", name, back.Serial, goes, x.want)
		}
	}
}

// TestLeaves: who goes further back leaves where he was, and not what Git wants.
func TestLeaves(t *testing.T) {
	r := func(serial int64, to string) v1alpha1.ReleaseStatus {
		return v1alpha1.ReleaseStatus{Serial: serial, Revision: "c", Back: to}
	}
	for name, x := range map[string]struct {
		was, is v1alpha1.ReleaseStatus
		want    string
	}{
		"it had not gone back":             {r(3, ""), r(3, "b"), "c"},
		"it had gone back":                 {r(3, "b"), r(3, "a"), "b"},
		"something newer has begun since":  {r(2, "b"), r(3, "b"), "c"},
		"it was never released until then": {v1alpha1.ReleaseStatus{}, r(1, "a"), "c"},
	} {
		if got := leaves(x.was, x.is); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
}
