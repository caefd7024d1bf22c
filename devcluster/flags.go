package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"github.com/fairlead-cd/fairlead/devcluster/cluster"
)

const usage = `devcluster runs a Kubernetes control plane on this machine, for demos and tests.

  devcluster up --dir DIR [flags]    start it, wait until it is ready, stay in the foreground
      --dir DIR          holds kubeconfig, certificates, data and logs; a DIR used before is continued
      --port PORT        of the API server on 127.0.0.1; default: the one DIR had before, else a free one
      --nodes N          simulated nodes, default 3
      --no-controllers   etcd and API server only: nothing changes an object but you, Pods need no
                         ServiceAccount, deleted namespaces stay Terminating, and the ClusterRoles
                         admin, edit and view have no rules
      --audit-log FILE   append every request to FILE: JSON lines of level Metadata

  devcluster apiserver restart|stop|start --dir DIR
                         kill -9 the API server of a running devcluster and start it again on the same
                         port; or leave it down; returns when it is down or ready. The controllers go
                         and come with it

  devcluster version     print the version of Kubernetes
  devcluster help

  devcluster kubectl ...                  the kubectl of this version (also when called as "kubectl")
  devcluster kube-apiserver|kube-controller-manager|kube-scheduler|etcd|kwok ...

Signals to "devcluster up":
  SIGTERM, SIGINT   stop everything, exit 0
  SIGUSR1           kill -9 the API server if it runs, and start it again on the same port
  SIGUSR2           kill -9 the API server and leave it down until SIGUSR1

While the API server is ready, DIR/apiserver.pid holds its process id.
What DIR/pods.log holds, every container says, and what DIR/previous-pods.log holds it said before it was
restarted: lines such as "2026-03-03T10:00:00Z stdout F text".
Nothing outlives "devcluster up", not even after kill -9. Data survives: the next "up" on the same DIR
continues with it. etcd does not fsync, so a crash of the machine itself may lose or damage the data.

Exit codes: 0 stopped as asked, 1 it did not work, 2 wrong usage.
`

// A usageError says how the command line is wrong.
type usageError string

func (e usageError) Error() string { return string(e) }

// orHelp turns a request for help inside the flags of a command into the printed usage.
func orHelp(err error, out io.Writer) error {
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(out, usage)
		return nil
	}
	return err
}

func upOptions(args []string) (cluster.Options, error) {
	var o cluster.Options
	var bare bool
	f := flag.NewFlagSet("up", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.Dir, "dir", "", "")
	f.IntVar(&o.Port, "port", 0, "")
	f.IntVar(&o.Nodes, "nodes", 3, "")
	f.BoolVar(&bare, "no-controllers", false, "")
	f.StringVar(&o.AuditLog, "audit-log", "", "")
	if err := parse(f, args); err != nil {
		return o, err
	}
	o.Controllers = !bare
	switch {
	case o.Dir == "":
		return o, usageError("up: --dir is missing")
	case o.Port < 0 || o.Port > 65535:
		return o, usageError(fmt.Sprintf("up: --port %d is not a port", o.Port))
	case o.Nodes < 0 || o.Nodes > 5000:
		return o, usageError(fmt.Sprintf("up: --nodes %d is not between 0 and 5000", o.Nodes))
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return o, err
	}
	if o.AuditLog != "" {
		o.AuditLog, err = filepath.Abs(o.AuditLog)
	}
	return o, err
}

type apiServer struct {
	action cluster.Action
	dir    string
}

func apiServerArgs(args []string) (apiServer, error) {
	var a apiServer
	if len(args) == 0 {
		return a, usageError("apiserver: say restart, stop or start")
	}
	switch args[0] {
	case "restart":
		a.action = cluster.Restart
	case "stop":
		a.action = cluster.Stop
	case "start":
		a.action = cluster.Start
	case "-h", "-help", "--help":
		return a, flag.ErrHelp
	default:
		return a, usageError(fmt.Sprintf("apiserver: unknown action %q, say restart, stop or start", args[0]))
	}
	f := flag.NewFlagSet("apiserver", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&a.dir, "dir", "", "")
	if err := parse(f, args[1:]); err != nil {
		return a, err
	}
	if a.dir == "" {
		return a, usageError("apiserver: --dir is missing")
	}
	return a, nil
}

func parse(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError(fmt.Sprintf("%s: %v", f.Name(), err))
	case f.NArg() > 0:
		return usageError(fmt.Sprintf("%s: unexpected argument %q", f.Name(), f.Arg(0)))
	}
	return nil
}
