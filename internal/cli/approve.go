package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// approveOptions are the flags of approve.
type approveOptions struct {
	target
	hold, commit, because string
	lasts                 time.Duration
	yes                   bool
}

func approveCommand(w IO) *cobra.Command {
	var o approveOptions
	cmd := &cobra.Command{
		Use:   "approve APP | ENV",
		Short: "Let a release go that waits for approval, and held deletions",
		Long: `Lets go what an app waits for a person with, or all apps of an environment: a release that waits at a gate, and
held steps. It lists them and asks first; scripts say --yes.

A release: writes an Approval under your own name, which the API server vouches for. It counts for the very commit that
is listed, or that --commit names, and for no other. Whose approval counts stands in the environment. Named with an
environment, --commit approves the commit for every app that it changes.

Held steps: deletions that are more than the environment's budget, or of kinds that are always held. What you approve is
exactly what is held now. If it changes before it is done, it is held again under another id. What waits for something
else than an approval, such as a change of an immutable field, is listed with what lets it go. With --hold it is approved
only if that is still the id ('fairlead status APP -o yaml' shows it as holdID). With --commit no held step is approved.

` + namesHelp,
		Example: `  fairlead approve production/web
  fairlead approve production/web --commit 3f9a2c1e --because "tried it on staging"
  fairlead approve production/web --hold 3f9a2c1e77 --yes`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.hold != "" && o.commit != "" {
				return usagef("--hold names held steps, --commit a release: both cannot be meant")
			}
			return o.steer(cmd.Context(), w, args[0], func(ctx context.Context, c client.Client, s selection) (string, error) {
				return o.approve(ctx, w, c, s)
			})
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	cmd.Flags().StringVar(&o.hold, "hold", "", "approve only if this is what is held")
	cmd.Flags().StringVar(&o.commit, "commit", "", "approve the release of this commit, which need not be there yet: its id, or its first digits if an app waits with it")
	cmd.Flags().StringVar(&o.because, "because", "", "the reason, for the record")
	cmd.Flags().DurationVar(&o.lasts, "for", usualApproval, "how long the approval of a release counts: 720h at most")
	o.complete(cmd, w, kinds{envs: true, apps: true})
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (o *approveOptions) approve(ctx context.Context, w IO, c client.Client, s selection) (string, error) {
	if len(s.envs) > 0 && o.hold != "" {
		return "", usagef("--hold names what one app holds: name the app")
	}
	title, env, apps, err := meant(ctx, c, s)
	if err != nil {
		return "", err
	}
	if o.commit != "" {
		ballots, err := o.ballots(s, apps)
		if err != nil {
			return "", err
		}
		done, err := o.cast(ctx, w, c, env, ballots)
		return strings.Join(done, "\n"), err
	}
	gated, stuck := waiting(apps), keep(apps, func(a v1alpha1.App) bool { return a.Status.HoldID == "" && len(a.Status.Held) > 0 })
	if o.hold != "" {
		gated = nil
	}
	apps = keep(apps, func(a v1alpha1.App) bool { return a.Status.HoldID != "" })
	switch {
	case len(apps) == 0 && len(stuck) > 0 && len(gated) == 0:
		return "", inVain(stuck)
	case len(apps) == 0 && o.hold != "":
		return "", fmt.Errorf("%s is not what is held: %s holds nothing now", o.hold, title)
	case len(apps) == 0 && len(gated) == 0 && len(gatesOf(env)) > 0:
		return title + " holds nothing, and no release of it waits at a gate", nil
	case len(apps) == 0 && len(gated) == 0:
		return title + " holds nothing", nil
	case o.hold != "" && apps[0].Status.HoldID != o.hold:
		return "", fmt.Errorf("%s is not what is held; it is %s:\n%s", o.hold, apps[0].Status.HoldID, strings.TrimSuffix(steps(apps[0]), "\n"))
	}
	if err := o.confirm(w, title, apps, gated); err != nil {
		return "", err
	}
	var done []string
	if len(gated) > 0 {
		ballots, err := o.ballots(s, gated)
		if err != nil {
			return "", err
		}
		if done, err = o.cast(ctx, w, c, env, ballots); err != nil {
			return "", err
		}
	}
	by := ""
	if len(apps) > 0 {
		by = o.user(ctx, w)
	}
	for i := range apps {
		a := &apps[i]
		id := a.Status.HoldID
		said := map[string]any{controller.AnnotationApprove: id, controller.AnnotationApprovedBy: id + " " + by, controller.AnnotationApprovedBecause: nil}
		if o.because != "" {
			said[controller.AnnotationApprovedBecause] = id + " " + o.because
		}
		if err := annotate(ctx, c, a, said); err != nil {
			return "", fmt.Errorf("approve %s: %w", appName(a), err)
		}
		done = append(done, fmt.Sprintf("app %s: hold %s approved", appName(a), id))
	}
	return strings.Join(done, "\n"), nil
}

// meant is what was named: as people say it, its environment, and its apps.
func meant(ctx context.Context, c client.Client, s selection) (string, v1alpha1.Environment, []v1alpha1.App, error) {
	var namespace string
	if len(s.envs) > 0 {
		namespace = s.envs[0].Namespace
	} else {
		namespace = s.apps[0].Namespace
	}
	f, err := read(ctx, c, namespace)
	if err != nil {
		return "", v1alpha1.Environment{}, nil, err
	}
	if len(s.envs) > 0 {
		return "environment " + s.envs[0].Name, s.envs[0], f.of(&s.envs[0]), nil
	}
	env := f.environmentOf(&s.apps[0])
	env.Namespace, env.Name = namespace, s.apps[0].Spec.Environment
	return "app " + appName(&s.apps[0]), env, s.apps, nil
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
func (o *approveOptions) confirm(w IO, title string, held, gated []v1alpha1.App) error {
	for _, a := range gated {
		_, _ = fmt.Fprintf(w.Err, "app %s, %s\n  %s\n", appName(&a), aboutCommit(&a, next(&a)), a.Status.Release.Why)
	}
	for _, a := range held {
		_, _ = fmt.Fprintf(w.Err, "app %s, hold %s:\n%s", appName(&a), a.Status.HoldID, steps(a))
	}
	if o.yes {
		return nil
	}
	switch {
	case isTerminal(w.In):
	case len(gated) == 1 && len(held) == 0:
		return usagef("%s: input is not a terminal: use --commit %s", "app "+appName(&gated[0]), shortCommit(next(&gated[0])))
	case len(held) == 1 && len(gated) == 0:
		return usagef("%s: input is not a terminal: use --yes --hold %s", "app "+appName(&held[0]), held[0].Status.HoldID)
	case len(gated) > 0:
		return usagef("%s: input is not a terminal: approve a release with --commit, or all of it with --yes", title)
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
