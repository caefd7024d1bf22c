package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/preview"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// codeChanges is the exit code of plan --exit-code if something would be done.
const codeChanges = 4

// mostWhy is how much is told to the controller of why an app does not render, in characters.
const mostWhy = 2000

// planOptions are the flags of plan.
type planOptions struct {
	target
	name                            string
	to, from, repository, dir, root string
	all, exitCode, resumed          bool
	server, system                  string
	fetch                           fetchOptions
	form                            output
}

func planCommand(w IO) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [ENV | APP]",
		Short: "Show what would be done, and do nothing",
		Long: `Shows what Fairlead would do: every object that it would create, update, delete or hold, in that order, and which
fields would change. Without flags it is what is to be done as Git is now; with --to as if Git were at another commit; with
--dir as if the files of a directory of this machine were in Git. With --from and --to what two commits want is compared,
without the cluster.

The plan is made in the cluster by the controller, with the dry runs that it would make itself. Values of Secrets never leave
it: that they change is shown, by a keyed hash.

` + namesHelp + `

The controller is asked at --server, else through the API server. Who asks shows a token of the environment's
ServiceAccount, which the API server gives to who may create one, or, if $FAIRLEAD_PLAN_TOKEN is set, signs the request
with it: the planToken in the Secret of the environment's Repository. Then no credentials of the cluster are needed.

The exit code is 0 if there is a plan, and 1 if an app cannot be read: it is said where its plan would be, and the other apps
are planned all the same. With --exit-code: 0 nothing would be done, 4 something would, 3 something would be held, 1
something is refused or cannot be read.`,
		Example: `  fairlead plan production -n shop
  fairlead plan production --to feature-x -o markdown
  fairlead plan production/web --dir apps/web/production --exit-code
  fairlead plan production --from main --to feature-x`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one name at a time: %q is too much", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			return o.run(cmd.Context(), w)
		},
	}
	f := cmd.Flags()
	o.clusterFlags(f)
	o.namespaceFlag(cmd)
	o.fetch.flags(cmd)
	o.form.flag(cmd, "text", "json", "markdown")
	f.BoolVar(&o.all, "all", false, "all environments of the namespace")
	f.StringVar(&o.to, "to", "", "commit, branch or tag that Git would be at")
	f.StringVar(&o.from, "from", "", "commit, branch or tag to compare --to with, instead of the cluster")
	f.StringVar(&o.repository, "repository", "", "Repository that --to is in, if the environment follows several")
	f.StringVar(&o.dir, "dir", "", "directory of this machine: of an app, that of its files; of an environment, the root of the repository")
	f.StringVar(&o.root, "root", "", "with --dir: directory that nothing outside of is read (default: the root of the Git repository)")
	f.BoolVar(&o.resumed, "resumed", false, "as if what is suspended were not")
	f.BoolVar(&o.exitCode, "exit-code", false, "let the exit code tell whether something would be done")
	f.StringVar(&o.server, "server", "", "address of the controller (default: $FAIRLEAD_SERVER, else through the API server)")
	f.StringVar(&o.system, "fairlead-namespace", "fairlead-system", "Fairlead's own namespace, where the API server finds the controller")
	return cmd
}

func (o *planOptions) check(w IO) error {
	switch {
	case o.all == (o.name != ""):
		return usagef("name an environment or an app, or say --all")
	case o.dir != "" && o.to != "":
		return usagef("--dir and --to cannot both be meant")
	case o.from != "" && o.to == "":
		return usagef("--from needs --to: two commits are compared")
	case o.all && o.dir != "":
		return usagef("--dir is of one environment or app: name it")
	case o.root != "" && o.dir == "":
		return usagef("--root needs --dir")
	}
	o.server = cmp.Or(o.server, w.Getenv("FAIRLEAD_SERVER"))
	return nil
}

