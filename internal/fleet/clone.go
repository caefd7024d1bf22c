package fleet

import (
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Clone returns a fleet of which the same is known, for questions about what would be. What is told to one of them, the other does not hear.
func (f *Fleet) Clone(claimsOf func(app.Name) app.Claims) *Fleet {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := New(claimsOf)
	for e, env := range f.environments {
		x := &environment{
			budget: env.budget, apps: make(map[app.Name]*member, len(env.apps)), strays: slices.Clone(env.strays), finds: env.finds,
			needing: maps.Clone(env.needing), needed: make(map[string]map[app.Name]bool, len(env.needed)),
		}
		for need, by := range env.needed {
			x.needed[need] = maps.Clone(by)
		}
		for n, m := range env.apps {
			was := *m
			was.count = count{}
			x.apps[n] = &was
			if f.broken[n] == m {
				out.broken[n] = &was
			}
		}
		out.environments[e] = x
	}
	for k, by := range f.wanted {
		out.wanted[k] = slices.Clone(by)
	}
	for o, names := range f.owners {
		out.owners[o] = slices.Clone(names)
	}
	out.stale, out.pending, out.awaited = maps.Clone(f.stale), maps.Clone(f.pending), maps.Clone(f.awaited)
	out.version = f.version
	return out
}

// Wanted lists the keys that an app wants, as it was read last. The caller must not change them.
func (f *Fleet) Wanted(n app.Name) []object.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.member(n); m != nil {
		return m.keys
	}
	return nil
}
