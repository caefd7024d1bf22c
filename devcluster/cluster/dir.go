package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A dir is the directory of one cluster, as an absolute path.
type dir string

func (d dir) path(name ...string) string {
	return filepath.Join(append([]string{string(d)}, name...)...)
}

func (d dir) log(component string) string        { return d.path(component + ".log") }
func (d dir) kubeconfig(component string) string { return d.path(component + ".kubeconfig") }

// lock makes the calling process the only one that runs a cluster in d. The lock lasts until the file is
// closed in this process and in every child that inherited it.
func (d dir) lock(ctx context.Context) (*os.File, error) {
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// The children of a parent that was just killed need a moment to die.
	deadline := time.Now().Add(2 * time.Second)
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		if time.Now().After(deadline) {
			_ = f.Close()
			return nil, fmt.Errorf("%s is in use by another devcluster%s: stop that one or choose another --dir", d, holder(d))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", d, err)
	}
	return f, nil
}

func holder(d dir) string {
	if pid := d.number("lock"); pid > 0 {
		return fmt.Sprintf(" (process %d)", pid)
	}
	return ""
}

// locked tells whether a cluster runs in d.
func (d dir) locked() (bool, error) {
	f, err := os.Open(d.path("lock"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// number reads a file that holds one number; 0 if there is none.
func (d dir) number(name string) int {
	b, err := os.ReadFile(d.path(name))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

// write puts a file in place at once: a reader sees nothing, the old content or all of the new.
func (d dir) write(name string, content []byte) error {
	temp := d.path("." + name + ".new")
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, d.path(name))
}

// ready tells whether a cluster in d has become ready. One that was killed looks ready too.
func (d dir) ready() bool {
	_, err := os.Stat(d.path("kubeconfig"))
	return err == nil
}

// forget removes what only holds while a cluster is ready.
func (d dir) forget() {
	_ = os.Remove(d.path("kubeconfig"))
	_ = os.Remove(d.path("apiserver.pid"))
}

func pause(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(t):
		return nil
	}
}
