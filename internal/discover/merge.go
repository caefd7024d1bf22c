package discover

import (
	"fmt"
	"maps"
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
	byName := map[string][]Found{}
	for i, s := range sources {
		for _, f := range s.Result.Found {
			f.Source = i
			byName[f.Name] = append(byName[f.Name], f)
		}
		for _, p := range s.Result.Problems {
			p.Source = i
			out.Problems = append(out.Problems, p)
		}
		if out.Missing == "" {
			out.Missing = s.Result.Missing
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all := byName[name]
		if len(all) == 1 {
			out.Found = append(out.Found, all[0])
			continue
		}
		for i, f := range all {
			other := all[(i+1)%len(all)]
			why := fmt.Sprintf("%s is the app %s as well%s: rename one", other.Dir, name, from(sources[other.Source].Place))
			out.Problems = append(out.Problems, Problem{Name: name, Dir: f.Dir, Why: why, Source: f.Source})
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
