package child

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

// lastLines is how much of what a child printed is kept in memory.
const lastLines = 12

// Command says what to run. Name, Program and Log are needed.
type Command struct {
	// Name is what people call it, such as "the controller".
	Name string
	// Program is its path; Args are those behind the name.
	Program string
	Args    []string
	// Env is its environment; nil: that of this process.
	Env []string
	// Log is the file that gets what it prints, on both outputs.
	Log string
	// Seen is handed each line that it prints, without its end; nil: nobody is. It must not block.
	Seen func(line string)
	// Died is called from another goroutine if it ends without being asked; nil: nobody is told.
	Died func(error)
}

// Process is a child that was started. It is safe for concurrent use; a nil Process is one that is gone.
type Process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{}

	mu    sync.Mutex
	asked bool
	last  []string
}

// Start runs a program. It must be called from a goroutine that is locked to its thread for as long as the child is to live.
func Start(c Command) (*Process, error) {
	if c.Seen == nil {
		c.Seen = func(string) {}
	}
	if c.Died == nil {
		c.Died = func(error) {}
	}
	file, err := os.Create(c.Log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, log: c.Log, ended: make(chan struct{}), cmd: exec.Command(c.Program, c.Args...)}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr, p.cmd.Env = w, w, Attributes(), c.Env
	err = p.cmd.Start()
	_ = w.Close()
	if err != nil {
		_, _ = r.Close(), file.Close()
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go func() {
		p.read(r, file, c.Seen)
		_, _ = r.Close(), file.Close()
		err := p.cmd.Wait()
		close(p.ended)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.asked {
			c.Died(fmt.Errorf("%s ended by itself: %v; its last lines:\n%s", c.Name, how(err), strings.Join(p.last, "\n")))
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

func (p *Process) read(r io.Reader, file io.Writer, seen func(string)) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			_, _ = io.WriteString(file, line)
			line = strings.TrimSuffix(line, "\n")
			p.mu.Lock()
			p.last = append(p.last, line)
			p.last = p.last[max(0, len(p.last)-lastLines):]
			p.mu.Unlock()
			seen(line)
		}
		if err != nil {
			return
		}
	}
}

// Tail returns the last lines that the child printed.
func (p *Process) Tail() []string {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.last)
}

// Log is the file that has all that the child printed.
func (p *Process) Log() string { return p.log }

// ID is the child's process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Stop asks the child to end, and insists after a while. It returns when it is gone.
func (p *Process) Stop() {
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
