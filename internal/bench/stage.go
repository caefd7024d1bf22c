package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/child"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Names of what the benchmark makes in its control plane.
const (
	tenant      = "bench" // namespace of the Repository and the Environment
	repository  = "config"
	environment = "w"
	own         = "fairlead-system"
	manager     = "fairlead-bench"
)

// stage is all that runs during one run.
type stage struct {
	Options
	size  workload.Workload
	first bool // of the runs
	died  func(error)

	dir     string
	heir    *child.Heir
	cluster *child.Process
	engine  *engine
	git     *gitserver.Server
	repo    *gitserver.Repo
	head    source.Commit

	config   *rest.Config
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	metadata metadata.Interface

	objects   map[string]*observer // of the workload's kinds, by resource: metadata alone
	settings  *observer            // of the ConfigMaps that are changed: the value of one key
	envStatus *observer            // of the Environment: what status says of the commit and of the apps

	commits int // makes the values of all changes different
	from    map[int]map[int]workload.Source
	peak    int64 // memory of the processes that have ended
	run     figures.Run
}

// roomPerObject is how much the data of one object may take: etcd keeps every version of it until it is compacted.
const roomPerObject, roomAtLeast = 100 << 10, 1 << 30

// place chooses a directory, and says what it is.
func place(o Options, size workload.Workload) (dir, what string) {
	if o.Dir != "" {
		return o.Dir, o.Dir
	}
	if free(memoryDir) > roomAtLeast+roomPerObject*int64(size.Total()) {
		return memoryDir, "tmpfs " + memoryDir
	}
	return os.TempDir(), "disk " + os.TempDir()
}

// open makes the directory and starts the control plane, with the namespaces of the apps in it.
func (s *stage) open(ctx context.Context) error {
	base, what := place(s.Options, s.size)
	s.run.Machine = machine(ctx, s.Fairlead)
	s.run.Machine.Data, s.run.Machine.Profiled = what, s.Profiles != ""
	s.run.N, s.run.ObjectsPerApp = s.size.Apps, s.size.Sets*workload.PerSet
	var err error
	if s.dir, err = os.MkdirTemp(base, "fairlead-bench-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	// The demo's janitor removes a directory when the one who hired it is gone.
	if s.heir, err = child.Hire(s.Progress, s.Fairlead, "demo", "janitor", "--dir", s.dir); err != nil {
		return err
	}
	s.say("control plane: starting, data on %s", what)
	if err := s.startPlane(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := s.makeNamespaces(ctx); err != nil {
		return err
	}
	s.say("%d namespaces: ready after %.1f s", s.size.Apps, time.Since(began).Seconds())
	return nil
}

// openEngine fills the repository and starts the controller. It returns when that leads, and has nothing to do.
func (s *stage) openEngine(ctx context.Context) error {
	var err error
	if s.git, err = gitserver.Start(gitserver.Options{Dir: filepath.Join(s.dir, "git")}); err != nil {
		return err
	}
	if s.repo, err = s.git.Create(ctx, repository); err != nil {
		return err
	}
	if s.head, err = s.repo.Commit(ctx, "main", "the workload", gitserver.Files(s.size.Files())); err != nil {
		return err
	}
	if err := s.applyTenant(ctx); err != nil {
		return err
	}
	return s.startEngine(ctx)
}

func (s *stage) startEngine(ctx context.Context) error {
	if err := s.startController(ctx); err != nil {
		return err
	}
	_, err := s.engine.quiet(ctx)
	return err
}

// close ends everything and removes what is left. It waits for that.
func (s *stage) close() error {
	if s.dir == "" {
		return nil
	}
	s.engine.stop()
	if s.git != nil {
		_ = s.git.Close()
	}
	s.cluster.Stop()
	if s.heir == nil {
		return os.RemoveAll(s.dir)
	}
	return s.heir.Dismiss()
}

// explain adds the last words of the controller to an error, where the reason may be.
func (s *stage) explain(err error) error {
	if s.engine == nil || errors.Is(err, context.Canceled) {
		return err
	}
	for _, line := range s.engine.process.Tail() {
		s.say("controller: %s", line)
	}
	return err
}
