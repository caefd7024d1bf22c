package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

// hookToken is what the webhooks of a run are verified with.
const hookToken = "a token that only the benchmark knows"

// applyTenant makes what a platform team gives to a tenant: an account with the rights it needs, and the Repository.
func (s *stage) applyTenant(ctx context.Context) error {
	core := s.kube.CoreV1()
	_, err := core.ServiceAccounts(tenant).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "git"}, StringData: map[string]string{"webhookToken": hookToken}}
	if _, err := core.Secrets(tenant).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: tenant, Name: "deployer"}},
	}
	if _, err := s.kube.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	return s.create(ctx, "repositories", map[string]any{
		"apiVersion": "fairlead.dev/v1alpha1", "kind": "Repository", "metadata": map[string]any{"name": repository, "namespace": tenant},
		"spec": map[string]any{"url": s.git.URL(repository), "secretRef": map[string]any{"name": "git"}},
	})
}

// createEnvironment begins the cold sync. The Environment is told of before it is made, so that none of its states is missed.
func (s *stage) createEnvironment(ctx context.Context) (time.Time, error) {
	client := s.dynamic.Resource(s.ours("environments")).Namespace(tenant)
	var err error
	s.envStatus, err = observe(ctx, "Environment", lister{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return client.Watch(ctx, o) },
	}, standing)
	if err != nil {
		return time.Time{}, err
	}
	began := time.Now()
	return began, s.create(ctx, "environments", map[string]any{
		"apiVersion": "fairlead.dev/v1alpha1", "kind": "Environment", "metadata": map[string]any{"name": environment, "namespace": tenant},
		"spec": map[string]any{
			"sources":     []any{map[string]any{"repository": repository, "path": "apps/*", "ref": map[string]any{"branch": "main"}}},
			"destination": map[string]any{"serviceAccount": "deployer", "namespace": "{app}"},
			"render":      map[string]any{"restartOnChange": "None"}, // a line that is changed is one object that is changed, as with the peers
		},
	})
}

// standing is what the status of an Environment says: the commit, and how many apps of how many are ready.
func standing(obj runtime.Object) string {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return ""
	}
	commit, _, _ := unstructured.NestedString(u.Object, "status", "commit")
	ready, _, _ := unstructured.NestedInt64(u.Object, "status", "apps", "ready")
	total, _, _ := unstructured.NestedInt64(u.Object, "status", "apps", "total")
	return fmt.Sprintf("%s %d/%d", commit, ready, total)
}

// settled waits until the Environment says that every app is ready at the newest commit, and returns when it said so.
func (s *stage) settled(ctx context.Context) (time.Time, error) {
	return s.envStatus.object(ctx, tenant+"/"+environment, is(fmt.Sprintf("%s %d/%d", s.head.Short(), s.size.Apps, s.size.Apps)))
}

func (s *stage) ours(plural string) schema.GroupVersionResource {
	return resource("fairlead.dev", "v1alpha1", plural)
}

func (s *stage) create(ctx context.Context, plural string, content map[string]any) error {
	_, err := s.dynamic.Resource(s.ours(plural)).Namespace(tenant).Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create %s: %w", plural, err)
	}
	return nil
}

// verify reads every App: each must be Synced and Ready. It is asked for where no time is measured.
func (s *stage) verify(ctx context.Context) error {
	list, err := s.dynamic.Resource(s.ours("apps")).Namespace(tenant).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list apps: %w", err)
	}
	if len(list.Items) != s.size.Apps {
		return fmt.Errorf("there are %d Apps, want %d", len(list.Items), s.size.Apps)
	}
	for i := range list.Items {
		var a v1alpha1.App
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &a); err != nil {
			return err
		}
		if a.Status.Phase != v1alpha1.PhaseSynced {
			return fmt.Errorf("verify App %s: it is %s: %s", a.Name, a.Status.Phase, a.Status.Reason)
		}
	}
	return nil
}

// followSettings follows the ConfigMaps that are changed, with the value of the key that changes.
func (s *stage) followSettings(ctx context.Context) error {
	if s.settings != nil {
		return nil
	}
	client := s.kube.CoreV1().ConfigMaps("")
	var err error
	s.settings, err = observe(ctx, "settings", lister{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return client.Watch(ctx, o) },
		o:     metav1.ListOptions{LabelSelector: workload.Label + "=" + workload.Settings},
	}, dataOf(workload.LevelKey))
	return err
}

// dataOf reads one key of a ConfigMap.
func dataOf(key string) func(runtime.Object) string {
	return func(obj runtime.Object) string {
		if m, ok := obj.(*corev1.ConfigMap); ok {
			return m.Data[key]
		}
		return ""
	}
}

// text is the JSON of a value that certainly has one.
func text(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // Invariant: only maps of strings come here.
	}
	return data
}
