package controller

import (
	"container/list"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// room is how many objects a desk has room for, of some kilobytes each, if nobody says.
const room = 4000

// desk is the apps that were worked on last: their objects, and what was made of them, are at hand. Those of all others are put away: of what they want a
// text is left, which takes a small part of the memory and of which all can be made again. It is safe for concurrent use.
type desk struct {
	room    int
	mu      sync.Mutex
	apps    list.List // of *onDesk, the one that was used last in front
	by      map[*member]*list.Element
	objects int
}

type onDesk struct {
	app     *member
	objects int
}

// use notes that an app was worked on, and how many of its objects are at hand. It returns the apps that there is no room for any more; the one that was used
// last always stays.
func (d *desk) use(m *member, objects int) []*member {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(m)
	if objects == 0 {
		return nil
	}
	if d.by == nil {
		d.by = map[*member]*list.Element{}
	}
	d.by[m] = d.apps.PushFront(&onDesk{m, objects})
	d.objects += objects
	var away []*member
	for d.objects > d.room && d.apps.Len() > 1 {
		if x, ok := d.apps.Back().Value.(*onDesk); ok {
			away = append(away, x.app)
			d.drop(x.app)
		}
	}
	return away
}

// drop takes an app off the desk. The lock is held.
func (d *desk) drop(m *member) {
	e := d.by[m]
	if e == nil {
		return
	}
	if x, ok := d.apps.Remove(e).(*onDesk); ok {
		d.objects -= x.objects
	}
	delete(d.by, m)
}

// worked ends the work on an app, and puts away those that there is no room for.
func (c *controller) worked(m *member) {
	m.mu.Lock()
	objects := len(m.objects)
	if m.retired {
		objects = 0
	}
	m.unlock()
	m.working.Unlock()
	for _, x := range c.desk.use(m, objects) {
		if x.working.TryLock() { // else it comes back to the desk
			x.putAway()
			c.engine.PutAway(x.name)
			x.working.Unlock()
		}
	}
}

// putAway keeps a text instead of the objects.
func (m *member) putAway() {
	m.mu.Lock()
	defer m.unlock()
	if m.packed.Len() == 0 {
		m.packed = object.Pack(m.objects)
	}
	m.objects, m.files = nil, render.Memory{}
}

// wants returns what the app wants as it is now, whatever becomes of it later: a function, since it may have to be made of the text. The lock is held.
func (m *member) wants() func() []object.Object {
	objs, packed := m.objects, m.packed
	return func() []object.Object {
		if objs == nil && packed.Len() > 0 {
			objs = packed.Unpack()
			m.mu.Lock()
			defer m.unlock()
			if m.objects == nil && m.packed == packed {
				m.objects = objs
			}
		}
		return objs
	}
}
