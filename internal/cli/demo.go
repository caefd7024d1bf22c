package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-cd/fairlead/internal/demo"
)

func demoCommand(w IO) *cobra.Command {
	var t target
	o := demo.Options{In: w.In, Out: w.Out, Err: w.Err}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show Fairlead at work, on a control plane of its own",
		Long: `Starts a control plane, a Git server with a sample shop and the controller on this machine, and shows
a commit arriving, a hand edit undone, a broken commit refused, a release verified and another taken back,
a directory removed and a big deletion held, each measured. Then all of it stays until Ctrl-C, for you to try.

With --kubeconfig or --context the shop runs in your own cluster instead, in namespaces of its own, and is
taken away again at the end.`,
		Example: `  fairlead demo
  fairlead demo --exit               end after the tour; exit code 1 if a step failed
  fairlead demo --context kind-kind  in a cluster of yours`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Program, err = os.Executable(); err != nil {
				return err
			}
			if t.kubeconfig != "" || t.context != "" {
				o.Kubeconfig, err = t.minified(w)
			} else {
				o.Devcluster, err = devcluster(o.Devcluster, o.Program)
			}
			if err != nil {
				return err
			}
			if f, ok := w.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && w.Getenv("TERM") != "dumb" {
				o.Terminal, o.Colour = true, w.Getenv("NO_COLOR") == ""
				o.Width, _, _ = term.GetSize(int(f.Fd()))
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	t.clusterFlags(f)
	f.StringVar(&o.Devcluster, "devcluster", "", "program that runs the control plane (default: devcluster beside this program)")
	f.StringVar(&o.Dir, "dir", "", "directory for everything, kept at the end (default: a temporary one, removed)")
	f.BoolVar(&o.Exit, "exit", false, "end after the tour")
	f.BoolVarP(&o.Yes, "yes", "y", false, "do not ask before a cluster of yours is used")
	cmd.AddCommand(janitorCommand(w))
	return cmd
}

// janitorCommand is what the demo itself runs, to clean up after it however it ends.
func janitorCommand(w IO) *cobra.Command {
	var l demo.Leftovers
	cmd := &cobra.Command{
		Use: "janitor", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return demo.Janitor(w.In, l) },
	}
	f := cmd.Flags()
	f.StringVar(&l.Dir, "dir", "", "directory to remove")
	f.StringVar(&l.Kubeconfig, "kubeconfig", "", "cluster to clean")
	f.StringArrayVar(&l.Namespaces, "delete-namespace", nil, "namespace to delete")
	f.StringArrayVar(&l.Definitions, "delete-definition", nil, "CustomResourceDefinition to delete")
	return cmd
}

// devcluster finds the program that runs a control plane.
func devcluster(named, program string) (string, error) {
	path := named
	if path == "" {
		if target, err := filepath.EvalSymlinks(program); err == nil {
			program = target
		}
		path = filepath.Join(filepath.Dir(program), "devcluster")
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("there is no program %s to run a control plane: build it with 'make build', name one with --devcluster, "+
			"or use a cluster of yours with --context", path)
	}
	return filepath.Abs(path)
}

// minified returns a kubeconfig with the chosen context alone, complete in itself.
func (t *target) minified(w IO) ([]byte, error) {
	config, err := t.loader(w).RawConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if t.context != "" {
		config.CurrentContext = t.context
	}
	if err := clientcmdapi.MinifyConfig(&config); err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w: choose a context with --context", err)
	}
	if err := clientcmdapi.FlattenConfig(&config); err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return clientcmd.Write(config)
}
