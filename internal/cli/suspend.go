package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authn "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// Annotations of a suspended Environment.
const (
	annotationBy      = "fairlead.dev/suspended-by"
	annotationBecause = "fairlead.dev/suspended-because"
)

func suspendCommand(w IO) *cobra.Command {
	var t target
	var because string
	cmd := &cobra.Command{
		Use:   "suspend ENV | APP --because TEXT",
		Short: "Stop all writes to an app, or to all apps of an environment",
		Long: `Stops all writes to the objects of an app or of all apps of an environment, drift repair included. What you
change by hand then stays until 'fairlead resume'. Your name and the reason are shown by status.

` + namesHelp + `

If the Environment object itself is kept in Git, whatever applies it from there may set spec.sync.suspend back.`,
		Example: `  fairlead suspend production/web --because "looking into slow answers, back at 15:00"
  fairlead suspend production --because "moving to another network"`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if because == "" {
				return usagef("say why: --because is missing; who looks at it later will want to know")
			}
			return t.steer(cmd.Context(), w, args[0], func(ctx context.Context, c client.Client, s selection) (string, error) {
				by := t.user(ctx, w)
				return suspend(ctx, c, s, v1alpha1.Suspension{By: by, Because: because, Since: metav1.NewTime(time.Now())})
			})
		},
	}
	t.clusterFlags(cmd.Flags())
	t.namespaceFlag(cmd)
	t.complete(cmd, w, kinds{envs: true, apps: true})
	cmd.Flags().StringVar(&because, "because", "", "the reason, for who comes after you (needed)")
	return cmd
}

func resumeCommand(w IO) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "resume ENV | APP",
		Short: "End a suspension: make the cluster true to Git again",
		Long: `Ends what 'fairlead suspend' began. What was changed by hand meanwhile is undone.

` + namesHelp,
		Example: "  fairlead resume production/web",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.steer(cmd.Context(), w, args[0], resume)
		},
	}
	t.clusterFlags(cmd.Flags())
	t.namespaceFlag(cmd)
	t.complete(cmd, w, kinds{envs: true, apps: true})
	return cmd
}

// steer finds an environment or an app, does something to it, and prints what was done.
func (t *target) steer(ctx context.Context, w IO, name string, do func(context.Context, client.Client, selection) (string, error)) error {
	c, _, s, err := t.choose(ctx, w, name, kinds{envs: true, apps: true})
	if err != nil {
		return err
	}
	text, err := do(ctx, c, s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w.Out, text)
	return err
}

func suspend(ctx context.Context, c client.Client, s selection, why v1alpha1.Suspension) (string, error) {
	if len(s.apps) > 0 {
		a := &s.apps[0]
		if err := merge(ctx, c, a, map[string]any{"spec": map[string]any{"suspend": why}}); err != nil {
			return "", fmt.Errorf("suspend app %s: %w", appName(a), err)
		}
		return fmt.Sprintf("app %s suspended by %s: %s", appName(a), why.By, why.Because), nil
	}
	e := &s.envs[0]
	err := merge(ctx, c, e, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationBy: why.By, annotationBecause: why.Because}},
		"spec":     map[string]any{"sync": map[string]any{"suspend": true}},
	})
	if err != nil {
		return "", fmt.Errorf("suspend environment %s: %w", e.Name, err)
	}
	return fmt.Sprintf("environment %s suspended by %s: %s", e.Name, why.By, why.Because), nil
}

func resume(ctx context.Context, c client.Client, s selection) (string, error) {
	if len(s.apps) > 0 {
		a := &s.apps[0]
		if a.Spec.Suspend == nil {
			return fmt.Sprintf("app %s is not suspended itself", appName(a)), nil
		}
		if err := merge(ctx, c, a, map[string]any{"spec": map[string]any{"suspend": nil}}); err != nil {
			return "", fmt.Errorf("resume app %s: %w", appName(a), err)
		}
		return fmt.Sprintf("app %s resumed", appName(a)), nil
	}
	e := &s.envs[0]
	if !e.Spec.Sync.Suspend {
		return fmt.Sprintf("environment %s is not suspended", e.Name), nil
	}
	err := merge(ctx, c, e, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationBy: nil, annotationBecause: nil}},
		"spec":     map[string]any{"sync": map[string]any{"suspend": false}},
	})
	if err != nil {
		return "", fmt.Errorf("resume environment %s: %w", e.Name, err)
	}
	return fmt.Sprintf("environment %s resumed", e.Name), nil
}

// user is who the API server takes this user for; if it does not say, who the user is on this machine.
func (t *target) user(ctx context.Context, w IO) string {
	config, err := t.config(w)
	if err == nil {
		var c *authn.AuthenticationV1Client
		if c, err = authn.NewForConfig(config); err == nil {
			var r *authenticationv1.SelfSubjectReview
			r, err = c.SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
			if err == nil && r.Status.UserInfo.Username != "" {
				return r.Status.UserInfo.Username
			}
		}
	}
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := w.Getenv(name); user != "" {
			return user
		}
	}
	return "somebody"
}
