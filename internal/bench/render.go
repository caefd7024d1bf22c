package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/ignore"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// renders is what is rendered, whatever the size of the run.
var renders = workload.Renders{Overlays: 1000, Bases: 10, Charts: 200}

// renderChanges is how many commits of one line are timed of each kind.
const renderChanges = 20

// gallery is a mirror of a repository, and what its apps were rendered from. It finds what a commit concerns as the controller does: by the directories that
// were read.
type gallery struct {
	mirror *git.Mirror
	repo   *gitserver.Repo
	tree   source.Tree
	apps   []*picture
	at     map[string]*picture
}

// picture is one app.
type picture struct {
	dir    string
	memory render.Memory
	inputs source.Inputs
	took   time.Duration
}

// rendering measures what it takes to render, without a cluster: all apps of each kind at once, then after a commit of one line, and of one base.
func (s *stage) rendering(ctx context.Context) error {
	s.say("render: %d overlays, %d charts", renders.Overlays, renders.Charts)
	repo, err := s.git.Create(ctx, "renders")
	if err != nil {
		return err
	}
	if _, err := repo.Commit(ctx, "main", "what is rendered", gitserver.Files(renders.Files())); err != nil {
		return err
	}
	mirror, err := git.Open(filepath.Join(s.dir, "renders"), s.git.URL("renders"), git.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = mirror.Close() }()
	var out figures.Render
	for _, k := range []struct {
		n    int
		dir  func(int) string
		file func(int, string) (string, string)
		to   *figures.Rendered
	}{{renders.Overlays, renders.Overlay, renders.OverlayFile, &out.Overlays}, {renders.Charts, renders.Chart, renders.ValuesFile, &out.Charts}} {
		g := &gallery{mirror: mirror, repo: repo, at: map[string]*picture{}}
		for i := range k.n {
			p := &picture{dir: k.dir(i)}
			g.apps, g.at[p.dir] = append(g.apps, p), p
		}
		if *k.to, err = g.measure(ctx, k.file); err != nil {
			return err
		}
		if k.to == &out.Overlays {
			file, text := renders.BaseFile(0, "1")
			if out.Base.Renders, out.Base.MS, err = g.commit(ctx, file, text); err != nil {
				return err
			}
			out.Base.Dependents = renders.Over(0)
		}
	}
	s.run.Render = &out
	return nil
}

// measure renders all apps, and those that commits of one line concern.
func (g *gallery) measure(ctx context.Context, file func(int, string) (string, string)) (figures.Rendered, error) {
	var err error
	if g.tree, err = g.fetch(ctx); err != nil {
		return figures.Rendered{}, err
	}
	began := time.Now()
	if err := g.render(g.apps); err != nil {
		return figures.Rendered{}, err
	}
	r := figures.Rendered{Apps: len(g.apps), ColdS: figures.Round(time.Since(began).Seconds())}
	each := make([]time.Duration, len(g.apps))
	for i, p := range g.apps {
		each[i] = p.took
	}
	r.EachMS = figures.SpreadOf(each)
	all := make([]time.Duration, renderChanges)
	for i := range all {
		path, text := file(i*len(g.apps)/renderChanges, strconv.Itoa(i+1))
		n, ms, err := g.commit(ctx, path, text)
		if err != nil {
			return figures.Rendered{}, err
		}
		all[i], r.ChangeRenders = time.Duration(ms*float64(time.Millisecond)), max(r.ChangeRenders, n)
	}
	r.ChangeMS = figures.SpreadOf(all)
	return r, nil
}

// fetch brings the newest commit into the mirror.
func (g *gallery) fetch(ctx context.Context) (source.Tree, error) {
	heads, err := g.mirror.Resolve(ctx, git.Auth{}, []source.Ref{{Branch: "main"}})
	if err != nil {
		return nil, err
	}
	if heads, err = g.mirror.Fetch(ctx, git.Auth{}, []source.Resolved{heads[0].Resolved}); err != nil {
		return nil, err
	}
	snapshot, err := g.mirror.Snapshot(ctx, heads[0].Commit)
	return snapshot.Tree, err
}

// commit changes a file, and renders what that concerns. It returns how many apps those are, and how long it took once the commit was fetched.
func (g *gallery) commit(ctx context.Context, file, text string) (int, float64, error) {
	if _, err := g.repo.Commit(ctx, "main", "one line", gitserver.Write(file, text)); err != nil {
		return 0, 0, err
	}
	tree, err := g.fetch(ctx)
	if err != nil {
		return 0, 0, err
	}
	readers := map[string][]*picture{}
	for _, p := range g.apps {
		for _, dir := range p.inputs.Dirs(ignore.Is) {
			readers[dir] = append(readers[dir], p)
		}
	}
	began := time.Now()
	diff, err := source.Diff(g.tree, tree)
	if err != nil {
		return 0, 0, err
	}
	g.tree = tree
	var concerned []*picture
	seen := map[*picture]bool{}
	for _, dir := range diff.Dirs {
		for _, p := range readers[dir] {
			same, err := p.inputs.Unchanged(tree)
			if err != nil {
				return 0, 0, err
			}
			if !same && !seen[p] {
				seen[p] = true
				concerned = append(concerned, p)
			}
		}
	}
	err = g.render(concerned)
	return len(concerned), figures.Round(float64(time.Since(began)) / float64(time.Millisecond)), err
}

// render renders apps, as many at once as there are cores.
func (g *gallery) render(apps []*picture) error {
	var next atomic.Int64
	errs := make([]error, min(runtime.GOMAXPROCS(0), len(apps)))
	var all sync.WaitGroup
	for w := range errs {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(apps) && errs[w] == nil; i = int(next.Add(1)) - 1 {
				errs[w] = apps[i].render(g.tree)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *picture) render(tree source.Tree) error {
	began := time.Now()
	name := filepath.Base(p.dir)
	res, err := render.Render(render.Request{
		Tree: tree, Dir: p.dir, Place: render.Place{App: name, Environment: environment, Home: tenant, Namespace: name}, Memory: &p.memory,
	})
	if err != nil {
		return fmt.Errorf("render %s: %w", p.dir, err)
	}
	if len(res.Objects) != 4 {
		return fmt.Errorf("render %s: there are %d objects, want 4: the benchmark no longer does what it says", p.dir, len(res.Objects))
	}
	p.inputs, p.took = res.Inputs, time.Since(began)
	return nil
}
