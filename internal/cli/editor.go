package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// editor is the command line of an editor, to which the name of a file is added.
type editor string

// chosenEditor is the editor that a person has chosen.
func chosenEditor(w IO) (editor, error) {
	for _, variable := range []string{"SOPS_EDITOR", "VISUAL", "EDITOR"} {
		if line := strings.TrimSpace(w.Getenv(variable)); line != "" {
			return editor(line), nil
		}
	}
	if _, err := exec.LookPath("vi"); err != nil {
		return "", errors.New("there is no editor: name one in $EDITOR")
	}
	return "vi", nil
}

// command lets a shell read the line, as git and kubectl do: an editor may have arguments, and they may be quoted.
func (e editor) command(name string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		words := append(strings.Fields(string(e)), name)
		return exec.Command(words[0], words[1:]...)
	}
	return exec.Command("sh", "-c", string(e)+` "$@"`, string(e), name)
}

// String is the name of the editor: what its arguments say may be a secret.
func (e editor) String() string { return strings.Fields(string(e))[0] }

// run lets a person edit a file. Ctrl-C is the editor's while it runs; what else ends a program ends the editor, too.
func (e editor) run(w IO, s *signals, name string) error {
	cmd := e.command(name)
	if in, ok := w.In.(*os.File); ok {
		cmd.Stdin = in
		if before, err := term.GetState(int(in.Fd())); err == nil {
			defer func() { _ = term.Restore(int(in.Fd()), before) }()
		}
	}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = w.Out, w.Err, editorPatience
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run the editor %s: %w", e, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("the editor %s: %w", e, err)
			}
			return nil
		case caught := <-s.caught:
			if caught == os.Interrupt || caught == syscall.SIGQUIT {
				continue
			}
			_ = end(cmd.Process, caught, done) // that it was ended is known
			return fmt.Errorf("ended by the signal %q", caught)
		}
	}
}

// editorPatience is how long an editor has to end.
const editorPatience = 2 * time.Second

// end ends an editor, and returns when it has.
func end(p *os.Process, with os.Signal, done <-chan error) error {
	_ = p.Signal(with)
	select {
	case err := <-done:
		return err
	case <-time.After(editorPatience):
		_ = p.Kill()
		return <-done
	}
}

// signals are those that would end the program with plain text left behind.
type signals struct{ caught chan os.Signal }

func catchSignals() *signals {
	s := &signals{make(chan os.Signal, 8)}
	signal.Notify(s.caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	return s
}

func (s *signals) stop() { signal.Stop(s.caught) }

// forget drops those that were for the editor.
func (s *signals) forget() {
	for {
		select {
		case <-s.caught:
		default:
			return
		}
	}
}
