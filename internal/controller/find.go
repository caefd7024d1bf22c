package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// sourceHead is one source of an environment and what its ref names.
type sourceHead struct {
	source v1alpha1.Source
	head   head
	err    error // why there is no usable head
	soon   bool  // there may be one in a moment
	note   error // why the head may be old
}

// heads returns what every source names now, and a text that changes when any of it, or the spec, does. It is false if a repository has not been asked yet.
func (c *controller) heads(ctx context.Context, env *v1alpha1.Environment) ([]sourceHead, string, bool) {
	out := make([]sourceHead, 0, len(env.Spec.Sources))
	read := fmt.Sprint(env.Generation)
	for _, s := range env.Spec.Sources {
		x, asked := c.headOf(ctx, env.Namespace, s)
		if !asked {
			return nil, "", false
		}
		out = append(out, x)
		read += fmt.Sprintf(" %s@%s %v %t %v", s.Repository, x.head.Commit, x.err, x.soon, x.note)
	}
	return out, read, true
}

// headOf returns what one source names now; false if its repository has not been asked yet.
func (c *controller) headOf(ctx context.Context, namespace string, s v1alpha1.Source) (sourceHead, bool) {
	x := sourceHead{source: s}
	name := types.NamespacedName{Namespace: namespace, Name: s.Repository}
	var repo v1alpha1.Repository
	if err := c.client.Get(ctx, name, &repo); apierrors.IsNotFound(err) {
		x.err = fault.Newf(fault.Invalid, "Repository %s does not exist: create it, or correct spec.sources", name)
		return x, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[name]
	if r == nil {
		return x, false
	}
	h, ok := r.heads[refOf(s.Ref)]
	switch {
	case ok && h.snapshot.Tree != nil:
		x.head, x.note = h, cmp.Or(h.err, r.err)
	case ok:
		x.err = h.err
	case r.err != nil:
		x.err, x.soon = fmt.Errorf("repository %s: %w", s.Repository, r.err), !r.silent
	default:
		return x, false
	}
	return x, true
}

// finding is the apps that were found, and what stands in the way.
type finding struct {
	apps    map[string]place // by app name
	sources []v1alpha1.SourceStatus
	// failed are the sources that could not be read: their apps stay as they are.
	failed map[string]bool // by repository and path
	err    error           // why sources could not be read
	wrong  []string        // directories that cannot be apps, and why: a clause each
	torn   bool            // a source could not be read for a reason that may pass by itself
	noted  bool            // a source was read, and may be old
	soon   bool            // a repository has not been read since the start, and may be in a moment

	revisions map[string]v1alpha1.Revision // by repository and path
	strays    []place                      // directories that cannot be apps
	tips      []*tip                       // of the sources that were read
}

// revisionOf is the commit that a source was read at.
func (f finding) revisionOf(source string) v1alpha1.Revision { return f.revisions[source] }

// place is where an app was found; problem is why it cannot be used.
type place struct {
	repository, dir, pattern string
	tip                      *tip
	problem                  error
	back                     string // the candidate that the app was tried at last, and that was not moved to
}

// source names the source that a place is in, as findings name those that failed.
func (p place) source() string { return p.repository + " " + p.pattern }

// needs are the apps that one of a name waits for here: those that it names itself, and the others that its source names.
func (p place) needs(name string, declared []string) []string {
	if p.tip == nil {
		return declared
	}
	out := slices.Clone(declared)
	for _, n := range p.tip.source.DependsOn {
		if n != name && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (c *controller) findIn(heads []sourceHead) finding {
	f := finding{failed: map[string]bool{}, revisions: map[string]v1alpha1.Revision{}}
	var read []discover.Source
	var index []int // of sources, beside read
	for i, h := range heads {
		f.soon, f.noted = f.soon || h.soon, f.noted || h.note != nil
		st := v1alpha1.SourceStatus{Repository: h.source.Repository, Path: h.source.Path}
		err := h.err
		if err == nil {
			st.Revision = h.head.Revision()
			var res discover.Result
			if res, err = search(h); err == nil {
				st.Apps = int32(len(res.Found))
				f.revisions[h.source.Repository+" "+h.source.Path] = h.head.revision()
				read = append(read, discover.Source{Place: "repository " + h.source.Repository + ", " + h.source.Path, Result: res})
				f.tips = append(f.tips, newTip(h.source, h.head))
				index = append(index, i)
			}
			f.torn = f.torn || err != nil && fault.KindOf(err) != fault.Invalid
		}
		if err != nil {
			f.failed[h.source.Repository+" "+h.source.Path] = true
		}
		if err = cmp.Or(err, h.note); err != nil {
			st.Error = clipText(err.Error(), 500)
			f.err = errors.Join(f.err, err)
		}
		f.sources = append(f.sources, st)
	}
	res := discover.Merge(read...)
	f.merge(res)
	f.wrong = discover.Clauses(res.Problems)
	for i := range f.tips {
		st := &f.sources[index[i]]
		own := slices.DeleteFunc(slices.Clone(res.Problems), func(p discover.Problem) bool { return p.Source != i })
		st.Error = clipText(cmp.Or(st.Error, summary(discover.Clauses(own))), 500)
	}
	return f
}

// problem is all that stands in the way; nil if nothing does.
func (f finding) problem() error {
	if len(f.wrong) == 0 {
		return f.err
	}
	return errors.Join(f.err, fault.New(fault.Invalid, errors.New(summary(f.wrong))))
}

// summary is a line of the first clauses.
func summary(clauses []string) string {
	const most = 2
	if more := len(clauses) - most; more > 0 {
		clauses = append(slices.Clone(clauses[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(clauses, "; ")
}

// search finds the apps of one source. That its directory does not exist is an error: it is more likely a mistake than the end of every app.
func search(h sourceHead) (discover.Result, error) {
	res, err := discover.Named(h.head.snapshot.Tree, h.source.Path, h.source.Name)
	if err == nil && res.Missing != "" {
		err = fault.Newf(fault.Invalid, "directory %s does not exist in %s: no app is found there, and none is removed", res.Missing, h.head.Revision())
	}
	return res, err
}

// merge notes where each app is. A directory that cannot be used is an app with a problem: that is not the same as no app.
func (f *finding) merge(res discover.Result) {
	put := func(name, dir string, i int, problem error) {
		t := f.tips[i]
		f.apps[name] = place{repository: t.source.Repository, dir: dir, pattern: t.source.Path, tip: t, problem: problem}
	}
	f.apps = make(map[string]place, len(res.Found))
	for _, x := range res.Found {
		put(x.Name, x.Dir, x.Source, nil)
	}
	for _, p := range res.Problems {
		err := fault.Newf(fault.Invalid, "%s", p)
		if len(validation.IsDNS1123Label(p.Name)) > 0 {
			t := f.tips[p.Source]
			f.strays = append(f.strays, place{repository: t.source.Repository, dir: p.Dir, pattern: t.source.Path, tip: t, problem: err})
		} else if _, ok := f.apps[p.Name]; !ok {
			put(p.Name, p.Dir, p.Source, err)
		}
	}
}
