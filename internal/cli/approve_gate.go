package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// usualApproval is how long an approval counts if nobody says otherwise: over a weekend.
const usualApproval = 7 * 24 * time.Hour

// ballot is one commit that is approved for an app, or with no app for all that it changes.
type ballot struct {
	app    string
	commit string
	author string
	about  string // the commit, for people
}

// waiting are the apps of which a release waits at a gate.
func waiting(apps []v1alpha1.App) []v1alpha1.App {
	return keep(apps, func(a v1alpha1.App) bool {
		return a.Status.Release != nil && a.Status.Release.Phase == string(release.Gated) && next(&a) != ""
	})
}

// ballots are what is to be approved: the commit that was named, or that for which each of the apps waits.
func (o *approveOptions) ballots(s selection, apps []v1alpha1.App) ([]ballot, error) {
	if o.commit == "" {
		var out []ballot
		for i := range apps {
			a := &apps[i]
			commit := next(a)
			out = append(out, ballot{app: a.Spec.Name, commit: commit, author: authorOf(a, commit), about: aboutCommit(a, commit)})
		}
		return out, nil
	}
	commit, err := fullCommit(o.commit, apps)
	if err != nil {
		return nil, err
	}
	b := ballot{commit: commit, about: "commit " + shortCommit(commit)}
	if len(s.envs) == 0 {
		b.app = apps[0].Spec.Name
	}
	for i := range apps {
		if mail := authorOf(&apps[i], commit); mail != "" && b.author == "" {
			b.author, b.about = mail, aboutCommit(&apps[i], commit)
		}
	}
	return []ballot{b}, nil
}

func aboutCommit(a *v1alpha1.App, commit string) string {
	text := "commit " + shortCommit(commit)
	if w := a.Status.Wanted; strings.HasSuffix(w.Revision, ":"+commit) {
		text += " by " + w.Author + ": " + w.Subject
	}
	return text
}

// cast writes approvals, each but once, and says what was done.
func (o *approveOptions) cast(ctx context.Context, w IO, c client.Client, env v1alpha1.Environment, all []ballot) ([]string, error) {
	expires, err := lasts(o.lasts, gate.LongestApproval)
	if err != nil {
		return nil, err
	}
	by, err := o.signatory(ctx, w, env)
	if err != nil {
		return nil, err
	}
	var given v1alpha1.ApprovalList
	if err := c.List(ctx, &given, client.InNamespace(env.Namespace)); err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	var done []string
	for _, b := range all {
		what := "environment " + env.Name
		if b.app != "" {
			what = "app " + env.Name + "/" + b.app
		}
		if i := slices.IndexFunc(given.Items, func(a v1alpha1.Approval) bool {
			p := a.Spec
			return p.Environment == env.Name && p.App == b.app && p.Commit == b.commit && p.By.User == by.User && p.Author == b.author && time.Now().Before(p.Expires.Time)
		}); i >= 0 {
			done = append(done, fmt.Sprintf("%s: commit %s is approved by %s already, until %s", what, shortCommit(b.commit), by.User, when(given.Items[i].Spec.Expires)))
			continue
		}
		a := &v1alpha1.Approval{
			ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, GenerateName: env.Name + "-" + shortCommit(b.commit) + "-"},
			Spec: v1alpha1.ApprovalSpec{
				Environment: env.Name, App: b.app, Commit: b.commit, Author: b.author, By: by, Reason: o.because, Expires: expires,
			},
		}
		if err := c.Create(ctx, a, client.FieldOwner(manager)); err != nil {
			return done, fmt.Errorf("approve %s: %w", what, err)
		}
		done = append(done, fmt.Sprintf("%s: commit %s approved by %s until %s", what, shortCommit(b.commit), by.User, when(expires)))
	}
	return done, nil
}

func when(t metav1.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