func (o *planOptions) run(ctx context.Context, w IO) error {
	if err := o.check(w); err != nil {
		return err
	}
	a, err := o.asker(w)
	if err != nil {
		return err
	}
	var replies []preview.Reply
	wants, err := o.wants(ctx, w, a)
	if err != nil {
		return err
	}
	var none []error
	for _, want := range wants {
		reply, err := a.ask(ctx, want)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil && len(wants) > 1:
			none = append(none, fmt.Errorf("environment %s: %w", want.Environment, err))
		case err != nil:
			return err
		default:
			reply.Apps = append(reply.Apps, want.nameless...)
			replies = append(replies, reply)
		}
	}
	if len(replies) > 0 {
		if err := o.print(w, replies); err != nil {
			return err
		}
	}
	if len(none) > 0 {
		return errors.Join(none...)
	}
	return o.code(replies)
}

// want is a request, and as whom it may be asked.
type want struct {
	preview.Request
	serviceAccount string
	// nameless are directories that cannot be apps, since they are called something else than an app can be.
	nameless []preview.App
}

// wants are the requests of one command line. With a signature nothing is asked of the API server, and names are taken as they are written.
func (o *planOptions) wants(ctx context.Context, w IO, a asker) ([]want, error) {
	if a.key != nil {
		env, app, _ := strings.Cut(o.name, "/")
		switch {
		case o.all:
			return nil, usagef("--all needs the credentials of the cluster: with a signature, name one environment")
		case o.namespace == "":
			return nil, usagef("with a signature, say with --namespace where the environment is")
		case o.dir != "" && app == "":
			return nil, usagef("with a signature, --dir is of one app: name ENV/APP, or plan a commit with --to")
		}
		x := want{Request: preview.Request{Namespace: o.namespace, Environment: env, App: app, To: o.to, From: o.from, Repository: o.repository, Resumed: o.resumed}}
		known := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: x.Namespace, Name: x.Environment}}
		if o.dir != "" {
			_, _ = fmt.Fprintln(w.Err, "note: what the Environment says of namespaces and variables is not read with a signature: what is rendered here may differ")
		}
		err := o.fill(ctx, w, &x, known)
		return []want{x}, err
	}
	namespace, err := o.place(w)
	if err != nil {
		return nil, err
	}
	c, err := o.connect(w)
	if err != nil {
		return nil, err
	}
	f, err := read(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	var out []want
	add := func(env *v1alpha1.Environment, app string) error {
		x := want{
			Request:        preview.Request{Namespace: env.Namespace, Environment: env.Name, App: app, To: o.to, From: o.from, Repository: o.repository, Resumed: o.resumed},
			serviceAccount: cmp.Or(env.Spec.Destination.ServiceAccount, "default"),
		}
		err := o.fill(ctx, w, &x, env)
		out = append(out, x)
		return err
	}
	if o.all {
		for i := range f.envs {
			if err := add(&f.envs[i], ""); err != nil {
				return nil, err
			}
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("there is no environment in %s", f.where)
		}
		return out, nil
	}
	env, app, err := f.planned(o.name)
	if err != nil {
		return nil, err
	}
	err = add(env, app)
	return out, err
}

// planned finds the environment that a name means, and the app, which need not exist yet.
func (f *fleet) planned(name string) (*v1alpha1.Environment, string, error) {
	first, app, isApp := strings.Cut(name, "/")
	for i := range f.envs {
		if f.envs[i].Name == first && (isApp || app == "") {
			return &f.envs[i], app, nil
		}
	}
	s, err := f.find(name, kinds{envs: true, apps: true})
	if err != nil {
		return nil, "", err
	}
	for i := range f.envs {
		if len(s.apps) > 0 && f.envs[i].Name == s.apps[0].Spec.Environment && f.envs[i].Namespace == s.apps[0].Namespace {
			return &f.envs[i], s.apps[0].Spec.Name, nil
		}
	}
	return nil, "", f.unknown(name, kinds{envs: true, apps: true})
}

