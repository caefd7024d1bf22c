package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Options say how a demo runs.
type Options struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal says that Out is one; Colour that it may be coloured; Width is that of the terminal.
	Terminal, Colour bool
	Width            int

	// Program is fairlead itself: its commands "controller" and "demo janitor" are run.
	Program string
	// Devcluster is the program that runs a control plane. Not used with Kubeconfig.
	Devcluster string
	// Kubeconfig is what reaches the user's own cluster, complete in itself; empty: a control plane is started.
	Kubeconfig []byte
	// Yes does not ask before the user's cluster is used.
	Yes bool

	// Dir keeps everything; it must be empty or absent. Empty: a temporary directory, removed at the end.
	Dir string
	// Exit ends the demo after the tour. Otherwise it runs until ctx ends.
	Exit bool
}

// Run shows the demo. It returns nil when it was ended as asked and no step of the tour failed.
func Run(ctx context.Context, o Options) error {
	// The kernel ends a child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	s := &screen{out: o.Out, terminal: o.Terminal, colour: o.Colour}
	if o.Terminal {
		s.width = min(max(o.Width, 60), 120)
	}
	st := &stage{options: o, screen: s, died: func(err error) { end(&deathError{err}) }}
	err := st.show(ctx)
	if st.ready && !o.Exit && ctx.Err() == nil {
		<-ctx.Done()
	}
	var death *deathError
	if errors.As(context.Cause(ctx), &death) {
		err = death // whatever failed did so because of that
	}
	return errors.Join(err, st.close())
}

// deathError is a child that ended without being asked.
type deathError struct{ error }

func (e *deathError) Unwrap() error { return e.error }

// show sets up the stage and takes the tour.
func (st *stage) show(ctx context.Context) error {
	s := st.screen
	s.head("Fairlead: what is in Git, in Kubernetes", "Five services in three environments, a Git server, a cluster and the controller, all on this machine.")
	if err := st.setUp(ctx); err != nil {
		s.fail(err.Error())
		st.explain()
		return fmt.Errorf("set up the demo: %w", err)
	}
	t, err := newTour(ctx, st)
	if err != nil {
		return err
	}
	failed := t.take(ctx)
	if ctx.Err() == nil {
		t.summarise(ctx)
		st.addresses()
	}
	return failed
}

// explain shows the end of the controller's log, where the reason may be.
func (st *stage) explain() {
	if err := st.git.webhookError(); err != nil {
		st.screen.note("the last webhook was not taken: " + err.Error())
	}
	lines := st.controller.Tail()
	if len(lines) == 0 {
		return
	}
	st.screen.note("the last lines of " + st.controller.Log() + ":")
	for _, line := range lines {
		st.screen.note(logLine(line))
	}
}

// logLine prints a line of the controller's log for people: JSON as words, anything else as it is.
func logLine(line string) string {
	var said map[string]any
	if json.Unmarshal([]byte(line), &said) != nil {
		return line
	}
	clock, _ := said["time"].(string)
	if at, err := time.Parse(time.RFC3339Nano, clock); err == nil {
		clock = at.Format("15:04:05.000")
	}
	words := []string{clock, fmt.Sprint(said["level"]), fmt.Sprint(said["msg"])}
	for _, key := range slices.Sorted(maps.Keys(said)) {
		if text := fmt.Sprint(said[key]); !slices.Contains([]string{"time", "level", "msg"}, key) && text != "" {
			words = append(words, key+"="+clip(text, 200))
		}
	}
	return strings.Join(words, " ")
}

// patience is how long a step may take: on somebody's cluster images have to be pulled first.
func (st *stage) patience() time.Duration {
	if st.options.Kubeconfig != nil {
		return 3 * time.Minute
	}
	return 30 * time.Second
}
