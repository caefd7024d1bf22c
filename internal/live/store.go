package live

import (
	"context"
	"sync"

	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
)

// Kind names one watch: who looks, and at what.
type Kind struct {
	Identity app.Identity
	Resource object.Resource
	// All looks at every object, not only at those with an owner mark.
	All bool
	// Within is the one namespace to look in, however far the identity may; empty: as far as it may.
	Within string
	// Name looks at the one object of that name, whoever owns it.
	Name string
}

// Change is one entry that is different from before. A zero Entry is an object that is gone, or lost its owner mark.
type Change struct {
	Kind   Kind
	Key    object.Key
	Owner  app.Owner // of the entry before or after: whom it concerns
	Before observed.Entry
	After  observed.Entry
}

// Options say what a Store needs of the world.
type Options struct {
	// Client returns the client that acts as an identity.
	Client func(app.Identity) (dynamic.Interface, error)
	// Lens returns how the objects of an app are looked at.
	Lens func(app.Owner) observed.Lens
	// OnChange is told every change. It must not block.
	OnChange func(Change)
	// OnWatch is told when a watch is ready, fails or ends, so that who waits for it can look again. It must not block.
	// The error is why it does not run; nil if it does.
	OnWatch func(Kind, error)
	// Driver looks; nil is client-go's reflector, in a goroutine for each namespace.
	Driver Driver
}

// Driver does the looking of a store. Its methods return at once; what they begin ends with the store's context.
type Driver interface {
	// Go runs f, which asks how far the identity of a kind may look.
	Go(k Kind, f func())
	// Look lists and watches what a view is of, and tells the view, until Trouble says that there is nothing to look at.
	Look(v *View)
}

// Store is what is remembered of all claimed objects of one cluster. It is safe for concurrent use.
type Store struct {
	ctx context.Context
	o   Options

	mu      sync.Mutex
	watches map[Kind]*watch
	done    sync.WaitGroup
}

// NewStore returns an empty store whose watches end with ctx.
func NewStore(ctx context.Context, o Options) *Store {
	s := &Store{ctx: ctx, o: o, watches: map[Kind]*watch{}}
	if o.Driver == nil {
		s.o.Driver = reflectors{s}
	}
	return s
}

// Wait returns when every watch has ended, after the store's context was cancelled.
func (s *Store) Wait() { s.done.Wait() }

// Track makes sure that a kind is watched in the given namespaces (none for kinds without namespaces), and says how the watch stands.
func (s *Store) Track(k Kind, namespaces ...string) Status {
	s.mu.Lock()
	w := s.watches[k]
	if w == nil {
		w = newWatch(s, k)
		s.watches[k] = w
		s.o.Driver.Go(k, w.run)
	}
	s.mu.Unlock()
	return w.want(namespaces)
}

// Status is how a watch stands.
type Status struct {
	// Synced says that the watch has delivered everything there is in the namespaces that were asked for.
	Synced bool
	// Gone says that the cluster no longer serves the kind.
	Gone bool
	// Err is why the watch does not run; nil if it does or is still starting.
	Err error
}

// End ends a watch, if there is one, and forgets what it saw.
func (s *Store) End(k Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.watches[k]; w != nil {
		w.stop()
		delete(s.watches, k)
	}
}

// Versions returns the resourceVersions of all that a watch sees, by key; nil if there is no such watch.
func (s *Store) Versions(k Kind) map[object.Key]string {
	s.mu.Lock()
	w := s.watches[k]
	s.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.versions()
}

// Entry returns what is remembered of an object, the zero Entry if it is not there.
func (s *Store) Entry(k Kind, key object.Key) observed.Entry {
	s.mu.Lock()
	w := s.watches[k]
	s.mu.Unlock()
	if w == nil {
		return observed.Entry{}
	}
	return w.entry(key)
}

// Autoscaled reports whether one of the HorizontalPodAutoscalers of a watch scales the object of key.
func (s *Store) Autoscaled(autoscalers Kind, key object.Key) bool {
	s.mu.Lock()
	w := s.watches[autoscalers]
	s.mu.Unlock()
	return w != nil && w.scales(key)
}

// Put remembers the answer to an own write before its event arrives, and returns the entry.
func (s *Store) Put(k Kind, o object.Object) observed.Entry {
	s.mu.Lock()
	w := s.watches[k]
	s.mu.Unlock()
	if w == nil {
		return observed.Of(o, s.o.Lens(app.OwnerOf(o)))
	}
	return w.put(o, false)
}

// Held returns an object that somebody else changed, as it was seen last, so that it need not be read; zero if it is not kept.
func (s *Store) Held(k Kind, key object.Key) object.Object {
	s.mu.Lock()
	w := s.watches[k]
	s.mu.Unlock()
	if w == nil {
		return object.Object{}
	}
	return w.held(key)
}

// Retain ends every watch that used does not want any more.
func (s *Store) Retain(used func(Kind) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, w := range s.watches {
		if !used(k) {
			w.stop()
			delete(s.watches, k)
		}
	}
}

// Watches returns how many watches run and how many entries they hold.
func (s *Store) Watches() (watches, entries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watches {
		entries += w.size()
	}
	return len(s.watches), entries
}
