package controller

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// AnnotationDeploy asks, on an Environment whose source has candidates, for a commit to be tried: a [Deploy].
const AnnotationDeploy = "fairlead.dev/deploy"

// Deploy is what a person, or CI, asks for: that a commit be tried, though no ref names it as a candidate, and also if it was refused before. It is carried out
// once.
type Deploy struct {
	// Request is another one each time.
	Request string `json:"request"`
	Commit  string `json:"commit"`
	By      string `json:"by,omitempty"`
}

var fullCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// deployOf is what is asked for of an Environment; nil: nothing that makes sense.
func deployOf(env *v1alpha1.Environment) *Deploy {
	var d Deploy
	text := env.Annotations[AnnotationDeploy]
	if text == "" || json.Unmarshal([]byte(text), &d) != nil || d.Request == "" || len(d.Request) > 100 || !fullCommit.MatchString(d.Commit) {
		return nil
	}
	d.By = clipText(d.By, 200)
	return &d
}

// candidateSource is the source of an Environment that has candidates; false if none has.
func candidateSource(env *v1alpha1.Environment) (v1alpha1.Source, bool) {
	for _, s := range env.Spec.Sources {
		if s.Candidate != nil {
			return s, true
		}
	}
	return v1alpha1.Source{}, false
}

func patternOf(c *v1alpha1.Candidate) source.Pattern {
	return source.Pattern{Branch: c.Branch, Tag: c.Tag}
}

// hopes are what environments look for in a repository besides what they follow: refs that name candidates, and commits that are to be tried.
type hopes struct {
	by      map[source.Pattern]source.Ref // the branches that the candidates are for
	commits map[source.Commit]source.Ref
	envs    []fleet.Environment
}

func (h *hopes) add(env *v1alpha1.Environment, s v1alpha1.Source) {
	if h.by == nil {
		h.by, h.commits = map[source.Pattern]source.Ref{}, map[source.Commit]source.Ref{}
	}
	h.by[patternOf(s.Candidate)] = refOf(s.Ref)
	if d := deployOf(env); d != nil && d.Request != env.Status.LastHandledDeploy {
		h.commits[source.Commit(d.Commit)] = refOf(s.Ref)
	}
	for _, c := range env.Status.Candidates { // its ref may go while it is tried
		if !candidate.Phase(c.Phase).Ended() && fullCommit.MatchString(c.Commit) {
			h.commits[source.Commit(c.Commit)] = refOf(s.Ref)
		}
	}
	h.envs = append(h.envs, fleet.Environment{Namespace: env.Namespace, Name: env.Name})
}

func (h hopes) patterns() []source.Pattern {
	return slices.SortedFunc(maps.Keys(h.by), func(a, b source.Pattern) int {
		if a.Branch+" "+a.Tag < b.Branch+" "+b.Tag {
			return -1
		}
		return 1
	})
}

// isNew reports whether there is something among it that was never asked for. The lock is held.
func (h hopes) isNew(r *repository) bool {
	for p := range h.by {
		if !r.listed[p] {
			return true
		}
	}
	for id := range h.commits {
		if _, ok := r.nominee(id); !ok {
			return true
		}
	}
	return false
}

func (h hopes) wake(c *controller) {
	for _, e := range h.envs {
		c.envQueue.add(e.Namespace, e.Name)
	}
}

// nominee is a commit that may be a candidate.
type nominee struct {
	source.Resolved
	snapshot source.Snapshot
	vouched  vouched
	since    time.Time
	err      error // why it cannot be one; of another kind than fault.Invalid and fault.Denied: why that is not known
}

func (n nominee) head() head {
	return head{Resolved: n.Resolved, snapshot: n.snapshot, moved: n.since, vouched: n.vouched}
}

// nominee is that of a commit, by whatever it is named. The lock is held.
func (r *repository) nominee(id source.Commit) (nominee, bool) {
	var out nominee
	for ref, n := range r.nominees {
		if n.Commit == id && (out.Commit == "" || ref.String() < out.Ref.String()) {
			out = n
		}
	}
	return out, out.Commit != ""
}

// nominate fetches what names candidates, or is asked for as one, and reports whether any of it is new. What is wrong with one of them concerns nobody else.
func (c *controller) nominate(ctx context.Context, r *repository, h hopes, a answers, named []git.Resolution) bool {
	c.mu.Lock()
	r.auth = a.auth
	was := r.nominees
	c.mu.Unlock()
	if len(h.by) == 0 && len(was) == 0 {
		return false
	}
	var want []git.Resolution
	want = append(want, named...)
	for _, id := range slices.Sorted(maps.Keys(h.commits)) {
		if !slices.ContainsFunc(named, func(x git.Resolution) bool { return x.Commit == id }) {
			want = append(want, git.Resolution{Resolved: source.Resolved{Ref: source.Ref{Commit: id}, Commit: id}})
		}
	}
	is, news := map[source.Ref]nominee{}, false
	for _, x := range want {
		old, known := was[x.Ref]
		if !known || old.err != nil || old.Resolved != x.Resolved || old.vouched.by != a.trust.id() {
			since := c.now()
			if old.Commit == x.Commit {
				since = old.since
			}
			n := c.nomineeNow(ctx, r, h, a, x)
			n.since = since
			news = news || !known || old.Resolved != n.Resolved || !sameText(old.err, n.err)
			old = n
		}
		is[x.Ref] = old
	}
	listed := map[source.Pattern]bool{}
	for p := range h.by {
		listed[p] = true
	}
	c.mu.Lock()
	news = news || len(is) != len(was) || len(listed) != len(r.listed)
	r.nominees, r.listed = is, listed
	c.mu.Unlock()
	if word := r.headsWord(); news && word != r.heard {
		c.share.Tell(r.key, word)
	}
	return news
}

func (c *controller) nomineeNow(ctx context.Context, r *repository, h hopes, a answers, x git.Resolution) nominee {
	n := nominee{Resolved: x.Resolved, err: x.Err}
	if n.err != nil {
		return n
	}
	fetched, err := r.mirror.Fetch(ctx, a.auth, []source.Resolved{x.Resolved})
	if err = unlessDenied(err); err == nil && len(fetched) == 1 {
		err = fetched[0].Err
	}
	if err == nil {
		n.vouched, err = c.vouch(ctx, r, a, c.baseOf(r, h, x.Ref), x.Resolved)
	}
	if err == nil {
		n.snapshot, err = r.mirror.Snapshot(ctx, x.Commit)
		err = unlessDenied(err)
	}
	n.err = err
	if err != nil {
		c.log.WarnContext(ctx, "candidate not read", "repository", r.key, "ref", x.Ref.String(), "commit", string(x.Commit), "kind", fault.KindOf(err).String(), "error", err)
	}
	return n
}

// unlessDenied has what a server does not let these credentials do tried again: that says nothing of a candidate.
func unlessDenied(err error) error {
	if err != nil && fault.KindOf(err) == fault.Denied {
		return fault.New(fault.Transient, err)
	}
	return err
}

// baseOf is the branch that a candidate is for: what came after it has to be vouched for.
func (c *controller) baseOf(r *repository, h hopes, ref source.Ref) head {
	c.mu.Lock()
	defer c.mu.Unlock()
	branch, ok := h.commits[ref.Commit]
	for p, b := range h.by {
		full := "refs/heads/" + ref.Branch
		if ref.Tag != "" {
			full = "refs/tags/" + ref.Tag
		}
		if _, means := p.Ref(full); !ok && means {
			branch = b
		}
	}
	return r.heads[branch]
}
