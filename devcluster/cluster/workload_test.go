package cluster_test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEndStates(t *testing.T) {
	in := up(t, t.TempDir())
	if out, ok := in.kubectl("create", "namespace", "shop"); !ok {
		t.Fatal(out)
	}
	if out, ok := in.kubectl("apply", "--server-side", "-n", "shop", "-f", "testdata/workloads.yaml"); !ok {
		t.Fatal(out)
	}
	for _, c := range []struct{ kind, name, path, want string }{
		{"deployment", "web", "{.status.availableReplicas}", "10"},
		{"statefulset", "db", "{.status.availableReplicas}", "3"},
		{"pvc", "data-db-2", "{.status.phase}", "Bound"},
		{"daemonset", "agent", "{.status.numberAvailable}", "3"},
		{"job", "migrate", "{.status.succeeded} {.status.conditions[?(@.type==\"Complete\")].status}", "2 True"},
		{"job", "failing", "{.status.conditions[?(@.type==\"Failed\")].status}", "True"},
		{"service", "web", "{.status.loadBalancer.ingress[0].ip}", "192.0.2.1"},
		{"ingress", "web", "{.status.loadBalancer.ingress[0].ip}", "192.0.2.1"},
		{"pod", "-l=app=missing", "{.items[0].status.phase} {.items[0].status.containerStatuses[0].state.waiting.reason}", "Pending ImagePullBackOff"},
		{"pod", "-l=app=crashing", "{.items[0].status.phase} {.items[0].status.containerStatuses[0].state.waiting.reason}", "Running CrashLoopBackOff"},
		{"deployment", "crashing", "{.status.conditions[?(@.type==\"Available\")].status}", "False"},
	} {
		eventually(t, func(context.Context) string {
			out, _ := in.kubectl("get", "-n", "shop", c.kind, c.name, "-o", "jsonpath="+c.path)
			if out != c.want {
				return fmt.Sprintf("%s %s: %s is %q, want %q", c.kind, c.name, c.path, out, c.want)
			}
			return ""
		})
	}
	k := in.client()
	if err := k.CoreV1().Namespaces().Delete(t.Context(), "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) string {
		ns, err := k.CoreV1().Namespaces().Get(ctx, "shop", metav1.GetOptions{})
		if err == nil {
			return fmt.Sprintf("namespace shop still exists: %v", ns.Status.Conditions)
		}
		return ""
	})
	eventually(t, func(ctx context.Context) string {
		volumes, err := k.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		if err != nil || len(volumes.Items) > 0 {
			return fmt.Sprintf("%d volumes are left (%v)", len(volumes.Items), err)
		}
		return ""
	})
}
