package schema

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/object"
)

//go:embed data/lifecycle.txt
var lifecycleText string

// Lifecycle is when a version of one of Kubernetes' own kinds comes and goes. Versions are such as "1.25"; empty: not, as far as is known.
type Lifecycle struct {
	Introduced, Deprecated, Removed string
	// Replacement is what to write instead; zero if nothing replaces it.
	Replacement object.GVK
}

var lifecycles = sync.OnceValue(func() map[object.GVK]Lifecycle {
	all := map[object.GVK]Lifecycle{}
	known := func(s string) string { return strings.TrimPrefix(s, "-") }
	for l := range strings.Lines(lifecycleText) {
		f := strings.Fields(l)
		if len(f) != 6 || f[0] == "#" {
			continue
		}
		life := Lifecycle{Introduced: known(f[2]), Deprecated: known(f[3]), Removed: known(f[4])}
		if i := strings.LastIndexByte(f[5], '/'); i > 0 {
			life.Replacement = object.ParseGVK(f[5][:i], f[5][i+1:])
		}
		all[object.ParseGVK(f[0], f[1])] = life
	}
	return all
})

// LifecycleOf returns what is known of a version of a kind. Its replacement is one that is not itself removed at version, where there is one.
func LifecycleOf(gvk object.GVK, version string) (Lifecycle, bool) {
	life, ok := lifecycles()[gvk]
	for range 5 { // a chain of replacements is short, and ends
		next, known := lifecycles()[life.Replacement]
		if !known || next.Removed == "" || Before(version, next.Removed) {
			break
		}
		life.Replacement = next.Replacement
	}
	return life, ok
}

// Before reports whether a version is older than another: "1.9" is older than "1.16". An empty version is older than none.
func Before(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	aMajor, aMinor := numbers(a)
	bMajor, bMinor := numbers(b)
	return aMajor < bMajor || aMajor == bMajor && aMinor < bMinor
}

func numbers(v string) (major, minor int) {
	a, b, _ := strings.Cut(v, ".")
	major, _ = strconv.Atoi(a)
	minor, _ = strconv.Atoi(b)
	return major, minor
}
