package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/install"
	"github.com/fairlead-cd/fairlead/internal/starter"
)

// environmentOfCluster is the Environment that Fairlead manages itself in, and its Repository.
const environmentOfCluster = starter.Name

// present is what of the Environment is in the cluster; nil where nothing is.
func (b *bootstrapping) present(ctx context.Context) (*v1alpha1.Environment, *v1alpha1.Repository, *v1alpha1.App, error) {
	c, err := b.connect(b.w)
	if err != nil {
		return nil, nil, nil, err
	}
	f, err := read(ctx, c, b.Namespace)
	if errors.Is(err, errNotInstalled) || absent.Kind(err) {
		return nil, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	var env *v1alpha1.Environment
	var repo *v1alpha1.Repository
	var self *v1alpha1.App
	for i := range f.envs {
		if f.envs[i].Name == environmentOfCluster {
			env = &f.envs[i]
		}
	}
	for i := range f.repos {
		if f.repos[i].Name == environmentOfCluster {
			repo = &f.repos[i]
		}
	}
	for i := range f.apps {
		if a := &f.apps[i]; a.Spec.Environment == environmentOfCluster && a.Spec.Name == starter.Self {
			self = a
		}
	}
	return env, repo, self, nil
}

// checkFollowed says that the cluster follows something else already: it would be taken from there, and what it runs would be gone from its Git.
func (b *bootstrapping) checkFollowed(ctx context.Context) error {
	env, repo, _, err := b.present(ctx)
	if err != nil || env == nil || len(env.Spec.Sources) == 0 {
		return err
	}
	s := env.Spec.Sources[0]
	switch {
	case repo != nil && repo.Spec.URL != b.URL:
		return fmt.Errorf("this cluster is managed from %s, not from %s: change the Repository in its cluster.yaml if it is to move", repo.Spec.URL, b.URL)
	case s.Path != b.Pattern():
		return fmt.Errorf("this cluster is managed from %s, not from %s: is it the one that you mean? Else say another --cluster-path", s.Path, b.Pattern())
	case s.Ref.Branch != b.Branch:
		return fmt.Errorf("this cluster is managed from branch %s, not from %s: say another --branch, or change the Environment in its cluster.yaml", s.Ref.Branch, b.Branch)
	}
	return nil
}

// apply brings what is in Git into the cluster, unless a Fairlead runs that does so itself: two would undo each other's work for a moment.
func (b *bootstrapping) apply(ctx context.Context, objs []*unstructured.Unstructured) error {
	_, _, self, err := b.present(ctx)
	if err != nil {
		return err
	}
	runs := false
	if self != nil && self.Status.Applied.Short != "" {
		p := newProgress(b.w)
		p.say("waiting for a sign of the controller")
		replicas := install.Replicas{Client: b.client, Namespace: b.Namespace}
		runs, err = replicas.Renewed(ctx)
		p.done()
		if err != nil {
			return err
		}
	}
	if runs {
		objs = nil
	}
	if b.secret != nil {
		at := slices.IndexFunc(objs, func(u *unstructured.Unstructured) bool { return u.GetKind() == "Namespace" })
		objs = slices.Insert(slices.Clone(objs), at+1, b.secret)
	}
	return install.Apply(ctx, b.client, inOrder(objs), func(u *unstructured.Unstructured) {
		_, _ = fmt.Fprintln(b.w.Out, install.Name(u), "serverside-applied")
	})
}

// inOrder is the order in which kinds can be applied: what is in Git is in that of its files.
func inOrder(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	order := []string{"CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret", "Repository", "Environment"}
	rank := func(u *unstructured.Unstructured) int {
		if i := slices.Index(order, u.GetKind()); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.SortedStableFunc(slices.Values(objs), func(x, y *unstructured.Unstructured) int { return cmp.Compare(rank(x), rank(y)) })
}

// await asks Fairlead to look at Git, and waits until it is at the commit.
func (b *bootstrapping) await(ctx context.Context) error {
	c, err := b.connect(b.w)
	if err != nil {
		return err
	}
	p := newProgress(b.w)
	request := time.Now().UTC().Format(time.RFC3339Nano)
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: environmentOfCluster, Namespace: b.Namespace}}
	if err := annotate(ctx, c, env, map[string]any{controller.AnnotationSync: request}); err != nil {
		return fmt.Errorf("ask for a look at Git: %w", err)
	}
	var result error
	err = until(ctx, c, b.Namespace, 0, func(f *fleet) (bool, error) {
		text, done := b.standing(ctx, f, request, &result)
		if text != "" {
			p.say(text)
		}
		return done, nil
	})
	p.done()
	switch {
	case errors.Is(err, errTimeout):
		return fmt.Errorf("not done after %s: %s; run it again to go on", b.timeout, p.last)
	case err != nil || result != nil:
		return cmp.Or(err, result)
	}
	_, err = fmt.Fprintf(b.w.Out, `Fairlead manages itself from %s in %s of %s.
Next: 'fairlead init --cluster-path %s' in a clone writes an environment; 'fairlead status -n %s' shows what is there.
`, b.Dir(), b.Branch, b.URL, b.ClusterPath, b.Namespace)
	return err
}

// standing says what is waited for, or that it is over, with an error if nothing more will come.
func (b *bootstrapping) standing(ctx context.Context, f *fleet, request string, result *error) (text string, done bool) {
	var env *v1alpha1.Environment
	for i := range f.envs {
		if f.envs[i].Name == environmentOfCluster {
			env = &f.envs[i]
		}
	}
	if env == nil {
		return "waiting for Environment " + environmentOfCluster, false
	}
	for _, r := range f.repos {
		if c := meta.FindStatusCondition(r.Status.Conditions, "Ready"); r.Name == environmentOfCluster && c != nil && c.Status != metav1.ConditionTrue {
			return "waiting for repository " + r.Name + ": " + c.Message, false
		}
	}
	if env.Status.LastHandledSync != request {
		return "waiting for the controller to look at Git" + b.pods(ctx), false
	}
	for i := range f.apps {
		a := &f.apps[i]
		if a.Spec.Environment != environmentOfCluster || a.Spec.Name != starter.Self {
			continue
		}
		switch s := ofApp(a); s {
		case ready:
			_, _ = fmt.Fprintf(b.w.Out, "%s: ready at %s\n", appName(a), a.Status.Applied.Short)
			return "", true
		case held:
			*result = outcome{code: codeHeld, err: fmt.Errorf("%s is held: %s", appName(a), appReason(a))}
			return "", true
		case suspended:
			*result = fmt.Errorf("%s: %s", appName(a), appReason(a))
			return "", true
		case underway, failed: // what fails may come right: rights, for one, take a moment
			return fmt.Sprintf("waiting for %s: %s", appName(a), cmp.Or(appReason(a), string(s))), false
		}
	}
	return "waiting for app " + environmentOfCluster + "/" + starter.Self, false
}

// pods says why no Pod of the controller starts, if that can be told.
func (b *bootstrapping) pods(ctx context.Context) string {
	list, err := b.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(b.Namespace).
		List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=fairlead,app.kubernetes.io/component=controller"})
	if err != nil {
		return ""
	}
	for i := range list.Items {
		var pod corev1.Pod
		if runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &pod) != nil {
			continue
		}
		for _, s := range pod.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return fmt.Sprintf(": its Pod does not start: %s: %s", w.Reason, w.Message)
			}
		}
	}
	return ""
}
