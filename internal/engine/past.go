package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Past is an app as it was at a commit that a person asks to go back to, and of which nothing is kept. Releasing.Past finds it. As long as it is not known, the
// request is not carried out; an error says why the app cannot go back there, and is the answer to the request.
type Past struct {
	Revision  string
	Author    string
	Committed time.Time
	Objects   []object.Object
}

// past is what became of looking for one.
type past struct {
	sought bool         // it is being looked for
	why    string       // why it was not found
	want   release.Want // zero if nothing was looked for
	bundle app.Bundle   // of want: to be stored before anything follows from it
	warns  string       // what would be lost with going back, if whoever asks is not sure
	lacks  string       // why what is kept cannot be had
}

// lookBack finds what the app was at a commit that a person asks to go back to, if none that is kept is meant. The error is one that passes by itself.
func (e *Engine) lookBack(ctx context.Context, m *memory, s Subject) error {
	m.past = past{}
	r, find := m.request, s.Releasing.Past
	if r == nil || !r.Asked.Back || r.Asked.To.Revision == "" || find == nil || len(m.keptAt(r.Asked.To.Revision)) > 0 {
		return nil
	}
	was, known, err := find(r.Asked.To.Revision)
	switch {
	case !known:
		m.past.sought = true
		return nil
	case err != nil:
		m.past.why = err.Error()
		return nil
	}
	git := m.placed
	defer func() { m.placed = git }()
	s.Rendered, s.Objects, s.Digest, s.Files = true, func() []object.Object { return was.Objects }, "past "+was.Revision, ""
	if err := e.place(ctx, m, s); fault.KindOf(err) == fault.Invalid && err != nil {
		m.past.why = "at " + was.Revision + ", " + err.Error()
		return nil
	} else if err != nil {
		return err
	}
	m.past.bundle.Digest = m.placed.bundle
	m.past.bundle.Objects = m.placed.all()
	m.past.want = release.Want{
		Digest: m.placed.bundle, None: m.placed.bundle == nothing, Revision: was.Revision, Author: was.Author, Committed: was.Committed, Images: imagesOf(m.past.bundle.Objects),
	}
	return nil
}

// Unsure begins the answer to who asks to go back, and has to say that he is sure of it before anything is done.
const Unsure = "nothing is done until you are sure of what goes: "

// weigh finds out whether there still is what a person asks to go back to, and what would be lost with it, unless he is sure. The error is one that passes by
// itself.
func (e *Engine) weigh(ctx context.Context, m *memory, s Subject) error {
	r := m.request
	if r == nil || !r.Asked.Back || m.past.sought {
		return nil
	}
	asked, _ := m.resolve(r.Asked)
	if asked == nil {
		return nil
	}
	to := cmp.Or(asked.To, m.releases.Before())
	if to.Digest != m.past.bundle.Digest && to.Digest != m.releases.Current.Want.Digest { // somebody may have deleted it
		_, err := e.keptBundle(ctx, s.Name, to)
		if fault.KindOf(err) == fault.Invalid && err != nil {
			m.past.lacks = "what is kept of " + to.Revision + " cannot be had: " + err.Error() + "; --to names any other commit"
			return nil
		} else if err != nil {
			return err
		}
	}
	if r.Asked.Sure {
		return nil
	}
	lost, err := e.lost(ctx, m, s.Name, m.releases.Released, to)
	if err != nil {
		return err
	}
	m.past.warns = strings.Join(lost, "; ")
	return nil
}

// lost is what CustomResourceDefinitions lose on the way from one want to another.
func (e *Engine) lost(ctx context.Context, m *memory, n app.Name, from, to release.Want) ([]string, error) {
	defines := func(k object.Key) bool {
		return k.GroupKind() == object.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	}
	if from.IsZero() || to.IsZero() || from.Digest == to.Digest || !slices.ContainsFunc(m.record.Claims.Keys(), defines) {
		return nil, nil
	}
	was, err := e.keptBundle(ctx, n, from)
	if err != nil {
		return nil, fmt.Errorf("compare with %s: %w", from.Revision, err)
	}
	is := m.past.bundle.Objects
	if m.past.bundle.Digest != to.Digest {
		if is, err = e.keptBundle(ctx, n, to); err != nil {
			return nil, fmt.Errorf("compare with %s: %w", to.Revision, err)
		}
	}
	return diff.Definitions(was, is), nil
}

// sayLost adds to the reason of a way back that has just begun what CustomResourceDefinitions lose with it. Was is how far the releases were.
func (e *Engine) sayLost(ctx context.Context, m *memory, s Subject, was release.State, records []release.Release) {
	cur := &m.releases.Current
	if cur.Phase != release.RollingBack || was.Current.Phase == release.RollingBack {
		return
	}
	lost, err := e.lost(ctx, m, s.Name, was.Released, m.releases.Released)
	if err != nil {
		e.Log.WarnContext(ctx, "not known what going back takes away", "app", s.Name.String(), "error", err)
	}
	if len(lost) == 0 {
		return
	}
	cur.Why += "; going back takes away: " + strings.Join(lost, "; ")
	for i := range records {
		if records[i].Serial == cur.Serial && records[i].Phase == cur.Phase {
			records[i].Why = cur.Why
		}
	}
}

// resolve finds the want that a person asks to go back to, or says why there is none.
func (m *memory) resolve(a release.Asked) (*release.Asked, string) {
	switch {
	case a.Lift && !m.releases.GivenUp():
		return nil, "nothing of it was rolled back"
	case !a.Back:
		return &a, ""
	case m.past.lacks != "":
		return nil, m.past.lacks
	case m.past.warns != "":
		return nil, Unsure + m.past.warns
	case a.To.Revision == "":
		if before := m.releases.Before(); before.IsZero() || before.Digest == m.releases.Released.Digest {
			return nil, "there is nothing else that was good before; --to names any commit"
		}
		return &a, ""
	}
	switch meant := m.keptAt(a.To.Revision); {
	case len(meant) > 1:
		return nil, fmt.Sprintf("%s may be more than one commit: %s", a.To.Revision, strings.Join(meant.revisions(), ", "))
	case len(meant) == 1:
		a.To = meant[0]
	case m.past.why != "":
		return nil, fmt.Sprintf("%s; kept are %s", m.past.why, strings.Join(wants(m.releases.Kept()).revisions(), ", "))
	case m.past.want.IsZero():
		return nil, fmt.Sprintf("commit %s is none that is kept: %s", a.To.Revision, strings.Join(wants(m.releases.Kept()).revisions(), ", "))
	default:
		a.To = m.past.want
	}
	if a.To.None {
		return nil, fmt.Sprintf("at %s the app has no objects: remove its directory in Git if that is what you want", a.To.Revision)
	}
	return &a, ""
}

type wants []release.Want

func (w wants) revisions() []string {
	var out []string
	for _, x := range w {
		out = append(out, x.Revision)
	}
	return out
}

// keptAt are the wants that are kept of a commit, by its id or the first digits of that.
func (m *memory) keptAt(commit string) (out wants) {
	for _, w := range m.releases.Kept() {
		if id := w.Revision[strings.LastIndex(w.Revision, ":")+1:]; w.Revision == commit || strings.HasPrefix(id, commit) {
			out = append(out, w)
		}
	}
	return out
}

// also is what is to be stored beside what is applied, of all that is kept.
func (m *memory) also(keep []string) app.Bundle {
	if b := m.past.bundle; b.Digest != "" && slices.Contains(keep, b.Digest) {
		return b
	}
	return app.Bundle{}
}
