package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
	"github.com/fairlead-cd/fairlead/internal/series"
)

// Scripts runs the test scripts of a directory, two at a time on two cores.
//
// A script has a namespace of its own, $NS, named after its file, a Git server of its own, and shares one control plane and one controller with the other
// scripts, unless it begins with "plane own". What it puts outside of its namespace must have names of its own. Its commands are listed in test/script/README.md.
func Scripts(t *testing.T, dir string) {
	for _, name := range []string{"devcluster", "fairlead"} {
		Binary(t, name)
	}
	shared := sync.OnceValues(func() (*world, error) { return newWorld(t, Options{}, ControllerOptions{}) })
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return errors.New("testscript no longer hands the test on")
			}
			name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
			s := &script{tb: tb, shared: shared, namespace: strings.ReplaceAll(name, "_", "-"), branch: "main", file: filepath.Join(dir, name+".txtar")}
			env.Values[scriptKey{}] = s
			env.Setenv("NS", s.namespace)
			env.Setenv("SOON", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			return nil
		},
		Cmds: commands(),
	})
}

// world is a control plane and its controller.
type world struct {
	*Plane
	ctl *Controller
}

func newWorld(t testing.TB, o Options, c ControllerOptions) (*world, error) {
	p, err := start(t, o)
	if err != nil {
		return nil, err
	}
	ctl, err := p.controller(t, c)
	if err != nil {
		return nil, err
	}
	return &world{Plane: p, ctl: ctl}, nil
}

type scriptKey struct{}

// script is the state of one running script.
type script struct {
	tb        testing.TB
	file      string
	ts        *testscript.TestScript
	shared    func() (*world, error)
	own       *world
	namespace string
	branch    string
	git       *Git
	hooked    bool // the Repository takes webhooks
	before    series.Set
	audited   int64
	page      *shown
	registry  *registrytest.Server
	signers   map[string]registrytest.Key
	password  string // of the registry
}

func (s *script) ctx() context.Context { return s.tb.Context() }

// world is the control plane of the script: its own, or the one that all share.
func (s *script) world() (*world, error) {
	if s.own != nil {
		return s.own, nil
	}
	return s.shared()
}

// server is the Git server of the script, started with the first command that needs it.
func (s *script) server() (*Git, error) {
	if s.git != nil {
		return s.git, nil
	}
	return s.serve(gitserver.Options{})
}

func (s *script) serve(o gitserver.Options) (*Git, error) {
	if s.git != nil {
		return nil, errors.New("the Git server runs already")
	}
	o.Push = true // readers of pages push
	g, err := startGit(s.tb, o)
	if err != nil {
		return nil, err
	}
	s.git = g
	s.ts.Setenv("GIT_URL", g.URL())
	s.ts.Setenv("GIT_REPO", g.Dir)
	return g, nil
}

func (s *script) tenant() (*Tenant, error) {
	w, err := s.world()
	if err != nil {
		return nil, err
	}
	g, err := s.server()
	if err != nil {
		return nil, err
	}
	return &Tenant{Plane: w.Plane, Namespace: s.namespace, Git: g}, nil
}

// commands are those of scripts beyond the ones that testscript has.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range map[string]command{
		"plane": (*script).cmdPlane, "apiserver": (*script).cmdAPIServer, "controller": (*script).cmdController,
		"gitserver": (*script).cmdGitServer, "registry": (*script).cmdRegistry, "commit": (*script).cmdCommit, "git": (*script).cmdGit, "hook": (*script).cmdHook,
		"tenant": (*script).cmdTenant, "environment": (*script).cmdEnvironment, "apply": (*script).cmdApply,
		"settled": (*script).cmdSettled, "synced": (*script).cmdSynced,
		"waitfor": (*script).cmdWaitFor, "gone": (*script).cmdGone, "get": (*script).cmdGet, "let": (*script).cmdLet,
		"event": (*script).cmdEvent, "logged": (*script).cmdLogged,
		"edit": (*script).cmdEdit, "fight": (*script).cmdFight, "create": (*script).cmdCreate, "delete": (*script).cmdDelete,
		"kubectl": (*script).cmdKubectl, "helm": (*script).cmdHelm, "fairlead": (*script).cmdFairlead, "why": (*script).cmdWhy,
		"page": (*script).cmdPage, "shown": (*script).cmdShown, "snippet": (*script).cmdSnippet,
		"mark": (*script).cmdMark, "metric": (*script).cmdMetric, "requests": (*script).cmdRequests, "polls": (*script).cmdPolls, "same": (*script).cmdSame, "alike": (*script).cmdAlike, "audit": (*script).cmdAudit,
		"replace": (*script).cmdReplace, "expand": (*script).cmdExpand, "generate": (*script).cmdGenerate,
	} {
		all[name] = f.run
	}
	return all
}

// command is one command: what it returns is why it did not work. A command that may be negated looks at neg itself.
type command func(s *script, neg bool, args []string) error

var errUsage = errors.New("wrong arguments: see test/script/README.md")

func (c command) run(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := ts.Value(scriptKey{}).(*script)
	if !ok {
		ts.Fatalf("no script state")
	}
	s.ts = ts
	if err := c(s, neg, args); err != nil {
		s.explain()
		ts.Fatalf("%v", err)
	}
}

// explain logs how the namespace of the script stands.
func (s *script) explain() {
	w, err := s.world()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx()), Deadline)
	defer cancel()
	for _, kind := range []string{"repositories.fairlead.dev", "environments.fairlead.dev", "apps.fairlead.dev"} {
		list, err := w.Objects.List(ctx, s.namespace, kind)
		if err != nil {
			s.ts.Logf("%s: %v", kind, err)
		}
		for i := range list {
			s.ts.Logf("%s", w.Objects.Print(ctx, s.namespace, kind+"/"+list[i].GetName()))
		}
	}
	s.ts.Logf("controller:\n%s", w.ctl.Tail(s.namespace, 60))
}

// option takes a flag with a value from the front of args: "-n other rest" gives "other".
func option(args []string, flag, otherwise string) (string, []string) {
	if len(args) > 1 && args[0] == flag {
		return args[1], args[2:]
	}
	return otherwise, args
}

func (s *script) cmdReplace(_ bool, args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	path := s.ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(data), args[1]) {
		return fmt.Errorf("%s does not contain %q", args[0], args[1])
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(data), args[1], args[2])), 0o644)
}

// cmdExpand replaces ${NAME} in files by the variables of the script.
func (s *script) cmdExpand(_ bool, args []string) error {
	for _, name := range args {
		path := s.ts.MkAbs(name)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(s.expand(string(data))), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// expand replaces ${NAME}, but not $NAME, which manifests may hold.
func (s *script) expand(text string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		if v := s.ts.Getenv(name); ok && v != "" {
			b.WriteString(v)
			text = after
			continue
		}
		b.WriteString("${")
		text = rest
	}
}

// cmdGenerate makes N files from a template in which "#" stands for 1 to N: generate N TEMPLATE DIR/#/FILE.
func (s *script) cmdGenerate(_ bool, args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	n := 0
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		return err
	}
	template := s.ts.ReadFile(args[1])
	for i := range n {
		number := fmt.Sprint(i + 1)
		path := s.ts.MkAbs(strings.ReplaceAll(args[2], "#", number))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(template, "#", number)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
