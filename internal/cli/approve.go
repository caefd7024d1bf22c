package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
)

// approveOptions are the flags of approve.
type approveOptions struct {
	target
	hold string
	yes  bool
}

func approveCommand(w IO) *cobra.Command {
	var o approveOptions
	cmd := &cobra.Command{
		Use:   "approve APP | ENV",
		Short: "Let held deletions go",
		Long: `Lets the held steps of an app go, or those of all apps of an environment: deletions that are more than the
environment's budget, or of kinds that are always held. It lists them and asks first; scripts say --yes.

What you approve is exactly what is held now. If it changes before it is done, it is held again under another id.
With --hold it is approved only if that is still the id ('fairlead status APP -o yaml' shows it as holdID).

` + namesHelp,
		Example: `  fairlead approve production/web
  fairlead approve production/web --hold 3f9a2c --yes`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.steer(cmd.Context(), w, args[0], func(ctx context.Context, c client.Client, s selection) (string, error) {
				return o.approve(ctx, w, c, s)
			})
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	cmd.Flags().StringVar(&o.hold, "hold", "", "approve only if this is what is held")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (o *approveOptions) approve(ctx context.Context, w IO, c client.Client, s selection) (string, error) {
	apps := s.apps
	title := "app"
	if len(s.envs) > 0 {
		if o.hold != "" {
			return "", usagef("--hold names what one app holds: name the app")
		}
		title = "environment " + s.envs[0].Name
		f, err := read(ctx, c, s.envs[0].Namespace)
		if err != nil {
			return "", err
		}
		apps = f.of(&s.envs[0])
	} else {
		title += " " + appName(&apps[0])
	}
	apps = keep(apps, func(a v1alpha1.App) bool { return a.Status.HoldID != "" })
	if len(apps) == 0 && o.hold == "" {
		return title + " holds nothing", nil
	}
	if o.hold != "" && (len(apps) == 0 || apps[0].Status.HoldID != o.hold) {
		return "", changed(s.apps[0], apps)
	}
	if err := o.confirm(w, title, apps); err != nil {
		return "", err
	}
	var done []string
	for i := range apps {
		a := &apps[i]
		id := a.Status.HoldID
		if err := annotate(ctx, c, a, map[string]any{controller.AnnotationApprove: id}); err != nil {
			return "", fmt.Errorf("approve %s: %w", appName(a), err)
		}
		done = append(done, fmt.Sprintf("app %s: hold %s approved", appName(a), id))
	}
	return strings.Join(done, "\n"), nil
}

// changed says that what is held is not what the user has seen.
func changed(a v1alpha1.App, held []v1alpha1.App) error {
	if len(held) == 0 {
		return fmt.Errorf("what is held has changed since: app %s holds nothing now", appName(&a))
	}
	return fmt.Errorf("what is held has changed since; hold %s is now:\n%s", held[0].Status.HoldID, strings.TrimSuffix(steps(held[0]), "\n"))
}

// confirm lists what would go, and asks a person unless told not to.
func (o *approveOptions) confirm(w IO, title string, apps []v1alpha1.App) error {
	for _, a := range apps {
		_, _ = fmt.Fprintf(w.Err, "app %s, hold %s:\n%s", appName(&a), a.Status.HoldID, steps(a))
	}
	if o.yes {
		return nil
	}
	if !isTerminal(w.In) {
		return usagef("%s: nobody is there to be asked: say --yes to let all of it go", title)
	}
	_, _ = fmt.Fprint(w.Err, "Let all of it go? [y/N] ")
	answer, _ := bufio.NewReader(w.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return outcome{code: codeHeld, err: fmt.Errorf("%s: not approved", title)}
}

// maxHeld is how many held steps a status lists.
const maxHeld = 20

// steps lists what an app holds, one line each.
func steps(a v1alpha1.App) string {
	var b strings.Builder
	for _, h := range a.Status.Held {
		fmt.Fprintf(&b, "  %s %s: %s\n", h.Action, h.Object, h.Why)
	}
	if len(a.Status.Held) >= maxHeld {
		fmt.Fprintf(&b, "  and maybe more: %s\n", a.Status.Reason)
	}
	return b.String()
}
