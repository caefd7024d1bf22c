package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/substitute"
)

// renderOptions are the flags of render.
type renderOptions struct {
	fetch          fetchOptions
	dir, root, ref string
	at             render.Place
	substitute     map[string]string
	form           output
	keys           privateKeys
}

func renderCommand(w IO) *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render DIR",
		Short: "Print what an app directory of this machine renders to",
		Long: `Renders one app directory of a working tree exactly as the controller does, and prints the objects. No cluster
and no network is used, but with --fetch that of charts and bases that are not in the tree. What is wrong is said with file and line, and the exit code is 1.

Files of the whole Git repository around DIR may be read, such as a Kustomize base, but none outside of it.
--root names another directory for that. With --ref a commit of the local repository is rendered, instead of the files
as they are.

A Helm chart is rendered as for the latest Kubernetes that Fairlead knows, lookups find nothing, and what templates
generate, such as passwords, is not what the controller generates.

Placeholders stand for values that are encrypted. With --age-key-file SOPS files are opened, and their values printed.`,
		Example: `  fairlead render apps/web/production
  fairlead render apps/web/production --ref HEAD~1
  fairlead render apps/web/production | kubectl diff -f -`,
		Args: oneDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	cmd.Flags().StringVar(&o.root, "root", "", "directory that nothing outside of is read (default: the root of the Git repository)")
	cmd.Flags().StringVar(&o.ref, "ref", "", "branch, tag or commit of the local repository to render, instead of the working tree")
	cmd.Flags().StringVar(&o.at.App, "name", "", "the app's name, for templates that speak of it (default: the last element of DIR)")
	cmd.Flags().StringVar(&o.at.Environment, "environment", "", "the environment's name, for templates that speak of it")
	cmd.Flags().StringVarP(&o.at.Namespace, "namespace", "n", "", "the namespace that the app's objects go to, for templates that speak of it")
	cmd.Flags().StringToStringVar(&o.substitute, "substitute", nil, "a variable and its value, as spec.render.substitute of an Environment has it: NAME=VALUE; may be repeated")
	o.keys.flag(cmd)
	o.fetch.flags(cmd)
	o.form.flag(cmd, "yaml", "json")
	return cmd
}

func oneDir(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("say which directory: render takes exactly one")
	}
	return nil
}

func (o *renderOptions) run(ctx context.Context, w IO) error {
	if o.root != "" && o.ref != "" {
		return usagef("--root and --ref cannot both be meant: the root of a commit is that of the repository")
	}
	if err := variableNames(o.substitute); err != nil {
		return err
	}
	root, dir, err := o.place()
	if err != nil {
		return err
	}
	tree, end, err := o.tree(ctx, root)
	if err != nil {
		return err
	}
	defer end()
	at := o.at
	at.App = cmp.Or(at.App, path.Base(dir))
	keys, err := o.keys.read(w)
	if err != nil {
		return err
	}
	fetch, done, err := o.fetch.begin(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	res, err := render.Render(render.Request{Tree: tree, Dir: dir, Place: at, Rules: o.rules(), Decryption: render.Decryption{Keys: keys, Look: true}, Fetch: fetch})
	sayMissing(w, res.Closed, res.Unread)
	if err != nil {
		return err
	}
	if o.form == "json" {
		items := make([]any, len(res.Objects))
		for i, x := range res.Objects {
			items[i] = x.Content()
		}
		return o.form.print(w.Out, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	}
	_, err = w.Out.Write(object.Stream(res.Objects))
	return err
}

// taken are the variables that other flags give.
var taken = map[string]string{"FAIRLEAD_APP": "--name", "FAIRLEAD_ENVIRONMENT": "--environment", "FAIRLEAD_NAMESPACE": "--namespace"}

// variableNames refuses names that no expression could have, or that something else has.
func variableNames(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !substitute.IsName(name) {
			return usagef("--substitute %s: %q is no name of a variable: take letters, digits and _, with no digit at first", name, name)
		}
		if flag, is := taken[name]; is {
			return usagef("--substitute %s: %s is always there: give it with %s", name, name, flag)
		}
	}
	return nil
}

// rules are those of an Environment that substitutes, if values are given.
func (o *renderOptions) rules() render.Rules {
	if o.substitute == nil {
		return render.Rules{}
	}
	return render.Rules{Substitute: &render.Substitute{Values: o.substitute}}
}

// place returns the root of the tree, and the directory in it as a tree names it. With --ref the directory need not exist now.
func (o *renderOptions) place() (root, dir string, err error) {
	if dir, err = filepath.Abs(o.dir); err != nil {
		return "", "", err
	}
	dir = resolve(dir)
	if o.ref == "" {
		if info, err := os.Stat(dir); err != nil {
			return "", "", fmt.Errorf("%s: there is no such directory", o.dir)
		} else if !info.IsDir() {
			return "", "", usagef("%s is a file: name the directory of the app", o.dir)
		}
	}
	if root, err = filepath.Abs(o.root); err != nil {
		return "", "", err
	}
	root = resolve(root)
	if o.root == "" {
		root = enclosing(dir)
	}
	if root == "" {
		return "", "", fmt.Errorf("%s is not in a Git repository: say with --root which directory its files may be read from", o.dir)
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", "", usagef("%s is not below %s", o.dir, root)
	}
	return root, filepath.ToSlash(rel), nil
}

// resolve follows the symlinks on the way to a directory as far as it exists.
func resolve(dir string) string {
	if followed, err := filepath.EvalSymlinks(dir); err == nil {
		return followed
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return dir
	}
	return filepath.Join(resolve(parent), filepath.Base(dir))
}

// enclosing returns the nearest directory at or above dir that is the root of a Git repository; empty if there is none.
func enclosing(dir string) string {
	for {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// tree opens the working tree, or the tree of a commit.
func (o *renderOptions) tree(ctx context.Context, root string) (source.Tree, func(), error) {
	if o.ref == "" {
		t, err := localtree.Open(root)
		if err != nil {
			return nil, nil, err
		}
		return t, func() { _ = t.Close() }, nil
	}
	out, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--verify", "--quiet", "--end-of-options", o.ref+"^{commit}").Output()
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, nil, fmt.Errorf("--ref needs the git command: %w", err)
		}
		return nil, nil, fmt.Errorf("%s: there is no such branch, tag or commit in the repository at %s", o.ref, root)
	}
	store := odb.Open(func() *exec.Cmd {
		return exec.CommandContext(ctx, "git", "-C", root, "cat-file", "--batch-command", "--buffer")
	}, odb.Limits{})
	commit, err := store.Commit(source.Commit(strings.TrimSpace(string(out))))
	if err != nil {
		store.Close()
		return nil, nil, fmt.Errorf("read %s: %w", o.ref, err)
	}
	return store.Tree(commit.Tree), store.Close, nil
}
