package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// doraOptions are the flags of dora.
type doraOptions struct {
	recordOptions
	name, since string
	form        output
}

func doraCommand(w IO) *cobra.Command {
	var o doraOptions
	cmd := &cobra.Command{
		Use:   "dora [APP | ENV]",
		Short: "Show how often and how well is delivered: the four DORA figures",
		Long: `Shows, of each environment and of each of its apps, by the history:

  deployments   releases that succeeded, and how many those are a day; of less than a day, how many there were in it
  lead time     from when a commit was made to when its release succeeded: the median
  failures      of all releases that succeeded or failed, those that failed or had to go back, before or after they had
                succeeded, by themselves or by a person
  restore       from when a release failed to when the app was well again, at what was good before or with a newer
                release: the median

What began before --since does not count. The same figures are told Prometheus: see the reference of metrics.

` + timesHelp + `

` + namesHelp + `

` + recordsHelp,
		Example: `  fairlead dora --since 30d -n shop
  fairlead dora production -o json`,
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
	cmd.Flags().StringVar(&o.since, "since", "30d", "from this time on")
	return cmd
}

func (o *doraOptions) run(ctx context.Context, w IO, now time.Time) error {
	from, err := parseTime(o.since, now)
	if err != nil {
		return err
	}
	before, err := o.find(ctx, w, o.name, history.Query{To: from, Newest: 1})
	if err != nil {
		return err
	}
	kinds := []history.Kind{history.Release, history.Prune}
	f, err := o.find(ctx, w, o.name, history.Query{From: from, To: now, Kinds: kinds})
	if err != nil {
		return err
	}
	note := ""
	switch {
	case f.dropped.After(from):
		from, note = f.dropped, "what happened earlier was dropped with age"
	case len(before.records) == 0 && len(f.records) > 0:
		from, note = f.records[0].Time, "nothing is on record before"
	}
	all := history.Dora(f.records, from, now)
	if o.form == "json" || o.form == "yaml" {
		return o.form.print(w.Out, map[string]any{"from": from.UTC(), "to": now.UTC(), "deliveries": all})
	}
	if note != "" {
		_, _ = fmt.Fprintf(w.Err, "note: from %s on: %s\n", stampOf(from), note)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintf(w.Err, "No release succeeded or failed since %s.\n", stampOf(from))
		return err
	}
	return drawDeliveries(all, o.everywhere, o.form == "wide").print(w.Out, style{width: width(w.Out), colours: w.colours(w.Out)})
}

func drawDeliveries(all []history.Delivery, everywhere, wide bool) *table {
	header := []string{"NAME", "DEPLOYMENTS", "A DAY", "LEAD TIME", "FAILURES", "RATE", "RESTORE"}
	if everywhere {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if wide {
		header = append(header, "LEAD TIME P90", "RESTORE P90")
	}
	t := &table{header: append(header, "BROKEN NOW")}
	for _, d := range all {
		row := []cell{
			plain(nameOf(d.Place)), plain(strconv.Itoa(d.Deployments)), plain(strconv.FormatFloat(d.PerDay, 'f', 2, 64)), plain(spreadOf(d.Lead, d.Lead.Median)),
			plain(fmt.Sprintf("%d of %d", d.Failures, d.Releases)), plain(fmt.Sprintf("%.0f%%", 100*d.FailureRate)), plain(spreadOf(d.Restore, d.Restore.Median)),
		}
		if everywhere {
			row = append([]cell{plain(d.Namespace)}, row...)
		}
		if wide {
			row = append(row, plain(spreadOf(d.Lead, d.Lead.P90)), plain(spreadOf(d.Restore, d.Restore.P90)))
		}
		t.add(append(row, cell{strconv.Itoa(d.Broken), pick(d.Broken > 0, red, "")})...)
	}
	return t
}

// spreadOf is a duration for people; empty, if there is none.
func spreadOf(s history.Spread, seconds float64) string {
	if s.Of == 0 {
		return ""
	}
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return duration.HumanDuration(d)
}
