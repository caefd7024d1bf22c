// Package observed is what Fairlead remembers of a live object between two looks at it: an [Entry] of a few dozen bytes instead of the object.
//
// It is made from the object alone, as a watch event or an apply's answer brings it; it holds no value of the object.
package observed

import (
	"strconv"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Entry is one live object, compactly. The zero Entry is an absent object.
type Entry struct {
	UID             string
	ResourceVersion string
	Owner           app.Owner
	// Print is the fingerprint of what Fairlead applied.
	Print fingerprint.Print
	// Added says that a person added fields.
	Added bool
	// Scaled says that a program sets spec.replicas.
	Scaled   bool
	Deleting bool
	Health   health.Verdict
	// Ended is health.Ended. The entry of an object that was removed after it ended IsZero and has Ended still.
	Ended health.Status
	// Lens is the version of the lens that the object was looked at with.
	Lens string
	// Scales is what a HorizontalPodAutoscaler scales; zero for every other kind.
	Scales object.Key
}

// IsZero reports whether the object is absent.
func (e Entry) IsZero() bool { return e.UID == "" }

// Gone is the entry of the object after it left the cluster.
func (e Entry) Gone() Entry {
	if e.Ended == "" {
		return Entry{}
	}
	return Entry{ResourceVersion: e.ResourceVersion, Ended: e.Ended}
}

// Lens is how an object is looked at: what does not follow from the object itself.
type Lens struct {
	Policy app.Policy
	Rules  health.Rules
	// Version differs for different rules: an entry that was made with other rules has to be made anew.
	Version string
}

// Of makes the entry of a live object.
func Of(live object.Object, lens Lens) Entry {
	if live.IsZero() {
		return Entry{}
	}
	ignored := app.IgnoredOf(live)
	return Entry{
		UID:             live.UID(),
		ResourceVersion: live.ResourceVersion(),
		Owner:           app.OwnerOf(live),
		Print:           fingerprint.Of(live, app.Manager, ignored),
		Added:           !app.Merges(live) && fingerprint.Added(live, app.Manager, lens.Policy.IsInteractive, ignored),
		Scaled:          fingerprint.Scaled(live, lens.Policy.IsInteractive),
		Deleting:        live.Deleting(),
		Health:          lens.Rules.Assess(live),
		Ended:           health.Ended(live),
		Lens:            lens.Version,
		Scales:          ScaledBy(live),
	}
}

// ScaledBy is the object that a HorizontalPodAutoscaler scales; the zero Key for every other kind.
func ScaledBy(o object.Object) object.Key {
	if o.Kind() != "HorizontalPodAutoscaler" || o.Key().Group != "autoscaling" {
		return object.Key{}
	}
	gvk := object.ParseGVK(o.Text("spec", "scaleTargetRef", "apiVersion"), o.Text("spec", "scaleTargetRef", "kind"))
	return object.Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.Namespace(), Name: o.Text("spec", "scaleTargetRef", "name")}
}

// Older reports whether resourceVersion a was given out before b. Versions of one resource are comparable as integers; any that are not count as newer, so
// that no news is lost.
func Older(a, b string) bool {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	return errX == nil && errY == nil && x < y
}
