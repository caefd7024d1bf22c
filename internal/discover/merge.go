package discover

import (
	"fmt"
	"slices"
	"strings"
)

// Source is a result and the place that it is from, such as "repository shop-config, apps/*/production".
type Source struct {
	Place  string
	Result Result
}

// Merge joins the results of the sources of one environment. Of apps that have one name none is found, and each is a problem that names
// another: which of them is meant is not for us to guess.
func Merge(sources ...Source) Result {
	var out Result
	var all []Found
	for i, s := range sources {
		all = slices.Grow(all, len(s.Result.Found))
		for _, f := range s.Result.Found {
			f.Source = i
			all = append(all, f)
		}
		for _, p := range s.Result.Problems {
			p.Source = i
			out.Problems = append(out.Problems, p)
		}
		if out.Missing == "" {
			out.Missing = s.Result.Missing
		}
	}
	byName := func(a, b Found) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(all, byName)
	out.Found = all[:0]
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Name == all[0].Name {
			n++
		}
		same := all[:n]
		all = all[n:]
		if n == 1 {
			out.Found = append(out.Found, same[0])
			continue
		}
		for i, f := range same {
			other := same[(i+1)%n]
			why := fmt.Sprintf("%s is the app %s as well%s: rename one", other.Dir, f.Name, from(sources[other.Source].Place))
			out.Problems = append(out.Problems, Problem{Name: f.Name, Dir: f.Dir, Why: why, Source: f.Source})
		}
	}
	slices.SortStableFunc(out.Problems, func(a, b Problem) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func from(place string) string {
	if place == "" {
		return ""
	}
	return " (" + place + ")"
}
