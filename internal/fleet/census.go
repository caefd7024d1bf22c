package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// free is how many deletions are within any percentage.
const free = 10

// Census says what the fleet says about the deletion of keys that an app claims and no longer wants. While something is unread it says just that: what would
// be said of budgets and of broken apps could be wrong.
func (f *Fleet) Census(of app.Name, keys []object.Key) plan.Census {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := plan.Census{Waiting: f.unread(), Elsewhere: map[object.Key]app.Owner{}, Suspect: map[object.Key]string{}}
	for _, k := range keys {
		if other, ok := f.elsewhere(of, k); ok {
			c.Elsewhere[k] = other.Owner()
		} else if why := f.suspect(of, k); why != "" && c.Waiting == "" {
			c.Suspect[k] = why
		}
	}
	if c.Waiting == "" {
		c.Over = f.over(Of(of))
	}
	if env := f.environments[Of(of)]; env != nil {
		c.Budget, c.Ends = fmt.Sprint(env.budget), env.budget.Everything
	}
	return c
}

// elsewhere returns another app that wants an object.
func (f *Fleet) elsewhere(of app.Name, k object.Key) (app.Name, bool) {
	var found app.Name
	for _, n := range f.wanted[k] {
		if n != of && (found == app.Name{} || n.String() < found.String()) {
			found = n
		}
	}
	return found, found != app.Name{}
}

// suspect returns why a broken app may want an object. A directory that is being moved while it is broken must not lose its objects.
func (f *Fleet) suspect(of app.Name, k object.Key) string {
	why := ""
	may := func(text string) {
		if why == "" || text < why {
			why = text
		}
	}
	left := 0
	if m := f.member(of); m != nil && m.removed {
		left = m.left
	}
	for n, m := range f.broken {
		what := "app " + n.Object() + " cannot be read"
		if n.Namespace == of.Namespace { // another tenant's mistakes are not shown around
			what += " (" + clip(m.broken) + ")"
		}
		switch {
		case n == of:
		case Of(n) == Of(of) && m.arrived == left && len(f.ClaimsOf(n)) == 0:
			may(what + " and came when this app went, so it may be the same: mend that app")
		case m.mentions != nil && m.mentions(k):
			may(what + " and its files mention the object, so it may have moved there: mend that app")
		}
	}
	for e, env := range f.environments {
		for _, s := range env.strays {
			what := "directory " + s.Dir + " of environment " + e.Name + " cannot be an app"
			switch {
			case e == Of(of) && s.arrived == left:
				may(what + " and came when this app went, so it may be the same: rename it")
			case s.Mentions != nil && s.Mentions(k):
				may(what + " and its files mention the object, so it may have moved there: rename it")
			}
		}
	}
	return why
}

// clip keeps a reason short enough to be read beside what has to be done about it.
func clip(why string) string {
	const most = 200
	if len(why) <= most {
		return why
	}
	return strings.ToValidUTF8(why[:most], "") + "…"
}

// over returns by which rule an environment's deletions exceed its budget; empty if they do not. Deletions that a person approved do not count.
func (f *Fleet) over(e Environment) string {
	env := f.environments[e]
	if env == nil {
		return ""
	}
	claimed, gone, staying := 0, 0, 0
	for n, m := range env.apps {
		claims := f.ClaimsOf(n)
		claimed += len(claims)
		if !m.removed {
			staying++
		}
		if m.broken == "" {
			gone += f.unwanted(m, claims)
		}
	}
	switch b := env.budget; {
	case gone == 0, b.Everything:
		return ""
	case staying == 0:
		return fmt.Sprintf("Git no longer has any app of environment %s, %d objects would be deleted", e.Name, gone)
	case b.MaxObjects >= 0 && gone > b.MaxObjects:
		return fmt.Sprintf("%d objects of environment %s would be deleted, more than sync.prune.maxObjects (%d)", gone, e.Name, b.MaxObjects)
	case b.MaxPercent >= 0 && gone > free && gone*100 > b.MaxPercent*claimed:
		return fmt.Sprintf("%d of the %d objects of environment %s would be deleted, more than sync.prune.maxPercent (%d)",
			gone, claimed, e.Name, b.MaxPercent)
	}
	return ""
}

// count is how many claimed objects of an app nobody wants, good as long as neither its claims nor what anybody wants changed.
type count struct {
	claims  app.Claims
	version int
	gone    int
	done    bool
}

func (f *Fleet) unwanted(m *member, claims app.Claims) int {
	if c := m.count; c.done && c.version == f.version && same(c.claims, claims) {
		return c.gone
	}
	m.count = count{claims: claims, version: f.version, done: true}
	for k, claim := range claims {
		if len(f.wanted[k]) == 0 && !claim.Confirmed { // wanted by another app, it has moved
			m.count.gone++
		}
	}
	return m.count.gone
}

// same reports whether two claims are one value: claims are never changed in place.
func same(a, b app.Claims) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

// Claims reports whether the app of an owner mark exists and wants an object, or may want it because it could not be read. It is unread if the app has to be
// read first: in the commit that is about to be read, it may not want it any more, and what it claims may have been told late.
func (f *Fleet) Claims(by app.Owner, key object.Key) (claims, unread bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.owners[by] {
		m := f.member(n)
		unread := f.pending[n] && !m.removed
		_, claimed := f.ClaimsOf(n)[key]
		if slices.Contains(f.wanted[key], n) || unread || claimed && !m.removed && m.broken != "" {
			return true, unread
		}
	}
	return false, false
}

// Knows reports whether an app was found, or was and is gone from Git.
func (f *Fleet) Knows(n app.Name) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.member(n) != nil
}

// Overtaken reports whether an app was found anew since it was read in a round: what it wanted then may be old.
func (f *Fleet) Overtaken(n app.Name, round int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.isNewest(n, round)
}

// Leaves reports whether an app was removed, and has not been found again.
func (f *Fleet) Leaves(n app.Name) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	return m != nil && m.removed
}

// isNewest has the lock.
func (f *Fleet) isNewest(n app.Name, round int) bool {
	m := f.member(n)
	return m != nil && !m.removed && m.round == round
}

// Taken returns another app that wants an object, if what an app wanted in a round may be old by now: it was found anew since, or is to be.
func (f *Fleet) Taken(n app.Name, round int, key object.Key) (by app.Owner, taken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isNewest(n, round) && !f.stale[Of(n)] {
		return app.Owner{}, false
	}
	other, taken := f.elsewhere(n, key)
	if !taken {
		return app.Owner{}, false
	}
	return other.Owner(), true
}
