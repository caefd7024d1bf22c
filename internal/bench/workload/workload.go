package workload

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// PerSet is how many objects a set has.
const PerSet = 5

// Label is on every object; its value tells the objects that the benchmark changes from the others.
const (
	Label    = "bench.fairlead.dev/part"
	Settings = "settings"
	Other    = "other"
)

// Workload is how much there is: Apps directories of Sets times five objects. Both are at least 1.
type Workload struct{ Apps, Sets int }

// Parse reads "100", a hundred apps of five objects, or "1x2000", one app of two thousand objects.
func Parse(text string) (Workload, error) {
	apps, per, large := strings.Cut(text, "x")
	w := Workload{Sets: 1}
	var err error
	if w.Apps, err = strconv.Atoi(apps); err != nil || w.Apps < 1 || w.Apps > 20000 {
		return Workload{}, fmt.Errorf("size %q: want a number of apps from 1 to 20000, or APPSxOBJECTS such as 1x2000", text)
	}
	if !large {
		return w, nil
	}
	objects, err := strconv.Atoi(per)
	if err != nil || objects < PerSet || objects%PerSet != 0 || objects > 50000 {
		return Workload{}, fmt.Errorf("size %q: the objects of an app come in sets of %d, from %d to 50000", text, PerSet, PerSet)
	}
	w.Sets = objects / PerSet
	return w, nil
}

// String is what Parse reads.
func (w Workload) String() string {
	if w.Sets == 1 {
		return strconv.Itoa(w.Apps)
	}
	return fmt.Sprintf("%dx%d", w.Apps, w.Sets*PerSet)
}

// Total is how many objects there are.
func (w Workload) Total() int { return w.Apps * w.Sets * PerSet }

// Spots is how many sets there are in all apps.
func (w Workload) Spots() int { return w.Apps * w.Sets }

// A Spot is one set of one app.
type Spot struct{ app, set, sets int }

// Spot returns the i-th set, from 0 to Spots()-1: neighbours are in different apps wherever there is more than one.
func (w Workload) Spot(i int) Spot { return Spot{app: i % w.Apps, set: i / w.Apps, sets: w.Sets} }

// App is the name of the app, and of the namespace of its objects.
func (s Spot) App() string { return App(s.app) }

// App is the name of the i-th app, from 0.
func App(i int) string { return fmt.Sprintf("app-%04d", i) }

// Dir is the directory of the app.
func (s Spot) Dir() string { return path.Join("apps", s.App()) }

// suffix tells the sets of an app apart.
func (s Spot) suffix() string {
	if s.sets == 1 {
		return ""
	}
	return fmt.Sprintf("-%04d", s.set)
}

// SettingsName is the name of the ConfigMap that the benchmark changes, PagesName that of the other one.
func (s Spot) SettingsName() string { return "settings" + s.suffix() }

// PagesName is the name of the ConfigMap that a base can hold, and that is removed.
func (s Spot) PagesName() string { return "pages" + s.suffix() }

// WebName is the name of the Deployment, and of what it needs.
func (s Spot) WebName() string { return "web" + s.suffix() }
