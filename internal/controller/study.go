package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// study is what a commit changes of an environment, compared with the branch as it is.
type study struct {
	candidate.Study
	key    string
	at     head              // where its apps are placed: the commit, with the files that the branch would have
	draft  git.Draft         // what the branch would be moved to
	inputs map[string]string // what the apps render from at the commit, by name; those that it removes have none
}

// examiner studies the candidates of one environment.
type examiner struct {
	c      *controller
	env    *v1alpha1.Environment
	st     *environment
	src    v1alpha1.Source
	branch head
}

func (x examiner) study(ctx context.Context, id source.Commit) *study {
	c := x.c
	c.mu.Lock()
	r := c.repos[types.NamespacedName{Namespace: x.env.Namespace, Name: x.src.Repository}]
	var n nominee
	known := false
	if r != nil {
		n, known = r.nominee(id)
	}
	c.mu.Unlock()
	s := &study{}
	switch {
	case !known:
		return s
	case n.err != nil && fault.KindOf(n.err) != fault.Invalid && fault.KindOf(n.err) != fault.Denied:
		s.Wrong = n.err.Error()
		return s
	case n.err != nil:
		s.Known, s.Wrong, s.key = true, n.err.Error(), "wrong "+string(id) // which is not looked up: it may be read anew
		return s
	}
	s.key = x.key(id)
	if old := x.st.hopeful.studies[s.key]; old != nil {
		return old
	}
	err := unlessDenied(x.relate(ctx, s, r, n))
	if err == nil && !s.Has && s.Apart == "" {
		err = x.compare(ctx, s)
	}
	switch kind := fault.KindOf(err); {
	case err == nil:
		s.Known = true
	case kind == fault.Invalid || kind == fault.Denied:
		s.Known, s.Wrong = true, err.Error()
	default:
		s.key, s.Wrong = "", err.Error() // it is tried again with the next look
		c.log.WarnContext(ctx, "candidate not compared", "environment", x.env.Namespace+"/"+x.env.Name, "commit", string(id), "error", err)
	}
	return s
}

func (x examiner) key(id source.Commit) string {
	return fmt.Sprint(x.branch.Commit, " ", id, " ", x.env.Generation)
}

// relate finds out whether the branch has the commit, or what it could be moved to.
func (x examiner) relate(ctx context.Context, s *study, r *repository, n nominee) error {
	tip := x.branch.Commit
	if n.Commit == tip {
		s.Has = true
		return nil
	}
	x.c.mu.Lock()
	auth, mirror := r.auth, r.mirror
	x.c.mu.Unlock()
	lacks, err := mirror.Between(ctx, auth, tip, n.Commit) // what the commit has and the branch has not
	if err != nil {
		return err
	}
	if s.Has = len(lacks) == 0; s.Has {
		return nil
	}
	return x.join(ctx, s, mirror, auth, n)
}

// join finds out what the branch would be moved to for a commit that it has not.
func (x examiner) join(ctx context.Context, s *study, mirror Mirror, auth git.Auth, n nominee) error {
	tip, branch := x.branch.Commit, x.src.Ref.Branch
	s.at, s.draft = n.head(), git.Draft{Commit: n.Commit}
	if x.src.Candidate.Merge != v1alpha1.MergeWhereApart {
		ahead, err := mirror.Between(ctx, auth, n.Commit, tip)
		if len(ahead) > 0 {
			s.Apart = fmt.Sprintf("%s is at %s, which is not in it: rebase it on %s", branch, tip.Short(), branch)
		}
		return err
	}
	d, err := mirror.Merge(ctx, auth, git.Merging{
		Head: tip, Other: n.Commit, When: n.snapshot.Author.When,
		Message: fmt.Sprintf("Merge %s into %s\n\nEvery app of %s/%s that it changes got well with it.", n.Ref, branch, x.env.Namespace, x.env.Name),
	})
	switch {
	case err != nil && fault.KindOf(err) == fault.Invalid:
		s.Apart = fmt.Sprintf("%s is at %s: %s: rebase it on %s", branch, tip.Short(), err, branch)
		return nil
	case err != nil || d.Commit == n.Commit:
		return err
	case n.vouched.by != "": // nobody would believe the merge: Fairlead signs nothing
		s.Apart = fmt.Sprintf("%s is at %s, and Repository %s asks for signatures, which a merge by Fairlead would not have: rebase it on %s", branch, tip.Short(), x.src.Repository, branch)
		return nil
	}
	merged, err := mirror.Snapshot(ctx, d.Commit)
	merged.Author, merged.Subject = n.snapshot.Author, n.snapshot.Subject
	s.at.snapshot, s.draft = merged, d
	return err
}

