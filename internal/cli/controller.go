package cli

import (
	"log/slog"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-cd/fairlead/internal/controller"
)

func controllerCommand(w IO) *cobra.Command {
	var kubeconfig, dataDir, namespace, listen string
	var workers int
	var elect bool
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run the engine, in or out of a cluster",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			return controller.Run(cmd.Context(), controller.Config{
				REST: config, DataDir: dataDir, Namespace: namespace, Listen: listen, LeaderElect: elect, Workers: workers,
				Log: slog.New(slog.NewJSONHandler(w.Err, nil)),
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; empty: the one that this runs in")
	f.StringVar(&dataDir, "data-dir", "/var/lib/fairlead", "directory of the Git mirrors, a cache that may be lost")
	f.StringVar(&namespace, "namespace", "fairlead-system", "Fairlead's own namespace, which holds its Lease and its ledger")
	f.StringVar(&listen, "listen", ":8080", "address of /healthz, /readyz, /metrics and /webhook")
	f.IntVar(&workers, "workers", 16, "how many apps are worked on at once")
	f.BoolVar(&elect, "leader-elect", true, "wait for the Lease before anything is done")
	return cmd
}
