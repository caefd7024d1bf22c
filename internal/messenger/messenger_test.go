package messenger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/messenger"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

var (
	old = strings.Repeat("a", 40)
	bad = strings.Repeat("b", 40)
)

// land is a control plane, and a clock that goes on by itself when somebody waits.
type land struct {
	admin   client.Client    // sets the statuses of Apps, as Fairlead does elsewhere
	fenced  client.WithWatch // with Fairlead's own rights
	now     time.Time
	secrets map[string][]byte
}

func newLand(t *testing.T) *land {
	t.Helper()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	open := func(kubeconfig string) client.WithWatch {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		config.QPS = -1
		c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return &land{admin: open(plane.Kubeconfig), fenced: open(plane.ControllerKubeconfig), secrets: map[string][]byte{"token": []byte(token + "\n"), "hmacKey": []byte("a key"), "bearerToken": []byte(token)}}
}

// place makes a namespace with a Notifier.
func (l *land) place(t *testing.T, namespace string, spec v1alpha1.NotifierSpec) types.NamespacedName {
	t.Helper()
	n := &v1alpha1.Notifier{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "people"}, Spec: spec}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := errors.Join(l.admin.Create(t.Context(), ns), l.admin.Create(t.Context(), n)); err != nil {
		t.Fatal(err)
	}
	l.now = n.CreationTimestamp.Add(10 * time.Second)
	return client.ObjectKeyFromObject(n)
}

// stands has an App say how its releases are.
func (l *land) stands(t *testing.T, namespace, name string, newest v1alpha1.ReleaseStatus, before ...v1alpha1.ReleaseStatus) {
	t.Helper()
	a := &v1alpha1.App{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "production-" + name}}
	a.Spec = v1alpha1.AppSpec{Environment: "production", Name: name, Repository: "config", Path: "apps/" + name}
	err := l.admin.Get(t.Context(), client.ObjectKeyFromObject(a), a)
	if testkit.IsNotFound(err) {
		err = l.admin.Create(t.Context(), a)
	}
	a.Status.Release, a.Status.Releases = &newest, before
	if err := errors.Join(err, l.admin.Status().Update(t.Context(), a)); err != nil {
		t.Fatal(err)
	}
}

func (l *land) release(serial int64, commit, phase, why string) v1alpha1.ReleaseStatus {
	return v1alpha1.ReleaseStatus{Serial: serial, Revision: "main@sha1:" + commit, Phase: phase, Since: metav1.NewTime(l.now), Why: why}
}

// messenger is one process. What happens to its requests to the API server is for around to say.
func (l *land) messenger(around func(do func() error) error) *messenger.Messenger {
	c := client.WithWatch(l.fenced)
	if around != nil {
		c = interceptor.NewClient(l.fenced, interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				return around(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
			},
		})
	}
	return messenger.New(messenger.Options{
		Client: c, Reader: l.fenced, May: func(netip.Addr) bool { return true }, Now: func() time.Time { return l.now }, Log: slog.New(slog.DiscardHandler),
		Secret: func(context.Context, string, string) (map[string][]byte, error) { return l.secrets, nil },
	})
}

// settles looks until there is nothing to wait for, at most so often.
func (l *land) settles(t *testing.T, m *messenger.Messenger, n types.NamespacedName) v1alpha1.NotifierStatus {
	t.Helper()
	for range 30 {
		again, err := m.Look(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		l.now = l.now.Add(again)
		if again == 0 {
			return l.status(t, n)
		}
	}
	t.Fatalf("it goes on for ever: %+v", l.status(t, n))
	return v1alpha1.NotifierStatus{}
}

func (l *land) status(t *testing.T, n types.NamespacedName) v1alpha1.NotifierStatus {
	t.Helper()
	is := &v1alpha1.Notifier{}
	if err := l.admin.Get(t.Context(), n, is); err != nil {
		t.Fatal(err)
	}
	return is.Status
}

func inSlack(at string) v1alpha1.NotifierSpec {
	return v1alpha1.NotifierSpec{
		Slack:  &v1alpha1.SlackChannel{Channel: channel, SecretRef: v1alpha1.LocalReference{Name: "slack"}, API: at + "/api"},
		Events: []v1alpha1.Outcome{v1alpha1.OutcomeSucceeded, v1alpha1.OutcomeFailed, v1alpha1.OutcomeRolledBack},
	}
}

// TestMessenger tells of two apps, one of which succeeds and is rolled back then: on a real API server, to a Slack, to a workflow of Teams, by mail and to a webhook.
func TestMessenger(t *testing.T) {
	l := newLand(t)
	t.Run("crashes", func(t *testing.T) { crashes(t, l) })
	t.Run("webhook", func(t *testing.T) { webhooks(t, l) })
	t.Run("teams", func(t *testing.T) { teams(t, l) })
	t.Run("mail", func(t *testing.T) { mails(t, l) })
	t.Run("patience", func(t *testing.T) { patience(t, l) })
	t.Run("two", func(t *testing.T) { two(t, l) })
}

// story is what happens in the scenes of crashes, and what people see in the end.
func (l *land) story(t *testing.T, namespace string, look func()) {
	t.Helper()
	won := l.release(1, bad, "Succeeded", "")
	l.stands(t, namespace, "web", won)
	l.stands(t, namespace, "api", l.release(1, old, "Failed", "it is slow"))
	look()
	l.now = l.now.Add(time.Minute)
	l.stands(t, namespace, "web", l.release(1, bad, "RolledBack", "it fell ill"))
	look()
}

const seen = `production/api failed: commit aaaaaaaa: it is slow
  Failed
production/web was rolled back: commit bbbbbbbb: it fell ill
  Succeeded
  RolledBack
`

// crashes ends the process before and after each request that it makes, to Slack or to the API server. Another one goes on; what people see is the same.
func crashes(t *testing.T, l *land) {
	for at := 0; ; at++ {
		ctx, kill := context.WithCancel(t.Context())
		n, died, over := 0, false, false
		step := func() bool { // reports whether the process is still there
			n++
			if n == at+1 {
				died = true
				kill()
			}
			return !died
		}
		ws := &workspace{t: t, around: func(http.ResponseWriter, string, string) bool { return over || step() }}
		srv := httptest.NewServer(ws)
		name := l.place(t, fmt.Sprintf("crash-%d", at), inSlack(srv.URL))
		first := l.messenger(func(do func() error) error {
			if !step() {
				return context.Canceled
			}
			err := do()
			if !step() {
				return context.Canceled
			}
			return err
		})
		l.story(t, name.Namespace, func() {
			for again := time.Duration(1); again > 0 && !died; {
				var err error
				if again, err = first.Look(ctx, name); err != nil && !died {
					t.Fatal(err)
				}
				l.now = l.now.Add(again)
			}
			over = died
			if died {
				l.settles(t, l.messenger(nil), name)
			}
		})
		srv.Close()
		kill()
		shown := headless(ws.shows())
		if shown != seen {
			t.Fatalf("killed at step %d of %d people see\n%swant\n%s", at, n, shown, seen)
		}
		if st := l.status(t, name); st.Waiting != 0 || len(st.Told) != 3 {
			t.Errorf("killed at step %d the status is %+v", at, st)
		}
		if n <= at {
			if at < 20 {
				t.Errorf("there were %d steps: where did it die?", at)
			}
			t.Logf("killed at each of %d steps", at)
			return // it came to the end by itself
		}
	}
}

// headless leaves out the times.
func headless(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " at 2")
	}
	return strings.Join(lines, "\n")
}
