package kube

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
)

// Watch is a place in the history of a kind. Who holds it takes the events when he likes: nothing is lost in between, unless the history is compacted, which
// ends it with a 410. It is safe for concurrent use.
type Watch struct {
	server    *Server
	filter    filter
	initial   []item // still to be told as added
	told      bool   // the initial ones have been asked for explicitly, and so their end is told
	bookmarks bool   // are wanted
	marked    int64  // a bookmark to send at this revision, once all before it is told
	seen      int64  // all up to this revision has been told
	err       error  // to be told, and then it ends
	ended     bool
}

// Watch opens a watch as the API does: from a resourceVersion, or with what there is as initial events.
func (s *Server) Watch(gvr schema.GroupVersionResource, namespace string, o metav1.ListOptions) (*Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch(gvr, namespace, o)
}

func (s *Server) watch(gvr schema.GroupVersionResource, namespace string, o metav1.ListOptions) (*Watch, error) {
	k, err := s.find(gvr)
	if err != nil {
		return nil, err
	}
	f, err := newFilter(k, namespace, o)
	if err != nil {
		return nil, err
	}
	w := &Watch{server: s, filter: f, bookmarks: o.AllowWatchBookmarks, seen: s.revision}
	asked := int64(0)
	if o.ResourceVersion != "" {
		if asked, err = parseRevision(o.ResourceVersion); err != nil {
			return nil, err
		}
	}
	wants := o.SendInitialEvents != nil && *o.SendInitialEvents
	switch {
	case wants && asked > s.revision:
		return nil, s.tooLarge(asked)
	case wants || asked == 0 && o.SendInitialEvents == nil:
		w.initial, w.told = s.items(f, s.revision), wants && o.AllowWatchBookmarks
		if w.told {
			w.marked = s.revision
		}
	case asked == 0:
	case asked < s.compacted:
		w.err = expired(fmt.Sprintf("too old resource version: %d (%d)", asked, s.compacted))
	default:
		w.seen = asked
	}
	return w, nil
}

// Next returns the next event, and false if there is none now. The event of an error is the last.
func (w *Watch) Next() (apiwatch.Event, bool) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.next()
}

func (w *Watch) next() (apiwatch.Event, bool) {
	switch {
	case w.ended:
		return apiwatch.Event{}, false
	case w.err != nil:
		w.ended = true
		return apiwatch.Event{Type: apiwatch.Error, Object: statusOf(w.err)}, true
	case len(w.initial) > 0:
		first := w.initial[0].state
		w.initial = w.initial[1:]
		return w.event(apiwatch.Added, first), true
	case w.marked > 0 && w.marked <= w.seen:
		return w.bookmark(), true
	case w.seen < w.server.compacted:
		w.err = expired(fmt.Sprintf("too old resource version: %d (%d)", w.seen, w.server.compacted))
		return w.next()
	}
	for _, c := range w.server.log[w.server.behind(w.seen):] {
		if w.marked > 0 && c.revision > w.marked {
			w.seen = w.marked
			return w.bookmark(), true
		}
		w.seen = c.revision
		was, is := w.filter.covers(c.key, c.old), w.filter.covers(c.key, c.next)
		switch {
		case is && was:
			return w.event(apiwatch.Modified, c.next), true
		case is:
			return w.event(apiwatch.Added, c.next), true
		case was && c.gone != nil:
			return w.event(apiwatch.Deleted, c.gone), true
		case was: // it left the selection: told as it was before
			left := c.old.copied()
			left.edit("metadata")["resourceVersion"] = strconv.FormatInt(c.revision, 10)
			return w.event(apiwatch.Deleted, left), true
		}
	}
	if w.marked > 0 {
		w.seen = max(w.seen, w.marked)
		return w.bookmark(), true
	}
	if k := w.filter.kind; w.server.kinds[k.gvk.GroupVersion().WithResource(k.plural)] == nil {
		w.ended = true // the kind is no longer served
	}
	return apiwatch.Event{}, false
}

func (w *Watch) event(t apiwatch.EventType, s *state) apiwatch.Event {
	return apiwatch.Event{Type: t, Object: w.server.answer(s, w.filter.kind)}
}

func (w *Watch) bookmark() apiwatch.Event {
	m := map[string]any{"resourceVersion": strconv.FormatInt(w.marked, 10), "creationTimestamp": nil}
	if w.told {
		m["annotations"] = map[string]any{metav1.InitialEventsAnnotationKey: "true"}
	}
	w.told, w.marked = false, 0
	return apiwatch.Event{Type: apiwatch.Bookmark, Object: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": w.filter.kind.apiVersion(), "kind": w.filter.kind.gvk.Kind, "metadata": m,
	}}}
}

// Bookmark lets the watch tell how far it has got, after what there is to tell, if its opener wants to know.
func (w *Watch) Bookmark() {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if w.bookmarks && w.marked == 0 {
		w.marked = w.server.revision
	}
	w.server.pump()
}

// Fail ends the watch with an error that is told as its last event; nil ends it without a word, as a connection that breaks.
func (w *Watch) Fail(err error) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	w.fail(err)
	w.server.pump()
}

func (w *Watch) fail(err error) {
	if err == nil {
		w.ended = true
		return
	}
	w.err = err
}

// Ended reports whether nothing will come any more.
func (w *Watch) Ended() bool {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.ended
}

func statusOf(err error) runtime.Object {
	if s, ok := err.(apierrors.APIStatus); ok {
		st := s.Status()
		st.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		return &st
	}
	return &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error()}
}

// stream brings the events of a watch to a channel, as far as there is room in it.
type stream struct {
	watch   *Watch
	channel chan apiwatch.Event
	ended   bool
}

// room is how many events may wait for a reader before it is cut off.
const room = 100

// stream opens one. The lock is held.
func (s *Server) stream(w *Watch) *stream {
	t := &stream{watch: w, channel: make(chan apiwatch.Event, len(w.initial)+room)}
	s.streams = append(s.streams, t)
	s.pump()
	return t
}

// pump brings all streams what there is for them. The lock is held.
func (s *Server) pump() {
	if len(s.streams) == 0 {
		return
	}
	for _, t := range s.streams {
		t.fill()
	}
	s.streams = slices.DeleteFunc(s.streams, func(t *stream) bool { return t.ended })
}

func (t *stream) fill() {
	for !t.ended {
		if len(t.channel) == cap(t.channel) { // as a real server does with who is too slow
			t.watch.ended = true
		}
		e, ok := t.watch.next()
		if ok {
			t.channel <- e
			continue
		}
		if t.watch.ended {
			t.end()
		}
		return
	}
}

func (t *stream) end() {
	t.ended, t.watch.ended = true, true
	close(t.channel)
}

// Stop implements apiwatch.Interface.
func (t *stream) Stop() {
	t.watch.server.mu.Lock()
	defer t.watch.server.mu.Unlock()
	if !t.ended {
		t.end()
	}
}

// ResultChan implements apiwatch.Interface.
func (t *stream) ResultChan() <-chan apiwatch.Event { return t.channel }
