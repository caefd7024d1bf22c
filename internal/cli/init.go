package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/starter"
)

// initOptions are the flags of init.
type initOptions struct {
	starter.Environment
	dir string
	yes bool
}

func initCommand(w IO) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [ENV]",
		Short: "Write a first environment into a repository, and explain it",
		Long: `Writes a first environment into the Git repository of this directory: one file with its namespace, the ServiceAccount
that applies its apps, where Git is, and which directories are apps. If no directory is one yet, a first app is written too.

It asks what it cannot know, if a terminal is there to answer, and takes what is likely otherwise: the address of the remote
"origin", the branch that is checked out, and the pattern by which the repository keeps its apps. Files that are there already
are never overwritten. Nothing is committed, pushed or applied: what is next is printed.

ENV is "production" unless you say otherwise.`,
		Example: `  fairlead init
  fairlead init staging -n shop-staging
  fairlead init production --apps 'services/*/deploy' --url https://git.example.com/shop/config.git --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one environment at a time: %q is too much", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Name = args[0]
			}
			return o.run(cmd.Context(), w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", ".", "directory of the Git repository, or one in it")
	f.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the environment and its apps (default: named as the environment)")
	f.StringVar(&o.Apps, "apps", "", "pattern of the directories that are apps, such as 'apps/*/production' (default: what the repository looks like)")
	f.StringVar(&o.URL, "url", "", "address of the repository, as the cluster reaches it (default: that of the remote origin)")
	f.StringVar(&o.Branch, "branch", "", "branch to follow (default: the one that is checked out)")
	f.StringVar(&o.Secret, "secret", "", "Secret with the credentials of the repository (default: git for SSH, else none)")
	f.StringVar(&o.ClusterPath, "cluster-path", defaultClusterPath, "directory of the repository that holds what is in one cluster")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

// defaultClusterPath is where init and bootstrap write if nobody says where.
const defaultClusterPath = "clusters/main"

func (o *initOptions) run(ctx context.Context, w IO) error {
	full, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no such directory", o.dir)
	}
	root := enclosing(resolve(full))
	if root == "" {
		return fmt.Errorf("%s is not in a Git repository: clone the one that describes your cluster, or make one with 'git init'", o.dir)
	}
	tree, err := localtree.Open(root)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	if err := o.complete(ctx, w, root, tree); err != nil {
		return err
	}
	found, err := discover.Apps(tree, o.Apps)
	if err != nil {
		return usageError{fmt.Errorf("--apps: %w", err)}
	}
	file, err := o.File()
	if err != nil {
		return usageError{err}
	}
	files := []starter.File{file}
	if sample, ok := o.Sample(); ok && len(found.Found) == 0 {
		files = append(files, sample)
	}
	if err := o.taken(tree, file); err != nil {
		return err
	}
	written, err := writeNew(root, files)
	if err != nil {
		return err
	}
	if found, err = discover.Apps(tree, o.Apps); err != nil {
		return err
	}
	return o.explain(w, root, found, written, files)
}

// complete finds out, and asks for, what the flags do not say.
func (o *initOptions) complete(ctx context.Context, w IO, root string, tree *localtree.Tree) error {
	ask := asking{out: w.Err}
	if !o.yes && isTerminal(w.In) {
		ask.in = bufio.NewReader(w.In)
	}
	if o.Name == "" {
		o.Name = ask.about("Name of the environment", "production")
	}
	if o.Namespace == "" {
		o.Namespace = ask.about("Namespace of its apps", o.Name)
	}
	if o.Apps == "" {
		likely, err := o.likely(tree)
		if err != nil {
			return err
		}
		o.Apps = ask.about("Which directories are apps", likely)
	}
	if o.URL == "" {
		out, err := exec.CommandContext(ctx, "git", "-C", root, "remote", "get-url", "origin").Output()
		if err != nil {
			if o.URL = ask.about("Address of the repository, as the cluster reaches it", ""); o.URL == "" {
				return usagef("the repository has no remote called origin: say with --url where the cluster finds it")
			}
		} else {
			o.URL = withoutCredentials(strings.TrimSpace(string(out)))
		}
	}
	if err := git.CheckURL(o.URL); err != nil {
		return usageError{fmt.Errorf("%w: the cluster cannot read from there; say with --url where it can", err)}
	}
	if o.Branch == "" {
		out, err := exec.CommandContext(ctx, "git", "-C", root, "symbolic-ref", "--quiet", "--short", "HEAD").Output()
		if err != nil {
			return usagef("no branch is checked out: say with --branch which one to follow")
		}
		o.Branch = strings.TrimSpace(string(out))
	}
	o.Repository = repositoryName(o.URL)
	if o.Secret == "" && !regexp.MustCompile(`^https?://`).MatchString(o.URL) {
		o.Secret = "git" // nobody reads over SSH without a key
	}
	return nil
}

// likely is the first pattern that matches something, else the one that is proposed.
func (o *initOptions) likely(tree *localtree.Tree) (string, error) {
	for _, pattern := range o.Patterns() {
		found, err := discover.Apps(tree, pattern)
		if fault.KindOf(err) == fault.Invalid && err != nil {
			break // the name of the environment cannot be: that is said later
		}
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(found.Found, func(f discover.Found) bool { return holdsManifests(tree, f.Dir) }) {
			return pattern, nil
		}
	}
	return o.Patterns()[0], nil
}

// holdsManifests says whether a directory looks like an app: directories of directories are none.
func holdsManifests(tree *localtree.Tree, dir string) bool {
	entries, err := tree.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(e.Name()))
	})
}

// asking asks a person, if there is one.
type asking struct {
	in  *bufio.Reader // nil: nobody is there
	out io.Writer
}

// about asks for one thing; an empty answer is the one that is proposed.
func (a asking) about(what, proposed string) string {
	if a.in == nil {
		return proposed
	}
	_, _ = fmt.Fprintf(a.out, "%s [%s]: ", what, proposed)
	answer, _ := a.in.ReadString('\n')
	return cmp.Or(strings.TrimSpace(answer), proposed)
}

// withoutCredentials takes a user and a password out of an HTTP address: they are a person's, and do not belong into Git.
func withoutCredentials(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return address
	}
	u.User = nil
	return u.String()
}

var noName = regexp.MustCompile(`[^a-z0-9]+`)

// repositoryName is a name for the Repository object: the last element of its address.
func repositoryName(address string) string {
	last := strings.TrimSuffix(path.Base(strings.ReplaceAll(strings.TrimRight(address, "/"), ":", "/")), ".git")
	name := strings.Trim(noName.ReplaceAllString(strings.ToLower(last), "-"), "-")
	return cmp.Or(strings.Trim(name[:min(len(name), 63)], "-"), "config")
}

// writeNew writes files, or none of them: one that is there with another text is never overwritten. It returns those that were not there.
func writeNew(root string, files []starter.File) (written []starter.File, err error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	for _, f := range files {
		data, err := dir.ReadFile(f.Path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			written = append(written, f)
		case err != nil:
			return nil, err
		case string(data) != f.Text:
			return nil, fmt.Errorf("%s is there already, and is different: edit it, or remove it first, or choose another name", f.Path)
		}
	}
	for _, f := range written {
		if err := dir.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
			return nil, err
		}
		if err := dir.WriteFile(f.Path, []byte(f.Text), 0o644); err != nil {
			return nil, err
		}
	}
	return written, nil
}