// compare finds the apps that a commit changes. That it renders is found out here: what does not is never applied.
func (x examiner) compare(ctx context.Context, s *study) error {
	was, err := discover.Named(x.branch.snapshot.Tree, x.src.Path, x.src.Name)
	if err != nil {
		return err
	}
	is, err := search(sourceHead{source: x.src, head: s.at})
	if err != nil {
		return err
	}
	if fresh := discover.Clauses(slices.DeleteFunc(slices.Clone(is.Problems), func(p discover.Problem) bool { return slices.Contains(was.Problems, p) })); len(fresh) > 0 {
		return fault.New(fault.Invalid, errors.New(summary(fresh)))
	}
	s.inputs = map[string]string{}
	dirs := map[string]string{}
	for _, f := range was.Found {
		dirs[f.Name] = f.Dir
	}
	changed := map[string]render.Result{}
	for _, f := range is.Found {
		dir, there := dirs[f.Name]
		delete(dirs, f.Name)
		now, same, err := x.renders(ctx, f, s.at.snapshot.Tree, there && dir == f.Dir)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if !same {
			changed[f.Name], s.inputs[f.Name] = now, now.Inputs.Digest()
		}
	}
	s.Apps = slices.Sorted(maps.Keys(changed))
	wanted := map[object.Key]bool{}
	for _, res := range changed {
		for _, o := range res.Objects {
			wanted[anywhere(o)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		s.Apps = append(s.Apps, name)
		res, err := x.c.renders(x.request(ctx, name, x.branch.snapshot.Tree, dirs[name]))
		if err != nil && fault.KindOf(err) == fault.Transient {
			return err
		}
		// An app that another one takes the objects of has to let go of them at once. Any other goes when the branch has the commit: there is nothing to try,
		// and what is refused must not have cost an app.
		if err == nil && slices.ContainsFunc(res.Objects, func(o object.Object) bool { return wanted[anywhere(o)] }) {
			s.Leaves = append(s.Leaves, name)
		}
	}
	slices.Sort(s.Apps)
	return nil
}

// anywhere is the key of an object but for its namespace, which may follow from the app's name.
func anywhere(o object.Object) object.Key {
	k := o.Key()
	k.Namespace = ""
	return k
}

// renders renders an app at a candidate, unless it is the same there as at the branch.
func (x examiner) renders(ctx context.Context, f discover.Found, tree source.Tree, there bool) (now render.Result, same bool, err error) {
	b := base{}
	if there {
		if b, err = x.base(ctx, f); err != nil {
			return now, false, err
		}
		if same, err := b.inputs.Unchanged(tree); err == nil && same {
			return now, true, nil
		}
	}
	if now, err = x.c.renders(x.request(ctx, f.Name, tree, f.Dir)); err != nil {
		return now, false, err
	}
	_, envRules, _ := x.c.settings(fleet.Environment{Namespace: x.env.Namespace, Name: x.env.Name})
	if _, err = rulesFor(envRules, x.env, now.Declaration); err != nil {
		return now, false, fmt.Errorf("%s/%s: %w", f.Dir, app.DeclarationFile, err)
	}
	same = b.digest != "" && b.digest == digest(now.Objects) && reflect.DeepEqual(b.decl, now.Declaration)
	return now, same, ctx.Err()
}

func (x examiner) name(of string) app.Name {
	return app.Name{Namespace: x.env.Namespace, Environment: x.env.Name, App: of}
}

// request is a render of an app from somewhere.
func (x examiner) request(ctx context.Context, of string, tree source.Tree, dir string) render.Request {
	req, _ := x.c.requestOf(ctx, x.env, x.name(of), tree, dir)
	return req
}

// base is an app as the branch has it.
type base struct {
	inputs source.Inputs
	digest string // empty: it does not render there
	decl   app.Declaration
}

func (x examiner) base(ctx context.Context, f discover.Found) (base, error) {
	n := x.name(f.Name)
	m := x.c.known(n.Owner())
	if m != nil && m.name == n {
		if b, ok := m.base(f.Dir, x.branch.Commit); ok {
			return b, nil
		}
	}
	res, err := x.c.renders(x.request(ctx, f.Name, x.branch.snapshot.Tree, f.Dir))
	switch {
	case err == nil:
		return base{inputs: res.Inputs, digest: digest(res.Objects), decl: res.Declaration}, nil
	case fault.KindOf(err) == fault.Transient:
		return base{}, err
	}
	return base{}, nil
}

// base is what the app is at a commit of its branch, if it is rendered there.
func (m *member) base(dir string, at source.Commit) (base, bool) {
	m.mu.Lock()
	defer m.unlock()
	t := m.place.tip
	if t == nil || t.attempt != "" || t.head().Commit != at || m.place.dir != dir || !m.rendered || m.pending || m.removed || m.broken != nil {
		return base{}, false
	}
	return base{inputs: m.inputs, digest: m.digest, decl: m.decl}, true
}

// attemptOf identifies the attempt of a candidate: if it is tried again, it is another one.
func attemptOf(x candidate.Candidate) string {
	return strings.TrimSpace(fmt.Sprintf("try %s %d %s", x.Commit, x.Began.Unix(), x.Request))
}

// attempt is a candidate that apps are placed at.
type attempt struct {
	candidate.Candidate
	tip  *tip
	dirs map[string]string // where its apps are
}

// layout is where candidates have apps placed.
type layout struct {
	source   v1alpha1.Source
	attempts []attempt
	back     map[string]string // the candidates that apps were tried at last, and that were not moved to
}

// attempts are the candidates that apps of an environment are placed at, and a text that changes when they do. It is false if one of them cannot be read: then
// it is not known where its apps are.
func (c *controller) attempts(ctx context.Context, env *v1alpha1.Environment, st *environment) (layout, string, bool) {
	list := st.status.Candidates
	if !st.hold.mine {
		list = env.Status.Candidates
	}
	src, has := candidateSource(env)
	if !has || len(list) == 0 {
		return layout{}, "", true
	}
	l := layout{source: src, back: map[string]string{}}
	word := ""
	tips := map[source.Commit]*tip{}
	for _, x := range stateOf(v1alpha1.EnvironmentStatus{Candidates: list}).List {
		for _, name := range x.Apps {
			if delete(l.back, name); x.Phase == candidate.Refused || x.Phase == candidate.Gone {
				l.back[name] = x.Commit
			}
		}
		unheard := x.Phase == candidate.Moved && c.isUnheard(env, st, src, x)
		if !x.Phase.Placed() && !unheard {
			continue
		}
		t, err := c.tipOf(ctx, env, st, src, x)
		if err != nil && unheard {
			continue
		}
		if err != nil {
			c.log.WarnContext(ctx, "candidate not read", "environment", env.Namespace+"/"+env.Name, "commit", x.Commit, "error", err)
			return l, "", false
		}
		res, err := discover.Named(t.head().snapshot.Tree, src.Path, src.Name)
		if err != nil {
			c.log.WarnContext(ctx, "candidate not read", "environment", env.Namespace+"/"+env.Name, "commit", x.Commit, "error", err)
			return l, "", false
		}
		tr := attempt{Candidate: x, tip: t, dirs: map[string]string{}}
		for _, f := range res.Found {
			if slices.Contains(x.Apps, f.Name) {
				tr.dirs[f.Name] = f.Dir
			}
		}
		tips[t.head().Commit] = t
		l.attempts = append(l.attempts, tr)
		word += " " + attemptOf(x) + " as " + string(t.head().snapshot.Commit) + ": " + strings.Join(x.Apps, ",")
	}
	st.hopeful.tips = tips
	return l, word, true
}

// isUnheard reports whether another process says that a branch was moved, and it was not read here since that was heard. The apps stay at the candidate until then:
// they are not to be what they were before for a moment.
func (c *controller) isUnheard(env *v1alpha1.Environment, st *environment, src v1alpha1.Source, x candidate.Candidate) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: src.Repository}]
	if r == nil || string(r.heads[refOf(src.Ref)].Commit) != x.Base {
		return false
	}
	at, known := st.hopeful.heard[x.Commit]
	if !known {
		if st.hopeful.heard == nil || len(st.hopeful.heard) > mostHeard {
			st.hopeful.heard = map[string]time.Time{}
		}
		at = c.now()
		st.hopeful.heard[x.Commit] = at
		r.hooked = true
		c.repoQueue.add(env.Namespace, src.Repository)
	}
	if r.err == nil && r.polled.After(at) {
		return false // somebody moved it back
	}
	c.envQueue.after(env.Namespace, env.Name, moveAgain)
	return true
}

