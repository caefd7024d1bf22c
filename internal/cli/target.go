package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// target is which cluster a command is about, and which namespace of it.
type target struct {
	kubeconfig, context, namespace string
	everywhere                     bool
}

// clusterFlags are those that choose a cluster, as kubectl names them.
func (t *target) clusterFlags(f *pflag.FlagSet) {
	f.StringVar(&t.kubeconfig, "kubeconfig", "", "kubeconfig file (default: $KUBECONFIG, else ~/.kube/config)")
	f.StringVar(&t.context, "context", "", "context of the kubeconfig (default: its current one)")
}

// namespaceFlag adds -n, whose default is the namespace of the context.
func (t *target) namespaceFlag(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&t.namespace, "namespace", "n", "", "namespace of the environment (default: the one of the context)")
}

// everywhereFlag adds -A.
func (t *target) everywhereFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&t.everywhere, "all-namespaces", "A", false, "look in all namespaces")
}

// loader reads the kubeconfig as kubectl does, but for the environment, which the caller brings.
func (t *target) loader(w IO) clientcmd.ClientConfig {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: t.kubeconfig}
	if env := w.Getenv(clientcmd.RecommendedConfigPathEnvVar); env != "" {
		rules.Precedence = filepath.SplitList(env)
	} else if home := w.Getenv("HOME"); home != "" {
		rules.Precedence = []string{filepath.Join(home, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName)}
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: t.context}
	overrides.Context.Namespace = t.namespace
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

var errNoCluster = errors.New("no cluster is configured: name a kubeconfig with --kubeconfig or KUBECONFIG")

// config returns how to reach the API server.
func (t *target) config(w IO) (*rest.Config, error) {
	config, err := t.loader(w).ClientConfig()
	if err != nil {
		return nil, t.unusable(w, err)
	}
	config.QPS = -1
	config.UserAgent = "fairlead-cli"
	return config, nil
}

// place is the namespace that the flags or the kubeconfig choose; empty for all.
func (t *target) place(w IO) (string, error) {
	if t.everywhere && t.namespace != "" {
		return "", usagef("--namespace and --all-namespaces cannot both be meant")
	}
	if t.everywhere {
		return "", nil
	}
	namespace, _, err := t.loader(w).Namespace()
	if err != nil {
		return "", t.unusable(w, err)
	}
	return namespace, nil
}

// unusable says what is wrong with a kubeconfig.
func (t *target) unusable(w IO, err error) error {
	named := w.Getenv(clientcmd.RecommendedConfigPathEnvVar)
	raw, rawErr := t.loader(w).RawConfig()
	switch {
	case clientcmd.IsEmptyConfig(err) && named != "" && !slices.ContainsFunc(filepath.SplitList(named), isThere):
		return fmt.Errorf("no cluster is configured: KUBECONFIG names %s, which is not there", named)
	case clientcmd.IsEmptyConfig(err):
		return errNoCluster
	case clientcmd.IsContextNotFound(err) && rawErr == nil:
		name := cmp.Or(t.context, raw.CurrentContext)
		if near, ok := nearest.Of(name, slices.Sorted(maps.Keys(raw.Contexts))); ok {
			return fmt.Errorf("the kubeconfig has no context %q: did you mean %q?", name, near)
		}
		return fmt.Errorf("the kubeconfig has no context %q: 'kubectl config get-contexts' shows those that it has", name)
	}
	return fmt.Errorf("read kubeconfig: %w", err)
}

func isThere(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
