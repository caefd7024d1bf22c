package app_test

import (
	"maps"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestAnd joins claims: on what both claim the first are right, and neither is changed.
func TestAnd(t *testing.T) {
	key := func(name string) object.Key { return object.Key{Kind: "ConfigMap", Name: name} }
	first := app.Claims{key("both"): {Want: "first"}, key("one"): {}}
	second := app.Claims{key("both"): {Want: "second"}, key("two"): {}}
	want := app.Claims{key("both"): {Want: "first"}, key("one"): {}, key("two"): {}}
	if got := first.And(second); !maps.Equal(got, want) {
		t.Errorf("both claim %v, want %v", got, want)
	}
	if len(first) != 2 || len(second) != 2 {
		t.Errorf("they became %v and %v", first, second)
	}
	for _, none := range []app.Claims{nil, {}} {
		if got := none.And(first); !maps.Equal(got, first) {
			t.Errorf("%v and %v are %v", none, first, got)
		}
	}
}