// mostHeard bounds how many moves are remembered: an Environment does not tell of more that ended.
const mostHeard = 200

// tipOf is what the apps at a candidate share.
func (c *controller) tipOf(ctx context.Context, env *v1alpha1.Environment, st *environment, src v1alpha1.Source, x candidate.Candidate) (*tip, error) {
	id, name := source.Commit(x.Commit), attemptOf(x)
	c.mu.Lock()
	r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: src.Repository}]
	var n nominee
	var mirror Mirror
	var auth git.Auth
	if r != nil {
		n, _ = r.nominee(id)
		mirror, auth = r.mirror, r.auth
	}
	c.mu.Unlock()
	if n.snapshot.Tree == nil || mirror == nil {
		return nil, fault.Newf(fault.Transient, "it has not been fetched")
	}
	examine := examiner{c: c, env: env, st: st, src: src, branch: head{Resolved: source.Resolved{Commit: source.Commit(x.Base)}}}
	s := st.hopeful.studies[examine.key(id)]
	if s == nil || s.at.Commit == "" {
		s = &study{}
		if err := examine.join(ctx, s, mirror, auth, n); err != nil {
			return nil, err
		}
	}
	if t := st.hopeful.tips[id]; t != nil && t.attempt == name && t.head().snapshot.Commit == s.at.snapshot.Commit {
		return t, nil
	}
	t := newTip(src, s.at)
	t.attempt = name
	return t, nil
}

// lay places apps at candidates.
func (f *finding) lay(l layout) {
	if len(l.attempts)+len(l.back) == 0 || f.failed[l.source.Repository+" "+l.source.Path] {
		return
	}
	for name, commit := range l.back {
		if p, ok := f.apps[name]; ok {
			p.back = commit
			f.apps[name] = p
		}
	}
	for _, t := range l.attempts {
		for _, name := range t.Apps {
			if dir, there := t.dirs[name]; there {
				f.apps[name] = place{repository: l.source.Repository, dir: dir, pattern: l.source.Path, tip: t.tip}
			} else if slices.Contains(t.Leaves, name) {
				delete(f.apps, name)
			}
		}
	}
}
