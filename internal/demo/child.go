package demo

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long a process may take to end when it is asked to.
const grace = 15 * time.Second

// process is a child. What it prints goes to its log; the last lines are kept in memory.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{}

	mu    sync.Mutex
	asked bool
	last  []string
}

// start runs a program. It must be called from a goroutine that is locked to its thread for as long as the child is to live. Each line that the child prints is
// handed to seen. died is called from another goroutine if it ends without being asked.
func start(name, log string, seen func(line string), died func(error), program string, args ...string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, log: log, ended: make(chan struct{}), cmd: exec.Command(program, args...)}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = w, w, child()
	err = p.cmd.Start()
	_ = w.Close()
	if err != nil {
		_, _ = r.Close(), file.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.read(r, file, seen)
		_, _ = r.Close(), file.Close()
		err := p.cmd.Wait()
		close(p.ended)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.asked {
			died(fmt.Errorf("%s ended by itself: %v; its last lines:\n%s", name, how(err), strings.Join(p.last, "\n")))
		}
	}()
	return p, nil
}

func how(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func (p *process) read(r io.Reader, file io.Writer, seen func(string)) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			_, _ = io.WriteString(file, line)
			line = strings.TrimSuffix(line, "\n")
			p.mu.Lock()
			p.last = append(p.last, line)
			p.last = p.last[max(0, len(p.last)-12):]
			p.mu.Unlock()
			seen(line)
		}
		if err != nil {
			return
		}
	}
}

// tail returns the last lines that the child printed.
func (p *process) tail() []string {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.last)
}

// stop asks the child to end, and insists after a while. It returns when it is gone. A nil process is gone.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.asked = true
	p.mu.Unlock()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
