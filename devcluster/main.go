package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/fairlead-cd/fairlead/devcluster/cluster"
)

func main() {
	if c, ok := components[filepath.Base(os.Args[0])]; ok {
		os.Exit(c())
	}
	if len(os.Args) > 1 {
		if c, ok := components[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			os.Exit(c())
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command of devcluster itself and returns its exit code:
// 0 done, 1 it did not work, 2 it was called wrongly.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	err := command(ctx, args, out)
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		_, _ = fmt.Fprintf(errOut, "devcluster: %v\nrun \"devcluster help\" for usage\n", err)
		return 2
	default:
		_, _ = fmt.Fprintf(errOut, "devcluster: %v\n", err)
		return 1
	}
}

func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return usageError("no command given")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "up":
		o, err := upOptions(rest)
		if err != nil {
			return orHelp(err, out)
		}
		o.Out = out
		return cluster.Up(ctx, o)
	case "apiserver":
		a, err := apiServerArgs(rest)
		if err != nil {
			return orHelp(err, out)
		}
		return cluster.ControlAPIServer(ctx, a.dir, a.action)
	case "version":
		_, _ = fmt.Fprintln(out, serverVersion())
		return nil
	case "help", "-h", "-help", "--help":
		_, _ = fmt.Fprint(out, usage)
		return nil
	}
	return usageError(fmt.Sprintf("unknown command %q", name))
}
