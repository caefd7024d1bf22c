// Devcluster is a real Kubernetes control plane in one file, for demos and tests.
//
// It holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, and kwok, which plays
// nodes on which Pods become ready within a moment. Which of them it is depends on the name it is called
// with, as with busybox; under its own name it runs them all:
//
//	$ bin/devcluster up --dir /tmp/c
//	kubeconfig: /tmp/c/kubeconfig
//	server: https://127.0.0.1:24680
//
//	$ bin/devcluster kubectl --kubeconfig /tmp/c/kubeconfig get nodes
//
// "devcluster help" lists the flags and signals. Package cluster says what it promises, and
// cluster/stages what the simulated nodes do (failing Pods on demand included).
//
// It is a Go module of its own: k8s.io/kubernetes must not have a say in the versions that Fairlead uses.
// It runs on Linux only, whose kernel ends the children when the parent is killed.
//
// To move to another Kubernetes: change the version of k8s.io/kubernetes, of every k8s.io module required
// and of every replacement in go.mod, then run "go mod tidy". The Makefile reads there which version
// the API server is to report.
package main
