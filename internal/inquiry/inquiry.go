package inquiry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/why"
)

// Bounds of an inquiry.
const (
	// rounds is how often the answer may ask for more: the App, its environment, the object, its Pods, their volumes and logs are seven.
	rounds = 9
	// requests is how many there may be altogether.
	requests = 40
	// patience is for one request; whole for all of them.
	patience = 3 * time.Second
	whole    = 10 * time.Second
	// most is how many objects a list brings, and mostApps how many Apps, which are listed only for the names that may have been meant.
	most     = 200
	mostApps = 5000
	// tail is how many lines of a log are read, and at most how many bytes.
	tail      = 5
	tailBytes = 8 << 10
)

// Inquiry reads one cluster as one person. It may be used by several goroutines.
type Inquiry struct {
	objects dynamic.Interface
	kube    kubernetes.Interface
	kinds   *kinds
}

// Open makes an Inquiry. It sends no request.
func Open(config *rest.Config) (*Inquiry, error) {
	c := rest.CopyConfig(config)
	c.QPS = -1
	web, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	i := &Inquiry{}
	if i.objects, err = dynamic.NewForConfigAndClient(c, web); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	kube, err := kubernetes.NewForConfigAndClient(c, web)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	i.kube, i.kinds = kube, newKinds(kube.Discovery())
	return i, nil
}

// Answer reads until there is nothing more to ask, or until a bound is met.
func (i *Inquiry) Answer(ctx context.Context, f why.Facts, now func() time.Time) why.Answer {
	ctx, cancel := context.WithTimeout(ctx, whole)
	defer cancel()
	a := why.Explain(f, now())
	for asked, round := 0, 0; round < rounds && len(a.Asks) > 0 && asked < requests && ctx.Err() == nil; round++ {
		asks := a.Asks[:min(len(a.Asks), requests-asked)]
		asked += len(asks)
		replies := make([]why.Reply, len(asks))
		var all sync.WaitGroup
		for n, ask := range asks {
			all.Go(func() { replies[n] = i.reply(ctx, ask) })
		}
		all.Wait()
		for n, ask := range asks {
			f.Take(ask, replies[n])
		}
		a = why.Explain(f, now())
	}
	return a
}

func (i *Inquiry) reply(ctx context.Context, a why.Ask) why.Reply {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var r why.Reply
	var err error
	switch a.Verb {
	case why.Get:
		r.Objects, err = i.get(ctx, a)
	case why.List:
		r.Objects, err = i.list(ctx, a)
	case why.Events:
		r.Objects, err = i.events(ctx, a)
	case why.Log:
		r.Lines, err = i.log(ctx, a)
	}
	if err == nil {
		return r
	}
	return trouble(a, err)
}

// trouble says why there is no reply. That a server cannot be reached says so of all that it could have said.
func trouble(a why.Ask, err error) why.Reply {
	var status apierrors.APIStatus
	var dial *net.OpError
	var at *url.Error
	switch {
	case apierrors.IsForbidden(err):
		return why.Reply{Denied: true}
	case apierrors.IsUnauthorized(err):
		return why.Reply{Trouble: "the API server does not accept the credentials of the kubeconfig: log in again"}
	case absent.Kind(err) && a.Key.Group == "fairlead.dev":
		return why.Reply{Trouble: "the resources of Fairlead are not installed in this cluster: run 'fairlead install'"}
	case a.Verb == why.Log && errors.As(err, &status):
		return why.Reply{Trouble: status.Status().Message}
	case errors.As(err, &status):
		return why.Reply{Trouble: err.Error()}
	case errors.As(err, &dial):
		return why.Reply{Dead: true, Trouble: dial.Error()}
	case errors.Is(err, context.DeadlineExceeded) && a.Verb != why.Log:
		return why.Reply{Dead: a.Key.Group == "fairlead.dev", Trouble: fmt.Sprintf("no answer within %s", patience)}
	case errors.As(err, &at):
		return why.Reply{Dead: a.Key.Group == "fairlead.dev", Trouble: at.Err.Error()}
	}
	return why.Reply{Trouble: err.Error()}
}

func (i *Inquiry) get(ctx context.Context, a why.Ask) ([]object.Object, error) {
	c, err := i.at(ctx, a.Key)
	if err != nil {
		return nil, err
	}
	u, err := c.Get(ctx, a.Key.Name, metav1.GetOptions{})
	if absent.Object(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []object.Object{object.New(u.Object)}, nil
}

func (i *Inquiry) list(ctx context.Context, a why.Ask) ([]object.Object, error) {
	c, err := i.at(ctx, a.Key)
	if err != nil {
		return nil, err
	}
	limit := int64(most)
	if a.Key.Kind == "App" {
		limit = mostApps
	}
	list, err := c.List(ctx, metav1.ListOptions{LabelSelector: a.Selector, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]object.Object, 0, len(list.Items))
	for n := range list.Items {
		out = append(out, object.New(list.Items[n].Object))
	}
	return out, nil
}

func (i *Inquiry) events(ctx context.Context, a why.Ask) ([]object.Object, error) {
	c, err := i.at(ctx, object.Key{Kind: "Event", Namespace: cmp.Or(a.Key.Namespace, metav1.NamespaceDefault)})
	if err != nil {
		return nil, err
	}
	about := fields.Set{"involvedObject.kind": a.Key.Kind, "involvedObject.name": a.Key.Name, "involvedObject.namespace": a.Key.Namespace}
	list, err := c.List(ctx, metav1.ListOptions{FieldSelector: about.String(), Limit: most})
	if err != nil {
		return nil, err
	}
	out := make([]object.Object, 0, len(list.Items))
	for n := range list.Items {
		out = append(out, object.New(list.Items[n].Object))
	}
	return out, nil
}

func (i *Inquiry) log(ctx context.Context, a why.Ask) ([]string, error) {
	lines, size := int64(tail), int64(tailBytes)
	data, err := i.kube.CoreV1().Pods(a.Key.Namespace).GetLogs(a.Key.Name, &corev1.PodLogOptions{
		Container: a.Container, Previous: a.Previous, TailLines: &lines, LimitBytes: &size,
	}).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		out = append(out, line)
	}
	return out, nil
}

// at is the client of a kind in a namespace.
func (i *Inquiry) at(ctx context.Context, k object.Key) (dynamic.ResourceInterface, error) {
	r, err := i.kinds.find(ctx, k.GroupKind())
	if err != nil {
		return nil, err
	}
	if k.Namespace != "" {
		return i.objects.Resource(r).Namespace(k.Namespace), nil
	}
	return i.objects.Resource(r), nil
}
