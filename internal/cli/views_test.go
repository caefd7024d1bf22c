package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

// TestMatrix: apps by environments, and what filters leave of them.
func TestMatrix(t *testing.T) {
	var s selection
	for _, ar := range golden.All(t, "testdata/listing/shop.txtar") {
		s = parse(t, ar.Files[0].Data)
	}
	other := s.apps[0]
	other.Spec.Environment = "staging"
	s.apps = append(s.apps, other)
	for _, c := range []struct {
		filter
		want string
	}{
		{filter{}, `APP      production   staging
api      77aa0011 ✗   77aa0011 ✗
cart     3f9a2c1e !   -
new      - …          -
web      3f9a2c1e ✓   -
worker   3f9a2c1e ‖   -

6 apps: 1 ready, 1 on its way, 1 held, 2 failed, 1 suspended
`},
		{filter{apps: []string{"w*"}, sortBy: "phase"}, `APP      production
web      3f9a2c1e ✓
worker   3f9a2c1e ‖

2 apps: 1 ready, 1 suspended
`},
		{filter{environments: []string{"stag*"}}, `APP   staging
api   77aa0011 ✗

1 app: 1 failed
`},
		{filter{phases: []string{"Held", "Failed"}, environments: []string{"production"}, sortBy: "commit"}, `APP    production
cart   3f9a2c1e !
api    77aa0011 ✗

2 apps: 1 held, 1 failed
`},
		{filter{notReady: true, unhealthy: true, apps: []string{"web"}}, "0 apps\n"},
		{filter{sortBy: "age", unhealthy: true, apps: []string{"new", "worker"}}, `APP      production
new      - …
worker   3f9a2c1e ‖

2 apps: 1 on its way, 1 suspended
`},
	} {
		var b bytes.Buffer
		if err := (listing{}).printMatrix(&b, c.apply(s)); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("%+v:\n%swant\n%s", c.filter, b.String(), c.want)
		}
	}
}

func TestMergeEvents(t *testing.T) {
	at := func(minute int) metav1.Time { return metav1.NewTime(time.Date(2026, 3, 3, 10, minute, 0, 0, time.UTC)) }
	said := func(uid, kind, reason, message string, first, last, count int) corev1.Event {
		return corev1.Event{
			InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: uid, UID: types.UID(uid)},
			Type:           kind, Reason: reason, Message: message, FirstTimestamp: at(first), LastTimestamp: at(last), Count: int32(count),
		}
	}
	modern := said("web", "Normal", "Pulled", "got it\x1b[2J", 0, 0, 0)
	modern.FirstTimestamp, modern.LastTimestamp, modern.EventTime = metav1.Time{}, metav1.Time{}, metav1.NewMicroTime(at(2).Time)
	modern.Series = &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(at(9).Time)}
	events := []corev1.Event{
		said("web", "Warning", "BackOff", "again", 3, 5, 2), said("web", "Warning", "BackOff", "again", 1, 4, 3), modern,
		said("other", "Warning", "BackOff", "again", 1, 4, 3), said("api", "Normal", "Started", "yes", 1, 1, 1),
	}
	about := map[string]bool{"web": true, "api": true}
	var b bytes.Buffer
	if err := drawEvents((&eventsOptions{}).merge(events, about), at(10).Time).print(&b, style{}); err != nil {
		t.Fatal(err)
	}
	want := `LAST   COUNT   TYPE      OBJECT         REASON    MESSAGE
9m     1       Normal    Pod shop/api   Started   yes
5m     5       Warning   Pod shop/web   BackOff   again
60s    7       Normal    Pod shop/web   Pulled    got it [2J
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if got := (&eventsOptions{warnings: true}).merge(events, about); len(got) != 1 || !got[0].First.Equal(at(1).Time) {
		t.Errorf("warnings: %+v", got)
	}
}

// TestPrinter: lines of several streams, one that cannot be read, and one without an end of line.
func TestPrinter(t *testing.T) {
	texts := map[string]string{"a": "one\ntwo\n", "b": "three"}
	var out, errs bytes.Buffer
	p := &printer{w: IO{Out: &out, Err: &errs}, begun: map[stream]bool{}, said: map[stream]string{}, open: func(_ context.Context, x stream) (io.ReadCloser, error) {
		if text, ok := texts[x.pod]; ok {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		return nil, errors.New("it has not started")
	}}
	all := []stream{{pod: "a", container: "web"}, {pod: "c", container: "web"}, {pod: "b", container: "web"}}
	if err := p.print(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "a/web one\na/web two\nb/web three\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := errs.String(), "c/web: it has not started\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var o outcome
	if err := p.print(t.Context(), all[1:2]); !errors.As(err, &o) || o.code != codeFailed {
		t.Errorf("no log can be read: %v", err)
	}
	out.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	err := p.follow(ctx, func() ([]stream, error) {
		if looks++; looks == 3 {
			cancel()
		}
		return all[2:], nil
	})
	if got := out.String(); err != nil || got != "b/web three\n" {
		t.Errorf("followed: %q, %v", got, err)
	}
}

// TestLevel: what differs between the namespaces of two environments, and nothing else, counts as the same.
func TestLevel(t *testing.T) {
	got, _ := level(map[string]any{"a": "shop", "b": []any{"http://api.shop.svc:80", "shopping"}, "c": int64(1)}, "shop").(map[string]any)
	list, _ := got["b"].([]any)
	if got["a"] != levelNamespace || list[0] != "http://api.{namespace}.svc:80" || list[1] != "shopping" || got["c"] != int64(1) {
		t.Errorf("%v", got)
	}
}

func TestProvenance(t *testing.T) {
	var b bytes.Buffer
	p := provenance{Chain: []string{"Pod shop/x", "Job shop/y"}, App: "prod/web", Phase: string(v1alpha1.PhaseSynced), Environment: "prod", Namespace: "shop", Repository: "config", Author: "Ann\x1b[2J", Directory: "apps/web"}
	if err := p.print(&b); err != nil {
		t.Fatal(err)
	}
	want := `object       Pod shop/x
made by      Job shop/y
app          prod/web (Synced)
environment  prod in namespace shop
repository   config
commit       -
author       Ann [2J
directory    apps/web
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
