package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// historyOptions are the flags of history.
type historyOptions struct {
	recordOptions
	name, since string
	kinds       []string
	limit       int
	form        output
}

func historyCommand(w IO) *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history [APP | ENV]",
		Short: "Show what happened: releases, holds, approvals, drift, rollbacks",
		Long: `Shows what happened to an app, to an environment, or to all of a namespace, newest last: every release in each of its
phases, holds, approvals, overrides, drift, suspensions, rollbacks and what was pruned; when, from which commit, by whom and
why. It is kept for as long as the controller's --history-retention says.

` + namesHelp + ` An app that is gone is named ENV/APP.

` + timesHelp + `

` + recordsHelp,
		Example: `  fairlead history production/web --since 7d
  fairlead history --kind Rollback --kind Drift -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one name at a time: %q is too much", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			return o.run(cmd.Context(), w, time.Now())
		},
	}
	o.namedFlags(cmd, w)
	o.form.flag(cmd, "wide", "json", "yaml")
	cmd.Flags().StringVar(&o.since, "since", "", "from this time on")
	cmd.Flags().StringSliceVar(&o.kinds, "kind", nil, "only what is of this kind: "+kindList())
	cmd.Flags().IntVar(&o.limit, "limit", 0, "at most so many, the newest (default: 100 without --since)")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp))
	add(cmd, "", verifyCommand(w), exportCommand(w), importCommand(w), copyCommand(w), backupCommand(w), historyDiffCommand(w))
	return cmd
}

func kindNames() []string {
	var names []string
	for _, k := range history.Kinds {
		names = append(names, string(k))
	}
	return names
}

func kindList() string { return strings.Join(kindNames(), ", ") }

func (o *historyOptions) query(now time.Time) (history.Query, error) {
	q := history.Query{Newest: o.limit}
	if o.limit < 0 {
		return q, usagef("--limit %d: want 1 or more", o.limit)
	}
	for _, k := range o.kinds {
		i := slices.IndexFunc(history.Kinds, func(known history.Kind) bool { return strings.EqualFold(string(known), k) })
		if i < 0 {
			near, ok := nearest.Of(k, kindNames())
			if ok {
				return q, usagef("--kind %s: there is no such kind: did you mean %s?", k, near)
			}
			return q, usagef("--kind %s: there is no such kind: want one of %s", k, kindList())
		}
		q.Kinds = append(q.Kinds, history.Kinds[i])
	}
	if o.since == "" {
		if q.Newest == 0 {
			q.Newest = 100
		}
		return q, nil
	}
	var err error
	q.From, err = parseTime(o.since, now)
	return q, err
}

func (o *historyOptions) run(ctx context.Context, w IO, now time.Time) error {
	q, err := o.query(now)
	if err != nil {
		return err
	}
	f, err := o.find(ctx, w, o.name, q)
	if err != nil {
		return err
	}
	if o.form == "json" || o.form == "yaml" {
		return o.form.print(w.Out, map[string]any{"records": linked(f.records)})
	}
	if len(f.records) == 0 {
		_, err := fmt.Fprintln(w.Err, "Nothing is on record.")
		return err
	}
	return drawRecords(f.records, o.everywhere, o.form == "wide").print(w.Out, style{width: width(w.Out), colours: w.colours(w.Out)})
}

// linkedRecord is a record with its hash, which is no part of what is hashed.
type linkedRecord struct {
	history.Record
	Hash history.Hash `json:"hash"`
}

func linked(records []history.Record) []linkedRecord {
	out := []linkedRecord{}
	for _, r := range records {
		out = append(out, linkedRecord{r, r.Hash})
	}
	return out
}

// drawRecords shows records, one in a line.
func drawRecords(records []history.Record, everywhere, wide bool) *table {
	t := &table{header: []string{"TIME", "NAME", "WHAT", "COMMIT", "WHO"}}
	if everywhere {
		t.header = slices.Insert(t.header, 1, "NAMESPACE")
	}
	if wide {
		t.header = append(t.header, "AUTHOR", "IMAGES", "RECORD")
	}
	t.header = append(t.header, "WHY")
	for _, r := range records {
		row := []cell{plain(stampOf(r.Time)), plain(nameOf(r.Place())), whatOf(r), plain(shortVersion(commitOf(r))), plain(oneLine(r.Who))}
		if everywhere {
			row = slices.Insert(row, 1, plain(r.Namespace))
		}
		if wide {
			row = append(row, plain(oneLine(r.Want.Author)), plain(strings.Join(r.Want.Images, " ")), plain(fmt.Sprint(r.Seq)))
		}
		t.add(append(row, plain(oneLine(r.Why)))...)
	}
	return t
}

func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// nameOf is how people write a place within its namespace.
func nameOf(p history.Place) string {
	if p.App == "" {
		return p.Environment
	}
	return p.Environment + "/" + p.App
}

// commitOf is the commit that a record leads to.
func commitOf(r history.Record) string {
	if !r.Back.IsZero() {
		return cmp.Or(r.Back.Commit, r.Back.Digest)
	}
	return cmp.Or(r.Want.Commit, r.Want.Digest)
}

// shortVersion is a commit, or the digest of what has none, as other commands show a commit.
func shortVersion(id string) string { return id[:min(len(id), 8)] }

// whatOf says what happened in a few words.
func whatOf(r history.Record) cell {
	words := []string{string(r.Kind)}
	if r.Kind == history.Release {
		words = append(words, fmt.Sprint(r.Serial))
	}
	if r.Phase != "" {
		words = append(words, r.Phase)
	}
	return cell{strings.Join(words, " "), colourOfRecord(r)}
}

func colourOfRecord(r history.Record) string {
	switch r.Phase {
	case "Succeeded":
		return green
	case "Failed", "RolledBack", "RollingBack":
		return red
	case history.Held, history.Found:
		return yellow
	}
	return ""
}
