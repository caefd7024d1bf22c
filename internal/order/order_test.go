package order_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// A file holds want.yaml, and batches with the expected batches or the error; or hooks, with those of each occasion.
func TestBatches(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		objs, err := object.Parse(ar.Files[0].Name, ar.Files[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		if ar.Files[1].Name == "hooks" {
			golden.Set(ar, "hooks", showHooks(objs))
			return
		}
		golden.Set(ar, "batches", show(order.Batches(objs)))
	})
}

func showHooks(objs []object.Object) string {
	var b strings.Builder
	for _, on := range []app.Occasion{app.Install, app.Upgrade, app.Rollback, app.Deletion} {
		for _, at := range []app.Moment{app.Before, app.During, app.After, app.OnFailure} {
			if batches, err := order.Hooks(objs, on, at); err != nil || len(batches) > 0 {
				fmt.Fprintf(&b, "%s, %s:\n%s", on, at, show(batches, err))
			}
		}
	}
	return b.String()
}

func show(batches []order.Batch, err error) string {
	if err != nil {
		return fmt.Sprintf("%s: %v\n", fault.KindOf(err), err)
	}
	var b strings.Builder
	for i, batch := range batches {
		if batch.Early {
			fmt.Fprintf(&b, "batch %d: early\n", i)
		} else {
			fmt.Fprintf(&b, "batch %d: wave %d\n", i, batch.Wave)
		}
		for _, tier := range batch.Tiers {
			for j, o := range tier {
				mark := " "
				if j == 0 {
					mark = "-"
				}
				fmt.Fprintf(&b, "  %s %s\n", mark, o)
			}
		}
	}
	return b.String()
}

// An object that did not come from a file may hold what a file may not.
func TestWaveOfUnquotedNumber(t *testing.T) {
	o := object.New(map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": "x", "annotations": map[string]any{"fairlead.dev/wave": int64(3)}}})
	_, err := order.Wave(o)
	if want := `ConfigMap x: annotation fairlead.dev/wave is not text: write it in quotes, for example "1"`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
