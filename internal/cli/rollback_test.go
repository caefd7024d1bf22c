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
