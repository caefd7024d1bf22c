package controller

import (
	"maps"
	"slices"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// waiters are the apps that wait for something outside: that every app is read, that a kind appears. The zero waiters are none. They are safe for concurrent use.
type waiters struct {
	mu   sync.Mutex
	apps map[app.Owner]bool
}

// set notes whether an app waits.
func (w *waiters) set(o app.Owner, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !waits {
		delete(w.apps, o)
		return
	}
	if w.apps == nil {
		w.apps = map[app.Owner]bool{}
	}
	w.apps[o] = true
}

// list returns those that wait.
func (w *waiters) list() []app.Owner {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.apps))
}

// take returns those that wait: from now on they do not.
func (w *waiters) take() []app.Owner {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Collect(maps.Keys(w.apps))
	clear(w.apps)
	return all
}
