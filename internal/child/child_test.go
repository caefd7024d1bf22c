package child_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/child"
)

// shell runs a script as a child, and returns it with the lines that it prints and the error that it dies of.
func shell(t *testing.T, script string) (p *child.Process, lines chan string, died chan error) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	lines, died = make(chan string, 100), make(chan error, 1)
	p, err = child.Start(child.Command{
		Name: "the shell", Program: sh, Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "log"),
		Seen: func(line string) { lines <- line }, Died: func(err error) { died <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, lines, died
}

func TestStop(t *testing.T) {
	p, lines, died := shell(t, "echo ready; echo set >&2; exec sleep 100")
	if a, b := <-lines, <-lines; a != "ready" || b != "set" {
		t.Errorf("it printed %q and %q", a, b)
	}
	p.Stop()
	select {
	case err := <-died:
		t.Errorf("it was said to have died: %v", err)
	default:
	}
	if log, err := os.ReadFile(p.Log()); err != nil || string(log) != "ready\nset\n" {
		t.Errorf("the log is %q, %v", log, err)
	}
	if got := p.Tail(); !slices.Equal(got, []string{"ready", "set"}) {
		t.Errorf("the last lines are %q", got)
	}
}

func TestDied(t *testing.T) {
	_, _, died := shell(t, "echo why; exit 3")
	if err := <-died; !strings.Contains(err.Error(), "the shell ended by itself: exit status 3") || !strings.Contains(err.Error(), "why") {
		t.Errorf("it died of %v", err)
	}
}

func TestHeir(t *testing.T) {
	var errs bytes.Buffer
	file := filepath.Join(t.TempDir(), "left")
	h, err := child.Hire(&errs, "/bin/sh", "-c", "cat; echo gone >"+file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("it did its work at once")
	}
	if err := h.Dismiss(); err != nil {
		t.Errorf("%v: %s", err, &errs)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}
