package odb

import (
	"container/list"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// cache keeps the objects used last within a bound of bytes. It is safe for concurrent use.
type cache struct {
	max int64

	mu   sync.Mutex
	size int64
	byID map[source.ID]*list.Element
	used list.List // of *kept, the one used last in front
}

type kept struct {
	id    source.ID
	value any
	cost  int64
}

func newCache(limit int64) *cache {
	return &cache{max: limit, byID: map[source.ID]*list.Element{}}
}

func (c *cache) get(id source.ID) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return nil, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*kept).value, true
}

// put keeps value under id. A value that alone exceeds the bound is not kept.
func (c *cache) put(id source.ID, value any, cost int64) {
	const overhead = 200 // of the map, the list and the value's own header
	cost += overhead
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok || cost > c.max {
		return
	}
	c.byID[id] = c.used.PushFront(&kept{id: id, value: value, cost: cost})
	c.size += cost
	for c.size > c.max {
		last := c.used.Remove(c.used.Back()).(*kept)
		delete(c.byID, last.id)
		c.size -= last.cost
	}
}
