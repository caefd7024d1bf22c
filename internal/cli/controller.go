package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/history/store"
)

// historyVariable is the environment variable that holds the address of the history's store: it may have a password in it.
const historyVariable = "FAIRLEAD_HISTORY"

func controllerCommand(w IO) *cobra.Command {
	var t target
	var c controller.Config
	var format, level string
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run the engine, in or out of a cluster",
		Long: `Runs the engine until it is told to stop (SIGTERM, SIGINT). In a cluster it uses the ServiceAccount of its Pod;
outside of one, or with --kubeconfig, a kubeconfig. 'fairlead install' runs it in a cluster.

Its state is in the API server. The data directory is a cache of Git that may be lost, but for the history, unless --history
says that this is kept elsewhere.`,
		Example: `  fairlead install --crds-only
  fairlead controller --kubeconfig ~/.kube/config --data-dir /tmp/fairlead --listen 127.0.0.1:8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger(w.Err, format, level)
			if err != nil {
				return err
			}
			if c.Workers < 1 {
				return usagef("--workers %d: at least one is needed", c.Workers)
			}
			if c.Lease != 0 && (c.Lease < time.Second || c.Lease%time.Second != 0) {
				return usagef("--lease-duration %s: want whole seconds", c.Lease)
			}
			if c.REST, err = t.own(w); err != nil {
				return err
			}
			if in := w.Getenv(historyVariable); in != "" && !cmd.Flags().Changed("history") {
				c.History = in
			}
			if c.History != "" {
				if err := store.Check(c.History); err != nil {
					return usagef("--history: %w", err)
				}
				c.History = store.Within(c.DataDir, c.History)
			}
			if c.Retention < 0 {
				return usagef("--history-retention %s: want 0, for ever, or more", c.Retention)
			}
			c.Log = log
			c.Proxy = http.ProxyFromEnvironment
			return controller.Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	t.clusterFlags(f)
	f.StringVar(&c.DataDir, "data-dir", "/var/lib/fairlead", "directory of the Git mirrors, a cache that may be lost")
	f.StringVarP(&c.Namespace, "namespace", "n", "fairlead-system", "Fairlead's own namespace, which holds its Leases and its ledger")
	f.StringVar(&c.Listen, "listen", ":8080", "address of /healthz, /readyz, /metrics, /webhook, /api/v1/plan and /api/v1/history; empty for none")
	f.StringVar(&c.History, "history", "sqlite:history.db", "store of what happened: sqlite:PATH, which may be within the data directory, or postgres://USER@HOST/DATABASE; empty for none; $FAIRLEAD_HISTORY is another default")
	f.DurationVar(&c.Retention, "history-retention", 0, "how long what happened is kept at least; 0 is for ever")
	f.IntVar(&c.Workers, "workers", 16, "how many apps are worked on at once")
	f.DurationVar(&c.Lease, "lease-duration", 15*time.Second, "how long the Lease of a replica lasts: if it dies, the others have its apps that long after; 0 takes none, and no other replica may run")
	f.BoolVar(&c.Profiling, "profiling", false, "serve profiles of this process at /debug/pprof, to requests from the same machine or Pod alone")
	f.StringVar(&format, "log-format", "json", "form of the log on standard error: json, text")
	f.StringVar(&level, "log-level", "info", "least level that is logged: debug, info, warn, error")
	return cmd
}

// own is the configuration of a program that may run in a cluster: that of its Pod, unless flags or KUBECONFIG choose another.
func (t *target) own(w IO) (*rest.Config, error) {
	chosen := t.kubeconfig != "" || t.context != "" || w.Getenv("KUBECONFIG") != ""
	if inside := w.Getenv("KUBERNETES_SERVICE_HOST") != ""; inside && !chosen {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("read the ServiceAccount of this Pod: %w: is automountServiceAccountToken off?", err)
		}
		return config, nil
	}
	config, err := t.config(w)
	if errors.Is(err, errNoCluster) {
		return nil, fmt.Errorf("this does not run in a cluster, and %w", err)
	}
	return config, err
}

func logger(out io.Writer, format, level string) (*slog.Logger, error) {
	var o slog.HandlerOptions
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, usagef("--log-level %q: want debug, info, warn or error", level)
	}
	o.Level = l
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(out, &o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(out, &o)), nil
	}
	return nil, usagef("--log-format %q: want json or text", format)
}
