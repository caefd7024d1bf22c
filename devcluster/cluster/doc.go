// Package cluster starts, watches and stops a Kubernetes control plane made of child processes:
// etcd, kube-apiserver, and, unless told otherwise, kube-controller-manager, kube-scheduler and kwok,
// which plays the nodes. The children are this same program under another name.
//
//	err := cluster.Up(ctx, cluster.Options{Dir: "/tmp/c", Nodes: 3, Controllers: true, Out: os.Stdout})
//
// It never reaches beyond 127.0.0.1 and never needs privileges, a network or a download.
//
// Invariants:
//   - DIR/kubeconfig exists only while the cluster is ready; it appears at once and complete.
//   - No child outlives the parent: the kernel kills each when the thread that started it ends. So Up
//     starts all of them from its own goroutine, which it locks to a thread.
//   - DIR/lock is held by the parent and by every child. It is free only when all of them are gone,
//     so whoever holds it has the data for himself.
//   - A child that ends without being asked ends the cluster, and the error shows the end of its log.
//
// What is in DIR:
//
//	kubeconfig       for people and tests: user kubernetes-admin, group system:masters
//	apiserver.pid    process id of the API server, while it is ready
//	lock, port       process id of the parent; port of the API server
//	pki/ etcd/       certificates; data
//	*.log            one log per child, of the last "up"
//	*.kubeconfig     one per child
package cluster
