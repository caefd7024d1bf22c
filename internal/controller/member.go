package controller

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/helmrelease"
	"github.com/fairlead-cd/fairlead/internal/ignore"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// member is one app as it was found and rendered. The environment's reconciler writes where it is, the app's own reconciler what it renders to.
type member struct {
	name      app.Name
	roll      *roll       // of its environment
	mark      mark        // how it counts there
	rehearses atomic.Bool // a candidate is rehearsed with it: nobody else is told of it

	mu      sync.Mutex
	place   place
	env     *v1alpha1.Environment
	wanted  v1alpha1.Revision
	read    v1alpha1.Revision // the commit in which it was last found to be another one
	pending bool              // has to be rendered
	removed bool
	retired bool  // it was removed altogether: another member takes its place if it comes back
	broken  error // why it does not render

	working  sync.Mutex      // held while the app is worked on, or put away
	files    render.Memory   // who has working may use it
	rendered bool            // objects are what place says
	round    int             // the reading of the app that they are from
	objects  []object.Object // none if they are put away
	packed   object.Packed   // the same, if they were put away since they were rendered
	digest   string
	chart    helmrelease.Packed // of an app that is one: what Helm would record of it
	helm     recording
	origins  string // identifies the files that the objects are from; empty if nobody wants to know
	inputs   source.Inputs
	// questions are what the last render asked, cause what of it changed so that it was rendered again, and delayed why it cannot be rendered now though nothing is
	// wrong with it.
	questions  render.Asked
	cause      string
	delayed    error
	unanswered bool // it is broken because a question was not answered
	restless   restless
	decl       app.Declaration
	rules      health.Rules
	ruled      string // identifies rules; empty if there are none but the built-in ones
	declared   bool   // decl has been read

	acts     []act      // what the pass that is under way is about to do. Who has working may use it
	reverts  *reverting // what is to be reverted in Git, or was
	lookback *lookback  // for what it was, if a person asks to go back there
	asked    string     // the sync request that is being carried out
	askedAt  time.Time
	dirty    bool      // found anew since it was looked at last
	movedAt  time.Time // when its App was told last that it is somewhere else

	// refusal is why the app is not further though nothing is on its way, and how long it waited last to be tried again.
	refusal struct {
		reason string
		wait   time.Duration
	}

	hold    hold      // whether it is this process's
	given   bool      // it is another one's, and that was noted
	takenAt time.Time // when it was taken from another one, until what that one may have read is read here; else zero
	older   bool      // what was applied is not what is read here, which may be older
	behind  bool      // it is another one's, which has not said yet how it stands with what is read here

	standing
	telling telling
}

// member returns the app of a name, making it if it is new.
func (c *controller) member(n app.Name) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.apps[n.Owner()]
	if m == nil {
		m = c.join(n)
	}
	return m
}

// known returns the app of an owner; nil if nobody has found it.
func (c *controller) known(o app.Owner) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apps[o]
}

// join makes the app of a name, which nobody has. The lock is held.
func (c *controller) join(n app.Name) *member {
	m := &member{name: n, roll: c.roll(fleet.Of(n))}
	c.apps[n.Owner()] = m
	return m
}

// roll returns the roll of an environment. The lock is held.
func (c *controller) roll(e fleet.Environment) *roll {
	r := c.rolls[e]
	if r == nil {
		r = newRoll()
		c.rolls[e] = r
	}
	return r
}

// found notes where the app is now, and reports whether it has to be rendered again: if anything that its last render read or looked for has changed.
func (m *member) found(p place, env *v1alpha1.Environment) bool {
	m.mu.Lock()
	defer m.unlock()
	moved := m.place.dir != p.dir || m.place.repository != p.repository
	ruled := m.env == nil || m.env.Generation != env.Generation
	back := m.removed
	m.place, m.env, m.removed = p, env, false
	m.rehearses.Store(env.Spec.Venue != nil)
	if p.problem != nil {
		m.pending, m.dirty = true, true
		return true
	}
	if m.rendered && !m.pending && !moved && !back && !ruled {
		if same, err := m.inputs.Unchanged(p.tip.head().snapshot.Tree); err == nil && same {
			return false
		}
	}
	m.pending, m.dirty = true, true
	return true
}

// where returns where the app was found last.
func (m *member) where() place {
	m.mu.Lock()
	defer m.unlock()
	return m.place
}

// rests returns the directories that the app read or looked for something in, and the source that it was found in, if it is rendered as it was found; else no
// directories.
func (m *member) rests() ([]string, *tip) {
	m.mu.Lock()
	defer m.unlock()
	if !m.rendered || m.pending || m.removed || m.retired {
		return nil, m.place.tip
	}
	return m.inputs.Dirs(ignore.Is), m.place.tip
}

