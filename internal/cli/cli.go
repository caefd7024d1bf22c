// Package cli is the commands: it reads flags, hands values to the packages that do the work, prints what they answer, and chooses the exit code.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 held: a person has to approve something, 4 plan --exit-code: something would be done.
//
// A command prints its result to IO.Out, and to IO.Err what it is doing and what went wrong; an error says what to do. Colours and lines that are written over
// are for terminals alone, and not with NO_COLOR.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// IO is the world of one command.
type IO struct {
	// Name is what the program was called as. As "kubectl-fairlead" it is kubectl's plugin, and its help says so.
	Name     string
	Getenv   func(string) string
	In       io.Reader
	Out, Err io.Writer
}

// Exit codes of every command.
const (
	codeDone   = 0
	codeFailed = 1
	codeUsage  = 2
	codeHeld   = 3
)

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, args []string, w IO) int {
	root := Root(w)
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	root.SetArgs(args)
	if group, name := strayed(root, args); name != "" {
		text := fmt.Sprintf("unknown command %q for %q", name, group.CommandPath())
		group.SuggestionsMinimumDistance = 2 // letters
		if near := group.SuggestionsFor(name); len(near) > 0 {
			text += ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return finish(w, group, usageError{errors.New(text)})
	}
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !began {
		err = usageError{err} // flags and arguments are read before a command begins
	}
	return finish(w, cmd, explain(err))
}

// strayed is the command that only has others below it, and the word behind it that is none of them. For cobra, that asks for help.
func strayed(root *cobra.Command, args []string) (group *cobra.Command, name string) {
	c, rest, err := root.Find(args)
	if err != nil || c == root || c.Runnable() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil, ""
	}
	return c, rest[0]
}

// finish prints the error of a command and returns the exit code that goes with it.
func finish(w IO, cmd *cobra.Command, err error) int {
	if err == nil {
		return codeDone
	}
	var o outcome
	if errors.As(err, &o) && o.said {
		return o.code
	}
	_, _ = fmt.Fprintln(w.Err, "error:", err)
	if errors.As(err, &usageError{}) {
		_, _ = fmt.Fprintf(w.Err, "Run '%s --help' for how it is used.\n", cmd.CommandPath())
		return codeUsage
	}
	if o.code != 0 {
		return o.code
	}
	return codeFailed
}

// Root returns all commands. They are made anew for each command line, and for the reference pages.
func Root(w IO) *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Guides what is in Git into Kubernetes, and keeps it true",
		Long: `Fairlead guides what is in Git into Kubernetes, keeps it true, and says so honestly.

A Repository says where Git is, an Environment which directories of it are apps and where
they run. Fairlead writes an App object for each: 'status' shows how they stand.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 held (a person has to approve something), 4 something would be done
(plan --exit-code).`,
		SilenceUsage: true, SilenceErrors: true,
	}
	if w.Name == "kubectl-fairlead" {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl fairlead"}
	}
	root.SetIn(w.In)
	root.SetOut(w.Out)
	root.SetErr(w.Err)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupUse, Title: "Use:"},
		&cobra.Group{ID: groupSteer, Title: "Steer:"},
		&cobra.Group{ID: groupRun, Title: "Install and run:"},
	)
	add(root, groupUse, statusCommand(w), whyCommand(w), checkCommand(w), renderCommand(w), planCommand(w))
	add(root, groupUse, treeCommand(w), traceCommand(w), eventsCommand(w), logsCommand(w), diffCommand(w))
	add(root, groupUse, historyCommand(w), atCommand(w), doraCommand(w))
	add(root, groupSteer, syncCommand(w), suspendCommand(w), resumeCommand(w), deployCommand(w), rollbackCommand(w), approveCommand(w), overrideCommand(w), secretCommand(w))
	add(root, groupRun, initCommand(w), bootstrapCommand(w), installCommand(w), uninstallCommand(w), controllerCommand(w), versionCommand(w))
	add(root, groupRun, migrateCommand(w), adoptCommand(w))
	add(root, groupRun, demoCommand(w))
	for _, c := range root.Commands() {
		christen(c, root.DisplayName())
	}
	return root
}

// christen lets the examples of a command, and of those below it, say what this program is called.
func christen(c *cobra.Command, name string) {
	c.Example = strings.ReplaceAll(c.Example, "  fairlead ", "  "+name+" ")
	for _, sub := range c.Commands() {
		christen(sub, name)
	}
}

// Groups of commands, as --help lists them.
const (
	groupUse   = "use"
	groupSteer = "steer"
	groupRun   = "run"
)

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}
