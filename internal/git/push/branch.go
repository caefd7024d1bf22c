package push

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Options say which branch of what.
type Options struct {
	Dir         string // empty, for this package alone; whoever made it removes it
	URL, Branch string
	Auth        git.Auth
}

// Branch is one branch of a repository, as it was when it was opened, and what was added since.
type Branch struct {
	o      Options
	repo   string
	config []string // of the environment of git
	agent  *agent   // nil: none is needed
	tip    source.Commit
	added  source.Commit
}

// ErrMoved says that the branch is not any more what it was when it was opened.
var ErrMoved = errors.New("somebody else pushed to the branch meanwhile")

// Open reads a branch. One of an empty repository is empty; one that a repository with other branches does not have is an error of kind fault.Invalid. Close
// ends what Open began.
func Open(ctx context.Context, o Options) (*Branch, error) {
	if err := git.CheckURL(o.URL); err != nil {
		return nil, err
	}
	b := &Branch{o: o, repo: filepath.Join(o.Dir, "repository")}
	if err := b.authenticate(ctx); err != nil {
		return nil, err
	}
	if err := b.open(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close ends the agent, if there is one.
func (b *Branch) Close() { b.agent.close() }

func (b *Branch) open(ctx context.Context) error {
	if _, err := b.git(ctx, nil, "check-ref-format", "--branch", b.o.Branch); errors.As(err, new(saidError)) {
		return fault.Newf(fault.Invalid, "%q cannot be the name of a branch", b.o.Branch)
	} else if err != nil {
		return err
	}
	out, err := b.git(ctx, nil, "ls-remote", "--heads", "--", b.o.URL)
	if err != nil {
		return fmt.Errorf("read %s: %w", b.o.URL, err)
	}
	var heads []string
	for line := range strings.Lines(out) {
		_, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
		heads = append(heads, strings.TrimPrefix(ref, "refs/heads/"))
	}
	switch {
	case len(heads) == 0:
		_, err = b.git(ctx, nil, "init", "--quiet", "--bare", b.repo)
		return err
	case !slices.Contains(heads, b.o.Branch):
		return fault.Newf(fault.Invalid, "%s has no branch %s: it has %s", b.o.URL, b.o.Branch, strings.Join(heads[:min(len(heads), 5)], ", "))
	}
	_, err = b.git(ctx, nil, "clone", "--quiet", "--bare", "--depth=1", "--no-tags", "--branch", b.o.Branch, "--", b.o.URL, b.repo)
	if err != nil {
		return fmt.Errorf("read %s: %w", b.o.URL, err)
	}
	tip, err := b.git(ctx, nil, "-C", b.repo, "rev-parse", "--verify", "refs/heads/"+b.o.Branch)
	b.tip = source.Commit(strings.TrimSpace(tip))
	return err
}

// Tip is the commit that the branch was at; empty if there was none.
func (b *Branch) Tip() source.Commit { return b.tip }

// Tree shows what the branch holds, with what was added; nil if it is empty. End ends the reading.
func (b *Branch) Tree(ctx context.Context) (tree source.Tree, end func(), err error) {
	at := b.tip
	if b.added != "" {
		at = b.added
	}
	if at == "" {
		return nil, func() {}, nil
	}
	store := odb.Open(func() *exec.Cmd {
		return exec.CommandContext(ctx, "git", "-C", b.repo, "cat-file", "--batch-command", "--buffer")
	}, odb.Limits{})
	commit, err := store.Commit(at)
	if err != nil {
		store.Close()
		return nil, nil, fmt.Errorf("read %s: %w", at, err)
	}
	return store.Tree(commit.Tree), store.Close, nil
}

// Commit makes a commit in which files have the given texts, by their paths, and all others are as they were. It returns false, and the tip, if nothing changes.
func (b *Branch) Commit(ctx context.Context, files map[string]string, message string) (source.Commit, bool, error) {
	tree, err := b.writeTree(ctx, files)
	if err != nil {
		return "", false, err
	}
	if b.tip != "" {
		was, err := b.git(ctx, nil, "-C", b.repo, "rev-parse", "--verify", string(b.tip)+"^{tree}")
		if err != nil {
			return "", false, err
		}
		if strings.TrimSpace(was) == tree {
			return b.tip, false, nil
		}
	}
	args := []string{"-C", b.repo, "commit-tree", tree}
	if b.tip != "" {
		args = append(args, "-p", string(b.tip))
	}
	out, err := b.git(ctx, strings.NewReader(message+"\n"), args...)
	b.added = source.Commit(strings.TrimSpace(out))
	return b.added, true, err
}

func (b *Branch) writeTree(ctx context.Context, files map[string]string) (string, error) {
	if b.tip != "" {
		if _, err := b.git(ctx, nil, "-C", b.repo, "read-tree", string(b.tip)); err != nil {
			return "", err
		}
	}
	var index strings.Builder
	for name, text := range files {
		id, err := b.git(ctx, strings.NewReader(text), "-C", b.repo, "hash-object", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&index, "100644 %s\t%s\x00", strings.TrimSpace(id), name)
	}
	if _, err := b.git(ctx, strings.NewReader(index.String()), "-C", b.repo, "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	tree, err := b.git(ctx, nil, "-C", b.repo, "write-tree")
	return strings.TrimSpace(tree), err
}

// Push gives the server what Commit made. It returns ErrMoved if the branch has moved there.
func (b *Branch) Push(ctx context.Context) error {
	if b.added == "" {
		return nil
	}
	out, err := b.git(ctx, nil, "-C", b.repo, "push", "--porcelain", "--no-verify", "--", b.o.URL, string(b.added)+":refs/heads/"+b.o.Branch)
	if err == nil {
		return nil
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "!") && strings.Contains(line, "[rejected]"):
			return ErrMoved
		case strings.HasPrefix(line, "!"):
			_, why, _ := strings.Cut(line, "[")
			return fmt.Errorf("push to %s of %s: [%s", b.o.Branch, b.o.URL, why)
		}
	}
	return fmt.Errorf("push to %s of %s: %w", b.o.Branch, b.o.URL, err)
}

// identity is who commits if the user has not told Git who he is.
func (b *Branch) identity(ctx context.Context) []string {
	cmd := exec.CommandContext(ctx, "git", "var", "GIT_COMMITTER_IDENT")
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		return nil
	}
	return []string{"GIT_AUTHOR_NAME=fairlead", "GIT_AUTHOR_EMAIL=fairlead@localhost", "GIT_COMMITTER_NAME=fairlead", "GIT_COMMITTER_EMAIL=fairlead@localhost"}
}

// tidy takes out of the environment what would lead git to another repository.
func tidy(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_TRACE", "GIT_TRACE_CURL"}, name)
	})
}

func environ() []string { return tidy(os.Environ()) }