// gone notes that the app's directory is no longer there, and in which commit. Who has never found the app knows by env whose it is.
func (m *member) gone(env *v1alpha1.Environment, at v1alpha1.Revision) {
	m.mu.Lock()
	defer m.unlock()
	m.env = env
	if at.Revision != "" && !m.removed {
		m.wanted, m.read = at, at
	}
	m.removed, m.pending, m.broken, m.dirty = true, false, nil, true
	m.rendered, m.objects, m.packed, m.digest, m.inputs = true, nil, object.Packed{}, "removed", source.Inputs{}
	m.questions, m.cause, m.delayed, m.unanswered = render.Asked{}, "", nil, false
}

// unread notes that the app's source cannot be read, and why. It reports whether the app has not been rendered: what was applied before is then all that
// is known of it, and is kept true.
func (m *member) unread(env *v1alpha1.Environment, why error) bool {
	m.mu.Lock()
	defer m.unlock()
	if m.rendered {
		return false
	}
	m.env = env
	if m.place.repository == "" {
		m.broken = why
	}
	return true
}

// isKnown reports whether there is anything to go by: where the app is, that it is gone, or why neither can be told.
func (m *member) isKnown() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.place.repository != "" || m.removed || m.broken != nil
}

// retire ends the member, and reports whether its directory is back.
func (m *member) retire() bool {
	m.mu.Lock()
	defer m.unlock()
	m.retired = true
	return !m.removed
}

func (m *member) isRemoved() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.removed
}

func (m *member) isRetired() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.retired
}

// source names the source that the app was found in, as findings name those that failed; empty if it is not known.
func (m *member) source() string {
	m.mu.Lock()
	defer m.unlock()
	if m.place.repository == "" {
		return ""
	}
	return m.place.source()
}

// lens says how the app's objects are looked at. The lock is held.
func (m *member) lens() observed.Lens {
	l := observed.Lens{Rules: m.rulesIn(), Version: m.ruled + " " + m.name.Namespace + "/" + m.name.Environment + " "}
	if m.env != nil {
		l.Policy = policyOf(m.env)
		l.Version += strings.Join(l.Policy.Interactive, ",")
	}
	return l
}

// rulesIn are the rules of the app where it is. The lock is held.
func (m *member) rulesIn() health.Rules { return m.rules.In(m.name.Namespace, m.name.Environment) }

// render renders the app if it has to be. The error is one that passes by itself; what is wrong with the app is in broken.
func (c *controller) render(ctx context.Context, m *member, envRules app.Health) error {
	round := c.fleet.Round(m.name) // before the place is read: see there
	m.mu.Lock()
	// A render that ran between the finding of the app and the word of it to the fleet answers an earlier round: nobody would ever answer this one.
	p, env, pending := m.place, m.env, m.pending || !m.removed && (m.round != round || m.unanswered)
	removed := m.removed
	m.unlock()
	if removed {
		c.lookout.Release(m.name.Owner())
	}
	if env == nil || removed && !pending {
		return nil
	}
	req, asking := c.requestOf(ctx, env, m.name, nil, p.dir)
	cause := ""
	if !pending {
		var err error
		if cause, pending, err = c.reconsider(m, asking); err != nil {
			c.unheard(ctx, m, err)
		}
		if !pending {
			return nil
		}
	}
	if p.problem != nil {
		c.fleet.Broken(m.name, round, p.problem.Error(), m.mentions())
		m.take(p, p.tip.head(), round, taken{err: p.problem})
		return nil
	}
	// Without the lock: whoever looks at live objects of the app must not wait for a long render.
	began, at := c.now(), p.tip.head()
	req.Tree, req.Memory, req.Record = at.snapshot.Tree, &m.files, true
	res, err := c.renders(req)
	c.metrics.stage("render", c.now().Sub(began), err)
	if err != nil && fault.KindOf(err) == fault.Transient {
		if asking.Trouble() == nil {
			return err
		}
		c.unheard(ctx, m, err)
		return nil
	}
	if err == nil && env != nil && env.Spec.Venue != nil {
		res.Declaration = rehearsing(res.Declaration, env.Spec.Venue)
	}
	var rules health.Rules
	if err == nil {
		if rules, err = rulesFor(envRules, env, res.Declaration); err != nil {
			err = fmt.Errorf("%s: %w", path.Join(m.place.dir, app.DeclarationFile), err)
		}
	}
	res.Declaration.DependsOn = p.needs(m.name.App, res.Declaration.DependsOn)
	if again := m.take(p, at, round, taken{res, rules, ruled(envRules, res.Declaration.Health), err}); again {
		c.appQueue.add(m.name.Namespace, m.name.Object()) // who found it elsewhere may have seen it at rest, and woken nobody
	}
	c.lookout.Hold(m.name.Owner(), asking, res.Asked.Questions())
	m.mu.Lock()
	m.cause, m.unanswered = cause, err != nil && asking.Trouble() != nil
	m.unlock()
	if err != nil {
		c.fleet.Broken(m.name, round, err.Error(), m.mentions())
		c.log.WarnContext(ctx, "app does not render", "app", m.name.String(), "revision", at.Revision(), "error", err)
		return nil
	}
	for _, n := range c.fleet.Needs(m.name, res.Declaration.DependsOn) {
		c.appQueue.add(n.Namespace, n.Object())
	}
	c.log.InfoContext(ctx, "app rendered", "app", m.name.String(), "revision", at.Revision(), "objects", len(res.Objects), "kind", string(res.Kind), "since", cause)
	return nil
}

