package lookout

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// BlindAgain is how soon something is read again that may be read and not watched.
const BlindAgain = 5 * time.Minute

// SeedAgain is how soon it is asked again what generated values are drawn from: it has another answer when certificates are to be made anew.
const SeedAgain = time.Hour

// View is what a watch is of: one object, or all of a kind in a namespace, or in the whole cluster if none is named.
type View struct {
	By              app.Identity
	Resource        object.Resource
	Namespace, Name string
}

// Watches look at what was asked for. Their methods return at once.
type Watches interface {
	Begin(View)
	End(View)
	// Versions are the resourceVersions of all that is there; false as long as that is not known.
	Versions(View) (map[object.Key]string, bool)
}

// Session reads as one ServiceAccount.
type Session interface {
	// Look returns the zero Object if there is none.
	Look(ctx context.Context, r object.Resource, namespace, name string) (object.Object, error)
	List(ctx context.Context, r object.Resource, namespace string) ([]object.Object, error)
}

// Kinds are those that the cluster serves.
type Kinds interface {
	Find(context.Context, object.GVK) (object.Resource, error)
	Served(context.Context) (version string, apis []string, err error)
}

// Options are what a Lookout needs of the world.
type Options struct {
	Connect func(app.Identity) (Session, error)
	Kinds   Kinds
	Watches Watches
	// Changed is told which apps hold an answer that may be another by now. It must not block.
	Changed func(app.Owner)
	Now     func() time.Time
}

// Lookout is safe for concurrent use.
type Lookout struct {
	o Options

	mu    sync.Mutex
	kept  map[matter]*kept
	views map[View]map[matter]bool
	held  map[app.Owner]map[matter]bool
}

// matter is a question, and who asks it. What the cluster serves, and what is in no cluster, is the same for all.
type matter struct {
	by app.Identity
	q  render.Question
}

func (m matter) compare(o matter) int {
	return cmp.Or(cmp.Compare(m.by.Namespace, o.by.Namespace), cmp.Compare(m.by.ServiceAccount, o.by.ServiceAccount), m.q.Compare(o.q))
}

// kept is an answer that apps hold.
type kept struct {
	found
	stale bool // it may be another by now
	blind bool // it cannot be watched
	tried bool // and that was found out before: it is tried again now and then, since the right may have been granted
	by    map[app.Owner]bool
}

// found is an answer, and what of the cluster it was made of.
type found struct {
	answer   render.Answer
	view     View // zero: it is not watched
	versions map[object.Key]string
	at       time.Time
}

// New returns a Lookout that holds nothing.
func New(o Options) *Lookout {
	return &Lookout{o: o, kept: map[matter]*kept{}, views: map[View]map[matter]bool{}, held: map[app.Owner]map[matter]bool{}}
}

// Hold notes which answers of an asking an app goes by: those that it held before and does not ask for any more are forgotten.
func (l *Lookout) Hold(owner app.Owner, a *Asking, questions []render.Question) {
	if len(questions) == 0 && !l.holds(owner) {
		return
	}
	l.mu.Lock()
	before, now := l.held[owner], map[matter]bool{}
	var begun, ended []View
	for _, q := range questions {
		f, ok := a.found(q)
		if !ok {
			continue
		}
		m := a.matter(q)
		now[m] = true
		k := l.kept[m]
		if k == nil {
			k = &kept{by: map[app.Owner]bool{}}
			l.kept[m] = k
		}
		if k.blind && !f.at.Before(k.at.Add(BlindAgain)) {
			k.blind, k.tried = false, true
		}
		if k.by[owner] = true; !f.at.Before(k.at) {
			k.found, k.stale = f, false
		}
		if f.view != (View{}) && !k.blind {
			if l.views[f.view] == nil {
				l.views[f.view] = map[matter]bool{}
			}
			l.views[f.view][m] = true
			begun = append(begun, f.view)
		}
	}
	for _, m := range slices.SortedFunc(maps.Keys(before), matter.compare) {
		if !now[m] {
			ended = append(ended, l.drop(owner, m)...)
		}
	}
	if l.held[owner] = now; len(now) == 0 {
		delete(l.held, owner)
	}
	l.mu.Unlock()
	for _, v := range ended {
		l.o.Watches.End(v)
	}
	for _, v := range begun {
		l.o.Watches.Begin(v)
		l.Seen(v) // it may have been watched before
	}
}

