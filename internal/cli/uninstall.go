package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/install"
)

// uninstallOptions are the flags of uninstall.
type uninstallOptions struct {
	target
	dryRun, yes bool
	timeout     time.Duration
}

func uninstallCommand(w IO) *cobra.Command {
	var o uninstallOptions
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take Fairlead out of a cluster, and leave the apps running",
		Long: `Takes Fairlead out of a cluster: its Deployment, its rights, the policies of Block mode, its ledger, and its
CustomResourceDefinitions with all Repositories, Environments and Apps. It lists them and asks first; scripts say --yes.

Nothing that an app is made of is deleted or changed, whatever spec.deletion says. What remains of Fairlead are marks: the labels
fairlead.dev/app and fairlead.dev/app-namespace, the annotation fairlead.dev/file where Block mode was on, and the field manager
"fairlead". They do nothing. By them a Fairlead that is installed later takes the objects up again where they are, without
writing to those that are as Git says; what is removed from Git until then stays.

Fairlead is stopped before anything else; one that runs outside of the cluster has to be stopped by you first. The
namespace goes too, unless something else is in it. After an error, run it again: it goes on.

Environments that are not in Git would be lost with their definition. To keep them:
kubectl get repositories.fairlead.dev,environments.fairlead.dev -A -o yaml > before.yaml`,
		Example: `  fairlead uninstall --dry-run
  fairlead uninstall --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), w) },
	}
	f := cmd.Flags()
	o.clusterFlags(f)
	f.StringVarP(&o.namespace, "namespace", "n", "fairlead-system", "Fairlead's own namespace")
	f.BoolVar(&o.dryRun, "dry-run", false, "list what would be deleted, and delete nothing")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait; 0 waits for ever")
	return cmd
}

func (o *uninstallOptions) run(ctx context.Context, w IO) error {
	config, err := o.config(w)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		defer cancel()
	}
	p := newProgress(w)
	defer p.done()
	r := install.Removal{Client: client, Namespace: o.namespace, Deleted: func(u *unstructured.Unstructured) {
		p.done()
		_, _ = fmt.Fprintln(w.Out, install.Name(u), "deleted")
	}}
	found, err := r.Find(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(w.Out, "nothing of Fairlead is in this cluster")
		return err
	}
	if err := o.announce(ctx, w, found); err != nil || o.dryRun {
		return err
	}
	waiting := func(what string) { p.say("waiting for " + what) }
	if err := r.Run(ctx, waiting); err != nil {
		return o.unfinished(ctx, p, err)
	}
	stays, err := o.namespaceGoes(ctx, r, disco, waiting)
	p.done()
	if err != nil {
		return o.unfinished(ctx, p, err)
	}
	_, err = fmt.Fprintf(w.Out, "Fairlead is gone. What the apps are made of runs on, as it is, with its labels.%s\n", stays)
	return err
}

// namespaceGoes deletes the namespace if nothing else is in it, and says why not otherwise.
func (o *uninstallOptions) namespaceGoes(ctx context.Context, r install.Removal, disco discovery.DiscoveryInterface, waiting func(string)) (string, error) {
	others, err := r.Others(ctx, disco)
	why := "it holds " + clipList(others)
	if err != nil {
		why = fmt.Sprintf("it cannot be told what else it holds: %v", err)
	}
	if err != nil || len(others) > 0 {
		return fmt.Sprintf("\nNamespace %s stays: %s. If that may go: kubectl delete namespace %[1]s", o.namespace, why), nil
	}
	return "", r.DeleteNamespace(ctx, waiting)
}

func (o *uninstallOptions) unfinished(ctx context.Context, p *progress, err error) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return fmt.Errorf("not done after %s: %s; 'fairlead uninstall' goes on from here", o.timeout, cmp.Or(p.last, err.Error()))
	}
	return fmt.Errorf("%w; 'fairlead uninstall' goes on from here", err)
}

// announce lists what will be deleted, and asks a person unless told not to.
func (o *uninstallOptions) announce(ctx context.Context, w IO, found []*unstructured.Unstructured) error {
	var b strings.Builder
	b.WriteString("This would be deleted:\n")
	records := 0
	for _, u := range found {
		if _, is := u.GetLabels()["fairlead.dev/ledger"]; is {
			records++
			continue
		}
		fmt.Fprintf(&b, "  %s\n", install.Name(u))
	}
	if records > 0 {
		fmt.Fprintf(&b, "  %s of the ledger\n", plural(records, "Secret"))
	}
	fmt.Fprintf(&b, "  namespace/%s, if nothing else is in it\n", o.namespace)
	if c, err := o.connect(w); err == nil {
		if f, err := read(ctx, c, ""); err == nil {
			fmt.Fprintf(&b, "With the definitions go %s, %s and %s. What the apps are made of stays as it is.\n", repositories(len(f.repos)), plural(len(f.envs), "Environment"), plural(len(f.apps), "App"))
		}
	}
	out := w.Err
	if o.dryRun {
		out = w.Out
	}
	_, _ = fmt.Fprint(out, b.String())
	if o.dryRun || o.yes {
		return nil
	}
	if !isTerminal(w.In) {
		return usagef("input is not a terminal: use --yes, or --dry-run to see it alone")
	}
	_, _ = fmt.Fprint(w.Err, "Delete all of it? [y/N] ")
	answer, _ := bufio.NewReader(w.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was deleted")
}

func repositories(n int) string {
	if n == 1 {
		return "1 Repository"
	}
	return fmt.Sprintf("%d Repositories", n)
}
