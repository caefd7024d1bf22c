package cluster

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

//go:embed stages
var stages embed.FS

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kwok              = "kwok"
)

// socket is where etcd listens, in the directory of the cluster; see package etcd.
const socket = "etcd.sock"

func etcdArgs(d dir) []string { return []string{"--data-dir=" + d.path("etcd")} }

func apiServerArgs(d dir, port int, o Options) []string {
	pki := func(file string) string { return d.path("pki", file) }
	args := []string{
		"--etcd-servers=unix://" + socket, // relative to the working directory
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // a loopback address is no valid endpoint
		"--service-cluster-ip-range=10.0.0.0/16",
		"--tls-cert-file=" + pki("server.crt"),
		"--tls-private-key-file=" + pki("server.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pki("service-account.pub"),
		"--service-account-signing-key-file=" + pki("service-account.key"),
		"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + pki("front-proxy.crt"),
		"--proxy-client-key-file=" + pki("front-proxy.key"),
		"--kubelet-preferred-address-types=ExternalIP", // see node
		"--enable-aggregator-routing=true",             // no kube-proxy: reach aggregated servers at their endpoints
		"--allow-privileged=true",
		"--profiling=false",
	}
	if !o.Controllers {
		// Nobody makes the ServiceAccounts that this plugin demands of every Pod.
		args = append(args, "--disable-admission-plugins=ServiceAccount")
	}
	if o.AuditLog != "" {
		args = append(args,
			"--audit-log-path="+o.AuditLog,
			"--audit-policy-file="+d.path("audit-policy.yaml"),
			"--audit-log-maxsize=10000", // MiB; never rotate under the reader
		)
	}
	return args
}

func controllerManagerArgs(d dir) []string {
	pki := func(file string) string { return d.path("pki", file) }
	return []string{
		"--kubeconfig=" + d.kubeconfig(controllerManager),
		"--secure-port=0", // serve nothing: no port to collide on
		"--leader-elect=false",
		"--service-account-private-key-file=" + pki("service-account.key"),
		"--root-ca-file=" + pki("ca.crt"),
		"--cluster-signing-cert-file=" + pki("ca.crt"),
		"--cluster-signing-key-file=" + pki("ca.key"),
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--profiling=false",
	}
}

func schedulerArgs(d dir) []string {
	return []string{
		"--kubeconfig=" + d.kubeconfig(scheduler),
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--profiling=false",
	}
}

// kwokArgs has kwok play the kubelets, too, as far as logs go.
func kwokArgs(d dir, port int) []string {
	return []string{
		"--node-port=" + strconv.Itoa(port),
		"--server-address=127.0.0.1:" + strconv.Itoa(port),
		"--tls-cert-file=" + d.path("pki", "server.crt"),
		"--tls-private-key-file=" + d.path("pki", "server.key"),
		"--kubeconfig=" + d.kubeconfig(kwok),
		"--config=" + d.path("kwok.yaml"),
		"--manage-all-nodes",
		"--node-lease-duration-seconds=40",
		"--cidr=10.64.0.0/12", // of Pods; the default has room for 254
	}
}

// kwokConfig is every file of stages, which say what the simulated nodes do, and where the logs of all containers are: in one file.
func kwokConfig(d dir) ([]byte, error) {
	files, err := stages.ReadDir("stages")
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for _, f := range files {
		b, err := stages.ReadFile("stages/" + f.Name())
		if err != nil {
			return nil, err
		}
		all.WriteString("---\n")
		all.Write(b)
	}
	fmt.Fprintf(&all, "---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterLogs\nmetadata: {name: all}\nspec: {logs: [{logsFile: %q, previousLogsFile: %q}]}\n",
		d.path(podLogs), d.path("previous-"+podLogs))
	return all.Bytes(), nil
}

// podLogs is what every container says, in the kubelet's format: "TIME stdout F TEXT". previous-… is what it said before it was restarted.
const podLogs = "pods.log"
