package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/plan"
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
What waits for something else than an approval, such as a change of an immutable field, is listed with what lets it go.
With --hold it is approved only if that is still the id ('fairlead status APP -o yaml' shows it as holdID).

` + namesHelp,
		Example: `  fairlead approve production/web
  fairlead approve production/web --hold 3f9a2c1e77 --yes`,
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
	o.complete(cmd, w, kinds{envs: true, apps: true})
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
	stuck := keep(apps, func(a v1alpha1.App) bool { return a.Status.HoldID == "" && len(a.Status.Held) > 0 })
	apps = keep(apps, func(a v1alpha1.App) bool { return a.Status.HoldID != "" })
	switch {
	case len(apps) == 0 && len(stuck) > 0:
		return "", inVain(stuck)
	case len(apps) == 0 && o.hold != "":
		return "", fmt.Errorf("%s is not what is held: %s holds nothing now", o.hold, title)
	case len(apps) == 0:
		return title + " holds nothing", nil
	case o.hold != "" && apps[0].Status.HoldID != o.hold:
		return "", fmt.Errorf("%s is not what is held; it is %s:\n%s", o.hold, apps[0].Status.HoldID, strings.TrimSuffix(steps(apps[0]), "\n"))
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

// inVain says that what is held waits for something else than an approval, and for what.
func inVain(apps []v1alpha1.App) error {
	var b strings.Builder
	for i := range apps {
		fmt.Fprintf(&b, "app %s is held, and no approval lets it go:\n%s", appName(&apps[i]), steps(apps[i]))
	}
	return errors.New(strings.TrimSuffix(b.String(), "\n"))
}

// confirm lists what would go, and asks a person unless told not to.
func (o *approveOptions) confirm(w IO, title string, apps []v1alpha1.App) error {
	for _, a := range apps {
		_, _ = fmt.Fprintf(w.Err, "app %s, hold %s:\n%s", appName(&a), a.Status.HoldID, steps(a))
	}
	if o.yes {
		return nil
	}
	switch {
	case isTerminal(w.In):
	case len(apps) == 1:
		return usagef("%s: input is not a terminal: use --yes --hold %s", "app "+appName(&apps[0]), apps[0].Status.HoldID)
	default:
		return usagef("%s: input is not a terminal: approve each app with --yes --hold ID, or all of it with --yes", title)
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

// steps lists what an app holds, one line each: what an approval lets go, and what it does not.
func steps(a v1alpha1.App) string {
	var goes, stays strings.Builder
	for _, h := range a.Status.Held {
		why, approvable := plan.WithoutCommand(h.Why)
		what := h.Action + " " + h.Object
		if h.Action == string(plan.Replace) {
			what = h.Object // Fairlead would not replace it unasked
		}
		b := &goes
		if !approvable {
			b = &stays
		}
		fmt.Fprintf(b, "  %s: %s\n", what, why)
	}
	if goes.Len() > 0 && stays.Len() > 0 {
		goes.WriteString("no approval lets this go:\n")
	}
	return goes.String() + stays.String() + others(a)
}

// inAll is how a reason counts what is held beside the first.
var inAll = regexp.MustCompile(`; and (\d+) more$`)

// others counts what is held and not listed.
func others(a v1alpha1.App) string {
	if len(a.Status.Held) < maxHeld {
		return ""
	}
	m := inAll.FindStringSubmatch(a.Status.Reason)
	if m == nil {
		return "  and maybe more\n"
	}
	if n, err := strconv.Atoi(m[1]); err == nil && n+1 > len(a.Status.Held) {
		return fmt.Sprintf("  and %d more\n", n+1-len(a.Status.Held))
	}
	return ""
}
