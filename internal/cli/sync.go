package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
)

// syncOptions are the flags of sync.
type syncOptions struct {
	target
	name    string
	wait    bool
	timeout time.Duration
}

func syncCommand(w IO) *cobra.Command {
	var o syncOptions
	cmd := &cobra.Command{
		Use:   "sync ENV | APP | REPOSITORY",
		Short: "Ask Git now, and look at the cluster afresh",
		Long: `Asks the repositories of an environment or an app for new commits now instead of at their next interval,
and compares every app with the cluster afresh. Nothing needs it: Fairlead does all that by itself.

` + namesHelp + ` A Repository is
meant if there is neither.

With --wait it ends when what Git has now is applied and healthy (exit code 0), cannot be (1), or is held for an
approval (3).`,
		Example: `  fairlead sync production --wait
  fairlead sync production/web -n shop
  fairlead sync shop-config`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	waitFlags(cmd.Flags(), &o.wait, &o.timeout, "wait until it is applied and healthy")
	o.complete(cmd, w, kinds{envs: true, apps: true, repos: true})
	return cmd
}

// oneName is the check of commands that take one name.
func oneName(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("say what: a name is missing")
	case len(args) > 1:
		return fmt.Errorf("one name at a time: %q is too much", args[1])
	}
	return nil
}

func (o *syncOptions) run(ctx context.Context, w IO) error {
	c, namespace, s, err := o.choose(ctx, w, o.name, kinds{envs: true, apps: true, repos: true})
	if err != nil {
		return err
	}
	y := newSyncing(w, c, s)
	if o.wait {
		return y.through(ctx, namespace, o.timeout)
	}
	if err := y.ask(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w.Out, "sync requested of", y.title())
	return err
}

func newSyncing(w IO, c client.WithWatch, what selection) *syncing {
	return &syncing{w: w, c: c, what: what, request: time.Now().UTC().Format(time.RFC3339Nano), progress: newProgress(w)}
}

// through asks, and waits until all that comes of it is as it will be.
func (y *syncing) through(ctx context.Context, namespace string, limit time.Duration) error {
	if err := y.ask(ctx); err != nil {
		return err
	}
	var result error
	err := until(ctx, y.c, namespace, limit, func(f *fleet) (done bool, err error) {
		done, result, err = y.look(f)
		return done, err
	})
	y.progress.done()
	if errors.Is(err, errTimeout) {
		text := y.progress.last
		if !y.heard {
			text += ": is it running?"
		}
		return fmt.Errorf("not done after %s: %s", limit, text)
	}
	return cmp.Or(err, result)
}

// syncing is one request on its way. The controller repeats it in the status of the object that carries it once Git has been asked and all that
// came of that has been looked at.
type syncing struct {
	w        IO
	c        client.WithWatch
	what     selection
	request  string
	progress *progress
	heard    bool // the request was carried out
}

func (y *syncing) ask(ctx context.Context) error {
	var o client.Object
	switch {
	case len(y.what.envs) > 0:
		o = &y.what.envs[0]
	case len(y.what.apps) > 0:
		o = &y.what.apps[0]
	default:
		o = &y.what.repos[0]
	}
	if err := annotate(ctx, y.c, o, map[string]any{controller.AnnotationSync: y.request}); err != nil {
		return fmt.Errorf("request sync of %s: %w", y.title(), err)
	}
	return nil
}

func (y *syncing) title() string {
	switch {
	case len(y.what.envs) > 0:
		return "environment " + y.what.envs[0].Name
	case len(y.what.apps) > 0:
		return "app " + appName(&y.what.apps[0])
	}
	return "repository " + y.what.repos[0].Name
}

// look reports whether the request was carried out and all that it concerns stands as it will. Result is then nil if all is well.
func (y *syncing) look(f *fleet) (done bool, result, err error) {
	s := f.now(y.what)
	switch {
	case s.empty():
		_, err := fmt.Fprintf(y.w.Out, "%s is gone: Git no longer has it, or it was deleted\n", y.title())
		return true, nil, err
	case y.handled(s) != y.request:
		y.progress.say(y.title() + ": waiting until Git is asked and the cluster looked at by the controller")
		return false, nil, nil
	}
	y.heard = true
	for _, r := range f.read(s) {
		if c := meta.FindStatusCondition(r.Status.Conditions, "Ready"); c != nil && c.Status != "True" {
			return true, fmt.Errorf("repository %s: %s", r.Name, c.Message), nil
		}
	}
	if len(s.repos) > 0 {
		_, err := fmt.Fprintf(y.w.Out, "repository %s: %s\n", s.repos[0].Name, orNone(s.repos[0].Status.Summary))
		return true, nil, err
	}
	apps := s.apps
	for i := range s.envs {
		env := &s.envs[i]
		if ofEnvironment(env) == failed {
			return true, fmt.Errorf("environment %s: %s", env.Name, environmentReason(env)), nil
		}
		if apps = f.of(env); len(apps) < int(env.Status.Apps.Total) {
			y.progress.say("waiting for the App objects of new apps")
			return false, nil, nil
		}
	}
	for i := range apps {
		if a := &apps[i]; !ofApp(a).final() {
			y.progress.say(fmt.Sprintf("%s: %s: %s", appName(a), orPending(a.Status.Phase), appReason(a)))
			return false, nil, nil
		}
	}
	y.progress.done()
	result, err = y.tell(apps)
	return true, result, err
}

// handled is the request that was last carried out.
func (y *syncing) handled(s selection) string {
	switch {
	case len(s.envs) > 0:
		return s.envs[0].Status.LastHandledSync
	case len(s.apps) > 0:
		return s.apps[0].Status.LastHandledSync
	}
	return s.repos[0].Status.LastHandledSync
}

// tell prints how each app stands. Result is an error with the exit code if not all are ready.
func (y *syncing) tell(apps []v1alpha1.App) (result, err error) {
	for i := range apps {
		a := &apps[i]
		text := fmt.Sprintf("%s: %s at %s", appName(a), ofApp(a), orNone(a.Status.Applied.Short))
		if ofApp(a) != ready {
			text += ": " + appReason(a)
		}
		if _, err := fmt.Fprintln(y.w.Out, text); err != nil {
			return nil, err
		}
	}
	if code := (selection{apps: apps}).standings().code(); code != codeDone {
		return outcome{code: code, err: errors.New(y.title() + " is not in sync: " + summary(apps))}, nil
	}
	return nil, nil
}
