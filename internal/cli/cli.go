// Package cli is the commands: it reads flags, hands values to the packages that do the work, prints what they answer, and chooses the exit code.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 held.
package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// IO is the world of one command.
type IO struct {
	Getenv   func(string) string
	In       io.Reader
	Out, Err io.Writer
}

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, args []string, w IO) int {
	root := &cobra.Command{Use: "fairlead", Short: "Guides what is in Git into Kubernetes, and keeps it true", SilenceUsage: true, SilenceErrors: true}
	root.SetArgs(args)
	root.SetOut(w.Out)
	root.SetErr(w.Err)
	root.AddCommand(controllerCommand(w))
	if err := root.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(w.Err, "error:", err)
		return 1
	}
	return 0
}
