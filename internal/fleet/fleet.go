package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Environment names an environment.
type Environment struct{ Namespace, Name string }

// Of is the environment of an app.
func Of(n app.Name) Environment { return Environment{Namespace: n.Namespace, Name: n.Environment} }

// Budget bounds what one commit may delete. A bound below 0 is none.
type Budget struct {
	MaxObjects, MaxPercent int
	// Everything says that a person asked for the deletion of the whole environment.
	Everything bool
}

// Fleet is all environments and their apps. It is safe for concurrent use.
type Fleet struct {
	// ClaimsOf returns what an app claims. It must not call back.
	ClaimsOf func(app.Name) app.Claims

	mu           sync.Mutex
	environments map[Environment]*environment
	wanted       map[object.Key][]app.Name // by whom: hardly ever by more than one
	owners       map[app.Owner][]app.Name
	// What follows says the same as the members do: it saves looking at all of them.
	stale   map[Environment]bool
	pending map[app.Name]bool
	broken  map[app.Name]*member
	awaited map[string]bool // repositories that have to be asked
	version int             // counts the changes of wanted
}

type environment struct {
	budget Budget
	apps   map[app.Name]*member
	sorted []app.Name // of apps; nil if it has to be made
	strays []stray
	finds  int // counts Found
	// The apps that depend on any, and those that depend on one, by its name: the same as the members' needs say.
	needing map[app.Name]bool
	needed  map[string]map[app.Name]bool
}

// Stray is a directory that would be an app if it had another name.
type Stray struct {
	Dir      string
	Mentions func(object.Key) bool // whether its files mention an object
}

type stray struct {
	Stray
	arrived int
}

// member is one app as the fleet knows it.
type member struct {
	round    int  // how often it had to be read: an answer to an earlier round is old news
	removed  bool // its directory is gone
	keys     []object.Key
	broken   string                // why it could not be read; empty if it could
	mentions func(object.Key) bool // whether its files mention an object
	arrived  int                   // in which finding of its environment it appeared
	left     int                   // and in which it was gone
	ready    bool
	needs    []string // the apps that it depends on
	count    count
}

// New returns an empty fleet.
func New(claimsOf func(app.Name) app.Claims) *Fleet {
	return &Fleet{
		ClaimsOf: claimsOf, environments: map[Environment]*environment{}, wanted: map[object.Key][]app.Name{},
		owners: map[app.Owner][]app.Name{}, stale: map[Environment]bool{}, pending: map[app.Name]bool{}, broken: map[app.Name]*member{}, awaited: map[string]bool{},
	}
}

func (f *Fleet) environment(e Environment) *environment {
	env := f.environments[e]
	if env == nil {
		env = &environment{
			budget: Budget{MaxObjects: -1, MaxPercent: -1}, apps: map[app.Name]*member{},
			needing: map[app.Name]bool{}, needed: map[string]map[app.Name]bool{},
		}
		f.environments[e] = env
	}
	return env
}

// add returns the member of a name, made if it is new: then it has to be read.
func (f *Fleet) add(n app.Name) *member {
	env := f.environment(Of(n))
	m := env.apps[n]
	if m == nil {
		m = &member{}
		env.apps[n], env.sorted = m, nil
		f.pending[n] = true
		f.owners[n.Owner()] = append(f.owners[n.Owner()], n)
	}
	return m
}

// member returns the member of a name, nil if there is none: what is told late of an app that is gone must not bring it back.
func (f *Fleet) member(n app.Name) *member {
	if env := f.environments[Of(n)]; env != nil {
		return env.apps[n]
	}
	return nil
}

// Stale tells that the apps of environments have to be found anew: until Found, nothing is deleted anywhere.
func (f *Fleet) Stale(envs ...Environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range envs {
		f.environment(e)
		f.stale[e] = true
	}
}

// IsStale reports whether the apps of an environment have to be found anew.
func (f *Fleet) IsStale(e Environment) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stale[e]
}

// Found tells which apps an environment has, which of them have to be read (again), and which it no longer has. Those that it has had may be left out of apps.
func (f *Fleet) Found(e Environment, budget Budget, apps, changed, removed []app.Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environment(e)
	env.budget = budget
	env.finds++
	delete(f.stale, e)
	for _, n := range apps {
		m := f.add(n)
		m.removed = false
		if m.arrived == 0 {
			m.arrived = env.finds
		}
	}
	for _, n := range changed {
		m := f.add(n)
		m.ready = false
		m.round++
		f.pending[n] = true
	}
	for _, n := range removed {
		m := f.add(n)
		if !m.removed {
			m.left = env.finds
		}
		m.removed, m.ready = true, false
		delete(f.pending, n)
		f.mend(n, m)
		f.setKeys(n, m, nil)
	}
}

// Strays tells which directories an environment has that cannot be apps. Tell it after Found.
func (f *Fleet) Strays(e Environment, strays []Stray) {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environment(e)
	arrived := map[string]int{}
	for _, s := range env.strays {
		arrived[s.Dir] = s.arrived
	}
	env.strays = nil
	for _, s := range strays {
		env.strays = append(env.strays, stray{s, cmp.Or(arrived[s.Dir], env.finds)})
	}
}

