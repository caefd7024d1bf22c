package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// eventsOptions are the flags of events.
type eventsOptions struct {
	target
	names    []string
	form     output
	watch    bool
	warnings bool
}

func eventsCommand(w IO) *cobra.Command {
	var o eventsOptions
	cmd := &cobra.Command{
		Use:   "events [APP | ENV]...",
		Short: "Show the Events of apps and of all that they run",
		Long: `Shows the Events of apps, their environments and repositories, and of all objects that they run, newest last. Events
that say the same of the same object are one line, with how often it was said. Without a name it shows those of all apps
of the namespace. Events of objects that are gone are not found; Kubernetes keeps Events for an hour by default.

` + namesHelp,
		Example: `  fairlead events production/web -n shop
  fairlead events production --warnings --watch`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return o.run(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.everywhereFlag(cmd)
	o.form.flag(cmd, "json", "yaml")
	cmd.Flags().BoolVar(&o.warnings, "warnings", false, "warnings alone")
	watchFlag(cmd, &o.watch)
	o.complete(cmd, w, kinds{envs: true, apps: true})
	return cmd
}

// told is what was said of one object, once or several times.
type told struct {
	Object  string    `json:"object"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int       `json:"count"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

func (o *eventsOptions) run(ctx context.Context, w IO) error {
	if err := textOnly(o.watch, o.form); err != nil {
		return err
	}
	s, err := o.open(w)
	if err != nil {
		return err
	}
	config, err := o.config(w)
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if o.watch {
		return follow(ctx, w, func(ctx context.Context) (view, error) {
			all, _, err := o.look(ctx, s, kube)
			return view{draw: func(out io.Writer) error { return o.show(w, out, all, "") }, states: statesOfEvents(all)}, err
		})
	}
	all, note, err := o.look(ctx, s, kube)
	if err != nil {
		return err
	}
	return o.show(w, w.Out, all, note)
}

// look reads the Events of what was named.
func (o *eventsOptions) look(ctx context.Context, s *sight, kube kubernetes.Interface) ([]told, string, error) {
	f, err := read(ctx, s.ours, s.namespace)
	if err != nil {
		return nil, "", err
	}
	named, err := f.findAll(o.names, kinds{envs: true, apps: true})
	if err != nil {
		return nil, "", err
	}
	all, found, err := s.grow(ctx, f, named.apps, true)
	if err != nil {
		return nil, "", err
	}
	about, namespaces := f.subjects(named, all)
	var events []corev1.Event
	note := hidden(all, found)
	for _, namespace := range namespaces {
		list, err := kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if apierrors.IsForbidden(err) {
			note = strings.TrimPrefix(note+"; you may not list events in namespace "+namespace, "; ")
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("list events: %w", err)
		}
		events = append(events, list.Items...)
	}
	return o.merge(events, about), note, nil
}

// subjects are the uids of what is looked at, with its apps, environments and repositories, and the namespaces that hold Events about it.
func (f *fleet) subjects(named selection, all []grown) (about map[string]bool, namespaces []string) {
	about = map[string]bool{}
	for _, e := range named.envs {
		about[string(e.UID)] = true
		namespaces = append(namespaces, e.Namespace)
	}
	for _, r := range f.read(named) {
		about[string(r.UID)] = true
	}
	for i := range all {
		a := &all[i].app
		about[string(a.UID)] = true
		namespaces = append(namespaces, a.Namespace)
		if env := f.environment(a); env != nil {
			about[string(env.UID)] = true
		}
		for _, n := range kin.All(all[i].nodes) {
			about[n.Object.UID()] = true
			namespaces = append(namespaces, cmp.Or(n.Object.Namespace(), metav1.NamespaceDefault))
		}
	}
	slices.Sort(namespaces)
	return about, slices.Compact(namespaces)
}

// merge keeps the Events about some objects, makes one of those that say the same, and sorts them by when they were said last.
func (o *eventsOptions) merge(events []corev1.Event, about map[string]bool) []told {
	type saying struct{ uid, kind, reason, message string }
	known := map[saying]*told{}
	for i := range events {
		e := &events[i]
		if !about[string(e.InvolvedObject.UID)] || o.warnings && e.Type != corev1.EventTypeWarning {
			continue
		}
		first, last, count := span(e)
		key := saying{string(e.InvolvedObject.UID), e.Type, e.Reason, e.Message}
		t := known[key]
		if t == nil {
			gvk := object.ParseGVK(e.InvolvedObject.APIVersion, e.InvolvedObject.Kind)
			k := object.Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name}
			t = &told{Object: k.String(), Type: e.Type, Reason: e.Reason, Message: oneLine(e.Message), First: first, Last: last}
			known[key] = t
		}
		t.Count += count
		if first.Before(t.First) {
			t.First = first
		}
		if last.After(t.Last) {
			t.Last = last
		}
	}
	out := []told{}
	for _, t := range known {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b told) int {
		return cmp.Or(a.Last.Compare(b.Last), strings.Compare(a.Object, b.Object), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Message, b.Message))
	})
	return out
}

// span is when an Event was said first and last, and how often: there are two ways to write that down.
func span(e *corev1.Event) (first, last time.Time, count int) {
	first = cmp.Or(e.FirstTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time)
	last, count = cmp.Or(e.LastTimestamp.Time, first), max(int(e.Count), 1)
	if e.Series != nil {
		last, count = e.Series.LastObservedTime.Time, max(int(e.Series.Count), 1)
	}
	return first.UTC(), last.UTC(), count
}

// oneLine makes one printable line of what somebody wrote.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}

func (o *eventsOptions) show(w IO, out io.Writer, all []told, note string) error {
	if note != "" {
		defer func() { _, _ = fmt.Fprintln(w.Err, "note:", note) }()
	}
	if o.form != "" {
		return o.form.print(out, map[string]any{"events": all})
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w.Err, "There are no Events.")
		return err
	}
	return drawEvents(all, time.Now()).print(out, style{width: width(w.Out), colours: w.colours(w.Out)})
}

func drawEvents(all []told, now time.Time) *table {
	t := &table{header: []string{"LAST", "COUNT", "TYPE", "OBJECT", "REASON", "MESSAGE"}}
	for _, e := range all {
		t.add(plain(ageOf(e.Last, now)), plain(strconv.Itoa(e.Count)), cell{e.Type, pick(e.Type == corev1.EventTypeWarning, yellow, "")},
			plain(e.Object), plain(e.Reason), plain(e.Message))
	}
	return t
}

func statesOfEvents(all []told) map[string]string {
	states := map[string]string{}
	for _, e := range all {
		states[e.Type+" "+e.Object+" "+e.Reason+": "+e.Message] = "×" + strconv.Itoa(e.Count)
	}
	return states
}
