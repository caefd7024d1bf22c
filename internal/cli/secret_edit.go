package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

// editOptions are the flags of edit.
type editOptions struct{ keys privateKeys }

func secretEditCommand(w IO) *cobra.Command {
	var o editOptions
	cmd := &cobra.Command{
		Use:   "edit FILE",
		Short: "Change a SOPS file in an editor",
		Long: `Opens a file of SOPS in $SOPS_EDITOR, $VISUAL or $EDITOR, else vi, and encrypts it again when the editor ends. An editor with a
window of its own has to be told to wait until it is closed: EDITOR='code --wait'.

What you do not touch keeps its ciphertext, so that Git shows what was changed and nothing else. The data key and who can open
the file stay; 'fairlead secret rotate' changes these. New values are encrypted by the rule of the file.

The plain text is in a directory below $TMPDIR that nobody else can read, and is removed in any case. If it cannot be read
afterwards you can edit it again. The file in Git stays as it is until all is well.`,
		Example: `  fairlead secret edit apps/web/production/database.yaml --age-key-file ~/keys.txt
  fairlead secret edit apps/web/production/settings.env`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("say which file: edit takes exactly one")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return o.run(w, args[0]) },
	}
	o.keys.flag(cmd)
	return cmd
}

func (o *editOptions) run(w IO, name string) error {
	data, err := readBounded(name, maxSecretFile)
	if err != nil {
		return err
	}
	file, err := sops.Read(name, data)
	if errors.Is(err, sops.ErrPlain) {
		return notEditable(name, data, err)
	}
	if err != nil {
		return err
	}
	keys, err := o.keys.read(w)
	if err != nil {
		return err
	}
	draft, err := file.Draft(keys)
	if err != nil {
		return orName(keys, err)
	}
	ed, err := chosenEditor(w)
	if err != nil {
		return err
	}
	if err := replaceable(name); err != nil {
		return err
	}
	out, err := edited(w, ed, filepath.Base(name), draft)
	if err != nil {
		return fmt.Errorf("%w: %s is as it was", err, name)
	}
	if out == nil {
		_, err = fmt.Fprintf(w.Out, "%s is as it was: nothing was changed\n", name)
		return err
	}
	if err := unchanged(name, data); err != nil {
		return err
	}
	if err := replaceFile(name, out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.Out, "%s is changed, and encrypted for whom it was\n", name)
	return err
}

// notEditable says what else to do with a file that is none of SOPS.
func notEditable(name string, data []byte, err error) error {
	objs, _ := object.Parse(name, data)
	for _, x := range objs {
		if sealed.Is(x) {
			return fmt.Errorf("%s: %s opens in the cluster alone, so there is nothing to edit here: write the Secret anew, and seal it with 'fairlead secret seal'", name, x)
		}
	}
	return fmt.Errorf("%w: edit it as any other file, and encrypt it with 'fairlead secret encrypt'", err)
}

// replaceable finds out that a file cannot be written before somebody edits it for nothing.
func replaceable(name string) error {
	full, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(full), ".fairlead-*")
	if err != nil {
		return fmt.Errorf("%s could not be written afterwards: %w", name, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// unchanged refuses to write over what somebody else, or a git pull, has written meanwhile.
func unchanged(name string, was []byte) error {
	is, err := readBounded(name, maxSecretFile)
	if err != nil {
		return fmt.Errorf("%w: it was there before the editor began, and is not written again", err)
	}
	if !bytes.Equal(is, was) {
		return fmt.Errorf("%s was changed by somebody else while it was edited, and stays as it is now: edit it again", name)
	}
	return nil
}

// edited has a draft edited until it can be encrypted, or the person gives up. It is nil if nothing was changed.
func edited(w IO, ed editor, base string, draft *sops.Draft) (out []byte, err error) {
	s := catchSignals()
	defer s.stop()
	dir, err := os.MkdirTemp("", "fairlead-edit-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if gone := os.RemoveAll(dir); gone != nil {
			err = errors.Join(err, fmt.Errorf("remove %s, which has the plain text: %w", dir, gone))
		}
	}()
	name := filepath.Join(dir, base)
	if err := os.WriteFile(name, draft.Plain, 0o600); err != nil {
		return nil, err
	}
	in := bufio.NewReader(w.In)
	for {
		if err := ed.run(w, s, name); err != nil {
			return nil, err
		}
		text, err := readBounded(name, maxSecretFile)
		if err != nil {
			return nil, fmt.Errorf("read what the editor left: %w", err)
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return nil, errors.New("the editor left an empty file")
		}
		out, _, err := draft.Seal(text, time.Now())
		if err == nil || !editAgain(w, s, in, err) {
			return out, err
		}
	}
}

// editAgain asks whether what cannot be encrypted is to be edited again. Without a terminal it is not.
func editAgain(w IO, s *signals, in *bufio.Reader, why error) bool {
	if !isTerminal(w.In) {
		return false
	}
	_, _ = fmt.Fprintf(w.Err, "%s\nEdit it again? [Y/n] ", why)
	s.forget()
	answer := make(chan string, 1)
	go func() {
		line, err := in.ReadString('\n')
		if err != nil {
			line = "no"
		}
		answer <- line
	}()
	select {
	case <-s.caught:
		_, _ = fmt.Fprintln(w.Err)
		return false
	case line := <-answer:
		return !bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace([]byte(line))), []byte("n"))
	}
}
