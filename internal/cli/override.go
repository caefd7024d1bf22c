package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// anyCommit is how --commit says that it does not matter which.
const anyCommit = "any"

// overrideOptions are the flags of override.
type overrideOptions struct {
	target
	because, commit string
	gates           []string
	lasts           time.Duration
	yes             bool
}

func overrideCommand(w IO) *cobra.Command {
	var o overrideOptions
	cmd := &cobra.Command{
		Use:   "override APP | ENV --because TEXT",
		Short: "Break the glass: open gates though what they wait for has not come",
		Long: `Opens the gates of an app, or of all apps of an environment, for some time: an Override under your own name, which the
API server vouches for. It is for emergencies, needs a right of its own (the ClusterRole fairlead-override), and stays on
record with the reason.

For an app it counts for the commit that the app wants now, unless --commit names another one, or is "any". For an
environment it counts for any commit. It ends by itself; 'kubectl delete override NAME' ends it earlier.

` + namesHelp,
		Example: `  fairlead override production/web --because "INC-42: checkout is down"
  fairlead override production --gate christmas --for 4h --because "INC-43" --yes`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(o.because) < 3 {
				return usagef("say why: --because is missing; it stays on record")
			}
			return o.steer(cmd.Context(), w, args[0], func(ctx context.Context, c client.Client, s selection) (string, error) {
				return o.override(ctx, w, c, s)
			})
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.complete(cmd, w, kinds{envs: true, apps: true})
	f := cmd.Flags()
	f.StringVar(&o.because, "because", "", "the reason, for the record (needed)")
	f.StringVar(&o.commit, "commit", "", `the commit that is let through: its id, its first digits, or "any" (default: what the app wants now)`)
	f.StringArrayVar(&o.gates, "gate", nil, "open this gate alone, by its name; may be given several times (default: all)")
	f.DurationVar(&o.lasts, "for", time.Hour, "how long: 24h at most")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (o *overrideOptions) override(ctx context.Context, w IO, c client.Client, s selection) (string, error) {
	title, env, apps, err := meant(ctx, c, s)
	if err != nil {
		return "", err
	}
	expires, err := lasts(o.lasts, gate.LongestOverride)
	if err != nil {
		return "", err
	}
	spec := v1alpha1.OverrideSpec{Environment: env.Name, Gates: o.gates, Reason: o.because, Expires: expires}
	if len(s.envs) == 0 {
		spec.App = apps[0].Spec.Name
	}
	if spec.Commit, err = o.through(s, apps); err != nil {
		return "", err
	}
	if err := known(o.gates, env, title); err != nil {
		return "", err
	}
	if spec.By, err = o.signatory(ctx, w); err != nil {
		return "", err
	}
	what, which := "every gate", "any commit"
	if len(o.gates) > 0 {
		what = "gate " + strings.Join(o.gates, ", ")
	}
	if spec.Commit != "" {
		which = "commit " + shortCommit(spec.Commit)
	}
	if err := o.confirm(w, fmt.Sprintf("This opens %s of %s for %s until %s.", what, title, which, when(expires))); err != nil {
		return "", err
	}
	out := &v1alpha1.Override{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, GenerateName: env.Name + "-"}, Spec: spec}
	if err := c.Create(ctx, out, client.FieldOwner(manager)); err != nil {
		return "", fmt.Errorf("override %s: %w", title, err)
	}
	return fmt.Sprintf("%s: %s opened for %s by %s until %s: %s\n'kubectl -n %s delete override %s' closes it again", title, what, which, spec.By.User, when(expires), o.because,
		env.Namespace, out.Name), nil
}

// through is the commit that is let through; empty: any.
func (o *overrideOptions) through(s selection, apps []v1alpha1.App) (string, error) {
	switch {
	case o.commit == anyCommit, o.commit == "" && len(s.envs) > 0:
		return "", nil
	case o.commit != "":
		return fullCommit(o.commit, apps)
	}
	if commit := next(&apps[0]); commit != "" {
		return commit, nil
	}
	return "", fmt.Errorf("app %s wants no commit that is known: say --commit", appName(&apps[0]))
}

// known checks the names of gates. An app may have more than its environment, so that only what is near another one is taken for a slip.
func known(names []string, env v1alpha1.Environment, title string) error {
	var all []string
	for _, g := range gatesOf(env) {
		all = append(all, gate.Name(g))
	}
	for _, name := range names {
		if near, ok := nearest.Of(name, all); ok && !slices.Contains(all, name) {
			return fmt.Errorf("%s has no gate %q: did you mean %q?", title, name, near)
		}
	}
	return nil
}

// confirm asks a person, unless told not to.
func (o *overrideOptions) confirm(w IO, what string) error {
	if o.yes {
		return nil
	}
	if !isTerminal(w.In) {
		return usagef("%s Input is not a terminal: use --yes", what)
	}
	_, _ = fmt.Fprintf(w.Err, "%s Open it? [y/N] ", what)
	answer, _ := bufio.NewReader(w.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return outcome{code: codeHeld, err: fmt.Errorf("%s nothing was opened", what)}
}
