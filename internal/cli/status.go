package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// statusOptions are the flags of status.
type statusOptions struct {
	target
	names    []string
	form     output
	filter   filter
	watch    bool
	exitCode bool
	wait     bool
	timeout  time.Duration
}

func statusCommand(w IO) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [ENV | APP]...",
		Short: "Show how environments and apps stand",
		Long: `Shows environments and their apps: which commit is wanted, which is applied, whether it is healthy, and
the first reason why it is not further. Without a name it shows all of the namespace.

` + namesHelp + `

Flags choose some of many: --environment and --app by pattern, --phase, --unhealthy, --not-ready. An app has to match all
that are given.
` + matrixHelp + `

The exit code is 0 if the state could be shown, whatever it is. With --exit-code or --wait it tells the state:
0 all are ready, 3 all that is amiss is held and waits for an approval, 1 anything else.`,
		Example: `  fairlead status -A
  fairlead status production -n shop
  fairlead status -A --not-ready --sort-by phase
  fairlead status -o matrix --app 'web*'
  fairlead status production/web -o yaml
  fairlead status production --wait --timeout 5m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return o.run(cmd.Context(), w)
		},
	}
	f := cmd.Flags()
	o.clusterFlags(f)
	o.namespaceFlag(cmd)
	o.everywhereFlag(cmd)
	o.form.flag(cmd, "wide", "matrix", "json", "yaml", "name")
	o.filter.flags(cmd, w, &o.target)
	watchFlag(cmd, &o.watch)
	o.complete(cmd, w, kinds{envs: true, apps: true})
	f.BoolVar(&o.exitCode, "exit-code", false, "let the exit code tell the state")
	waitFlags(f, &o.wait, &o.timeout, "wait until all are ready")
	return cmd
}

func (o *statusOptions) run(ctx context.Context, w IO) error {
	if err := cmp.Or(textOnly(o.watch, o.form), o.filter.check()); err != nil {
		return err
	}
	if o.watch && (o.wait || o.exitCode) {
		return usagef("--watch goes on until Ctrl-C: not with --wait or --exit-code")
	}
	namespace, err := o.place(w)
	if err != nil {
		return err
	}
	c, err := o.connect(w)
	if err != nil {
		return err
	}
	if o.watch {
		return o.follow(ctx, w, c, namespace)
	}
	s, err := o.look(ctx, w, c, namespace)
	late := errors.Is(err, errTimeout)
	if err != nil && !late {
		return err
	}
	if err := o.show(w, w.Out, namespace, s); err != nil {
		return err
	}
	if late {
		return outcome{code: s.standings().code(), err: fmt.Errorf("not ready after %s: %s", o.timeout, s.progress())}
	}
	if code := s.standings().code(); o.exitCode && code != codeDone {
		return outcome{code: code, err: errors.New(summary(s.apps)), said: true}
	}
	return nil
}

// look reads what was named, once or until all of it is ready.
func (o *statusOptions) look(ctx context.Context, w IO, c client.WithWatch, namespace string) (selection, error) {
	var s selection
	find := func(f *fleet) (err error) {
		s, err = f.findAll(o.names, kinds{envs: true, apps: true})
		s = o.filter.apply(s)
		return err
	}
	if !o.wait {
		f, err := read(ctx, c, namespace)
		if err != nil {
			return s, err
		}
		return s, find(f)
	}
	p := newProgress(w)
	defer p.done()
	err := until(ctx, c, namespace, o.timeout, func(f *fleet) (bool, error) {
		if err := find(f); err != nil {
			return false, err
		}
		p.say("waiting: " + s.progress())
		counted := true // what the environments say lags a little behind their apps
		for i := range s.envs {
			if o.filter.byApp() {
				break
			}
			n := s.envs[i].Status.Apps
			counted = counted && n.Ready == n.Total && len(f.of(&s.envs[i])) >= int(n.Total)
		}
		return counted && s.standings().code() == codeDone, nil
	})
	return s, err
}

// follow shows it as it changes.
func (o *statusOptions) follow(ctx context.Context, w IO, c client.WithWatch, namespace string) error {
	return follow(ctx, w, func(ctx context.Context) (view, error) {
		s, err := o.look(ctx, w, c, namespace)
		states := map[string]string{}
		for i := range s.apps {
			a := &s.apps[i]
			states[strings.TrimPrefix(pick(o.everywhere, a.Namespace, "")+" "+appName(a), " ")] = a.Status.Health + " " + phaseLine(a, 0)
		}
		return view{
			draw:    func(out io.Writer) error { return o.show(w, out, namespace, s) },
			states:  states,
			changed: heard(ctx, c, namespace),
		}, err
	})
}

func (o *statusOptions) show(w IO, out io.Writer, namespace string, s selection) error {
	switch o.form {
	case "json", "yaml":
		return o.form.print(out, s.list())
	case "name":
		for _, name := range s.objectNames() {
			if _, err := fmt.Fprintln(out, name); err != nil {
				return err
			}
		}
		return nil
	}
	if s.empty() {
		place := "any namespace"
		if namespace != "" {
			place = "namespace " + namespace + " (-A looks in all)"
		}
		what := "environment"
		if o.filter.chosen() {
			what = "environment or app that matches"
		}
		_, err := fmt.Fprintf(w.Err, "There is no %s in %s.\n", what, place)
		return err
	}
	l := listing{
		style: style{width: width(w.Out), colours: w.colours(w.Out)},
		wide:  o.form == "wide", namespaces: o.everywhere, now: time.Now(),
	}
	if o.form == "matrix" {
		return l.printMatrix(out, s)
	}
	return l.print(out, s)
}

// list is the objects as kubectl prints several of them.
func (s selection) list() any {
	items := []any{}
	for i := range s.envs {
		s.envs[i].TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Environment"}
		items = append(items, s.envs[i])
	}
	for i := range s.apps {
		s.apps[i].TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "App"}
		items = append(items, s.apps[i])
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "items": items}
}

func (s selection) objectNames() []string {
	var names []string
	for _, e := range s.envs {
		names = append(names, "environment.fairlead.dev/"+e.Name)
	}
	for _, a := range s.apps {
		names = append(names, "app.fairlead.dev/"+a.Name)
	}
	return names
}
