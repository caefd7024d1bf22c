package cli

import (
	"context"
	"errors"
	"fmt"
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

The exit code is 0 if the state could be shown, whatever it is. With --exit-code or --wait it tells the state:
0 all are ready, 3 all that is amiss is held and waits for an approval, 1 anything else.`,
		Example: `  fairlead status -A
  fairlead status production -n shop
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
	o.form.flag(cmd, "wide", "json", "yaml", "name")
	f.BoolVar(&o.exitCode, "exit-code", false, "let the exit code tell the state")
	waitFlags(f, &o.wait, &o.timeout, "wait until all are ready")
	return cmd
}

func (o *statusOptions) run(ctx context.Context, w IO) error {
	namespace, err := o.place(w)
	if err != nil {
		return err
	}
	c, err := o.connect(w)
	if err != nil {
		return err
	}
	s, err := o.look(ctx, w, c, namespace)
	late := errors.Is(err, errTimeout)
	if err != nil && !late {
		return err
	}
	if err := o.show(w, namespace, s); err != nil {
		return err
	}
	if late {
		return outcome{code: s.standings().code(), err: fmt.Errorf("not ready after %s: %s", o.timeout, summary(s.apps))}
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
		p.say("waiting: " + summary(s.apps))
		counted := true // what the environments say lags a little behind their apps
		for i := range s.envs {
			n := s.envs[i].Status.Apps
			counted = counted && n.Ready == n.Total && len(f.of(&s.envs[i])) >= int(n.Total)
		}
		return counted && s.standings().code() == codeDone, nil
	})
	return s, err
}

func (o *statusOptions) show(w IO, namespace string, s selection) error {
	switch o.form {
	case "json", "yaml":
		return o.form.print(w.Out, s.list())
	case "name":
		for _, name := range s.objectNames() {
			if _, err := fmt.Fprintln(w.Out, name); err != nil {
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
		_, err := fmt.Fprintf(w.Err, "There is no environment in %s.\n", place)
		return err
	}
	l := listing{
		style: style{width: width(w.Out), colours: w.colours(w.Out)},
		wide:  o.form == "wide", namespaces: o.everywhere, now: time.Now(),
	}
	return l.print(w.Out, s)
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
