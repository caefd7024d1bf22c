// Command fairlead delivers what is in Git into Kubernetes, keeps it true, and says so honestly.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/fairlead-cd/fairlead/internal/cli"
	"github.com/fairlead-cd/fairlead/internal/render/jsonnet"
)

func main() {
	jsonnet.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetOutput(io.Discard) // libraries print through it what they were given, and that can be a secret; what we say is said through slog
	os.Exit(cli.Run(ctx, os.Args[1:], cli.IO{Name: filepath.Base(os.Args[0]), Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
