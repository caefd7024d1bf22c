package child

import (
	"fmt"
	"io"
	"os/exec"
)

// Heir is a process that outlives this one, and learns from the end of its standard input that this one is gone.
type Heir struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// Hire starts an heir. What it has to say goes to errs.
func Hire(errs io.Writer, program string, args ...string) (*Heir, error) {
	h := &Heir{cmd: exec.Command(program, args...)}
	h.cmd.Dir = "/" // never within what it removes
	h.cmd.Stderr = errs
	h.cmd.SysProcAttr = apart()
	var err error
	if h.in, err = h.cmd.StdinPipe(); err == nil {
		err = h.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start janitor: %w", err)
	}
	return h, nil
}

// Dismiss lets the heir do its work now, and returns when that is done. A nil heir has none.
func (h *Heir) Dismiss() error {
	if h == nil {
		return nil
	}
	_ = h.in.Close()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}
