package why

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// events are those about an object, the newest first.
func (l *look) events(o object.Object) []object.Object {
	if o.IsZero() {
		return nil
	}
	r, _ := l.ask(Ask{Verb: Events, Key: o.Key()})
	var own []object.Object
	for _, e := range r.Objects {
		if uid := e.Text("involvedObject", "uid"); uid == "" || uid == o.UID() {
			own = append(own, e)
		}
	}
	slices.SortStableFunc(own, func(a, b object.Object) int { return lastOf(b).Compare(lastOf(a)) })
	return own
}

// lastOf is when an Event was last: of the fields that clients have written over the years the newest.
func lastOf(e object.Object) time.Time {
	newest := time.Time{}
	for _, path := range [][]string{{"series", "lastObservedTime"}, {"lastTimestamp"}, {"eventTime"}, {"firstTimestamp"}, {"metadata", "creationTimestamp"}} {
		if at := e.Time(path...); at.After(newest) {
			newest = at
		}
	}
	return newest
}

func evidence(e object.Object) Evidence {
	count, _ := e.At("count").(int64)
	if n, ok := e.At("series", "count").(int64); ok {
		count = n
	}
	about := object.Key{Kind: e.Text("involvedObject", "kind"), Namespace: e.Text("involvedObject", "namespace"), Name: e.Text("involvedObject", "name")}
	return Evidence{From: "Event of " + about.String(), Says: e.Text("message"), At: ptr(lastOf(e)), Count: int(count)}
}

// warnings adds the newest warning about an object; false if there is none.
func (l *look) warnings(a *Answer, o object.Object) bool {
	for _, e := range l.events(o) {
		if e.Text("type") == "Warning" {
			a.Because = append([]Evidence{evidence(e)}, a.Because...)
			return true
		}
	}
	return false
}

// items are the maps of a list in an object.
func items(o object.Object, path ...string) []object.Object {
	list, _ := o.At(path...).([]any)
	var out []object.Object
	for _, x := range list {
		if m, ok := x.(map[string]any); ok {
			out = append(out, object.New(m))
		}
	}
	return out
}

func texts(o object.Object, path ...string) []string {
	list, _ := o.At(path...).([]any)
	var out []string
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func conditionsOf(o object.Object) []object.Object { return items(o, "status", "conditions") }

// condition is zero if there is none of that type.
func condition(o object.Object, kind string) object.Object {
	for _, c := range conditionsOf(o) {
		if c.Text("type") == kind {
			return c
		}
	}
	return object.Object{}
}

func ownedBy(o, owner object.Object) bool {
	return slices.ContainsFunc(kin.Refs(o), func(r kin.Ref) bool { return r.UID == owner.UID() })
}

// selectorOf is the labels that an object selects its Pods by, as a request takes them; empty if it selects by none.
func selectorOf(o object.Object) string {
	labels, _ := o.At("spec", "selector", "matchLabels").(map[string]any)
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, fmt.Sprintf("%s=%v", k, labels[k]))
	}
	for _, e := range items(o, "spec", "selector", "matchExpressions") {
		values := strings.Join(texts(e, "values"), ",")
		switch key := e.Text("key"); e.Text("operator") {
		case "In":
			parts = append(parts, fmt.Sprintf("%s in (%s)", key, values))
		case "NotIn":
			parts = append(parts, fmt.Sprintf("%s notin (%s)", key, values))
		case "Exists":
			parts = append(parts, key)
		case "DoesNotExist":
			parts = append(parts, "!"+key)
		}
	}
	return strings.Join(parts, ",")
}
