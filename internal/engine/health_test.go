package engine

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// TestHealthOf: what cannot be seen is neither well nor sick, and hides nothing that is.
func TestHealthOf(t *testing.T) {
	web, db, job := object.Key{Kind: "ConfigMap", Name: "web"}, object.Key{Kind: "ConfigMap", Name: "db"}, object.Key{Group: "batch", Kind: "Job", Name: "smoke"}
	type all map[object.Key]health.Verdict
	is := func(s health.Status) health.Verdict { return health.Verdict{Status: s, Message: "so"} }
	for name, tt := range map[string]struct {
		all  all
		want release.Health
		sick string
	}{
		"all is well":               {all{web: is(health.Healthy), db: is(health.Suspended)}, release.Healthy, ""},
		"one cannot be seen":        {all{web: is(health.Unknown), db: is(health.Healthy)}, release.Unknown, "ConfigMap web is Unknown: so"},
		"one is on its way":         {all{web: is(health.Unknown), db: is(health.Progressing)}, release.Moving, "ConfigMap db is Progressing: so"},
		"the first that is not":     {all{web: is(health.Missing), db: is(health.Degraded)}, release.Moving, "ConfigMap db is Degraded: so"},
		"a Job failed":              {all{web: is(health.Missing), db: is(health.Unknown), job: is(health.Degraded)}, release.Doomed, "Job smoke is Degraded: so"},
		"whose result is not known": {all{web: is(health.Healthy), job: is(health.Unknown)}, release.Unknown, "Job smoke is Unknown: so"},
	} {
		if h, sick := healthOf(tt.all); h != tt.want || sick != tt.sick {
			t.Errorf("%s: %q, %q; want %q, %q", name, h, sick, tt.want, tt.sick)
		}
	}
}
