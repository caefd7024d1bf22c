package controller

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/ignore"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// survey is where the apps of an environment were found last. Of the next commit it says which of them it may concern: those that read or looked for something
// in a directory that is different now, and those that were on the move. All others have to be as they were. Only the environment's own reconciler uses it.
type survey struct {
	env     *v1alpha1.Environment // of which only the spec counts
	tips    []*tip                // of its sources
	moving  map[*member]bool      // apps that were not rendered as they were found
	removed []app.Name            // apps that were gone
	wrong   error                 // which directories cannot be apps
}

// tip is a source of an environment as it was read last. The apps that were found in it share it: a commit moves them all at once.
type tip struct {
	source  v1alpha1.Source
	at      atomic.Pointer[head]
	attempt string // identifies the attempt that the head is a candidate of; empty: it is the source's own

	// readers are the apps at rest, and perhaps some that are not, by the directories that they read or looked for something in; dirs are those of each.
	readers map[string][]*member
	dirs    map[*member][]string
}

func newTip(s v1alpha1.Source, h head) *tip {
	t := &tip{source: s, readers: map[string][]*member{}, dirs: map[*member][]string{}}
	t.at.Store(&h)
	return t
}

// head is what the source named last; that of nil is none.
func (t *tip) head() head {
	if t == nil {
		return head{}
	}
	return *t.at.Load()
}

// settle notes where an app at rest reads.
func (t *tip) settle(m *member, dirs []string) {
	was := t.dirs[m]
	if slices.Equal(was, dirs) {
		return
	}
	for _, dir := range was {
		t.readers[dir] = slices.DeleteFunc(t.readers[dir], func(r *member) bool { return r == m })
		if len(t.readers[dir]) == 0 {
			delete(t.readers, dir)
		}
	}
	for _, dir := range dirs {
		t.readers[dir] = append(t.readers[dir], m)
	}
	t.dirs[m] = dirs
}

// concerned adds the apps that a newer head may concern. It is false if that cannot be told, or if other directories may be apps now.
func (t *tip) concerned(h head, apps map[*member]bool) bool {
	was := t.head()
	if was.Commit == h.Commit {
		return true
	}
	diff, err := source.Diff(was.snapshot.Tree, h.snapshot.Tree)
	if err != nil || slices.ContainsFunc(diff.Names, func(name string) bool { return discover.Concerns(t.source.Path, name) }) {
		return false
	}
	for _, dir := range diff.Dirs {
		if isAbove(dir, t.source.Path) && isOther(was.snapshot.Tree, h.snapshot.Tree, path.Join(dir, ignore.File)) {
			return false
		}
		for _, m := range t.readers[dir] {
			apps[m] = true
		}
	}
	return true
}

// isAbove reports whether a directory may be one that apps are in, which a pattern finds.
func isAbove(dir, pattern string) bool {
	return dir == "." || strings.Count(dir, "/") < strings.Count(path.Clean(pattern), "/")
}

// isOther reports whether a file that every app below it looks for is not, or may not be, the same in two trees. They are no readers of its directory: every commit
// changes the directories above the apps.
func isOther(was, is source.Tree, name string) bool {
	before, errBefore := was.ID(name)
	after, errAfter := is.ID(name)
	absent := func(err error) bool { return errors.Is(err, fs.ErrNotExist) }
	return before != after || absent(errBefore) != absent(errAfter) || errBefore != nil && !absent(errBefore)
}

// newSurvey returns a survey of a finding; nil if not all of it was read.
func newSurvey(env *v1alpha1.Environment, f finding, removed []app.Name) *survey {
	if len(f.failed) > 0 || f.torn || f.soon || f.noted {
		return nil
	}
	return &survey{env: env, tips: f.tips, moving: map[*member]bool{}, removed: removed, wrong: f.problem()}
}

// place notes whether an app that was just found is on the move.
func (s *survey) place(m *member, moves bool) {
	if s == nil {
		return
	}
	dirs, t := m.rests()
	if moves || len(dirs) == 0 {
		s.moving[m] = true
		return
	}
	delete(s.moving, m)
	t.settle(m, dirs)
}

// further finds the apps of an environment in newer commits without looking at all of them. It reports false, and has done nothing, if they have to be found
// anew.
func (c *controller) further(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, heads []sourceHead) bool {
	s := st.survey
	if s == nil || s.env.Generation != env.Generation || len(heads) != len(s.tips) {
		return false
	}
	concerned := maps.Clone(s.moving)
	for i, h := range heads {
		if h.err != nil || h.note != nil || !s.tips[i].concerned(h.head, concerned) {
			return false
		}
	}
	for m := range concerned {
		if m.isRetired() {
			return false
		}
	}
	for i, h := range heads {
		s.tips[i].at.Store(&h.head)
	}
	n := news{found: st.found, strays: st.strays, problem: s.wrong}
	for m := range concerned {
		fresh := m.found(m.where(), s.env)
		if fresh {
			n.changed = append(n.changed, m.name)
		}
		s.place(m, fresh)
	}
	slices.SortFunc(n.changed, app.Name.Compare)
	s.removed = slices.DeleteFunc(s.removed, func(n app.Name) bool { return !c.isLeaving(n) })
	for _, n := range s.removed {
		c.member(n).gone(s.env, v1alpha1.Revision{})
	}
	n.removed = s.removed
	c.mu.Lock()
	st.sources = slices.Clone(st.sources)
	for i, h := range heads {
		st.sources[i].Revision = h.head.Revision()
	}
	if len(heads) > 0 {
		st.commit = heads[0].head.Commit.Short()
	}
	c.mu.Unlock()
	c.spread(ctx, e, env, st, n)
	return true
}

// isLeaving reports whether an app is still being removed.
func (c *controller) isLeaving(n app.Name) bool {
	m := c.known(n.Owner())
	return m != nil && m.name == n && m.isRemoved()
}
