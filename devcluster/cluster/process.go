package cluster

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A process is one child. It is not restarted: a new one is started in its place.
type process struct {
	name  string
	cmd   *exec.Cmd
	asked atomic.Bool   // we told it to end
	ended chan struct{} // closed when it is gone
}

// start runs this program under the name of a component, in the directory of the cluster. The child
// inherits lock. died is called once, from another goroutine, if it ends without being asked.
func start(d dir, lock *os.File, name string, args []string, died func(error)) (*process, error) {
	log, err := os.OpenFile(d.log(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p := &process{name: name, ended: make(chan struct{}), cmd: &exec.Cmd{
		Path:       "/proc/self/exe", // still this program when its file was replaced meanwhile
		Args:       append([]string{name}, args...),
		Env:        append(os.Environ(), "KWOK_WORKDIR="+d.path("kwok")), // not the user's ~/.kwok
		Dir:        string(d),
		Stdout:     log,
		Stderr:     log,
		ExtraFiles: []*os.File{lock},
		SysProcAttr: &syscall.SysProcAttr{
			Pdeathsig: syscall.SIGKILL,
			Setpgid:   true, // Ctrl-C in a terminal is for the parent alone, which stops them in order
		},
	}}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		err := p.cmd.Wait()
		close(p.ended)
		if p.asked.Load() {
			return
		}
		how := "exit status 0"
		if err != nil {
			how = err.Error()
		}
		died(fmt.Errorf("%s ended: %s\n%s", name, how, tail(d.log(name))))
	}()
	return p, nil
}

// stop sends a signal, and SIGKILL if that has not worked after grace; it returns when the process is gone.
func (p *process) stop(sig syscall.Signal, grace time.Duration) {
	p.asked.Store(true)
	_ = p.cmd.Process.Signal(sig) // fails only if it has ended already
	select {
	case <-p.ended:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// tail shows the last lines of a log, for the reader of an error message.
func tail(path string) string {
	const most, lines = 16 << 10, 12
	f, err := os.Open(path)
	if err != nil {
		return "no log: " + err.Error()
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-most), io.SeekStart)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return "no log: " + err.Error()
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return path + " is empty"
	}
	last := strings.Split(string(b), "\n")
	last = last[max(0, len(last)-lines):]
	return "the end of " + path + ":\n  " + strings.Join(last, "\n  ")
}
