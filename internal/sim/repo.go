package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
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
	second  source.Commit // of a merge
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

// Resolve implements controller.Mirror. There are no tags here.
func (m mirror) Resolve(_ context.Context, _ git.Auth, refs []source.Ref, patterns ...source.Pattern) ([]git.Resolution, error) {
	r, err := m.ask("resolve")
	if err != nil {
		return nil, err
	}
	out := make([]git.Resolution, 0, len(refs))
	for _, ref := range append(slices.Clone(refs), r.meant(refs, patterns)...) {
		x := git.Resolution{Resolved: source.Resolved{Ref: ref}}
		id, ok := r.branches[ref.Branch]
		switch {
		case ref.Commit != "": // whether there is one, its fetch tells
			x.Commit = ref.Commit
		case ok:
			x.Name, x.Commit = "refs/heads/"+ref.Branch, id
		default:
			x.Err = fault.Newf(fault.Invalid, "branch %s does not exist", ref.Branch)
		}
		out = append(out, x)
	}
	return out, nil
}

// meant are the branches that patterns mean, besides refs.
func (r *repo) meant(refs []source.Ref, patterns []source.Pattern) []source.Ref {
	var out []source.Ref
	for _, p := range patterns {
		for _, name := range slices.Sorted(maps.Keys(r.branches)) {
			if ref, ok := p.Ref("refs/heads/" + name); ok && !slices.Contains(refs, ref) && !slices.Contains(out, ref) {
				out = append(out, ref)
			}
		}
	}
	return out
}

// past is a commit with all that came before it.
func (r *repo) past(id source.Commit) map[source.Commit]bool {
	out := map[source.Commit]bool{}
	for todo := []source.Commit{id}; len(todo) > 0; {
		id, todo = todo[0], todo[1:]
		if c, there := r.commits[id]; there && !out[id] {
			out[id] = true
			todo = append(todo, c.parent, c.second)
		}
	}
	return out
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
	for _, id := range slices.Sorted(maps.Keys(r.past(of))) {
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
	return !r.past(now)[old], nil
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

// draft keeps a commit that no branch has yet. Equal ones are one.
func (r *repo) draft(c commit) git.Draft {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, c.parent, c.second, c.subject)
	for _, p := range slices.Sorted(maps.Keys(c.files)) {
		_, _ = fmt.Fprintf(h, "%q %q\n", p, c.files[p])
	}
	id := source.Commit(strings.Repeat("0", 20) + hex.EncodeToString(h.Sum(nil))[:20]) // short, it is as any other
	if _, there := r.commits[id]; !there {
		c.tree = sourcetest.New(c.files)
		r.commits[id] = c
	}
	return git.Draft{Commit: id, Pack: []byte("pack")}
}

// Merge implements controller.Mirror.
func (m mirror) Merge(_ context.Context, _ git.Auth, v git.Merging) (git.Draft, error) {
	r, err := m.ask("merge")
	if err != nil {
		return git.Draft{}, err
	}
	head, other := r.past(v.Head), r.past(v.Other)
	switch {
	case other[v.Head]:
		return git.Draft{Commit: v.Other}, nil
	case head[v.Other]:
		return git.Draft{Commit: v.Head}, nil
	}
	base := v.Other
	for !head[base] { // stories have no merges but those of Fairlead
		base = r.commits[base].parent
	}
	was, ours, theirs := r.commits[base].files, r.commits[v.Head].files, r.commits[v.Other].files
	files := sourcetest.Files{}
	maps.Copy(files, ours)
	for _, p := range slices.Sorted(maps.Keys(union(was, theirs))) {
		switch {
		case theirs[p] == was[p]:
		case ours[p] != was[p] && ours[p] != theirs[p]:
			return git.Draft{}, fault.Newf(fault.Invalid, "both changed %s", p)
		case theirs[p] == "":
			delete(files, p)
		default:
			files[p] = theirs[p]
		}
	}
	return r.draft(commit{parent: v.Head, second: v.Other, files: files, subject: v.Message, at: v.When}), nil
}

func union(a, b sourcetest.Files) sourcetest.Files {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// Move implements controller.Mirror.
func (m mirror) Move(_ context.Context, _ git.Auth, v git.Move) error {
	w := m.process.world
	w.meanwhile(m.process, kube.Request{Verb: "push"})
	r := w.repos[m.url]
	code, refused, lost := m.process.ask("push", v.Branch)
	switch {
	case refused != nil:
		return fault.New(fault.Transient, refused)
	case code != 0:
		return fault.Newf(fault.Transient, "%d", code)
	case r.branches[v.Branch] != v.From:
		return fault.New(fault.Conflict, git.ErrMoved)
	}
	r.branches[v.Branch] = v.To
	w.moved(m.url, v.Branch, v.To)
	if lost != nil {
		return fault.New(fault.Transient, lost)
	}
	return nil
}

// moved holds a branch that was moved to what it must never have.
func (w *world) moved(url, branch string, to source.Commit) {
	for id := range w.repos[url].past(to) {
		for _, b := range w.schedule.Scenario.never {
			if url == "https://git.example.com/"+b.repo && branch == b.branch && w.repos[url].commits[id].subject == b.dir {
				w.fail("branch %s of %s was moved to %s, which has %s", branch, b.repo, to, b.dir)
			}
		}
	}
}

// Restore implements controller.Mirror.
func (m mirror) Restore(_ context.Context, v git.Restoring) (git.Draft, error) {
	r, err := m.ask("restore")
	if err != nil {
		return git.Draft{}, err
	}
	head, from := r.commits[v.Head], r.commits[v.From].files
	files := sourcetest.Files{}
	below := func(p string) bool {
		return slices.ContainsFunc(v.Paths, func(of string) bool { return p == of || strings.HasPrefix(p, of+"/") })
	}
	for p, text := range head.files {
		if !below(p) {
			files[p] = text
		}
	}
	for p, text := range from {
		if below(p) {
			files[p] = text
		}
	}
	if maps.Equal(files, head.files) {
		return git.Draft{Commit: v.Head}, nil
	}
	return r.draft(commit{parent: v.Head, files: files, subject: v.Message, at: v.When}), nil
}

// Between implements controller.Mirror.
func (m mirror) Between(_ context.Context, _ git.Auth, old, now source.Commit) ([]source.Commit, error) {
	r, err := m.ask("compare")
	if err != nil {
		return nil, err
	}
	known := r.past(old)
	var list []source.Commit
	for id := now; id != "" && !known[id]; id = r.commits[id].parent {
		list = append(list, id)
	}
	return list, nil
}

// Close implements controller.Mirror.
func (mirror) Close() error { return nil }
