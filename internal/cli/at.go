package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// atOptions are the flags of at and of history diff.
type atOptions struct {
	recordOptions
	form output
}

func atCommand(w IO) *cobra.Command {
	var o atOptions
	cmd := &cobra.Command{
		Use:   "at TIME [APP | ENV]",
		Short: "Show what ran at a time: commits, images, drift",
		Long: `Shows what ran at a time, by the history: of each app the commit that it was at, since when and in which phase its release
was, whether it was pinned by a rollback, drifted from Git, suspended or held, and its images. Of an app that is held, what its
commit no longer has is there until somebody approves that it goes.

` + timesHelp + `

` + namesHelp + `

` + recordsHelp,
		Example: `  fairlead at 2026-03-03T10:00Z production -n shop
  fairlead at 24h -A -o json`,
		Args: timeAndName(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.at(cmd.Context(), w, args, time.Now())
		},
	}
	o.namedFlags(cmd, w)
	o.form.flag(cmd, "wide", "json", "yaml")
	return cmd
}

func historyDiffCommand(w IO) *cobra.Command {
	var o atOptions
	cmd := &cobra.Command{
		Use:   "diff TIME TIME [APP | ENV]",
		Short: "Show what is different between two times",
		Long: `Shows which apps ran something else at the second time than at the first one, and which were pinned by a rollback, drifted
from Git, suspended or held at one of them alone, by the history. What is different between Git and the cluster now is shown by
'fairlead diff'.

` + timesHelp + `

` + namesHelp + `

` + recordsHelp,
		Example: `  fairlead history diff 2026-03-03T10:00Z 2026-03-04T10:00Z production
  fairlead history diff 7d 0s -A`,
		Args: timeAndName(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.diff(cmd.Context(), w, args, time.Now())
		},
	}
	o.namedFlags(cmd, w)
	o.form.flag(cmd, "json", "yaml")
	return cmd
}

// timeAndName is the check of commands that take some times and maybe a name.
func timeAndName(times int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < times && times == 1:
			return fmt.Errorf("say at which time: a time is missing")
		case len(args) < times:
			return fmt.Errorf("say between which times: %d are needed", times)
		case len(args) > times+1:
			return fmt.Errorf("one name at a time: %q is too much", args[times+1])
		}
		return nil
	}
}

// scene is what there was at the time that an argument says.
func (o *atOptions) scene(ctx context.Context, w IO, when, name string, now time.Time) (history.Scene, time.Time, error) {
	t, err := parseTime(when, now)
	if err == nil && t.After(now) {
		err = usagef("%s is still to come: nobody knows what will run then", stampOf(t))
	}
	if err != nil {
		return nil, t, err
	}
	f, err := o.find(ctx, w, name, history.Query{To: t, Latest: true})
	if err == nil {
		err = f.complete(t)
	}
	return history.At(f.records, t), t, err
}

func (o *atOptions) at(ctx context.Context, w IO, args []string, now time.Time) error {
	scene, t, err := o.scene(ctx, w, args[0], strings.Join(args[1:], ""), now)
	if err != nil {
		return err
	}
	apps := scene.Apps()
	if o.form == "json" || o.form == "yaml" {
		return o.form.print(w.Out, map[string]any{"time": t.UTC(), "apps": apps})
	}
	if len(apps) == 0 {
		_, err := fmt.Fprintf(w.Err, "Nothing is on record of what ran at %s.\n", stampOf(t))
		return err
	}
	return drawScene(apps, t, o.everywhere, o.form == "wide").print(w.Out, style{width: width(w.Out), colours: w.colours(w.Out)})
}

// drawScene shows what ran.
func drawScene(apps []history.Entry, t time.Time, everywhere, wide bool) *table {
	header := []string{"NAME", "COMMIT", "RELEASE", "FOR", "STATE"}
	if everywhere {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if wide {
		header = append(header, "AUTHOR", "DIGEST")
	}
	out := &table{header: append(header, "IMAGES")}
	for _, e := range apps {
		row := []cell{
			plain(nameOf(e.Place)), plain(shortVersion(cmp.Or(e.Runs.Commit, e.Runs.Digest))), plain(releaseOf(e.State)),
			plain(ageOf(e.Since, t)),
			{marksOf(e.State), pick(marksOf(e.State) != "", yellow, "")},
		}
		if everywhere {
			row = append([]cell{plain(e.Namespace)}, row...)
		}
		if wide {
			row = append(row, plain(oneLine(e.Runs.Author)), plain(clip(e.Runs.Digest, 19)))
		}
		out.add(append(row, plain(strings.Join(e.Runs.Images, " ")))...)
	}
	return out
}

func releaseOf(s history.State) string {
	if s.Phase == "" {
		return ""
	}
	return fmt.Sprintf("%d %s", s.Serial, s.Phase)
}

// marksOf is what was not as it should be.
func marksOf(s history.State) string {
	var marks []string
	for _, m := range []struct {
		is   bool
		word string
	}{{s.Pinned, "pinned"}, {s.Drifted != nil, "drifted"}, {s.Suspended != nil, "suspended"}, {s.Held != nil, "held"}} {
		if m.is {
			marks = append(marks, m.word)
		}
	}
	return strings.Join(marks, ", ")
}

func (o *atOptions) diff(ctx context.Context, w IO, args []string, now time.Time) error {
	name := strings.Join(args[2:], "")
	was, from, err := o.scene(ctx, w, args[0], name, now)
	if err != nil {
		return err
	}
	is, to, err := o.scene(ctx, w, args[1], name, now)
	if err != nil {
		return err
	}
	changes := history.Diff(was, is)
	if o.form != "" {
		return o.form.print(w.Out, map[string]any{"from": from.UTC(), "to": to.UTC(), "changes": changes})
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintf(w.Err, "Nothing is different between %s and %s.\n", stampOf(from), stampOf(to))
		return err
	}
	return printChanges(w.Out, changes, o.everywhere)
}

// printChanges shows what is different, an app in a paragraph.
func printChanges(out io.Writer, changes []history.Change, everywhere bool) error {
	var b strings.Builder
	for _, c := range changes {
		name := nameOf(c.Place)
		if everywhere {
			name = c.String()
		}
		var was, is history.State
		if c.Was != nil {
			was = *c.Was
		}
		if c.Is != nil {
			is = *c.Is
		}
		_, _ = fmt.Fprintf(&b, "%s  %s → %s\n", name, standOf(c.Was, was), standOf(c.Is, is))
		for _, image := range c.Lost {
			_, _ = fmt.Fprintf(&b, "  - %s\n", image)
		}
		for _, image := range c.Gained {
			_, _ = fmt.Fprintf(&b, "  + %s\n", image)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// standOf is how an app was, in a few words.
func standOf(there *history.State, s history.State) string {
	if there == nil {
		return "not there"
	}
	text := cmp.Or(shortVersion(cmp.Or(s.Runs.Commit, s.Runs.Digest)), "nothing")
	if marks := marksOf(s); marks != "" {
		text += " (" + marks + ")"
	}
	return text
}