// taken is what a render gave, by which rules that is judged, or why it gave nothing.
type taken struct {
	render.Result
	rules health.Rules
	ruled string
	err   error
}

// take notes what a render of the app at p gave, when its source was at a head. If the app was found elsewhere meanwhile, it is to be rendered again, which is
// reported.
func (m *member) take(p place, at head, round int, res taken) (again bool) {
	m.mu.Lock()
	defer m.unlock()
	if m.removed {
		return false
	}
	m.pending = m.place.dir != p.dir || m.place.repository != p.repository || m.place.tip.head().snapshot.Commit != at.snapshot.Commit
	m.read, m.inputs, m.broken, m.rendered, m.round = at.revision(), res.Inputs, res.err, res.err == nil, round
	m.questions, m.delayed = res.Asked, nil
	m.sameWanted()
	if res.err != nil {
		// What it rendered to before is forgotten: only what was applied is repaired from now on.
		m.objects, m.packed, m.digest, m.chart = nil, object.Packed{}, "", helmrelease.Packed{}
		return m.pending
	}
	m.objects, m.packed, m.digest, m.origins = res.Objects, object.Packed{}, digest(res.Objects), ""
	m.chart, m.helm.again = res.Chart, time.Time{}
	if m.env != nil && policyOf(m.env).NameFiles {
		m.origins = origins(res.Objects)
	}
	m.decl, m.rules, m.ruled, m.declared = res.Declaration, res.rules, res.ruled, true
	return m.pending
}

// ruled identifies health rules, so that what was judged by others is judged anew.
func ruled(layers ...app.Health) string {
	text := ""
	for _, l := range layers {
		if len(l.Rules) > 0 {
			text += fmt.Sprintf("%q\n", l.Rules)
		}
	}
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func digest(objs []object.Object) string {
	hashes := make([]string, 0, len(objs))
	for _, o := range objs {
		hashes = append(hashes, o.Hash())
	}
	slices.Sort(hashes)
	sum := sha256.Sum256([]byte(strings.Join(hashes, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// origins identifies the files that objects are from.
func origins(objs []object.Object) string {
	lines := make([]string, 0, len(objs))
	for _, o := range objs {
		lines = append(lines, o.Key().String()+" "+o.Origin().File)
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Bounds of the search in a broken app's files: past them it is assumed that they mention the object.
const (
	mentionFiles = 500
	mentionBytes = 8 << 20
)

func (m *member) mentions() func(object.Key) bool {
	m.mu.Lock()
	defer m.unlock()
	return m.place.mentions(Destination(m.env, m.name.App))
}

// mentions returns a search for objects in the files of a directory that does not render, by their kinds and names, and by their namespaces unless that is
// the one where its objects go by default.
func (p place) mentions(namespace string) func(object.Key) bool {
	tree, dir := p.tip.head().snapshot.Tree, p.dir
	if tree == nil {
		return nil
	}
	text := sync.OnceValues(func() (string, bool) {
		var b strings.Builder
		files := 0
		err := fs.WalkDir(tree, dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if ext := path.Ext(p); ext != ".yaml" && ext != ".yml" && ext != ".json" {
				return nil
			}
			data, err := tree.ReadFile(p)
			if files++; err != nil || files > mentionFiles || b.Len() > mentionBytes {
				return fs.ErrInvalid
			}
			b.Write(data)
			b.WriteByte('\n')
			return nil
		})
		return b.String(), err == nil
	})
	return func(k object.Key) bool {
		all, whole := text()
		if !whole {
			return true
		}
		inside := k.Namespace == "" || k.Namespace == namespace || hasWord(all, k.Namespace)
		return inside && hasWord(all, k.Name) && strings.Contains(strings.ToLower(all), strings.ToLower(k.Kind))
	}
}

// hasWord reports whether a text has a name as a word of its own: not as a part of a longer name.
func hasWord(text, name string) bool {
	part := func(b byte) bool {
		return b == '-' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		begin, end := from+i, from+i+len(name)
		if (begin == 0 || !part(text[begin-1])) && (end == len(text) || !part(text[end])) {
			return true
		}
		from = begin + 1
	}
}
