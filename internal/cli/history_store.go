package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/store"
)

const wholeHelp = `Without --store the controller is asked, as Fairlead's own ServiceAccount: by who may create a token of it.`

// none is the check of commands that take no argument.
var none = cobra.NoArgs

func verifyCommand(w IO) *cobra.Command {
	var o recordOptions
	var form output
	var noted []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Find out whether any record was changed, removed, inserted or moved",
		Long: `Reads the whole history and finds out whether any record was changed, removed, inserted or moved since it was stored, and
prints the end of the chain. Note that somewhere else: with --noted it is found, too, whether records were removed from the
end, or whether somebody who may write the database made all of it anew. The controller logs the end when it starts.

` + wholeHelp + `

The exit code is 1 if something is wrong; the first bad record is named.`,
		Example: `  fairlead history verify
  fairlead history verify --store sqlite:/var/lib/fairlead/history.db --noted "$(cat end-of-last-month)"`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var links []history.Link
			for _, n := range noted {
				link, err := history.ParseLink(n)
				if err != nil {
					return usagef("--noted %w", err)
				}
				links = append(links, link)
			}
			v, err := o.verify(cmd.Context(), w, links)
			if err != nil {
				return err
			}
			if form != "" {
				return form.print(w.Out, v)
			}
			return printVerified(w, v)
		},
	}
	o.flags(cmd)
	form.flag(cmd, "json", "yaml")
	cmd.Flags().StringSliceVar(&noted, "noted", nil, "an end of the chain that was noted earlier, as SEQ:HASH, to be found again")
	return cmd
}

func printVerified(w IO, v history.Verified) error {
	dropped := ""
	if v.Dropped.Seq > 0 {
		dropped = fmt.Sprintf(" Those up to %d were dropped with age.", v.Dropped.Seq)
	}
	_, err := fmt.Fprintf(w.Out, "%s, and nothing was changed.%s\nend: %s\n", plural(int(v.Records), "record"), dropped, v.End)
	return err
}

// verify verifies a store, or what the controller says that its store has.
func (o *recordOptions) verify(ctx context.Context, w IO, noted []history.Link) (v history.Verified, err error) {
	if o.store != "" {
		s, err := store.Open(ctx, o.store)
		if err != nil {
			return v, err
		}
		defer func() { _ = s.Close() }()
		return s.Verify(ctx, noted...)
	}
	err = o.whole(ctx, w, func(lines iter.Seq2[[]byte, error], end history.Link) error {
		v, err = history.Verify(lines, append(noted, end)...)
		return err
	})
	return v, err
}

// whole reads the whole chain from the controller, which says where it ended when it began to answer.
func (o *recordOptions) whole(ctx context.Context, w IO, use func(lines iter.Seq2[[]byte, error], end history.Link) error) error {
	a, err := o.asker(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recordPatience)
	defer cancel()
	res, err := a.get(ctx, account{o.system, "fairlead"}, "", history.Query{})
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	end, err := history.ParseLink(res.Header.Get(history.EndHeader))
	if err != nil {
		return fmt.Errorf("read records: %w: is %s a controller of Fairlead?", err, a.base)
	}
	return use(store.Scan(res.Body), end)
}

func exportCommand(w IO) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the whole history, a line of JSON for each record",
		Long: `Prints the whole history, as it is at one time: a line of JSON for each record, in the order of the chain. 'history import'
reads it. Each line ends in the SHA-256 of what it is without its hash, and has that of the line before it in "prev".

` + wholeHelp,
		Example: `  fairlead history export > history.ndjson
  fairlead history export --store postgres://fairlead@db/fairlead > history.ndjson`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.export(cmd.Context(), w, w.Out) },
	}
	o.flags(cmd)
	return cmd
}

func (o *recordOptions) export(ctx context.Context, w IO, out io.Writer) error {
	if o.store != "" {
		s, err := store.Open(ctx, o.store)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		_, err = s.Export(ctx, out)
		return err
	}
	return o.whole(ctx, w, func(lines iter.Seq2[[]byte, error], _ history.Link) error {
		b := bufio.NewWriter(out)
		for line, err := range lines {
			if err == nil {
				_, err = b.Write(append(line[:len(line):len(line)], '\n'))
			}
			if err != nil {
				return err
			}
		}
		return b.Flush()
	})
}

func importCommand(w IO) *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Put an export into a store that is empty, or goes on with one that was interrupted",
		Long: `Reads what 'history export' printed, from a file or, as -, from standard input, and puts it into a store as it is: the chain
stays the same. The store is made if it is not there; it has to be empty, or to hold the beginning of the same chain. A line
that was changed, or does not follow the one before it, is refused, with all after it.`,
		Example: `  fairlead history import history.ndjson --into postgres://fairlead@db/fairlead`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("want one file, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if into == "" {
				return usagef("say with --into which store")
			}
			in := w.In
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				in = f
			}
			s, err := store.Create(cmd.Context(), into)
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }()
			n, err := s.Import(cmd.Context(), store.Scan(in))
			_, _ = fmt.Fprintf(w.Err, "%s imported\n", plural(n, "record"))
			return err
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "the store: sqlite:PATH or postgres://USER@HOST/DATABASE")
	return cmd
}

func copyCommand(w IO) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Move the history from one store to another",
		Long: `Copies the records of one store to another, of either kind, as they are: the chain stays the same. The other store is made if
it is not there; it has to be empty, or to hold the beginning of the same chain. A controller may go on to write the first one:
copy, stop it, copy again, which is quick, and start it with --history of the other one.`,
		Example: `  fairlead history copy sqlite:/var/lib/fairlead/history.db postgres://fairlead@db/fairlead`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("want two stores: sqlite:PATH or postgres://USER@HOST/DATABASE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := store.Open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { _ = from.Close() }()
			to, err := store.Create(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			defer func() { _ = to.Close() }()
			n, err := store.Copy(cmd.Context(), from, to)
			_, _ = fmt.Fprintf(w.Err, "%s copied\n", plural(n, "record"))
			return err
		},
	}
	return cmd
}

func backupCommand(w IO) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all of the history to a new file, as it is at one time",
		Long: `Writes all of the history to a new file, as it is at one time, while a controller goes on to write. Of a store in SQLite the
file is one, too: it is put in its place, or read with --store. Of PostgreSQL, and from the controller, it is an export, which
'history import' puts back.

` + wholeHelp,
		Example: `  fairlead history backup history.ndjson
  fairlead history backup /backups/history.db --store sqlite:/var/lib/fairlead/history.db`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("want one file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.store != "" {
				s, err := store.Open(cmd.Context(), o.store)
				if err != nil {
					return err
				}
				defer func() { _ = s.Close() }()
				return s.Backup(cmd.Context(), args[0])
			}
			f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			if err := errors.Join(o.export(cmd.Context(), w, f), f.Sync(), f.Close()); err != nil {
				_ = os.Remove(args[0])
				return err
			}
			return nil
		},
	}
	o.flags(cmd)
	return cmd
}
