package render_test

import (
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// TestBeside: apps that exhaust their budgets, all at once, take nothing from those beside them: a chart, an overlay and plain files render as when they are alone,
// and each of the others is refused for its own reason.
func TestBeside(t *testing.T) {
	type app struct {
		name  string
		files sourcetest.Files
		want  map[string]string
	}
	apps := func(pattern string) (out []app) {
		for name, ar := range golden.All(t, pattern) {
			files, want := split(ar)
			out = append(out, app{name, files, want})
		}
		return out
	}
	var hostile, good []app
	for _, pattern := range []string{"testdata/error_chart_endless_*.txtar", "testdata/error_chart_huge_*.txtar", "testdata/error_*bomb.txtar"} {
		hostile = append(hostile, apps(pattern)...)
	}
	for _, pattern := range []string{"testdata/chart_tpl.txtar", "testdata/overlay.txtar", "testdata/plain.txtar"} {
		good = append(good, apps(pattern)...)
	}
	var all sync.WaitGroup
	for _, x := range hostile {
		all.Go(func() {
			if _, err := render.Render(render.Request{Tree: sourcetest.New(x.files), Dir: "app"}); fault.KindOf(err) != fault.Invalid || err.Error()+"\n" != x.want["want/error"] {
				t.Errorf("%s: %v", x.name, err)
			}
		})
	}
	for range 10 {
		for _, x := range good {
			all.Go(func() {
				if got := outcome(t, sourcetest.New(x.files)); got["want/objects"] != x.want["want/objects"] || got["want/error"] != "" {
					t.Errorf("%s: %s%s", x.name, got["want/objects"], got["want/error"])
				}
			})
		}
	}
	all.Wait()
}
