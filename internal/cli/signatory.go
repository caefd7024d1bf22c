package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authn "k8s.io/client-go/kubernetes/typed/authentication/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// mostGroups is how many groups an Approval names at most.
const mostGroups = 50

// signatory is who the API server takes this user for, with his groups: those first that a gate of the environments asks for. An app's own gates may ask for
// others, so that none is left out but those of the system, and what is too many.
func (t *target) signatory(ctx context.Context, w IO, envs ...v1alpha1.Environment) (v1alpha1.Signatory, error) {
	config, err := t.config(w)
	if err != nil {
		return v1alpha1.Signatory{}, err
	}
	c, err := authn.NewForConfig(config)
	if err != nil {
		return v1alpha1.Signatory{}, err
	}
	r, err := c.SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return v1alpha1.Signatory{}, fmt.Errorf("ask who you are: %w", err)
	}
	me := r.Status.UserInfo
	if me.Username == "" {
		return v1alpha1.Signatory{}, errors.New("the API server does not say who you are: nobody can approve without a name")
	}
	var asked []string
	for _, env := range envs {
		for _, g := range gatesOf(env) {
			if g.Approval != nil {
				asked = append(asked, g.Approval.Groups...)
			}
		}
	}
	by := v1alpha1.Signatory{User: me.Username}
	for _, wanted := range []bool{true, false} {
		for _, group := range me.Groups {
			if slices.Contains(asked, group) == wanted && (wanted || !strings.HasPrefix(group, "system:")) && !slices.Contains(by.Groups, group) {
				by.Groups = append(by.Groups, group)
			}
		}
	}
	by.Groups = by.Groups[:min(len(by.Groups), mostGroups)]
	return by, nil
}

func gatesOf(env v1alpha1.Environment) []v1alpha1.Gate {
	if env.Spec.Release == nil {
		return nil
	}
	return env.Spec.Release.Gates
}

// environmentOf is the environment of an app; zero if it is gone.
func (f *fleet) environmentOf(a *v1alpha1.App) v1alpha1.Environment {
	for _, e := range f.envs {
		if e.Namespace == a.Namespace && e.Name == a.Spec.Environment {
			return e
		}
	}
	return v1alpha1.Environment{}
}

// next is the commit that an app is to be released to, in full; empty if there is none.
func next(a *v1alpha1.App) string {
	revision := a.Status.Wanted.Revision
	if r := a.Status.Release; r != nil && r.Revision != "" {
		revision = r.Revision
	}
	return revision[strings.LastIndex(revision, ":")+1:]
}

// authorOf is the mail address of who wrote a commit; empty if it is not known.
func authorOf(a *v1alpha1.App, commit string) string {
	if !strings.HasSuffix(a.Status.Wanted.Revision, ":"+commit) {
		return ""
	}
	_, mail, _ := strings.Cut(a.Status.Wanted.Author, " <")
	mail, whole := strings.CutSuffix(mail, ">")
	if !whole {
		return ""
	}
	return mail
}

// fullCommit completes the first digits of a commit that an app is to be released to. A full id is taken as it is, whether an app knows it or not.
func fullCommit(text string, apps []v1alpha1.App) (string, error) {
	text = strings.ToLower(text)
	if strings.Trim(text, "0123456789abcdef") != "" {
		return "", usagef("%q is no commit: want its id, or its first digits", text)
	}
	if len(text) == 40 || len(text) == 64 {
		return text, nil
	}
	var found []string
	for i := range apps {
		if id := next(&apps[i]); id != "" && strings.HasPrefix(id, text) && len(text) >= 4 && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no app that is meant is to be released to %s: 'fairlead status' shows what each wants; another commit has to be named in full", text)
	}
	return "", fmt.Errorf("%s is more than one commit: %s", text, strings.Join(found, ", "))
}

// lasts checks for how long somebody wants to be believed.
func lasts(d, longest time.Duration) (metav1.Time, error) {
	if d <= 0 || d > longest {
		return metav1.Time{}, usagef("--for %s: want a time of at most %s", d, strings.TrimSuffix(longest.String(), "0m0s"))
	}
	return metav1.NewTime(time.Now().Add(d).Truncate(time.Second)), nil
}

// shortCommit is a commit as people say it.
func shortCommit(commit string) string { return commit[:min(len(commit), 8)] }
