package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/inquiry"
	"github.com/fairlead-cd/fairlead/internal/why"
)

// whyOptions are the flags of why.
type whyOptions struct {
	target
	form output
}

func whyCommand(w IO) *cobra.Command {
	var o whyOptions
	cmd := &cobra.Command{
		Use:   "why APP",
		Short: "Say what is in the way of an app, and what to do",
		Long: `Names the first thing in the way of an app, on the way from Git to a healthy app: source, signature, render,
preflight, hold, dependency, apply, health. It says which object it is, which event or log line stands behind it, and
what to do.

An app is named ENV/APP, or ENV-APP as its App object is.

It reads with your own rights, and only what belongs to this app; what you may not read is said. A cluster that does
not answer, or whose controller is gone, is Unknown, whatever was known before.

The exit code is 0 if nothing is in the way, 3 if a person has to approve or decide something, 1 for anything else.`,
		Example: `  fairlead why production/web -n shop
  fairlead why production-web -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("say which app, and one alone, as ENV/APP")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), w, args[0])
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	o.form.flag(cmd, "text", "json")
	o.complete(cmd, w, kinds{apps: true})
	return cmd
}

func (o *whyOptions) run(ctx context.Context, w IO, name string) error {
	f, err := named(name)
	if err != nil {
		return err
	}
	if f.Namespace, err = o.place(w); err != nil {
		return err
	}
	config, err := o.config(w)
	if err != nil {
		return err
	}
	i, err := inquiry.Open(config)
	if err != nil {
		return err
	}
	a := i.Answer(ctx, f, time.Now)
	if o.form == "json" {
		err = o.form.print(w.Out, a)
	} else {
		err = printAnswer(w, a, time.Now())
	}
	if err != nil {
		return err
	}
	switch a.State {
	case why.Healthy:
		return nil
	case why.Held:
		return outcome{code: codeHeld, err: errors.New(a.Says), said: true}
	case why.Blocked, why.Unknown:
	}
	return outcome{code: codeFailed, err: errors.New(a.Says), said: true}
}

// named reads ENV/APP or ENV-APP.
func named(name string) (why.Facts, error) {
	env, app, both := strings.Cut(name, "/")
	switch {
	case !both && name != "":
		return why.Facts{Name: name}, nil
	case env == "", app == "", strings.Contains(app, "/"):
		return why.Facts{}, usagef("%q is no name of an app: name it ENV/APP or ENV-APP", name)
	}
	return why.Facts{Name: env + "-" + app, Environment: env, App: app}, nil
}

// printAnswer prints an answer; on a terminal its first line has the colour of its state.
func printAnswer(w IO, a why.Answer, now time.Time) error {
	text := a.Text(now)
	if w.colours(w.Out) {
		head, rest, _ := strings.Cut(text, "\n")
		text = "\x1b[" + colourOfState(a.State) + "m" + head + "\x1b[0m\n" + rest
	}
	_, err := fmt.Fprint(w.Out, text)
	return err
}

func colourOfState(s why.State) string {
	switch s {
	case why.Healthy:
		return green
	case why.Held:
		return yellow
	case why.Blocked, why.Unknown:
	}
	return red
}
