package herald

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	typed "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/tools/reference"
)

const (
	waiting = 10000 // Events that may wait to be written
	writers = 8
	tries   = 12
	longest = 120 // bytes of the name of an object that are kept in the name of its Event
)

// Herald writes Events. It implements events.EventRecorder of client-go.
type Herald struct {
	client typed.EventsGetter
	scheme *runtime.Scheme
	by     string // the name of this process
	pause  time.Duration
	log    *slog.Logger
	queue  chan *eventsv1.Event
}

// New makes a Herald for a process of the given name. It tells nothing until Start.
func New(client typed.EventsGetter, scheme *runtime.Scheme, by string, log *slog.Logger) *Herald {
	if len(by) > 128 {
		by = by[:128]
	}
	return &Herald{client: client, scheme: scheme, by: by, pause: 10 * time.Second, log: log, queue: make(chan *eventsv1.Event, waiting)}
}

// Eventf tells something about an object: what kind of news, what was being done, and the words. It does not wait.
func (h *Herald) Eventf(about, _ runtime.Object, eventType, reason, action, note string, args ...any) {
	ref, err := reference.GetReference(h.scheme, about)
	if err != nil {
		h.log.Error("an Event is about nothing", "reason", reason, "error", err)
		return
	}
	select {
	case h.queue <- h.event(*ref, eventType, reason, action, fmt.Sprintf(note, args...)):
	default:
		h.log.Warn("too many Events wait: one is not written", "about", ref.Namespace+"/"+ref.Name, "reason", reason)
	}
}

func (h *Herald) event(about corev1.ObjectReference, eventType, reason, action, note string) *eventsv1.Event {
	about.ResourceVersion = "" // it is about the object, not about one version of it
	sum := sha256.Sum256([]byte(strings.Join([]string{string(about.UID), eventType, reason, action, note}, "\x00")))
	name := about.Name
	if len(name) > longest {
		name = strings.TrimRight(name[:longest], "-.")
	}
	namespace := about.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: namespace, Name: name + "." + hex.EncodeToString(sum[:8])},
		EventTime:           metav1.NewMicroTime(time.Now().Truncate(time.Microsecond)), // as it is stored
		ReportingController: "fairlead", ReportingInstance: h.by,
		Regarding: about, Type: eventType, Reason: reason, Action: action, Note: note,
	}
}

// Start writes what is told until the context ends, and then, without another try, what still waits.
func (h *Herald) Start(ctx context.Context) error {
	var all sync.WaitGroup
	for range writers {
		all.Go(func() { h.write(ctx) })
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	for {
		select {
		case e := <-h.queue:
			if h.tell(ctx, e) != nil {
				return nil
			}
		default:
			return nil
		}
	}
}

func (h *Herald) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-h.queue:
			if err := h.insist(ctx, e); err != nil && ctx.Err() == nil {
				h.log.Warn("an Event could not be written", "about", e.Namespace+"/"+e.Regarding.Name, "reason", e.Reason, "error", err)
			}
		}
	}
}

// insist tells until the API server has heard it, has refused it, or was not there for long.
func (h *Herald) insist(ctx context.Context, e *eventsv1.Event) error {
	for n := 1; ; n++ {
		err := h.tell(ctx, e)
		status := apierrors.APIStatus(nil)
		switch {
		case err == nil:
			return nil
		case apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause): // nobody is left to hear it
			return nil
		case errors.As(err, &status) && status.Status().Code < 429: // it would be refused again
			return err
		case n == tries:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(h.pause):
		}
	}
}

// tell writes an Event, or counts it if it is there.
func (h *Herald) tell(ctx context.Context, e *eventsv1.Event) error {
	api := h.client.Events(e.Namespace)
	_, err := api.Create(ctx, e, metav1.CreateOptions{FieldManager: "fairlead"})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	there, err := api.Patch(ctx, e.Name, types.MergePatchType, []byte("{}"), metav1.PatchOptions{}) // reads it, with the right to patch alone
	if err != nil || heard(there, e.EventTime) {
		return err
	}
	series := eventsv1.EventSeries{Count: 2, LastObservedTime: e.EventTime}
	if there.Series != nil {
		series.Count = there.Series.Count + 1
	}
	patch, err := json.Marshal(map[string]any{"series": series})
	if err != nil {
		return err
	}
	_, err = api.Patch(ctx, e.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "fairlead"})
	return err
}

// heard says whether an Event has been told at a time: an answer was lost.
func heard(e *eventsv1.Event, at metav1.MicroTime) bool {
	return e.EventTime.Equal(&at) || e.Series != nil && e.Series.LastObservedTime.Equal(&at)
}
