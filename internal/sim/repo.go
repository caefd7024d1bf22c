package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// repo is a simulated Git repository: commits are trees in memory.
type repo struct {
	branches map[string]source.Commit
	commits  map[source.Commit]commit
	made     int
}

type commit struct {
	parent  source.Commit
	files   sourcetest.Files
	tree    *archive.Tree
	subject string
	at      time.Time
}

func newRepo() *repo {
	return &repo{branches: map[string]source.Commit{}, commits: map[source.Commit]commit{}}
}

// make makes a commit on top of a parent: files that are given are written, those with no content removed, with all below them.
func (r *repo) make(parent source.Commit, subject string, changes sourcetest.Files) (source.Commit, commit) {
	files := sourcetest.Files{}
	maps.Copy(files, r.commits[parent].files)
	for p, text := range changes {
		maps.DeleteFunc(files, func(q, _ string) bool { return q == p || strings.HasPrefix(q, p+"/") })
		if text != "" {
			files[p] = text
		}
	}
	r.made++
	return source.Commit(fmt.Sprintf("%040x", 0xc0ffee00+r.made)), commit{parent: parent, files: files, tree: sourcetest.New(files), subject: subject}
}

// add lets a branch name a commit.
func (r *repo) add(branch string, id source.Commit, c commit) {
	r.commits[id] = c
	r.branches[branch] = id
}

// repo is a repository by the last element of its address.
func (w *world) repo(name string) *repo {
	url := "https://git.example.com/" + name
	r := w.repos[url]
	if r == nil {
		r = newRepo()
		w.repos[url] = r
	}
	return r
}

// mirrors are what a process has of the world's repositories: nothing but the way to them.
type mirrors struct{ process *process }

// Open implements controller.Mirrors.
func (m mirrors) Open(_, url string) (controller.Mirror, error) { return mirror{m.process, url}, nil }

// Remove implements controller.Mirrors.
func (mirrors) Remove(string) error { return nil }

type mirror struct {
	process *process
	url     string
}

func (m mirror) ask(what string) (*repo, error) {
	w := m.process.world
	if err := w.gitFate(m.process, what+" "+m.url); err != nil {
		return nil, err
	}
	r := w.repos[m.url]
	if r == nil {
		return nil, fault.New(fault.Denied, errors.New("repository not found"))
	}
	return r, nil
}

// Resolve implements controller.Mirror.
func (m mirror) Resolve(_ context.Context, _ git.Auth, refs []source.Ref, _ ...source.Pattern) ([]git.Resolution, error) {
	r, err := m.ask("resolve")
	if err != nil {
		return nil, err
	}
	out := make([]git.Resolution, 0, len(refs))
	for _, ref := range refs {
		x := git.Resolution{Resolved: source.Resolved{Ref: ref}}
		id, ok := r.branches[ref.Branch]
		if ok {
			x.Name, x.Commit = "refs/heads/"+ref.Branch, id
		} else {
			x.Err = fault.Newf(fault.Invalid, "branch %s does not exist", ref.Branch)
		}
		out = append(out, x)
	}
	return out, nil
}

// Fetch implements controller.Mirror.
func (m mirror) Fetch(_ context.Context, _ git.Auth, want []source.Resolved) ([]git.Resolution, error) {
	if _, err := m.ask("fetch"); err != nil {
		return nil, err
	}
	out := make([]git.Resolution, 0, len(want))
	for _, x := range want {
		out = append(out, git.Resolution{Resolved: x})
	}
	return out, nil
}

// Snapshot implements controller.Mirror.
func (m mirror) Snapshot(_ context.Context, id source.Commit) (source.Snapshot, error) {
	r, err := m.ask("read")
	if err != nil {
		return source.Snapshot{}, err
	}
	c := r.commits[id]
	return source.Snapshot{
		URL: m.url, Commit: id, Subject: c.subject, Author: source.Author{Name: "Ada", Email: "ada@example.com", When: c.at}, Tree: m.process.world.treeOf(m.process, c.tree),
	}, nil
}

// Past implements controller.Mirror.
func (m mirror) Past(_ context.Context, _ git.Auth, of source.Commit, start string) (source.Commit, error) {
	r, err := m.ask("search")
	if err != nil {
		return "", err
	}
	for id := of; id != ""; id = r.commits[id].parent {
		if strings.HasPrefix(string(id), start) {
			return id, nil
		}
	}
	return "", fault.Newf(fault.Invalid, "commit %s does not exist", start)
}

// Forced implements controller.Mirror.
func (m mirror) Forced(_ context.Context, old, now source.Commit) (bool, error) {
	r, err := m.ask("compare")
	if err != nil {
		return false, err
	}
	for id := now; id != ""; id = r.commits[id].parent {
		if id == old {
			return false, nil
		}
	}
	return true, nil
}

// Commit implements controller.Mirror. Nobody signs here.
func (m mirror) Commit(_ context.Context, id source.Commit) ([]byte, error) {
	r, err := m.ask("read")
	if err != nil {
		return nil, err
	}
	return []byte("author Ada <ada@example.com>\n\n" + r.commits[id].subject), nil
}

// Tag implements controller.Mirror. There are none here.
func (m mirror) Tag(_ context.Context, id source.ID) ([]byte, error) {
	return nil, fault.Newf(fault.Transient, "tag %s is missing from the mirror", id)
}

// Merge implements controller.Mirror. Nothing is merged here.
func (m mirror) Merge(context.Context, git.Auth, git.Merging) (git.Draft, error) {
	return git.Draft{}, fault.Newf(fault.Invalid, "merge in %s: nobody does", m.url)
}

// Move implements controller.Mirror.
func (m mirror) Move(_ context.Context, _ git.Auth, v git.Move) error {
	r, err := m.ask("move")
	if err != nil {
		return err
	}
	if r.branches[v.Branch] != v.From {
		return fault.New(fault.Conflict, git.ErrMoved)
	}
	r.branches[v.Branch] = v.To
	return nil
}

// Restore implements controller.Mirror.
func (m mirror) Restore(context.Context, git.Restoring) (git.Draft, error) {
	return git.Draft{}, fault.Newf(fault.Invalid, "restore in %s: nobody does", m.url)
}

// Between implements controller.Mirror.
func (m mirror) Between(_ context.Context, _ git.Auth, old, now source.Commit) ([]source.Commit, error) {
	r, err := m.ask("compare")
	if err != nil {
		return nil, err
	}
	var list []source.Commit
	for id := now; id != "" && id != old; id = r.commits[id].parent {
		list = append(list, id)
	}
	return list, nil
}

// Close implements controller.Mirror.
func (mirror) Close() error { return nil }
