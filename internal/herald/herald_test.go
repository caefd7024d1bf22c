package herald

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

func about(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: "1", ResourceVersion: "7"}}
}

// spoken are the Events after several processes, one after the other, told something: note and count.
func spoken(t *testing.T, client *fake.Clientset, tell ...func(*Herald)) map[string]int32 {
	t.Helper()
	for _, f := range tell {
		h := New(client.EventsV1(), scheme.Scheme, "fairlead-0", slog.New(slog.DiscardHandler))
		h.pause = 0
		f(h)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what waits is still written
		if err := h.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	list, err := client.EventsV1().Events("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int32{}
	for _, e := range list.Items {
		n := int32(1)
		if e.Series != nil {
			n = e.Series.Count
		}
		got[e.Regarding.Name+": "+e.Note] += n
		if e.Regarding.ResourceVersion != "" || e.EventTime.IsZero() || e.ReportingController != "fairlead" || e.ReportingInstance != "fairlead-0" {
			t.Errorf("not as it should be: %+v", e)
		}
	}
	if len(got) != len(list.Items) {
		t.Errorf("%d Events say %d things", len(list.Items), len(got))
	}
	return got
}

// TestOnce: what is told again, by another process too, is counted; what differs in any way is told by itself.
func TestOnce(t *testing.T) {
	failed := func(h *Herald) { h.Eventf(about("web"), nil, "Warning", "Failed", "Sync", "line %d", 3) }
	got := spoken(t, fake.NewClientset(), failed, failed, failed,
		func(h *Herald) { h.Eventf(about("web"), nil, "Warning", "Failed", "Sync", "line 4") },
		func(h *Herald) { h.Eventf(about(strings.Repeat("x", 250)), nil, "Normal", "Applied", "Sync", "line 3") })
	if len(got) != 3 || got["web: line 3"] != 3 || got["web: line 4"] != 1 {
		t.Errorf("told: %v", got)
	}
}

// TestInsist: an API server that is busy is asked again, one that refuses is not, and a namespace that goes is no error.
func TestInsist(t *testing.T) {
	busy := apierrors.NewTooManyRequestsError("busy")
	for name, c := range map[string]struct {
		answers []error
		asked   int
		fails   bool
	}{
		"busy twice":   {[]error{busy, busy, nil}, 3, false},
		"unreachable":  {[]error{errors.New("no route"), nil}, 2, false},
		"refused":      {[]error{apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "web", errors.New("no"))}, 1, true},
		"no namespace": {[]error{apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop")}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, asked := fake.NewClientset(), 0
			client.PrependReactor("create", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
				asked++
				err := c.answers[asked-1]
				return err != nil, nil, err
			})
			h := New(client.EventsV1(), scheme.Scheme, "", slog.New(slog.DiscardHandler))
			h.pause = 0
			h.Eventf(about("web"), nil, "Warning", "Failed", "Sync", "line 3")
			if err := h.insist(t.Context(), <-h.queue); (err != nil) != c.fails || asked != c.asked {
				t.Errorf("asked %d times: %v", asked, err)
			}
		})
	}
}

// TestUnheard: what was written, and the answer was lost, is not told twice.
func TestUnheard(t *testing.T) {
	client, lost := fake.NewClientset(), 0
	client.PrependReactor("*", "events", func(a clienttesting.Action) (bool, runtime.Object, error) {
		verb := a.GetVerb()
		if verb == "list" || verb == "patch" && string(a.(clienttesting.PatchAction).GetPatch()) == "{}" || lost >= 2 {
			return false, nil, nil
		}
		_, _, err := clienttesting.ObjectReaction(client.Tracker())(a)
		if err != nil {
			return true, nil, err
		}
		lost++
		return true, nil, errors.New("the connection broke")
	})
	h := New(client.EventsV1(), scheme.Scheme, "fairlead-0", slog.New(slog.DiscardHandler))
	h.pause = 0
	for range 2 {
		h.Eventf(about("web"), nil, "Warning", "Failed", "Sync", "line 3")
		if err := h.insist(t.Context(), <-h.queue); err != nil {
			t.Fatal(err)
		}
	}
	if got := spoken(t, client); got["web: line 3"] != 2 || lost != 2 {
		t.Errorf("told: %v, answers lost: %d", got, lost)
	}
}

// TestFull: who tells too much does not wait.
func TestFull(t *testing.T) {
	h := New(fake.NewClientset().EventsV1(), scheme.Scheme, "", slog.New(slog.DiscardHandler))
	for range waiting + 10 {
		h.Eventf(about("web"), nil, "Warning", "Failed", "Sync", "line 3")
	}
	if len(h.queue) != waiting {
		t.Errorf("%d wait", len(h.queue))
	}
}
