package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/install"
)

func installCommand(w IO) *cobra.Command {
	var t target
	var o install.Options
	var export bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install Fairlead in a cluster, or print what that would apply",
		Long: `Installs Fairlead: its CustomResourceDefinitions, its namespace, its rights and its Deployment.

Everything is applied by server-side apply, so that installing again is how to upgrade. Fairlead gets the
rights to its own objects and to act as the ServiceAccounts that environments name; it is not a cluster-admin.`,
		Example: `  fairlead install
  fairlead install --export | kubectl diff -f -     what an upgrade would change
  fairlead install --crds-only                      to run 'fairlead controller' outside of the cluster`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Replicas < 1 {
				return usagef("--replicas %d: at least one is needed", o.Replicas)
			}
			objs, err := install.Objects(o)
			if fault.KindOf(err) == fault.Invalid && err != nil {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			if export {
				data, err := install.Export(objs)
				if err != nil {
					return err
				}
				_, err = w.Out.Write(data)
				return err
			}
			config, err := t.config(w)
			if err != nil {
				return err
			}
			client, err := dynamic.NewForConfig(config)
			if err != nil {
				return err
			}
			return install.Apply(cmd.Context(), client, objs, func(u *unstructured.Unstructured) {
				_, _ = fmt.Fprintln(w.Out, install.Name(u), "serverside-applied")
			})
		},
	}
	f := cmd.Flags()
	t.clusterFlags(f)
	f.StringVarP(&o.Namespace, "namespace", "n", "fairlead-system", "Fairlead's own namespace")
	f.StringVar(&o.Image, "image", defaultImage(), "image that the Deployment runs")
	f.IntVar(&o.Replicas, "replicas", 1, "how many replicas of the controller share the apps")
	f.StringVar(&o.Volume, "volume", "", "size of a volume for the history in SQLite and the Git mirrors, such as 10Gi (default: they go with the Pod)")
	f.BoolVar(&o.CRDsOnly, "crds-only", false, "install the CustomResourceDefinitions alone")
	f.BoolVar(&export, "export", false, "print the manifests instead; no cluster is needed")
	return cmd
}

// defaultImage is the image of the same version as this program.
func defaultImage() string {
	v := thisBuild().Version
	if !strings.HasPrefix(v, "v") || strings.ContainsAny(v, "+-") {
		v = "latest"
	}
	return "ghcr.io/fairlead-cd/fairlead:" + v
}
