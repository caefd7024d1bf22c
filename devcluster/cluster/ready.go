package cluster

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long a component may take on a machine that is busy with other things.
const patience = 2 * time.Minute

// await calls check until it returns nil. The error it gives up with shows the log of the component
// that is to blame.
func (c *running) await(ctx context.Context, component string, check func(context.Context) error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for %s: %w\n%s", component, err, tail(c.dir.log(component)))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// socketExists does not connect: the path may be too long for that. But a socket queues connections
// from the moment it is there.
func (c *running) socketExists(context.Context) error {
	_, err := os.Stat(c.dir.path(socket))
	return err
}

func adminClient(d dir, port int) (kubernetes.Interface, error) {
	k, err := kubeconfig(d, address(port), "admin")
	if err != nil {
		return nil, err
	}
	rest, err := clientcmd.NewDefaultClientConfig(*k, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	rest.QPS = -1 // no limit: waiting polls often
	rest.UserAgent = "devcluster"
	rest.Timeout = 5 * time.Second // an answer that takes longer is asked for again
	return kubernetes.NewForConfig(rest)
}

// apiServerReadyBut checks the API server, but for the named parts of it.
func (c *running) apiServerReadyBut(parts ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		r := c.client.Discovery().RESTClient().Get().AbsPath("/readyz")
		for _, p := range parts {
			r.Param("exclude", p)
		}
		return r.Do(ctx).Error()
	}
}

func (c *running) namespaceExists(ctx context.Context) error {
	_, err := c.client.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
	return err
}

// serviceAccountExists holds when Pods can be created in the default namespace.
func (c *running) serviceAccountExists(ctx context.Context) error {
	if _, err := c.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return err
	}
	_, err := c.client.CoreV1().ConfigMaps("default").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	return err
}

// freeNodes takes the nodes from the kwok that had them before and is gone: a new one respects the
// leases of the old one until they expire, and until then nothing happens on those nodes.
func (c *running) freeNodes(ctx context.Context) error {
	return c.leases().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
}

func (c *running) leases() coordinationv1client.LeaseInterface {
	return c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
}

// nodesReady holds when kwok looks after as many nodes as were wanted and the scheduler may use them.
func (c *running) nodesReady(ctx context.Context) error {
	held, err := c.leases().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(held.Items) < c.options.Nodes {
		return fmt.Errorf("%d of %d nodes have a lease", len(held.Items), c.options.Nodes)
	}
	list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ready := 0
	for _, n := range list.Items {
		if isReady(n) {
			ready++
		}
	}
	if ready < c.options.Nodes {
		return fmt.Errorf("%d of %d nodes are ready", ready, c.options.Nodes)
	}
	return nil
}

func isReady(n corev1.Node) bool {
	if len(n.Spec.Taints) > 0 {
		return false // not ready yet as far as the scheduler knows
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// furnish creates what the simulator looks after: nodes and the default storage class.
// What exists already, from an earlier run, is left as it is.
func (c *running) furnish(ctx context.Context) error {
	if err := c.namespaceExists(ctx); err != nil {
		return err
	}
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "simulated",
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: "devcluster/simulated",
	}
	_, err := c.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create StorageClass %s: %w", class.Name, err)
	}
	for i := range c.options.Nodes {
		n := node(i)
		_, err := c.client.CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create Node %s: %w", n.Name, err)
		}
	}
	return nil
}
