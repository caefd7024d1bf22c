package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"
)

// shown is the page whose commands a script runs, and what stands there for what.
type shown struct {
	Page
	names *strings.Replacer
}

// cmdPage says which page the script is about: page FILE [OLD=NEW...]. From then on a shell of the script finds fairlead and kubectl, which act as the
// administrator in the script's namespace; OLD in a command or a snippet of the page becomes NEW.
func (s *script) cmdPage(_ bool, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	p, err := ReadPage(filepath.Join("..", args[0]))
	if err != nil {
		return err
	}
	var pairs []string
	for _, a := range args[1:] {
		old, name, ok := strings.Cut(a, "=")
		if !ok {
			return errUsage
		}
		pairs = append(pairs, old, name)
	}
	s.page = &shown{Page: p, names: strings.NewReplacer(pairs...)}
	return s.desk()
}

// desk is what the reader of a page has: the programs, and a kubeconfig.
func (s *script) desk() error {
	w, err := s.world()
	if err != nil {
		return err
	}
	home := filepath.Join(s.ts.Getenv("WORK"), "home")
	for _, dir := range []string{".kube", "bin"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			return err
		}
	}
	for name, is := range map[string]string{"fairlead": "fairlead", "kubectl": "devcluster", "helm": "helm"} {
		bin, err := binary(is)
		if is == "helm" && err != nil {
			continue // few pages show it, and it takes minutes to build
		}
		if err == nil {
			err = os.Symlink(bin, filepath.Join(home, "bin", name))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) { // a script may be about several pages
			return err
		}
	}
	config, err := clientcmd.LoadFromFile(w.Kubeconfig)
	if err != nil {
		return err
	}
	config.Contexts[config.CurrentContext].Namespace = s.namespace
	kubeconfig := filepath.Join(home, ".kube", "config")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		return err
	}
	for k, v := range map[string]string{
		"HOME": home, "KUBECONFIG": kubeconfig, "KUBECACHEDIR": filepath.Join(w.Dir, "kubectl-cache"), "FAIRLEAD_SERVER": "http://" + w.ctl.Addr(),
		"PATH":              filepath.Join(home, "bin") + string(os.PathListSeparator) + s.ts.Getenv("PATH"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1",
	} {
		s.ts.Setenv(k, v)
	}
	return nil
}

// cmdShown runs the command of the page that begins so: shown [-wait] [-until REGEXP] COMMAND. With -wait it is run again until it ends as it should; one that
// goes on by itself is ended when it has printed what matches.
func (s *script) cmdShown(neg bool, args []string) error {
	wait := len(args) > 0 && args[0] == "-wait"
	if wait {
		args = args[1:]
	}
	until, args := option(args, "-until", "")
	if len(args) != 1 || s.page == nil {
		return errUsage
	}
	text, err := s.page.Command(args[0])
	if err != nil {
		return err
	}
	text = s.page.names.Replace(text)
	run := func(context.Context) error {
		err := s.ts.Exec("bash", "-euo", "pipefail", "-c", text)
		switch {
		case neg && err == nil:
			return fmt.Errorf("%s: unexpected success", text)
		case neg || err == nil:
			return nil
		}
		return fmt.Errorf("%s: %w", text, err)
	}
	switch {
	case until != "":
		return s.runUntil(until, text)
	case wait:
		return Wait(s.ctx(), run)
	}
	return run(s.ctx())
}

// cmdSnippet writes the YAML block of the page that has a text into a file: snippet TEXT FILE.
func (s *script) cmdSnippet(_ bool, args []string) error {
	if len(args) != 2 || s.page == nil {
		return errUsage
	}
	text, err := s.page.Snippet(args[0])
	if err != nil {
		return err
	}
	path := s.ts.MkAbs(args[1])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(s.page.names.Replace(text)), 0o644)
}

// runUntil runs a command that goes on until it is told to end, and tells it when it has printed what it should.
func (s *script) runUntil(until, text string) error {
	re, err := regexp.Compile(until)
	if err != nil {
		return err
	}
	cmd := exec.Command("bash", "-c", "exec "+text)
	cmd.Dir, cmd.Env = s.ts.MkAbs("."), os.Environ()
	for _, k := range []string{"HOME", "KUBECONFIG", "PATH", "FAIRLEAD_SERVER"} {
		cmd.Env = append(cmd.Env, k+"="+s.ts.Getenv(k))
	}
	var out printed
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &out, dies()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	early := false
	err = Wait(s.ctx(), func(context.Context) error {
		select {
		case <-ended:
			early = true
		default:
		}
		if early || re.MatchString(out.String()) {
			return nil
		}
		return fmt.Errorf("%s has not printed %s, but\n%s", text, until, out.String())
	})
	if early {
		return fmt.Errorf("%s ended by itself:\n%s", text, out.String())
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-ended
	return err
}

// printed is what a running program has printed so far.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}
