package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/child"
	"github.com/fairlead-cd/fairlead/internal/install"
)

// startPlane starts the control plane with Fairlead's resources and rights in it, connects to it, and follows the workload's kinds.
func (s *stage) startPlane(ctx context.Context) error {
	ready := make(chan struct{}, 1)
	dir := filepath.Join(s.dir, "cluster")
	var err error
	s.cluster, err = child.Start(child.Command{
		Name: "the control plane", Program: s.Devcluster, Args: []string{"up", "--dir", dir}, Log: filepath.Join(s.dir, "cluster.log"), Died: s.died,
		Seen: func(line string) {
			if strings.HasPrefix(line, "server: ") {
				ready <- struct{}{}
			}
		},
	})
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("the control plane was not ready in time"))
	defer cancel()
	select {
	case <-ready:
	case <-waiting.Done():
		return context.Cause(waiting)
	}
	if err := s.connect(filepath.Join(dir, "kubeconfig")); err != nil {
		return err
	}
	version, err := s.kube.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server: %w", err)
	}
	s.run.Machine.Kubernetes = version.GitVersion
	if err := s.furnish(ctx); err != nil {
		return err
	}
	return s.followObjects(ctx)
}

func (s *stage) connect(kubeconfig string) error {
	var err error
	if s.config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	s.config.QPS, s.config.UserAgent = -1, manager
	if s.kube, err = kubernetes.NewForConfig(s.config); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if s.dynamic, err = dynamic.NewForConfig(s.config); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if s.metadata, err = metadata.NewForConfig(s.config); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// furnish installs Fairlead but for its Deployment, and makes the kubeconfig of its ServiceAccount: the controller runs under the rights that are shipped.
func (s *stage) furnish(ctx context.Context) error {
	all, err := install.Objects(install.Options{Namespace: own, Image: "fairlead:bench"})
	if err != nil {
		return err
	}
	var objs []*unstructured.Unstructured
	for _, o := range all {
		if o.GetKind() != "Deployment" && o.GetKind() != "Service" {
			objs = append(objs, o)
		}
	}
	if err := install.Apply(ctx, s.dynamic, objs, func(*unstructured.Unstructured) {}); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	day := int64((24 * time.Hour).Seconds())
	token, err := s.kube.CoreV1().ServiceAccounts(own).CreateToken(ctx, "fairlead",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make token of the controller: %w", err)
	}
	c := s.config
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"bench": {Server: c.Host, CertificateAuthorityData: c.CAData, CertificateAuthority: c.CAFile}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"controller": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"bench": {Cluster: "bench", AuthInfo: "controller"}},
		CurrentContext: "bench",
	}, s.kubeconfig())
}

func (s *stage) kubeconfig() string { return filepath.Join(s.dir, "controller.kubeconfig") }

// followObjects follows the metadata of the workload's objects, one watch a kind: the least that tells when each came and went.
func (s *stage) followObjects(ctx context.Context) error {
	s.objects = map[string]*observer{}
	for _, k := range workload.Kinds() {
		o, err := observe(ctx, k.Resource, s.metadataOf(k, metav1.ListOptions{LabelSelector: workload.Label}), nil)
		if err != nil {
			return err
		}
		s.objects[k.Resource] = o
	}
	return nil
}

func (s *stage) metadataOf(k workload.Kind, o metav1.ListOptions) lister {
	client := s.metadata.Resource(resource(k.Group, k.Version, k.Resource))
	return lister{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return client.Watch(ctx, o) },
		o:     o,
	}
}

// setUpWorkers is how many requests are sent at once where no time is measured.
const setUpWorkers = 16

// makeNamespaces makes a namespace for each app, and waits until the controller manager has put into them what it puts into each.
func (s *stage) makeNamespaces(ctx context.Context) error {
	inside, stop := context.WithCancel(ctx)
	defer stop()
	accounts := workload.Kinds()[1]
	made, err := observe(inside, "default ServiceAccounts", s.metadataOf(accounts, metav1.ListOptions{FieldSelector: "metadata.name=default"}), nil)
	if err != nil {
		return err
	}
	roots, err := observe(inside, "root certificates", s.metadataOf(workload.Kinds()[0], metav1.ListOptions{FieldSelector: "metadata.name=kube-root-ca.crt"}), nil)
	if err != nil {
		return err
	}
	g, working := errgroup.WithContext(ctx)
	g.SetLimit(setUpWorkers)
	for _, name := range append([]string{tenant}, s.apps()...) {
		g.Go(func() error {
			_, err := s.kube.CoreV1().Namespaces().Create(working, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	waiting, cancel := s.patience(ctx)
	defer cancel()
	for _, name := range s.apps() {
		for object, o := range map[string]*observer{"default": made, "kube-root-ca.crt": roots} {
			if _, err := o.object(waiting, name+"/"+object, is("")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) apps() []string {
	all := make([]string, 0, s.size.Apps)
	for i := range s.size.Apps {
		all = append(all, workload.App(i))
	}
	return all
}

// patience is how long anything may take: far longer than it ever should.
func (s *stage) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	most := 2*time.Minute + time.Duration(s.size.Total())*100*time.Millisecond
	return context.WithTimeoutCause(ctx, most, fmt.Errorf("nothing for %s", most.Round(time.Second)))
}
