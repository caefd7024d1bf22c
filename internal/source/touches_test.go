package source_test

import (
	"fmt"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

func TestTouches(t *testing.T) {
	rec := source.NewRecorder(sourcetest.New(sourcetest.Files{"app/k.yaml": "a", "base/web.yaml": "b", "list/x.yaml": "c", "other/y.yaml": "d"}))
	for _, name := range []string{"app/k.yaml", "base/web.yaml", "app/absent.yaml", "gone/below.yaml"} {
		_, _ = rec.ReadFile(name)
	}
	_, _ = rec.ReadDir("list")
	in := rec.Inputs()
	for name, want := range map[string]bool{
		"app/k.yaml": true, "app/other.yaml": false, "app/absent.yaml": true, "base/web.yaml": true, "base": true,
		"list/new.yaml": true, "other/y.yaml": false, "gone/below.yaml": true, "listing.yaml": false,
	} {
		if got := in.Touches(name); got != want {
			t.Errorf("a change of %s touches: %t, want %t", name, got, want)
		}
	}
	if !(source.Inputs{}).Touches("any") {
		t.Error("nothing is known, so everything may touch")
	}
	if got := fmt.Sprint(in.Files()); got != "[app/k.yaml base/web.yaml]" {
		t.Errorf("files are %s", got)
	}
}
