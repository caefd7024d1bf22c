package cluster

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig lets the user with certificate pki/CLIENT.crt in. It holds all it needs and may be copied elsewhere.
func kubeconfig(d dir, server, client string) (*clientcmdapi.Config, error) {
	ca, err := os.ReadFile(d.path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	cert, err := os.ReadFile(d.path("pki", client+".crt"))
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(d.path("pki", client+".key"))
	if err != nil {
		return nil, err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["devcluster"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	c.AuthInfos[client] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	c.Contexts["devcluster"] = &clientcmdapi.Context{Cluster: "devcluster", AuthInfo: client}
	c.CurrentContext = "devcluster"
	return c, nil
}

func writeKubeconfig(d dir, name, server, client string) error {
	c, err := kubeconfig(d, server, client)
	if err != nil {
		return fmt.Errorf("make kubeconfig of %s: %w", client, err)
	}
	b, err := clientcmd.Write(*c)
	if err != nil {
		return fmt.Errorf("encode kubeconfig of %s: %w", client, err)
	}
	return d.write(name, b)
}