// Release forgets what an app holds.
func (l *Lookout) Release(owner app.Owner) { l.Hold(owner, nil, nil) }

func (l *Lookout) holds(owner app.Owner) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[owner] != nil
}

// drop forgets that an app holds an answer, and returns what nobody has to look at any more. The lock is held.
func (l *Lookout) drop(owner app.Owner, m matter) []View {
	k := l.kept[m]
	if k == nil {
		return nil
	}
	if delete(k.by, owner); len(k.by) > 0 {
		return nil
	}
	delete(l.kept, m)
	return l.unwatch(k.view, m)
}

// unwatch notes that a view is not looked at for the sake of a matter, and returns it if it is for none. The lock is held.
func (l *Lookout) unwatch(v View, m matter) []View {
	if !l.views[v][m] {
		return nil
	}
	if delete(l.views[v], m); len(l.views[v]) > 0 {
		return nil
	}
	delete(l.views, v)
	return []View{v}
}

// Seen tells that a watch saw something, or is up to date again.
func (l *Lookout) Seen(v View) {
	l.mu.Lock()
	watched := len(l.views[v]) > 0
	l.mu.Unlock()
	if !watched {
		return
	}
	versions, known := l.o.Watches.Versions(v)
	if !known {
		return
	}
	l.doubt(func(_ matter, k *kept) bool { return k.view == v && !maps.Equal(k.versions, versions) })
}

// Blind tells that a view may not be watched: what is of it is read again now and then. It reports whether anything is.
func (l *Lookout) Blind(v View) bool {
	l.mu.Lock()
	var ended []View
	for m := range l.views[v] {
		l.kept[m].blind = true
		ended = append(ended, l.unwatch(v, m)...)
	}
	l.mu.Unlock()
	for _, v := range ended {
		l.o.Watches.End(v)
	}
	if len(ended) > 0 { // it may have changed since it was read; once that was said, it is read again when the time has come
		l.doubt(func(_ matter, k *kept) bool { return k.view == v && !k.tried })
	}
	return len(ended) > 0
}

// KindsChanged tells that the cluster may serve other kinds than before.
func (l *Lookout) KindsChanged() {
	l.doubt(func(m matter, _ *kept) bool { return m.q.About == render.AboutCluster })
}

// Told tells that a question, which is not about the cluster, may have another answer.
func (l *Lookout) Told(q render.Question) {
	l.doubt(func(m matter, _ *kept) bool { return m.q == q })
}

// doubt marks answers that may be others by now, and tells the apps that hold them.
func (l *Lookout) doubt(which func(matter, *kept) bool) {
	l.mu.Lock()
	concerned := map[app.Owner]bool{}
	for m, k := range l.kept {
		if !k.stale && which(m, k) {
			k.stale = true
			maps.Copy(concerned, k.by)
		}
	}
	l.mu.Unlock()
	for _, o := range slices.SortedFunc(maps.Keys(concerned), byName) {
		l.o.Changed(o)
	}
}

// Doubts reports whether an answer that an app holds may be another by now; and if none is, how soon one has to be asked for again all the same: zero, never.
func (l *Lookout) Doubts(owner app.Owner) (doubts bool, again time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for m := range l.held[owner] {
		k := l.kept[m]
		if k.stale {
			return true, 0
		}
		if wait := rereads(m, k); wait > 0 {
			left := k.at.Add(wait).Sub(l.o.Now())
			if left <= 0 {
				return true, 0
			}
			if again == 0 || left < again {
				again = left
			}
		}
	}
	return false, again
}

// rereads is how long an answer is taken for the same without a watch that says so; zero: for ever.
func rereads(m matter, k *kept) time.Duration {
	switch {
	case k.blind:
		return BlindAgain
	case m.q.About == render.AboutSeed:
		return SeedAgain
	}
	return 0
}

// known returns an answer that apps hold, if it is certainly still the same.
func (l *Lookout) known(m matter) (found, bool) {
	l.mu.Lock()
	k := l.kept[m]
	if k == nil || k.stale || k.blind {
		l.mu.Unlock()
		return found{}, false
	}
	f := k.found
	l.mu.Unlock()
	if f.view == (View{}) {
		return f, m.q.About == render.AboutCluster
	}
	versions, known := l.o.Watches.Versions(f.view)
	return f, known && maps.Equal(versions, f.versions)
}

func byName(a, b app.Owner) int { return cmp.Compare(a.String(), b.String()) }
