package fleet

import (
	"fmt"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// free is how many deletions are within any percentage.
const free = 10

// Census says what the fleet says about the deletion of keys that an app claims and no longer wants.
func (f *Fleet) Census(of app.Name, keys []object.Key) plan.Census {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := plan.Census{Waiting: f.unread(), Elsewhere: map[object.Key]app.Owner{}, Suspect: map[object.Key]string{}}
	for _, k := range keys {
		if other, ok := f.elsewhere(of, k); ok {
			c.Elsewhere[k] = other.Owner()
		} else if why := f.suspect(of, k); why != "" {
			c.Suspect[k] = why
		}
	}
	c.Over = f.over(Of(of))
	return c
}

// elsewhere returns another app that wants an object.
func (f *Fleet) elsewhere(of app.Name, k object.Key) (app.Name, bool) {
	var found app.Name
	for n := range f.wanted[k] {
		if n != of && (found == app.Name{} || n.String() < found.String()) {
			found = n
		}
	}
	return found, found != app.Name{}
}

// suspect returns why a broken app may want an object. A directory that is being moved while it is broken must not lose its objects.
func (f *Fleet) suspect(of app.Name, k object.Key) string {
	why := ""
	for _, env := range f.environments {
		for n, m := range env.apps {
			if n == of || m.broken == "" || m.mentions == nil || !m.mentions(k) {
				continue
			}
			text := fmt.Sprintf("app %s cannot be read (%s) and its files mention the object, so it may have moved there: mend that app", n.Object(), m.broken)
			if why == "" || text < why {
				why = text
			}
		}
	}
	return why
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
		if m.broken != "" {
			continue
		}
		gone += f.unwanted(n, m, claims)
	}
	switch {
	case gone == 0:
		return ""
	case staying == 0:
		return fmt.Sprintf("Git no longer has any app of environment %s, %d objects would be deleted", e.Name, gone)
	case env.budget.MaxObjects >= 0 && gone > env.budget.MaxObjects:
		return fmt.Sprintf("%d objects of environment %s would be deleted, more than sync.prune.maxObjects (%d)", gone, e.Name, env.budget.MaxObjects)
	case env.budget.MaxPercent >= 0 && gone > free && gone*100 > env.budget.MaxPercent*claimed:
		return fmt.Sprintf("%d of the %d objects of environment %s would be deleted, more than sync.prune.maxPercent (%d)",
			gone, claimed, e.Name, env.budget.MaxPercent)
	}
	return ""
}

func (f *Fleet) unwanted(n app.Name, m *member, claims app.Claims) int {
	wants := make(map[object.Key]bool, len(m.keys))
	for _, k := range m.keys {
		wants[k] = true
	}
	count := 0
	for k, claim := range claims {
		if wants[k] || claim.Confirmed {
			continue
		}
		if _, moved := f.elsewhere(n, k); !moved {
			count++
		}
	}
	return count
}

// Claims reports whether the app of an owner mark exists and wants an object, or may want it because it could not be read.
func (f *Fleet) Claims(by app.Owner, key object.Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e, env := range f.environments {
		if e.Namespace != by.Namespace {
			continue
		}
		for n, m := range env.apps {
			if n.Object() != by.Name {
				continue
			}
			if m.removed {
				return false
			}
			_, claimed := f.ClaimsOf(n)[key]
			return f.wanted[key][n] || claimed && (m.pending || m.broken != "")
		}
	}
	return false
}
