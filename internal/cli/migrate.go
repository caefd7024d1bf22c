package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/migrate"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// migrateOptions are the flags of migrate.
type migrateOptions struct {
	target
	migrate.Options
	dir, write string
}

// deliverer is another engine whose objects are understood.
type deliverer struct {
	name   string
	groups string // what its API groups end in
	means  func([]object.Object, migrate.Options) migrate.Result
}

var deliverers = []deliverer{
	{"flux", "toolkit.fluxcd.io", migrate.Flux},
	{"argocd", "argoproj.io", migrate.ArgoCD},
}

func migrateCommand(w IO) *cobra.Command {
	var o migrateOptions
	cmd := &cobra.Command{
		Use:   "migrate flux|argocd [DIR]",
		Short: "Write the Environments that mean what Flux or Argo CD is told",
		Long: `Reads the objects of Flux (GitRepository, OCIRepository, HelmRepository, Kustomization, HelmRelease) or of Argo CD (Application,
ApplicationSet, AppProject) from the manifests in a directory, or from the cluster, and prints the Repositories and Environments
that mean the same. A report says what has no equal, and what to do about it, and names each field that is not known. Nothing
is changed.

The Environments are suspended: 'fairlead adopt' shows what taking over would do, stops the other engine, and lets them begin.

A chart that stands in a HelmRelease or an Application becomes a directory with a fairlead.yaml. With --write those are
files below a directory, to be committed to the Repository that --repository names.`,
		Example: `  fairlead migrate flux clusters/production
  fairlead migrate flux --write fairlead/production --environment production
  fairlead migrate argocd -n argocd --into shop --write fairlead`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 || delivererOf(args[0]) == nil {
				return errors.New("say what it comes from, flux or argocd, and, if not from the cluster, in which directory its objects are")
			}
			return nil
		},
		ValidArgs: []string{"flux", "argocd"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				o.dir = args[1]
			}
			return o.run(cmd.Context(), w, *delivererOf(args[0]))
		},
	}
	f := cmd.Flags()
	o.clusterFlags(f)
	f.StringVarP(&o.namespace, "namespace", "n", "", "namespace of the cluster that is looked at (default: all)")
	f.StringVar(&o.Namespace, "into", "", "namespace of what is written (default: that of the objects it is made of)")
	f.StringVar(&o.Environment, "environment", "production", "name of the Environment; further ones have it in front")
	f.StringVar(&o.Repository, "repository", "", "Repository that the written files are committed to (default: the only one there is)")
	f.StringVar(&o.write, "write", "", "directory to write to, instead of printing")
	f.StringVar(&o.Dir, "path", "", "where that directory is in its repository (default: as it is in the Git repository around it)")
	return cmd
}

func delivererOf(name string) *deliverer {
	for i := range deliverers {
		if deliverers[i].name == name {
			return &deliverers[i]
		}
	}
	return nil
}

func (o *migrateOptions) run(ctx context.Context, w IO, from deliverer) error {
	objs, templates, where, err := o.read(ctx, w, from)
	if err != nil {
		return err
	}
	if len(objs) == 0 {
		return fmt.Errorf("%s: there is no object of %s", where, from.name)
	}
	if o.write != "" && o.Dir == "" {
		if o.Dir, err = inRepository(o.write); err != nil {
			return err
		}
	}
	if o.dir != "" {
		tree, done, err := treeAround(o.dir)
		if err != nil {
			return err
		}
		defer done()
		o.Tree = tree
	}
	res := from.means(objs, o.Options)
	for _, name := range templates {
		if !slices.Contains(res.Read, o.Tree.Path(name)) {
			_, _ = fmt.Fprintf(w.Err, "%s: a template of a chart that no order here delivers: give what 'helm template' prints, or read the cluster\n", name)
		}
	}
	if o.write == "" {
		return o.print(w, res)
	}
	return o.save(w, res)
}

// read returns the objects of an engine, the templates that may make more of them, and where all that was looked for.
func (o *migrateOptions) read(ctx context.Context, w IO, from deliverer) (objs []object.Object, templates []string, where string, err error) {
	if o.dir != "" {
		objs, templates, err = ordered(o.dir, from)
		return objs, templates, o.dir, err
	}
	config, err := o.config(w)
	if err != nil {
		return nil, nil, "", err
	}
	objs, err = running(ctx, config, from, o.namespace)
	return objs, nil, "the cluster", err
}

