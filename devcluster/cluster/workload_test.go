package cluster_test

import (
	"context"
	"fmt"
	"testing"
)

func TestEndStates(t *testing.T) {
	t.Parallel()
	in := up(t, t.TempDir())
	for _, args := range [][]string{
		{"create", "namespace", "shop"},
		{"create", "namespace", "empty"},
		{"delete", "namespace", "empty", "--wait=false"}, // the controller lets five seconds pass
	} {
		if out, ok := in.kubectl(args...); !ok {
			t.Fatal(out)
		}
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
	if out, ok := in.kubectl("delete", "-n", "shop", "--wait=false", "statefulset/db", "pvc/data-db-0", "pvc/data-db-1", "pvc/data-db-2"); !ok {
		t.Fatal(out)
	}
	eventually(t, func(context.Context) string {
		if out, ok := in.kubectl("get", "pvc,pv", "-n", "shop", "-o", "name"); out != "" || !ok {
			return "left of the deleted StatefulSet: " + out
		}
		return ""
	})
	eventually(t, func(context.Context) string {
		if out, ok := in.kubectl("get", "namespace/empty", "--ignore-not-found", "-o", "name"); out != "" || !ok {
			return "the deleted namespace is still there: " + out
		}
		return ""
	})
}
