package forge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/forge"
)

// TestMarked reads what others say beside a commit: statuses everywhere, and checks of GitHub.
func TestMarked(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			c, s := open(t, kind, token)
			marked := func(want forge.State) {
				t.Helper()
				x, ok, err := c.Marked(t.Context(), commit, "ci/build")
				if err != nil || ok != (want != "") || x.State != want {
					t.Errorf("marked %+v, %v, %v, want %q", x, ok, err, want)
				}
			}
			marked("")
			s.Check(commit, "ci/lint", "completed", "success")
			marked("")
			if err := c.Tell(t.Context(), commit, forge.Status{Context: "ci/build", State: forge.Success}); err != nil {
				t.Fatal(err)
			}
			marked(forge.Success)
			if kind != forge.GitHub {
				if _, _, err := c.Marked(t.Context(), unknown, "ci/build"); fault.KindOf(err) != fault.Invalid {
					t.Errorf("of a commit that there is not: %v", err)
				}
				return
			}
			for _, x := range []struct {
				status, conclusion string
				want               forge.State
			}{
				{"queued", "", forge.Pending},
				{"in_progress", "", forge.Pending},
				{"completed", "failure", forge.Failure},
				{"completed", "timed_out", forge.Failure},
				{"completed", "action_required", forge.Failure},
				{"completed", "neutral", forge.Success},
				{"completed", "success", forge.Success},
			} {
				s.Check(commit, "ci/build", x.status, x.conclusion)
				marked(x.want)
			}
			if err := c.Tell(t.Context(), commit, forge.Status{Context: "ci/build", State: forge.Failure}); err != nil {
				t.Fatal(err)
			}
			marked(forge.Failure) // the worst of both
			s.Answer(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/check-runs") {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				s.Forge(w, r)
			})
			if _, _, err := c.Marked(t.Context(), commit, "ci/build"); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "may not read statuses") {
				t.Errorf("without the right to read checks: %v", err)
			}
		})
	}
}
