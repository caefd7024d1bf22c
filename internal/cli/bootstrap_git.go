package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/git/push"
	"github.com/fairlead-cd/fairlead/internal/install"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// publish brings the files into the repository, and returns what its directory of Fairlead then renders to.
func (b *bootstrapping) publish(ctx context.Context) ([]*unstructured.Unstructured, error) {
	if err := b.readable(ctx); err != nil {
		return nil, err
	}
	const tries = 5
	for try := 1; ; try++ {
		objs, err := b.tryPublish(ctx)
		if !errors.Is(err, push.ErrMoved) || try == tries {
			return objs, err
		}
	}
}

// readable looks whether the cluster will be able to read the repository, by what the controller itself reads with. That a branch is not there yet is no matter.
func (b *bootstrapping) readable(ctx context.Context) error {
	if b.secret == nil && b.Secret != "" {
		return nil // by credentials that are not known here
	}
	dir, end, err := temporary()
	if err != nil {
		return err
	}
	defer end()
	m, err := git.Open(filepath.Join(dir, "mirror"), b.URL, git.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	_, err = m.Resolve(ctx, b.auth, []source.Ref{{Branch: b.Branch}})
	switch {
	case err == nil:
		return nil
	case fault.KindOf(err) == fault.Denied && b.secret == nil && b.w.Getenv(envPassword) != "":
		return fmt.Errorf("%w; $%s is set, and --username is not; nothing was done", flagged(err), envPassword)
	}
	return fmt.Errorf("%w; nothing was done", flagged(err))
}

func (b *bootstrapping) tryPublish(ctx context.Context) ([]*unstructured.Unstructured, error) {
	dir, end, err := temporary()
	if err != nil {
		return nil, err
	}
	defer end()
	branch, err := push.Open(ctx, push.Options{Dir: dir, URL: b.URL, Branch: b.Branch, Auth: b.auth})
	if err != nil {
		return nil, err
	}
	defer branch.Close()
	paths, kept, changed, err := b.change(ctx, branch)
	if err != nil {
		return nil, err
	}
	objs, err := b.rendered(ctx, branch)
	if err != nil {
		return nil, err
	}
	if err := branch.Push(ctx); err != nil {
		return nil, err
	}
	for _, p := range paths {
		_, _ = fmt.Fprintln(b.w.Out, "wrote", p)
	}
	if kept != "" {
		_, _ = fmt.Fprintln(b.w.Err, kept, "is left as it is in Git")
	}
	if changed {
		_, _ = fmt.Fprintf(b.w.Out, "pushed %s to %s of %s\n", b.commit.Short(), b.Branch, b.URL)
	} else {
		_, _ = fmt.Fprintf(b.w.Out, "%s of %s has all of it already, at %s\n", b.Branch, b.URL, b.commit.Short())
	}
	return objs, nil
}

// change makes the commit.
func (b *bootstrapping) change(ctx context.Context, branch *push.Branch) (paths []string, kept string, changed bool, err error) {
	tree, end, err := branch.Tree(ctx)
	if err != nil {
		return nil, "", false, err
	}
	defer end()
	change, err := b.Change(func(path string) (string, bool, error) {
		if tree == nil {
			return "", false, nil
		}
		data, err := fs.ReadFile(tree, path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", false, nil
		}
		return string(data), err == nil, err
	})
	if err != nil {
		return nil, "", false, err
	}
	message := "Fairlead manages the cluster from " + b.ClusterPath + "\n\nWritten by 'fairlead bootstrap', with " + b.install.Image + "."
	b.commit, changed, err = branch.Commit(ctx, change.Write, message)
	return slices.Sorted(maps.Keys(change.Write)), change.Kept, changed, err
}

// rendered is what the directory of Fairlead renders to: what a person changed there counts.
func (b *bootstrapping) rendered(ctx context.Context, branch *push.Branch) ([]*unstructured.Unstructured, error) {
	tree, end, err := branch.Tree(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	res, err := render.Render(render.Request{Tree: tree, Dir: b.Dir()})
	if err != nil {
		return nil, fmt.Errorf("%w; nothing was pushed", err)
	}
	var objs []*unstructured.Unstructured
	environment := false
	for _, o := range res.Objects {
		u := &unstructured.Unstructured{Object: o.Content()}
		if install.Known(u.GetKind()) && (u.GetNamespace() == "" || u.GetNamespace() == b.Namespace) {
			objs = append(objs, u) // what else is there, Fairlead applies
		}
		environment = environment || u.GetKind() == "Environment" && u.GetName() == environmentOfCluster && u.GetNamespace() == b.Namespace
	}
	if !environment {
		return nil, fault.Newf(fault.Invalid, "%s has no Environment %s in namespace %s: Fairlead would not follow it; nothing was pushed", b.Dir(), environmentOfCluster, b.Namespace)
	}
	return objs, nil
}