// kustomizations are the files that Kustomize is told by.
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// ordered are the objects in the manifests of a directory, and the templates of charts that order something as well.
func ordered(dir string, from deliverer) (out []object.Object, templates []string, err error) {
	tree, err := localtree.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = tree.Close() }()
	charts := map[string]bool{} // directories of templates
	of := `"?apiVersion"?:\s*"?([a-z.]*\.)?` + regexp.QuoteMeta(from.groups) + "/"
	orders, manifest := regexp.MustCompile(`(?m)^\s*`+of), regexp.MustCompile(`(?m)^`+of)
	err = fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != "." && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case e.IsDir() && e.Name() == "templates":
			_, err := fs.Stat(tree, path.Join(path.Dir(name), "Chart.yaml"))
			charts[name] = err == nil || charts[path.Dir(name)]
			return nil
		case e.IsDir():
			charts[name] = charts[path.Dir(name)]
			return nil
		case !e.Type().IsRegular(), path.Ext(name) != ".yaml" && path.Ext(name) != ".yml" && path.Ext(name) != ".json":
			return nil
		}
		if slices.Contains(kustomizations, e.Name()) { // it speaks of what it patches
			return nil
		}
		data, err := tree.ReadFile(name)
		if err != nil || !bytes.Contains(data, []byte(from.groups)) {
			return err
		}
		objs, err := object.Parse(path.Join(filepath.ToSlash(dir), name), data)
		if err != nil && charts[path.Dir(name)] {
			if orders.Match(data) {
				templates = append(templates, path.Join(filepath.ToSlash(dir), name))
			}
			return nil
		}
		if err != nil && path.Ext(name) != ".json" && !manifest.Match(data) { // values of a chart, or a patch
			return nil
		}
		for _, x := range objs {
			if ofEngine(x.Key().Group, from) {
				out = append(out, x)
			}
		}
		return err
	})
	return out, templates, err
}

func ofEngine(group string, e deliverer) bool {
	return group == e.groups || strings.HasSuffix(group, "."+e.groups)
}

// running are the objects of an engine in a namespace of a cluster, or in all.
func running(ctx context.Context, config *rest.Config, from deliverer, namespace string) ([]object.Object, error) {
	disc, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	served, err := disc.ServerPreferredResources()
	if err != nil && (len(served) == 0 || missing(err, from)) {
		return nil, fmt.Errorf("ask which kinds the cluster serves: %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	var out []object.Object
	for _, list := range served {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil || !ofEngine(gv.Group, from) {
			continue
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			found, err := client.Resource(gv.WithResource(r.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) {
				continue // its definition went
			}
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", r.Name, err)
			}
			for _, u := range found.Items {
				out = append(out, object.New(u.Object))
			}
		}
	}
	return out, nil
}

// missing reports whether a group of an engine is among those that could not be asked about: what it holds would be taken for nothing.
func missing(err error, from deliverer) bool {
	var failed *discovery.ErrGroupDiscoveryFailed
	if !errors.As(err, &failed) {
		return true
	}
	for gv := range failed.Groups {
		if ofEngine(gv.Group, from) {
			return true
		}
	}
	return false
}

// print prints the objects and files, and the report to those who read along.
func (o *migrateOptions) print(w IO, res migrate.Result) error {
	if _, err := w.Out.Write(object.Stream(res.Objects)); err != nil {
		return err
	}
	for _, f := range res.Files {
		if _, err := fmt.Fprintf(w.Out, "---\n# %s\n%s", f.Path, f.Text); err != nil {
			return err
		}
	}
	report(w.Err, res.Notes)
	return nil
}

// report says what has no equal.
func report(to io.Writer, notes []migrate.Note) {
	if len(notes) == 0 {
		_, _ = fmt.Fprintln(to, "everything has an equal")
		return
	}
	_, _ = fmt.Fprintln(to, "to look at:")
	for _, n := range folded(notes) {
		_, _ = fmt.Fprintf(to, "  %s\n", n)
	}
}

// folded are notes of which those that say the same of objects of one kind are one, where the first is.
func folded(notes []migrate.Note) []migrate.Note {
	var out []migrate.Note
	at := map[[3]string]int{}
	for _, n := range notes {
		kind, name, _ := strings.Cut(n.About, " ")
		key := [3]string{kind, n.Field, n.Text}
		if i, same := at[key]; same {
			out[i].About += ", " + name
			continue
		}
		at[key] = len(out)
		out = append(out, n)
	}
	return out
}

// save writes the files. If one is there that says something else, none is written.
func (o *migrateOptions) save(w IO, res migrate.Result) error {
	var repositories, environments []object.Object
	for _, x := range res.Objects {
		if x.Kind() == "Repository" {
			repositories = append(repositories, x)
		} else {
			environments = append(environments, x)
		}
	}
	files := append([]migrate.File{
		{Path: "repositories.yaml", Text: string(object.Stream(repositories))}, {Path: "environments.yaml", Text: string(object.Stream(environments))},
	}, res.Files...)
	for _, f := range files {
		name := filepath.Join(o.write, filepath.FromSlash(f.Path))
		switch old, err := os.ReadFile(name); { //nolint:gosec // where the user says
		case err == nil && string(old) != f.Text:
			return fmt.Errorf("%s is there already, and says something else: nothing was written; remove it, or --write elsewhere", name)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	for _, f := range files {
		name := filepath.Join(o.write, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // to be committed: nothing in them is secret
			return err
		}
		if err := os.WriteFile(name, []byte(f.Text), 0o644); err != nil { //nolint:gosec // the same
			return err
		}
		_, _ = fmt.Fprintln(w.Out, name)
	}
	report(w.Out, res.Notes)
	return nil
}

// inRepository is where a directory, which need not be there yet, is in the Git repository around it; empty if there is none.
func inRepository(dir string) (string, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for root := full; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
			rel, err := filepath.Rel(root, full)
			return filepath.ToSlash(rel), err
		}
		if root == filepath.Dir(root) {
			return "", nil
		}
	}
}
