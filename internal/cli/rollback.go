package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// rollbackOptions are the flags of rollback.
type rollbackOptions struct {
	target
	to, because string
	lift, yes   bool
	timeout     time.Duration
}

func rollbackCommand(w IO) *cobra.Command {
	o := rollbackOptions{}
	cmd := &cobra.Command{
		Use:   "rollback APP | ENV",
		Short: "Go back to what was good before, and stay there until a newer commit",
		Long: `Applies again what was released last and got well, of an app or of all apps of an environment. It is taken from
Fairlead's own record in the cluster: Git need not be reachable.

What is rolled back is not released again: the app stays at the earlier commit, hand edits are undone towards that one,
and status says so. A newer commit goes on by itself. --lift tries again what was rolled back, as it is.

With --to it goes back to any commit that the followed branch or tag leads to. What is not kept of the last ones (see
status.releases of the App) is read from Git, and kept from then on.
Git still has what was rolled back: revert it there as well.

If versions or fields of CustomResourceDefinitions go with it, or a definition itself, it says so first, and asks; scripts say
--yes. An app of which nothing of that kind goes is rolled back without.

` + namesHelp,
		Example: `  fairlead rollback production/web --because "orders are lost"
  fairlead rollback production/web --to 3f9a2c1e
  fairlead rollback production/web --lift`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch to := cmd.Flags().Changed("to"); {
			case o.lift && to:
				return usagef("--lift goes on, --to goes back: both cannot be meant")
			case to && !isCommit(o.to):
				return usagef("--to %q is no commit: want its id, or the first 4 digits of that or more", o.to)
			}
			return o.steer(cmd.Context(), w, args[0], func(ctx context.Context, c client.Client, s selection) (string, error) {
				return o.rollback(ctx, w, c, s)
			})
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.complete(cmd, w, kinds{envs: true, apps: true})
	cmd.Flags().StringVar(&o.to, "to", "", "the commit to go back to, or the first digits of its id (default: the last one that got well)")
	cmd.Flags().StringVar(&o.because, "because", "", "the reason, for who comes after you")
	cmd.Flags().BoolVar(&o.lift, "lift", false, "try again what was rolled back")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask, though versions or fields of CustomResourceDefinitions go with it")
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait until it has begun")
	return cmd
}

func (o *rollbackOptions) rollback(ctx context.Context, w IO, c client.Client, s selection) (string, error) {
	apps := s.apps
	if len(s.envs) > 0 {
		f, err := read(ctx, c, s.envs[0].Namespace)
		if err != nil {
			return "", err
		}
		if apps = f.of(&s.envs[0]); len(apps) == 0 {
			return "", fmt.Errorf("environment %s has no apps", s.envs[0].Name)
		}
	}
	who := o.user(ctx, w)
	done, unsure, err := o.ask(ctx, c, apps, who)
	if len(unsure) > 0 {
		sure := o.confirm(w, unsure)
		if sure == nil {
			o.yes = true
			var more []string
			more, _, sure = o.ask(ctx, c, unsure, who)
			done = append(done, more...)
		}
		err = errors.Join(err, sure)
	}
	if err != nil && len(done) > 0 {
		_, _ = fmt.Fprintln(w.Out, strings.Join(done, "\n"))
	}
	return strings.Join(done, "\n"), err
}

// isCommit reports whether a text may name a commit, or the revision of one such as main@sha1:3f9a2c1e.
func isCommit(text string) bool {
	id := text[strings.LastIndex(text, ":")+1:]
	return len(id) >= 4 && strings.Trim(id, "0123456789abcdef") == ""
}

// ask asks apps to go back, and waits until they have answered. Unsure are those that want to be told first that somebody is sure.
func (o *rollbackOptions) ask(ctx context.Context, c client.Client, apps []v1alpha1.App, who string) (done []string, unsure []v1alpha1.App, err error) {
	asked := controller.Rollback{
		Request: time.Now().UTC().Format(time.RFC3339Nano), To: o.to, Lift: o.lift, By: who, Because: o.because, Sure: o.yes,
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return nil, nil, err
	}
	for i := range apps {
		if err := annotate(ctx, c, &apps[i], map[string]any{controller.AnnotationRollback: string(text)}); err != nil {
			return nil, nil, fmt.Errorf("roll back %s: %w", appName(&apps[i]), err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	var failed []error
	for i := range apps {
		line, err := o.begun(ctx, c, &apps[i], asked.Request)
		switch {
		case err == nil:
			done = append(done, line)
		case apps[i].Status.Rollback != nil && strings.HasPrefix(apps[i].Status.Rollback.Error, engine.Unsure):
			unsure = append(unsure, apps[i])
		default:
			failed = append(failed, err)
		}
	}
	return done, unsure, errors.Join(failed...)
}

// confirm says what would go with the way back, and asks a person.
func (o *rollbackOptions) confirm(w IO, unsure []v1alpha1.App) error {
	for i := range unsure {
		what := strings.TrimPrefix(unsure[i].Status.Rollback.Error, engine.Unsure)
		_, _ = fmt.Fprintf(w.Err, "app %s: going back takes away: %s\n", appName(&unsure[i]), what)
	}
	if !isTerminal(w.In) {
		return usagef("objects that use what goes may lose fields, or not be readable any more; input is not a terminal: use --yes to go back all the same")
	}
	_, _ = fmt.Fprint(w.Err, "Objects that use what goes may lose fields, or not be readable any more. Go back all the same? [y/N] ")
	answer, _ := bufio.NewReader(w.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return outcome{code: codeHeld, err: errors.New("not rolled back")}
}

// begun waits until an app has taken a request in, and says what follows.
func (o *rollbackOptions) begun(ctx context.Context, c client.Client, a *v1alpha1.App, request string) (string, error) {
	was := v1alpha1.ReleaseStatus{}
	if r := a.Status.Release; r != nil {
		was = *r
	}
	for {
		if err := c.Get(ctx, client.ObjectKeyFromObject(a), a); err != nil {
			return "", err
		}
		if h := a.Status.Rollback; h != nil && h.Request == request {
			break
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("app %s was asked, and has not answered within %s: is the controller running? 'fairlead why %s' tells", appName(a), o.timeout, appName(a))
		case <-time.After(100 * time.Millisecond):
		}
	}
	r := a.Status.Release
	back, goes := wentBack(a.Status, was.Serial)
	switch {
	case a.Status.Rollback.Error != "":
		return "", fmt.Errorf("app %s stays as it is: %s", appName(a), a.Status.Rollback.Error)
	case o.lift && r != nil:
		return fmt.Sprintf("app %s: %s is released again", appName(a), shortRevision(r.Revision)), nil
	case goes && leaves(was, back) != back.Back:
		return fmt.Sprintf("app %s goes back from %s to %s, and stays there until a newer commit", appName(a), shortRevision(leaves(was, back)), shortRevision(back.Back)), nil
	}
	return fmt.Sprintf("app %s is where it was asked to be", appName(a)), nil
}

// leaves is where an app was that went back, and whose newest release was as given before: it may have been back already.
func leaves(was, back v1alpha1.ReleaseStatus) string {
	if was.Serial == back.Serial && was.Back != "" {
		return was.Back
	}
	return back.Revision
}

// wentBack is the newest release, of those since a serial, that was gone back from. The way back may be over, and another release on its way, by the time that
// somebody looks.
func wentBack(st v1alpha1.AppStatus, since int64) (back v1alpha1.ReleaseStatus, goes bool) {
	all := st.Releases
	if st.Release != nil {
		all = append(slices.Clone(all), *st.Release)
	}
	for _, r := range all {
		if r.Serial >= max(since, back.Serial) && (r.Phase == string(release.RollingBack) || r.Phase == string(release.RolledBack)) {
			back, goes = r, true
		}
	}
	return back, goes
}

// shortRevision is the short id of a revision such as "main@sha1:…", or "sha1:…" where no ref was followed.
func shortRevision(revision string) string {
	_, id, ok := strings.Cut("@"+revision, "@sha")
	if !ok {
		return revision
	}
	_, id, _ = strings.Cut(id, ":")
	return id[:min(len(id), 8)]
}
