package fleet

import (
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
type Budget struct{ MaxObjects, MaxPercent int }

// Fleet is all environments and their apps. It is safe for concurrent use.
type Fleet struct {
	// ClaimsOf returns what an app claims. It must not call back.
	ClaimsOf func(app.Name) app.Claims

	mu           sync.Mutex
	environments map[Environment]*environment
	wanted       map[object.Key]map[app.Name]bool
}

type environment struct {
	stale  bool // a newer commit is known, its apps are not found yet
	budget Budget
	apps   map[app.Name]*member
}

// member is one app as the fleet knows it.
type member struct {
	pending  bool // has to be read
	round    int  // how often it had to be: an answer to an earlier round is old news
	removed  bool // its directory is gone
	keys     []object.Key
	broken   string                // why it could not be read; empty if it could
	mentions func(object.Key) bool // whether its files mention an object
	ready    bool
	needs    []string // the apps that it depends on
}

// New returns an empty fleet.
func New(claimsOf func(app.Name) app.Claims) *Fleet {
	return &Fleet{ClaimsOf: claimsOf, environments: map[Environment]*environment{}, wanted: map[object.Key]map[app.Name]bool{}}
}

func (f *Fleet) environment(e Environment) *environment {
	env := f.environments[e]
	if env == nil {
		env = &environment{budget: Budget{-1, -1}, apps: map[app.Name]*member{}}
		f.environments[e] = env
	}
	return env
}

func (f *Fleet) member(n app.Name) *member {
	env := f.environment(Of(n))
	m := env.apps[n]
	if m == nil {
		m = &member{pending: true}
		env.apps[n] = m
	}
	return m
}

// Stale tells that the apps of environments have to be found anew: until Found, nothing is deleted anywhere.
func (f *Fleet) Stale(envs ...Environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range envs {
		f.environment(e).stale = true
	}
}

// Found tells which apps an environment has, which of them have to be read (again), and which it no longer has.
func (f *Fleet) Found(e Environment, budget Budget, apps, changed, removed []app.Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environment(e)
	env.stale, env.budget = false, budget
	for _, n := range apps {
		f.member(n).removed = false
	}
	for _, n := range changed {
		m := f.member(n)
		m.pending, m.ready = true, false
		m.round++
	}
	for _, n := range removed {
		m := f.member(n)
		m.removed, m.pending, m.broken, m.mentions = true, false, "", nil
		f.setKeys(n, m, nil)
	}
}

// Unfound tells that an environment could not be read: its apps are as they were.
func (f *Fleet) Unfound(e Environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.environment(e).stale = false
}

// Round is which reading of an app is due. Ask before reading: while an app is being read, a newer commit may have begun another round.
func (f *Fleet) Round(n app.Name) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.member(n).round
}

// Wants tells what an app wants, as read from Git in a round. It keeps keys.
func (f *Fleet) Wants(n app.Name, round int, keys []object.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	m.broken, m.mentions = "", nil
	m.pending = m.pending && m.round != round
	if len(keys) == 0 || len(m.keys) != len(keys) || &m.keys[0] != &keys[0] {
		f.setKeys(n, m, keys)
	}
}

// Broken tells that an app could not be read in a round, and how to ask whether its files mention an object. What it wanted before counts on.
func (f *Fleet) Broken(n app.Name, round int, why string, mentions func(object.Key) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	m.pending = m.pending && m.round != round
	m.broken, m.mentions = why, mentions
}

func (f *Fleet) setKeys(n app.Name, m *member, keys []object.Key) {
	for _, k := range m.keys {
		delete(f.wanted[k], n)
		if len(f.wanted[k]) == 0 {
			delete(f.wanted, k)
		}
	}
	m.keys = keys
	for _, k := range keys {
		if f.wanted[k] == nil {
			f.wanted[k] = map[app.Name]bool{}
		}
		f.wanted[k][n] = true
	}
}

// Gone tells that an app is no more.
func (f *Fleet) Gone(n app.Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environments[Of(n)]
	if env == nil || env.apps[n] == nil {
		return
	}
	f.setKeys(n, env.apps[n], nil)
	delete(env.apps, n)
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
		f.setKeys(n, env.apps[n], nil)
	}
	delete(f.environments, e)
	return names
}

// Apps returns the apps of an environment, in order, those being removed included.
func (f *Fleet) Apps(e Environment) []app.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environments[e]
	if env == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(env.apps), func(a, b app.Name) int { return strings.Compare(a.App, b.App) })
}

// Idle reports whether every app of every environment has been read.
func (f *Fleet) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unread() == ""
}

// unread says what has not been read yet; empty if all has. The lock is held.
func (f *Fleet) unread() string {
	for e, env := range f.environments {
		if env.stale {
			return "waits until the apps of environment " + e.Name + " are found"
		}
		for n, m := range env.apps {
			if m.pending {
				return "waits until app " + n.Object() + " is read: it may want the object"
			}
		}
	}
	return ""
}
