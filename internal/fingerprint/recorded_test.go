package fingerprint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// A file holds what an API server said: the edit that was made, the object as it was applied, the server's answers before and after the edit; and, in says,
// what fingerprint makes of them.
func TestRecorded(t *testing.T) {
	golden.Run(t, recordings, func(t *testing.T, ar *txtar.Archive) { golden.Set(ar, "says", recordingOf(t, ar).says()) })
}

const recordings = "testdata/recorded/*.txtar"

type recording struct{ applied, before, after object.Object }

func recorded(t testing.TB) map[string]recording {
	out := map[string]recording{}
	for name, ar := range golden.All(t, recordings) {
		out[name] = recordingOf(t, ar)
	}
	return out
}

func recordingOf(t testing.TB, ar *txtar.Archive) recording {
	one := func(f txtar.File) object.Object {
		objs, err := object.Parse(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(objs) == 0 {
			return object.Object{}
		}
		return objs[0]
	}
	return recording{one(ar.Files[1]), one(ar.Files[2]), one(ar.Files[3])}
}

func (r recording) says() string {
	var b strings.Builder
	person := app.Policy{}.IsInteractive
	was, is := fingerprint.Of(r.before, app.Manager, nil), fingerprint.Of(r.after, app.Manager, nil)
	switch {
	case r.before.IsZero():
		fmt.Fprintf(&b, "print: none, applied: %t\n", fingerprint.Applied(r.after, app.Manager))
	case was == is:
		fmt.Fprintln(&b, "print: unchanged")
	case was.Same(is, true):
		fmt.Fprintln(&b, "print: changed in spec.replicas")
	default:
		fmt.Fprintln(&b, "print: changed")
	}
	e := fingerprint.Blame(r.applied, r.after, app.Manager, person, nil)
	if !r.before.IsZero() && (was != is || e.Additions) {
		fmt.Fprintf(&b, "blame: %q %s\n", e.Manager, e.Operation)
		for _, f := range e.Fields {
			fmt.Fprintf(&b, "  %s\n", f)
		}
		if !e.At.IsZero() && e.At.Before(r.before.Created()) {
			fmt.Fprintf(&b, "  at %s, before it was made\n", e.At.Format(time.RFC3339))
		}
	}
	fmt.Fprintf(&b, "added: %t, scaled: %t\n", fingerprint.Added(r.after, app.Manager, person, nil), fingerprint.Scaled(r.after, person))
	take := func(m string) bool { return person(m) || r.before.IsZero() && fingerprint.Earlier(m) }
	fields, ok := fingerprint.Takeover(r.after, app.Manager, r.after.APIVersion(), take, nil)
	if ok {
		fmt.Fprintln(&b, "after a take-over:")
		for _, f := range fields {
			e := f.(map[string]any)
			fmt.Fprintf(&b, "  %v %v %v\n", e["manager"], e["operation"], e["subresource"])
			for _, l := range leaves(e["fieldsV1"].(map[string]any), "") {
				fmt.Fprintf(&b, "    %s\n", l)
			}
		}
	}
	return strings.ReplaceAll(b.String(), " <nil>\n", "\n")
}

func leaves(fields map[string]any, at string) []string {
	var out []string
	for k, v := range fields {
		if k == "." {
			continue
		}
		below := leaves(v.(map[string]any), at+" "+k)
		if len(below) == 0 {
			below = []string{strings.TrimSpace(at + " " + k)}
		}
		out = append(out, below...)
	}
	slices.Sort(out)
	return out
}
