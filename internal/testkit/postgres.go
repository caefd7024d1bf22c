package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Postgres is a PostgreSQL server as a process, with data of its own in a directory that goes with the test.
type Postgres struct {
	dir, bin  string
	attr      *syscall.SysProcAttr
	server    *exec.Cmd
	ended     chan struct{}
	said      *bytes.Buffer
	databases atomic.Int64
}

// StartPostgres starts a PostgreSQL that runs until the test ends. The test fails if PostgreSQL is not installed.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p, err := startPostgres(t)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func startPostgres(t testing.TB) (*Postgres, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") //nolint:usetesting // a socket's path is bounded, and nobody else may enter the directory of a test
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir, bin: bin, attr: dies()}
	t.Cleanup(func() {
		p.Stop()
		_ = os.RemoveAll(dir)
	})
	if err := p.drop(); err != nil {
		return nil, err
	}
	init := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=fairlead", "--encoding=UTF8", "--locale=C", "-D", filepath.Join(dir, "data"))
	init.SysProcAttr, init.Dir = p.attr, dir
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return p, p.start()
}

// postgresPrograms is the directory of initdb and postgres: Debian has it in none of PATH.
func postgresPrograms() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.Sort(found)
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: its server is what this is tested with (Debian: apt-get install postgresql; .ci/run does so)")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// drop lets the server run as somebody else if this is root, as whom it refuses to run.
func (p *Postgres) drop() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		who, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		as(p.attr, uint32(uid), uint32(gid)) //nolint:gosec // ids of this machine
		return os.Chown(p.dir, uid, gid)
	}
	return errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// start starts the server, and returns when it takes connections.
func (p *Postgres) start() error {
	p.said = &bytes.Buffer{}
	p.server = exec.Command(filepath.Join(p.bin, "postgres"), "-D", filepath.Join(p.dir, "data"), "-k", p.dir, "-c", "listen_addresses=", "-F")
	p.server.SysProcAttr, p.server.Dir, p.server.Stderr = p.attr, p.dir, p.said
	if err := p.server.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.ended = ended
	go func() {
		defer close(ended)
		_ = p.server.Wait()
	}()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			return fmt.Errorf("postgres: %v: %s", p.server.ProcessState, p.said)
		default:
		}
		if exec.Command(filepath.Join(p.bin, "psql"), "-h", p.dir, "-U", "fairlead", "-c", "SELECT 1", "postgres").Run() == nil {
			return nil
		}
	}
	return errors.New("postgres: no connection within a minute")
}

// Stop stops the server, at once for who is connected.
func (p *Postgres) Stop() {
	if p.server == nil || p.server.Process == nil {
		return
	}
	_ = p.server.Process.Signal(syscall.SIGINT)
	<-p.ended
}

// Start starts a server that was stopped, with the data that it had.
func (p *Postgres) Start(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

// ReadOnly lets the server be read and not be written, as one is that takes the place of another, or ends that.
func (p *Postgres) ReadOnly(t testing.TB, on bool) {
	t.Helper()
	for _, do := range []string{fmt.Sprintf("ALTER SYSTEM SET default_transaction_read_only = %t", on), "SELECT pg_reload_conf()"} {
		if out, err := exec.Command(filepath.Join(p.bin, "psql"), "-h", p.dir, "-U", "fairlead", "-c", do, "postgres").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", do, err, out)
		}
	}
}

// Database makes a database, and returns its address.
func (p *Postgres) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test", p.databases.Add(1))
	if out, err := exec.Command(filepath.Join(p.bin, "psql"), "-h", p.dir, "-U", "fairlead", "-c", "CREATE DATABASE "+name, "postgres").CombinedOutput(); err != nil {
		t.Fatalf("CREATE DATABASE: %v: %s", err, out)
	}
	return "postgres://fairlead@/" + name + "?host=" + url.QueryEscape(p.dir)
}
