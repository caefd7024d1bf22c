package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/api/crds"
	"github.com/fairlead-cd/fairlead/internal/check"
	"github.com/fairlead-cd/fairlead/internal/check/form"
	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/schema"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/survey"
)

// checkOptions are the flags of check.
type checkOptions struct {
	renderOptions
	kubernetes, namespace, since, failOn string
	paths, crds                          []string
}

func checkCommand(w IO) *cobra.Command {
	o := checkOptions{failOn: check.Error.String()}
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Find what is wrong with the apps in a directory, without a cluster",
		Long: `Renders every app in a directory of a working tree, and says what is wrong with them: what does not render, fields
that a kind does not have, apiVersions that are gone, references to objects, keys and ports that do not exist, and more.
Each finding names file, line and column in the source, also through Kustomize, and what to do. No cluster and no network
is used, but with --fetch that of charts and bases that are not in the tree.

Which directories are apps is said by the Environment objects in the tree, as it is to the controller, or by --path. Else
it is guessed: each kustomization that no other one builds upon, each main.jsonnet, and each directory of manifests.

A file ` + check.ConfigFile + ` at or above DIR tunes the rules. They are listed at docs/reference/check.md.

Exit codes: 0 nothing is wrong (warnings and notes do not count, unless --fail-on says so), 1 something is, 2 wrong usage.`,
		Example: `  fairlead check .
  fairlead check . --path 'apps/*/production'
  fairlead check . --since origin/main -o github
  fairlead check apps/web --kubernetes-version 1.34 --crds platform/crds`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("say which directory: check takes exactly one, for example 'fairlead check .'")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.root, "root", "", "directory that nothing outside of is read (default: the root of the Git repository, or DIR)")
	f.StringArrayVar(&o.paths, "path", nil, "pattern of directories below DIR that are apps, such as 'apps/*/production'; may be repeated")
	f.StringVarP(&o.namespace, "namespace", "n", "", "namespace of objects that name none, where no Environment says it; {app} stands for the app's name")
	f.StringVar(&o.kubernetes, "kubernetes-version", "", "version of Kubernetes to check for: "+strings.Join(schema.Versions(), ", ")+" (default: the last)")
	f.StringArrayVar(&o.crds, "crds", nil, "directory or file of CustomResourceDefinitions besides those in the tree; may be repeated")
	f.StringVar(&o.since, "since", "", "only apps that what has changed since this branch, tag or commit bears on")
	f.StringVar(&o.failOn, "fail-on", o.failOn, "least severity for exit code 1: error, warning, note")
	o.fetch.flags(cmd)
	o.form.flag(cmd, form.Names...)
	return cmd
}

func (o *checkOptions) run(ctx context.Context, w IO) error {
	debug.SetGCPercent(400) // a check is short: what it would collect is gone soon anyway
	failOn := map[string]check.Severity{"error": check.Error, "warning": check.Warning, "note": check.Note}[o.failOn]
	if failOn == check.Off {
		return usagef("--fail-on %q: want one of error, warning, note", o.failOn)
	}
	root, dir, err := o.where()
	if err != nil {
		return err
	}
	tree, err := localtree.Open(root)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	s := session{options: o, root: root, dir: dir, tree: tree}
	var end func()
	if s.fetch, end, err = o.fetch.begin(ctx, w); err != nil {
		return err
	}
	defer end()
	result, err := s.check(ctx)
	if err != nil {
		return err
	}
	result.FailOn, result.Version, result.Colour = failOn, version, w.colours(w.Out)
	if err := form.Write(w.Out, form.Form(o.form), result); err != nil {
		return err
	}
	if result.Failed() {
		return outcome{code: codeFailed, err: errors.New("something is wrong"), said: true}
	}
	return nil
}

// where is place, but that a directory without a Git repository around it is its own root.
func (o *checkOptions) where() (root, dir string, err error) {
	full, err := filepath.Abs(o.dir)
	if err != nil {
		return "", "", err
	}
	if o.root == "" && enclosing(resolve(full)) == "" {
		o.root = o.dir
	}
	return o.place()
}

// session is one check.
type session struct {
	options    *checkOptions
	root, dir  string
	tree       *localtree.Tree
	config     check.Config
	configFile string // empty: there is none
	extra      []object.Object
	fetch      render.Outside
}

