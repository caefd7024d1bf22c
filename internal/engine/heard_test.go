package engine

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// TestHeard asks who else claims an object, while what is claimed changes.
func TestHeard(t *testing.T) {
	name := func(s string) app.Name { return app.Name{Namespace: "team", Environment: "prod", App: s} }
	var h heard
	says := func(when, of, want string) {
		t.Helper()
		got, ok := h.other(name(of), key("x"), func(n app.Name) bool { return n.App != "ours" })
		if ok != (want != "") || got.App != want {
			t.Errorf("%s: beside %s it is claimed by %q, want %q", when, of, got.App, want)
		}
	}
	says("nothing was heard", "a", "")
	h.tell(name("a"), app.Claims{key("x"): {}, key("y"): {}})
	says("one claims it", "a", "")
	says("one claims it", "b", "a")
	h.tell(name("b"), app.Claims{key("x"): {}})
	says("two claim it", "a", "b")
	says("two claim it", "c", "a")
	h.tell(name("a"), app.Claims{key("x"): {Yielded: true}})
	says("the one lets it go", "c", "b")
	says("the one lets it go", "b", "")
	h.tell(name("b"), nil)
	h.tell(name("ours"), app.Claims{key("x"): {}})
	says("who else claims it is not asked for", "c", "")
	h.tell(name("a"), nil)
	h.tell(name("ours"), app.Claims{})
	says("all are gone", "c", "")
	if len(h.counts) != 0 {
		t.Errorf("it still counts %v", h.counts)
	}
}