// fill renders what a local directory wants.
func (o *planOptions) fill(ctx context.Context, w IO, x *want, env *v1alpha1.Environment) error {
	if o.dir == "" {
		return nil
	}
	if x.App != "" {
		r := renderOptions{dir: o.dir, root: o.root}
		root, dir, err := r.place()
		if err != nil {
			return err
		}
		tree, err := localtree.Open(root)
		if err != nil {
			return err
		}
		defer func() { _ = tree.Close() }()
		x.Rendered, err = o.renderAll(ctx, w, tree, env, map[string]string{x.App: dir})
		return err
	}
	root, err := filepath.Abs(o.dir)
	if err == nil {
		_, err = os.Stat(root)
	}
	if err != nil {
		return fmt.Errorf("%s: there is no such directory", o.dir)
	}
	tree, err := localtree.Open(resolve(root))
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	var read []discover.Source
	for _, s := range env.Spec.Sources {
		if o.repository != "" && s.Repository != o.repository {
			return errors.New("--dir is the whole of an environment: one that follows several Repositories cannot be planned from one directory")
		}
		res, err := discover.Named(tree, s.Path, s.Name)
		if err != nil {
			return err
		}
		read = append(read, discover.Source{Place: s.Path, Result: res})
	}
	all := discover.Merge(read...)
	dirs := map[string]string{}
	for _, found := range all.Found {
		dirs[found.Name] = found.Dir
	}
	x.Whole = true
	if x.Rendered, err = o.renderAll(ctx, w, tree, env, dirs); err != nil {
		return err
	}
	for _, p := range all.Problems {
		_, found := dirs[p.Name]
		switch {
		case len(validation.IsDNS1123Label(p.Name)) > 0: // nobody could be asked about an app of that name
			x.nameless = append(x.nameless, preview.App{Name: path.Base(p.Dir), Broken: p.String()})
		case !found:
			dirs[p.Name] = p.Dir
			x.Rendered = append(x.Rendered, preview.Rendered{App: p.Name, Broken: p.String()})
		}
	}
	return nil
}

// renderAll renders apps as the controller does, but that nobody is asked what is not in the tree: keys stay in the cluster, and plain text with them. Of an app
// that does not render it is said why: the others are planned all the same.
func (o *planOptions) renderAll(ctx context.Context, w IO, tree source.Tree, env *v1alpha1.Environment, dirs map[string]string) ([]preview.Rendered, error) {
	how := controller.DecryptionOf(env)
	how.Look = true
	fetch, done, err := o.fetch.begin(ctx, w)
	if err != nil {
		return nil, err
	}
	defer done()
	var out []preview.Rendered
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		dir := dirs[name]
		res, err := render.Render(render.Request{Tree: tree, Dir: path.Clean(dir), Place: controller.PlaceOf(env, name), Rules: controller.RulesOf(env).Elsewhere(), Decryption: how, Fetch: fetch})
		sayMissing(w, res.Closed, nil) // what of the cluster was not read, the plan says
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			out = append(out, preview.Rendered{App: name, Broken: clip(err.Error(), mostWhy)})
			continue
		}
		r := preview.Rendered{App: name, DependsOn: res.Declaration.DependsOn, Manifests: string(object.Stream(res.Objects)), Unread: res.Unread}
		for _, x := range res.Objects {
			r.Origins = append(r.Origins, x.Origin().String())
		}
		out = append(out, r)
	}
	return out, nil
}

func (o *planOptions) print(w IO, replies []preview.Reply) error {
	switch o.form {
	case "json":
		return o.form.print(w.Out, map[string]any{"plans": replies})
	case "markdown":
		_, err := fmt.Fprint(w.Out, preview.Markdown(replies...))
		return err
	}
	for i, r := range replies {
		if i > 0 {
			_, _ = fmt.Fprintln(w.Out)
		}
		if _, err := fmt.Fprint(w.Out, r.Text()); err != nil {
			return err
		}
	}
	return nil
}

// code is what the exit code says of the plans.
func (o *planOptions) code(replies []preview.Reply) error {
	if slices.ContainsFunc(replies, func(r preview.Reply) bool { return !r.IsPlan() }) {
		return outcome{code: codeFailed, err: errors.New("an app cannot be read"), said: true}
	}
	if !o.exitCode {
		return nil
	}
	code, what := codeDone, ""
	for _, r := range replies {
		switch {
		case r.Fails():
			return outcome{code: codeFailed, err: errors.New("something is refused, or cannot be read"), said: true}
		case r.Holds():
			code, what = codeHeld, "something would be held"
		case r.Changes() && code == codeDone:
			code, what = codeChanges, "something would be done"
		}
	}
	if code == codeDone {
		return nil
	}
	return outcome{code: code, err: errors.New(what), said: true}
}
