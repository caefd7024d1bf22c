package controller

import (
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
)

// watched is the live store as the engine sees it.
type watched struct{ store *live.Store }

func (w watched) Track(id app.Identity, r object.Resource, namespaces ...string) engine.Watch {
	return engine.Watch(w.store.Track(live.Kind{Identity: id, Resource: r}, namespaces...))
}

func (w watched) Entry(id app.Identity, r object.Resource, key object.Key) observed.Entry {
	return w.store.Entry(live.Kind{Identity: id, Resource: r}, key)
}

func (w watched) Put(id app.Identity, r object.Resource, o object.Object) observed.Entry {
	return w.store.Put(live.Kind{Identity: id, Resource: r}, o)
}

func (w watched) Held(id app.Identity, r object.Resource, key object.Key) object.Object {
	return w.store.Held(live.Kind{Identity: id, Resource: r}, key)
}

// autoscalers is how every supported cluster serves HorizontalPodAutoscalers.
var autoscalers = object.Resource{
	GVK: object.GVK{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}, Plural: "horizontalpodautoscalers", Namespaced: true,
}

// Autoscaled watches the autoscalers of a namespace from the first time it is asked about one of its objects.
func (w watched) Autoscaled(id app.Identity, key object.Key) bool {
	k := live.Kind{Identity: id, Resource: autoscalers, All: true}
	w.store.Track(k, key.Namespace)
	return w.store.Autoscaled(k, key)
}

// lens says how the objects of an app are looked at.
func (c *controller) lens(owner app.Owner) observed.Lens {
	m := c.known(owner)
	if m == nil {
		return observed.Lens{}
	}
	m.mu.Lock()
	defer m.unlock()
	return m.lens()
}

// liveChanged wakes the app that a change concerns, unless nothing that it looks at is different.
func (c *controller) liveChanged(ch live.Change) {
	if v, asked := viewOf(ch.Kind); asked {
		c.lookout.Seen(v)
		if v.Name != "" || v.Namespace != "" {
			return
		}
	}
	before, after := ch.Before, ch.After
	before.ResourceVersion, after.ResourceVersion = "", ""
	if before == after || ch.Owner == (app.Owner{}) {
		return
	}
	c.metrics.liveEvents.Inc()
	if c.owns(ch.Owner) {
		c.appQueue.add(ch.Owner.Namespace, ch.Owner.Name)
	}
	if other := ch.Before.Owner; other != ch.Owner && other != (app.Owner{}) && c.owns(other) {
		c.appQueue.add(other.Namespace, other.Name)
	}
}

// watchChanged wakes the apps that wait for a watch when it is ready, and all of its identity when it fails: what they say of themselves may no longer be true.
func (c *controller) watchChanged(k live.Kind, err error) {
	if v, asked := viewOf(k); asked {
		c.sightChanged(v, err)
		if v.Name != "" || v.Namespace != "" {
			return
		}
	}
	concerned := c.waiters.list()
	if err != nil {
		c.mu.Lock()
		concerned = slices.Collect(maps.Keys(c.apps))
		c.mu.Unlock()
	}
	for _, o := range concerned {
		if o.Namespace == k.Identity.Namespace {
			c.appQueue.add(o.Namespace, o.Name)
		}
	}
}
