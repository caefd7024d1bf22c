package kube

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
)

// Options say what a server needs of the world. The zero value is complete but for Now.
type Options struct {
	// Now is the server's clock. It is asked once or more for each write. It must not be ahead of the machine's, which the field managers ask: of more than
	// ten managers that update an object, they merge those that did it longest ago.
	Now func() time.Time
	// Intercept is asked about every request before it is looked at. It may itself use the server, as somebody who is faster. Nil lets all be as it should.
	Intercept func(Request) Verdict
	// Allow says whether a user has a right. Nil: everybody has every right.
	Allow func(Request) bool
	// Light says of which kinds nobody asks who owns which field, or, of custom kinds, who owns which field of the status and whether that is as its schema says:
	// it is then stored as it is written, which is much faster. Nil: of none.
	Light func(schema.GroupResource) bool
	// Shared says that nobody changes what he is answered, or told by a watch: all get the same, which is much faster. Else everybody gets a copy of his own.
	Shared bool
	// Deliver decides how the events of a watch that a client opened get to it. Nil: at once, without a goroutine, and who does not keep up is cut off.
	Deliver func(Request, *Watch) apiwatch.Interface
}

// Server is a simulated API server. It is safe for concurrent use.
type Server struct {
	o Options

	mu        sync.Mutex
	kinds     map[schema.GroupVersionResource]*kind
	objects   map[schema.GroupResource]map[name]*version
	uids      map[string]key // of what exists
	tied      map[key]bool   // what the garbage collector may have to do with
	log       []change       // one for each revision after compacted, in order
	revision  int64          // of the newest state
	compacted int64          // the newest revision that can no longer be read, nor watched from
	created   int            // objects so far: uids are made of it
	addresses int            // of Services so far
	requests  int            // so far
	idle      bool           // the last Step found nothing to do, and nothing was written since
	streams   []*stream
	memo      *memo
}

// name is an object within its resource.
type name struct{ namespace, name string }

// key is an object.
type key struct {
	resource schema.GroupResource
	name     name
}

// version is a state that an object had from a revision on, and the one before. Its state is nil from the object's deletion on.
type version struct {
	revision int64
	state    *state
	before   *version
}

// change is one write. Old is nil for a creation, next for a deletion, whose last state, with the deletion's revision, is gone.
type change struct {
	revision        int64
	key             key
	old, next, gone *state
}

// first is the revision of an empty server: like a real one's, it is not 0.
const first = 1

// New returns a server that has only the built-in kinds, and the namespace default.
func New(o Options) *Server {
	s := &Server{
		o: o, kinds: map[schema.GroupVersionResource]*kind{}, objects: map[schema.GroupResource]map[name]*version{}, uids: map[string]key{}, tied: map[key]bool{},
		revision: first, compacted: first, memo: newMemo(),
	}
	all, err := builtinKinds()
	if err != nil {
		panic(fmt.Sprintf("the built-in kinds are broken: %v", err))
	}
	for _, k := range all {
		s.kinds[k.gvk.GroupVersion().WithResource(k.plural)] = k
	}
	k := s.kinds[schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}]
	for _, ns := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
		content, _, err := k.decode(map[string]any{"metadata": map[string]any{"name": ns}})
		if err != nil {
			panic(err)
		}
		if _, err := s.insert(k, newState(content, nil), false); err != nil {
			panic(err)
		}
	}
	return s
}

// Fork returns another server with the state and the history of s, which goes its own way. It costs as much as there are objects, not as they hold. It has no
// watches.
func (s *Server) Fork(o Options) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &Server{
		o: o, kinds: maps.Clone(s.kinds), objects: make(map[schema.GroupResource]map[name]*version, len(s.objects)), uids: maps.Clone(s.uids), tied: maps.Clone(s.tied),
		log: slices.Clip(s.log), revision: s.revision, compacted: s.compacted, created: s.created, addresses: s.addresses, idle: s.idle, memo: s.memo,
	}
	for r, objects := range s.objects {
		f.objects[r] = maps.Clone(objects)
	}
	return f
}

// Revision is the resourceVersion of the newest write.
func (s *Server) Revision() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// Compact forgets what was before a revision: nobody can list as of then, nor watch from then.
func (s *Server) Compact(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision = min(revision, s.revision); revision <= s.compacted {
		return
	}
	s.log = s.log[s.behind(revision):]
	s.compacted = revision
	s.pump()
}

// behind returns where in the log the changes after a revision begin.
func (s *Server) behind(revision int64) int {
	i, _ := slices.BinarySearchFunc(s.log, revision+1, func(c change, r int64) int { return int(c.revision - r) })
	return i
}

// at returns the state that an object had at a revision, nil if it did not exist.
func (s *Server) at(k key, revision int64) *state {
	v := s.objects[k.resource][k.name]
	for v != nil && v.revision > revision {
		v = v.before
	}
	if v == nil {
		return nil
	}
	return v.state
}

// live returns the state of an object, nil if it does not exist.
func (s *Server) live(k key) *state { return s.at(k, s.revision) }

// commit stores a new state over an old one, which is nil for a creation; next is nil for a deletion.
func (s *Server) commit(k key, old, next *state) {
	s.revision++
	c := change{revision: s.revision, key: k, old: old, next: next}
	rv := strconv.FormatInt(s.revision, 10)
	if next != nil {
		next.edit("metadata")["resourceVersion"] = rv
		if next.stored != nil {
			kept := newState(next.stored, nil)
			kept.edit("metadata")["resourceVersion"] = rv
		}
		next.typed.Store(nil)
		next.whole.Store(nil)
		s.uids[string(next.GetUID())] = k
	} else {
		c.gone = old.copied()
		c.gone.edit("metadata")["resourceVersion"] = rv
		delete(s.uids, string(old.GetUID()))
	}
	delete(s.tied, k)
	if next != nil && (next.ending() || next.metadata()["ownerReferences"] != nil) {
		s.tied[k] = true
	}
	objects := s.objects[k.resource]
	if objects == nil {
		objects = map[name]*version{}
		s.objects[k.resource] = objects
	}
	objects[k.name] = &version{revision: s.revision, state: next, before: objects[k.name]}
	s.log = append(s.log, c)
	s.idle = false
	if k.resource == definitions {
		s.define(k, next)
	}
	s.pump()
}

// now is the time as the API writes it.
func (s *Server) now() time.Time { return s.o.Now().UTC().Truncate(time.Second) }

func (s *Server) stamp() string { return s.now().Format(time.RFC3339) }
