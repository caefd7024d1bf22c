package nearest

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOf(t *testing.T) {
	fields := []string{"dependsOn", "health", "deadline", "rules", "apiVersion", "kind", "failed", "healthy", "progressing"}
	for word, want := range map[string]string{
		"dependOn":               "dependsOn",
		"depends_on":             "dependsOn",
		"DEPENDSON":              "dependsOn",
		"dependnsOn":             "dependsOn",
		"helath":                 "health",
		"healty":                 "health", // one edit from both health and healthy: the first in the alphabet
		"apiversion":             "apiVersion",
		"knid":                   "kind",
		"prune":                  "",
		"x":                      "",
		"":                       "",
		strings.Repeat("é", 500): "",
	} {
		if got, ok := Of(word, fields); got != want || ok != (want != "") {
			t.Errorf("Of(%q) = %q, %v; want %q", word, got, ok, want)
		}
	}
}

func TestLaws(t *testing.T) {
	word := rapid.StringMatching(`[a-eA-E]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		w, known := word.Draw(t, "word"), rapid.SliceOfDistinct(word, strings.ToLower).Draw(t, "known")
		got, ok := Of(w, known)
		if ok && !slices.Contains(known, got) {
			t.Fatalf("%q is not a known word", got)
		}
		slices.Reverse(known)
		if again, _ := Of(w, known); again != got {
			t.Fatalf("the order of known matters: %q, then %q", got, again)
		}
		if w != "" && slices.Contains(known, w) && len(w) > 1 && got != w {
			t.Fatalf("%q is known, got %q", w, got)
		}
	})
}