func (s *session) check(ctx context.Context) (form.Result, error) {
	if err := s.configure(); err != nil {
		return form.Result{}, err
	}
	catalog, err := schema.Builtin(s.config.Kubernetes)
	if err != nil {
		return form.Result{}, usageError{err}
	}
	found, err := survey.Find(survey.Request{Tree: s.tree, Dir: s.dir, Patterns: s.config.Apps, Namespace: s.options.namespace})
	if err != nil {
		return form.Result{}, err
	}
	if len(found.Apps)+len(found.Problems)+len(found.Charts) == 0 {
		return form.Result{}, fmt.Errorf("%s: there is no app: a directory with a kustomization.yaml or with manifests is one, or what --path says", s.options.dir)
	}
	apps, err := survey.Render(ctx, s.tree, found.Apps, s.fetch)
	if err != nil {
		return form.Result{}, err
	}
	if s.options.since != "" {
		if err := s.unchanged(ctx, found, apps); err != nil {
			return form.Result{}, err
		}
	}
	in := check.Input{Catalog: catalog, Config: s.config, Definitions: s.extra}
	result := form.Result{Kubernetes: catalog.Version(), Shown: s.shown(), Asides: asides(found)}
	for _, a := range apps {
		in.Apps = append(in.Apps, a.App)
		if !a.Hidden {
			result.Apps = append(result.Apps, a.Title())
		}
	}
	in.Misnamed = found.Problems
	result.Asides = append(result.Asides, closedAside(apps)...)
	result.Findings = check.Run(in)
	return result, nil
}

// configure reads the configuration and the definitions that it and the flags name.
func (s *session) configure() error {
	for at := s.dir; ; at = path.Dir(at) {
		file := path.Join(at, check.ConfigFile)
		data, err := s.tree.ReadFile(file)
		if err == nil {
			if s.config, err = check.ParseConfig(file, data); err != nil {
				return err
			}
			s.configFile = file
			s.config = s.config.Below(at)
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if at == "." {
			break
		}
	}
	if s.options.kubernetes != "" {
		s.config.Kubernetes = s.options.kubernetes
	}
	if len(s.options.paths) > 0 {
		s.config.Apps = nil
		for _, p := range s.options.paths {
			s.config.Apps = append(s.config.Apps, path.Join(s.dir, p))
		}
	}
	return s.definitions()
}

// definitions reads the CustomResourceDefinitions of Fairlead itself, and those that are named.
func (s *session) definitions() error {
	own, err := crds.Files.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range own {
		data, err := crds.Files.ReadFile(e.Name())
		if err != nil {
			return err
		}
		objs, err := object.Parse(e.Name(), data)
		if err != nil {
			return err
		}
		s.extra = append(s.extra, objs...)
	}
	for _, name := range s.config.CRDs {
		if err := s.define(filepath.Join(s.root, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	for _, name := range s.options.crds {
		if err := s.define(name); err != nil {
			return err
		}
	}
	return nil
}

// define reads the CustomResourceDefinitions of a file, or of a directory and below.
func (s *session) define(name string) error {
	before := len(s.extra)
	err := filepath.WalkDir(name, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		objs, err := object.Parse(file, data)
		for _, o := range objs {
			if schema.IsDefinition(o) {
				s.extra = append(s.extra, o)
			}
		}
		return err
	})
	if err == nil && len(s.extra) == before {
		err = fmt.Errorf("%s holds no CustomResourceDefinition", name)
	}
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--crds, or crds in %s: there is no %s", check.ConfigFile, name)
	}
	return err
}

// shown makes paths of the tree relative to where the person is.
func (s *session) shown() func(string) string {
	here, err := os.Getwd()
	if err != nil {
		return nil
	}
	from, err := filepath.Rel(resolve(here), s.root)
	if err != nil {
		return nil
	}
	return func(p string) string {
		if p == "" {
			return p
		}
		return filepath.Join(from, filepath.FromSlash(p))
	}
}

// closedAside says that there was something that nobody here can open.
func closedAside(apps []survey.Rendered) []string {
	files := map[string]bool{}
	for _, a := range apps {
		for _, at := range a.Closed {
			if !a.Hidden {
				files[at.File] = true
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	return []string{"values in " + plural(len(files), "file") + " are encrypted, and were not looked at: placeholders stood for them"}
}

func asides(found survey.Found) []string {
	var out []string
	if n := len(found.Charts); n > 0 {
		out = append(out, fmt.Sprintf("%s not checked: %s", count(n, "Helm chart"), clipList(found.Charts)))
	}
	if len(found.Idle) > 0 {
		out = append(out, fmt.Sprintf("no directory here is an app of %s: %s", count(len(found.Idle), "environment"), clipList(found.Idle)))
	}
	return out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clipList(all []string) string {
	const most = 3
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}

var (
	_ source.Tree   = (*localtree.Tree)(nil)
	_ check.Origins = (*origin.Finder)(nil)
)
