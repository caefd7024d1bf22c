package jsonnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Request is all that an evaluation depends on.
type Request struct {
	File     string
	External []Variable
	TopLevel []Variable
	// Import returns the file that another one imports, and the name that it is known by from then on. From is empty for File itself. An error of it ends the
	// evaluation, unless the import is not needed for the result.
	Import func(from, path string) (name string, data []byte, err error)
	Limits Limits
}

// slots bounds how many children there are at once.
var slots = make(chan struct{}, 2)

// Evaluate returns the objects that a file evaluates to, in the order of arrays and, of objects, of the names of fields. It is safe for concurrent use, and waits
// for its turn.
func Evaluate(req Request) ([]Found, error) {
	limits := req.Limits.withDefaults()
	slots <- struct{}{}
	defer func() { <-slots }()
	program, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.Internal, fmt.Errorf("find the program that evaluates Jsonnet: %w", err))
	}
	c := conversation{req: req, limits: limits}
	cmd := exec.Command(program, Flag)
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{}, &c.last
	in, err := cmd.StdinPipe()
	if err == nil {
		c.out, err = cmd.StdoutPipe()
	}
	if err == nil {
		c.in, err = in, cmd.Start()
	}
	if err != nil {
		return nil, fault.New(fault.Transient, fmt.Errorf("start what evaluates Jsonnet: %w", err))
	}
	var late atomic.Bool
	timer := time.AfterFunc(limits.Wall, func() {
		late.Store(true)
		_ = cmd.Process.Kill()
	})
	found, err := c.run()
	if err != nil && !errors.Is(err, errGone) {
		_ = cmd.Process.Kill()
	}
	_ = in.Close()
	ended := cmd.Wait()
	timer.Stop()
	if errors.Is(err, errGone) {
		return nil, c.died(ended, cmd.ProcessState, late.Load())
	}
	return found, err
}

// errGone says that a child ended before it answered.
var errGone = errors.New("the child is gone")

// conversation is what is said between a parent and its child.
type conversation struct {
	req    Request
	limits Limits
	in     io.Writer
	out    io.Reader
	last   tail
}

func (c *conversation) run() ([]Found, error) {
	to := json.NewEncoder(c.in)
	// What a child says is bounded by what it may make; names of objects and lines come to it.
	from := json.NewDecoder(io.LimitReader(c.out, int64(2*c.limits.Output+64<<20)))
	if err := to.Encode(job{File: c.req.File, External: c.req.External, TopLevel: c.req.TopLevel, Limits: c.limits}); err != nil {
		return nil, errGone
	}
	for {
		var m message
		if err := from.Decode(&m); err != nil {
			return nil, errGone
		}
		switch {
		case m.Wrong != nil:
			return nil, m.Wrong.err()
		case m.Import == nil:
			return m.Found, nil
		}
		name, data, err := c.req.Import(m.Import.From, m.Import.Path)
		answer := contents{Name: name, Data: data}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				return nil, err
			}
			answer = contents{Error: err.Error()}
		}
		if err := to.Encode(answer); err != nil {
			return nil, errGone
		}
	}
}

// maxText bounds what an error repeats: assertions and error expressions say whatever they like.
const maxText = 2000

func (w wrong) err() error {
	text := strings.TrimSpace(w.Text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	if at := w.At.String(); at != "" {
		text = at + ": " + text
	}
	if w.From != (Place{}) {
		text += " (from " + w.From.String() + ")"
	}
	return fault.Newf(fault.Invalid, "%s", text)
}

// died says why a child ended without an answer.
func (c *conversation) died(err error, state *os.ProcessState, late bool) error {
	const remedy = "look for a recursion or a range without an end, or split the app"
	refuse := func(format string, args ...any) error {
		return fault.Newf(fault.Invalid, "%s: "+format+": %s", append(append([]any{path.Clean(c.req.File)}, args...), remedy)...)
	}
	said := string(c.last.said)
	killed := false
	if status, ok := state.Sys().(syscall.WaitStatus); ok {
		killed = status.Signaled()
	}
	switch spent := state.UserTime() + state.SystemTime(); {
	case strings.Contains(said, "stack exceeds"), strings.Contains(said, "stack overflow"):
		return refuse("values are nested too deeply")
	case strings.Contains(said, "failed to create new OS thread"):
		return fault.Newf(fault.Transient, "%s: what evaluates Jsonnet got no thread: the machine has too many processes", c.req.File)
	case state.ExitCode() == exitMemory, state.ExitCode() == exitRuntime:
		return refuse("the evaluation needs more than %d MiB of memory", c.limits.Memory>>20)
	case state.ExitCode() == exitComputing, killed && spent >= c.limits.Computing-time.Second/2:
		return refuse("the evaluation takes more than %s of a processor", c.limits.Computing)
	case late:
		return fault.Newf(fault.Transient, "%s: the evaluation did not end within %s: the machine is too busy", c.req.File, c.limits.Wall)
	case killed:
		return fault.Newf(fault.Transient, "%s: what evaluated it was killed (%s): the machine may have no memory left", c.req.File, state)
	}
	return fault.Newf(fault.Internal, "%s: what evaluates Jsonnet ended without an answer: %v", c.req.File, err)
}

// tail keeps the beginning of what a child says when it crashes.
type tail struct{ said []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.said = append(t.said, p[:min(max(4096-len(t.said), 0), len(p))]...)
	return len(p), nil
}
