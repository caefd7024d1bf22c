package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// view is what a command with --watch shows at one moment.
type view struct {
	// draw prints all of it.
	draw func(io.Writer) error
	// states are the things that it shows, by name, and how each is: where there is no terminal, their changes are printed.
	states map[string]string
	// changed tells when it is worth to look again; nil if nothing does.
	changed <-chan struct{}
}

// watchFlag adds --watch.
func watchFlag(cmd *cobra.Command, watch *bool) {
	cmd.Flags().BoolVarP(watch, "watch", "w", false, "go on showing it as it changes, until Ctrl-C")
}

// textOnly refuses --watch with a form that is one document.
func textOnly(watch bool, form output) error {
	if watch && form != "" && form != "wide" && form != "matrix" {
		return usagef("--watch shows text as it changes: not with --output %s", form)
	}
	return nil
}

// follow shows a view and how it changes, until ctx ends: on a terminal all of it again, else a line for each change. What goes wrong after the first look is
// told, and it is looked again.
func follow(ctx context.Context, w IO, look func(context.Context) (view, error)) error {
	f := &follower{w: w, screen: w.colours(w.Out), progress: newProgress(w)}
	for {
		round, end := context.WithCancel(ctx)
		v, err := look(round)
		switch {
		case ctx.Err() != nil:
			end()
			return nil
		case err != nil && f.states == nil:
			end()
			return err
		case err != nil:
			f.progress.say("looking again: " + explain(err).Error())
		default:
			f.progress.done()
			if err = f.show(v); err != nil {
				end()
				return err
			}
		}
		_ = pause(ctx, v.changed)
		end()
		if ctx.Err() != nil {
			return nil
		}
	}
}

type follower struct {
	w        IO
	screen   bool
	progress *progress
	states   map[string]string
}

func (f *follower) show(v view) error {
	was := f.states
	f.states = v.states
	if f.states == nil {
		f.states = map[string]string{}
	}
	if f.screen {
		var b bytes.Buffer
		if err := v.draw(&b); err != nil {
			return err
		}
		// Written over in place, line by line: nothing flickers.
		text := strings.ReplaceAll(b.String(), "\n", "\x1b[K\n")
		if was == nil {
			text = "\x1b[2J" + "\x1b[H" + text + "\x1b[J"
		} else {
			text = "\x1b[H" + text + "\x1b[J"
		}
		_, err := io.WriteString(f.w.Out, text)
		return err
	}
	if was == nil {
		return v.draw(f.w.Out)
	}
	_, err := io.WriteString(f.w.Out, turns(was, f.states, time.Now()))
	return err
}

// turns lists what came, went and became something else, one line each.
func turns(was, is map[string]string, now time.Time) string {
	names := maps.Clone(was)
	maps.Copy(names, is)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		from, before := was[name]
		to, after := is[name]
		var text string
		switch {
		case !before:
			text = fmt.Sprintf("+ %s: %s", name, to)
		case !after:
			text = fmt.Sprintf("- %s", name)
		case from != to:
			text = fmt.Sprintf("  %s: %s → %s", name, from, to)
		default:
			continue
		}
		fmt.Fprintf(&b, "%s %s\n", now.UTC().Format(time.RFC3339), text)
	}
	return b.String()
}