// Await tells that a repository may have something new: until Heard, nothing is deleted anywhere.
func (f *Fleet) Await(repository string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaited[repository] = true
}

// Heard tells that a repository was asked, and environments are stale if it had something. It reports whether that was waited for.
func (f *Fleet) Heard(repository string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.awaited[repository]
	delete(f.awaited, repository)
	return was
}

// Unfound tells that an environment could not be read: its apps are as they were.
func (f *Fleet) Unfound(e Environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.stale, e)
}

// Round is which reading of an app is due. Ask before reading: while an app is being read, a newer commit may have begun another round.
func (f *Fleet) Round(n app.Name) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.member(n); m != nil {
		return m.round
	}
	return 0
}

// Wants tells what an app wants, as read from Git in a round. It keeps keys. Nothing is heard of an app that is not, or no longer, found.
func (f *Fleet) Wants(n app.Name, round int, keys []object.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	if m == nil || m.removed {
		return
	}
	f.answered(n, m, round)
	f.mend(n, m)
	if len(keys) == 0 || len(m.keys) != len(keys) || &m.keys[0] != &keys[0] {
		f.setKeys(n, m, keys)
	}
}

// Broken tells that an app could not be read in a round, and how to ask whether its files mention an object. What it wanted before counts on.
func (f *Fleet) Broken(n app.Name, round int, why string, mentions func(object.Key) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	if m == nil || m.removed {
		return
	}
	f.answered(n, m, round)
	m.broken, m.mentions = cmp.Or(why, "no reason given"), mentions
	f.broken[n] = m
}

func (f *Fleet) answered(n app.Name, m *member, round int) {
	if m.round == round {
		delete(f.pending, n)
	}
}

func (f *Fleet) mend(n app.Name, m *member) {
	m.broken, m.mentions = "", nil
	delete(f.broken, n)
}

func (f *Fleet) setKeys(n app.Name, m *member, keys []object.Key) {
	same := func(k object.Key) bool { return slices.Contains(f.wanted[k], n) }
	if len(keys) == len(m.keys) && !slices.ContainsFunc(keys, func(k object.Key) bool { return !same(k) }) {
		m.keys = keys
		return
	}
	f.version++
	for _, k := range m.keys {
		rest := slices.DeleteFunc(f.wanted[k], func(o app.Name) bool { return o == n })
		if f.wanted[k] = rest; len(rest) == 0 {
			delete(f.wanted, k)
		}
	}
	m.keys = keys
	for _, k := range keys {
		if !slices.Contains(f.wanted[k], n) {
			f.wanted[k] = append(f.wanted[k], n)
		}
	}
}

// Gone tells that an app is no more.
func (f *Fleet) Gone(n app.Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.member(n); m != nil {
		f.forget(n, m)
	}
}

func (f *Fleet) forget(n app.Name, m *member) {
	f.setKeys(n, m, nil)
	f.mend(n, m)
	delete(f.pending, n)
	env := f.environments[Of(n)]
	env.need(n, m, nil)
	env.sorted = nil
	delete(env.apps, n)
	rest := slices.DeleteFunc(f.owners[n.Owner()], func(o app.Name) bool { return o == n })
	if f.owners[n.Owner()] = rest; len(rest) == 0 {
		delete(f.owners, n.Owner())
	}
}

// Drop tells that an environment is no more, and returns the apps that it had.
func (f *Fleet) Drop(e Environment) []app.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environments[e]
	if env == nil {
		return nil
	}
	names := slices.Collect(maps.Keys(env.apps))
	for _, n := range names {
		f.forget(n, env.apps[n])
	}
	delete(f.stale, e)
	delete(f.environments, e)
	return names
}

// Apps returns the apps of an environment, in order, those being removed included. They are shared by all who ask: nobody may change them.
func (f *Fleet) Apps(e Environment) []app.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environments[e]
	if env == nil {
		return nil
	}
	if env.sorted == nil {
		env.sorted = slices.SortedFunc(maps.Keys(env.apps), func(a, b app.Name) int { return strings.Compare(a.App, b.App) })
	}
	return env.sorted
}

// Idle reports whether every app of every environment has been read.
func (f *Fleet) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unread() == ""
}

// unread says what has not been read yet, in the same words as long as that does not change much; empty if all has. The lock is held.
func (f *Fleet) unread() string {
	switch {
	case len(f.awaited) > 0:
		return "waits until all repositories of this address are asked: it may have moved"
	case len(f.stale) == 1:
		return "waits until the apps of environment " + one(f.stale).Name + " are found: one of them may want it"
	case len(f.stale) > 1:
		return "waits until the apps of all environments are found: one of them may want it"
	case len(f.pending) == 1:
		return "waits until app " + one(f.pending).Object() + " is read: it may want it"
	case len(f.pending) > 1:
		return "waits until all apps are read: one of them may want it"
	}
	return ""
}

func one[K comparable](m map[K]bool) (k K) {
	for k = range m {
		break
	}
	return k
}
