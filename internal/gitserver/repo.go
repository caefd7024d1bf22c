package gitserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// Repo is a bare repository. It is safe for concurrent use as far as Git is: two commits to one branch race.
type Repo struct {
	// Dir is the bare repository itself.
	Dir string
}

// CreateRepo makes a bare repository at dir whose default branch is main. Format is "sha1" (also if empty) or "sha256".
func CreateRepo(ctx context.Context, dir, format string) (*Repo, error) {
	if format == "" {
		format = "sha1"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", filepath.Base(dir), err)
	}
	r := &Repo{Dir: dir}
	_, err := r.git(ctx, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--object-format="+format, dir)
	if err != nil {
		return nil, fmt.Errorf("create repository %s: %w", filepath.Base(dir), err)
	}
	return r, nil
}

// Commit adds a commit with the changes to the branch and moves the branch there. A branch that does not exist starts
// without a parent. The author's time is now.
func (r *Repo) Commit(ctx context.Context, branch, message string, changes ...Change) (source.Commit, error) {
	return r.commit(ctx, branch, "", message, changes)
}

// Merge is Commit with the head of another branch as second parent. The files are those of branch, with the changes.
func (r *Repo) Merge(ctx context.Context, branch, other, message string, changes ...Change) (source.Commit, error) {
	second, err := r.Head(ctx, other)
	if err != nil {
		return "", err
	}
	return r.commit(ctx, branch, second, message, changes)
}

func (r *Repo) commit(ctx context.Context, branch string, second source.Commit, message string, changes []Change) (source.Commit, error) {
	parent, err := r.Head(ctx, branch)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "commit refs/heads/%s\ncommitter Ada <ada@example.com> %d +0000\ndata %d\n%s\n", branch, time.Now().Unix(), len(message), message)
	if parent != "" {
		fmt.Fprintf(&b, "from %s\n", parent)
	}
	if second != "" {
		fmt.Fprintf(&b, "merge %s\n", second)
	}
	for _, c := range changes {
		c(&b)
	}
	b.WriteString("\ndone\n")
	if _, err := run(ctx, r.Dir, &b, "-c", "fastimport.unpackLimit=1000", "fast-import", "--quiet", "--done", "--force"); err != nil {
		return "", fmt.Errorf("commit to %s: %w", branch, err)
	}
	return r.Head(ctx, branch)
}

// Head returns what the branch names; empty if it does not exist.
func (r *Repo) Head(ctx context.Context, branch string) (source.Commit, error) {
	out, err := r.git(ctx, "for-each-ref", "--format=%(objectname)", "refs/heads/"+branch)
	return source.Commit(out), err
}

// Reset moves the branch to the commit, wherever it was: a forced push.
func (r *Repo) Reset(ctx context.Context, branch string, to source.Commit) error {
	_, err := r.git(ctx, "update-ref", "refs/heads/"+branch, string(to))
	return err
}

// DeleteBranch deletes the branch.
func (r *Repo) DeleteBranch(ctx context.Context, branch string) error {
	_, err := r.git(ctx, "update-ref", "-d", "refs/heads/"+branch)
	return err
}

// Tag makes a lightweight tag, moving one that exists.
func (r *Repo) Tag(ctx context.Context, name string, at source.Commit) error {
	_, err := r.git(ctx, "tag", "--force", name, string(at))
	return err
}

// AnnotatedTag makes a tag with a message, moving one that exists.
func (r *Repo) AnnotatedTag(ctx context.Context, name, message string, at source.Commit) error {
	_, err := r.git(ctx, "tag", "--force", "--annotate", "--message", message, name, string(at))
	return err
}

// Raw returns an object as Git stores it.
func (r *Repo) Raw(ctx context.Context, kind, id string) ([]byte, error) {
	var out bytes.Buffer
	cmd := command(ctx, r.Dir, "cat-file", kind, id)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return out.Bytes(), nil
}

// Store adds an object, whatever it says, and lets a ref name it: "refs/heads/main". It returns the object's id.
func (r *Repo) Store(ctx context.Context, kind, ref string, raw []byte) (string, error) {
	id, err := run(ctx, r.Dir, bytes.NewReader(raw), "hash-object", "-t", kind, "-w", "--stdin")
	if err != nil {
		return "", fmt.Errorf("store %s: %w", kind, err)
	}
	_, err = r.git(ctx, "update-ref", ref, id)
	return id, err
}

// refs returns every ref and what it names.
func (r *Repo) refs(ctx context.Context) (map[string]source.Commit, error) {
	out, err := r.git(ctx, "for-each-ref", "--format=%(refname) %(objectname)")
	if err != nil {
		return nil, err
	}
	refs := map[string]source.Commit{}
	for line := range bytes.Lines([]byte(out)) {
		if name, id, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); ok {
			refs[string(name)] = source.Commit(id)
		}
	}
	return refs, nil
}

func (r *Repo) git(ctx context.Context, args ...string) (string, error) {
	return run(ctx, r.Dir, nil, args...)
}
