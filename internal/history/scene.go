package history

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Place is an app of an environment, or, without App, an environment as a whole.
type Place struct {
	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	App         string `json:"app,omitempty"`
}

// String prints it as people name it: NAMESPACE/ENVIRONMENT/APP.
func (p Place) String() string {
	s := p.Namespace + "/" + p.Environment
	if p.App != "" {
		s += "/" + p.App
	}
	return s
}

// Compare orders places by their names, an environment before its apps.
func (p Place) Compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Namespace, o.Namespace), cmp.Compare(p.Environment, o.Environment), cmp.Compare(p.App, o.App))
}

// Place is what a record is about.
func (r Record) Place() Place { return Place{r.Namespace, r.Environment, r.App} }

// Scene is what there was at one time.
type Scene map[Place]State

// Entry is one app of a scene.
type Entry struct {
	Place
	State
}

// At is what there was at a time, with all that happened at that time. Of records in any order, the same records give the same scene.
func At(records []Record, t time.Time) Scene {
	s := Scene{}
	for _, r := range InOrder(records) {
		if r.Time.After(t) {
			break
		}
		state := s[r.Place()]
		state.take(r)
		s[r.Place()] = state
	}
	maps.DeleteFunc(s, func(_ Place, state State) bool { return state.isZero() })
	return s
}

// InOrder returns records in the order in which they happened. They are stored in another one if a store could not be reached for a while.
func InOrder(records []Record) []Record {
	return slices.SortedFunc(slices.Values(records), func(a, b Record) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq))
	})
}

// Apps lists the apps of a scene by their names. An app whose environment is suspended is suspended.
func (s Scene) Apps() []Entry {
	apps := []Entry{}
	for place, state := range s {
		if place.App == "" {
			continue
		}
		if all := s[Place{place.Namespace, place.Environment, ""}]; state.Suspended == nil {
			state.Suspended = all.Suspended
		}
		apps = append(apps, Entry{place, state})
	}
	slices.SortFunc(apps, func(a, b Entry) int { return a.Compare(b.Place) })
	return apps
}

// Change is how an app differs between two times.
type Change struct {
	Place
	Was    *State   `json:"was,omitempty"` // nil: it was not there yet
	Is     *State   `json:"is,omitempty"`  // nil: it is gone
	Gained []string `json:"gained,omitempty"`
	Lost   []string `json:"lost,omitempty"` // images
}

// Diff lists the apps that run something else in the second scene than in the first one, or are pinned, drifted, suspended or held in one of them alone.
func Diff(was, is Scene) []Change {
	changes := []Change{}
	before := map[Place]State{}
	for _, e := range was.Apps() {
		before[e.Place] = e.State
	}
	for _, e := range is.Apps() {
		old, ok := before[e.Place]
		delete(before, e.Place)
		if !ok {
			changes = append(changes, Change{Place: e.Place, Is: &e.State, Gained: e.Runs.Images})
			continue
		}
		if differs(old, e.State) {
			changes = append(changes, Change{
				Place: e.Place, Was: &old, Is: &e.State,
				Gained: without(e.Runs.Images, old.Runs.Images), Lost: without(old.Runs.Images, e.Runs.Images),
			})
		}
	}
	for place, old := range before {
		changes = append(changes, Change{Place: place, Was: &old, Lost: old.Runs.Images})
	}
	slices.SortFunc(changes, func(a, b Change) int { return a.Compare(b.Place) })
	return changes
}

func differs(a, b State) bool {
	return !a.Runs.Is(b.Runs) || a.Pinned != b.Pinned || (a.Drifted == nil) != (b.Drifted == nil) || (a.Suspended == nil) != (b.Suspended == nil) || (a.Held == nil) != (b.Held == nil)
}

// Is reports whether two versions are of the same objects, as far as it is known.
func (v Version) Is(o Version) bool {
	if v.Digest != "" && o.Digest != "" {
		return v.Digest == o.Digest
	}
	return v.Commit == o.Commit
}

func without(all, those []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(those, s) })
}
